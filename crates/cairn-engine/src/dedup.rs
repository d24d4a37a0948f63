//! The dedup cache: what was stored last, least recently stored first out.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::tree::{Page, Tree};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

const PER_PAGE: u32 = 512;
const NONE: u32 = u32::MAX;

/// What an entry remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remembered {
    /// This ADD, with this score, was stored.
    Add,
    /// The value of the item in the context is this score.
    Set,
    /// The item was deleted in the context.
    Deleted,
}

impl Remembered {
    /// The byte of an entry's state in the formats.
    pub fn byte(self) -> u8 {
        match self {
            Remembered::Add => 1,
            Remembered::Set => 2,
            Remembered::Deleted => 3,
        }
    }

    /// The inverse of [`Remembered::byte`].
    pub fn from_byte(byte: u8) -> Option<Remembered> {
        [Remembered::Add, Remembered::Set, Remembered::Deleted].into_iter().find(|r| r.byte() == byte)
    }
}

/// One entry of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub state: Remembered,
    pub score: u8,
    pub context: u32,
    pub item: u32,
    pub time_s: i64,
}

/// What is looked up: an ADD of a score, or the state of an item in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    context: u32,
    item: u32,
    add_score: Option<u8>,
}

impl Key {
    pub fn add(context: u32, item: u32, score: u8) -> Key {
        Key { context, item, add_score: Some(score) }
    }

    pub fn state(context: u32, item: u32) -> Key {
        Key { context, item, add_score: None }
    }
}

impl Entry {
    pub fn key(&self) -> Key {
        match self.state {
            Remembered::Add => Key::add(self.context, self.item, self.score),
            Remembered::Set | Remembered::Deleted => Key::state(self.context, self.item),
        }
    }
}

#[derive(Clone, Copy)]
struct Slot {
    entry: Option<Entry>,
    previous: u32,
    next: u32,
}

const FREE: Slot = Slot { entry: None, previous: NONE, next: NONE };

/// 512 slots of the cache.
#[derive(Clone)]
pub(crate) struct DedupPage(Vec<Slot>);

impl Default for DedupPage {
    fn default() -> Self {
        DedupPage(vec![FREE; PER_PAGE as usize])
    }
}

impl Page for DedupPage {
    const TABLE: u16 = 8;

    fn encode(&self, out: &mut Vec<u8>) {
        for slot in &self.0 {
            let (state, e) = match slot.entry {
                Some(entry) => (entry.state.byte(), entry),
                None => (0, Entry { state: Remembered::Add, score: 0, context: 0, item: 0, time_s: 0 }),
            };
            out.extend_from_slice(&[state, e.score]);
            out.extend_from_slice(&e.context.to_le_bytes());
            out.extend_from_slice(&e.item.to_le_bytes());
            out.extend_from_slice(&e.time_s.to_le_bytes());
            out.extend_from_slice(&slot.previous.to_le_bytes());
            out.extend_from_slice(&slot.next.to_le_bytes());
        }
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let mut page = DedupPage::default();
        for slot in &mut page.0 {
            let (state, score) = (d.u8()?, d.u8()?);
            let (context, item, time_s) = (d.u32()?, d.u32()?, d.i64()?);
            if state != 0 {
                let state = Remembered::from_byte(state).ok_or(Error::Decode("dedup: unknown state"))?;
                slot.entry = Some(Entry { state, score, context, item, time_s });
            }
            (slot.previous, slot.next) = (d.u32()?, d.u32()?);
        }
        d.finish()?;
        Ok(page)
    }

    fn encoded_bytes(&self) -> usize {
        26 * self.0.len()
    }
}

/// The two ends of the list; NONE when empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub oldest: u32,
    pub newest: u32,
    pub len: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Ends { oldest: NONE, newest: NONE, len: 0 }
    }
}

/// The pages and ends: what a View holds.
#[derive(Default, Clone)]
pub(crate) struct DedupView {
    pub tree: Tree<DedupPage>,
    pub ends: Ends,
}

impl DedupView {
    fn slot(&self, at: u32) -> Slot {
        self.tree.get(at / PER_PAGE).map_or(FREE, |page| page.0[(at % PER_PAGE) as usize])
    }

