//! `Log`: an append-only sequence of records in a directory of segments.

use crate::append::Appender;
use crate::closed::ClosedLog;
use crate::commit::Commit;
use crate::group::Group;
use crate::inspect::{self, Inspection};
use crate::reader::{self, Part, Reader};
use crate::recovery::{Plan, Recovered};
use crate::segment::{Extent, LogSegment};
use crate::{Error, LogConfig, ReadAhead, RecordRef, Result};
use cairn_disk::{Crc32c, File, Storage, parent_dir};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One segment, for people and retention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its `.log`.
    pub path: PathBuf,
    /// The offset of its first record.
    pub base_offset: u64,
    /// The offset after its last record's.
    pub next_offset: u64,
    /// How many records it holds: as many as offsets, unless it is compacted.
    pub records: u64,
    /// The length of its `.log`.
    pub bytes: u64,
    /// The last timestamp up to its end, microseconds; `None` when the log has no record.
    pub last_timestamp_us: Option<i64>,
    /// Whether it is sealed: it never changes again, unless it is compacted.
    pub sealed: bool,
    /// Whether superseded records were taken out of it.
    pub compacted: bool,
}

/// What a closed log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset held; that of the next record when there is none.
    pub first_offset: u64,
    /// The offset after the last whole record's.
    pub next_offset: u64,
    /// The last record's time, microseconds since the Unix epoch; `None` when there is none.
    pub last_timestamp_us: Option<i64>,
    /// How many segments.
    pub segments: usize,
}

/// What readers and syncs see: whole batches only.
#[derive(Debug)]
pub(crate) struct Published {
    /// Oldest first; the last is the one that takes records.
    pub segments: VecDeque<Arc<LogSegment>>,
    pub end: Extent,
    /// The checksum of the last segment's file up to `end`.
    pub crc: Crc32c,
    /// The last segment's.
    pub file: Arc<dyn File>,
}

/// An append-only log. All methods may be called from any thread; dropping it syncs nothing.
///
/// Not for two owners at once: whoever opens it holds a lock of the directory above.
#[derive(Debug)]
pub struct Log {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) config: LogConfig,
    pub(crate) appender: Mutex<Appender>,
    pub(crate) published: Mutex<Published>,
    pub(crate) commit: Commit,
    pub(crate) group: Group,
    /// Held while segments are removed or replaced.
    pub(crate) removing: Mutex<()>,
    /// Held by the compaction at work.
    pub(crate) compacting: Mutex<()>,
}

impl Log {
    /// Opens the log in `config.dir`, which is created when missing. A torn end is cut (and reported); damage to what was
    /// acknowledged is an error, and nothing is changed. Afterwards all that the log holds is durable.
    pub fn open(storage: Arc<dyn Storage>, config: LogConfig) -> Result<(Log, Recovered)> {
        config.check()?;
        make_dir(&*storage, &config.dir)?;
        let (mut segments, newest, recovered) = Plan::make(&storage, &config)?.apply(&storage, &config)?;
        let (file, end, crc) = (newest.segment.open()?, newest.end, newest.crc);
        segments.push(Arc::clone(&newest.segment));
        let log = Log {
            storage,
            config,
            appender: Mutex::new(Appender::new(newest, Arc::clone(&file))),
            published: Mutex::new(Published { segments: segments.into(), end, crc, file }),
            commit: Commit::new(end.next_offset),
            group: Group::default(),
            removing: Mutex::new(()),
            compacting: Mutex::new(()),
        };
        Ok((log, recovered))
    }

    /// Verifies every record and index entry of a closed log. Changes nothing.
    pub fn inspect(storage: Arc<dyn Storage>, config: LogConfig) -> Result<Inspection> {
        inspect::inspect(&storage, &config)
    }

    /// Reads a closed log from `from` on, up to its torn end, if any. Changes nothing: what [`Log::open`] would refuse is
    /// refused, what it would cut is left out.
    pub fn read_only(storage: Arc<dyn Storage>, config: LogConfig, from: u64) -> Result<Reader> {
        ClosedLog::look(&storage, config)?.read(from)
    }

    /// What a closed log holds, as [`Log::open`] would find it. Changes nothing, and reads only the newest segment whole.
    pub fn bounds(storage: Arc<dyn Storage>, config: LogConfig) -> Result<Bounds> {
        Ok(ClosedLog::look(&storage, config)?.bounds())
    }

    /// Which log a directory holds: its id, its timeline, and its first offset, as its oldest segment says; `None` when there
    /// is no segment in it.
    pub fn identity(
        storage: &dyn Storage,
        dir: &Path,
    ) -> Result<Option<(crate::DatabaseId, crate::TimelineId, u64)>> {
        if storage.stat(dir)?.is_none() {
            return Err(Error::NoLog { dir: dir.to_owned() });
        }
        let listing = crate::listing::Listing::read(storage, dir)?;
        let Some(base) = listing.bases.first() else { return Ok(None) };
        let path = dir.join(format!("{base:020}.{}", crate::segment::LOG_EXTENSION));
        let header = crate::segment::SegmentHeader::read(&*storage.open(&path, cairn_disk::Access::Read)?)?;
        Ok(Some((header.id, header.timeline, header.base)))
    }

    /// Returns when every record up to and including `offset` is durable. One thread syncs for all that wait. A failed
    /// sync poisons the log: what it should have made durable may be lost at a restart.
    pub fn commit(&self, offset: u64) -> Result<()> {
        let next = self.next_offset();
        if offset >= next {
            return Err(Error::OutOfRange { offset, first: self.base_offset(), next });
        }
        self.commit.wait(offset, || {
            let (file, durable) = {
                let published = self.published.lock();
                (Arc::clone(&published.file), published.end.next_offset)
            };
            file.sync()?;
            Ok(durable)
        })
    }

