//! Recovery: what of a directory is the log, and what a crash left that is not.
//!
//! It plans first, changing nothing, and refuses damage; then it applies the plan.

use crate::error::corrupt;
use crate::index::{self, Loaded, OffsetEntry, Sampler, Samples, TimeEntry};
use crate::listing::Listing;
use crate::proof::proves_damage;
use crate::record::{Flaw, HEAD_BYTES, RecordRef};
use crate::scan::{Place, RecordScan, Stop};
use crate::segment::{Extent, HEADER_BYTES, LOG_EXTENSION, LogSegment, SegmentHeader};
use crate::sums::Sums;
use crate::{LogConfig, Result};
use cairn_disk::{Access, Crc32c, File, Storage, parent_dir};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The unacknowledged end that a crash left torn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment's `.log`.
    pub segment: PathBuf,
    /// The position in it where the records end.
    pub at: u64,
    /// The bytes there after it, which are no records.
    pub bytes: u64,
    /// The offset that the first torn record would have had.
    pub offset: u64,
}

/// What [`crate::Log::open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// How many records the log holds.
    pub records: u64,
    /// How many segments.
    pub segments: usize,
    /// The first record's offset.
    pub base_offset: u64,
    /// The next record's offset.
    pub next_offset: u64,
    /// The first record's timestamp, microseconds since the Unix epoch; `None` when there is no record.
    pub first_timestamp_us: Option<i64>,
    /// The last record's timestamp, microseconds since the Unix epoch; `None` when there is no record.
    pub last_timestamp_us: Option<i64>,
    /// The torn end that was cut.
    pub cut: Option<Cut>,
    /// Files that were never finished, or stand for nothing, and were removed.
    pub removed: Vec<PathBuf>,
    /// Sealed segments whose indexes were missing, short or damaged, and were rebuilt.
    pub indexes_rebuilt: usize,
}

/// The segment that takes new records.
#[derive(Debug)]
pub(crate) struct Newest {
    pub segment: Arc<LogSegment>,
    pub end: Extent,
    /// Of the file up to `end`.
    pub crc: Crc32c,
    pub sampler: Sampler,
    /// Where in the file the bytes begin that nothing proves durable.
    unproven_from: u64,
}

/// A newest segment that was created and never synced.
struct Torn {
    base: u64,
    path: PathBuf,
    error: cairn_disk::Error,
}

/// Whether a file whose header has this error was never appended to: appends begin only once the header is synced.
pub(crate) fn is_torn_creation(error: &cairn_disk::Error, file: &dyn File) -> Result<bool> {
    Ok(error.kind() == cairn_disk::ErrorKind::Corrupt && file.bytes()? <= HEADER_BYTES as u64)
}

/// What the log is, and what is to be done before it is written to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Oldest first.
    pub sealed: Vec<Arc<LogSegment>>,
    /// `None` when the log is empty.
    pub newest: Option<Newest>,
    /// Sealed segments whose index files are to be written.
    unindexed: Vec<Arc<LogSegment>>,
    /// The torn end.
    pub cut: Option<Cut>,
    /// Files to remove.
    leftovers: Vec<PathBuf>,
}

