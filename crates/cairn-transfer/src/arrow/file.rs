//! A file as the Arrow crates want it: read from any place.

use crate::error::{Error, Result};
use crate::input::Input;
use bytes::Bytes;
use cairn_disk::File;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place in a file of a disk.
#[derive(Clone)]
pub(super) struct FileReader {
    file: Arc<dyn File>,
    bytes: u64,
    at: u64,
    /// What was read, for the caller's progress.
    raw: Arc<AtomicU64>,
}

impl FileReader {
    /// The file of an input; a stream, or a file that is compressed as a whole, cannot be read from any place.
    pub fn new(input: &Input, format: crate::Format) -> Result<FileReader> {
        let stored = input.stored().filter(|_| input.compression() == crate::Compression::None);
        let Some(stored) = stored else {
            let name = input.name();
            return Err(Error::Input(format!(
                "{name}: {format} is read from an uncompressed file, not a stream"
            )));
        };
        Ok(FileReader {
            file: Arc::clone(&stored.file),
            bytes: stored.bytes,
            at: 0,
            raw: input.raw_counter(),
        })
    }
}

impl Read for FileReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(self.at, bytes).map_err(io::Error::other)?;
        self.at += n as u64;
        self.raw.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Seek for FileReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Length for FileReader {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for FileReader {
    type T = BufReader<FileReader>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(FileReader { at: start, ..self.clone() }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.bytes);
        if end.is_none() {
            let message = format!("{length} bytes at {start}, in a file of {}", self.bytes);
            return Err(ParquetError::EOF(message));
        }
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(start, &mut bytes);
        read.map_err(|e| ParquetError::External(Box::new(e)))?;
        self.raw.fetch_add(length as u64, Ordering::Relaxed);
        Ok(bytes.into())
    }
}
