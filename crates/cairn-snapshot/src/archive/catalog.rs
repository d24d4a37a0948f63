//! What a repository's archive holds: timelines, the LSNs of each, and what is missing between them.

use super::archived_file::ArchivedFile;
use super::gap::{self, Gap, GapRecord};
use super::listing::{Listing, merged, without};
use super::segment_name::{Span, TIMELINE_FILE, WAL, timeline_dir, timeline_of};
use super::timeline_info::TimelineInfo;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::repository::Repository;
use cairn_disk::{ErrorKind, FileType};
use cairn_engine::{Lsn, TimelineId};
use std::path::PathBuf;

/// LSNs of a timeline that are archived without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivedRange {
    /// The first LSN.
    pub first: Lsn,
    /// The last LSN.
    pub last: Lsn,
    /// The first record's time, microseconds since the Unix epoch, UTC.
    pub first_us: i64,
    /// The last record's time.
    pub last_us: i64,
}

/// The archive of one timeline.
#[derive(Debug, Clone)]
pub struct ArchivedTimeline {
    /// Its id.
    pub id: TimelineId,
    /// Where it came from; `None` when its `timeline.json` is damaged.
    pub timeline: Option<TimelineInfo>,
    /// What is archived, ascending; between two ranges is a gap.
    pub ranges: Vec<ArchivedRange>,
    /// What is missing, ascending: recorded gaps, and LSNs between archived ones that no file has.
    pub gaps: Vec<Gap>,
    /// Stored bytes of its files.
    pub bytes: u64,
    /// Files whose names are right and whose fields are not: they count as absent. Record by record nothing was looked at:
    /// [`super::verify_archive`].
    pub damaged: Vec<Finding>,
    /// Its files, by first LSN.
    pub(crate) files: Vec<ArchivedFile>,
    /// The notes of gaps, by first LSN.
    pub(crate) notes: Vec<Span>,
}

impl ArchivedTimeline {
    /// The last LSN that is archived.
    pub fn last(&self) -> Option<Lsn> {
        self.ranges.last().map(|range| range.last)
    }

    /// The range that holds an LSN.
    pub fn range_of(&self, lsn: Lsn) -> Option<&ArchivedRange> {
        self.ranges.iter().find(|range| (range.first..=range.last).contains(&lsn))
    }

    /// Of the files that hold `lsn` the one that goes furthest.
    pub(crate) fn file_of(&self, lsn: u64) -> Option<&ArchivedFile> {
        self.files.iter().filter(|file| file.span().contains(lsn)).max_by_key(|file| file.span().last)
    }