impl Plan {
    /// Looks at a directory, changes nothing. The newest segment is read whole; of the others, what their indexes leave
    /// open. Damage is an error.
    pub fn make(storage: &Arc<dyn Storage>, config: &LogConfig) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut listing = Listing::read(&**storage, &config.dir)?;
        plan.leftovers.append(&mut listing.temporary);
        let torn = torn_newest(&**storage, config, listing.bases.last().copied())?;
        if torn.is_some() {
            listing.bases.pop();
        }
        let newest = listing.bases.pop();
        for &base in &listing.bases {
            plan.add_sealed(storage, config, base)?;
        }
        if let Some(base) = newest {
            plan.add_newest(storage, config, base, torn.is_none())?;
        }
        match (torn, &plan.newest) {
            (Some(torn), Some(newest)) => {
                follows(&torn.path, Some(newest.end), torn.base)?;
                plan.leftovers.push(torn.path);
            }
            // Its records were removed, so it was synced once: this is no torn creation.
            (Some(torn), None) if torn.base != config.start => return Err(torn.error.into()),
            (Some(torn), None) => plan.leftovers.push(torn.path),
            (None, _) => {}
        }
        // The newest segment's indexes are kept in memory until it is sealed.
        let is_sealed = |base: &u64| listing.bases.binary_search(base).is_ok();
        let stray = listing.indexes.iter().filter(|(base, _)| !is_sealed(base));
        plan.leftovers
            .extend(stray.map(|(base, extension)| config.dir.join(format!("{base:020}.{extension}"))));
        Ok(plan)
    }

    fn add_sealed(&mut self, storage: &Arc<dyn Storage>, config: &LogConfig, base: u64) -> Result<()> {
        let before = self.sealed.last().and_then(|s| s.sealed());
        let segment = LogSegment::new(storage, &config.dir, base, Samples::default());
        let file = open_segment(&segment, config, before)?;
        let indexed = match check_by_index(&**storage, &segment, &file, config)? {
            Some(extent) => {
                segment.use_index_files();
                segment.seal(extent);
                true
            }
            None => {
                let (whole, _) = scan_and_index(&segment, &file, config, before)?;
                if let Some((flaw, position)) = whole.flaw {
                    return Err(flaw.at(file.path(), position).into());
                }
                segment.note_sums(|sums| *sums = Sums { log: Some(whole.crc.value()), indexes: None });
                segment.seal(whole.end);
                false
            }
        };
        let segment = Arc::new(segment);
        if !indexed {
            self.unindexed.push(Arc::clone(&segment));
        }
        self.sealed.push(segment);
        Ok(())
    }

    /// The newest segment may have a torn end, unless a later one was begun: that is done after a sync.
    fn add_newest(
        &mut self,
        storage: &Arc<dyn Storage>,
        config: &LogConfig,
        base: u64,
        may_be_torn: bool,
    ) -> Result<()> {
        let before = self.sealed.last().and_then(|s| s.sealed());
        let segment = LogSegment::new(storage, &config.dir, base, Samples::default());
        let file = open_segment(&segment, config, before)?;
        if segment.compacted().is_some() {
            return Err(ends_compacted(file.path()).into());
        }
        let (whole, sampler) = scan_and_index(&segment, &file, config, before)?;
        if let Some((flaw, position)) = whole.flaw {
            if !may_be_torn || proves_damage(&*file, whole.end)? {
                return Err(flaw.at(file.path(), position).into());
            }
            let bytes = file.bytes()? - position;
            let (segment, offset) = (segment.log_path(), whole.end.next_offset);
            self.cut = Some(Cut { segment, at: position, bytes, offset });
        }
        let unproven_from = match whole.durable_to {
            Some(offset) if offset > base => segment.place_before(offset)?.position,
            // The header as well.
            _ => 0,
        };
        let Whole { end, crc, .. } = whole;
        self.newest = Some(Newest { segment: Arc::new(segment), end, crc, sampler, unproven_from });
        Ok(())
    }

    /// The first record's timestamp.
    fn first_timestamp_us(&self, newest: &Newest) -> Result<Option<i64>> {
        let sealed = self.sealed.iter().filter_map(|s| Some((s, s.sealed()?)));
        for (segment, end) in sealed.chain([(&newest.segment, newest.end)]) {
            let scan = RecordScan::new(segment.open()?, segment.first(), end.bytes);
            let mut scan = scan.compacted(segment.compacted());
            match scan.step() {
                Ok(true) => return Ok(Some(scan.current().timestamp_us)),
                // Compaction left nothing of it, or the newest is empty.
                Ok(false) => {}
                Err(stop) => return Err(stop.into_error(scan.file(), scan.place().position).into()),
            }
        }
        Ok(None)
    }

    fn records(&self, newest: &Newest) -> u64 {
        let sealed = self.sealed.iter().filter_map(|s| Some(s.records(s.sealed()?.next_offset)));
        sealed.sum::<u64>() + newest.segment.records(newest.end.next_offset)
    }

    /// Makes the directory what the plan says it is: afterwards everything kept is durable.
    pub fn apply(
        mut self,
        storage: &Arc<dyn Storage>,
        config: &LogConfig,
    ) -> Result<(Vec<Arc<LogSegment>>, Newest, Recovered)> {
        for path in &self.leftovers {
            storage.remove(path)?;
        }
        for segment in &self.unindexed {
            match segment.write_indexes() {
                Ok(()) => segment.use_index_files(),
                // They stay in memory: a full disk must not keep anyone from reading.
                Err(e) if e.kind() == cairn_disk::ErrorKind::NoSpace => {}
                Err(e) => return Err(e.into()),
            }
        }
        let fresh = self.newest.is_none();
        let newest = match self.newest.take() {
            Some(newest) => {
                let file: Arc<dyn File> = storage.open(&newest.segment.log_path(), Access::Write)?.into();
                if let Some(cut) = &self.cut {
                    file.truncate(cut.at)?;
                }
                rewrite(&*file, newest.unproven_from, newest.end.bytes)?;
                file.sync()?;
                newest.segment.hold(file);
                newest
            }
            None => first_segment(storage, config)?,
        };
        storage.sync_dir(&config.dir)?;
        if fresh {
            storage.sync_dir(parent_dir(&config.dir))?;
        }
        let base_offset = self.sealed.first().map_or(newest.segment.base, |s| s.base);
        let first_timestamp_us = self.first_timestamp_us(&newest)?;
        let last_us = newest.end.last_timestamp_us;
        let recovered = Recovered {
            records: self.records(&newest),
            segments: self.sealed.len() + 1,
            base_offset,
            next_offset: newest.end.next_offset,
            first_timestamp_us,
            last_timestamp_us: first_timestamp_us.map(|_| last_us),
            cut: self.cut,
            removed: self.leftovers,
            indexes_rebuilt: self.unindexed.len(),
        };
        Ok((self.sealed, newest, recovered))
    }
}

