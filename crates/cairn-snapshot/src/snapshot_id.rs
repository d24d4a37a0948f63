//! Snapshot ids, and the names that may stand for them.

use crate::error::{Error, Result};
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The id of a snapshot, and the name of its directory: `snap-YYYY-MM-DD-HHMMSS` (UTC), followed by `-2`, `-3`, … for a
/// further one of the same second. Ids are ordered by that time and number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SnapshotId(String);

/// `snap-YYYY-MM-DD-HHMMSS`.
const PLAIN_BYTES: usize = 22;
const FORMAT: &str = "snap-%Y-%m-%d-%H%M%S";

impl SnapshotId {
    /// The id of the `nth` (from 1) snapshot made in the second of `now_us`, microseconds since the Unix epoch.
    pub fn at(now_us: i64, nth: u32) -> Result<SnapshotId> {
        let time = civil(now_us)?;
        if !(0..=9999).contains(&time.year()) {
            return Err(Error::Input(format!("the clock says the year {}", time.year())));
        }
        let plain = time.strftime(FORMAT);
        Ok(SnapshotId(if nth < 2 { plain.to_string() } else { format!("{plain}-{nth}") }))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The second it was made in, microseconds since the Unix epoch.
    pub fn time_us(&self) -> i64 {
        let (plain, _) = self.0.split_at(PLAIN_BYTES);
        let time = DateTime::strptime(FORMAT, plain).ok();
        let time = time.and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC).ok());
        time.map_or(0, |time| time.timestamp().as_microsecond())
    }

    /// Its number among those of one second, if it is of the same as `other`.
    pub(crate) fn nth_with(&self, other: &SnapshotId) -> Option<u32> {
        let (plain, nth) = self.key();
        (plain == other.key().0).then_some(nth)
    }

    /// The time part, which orders as text, and the number after it.
    fn key(&self) -> (&str, u32) {
        let (plain, suffix) = self.0.split_at(PLAIN_BYTES);
        (plain, suffix.strip_prefix('-').and_then(|n| n.parse().ok()).unwrap_or(1))
    }
}

/// The calendar time, UTC, of microseconds since the Unix epoch.
pub(crate) fn civil(now_us: i64) -> Result<DateTime> {
    let time = Timestamp::from_microsecond(now_us)
        .map_err(|_| Error::Input(format!("the clock says {now_us} µs since 1970, which is no date")))?;
    Ok(time.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

impl FromStr for SnapshotId {
    type Err = Error;

    fn from_str(text: &str) -> Result<SnapshotId> {
        let bad =
            || Error::Input(format!("a snapshot's id looks like snap-2024-01-20-103045, got {text:.80?}"));
        let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
        let (plain, suffix) = text.split_at_checked(PLAIN_BYTES).ok_or_else(bad)?;
        let time = DateTime::strptime(FORMAT, plain).map_err(|_| bad())?;
        // Only the one spelling of a time: no signs, no blanks.
        if time.strftime(FORMAT).to_string() != plain {
            return Err(bad());
        }
        match suffix.strip_prefix('-') {
            None if suffix.is_empty() => {}
            Some(n) if digits(n) && !n.starts_with('0') && n.parse::<u32>().is_ok_and(|n| n >= 2) => {}
            _ => return Err(bad()),
        }
        Ok(SnapshotId(text.to_owned()))
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for SnapshotId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for SnapshotId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Bytes of a snapshot's name, and of one tag.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Refuses a name that could not stand for a snapshot: empty, too long, with control characters or `/`, or that looks
/// like an id.
pub(crate) fn validate_name(name: &str) -> Result<()> {
    let expected = if name.is_empty() || name.len() > NAME_BYTES_MAX {
        format!("1 to {NAME_BYTES_MAX} bytes")
    } else if name.chars().any(|c| c.is_control() || c == '/' || c == '\\') || name.trim() != name {
        "no control characters, slashes, or blanks around it".to_owned()
    } else if name.starts_with("snap-") || name.starts_with('.') {
        "not to begin with `snap-` or a dot".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Input(format!("snapshot name: expected {expected}, got {name:.160?}")))
}
