//! `WalSettings`: how the write-ahead log is kept, and the file that remembers it.

use crate::error::{Error, Result};
use crate::layout::DataDir;
use crate::timeline::{Fields, LogPlace};
use cairn_disk::{Storage, sealed};
use cairn_log::SyncMode;
use std::path::PathBuf;

const MAGIC: &str = "cairndb-wal";
const VERSION: u32 = 1;
/// 24 hours.
const RETENTION_US: i64 = 24 * 3_600 * 1_000_000;

/// How the write-ahead log is kept. A data directory remembers the last ones it was opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalSettings {
    /// Whether there is a log. Without one, what was written since the last checkpoint is lost at a crash, and that time
    /// is a gap for point-in-time recovery.
    pub enabled: bool,
    /// Where it is: a directory that holds one directory for each timeline; `None`: inside the data directory.
    pub dir: Option<PathBuf>,
    /// When a write is acknowledged: once it is on disk, or before.
    pub sync: SyncMode,
    /// Bytes of one segment.
    pub segment_bytes: u64,
    /// How far back the past is kept, in microseconds; 0: only what the newest checkpoint needs.
    pub retention_us: i64,
    /// How many bytes of log are kept at most for that; 0: as many as it takes. What the newest checkpoint needs always stays.
    pub retention_bytes: u64,
    /// Whether vectors are in the log. Without them it is small, and a vector written since the last checkpoint is lost at a
    /// crash, and missing in every state that point-in-time recovery builds from that log.
    pub include_vectors: bool,
}

impl Default for WalSettings {
    /// Synced before a write is acknowledged, segments of 64 MiB, the last 24 hours kept.
    fn default() -> Self {
        WalSettings {
            enabled: true,
            dir: None,
            sync: SyncMode::Fsync,
            segment_bytes: 64 << 20,
            retention_us: RETENTION_US,
            retention_bytes: 0,
            include_vectors: true,
        }
    }
}

impl WalSettings {
    /// Where a new timeline's log goes.
    pub(crate) fn place(&self) -> LogPlace {
        match &self.dir {
            _ if !self.enabled => LogPlace::Off,
            Some(dir) => LogPlace::Below(dir.clone()),
            None => LogPlace::Inside,
        }
    }

    /// Whether changing to `other` takes a new timeline: the log is elsewhere, or cut otherwise.
    pub(crate) fn needs_new_timeline(&self, other: &WalSettings) -> bool {
        self.place() != other.place() || (other.enabled && self.segment_bytes != other.segment_bytes)
    }

    /// Remembers them in a data directory.
    pub(crate) fn write(&self, storage: &dyn Storage, data: &DataDir) -> Result<()> {
        let dir = match &self.dir {
            None => "inside",
            Some(dir) => dir.to_str().filter(|text| !text.contains(['\n', '\r'])).ok_or_else(|| {
                Error::Input(format!("wal.dir: expected a path of one UTF-8 line, got {}", dir.display()))
            })?,
        };
        let interval_us = match self.sync {
            SyncMode::Periodic { interval_us } => interval_us,
            _ => 0,
        };
        let flag = |on: bool| if on { "on" } else { "off" };
        let (sync, interval_us) = (self.sync.name(), interval_us.to_string());
        let (segment, age) = (self.segment_bytes.to_string(), self.retention_us.to_string());
        let bytes = self.retention_bytes.to_string();
        let fields = [
            ("enabled", flag(self.enabled)),
            ("dir", dir),
            ("sync_mode", sync),
            ("flush_interval_us", &interval_us),
            ("segment_bytes", &segment),
            ("retention_us", &age),
            ("retention_bytes", &bytes),
            ("include_vectors", flag(self.include_vectors)),
        ];
        Ok(sealed::write_text(storage, &data.wal_settings(), MAGIC, VERSION, &fields)?)
    }

    /// Those that a data directory remembers; `None`: it never was told any.
    /// How the log of a data directory is kept, as the directory remembers it. Changes nothing and takes no lock.
    pub fn of_dir(storage: &dyn Storage, dir: &std::path::Path) -> Result<WalSettings> {
        Ok(Self::read(storage, &DataDir(dir.to_owned()))?.unwrap_or_default())
    }

    pub(crate) fn read(storage: &dyn Storage, data: &DataDir) -> Result<Option<WalSettings>> {
        let path = data.wal_settings();
        if storage.stat(&path)?.is_none() {
            return Ok(None);
        }
        let fields = Fields::read(storage, &path, MAGIC)?;
        let bad = |key: &str, got: &str| Error::Corrupt {
            path: path.clone(),
            what: format!("`{key}`: cannot read {got:?}"),
        };
        let flag = |key: &str| match fields.get(key)? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(bad(key, other)),
        };
        let dir = fields.get("dir")?;
        let mode = fields.get("sync_mode")?;
        let sync = match mode.parse::<SyncMode>().map_err(|_| bad("sync_mode", mode))? {
            SyncMode::Periodic { .. } => {
                SyncMode::Periodic { interval_us: fields.parse("flush_interval_us")? }
            }
            other => other,
        };
        Ok(Some(WalSettings {
            enabled: flag("enabled")?,
            dir: (dir != "inside").then(|| PathBuf::from(dir)),
            sync,
            segment_bytes: fields.parse("segment_bytes")?,
            retention_us: fields.parse("retention_us")?,
            retention_bytes: fields.parse("retention_bytes")?,
            include_vectors: flag("include_vectors")?,
        }))
    }
}

/// Those in force for a directory that is opened with `wanted`: what was wanted is remembered.
pub(crate) fn resolve(
    storage: &dyn Storage,
    data: &DataDir,
    wanted: Option<&WalSettings>,
) -> Result<WalSettings> {
    let stored = WalSettings::read(storage, data)?;
    match wanted {
        None => Ok(stored.unwrap_or_default()),
        Some(wanted) => {
            if stored.as_ref().unwrap_or(&WalSettings::default()) != wanted {
                wanted.write(storage, data)?;
            }
            Ok(wanted.clone())
        }
    }
}
