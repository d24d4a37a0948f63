//! Distance: how alike a query and a vector are, for one row or a whole column of them.

use diskann_vector::distance::{Distance, DistanceProvider as _, Metric as Kernel};
use std::ops::Range;

/// What "alike" means. Every metric gives a score that is larger for what is more alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// The cosine of the angle between two vectors, −1 to 1; 0 when either is zero.
    #[default]
    Cosine,
    /// The dot product.
    Dot,
    /// `1 / (1 + d)` of the Euclidean distance `d`.
    L2,
}

impl Metric {
    /// The byte that stands for it in files (docs/format.md, *settings*).
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Cosine => 0,
            Self::Dot => 1,
            Self::L2 => 2,
        }
    }

    /// The inverse of [`byte`](Self::byte).
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Cosine, Self::Dot, Self::L2].into_iter().find(|metric| metric.byte() == byte)
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::L2 => "l2",
        }
    }

    /// The inverse of [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cosine, Self::Dot, Self::L2].into_iter().find(|metric| metric.name() == name)
    }
}

/// 1 / the Euclidean norm, or 0 for a zero vector (and for one shorter than an f32 can divide by, about 3e−39).
///
/// Summed in f64 in a fixed order, so that every machine computes the same bits.
#[must_use]
pub fn inverse_norm(vector: &[f32]) -> f32 {
    let inverse = 1.0 / norm(vector);
    // Rounding to f32 is what is asked for; what lies beyond its range becomes infinite.
    let inverse = inverse as f32;
    if inverse.is_finite() { inverse } else { 0.0 }
}

fn norm(vector: &[f32]) -> f64 {
    square(vector).sqrt()
}

/// The sum of the squares, in f64 and in a fixed order.
pub(crate) fn square(vector: &[f32]) -> f64 {
    let (blocks, rest) = vector.as_chunks::<4>();
    let mut sums = [0.0_f64; 4];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f64::from(*x) * f64::from(*x);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// A query made ready to score many rows.
#[derive(Clone, Debug)]
pub struct Scorer {
    metric: Metric,
    query: Vec<f32>,
    /// What the kernel is given: for cosine the query scaled to length 1, so that no dot product with a row overflows
    /// that need not.
    operand: Vec<f32>,
    kernel: Distance<f32, f32>,
}

impl Scorer {
    /// Prepares `query`, whose components must be finite.
    #[must_use]
    pub fn new(metric: Metric, query: &[f32]) -> Self {
        let (operand, kernel) = match metric {
            Metric::Cosine => (unit(query), Kernel::InnerProduct),
            Metric::Dot => (query.to_vec(), Kernel::InnerProduct),
            Metric::L2 => (query.to_vec(), Kernel::L2),
        };
        // The best kernel of this processor, chosen once here; a call goes through a pointer.
        Self { metric, query: query.to_vec(), operand, kernel: f32::distance_comparer(kernel, None) }
    }

    /// The dimension of the query.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.query.len()
    }

    /// What "alike" means to it.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The query as the kernels take it: for cosine of length 1.
    pub(crate) fn operand(&self) -> &[f32] {
        &self.operand
    }

    /// The score of a row of the query's dimension, larger for what is more alike; never NaN nor infinite for finite
    /// components. `inverse_norm` is the row's [`inverse_norm`]; only cosine looks at it.
    #[inline]
    #[must_use]
    pub fn score(&self, row: &[f32], inverse_norm: f32) -> f32 {
        // The kernel gives the negative dot product or the squared distance.
        let raw = self.kernel.call(&self.operand, row);
        if !raw.is_finite() {
            return self.score_beyond_f32(row);
        }
        match self.metric {
            // `0 − x` and not `−x`: a zero stays +0.
            Metric::Cosine => ((0.0 - raw) * inverse_norm).clamp(-1.0, 1.0),
            Metric::Dot => 0.0 - raw,
            Metric::L2 => 1.0 / (1.0 + raw.sqrt()),
        }
    }

    /// The score where sums of f32 overflow, cut to what an f32 holds.
    #[cold]
    fn score_beyond_f32(&self, row: &[f32]) -> f32 {
        self.score_exactly(row).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }

    /// The score in f64: what `score` rounds, some ten times slower. Vectors of one direction, whose cosines `score`
    /// may tell apart by its rounding, are mostly equal here, so that their order is that of their ids.
    #[must_use]
    pub fn score_exactly(&self, row: &[f32]) -> f64 {
        let pairs = || self.query.iter().zip(row).map(|(q, r)| (f64::from(*q), f64::from(*r)));
        let dot = || pairs().map(|(q, r)| q * r).sum::<f64>();
        match self.metric {
            // One root of the product: exact where the squares are, unlike a product of two roots.
            Metric::Cosine => match (square(&self.query) * square(row)).sqrt() {
                0.0 => 0.0,
                norms => (dot() / norms).clamp(-1.0, 1.0),
            },
            Metric::Dot => dot(),
            Metric::L2 => 1.0 / (1.0 + pairs().map(|(q, r)| (q - r) * (q - r)).sum::<f64>().sqrt()),
        }
    }
}

