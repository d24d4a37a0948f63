//! `TopicChange`: what is to be different about a topic's settings.

use super::{CompactionPolicy, TopicConfig};
use crate::SyncMode;

/// Changes to a [`TopicConfig`]; what is `None` stays as it is. How many partitions there are, and how long segments and
/// records may be, is settled when a topic is created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicChange {
    /// See [`TopicConfig::retention_us`].
    pub retention_us: Option<u64>,
    /// See [`TopicConfig::retention_bytes`].
    pub retention_bytes: Option<u64>,
    /// See [`TopicConfig::compaction`]. Without compaction, what it took out before stays out.
    pub compaction: Option<CompactionPolicy>,
    /// See [`TopicConfig::tombstone_retention_us`].
    pub tombstone_retention_us: Option<u64>,
    /// See [`TopicConfig::sync`].
    pub sync: Option<SyncMode>,
}

impl TopicChange {
    /// The settings with the changes made.
    pub fn applied_to(&self, current: &TopicConfig) -> TopicConfig {
        TopicConfig {
            retention_us: self.retention_us.unwrap_or(current.retention_us),
            retention_bytes: self.retention_bytes.unwrap_or(current.retention_bytes),
            compaction: self.compaction.unwrap_or(current.compaction),
            tombstone_retention_us: self.tombstone_retention_us.unwrap_or(current.tombstone_retention_us),
            sync: self.sync.unwrap_or(current.sync),
            ..current.clone()
        }
    }
}