/// Writes the bytes between two positions as they are. After a sync that failed in an earlier process, the system may
/// show bytes that are not on the disk and that it takes for synced: only written again are they synced again.
fn rewrite(file: &dyn File, from: u64, to: u64) -> Result<(), cairn_disk::Error> {
    let mut buffer = vec![0; usize::try_from(to - from).unwrap_or(usize::MAX).min(1 << 20)];
    let mut at = from;
    while at < to {
        let bytes = usize::try_from(to - at).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(at, &mut buffer[..bytes])?;
        file.write_at(at, &buffer[..bytes])?;
        at += bytes as u64;
    }
    Ok(())
}

fn first_segment(storage: &Arc<dyn Storage>, config: &LogConfig) -> Result<Newest> {
    let segment = LogSegment::create(storage, config, config.start)?;
    Ok(Newest {
        end: Extent {
            next_offset: config.start,
            bytes: segment.first().position,
            last_timestamp_us: i64::MIN,
        },
        crc: LogSegment::first_crc(config, config.start),
        sampler: Sampler::new(config.start, config.index_interval_bytes),
        unproven_from: 0,
        segment: Arc::new(segment),
    })
}

/// The newest segment, when it is a torn creation. Any other damage to its header is an error.
fn torn_newest(storage: &dyn Storage, config: &LogConfig, base: Option<u64>) -> Result<Option<Torn>> {
    let Some(base) = base else { return Ok(None) };
    let path = config.dir.join(format!("{base:020}.{LOG_EXTENSION}"));
    let file = storage.open(&path, Access::Read)?;
    match SegmentHeader::read(&*file) {
        Ok(_) => Ok(None),
        Err(error) if is_torn_creation(&error, &*file)? => Ok(Some(Torn { base, path, error })),
        Err(error) => Err(error.into()),
    }
}

/// Opens a segment's `.log` and checks that it belongs after what is `before` it.
fn open_segment(segment: &LogSegment, config: &LogConfig, before: Option<Extent>) -> Result<Arc<dyn File>> {
    let file = segment.open()?;
    let header = SegmentHeader::read(&*file)?;
    header.belongs(file.path(), config, segment.base)?;
    segment.note_header(&header);
    follows(file.path(), before, segment.base)?;
    Ok(file)
}

/// The newest segment is never a compacted one.
pub(crate) fn ends_compacted(path: &Path) -> cairn_disk::Error {
    corrupt(path, None, "newest segment", "the segments after a compacted one", "none")
}

/// Refuses a segment whose base offset is not where the one before it ends; names the offsets that are missing.
pub(crate) fn follows(path: &Path, before: Option<Extent>, base: u64) -> Result<(), cairn_disk::Error> {
    let Some(next) = before.map(|before| before.next_offset).filter(|next| *next != base) else {
        return Ok(());
    };
    if next < base {
        let actual = format!("{base}: offsets {next} to {} are missing", base - 1);
        return Err(corrupt(path, None, "records missing before it, base offset", next, actual));
    }
    let actual = format!("{base}: offsets {base} to {} are there twice", next - 1);
    Err(corrupt(path, None, "records there twice, base offset", next, actual))
}

