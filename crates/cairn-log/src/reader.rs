//! `Reader`: the records of a log from an offset on, streamed.

use crate::record::{Record, RecordRef};
use crate::recovery::follows;
use crate::scan::{Place, RecordScan, Stop};
use crate::segment::{Extent, LogSegment, SegmentHeader};
use crate::{LogConfig, Result};
use std::collections::VecDeque;
use std::sync::Arc;

/// A segment, and how far of it is read.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub segment: Arc<LogSegment>,
    pub end: Extent,
}

/// Reads a log in order, up to where it ended when the reader was made. Later appends, a new segment,
/// [`crate::Log::remove_before`] and [`crate::Log::compact`] don't disturb it.
///
/// It holds one buffer of 256 KiB, or of the longest record at hand. Every checksum is checked; after an error it ends.
/// As an iterator it copies each record; [`Reader::next_ref`] does not.
#[derive(Debug)]
pub struct Reader {
    config: LogConfig,
    scan: Option<RecordScan>,
    /// What comes after the scan's segment.
    rest: VecDeque<Part>,
}

impl Reader {
    /// Reads `parts`, which follow each other, from `offset`, which is in the first (or the end of the last).
    pub(crate) fn new(config: &LogConfig, parts: Vec<Part>, offset: u64) -> Result<Reader> {
        let mut rest = VecDeque::from(parts);
        let scan = match rest.pop_front() {
            Some(first) if offset < first.end.next_offset => Some(seek(config, &first, offset)?),
            _ => None,
        };
        Ok(Reader { config: config.clone(), scan, rest })
    }

    /// The next record, borrowed from the buffer; `None` at the end.
    pub fn next_ref(&mut self) -> Option<Result<RecordRef<'_>>> {
        match self.advance() {
            Ok(true) => self.scan.as_ref().map(|scan| Ok(scan.current())),
            Ok(false) => None,
            Err(e) => {
                self.scan = None;
                self.rest.clear();
                Some(Err(e.into()))
            }
        }
    }

    fn advance(&mut self) -> Result<bool, cairn_disk::Error> {
        while let Some(scan) = &mut self.scan {
            if step(scan)? {
                return Ok(true);
            }
            let place = scan.place();
            self.scan = match self.rest.pop_front() {
                Some(part) => {
                    let scan = begin(&self.config, &part, place.last_timestamp_us)?;
                    follows(scan.file().path(), Some(place.into()), part.segment.base)?;
                    Some(scan)
                }
                None => None,
            };
        }
        Ok(false)
    }
}

impl Iterator for Reader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_ref().map(|record| record.map(|r| r.to_record()))
    }
}

/// The offset of the first record of `part` with a timestamp of at least `timestamp_us`; `None` when there is none.
pub(crate) fn find_time(config: &LogConfig, part: &Part, timestamp_us: i64) -> Result<Option<u64>> {
    // An offset past the end is the index's mistake: a record there is not before a time that is in the segment.
    let guess = Some(part.segment.offset_before(timestamp_us)?).filter(|o| *o < part.end.next_offset);
    let guess = guess.unwrap_or(part.segment.base);
    let mut scan = seek(config, part, guess)?;
    let mut before = None;
    while step(&mut scan)? {
        let record = scan.current();
        if record.timestamp_us < timestamp_us {
            before = Some(record.offset);
        } else if before.is_some() || guess == part.segment.base {
            return Ok(Some(record.offset));
        } else {
            // The index is not borne out: what it named is not before the time.
            scan = begin(config, part, i64::MIN)?;
            before = Some(part.segment.base);
        }
    }
    Ok(None)
}

/// A scan that stands before `offset`.
fn seek(config: &LogConfig, part: &Part, offset: u64) -> Result<RecordScan, cairn_disk::Error> {
    let near = part.segment.place_before(offset)?;
    let first = part.segment.first();
    if near.position != first.position && near.position < part.end.bytes {
        let mut scan = begin_at(config, part, near)?;
        match skip_to(&mut scan, offset) {
            Ok(()) => return Ok(scan),
            Err(Stop::Disk(e)) => return Err(e),
            // The log itself tells whether it or its index is wrong.
            Err(Stop::Flaw(_)) => {}
        }
    }
    let mut scan = begin_at(config, part, first)?;
    skip_to(&mut scan, offset).map_err(|stop| stop.into_error(scan.file(), scan.place().position))?;
    Ok(scan)
}

fn skip_to(scan: &mut RecordScan, offset: u64) -> Result<(), Stop> {
    while scan.place().offset < offset && scan.step()? {
        // In a compacted segment the record itself may be missing: the next one is what is wanted.
        if scan.current().offset >= offset {
            scan.step_back();
        }
    }
    Ok(())
}

fn step(scan: &mut RecordScan) -> Result<bool, cairn_disk::Error> {
    scan.step().map_err(|stop| stop.into_error(scan.file(), scan.place().position))
}

fn begin(config: &LogConfig, part: &Part, last_timestamp_us: i64) -> Result<RecordScan, cairn_disk::Error> {
    begin_at(config, part, Place { last_timestamp_us, ..part.segment.first() })
}

fn begin_at(config: &LogConfig, part: &Part, place: Place) -> Result<RecordScan, cairn_disk::Error> {
    let file = part.segment.open()?;
    let header = SegmentHeader::read(&*file)?;
    header.belongs(file.path(), config, part.segment.base)?;
    Ok(RecordScan::new(file, place, part.end.bytes).compacted(header.compacted))
}
