//! `Cleaned`: what the policy of a [`SnapshotConfig`] deletes.

use super::create::missing_file;
use super::{Snapshot, SnapshotConfig, SnapshotManager};
use crate::Result;

/// What a cleanup did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// The ids of the snapshots it deleted, oldest first.
    pub deleted: Vec<String>,
    /// Whether the policy would have deleted the newest good snapshot, which stays nevertheless.
    pub kept_newest: bool,
}

impl SnapshotManager {
    /// Deletes all but the newest `max_snapshots`, and of those the ones older than `retention_time`; never the newest good
    /// one: its metadata can be read, and its files are all there and as long as they were written. After an error or a
    /// crash some of what was to go is gone, the oldest first.
    pub fn cleanup_snapshots(&self, config: &SnapshotConfig) -> Result<Cleaned> {
        let held = self.hold()?;
        let snapshots = self.tidy(&held)?.snapshots;
        let now_us = self.clock.now_us();
        let goes = |(i, snapshot): (usize, &Snapshot)| {
            i >= config.max_snapshots || is_older(snapshot, config, now_us)
        };
        let mut cleaned = Cleaned::default();
        let mut good = None;
        for (i, snapshot) in snapshots.iter().enumerate() {
            if missing_file(self, &self.dir_of(&snapshot.id), snapshot)?.is_none() {
                good = Some(i);
                cleaned.kept_newest = goes((i, snapshot));
                break;
            }
        }
        let gone: Vec<&Snapshot> = snapshots
            .iter()
            .enumerate()
            .filter(|(i, s)| Some(*i) != good && goes((*i, s)))
            .map(|(_, s)| s)
            .collect();
        for snapshot in gone.into_iter().rev() {
            self.delete(&held, self.catalogue()?, &snapshot.id)?;
            cleaned.deleted.push(snapshot.id.clone());
        }
        Ok(cleaned)
    }
}

/// Whether a snapshot is past its time. One from the future is not: the clock went back.
fn is_older(snapshot: &Snapshot, config: &SnapshotConfig, now_us: i64) -> bool {
    let age_us = now_us.saturating_sub(snapshot.timestamp_us);
    u128::try_from(age_us).is_ok_and(|age_us| age_us > config.retention_time.as_micros())
}
