//! Opening what holds a `.nvec`: the file itself, in gzip or zstd, or the directory layout.

use super::directory;
use super::header::{HEADER_BYTES, MAGIC};
use super::wrapped::{Unwrapped, codec_of};
use crate::codec::Codec;
use crate::error::Result;
use cairn_disk::{Access, File, FileType, Storage};
use std::path::Path;
use std::sync::Arc;

/// Opens the file at `path`, whatever its name: its first bytes say how it is wrapped. What its header gives as its length bounds
/// what is decompressed.
pub(crate) fn open(storage: &dyn Storage, path: &Path) -> Result<Box<dyn File>> {
    if storage.stat(path)?.is_some_and(|stat| stat.file_type == FileType::Dir) {
        return directory::open(storage, path);
    }
    let file = storage.open(path, Access::Read)?;
    let mut head = [0; 4];
    let n = file.read_at(0, &mut head)?;
    match codec_of(&head[..n]) {
        Codec::Raw => Ok(file),
        codec => Ok(Box::new(Unwrapped::open(Arc::from(file), codec, said_bytes)?)),
    }
}

/// The length that the first bytes of a `.nvec` give; of anything else no more than a header is read.
fn said_bytes(head: &[u8]) -> u64 {
    let bytes = head.get(32..40).filter(|_| head.starts_with(MAGIC)).and_then(|b| b.try_into().ok());
    bytes.map_or(HEADER_BYTES, u64::from_le_bytes)
}
