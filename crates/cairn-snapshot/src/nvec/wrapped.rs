//! A `.nvec` file in gzip or zstd: written as it is compressed, read as if it were plain.

use crate::codec::{Codec, Compression, FRAME_BYTES, FrameEncoder, decoder};
use crate::error::Result;
use cairn_disk::{Bytes, File};
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

type DiskResult<T> = std::result::Result<T, cairn_disk::Error>;

/// How a path's ending says that a file is compressed.
pub(crate) fn compression_of(path: &Path) -> Compression {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Compression::Gzip { level: 6 },
        Some("zst") => Compression::default(),
        _ => Compression::None,
    }
}

/// How a file's first bytes say that it is compressed.
pub(crate) fn codec_of(head: &[u8]) -> Codec {
    match head {
        [0x1f, 0x8b, ..] => Codec::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Codec::Zstd,
        _ => Codec::Raw,
    }
}

/// What is appended goes into a file compressed, in frames of a MiB that stand alone.
pub(crate) struct Wrapping {
    inner: Box<dyn File>,
    state: Mutex<Encoding>,
}

struct Encoding {
    encoder: FrameEncoder,
    pending: Vec<u8>,
    /// Plain bytes so far.
    bytes: u64,
    frames: u64,
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapping").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Wrapping {
    pub(crate) fn new(inner: Box<dyn File>, compression: Compression) -> Result<Wrapping> {
        let encoder = crate::part_writer::new_encoder(compression)?;
        let state = Encoding { encoder, pending: Vec::new(), bytes: 0, frames: 0 };
        Ok(Wrapping { inner, state: Mutex::new(state) })
    }

    fn flush(&self, state: &mut Encoding, upto: usize) -> DiskResult<()> {
        let failed = |e| cairn_disk::Error::io("compress", self.inner.path(), e);
        let rest = state.pending.split_off(upto);
        self.inner.append(state.encoder.encode(&state.pending).map_err(failed)?)?;
        state.pending = rest;
        state.frames += 1;
        Ok(())
    }
}

/// What no wrapped file can do.
fn unsupported(path: &Path) -> cairn_disk::Error {
    cairn_disk::Error::io("use as a plain file", path, io::ErrorKind::Unsupported.into())
}

impl File for Wrapping {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn bytes(&self) -> DiskResult<u64> {
        Ok(self.state.lock().bytes)
    }

    fn read_at(&self, _offset: u64, _buf: &mut [u8]) -> DiskResult<usize> {
        Err(unsupported(self.path()))
    }

    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        let state = &mut *self.state.lock();
        state.bytes += bytes.len() as u64;
        state.pending.extend_from_slice(bytes);
        while state.pending.len() >= FRAME_BYTES {
            self.flush(state, FRAME_BYTES)?;
        }
        Ok(())
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> DiskResult<()> {
        Err(unsupported(self.path()))
    }

    fn truncate(&self, _bytes: u64) -> DiskResult<()> {
        Err(unsupported(self.path()))
    }

    /// Nothing may be appended after it.
    fn sync(&self) -> DiskResult<()> {
        let state = &mut *self.state.lock();
        if !state.pending.is_empty() || state.frames == 0 {
            let all = state.pending.len();
            self.flush(state, all)?;
        }
        self.inner.sync()
    }

    fn map(&self) -> DiskResult<Box<dyn Bytes>> {
        Err(unsupported(self.path()))
    }
}

/// Readers of one file at a time, each somewhere else: a section and the notes beside it are read together.
const CURSORS_MAX: usize = 6;
/// How much is decoded at once on the way to a place.
const SKIP_BYTES: usize = 64 << 10;

/// A compressed file, read as its plain bytes, in a bounded memory. Reading on is cheap; going back begins anew.
pub(crate) struct Unwrapped {
    inner: Arc<dyn File>,
    codec: Codec,
    bytes: u64,
    /// The least recently used first.
    cursors: Mutex<Vec<Cursor>>,
}

struct Cursor {
    at: u64,
    plain: Box<dyn Read + Send>,
}

