//! `Inspection`: what a look at every byte of a log found. Changes nothing.

use crate::error::corrupt;
use crate::index::{self, IndexEntry, OffsetEntry, Samples, TimeEntry};
use crate::listing::Listing;
use crate::proof::proves_damage;
use crate::record::HEAD_BYTES;
use crate::recovery::{Cut, follows, is_torn_creation, scan_whole};
use crate::segment::{Extent, LogSegment, SegmentHeader};
use crate::{Error, LogConfig, Result};
use cairn_disk::{File, Storage};
use std::path::PathBuf;
use std::sync::Arc;

/// What is in a log, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// Its segments, oldest first.
    pub segments: Vec<SegmentReport>,
    /// Whole records.
    pub records: u64,
    /// The first record's offset; `None` when there is none.
    pub first_offset: Option<u64>,
    /// The offset after the last whole record's; [`LogConfig::start`] when there is none.
    pub next_offset: u64,
    /// The bytes of its `.log` files.
    pub bytes: u64,
    /// The end that a crash left torn, and that [`crate::Log::open`] would cut: no damage.
    pub torn: Option<Cut>,
    /// Damage to records or segments: each names its file and position.
    pub damage: Vec<Error>,
    /// Missing, short or damaged indexes of sealed segments. No data is lost: they are rebuilt, and until then not
    /// believed.
    pub index_damage: Vec<Error>,
    /// Temporary files, which [`crate::Log::open`] would remove.
    pub temporary: Vec<PathBuf>,
}

/// What is in one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its `.log`.
    pub path: PathBuf,
    /// Its first record's offset.
    pub base_offset: u64,
    /// Whole records, up to the first that is none.
    pub records: u64,
    /// The length of its `.log`.
    pub bytes: u64,
    /// The first timestamp, microseconds.
    pub first_timestamp_us: Option<i64>,
    /// The last timestamp, microseconds.
    pub last_timestamp_us: Option<i64>,
}

pub(crate) fn inspect(storage: &Arc<dyn Storage>, config: &LogConfig) -> Result<Inspection> {
    if storage.stat(&config.dir)?.is_none() {
        return Err(Error::NoLog { dir: config.dir.clone() });
    }
    let listing = Listing::read(&**storage, &config.dir)?;
    let inspection =
        Inspection { temporary: listing.temporary, next_offset: config.start, ..Inspection::default() };
    let mut inspector = Inspector { storage, config, before: None, inspection };
    for (i, &base) in listing.bases.iter().enumerate() {
        let newest = i + 1 == listing.bases.len();
        inspector.segment(base, newest, listing.bases.len())?;
    }
    Ok(inspector.inspection)
}

struct Inspector<'a> {
    storage: &'a Arc<dyn Storage>,
    config: &'a LogConfig,
    /// Where the segment before ends, when that is known.
    before: Option<Extent>,
    inspection: Inspection,
}

