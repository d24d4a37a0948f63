//! The portable kernels: plain loops that a compiler vectorises, and the reference of the others.

use super::I8Query;
use crate::codes::RowParameters;

/// Elements whose products, of at most 128 × 16,256 each, add up within an i32.
const BLOCK: usize = 512;
const LANES: usize = 16;

pub fn dot_i8(query: &I8Query, codes: &[i8], out: &mut [f64]) {
    for (row, out) in codes.chunks_exact(query.wide.len()).zip(out) {
        *out = dot_i8_row(&query.wide, row) as f64;
    }
}

/// The exact product of equally long slices.
pub fn dot_i8_row(query: &[i16], row: &[i8]) -> i64 {
    let block = |(query, row): (&[i16], &[i8])| -> i64 {
        query.iter().zip(row).map(|(&q, &code)| i32::from(q) * i32::from(code)).sum::<i32>().into()
    };
    query.chunks(BLOCK).zip(row.chunks(BLOCK)).map(block).sum()
}

pub fn dot_f16(query: &[f32], codes: &[u16], out: &mut [f64]) {
    for (row, out) in codes.chunks_exact(query.len()).zip(out) {
        *out = dot_f16_row(query, row);
    }
}

pub fn dot_f16_row(query: &[f32], row: &[u16]) -> f64 {
    sum(query, row, |q, code| q * code)
}

pub fn squares_f16(query: &[f32], codes: &[u16], parameters: &[RowParameters], out: &mut [f64]) {
    for ((row, out), parameters) in codes.chunks_exact(query.len()).zip(out).zip(parameters) {
        *out = squares_f16_row(query, row, parameters.scale);
    }
}

pub fn squares_f16_row(query: &[f32], row: &[u16], scale: f32) -> f64 {
    sum(query, row, |q, code| {
        // A scale is a power of two, so this product is exact.
        let difference = q - scale * code;
        difference * difference
    })
}

/// Sums in 16 lanes, then the lanes.
fn sum(query: &[f32], row: &[u16], term: impl Fn(f32, f32) -> f32) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    let ((queries, query_rest), (rows, row_rest)) = (query.as_chunks::<LANES>(), row.as_chunks::<LANES>());
    for (query, row) in queries.iter().zip(rows) {
        for ((lane, &q), &code) in lanes.iter_mut().zip(query).zip(row) {
            *lane += term(q, widened(code));
        }
    }
    for ((lane, &q), &code) in lanes.iter_mut().zip(query_rest).zip(row_rest) {
        *lane += term(q, widened(code));
    }
    f64::from(lanes.iter().sum::<f32>())
}

/// A finite binary16 as f32, exact and without a branch: its bits where those of an f32 stand, and the exponent's
/// offsets evened out by a product. (Infinities and NaN, which are no codes, become numbers.)
fn widened(code: u16) -> f32 {
    /// 2^(127 − 15).
    const OFFSET: f32 = f32::from_bits((127 + 112) << 23);
    let sign = u32::from(code & 0x8000) << 16;
    let magnitude = f32::from_bits(u32::from(code & 0x7FFF) << 13) * OFFSET;
    f32::from_bits(magnitude.to_bits() | sign)
}
