//! Names and texts made from a time, always in UTC.

use crate::error::{Error, Result};
use crate::snapshot_id::civil;
use cairn_disk::{FileType, Storage};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
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

/// The beginning, the time and the end of an automatic dump's name.
const AUTO_PREFIX: &str = "auto_";
const AUTO_TIME: &str = "%Y%m%d_%H%M%S";
const AUTO_SUFFIX: &str = ".snapshot";

/// A free name in `dir` for an automatic dump made at `now_us`: `auto_YYYYMMDD_HHMMSS.snapshot`, and `-2`, `-3`, … before the
/// end when that is taken.
pub fn auto_dump_name(storage: &dyn Storage, dir: &Path, now_us: i64) -> Result<String> {
    let plain = format!("{AUTO_PREFIX}{}", civil(now_us)?.strftime(AUTO_TIME));
    for n in 1..=NAMES_A_SECOND_MAX {
        let name = if n == 1 { format!("{plain}{AUTO_SUFFIX}") } else { format!("{plain}-{n}{AUTO_SUFFIX}") };
        if storage.stat(&dir.join(&name))?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::Exists(format!("{}: {NAMES_A_SECOND_MAX} dumps of one second", dir.join(plain).display())))
}

/// The automatic dumps in `dir`, oldest first, each with its second in microseconds since the Unix epoch. Only files whose names
/// are exactly as [`auto_dump_name`] makes them; none when there is no such directory.
pub fn auto_dumps(storage: &dyn Storage, dir: &Path) -> Result<Vec<(i64, String)>> {
    if storage.stat(dir)?.is_none() {
        return Ok(Vec::new());
    }
    let files = storage.list(dir)?.into_iter().filter(|entry| entry.stat.file_type == FileType::File);
    let mut found: Vec<_> = files
        .filter_map(|entry| auto_dump_time(&entry.name).map(|(us, nth)| (us, nth, entry.name)))
        .collect();
    found.sort_unstable();
    Ok(found.into_iter().map(|(us, _, name)| (us, name)).collect())
}

/// The time and the number in an automatic dump's name.
fn auto_dump_time(name: &str) -> Option<(i64, u32)> {
    let middle = name.strip_prefix(AUTO_PREFIX)?.strip_suffix(AUTO_SUFFIX)?;
    let (time, nth) = match middle.split_once('-') {
        None => (middle, 1),
        Some((time, n)) => (time, n.parse().ok().filter(|nth: &u32| *nth >= 2 && n == nth.to_string())?),
    };
    let at = DateTime::strptime(AUTO_TIME, time).ok()?;
    let us = at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond();
    // Only the one spelling of a time.
    (at.strftime(AUTO_TIME).to_string() == time).then_some((us, nth))
}
