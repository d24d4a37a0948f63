//! Neighbours: the co-occurrence scores of each item, with decay in O(1).

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::tree::{Page, Tree};

const ITEMS_PER_PAGE: u32 = 256;
const NONE: u32 = u32::MAX;
/// Neighbours in a chunk: three quarters of a table of 1,024 slots of 12 bytes, so that a page stays under 16 KiB.
const CHUNK_MAX: usize = 768;
/// Scores are rescaled by 2^64 when the scale falls below 2^-64 (docs/format.md, "Stored scores").
const RESCALE: f64 = 18_446_744_073_709_551_616.0;

/// Which chunks hold an item's neighbours.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Chunks {
    first: u32,
    log2: u8,
}

const NO_CHUNKS: Chunks = Chunks { first: NONE, log2: 0 };

/// 256 items' chunks.
#[derive(Clone)]
pub(crate) struct ChunksPage(Vec<Chunks>);

impl Default for ChunksPage {
    fn default() -> Self {
        ChunksPage(vec![NO_CHUNKS; ITEMS_PER_PAGE as usize])
    }
}

impl Page for ChunksPage {
    const TABLE: u16 = 6;

    fn encode(&self, out: &mut Vec<u8>) {
        for chunks in &self.0 {
            out.extend_from_slice(&chunks.first.to_le_bytes());
            out.push(chunks.log2);
        }
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let chunks = (0..ITEMS_PER_PAGE).map(|_| Ok(Chunks { first: d.u32()?, log2: d.u8()? }));
        let page = ChunksPage(chunks.collect::<Result<_>>()?);
        d.finish()?;
        let fits = |c: &Chunks| {
            *c == NO_CHUNKS || (c.log2 < 24 && u64::from(c.first) + (1 << c.log2) < u64::from(NONE))
        };
        if page.0.iter().all(fits) { Ok(page) } else { Err(Error::Decode("neighbours: impossible chunks")) }
    }

    fn encoded_bytes(&self) -> usize {
        5 * self.0.len()
    }
}

/// A neighbour and its stored score: 12 bytes, so that one cache line has both.
#[derive(Clone, Copy)]
struct Slot {
    item: u32,
    score: [u32; 2],
}

const EMPTY: Slot = Slot { item: NONE, score: [0; 2] };

impl Slot {
    fn new(item: u32, score: f64) -> Slot {
        let bits = score.to_bits();
        Slot { item, score: [bits as u32, (bits >> 32) as u32] }
    }

    fn score(self) -> f64 {
        f64::from_bits(u64::from(self.score[1]) << 32 | u64::from(self.score[0]))
    }
}

/// A share of one item's neighbours: an open-addressed hash table with linear probing (Knuth, TAOCP 3, 6.4).
#[derive(Clone, Default)]
pub(crate) struct Chunk {
    epoch: i32,
    len: u32,
    slots: Vec<Slot>,
}

impl Chunk {
    fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        self.slots.iter().filter(|slot| slot.item != NONE).map(|slot| (slot.item, slot.score()))
    }

    /// Where a neighbour is, or where it would go. The table is never full and its length a power of two.
    fn probe(&self, item: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (item.wrapping_mul(0x85EB_CA6B) >> 16) as usize & mask;
        while self.slots[at].item != item && self.slots[at].item != NONE {
            at = (at + 1) & mask;
        }
        at
    }

    fn has(&self, item: u32) -> bool {
        !self.slots.is_empty() && self.slots[self.probe(item)].item == item
    }

    fn is_full(&self) -> bool {
        self.len as usize >= CHUNK_MAX
    }

    /// Adds to a stored score; true when the neighbour is new. The chunk is not full.
    fn add(&mut self, item: u32, stored: f64) -> bool {
        if (self.len as usize + 1) * 4 > self.slots.len() * 3 {
            self.widen();
        }
        let at = self.probe(item);
        let old = self.slots[at];
        let new = old.item == NONE;
        self.slots[at] = Slot::new(item, if new { stored } else { old.score() + stored });
        self.len += u32::from(new);
        new
    }

    fn widen(&mut self) {
        let wider = vec![EMPTY; (self.slots.len() * 2).max(4)];
        for slot in std::mem::replace(&mut self.slots, wider) {
            if slot.item != NONE {
                let at = self.probe(slot.item);
                self.slots[at] = slot;
            }
        }
    }

    fn bring_to(&mut self, epoch: i32) {
        if self.epoch < epoch {
            let epochs = epoch - self.epoch;
            for slot in self.slots.iter_mut().filter(|slot| slot.item != NONE) {
                *slot = Slot::new(slot.item, rescaled(slot.score(), epochs));
            }
        }
        self.epoch = epoch;
    }
}

