//! `Plan`: how a point of the past is recovered.

use super::ancestry::{History, Leg, Point, Step};
use super::catalog::ArchivedTimeline;
use super::reader::ArchiveReader;
use super::segment_name::Span;
use crate::error::{Error, Result};
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use cairn_disk::Storage;
use cairn_engine::{Lsn, Replayed, Target, TimelineId};
use cairn_log::Record;
use std::collections::BTreeSet;

/// How a point of the past is recovered: a snapshot, and records to replay on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Where it begins: the nearest snapshot at or before the target from which the archive goes on to it.
    pub snapshot: Snapshot,
    /// Which archives supply the records, in order; none when the snapshot is the target.
    pub legs: Vec<Leg>,
    /// The timeline that the target was looked for on.
    pub timeline: TimelineId,
    /// The last LSN of the recovered state.
    pub until: Lsn,
}

impl Plan {
    /// How many records there are to replay.
    pub fn records(&self) -> u64 {
        self.legs.iter().map(|leg| leg.to.0 - leg.from.0 + 1).sum()
    }

    /// As [`Plan::read`], with what a replay needs to know beside the records.
    pub(crate) fn replay<'a>(
        &'a self,
        repository: &'a Repository,
    ) -> impl Iterator<Item = Result<Replayed>> + 'a {
        self.legs.iter().flat_map(move |leg| {
            let read = ArchiveReader::open(repository, leg.timeline, leg.from, leg.to);
            let (reader, error) = read.map_or_else(|e| (None, Some(Err(e))), |reader| (Some(reader), None));
            let records = reader.into_iter().flatten().map(|record| record.map(Replayed::Record));
            std::iter::once(Ok(Replayed::On(leg.timeline))).chain(error).chain(records)
        })
    }

    /// The records to replay, streamed and checked as [`ArchiveReader`] does.
    pub fn read<'a>(&'a self, repository: &'a Repository) -> impl Iterator<Item = Result<Record>> + 'a {
        self.legs.iter().flat_map(move |leg| {
            let (reader, error) = match ArchiveReader::open(repository, leg.timeline, leg.from, leg.to) {
                Ok(reader) => (Some(reader), None),
                Err(e) => (None, Some(Err(e))),
            };
            error.into_iter().chain(reader.into_iter().flatten())
        })
    }
}

/// How `target` is recovered. Without a `timeline`, `latest` and LSNs are of the newest one, and a time is of the one that was
/// live then: the newest that had begun. On a timeline, an LSN or a time from before it began is of those it descends from.
///
/// What cannot be recovered exactly is refused, with the windows of what can be: LSNs that are not archived, and times of
/// which it is not known that no record before them is missing.
pub fn plan(repository: &Repository, target: Target, timeline: Option<TimelineId>) -> Result<Plan> {
    let history = History::read(repository)?;
    let timeline = match timeline {
        Some(id) if history.database(id).is_some() => id,
        Some(id) => {
            let root = repository.root().display();
            return Err(Error::NotFound(format!("timeline {id}: no snapshot or archive of it in {root}")));
        }
        None => history.choose(target, repository)?,
    };
    let way = history.way(timeline)?;
    let point = match target {
        Target::Latest => History::locate(&way, history.end(timeline)),
        Target::Lsn(lsn) => History::locate(&way, lsn.0),
        Target::Time(us) => history.cut(repository.storage(), &way, us)?,
    };
    let found = point.and_then(|point| Some((point, history.reach(&way, point)?)));
    let Some((point, (snapshot, legs))) = found else {
        return Err(history.refused(target, &way)?);
    };
    Ok(Plan { snapshot: snapshot.clone(), legs, timeline, until: Lsn(point.lsn) })
}

