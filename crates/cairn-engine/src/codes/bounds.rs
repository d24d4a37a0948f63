//! Bounds: between what a row's true score lies, by what its codes give.
//!
//! With `x = x̂ + r` and `q = q̂ + e`: `q·x = q̂·x̂ + q̂·r + e·x`, so `|q·x − q̂·x̂| ≤ |q̂||r| + |e||x|`; and by the triangle
//! inequality `|q − x|` differs from `|q̂ − x̂|` by at most `|r| + |e|`. What is called true here is what
//! [`Scorer::score_exactly`](crate::distance::Scorer::score_exactly) returns, so the rounding of its own sums is added
//! to the bounds, as is that of the kernels and of the arithmetic below.

use super::RowParameters;
use crate::distance::{Metric, square};

/// A score lies between these, both included; larger is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The least it can be.
    pub lower: f64,
    /// The most it can be.
    pub upper: f64,
}

/// Relative, of a norm rounded to f32 (2^-24 and then some).
const NORM_ROUNDING: f64 = 1.0 / (1 << 22) as f64;
/// The last place of an f32 and of an f64.
const F32_EPSILON: f64 = 1.0 / (1_u64 << 24) as f64;
const F64_EPSILON: f64 = 1.0 / (1_u64 << 53) as f64;

/// What of a query the bounds need, whichever metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub metric: Metric,
    /// The query is read as this times what the kernel is given.
    scale: f64,
    /// 1 / the query's norm; 0 for a zero query.
    inverse_norm: f64,
    /// At least the norm of the query and of what it is read as.
    norm: f64,
    /// At least the norm of their difference.
    residual: f64,
    /// The squared norm of what the query is read as. Only for distances from products.
    squares: f64,
    /// The relative error of a kernel's sum, and what underflow can add to it.
    kernel_relative: f64,
    kernel_absolute: f64,
    /// The relative error of a sum in f64, both by `score_exactly` and here.
    exact_relative: f64,
}

impl Terms {
    /// `read` is what the kernel is given, `scale` what it is multiplied with. `depth` is the kernel's relative error
    /// in units of 2^-24; 0 says that it is exact.
    pub fn new(
        metric: Metric,
        query: &[f32],
        scale: f64,
        read: impl Iterator<Item = f64> + Clone,
        depth: f64,
    ) -> Terms {
        let exact_relative = (query.len() + 64) as f64 * 2.0 * F64_EPSILON;
        let sum = |squares: &mut dyn Iterator<Item = f64>| squares.sum::<f64>();
        let query_squares = square(query);
        let squares = sum(&mut read.clone().map(|x| (scale * x) * (scale * x)));
        let off = sum(&mut query.iter().zip(read).map(|(&x, y)| (f64::from(x) - scale * y).powi(2)));
        let norm = query_squares.max(squares).sqrt() * (1.0 + exact_relative);
        let residual = match scale {
            // Nothing was rounded: the query is read as it is.
            1.0 if off == 0.0 => 0.0,
            _ => off.sqrt() * (1.0 + exact_relative) + 4.0 * F64_EPSILON * norm,
        };
        let inverse_norm = if query_squares > 0.0 { 1.0 / query_squares.sqrt() } else { 0.0 };
        // A product or square below the smallest f32 is rounded to a multiple of it.
        let kernel_absolute = if depth > 0.0 { query.len() as f64 * libm::ldexp(1.0, -148) } else { 0.0 };
        let kernel_relative = depth * F32_EPSILON;
        Terms {
            metric,
            scale,
            inverse_norm,
            norm,
            residual,
            squares,
            kernel_relative,
            kernel_absolute,
            exact_relative,
        }
    }

    /// Everything a score can be.
    fn anything(&self) -> Bounds {
        match self.metric {
            Metric::Cosine => Bounds { lower: -1.0, upper: 1.0 },
            Metric::Dot => Bounds { lower: f64::NEG_INFINITY, upper: f64::INFINITY },
            Metric::L2 => Bounds { lower: 0.0, upper: 1.0 },
        }
    }

    /// These bounds, or when the arithmetic left the numbers, anything. So damaged parameters cost time, and a row of
    /// enormous elements is looked at.
    #[inline(always)]
    fn checked(&self, lower: f64, upper: f64) -> Bounds {
        // False for NaN.
        if lower <= upper { Bounds { lower, upper } } else { self.anything() }
    }

