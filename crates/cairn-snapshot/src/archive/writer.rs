//! `LogFileWriter`: writes an archived file under a temporary name, then gives it its own.

use super::archived_file::ArchivedFile;
use super::segment_header::SegmentHeader;
use super::segment_name::{Span, TMP};
use super::trailer::Trailer;
use crate::codec::FRAME_BYTES;
use crate::digest::Hasher;
use crate::error::{Error, Result};
use cairn_disk::{File, Storage};
use std::io;
use std::path::{Path, PathBuf};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

/// As fast as snapshots compress: a log that cannot keep up with its writers helps nobody.
const LEVEL: i32 = 1;

/// Writes one archived file, record by record, in independent frames of [`FRAME_BYTES`], each with zstd's own checksum.
pub(crate) struct LogFileWriter<'a> {
    storage: &'a dyn Storage,
    dir: &'a Path,
    header: SegmentHeader,
    tmp: PathBuf,
    file: Box<dyn File>,
    encoder: Compressor<'static>,
    /// Plain bytes that are not yet a frame.
    plain: Vec<u8>,
    out: Vec<u8>,
    hasher: Hasher,
    plain_bytes: u64,
    frame_bytes: u64,
    /// The times of the first record and the last.
    times: Option<(i64, i64)>,
    last: u64,
}

impl<'a> LogFileWriter<'a> {
    /// Begins the file of the records from `header.base` to `last` in `dir`, in place of an unfinished one.
    pub fn create(
        storage: &'a dyn Storage,
        dir: &'a Path,
        header: SegmentHeader,
        last: u64,
    ) -> Result<LogFileWriter<'a>> {
        let tmp = dir.join(format!("{}{TMP}", Span { first: header.base, last }.log_name()));
        let mut encoder = Compressor::new(LEVEL).map_err(zstd_failed)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true)).map_err(zstd_failed)?;
        if storage.stat(&tmp)?.is_some() {
            storage.remove(&tmp)?;
        }
        let file = storage.create(&tmp)?;
        let plain = header.to_bytes().to_vec();
        let (out, hasher, times) = (Vec::new(), Hasher::default(), None);
        let (plain_bytes, frame_bytes) = (plain.len() as u64, 0);
        Ok(LogFileWriter {
            storage,
            dir,
            header,
            tmp,
            file,
            encoder,
            plain,
            out,
            hasher,
            plain_bytes,
            frame_bytes,
            times,
            last,
        })
    }

    /// Adds the bytes of the next record.
    pub fn push(&mut self, time_us: i64, record: &[u8]) -> Result<()> {
        self.times = Some((self.times.map_or(time_us, |(first, _)| first), time_us));
        self.plain.extend_from_slice(record);
        self.plain_bytes += record.len() as u64;
        let whole = self.plain.len() / FRAME_BYTES * FRAME_BYTES;
        if whole > 0 {
            let rest = self.plain.split_off(whole);
            let plain = std::mem::replace(&mut self.plain, rest);
            plain.chunks(FRAME_BYTES).try_for_each(|frame| self.frame(frame))?;
        }
        Ok(())
    }

    fn frame(&mut self, plain: &[u8]) -> Result<()> {
        self.out.clear();
        self.out.reserve(compress_bound(plain.len()));
        self.encoder.compress_to_buffer(plain, &mut self.out).map_err(zstd_failed)?;
        self.hasher.update(&self.out);
        self.file.append(&self.out)?;
        self.frame_bytes += self.out.len() as u64;
        // Frame by frame: a sync of the write-ahead log may have to wait for what is dirty here.
        Ok(self.file.sync()?)
    }

    /// Makes the file durable and gives it its name; a file of that name is replaced.
    pub fn publish(mut self) -> Result<ArchivedFile> {
        let rest = std::mem::take(&mut self.plain);
        if !rest.is_empty() {
            self.frame(&rest)?;
        }
        let SegmentHeader { database, timeline, base } = self.header;
        let span = Span { first: base, last: self.last };
        let (first_us, last_us) =
            self.times.ok_or_else(|| Error::Bug(format!("{}: no records", self.tmp.display())))?;
        let trailer = Trailer {
            database,
            timeline,
            span,
            first_us,
            last_us,
            plain_bytes: self.plain_bytes,
            frame_bytes: self.frame_bytes,
            sha256: self.hasher.finish(),
        };
        self.file.append(&trailer.to_bytes())?;
        self.file.sync()?;
        let path = self.dir.join(span.log_name());
        self.storage.rename(&self.tmp, &path)?;
        self.storage.sync_dir(self.dir)?;
        Ok(ArchivedFile { path, trailer })
    }
}

/// Compressing in memory fails for want of memory or by a bug, never for what the bytes are.
fn zstd_failed(e: io::Error) -> Error {
    Error::Bug(format!("zstd: {e}"))
}
