//! The oracle of the tests that go back: what was seen of each timeline while it was written.

use cairn_engine::{Lsn, Target, TimelineId};
use std::collections::HashMap;

/// What was seen of one timeline: after which record, at what time, with which hash; and where it came from.
pub struct Seen {
    /// Where it left.
    pub parent: Option<TimelineId>,
    /// The state that it begins with is the first.
    pub points: Vec<(u64, i64, String)>,
}

/// All that was seen.
pub struct Oracle {
    pub timelines: HashMap<TimelineId, Seen>,
    pub live: TimelineId,
}

impl Oracle {
    /// The hash at a target on a timeline's line, and the LSN: `None` when nobody looked at that record.
    pub fn expect(&self, target: Target, timeline: TimelineId) -> Option<(u64, String)> {
        let seen = &self.timelines[&timeline];
        let (first_lsn, first_us, _) = &seen.points[0];
        let here = match target {
            Target::Latest => true,
            Target::Lsn(lsn) => lsn.0 >= *first_lsn,
            Target::Time(us) => us >= *first_us,
        };
        if !here {
            return self.expect(target, seen.parent.expect("the first timeline begins before any target"));
        }
        let found = match target {
            Target::Latest => seen.points.last(),
            Target::Lsn(lsn) => seen.points.iter().find(|(seen, ..)| *seen == lsn.0),
            Target::Time(us) => seen.points.iter().rev().find(|(_, at, _)| *at <= us),
        };
        found.map(|(lsn, _, hash)| (*lsn, hash.clone()))
    }

    /// A random target on a random timeline's line.
    pub fn target(&self, below: &mut dyn FnMut(u64) -> u64) -> (Target, TimelineId) {
        let mut ids: Vec<TimelineId> = self.timelines.keys().copied().collect();
        ids.sort_unstable();
        let id = if below(2) == 0 { self.live } else { ids[below(ids.len() as u64) as usize] };
        let mut line = vec![id];
        while let Some(parent) = self.timelines[line.last().expect("one")].parent {
            line.push(parent);
        }
        let from = &self.timelines[&line[below(line.len() as u64) as usize]].points;
        // A point past a fork may not be on the line: then it belongs to no child either, and the oracle says which it is.
        let cap = self.timelines[&id].points.last().expect("one").0;
        let (lsn, us, _) = &from[below(from.len() as u64) as usize];
        match below(3) {
            0 => (Target::Lsn(Lsn((*lsn).min(cap))), id),
            1 => (Target::Time(*us), id),
            // Between two records.
            _ => (Target::Time(*us + below(3) as i64), id),
        }
    }
}
