//! Checking a data directory: every byte of what it would be opened from, changing nothing.

use crate::collection::{Collection, Counts};
use crate::core::apply_record;
use crate::error::{Error, Result};
use crate::layout::{DataDir, TimelineDir};
use crate::loaded;
use crate::timeline::{Timeline, read_current, read_database};
use crate::view::{Position, View};
use cairn_disk::Storage;
use cairn_log::{DatabaseId, Log, LogConfig, Lsn};
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
    let loaded = loaded::load(&**storage, &timeline_dir)?;
    let checkpoint_lsn = loaded.position.lsn;
    let mut state = loaded.collection;
    let (replayed, torn_bytes) = replay(storage, &timeline_dir, &timeline, checkpoint_lsn, &mut state)?;
    let lsn = Lsn(checkpoint_lsn.0 + replayed);
    let counts = state.counts;
    let position = Position { database, timeline: id, lsn, time_us: loaded.position.time_us };
    let view = View { position, state: state.view() };
    let state_hash = view.state_hash();
    Ok((
        view,
        CheckReport { database, timeline, lsn, checkpoint_lsn, replayed, torn_bytes, state_hash, counts },
    ))
}

/// Reads the whole log without changing it, and applies what comes after the checkpoint.
fn replay(
    storage: &Arc<dyn Storage>,
    dir: &TimelineDir,
    timeline: &Timeline,
    from: Lsn,
    state: &mut Collection,
) -> Result<(u64, u64)> {
    let wal = dir.wal();
    let mut config = LogConfig::new(&wal, timeline.database, timeline.id);
    config.start = timeline.fork_lsn.0 + 1;
    let inspection = Log::inspect(Arc::clone(storage), config.clone())?;
    if let Some(damage) = inspection.damage.into_iter().next() {
        return Err(damage.into());
    }
    let first = from.0 + 1;
    let base = inspection.first_offset.unwrap_or(inspection.next_offset);
    if base > first || inspection.next_offset < first {
        return Err(gap_error(&wal, first, base));
    }
    let mut next = first;
    let mut reader = Log::read_only(Arc::clone(storage), config, first)?;
    while let Some(record) = reader.next_ref() {
        let record = record?;
        apply_record(&wal, record.offset, record.value, state)?;
        next = record.offset + 1;
    }
    Ok((next - first, inspection.torn.map_or(0, |torn| torn.bytes)))
}

fn gap_error(wal: &Path, expected: u64, actual: u64) -> Error {
    Error::Corrupt {
        path: wal.to_owned(),
        what: format!("a gap in the log: expected LSN {expected}, got {actual}"),
    }
}
