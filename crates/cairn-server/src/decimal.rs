//! The decimal: a number as vectors mostly have it, read in one pass and exactly.

/// Powers of ten, all of them exact in an `f64`.
const POWERS: [f64; DIGITS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// Numbers of so many digits are exact in an `f64`.
const DIGITS_MAX: usize = 15;
/// The bits of an `f64` that an `f32` does not have.
const BELOW: u64 = (1 << 29) - 1;
/// They are so in the middle between two `f32`.
const HALF: u64 = 1 << 28;

/// The number at the beginning of `text`, and its bytes, when it is at most 15 digits, perhaps after `-`, perhaps with a point among
/// them, up to white space or the end. `None`: it is written otherwise, or needs more care to be read exactly.
pub(crate) fn short(text: &[u8]) -> Option<(f32, usize)> {
    let begin = usize::from(text.first() == Some(&b'-'));
    let (mut mantissa, mut at) = digits(text, begin, 0);
    let (whole, mut fraction) = (at - begin, 0);
    if text.get(at) == Some(&b'.') {
        let point = at + 1;
        (mantissa, at) = digits(text, point, mantissa);
        fraction = at - point;
        if fraction == 0 {
            return None;
        }
    }
    let ended = text.get(at).is_none_or(u8::is_ascii_whitespace);
    if whole == 0 || whole + fraction > DIGITS_MAX || !ended {
        return None;
    }
    // Both are exact, so this is the `f64` nearest to what is written. It is on the same side of every middle between two `f32`
    // as that, unless it is such a middle itself: rounding once more is then right.
    let nearest = mantissa as f64 / POWERS.get(fraction)?;
    if nearest.to_bits() & BELOW == HALF {
        return None;
    }
    let value = nearest as f32;
    Some((if begin == 1 { -value } else { value }, at))
}

/// Digits from `at` on, appended to a number; where they end. More than 19 of them make another number.
fn digits(text: &[u8], mut at: usize, mut number: u64) -> (u64, usize) {
    while let Some(eight) = text.get(at..at + 8).and_then(eight) {
        number = number.wrapping_mul(100_000_000).wrapping_add(eight);
        at += 8;
    }
    while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        number = number.wrapping_mul(10).wrapping_add(digit.into());
        at += 1;
    }
    (number, at)
}

/// The number of eight digits, when they are: two, then four, then all are made one at the same time.
fn eight(bytes: &[u8]) -> Option<u64> {
    let eight = u64::from_le_bytes(bytes.try_into().ok()?);
    let (high, carry) = (0xF0F0_F0F0_F0F0_F0F0, 0x0606_0606_0606_0606);
    if (eight & high) | ((eight.wrapping_add(carry) & high) >> 4) != 0x3333_3333_3333_3333 {
        return None;
    }
    let twos = (eight & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(2561) >> 8;
    let fours = (twos & 0x00FF_00FF_00FF_00FF).wrapping_mul(6_553_601) >> 16;
    Some((fours & 0x0000_FFFF_0000_FFFF).wrapping_mul(42_949_672_960_001) >> 32)
}
