//! Pruning: removing archived log that no recovery needs any more.

use super::ancestry::{History, Point};
use super::catalog::ArchivedTimeline;
use super::segment_name::{LOCK, Span, timeline_dir};
use crate::error::Result;
use crate::job::Job;
use crate::repository::Repository;
use cairn_disk::ErrorKind;
use cairn_engine::{Lsn, TimelineId};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a prune has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveKeep {
    /// Every point from this time on (microseconds since the Unix epoch, UTC) stays recoverable as it is. `None`: every point
    /// that any snapshot of the repository leads to.
    pub since_us: Option<i64>,
}

/// A file that a prune removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneFile {
    /// Its timeline.
    pub timeline: TimelineId,
    /// Its path.
    pub path: PathBuf,
    /// Its first LSN.
    pub first: Lsn,
    /// Its last LSN.
    pub last: Lsn,
    /// Its stored bytes; 0 for the note of a gap.
    pub bytes: u64,
}

/// What a prune removes, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrunePlan {
    /// The files, of each timeline the oldest first.
    pub files: Vec<PruneFile>,
    /// Their stored bytes.
    pub bytes: u64,
}

/// What [`prune`] would remove: archived files all of whose records are before the snapshot that `keep` needs. Where no
/// snapshot leads to a timeline nothing is removed, and of each timeline the newest file stays.
pub fn prune_plan(repository: &Repository, keep: &ArchiveKeep) -> Result<PrunePlan> {
    let history = History::read(repository)?;
    let mut needed: BTreeMap<TimelineId, u64> = BTreeMap::new();
    for id in history.archived.keys() {
        for (timeline, from) in history.needed(*id, keep)? {
            needed.entry(timeline).and_modify(|least| *least = from.min(*least)).or_insert(from);
        }
    }
    let mut plan = PrunePlan::default();
    for archived in history.archived.values() {
        let from = needed.get(&archived.id).copied().unwrap_or(0);
        plan.files.extend(removable(repository, archived, from));
    }
    plan.bytes = plan.files.iter().map(|file| file.bytes).sum();
    Ok(plan)
}

/// Removes the files of a plan, of each timeline the oldest first and each durably before the next: a crash or an error leaves
/// no hole. A file that is gone already is none. What was removed.
pub fn prune(repository: &Repository, plan: &PrunePlan, job: &Job<'_>) -> Result<PrunePlan> {
    let storage = repository.storage();
    let mut done = PrunePlan::default();
    for files in plan.files.chunk_by(|a, b| a.timeline == b.timeline) {
        let Some(first) = files.first() else { continue };
        let dir = timeline_dir(repository.root(), first.timeline);
        let _lock =
            storage.lock(&dir.join(LOCK), &format!("pid {} (archive prune)\n", std::process::id()))?;
        for file in files {
            job.go_on()?;
            match storage.remove(&file.path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                removed => removed?,
            }
            storage.sync_dir(&dir)?;
            done.bytes += file.bytes;
            done.files.push(file.clone());
        }
    }
    Ok(done)
}

impl History {
    /// From which LSN on each timeline on the way to `id` is needed to recover points of `id`.
    fn needed(&self, id: TimelineId, keep: &ArchiveKeep) -> Result<Vec<(TimelineId, u64)>> {
        let way = self.way(id)?;
        let all = Point { step: 0, lsn: u64::MAX };
        let snapshots = self.snapshots_before(&way, all);
        // The nearest that is old enough, or else the oldest there is.
        let old_enough = |us: i64| snapshots.iter().find(move |(_, snapshot)| snapshot.time_us <= us);
        let anchor = keep.since_us.and_then(old_enough).or(snapshots.last());
        let from = anchor.map_or(Point { step: way.len(), lsn: 0 }, |(point, _)| *point);
        let needs = way.iter().enumerate().take(from.step + 1);
        Ok(needs
            .map(|(at, step)| (step.id, if at == from.step { from.lsn.saturating_add(1) } else { 0 }))
            .collect())
    }
}

/// The files and notes wholly before `from`, but for the newest file.
fn removable(repository: &Repository, archived: &ArchivedTimeline, from: u64) -> Vec<PruneFile> {
    let dir = timeline_dir(repository.root(), archived.id);
    let newest = archived.last().map_or(0, |lsn| lsn.0);
    let file = |path: PathBuf, span: Span, bytes: u64| PruneFile {
        timeline: archived.id,
        path,
        first: Lsn(span.first),
        last: Lsn(span.last),
        bytes,
    };
    let logs = archived.files.iter().map(|f| file(f.path.clone(), f.span(), f.stored_bytes()));
    let notes = archived.notes.iter().map(|span| file(dir.join(span.gap_name()), *span, 0));
    let mut files: Vec<PruneFile> =
        logs.chain(notes).filter(|file| file.last.0 < from && file.last.0 < newest).collect();
    files.sort_by_key(|file| (file.first, file.last));
    files
}
