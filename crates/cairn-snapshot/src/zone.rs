//! A time zone: which calendar days, weeks and hours are meant.

use crate::error::{Error, Result};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::fmt;

/// A time zone by its IANA name, as `Europe/Berlin`; UTC by default. The rules are those of the system's database, or of
/// the one built in.
#[derive(Clone)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone of that name.
    pub fn parse(name: &str) -> Result<Zone> {
        let utc = name.eq_ignore_ascii_case("utc");
        let rules = if utc { Ok(TimeZone::UTC) } else { TimeZone::get(name) };
        match rules {
            Ok(rules) => Ok(Zone { name: rules.iana_name().unwrap_or(name).to_owned(), rules }),
            Err(_) => Err(Error::Input(format!(
                "time zone: expected a name as UTC or Europe/Berlin, got {name:.80?}"
            ))),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// The calendar time here at a time in microseconds since the Unix epoch. Times that no calendar has are the last or
    /// first one that it has.
    pub(crate) fn at(&self, us: i64) -> Zoned {
        let nearest = if us < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_microsecond(us).unwrap_or(nearest).to_zoned(self.rules.clone())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Zone { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
