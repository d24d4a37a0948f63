//! `RecordScan`: the records of one segment file, in order, every one checked.

use crate::compacted::{COMPACTED_HEADER_BYTES, Compacted};
use crate::record::{Flaw, HEAD_BYTES, Head, RecordRef};
use crate::segment::Extent;
use cairn_disk::{Error, File};
use std::sync::Arc;

/// How much is read at once; more only for a record that is longer. The first reads are shorter: a lookup of one record
/// should not cost a buffer.
const BUFFER_BYTES: usize = 256 << 10;
const FIRST_READ_BYTES: usize = 8 << 10;

/// Where a scan stands: before the record at `position`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The record's position in the file.
    pub position: u64,
    /// The record's offset.
    pub offset: u64,
    /// The predecessor's timestamp; `i64::MIN` when not known.
    pub last_timestamp_us: i64,
}

impl From<Place> for Extent {
    /// What is before the place.
    fn from(place: Place) -> Extent {
        Extent {
            next_offset: place.offset,
            bytes: place.position,
            last_timestamp_us: place.last_timestamp_us,
        }
    }
}

/// Why a scan stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The disk failed.
    Disk(Error),
    /// The bytes at the scan's position are not the record that belongs there.
    Flaw(Flaw),
}

impl Stop {
    /// As an error about `file`.
    pub fn into_error(self, file: &dyn File, position: u64) -> Error {
        match self {
            Stop::Disk(e) => e,
            Stop::Flaw(flaw) => flaw.at(file.path(), position),
        }
    }
}

/// Reads the records of a file up to a fixed end.
#[derive(Debug)]
pub(crate) struct RecordScan {
    file: Arc<dyn File>,
    /// The file's bytes that count.
    end: u64,
    /// Of a compacted segment: offsets ascend with holes up to its end.
    compacted: Option<Compacted>,
    /// The next record is one that an index names: a hole before it would be the index's mistake.
    named: bool,
    buffer: Vec<u8>,
    /// How much the next read asks for.
    read_bytes: usize,
    /// The unread part of the buffer; it begins at `place.position`, or `current` bytes before it.
    start: usize,
    filled: usize,
    place: Place,
    head: Head,
    /// The length of the record that `step` found last.
    current: usize,
}

impl RecordScan {
    /// Begins at `place`; reads nothing yet.
    pub fn new(file: Arc<dyn File>, place: Place, end: u64) -> Self {
        RecordScan {
            file,
            end,
            compacted: None,
            named: false,
            buffer: Vec::new(),
            read_bytes: FIRST_READ_BYTES,
            start: 0,
            filled: 0,
            place,
            head: Head::default(),
            current: 0,
        }
    }

    /// The file is a compacted segment's, if `compacted` says so.
    pub fn compacted(mut self, compacted: Option<Compacted>) -> Self {
        self.named = self.place.position != COMPACTED_HEADER_BYTES as u64;
        self.compacted = compacted;
        self
    }

    /// Before the next record; where a flaw is, after one was returned.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The file.
    pub fn file(&self) -> &dyn File {
        &*self.file
    }

    /// Moves to the next record, which [`RecordScan::current`] then shows; `false` at the end.
    pub fn step(&mut self) -> Result<bool, Stop> {
        self.start += std::mem::take(&mut self.current);
        let left = self.end.saturating_sub(self.place.position);
        if left == 0 {
            self.pass_last_hole();
            return Ok(false);
        }
        if left < HEAD_BYTES as u64 {
            return Err(Stop::Flaw(Flaw::Short { expected: HEAD_BYTES as u64, actual: left }));
        }
        self.fill(HEAD_BYTES)?;
        let head = Head::read(&self.buffer[self.start..self.filled]).map_err(Stop::Flaw)?;
        let bytes = head.record_bytes(left).map_err(Stop::Flaw)?;
        self.fill(bytes)?;
        head.check(&mut self.buffer[self.start..self.start + bytes]).map_err(Stop::Flaw)?;
        self.follows(&head).map_err(Stop::Flaw)?;
        self.named = false;
        self.head = head;
        self.current = bytes;
        self.place.position += bytes as u64;
        self.place.offset = head.offset.saturating_add(1);
        self.place.last_timestamp_us = head.timestamp_us;
        Ok(true)
    }

    /// Goes back before the record that the last successful step found.
    pub fn step_back(&mut self) {
        self.place = Place {
            position: self.current_position(),
            offset: self.head.offset,
            last_timestamp_us: self.head.timestamp_us,
        };
        self.current = 0;
    }

    /// The record that the last successful step found.
    pub fn current(&self) -> RecordRef<'_> {
        self.head.view(&self.buffer[self.start..self.start + self.current])
    }

    /// Its bytes.
    pub fn current_bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.current]
    }

    /// The last record read knew that everything before this offset was durable.
    pub fn durable_to(&self) -> Option<u64> {
        self.head.durable_to()
    }

    /// The position of the current record.
    pub fn current_position(&self) -> u64 {
        self.place.position - self.current as u64
    }

    /// At the end of a compacted segment's records: what came after them is no longer there.
    fn pass_last_hole(&mut self) {
        if let Some(compacted) = &self.compacted {
            self.place.offset = compacted.end_offset;
            self.place.last_timestamp_us = self.place.last_timestamp_us.max(compacted.last_timestamp_us);
        }
    }

    fn follows(&self, head: &Head) -> Result<(), Flaw> {
        let follows = match &self.compacted {
            Some(compacted) if !self.named => {
                (self.place.offset..compacted.end_offset).contains(&head.offset)
            }
            _ => head.offset == self.place.offset,
        };
        if !follows {
            return Err(Flaw::Offset { expected: self.place.offset, actual: head.offset });
        }
        if head.timestamp_us < self.place.last_timestamp_us {
            return Err(Flaw::Time { expected: self.place.last_timestamp_us, actual: head.timestamp_us });
        }
        Ok(())
    }

    /// Has at least `need` bytes in the buffer; the caller knows that the file has them.
    fn fill(&mut self, need: usize) -> Result<(), Stop> {
        if self.filled - self.start >= need {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        let want = need.max(self.read_bytes);
        self.read_bytes = (self.read_bytes * 4).min(BUFFER_BYTES);
        if self.buffer.len() != want {
            self.buffer.resize(want, 0);
            self.buffer.shrink_to(want);
        }
        while self.filled < need {
            let at = self.place.position + self.filled as u64;
            let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let room = (self.buffer.len() - self.filled).min(left);
            let got = self
                .file
                .read_at(at, &mut self.buffer[self.filled..self.filled + room])
                .map_err(Stop::Disk)?;
            if got == 0 {
                return Err(Stop::Flaw(Flaw::Short { expected: need as u64, actual: self.filled as u64 }));
            }
            self.filled += got;
        }
        Ok(())
    }
}
