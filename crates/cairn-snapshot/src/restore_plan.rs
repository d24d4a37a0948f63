//! What a restore would take: bytes, room, and about how long.

use crate::catalog;
use crate::error::Result;
use crate::job::Job;
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use cairn_disk::{FileType, Storage, parent_dir};
use std::path::Path;
use std::time::Instant;

/// What a restore of a snapshot would take.
#[derive(Debug, Clone, PartialEq)]
pub struct RestorePlan {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Stored bytes that are read and hashed.
    pub read_bytes: u64,
    /// Bytes of the files that are written.
    pub write_bytes: u64,
    /// Bytes of files in the target that are named and as long as the snapshot's: those that are right are kept.
    pub there_bytes: u64,
    /// Records of the log that are replayed.
    pub log_records: u64,
    /// Bytes that are free where the target is.
    pub free_bytes: u64,
    /// About how many seconds it takes on this machine: one part was read and hashed for it.
    pub seconds: f64,
}

impl RestorePlan {
    /// Whether it fits. An incremental one needs room for its checkpoint and for the state it becomes.
    pub fn fits(&self) -> bool {
        let states = if self.log_records > 0 { 2 } else { 1 };
        self.free_bytes >= states * self.write_bytes.saturating_sub(self.there_bytes)
    }
}

/// Records that a replay applies in a second, at least: vectors and events on one core (docs/benchmarks.md).
const RECORDS_A_SECOND: f64 = 400_000.0;
/// The part that is read to learn how fast that is here, at most.
const SAMPLE_BYTES_MAX: u64 = 64 << 20;

/// Looks at what a restore to `target` would take. Writes nothing.
pub fn plan_restore(
    repository: &Repository,
    id_or_name: &str,
    storage: &dyn Storage,
    target: &Path,
    job: &Job<'_>,
) -> Result<RestorePlan> {
    repository.check()?;
    let snapshot = catalog::find(repository, id_or_name)?;
    let mut there_bytes = 0;
    let timelines = target.join("timelines");
    if storage.stat(&timelines)?.is_some() {
        let dirs = storage.list(&timelines)?;
        for file in &snapshot.files {
            let same = |path: &Path| {
                let stat = storage.stat(path).ok().flatten();
                stat.is_some_and(|s| s.file_type == FileType::File && s.bytes == file.part.bytes)
            };
            let found = dirs.iter().any(|dir| same(&timelines.join(&dir.name).join(&file.name)));
            there_bytes += if found { file.part.bytes } else { 0 };
        }
    }
    let mut above = target;
    while storage.stat(above)?.is_none() && parent_dir(above) != above {
        above = parent_dir(above);
    }
    let read_bytes = snapshot.stored_bytes;
    let log_records = snapshot.log_records();
    let seconds = read_bytes as f64 / bytes_a_second(repository, &snapshot, job)?
        + log_records as f64 / RECORDS_A_SECOND;
    Ok(RestorePlan {
        read_bytes,
        write_bytes: snapshot.files.iter().map(|file| file.part.bytes).sum(),
        there_bytes,
        log_records,
        free_bytes: storage.free_bytes(above)?,
        seconds,
        snapshot,
    })
}

/// How fast a part is read and hashed here, by all cores.
fn bytes_a_second(repository: &Repository, snapshot: &Snapshot, job: &Job<'_>) -> Result<f64> {
    let fits = snapshot.parts().filter(|part| part.stored_bytes <= SAMPLE_BYTES_MAX);
    let Some(part) = fits.max_by_key(|part| part.stored_bytes) else { return Ok(f64::MAX) };
    let started = Instant::now();
    part.read(repository.storage(), repository.root(), job.cancel, &mut |_| Ok(()))?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // What is written takes about as long as what is read.
    Ok(part.stored_bytes.max(1) as f64 / started.elapsed().as_secs_f64().max(1e-6) * cores as f64 / 2.0)
}
