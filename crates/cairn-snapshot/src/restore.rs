//! Restoring a snapshot: into a new data directory, or as the state of a running engine.

use crate::catalog;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::replay::replay;
use crate::repository::{Repository, make_dir};
use crate::snapshot::{Place, Snapshot, SnapshotFile};
use cairn_disk::{Storage, parent_dir};
use cairn_engine::{Engine, LoadReport, RestoreReport, Roll, Target, TimelineDraft, restore_dir_rolled};
use std::path::Path;
use std::sync::Arc;

/// What [`restore`] built.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The new timeline.
    pub report: RestoreReport,
}

/// What [`load`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The new timeline.
    pub report: LoadReport,
}

/// Builds the data directory `target` (absent, or empty) on `storage` from the snapshot of an id or a name, as a new
/// timeline. Every byte is checked as [`crate::verify`] checks it before it is used; `target` is whole afterwards, or as it
/// was. `now_us` is the time now, microseconds since the Unix epoch.
///
/// Memory: the manifest, and a MiB or two for each thread that works, however long a file is.
pub fn restore(
    repository: &Repository,
    id_or_name: &str,
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    job: &Job<'_>,
) -> Result<Restored> {
    let snapshot = find(repository, id_or_name)?;
    let reason = format!("restored snapshot {}", snapshot.id);
    make_dir(storage.as_ref(), parent_dir(target))?;
    let fill = |draft: &TimelineDraft| fill(repository, &snapshot, draft, job);
    let roll = roll(repository, &snapshot, None, job);
    let report = restore_dir_rolled(storage, target, now_us, &reason, fill, roll)?;
    Ok(Restored { snapshot, report })
}

/// Replaces the state of a running engine by the snapshot of an id or a name, checked in the same way. Reads go on from
/// the old state meanwhile; on any failure nothing has changed.
pub fn load(repository: &Repository, id_or_name: &str, engine: &Engine, job: &Job<'_>) -> Result<Loaded> {
    let snapshot = find(repository, id_or_name)?;
    let reason = format!("loaded snapshot {}", snapshot.id);
    let fill = |draft: &TimelineDraft| fill(repository, &snapshot, draft, job);
    let report = engine.load_rolled(&reason, fill, roll(repository, &snapshot, None, job))?;
    Ok(Loaded { snapshot, report })
}

/// What is done with the files of a snapshot before they are a timeline; `None`: nothing.
fn roll<'a>(
    repository: &'a Repository,
    snapshot: &'a Snapshot,
    only: Option<Vec<String>>,
    job: &'a Job<'a>,
) -> Option<Roll<'a, Error>> {
    let stands = Place { timeline: snapshot.timeline, lsn: snapshot.lsn };
    if snapshot.log.is_empty() && snapshot.image == stands && only.is_none() {
        return None;
    }
    let records = Box::new(replay(repository, snapshot, job));
    Some(Roll { records, until: Target::Lsn(snapshot.lsn), only })
}

fn find(repository: &Repository, id_or_name: &str) -> Result<Snapshot> {
    repository.check()?;
    catalog::find(repository, id_or_name)
}

/// Puts the files of a snapshot into a draft; the bytes of its manifest.
pub(crate) fn fill(
    repository: &Repository,
    snapshot: &Snapshot,
    draft: &TimelineDraft,
    job: &Job<'_>,
) -> Result<Vec<u8>> {
    let manifest = snapshot.manifest.read_all(repository.storage(), repository.root(), job.cancel)?;
    let plain_bytes = snapshot.files.iter().map(|file| file.part.bytes).sum();
    let meter = Meter::new(job, snapshot.files.len() as u64, plain_bytes);
    let files: Vec<&SnapshotFile> = snapshot.files.iter().collect();
    job.each(
        files,
        || Ok(()),
        |(), file| {
            let mut out = draft.put_stream(&file.name)?;
            file.part.read(repository.storage(), repository.root(), job.cancel, &mut |chunk| {
                out.append(chunk)?;
                meter.bytes(chunk.len() as u64, chunk.len() as u64);
                Ok(())
            })?;
            // Whole and checked: only now it is the draft's.
            out.finish()?;
            meter.file(0, 0);
            Ok(())
        },
    )?;
    Ok(manifest)
}
