//! Names and texts made from a time, always in UTC.

use crate::error::{Error, Result};
use crate::snapshot_id::civil;
use cairn_disk::Storage;
use jiff::Timestamp;
use std::path::Path;

/// A free name in `dir` for a dump made at `now_us` (microseconds since the Unix epoch):
/// `dump_YYYYMMDD_HHMMSS.nvec`, and `dump_YYYYMMDD_HHMMSS-2.nvec`, `-3`, … when that is taken.
pub fn dump_name(storage: &dyn Storage, dir: &Path, now_us: i64) -> Result<String> {
    let plain = civil(now_us)?.strftime("dump_%Y%m%d_%H%M%S").to_string();
    for n in 1..=NAMES_A_SECOND_MAX {
        let name = if n == 1 { format!("{plain}.nvec") } else { format!("{plain}-{n}.nvec") };
        if storage.stat(&dir.join(&name))?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::Exists(format!("{}: {NAMES_A_SECOND_MAX} dumps of one second", dir.join(plain).display())))
}

/// How many names of one second are tried.
pub(crate) const NAMES_A_SECOND_MAX: u32 = 1_000;

/// A time as RFC 3339 has it, with as many decimals as it needs. Times that no calendar has are given as they are.
pub(crate) fn rfc3339(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| format!("{us} µs since 1970"), |time| time.to_string())
}

/// The inverse of [`rfc3339`]: only of the spelling it writes.
pub(crate) fn from_rfc3339(text: &str) -> Option<i64> {
    let us = text.parse::<Timestamp>().ok()?.as_microsecond();
    (rfc3339(us) == text).then_some(us)
}

/// A time without decimals or zone: `2025-01-18T12:00:00`.
pub(crate) fn seconds(us: i64) -> String {
    civil(us).map_or_else(|_| rfc3339(us), |time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}
