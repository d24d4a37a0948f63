//! `Prefilter`: the two phases of a search by codes. First the bounds of every row, of which the few that may be among
//! the k best are kept; then those are scored exactly, the most promising first, until none can enter any more.

use super::Bounds;
use crate::top_k::{Scored, TopK};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A score, in the order of `total_cmp`. Never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The k largest of a stream of scores, of which only the least matters.
#[derive(Clone, Debug)]
struct Floor {
    k: usize,
    /// The k largest, negated: the top is the least of them.
    kept: BinaryHeap<std::cmp::Reverse<Score>>,
    least: f64,
}

impl Floor {
    fn new(k: usize, least: f64) -> Self {
        Self { k, kept: BinaryHeap::new(), least }
    }

    /// Takes a score and raises `least` to the k-th largest once there are k.
    fn offer(&mut self, score: f64) {
        if self.k == 0 || (self.kept.len() == self.k && score <= self.least) {
            return;
        }
        self.kept.push(std::cmp::Reverse(Score(score)));
        if self.kept.len() > self.k {
            self.kept.pop();
        }
        if self.kept.len() == self.k
            && let Some(top) = self.kept.peek()
        {
            self.least = self.least.max(top.0.0);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    item: u32,
    upper: f64,
}

/// Collects the items that may be among the k best by the bounds of their scores, of as many segments as one likes.
///
/// It holds about as many items as cannot be told from the k best by their bounds: where all bounds overlap, all.
/// Items whose score is known, such as rows without codes, are offered with both bounds the same.
#[derive(Clone, Debug)]
pub struct Prefilter {
    k: usize,
    score_min: Option<f64>,
    floor: Floor,
    candidates: Vec<Candidate>,
    /// Candidates are gone through again when there are this many.
    room: usize,
}

/// What a search by codes found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The k best by exact score, by score descending, then by id ascending.
    pub best: Vec<Scored>,
    /// How many items were scored exactly.
    pub rescored: usize,
}

impl Prefilter {
    /// A collector of the `k` best with at least `score_min` (everything when `None`).
    #[must_use]
    pub fn new(k: usize, score_min: Option<f64>) -> Self {
        let least = score_min.unwrap_or(f64::NEG_INFINITY);
        Self {
            k,
            score_min,
            floor: Floor::new(k, least),
            candidates: Vec::new(),
            room: k.saturating_mul(4).max(1024),
        }
    }

    /// Takes an item if it may be among the k best. Each may be offered once.
    #[inline]
    pub fn offer(&mut self, item: u32, bounds: Bounds) {
        if bounds.upper >= self.floor.least {
            self.take(item, bounds);
        }
    }

    /// The least upper bound that can still be among the k best, as far as is known.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.floor.least
    }

    /// How many items it holds now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.candidates.len()
    }

    fn take(&mut self, item: u32, bounds: Bounds) {
        self.candidates.push(Candidate { item, upper: bounds.upper });
        self.floor.offer(bounds.lower);
        if self.candidates.len() >= self.room {
            self.drop_hopeless();
            self.room = self.room.max(self.candidates.len().saturating_mul(2));
        }
    }

    fn drop_hopeless(&mut self) {
        let least = self.floor.least;
        self.candidates.retain(|candidate| candidate.upper >= least);
    }

    /// Scores the candidates by `exactly`, the most promising first, until none can enter any more. `by_id` is the order
    /// of two items' ids.
    #[must_use]
    pub fn finish(
        mut self,
        mut exactly: impl FnMut(u32) -> f64,
        mut by_id: impl FnMut(u32, u32) -> Ordering,
    ) -> Found {
        if self.k == 0 {
            return Found { best: Vec::new(), rescored: 0 };
        }
        self.drop_hopeless();
        // Where bounds are equal, in the order they came: that of rows, so of memory.
        self.candidates.sort_by(|a, b| b.upper.total_cmp(&a.upper));
        let mut best = TopK::new(self.k, self.score_min);
        let mut floor = Floor::new(self.k, f64::NEG_INFINITY);
        let mut rescored = 0;
        for candidate in &self.candidates {
            if candidate.upper < floor.least {
                break;
            }
            let score = exactly(candidate.item);
            best.offer(candidate.item, score, &mut by_id);
            floor.offer(score);
            rescored += 1;
        }
        Found { best: best.finish(by_id), rescored }
    }
}
