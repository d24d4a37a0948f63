//! `HotRows`: copies in memory of the rows of one mapped segment that searches want most, and how often each was wanted.
//!
//! A row alone takes less memory than the pages of the file it lies in, and no scan pushes it out. The copies are the same
//! bytes, so what is found never depends on which there are.

use crate::heat::Heat;
use crate::vector_segment::VectorSegment;
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What a hot row takes beside its elements: its norm, the counts and the pointer of an `Arc`, and what an allocator adds.
const ROW_EXTRA_BYTES: u64 = 4 + 16 + 16 + 12;

/// The hot rows of one segment, shared by all that hold the segment.
#[derive(Default)]
pub(crate) struct HotRows(RwLock<Tier>);

#[derive(Default)]
enum Tier {
    /// Its collection is not hybrid, or it was not come to yet: nothing is counted.
    #[default]
    Off,
    On(Arc<Held>),
    /// The segment is in no collection any more.
    Retired,
}

/// What is held at one time: replaced as a whole, so that a search reads it without a lock.
pub(crate) struct Held {
    /// How often each row was wanted, halved now and then.
    counts: Arc<[AtomicU8]>,
    /// A bit for each row of the segment: hot.
    bits: Vec<u64>,
    /// For each word of `bits`, how many rows before it are hot.
    ranks: Vec<u32>,
    /// The hot rows in order: their elements, then the inverse norm.
    rows: Vec<Arc<[f32]>>,
}

/// Bytes that a hot row takes.
pub(crate) fn row_bytes(dimension: u32) -> u64 {
    4 * u64::from(dimension) + ROW_EXTRA_BYTES
}

/// Bytes that counting a segment's rows takes, and knowing which are hot.
pub(crate) fn table_bytes(rows: u32) -> u64 {
    u64::from(rows) + 12 * u64::from(rows.div_ceil(64))
}

impl Held {
    fn new(counts: Arc<[AtomicU8]>, hot: Vec<(u32, Arc<[f32]>)>) -> Held {
        let words = counts.len().div_ceil(64);
        let (mut bits, mut ranks) = (vec![0u64; words], Vec::with_capacity(words));
        for (row, _) in &hot {
            bits[*row as usize / 64] |= 1 << (row % 64);
        }
        let mut before = 0;
        for word in &bits {
            ranks.push(before);
            before += word.count_ones();
        }
        Held { counts, bits, ranks, rows: hot.into_iter().map(|(_, elements)| elements).collect() }
    }

