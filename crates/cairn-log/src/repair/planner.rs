//! `Planner`: goes through a damaged log, segment by segment, and finds what of it can be kept.

use super::plan::{ASIDE_PREFIX, DamagedPlace, RepairPlan, Rewrite, Run};
use crate::compacted::Compacted;
use crate::index::{OffsetEntry, Samples, TimeEntry};
use crate::listing::Listing;
use crate::proof::proves_damage;
use crate::recovery::{Cut, ends_compacted, follows, is_torn_creation, scan_whole};
use crate::resync::Resync;
use crate::segment::{Extent, LOG_EXTENSION, LogSegment, SegmentHeader};
use crate::{Error, LogConfig, Result};
use cairn_disk::{File, FileType, Storage};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) fn plan(storage: &Arc<dyn Storage>, config: &LogConfig) -> Result<RepairPlan> {
    config.check()?;
    if storage.stat(&config.dir)?.is_none() {
        return Err(Error::NoLog { dir: config.dir.clone() });
    }
    let listing = Listing::read(&**storage, &config.dir)?;
    let mut planner = Planner {
        storage,
        config,
        before: None,
        cut: false,
        is_compacted: false,
        ended: false,
        readable: Vec::new(),
        plan: RepairPlan {
            config: config.clone(),
            damage: Vec::new(),
            keeps: config.start..config.start,
            lost: 0..0,
            readable: Vec::new(),
            torn: None,
            aside: next_aside(&**storage, &config.dir)?,
            moves: Vec::new(),
            rewrites: Vec::new(),
            runs: Vec::new(),
        },
    };
    for (i, &base) in listing.bases.iter().enumerate() {
        planner.segment(base, i + 1 == listing.bases.len(), listing.bases.len() == 1)?;
    }
    if planner.is_compacted
        && !planner.ended
        && let Some(newest) = listing.bases.last()
    {
        let path = config.dir.join(format!("{newest:020}.{LOG_EXTENSION}"));
        let next = planner.before.map_or(*newest, |before| before.next_offset);
        planner.note(&ends_compacted(&path), next);
    }
    Ok(planner.finish(listing.bases.first().copied().unwrap_or(config.start), listing.bases.last().copied()))
}

/// A directory that no repair used yet.
fn next_aside(storage: &dyn Storage, dir: &Path) -> Result<PathBuf> {
    let used = storage.list(dir)?;
    let numbers = used.iter().filter(|e| e.stat.file_type == FileType::Dir);
    let numbers = numbers.filter_map(|e| e.name.strip_prefix(ASIDE_PREFIX)?.parse::<u64>().ok());
    let next = numbers.max().map_or(1, |n| n.saturating_add(1));
    Ok(dir.join(format!("{ASIDE_PREFIX}{next}")))
}

/// What the header of a segment is.
enum Header {
    Good,
    /// A few bytes of it are damaged, and which they were is known.
    Flipped(cairn_disk::Error),
    /// It is not a header.
    Bad(cairn_disk::Error),
    /// It is one of another segment.
    Foreign(cairn_disk::Error),
}

struct Planner<'a> {
    storage: &'a Arc<dyn Storage>,
    config: &'a LogConfig,
    /// Where what is kept ends; `None` before the first segment.
    before: Option<Extent>,
    /// Whether the last segment that is kept lost its end.
    cut: bool,
    /// Whether the last segment that is kept is compacted: one more must follow it.
    is_compacted: bool,
    /// Nothing more is kept: all that follows goes aside.
    ended: bool,
    /// Offsets that can be read, of what is kept and of what is not.
    readable: Vec<Range<u64>>,
    plan: RepairPlan,
}

