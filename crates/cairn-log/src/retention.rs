//! `Retention`: how much of its past a log keeps.

use crate::{Log, Result, SegmentInfo};

/// What of a log may go: sealed segments, oldest first, that are past their age or too much. The newest segment never goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// A segment may go once its last record is older than this, microseconds. `None`: none goes for its age.
    pub age_us: Option<i64>,
    /// The oldest segments may go while the log's `.log` files hold more bytes than this. `None`: none goes for the size.
    pub bytes: Option<u64>,
    /// No record from this offset on goes: a checkpoint, an archive or a reader needs it. `u64::MAX`: nothing does.
    pub keep_from: u64,
}

/// What [`Log::retain`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained {
    /// How many segments it removed.
    pub removed_segments: u64,
    /// The bytes of their `.log` files.
    pub removed_bytes: u64,
    /// The first offset that the log holds now.
    pub first_offset: u64,
}

impl Retention {
    /// Every record before this offset may go.
    fn limit(&self, segments: &[SegmentInfo], now_us: i64) -> u64 {
        let mut bytes: u64 = segments.iter().map(|s| s.bytes).sum();
        let oldest_us = self.age_us.map(|age| now_us.saturating_sub(age));
        let mut limit = 0;
        for segment in segments.iter().take_while(|s| s.sealed && s.next_offset <= self.keep_from) {
            let is_old = segment.last_timestamp_us.zip(oldest_us).is_some_and(|(last, oldest)| last < oldest);
            let is_too_much = self.bytes.is_some_and(|max| bytes > max);
            if !is_old && !is_too_much {
                break;
            }
            bytes -= segment.bytes;
            limit = segment.next_offset;
        }
        limit
    }
}

impl Log {
    /// Removes the oldest sealed segments that `policy` lets go at `now_us`, microseconds since the Unix epoch. Each is gone
    /// durably before the next: a crash leaves no gap. The last durable record stays, as with [`Log::remove_before`].
    pub fn retain(&self, policy: Retention, now_us: i64) -> Result<Retained> {
        let limit = policy.limit(&self.segments(), now_us);
        let (removed_segments, removed_bytes) = self.remove_oldest(limit)?;
        Ok(Retained { removed_segments, removed_bytes, first_offset: self.base_offset() })
    }
}
