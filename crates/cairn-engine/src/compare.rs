//! `Comparison`: how two states differ, item by item.

use crate::collection::Counts;
use crate::view::{Position, View};
use std::collections::HashMap;

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

/// Compares two states. Costs a pass over both, and a table of the second's ids.
pub fn compare(ours: &View, theirs: &View) -> Comparison {
    let bits = |vector: &[f32]| vector.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    Comparison {
        ours: ours.position(),
        theirs: theirs.position(),
        our_counts: ours.counts(),
        their_counts: theirs.counts(),
        equal: ours.state_hash() == theirs.state_hash(),
        vectors: differences(
            ours.vectors().map(|(id, v)| (id, bits(v))),
            theirs.vectors().map(|(id, v)| (id, bits(v))),
        ),
        metadata: differences(ours.metadata(), theirs.metadata()),
        contexts: differences(ours.contexts(), theirs.contexts()),
        neighbours: differences(ours.neighbours().map(sorted), theirs.neighbours().map(sorted)),
    }
}

fn sorted<'a>((id, mut list): (&'a str, Vec<(&'a str, f64)>)) -> (&'a str, Vec<(&'a str, u64)>) {
    list.sort_unstable_by_key(|(id, _)| *id);
    (id, list.into_iter().map(|(id, score)| (id, score.to_bits())).collect())
}

fn differences<'a, T: PartialEq>(
    ours: impl Iterator<Item = (&'a str, T)>,
    theirs: impl Iterator<Item = (&'a str, T)>,
) -> Differences {
    let mut rest: HashMap<&str, T> = theirs.collect();
    let mut found = Differences::default();
    for (id, value) in ours {
        match rest.remove(id) {
            None => found.only_ours += 1,
            Some(other) if other != value => found.changed += 1,
            Some(_) => continue,
        }
        found.name(id);
    }
    found.only_theirs = rest.len() as u64;
    let mut left: Vec<&str> = rest.into_keys().collect();
    left.sort_unstable();
    left.into_iter().for_each(|id| found.name(id));
    found.named.sort_unstable();
    found
}

impl Differences {
    fn name(&mut self, id: &str) {
        if self.named.len() < NAMED_MAX {
            self.named.push(id.to_owned());
        }
    }
}
