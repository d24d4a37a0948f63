//! Checking a data directory: every byte of what it would be opened from, changing nothing.

use crate::collection::Counts;
use crate::error::{Error, Result};
use crate::kept;
use crate::layout::{DataDir, TimelineDir};
use crate::loaded::{self, Reading};
use crate::manifest::Manifest;
use crate::replay::{Until, apply_all, gap, log_config};
use crate::state::State;
use crate::timeline::{Timeline, read_began, read_current, read_database, read_ended};
use crate::view::{Position, View};
use crate::wal_settings::WalSettings;
use cairn_disk::{Storage, read_file};
use cairn_log::{DatabaseId, Log, Lsn, TimelineId};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// What a check found in a whole directory.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The database.
    pub database: DatabaseId,
    /// The live timeline.
    pub timeline: Timeline,
    /// The last record in the log: what an open would stand at.
    pub lsn: Lsn,
    /// The checkpoint an open would start from.
    pub checkpoint_lsn: Lsn,
    /// Records after it.
    pub replayed: u64,
    /// Bytes of an unacknowledged torn end that an open would cut.
    pub torn_bytes: u64,
    /// SHA-256 of the logical state.
    pub state_hash: [u8; 32],
    /// How much there is.
    pub counts: Counts,
}

/// Verifies a closed data directory: its identity, checkpoint, files and log, every byte, and that they make a state.
///
/// Takes the lock, so that nothing is written meanwhile, and writes nothing itself (but the lock file).
pub fn check_dir(storage: &Arc<dyn Storage>, dir: &Path) -> Result<CheckReport> {
    Ok(view_dir(storage, dir)?.1)
}

/// As [`check_dir`], and the state itself: what an open would stand at, with its own settings. For a snapshot of a closed
/// directory, which opening with other settings would change.
pub fn view_dir(storage: &Arc<dyn Storage>, dir: &Path) -> Result<(View, CheckReport)> {
    let data = DataDir(dir.to_owned());
    if storage.stat(&data.database())?.is_none() {
        let message = format!("{}: no database in it (expected a file DATABASE)", dir.display());
        return Err(Error::NotFound(message));
    }
    let _lock = storage.lock(&data.lock(), &format!("pid {} (check)", std::process::id()))?;
    let database = read_database(&**storage, &data)?;
    let id = read_current(&**storage, &data)?;
    let timeline_dir = data.timeline(id);
    let timeline = Timeline::read(&**storage, &timeline_dir)?;
    if timeline.id != id || timeline.database != database {
        let what = format!(
            "id mismatch: expected timeline {id} of {database}, got {} of {}",
            timeline.id, timeline.database
        );
        return Err(Error::Corrupt { path: timeline_dir.info(), what });
    }
    WalSettings::read(&**storage, &data)?;
    check_past(storage, &data, id)?;
    let loaded = loaded::load(&**storage, &timeline_dir, Reading::EveryByte)?;
    let checkpoint_lsn = loaded.position.lsn;
    let mut state = loaded.state;
    let (replayed, torn_bytes, last_us) =
        check_log(storage, &timeline_dir, &timeline, checkpoint_lsn, &mut state)?;
    let lsn = Lsn(checkpoint_lsn.0 + replayed);
    let counts = state.counts();
    let time_us = loaded.position.time_us.max(last_us);
    let position = Position { database, timeline: id, lsn, time_us };
    let view = View { position, state: state.view() };
    let state_hash = view.state_hash();
    Ok((
        view,
        CheckReport { database, timeline, lsn, checkpoint_lsn, replayed, torn_bytes, state_hash, counts },
    ))
}

/// Checks what going back would need: the older checkpoints of the live timeline, and all of every other one.
fn check_past(storage: &Arc<dyn Storage>, data: &DataDir, live: TimelineId) -> Result<()> {
    for entry in storage.list(&data.timelines())? {
        let Ok(id) = entry.name.parse::<TimelineId>() else { continue };
        let dir = data.timeline(id);
        if storage.stat(&dir.info())?.is_none() {
            // Never finished: the next open removes it.
            continue;
        }
        let timeline = Timeline::read(&**storage, &dir)?;
        read_began(&**storage, &dir)?;
        read_ended(&**storage, &dir)?;
        let mut checked = HashSet::new();
        for lsn in kept::listed(&**storage, &dir)? {
            let path = dir.checkpoint(lsn);
            let manifest = Manifest::decode(&path, &read_file(&**storage, &path, kept::MANIFEST_BYTES_MAX)?)?;
            for file in &manifest.files {
                if checked.insert(file.name.clone()) {
                    loaded::read_file_of(&**storage, &dir, file)?;
                }
            }
        }
        if id != live
            && let Some(wal) = timeline.wal_dir(&dir)
            && storage.stat(&wal)?.is_some()
        {
            let config = log_config(&wal, &timeline, 64 << 20, i64::MIN);
            let inspection = Log::inspect(Arc::clone(storage), config)?;
            if let Some(damage) = inspection.damage.into_iter().next() {
                return Err(damage.into());
            }
        }
    }
    Ok(())
}

/// Reads the whole log without changing it, and applies what comes after the checkpoint: how many records, the bytes of
/// a torn end, the last one's time.
fn check_log(
    storage: &Arc<dyn Storage>,
    dir: &TimelineDir,
    timeline: &Timeline,
    from: Lsn,
    state: &mut State,
) -> Result<(u64, u64, i64)> {
    let Some(wal) = timeline.wal_dir(dir) else { return Ok((0, 0, i64::MIN)) };
    let config = log_config(&wal, timeline, 64 << 20, i64::MIN);
    let inspection = Log::inspect(Arc::clone(storage), config.clone())?;
    if let Some(damage) = inspection.damage.into_iter().next() {
        return Err(damage.into());
    }
    let first = from.0 + 1;
    let base = inspection.first_offset.unwrap_or(inspection.next_offset);
    if base > first || inspection.next_offset < first {
        return Err(gap(&wal, first, base, inspection.next_offset));
    }
    let reader = Log::read_only(Arc::clone(storage), config, first)?;
    let done = apply_all(reader, &wal, inspection.next_offset - first, Until::End, state, None, None)?;
    Ok((done.records, inspection.torn.map_or(0, |torn| torn.bytes), done.last_us))
}
