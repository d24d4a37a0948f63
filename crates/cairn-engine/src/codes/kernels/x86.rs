//! The kernels of x86-64 processors. Every function needs the instructions its attribute names; within it, the only
//! unsafe operations are loads, stores and prefetches.
//!
//! Masked loads are for the ends of rows only: where all loads were masked, the processor's prefetcher did not see them,
//! and a scan took more than twice as long (AMD Zen 5).

use super::{I8Query, portable};
use crate::codes::RowParameters;
use std::arch::x86_64::*;

/// Elements whose products with i8 codes add up within the i32 of a lane: 256 steps of 2 × 128 × 16,256.
const AVX2_BLOCK: usize = 4096;
/// How far ahead of a run of rows memory is asked for, in bytes: the processor's own prefetcher loses its way at the
/// ends of rows and pages.
const AHEAD: usize = 4096;
/// A run of fewer rows is not one of a scan, and what lies behind it need not be what is asked for next.
const RUN_MIN: usize = 4;

/// Asks for the cache line `AHEAD` bytes after `element`, which may lie past the end of the codes: a prefetch touches
/// nothing.
#[inline(always)]
fn prefetch<const AHEAD: usize, T>(element: *const T) {
    if AHEAD > 0 {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(element.cast::<i8>().wrapping_add(AHEAD)) };
    }
}

/// Asks for the cache lines of a row.
#[inline]
pub fn prefetch_row<T>(row: &[T]) {
    let start = row.as_ptr().cast::<i8>();
    for at in (0..size_of_val(row)).step_by(64) {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at)) };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub fn dot_i8_avx512(query: &I8Query, codes: &[i8], out: &mut [f64]) {
    let is_run = out.len() >= RUN_MIN;
    for (row, out) in codes.chunks_exact(query.wide.len()).zip(out) {
        *out = match is_run {
            true => dot_i8_row_avx512::<AHEAD>(query, row),
            false => dot_i8_row_avx512::<0>(query, row),
        };
    }
}

/// The codes are offset by 128, because the instruction takes unsigned bytes on one side, and the query's sum corrects
/// it. Sums stay within 32 bits: 65,536 × 255 × 127 is less than 2^31.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub fn dot_i8_row_avx512<const AHEAD: usize>(query: &I8Query, row: &[i8]) -> f64 {
    let flip = _mm512_set1_epi8(i8::MIN);
    let step = |(high, low): (__m512i, __m512i), codes: __m512i, planes: (&[i8; 64], &[i8; 64])| {
        // SAFETY: both are 64 bytes.
        let (high_block, low_block) = unsafe {
            (_mm512_loadu_si512(planes.0.as_ptr().cast()), _mm512_loadu_si512(planes.1.as_ptr().cast()))
        };
        let codes = _mm512_xor_si512(codes, flip);
        (_mm512_dpbusd_epi32(high, codes, high_block), _mm512_dpbusd_epi32(low, codes, low_block))
    };
    let mut sums = (_mm512_setzero_si512(), _mm512_setzero_si512());
    let mut planes = query.high.iter().zip(&query.low);
    let (blocks, rest) = row.as_chunks::<64>();
    for (block, planes) in blocks.iter().zip(planes.by_ref()) {
        prefetch::<AHEAD, _>(block.as_ptr());
        // SAFETY: 64 bytes.
        sums = step(sums, unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }, planes);
    }
    if let (false, Some(planes)) = (rest.is_empty(), planes.next()) {
        let here = (1 << rest.len()) - 1;
        // SAFETY: reads the bytes that the mask names, which are all of `rest`.
        sums = step(sums, unsafe { _mm512_maskz_loadu_epi8(here, rest.as_ptr()) }, planes);
    }
    let (high, low) = (_mm512_reduce_add_epi32(sums.0), _mm512_reduce_add_epi32(sums.1));
    (128 * i64::from(high) + i64::from(low) - query.offset) as f64
}

