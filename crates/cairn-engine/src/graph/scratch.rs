//! `GraphScratch`: what a walk needs beside the graph, kept from one search to the next.

use super::RowScore;
use super::codes::Probe;
use std::collections::BinaryHeap;

/// Memory of one thread's searches. After the first few, a search allocates nothing.
#[derive(Debug, Default)]
pub struct GraphScratch {
    pub(crate) visited: Visited,
    pub(crate) pool: Pool,
    /// Rows to go on from, in a walk that accepts only some.
    pub(crate) frontier: BinaryHeap<u64>,
    pub(crate) fresh: Vec<u32>,
    pub(crate) dots: Vec<i32>,
    pub(crate) probe: Probe,
    pub(crate) hits: Vec<RowScore>,
}

impl GraphScratch {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A row and its score in 64 bits that compare as they should: the better score first, then the lower row. The lowest
/// bit says that the row's neighbours are still to be looked at.
pub(crate) mod key {
    /// Not yet gone on from.
    pub const OPEN: u64 = 1;

    /// Any score has its place, NaN too. Its last bit is lost: scores here are approximate.
    #[inline]
    pub fn of(score: f32, row: u32) -> u64 {
        let bits = score.to_bits();
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        (u64::from(ordered >> 1) << 33) | (u64::from(!row) << 1) | OPEN
    }

    /// The row.
    #[inline]
    pub fn row(key: u64) -> u32 {
        !((key >> 1) as u32)
    }

    /// The score, but for its last bit.
    #[inline]
    pub fn score(key: u64) -> f32 {
        let ordered = ((key >> 33) as u32) << 1;
        f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
    }
}

/// The best keys seen, best first, at most as many as asked for.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    keys: Vec<u64>,
    room: usize,
    /// Before it, no key is open.
    next: usize,
}

impl Pool {
    pub fn reset(&mut self, room: usize) {
        self.keys.clear();
        self.room = room;
        self.next = 0;
    }

    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Whether a key would enter.
    #[inline]
    pub fn takes(&self, key: u64) -> bool {
        self.keys.len() < self.room || self.keys.last().is_some_and(|worst| key > *worst)
    }

    /// Whether neighbours of this key's row may still enter: it is not worse than all that was found.
    #[inline]
    pub fn reaches(&self, key: u64) -> bool {
        self.keys.len() < self.room || self.keys.last().is_some_and(|worst| key >= *worst)
    }

    /// Takes a key if it is among the best.
    #[inline]
    pub fn offer(&mut self, key: u64) {
        if !self.takes(key) {
            return;
        }
        let at = self.keys.partition_point(|other| *other > key);
        if self.keys.len() == self.room {
            self.keys.pop();
        }
        self.keys.insert(at, key);
        self.next = self.next.min(at);
    }

    /// The best open key, which is then no longer open.
    #[inline]
    pub fn take_open(&mut self) -> Option<u64> {
        while let Some(key) = self.keys.get_mut(self.next) {
            self.next += 1;
            if *key & key::OPEN == key::OPEN {
                *key &= !key::OPEN;
                return Some(*key);
            }
        }
        None
    }

    /// The key that [`take_open`](Self::take_open) may give next.
    #[inline]
    pub fn peek(&self) -> Option<u64> {
        self.keys.get(self.next).copied()
    }
}

/// The rows a walk has seen: a bit each, and a list of them, so that clearing costs what was seen.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    words: Vec<u64>,
    rows: Vec<u32>,
}

impl Visited {
    /// Forgets all, and makes room for `rows` rows.
    pub fn reset(&mut self, rows: u32) {
        for row in self.rows.drain(..) {
            if let Some(word) = self.words.get_mut(row as usize / 64) {
                *word = 0;
            }
        }
        self.words.resize((rows as usize).div_ceil(64), 0);
    }

    /// Marks a row, below the number given to [`reset`](Self::reset); whether it was new.
    #[inline]
    pub fn insert(&mut self, row: u32) -> bool {
        let Some(word) = self.words.get_mut(row as usize / 64) else { return false };
        let bit = 1 << (row % 64);
        if *word & bit != 0 {
            return false;
        }
        *word |= bit;
        self.rows.push(row);
        true
    }

    /// How many rows were marked.
    pub fn count(&self) -> usize {
        self.rows.len()
    }
}