    /// The entries, least recently stored first.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let mut at = self.ends.oldest;
        let mut left = self.ends.len;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let slot = self.slot(at);
            at = slot.next;
            slot.entry
        })
    }
}

/// The cache: a list through slots in pages, and an index that is rebuilt at load.
#[derive(Default)]
pub(crate) struct Dedup {
    pub view: DedupView,
    index: HashTable<u32>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl Dedup {
    pub fn get(&self, key: Key) -> Option<Entry> {
        self.view.slot(self.find(key)?).entry
    }

    /// Remembers an entry as the newest; the oldest make room.
    pub fn store(&mut self, entry: Entry, capacity: u32) {
        if let Some(at) = self.find(entry.key()) {
            self.unlink(at);
        }
        if capacity > 0 {
            self.shrink(capacity - 1);
            self.push(entry);
        }
    }

    /// Forgets the oldest entries beyond `capacity`.
    pub fn shrink(&mut self, capacity: u32) {
        while self.view.ends.len > capacity {
            self.unlink(self.view.ends.oldest);
        }
    }

    fn find(&self, key: Key) -> Option<u32> {
        let same = |&at: &u32| self.view.slot(at).entry.is_some_and(|entry| entry.key() == key);
        self.index.find(self.hasher.hash_one(key), same).copied()
    }

    fn slot_mut(&mut self, at: u32) -> &mut Slot {
        &mut self.view.tree.get_mut(at / PER_PAGE).0[(at % PER_PAGE) as usize]
    }

    fn push(&mut self, entry: Entry) {
        // With no free slot the used ones are 0 to len, so len is the next.
        let at = self.free.pop().unwrap_or(self.view.ends.len);
        let newest = self.view.ends.newest;
        *self.slot_mut(at) = Slot { entry: Some(entry), previous: newest, next: NONE };
        if newest == NONE {
            self.view.ends.oldest = at;
        } else {
            self.slot_mut(newest).next = at;
        }
        self.view.ends.newest = at;
        self.view.ends.len += 1;
        self.index_slot(at, entry.key());
    }

    fn unlink(&mut self, at: u32) {
        let slot = self.view.slot(at);
        if let Some(entry) = slot.entry {
            let hash = self.hasher.hash_one(entry.key());
            if let Ok(found) = self.index.find_entry(hash, |&n| n == at) {
                found.remove();
            }
        }
        match slot.previous {
            NONE => self.view.ends.oldest = slot.next,
            previous => self.slot_mut(previous).next = slot.next,
        }
        match slot.next {
            NONE => self.view.ends.newest = slot.previous,
            next => self.slot_mut(next).previous = slot.previous,
        }
        *self.slot_mut(at) = FREE;
        self.view.ends.len -= 1;
        self.free.push(at);
    }

    fn index_slot(&mut self, at: u32, key: Key) {
        let Dedup { view, index, hasher, .. } = self;
        let key_of = |at: u32| view.slot(at).entry.map(|entry| entry.key());
        index.insert_unique(hasher.hash_one(key), at, |&n| hasher.hash_one(key_of(n).unwrap_or(key)));
    }

    /// Checks the loaded list and rebuilds the index and the free slots.
    pub fn rebuild(&mut self, ends: Ends, contexts: u32, items: u32) -> Result<()> {
        let bad = || Error::Decode("dedup: the list is broken");
        self.view.ends = ends;
        let (mut previous, mut at) = (NONE, ends.oldest);
        for _ in 0..ends.len {
            let slot = self.view.slot(at);
            let entry = slot.entry.ok_or_else(bad)?;
            let known = entry.context < contexts && entry.item < items;
            if slot.previous != previous || !known || self.find(entry.key()).is_some() {
                return Err(bad());
            }
            self.index_slot(at, entry.key());
            (previous, at) = (at, slot.next);
        }
        if at != NONE || previous != ends.newest {
            return Err(bad());
        }
        let slots = self.view.tree.numbers().last().map_or(0, |&page| (page + 1) * PER_PAGE);
        self.free = (0..slots).rev().filter(|&at| self.view.slot(at).entry.is_none()).collect();
        // An entry outside the list would be neither found nor ever free.
        if self.free.len() as u64 + u64::from(ends.len) == u64::from(slots) { Ok(()) } else { Err(bad()) }
    }
}
