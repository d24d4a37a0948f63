//! Kernel: dot products of 8-bit codes, with the best instructions this processor has.

use std::sync::OnceLock;

/// Codes of a row are padded to a multiple of this, a cache line and the widest register.
pub(crate) const LINE: usize = 64;

/// How many rows ahead codes are asked for from memory while others are scored.
const AHEAD: usize = 6;

/// One way to compute dot products of codes. Only ways that this processor has are ever made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Instructions);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    /// AVX-512 VNNI: 64 products an instruction.
    #[cfg(target_arch = "x86_64")]
    Vnni,
    /// AVX2: 16 products in three instructions.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of a loop.
    Portable,
}

impl Kernel {
    /// All that this processor has, the best first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
                all.push(Self(Instructions::Vnni));
            }
            if is_x86_feature_detected!("avx2") {
                all.push(Self(Instructions::Avx2));
            }
        }
        all.push(Self(Instructions::Portable));
        all
    }

    /// The best one of this processor.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    /// Σ codes × query over two rows of one length, a multiple of 64 and at most 65,536, so that it fits an i32.
    #[inline]
    #[must_use]
    pub fn dot(self, codes: &[u8], query: &[i8]) -> i32 {
        match self.0 {
            // SAFETY: only `available` makes this, where it found the instructions on this processor.
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni => unsafe { dot_vnni(codes, query) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { dot_avx2(codes, query) },
            Instructions::Portable => dot_portable(codes, query),
        }
    }

    /// The dot products of `query` with these rows of the table, each of `query.len()` codes, appended to `out`.
    ///
    /// # Panics
    /// When a row is not in the table: the caller has checked them.
    #[inline]
    pub(crate) fn dots(self, table: &[u8], rows: &[u32], query: &[i8], out: &mut Vec<i32>) {
        match self.0 {
            // SAFETY: only `available` makes this, where it found the instructions on this processor.
            #[cfg(target_arch = "x86_64")]
            Instructions::Vnni => unsafe { dots_vnni(table, rows, query, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { dots_avx2(table, rows, query, out) },
            Instructions::Portable => dots_with(table, rows, query, out, dot_portable),
        }
    }
}

/// Asks for a slice's cache lines, so that they are there when they are read. Reads nothing.
#[inline]
pub(crate) fn prefetch<T>(slice: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let (start, mut at) = (slice.as_ptr().cast::<i8>(), 0);
        while at < size_of_val(slice) {
            // SAFETY: the address is inside the slice, and a prefetch is a hint that touches no memory.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(at)) };
            at += LINE;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = slice;
}

#[inline(always)]
fn dots_with(
    table: &[u8],
    rows: &[u32],
    query: &[i8],
    out: &mut Vec<i32>,
    dot: impl Fn(&[u8], &[i8]) -> i32,
) {
    let stride = query.len();
    let codes = |row: u32| &table[row as usize * stride..][..stride];
    rows.iter().take(AHEAD).for_each(|row| prefetch(codes(*row)));
    for (n, row) in rows.iter().enumerate() {
        if let Some(later) = rows.get(n + AHEAD) {
            prefetch(codes(*later));
        }
        out.push(dot(codes(*row), query));
    }
}

fn dot_portable(codes: &[u8], query: &[i8]) -> i32 {
    codes.iter().zip(query).map(|(c, q)| i32::from(*c) * i32::from(*q)).sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dots_vnni(table: &[u8], rows: &[u32], query: &[i8], out: &mut Vec<i32>) {
    dots_with(table, rows, query, out, |codes, query| dot_vnni(codes, query));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dots_avx2(table: &[u8], rows: &[u32], query: &[i8], out: &mut Vec<i32>) {
    dots_with(table, rows, query, out, |codes, query| dot_avx2(codes, query));
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dot_vnni(codes: &[u8], query: &[i8]) -> i32 {
    use std::arch::x86_64::{
        _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_reduce_add_epi32, _mm512_setzero_si512,
    };
    let mut sum = _mm512_setzero_si512();
    for (codes, query) in codes.as_chunks::<LINE>().0.iter().zip(query.as_chunks::<LINE>().0) {
        // SAFETY: each is an array of 64 bytes, and the load asks for no alignment.
        let (codes, query) =
            unsafe { (_mm512_loadu_si512(codes.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast())) };
        sum = _mm512_dpbusd_epi32(sum, codes, query);
    }
    _mm512_reduce_add_epi32(sum)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn dot_avx2(codes: &[u8], query: &[i8]) -> i32 {
    use std::arch::x86_64::{
        _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16, _mm256_madd_epi16,
        _mm256_setzero_si256,
    };
    let mut sum = _mm256_setzero_si256();
    for (codes, query) in codes.as_chunks::<16>().0.iter().zip(query.as_chunks::<16>().0) {
        // SAFETY: each is an array of 16 bytes, and the load asks for no alignment.
        let (codes, query) =
            unsafe { (_mm_loadu_si128(codes.as_ptr().cast()), _mm_loadu_si128(query.as_ptr().cast())) };
        let products = _mm256_madd_epi16(_mm256_cvtepu8_epi16(codes), _mm256_cvtepi8_epi16(query));
        sum = _mm256_add_epi32(sum, products);
    }
    let lanes: [i32; 8] = bytemuck::cast(sum_lanes(sum));
    lanes.iter().sum()
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
fn sum_lanes(sum: std::arch::x86_64::__m256i) -> [u8; 32] {
    let mut lanes = [0; 32];
    // SAFETY: the array has 32 bytes, and the store asks for no alignment.
    unsafe { std::arch::x86_64::_mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
    lanes
}
