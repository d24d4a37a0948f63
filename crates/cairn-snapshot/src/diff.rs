//! How what two snapshots hold differs, by number.

use crate::snapshot::{Snapshot, SnapshotCollection};
use cairn_engine::Counts;
use std::collections::BTreeSet;

/// How much more the second of two snapshots holds of a collection; negative: less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRow {
    /// The collection's name; `*`: all that they cover.
    pub collection: String,
    /// Items with a vector.
    pub vectors: i64,
    /// Events in rings.
    pub events: i64,
    /// Items with metadata.
    pub metadata: i64,
    /// Contexts.
    pub contexts: i64,
    /// Pairs with a co-occurrence score.
    pub pairs: i64,
}

/// The difference in all, then of each collection that either has, by name. Reads nothing: what differs while the numbers are
/// equal is not in it (`Engine::compare` looks at the content).
pub fn diff(from: &Snapshot, to: &Snapshot) -> Vec<DiffRow> {
    let names: BTreeSet<&str> =
        from.collections.iter().chain(&to.collections).map(|c| c.name.as_str()).collect();
    let of = |snapshot: &Snapshot, name: &str| {
        let found = snapshot.collections.iter().find(|c: &&SnapshotCollection| c.name == name);
        found.map(|c| c.counts).unwrap_or_default()
    };
    let all = std::iter::once(row("*", &from.counts, &to.counts));
    all.chain(names.into_iter().map(|name| row(name, &of(from, name), &of(to, name)))).collect()
}

fn row(collection: &str, from: &Counts, to: &Counts) -> DiffRow {
    let more = |from: u64, to: u64| to as i64 - from as i64;
    DiffRow {
        collection: collection.to_owned(),
        vectors: more(from.vectors, to.vectors),
        events: more(from.events, to.events),
        metadata: more(from.metadata, to.metadata),
        contexts: more(from.contexts, to.contexts),
        pairs: more(from.pairs, to.pairs),
    }
}
