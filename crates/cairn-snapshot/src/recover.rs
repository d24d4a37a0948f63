//! Recovering a point in time from a repository alone: a snapshot, and the archived log after it.

use crate::archive::{self, Plan};
use crate::error::Result;
use crate::job::Job;
use crate::replay::replay;
use crate::repository::{Repository, make_dir};
use crate::restore::Source;
use cairn_disk::{Storage, parent_dir};
use cairn_engine::{Options, RestoreReport, Roll, Target, TimelineDraft, TimelineId, restore_dir_rolled};
use std::path::Path;
use std::sync::Arc;

/// What [`recover`] built.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// From what.
    pub plan: Plan,
    /// The new timeline.
    pub report: RestoreReport,
}

/// Builds the data directory `target_dir` (absent, or empty) on `storage` as the database was at a point in time, as a new
/// timeline: the nearest snapshot before the point, and the archived records from there up to exactly it. Every byte is
/// checked before it is used; the directory is whole afterwards, or as it was. [`archive::plan`] says beforehand what it
/// would take, and how the point is found.
///
/// Memory: the whole state.
pub fn recover(
    repository: &Repository,
    target: Target,
    timeline: Option<TimelineId>,
    storage: &Arc<dyn Storage>,
    target_dir: &Path,
    options: &Options,
    job: &Job<'_>,
) -> Result<Recovered> {
    repository.check()?;
    let plan = archive::plan(repository, target, timeline)?;
    make_dir(storage.as_ref(), parent_dir(target_dir))?;
    let reason = format!("recovered to {target} from snapshot {} and the archive", plan.snapshot.id);
    // The snapshot's own log first, then the archive's.
    let records = replay(repository, &plan.snapshot, job).chain(plan.replay(repository));
    let roll = Roll { records: Box::new(records), until: Target::Lsn(plan.until), only: None };
    let now_us = options.clock.now_us();
    let source = Source::new(repository, &plan.snapshot, job);
    let fill = |draft: &TimelineDraft| source.fill(draft);
    let report = source.told(restore_dir_rolled(storage, target_dir, now_us, &reason, fill, Some(roll)))?;
    Ok(Recovered { plan, report })
}