    /// What is archived, for messages.
    pub(crate) fn ranges_text(&self) -> String {
        if self.ranges.is_empty() {
            return "nothing".to_owned();
        }
        let shown = |range: &ArchivedRange| {
            let (from, to) = (crate::names::rfc3339(range.first_us), crate::names::rfc3339(range.last_us));
            format!("from LSN {} ({from}) to LSN {} ({to})", range.first, range.last)
        };
        self.ranges.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// All archived timelines, the oldest first. Reads names and each file's last 136 bytes; writes nothing.
pub fn list(repository: &Repository) -> Result<Vec<ArchivedTimeline>> {
    let mut found = Vec::new();
    for id in timelines(repository)? {
        found.extend(read(repository, id)?);
    }
    found.sort_by_key(|archived| (archived.timeline.as_ref().map(|info| info.created_us), archived.id));
    Ok(found)
}

/// The last LSN of a timeline that is archived or recorded as a gap; `None` when nothing is. By the names alone; a crash may
/// still take the newest of them back: what retention may rely on is [`super::Shipped::archived_lsn`].
pub fn archived_to(repository: &Repository, timeline: TimelineId) -> Result<Option<Lsn>> {
    let dir = timeline_dir(repository.root(), timeline);
    Ok(Listing::read(repository.storage(), &dir)?.last().map(Lsn))
}

/// The ids of the directories below `wal/`.
pub(crate) fn timelines(repository: &Repository) -> Result<Vec<TimelineId>> {
    let entries = match repository.storage().list(&repository.root().join(WAL)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let dirs = entries.into_iter().filter(|entry| entry.stat.file_type == FileType::Dir);
    Ok(dirs.filter_map(|entry| timeline_of(&entry.name)).collect())
}

/// The archive of one timeline; `None` when there is none, or only what a crash left of its beginning.
pub(crate) fn read(repository: &Repository, id: TimelineId) -> Result<Option<ArchivedTimeline>> {
    let (storage, dir) = (repository.storage(), timeline_dir(repository.root(), id));
    let listing = Listing::read(storage, &dir)?;
    let begun = !listing.logs.is_empty() || !listing.gaps.is_empty();
    if !begun && storage.stat(&dir.join(TIMELINE_FILE))?.is_none() {
        return Ok(None);
    }
    let mut damaged = Vec::new();
    let timeline = or_damaged(TimelineInfo::read(storage, &dir, id), dir.join(TIMELINE_FILE), &mut damaged)?;
    let mut files = Vec::new();
    for span in &listing.logs {
        let mut read = ArchivedFile::open(storage, &dir, id, *span);
        if let (Ok(file), Some(info)) = (&read, &timeline)
            && file.trailer.database != info.database
        {
            let (expected, actual) = (info.database, file.trailer.database);
            read = Err(Error::damaged(&file.path, None, "database", expected, actual));
        }
        if is_gone(&read) {
            // Superseded or pruned since it was listed: another one has its records, or none should.
            continue;
        }
        files.extend(or_damaged(read, dir.join(span.log_name()), &mut damaged)?);
    }
    let mut recorded = Vec::new();
    for span in &listing.gaps {
        let read = gap::read(storage, &dir, id, *span);
        if !is_gone(&read) {
            let record = or_damaged(read, dir.join(span.gap_name()), &mut damaged)?;
            recorded.extend(record.map(|record| (*span, record)));
        }
    }
    let ranges = ranges(&files);
    let gaps = gaps(&files, &recorded);
    let bytes = files.iter().map(ArchivedFile::stored_bytes).sum();
    let notes = recorded.iter().map(|(span, _)| *span).collect();
    Ok(Some(ArchivedTimeline { id, timeline, ranges, gaps, bytes, damaged, files, notes }))
}

fn is_gone<T>(read: &Result<T>) -> bool {
    matches!(read, Err(Error::Disk(e)) if e.kind() == ErrorKind::NotFound)
}

/// Damage is noted and the thing left out; any other failure is one.
fn or_damaged<T>(read: Result<T>, path: PathBuf, damaged: &mut Vec<Finding>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            damaged.push(Finding::of(error, &path)?);
            Ok(None)
        }
    }
}

fn ranges(files: &[ArchivedFile]) -> Vec<ArchivedRange> {
    let range = |span: Span| {
        let inside = || files.iter().filter(|file| span.covers(file.span()));
        let first = inside().min_by_key(|file| file.span().first)?;
        let last = inside().max_by_key(|file| file.span().last)?;
        Some(ArchivedRange {
            first: Lsn(span.first),
            last: Lsn(span.last),
            first_us: first.trailer.first_us,
            last_us: last.trailer.last_us,
        })
    };
    merged(files.iter().map(ArchivedFile::span)).into_iter().filter_map(range).collect()
}

fn gaps(files: &[ArchivedFile], recorded: &[(Span, GapRecord)]) -> Vec<Gap> {
    let covered = merged(files.iter().map(ArchivedFile::span));
    let mut gaps = Vec::new();
    for (span, record) in recorded {
        // Where a file and a note disagree, the file is right.
        for left in without(*span, &covered) {
            let recorded = Some(record.clone());
            gaps.push(Gap { first: Lsn(left.first), last: Lsn(left.last), recorded });
        }
    }
    let known = merged(covered.iter().copied().chain(recorded.iter().map(|(span, _)| *span)));
    for pair in known.windows(2) {
        let between = Span::new(pair[0].last.saturating_add(1), pair[1].first.saturating_sub(1));
        gaps.extend(between.map(Gap::unrecorded));
    }
    gaps.sort_by_key(Gap::span);
    gaps
}
