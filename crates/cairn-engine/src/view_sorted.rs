//! A View in the order of ids and names: the same content gives the same order, whatever its history.

use crate::event::EventRow;
use crate::metadata::Metadata;
use crate::view::CollectionView;

/// An item with a vector, or metadata, or both.
#[derive(Debug, Clone, Copy)]
pub struct ItemRow<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its vector.
    pub vector: Option<&'a [f32]>,
    /// Its metadata.
    pub metadata: Option<&'a Metadata>,
}

impl CollectionView {
    /// Items by the bytes of their ids. Costs a sort of all ids, and four bytes of memory for each.
    pub fn items_by_id(&self) -> impl Iterator<Item = ItemRow<'_>> {
        let state = self;
        let known = |&item: &u32| state.places.get(item).is_some() || state.metadata.get(item).is_some();
        let items = state.items.sorted((0..state.items.count).filter(known).collect());
        items.into_iter().map(|item| ItemRow {
            id: state.items.get(item),
            vector: state.places.get(item).map(|place| state.vectors.get(place)),
            metadata: state.metadata.get(item).map(|metadata| &**metadata),
        })
    }

    /// Contexts by the bytes of their names, and their events, oldest first. Costs a sort of all names.
    pub fn contexts_by_name(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = EventRow<'_>>)> {
        let state = self;
        let contexts = state.contexts.sorted((0..state.contexts.count).collect());
        contexts.into_iter().map(|context| {
            let row = |e: &crate::event::RingEvent| EventRow {
                id: state.items.get(e.item),
                op: e.op,
                score: e.score,
                time_s: e.time_s,
            };
            (state.contexts.get(context), state.rings.get(context).iter().map(row))
        })
    }

    /// Pairs of items with their logical co-occurrence score, by the bytes of both ids, each pair once: the first id is the
    /// smaller one, but for a pair that only the larger one still lists. Costs a sort of all ids.
    pub fn pairs_by_id(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        let state = self;
        let owners = state.items.sorted(state.neighbours.owners().collect());
        owners.into_iter().flat_map(move |owner| {
            let id = state.items.get(owner);
            let mut list: Vec<(u32, f64)> = state.neighbours.of(owner).collect();
            list.retain(|&(neighbour, _)| {
                id.as_bytes() < state.items.get(neighbour).as_bytes()
                    || !state.neighbours.lists(neighbour, owner)
            });
            list.sort_unstable_by(|a, b| {
                state.items.get(a.0).as_bytes().cmp(state.items.get(b.0).as_bytes())
            });
            list.into_iter().map(move |(neighbour, score)| (id, state.items.get(neighbour), score))
        })
    }
}
