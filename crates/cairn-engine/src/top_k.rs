//! TopK: the k best of a stream of scored items.

use std::cmp::Ordering;

/// An item and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The item's number.
    pub item: u32,
    /// Its score; larger is better. Never NaN.
    pub score: f64,
}

/// Collects the k best items, by score descending, then by id ascending.
///
/// It does not know ids: where scores are equal it asks the caller's comparator of two items, and only there. It holds
/// fewer than twice k items (or than 64), also when all scores are equal. Each item may be offered once.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    /// The buffer is cut back to k when it holds this many.
    room: usize,
    /// The least score that can still enter.
    threshold: f64,
    /// The worst of the k best when the buffer was last cut back; its score is `threshold`.
    worst: Option<u32>,
    kept: Vec<Scored>,
}

impl TopK {
    /// A collector of the `k` best with at least `score_min` (everything when `None`).
    #[must_use]
    pub fn new(k: usize, score_min: Option<f64>) -> Self {
        let threshold = score_min.unwrap_or(f64::NEG_INFINITY);
        Self { k, room: k.saturating_mul(2).max(64), threshold, worst: None, kept: Vec::new() }
    }

    /// Takes an item if it may be among the k best. `by_id` is the order of two items' ids. NaN never enters.
    #[inline]
    pub fn offer(&mut self, item: u32, score: impl Into<f64>, by_id: impl FnMut(u32, u32) -> Ordering) {
        let score = score.into();
        // NaN is not at least anything.
        if score >= self.threshold {
            // −0 enters as 0.
            self.take(Scored { item, score: score + 0.0 }, by_id);
        }
    }

    /// The least score that can still be among the k best, as far as is known.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// How many items it holds now: what it costs in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.kept.len()
    }

    /// The k best, by score descending, then by id ascending.
    #[must_use]
    pub fn finish(mut self, mut by_id: impl FnMut(u32, u32) -> Ordering) -> Vec<Scored> {
        if self.kept.len() > self.k {
            self.shrink(&mut by_id);
        }
        self.kept.sort_unstable_by(|a, b| rank(*a, *b, &mut by_id));
        self.kept
    }

    fn take(&mut self, new: Scored, mut by_id: impl FnMut(u32, u32) -> Ordering) {
        if let Some(worst) = self.worst
            && new.score == self.threshold
            && by_id(new.item, worst).is_ge()
        {
            return;
        }
        self.kept.push(new);
        if self.kept.len() >= self.room {
            self.shrink(&mut by_id);
        }
    }

    /// Cuts the buffer back to the k best.
    fn shrink(&mut self, by_id: &mut impl FnMut(u32, u32) -> Ordering) {
        if self.k > 0 {
            let (_, worst, _) = self.kept.select_nth_unstable_by(self.k - 1, |a, b| rank(*a, *b, by_id));
            self.threshold = worst.score;
            self.worst = Some(worst.item);
        }
        self.kept.truncate(self.k);
    }
}

/// The better one first.
fn rank(a: Scored, b: Scored, by_id: &mut impl FnMut(u32, u32) -> Ordering) -> Ordering {
    b.score.partial_cmp(&a.score).expect("NaN never enters").then_with(|| by_id(a.item, b.item))
}