impl Inspector<'_> {
    fn segment(&mut self, base: u64, newest: bool, segments: usize) -> Result<()> {
        let segment = LogSegment::new(self.storage, &self.config.dir, base, Samples::default());
        let file = segment.open()?;
        let bytes = file.bytes()?;
        self.inspection.bytes += bytes;
        self.note(follows(file.path(), self.before, base));
        match SegmentHeader::read(&*file) {
            Ok(header) => {
                segment.note_header(&header);
                self.note(header.belongs(file.path(), self.config, base));
            }
            Err(e) if newest && is_torn_creation(&e, &*file)? => {
                // As in recovery: after segments that were removed, it was synced once.
                if segments == 1 && base != self.config.start {
                    self.note(Err(e));
                } else {
                    let segment = segment.log_path();
                    self.inspection.torn = Some(Cut { segment, at: 0, bytes, offset: base });
                }
                return Ok(());
            }
            Err(e) => self.note(Err(e)),
        }
        self.records(&segment, &file, bytes, newest)
    }

    fn note(&mut self, result: Result<(), cairn_disk::Error>) {
        self.inspection.damage.extend(result.err().map(Error::from));
    }

    fn records(
        &mut self,
        segment: &LogSegment,
        file: &Arc<dyn File>,
        bytes: u64,
        newest: bool,
    ) -> Result<()> {
        let mut indexes = if newest { None } else { self.load_indexes(segment, bytes)? };
        let (mut records, mut first_offset, mut first, mut last) = (0, None, None, None);
        let whole = scan_whole(segment, file, self.before, |record, position| {
            if let Some(indexes) = &mut indexes {
                indexes.note(record.offset - segment.base, position, record.timestamp_us, last);
            }
            first_offset = first_offset.or(Some(record.offset));
            first = first.or(Some(record.timestamp_us));
            last = Some(record.timestamp_us);
            records += 1;
        })?;
        let path = segment.log_path();
        match whole.flaw {
            None => self.before = Some(whole.end),
            Some((flaw, position)) if !newest || proves_damage(&**file, whole.end)? => {
                self.before = None;
                self.note(Err(flaw.at(&path, position)));
            }
            Some((_, at)) => {
                let (bytes, offset) = (bytes - at, whole.end.next_offset);
                self.inspection.torn = Some(Cut { segment: path.clone(), at, bytes, offset });
            }
        }
        if let Some(indexes) = indexes.filter(|_| whole.flaw.is_none()) {
            self.inspection.index_damage.extend(indexes.wrong(segment));
        }
        self.inspection.first_offset = self.inspection.first_offset.or(first_offset);
        self.inspection.records += records;
        self.inspection.next_offset = whole.end.next_offset;
        self.inspection.segments.push(SegmentReport {
            path,
            base_offset: segment.base,
            records,
            bytes,
            first_timestamp_us: first,
            last_timestamp_us: last,
        });
        Ok(())
    }

    fn load_indexes(&mut self, segment: &LogSegment, bytes: u64) -> Result<Option<IndexCheck>> {
        let offsets = self.load_index::<OffsetEntry>(segment, bytes)?;
        let times = self.load_index::<TimeEntry>(segment, bytes)?;
        let interval = self.config.index_interval_bytes;
        Ok(offsets.zip(times).map(|(offsets, times)| IndexCheck::new(interval, offsets, times)))
    }

    fn load_index<E: IndexEntry>(&mut self, segment: &LogSegment, bytes: u64) -> Result<Option<Vec<E>>> {
        let entries_max = bytes / HEAD_BYTES as u64;
        match index::load(&**self.storage, &segment.index_path::<E>(), segment.base, entries_max) {
            Ok(loaded) => Ok(Some(loaded.entries)),
            Err(e) if index::is_rebuildable(&e) => {
                self.inspection.index_damage.push(e.into());
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// Holds index entries against the records they name.
struct IndexCheck {
    interval: u64,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    /// How many of each the records have borne out.
    right: [usize; 2],
    /// The position of the last record named, and the last timestamp named.
    last: (Option<u64>, Option<i64>),
    /// The position of a record that each should have named after its last.
    lacks: [Option<u64>; 2],
}

impl IndexCheck {
    fn new(interval: u32, offsets: Vec<OffsetEntry>, times: Vec<TimeEntry>) -> Self {
        let interval = interval.into();
        IndexCheck { interval, offsets, times, right: [0; 2], last: (None, None), lacks: [None; 2] }
    }

    fn note(&mut self, relative: u64, position: u64, timestamp_us: i64, before_us: Option<i64>) {
        let [offsets, times] = &mut self.right;
        let named = self.times.get(*times).filter(|e| u64::from(e.relative) == relative);
        let first_since = |e: &&TimeEntry| {
            e.timestamp_us <= timestamp_us && before_us.is_none_or(|before| before < e.timestamp_us)
        };
        if let Some(entry) = named.filter(first_since) {
            *times += 1;
            self.last.1 = Some(entry.timestamp_us);
        }
        let named = self.offsets.get(*offsets).filter(|e| u64::from(e.relative) == relative);
        let is_named = named.is_some_and(|e| e.position == position);
        *offsets += usize::from(is_named);
        // As in recovery: only the end can be short, the interval may have been another.
        if *offsets < self.offsets.len() {
            return;
        }
        if is_named {
            self.last.0 = Some(position);
            if self.last.1 != Some(timestamp_us) {
                self.lacks[1] = Some(position);
            }
        } else if self.last.0.is_none_or(|at| position - at >= self.interval) {
            self.lacks[0].get_or_insert(position);
        }
    }

    /// Of each index, the first entry that no record bears out, or else the first record that it lacks.
    fn wrong(&self, segment: &LogSegment) -> impl Iterator<Item = Error> {
        let [offsets, times] = self.right;
        let wrong = [
            self.offsets.get(offsets).map(|e| format!("position {}", e.position)),
            self.times.get(times).map(|e| format!("timestamp {}", e.timestamp_us)),
        ];
        let paths = [segment.index_path::<OffsetEntry>(), segment.index_path::<TimeEntry>()];
        let found = wrong.into_iter().zip(self.right).zip(paths).zip(self.lacks);
        found.filter_map(|(((wrong, right), path), lacks)| {
            let error = match (wrong, lacks) {
                (Some(wrong), _) => index::wrong_entry(&path, right, wrong),
                (None, Some(at)) => {
                    corrupt(&path, None, "index is short", format!("an entry for position {at}"), "none")
                }
                (None, None) => return None,
            };
            Some(error.into())
        })
    }
}
