//! `Postings`: the items that have a value. Many values are had by one item, which takes no bitmap.

use roaring::RoaringBitmap;

/// At least one item.
#[derive(Clone, Debug)]
pub(super) enum Postings {
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl Postings {
    /// How many items.
    pub fn len(&self) -> u64 {
        match self {
            Postings::One(_) => 1,
            Postings::Many(items) => items.len(),
        }
    }

    /// Adds an item; says whether it is new.
    pub fn insert(&mut self, item: u32) -> bool {
        match self {
            Postings::One(one) if *one == item => false,
            Postings::One(one) => {
                *self = Postings::Many(Box::new([*one, item].into_iter().collect()));
                true
            }
            Postings::Many(items) => items.insert(item),
        }
    }

    /// Takes an item out of two or more; says whether it was there.
    pub fn remove(&mut self, item: u32) -> bool {
        let Postings::Many(items) = self else { return false };
        let removed = items.remove(item);
        if let (1, Some(one)) = (items.len(), items.min()) {
            *self = Postings::One(one);
        }
        removed
    }

    /// Whether `item` is all there is.
    pub fn is_only(&self, item: u32) -> bool {
        matches!(self, Postings::One(one) if *one == item)
    }

    /// Bytes on the heap, about: the bitmap as it would be written, and what holds its containers.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Postings::One(_) => 0,
            Postings::Many(items) => {
                const CONTAINER_BYTES: usize = 40;
                let containers = items.statistics().n_containers as usize;
                size_of::<RoaringBitmap>() + containers * CONTAINER_BYTES + items.serialized_size()
            }
        }
    }
}

/// The items of any of these.
pub(super) fn union<'a>(postings: impl Iterator<Item = &'a Postings>) -> RoaringBitmap {
    let mut ones = Vec::new();
    let mut union = RoaringBitmap::new();
    for postings in postings {
        match postings {
            Postings::One(one) => ones.push(*one),
            Postings::Many(items) if union.is_empty() => union = (**items).clone(),
            Postings::Many(items) => union |= &**items,
        }
    }
    if !ones.is_empty() {
        // In order it is built several times as fast.
        ones.sort_unstable();
        union |= ones.into_iter().collect::<RoaringBitmap>();
    }
    union
}
