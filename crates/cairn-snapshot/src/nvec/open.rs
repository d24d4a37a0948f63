//! Opening what holds a `.nvec`: the file itself, in gzip or zstd, or the directory layout.

use super::directory;
use super::header::{HEADER_BYTES, MAGIC};
use super::wrapped::{Unwrapped, codec_of};
use crate::codec::Codec;
use crate::error::Result;
use crate::job::{Job, Meter};
use cairn_disk::{Access, File, FileType, Storage};
use std::path::Path;
use std::sync::Arc;

/// An open `.nvec`.
pub(crate) struct Opened {
    pub file: Box<dyn File>,
    /// What was read, decompressed, to open it.
    pub passed_bytes: u64,
}

/// Opens the file at `path`, whatever its name: its first bytes say how it is wrapped. What its header gives as its length bounds
/// what is decompressed. A compressed one is read to its end, which the job watches and may stop.
pub(crate) fn open(storage: &dyn Storage, path: &Path, job: &Job<'_>) -> Result<Opened> {
    if storage.stat(path)?.is_some_and(|stat| stat.file_type == FileType::Dir) {
        return directory::open(storage, path, job);
    }
    let file = storage.open(path, Access::Read)?;
    let mut head = [0; 4];
    let n = file.read_at(0, &mut head)?;
    let codec = match codec_of(&head[..n]) {
        Codec::Raw => return Ok(Opened { file, passed_bytes: 0 }),
        codec => codec,
    };
    let mut meter: Option<Meter<'_>> = None;
    let unwrapped = Unwrapped::open(Arc::from(file), codec, said_bytes, &mut |most, bytes| {
        job.go_on()?;
        let begun = || Meter::new(job, 1, most.saturating_mul(READINGS));
        meter.get_or_insert_with(begun).bytes(bytes, 0);
        Ok(())
    })?;
    let passed_bytes = unwrapped.bytes()?;
    Ok(Opened { file: Box::new(unwrapped), passed_bytes })
}

/// How often a compressed file is read: for its length, for its CRCs, for its content.
pub(crate) const READINGS: u64 = 3;

/// The length that the first bytes of a `.nvec` give; of anything else no more than a header is read.
fn said_bytes(head: &[u8]) -> u64 {
    let bytes = head.get(32..40).filter(|_| head.starts_with(MAGIC)).and_then(|b| b.try_into().ok());
    bytes.map_or(HEADER_BYTES, u64::from_le_bytes)
}
