//! Timelines: which one is live, and where each came from.

use crate::error::{Error, Result};
use crate::layout::{DataDir, TimelineDir};
use cairn_disk::{Storage, sealed};
use cairn_log::{DatabaseId, Lsn, TimelineId};
use std::path::Path;

const VERSION: u32 = 1;

/// Where a timeline came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Its id.
    pub id: TimelineId,
    /// The database it belongs to.
    pub database: DatabaseId,
    /// The timeline it left; `None` for a database's first.
    pub parent: Option<TimelineId>,
    /// The last LSN it shares with its parent; its own log starts one later.
    pub fork_lsn: Lsn,
    /// When, microseconds since the Unix epoch, UTC.
    pub created_us: i64,
    /// Why, for people: `created`, `restored snapshot snap-…`.
    pub reason: String,
}

impl Timeline {
    /// Writes `TIMELINE`: from then on the directory is a finished timeline.
    pub(crate) fn write(&self, storage: &dyn Storage, dir: &TimelineDir) -> Result<()> {
        let parent = self.parent.map_or_else(|| "0".repeat(32), |id| id.to_string());
        let reason: String = self.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let fields = [
            ("id", self.id.to_string()),
            ("database", self.database.to_string()),
            ("parent", parent),
            ("fork_lsn", self.fork_lsn.0.to_string()),
            ("created_us", self.created_us.to_string()),
            ("reason", reason),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        Ok(sealed::write_text(storage, &dir.info(), "cairndb-timeline", VERSION, &fields)?)
    }

    /// Reads `TIMELINE`.
    pub(crate) fn read(storage: &dyn Storage, dir: &TimelineDir) -> Result<Timeline> {
        let path = dir.info();
        let fields = Fields::read(storage, &path, "cairndb-timeline")?;
        let parent = fields.get("parent")?;
        Ok(Timeline {
            id: fields.parse("id")?,
            database: fields.parse("database")?,
            parent: if parent.bytes().all(|b| b == b'0') { None } else { Some(fields.parse("parent")?) },
            fork_lsn: Lsn(fields.parse("fork_lsn")?),
            created_us: fields.parse("created_us")?,
            reason: fields.get("reason")?.to_owned(),
        })
    }
}

/// Writes `DATABASE`.
pub(crate) fn write_database(storage: &dyn Storage, dir: &DataDir, id: DatabaseId) -> Result<()> {
    let id = id.to_string();
    Ok(sealed::write_text(storage, &dir.database(), "cairndb-database", VERSION, &[("id", &id)])?)
}

/// Reads `DATABASE`.
pub(crate) fn read_database(storage: &dyn Storage, dir: &DataDir) -> Result<DatabaseId> {
    Fields::read(storage, &dir.database(), "cairndb-database")?.parse("id")
}

/// Makes a timeline the live one, by one atomic replace.
pub(crate) fn write_current(storage: &dyn Storage, dir: &DataDir, id: TimelineId) -> Result<()> {
    let id = id.to_string();
    Ok(sealed::write_text(storage, &dir.current(), "cairndb-current", VERSION, &[("timeline", &id)])?)
}

/// The live timeline.
pub(crate) fn read_current(storage: &dyn Storage, dir: &DataDir) -> Result<TimelineId> {
    Fields::read(storage, &dir.current(), "cairndb-current")?.parse("timeline")
}

/// The fields of a sealed text file.
struct Fields<'a> {
    path: &'a Path,
    fields: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    fn read(storage: &dyn Storage, path: &'a Path, magic: &str) -> Result<Fields<'a>> {
        Ok(Fields { path, fields: sealed::read_text(storage, path, magic, VERSION)? })
    }

    fn get(&self, key: &str) -> Result<&str> {
        let found = self.fields.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        found.ok_or_else(|| Error::Corrupt { path: self.path.to_owned(), what: format!("no `{key}` in it") })
    }

    fn parse<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        let value = self.get(key)?;
        let what = || format!("`{key}`: cannot read {value:?}");
        value.parse().map_err(|_| Error::Corrupt { path: self.path.to_owned(), what: what() })
    }
}
