//! A seeded generator of numbers: splitmix64. One seed gives one run.

/// The generator's state.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for each `part` of what one seed decides.
    pub(super) fn split(seed: u64, part: u64) -> Self {
        Self(Self(seed).next() ^ Self(part.wrapping_mul(0xa076_1d64_78bd_642f)).next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `max`, both included.
    pub(super) fn up_to(&mut self, max: u64) -> u64 {
        match max.checked_add(1) {
            Some(n) => self.next() % n,
            None => self.next(),
        }
    }

    /// An index below `len`, which is not 0.
    pub(super) fn index(&mut self, len: usize) -> usize {
        let i = self.up_to(len as u64 - 1);
        usize::try_from(i).expect("at most a usize")
    }

    /// True `of` times in 8.
    pub(super) fn eighths(&mut self, of: u64) -> bool {
        self.next() % 8 < of
    }
}
