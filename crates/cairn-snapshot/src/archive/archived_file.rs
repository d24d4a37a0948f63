//! `ArchivedFile`: a part of a timeline's log in the archive, and how it is read and checked.

use super::record_stream::{RecordStream, Source};
use super::segment_header::SegmentHeader;
use super::segment_name::Span;
use super::trailer::{TRAILER_BYTES, Trailer};
use crate::codec::FRAME_BYTES;
use crate::digest::Hasher;
use crate::error::{Error, Result};
use cairn_disk::{Access, File, Storage};
use cairn_engine::TimelineId;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The largest zstd window that a frame of [`FRAME_BYTES`] needs.
const WINDOW_LOG_MAX: u32 = FRAME_BYTES.ilog2();

/// A file whose name and trailer agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchivedFile {
    pub path: PathBuf,
    pub trailer: Trailer,
}

impl ArchivedFile {
    /// Reads the trailer of the file of `span` in a timeline's directory. The frames are not looked at.
    pub fn open(storage: &dyn Storage, dir: &Path, timeline: TimelineId, span: Span) -> Result<ArchivedFile> {
        let path = dir.join(span.log_name());
        let file = storage.open(&path, Access::Read)?;
        let trailer = Trailer::read(file.as_ref(), timeline, span)?;
        Ok(ArchivedFile { path, trailer })
    }

    /// The LSNs in it.
    pub fn span(&self) -> Span {
        self.trailer.span
    }

    /// Its length.
    pub fn stored_bytes(&self) -> u64 {
        self.trailer.frame_bytes.saturating_add(TRAILER_BYTES as u64)
    }

    /// Its records from the first on. The last one comes only if the whole file's SHA-256 is right.
    pub fn records(&self, storage: &dyn Storage) -> Result<RecordStream<Frames>> {
        let Trailer { database, timeline, span, plain_bytes, .. } = self.trailer;
        let source = Frames::open(storage, &self.path, self.trailer)?;
        RecordStream::open(source, SegmentHeader { database, timeline, base: span.first }, plain_bytes)
    }

    /// Reads and checks all of it; `go_on` is asked between records.
    pub fn verify(&self, storage: &dyn Storage, go_on: impl Fn() -> Result<()>) -> Result<()> {
        let mut records = self.records(storage)?;
        while records.step()? {
            go_on()?;
        }
        Ok(())
    }
}

/// The decompressed bytes of an archived file.
pub(crate) struct Frames {
    decoder: zstd::stream::read::Decoder<'static, BufReader<Stored>>,
    path: PathBuf,
    trailer: Trailer,
}

impl Frames {
    fn open(storage: &dyn Storage, path: &Path, trailer: Trailer) -> Result<Frames> {
        let file = storage.open(path, Access::Read)?;
        let stored =
            Stored { file, at: 0, end: trailer.frame_bytes, hasher: Hasher::default(), failed: None };
        let made = zstd::stream::read::Decoder::new(stored).and_then(|mut decoder| {
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Ok(decoder)
        });
        let decoder = made.map_err(|e| Error::Bug(format!("zstd: {e}")))?;
        Ok(Frames { decoder, path: path.to_owned(), trailer })
    }

    fn decode(&mut self, buf: &mut [u8]) -> Result<usize> {
        let decoded = self.decoder.read(buf);
        decoded.map_err(|e| match self.decoder.get_mut().get_mut().failed.take() {
            Some(disk) => disk.into(),
            None => Error::damaged(&self.path, None, "undecodable log", "whole zstd frames", e),
        })
    }
}

impl Source for Frames {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.decode(buf)
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn offsets(&self) -> &'static str {
        " (decompressed)"
    }

    fn finish(&mut self, last: u64, last_us: i64) -> Result<()> {
        if self.decode(&mut [0])? > 0 {
            let expected = format!("{} bytes", self.trailer.plain_bytes);
            return Err(Error::damaged(&self.path, None, "size mismatch (decompressed)", expected, "more"));
        }
        let stored = self.decoder.get_mut().get_mut();
        let Stored { at, hasher, .. } = stored;
        if *at != self.trailer.frame_bytes {
            let (expected, actual) = (format!("{} bytes", self.trailer.frame_bytes), format!("{at} bytes"));
            return Err(Error::damaged(&self.path, None, "size mismatch", expected, actual));
        }
        let sha256 = std::mem::take(hasher).finish();
        if sha256 != self.trailer.sha256 {
            return Err(Error::damaged(&self.path, None, "SHA-256 mismatch", self.trailer.sha256, sha256));
        }
        let expected = (self.trailer.span.last, self.trailer.last_us);
        if (last, last_us) != expected {
            let shown = |(lsn, us)| format!("LSN {lsn} of {us} µs");
            return Err(Error::damaged(
                &self.path,
                None,
                "last record",
                shown(expected),
                shown((last, last_us)),
            ));
        }
        Ok(())
    }
}

/// Reads the frames of a file, hashing what passes.
pub(crate) struct Stored {
    file: Box<dyn File>,
    at: u64,
    end: u64,
    hasher: Hasher,
    /// `io::Error` would lose what it was.
    failed: Option<cairn_disk::Error>,
}

impl Read for Stored {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buf.len().min(left);
        match self.file.read_at(self.at, &mut buf[..room]) {
            Ok(got) => {
                self.hasher.update(&buf[..got]);
                self.at += got as u64;
                Ok(got)
            }
            Err(e) => {
                self.failed = Some(e);
                Err(io::Error::other("reading failed"))
            }
        }
    }
}