    /// Of the dot product with the row whose codes' product is `raw`: what it is about, and how far off at most.
    #[inline(always)]
    fn dot(&self, raw: f64, row: &RowParameters) -> (f64, f64) {
        let scale = self.scale * f64::from(row.scale);
        let residual = f64::from(row.residual);
        // The least f32 is for norms that were rounded below the normal ones.
        let norm = f64::from(row.norm) * (1.0 + NORM_ROUNDING) + f64::from(f32::from_bits(1));
        let relative = self.kernel_relative + self.exact_relative;
        let error = self.norm * residual
            + self.residual * norm
            + relative * self.norm * (norm + residual)
            + self.kernel_absolute * scale;
        (raw * scale, error * (1.0 + 1e-12))
    }

    /// Bounds of the dot product.
    #[inline(always)]
    pub fn dot_bounds(&self, raw: f64, row: &RowParameters) -> Bounds {
        let (about, error) = self.dot(raw, row);
        self.checked(about - error, about + error)
    }

    /// Bounds of the cosine.
    #[inline(always)]
    pub fn cosine_bounds(&self, raw: f64, row: &RowParameters) -> Bounds {
        if row.norm < f32::MIN_POSITIVE || row.norm > f32::MAX || self.inverse_norm == 0.0 {
            return self.odd_cosine(row);
        }
        let (about, error) = self.dot(raw, row);
        let inverse = self.inverse_norm / f64::from(row.norm);
        let (lower, upper) = ((about - error) * inverse, (about + error) * inverse);
        // The norm is off by so much, and with it the quotient.
        let (lower, upper) = (lower - lower.abs() * NORM_ROUNDING, upper + upper.abs() * NORM_ROUNDING);
        self.checked(lower.clamp(-1.0, 1.0), upper.clamp(-1.0, 1.0))
    }

    /// Of a zero query or row, whose cosines are 0, and of a row whose norm an f32 does not hold well.
    #[cold]
    fn odd_cosine(&self, row: &RowParameters) -> Bounds {
        if row.norm == 0.0 || self.inverse_norm == 0.0 {
            return Bounds { lower: 0.0, upper: 0.0 };
        }
        self.anything()
    }

    /// The squared distance of what query and row are read as, from the product of i8 codes, and how far off at most.
    #[inline(always)]
    fn squared_distance(&self, product: f64, row: &RowParameters) -> (f64, f64) {
        let scale = f64::from(row.scale);
        let squares = self.squares + scale * scale * f64::from(row.squares);
        (squares - 2.0 * self.scale * scale * product, squares * self.exact_relative)
    }

    /// Bounds of an l2 score, from a product of i8 codes.
    #[inline(always)]
    pub fn l2_bounds_by_product(&self, product: f64, row: &RowParameters) -> Bounds {
        let (about, error) = self.squared_distance(product, row);
        self.l2_bounds(about - error, about + error, f64::from(row.residual) + self.residual)
    }

    /// Bounds of an l2 score, from a kernel's squared distance.
    #[inline(always)]
    pub fn l2_bounds_by_squares(&self, squares: f64, row: &RowParameters) -> Bounds {
        let error = squares * self.kernel_relative + self.kernel_absolute;
        self.l2_bounds(squares - error, squares + error, f64::from(row.residual) + self.residual)
    }

    #[inline(always)]
    fn l2_bounds(&self, least: f64, most: f64, residual: f64) -> Bounds {
        // Infinite squares, whose rounding is infinite too: `max` would take that NaN for 0.
        if least.is_nan() || most.is_nan() {
            return self.anything();
        }
        let more = 1.0 + self.exact_relative;
        let farthest = (most.max(0.0).sqrt() + residual) * more;
        let nearest = least.max(0.0).sqrt() * (1.0 - self.exact_relative) - residual * more;
        let (lower, upper) = (1.0 / (1.0 + farthest), 1.0 / (1.0 + nearest.max(0.0)));
        self.checked(lower * (1.0 - 8.0 * F64_EPSILON), (upper * (1.0 + 8.0 * F64_EPSILON)).min(1.0))
    }

    /// About what the score is, by a dot product. Never NaN: what damaged codes make one is the worst score.
    #[inline(always)]
    #[allow(clippy::manual_clamp, reason = "`clamp` keeps a NaN, `max` does not")]
    pub fn score_by_product(&self, raw: f64, row: &RowParameters) -> f32 {
        let dot = || raw * (self.scale * f64::from(row.scale));
        match self.metric {
            Metric::Cosine if row.norm > 0.0 => {
                (dot() * self.inverse_norm / f64::from(row.norm)).max(-1.0).min(1.0) as f32
            }
            Metric::Cosine => 0.0,
            Metric::Dot => dot().max(f64::from(f32::MIN)).min(f64::from(f32::MAX)) as f32,
            Metric::L2 => score_of_square(self.squared_distance(raw, row).0),
        }
    }
}

/// The l2 score of a squared distance.
#[inline(always)]
pub(super) fn score_of_square(square: f64) -> f32 {
    (1.0 / (1.0 + square.max(0.0).sqrt())) as f32
}
