//! Dead rows: which rows of a segment (or of the buffer) were replaced, deleted or moved.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::tree::{Page, Tree};
use crate::vector_segment::ROWS_MAX;

/// One segment's dead rows, as bits. A page is as large as its segment has rows for: 128 KiB for a million.
#[derive(Clone, Default)]
pub(crate) struct DeadPage {
    rows: u32,
    words: Vec<u64>,
    /// How many bits are set.
    count: u32,
}

impl Page for DeadPage {
    const TABLE: u16 = 9;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rows.to_le_bytes());
        self.words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let rows = d.u32()?;
        let words = rows.div_ceil(64) as usize;
        if rows > ROWS_MAX || d.left() != 8 * words {
            return Err(Error::Decode("dead rows: their number does not fit the bytes"));
        }
        let words = (0..words).map(|_| d.u64()).collect::<Result<Vec<u64>>>()?;
        let beyond = words.last().is_some_and(|last| rows % 64 != 0 && last >> (rows % 64) != 0);
        if beyond {
            return Err(Error::Decode("dead rows: a bit past the last row"));
        }
        let count = words.iter().map(|word| word.count_ones()).sum();
        Ok(DeadPage { rows, words, count })
    }

    fn encoded_bytes(&self) -> usize {
        4 + 8 * self.words.len()
    }
}

/// Dead rows by segment number.
#[derive(Default, Clone)]
pub(crate) struct Dead(pub Tree<DeadPage>);

impl Dead {
    /// The bits of a segment, lowest first; rows past the end of the slice are alive.
    pub fn words(&self, segment: u32) -> &[u64] {
        self.0.get(segment).map_or(&[], |page| &page.words)
    }

    /// How many rows of a segment are dead.
    pub fn count(&self, segment: u32) -> u32 {
        self.0.get(segment).map_or(0, |page| page.count)
    }

    /// Whether a row is dead.
    pub fn is_dead(&self, segment: u32, row: u32) -> bool {
        self.words(segment).get((row / 64) as usize).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Marks a row.
    pub fn mark(&mut self, segment: u32, row: u32) {
        if self.is_dead(segment, row) {
            return;
        }
        let page = self.0.get_mut(segment);
        page.rows = page.rows.max(row + 1);
        page.words.resize(page.rows.div_ceil(64) as usize, 0);
        page.words[(row / 64) as usize] |= 1 << (row % 64);
        page.count += 1;
    }

    /// Marks every row of a segment.
    pub fn mark_all(&mut self, segment: u32, rows: u32) {
        let page = self.0.get_mut(segment);
        *page = DeadPage { rows, words: vec![u64::MAX; rows.div_ceil(64) as usize], count: rows };
        if let Some(last) = page.words.last_mut().filter(|_| !rows.is_multiple_of(64)) {
            *last = (1 << (rows % 64)) - 1;
        }
    }

    /// Takes a row's mark away.
    pub fn revive(&mut self, segment: u32, row: u32) {
        if self.is_dead(segment, row) {
            let page = self.0.get_mut(segment);
            page.words[(row / 64) as usize] &= !(1 << (row % 64));
            page.count -= 1;
        }
    }
}
