//! Timelines: which one is live, and where each came from.

use crate::error::{Error, Result};
use crate::layout::{DataDir, TimelineDir};
use cairn_disk::{Storage, sealed};
use cairn_log::{DatabaseId, Lsn, TimelineId};
use std::path::{Path, PathBuf};

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
    /// Where its log is.
    pub log: LogPlace,
}

/// Where a timeline's log is, for as long as the timeline exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogPlace {
    /// In the timeline's own directory, below `wal/`.
    #[default]
    Inside,
    /// In a directory with the timeline's id, below this one.
    Below(PathBuf),
    /// It has none: between checkpoints nothing of it can be had back.
    Off,
}

impl LogPlace {
    fn text(&self) -> Result<String> {
        match self {
            LogPlace::Inside => Ok("inside".to_owned()),
            LogPlace::Off => Ok("off".to_owned()),
            LogPlace::Below(dir) => match dir.to_str() {
                Some(text) if !text.contains(['\n', '\r']) => Ok(format!("below {text}")),
                _ => Err(Error::Input(format!("{}: expected a path of one UTF-8 line", dir.display()))),
            },
        }
    }

    fn parse(text: &str) -> Option<LogPlace> {
        match text {
            "inside" => Some(LogPlace::Inside),
            "off" => Some(LogPlace::Off),
            _ => text.strip_prefix("below ").map(|dir| LogPlace::Below(PathBuf::from(dir))),
        }
    }
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
            ("log", self.log.text()?),
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
            log: fields.log_place()?,
        })
    }

    /// Where its log is; `None` when it has none. `dir` is the timeline's.
    pub(crate) fn wal_dir(&self, dir: &TimelineDir) -> Option<PathBuf> {
        match &self.log {
            LogPlace::Inside => Some(dir.wal()),
            LogPlace::Below(root) => Some(root.join(self.id.to_string())),
            LogPlace::Off => None,
        }
    }
}

/// Notes since when a timeline is the live one. One that has no such note and is the live one is since it was created.
pub(crate) fn write_began(storage: &dyn Storage, dir: &TimelineDir, began_us: i64) -> Result<()> {
    let began_us = began_us.to_string();
    Ok(sealed::write_text(storage, &dir.began(), "cairndb-began", VERSION, &[("began_us", &began_us)])?)
}

/// Since when a timeline is, or was first, the live one; `None`: no note of it.
pub(crate) fn read_began(storage: &dyn Storage, dir: &TimelineDir) -> Result<Option<i64>> {
    let path = dir.began();
    match storage.stat(&path)? {
        None => Ok(None),
        Some(_) => Fields::read(storage, &path, "cairndb-began")?.parse("began_us").map(Some),
    }
}

/// Notes that another timeline takes this one's place.
pub(crate) fn write_ended(
    storage: &dyn Storage,
    dir: &TimelineDir,
    ended_us: i64,
    by: TimelineId,
) -> Result<()> {
    let (ended_us, by) = (ended_us.to_string(), by.to_string());
    let fields = [("ended_us", ended_us.as_str()), ("by", by.as_str())];
    Ok(sealed::write_text(storage, &dir.ended(), "cairndb-ended", VERSION, &fields)?)
}

/// When another timeline took this one's place, microseconds since the Unix epoch; `None`: none did.
pub(crate) fn read_ended(storage: &dyn Storage, dir: &TimelineDir) -> Result<Option<i64>> {
    let path = dir.ended();
    match storage.stat(&path)? {
        None => Ok(None),
        Some(_) => Fields::read(storage, &path, "cairndb-ended")?.parse("ended_us").map(Some),
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
pub(crate) struct Fields<'a> {
    path: &'a Path,
    fields: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    pub fn read(storage: &dyn Storage, path: &'a Path, magic: &str) -> Result<Fields<'a>> {
        Ok(Fields { path, fields: sealed::read_text(storage, path, magic, VERSION)? })
    }

    pub fn get(&self, key: &str) -> Result<&str> {
        let found = self.fields.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        found.ok_or_else(|| Error::Corrupt { path: self.path.to_owned(), what: format!("no `{key}` in it") })
    }

    /// The first files of this kind had no such line: their logs are inside.
    fn log_place(&self) -> Result<LogPlace> {
        let Some((_, text)) = self.fields.iter().find(|(k, _)| k == "log") else {
            return Ok(LogPlace::Inside);
        };
        let what = || format!("`log`: expected inside, off or below DIR, got {text:?}");
        LogPlace::parse(text).ok_or_else(|| Error::Corrupt { path: self.path.to_owned(), what: what() })
    }

    pub fn parse<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        let value = self.get(key)?;
        let what = || format!("`{key}`: cannot read {value:?}");
        value.parse().map_err(|_| Error::Corrupt { path: self.path.to_owned(), what: what() })
    }
}
