//! `RecordStream`: the records of one segment's bytes, wherever they come from, every one checked.

use super::segment_header::{HEADER_BYTES, SegmentHeader};
use crate::error::{Error, Result};
use cairn_log::Record;
use cairn_log::record::{self, Flaw, HEAD_BYTES};
use std::path::Path;

/// How much is asked for at once; more is held only for a record that is longer.
const BUFFER_BYTES: usize = 256 << 10;

/// Where a segment's bytes come from, in order.
pub(crate) trait Source {
    /// Reads at most `buf.len()` bytes; 0 at the end.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize>;

    /// The file, for errors.
    fn path(&self) -> &Path;

    /// What offsets in errors count: nothing for the file's own bytes, ` (decompressed)`.
    fn offsets(&self) -> &'static str;

    /// Called once all bytes that count were read: after LSN `last`, of time `last_us`.
    fn finish(&mut self, last: u64, last_us: i64) -> Result<()>;
}

/// Reads records in order. Of a length that a record claims no more is allocated than came.
pub(crate) struct RecordStream<S> {
    source: S,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Of `start`, among the segment's bytes.
    position: u64,
    /// Where the bytes that count end.
    end: u64,
    next: u64,
    last_us: i64,
    /// The length of the record that [`RecordStream::step`] found last.
    current: usize,
}

impl<S: Source> RecordStream<S> {
    /// The stream of a whole segment of `end` bytes, whose header is checked.
    pub fn open(source: S, header: SegmentHeader, end: u64) -> Result<Self> {
        let mut stream = Self::resume(source, 0, end, header.base);
        stream.fill(HEADER_BYTES)?;
        let (bytes, _) = stream.buffer.split_first_chunk().expect("the buffer holds a header");
        header.check(stream.source.path(), bytes)?;
        stream.start = HEADER_BYTES;
        stream.position = HEADER_BYTES as u64;
        Ok(stream)
    }

    /// The stream from `position` on, where LSN `next` is; `source` begins there.
    pub fn resume(source: S, position: u64, end: u64, next: u64) -> Self {
        let buffer = Vec::new();
        RecordStream {
            source,
            buffer,
            start: 0,
            filled: 0,
            position,
            end,
            next,
            last_us: i64::MIN,
            current: 0,
        }
    }

    /// The LSN of the next record.
    pub fn next_lsn(&self) -> u64 {
        self.next
    }

    /// The position after the last record that was found.
    pub fn position(&self) -> u64 {
        self.position + self.current as u64
    }

    /// The time of the last record that was found.
    pub fn last_us(&self) -> i64 {
        self.last_us
    }

    /// Moves to the next record, whose bytes [`RecordStream::bytes`] then shows; `false` at the end.
    pub fn step(&mut self) -> Result<bool> {
        let Some(bytes) = self.load()? else { return Ok(false) };
        let range = self.start..self.start + bytes;
        let found = record::decode(&mut self.buffer[range]).map(|r| (r.offset, r.timestamp_us));
        let (offset, time_us) = found.map_err(|flaw| self.flaw(flaw))?;
        self.accept(bytes, offset, time_us)?;
        Ok(true)
    }

    /// The next record, as a copy.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        let Some(bytes) = self.load()? else { return Ok(None) };
        let range = self.start..self.start + bytes;
        let found = record::decode(&mut self.buffer[range]).map(|r| r.to_record());
        let record = found.map_err(|flaw| self.flaw(flaw))?;
        self.accept(bytes, record.offset, record.timestamp_us)?;
        Ok(Some(record))
    }

    /// The bytes of the record that the last step found.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.current]
    }

    /// Has the whole next record in the buffer; its length.
    fn load(&mut self) -> Result<Option<usize>> {
        self.start += self.current;
        self.position += std::mem::take(&mut self.current) as u64;
        let left = self.end.saturating_sub(self.position);
        if left == 0 {
            return Ok(None);
        }
        let short = |expected| Flaw::Short { expected, actual: left };
        if left < HEAD_BYTES as u64 {
            return Err(self.flaw(short(HEAD_BYTES as u64)));
        }
        self.fill(HEAD_BYTES)?;
        let mut body = [0; 4];
        body.copy_from_slice(&self.buffer[self.start..self.start + 4]);
        let bytes = u64::from(u32::from_le_bytes(body)) + 8;
        if bytes < HEAD_BYTES as u64 {
            return Err(self.flaw(Flaw::Length(u32::from_le_bytes(body))));
        }
        match usize::try_from(bytes) {
            Ok(need) if bytes <= left => {
                self.fill(need)?;
                Ok(Some(need))
            }
            _ => Err(self.flaw(short(bytes))),
        }
    }

    fn accept(&mut self, bytes: usize, offset: u64, time_us: i64) -> Result<()> {
        if offset != self.next {
            return Err(self.flaw(Flaw::Offset { expected: self.next, actual: offset }));
        }
        if time_us < self.last_us {
            return Err(self.flaw(Flaw::Time { expected: self.last_us, actual: time_us }));
        }
        self.current = bytes;
        self.next = offset.saturating_add(1);
        self.last_us = time_us;
        if self.position() == self.end {
            // Before the last record is believed, everything that vouches for the whole is asked.
            self.source.finish(offset, time_us)?;
        }
        Ok(())
    }

    /// Has at least `need` bytes in the buffer.
    fn fill(&mut self, need: usize) -> Result<()> {
        if self.filled - self.start >= need {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        while self.filled < need {
            if self.buffer.len() < self.filled + BUFFER_BYTES {
                self.buffer.resize(self.filled + BUFFER_BYTES, 0);
            }
            let left = self.end - self.position - self.filled as u64;
            let room = (self.buffer.len() - self.filled).min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = self.source.read(&mut self.buffer[self.filled..self.filled + room])?;
            if got == 0 {
                let flaw = Flaw::Short { expected: need as u64, actual: self.filled as u64 };
                return Err(self.flaw(flaw));
            }
            self.filled += got;
        }
        Ok(())
    }

    fn flaw(&self, flaw: Flaw) -> Error {
        let (what, expected, actual) = match flaw {
            Flaw::Short { expected, actual } => {
                ("size mismatch", format!("{expected} bytes"), format!("{actual} bytes"))
            }
            Flaw::Crc { expected, actual } => {
                ("CRC mismatch", format!("0x{expected:08x}"), format!("0x{actual:08x}"))
            }
            Flaw::Offset { expected, actual } => ("LSN mismatch", expected.to_string(), actual.to_string()),
            Flaw::Time { expected, actual } => {
                ("timestamp", format!("at least {expected}"), actual.to_string())
            }
            Flaw::Length(actual) => ("body length", "at least 24".to_owned(), actual.to_string()),
            Flaw::Flags(actual) => ("flags", "a key length that fits".to_owned(), format!("0x{actual:08x}")),
        };
        let what = format!("{what}{}", self.source.offsets());
        Error::damaged(self.source.path(), Some(self.position), what, expected, actual)
    }
}
