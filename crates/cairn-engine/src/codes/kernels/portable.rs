//! The portable kernels: plain loops that a compiler vectorises, and the reference of the others.

use super::I8Query;
use crate::codes::RowParameters;
use half::f16;

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
        *out = f64::from(sum(query, row, |q, code| q * code));
    }
}

pub fn squares_f16(query: &[f32], codes: &[u16], parameters: &[RowParameters], out: &mut [f64]) {
    for ((row, out), parameters) in codes.chunks_exact(query.len()).zip(out).zip(parameters) {
        // A scale is a power of two, so this product is exact.
        let difference = |q: f32, code: f32| q - parameters.scale * code;
        *out = f64::from(sum(query, row, |q, code| difference(q, code) * difference(q, code)));
    }
}

/// Sums in 16 lanes, then the lanes.
fn sum(query: &[f32], row: &[u16], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    for (query, row) in query.chunks(LANES).zip(row.chunks(LANES)) {
        for ((lane, &q), &code) in lanes.iter_mut().zip(query).zip(row) {
            *lane += term(q, f16::from_bits(code).to_f32());
        }
    }
    lanes.iter().sum()
}
