//! Codes: each row in 8 bits an element, which a walk reads instead of the vectors.
//!
//! A row is the vector (of length 1 for the cosine) less the mean of all rows, divided by the row's own scale so that the
//! largest element is ±127, and rounded. Codes are stored plus 128, as the dot product of unsigned with signed bytes that
//! processors have asks for.

use super::columns::Columns;
use super::kernel::LINE;
use crate::distance::Metric;

/// What is stored of zero.
pub(crate) const ZERO: u8 = 128;

/// A row's factors: its score for a query is `query scale × scale × dot product of codes + term`, plus what depends on the
/// query alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Factors {
    pub scale: f32,
    /// Cosine and dot product: the dot product of the row, less the mean, with the mean. L2: −½ of the square of what
    /// the codes stand for.
    pub term: f32,
}

/// Bytes of a row's codes: the dimension, padded with zeros to whole cache lines.
pub(crate) fn stride(dimension: usize) -> usize {
    dimension.next_multiple_of(LINE)
}

/// The mean of all rows, of length 1 for the cosine.
pub(crate) fn mean(columns: Columns<'_>, metric: Metric) -> Vec<f32> {
    let mut sums = vec![0.0_f64; columns.dimension()];
    for row in 0..columns.rows() {
        let factor = row_factor(columns, metric, row);
        for (sum, x) in sums.iter_mut().zip(columns.vector(row)) {
            *sum += f64::from(*x) * factor;
        }
    }
    let rows = f64::from(columns.rows().max(1));
    sums.iter().map(|sum| (sum / rows) as f32).collect()
}

/// What a row is multiplied by before anything else.
fn row_factor(columns: Columns<'_>, metric: Metric, row: u32) -> f64 {
    match metric {
        Metric::Cosine => f64::from(columns.inverse_norm(row)),
        Metric::Dot | Metric::L2 => 1.0,
    }
}

/// Writes a row's codes into `codes`, which holds [`ZERO`]s, and gives its factors and the square of what the codes stand for.
pub(crate) fn encode(
    columns: Columns<'_>,
    metric: Metric,
    mean: &[f32],
    row: u32,
    codes: &mut [u8],
) -> (Factors, f32) {
    let factor = row_factor(columns, metric, row);
    let centred =
        || columns.vector(row).iter().zip(mean).map(|(x, m)| f64::from(*x) * factor - f64::from(*m));
    let largest = centred().fold(0.0_f64, |most, x| most.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (mut square, mut with_mean) = (0.0_f64, 0.0_f64);
    for ((code, x), m) in codes.iter_mut().zip(centred()).zip(mean) {
        // Within ±127; the cast cuts what a damaged column might give.
        let rounded = (x * inverse).round() as i8;
        *code = (rounded as u8) ^ ZERO;
        square += f64::from(rounded) * f64::from(rounded);
        with_mean += x * f64::from(*m);
    }
    let square = square * scale * scale;
    let term = if metric == Metric::L2 { -square / 2.0 } else { with_mean };
    (Factors { scale: scale as f32, term: term as f32 }, square as f32)
}

/// A query in codes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probe {
    /// Padded like a row.
    pub codes: Vec<i8>,
    /// 128 × the sum of the codes: what rows stored plus 128 add to a dot product.
    pub excess: i32,
    pub scale: f32,
}

impl Probe {
    /// Takes a query: for the cosine of length 1.
    pub fn set_query(&mut self, query: &[f32], mean: &[f32]) {
        let centred = || query.iter().zip(mean).map(|(x, m)| x - m);
        let largest = centred().fold(0.0_f32, |most, x| most.max(x.abs()));
        self.scale = largest / 127.0;
        let inverse = if self.scale > 0.0 { 1.0 / self.scale } else { 0.0 };
        self.codes.clear();
        // Rounds as `round` does, which would be a call into the C library for each element.
        self.codes.extend(centred().map(|x| (x * inverse + 0.5_f32.copysign(x)) as i8));
        self.finish(stride(query.len()));
    }

    /// Takes a row's codes as the query.
    pub fn set_row(&mut self, codes: &[u8], scale: f32) {
        self.scale = scale;
        self.codes.clear();
        self.codes.extend(codes.iter().map(|code| (code ^ ZERO) as i8));
        self.finish(codes.len());
    }

    fn finish(&mut self, stride: usize) {
        self.codes.resize(stride, 0);
        self.excess = i32::from(ZERO) * self.codes.iter().map(|code| i32::from(*code)).sum::<i32>();
    }
}
