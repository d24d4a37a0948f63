//! Kernels: dot products and squared distances of a query with a run of rows of codes, by the best instructions of the
//! processor.
//!
//! Products with i8 codes are exact integers, so every kernel gives the same. Sums with f16 codes are rounded in f32 in
//! an order of each kernel's own, of which [`f16_depth`] bounds the error.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::RowParameters;

/// The instructions that score codes. Scores differ between them by no more than rounding, results of a search not at
/// all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// What every processor has.
    Portable,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512,
}

impl InstructionSet {
    /// Those of this processor, the best last.
    #[must_use]
    pub fn available() -> Vec<InstructionSet> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|set| set.is_available()).collect()
    }

    /// The best of this processor.
    #[must_use]
    pub fn best() -> InstructionSet {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// Whether this processor has them.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// The largest magnitude of a quantised query's elements: 127 × 128.
pub(super) const QUERY_MAX: i16 = 16_256;

/// A query quantised to 15 bits, for rows of i8 codes: in 8 bits its error would be as large as a row's, and the bounds
/// twice as wide.
#[derive(Clone, Debug)]
pub(super) struct I8Query {
    /// The elements, −16,256 to 16,256.
    pub wide: Vec<i16>,
    /// The same as 128 × `high` + `low`, padded with zeros: what VNNI multiplies with.
    high: Vec<[i8; 64]>,
    low: Vec<[i8; 64]>,
    /// 128 × the sum of all elements: what the offset of the codes adds to a product.
    offset: i64,
}

impl I8Query {
    pub fn new(wide: Vec<i16>) -> Self {
        let blocks = wide.len().div_ceil(64);
        let (mut high, mut low) = (vec![[0; 64]; blocks], vec![[0; 64]; blocks]);
        for (at, &x) in wide.iter().enumerate() {
            // Rounded to the nearest multiple of 128, so that both parts fit: −127 to 127 and −64 to 63.
            let upper = (x + 64) >> 7;
            high[at / 64][at % 64] = upper as i8;
            low[at / 64][at % 64] = (x - (upper << 7)) as i8;
        }
        let offset = 128 * wide.iter().map(|&x| i64::from(x)).sum::<i64>();
        Self { wide, high, low, offset }
    }
}

/// The relative error of a sum of `dimension` products or squares in f32 by any of the kernels is at most this × 2^-24:
/// each lane of 16 adds every 16th element, and the lanes are added up.
pub(super) fn f16_depth(dimension: usize) -> f64 {
    (dimension / 16 + 32) as f64
}

/// The exact dot product of the query with each row. `codes` is row-major, one row of the query's dimension for each of
/// `out`.
pub(super) fn dot_i8(set: InstructionSet, query: &I8Query, codes: &[i8], out: &mut [f64]) {
    assert_eq!(codes.len(), query.wide.len() * out.len(), "one row for each product");
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a scorer is only made with instructions that the processor has.
        InstructionSet::Avx512 => unsafe { x86::dot_i8_avx512(query, codes, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::dot_i8_avx2(query, codes, out) },
        _ => portable::dot_i8(query, codes, out),
    }
}

/// The dot product of the query with each row of f16 codes, without their scales.
pub(super) fn dot_f16(set: InstructionSet, query: &[f32], codes: &[u16], out: &mut [f64]) {
    assert_eq!(codes.len(), query.len() * out.len(), "one row for each product");
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a scorer is only made with instructions that the processor has.
        InstructionSet::Avx512 => unsafe { x86::dot_f16_avx512(query, codes, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::dot_f16_avx2(query, codes, out) },
        _ => portable::dot_f16(query, codes, out),
    }
}

/// The squared distance of the query to each row of f16 codes times its scale.
pub(super) fn squares_f16(
    set: InstructionSet,
    query: &[f32],
    codes: &[u16],
    parameters: &[RowParameters],
    out: &mut [f64],
) {
    assert_eq!(codes.len(), query.len() * out.len(), "one row for each distance");
    assert_eq!(parameters.len(), out.len(), "one scale for each distance");
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a scorer is only made with instructions that the processor has.
        InstructionSet::Avx512 => unsafe { x86::squares_f16_avx512(query, codes, parameters, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::squares_f16_avx2(query, codes, parameters, out) },
        _ => portable::squares_f16(query, codes, parameters, out),
    }
}

/// The exact dot product of the query with one row.
#[inline]
pub(super) fn dot_i8_row(set: InstructionSet, query: &I8Query, row: &[i8]) -> f64 {
    assert_eq!(row.len(), query.wide.len(), "one row");
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a scorer is only made with instructions that the processor has.
        InstructionSet::Avx512 => unsafe { x86::dot_i8_row_avx512::<0>(query, row) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::dot_i8_row_avx2::<0>(query, row) },
        _ => portable::dot_i8_row(&query.wide, row) as f64,
    }
}

/// The dot product of the query with one row of f16 codes, without its scale.
#[inline]
pub(super) fn dot_f16_row(set: InstructionSet, query: &[f32], row: &[u16]) -> f64 {
    assert_eq!(row.len(), query.len(), "one row");
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a scorer is only made with instructions that the processor has.
        InstructionSet::Avx512 => unsafe { x86::dot_f16_row_avx512::<0>(query, row) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::dot_f16_row_avx2::<0>(query, row) },
        _ => portable::dot_f16_row(query, row),
    }
}

/// The squared distance of the query to one row of f16 codes times its scale.
#[inline]
pub(super) fn squares_f16_row(set: InstructionSet, query: &[f32], row: &[u16], scale: f32) -> f64 {
    assert_eq!(row.len(), query.len(), "one row");
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a scorer is only made with instructions that the processor has.
        InstructionSet::Avx512 => unsafe { x86::squares_f16_row_avx512::<0>(query, row, scale) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        InstructionSet::Avx2 => unsafe { x86::squares_f16_row_avx2::<0>(query, row, scale) },
        _ => portable::squares_f16_row(query, row, scale),
    }
}

/// Asks memory for a row that will be scored soon.
#[inline]
pub(super) fn prefetch_row<T>(row: &[T]) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch_row(row);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = row;
}
