//! `Target`: which point of the past is meant.

use crate::error::{Error, Result};
use crate::time_text::{parse_time, show_time};
use cairn_log::Lsn;
use std::fmt;

/// A point in a database's history. A record is the unit: a state is a whole number of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// After the last record.
    Latest,
    /// After the record with this LSN.
    Lsn(Lsn),
    /// After the last record that is not later than this; microseconds since the Unix epoch, UTC.
    Time(i64),
}

impl Target {
    /// Reads `latest`, an LSN, or a time as [`parse_time`] does. The flag says that a time named no zone and UTC was taken.
    pub fn parse(text: &str) -> Result<(Target, bool)> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("latest") {
            return Ok((Target::Latest, false));
        }
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let out_of_range = |_| Error::Input(format!("LSN: expected at most {}, got {text}", u64::MAX));
            return Ok((Target::Lsn(Lsn(text.parse().map_err(out_of_range)?)), false));
        }
        let time = parse_time(text).map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            let expected = "`latest`, an LSN, or a time as 2026-11-21T10:30:00Z";
            Error::Input(format!("point in time: expected {expected}, got {shown:?}"))
        })?;
        Ok((Target::Time(time.us), time.zone_assumed))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Latest => f.write_str("latest"),
            Target::Lsn(lsn) => write!(f, "LSN {lsn}"),
            Target::Time(us) => f.write_str(&show_time(*us)),
        }
    }
}