/// What reading a segment from its first record finds.
pub(crate) struct Whole {
    /// Where the good records end.
    pub end: Extent,
    /// What is wrong there, and the position.
    pub flaw: Option<(Flaw, u64)>,
    /// Its last good record knew that everything before this offset was durable.
    pub durable_to: Option<u64>,
    /// Of the file up to `end`.
    pub crc: Crc32c,
}

/// Reads a segment from its first record to its end or first flaw; shows `note` each record and its position.
pub(crate) fn scan_whole(
    segment: &LogSegment,
    file: &Arc<dyn File>,
    before: Option<Extent>,
    mut note: impl FnMut(RecordRef<'_>, u64),
) -> Result<Whole> {
    let last_timestamp_us = before.map_or(i64::MIN, |b| b.last_timestamp_us);
    let first = Place { last_timestamp_us, ..segment.first() };
    let bytes = file.bytes()?;
    let mut header = vec![0; usize::try_from(first.position.min(bytes)).unwrap_or_default()];
    file.read_exact_at(0, &mut header)?;
    let mut crc = Crc32c::new();
    crc.update(&header);
    let mut scan = RecordScan::new(Arc::clone(file), first, bytes).compacted(segment.compacted());
    let flaw = loop {
        match scan.step() {
            Ok(true) => {
                crc.update(scan.current_bytes());
                note(scan.current(), scan.current_position());
            }
            Ok(false) => break None,
            Err(Stop::Flaw(flaw)) => break Some((flaw, scan.place().position)),
            Err(Stop::Disk(e)) => return Err(e.into()),
        }
    };
    Ok(Whole { end: scan.place().into(), flaw, durable_to: scan.durable_to(), crc })
}

/// Reads a segment whole, and makes its indexes in memory.
fn scan_and_index(
    segment: &LogSegment,
    file: &Arc<dyn File>,
    config: &LogConfig,
    before: Option<Extent>,
) -> Result<(Whole, Sampler)> {
    let mut sampler = Sampler::new(segment.base, config.index_interval_bytes);
    let mut samples = Samples::default();
    let whole = scan_whole(segment, file, before, |record, position| {
        sampler.note(record.offset, position, record.timestamp_us, &mut samples);
    })?;
    segment.add_samples(&mut samples);
    Ok((whole, sampler))
}

/// A sealed segment's extent from its index files and the records after their last entry; `None` when they are
/// missing, short or damaged, or the log does not bear them out.
fn check_by_index(
    storage: &dyn Storage,
    segment: &LogSegment,
    file: &Arc<dyn File>,
    config: &LogConfig,
) -> Result<Option<Extent>> {
    let bytes = file.bytes()?;
    let entries_max = bytes / HEAD_BYTES as u64;
    let offsets = index::load(storage, &segment.index_path::<OffsetEntry>(), segment.base, entries_max);
    let times = index::load(storage, &segment.index_path::<TimeEntry>(), segment.base, entries_max);
    let (offsets, times): (Loaded<OffsetEntry>, Loaded<TimeEntry>) = match (offsets, times) {
        (Ok(offsets), Ok(times)) => (offsets, times),
        (Err(e), _) | (_, Err(e)) if !index::is_rebuildable(&e) => return Err(e.into()),
        _ => return Ok(None),
    };
    segment.note_sums(|sums| {
        *sums = Sums { log: offsets.log_crc32c, indexes: Some([offsets.sum, times.sum]) };
    });
    let (offsets, times) = (offsets.entries, times.entries);
    let (Some(last), Some(last_time)) = (offsets.last(), times.last()) else {
        let empty = segment.compacted().filter(|c| c.records == 0 && offsets.is_empty() && times.is_empty());
        return Ok(empty.map(|c| c.extent()));
    };
    let place = Place {
        position: last.position,
        offset: segment.base.saturating_add(last.relative.into()),
        last_timestamp_us: i64::MIN,
    };
    let mut scan = RecordScan::new(Arc::clone(file), place, bytes).compacted(segment.compacted());
    let mut first = true;
    loop {
        match scan.step() {
            Ok(true) if first && scan.current().timestamp_us != last_time.timestamp_us => return Ok(None),
            Ok(true) if scan.current_position() - last.position >= config.index_interval_bytes.into() => {
                return Ok(None);
            }
            Ok(true) => first = false,
            Ok(false) if first => return Ok(None),
            Ok(false) => return Ok(Some(scan.place().into())),
            // Reading the whole segment tells whose fault it is.
            Err(Stop::Flaw(_)) => return Ok(None),
            Err(Stop::Disk(e)) => return Err(e.into()),
        }
    }
}