impl History {
    /// The timeline that a target without one is meant on.
    fn choose(&self, target: Target, repository: &Repository) -> Result<TimelineId> {
        let ids = self.timelines();
        let databases: BTreeSet<_> = ids.iter().filter_map(|id| self.database(*id)).collect();
        if databases.len() > 1 {
            let names = databases.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::Input(format!(
                "timeline: expected one, since {} holds several databases: {names}",
                repository.root().display()
            )));
        }
        let known = ids.iter().copied().filter(|id| self.database(*id).is_some());
        let live = match target {
            Target::Time(us) => known.clone().rfind(|id| self.created_us(*id) <= us),
            Target::Latest | Target::Lsn(_) => known.clone().next_back(),
        };
        live.or_else(|| known.clone().next()).ok_or_else(|| {
            let root = repository.root().display();
            Error::NotFound(format!("{target}: {root} holds no snapshot and no archive"))
        })
    }

    /// The last LSN known of a timeline.
    fn end(&self, id: TimelineId) -> u64 {
        let archived = self.archived.get(&id);
        let last = archived.and_then(ArchivedTimeline::last).map(|lsn| lsn.0);
        let fork = archived.and_then(|archived| archived.timeline.as_ref()).map(|info| info.fork_lsn.0);
        let snapshots = self.snapshots.iter().filter(|s| s.timeline == id).map(|s| s.lsn.0);
        snapshots.chain(last).chain(fork).max().unwrap_or(0)
    }

    /// The last record on the way that is not later than `us`, when it is known which that is.
    fn cut(&self, storage: &dyn Storage, way: &[Step], us: i64) -> Result<Option<Point>> {
        let all = Point { step: 0, lsn: u64::MAX };
        for (from, snapshot) in self.snapshots_before(way, all) {
            if snapshot.time_us <= us || self.written_before(storage, snapshot, us)? {
                return self.cut_after(storage, way, from, us);
            }
        }
        Ok(None)
    }

    /// Whether everything in a snapshot was written by `us`, although it was taken later.
    fn written_before(&self, storage: &dyn Storage, snapshot: &Snapshot, us: i64) -> Result<bool> {
        let lsn = snapshot.lsn.0;
        let Some(archived) = self.archived.get(&snapshot.timeline) else { return Ok(false) };
        Ok(archived.file_of(lsn).is_some()
            && last_by(storage, archived, Span { first: lsn, last: lsn }, us)?.1)
    }

    /// Goes on from a point whose records are not later than `us`, until one is.
    fn cut_after(&self, storage: &dyn Storage, way: &[Step], from: Point, us: i64) -> Result<Option<Point>> {
        let mut cut = from;
        for (at, step) in way.iter().enumerate().take(from.step + 1).rev() {
            let first = if at == from.step { from.lsn } else { step.fork }.saturating_add(1);
            let Some(wanted) = Span::new(first, step.upper) else { continue };
            let archived = self.archived.get(&step.id);
            let range = archived.and_then(|archived| archived.range_of(Lsn(first)));
            let mut end = first - 1;
            if let (Some(archived), Some(range)) = (archived, range) {
                let held = Span { first, last: range.last.0.min(wanted.last) };
                let (last, all) = last_by(storage, archived, held, us)?;
                if let Some(lsn) = last {
                    cut = Point { step: at, lsn };
                }
                if !all {
                    return Ok(Some(cut));
                }
                end = held.last;
            }
            if end < wanted.last {
                // The archive ends here, or lacks what comes next: what is known of the time after its last record?
                let last_us =
                    range.filter(|range| range.last.0 == end).map_or(i64::MIN, |range| range.last_us);
                return Ok((us <= last_us.max(self.known_us(step.id, end))).then_some(cut));
            }
        }
        // Every record of the way is archived and not later, which ends at the last LSN there is.
        Ok(Some(cut))
    }

    fn refused(&self, target: Target, way: &[Step]) -> Result<Error> {
        let mut windows = Vec::new();
        for step in way {
            windows.extend(self.windows(step.id)?.iter().map(ToString::to_string));
        }
        let recoverable = if windows.is_empty() { "nothing".to_owned() } else { windows.join(", ") };
        let timeline = way.first().map_or_else(String::new, |step| step.id.to_string());
        Ok(Error::NotFound(format!(
            "{target} cannot be recovered on timeline {timeline}; recoverable: {recoverable}"
        )))
    }
}

/// The last LSN of `held`, which is archived, whose record is not later than `us`, and whether that goes for all of them.
fn last_by(
    storage: &dyn Storage,
    archived: &ArchivedTimeline,
    held: Span,
    us: i64,
) -> Result<(Option<u64>, bool)> {
    let (mut last, mut next) = (None, Some(held));
    while let Some(left) = next {
        let Some(file) = archived.file_of(left.first) else {
            return Err(Error::Bug(format!("{}: LSN {} is in no file", archived.id, left.first)));
        };
        let end = file.span().last.min(held.last);
        if file.trailer.first_us > us {
            return Ok((last, false));
        }
        if file.trailer.last_us > us {
            let mut records = file.records(storage)?;
            while records.next_lsn() <= end && records.step()? {
                let lsn = records.next_lsn() - 1;
                if records.last_us() > us {
                    // Times never go back: what comes later is later, also when this one is before what was asked for.
                    return Ok((last, false));
                }
                if lsn >= left.first {
                    last = Some(lsn);
                }
            }
        }
        last = Some(end);
        next = end.checked_add(1).and_then(|first| Span::new(first, held.last));
    }
    Ok((last, true))
}