/// The vector scaled to length 1; a zero vector stays zero.
fn unit(vector: &[f32]) -> Vec<f32> {
    let norm = norm(vector);
    if norm == 0.0 {
        return vec![0.0; vector.len()];
    }
    vector.iter().map(|x| (f64::from(*x) / norm) as f32).collect()
}

/// Scores the rows of one row-major block in order and gives each as `(row, score)` to `sink`.
///
/// The block's first row is number `start_row`. `keep` and `dead` are bits by row number, lowest first in each word:
/// only rows in `keep` (when there is one) and not in `dead` are scored; rows past the end of either are in neither.
///
/// # Panics
/// When `rows` is not one row of the query's dimension for each of `inverse_norms`, or a row number passes u32.
pub fn scan(
    scorer: &Scorer,
    rows: &[f32],
    inverse_norms: &[f32],
    start_row: u32,
    keep: Option<&[u64]>,
    dead: Option<&[u64]>,
    mut sink: impl FnMut(u32, f32),
) {
    let dimension = scorer.dimension();
    let count = u32::try_from(inverse_norms.len()).expect("rows are numbered in 32 bits");
    let end_row = start_row.checked_add(count).expect("rows are numbered in 32 bits");
    assert_eq!(Some(rows.len()), inverse_norms.len().checked_mul(dimension), "one row for each norm");
    for_each_run(start_row..end_row, keep, dead, |run| {
        let start = (run.start - start_row) as usize;
        let vectors = rows[start * dimension..].chunks_exact(dimension.max(1));
        for ((row, vector), &inverse_norm) in run.zip(vectors).zip(&inverse_norms[start..]) {
            sink(row, scorer.score(vector, inverse_norm));
        }
    });
}

/// Gives the rows that are in `keep` (when there is one) and not in `dead` as runs, in order. `keep` and `dead` are bits
/// by row number, lowest first in each word; rows past the end of either are in neither. A run is of rows whose bits
/// stand in one word: 64 at most.
pub(crate) fn for_each_run(
    rows: Range<u32>,
    keep: Option<&[u64]>,
    dead: Option<&[u64]>,
    mut sink: impl FnMut(Range<u32>),
) {
    let mut row = rows.start;
    while row < rows.end {
        let first = row % 64;
        let rows_here = (64 - first).min(rows.end - row);
        let all = (u64::MAX >> (64 - rows_here)) << first;
        let word = (row / 64) as usize;
        let mut live = all
            & keep.map_or(u64::MAX, |bits| word_of(bits, word))
            & !dead.map_or(0, |bits| word_of(bits, word));
        let base = row - first;
        while live != 0 {
            let start = live.trailing_zeros();
            let end = start + (live >> start).trailing_ones();
            sink(base + start..base + end);
            // All bits below `end` are done.
            live &= u64::MAX.checked_shl(end).unwrap_or(0);
        }
        row += rows_here;
    }
}

fn word_of(bits: &[u64], word: usize) -> u64 {
    bits.get(word).copied().unwrap_or(0)
}
