//! A log part: a range of the log's records, as a part of an incremental snapshot.
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | 8 bytes | `CAIRNSLG` |
//! | 8 | u32 | version, 1 |
//! | 12 | u32 | zero |
//! | 16 | 16 bytes | database |
//! | 32 | 16 bytes | timeline |
//! | 48 | u64 | first LSN |
//! | 56 | i64 | a time not later than the first record's, microseconds since the Unix epoch, UTC |
//! | 64 | … | records, to the end |
//!
//! A record: how many LSNs before it are left out, being of other collections; microseconds since the record before; bytes of the
//! value; the value (a mutation). The three numbers are LEB128, at most ten bytes. Its checksum is the part's name.

use crate::error::{Error, Result};
use crate::part::Part;
use cairn_engine::{DatabaseId, LoggedRecord, Lsn, TimelineId};
use std::path::Path;

const MAGIC: &[u8; 8] = b"CAIRNSLG";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;

/// Plain bytes after which a new log part begins.
pub(crate) const LOG_PART_BYTES: usize = 8 << 20;
/// Plain bytes up to which the last log part of a base is written again with what follows it: otherwise a chain of small
/// snapshots would name many small parts.
pub(crate) const LOG_PART_REWRITTEN_BYTES_MAX: u64 = 32 << 10;
/// The longest log part: one record past [`LOG_PART_BYTES`], which is at most as long as the log allows.
pub(crate) const LOG_PART_BYTES_MAX: u64 = 128 << 20;

/// The log's records from one LSN to another, as a snapshot names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPart {
    /// The timeline whose log they are of.
    pub timeline: TimelineId,
    /// The first LSN.
    pub first: Lsn,
    /// The last one. Records of collections that the snapshot does not cover are left out.
    pub last: Lsn,
    /// How many records there are.
    pub records: u64,
    /// Where they are.
    pub part: Part,
}

/// A log part while it is filled.
#[derive(Debug, Clone)]
pub(crate) struct LogPartBuilder {
    pub timeline: TimelineId,
    pub first: Lsn,
    /// The last LSN that is in it or left out.
    pub last: Lsn,
    pub records: u64,
    /// LSNs left out since the last record.
    left_out: u64,
    last_us: i64,
    pub bytes: Vec<u8>,
}

impl LogPartBuilder {
    pub(crate) fn new(
        database: DatabaseId,
        timeline: TimelineId,
        first: Lsn,
        time_us: i64,
    ) -> LogPartBuilder {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        bytes.extend_from_slice(&database.0);
        bytes.extend_from_slice(&timeline.0);
        bytes.extend_from_slice(&first.0.to_le_bytes());
        bytes.extend_from_slice(&time_us.to_le_bytes());
        let last = Lsn(first.0.saturating_sub(1));
        LogPartBuilder { timeline, first, last, records: 0, left_out: 0, last_us: time_us, bytes }
    }

    /// Goes on with a part that was written before.
    pub(crate) fn resume(path: &Path, old: &LogPart, database: DatabaseId, bytes: Vec<u8>) -> Result<Self> {
        let mut last_us = 0;
        let (mut records, mut last) = (0, old.first.0.saturating_sub(1));
        for record in LogPartReader::open(path, database, old, &bytes)? {
            let record = record?;
            (records, last, last_us) = (records + 1, record.lsn.0, record.time_us);
        }
        let (timeline, first) = (old.timeline, old.first);
        if records == 0 {
            last_us = i64::from_le_bytes(bytes[56..64].try_into().expect("eight bytes"));
        }
        let left_out = old.last.0 - last;
        Ok(LogPartBuilder { timeline, first, last: old.last, records, left_out, last_us, bytes })
    }

    /// The next record, which follows [`LogPartBuilder::last`].
    pub(crate) fn push(&mut self, record: LoggedRecord<'_>) {
        put_number(&mut self.bytes, self.left_out);
        put_number(&mut self.bytes, record.time_us.saturating_sub(self.last_us).max(0) as u64);
        put_number(&mut self.bytes, record.value.len() as u64);
        self.bytes.extend_from_slice(record.value);
        self.last_us = self.last_us.max(record.time_us);
        (self.last, self.left_out) = (record.lsn, 0);
        self.records += 1;
    }

