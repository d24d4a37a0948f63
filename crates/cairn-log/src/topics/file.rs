//! `TopicFile`: what a topic's `TOPIC` file says (docs/format.md).

use crate::error::corrupt;
use crate::{DatabaseId, Result, SyncMode, TopicConfig};
use cairn_disk::{Storage, sealed};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const MAGIC: &str = "cairndb-topic";
const VERSION: u32 = 1;
const NAME: &str = "TOPIC";

/// A topic's name, id and settings, as they are on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicFile {
    pub name: String,
    pub id: DatabaseId,
    pub created_us: i64,
    pub config: TopicConfig,
}

impl TopicFile {
    /// Writes it into the topic's directory, durably.
    pub fn write(&self, storage: &dyn Storage, topic_dir: &Path) -> Result<()> {
        let TopicConfig { sync, .. } = self.config;
        let interval_us = match sync {
            SyncMode::Periodic { interval_us } => interval_us,
            SyncMode::Fsync | SyncMode::Async => 0,
        };
        let lines = [
            ("name", self.name.clone()),
            ("id", self.id.to_string()),
            ("partitions", self.config.partitions.to_string()),
            ("created_us", self.created_us.to_string()),
            ("retention_us", self.config.retention_us.to_string()),
            ("retention_bytes", self.config.retention_bytes.to_string()),
            ("compaction", self.config.compaction.to_string()),
            ("tombstone_retention_us", self.config.tombstone_retention_us.to_string()),
            ("segment_bytes", self.config.segment_bytes.to_string()),
            ("record_bytes_max", self.config.record_bytes_max.to_string()),
            ("sync", sync.to_string()),
            ("sync_interval_us", interval_us.to_string()),
        ];
        let lines: Vec<(&str, &str)> = lines.iter().map(|(key, value)| (*key, value.as_str())).collect();
        Ok(sealed::write_text(storage, &topic_dir.join(NAME), MAGIC, VERSION, &lines)?)
    }

    /// Reads the file of the topic `name`. A missing file is damage: a topic's directory has one before it has its name.
    pub fn read(storage: &dyn Storage, topic_dir: &Path, name: &str) -> Result<TopicFile> {
        let path = topic_dir.join(NAME);
        if storage.stat(&path)?.is_none() {
            return Err(corrupt(&path, None, "topic file", "a file", "none").into());
        }
        let mut lines =
            Lines { entries: sealed::read_text(storage, &path, MAGIC, VERSION)?.into_iter(), path };
        let (name_there, id) = (lines.value("name")?, lines.value("id")?);
        let (partitions, created_us) = (lines.value("partitions")?, lines.value("created_us")?);
        let file = TopicFile { name: name_there, id, created_us, config: lines.config(partitions)? };
        lines.end()?;
        if file.name != name {
            return Err(corrupt(&lines.path, None, "topic name mismatch", name, file.name).into());
        }
        file.config.check().map_err(|e| lines.wrong("settings", "those of a topic", e))?;
        Ok(file)
    }
}

/// The lines of the file, in their order.
struct Lines {
    path: PathBuf,
    entries: std::vec::IntoIter<(String, String)>,
}

impl Lines {
    fn config(&mut self, partitions: u32) -> Result<TopicConfig> {
        let config = TopicConfig {
            partitions,
            retention_us: self.value("retention_us")?,
            retention_bytes: self.value("retention_bytes")?,
            compaction: self.value("compaction")?,
            tombstone_retention_us: self.value("tombstone_retention_us")?,
            segment_bytes: self.value("segment_bytes")?,
            record_bytes_max: self.value("record_bytes_max")?,
            sync: self.value("sync")?,
        };
        let interval_us: u64 = self.value("sync_interval_us")?;
        let sync = match config.sync {
            SyncMode::Periodic { .. } => SyncMode::Periodic { interval_us },
            other => other,
        };
        Ok(TopicConfig { sync, ..config })
    }

    fn value<T: FromStr>(&mut self, key: &'static str) -> Result<T>
    where
        T::Err: Display,
    {
        let Some((found, value)) = self.entries.next() else {
            return Err(self.wrong("line", key, "the end").into());
        };
        if found != key {
            return Err(self.wrong("line", key, found).into());
        }
        value.parse().map_err(|e| self.wrong(key, "a value of it", format!("`{value}`: {e}")).into())
    }

    fn end(&mut self) -> Result<()> {
        match self.entries.next() {
            Some((key, _)) => Err(self.wrong("line", "the end", key).into()),
            None => Ok(()),
        }
    }

    fn wrong(&self, what: &'static str, expected: impl ToString, actual: impl ToString) -> cairn_disk::Error {
        corrupt(&self.path, None, what, expected, actual)
    }
}