impl Planner<'_> {
    fn segment(&mut self, base: u64, newest: bool, lone: bool) -> Result<()> {
        let segment = LogSegment::new(self.storage, &self.config.dir, base, Samples::default());
        let file = segment.open()?;
        let header = self.header(&segment, &*file)?;
        let follows = follows(file.path(), self.before, base);
        let (error, is_foreign) = match &header {
            Header::Good => (None, false),
            Header::Flipped(e) | Header::Bad(e) => (Some(e), false),
            Header::Foreign(e) => (Some(e), true),
        };
        if let Some(error) = error {
            let may_be_removed = newest && !self.ended && !(lone && base != self.config.start);
            if may_be_removed && follows.is_ok() && !self.cut && is_torn_creation(error, &*file)? {
                return Ok(());
            }
            if is_foreign && self.before.is_none() && !self.ended && !is_misplaced(error) {
                return Err(error.clone().into());
            }
            self.note(error, base);
        }
        if !self.ended
            && let Err(e) = follows
        {
            // After a segment that lost its end, that is no other damage.
            if !self.cut {
                self.note(&e, self.before.map_or(base, |b| b.next_offset.min(base)));
            }
            self.ended = true;
        }
        match header {
            Header::Good | Header::Flipped(_) if !self.ended => {
                self.keep(&segment, &file, newest, error.is_none())
            }
            _ => {
                self.ended = true;
                self.set_aside(&segment, &file, newest, &header)
            }
        }
    }

    /// What the segment's header is; refuses a log of another version.
    fn header(&self, segment: &LogSegment, file: &dyn File) -> Result<Header> {
        match SegmentHeader::read(file) {
            Ok(header) => match header.belongs(file.path(), self.config, segment.base) {
                Ok(()) => {
                    segment.note_header(&header);
                    Ok(Header::Good)
                }
                Err(e) => Ok(Header::Foreign(e)),
            },
            Err(e @ cairn_disk::Error::Version { .. }) => {
                if SegmentHeader::is_flipped_version(file)? {
                    Ok(Header::Flipped(e))
                } else {
                    Err(e.into())
                }
            }
            Err(e @ cairn_disk::Error::Corrupt { what: "magic", .. }) => Ok(Header::Flipped(e)),
            Err(e @ cairn_disk::Error::Corrupt { what: "CRC mismatch", offset: Some(60), .. }) => {
                Ok(Header::Flipped(e))
            }
            Err(e @ cairn_disk::Error::Corrupt { .. }) => Ok(Header::Bad(e)),
            Err(e) => Err(e.into()),
        }
    }

    /// Keeps a segment as far as its records follow.
    fn keep(
        &mut self,
        segment: &LogSegment,
        file: &Arc<dyn File>,
        newest: bool,
        is_whole: bool,
    ) -> Result<()> {
        let mut records = 0;
        let whole = scan_whole(segment, file, self.before, |_, _| records += 1)?;
        let (base, end) = (segment.base, whole.end);
        self.before = Some(end);
        let is_empty = end.next_offset == base;
        self.is_compacted = segment.compacted().is_some() && !(whole.flaw.is_some() && is_empty);
        self.readable.push(base..end.next_offset);
        let is_torn = whole.flaw.is_some() && newest && !proves_damage(&**file, end)?;
        if is_torn && is_whole {
            let bytes = file.bytes()? - end.bytes;
            let (segment, at, offset) = (segment.log_path(), end.bytes, end.next_offset);
            self.plan.torn = Some(Cut { segment, at, bytes, offset });
        } else if whole.flaw.is_some() || !is_whole {
            // What keeps nothing is a plain empty segment: it may be the newest.
            let compacted = self.is_compacted.then_some(Compacted {
                end_offset: end.next_offset,
                last_timestamp_us: end.last_timestamp_us,
                file_bytes: end.bytes,
                records,
            });
            let kept = if is_empty { 0..0 } else { segment.first().position..end.bytes };
            self.plan.rewrites.push(Rewrite { base, records: kept, compacted });
        }
        self.cut = whole.flaw.is_some() && !is_torn;
        if let Some((flaw, position)) = whole.flaw.filter(|_| !is_torn) {
            self.note(&flaw.at(file.path(), position), end.next_offset);
            self.find_runs(segment, &**file, end)?;
        }
        Ok(())
    }

    /// Sets a segment aside that is after the log's end.
    fn set_aside(
        &mut self,
        segment: &LogSegment,
        file: &Arc<dyn File>,
        newest: bool,
        header: &Header,
    ) -> Result<()> {
        // Turned round at the end: indexes go before their log.
        self.plan.moves.push(segment.log_path());
        for path in [segment.index_path::<OffsetEntry>(), segment.index_path::<TimeEntry>()] {
            if self.storage.stat(&path)?.is_some() {
                self.plan.moves.push(path);
            }
        }
        let start = Extent {
            next_offset: segment.base,
            bytes: segment.first().position,
            last_timestamp_us: i64::MIN,
        };
        match header {
            Header::Good => {
                let whole = scan_whole(segment, file, None, |_, _| {})?;
                self.readable.push(segment.base..whole.end.next_offset);
                if let Some((flaw, position)) = whole.flaw
                    && (!newest || proves_damage(&**file, whole.end)?)
                {
                    self.note(&flaw.at(file.path(), position), whole.end.next_offset);
                    self.find_runs(segment, &**file, whole.end)?;
                }
            }
            Header::Flipped(_) | Header::Bad(_) => self.find_runs(segment, &**file, start)?,
            Header::Foreign(_) => {}
        }
        Ok(())
    }

    /// Finds the whole records of a segment's file after `end`.
    fn find_runs(&mut self, segment: &LogSegment, file: &dyn File, end: Extent) -> Result<()> {
        let mut records = Resync::new(file, end.bytes)?;
        let mut after = end;
        let mut runs: Vec<Run> = Vec::new();
        while let Some(found) = records.next(|head| {
            let follows = head.offset >= after.next_offset && head.timestamp_us >= after.last_timestamp_us;
            follows && head.offset != u64::MAX
        })? {
            let (offset, timestamp_us) = (found.head.offset, found.head.timestamp_us);
            after = Extent {
                next_offset: offset + 1,
                bytes: found.position + found.bytes,
                last_timestamp_us: timestamp_us,
            };
            // Only in a compacted segment may offsets be missing.
            let last = runs.last_mut().filter(|run| {
                let follows = run.end.next_offset == offset || segment.compacted().is_some();
                follows && run.end.bytes == found.position
            });
            match last {
                Some(run) => (run.end, run.records) = (after, run.records + 1),
                None => runs.push(Run {
                    source: file.path().to_owned(),
                    first_offset: offset,
                    position: found.position,
                    end: after,
                    records: 1,
                }),
            }
        }
        self.readable.extend(runs.iter().map(|run| run.first_offset..run.end.next_offset));
        self.plan.runs.append(&mut runs);
        Ok(())
    }

    fn note(&mut self, error: &cairn_disk::Error, unreadable_from: u64) {
        let (segment, position) = match error {
            cairn_disk::Error::Corrupt { path, offset, .. } => (path.clone(), *offset),
            cairn_disk::Error::Version { path, .. } => (path.clone(), None),
            _ => return,
        };
        let message = error.to_string();
        let place = DamagedPlace { segment, position, message, unreadable_from, readable_again: None };
        self.plan.damage.push(place);
    }

    /// Says what is kept and lost in all.
    fn finish(mut self, first: u64, last: Option<u64>) -> RepairPlan {
        let mut plan = self.plan;
        let end = self.before.map_or(first, |before| before.next_offset);
        if self.ended && self.before.is_none() || self.is_compacted {
            // Something must say where the log goes on.
            plan.rewrites.push(Rewrite { base: end, records: 0..0, compacted: None });
        }
        let rewritten: Vec<PathBuf> = plan.rewrites.iter().map(|r| plan.log_path(r.base)).collect();
        plan.moves.retain(|path| !rewritten.contains(path));
        plan.moves.reverse();
        self.readable.sort_unstable_by_key(|range| (range.start, range.end));
        for place in &mut plan.damage {
            let after = self.readable.iter().filter(|r| r.end > place.unreadable_from);
            place.readable_again = after.map(|r| r.start.max(place.unreadable_from)).min();
        }
        plan.keeps = first..end;
        let seen = self.readable.iter().map(|r| r.end).chain(last.filter(|_| self.ended)).max();
        plan.lost = end..seen.unwrap_or(end).max(end);
        for range in self.readable.iter().filter(|r| r.end > end && !r.is_empty()) {
            let start = range.start.max(end);
            match plan.readable.last_mut() {
                Some(before) if before.end >= start => before.end = before.end.max(range.end),
                _ => plan.readable.push(start..range.end),
            }
        }
        plan
    }
}

/// Whether a header is of this log, but of another segment.
fn is_misplaced(error: &cairn_disk::Error) -> bool {
    matches!(error, cairn_disk::Error::Corrupt { what: "base offset mismatch", .. })
}
