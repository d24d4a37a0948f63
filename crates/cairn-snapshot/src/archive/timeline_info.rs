//! `timeline.json`: where an archived timeline came from, so that replay can follow ancestry after the machine is gone.

use super::segment_name::TIMELINE_FILE;
use crate::error::{Error, Result};
use crate::names;
use crate::sealed_json::{self, Fields};
use cairn_disk::{Storage, atomic_replace};
use cairn_engine::{DatabaseId, Lsn, Timeline, TimelineId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where an archived timeline came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineInfo {
    /// Its id.
    pub id: TimelineId,
    /// The database it belongs to.
    pub database: DatabaseId,
    /// The timeline it left; `None` for a database's first.
    pub parent: Option<TimelineId>,
    /// The last LSN it shares with its parent; its own log starts one later.
    pub fork_lsn: Lsn,
    /// When it began, microseconds since the Unix epoch, UTC.
    pub created_us: i64,
    /// Why, for people.
    pub reason: String,
}

impl From<&Timeline> for TimelineInfo {
    fn from(timeline: &Timeline) -> TimelineInfo {
        TimelineInfo {
            id: timeline.id,
            database: timeline.database,
            parent: timeline.parent,
            fork_lsn: timeline.fork_lsn,
            created_us: timeline.created_us,
            reason: timeline.reason.clone(),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    format: String,
    version: u32,
    id: String,
    database: String,
    parent: Option<String>,
    fork_lsn: u64,
    created_us: i64,
    created_at: String,
    reason: String,
}

impl Fields for Wire {
    const FORMAT: &'static str = "cairndb-archive-timeline";
    const VERSION: u32 = 1;
}

impl TimelineInfo {
    /// Writes the file into a timeline's directory; it lasts when this returns.
    pub(crate) fn write(&self, storage: &dyn Storage, dir: &Path) -> Result<()> {
        let path = dir.join(TIMELINE_FILE);
        let wire = Wire {
            format: Wire::FORMAT.to_owned(),
            version: Wire::VERSION,
            id: self.id.to_string(),
            database: self.database.to_string(),
            parent: self.parent.map(|id| id.to_string()),
            fork_lsn: self.fork_lsn.0,
            created_us: self.created_us,
            created_at: names::rfc3339(self.created_us),
            reason: self.reason.clone(),
        };
        Ok(atomic_replace(storage, &path, &sealed_json::encode(&path, wire)?)?)
    }

    /// Reads the file of the directory of timeline `id`.
    pub(crate) fn read(storage: &dyn Storage, dir: &Path, id: TimelineId) -> Result<TimelineInfo> {
        let path = dir.join(TIMELINE_FILE);
        let wire: Wire = sealed_json::read(storage, &path)?;
        let hex =
            |what, text: &str| Error::damaged(&path, None, what, "32 hex digits", format!("{text:.80?}"));
        let parent = wire.parent.map(|text| text.parse().map_err(|_| hex("parent", &text))).transpose()?;
        let info = TimelineInfo {
            id: wire.id.parse().map_err(|_| hex("id", &wire.id))?,
            database: wire.database.parse().map_err(|_| hex("database", &wire.database))?,
            parent,
            fork_lsn: Lsn(wire.fork_lsn),
            created_us: wire.created_us,
            reason: wire.reason,
        };
        if info.id != id {
            return Err(Error::damaged(&path, None, "id", id, info.id));
        }
        Ok(info)
    }

    /// Refuses to take this timeline for the `stored` one of the same id, unless they agree in all that replay depends on.
    pub(crate) fn check_same(&self, stored: &TimelineInfo, dir: &Path) -> Result<()> {
        let path = dir.join(TIMELINE_FILE);
        let shown = |info: &TimelineInfo| {
            let parent = info.parent.map_or("none".to_owned(), |id| id.to_string());
            format!("database {}, parent {parent}, fork LSN {}", info.database, info.fork_lsn)
        };
        let key = |info: &TimelineInfo| (info.id, info.database, info.parent, info.fork_lsn);
        if key(self) != key(stored) {
            return Err(Error::damaged(&path, None, "timeline", shown(self), shown(stored)));
        }
        Ok(())
    }
}
