//! `WalChange`: what is to be different about the write-ahead log, from options that a person wrote.

use crate::failure::{Failure, shown};
use crate::units::{parse_duration, parse_size, show_duration, show_size};
use cairn_engine::{SyncMode, WalSettings};
use std::path::PathBuf;

/// The smallest segment: 1 MiB.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 1 << 20;
/// The largest segment: 4 GiB.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 32;
/// The shortest interval between two syncs: 1 ms.
pub(crate) const FLUSH_US_MIN: u64 = 1_000;
/// The longest: an hour.
pub(crate) const FLUSH_US_MAX: u64 = 3_600_000_000;
/// The longest retention, in microseconds: a hundred years of 365 days.
pub(crate) const RETENTION_US_MAX: u64 = 100 * 365 * 86_400_000_000;
/// The most bytes that retention may be told to keep.
pub(crate) const RETENTION_BYTES_MAX: u64 = i64::MAX as u64;

type Result<T> = std::result::Result<T, Failure>;

/// Changes to [`WalSettings`]; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WalChange {
    /// The log's directory as given; empty: inside the data directory.
    pub path: Option<String>,
    /// The sync mode, its interval aside.
    pub sync: Option<SyncMode>,
    /// Microseconds between two syncs, of the mode periodic.
    pub flush_us: Option<u64>,
    /// Bytes of a segment.
    pub segment_bytes: Option<u64>,
    /// How far back the past is kept, in microseconds.
    pub retention_us: Option<u64>,
    /// How many bytes of log are kept at most for that.
    pub retention_bytes: Option<u64>,
    /// Whether vectors are in the log.
    pub include_vectors: Option<bool>,
}

impl WalChange {
    /// Takes the option `name` (as `sync_mode`) with its value; `Ok(false)`: there is none of this name. A value that is none
    /// of its kind, or out of range, is refused with what was expected.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "path" => self.path = Some(value.to_owned()),
            "sync_mode" => {
                let expected = "fsync, periodic, or async";
                self.sync = Some(value.parse().map_err(|_| bad(name, expected, value))?);
            }
            "flush_interval" => {
                let range = (FLUSH_US_MIN, FLUSH_US_MAX);
                self.flush_us = Some(duration(name, value, range)?);
            }
            "segment_size" => {
                let range = (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
                self.segment_bytes = Some(size(name, value, range)?);
            }
            "retention" => self.retention_us = Some(duration(name, value, (0, RETENTION_US_MAX))?),
            "retention_bytes" => self.retention_bytes = Some(size(name, value, (0, RETENTION_BYTES_MAX))?),
            "include_vectors" => self.include_vectors = Some(on_off(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The settings with the changes made and the log switched on. `dir` is what the path means, when one was given. An
    /// interval without the mode periodic is refused.
    pub fn applied_to(&self, current: &WalSettings, dir: Option<PathBuf>) -> Result<WalSettings> {
        let mut sync = self.sync.unwrap_or(current.sync);
        if let SyncMode::Periodic { interval_us } = &mut sync {
            match (self.flush_us, current.sync) {
                (Some(us), _) => *interval_us = us,
                (None, SyncMode::Periodic { interval_us: us }) => *interval_us = us,
                (None, _) => {}
            }
        } else if let Some(us) = self.flush_us {
            return Err(Failure::input(format!(
                "flush_interval {} needs sync_mode periodic, got {}",
                show_duration(us),
                sync.name()
            )));
        }
        let dir = match &self.path {
            None => current.dir.clone(),
            Some(path) if path.is_empty() => None,
            Some(_) => dir,
        };
        let retention = |us: u64| i64::try_from(us).unwrap_or(i64::MAX);
        Ok(WalSettings {
            enabled: true,
            dir,
            sync,
            segment_bytes: self.segment_bytes.unwrap_or(current.segment_bytes),
            retention_us: self.retention_us.map_or(current.retention_us, retention),
            retention_bytes: self.retention_bytes.unwrap_or(current.retention_bytes),
            include_vectors: self.include_vectors.unwrap_or(current.include_vectors),
        })
    }
}

/// `on, fsync`, `on, periodic 5s`, `on, async`, `off`.
pub fn wal_text(wal: &WalSettings) -> String {
    match wal.sync {
        _ if !wal.enabled => "off".to_owned(),
        SyncMode::Periodic { interval_us } => format!("on, periodic {}", show_duration(interval_us)),
        sync => format!("on, {sync}"),
    }
}

/// `24h`; `0` when only what the newest checkpoint needs is kept.
pub fn retention_text(wal: &WalSettings) -> String {
    show_duration(u64::try_from(wal.retention_us).unwrap_or(0))
}

/// `5s`; `None` when the mode has no interval.
pub fn flush_text(wal: &WalSettings) -> Option<String> {
    match wal.sync {
        SyncMode::Periodic { interval_us } => Some(show_duration(interval_us)),
        _ => None,
    }
}

pub(crate) fn on_off(name: &str, value: &str) -> Result<bool> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(bad(name, "on or off", value)),
    }
}

pub(crate) fn duration(name: &str, value: &str, (min, max): (u64, u64)) -> Result<u64> {
    let expected = || {
        format!("a duration in range [{}, {}], as 250ms, 5s or 24h", show_duration(min), show_duration(max))
    };
    let us = parse_duration(value).filter(|us| (min..=max).contains(us));
    us.ok_or_else(|| bad(name, &expected(), value))
}

pub(crate) fn size(name: &str, value: &str, (min, max): (u64, u64)) -> Result<u64> {
    let expected = || match max {
        RETENTION_BYTES_MAX => "a size in bytes, or as 64MB or 8GB".to_owned(),
        max => format!("a size in range [{}, {}], as 64MB or 67108864", show_size(min), show_size(max)),
    };
    let bytes = parse_size(value).filter(|bytes| (min..=max).contains(bytes));
    bytes.ok_or_else(|| bad(name, &expected(), value))
}

pub(crate) fn bad(name: &str, expected: &str, got: &str) -> Failure {
    Failure::input(format!("Invalid {name} value: {} (must be {expected})", shown(got)))
}
