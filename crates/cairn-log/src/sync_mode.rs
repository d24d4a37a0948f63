//! `SyncMode`: when what is appended becomes durable.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// When an append is acknowledged, and when it is synced. The log itself appends and syncs when told; its owner keeps to a
/// mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    /// Acknowledged once it is on disk: one sync for all that wait.
    #[default]
    Fsync,
    /// Acknowledged when it is written; synced every so often. A crash of the machine takes what came since the last sync.
    Periodic {
        /// Microseconds between two syncs.
        interval_us: u64,
    },
    /// Acknowledged when it is written; synced when a segment is sealed, at a checkpoint and at an orderly end.
    Async,
}

impl SyncMode {
    /// The interval of `periodic` when none is given: 5 s.
    pub const INTERVAL_US: u64 = 5_000_000;

    /// Its name: `fsync`, `periodic`, `async`.
    pub fn name(self) -> &'static str {
        match self {
            SyncMode::Fsync => "fsync",
            SyncMode::Periodic { .. } => "periodic",
            SyncMode::Async => "async",
        }
    }
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SyncMode {
    type Err = Error;

    /// `periodic` has the default interval.
    fn from_str(text: &str) -> Result<SyncMode> {
        match text {
            "fsync" => Ok(SyncMode::Fsync),
            "periodic" => Ok(SyncMode::Periodic { interval_us: SyncMode::INTERVAL_US }),
            "async" => Ok(SyncMode::Async),
            _ => Err(Error::SyncMode { text: text.chars().take(64).collect() }),
        }
    }
}
