//! `TopicConfig`: a topic's settings.

use crate::{Error, LogConfig, Result, SyncMode};
use std::fmt;
use std::str::FromStr;

/// The most partitions that a topic has.
pub(crate) const PARTITIONS_MAX: u32 = 1024;
const DAY_US: u64 = 24 * 60 * 60 * 1_000_000;

/// Which records of a topic are superseded by later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompactionPolicy {
    /// None: only retention takes records away.
    #[default]
    None,
    /// Those with a key that a later record has.
    Key,
}

impl fmt::Display for CompactionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CompactionPolicy::None => "none",
            CompactionPolicy::Key => "key",
        })
    }
}

impl FromStr for CompactionPolicy {
    type Err = String;

    /// Reads `none` or `key`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(CompactionPolicy::None),
            "key" => Ok(CompactionPolicy::Key),
            _ => Err(format!("unknown compaction: expected none or key, got {text}")),
        }
    }
}

/// What a topic is created with. Some of it can be changed later: [`TopicChange`](super::TopicChange).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// How many partitions, 1 to 1,024; 1 by default. An open topic holds a file open for each.
    pub partitions: u32,
    /// Sealed segments whose last record is older than this many microseconds are dropped; 0 (the default) keeps them.
    pub retention_us: u64,
    /// The oldest sealed segments of a partition are dropped while it has more bytes than this; 0 (the default) keeps them.
    pub retention_bytes: u64,
    /// Which records later ones supersede; none by default.
    pub compaction: CompactionPolicy,
    /// For how many microseconds after its timestamp a tombstone (a key and no value) outlives compaction; 24 hours by
    /// default. A reader that is slower may miss that the key is gone.
    pub tombstone_retention_us: u64,
    /// A segment is sealed before it would pass this many bytes; 64 MiB by default.
    pub segment_bytes: u64,
    /// The longest record taken, its 32 bytes of head included; 32 MiB by default.
    pub record_bytes_max: u32,
    /// When appended records become durable; before the append returns by default.
    pub sync: SyncMode,
}

impl Default for TopicConfig {
    fn default() -> Self {
        let LogConfig { segment_bytes, record_bytes_max, .. } = log_defaults();
        TopicConfig {
            partitions: 1,
            retention_us: 0,
            retention_bytes: 0,
            compaction: CompactionPolicy::None,
            tombstone_retention_us: DAY_US,
            segment_bytes,
            record_bytes_max,
            sync: SyncMode::Fsync,
        }
    }
}

impl TopicConfig {
    /// Refuses settings that make no topic.
    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            let value = self.partitions.into();
            return Err(Error::Setting { name: "partitions", value, min: 1, max: PARTITIONS_MAX.into() });
        }
        let (segment_bytes, record_bytes_max) = (self.segment_bytes, self.record_bytes_max);
        LogConfig { segment_bytes, record_bytes_max, ..log_defaults() }.check()
    }
}

fn log_defaults() -> LogConfig {
    LogConfig::new("", crate::DatabaseId::ZERO, crate::TimelineId::ZERO)
}
