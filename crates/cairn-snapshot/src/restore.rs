//! Restoring a snapshot: into a new data directory, or as the state of a running engine.

use crate::catalog;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::part::Part;
use crate::repository::{Repository, make_dir};
use crate::snapshot::{Snapshot, SnapshotFile};
use cairn_disk::{Storage, parent_dir};
use cairn_engine::{Engine, LoadReport, RestoreReport, TimelineDraft, restore_dir};
use std::path::Path;
use std::sync::Arc;

/// Memory set aside for a file before its bytes have come.
const RESERVE_BYTES_MAX: u64 = 16 << 20;

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
    let report =
        restore_dir(storage, target, now_us, &reason, |draft| fill(repository, &snapshot, draft, job))?;
    Ok(Restored { snapshot, report })
}

/// Replaces the state of a running engine by the snapshot of an id or a name, checked in the same way. Reads go on from
/// the old state meanwhile; on any failure nothing has changed.
pub fn load(repository: &Repository, id_or_name: &str, engine: &Engine, job: &Job<'_>) -> Result<Loaded> {
    let snapshot = find(repository, id_or_name)?;
    let reason = format!("loaded snapshot {}", snapshot.id);
    let report = engine.load(&reason, |draft| fill(repository, &snapshot, draft, job))?;
    Ok(Loaded { snapshot, report })
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
    let manifest = read(repository, &snapshot.manifest, job)?;
    let meter = Meter::new(job, snapshot.files.len() as u64, snapshot.plain_bytes - snapshot.manifest.bytes);
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

/// The plain bytes of a part, checked: of a manifest, which is bounded.
fn read(repository: &Repository, part: &Part, job: &Job<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(part.bytes.min(RESERVE_BYTES_MAX) as usize);
    part.read(repository.storage(), repository.root(), job.cancel, &mut |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })?;
    if bytes.len() as u64 != part.bytes {
        return Err(Error::Bug(format!("{}: read {} bytes of {}", part.stored(), bytes.len(), part.bytes)));
    }
    Ok(bytes)
}
