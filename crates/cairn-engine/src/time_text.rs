//! Times as people write and read them.

use crate::error::{Error, Result};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A time that was read from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedTime {
    /// Microseconds since the Unix epoch, UTC.
    pub us: i64,
    /// The text named no zone, and UTC was taken: say so to whoever wrote it.
    pub zone_assumed: bool,
}

/// Reads `2026-11-21T10:30:00.000001Z`, `2026-11-21T10:30:00+01:00`, and without a zone (taken as UTC) the same, with a
/// space for the `T`, or the date alone.
pub fn parse_time(text: &str) -> Result<ParsedTime> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(ParsedTime { us: time.as_microsecond(), zone_assumed: false });
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    let zoned = civil.and_then(|civil| civil.to_zoned(TimeZone::UTC));
    match zoned {
        Ok(zoned) => Ok(ParsedTime { us: zoned.timestamp().as_microsecond(), zone_assumed: true }),
        Err(_) => {
            let shown: String = text.chars().take(64).collect();
            Err(Error::Input(format!("time: expected RFC 3339, as 2026-11-21T10:30:00Z, got {shown:?}")))
        }
    }
}

/// RFC 3339 in UTC, to the microsecond when it is not zero.
pub fn show_time(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| format!("{us} µs since 1970"), |time| time.to_string())
}
