//! `History`: which points of the past a data directory can bring back, and from what.

use crate::closed_logs::ClosedLogs;
use crate::error::{Error, Result};
use crate::kept::{self, KeptCheckpoint};
use crate::layout::{DataDir, TimelineDir};
use crate::live::Live;
use crate::replay::Until;
use crate::target::Target;
use crate::time_text::show_time;
use crate::timeline::{LogPlace, Timeline, read_began, read_current, read_ended};
use cairn_disk::Storage;
use cairn_log::{Log, Lsn, TimelineId};
use std::sync::Arc;

/// What a timeline is to the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It takes the writes.
    Live,
    /// The live one comes from it, directly or not.
    Ancestor,
    /// It was live once, and the live one does not come from it.
    Replaced,
    /// It was recovered and is neither promoted nor dropped.
    Branch,
}

impl Role {
    /// Its name, for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Role::Live => "live",
            Role::Ancestor => "ancestor",
            Role::Replaced => "replaced",
            Role::Branch => "branch",
        }
    }
}

/// A point of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// After this record.
    pub lsn: Lsn,
    /// Its time, microseconds since the Unix epoch, UTC.
    pub time_us: i64,
}

/// What of one timeline can be had back: every record from one point to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The timeline.
    pub timeline: Timeline,
    /// What it is to the live one.
    pub role: Role,
    /// The oldest point.
    pub from: Point,
    /// The newest.
    pub to: Point,
    /// Since when it is the live one, or was for the first time; `None`: it never was.
    pub began_us: Option<i64>,
    /// When another took its place; `None`: none did.
    pub ended_us: Option<i64>,
    /// Where a replay can begin. Without a log ([`LogPlace::Off`]) these are the only points there are.
    pub checkpoints: Vec<Point>,
}

/// The timelines of a data directory: the live one, its ancestors from the nearest on, then the others, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What each can bring back.
    pub windows: Vec<Window>,
}

/// Where a point is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub timeline: Timeline,
    pub checkpoint: Lsn,
    pub until: Until,
}

impl History {
    /// Looks at a directory. `live` is the open timeline, when one is open: its log is asked, not read.
    pub(crate) fn read(
        storage: &Arc<dyn Storage>,
        data: &DataDir,
        live: Option<&Live>,
        closed: &ClosedLogs,
    ) -> Result<History> {
        let current = read_current(&**storage, data)?;
        let mut windows = Vec::new();
        for entry in storage.list(&data.timelines())? {
            let Ok(id) = entry.name.parse::<TimelineId>() else { continue };
            let dir = data.timeline(id);
            if storage.stat(&dir.info())?.is_none() {
                continue;
            }
            let live = live.filter(|live| live.timeline.id == id);
            match window(storage, &dir, live, closed) {
                Ok(window) => windows.push(window),
                // Another's damage keeps nobody from what is whole; `check` finds it.
                Err(_) if id != current => {}
                Err(e) => return Err(e),
            }
        }
        Ok(History { windows: in_order(windows, current) })
    }

    /// The live timeline's window.
    pub fn live(&self) -> Option<&Window> {
        self.windows.iter().find(|window| window.role == Role::Live)
    }

    /// A timeline's window.
    pub fn of(&self, id: TimelineId) -> Result<&Window> {
        let missing = || {
            let known: Vec<String> = self.windows.iter().map(|w| w.timeline.id.to_string()).collect();
            Error::NotFound(format!("timeline {id}: not here; there are {}", known.join(", ")))
        };
        self.windows.iter().find(|window| window.timeline.id == id).ok_or_else(missing)
    }

    /// What can be recovered, in one line: the live timeline's ancestry.
    pub fn recoverable(&self) -> String {
        match (self.line(None).last(), self.live()) {
            (Some(first), Some(live)) => format!(
                "from {} (LSN {}) to {} (LSN {})",
                show_time(first.from.time_us),
                first.from.lsn,
                show_time(live.to.time_us),
                live.to.lsn
            ),
            _ => "nothing".to_owned(),
        }
    }

