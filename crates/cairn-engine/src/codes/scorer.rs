//! `CodeScorer`: a query made ready to score codes, one row or a run of them.

use super::bounds::{Bounds, Terms, score_of_square};
use super::kernels::{self, I8Query, InstructionSet, QUERY_MAX};
use super::{CodeKind, Codes, RowParameters};
use crate::distance::{Metric, for_each_run, square};
use std::ops::Range;

/// Rows scored at a time: few, so that memory is asked for the next ones while their bounds are computed.
const RUN: u32 = 8;

/// A query made ready to score rows of codes of one kind.
#[derive(Clone, Debug)]
pub struct CodeScorer {
    kind: CodeKind,
    set: InstructionSet,
    operand: Operand,
    terms: Terms,
}

/// What the kernels are given.
#[derive(Clone, Debug)]
enum Operand {
    I8(I8Query),
    /// For cosine and dot scaled to length 1, so that no product overflows; for l2 the query.
    F16(Vec<f32>),
}

impl CodeScorer {
    /// Prepares `query`, whose components must be finite, for codes of `kind`.
    #[must_use]
    pub fn new(metric: Metric, query: &[f32], kind: CodeKind) -> Self {
        Self::prepare(metric, query, kind, InstructionSet::best())
    }

    /// The same with instructions of the caller's choice, for tests and measurements; `None` where the processor does
    /// not have them.
    #[must_use]
    pub fn with(metric: Metric, query: &[f32], kind: CodeKind, set: InstructionSet) -> Option<Self> {
        set.is_available().then(|| Self::prepare(metric, query, kind, set))
    }

    fn prepare(metric: Metric, query: &[f32], kind: CodeKind, set: InstructionSet) -> Self {
        let (operand, terms) = match kind {
            CodeKind::I8 => quantised(metric, query),
            CodeKind::F16 => {
                let depth = kernels::f16_depth(query.len());
                let (read, scale) = match metric {
                    Metric::L2 => (query.to_vec(), 1.0),
                    Metric::Cosine | Metric::Dot => unit(query),
                };
                let terms = Terms::new(metric, query, scale, read.iter().map(|&x| f64::from(x)), depth);
                (Operand::F16(read), terms)
            }
        };
        Self { kind, set, operand, terms }
    }

    /// The kind of codes it scores.
    #[must_use]
    pub fn kind(&self) -> CodeKind {
        self.kind
    }

    /// The dimension of the query.
    #[must_use]
    pub fn dimension(&self) -> usize {
        match &self.operand {
            Operand::I8(query) => query.wide.len(),
            Operand::F16(query) => query.len(),
        }
    }

    /// About the score of a row, as [`Scorer::score`](crate::distance::Scorer::score) gives it. For many rows of the same
    /// codes, [`rows`](Self::rows) is faster.
    ///
    /// # Panics
    /// When the codes are of another kind or dimension, or have no such row.
    #[inline]
    #[must_use]
    pub fn score_row(&self, codes: &Codes, row: u32) -> f32 {
        self.rows(codes).score(row)
    }

    /// Between what the score of a row lies: [`Scorer::score_exactly`](crate::distance::Scorer::score_exactly) of its
    /// vector is never outside.
    ///
    /// # Panics
    /// When the codes are of another kind or dimension, or have no such row.
    #[must_use]
    pub fn bounds(&self, codes: &Codes, row: u32) -> Bounds {
        self.rows(codes).bounds(row)
    }

    /// Scores single rows of these codes, in any order.
    ///
    /// # Panics
    /// When the codes are of another kind or dimension.
    #[must_use]
    pub fn rows<'a>(&'a self, codes: &'a Codes) -> RowScorer<'a> {
        let dimension = self.dimension();
        assert_eq!((codes.kind(), codes.dimension()), (self.kind, dimension), "codes for this query");
        let (bytes, halves) = (codes.bytes(), codes.halves());
        RowScorer { scorer: self, dimension, bytes, halves, parameters: codes.parameters() }
    }

    /// What the kernel gives for a run of rows.
    #[inline]
    fn raw(&self, codes: &Codes, rows: Range<usize>, out: &mut [f64]) {
        let dimension = self.dimension();
        assert_eq!((codes.kind(), codes.dimension()), (self.kind, dimension), "codes for this query");
        let elements = rows.start * dimension..rows.end * dimension;
        match (&self.operand, self.terms.metric) {
            (Operand::I8(query), _) => kernels::dot_i8(self.set, query, &codes.bytes()[elements], out),
            (Operand::F16(query), Metric::L2) => {
                let parameters = &codes.parameters()[rows];
                kernels::squares_f16(self.set, query, &codes.halves()[elements], parameters, out);
            }
            (Operand::F16(query), _) => {
                kernels::dot_f16(self.set, query, &codes.halves()[elements], out);
            }
        }
    }