impl Page for Chunk {
    const TABLE: u16 = 7;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        let mut list: Vec<(u32, f64)> = self.iter().collect();
        list.sort_unstable_by_key(|&(item, _)| item);
        for (item, score) in list {
            out.extend_from_slice(&item.to_le_bytes());
            out.extend_from_slice(&score.to_le_bytes());
        }
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let (epoch, n) = (d.i32()?, d.u32()? as usize);
        if n > CHUNK_MAX || d.left() != 12 * n {
            return Err(Error::Decode("neighbours: a chunk's length does not fit its bytes"));
        }
        // As long as it would have grown to: no more than three quarters full.
        let slots = if n == 0 { 0 } else { (n * 4).div_ceil(3).next_power_of_two().max(4) };
        let mut chunk = Chunk { epoch, len: 0, slots: vec![EMPTY; slots] };
        let mut previous = None;
        for _ in 0..n {
            let (item, score) = (d.u32()?, d.f64()?);
            if item == NONE || previous.is_some_and(|previous| previous >= item) || !score.is_finite() {
                return Err(Error::Decode("neighbours: a chunk is out of order or holds no number"));
            }
            previous = Some(item);
            chunk.add(item, score);
        }
        Ok(chunk)
    }

    fn encoded_bytes(&self) -> usize {
        8 + 12 * self.len as usize
    }
}

/// The factor all stored scores share, and how often it was rescaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub scale: f64,
    pub epoch: i32,
}

impl Default for Scale {
    fn default() -> Self {
        Scale { scale: 1.0, epoch: 0 }
    }
}

impl Scale {
    fn logical(self, stored: f64, epoch: i32) -> f64 {
        rescaled(stored, self.epoch - epoch) * self.scale
    }
}

/// A stored score brought forward by so many epochs: exact, but for what underflows.
fn rescaled(stored: f64, epochs: i32) -> f64 {
    if epochs <= 0 { stored } else { libm::ldexp(stored, epochs.saturating_mul(-64)) }
}

/// Directed neighbour lists by item, for reading: chunks, found by a hash of the neighbour.
#[derive(Default, Clone)]
pub(crate) struct NeighboursView {
    pub chunks: Tree<Chunk>,
    pub items: Tree<ChunksPage>,
    pub scale: Scale,
}

/// Directed neighbour lists by item; a list's chunks are doubled when one is full.
#[derive(Default)]
pub(crate) struct Neighbours {
    pub view: NeighboursView,
    /// Free runs of chunk numbers, by the log2 of their length; rebuilt at load.
    free: Vec<Vec<u32>>,
    next_chunk: u32,
}

/// The part of a list a neighbour belongs to: the high bits of a multiplicative hash, so that doubling splits in two.
fn share(neighbour: u32, log2: u8) -> u32 {
    if log2 == 0 { 0 } else { neighbour.wrapping_mul(0x9E37_79B1) >> (32 - u32::from(log2)) }
}

impl NeighboursView {
    fn chunks_of(&self, owner: u32) -> Chunks {
        self.items.get(owner / ITEMS_PER_PAGE).map_or(NO_CHUNKS, |p| p.0[(owner % ITEMS_PER_PAGE) as usize])
    }

    fn parts(&self, owner: u32) -> impl Iterator<Item = &Chunk> {
        let chunks = self.chunks_of(owner);
        let count = if chunks == NO_CHUNKS { 0 } else { 1 << chunks.log2 };
        (0..count).filter_map(move |at| self.chunks.get(chunks.first + at))
    }

    /// How many neighbours an item has.
    pub fn len(&self, owner: u32) -> usize {
        self.parts(owner).map(|chunk| chunk.len as usize).sum()
    }

    /// An item's neighbours and their logical scores, in no promised order.
    pub fn of(&self, owner: u32) -> impl Iterator<Item = (u32, f64)> {
        let scale = self.scale;
        self.parts(owner).flat_map(move |chunk| {
            chunk.iter().map(move |(item, stored)| (item, scale.logical(stored, chunk.epoch)))
        })
    }

    /// Whether `owner` lists `neighbour`.
    pub fn lists(&self, owner: u32, neighbour: u32) -> bool {
        let chunks = self.chunks_of(owner);
        chunks != NO_CHUNKS
            && (self.chunks.get(chunks.first + share(neighbour, chunks.log2)))
                .is_some_and(|chunk| chunk.has(neighbour))
    }

    /// Items that have neighbours, ascending.
    pub fn owners(&self) -> impl Iterator<Item = u32> {
        self.items.iter().flat_map(|(page, rows)| {
            let items = (page * ITEMS_PER_PAGE)..;
            rows.0.iter().zip(items).filter_map(|(chunks, item)| (*chunks != NO_CHUNKS).then_some(item))
        })
    }
}

impl Neighbours {
    fn set_chunks(&mut self, owner: u32, chunks: Chunks) {
        self.view.items.get_mut(owner / ITEMS_PER_PAGE).0[(owner % ITEMS_PER_PAGE) as usize] = chunks;
    }

