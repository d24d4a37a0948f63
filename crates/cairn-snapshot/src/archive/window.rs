//! `Window`: what can be recovered from a repository, from where to where.

use super::ancestry::{History, Point, Step};
use super::gap::Gap;
use crate::error::Result;
use crate::names;
use crate::repository::Repository;
use cairn_engine::{DatabaseId, Lsn, TimelineId};
use std::collections::BTreeSet;
use std::fmt;

/// Points of a timeline all of which can be recovered. It begins at a snapshot, or where the timeline left another one at a
/// point that can be recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The database.
    pub database: DatabaseId,
    /// The timeline.
    pub timeline: TimelineId,
    /// The first LSN.
    pub from_lsn: Lsn,
    /// Its time, microseconds since the Unix epoch, UTC: when the snapshot was taken, or the timeline began.
    pub from_us: i64,
    /// The last LSN.
    pub to_lsn: Lsn,
    /// The last time for which it is known that no later record was written before it.
    pub to_us: i64,
    /// What the archive of this timeline lacks after this window, up to the next one.
    pub gaps: Vec<Gap>,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (names::rfc3339(self.from_us), names::rfc3339(self.to_us));
        let Window { timeline, from_lsn, to_lsn, .. } = self;
        write!(f, "timeline {timeline} from LSN {from_lsn} ({from}) to LSN {to_lsn} ({to})")
    }
}

/// What can be recovered from the snapshots of a repository and its archive, by timeline and LSN. Reads no part and no
/// record: [`crate::verify_all`] and [`super::verify_archive`] do.
pub fn windows(repository: &Repository) -> Result<Vec<Window>> {
    let history = History::read(repository)?;
    let mut found = Vec::new();
    for id in history.timelines() {
        found.extend(history.windows(id)?);
    }
    Ok(found)
}

impl History {
    /// All timelines that something is known of, the oldest first.
    pub fn timelines(&self) -> Vec<TimelineId> {
        let ids: BTreeSet<TimelineId> =
            self.archived.keys().copied().chain(self.snapshots.iter().map(|s| s.timeline)).collect();
        let mut ids: Vec<TimelineId> = ids.into_iter().collect();
        ids.sort_by_key(|id| self.created_us(*id));
        ids
    }

    /// When a timeline began, as far as is known: of one that only snapshots name, when the first was taken.
    pub fn created_us(&self, id: TimelineId) -> i64 {
        let info = self.archived.get(&id).and_then(|archived| archived.timeline.as_ref());
        let snapshots = || self.snapshots.iter().filter(|s| s.timeline == id).map(|s| s.time_us).min();
        info.map(|info| info.created_us).or_else(snapshots).unwrap_or(i64::MIN)
    }

    /// The database of a timeline.
    pub fn database(&self, id: TimelineId) -> Option<DatabaseId> {
        let archived = self.archived.get(&id);
        let info = archived.and_then(|archived| archived.timeline.as_ref()).map(|info| info.database);
        let file = || archived.and_then(|archived| archived.files.first()).map(|file| file.trailer.database);
        let snapshot = || self.snapshots.iter().find(|s| s.timeline == id).map(|s| s.database);
        info.or_else(file).or_else(snapshot)
    }

    /// The windows of one timeline, ascending.
    pub fn windows(&self, id: TimelineId) -> Result<Vec<Window>> {
        let Some(database) = self.database(id) else { return Ok(Vec::new()) };
        let mut entries: Vec<(u64, i64)> =
            self.snapshots.iter().filter(|s| s.timeline == id).map(|s| (s.lsn.0, s.time_us)).collect();
        entries.extend(self.fork_entry(&self.way(id)?));
        entries.sort_unstable();
        let mut windows: Vec<Window> = Vec::new();
        for (from, from_us) in entries {
            if windows.last().is_some_and(|window| window.to_lsn.0 >= from) {
                continue;
            }
            let range = self.archived.get(&id).and_then(|a| a.range_of(Lsn(from.saturating_add(1))));
            let to = range.map_or(from, |range| range.last.0);
            let last_us = range.map_or(from_us, |range| range.last_us);
            let to_us = last_us.max(self.known_us(id, to)).max(from_us);
            let (from_lsn, to_lsn, gaps) = (Lsn(from), Lsn(to), Vec::new());
            windows.push(Window { database, timeline: id, from_lsn, from_us, to_lsn, to_us, gaps });
        }
        self.add_gaps(id, &mut windows);
        Ok(windows)
    }

    /// The timeline's first point and its time, when its parent's can be recovered.
    fn fork_entry(&self, way: &[Step]) -> Option<(u64, i64)> {
        let [own, above, ..] = way else { return None };
        let point = Self::locate(&way[1..], above.upper)?;
        let fork = Point { step: point.step + 1, lsn: above.upper };
        self.reach(way, fork)?;
        Some((above.upper, self.created_us(own.id)))
    }

    /// Until when it is known that LSN `lsn` was a timeline's last: a snapshot of it was taken then, or it began there.
    pub fn known_us(&self, id: TimelineId, lsn: u64) -> i64 {
        let taken = self.snapshots.iter().filter(|s| s.timeline == id && s.lsn.0 == lsn).map(|s| s.time_us);
        let info = self.archived.get(&id).and_then(|archived| archived.timeline.as_ref());
        let began = info.filter(|info| info.parent.is_some() && info.fork_lsn.0 == lsn);
        taken.chain(began.map(|info| info.created_us)).max().unwrap_or(i64::MIN)
    }

    fn add_gaps(&self, id: TimelineId, windows: &mut [Window]) {
        let Some(archived) = self.archived.get(&id) else { return };
        for gap in &archived.gaps {
            let before = windows.iter_mut().rev().find(|window| window.to_lsn < gap.last);
            if let Some(window) = before {
                window.gaps.push(gap.clone());
            }
        }
    }
}
