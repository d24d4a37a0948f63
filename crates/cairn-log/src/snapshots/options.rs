//! `SnapshotConfig`, `SnapshotOptions`, `RestoreOptions`: how snapshots are kept, made and restored.

use super::Compression;
use std::time::Duration;

/// Which snapshots stay, and how often there is a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// How many to keep, the newest first. 5 by default.
    pub max_snapshots: usize,
    /// Older ones are deleted. 24 hours by default.
    pub retention_time: Duration,
    /// The least time between two that a scheduler makes. 1 hour by default.
    pub min_interval: Duration,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        SnapshotConfig {
            max_snapshots: 5,
            retention_time: Duration::from_secs(24 * 3600),
            min_interval: Duration::from_secs(3600),
        }
    }
}

/// How a snapshot is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// How its files are stored. With any compression sealed segments are read, compressed and checked; without, they are
    /// hard-linked, which takes no time and shares their bytes with the log. None by default.
    pub compression: Compression,
    /// How many files are worked on at a time. 1 by default, and at least 1.
    pub parallel: usize,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        SnapshotOptions { compression: Compression::None, parallel: 1 }
    }
}

/// How a snapshot is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The base offsets of the segments wanted, which must follow one another; `None`, the default: all.
    pub segments: Option<Vec<u64>>,
    /// How many files are worked on at a time. 1 by default, and at least 1.
    pub parallel: usize,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        RestoreOptions { segments: None, parallel: 1 }
    }
}