    /// Adds to a logical score, listing the neighbour when it was not. True when it is new.
    pub fn add(&mut self, owner: u32, neighbour: u32, delta: f64) -> bool {
        let stored = delta / self.view.scale.scale;
        let epoch = self.view.scale.epoch;
        let chunks = match self.view.chunks_of(owner) {
            NO_CHUNKS => self.grow(owner, NO_CHUNKS),
            chunks => chunks,
        };
        let chunk = self.view.chunks.get_mut(chunks.first + share(neighbour, chunks.log2));
        chunk.bring_to(epoch);
        if !chunk.is_full() || chunk.has(neighbour) {
            return chunk.add(neighbour, stored);
        }
        self.grow(owner, chunks);
        self.add(owner, neighbour, delta)
    }

    /// Multiplies every score: only the scale changes.
    pub fn decay(&mut self, factor: f64) {
        self.view.scale.scale *= factor;
        while self.view.scale.scale != 0.0 && self.view.scale.scale < 1.0 / RESCALE {
            self.view.scale.scale *= RESCALE;
            self.view.scale.epoch += 1;
        }
    }

    /// Replaces an item's list by these (logical scores).
    pub fn replace(&mut self, owner: u32, mut list: Vec<(u32, f64)>) {
        let old = self.view.chunks_of(owner);
        if old != NO_CHUNKS {
            self.release(old);
            self.set_chunks(owner, NO_CHUNKS);
        }
        list.sort_unstable_by_key(|&(neighbour, _)| neighbour);
        for (neighbour, score) in list {
            self.add(owner, neighbour, score);
        }
    }

    /// Gives an item its first chunk, or twice as many.
    fn grow(&mut self, owner: u32, old: Chunks) -> Chunks {
        let log2 = if old == NO_CHUNKS { 0 } else { old.log2 + 1 };
        let new = Chunks { first: self.allocate(log2), log2 };
        if old != NO_CHUNKS {
            for at in 0..1 << old.log2 {
                let Some(chunk) = self.view.chunks.get(old.first + at).cloned() else { continue };
                for (neighbour, stored) in chunk.iter() {
                    let half = self.view.chunks.get_mut(new.first + share(neighbour, log2));
                    half.epoch = chunk.epoch;
                    half.add(neighbour, stored);
                }
            }
            self.release(old);
        }
        self.set_chunks(owner, new);
        new
    }

    fn allocate(&mut self, log2: u8) -> u32 {
        if let Some(first) = self.free.get_mut(usize::from(log2)).and_then(Vec::pop) {
            return first;
        }
        let first = self.next_chunk;
        self.next_chunk = first.checked_add(1 << log2).expect("fewer than 2^32 chunks of neighbours");
        first
    }

    fn release(&mut self, chunks: Chunks) {
        (0..1 << chunks.log2).for_each(|at| self.view.chunks.remove(chunks.first + at));
        let class = usize::from(chunks.log2);
        if self.free.len() <= class {
            self.free.resize(class + 1, Vec::new());
        }
        self.free[class].push(chunks.first);
    }

    /// Checks loaded pages and rebuilds what is derived from them.
    pub fn rebuild(&mut self, items: u32, scale: Scale) -> Result<()> {
        let bad = |what| Err(Error::Decode(what));
        if !(scale.scale.is_finite() && scale.scale >= 0.0) {
            return bad("neighbours: the scale is no number");
        }
        self.view.scale = scale;
        let mut runs: Vec<Chunks> = Vec::new();
        let owners: Vec<u32> = self.view.owners().collect();
        for owner in owners {
            let chunks = self.view.chunks_of(owner);
            if owner >= items {
                return bad("neighbours: an item that does not exist");
            }
            for at in 0..1u32 << chunks.log2 {
                let Some(chunk) = self.view.chunks.get(chunks.first + at) else { continue };
                let fits = |(n, _)| n < items && n != owner && share(n, chunks.log2) == at;
                if !chunk.iter().all(fits) || chunk.epoch > scale.epoch {
                    return bad("neighbours: a chunk holds what does not belong to it");
                }
            }
            runs.push(chunks);
        }
        runs.sort_unstable_by_key(|run| run.first);
        self.free_between(&runs)
    }

    /// Takes the gaps between the used runs as free, in runs of powers of two.
    fn free_between(&mut self, runs: &[Chunks]) -> Result<()> {
        self.free.clear();
        let mut next = 0u32;
        for run in runs {
            if run.first < next {
                return Err(Error::Decode("neighbours: two items share a chunk"));
            }
            while next < run.first {
                let log2 = (run.first - next).ilog2() as u8;
                self.release(Chunks { first: next, log2 });
                next += 1 << log2;
            }
            next = run.first + (1 << run.log2);
        }
        self.next_chunk = next;
        Ok(())
    }
}
