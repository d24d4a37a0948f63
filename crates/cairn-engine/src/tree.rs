//! A tree of copy-on-write pages: what changes in place lives here, and a View of it costs one pointer.

use crate::error::Result;
use std::sync::Arc;

/// Children of a node.
const FAN_OUT: u32 = 256;

/// What a page holds, and how it is stored (docs/format.md, "Page file").
pub(crate) trait Page: Clone + Default + Send + Sync + 'static {
    /// The table's number in a page file.
    const TABLE: u16;
    /// Appends the payload.
    fn encode(&self, out: &mut Vec<u8>);
    /// The inverse; never panics on foreign bytes.
    fn decode(payload: &[u8]) -> Result<Self>;
    /// Bytes of the payload, for planning.
    fn encoded_bytes(&self) -> usize;
}

/// A page of any table, ready to be encoded.
pub(crate) trait AnyPage: Send + Sync {
    fn encode(&self, out: &mut Vec<u8>);
    fn encoded_bytes(&self) -> usize;
}

impl<P: Page> AnyPage for P {
    fn encode(&self, out: &mut Vec<u8>) {
        Page::encode(self, out);
    }

    fn encoded_bytes(&self) -> usize {
        Page::encoded_bytes(self)
    }
}

/// One page of a table as it goes into a page file.
#[derive(Clone)]
pub(crate) struct PageRef {
    pub table: u16,
    pub number: u32,
    /// `None`: the page is gone since the last checkpoint.
    pub page: Option<Arc<dyn AnyPage>>,
}

#[derive(Clone)]
struct Node<P>([Option<Arc<P>>; FAN_OUT as usize]);

impl<P> Default for Node<P> {
    fn default() -> Self {
        Node(std::array::from_fn(|_| None))
    }
}

/// Pages by number. Two levels, so that the copy after a View is a root of pointers, one node and one page.
///
/// Cloning a tree *is* taking a View of it: the root is shared until either side writes.
pub(crate) struct Tree<P> {
    root: Arc<Vec<Option<Arc<Node<P>>>>>,
    dirty: Dirty,
    copied: u64,
}

impl<P> Clone for Tree<P> {
    /// A View of the tree: the same pages, and nothing dirty.
    fn clone(&self) -> Self {
        Tree { root: Arc::clone(&self.root), dirty: Dirty::default(), copied: 0 }
    }
}

impl<P> Default for Tree<P> {
    fn default() -> Self {
        Tree { root: Arc::default(), dirty: Dirty::default(), copied: 0 }
    }
}

impl<P: Page> Tree<P> {
    /// The page, when there is one.
    pub fn get(&self, number: u32) -> Option<&P> {
        self.arc(number).map(|page| &**page)
    }

    /// A shared page, when there is one.
    pub fn arc(&self, number: u32) -> Option<&Arc<P>> {
        let node = self.root.get((number / FAN_OUT) as usize)?.as_ref()?;
        node.0.get((number % FAN_OUT) as usize)?.as_ref()
    }

    /// The page for writing, made when missing, copied when a View shares it, and dirty from now on.
    pub fn get_mut(&mut self, number: u32) -> &mut P {
        self.dirty.insert(number);
        let (high, low) = ((number / FAN_OUT) as usize, (number % FAN_OUT) as usize);
        let root = Arc::make_mut(&mut self.root);
        if root.len() <= high {
            root.resize(high + 1, None);
        }
        let node = Arc::make_mut(root[high].get_or_insert_with(Arc::default));
        let page = node.0[low].get_or_insert_with(Arc::default);
        if Arc::strong_count(page) > 1 {
            self.copied += 1;
        }
        Arc::make_mut(page)
    }

    /// Puts a page in place, for loading; the loader then forgets what is dirty.
    pub fn put(&mut self, number: u32, page: P) {
        *self.get_mut(number) = page;
    }

    /// Takes a page away.
    pub fn remove(&mut self, number: u32) {
        if self.get(number).is_none() {
            return;
        }
        self.dirty.insert(number);
        let root = Arc::make_mut(&mut self.root);
        if let Some(node) = root[(number / FAN_OUT) as usize].as_mut() {
            Arc::make_mut(node).0[(number % FAN_OUT) as usize] = None;
        }
    }

    /// Takes all pages away.
    pub fn clear(&mut self) {
        for number in self.numbers() {
            self.remove(number);
        }
    }

    /// The pages' numbers, ascending.
    pub fn numbers(&self) -> Vec<u32> {
        self.iter().map(|(number, _)| number).collect()
    }

    /// The pages, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<P>)> {
        self.root.iter().zip(0u32..).flat_map(|(node, high)| {
            let pages = node.iter().flat_map(|node| node.0.iter()).zip(0u32..);
            pages.filter_map(move |(page, low)| page.as_ref().map(|page| (high * FAN_OUT + low, page)))
        })
    }

    /// The numbers of the pages written since this was last called, ascending.
    pub fn take_dirty(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.dirty).into_numbers()
    }

    /// Puts back what [`Tree::take_dirty`] took: the checkpoint failed.
    pub fn mark_dirty(&mut self, numbers: &[u32]) {
        numbers.iter().for_each(|&number| self.dirty.insert(number));
    }

    /// How many pages were copied because a View held them.
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// The page as it goes into a page file; gone when there is none.
    pub fn page_ref(&self, number: u32) -> PageRef {
        let page = self.arc(number).map(|page| Arc::clone(page) as Arc<dyn AnyPage>);
        PageRef { table: P::TABLE, number, page }
    }
}

/// A set of page numbers.
#[derive(Default)]
struct Dirty {
    words: Vec<u64>,
}

impl Dirty {
    fn insert(&mut self, number: u32) {
        let word = (number / 64) as usize;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (number % 64);
    }

    fn into_numbers(self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for (word, at) in self.words.into_iter().zip(0u32..) {
            let mut bits = word;
            while bits != 0 {
                numbers.push(at * 64 + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
        numbers
    }
}
