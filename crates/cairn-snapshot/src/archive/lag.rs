//! `Lag`: how much of a log is not archived.

use crate::error::Result;
use cairn_engine::Lsn;
use cairn_log::Log;

/// What a log holds that is not archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Records.
    pub records: u64,
    /// About how many bytes of log they are: of the segment that is archived in part, its share by records.
    pub bytes: u64,
    /// The time of the oldest one, microseconds since the Unix epoch, UTC; `None`: nothing waits.
    pub oldest_us: Option<i64>,
}

impl Lag {
    /// The lag of a log that is archived up to and including `archived`. Asks the log only: it works while the repository
    /// cannot be reached.
    pub fn of(archived: Option<Lsn>, log: &Log) -> Result<Lag> {
        let next = archived.map_or(0, |lsn| lsn.0.saturating_add(1)).max(log.base_offset());
        let mut lag = Lag::default();
        for info in log.segments() {
            let (all, waiting) = (info.next_offset - info.base_offset, info.next_offset.saturating_sub(next));
            let waiting = waiting.min(all);
            lag.records += waiting;
            lag.bytes += match all {
                0 => 0,
                _ => (u128::from(info.bytes) * u128::from(waiting) / u128::from(all)) as u64,
            };
        }
        if lag.records > 0 {
            let first = match log.read(next) {
                // Dropped since its segments were listed.
                Err(cairn_log::Error::OutOfRange { .. }) => return Ok(lag),
                reader => reader.map_err(cairn_engine::Error::from)?.next(),
            };
            let first = first.transpose().map_err(cairn_engine::Error::from)?;
            lag.oldest_us = first.map(|record| record.timestamp_us);
        }
        Ok(lag)
    }
}
