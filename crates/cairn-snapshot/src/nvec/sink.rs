//! Where the bytes of a `.nvec` file go: nowhere, to learn their number and CRC, or into a file.

use crate::error::Result;
use crate::job::{Job, Meter};
use cairn_disk::File;

/// How much is written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Takes bytes, in order.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    fn u32(&mut self, value: u32) -> Result<()> {
        self.put(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> Result<()> {
        self.put(&value.to_le_bytes())
    }

    /// A string: u32 length and UTF-8 bytes.
    fn text(&mut self, text: &str) -> Result<()> {
        let bytes = u32::try_from(text.len()).expect("ids and names are limited to u16 bytes");
        self.u32(bytes)?;
        self.put(text.as_bytes())
    }
}

/// Bytes that were measured: how many, and their sum so far.
#[derive(Default, Clone)]
pub(crate) struct Measured {
    pub bytes: u64,
    crc: crc32fast::Hasher,
}

impl Measured {
    pub(crate) fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }
}

/// Counts and sums up what it is given.
#[derive(Default)]
pub(crate) struct Measure {
    bytes: u64,
    crc: crc32fast::Hasher,
    /// Small fields are summed up together.
    pending: Vec<u8>,
}

impl Measure {
    pub(crate) fn finish(mut self) -> Measured {
        self.sum();
        Measured { bytes: self.bytes, crc: self.crc }
    }

    /// As if those bytes were put here.
    pub(crate) fn add(&mut self, measured: &Measured) {
        self.sum();
        self.bytes += measured.bytes;
        self.crc.combine(&measured.crc);
    }

    fn sum(&mut self) {
        self.crc.update(&self.pending);
        self.pending.clear();
    }
}

impl Sink for Measure {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= 64 << 10 {
            self.sum();
        }
        Ok(())
    }
}

/// Appends to a file through a buffer, and sums up all of it.
pub(crate) struct FileSink<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    flushed: u64,
    crc: crc32fast::Hasher,
    job: &'a Job<'a>,
    meter: Meter<'a>,
}

impl<'a> FileSink<'a> {
    pub(crate) fn new(file: &'a dyn File, bytes_total: u64, job: &'a Job<'a>) -> FileSink<'a> {
        FileSink {
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            flushed: 0,
            crc: crc32fast::Hasher::new(),
            job,
            meter: Meter::new(job, 1, bytes_total),
        }
    }

    /// Bytes put so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// The CRC-32 of all bytes put so far.
    pub(crate) fn crc(&self) -> u32 {
        let mut crc = self.crc.clone();
        crc.update(&self.buffer);
        crc.finalize()
    }

    /// Writes what is buffered.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.meter.file(0, 0);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.job.go_on()?;
        let bytes = self.buffer.len() as u64;
        self.crc.update(&self.buffer);
        self.file.append(&self.buffer)?;
        self.buffer.clear();
        self.flushed += bytes;
        self.meter.bytes(bytes, bytes);
        Ok(())
    }
}

impl Sink for FileSink<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }
}
