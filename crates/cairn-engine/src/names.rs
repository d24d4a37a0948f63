//! Names and their numbers: ids of items and names of contexts, interned for good.

use crate::codec::{Decoder, put_text};
use crate::error::{Error, Result};
use crate::tree::{Page, Tree};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::marker::PhantomData;

/// Names in a page.
const PER_PAGE: u32 = 256;

/// Which table names belong to.
pub(crate) trait NameTable: Clone + Default + Send + Sync + 'static {
    const TABLE: u16;
}

/// Ids of items.
#[derive(Clone, Default)]
pub(crate) struct Items;
impl NameTable for Items {
    const TABLE: u16 = 1;
}

/// Names of contexts.
#[derive(Clone, Default)]
pub(crate) struct Contexts;
impl NameTable for Contexts {
    const TABLE: u16 = 2;
}

/// 256 names, by number.
#[derive(Clone, Default)]
pub(crate) struct NamePage<T> {
    ends: Vec<u32>,
    text: String,
    table: PhantomData<T>,
}

impl<T> NamePage<T> {
    fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        Some(&self.text[start..end])
    }

    fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(u32::try_from(self.text.len()).expect("256 names of at most 64 KiB"));
        if self.ends.len() == PER_PAGE as usize {
            // Full for good: what growing set aside goes back.
            self.ends.shrink_to_fit();
            self.text.shrink_to_fit();
        }
    }
}

impl<T: NameTable> Page for NamePage<T> {
    const TABLE: u16 = T::TABLE;

    fn encode(&self, out: &mut Vec<u8>) {
        for at in 0..self.ends.len() {
            put_text(out, self.get(at).unwrap_or_default());
        }
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let mut page = NamePage { ends: Vec::new(), text: String::new(), table: PhantomData };
        while d.left() > 0 {
            if page.ends.len() == PER_PAGE as usize {
                return Err(Error::Decode("more than 256 names in a page"));
            }
            page.push(d.text()?);
        }
        Ok(page)
    }

    fn encoded_bytes(&self) -> usize {
        self.text.len() + 2 * self.ends.len()
    }
}

/// A View of names: those below `count`, whatever is added later.
#[derive(Clone)]
pub(crate) struct NamesView<T> {
    pub tree: Tree<NamePage<T>>,
    pub count: u32,
}

impl<T: NameTable> NamesView<T> {
    /// The name of a number below `count`.
    pub fn get(&self, number: u32) -> &str {
        name(&self.tree, number)
    }

    /// Numbers in the byte order of their names.
    pub fn sorted(&self, mut numbers: Vec<u32>) -> Vec<u32> {
        numbers.sort_unstable_by(|&a, &b| self.get(a).as_bytes().cmp(self.get(b).as_bytes()));
        numbers
    }
}

fn name<T: NameTable>(tree: &Tree<NamePage<T>>, number: u32) -> &str {
    let page = tree.get(number / PER_PAGE);
    page.and_then(|p| p.get((number % PER_PAGE) as usize)).unwrap_or_default()
}

/// Names and the index from a name to its number.
#[derive(Default)]
pub(crate) struct Names<T> {
    pub tree: Tree<NamePage<T>>,
    count: u32,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T: NameTable> Names<T> {
    /// How many there are; numbers are 0 to this.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The name of a number below `count`.
    pub fn get(&self, number: u32) -> &str {
        name(&self.tree, number)
    }

    /// The number of a name.
    pub fn find(&self, wanted: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(wanted);
        self.index.find(hash, |&n| name(&self.tree, n) == wanted).copied()
    }

    /// The number of a name, given one when it is new.
    pub fn intern(&mut self, wanted: &str) -> u32 {
        if let Some(number) = self.find(wanted) {
            return number;
        }
        let number = self.count;
        self.tree.get_mut(number / PER_PAGE).push(wanted);
        self.count += 1;
        self.index_number(number);
        number
    }

    pub fn view(&self) -> NamesView<T> {
        NamesView { tree: self.tree.clone(), count: self.count }
    }

    /// Rebuilds the count and the index from loaded pages, and checks that they are whole and distinct.
    pub fn rebuild(&mut self, count: u32) -> Result<()> {
        let pages = count.div_ceil(PER_PAGE);
        let mut found = 0u32;
        for (number, page) in self.tree.iter() {
            let full = number + 1 < pages && page.ends.len() < PER_PAGE as usize;
            if number >= pages || full {
                return Err(Error::Decode("names: pages do not fit the number of names"));
            }
            found += u32::try_from(page.ends.len()).unwrap_or(u32::MAX);
        }
        if found != count {
            return Err(Error::Decode("names: number of names differs from the manifest's"));
        }
        self.count = count;
        self.index = HashTable::with_capacity(count as usize);
        for number in 0..count {
            if self.find(name(&self.tree, number)).is_some() {
                return Err(Error::Decode("names: a name stands twice"));
            }
            self.index_number(number);
        }
        Ok(())
    }

    fn index_number(&mut self, number: u32) {
        let Names { tree, index, hasher, .. } = self;
        let hash = hasher.hash_one(name(tree, number));
        index.insert_unique(hash, number, |&n| hasher.hash_one(name(tree, n)));
    }
}
