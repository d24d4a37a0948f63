//! `SnapshotScheduler`: when the next snapshot is due.

use super::{Cleaned, Snapshot, SnapshotConfig, SnapshotManager, SnapshotOptions};
use crate::{Log, Result};

/// Takes snapshots no more often than its configuration says. It has no thread and no state: its owner's timer calls
/// [`SnapshotScheduler::run_if_due`], and when the last one was is what the snapshots' metadata says, also after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotScheduler {
    /// How often, and what stays.
    pub config: SnapshotConfig,
    /// How snapshots are made.
    pub options: SnapshotOptions,
}

/// What a scheduler did.
#[derive(Debug)]
pub struct Scheduled {
    /// The new snapshot.
    pub snapshot: Snapshot,
    /// What was deleted for it, or why that failed.
    pub cleaned: Result<Cleaned>,
}

impl SnapshotScheduler {
    /// One with these settings.
    pub fn new(config: SnapshotConfig) -> SnapshotScheduler {
        SnapshotScheduler { config, options: SnapshotOptions::default() }
    }

    /// Whether a snapshot is due at `now_us` (microseconds since the Unix epoch) beside these: when none of them is nearer
    /// than `min_interval`, before it *or after*. So a clock that is set back does not stop it for longer than twice that.
    pub fn due(&self, snapshots: &[Snapshot], now_us: i64) -> bool {
        let min_us = self.config.min_interval.as_micros();
        snapshots.iter().all(|s| u128::from(now_us.abs_diff(s.timestamp_us)) >= min_us)
    }

    /// Takes a snapshot if one is due, then cleans up; `None` when none is due. After an error it is due still.
    pub fn run_if_due(&self, manager: &SnapshotManager, log: &Log) -> Result<Option<Scheduled>> {
        if !self.due(&manager.list_snapshots()?, manager.clock.now_us()) {
            return Ok(None);
        }
        let snapshot = manager.create_snapshot_with(log, &self.options)?;
        Ok(Some(Scheduled { snapshot, cleaned: manager.cleanup_snapshots(&self.config) }))
    }

    /// As [`SnapshotScheduler::run_if_due`] for several logs, all at one moment, when for any of them one is due.
    pub fn run_cut_if_due(&self, logs: &[(&SnapshotManager, &Log)]) -> Result<Option<Vec<Scheduled>>> {
        let mut due = false;
        for (manager, _) in logs {
            due |= self.due(&manager.list_snapshots()?, manager.clock.now_us());
        }
        if !due {
            return Ok(None);
        }
        let snapshots = SnapshotManager::create_cut_with(logs, &self.options)?;
        let done = snapshots.into_iter().zip(logs).map(|(snapshot, (manager, _))| Scheduled {
            snapshot,
            cleaned: manager.cleanup_snapshots(&self.config),
        });
        Ok(Some(done.collect()))
    }
}