    /// The bounds by what the kernel gave. One loop for each metric, so that a compiler vectorises it.
    #[inline]
    fn bound(&self, raw: &[f64], parameters: &[RowParameters], out: &mut [Bounds]) {
        let terms = &self.terms;
        let mut each = |bounds: fn(&Terms, f64, &RowParameters) -> Bounds| {
            for ((out, &raw), row) in out.iter_mut().zip(raw).zip(parameters) {
                *out = bounds(terms, raw, row);
            }
        };
        match (terms.metric, self.kind) {
            (Metric::Cosine, _) => each(Terms::cosine_bounds),
            (Metric::Dot, _) => each(Terms::dot_bounds),
            (Metric::L2, CodeKind::I8) => each(Terms::l2_bounds_by_product),
            (Metric::L2, CodeKind::F16) => each(Terms::l2_bounds_by_squares),
        }
    }
}

/// Scores single rows of codes for one query: what a walk through a graph asks for.
#[derive(Clone, Copy, Debug)]
pub struct RowScorer<'a> {
    scorer: &'a CodeScorer,
    dimension: usize,
    bytes: &'a [i8],
    halves: &'a [u16],
    parameters: &'a [RowParameters],
}

impl RowScorer<'_> {
    /// About the score of a row, never NaN; see [`CodeScorer::score_row`].
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    #[must_use]
    pub fn score(&self, row: u32) -> f32 {
        let raw = self.raw(row);
        match (&self.scorer.operand, self.scorer.terms.metric) {
            (Operand::F16(_), Metric::L2) => score_of_square(raw),
            _ => self.scorer.terms.score_by_product(raw, &self.parameters[row as usize]),
        }
    }

    /// Between what the score of a row lies; see [`CodeScorer::bounds`].
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn bounds(&self, row: u32) -> Bounds {
        let mut out = [Bounds { lower: 0.0, upper: 0.0 }];
        self.scorer.bound(&[self.raw(row)], &self.parameters[row as usize..][..1], &mut out);
        out[0]
    }

    /// Asks memory for a row that will be scored soon, while others are.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn prefetch(&self, row: u32) {
        match self.scorer.operand {
            Operand::I8(_) => kernels::prefetch_row(&self.bytes[self.elements(row)]),
            Operand::F16(_) => kernels::prefetch_row(&self.halves[self.elements(row)]),
        }
        kernels::prefetch_row(&self.parameters[row as usize..][..1]);
    }

    #[inline]
    fn elements(&self, row: u32) -> Range<usize> {
        let start = row as usize * self.dimension;
        start..start + self.dimension
    }

    #[inline]
    fn raw(&self, row: u32) -> f64 {
        let (set, elements) = (self.scorer.set, self.elements(row));
        match (&self.scorer.operand, self.scorer.terms.metric) {
            (Operand::I8(query), _) => kernels::dot_i8_row(set, query, &self.bytes[elements]),
            (Operand::F16(query), Metric::L2) => {
                let scale = self.parameters[row as usize].scale;
                kernels::squares_f16_row(set, query, &self.halves[elements], scale)
            }
            (Operand::F16(query), _) => kernels::dot_f16_row(set, query, &self.halves[elements]),
        }
    }
}

/// A query in 15 bits.
fn quantised(metric: Metric, query: &[f32]) -> (Operand, Terms) {
    let largest = query.iter().fold(0.0_f32, |largest, x| x.abs().max(largest));
    let scale = f64::from(largest) / f64::from(QUERY_MAX);
    let limit = f64::from(QUERY_MAX);
    let quantise = |&x: &f32| match scale {
        0.0 => 0,
        scale => (f64::from(x) / scale).round_ties_even().clamp(-limit, limit) as i16,
    };
    let read: Vec<i16> = query.iter().map(quantise).collect();
    let terms = Terms::new(metric, query, scale, read.iter().map(|&x| f64::from(x)), 0.0);
    (Operand::I8(I8Query::new(read)), terms)
}

/// The query scaled to length 1, and its length.
fn unit(query: &[f32]) -> (Vec<f32>, f64) {
    let norm = square(query).sqrt();
    match norm {
        0.0 => (vec![0.0; query.len()], 0.0),
        norm => (query.iter().map(|&x| (f64::from(x) / norm) as f32).collect(), norm),
    }
}

/// Scores rows of codes in order and gives the bounds of each score as `(row, bounds)` to `sink`.
///
/// `keep` and `dead` are bits by row number, as for [`scan`](crate::distance::scan): only rows in `keep` (when there is
/// one) and not in `dead` are scored.
///
/// # Panics
/// When the codes are of another kind or dimension than the scorer's.
pub fn scan_codes(
    scorer: &CodeScorer,
    codes: &Codes,
    keep: Option<&[u64]>,
    dead: Option<&[u64]>,
    mut sink: impl FnMut(u32, Bounds),
) {
    let parameters = codes.parameters();
    let (mut raw, mut bounds) = ([0.0; RUN as usize], [Bounds { lower: 0.0, upper: 0.0 }; RUN as usize]);
    for_each_run(0..codes.rows(), keep, dead, |run| {
        for first in run.clone().step_by(RUN as usize) {
            let run = first..run.end.min(first + RUN);
            let rows = run.start as usize..run.end as usize;
            let (raw, bounds) = (&mut raw[..rows.len()], &mut bounds[..rows.len()]);
            scorer.raw(codes, rows.clone(), raw);
            scorer.bound(raw, &parameters[rows], bounds);
            for (row, &bounds) in run.zip(bounds.iter()) {
                sink(row, bounds);
            }
        }
    });
}