    /// A timeline (the live one by default) and the ancestors of it that are here, from the nearest on. It ends where an
    /// ancestor does not reach to the fork.
    pub fn line(&self, from: Option<TimelineId>) -> Vec<&Window> {
        let mut line: Vec<&Window> = Vec::new();
        let mut next = match from {
            Some(id) => self.windows.iter().find(|w| w.timeline.id == id),
            None => self.live(),
        };
        while let Some(window) = next {
            line.push(window);
            let fork = window.timeline.fork_lsn;
            // Without a log, a parent may have gone on after its last checkpoint: what is between is a gap.
            let reaches = |w: &Window| w.to.lsn >= fork || w.timeline.log == LogPlace::Off;
            let parent = |w: &&Window| Some(w.timeline.id) == window.timeline.parent && reaches(w);
            // A window that begins after its own fork cuts the line.
            let whole = window.from.lsn <= fork;
            next = self.windows.iter().find(parent).filter(|_| whole && line.len() <= self.windows.len());
        }
        line
    }

    /// The timeline that was live at a time, as far as it is still here.
    fn live_at(&self, us: i64) -> Option<TimelineId> {
        let was_live = |w: &&Window| {
            let ended = w.role != Role::Live && w.ended_us.is_none_or(|ended| ended <= us);
            w.began_us.is_some_and(|began| began <= us) && !ended
        };
        let found = self.windows.iter().filter(was_live).max_by_key(|w| w.began_us);
        found.map(|w| w.timeline.id)
    }

    /// Finds a point on a timeline's line. Without a timeline, a time is of the one that was live then, and all else of the
    /// live one.
    pub(crate) fn find(&self, target: Target, timeline: Option<TimelineId>, now_us: i64) -> Result<Found> {
        if let Some(id) = timeline {
            self.of(id)?;
        }
        let timeline = match target {
            Target::Time(us) => timeline.or_else(|| self.live_at(us)),
            _ => timeline,
        };
        let line = self.line(timeline);
        let refuse = |why: &str| {
            let what = format!("{target} cannot be recovered: {why}");
            Err(Error::OutOfWindow { what, window: describe(&line) })
        };
        // The clock may have been set back since the last record.
        let now_us = line.first().map_or(now_us, |window| now_us.max(window.to.time_us));
        if let Target::Time(us) = target
            && us > now_us
        {
            return refuse("it is in the future");
        }
        let until = match target {
            Target::Latest => Until::End,
            Target::Lsn(lsn) => Until::Lsn(lsn),
            Target::Time(us) => Until::Time(us),
        };
        for window in &line {
            // The last checkpoint that is not past the point.
            let at = window.checkpoints.iter().rev().find(|point| match target {
                Target::Latest => true,
                Target::Lsn(lsn) => point.lsn <= lsn,
                Target::Time(us) => point.time_us <= us,
            });
            let Some(at) = at else { continue };
            let exact = match target {
                Target::Latest => true,
                Target::Lsn(lsn) => at.lsn == lsn,
                Target::Time(us) => at.time_us == us,
            };
            if window.timeline.log == LogPlace::Off && !exact {
                return refuse("it is in a gap, the write-ahead log was off");
            }
            if let Target::Lsn(lsn) = target
                && lsn > window.to.lsn
            {
                return refuse("it is past the last record");
            }
            return Ok(Found { timeline: window.timeline.clone(), checkpoint: at.lsn, until });
        }
        refuse("it is older than what is kept")
    }
}

