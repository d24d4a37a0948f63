//! Encoding: the codes of f32 rows.

use super::file::Layout;
use super::{CodeKind, Codes, DIMENSION_MAX, Image, RowParameters};
use crate::distance::square;
use crate::error::{Error, Result};
use half::f16;
use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};

/// Covers the rounding of sums of up to 65,536 squares in f64, and of their root: 65,536 × 2^-53 is 7e−12.
const ROUNDING: f64 = 1e-10;
/// f16 codes of a row are scaled so that the largest is at least 2^14 and below 2^15: far from both ends of what a
/// binary16 holds.
const F16_EXPONENT: i32 = 14;
/// The least exponent of a scale that an f32 holds without loss, and that leaves the scaled elements within an f32.
const SCALE_EXPONENT_MIN: i32 = -126;

impl Codes {
    /// The codes of the rows of a sealed vector segment: `rows` is row-major, its elements finite.
    ///
    /// # Errors
    /// `Input` for no rows, no dimension or one above [`DIMENSION_MAX`], rows that are not whole, and more rows than 32
    /// bits number.
    pub fn encode(
        kind: CodeKind,
        collection: u32,
        segment: u32,
        dimension: u32,
        rows: &[f32],
    ) -> Result<Codes> {
        if dimension == 0 || dimension > DIMENSION_MAX {
            return Err(Error::Input(format!(
                "Codes need a dimension of 1 to {DIMENSION_MAX}, got {dimension}"
            )));
        }
        let width = dimension as usize;
        if rows.is_empty() || !rows.len().is_multiple_of(width) {
            let message =
                format!("Codes need whole rows of {dimension} elements, got {} elements", rows.len());
            return Err(Error::Input(message));
        }
        let count = u32::try_from(rows.len() / width)
            .map_err(|_| Error::Input(format!("Codes number rows in 32 bits, got {}", rows.len() / width)))?;
        let layout = Layout::new(kind, collection, segment, dimension, count)
            .ok_or_else(|| Error::Input(format!("Codes of {count} rows do not fit into memory")))?;
        let mut lines = layout.lines();
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut lines);
        bytes[..Layout::HEADER_BYTES].copy_from_slice(&layout.header());
        let (codes, parameters) = layout.columns_mut(bytes);
        let parameters: &mut [RowParameters] = bytemuck::cast_slice_mut(parameters);
        let codes = codes.chunks_exact_mut(width * kind.element_bytes());
        for ((row, codes), parameters) in rows.chunks_exact(width).zip(codes).zip(parameters) {
            *parameters = match kind {
                CodeKind::F16 => encode_f16(row, bytemuck::cast_slice_mut(codes)),
                CodeKind::I8 => encode_i8(row, bytemuck::cast_slice_mut(codes)),
            };
        }
        layout.seal(bytes);
        Ok(Codes { image: Image::Owned(lines.into()), layout })
    }
}

fn encode_i8(row: &[f32], codes: &mut [i8]) -> RowParameters {
    let scale = largest(row) / 127.0;
    // A scale of 0 (a zero row, or one too small to divide) leaves the codes 0 and all of the row to the residual.
    let inverse = if scale > 0.0 { 1.0 / f64::from(scale) } else { 0.0 };
    let mut squares = 0;
    for (code, &x) in codes.iter_mut().zip(row) {
        *code = round((f64::from(x) * inverse).clamp(-127.0, 127.0)) as i8;
        squares += u32::from(code.unsigned_abs()).pow(2);
    }
    // An i8 times an f32 is exact in f64.
    let residual = residual(row, codes.iter().map(|&code| f64::from(code) * f64::from(scale)));
    RowParameters { scale, residual, norm: norm(row), squares }
}

fn encode_f16(row: &[f32], codes: &mut [u16]) -> RowParameters {
    let largest = f64::from(largest(row));
    let exponent = if largest > 0.0 { libm::ilogb(largest) - F16_EXPONENT } else { 0 };
    let exponent = exponent.max(SCALE_EXPONENT_MIN);
    let (scale, inverse) = (libm::ldexp(1.0, exponent), libm::ldexp(1.0, -exponent));
    // Rounded to f32 first, which only matters below 2^-149.
    let scaled: Vec<f32> = row.iter().map(|&x| (f64::from(x) * inverse) as f32).collect();
    codes.reinterpret_cast_mut::<f16>().convert_from_f32_slice(&scaled);
    let mut decoded = scaled;
    codes.reinterpret_cast::<f16>().convert_to_f32_slice(&mut decoded);
    let residual = residual(row, decoded.iter().map(|&code| f64::from(code) * scale));
    RowParameters { scale: scale as f32, residual, norm: norm(row), squares: 0 }
}

/// The nearest whole number of a small one, ties to even: without a call, so that loops vectorise.
fn round(x: f64) -> f64 {
    /// Numbers from here to twice this have no fraction.
    const WHOLE: f64 = (1_u64 << 52) as f64 * 1.5;
    (x + WHOLE) - WHOLE
}

fn largest(row: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for block in row.chunks(lanes.len()) {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = if x.abs() > *lane { x.abs() } else { *lane };
        }
    }
    lanes.into_iter().fold(0.0, f32::max)
}

fn norm(row: &[f32]) -> f32 {
    square(row).sqrt() as f32
}

/// The norm of what `decoded` leaves out of the row, rounded up.
fn residual(row: &[f32], decoded: impl Iterator<Item = f64>) -> f32 {
    let mut sums = [0.0_f64; 8];
    for (at, (&x, y)) in row.iter().zip(decoded).enumerate() {
        sums[at % 8] += (f64::from(x) - y) * (f64::from(x) - y);
    }
    let bound = sums.iter().sum::<f64>().sqrt() * (1.0 + ROUNDING);
    let nearest = bound as f32;
    if f64::from(nearest) < bound { nearest.next_up() } else { nearest }
}
