//! The walk: from the entry points along the best neighbours, until none is better than what was found.
//!
//! A beam search as in Subramanya et al., "DiskANN" (NeurIPS 2019), algorithm 1. It reads codes and lists of neighbours,
//! believes no row number that it has not checked, and is the same for a build and for a search.

use super::codes::Probe;
use super::kernel::Kernel;
use super::scratch::{Pool, Visited, key};
use std::collections::BinaryHeap;

/// Lists of neighbours: in the file, or while they are built.
pub(crate) trait Lists {
    /// The neighbours of a row, in any order and unchecked.
    fn each(&self, row: u32, sink: impl FnMut(u32));
    /// Asks for the list of a row that is soon looked at.
    fn prefetch(&self, row: u32);
}

/// The rows' codes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    pub codes: &'a [u8],
    pub stride: usize,
    pub rows: u32,
    pub kernel: Kernel,
}

impl<'a> Table<'a> {
    #[inline]
    pub fn row(&self, row: u32) -> &'a [u8] {
        &self.codes[row as usize * self.stride..][..self.stride]
    }

    /// The dot product of codes with a row.
    #[inline]
    pub fn dot(&self, probe: &Probe, row: u32) -> i32 {
        self.kernel.dot(self.row(row), &probe.codes) - probe.excess
    }
}

/// What a walk goes over, and how it scores: `score` is given a row and the dot product of codes.
pub(crate) struct Ground<'a, L, S> {
    pub table: Table<'a>,
    pub lists: &'a L,
    pub entries: &'a [u32],
    pub probe: &'a Probe,
    pub score: S,
}

/// Buffers of one walk.
pub(crate) struct Tools<'a> {
    pub visited: &'a mut Visited,
    pub pool: &'a mut Pool,
    pub fresh: &'a mut Vec<u32>,
    pub dots: &'a mut Vec<i32>,
}

impl<L: Lists, S: Fn(u32, i32) -> f32> Ground<'_, L, S> {
    /// Leaves the best rows in the pool, which was reset to how many are wanted. `gone_on` is given each row whose
    /// neighbours were looked at.
    pub fn walk(&self, tools: &mut Tools<'_>, mut gone_on: impl FnMut(u64)) {
        self.begin(tools);
        loop {
            self.score_fresh(tools, |pool, key| pool.offer(key));
            let Some(best) = tools.pool.take_open() else { return };
            gone_on(best);
            self.gather(key::row(best), tools);
            if let Some(next) = tools.pool.peek() {
                self.lists.prefetch(key::row(next));
            }
        }
    }

    /// As [`walk`](Self::walk), but only rows that `accept` takes enter the pool; the others are walked through. Gives
    /// up, and says so, once more than `visits_max` rows were scored.
    pub fn walk_accepting(
        &self,
        tools: &mut Tools<'_>,
        frontier: &mut BinaryHeap<u64>,
        visits_max: usize,
        accept: impl Fn(u32) -> bool,
    ) -> bool {
        frontier.clear();
        self.begin(tools);
        loop {
            self.score_fresh(tools, |pool, key| {
                if pool.takes(key) {
                    frontier.push(key);
                    if accept(key::row(key)) {
                        pool.offer(key);
                    }
                }
            });
            if tools.visited.count() > visits_max {
                return false;
            }
            let Some(best) = frontier.pop().filter(|best| tools.pool.reaches(*best)) else {
                return true;
            };
            self.gather(key::row(best), tools);
            if let Some(next) = frontier.peek() {
                self.lists.prefetch(key::row(*next));
            }
        }
    }

    fn begin(&self, tools: &mut Tools<'_>) {
        tools.visited.reset(self.table.rows);
        tools.fresh.clear();
        for entry in self.entries {
            if *entry < self.table.rows && tools.visited.insert(*entry) {
                tools.fresh.push(*entry);
            }
        }
    }

    /// The neighbours of a row that were not seen yet.
    #[inline]
    fn gather(&self, row: u32, tools: &mut Tools<'_>) {
        tools.fresh.clear();
        self.lists.each(row, |neighbour| {
            if neighbour < self.table.rows && tools.visited.insert(neighbour) {
                tools.fresh.push(neighbour);
            }
        });
    }

    #[inline]
    fn score_fresh(&self, tools: &mut Tools<'_>, mut sink: impl FnMut(&mut Pool, u64)) {
        tools.dots.clear();
        self.table.kernel.dots(self.table.codes, tools.fresh, &self.probe.codes, tools.dots);
        for (row, dot) in tools.fresh.iter().zip(tools.dots.iter()) {
            sink(tools.pool, key::of((self.score)(*row, dot - self.probe.excess), *row));
        }
    }
}