    /// How often a row was wanted.
    pub fn count(&self, row: u32) -> u8 {
        self.counts.get(row as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Whether a row is hot.
    pub fn is_hot(&self, row: u32) -> bool {
        self.bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// A row that is hot: its elements, then the inverse norm.
    pub fn get(&self, row: u32) -> Option<&Arc<[f32]>> {
        let word = *self.bits.get(row as usize / 64)?;
        let bit = 1u64 << (row % 64);
        if word & bit == 0 {
            return None;
        }
        let before = self.ranks[row as usize / 64] + (word & (bit - 1)).count_ones();
        self.rows.get(before as usize)
    }

    /// How many rows are hot.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that it takes, for rows of this dimension.
    pub fn bytes(&self, dimension: u32) -> u64 {
        table_bytes(self.counts.len() as u32) + self.rows.len() as u64 * row_bytes(dimension)
    }

    /// Counts that a row was wanted. Of two at once one may be lost: it is a sample anyway.
    fn want(&self, row: u32) {
        if let Some(count) = self.counts.get(row as usize) {
            let wanted = count.load(Ordering::Relaxed);
            if wanted < u8::MAX {
                count.store(wanted + 1, Ordering::Relaxed);
            }
        }
    }

    /// Halves all counts, so that what was wanted long ago counts for less and less.
    pub fn halve(&self) {
        for count in self.counts.iter() {
            let wanted = count.load(Ordering::Relaxed);
            if wanted > 0 {
                count.store(wanted / 2, Ordering::Relaxed);
            }
        }
    }
}

impl HotRows {
    /// What is held now; `None` while nothing is counted.
    pub fn held(&self) -> Option<Arc<Held>> {
        match &*self.0.read() {
            Tier::On(held) => Some(Arc::clone(held)),
            Tier::Off | Tier::Retired => None,
        }
    }

    /// Begins to count the rows of a segment of so many, each as often wanted as `count` says so far.
    pub fn switch_on(&self, rows: u32, count: impl Fn(u32) -> u8) {
        let counts = (0..rows).map(|row| AtomicU8::new(count(row))).collect();
        let held = Arc::new(Held::new(counts, Vec::new()));
        let mut tier = self.0.write();
        if let Tier::Off = *tier {
            *tier = Tier::On(held);
        }
    }

    /// Lets go of all rows and counts. How many were hot.
    pub fn switch_off(&self) -> u64 {
        self.end(Tier::Off)
    }

    /// Lets go of all for good: the segment is in no collection any more, though a View may hold it for long.
    pub fn retire(&self) -> u64 {
        self.end(Tier::Retired)
    }

    fn end(&self, how: Tier) -> u64 {
        let old = {
            let mut tier = self.0.write();
            match *tier {
                Tier::On(_) => std::mem::replace(&mut *tier, how),
                Tier::Retired => return 0,
                Tier::Off => {
                    *tier = how;
                    return 0;
                }
            }
        };
        match old {
            Tier::On(held) => held.len() as u64,
            Tier::Off | Tier::Retired => 0,
        }
    }

    /// Holds these rows, in ascending order, in the place of those of `held`. False when it was ended meanwhile.
    pub fn replace(&self, held: &Held, rows: Vec<(u32, Arc<[f32]>)>) -> bool {
        let new = Arc::new(Held::new(Arc::clone(&held.counts), rows));
        let old = {
            let mut tier = self.0.write();
            match &*tier {
                Tier::On(_) => std::mem::replace(&mut *tier, Tier::On(new)),
                Tier::Off | Tier::Retired => return false,
            }
        };
        // Freed when no lock is held.
        drop(old);
        true
    }
}

/// One search's reading of a segment's rows: from memory where they are hot.
pub(crate) struct HotReader<'a> {
    held: Arc<Held>,
    segment: &'a VectorSegment,
    heat: &'a Heat,
}

impl std::fmt::Debug for HotReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HotReader").field("hot", &self.held.len()).finish_non_exhaustive()
    }
}

impl<'a> HotReader<'a> {
    /// `None` where nothing is counted: then rows are read where they are.
    pub fn of(segment: &'a VectorSegment, heat: &'a Heat) -> Option<HotReader<'a>> {
        segment.mapping()?;
        Some(HotReader { held: segment.hot().held()?, segment, heat })
    }

    /// Says which rows will be read: they are counted, and those that are not hot are asked for together, so that the disk
    /// is waited for once and not for each.
    pub fn want(&self, rows: impl Iterator<Item = u32>) {
        let counts = Heat::counts_now();
        let (mut hits, mut misses) = (0, 0);
        for row in rows {
            if self.held.is_hot(row) {
                hits += 1;
            } else {
                misses += 1;
                self.segment.will_need(row);
            }
            if counts {
                self.held.want(row);
            }
        }
        self.heat.read(hits, misses, if counts { hits + misses } else { 0 });
    }

    /// A row's elements, when it is hot.
    #[inline]
    pub fn vector(&self, row: u32) -> Option<&[f32]> {
        self.held.get(row)?.split_last().map(|(_, elements)| elements)
    }

    /// 1 / a row's norm, or 0, when it is hot.
    #[inline]
    pub fn inverse_norm(&self, row: u32) -> Option<f32> {
        self.held.get(row)?.last().copied()
    }
}
