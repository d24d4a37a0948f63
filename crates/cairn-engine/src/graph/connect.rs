//! Connecting: every row can be reached from the entry points.
//!
//! Pruning keeps one of several rows at one place, and nothing forbids that the others end up in nobody's list. They are
//! hung on the nearest row that can be reached and has room, so that a walk which is wide enough finds every row.

use super::build::Build;
use super::scratch::GraphScratch;
use super::walk::Lists as _;

/// Looks for rows that cannot be reached in a build whose lists are cut to the degree.
pub(crate) struct Connector<'a, 'b> {
    build: &'a Build<'b>,
    scratch: GraphScratch,
    reached: Vec<bool>,
    /// Reached, and their neighbours not yet.
    queue: Vec<u32>,
    /// Rows that were reached with room in their lists, the latest last: where to hang a row when none near it has any.
    roomy: Vec<u32>,
    list: Vec<u32>,
}

impl<'a, 'b> Connector<'a, 'b> {
    pub fn new(build: &'a Build<'b>) -> Self {
        let reached = vec![false; build.table.rows as usize];
        let (queue, roomy, list) = (Vec::new(), Vec::new(), Vec::new());
        Self { build, scratch: GraphScratch::new(), reached, queue, roomy, list }
    }

    /// Hangs every row that cannot be reached; false when it was cancelled.
    pub fn run(mut self, cancelled: &(dyn Fn() -> bool + Sync)) -> bool {
        self.build.entries.iter().for_each(|entry| self.reach(*entry));
        self.flood();
        for row in 0..self.build.table.rows {
            if self.reached[row as usize] {
                continue;
            }
            if cancelled() {
                return false;
            }
            self.hang(row);
            self.reach(row);
            self.flood();
        }
        true
    }

    fn reach(&mut self, row: u32) {
        if !std::mem::replace(&mut self.reached[row as usize], true) {
            self.queue.push(row);
        }
    }

    fn flood(&mut self) {
        while let Some(row) = self.queue.pop() {
            let mut list = std::mem::take(&mut self.list);
            list.clear();
            self.build.lists.each(row, |neighbour| list.push(neighbour));
            if list.len() < self.build.settings.degree as usize {
                self.roomy.push(row);
            }
            list.iter().for_each(|neighbour| self.reach(*neighbour));
            self.list = list;
        }
    }

    /// Puts an unreached row into the list of one that is reached. Were all lists full, it would stay where it is: then a
    /// search finds fewer rows than there are, and whoever needs all of them scans.
    fn hang(&mut self, row: u32) {
        let near = self.build.nearest(row, &mut self.scratch);
        let near = near.into_iter().find(|host| self.reached[*host as usize] && self.has_room(*host));
        let Some(host) = near.or_else(|| self.latest_with_room()) else { return };
        self.build.lists.change(host, &mut self.list, |list| list.push(row));
    }

    fn latest_with_room(&mut self) -> Option<u32> {
        while let Some(host) = self.roomy.last().copied() {
            if self.has_room(host) {
                return Some(host);
            }
            self.roomy.pop();
        }
        None
    }

    fn has_room(&self, row: u32) -> bool {
        let mut count = 0;
        self.build.lists.each(row, |_| count += 1);
        count < self.build.settings.degree as usize
    }
}