#[target_feature(enable = "avx2")]
pub fn dot_i8_avx2(query: &I8Query, codes: &[i8], out: &mut [f64]) {
    let is_run = out.len() >= RUN_MIN;
    for (row, out) in codes.chunks_exact(query.wide.len()).zip(out) {
        *out = match is_run {
            true => dot_i8_row_avx2::<AHEAD>(query, row),
            false => dot_i8_row_avx2::<0>(query, row),
        };
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn dot_i8_row_avx2<const AHEAD: usize>(query: &I8Query, row: &[i8]) -> f64 {
    let mut sum = 0_i64;
    for (query, row) in query.wide.chunks(AVX2_BLOCK).zip(row.chunks(AVX2_BLOCK)) {
        let ((query, query_rest), (row, row_rest)) = (query.as_chunks::<16>(), row.as_chunks::<16>());
        let mut lanes = _mm256_setzero_si256();
        for (query, row) in query.iter().zip(row) {
            prefetch::<AHEAD, _>(row.as_ptr());
            // SAFETY: 16 elements of two bytes and of one.
            let (query, row) =
                unsafe { (_mm256_loadu_si256(query.as_ptr().cast()), _mm_loadu_si128(row.as_ptr().cast())) };
            lanes = _mm256_add_epi32(lanes, _mm256_madd_epi16(query, _mm256_cvtepi8_epi16(row)));
        }
        let mut sums = [0_i32; 8];
        // SAFETY: eight elements of four bytes.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), lanes) };
        sum += sums.iter().map(|&lane| i64::from(lane)).sum::<i64>();
        sum += portable::dot_i8_row(query_rest, row_rest);
    }
    sum as f64
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn dot_f16_avx512(query: &[f32], codes: &[u16], out: &mut [f64]) {
    let is_run = out.len() >= RUN_MIN;
    for (row, out) in codes.chunks_exact(query.len()).zip(out) {
        *out = match is_run {
            true => dot_f16_row_avx512::<AHEAD>(query, row),
            false => dot_f16_row_avx512::<0>(query, row),
        };
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn dot_f16_row_avx512<const AHEAD: usize>(query: &[f32], row: &[u16]) -> f64 {
    sum_f16_avx512::<AHEAD>(query, row, |sum, query, codes| _mm512_fmadd_ps(query, codes, sum))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn squares_f16_avx512(query: &[f32], codes: &[u16], parameters: &[RowParameters], out: &mut [f64]) {
    let is_run = out.len() >= RUN_MIN;
    for ((row, out), parameters) in codes.chunks_exact(query.len()).zip(out).zip(parameters) {
        *out = match is_run {
            true => squares_f16_row_avx512::<AHEAD>(query, row, parameters.scale),
            false => squares_f16_row_avx512::<0>(query, row, parameters.scale),
        };
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub fn squares_f16_row_avx512<const AHEAD: usize>(query: &[f32], row: &[u16], scale: f32) -> f64 {
    let scale = _mm512_set1_ps(scale);
    sum_f16_avx512::<AHEAD>(query, row, |sum, query, codes| {
        let difference = _mm512_fnmadd_ps(scale, codes, query);
        _mm512_fmadd_ps(difference, difference, sum)
    })
}

/// Folds 16 elements at a time into four sums, and adds those up.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn sum_f16_avx512<const AHEAD: usize>(
    query: &[f32],
    row: &[u16],
    fold: impl Fn(__m512, __m512, __m512) -> __m512,
) -> f64 {
    let mut sums = [_mm512_setzero_ps(); 4];
    let ((queries, query_rest), (rows, row_rest)) = (query.as_chunks::<64>(), row.as_chunks::<64>());
    for (query, row) in queries.iter().zip(rows) {
        prefetch::<AHEAD, _>(row.as_ptr());
        prefetch::<AHEAD, _>(row[32..].as_ptr());
        let ((query, _), (row, _)) = (query.as_chunks::<16>(), row.as_chunks::<16>());
        for ((sum, query), row) in sums.iter_mut().zip(query).zip(row) {
            // SAFETY: 16 elements of four bytes and of two.
            let (query, row) =
                unsafe { (_mm512_loadu_ps(query.as_ptr()), _mm256_loadu_si256(row.as_ptr().cast())) };
            *sum = fold(*sum, query, _mm512_cvtph_ps(row));
        }
    }
    for ((sum, query), row) in sums.iter_mut().zip(query_rest.chunks(16)).zip(row_rest.chunks(16)) {
        let here = u16::MAX >> (16 - row.len());
        // SAFETY: reads the elements that the mask names, which are all that `query` and `row` have.
        let (query, row) = unsafe {
            (_mm512_maskz_loadu_ps(here, query.as_ptr()), _mm256_maskz_loadu_epi16(here, row.as_ptr().cast()))
        };
        *sum = fold(*sum, query, _mm512_cvtph_ps(row));
    }
    let [a, b, c, d] = sums;
    f64::from(_mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d))))
}

#[target_feature(enable = "avx2,fma,f16c")]
pub fn dot_f16_avx2(query: &[f32], codes: &[u16], out: &mut [f64]) {
    let is_run = out.len() >= RUN_MIN;
    for (row, out) in codes.chunks_exact(query.len()).zip(out) {
        *out = match is_run {
            true => dot_f16_row_avx2::<AHEAD>(query, row),
            false => dot_f16_row_avx2::<0>(query, row),
        };
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn dot_f16_row_avx2<const AHEAD: usize>(query: &[f32], row: &[u16]) -> f64 {
    sum_f16_avx2::<AHEAD>(query, row, |sum, query, codes| _mm256_fmadd_ps(query, codes, sum))
}

#[target_feature(enable = "avx2,fma,f16c")]
pub fn squares_f16_avx2(query: &[f32], codes: &[u16], parameters: &[RowParameters], out: &mut [f64]) {
    let is_run = out.len() >= RUN_MIN;
    for ((row, out), parameters) in codes.chunks_exact(query.len()).zip(out).zip(parameters) {
        *out = match is_run {
            true => squares_f16_row_avx2::<AHEAD>(query, row, parameters.scale),
            false => squares_f16_row_avx2::<0>(query, row, parameters.scale),
        };
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub fn squares_f16_row_avx2<const AHEAD: usize>(query: &[f32], row: &[u16], scale: f32) -> f64 {
    let scale = _mm256_set1_ps(scale);
    sum_f16_avx2::<AHEAD>(query, row, |sum, query, codes| {
        let difference = _mm256_fnmadd_ps(scale, codes, query);
        _mm256_fmadd_ps(difference, difference, sum)
    })
}

/// Folds eight elements at a time into four sums, and adds those up.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum_f16_avx2<const AHEAD: usize>(
    query: &[f32],
    row: &[u16],
    fold: impl Fn(__m256, __m256, __m256) -> __m256,
) -> f64 {
    let mut sums = [_mm256_setzero_ps(); 4];
    let step = |sum: __m256, query: &[f32; 8], row: &[u16; 8]| {
        // SAFETY: eight elements of four bytes and of two.
        let (query, row) = unsafe { (_mm256_loadu_ps(query.as_ptr()), _mm_loadu_si128(row.as_ptr().cast())) };
        fold(sum, query, _mm256_cvtph_ps(row))
    };
    let ((queries, query_rest), (rows, row_rest)) = (query.as_chunks::<32>(), row.as_chunks::<32>());
    for (query, row) in queries.iter().zip(rows) {
        prefetch::<AHEAD, _>(row.as_ptr());
        let ((query, _), (row, _)) = (query.as_chunks::<8>(), row.as_chunks::<8>());
        for ((sum, query), row) in sums.iter_mut().zip(query).zip(row) {
            *sum = step(*sum, query, row);
        }
    }
    for ((sum, query), row) in sums.iter_mut().zip(query_rest.chunks(8)).zip(row_rest.chunks(8)) {
        let (mut padded_query, mut padded_row) = ([0.0; 8], [0; 8]);
        padded_query[..query.len()].copy_from_slice(query);
        padded_row[..row.len()].copy_from_slice(row);
        *sum = step(*sum, &padded_query, &padded_row);
    }
    let [a, b, c, d] = sums;
    let mut lanes = [0.0_f32; 8];
    // SAFETY: eight elements of four bytes.
    unsafe {
        _mm256_storeu_ps(lanes.as_mut_ptr(), _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
    };
    f64::from(lanes.iter().sum::<f32>())
}
