//! Ancestry: which timeline's archive supplies which LSNs.

use super::catalog::{self, ArchivedTimeline};
use super::segment_name::{Span, TIMELINE_FILE, timeline_dir};
use crate::catalog::{Listed, list as list_snapshots};
use crate::error::{Error, Result};
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use cairn_engine::{Lsn, TimelineId};
use std::collections::BTreeMap;

/// Records of one timeline that a replay needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    /// Whose archive has them.
    pub timeline: TimelineId,
    /// The first LSN.
    pub from: Lsn,
    /// The last LSN.
    pub to: Lsn,
}

/// A timeline on the way from another back to a database's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub id: TimelineId,
    /// The LSN it forked at; its own records come later. 0: none, or not known.
    pub fork: u64,
    /// The last LSN that counts on this way: where the timeline before it on the way left.
    pub upper: u64,
}

/// A point on a way: after LSN `lsn`, on step `step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub step: usize,
    pub lsn: u64,
}

/// Everything in a repository that recovery can begin with or go on with.
pub(crate) struct History {
    pub archived: BTreeMap<TimelineId, ArchivedTimeline>,
    /// Of whole databases and undamaged, newest first: no log leads on from single collections.
    pub snapshots: Vec<Snapshot>,
    root: std::path::PathBuf,
}

impl History {
    pub fn read(repository: &Repository) -> Result<History> {
        let archived =
            catalog::list(repository)?.into_iter().map(|archived| (archived.id, archived)).collect();
        let snapshots = list_snapshots(repository)?.into_iter().filter_map(|listed| match listed {
            Listed::Whole(snapshot) => snapshot.whole.then_some(*snapshot),
            Listed::Damaged { .. } => None,
        });
        Ok(History { archived, snapshots: snapshots.collect(), root: repository.root().to_owned() })
    }

    /// The way from a timeline back along its parents, as far as it is known.
    pub fn way(&self, from: TimelineId) -> Result<Vec<Step>> {
        let mut way: Vec<Step> = Vec::new();
        let (mut id, mut upper) = (from, u64::MAX);
        loop {
            let info = self.archived.get(&id).and_then(|archived| archived.timeline.as_ref());
            let fork = info.map_or(0, |info| info.fork_lsn.0);
            way.push(Step { id, fork, upper });
            let Some((info, parent)) = info.and_then(|info| Some((info, info.parent?))) else {
                return Ok(way);
            };
            let path = timeline_dir(&self.root, id).join(TIMELINE_FILE);
            if way.iter().any(|step| step.id == parent) {
                let expected = "a timeline that does not descend from this one";
                return Err(Error::damaged(&path, None, "parent", expected, parent));
            }
            let above = self.archived.get(&parent).and_then(|archived| archived.timeline.as_ref());
            if let Some(above) = above.filter(|above| above.database != info.database) {
                return Err(Error::damaged(&path, None, "database", above.database, info.database));
            }
            upper = upper.min(fork);
            id = parent;
        }
    }

    /// What a replay from `from` to `to`, which is not before it, reads.
    pub fn legs(way: &[Step], from: Point, to: Point) -> Vec<Leg> {
        let mut legs = Vec::new();
        for (at, step) in way.iter().enumerate().take(from.step + 1).skip(to.step).rev() {
            let first = if at == from.step { from.lsn } else { step.fork }.saturating_add(1);
            let last = if at == to.step { to.lsn } else { step.upper };
            legs.extend(Span::new(first, last).map(|span| Leg {
                timeline: step.id,
                from: Lsn(span.first),
                to: Lsn(span.last),
            }));
        }
        legs
    }

    /// Where on the way an LSN is.
    pub fn locate(way: &[Step], lsn: u64) -> Option<Point> {
        let step = way.iter().position(|step| lsn <= step.upper && (lsn > step.fork || step.fork == 0))?;
        Some(Point { step, lsn })
    }

    /// Snapshots on the way that are not after `to`, the nearest to it first.
    pub fn snapshots_before<'a>(&'a self, way: &[Step], to: Point) -> Vec<(Point, &'a Snapshot)> {
        let mut found: Vec<(Point, &Snapshot)> = Vec::new();
        for (at, step) in way.iter().enumerate() {
            for snapshot in self.snapshots.iter().filter(|snapshot| snapshot.timeline == step.id) {
                let lsn = snapshot.lsn.0;
                let before = match at.cmp(&to.step) {
                    // On a timeline that began at that very point.
                    std::cmp::Ordering::Less => lsn == to.lsn,
                    std::cmp::Ordering::Equal => lsn <= to.lsn,
                    std::cmp::Ordering::Greater => true,
                };
                if before && lsn <= step.upper {
                    found.push((Point { step: at, lsn }, snapshot));
                }
            }
        }
        // Of one point the newest: it comes first already, and the sort is stable.
        found.sort_by_key(|(point, _)| (point.step, std::cmp::Reverse(point.lsn)));
        found
    }

    /// Whether the archive holds all of a leg.
    pub fn holds(&self, leg: &Leg) -> bool {
        let range = self.archived.get(&leg.timeline).and_then(|archived| archived.range_of(leg.from));
        range.is_some_and(|range| range.last >= leg.to)
    }

    /// The nearest snapshot from which `to` can be reached, and what is read after it.
    pub fn reach(&self, way: &[Step], to: Point) -> Option<(&Snapshot, Vec<Leg>)> {
        self.snapshots_before(way, to).into_iter().find_map(|(from, snapshot)| {
            let legs = Self::legs(way, from, to);
            legs.iter().all(|leg| self.holds(leg)).then_some((snapshot, legs))
        })
    }
}

/// Which archives supply the records after a snapshot at LSN `after` of timeline `of`, up to LSN `upto` of `target`. Replay
/// follows ancestry: `of` is `target` or one of those it descends from, and `after` is not past the point where the way leaves
/// it. Whether the archives hold the records is not looked at.
pub fn chain(
    repository: &Repository,
    (of, after): (TimelineId, Lsn),
    target: TimelineId,
    upto: Lsn,
) -> Result<Vec<Leg>> {
    let way = History::read(repository)?.way(target)?;
    let refused = |why: String| Error::Input(format!("replay from LSN {after} of timeline {of}: {why}"));
    let step = way.iter().position(|step| step.id == of);
    let step = step.ok_or_else(|| refused(format!("timeline {target} does not descend from it")))?;
    if after.0 > way[step].upper {
        return Err(refused(format!("timeline {target} left it at LSN {}", way[step].upper)));
    }
    if (after, step) == (upto, 0) {
        return Ok(Vec::new());
    }
    let to = History::locate(&way, upto.0).filter(|to| to.step <= step && (to.step < step || after <= upto));
    let to = to.ok_or_else(|| refused(format!("LSN {upto} of timeline {target} is before it")))?;
    Ok(History::legs(&way, Point { step, lsn: after.0 }, to))
}