/// The windows of a line, oldest first.
fn describe(line: &[&Window]) -> String {
    let mut text = Vec::new();
    for (i, window) in line.iter().enumerate().rev() {
        // Of an ancestor, what is after the fork belongs to another line.
        let to = match i.checked_sub(1).and_then(|child| line.get(child)) {
            Some(child) => child.checkpoints.first().copied().unwrap_or(window.to),
            None => window.to,
        };
        let (from_us, to_us) = (show_time(window.from.time_us), show_time(to.time_us));
        let (from, id) = (window.from.lsn, window.timeline.id);
        text.push(format!("from {from_us} (LSN {from}) to {to_us} (LSN {}) on timeline {id}", to.lsn));
    }
    if text.is_empty() { "nothing".to_owned() } else { text.join(", ") }
}

fn in_order(mut windows: Vec<Window>, current: TimelineId) -> Vec<Window> {
    let mut ordered = Vec::new();
    let mut next = Some(current);
    while let Some(at) = next.and_then(|id| windows.iter().position(|w| w.timeline.id == id)) {
        let mut window = windows.remove(at);
        window.role = if ordered.is_empty() { Role::Live } else { Role::Ancestor };
        if window.role == Role::Live {
            window.began_us = window.began_us.or(Some(window.timeline.created_us));
        }
        next = window.timeline.parent;
        ordered.push(window);
    }
    windows.sort_by_key(|window| std::cmp::Reverse((window.timeline.created_us, window.timeline.id)));
    ordered.extend(windows);
    ordered
}

fn window(
    storage: &Arc<dyn Storage>,
    dir: &TimelineDir,
    live: Option<&Live>,
    closed: &ClosedLogs,
) -> Result<Window> {
    let timeline = Timeline::read(&**storage, dir)?;
    let ended_us = read_ended(&**storage, dir)?;
    let began_us = read_began(&**storage, dir)?;
    let mut checkpoints: Vec<KeptCheckpoint> = Vec::new();
    for lsn in kept::listed(&**storage, dir)? {
        checkpoints.extend(kept::read_one(&**storage, dir, lsn));
    }
    let point = |kept: &KeptCheckpoint| Point { lsn: kept.lsn, time_us: kept.time_us };
    let mut points: Vec<Point> = checkpoints.iter().map(point).collect();
    let mut to = *points
        .last()
        .ok_or_else(|| Error::Corrupt { path: dir.checkpoints(), what: "no checkpoint in it".to_owned() })?;
    if let Some((base, next, last_us)) = log_bounds(storage, dir, &timeline, live, closed)? {
        // Without the log after it, a checkpoint is no place to begin.
        points.retain(|point| point.lsn.0 + 1 >= base);
        if next > to.lsn.0 + 1 {
            to = Point { lsn: Lsn(next - 1), time_us: last_us.unwrap_or(to.time_us) };
        }
    }
    let from = *points.first().ok_or_else(|| Error::Corrupt {
        path: dir.checkpoints(),
        what: "no checkpoint that the log goes on from".to_owned(),
    })?;
    let role = if ended_us.is_some() { Role::Replaced } else { Role::Branch };
    Ok(Window { timeline, role, from, to, began_us, ended_us, checkpoints: points })
}

/// The first and next offset of a timeline's log, and its last time; `None` when it has none.
fn log_bounds(
    storage: &Arc<dyn Storage>,
    dir: &TimelineDir,
    timeline: &Timeline,
    live: Option<&Live>,
    closed: &ClosedLogs,
) -> Result<Option<(u64, u64, Option<i64>)>> {
    if let Some(live) = live {
        let last_us = |log: &Arc<Log>| log.segments().last().and_then(|s| s.last_timestamp_us);
        return Ok(live.log.as_ref().map(|log| (log.base_offset(), live.lsn().0 + 1, last_us(log))));
    }
    if timeline.wal_dir(dir).is_none() {
        return Ok(None);
    }
    let Some(log) = closed.of(storage, dir, timeline)? else {
        let first = timeline.fork_lsn.0 + 1;
        return Ok(Some((first, first, None)));
    };
    let bounds = log.bounds();
    Ok(Some((bounds.first_offset, bounds.next_offset, bounds.last_timestamp_us)))
}