    /// The record with this LSN is of another collection.
    pub(crate) fn leave_out(&mut self, lsn: Lsn) {
        (self.last, self.left_out) = (lsn, self.left_out + 1);
    }

    /// What a record adds, at most.
    pub(crate) fn bytes_of(value: &[u8]) -> u64 {
        value.len() as u64 + 12
    }
}

fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads the records of a log part. What the bytes say is foreign: their hash is right, but not whoever wrote them.
pub(crate) struct LogPartReader<'a> {
    path: &'a Path,
    part: LogPart,
    bytes: &'a [u8],
    at: usize,
    next: u64,
    last_us: i64,
    failed: bool,
}

impl<'a> LogPartReader<'a> {
    /// Checks the header against what the snapshot says. `path` is for errors.
    pub(crate) fn open(
        path: &'a Path,
        database: DatabaseId,
        part: &LogPart,
        bytes: &'a [u8],
    ) -> Result<LogPartReader<'a>> {
        let bad = |at: u64, what: &str, expected: String, actual: String| {
            Error::damaged(path, Some(at), what, expected, actual)
        };
        let Some(header) = bytes.get(..HEADER_BYTES) else {
            let (expected, actual) =
                (format!("at least {HEADER_BYTES} bytes"), format!("{} bytes", bytes.len()));
            return Err(Error::damaged(path, None, "size mismatch", expected, actual));
        };
        if &header[..8] != MAGIC {
            return Err(bad(0, "magic", "CAIRNSLG".to_owned(), format!("{:?}", &header[..8])));
        }
        let version = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
        if version != VERSION {
            return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: version });
        }
        if header[12..16] != [0; 4] {
            return Err(bad(12, "reserved bytes", "zero".to_owned(), format!("{:?}", &header[12..16])));
        }
        if header[16..32] != database.0 {
            return Err(bad(16, "database", database.to_string(), hex(&header[16..32])));
        }
        if header[32..48] != part.timeline.0 {
            return Err(bad(32, "timeline", part.timeline.to_string(), hex(&header[32..48])));
        }
        let first = u64::from_le_bytes(header[48..56].try_into().expect("eight bytes"));
        if first != part.first.0 {
            return Err(bad(48, "first LSN", part.first.to_string(), first.to_string()));
        }
        let last_us = i64::from_le_bytes(header[56..64].try_into().expect("eight bytes"));
        Ok(LogPartReader { path, part: *part, bytes, at: HEADER_BYTES, next: first, last_us, failed: false })
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn record(&mut self) -> Option<LoggedRecord<'a>> {
        let (left_out, elapsed, length) = (self.number()?, self.number()?, self.number()?);
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let value = self.bytes.get(self.at..end)?;
        self.at = end;
        let lsn = self.next.checked_add(left_out)?;
        self.next = lsn.checked_add(1)?;
        self.last_us = self.last_us.checked_add(i64::try_from(elapsed).ok()?)?;
        (lsn <= self.part.last.0).then_some(LoggedRecord {
            timeline: self.part.timeline,
            lsn: Lsn(lsn),
            time_us: self.last_us,
            value,
        })
    }

    /// The time of the last record that was read.
    pub(crate) fn last_us(&self) -> i64 {
        self.last_us
    }
}

impl<'a> Iterator for LogPartReader<'a> {
    type Item = Result<LoggedRecord<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.at == self.bytes.len() {
            return None;
        }
        let at = self.at as u64;
        match self.record() {
            Some(record) => Some(Ok(record)),
            None => {
                self.failed = true;
                let expected = format!("whole records up to LSN {}", self.part.last);
                let actual = format!("none after LSN {}", self.next.saturating_sub(1));
                Some(Err(Error::damaged(self.path, Some(at), "undecodable log part", expected, actual)))
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
