//! What a file says about the write-ahead log, put together once all of it is read: nvecd's names and ours.

use crate::units::show_duration;
use cairn_engine::{SyncMode, WalSettings};
use std::path::PathBuf;

/// The values of the `wal.*` keys that a file has.
#[derive(Debug, Default)]
pub(crate) struct WalKeys {
    pub enabled: Option<bool>,
    pub dir: Option<PathBuf>,
    pub segment_bytes: Option<u64>,
    pub sync_mode: Option<SyncMode>,
    pub flush_us: Option<u64>,
    pub sync_on_write: Option<bool>,
    pub sync_interval_ms: Option<u64>,
    pub include_vectors: Option<bool>,
    pub retention_us: Option<u64>,
    pub retention_bytes: Option<u64>,
}

/// Two keys that contradict each other: the one to report, and the message.
pub(crate) type Contradiction = (&'static str, String);

impl WalKeys {
    /// The settings; what the file leaves out has its default.
    pub fn settings(self) -> Result<WalSettings, Contradiction> {
        let default = WalSettings::default();
        Ok(WalSettings {
            sync: self.sync()?,
            enabled: self.enabled.unwrap_or(default.enabled),
            dir: self.dir,
            segment_bytes: self.segment_bytes.unwrap_or(default.segment_bytes),
            retention_us: self
                .retention_us
                .map_or(default.retention_us, |us| i64::try_from(us).unwrap_or(i64::MAX)),
            retention_bytes: self.retention_bytes.unwrap_or(default.retention_bytes),
            include_vectors: self.include_vectors.unwrap_or(default.include_vectors),
        })
    }

    fn sync(&self) -> Result<SyncMode, Contradiction> {
        let mode = self.mode()?;
        let SyncMode::Periodic { interval_us } = mode else {
            return match self.flush_us {
                None => Ok(mode),
                Some(us) => {
                    let us = show_duration(us);
                    let message = format!(
                        "wal.flush_interval: {us} needs wal.sync_mode: periodic, but the mode is {mode}"
                    );
                    Err(("wal.flush_interval", message))
                }
            };
        };
        let interval_us = match (self.flush_us, self.interval_us()) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                let ours = show_duration(ours);
                let message = format!(
                    "wal.flush_interval: {ours} contradicts wal.sync_interval_ms: {}",
                    theirs / 1_000
                );
                return Err(("wal.flush_interval", message));
            }
            (ours, theirs) => ours.or(theirs).unwrap_or(interval_us),
        };
        Ok(SyncMode::Periodic { interval_us })
    }

    /// nvecd's interval, when it is one.
    fn interval_us(&self) -> Option<u64> {
        self.sync_interval_ms.filter(|ms| *ms > 0).map(|ms| ms.saturating_mul(1_000))
    }

    /// Ours, else what nvecd's two keys say.
    fn mode(&self) -> Result<SyncMode, Contradiction> {
        if let Some(mode) = self.sync_mode {
            return match self.sync_on_write {
                Some(on_write) if on_write != (mode == SyncMode::Fsync) => {
                    let message = format!("wal.sync_mode: {mode} contradicts wal.sync_on_write: {on_write}");
                    Err(("wal.sync_mode", message))
                }
                _ => Ok(mode),
            };
        }
        Ok(match (self.sync_on_write, self.interval_us()) {
            (None | Some(true), _) => SyncMode::Fsync,
            (Some(false), Some(interval_us)) => SyncMode::Periodic { interval_us },
            (Some(false), None) => SyncMode::Async,
        })
    }
}
