//! `Comparison`: how two states differ, item by item.

use crate::collection::Counts;
use crate::state::DEFAULT_NAME;
use crate::view::{CollectionView, Position, View};
use std::collections::{BTreeSet, HashMap};

/// How many ids each list of a comparison names at most.
const NAMED_MAX: usize = 100;

/// How one state (`theirs`) differs from another (`ours`).
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Where the first stands.
    pub ours: Position,
    /// Where the second stands.
    pub theirs: Position,
    /// How much the first holds.
    pub our_counts: Counts,
    /// How much the second holds.
    pub their_counts: Counts,
    /// Whether their state hashes are equal: nothing differs.
    pub equal: bool,
    /// Items with a vector.
    pub vectors: Differences,
    /// Items with metadata.
    pub metadata: Differences,
    /// Contexts and their events.
    pub contexts: Differences,
    /// Items and their neighbours.
    pub neighbours: Differences,
}

/// What differs of one kind of thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// How many only the first has.
    pub only_ours: u64,
    /// How many only the second has.
    pub only_theirs: u64,
    /// How many both have, and differ.
    pub changed: u64,
    /// The ids of some of all these, ascending.
    pub named: Vec<String>,
}

/// Compares two states, all collections. Costs a pass over both, and a table of the second's ids. In the lists of names,
/// what is not in `default` stands as `collection/id`.
pub fn compare(ours: &View, theirs: &View) -> Comparison {
    let mut found = Comparison {
        ours: ours.position(),
        theirs: theirs.position(),
        our_counts: ours.counts(),
        their_counts: theirs.counts(),
        equal: ours.state_hash() == theirs.state_hash(),
        vectors: Differences::default(),
        metadata: Differences::default(),
        contexts: Differences::default(),
        neighbours: Differences::default(),
    };
    let names = |view: &View| view.collections().iter().map(|c| c.name().to_owned()).collect::<BTreeSet<_>>();
    for name in names(ours).union(&names(theirs)) {
        let of = |view: &View| view.collections().iter().find(|c| c.name() == name).cloned();
        found.add(name, of(ours).as_ref(), of(theirs).as_ref());
    }
    found
}

impl Comparison {
    /// Compares one collection, which one of the two may lack.
    fn add(&mut self, name: &str, ours: Option<&CollectionView>, theirs: Option<&CollectionView>) {
        let bits = |vector: &[f32]| vector.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
        let prefix = if name == DEFAULT_NAME { String::new() } else { format!("{name}/") };
        let (ours, theirs) = (|| ours.into_iter(), || theirs.into_iter());
        self.vectors.add(
            &prefix,
            ours().flat_map(CollectionView::vectors).map(|(id, v)| (id, bits(v))),
            theirs().flat_map(CollectionView::vectors).map(|(id, v)| (id, bits(v))),
        );
        self.metadata.add(
            &prefix,
            ours().flat_map(CollectionView::metadata),
            theirs().flat_map(CollectionView::metadata),
        );
        self.contexts.add(
            &prefix,
            ours().flat_map(CollectionView::contexts),
            theirs().flat_map(CollectionView::contexts),
        );
        self.neighbours.add(
            &prefix,
            ours().flat_map(CollectionView::neighbours).map(sorted),
            theirs().flat_map(CollectionView::neighbours).map(sorted),
        );
    }
}

fn sorted<'a>((id, mut list): (&'a str, Vec<(&'a str, f64)>)) -> (&'a str, Vec<(&'a str, u64)>) {
    list.sort_unstable_by_key(|(id, _)| *id);
    (id, list.into_iter().map(|(id, score)| (id, score.to_bits())).collect())
}

impl Differences {
    fn add<'a, T: PartialEq>(
        &mut self,
        prefix: &str,
        ours: impl Iterator<Item = (&'a str, T)>,
        theirs: impl Iterator<Item = (&'a str, T)>,
    ) {
        let mut rest: HashMap<&str, T> = theirs.collect();
        for (id, value) in ours {
            match rest.remove(id) {
                None => self.only_ours += 1,
                Some(other) if other != value => self.changed += 1,
                Some(_) => continue,
            }
            self.name(prefix, id);
        }
        self.only_theirs += rest.len() as u64;
        let mut left: Vec<&str> = rest.into_keys().collect();
        left.sort_unstable();
        left.into_iter().for_each(|id| self.name(prefix, id));
        self.named.sort_unstable();
    }

    fn name(&mut self, prefix: &str, id: &str) {
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("{prefix}{id}"));
        }
    }
}