    /// Returns when everything appended so far is durable. Syncs nothing when all of it is.
    pub fn sync(&self) -> Result<()> {
        let next = self.next_offset();
        if next <= self.durable_offset() { self.commit.check() } else { self.commit(next - 1) }
    }

    /// The offset that the next record gets.
    pub fn next_offset(&self) -> u64 {
        self.published.lock().end.next_offset
    }

    /// The first offset not known durable.
    pub fn durable_offset(&self) -> u64 {
        self.commit.durable()
    }

    /// The first offset held ([`Log::next_offset`] when the log is empty).
    pub fn base_offset(&self) -> u64 {
        self.published.lock().segments.front().map_or(0, |s| s.base)
    }

    /// Why the log takes no writes; `None` when it does.
    pub fn poisoned(&self) -> Option<Error> {
        self.commit.failed()
    }

    /// Its segments, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let published = self.published.lock();
        let info = |segment: &Arc<LogSegment>| {
            let end = segment.sealed().unwrap_or(published.end);
            SegmentInfo {
                path: segment.log_path(),
                base_offset: segment.base,
                next_offset: end.next_offset,
                records: segment.records(end.next_offset),
                bytes: end.bytes,
                last_timestamp_us: Some(end.last_timestamp_us).filter(|t| *t != i64::MIN),
                sealed: segment.sealed().is_some(),
                compacted: segment.compacted().is_some(),
            }
        };
        published.segments.iter().map(info).collect()
    }

    /// Reads from `from` on, up to the end as it is now.
    pub fn read(&self, from: u64) -> Result<Reader> {
        let parts = {
            let published = self.published.lock();
            let first = published.segments.front().map_or(0, |s| s.base);
            let next = published.end.next_offset;
            if !(first..=next).contains(&from) {
                return Err(Error::OutOfRange { offset: from, first, next });
            }
            published.parts(|end| end.next_offset > from)
        };
        Reader::new(&self.config, parts, from)
    }

    /// As [`Log::read`], on a thread of its own: it reads, checks and decodes ahead of the caller. `decode` runs there, once for
    /// each record, in order.
    pub fn read_ahead<T: Send + 'static>(
        &self,
        from: u64,
        decode: impl Fn(RecordRef<'_>) -> T + Send + 'static,
    ) -> Result<ReadAhead<T>> {
        Ok(ReadAhead::new(self.read(from)?, decode))
    }

    /// The offset of the first record with a timestamp of at least `timestamp_us`; `None` when there is none.
    pub fn offset_for_time(&self, timestamp_us: i64) -> Result<Option<u64>> {
        let parts = self.published.lock().parts(|end| end.last_timestamp_us >= timestamp_us);
        // More than the first only where compaction left nothing that late in it.
        for part in &parts {
            if let Some(offset) = reader::find_time(&self.config, part, timestamp_us)? {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    /// Removes the oldest segments, as long as all their records are before `offset`; how many. The newest stays, and the
    /// last record that is durable: offsets and times go on from it. Readers at work are not disturbed.
    pub fn remove_before(&self, offset: u64) -> Result<u64> {
        self.remove_oldest(offset).map(|(segments, _)| segments)
    }

    /// As [`Log::remove_before`]: how many segments, and the bytes of their `.log` files.
    pub(crate) fn remove_oldest(&self, offset: u64) -> Result<(u64, u64)> {
        let _one_at_a_time = self.removing.lock();
        let (mut removed, mut bytes) = (0, 0);
        while let Some(oldest) = self.removable(offset) {
            self.commit.check()?;
            oldest.remove_indexes()?;
            oldest.remove()?;
            self.published.lock().segments.pop_front();
            // One at a time: of several removals that are not synced a crash may keep any, and leave a gap.
            self.storage.sync_dir(&self.config.dir).map_err(|e| self.commit.poison(e))?;
            removed += 1;
            bytes += oldest.sealed().map_or(0, |end| end.bytes);
        }
        Ok((removed, bytes))
    }

    fn removable(&self, offset: u64) -> Option<Arc<LogSegment>> {
        let published = self.published.lock();
        let oldest = published.segments.front()?;
        let next = published.segments.get(1)?;
        let needed = published.segments.len() == 2 && self.commit.durable() <= next.base;
        (next.base <= offset && !needed).then(|| Arc::clone(oldest))
    }
}

impl Published {
    /// The segments from the first one on whose end meets `wanted`; all later ones do.
    pub(crate) fn parts(&self, wanted: impl Fn(&Extent) -> bool) -> Vec<Part> {
        let end_of = |segment: &Arc<LogSegment>| segment.sealed().unwrap_or(self.end);
        let from = self.segments.partition_point(|segment| !wanted(&end_of(segment)));
        let part = |segment: &Arc<LogSegment>| Part { segment: Arc::clone(segment), end: end_of(segment) };
        self.segments.range(from..).map(part).collect()
    }
}

/// Creates the log's directory and the missing ones above it, durably.
pub(crate) fn make_dir(storage: &dyn Storage, dir: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = dir;
    while storage.stat(at)?.is_none() && at != parent_dir(at) {
        missing.push(at);
        at = parent_dir(at);
    }
    if !missing.is_empty() {
        storage.create_dir_all(dir)?;
    }
    for made in missing.iter().rev() {
        storage.sync_dir(parent_dir(made))?;
    }
    Ok(())
}
