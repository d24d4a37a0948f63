//! `LogConfig`: where a log lives and how it is cut into segments.

use crate::record::HEAD_BYTES;
use crate::{DatabaseId, Error, Result, TimelineId};
use std::path::PathBuf;

/// A log's place, identity and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The directory of its segments; created when missing.
    pub dir: PathBuf,
    /// The id in every segment's header: the database's for a write-ahead log, the log's own for a user's log.
    pub id: DatabaseId,
    /// The timeline in every segment's header.
    pub timeline: TimelineId,
    /// The first record's offset, when the log is empty. 0 by default.
    pub start: u64,
    /// No record is earlier than this, microseconds since the Unix epoch: times go on from where a fork left. The least by default.
    pub start_timestamp_us: i64,
    /// A segment is sealed before it would pass this many bytes (a longer record gets a segment of its own).
    pub segment_bytes: u64,
    /// About how many bytes of log each index entry stands for.
    pub index_interval_bytes: u32,
    /// The longest record taken, its 32 bytes of head included. Longer ones already in the log are read.
    pub record_bytes_max: u32,
    /// Whether sealed segments may be compacted: their offsets then ascend with holes. Never so for a write-ahead log,
    /// which refuses a compacted segment. False by default.
    pub compacted_allowed: bool,
}

impl LogConfig {
    /// The smallest segments that a user may ask for: 1 MiB. Smaller ones are for tests.
    pub const SEGMENT_BYTES_MIN_USER: u64 = 1 << 20;

    /// The defaults: offsets from 0, segments of 64 MiB, an index entry per 4 KiB, records up to 32 MiB.
    pub fn new(dir: impl Into<PathBuf>, id: DatabaseId, timeline: TimelineId) -> Self {
        LogConfig {
            dir: dir.into(),
            id,
            timeline,
            start: 0,
            start_timestamp_us: i64::MIN,
            segment_bytes: 64 << 20,
            index_interval_bytes: 4096,
            record_bytes_max: 32 << 20,
            compacted_allowed: false,
        }
    }

    /// Refuses what [`crate::Log::open`] would, and segments smaller than [`LogConfig::SEGMENT_BYTES_MIN_USER`]: for settings
    /// that came from a user.
    pub fn check_user(&self) -> Result<()> {
        let (bytes, min) = (self.segment_bytes, LogConfig::SEGMENT_BYTES_MIN_USER);
        if bytes < min { Err(Error::SegmentBytes { bytes, min }) } else { self.check() }
    }

    /// Refuses settings that make no log.
    pub(crate) fn check(&self) -> Result<()> {
        let in_range = |name, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(Error::Setting { name, value, min, max }) }
        };
        in_range("segment_bytes", self.segment_bytes, 128, 1 << 40)?;
        in_range("index_interval_bytes", self.index_interval_bytes.into(), 1, u32::MAX.into())?;
        in_range("record_bytes_max", self.record_bytes_max.into(), HEAD_BYTES as u64, u32::MAX.into())
    }
}
