//! `Dropped`: what a topic's retention took from a partition.

use crate::{Log, Result, Retained, Retention, TopicConfig};

/// What retention dropped from a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// How many segments.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// The bytes of their `.log` files.
    pub bytes: u64,
    /// The first offset dropped.
    pub from_offset: u64,
    /// The first offset kept.
    pub to_offset: u64,
}

/// Drops what is past its time from one partition of `topic`; `None` when nothing is.
pub(crate) fn apply(
    topic: &str,
    partition: u32,
    log: &Log,
    config: &TopicConfig,
    now_us: i64,
) -> Result<Option<Dropped>> {
    let age_us = Some(config.retention_us).filter(|age| *age > 0);
    let policy = Retention {
        age_us: age_us.map(|age| i64::try_from(age).unwrap_or(i64::MAX)),
        bytes: Some(config.retention_bytes).filter(|bytes| *bytes > 0),
        keep_from: u64::MAX,
    };
    let segments = log.segments();
    let Retained { removed_segments, removed_bytes, first_offset } = log.retain(policy, now_us)?;
    let gone = segments.iter().take_while(|s| s.next_offset <= first_offset);
    let dropped = Dropped {
        topic: topic.to_owned(),
        partition,
        segments: removed_segments,
        records: gone.map(|s| s.records).sum(),
        bytes: removed_bytes,
        from_offset: segments.first().map_or(first_offset, |s| s.base_offset),
        to_offset: first_offset,
    };
    Ok(Some(dropped).filter(|d| d.segments > 0))
}