impl fmt::Debug for Unwrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwrapped")
            .field("inner", &self.inner)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Unwrapped {
    /// Reads all of it once to learn how long it is, `bytes_max` at most and one byte more: whoever knows how long it should
    /// be sees that it is not. `pass` is told that most and how many bytes more were read, after each piece; its error ends it.
    pub(crate) fn open(
        inner: Arc<dyn File>,
        codec: Codec,
        bytes_max: impl FnOnce(&[u8]) -> u64,
        pass: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Unwrapped> {
        let mut unwrapped = Unwrapped { inner, codec, bytes: u64::MAX, cursors: Mutex::new(Vec::new()) };
        let mut head = vec![0; HEAD_BYTES];
        let read = unwrapped.fill(0, &mut head)?;
        head.truncate(read);
        let said = bytes_max(&head);
        let most = said.saturating_add(1);
        let (mut at, mut buffer) = (read as u64, vec![0; SKIP_BYTES]);
        pass(said, at)?;
        while at < most {
            let n = unwrapped.fill(at, &mut buffer)?;
            at += n as u64;
            pass(said, n as u64)?;
            if n == 0 {
                break;
            }
        }
        unwrapped.bytes = at;
        Ok(unwrapped)
    }

    /// Reads until `buf` is full or the file ends.
    fn fill(&self, offset: u64, buf: &mut [u8]) -> DiskResult<usize> {
        let mut done = 0;
        while done < buf.len() {
            let n = self.read_at(offset + done as u64, &mut buf[done..])?;
            if n == 0 {
                break;
            }
            done += n;
        }
        Ok(done)
    }

    /// The cursor that has the shortest way to a place.
    fn cursor(&self, cursors: &mut Vec<Cursor>, offset: u64) -> io::Result<Cursor> {
        let near = (0..cursors.len()).filter(|i| cursors[*i].at <= offset).max_by_key(|i| cursors[*i].at);
        if let Some(i) = near {
            return Ok(cursors.remove(i));
        }
        if cursors.len() >= CURSORS_MAX {
            cursors.remove(0);
        }
        let stored = Stored { file: Arc::clone(&self.inner), at: 0 };
        Ok(Cursor { at: 0, plain: foreign_decoder(self.codec, stored)? })
    }

    fn failed(&self, e: io::Error) -> cairn_disk::Error {
        let text = e.to_string();
        match e.into_inner().map(|inner| inner.downcast::<cairn_disk::Error>()) {
            Some(Ok(disk)) => *disk,
            _ => cairn_disk::Error::Corrupt {
                path: self.inner.path().to_owned(),
                offset: None,
                what: "undecodable file",
                expected: format!("whole {} data", self.codec.name()),
                actual: text,
            },
        }
    }
}

/// As parts are decoded, but with as much memory as other tools' files need by default: 128 MiB at most.
fn foreign_decoder(codec: Codec, stored: Stored) -> io::Result<Box<dyn Read + Send>> {
    if codec != Codec::Zstd {
        return decoder(codec, stored);
    }
    let mut decoder = zstd::stream::read::Decoder::new(stored)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(Box::new(decoder))
}

/// What `zstd -d` takes without being told.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How much of a file says what it is.
const HEAD_BYTES: usize = 64;

impl File for Unwrapped {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn bytes(&self) -> DiskResult<u64> {
        Ok(self.bytes)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> DiskResult<usize> {
        let wanted = self.bytes.saturating_sub(offset).min(buf.len() as u64) as usize;
        let cursors = &mut *self.cursors.lock();
        let mut cursor = self.cursor(cursors, offset).map_err(|e| self.failed(e))?;
        let mut skipped = [0; SKIP_BYTES];
        let read = |cursor: &mut Cursor, buf: &mut [u8]| {
            let n = cursor.plain.read(buf).map_err(|e| self.failed(e))?;
            cursor.at += n as u64;
            Ok::<usize, cairn_disk::Error>(n)
        };
        while cursor.at < offset {
            let n = (offset - cursor.at).min(SKIP_BYTES as u64) as usize;
            if read(&mut cursor, &mut skipped[..n])? == 0 {
                return Ok(0);
            }
        }
        let n = read(&mut cursor, &mut buf[..wanted])?;
        cursors.push(cursor);
        Ok(n)
    }

    fn append(&self, _bytes: &[u8]) -> DiskResult<()> {
        Err(unsupported(self.path()))
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> DiskResult<()> {
        Err(unsupported(self.path()))
    }

    fn truncate(&self, _bytes: u64) -> DiskResult<()> {
        Err(unsupported(self.path()))
    }

    fn sync(&self) -> DiskResult<()> {
        Err(unsupported(self.path()))
    }

    fn map(&self) -> DiskResult<Box<dyn Bytes>> {
        Err(unsupported(self.path()))
    }
}

/// Reads a stored file from a place on.
struct Stored {
    file: Arc<dyn File>,
    at: u64,
}

impl Read for Stored {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(self.at, buf).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}
