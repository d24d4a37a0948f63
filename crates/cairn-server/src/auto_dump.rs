//! The automatic dump: `auto_YYYYMMDD_HHMMSS.snapshot` in `snapshot.dir`, of which the newest stay.

use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use cairn_snapshot::{auto_dump_name, auto_dumps, nvec};
use std::sync::atomic::AtomicBool;

/// Saves one, once no other job runs; its time and name. `cancel` ends it, and nothing is left.
pub(crate) fn save(backend: &EngineBackend, cancel: &AtomicBool) -> Result<(i64, String), Failure> {
    let family = (Family::Dump, Kind::Save);
    backend.jobs.run_waiting(family, "scheduled DUMP SAVE", "", cancel, |job| {
        backend.savable()?;
        let (storage, dir) = (backend.storage.as_ref(), &backend.snapshot.dir);
        backend.prepare_dir(dir)?;
        let now_us = backend.now_us();
        let name = auto_dump_name(storage, dir, now_us)?;
        let path = dir.join(&name);
        backend.jobs.rename(Family::Dump, &path.display().to_string());
        nvec::save(storage, &path, &backend.engine.view()?, now_us, job)?;
        Ok((now_us, name))
    })
}

/// Removes all but the newest `retain` automatic ones, the oldest first; 0: none. Files with other names are never touched.
pub(crate) fn clean(backend: &EngineBackend, retain: u32) -> Result<u64, Failure> {
    let (storage, dir) = (backend.storage.as_ref(), &backend.snapshot.dir);
    let found = auto_dumps(storage, dir)?;
    let spare = if retain == 0 { 0 } else { found.len().saturating_sub(retain as usize) };
    let disk = |e: cairn_disk::Error| Failure::from(cairn_snapshot::Error::from(e));
    for (_, name) in found.iter().take(spare) {
        storage.remove(&dir.join(name)).map_err(disk)?;
    }
    if spare > 0 {
        storage.sync_dir(dir).map_err(disk)?;
    }
    Ok(spare as u64)
}
