//! The state hash: one number for a logical state, whatever its pages, numbers and history.

use crate::codec::put_text;
use crate::view::{CollectionView, StateView};
use sha2::{Digest, Sha256};

/// Feeds SHA-256 through a buffer, so that small fields are cheap.
struct Hasher {
    sha: Sha256,
    buffer: Vec<u8>,
}

impl Hasher {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= 64 << 10 {
            self.sha.update(&self.buffer);
            self.buffer.clear();
        }
    }

    fn text(&mut self, text: &str) {
        put_text(&mut self.buffer, text);
    }

    fn count(&mut self, n: u64) {
        self.put(&n.to_le_bytes());
    }
}

/// The hash of docs/format.md, "State hash".
pub(crate) fn of(state: &StateView) -> [u8; 32] {
    let mut h = Hasher { sha: Sha256::new(), buffer: Vec::new() };
    h.put(b"cairndb-state-1");
    let mut collections: Vec<&CollectionView> =
        state.collections.iter().filter(|collection| !collection.spec.volatile).collect();
    collections.sort_unstable_by_key(|collection| collection.name.as_bytes());
    h.count(collections.len() as u64);
    for collection in &collections {
        hash_collection(&mut h, collection);
    }
    let names: std::collections::HashMap<u32, &str> =
        collections.iter().map(|collection| (collection.number, collection.name.as_str())).collect();
    let aliases: Vec<(&String, &&str)> =
        state.aliases.iter().filter_map(|(alias, number)| Some((alias, names.get(number)?))).collect();
    if !aliases.is_empty() {
        h.count(aliases.len() as u64);
        for (alias, name) in aliases {
            h.text(alias);
            h.text(name);
        }
    }
    h.sha.update(&h.buffer);
    h.sha.finalize().into()
}

fn hash_collection(h: &mut Hasher, state: &CollectionView) {
    h.text(&state.name);
    state.settings.encode(&mut h.buffer);
    h.put(&state.vectors.dimension.to_le_bytes());
    items(h, state);
    contexts(h, state);
    neighbours(h, state);
    dedup(h, state);
    h.count(state.counts.total_events);
    h.count(state.counts.stored_events);
}

fn items(h: &mut Hasher, state: &CollectionView) {
    let known = |&item: &u32| state.places.get(item).is_some() || state.metadata.get(item).is_some();
    let items = state.items.sorted((0..state.items.count).filter(known).collect());
    h.count(items.len() as u64);
    for item in items {
        h.text(state.items.get(item));
        match state.places.get(item) {
            None => h.put(&[0]),
            Some(place) => {
                h.put(&[1]);
                state.vectors.get(place).iter().for_each(|x| h.put(&x.to_le_bytes()));
            }
        }
        match state.metadata.get(item) {
            None => h.put(&[0]),
            Some(metadata) => {
                h.put(&[1]);
                metadata.encode(&mut h.buffer);
            }
        }
    }
}

fn contexts(h: &mut Hasher, state: &CollectionView) {
    let contexts = state.contexts.sorted((0..state.contexts.count).collect());
    h.count(contexts.len() as u64);
    for context in contexts {
        h.text(state.contexts.get(context));
        let ring = state.rings.get(context);
        h.put(&(ring.len() as u32).to_le_bytes());
        for event in ring {
            h.text(state.items.get(event.item));
            h.put(&[event.op as u8, event.score]);
            h.put(&event.time_s.to_le_bytes());
        }
    }
}

fn neighbours(h: &mut Hasher, state: &CollectionView) {
    let listed = |&owner: &u32| state.neighbours.len(owner) > 0;
    let owners = state.items.sorted(state.neighbours.owners().filter(listed).collect());
    h.count(owners.len() as u64);
    for owner in owners {
        let mut list: Vec<(u32, f64)> = state.neighbours.of(owner).collect();
        list.sort_unstable_by(|a, b| state.items.get(a.0).as_bytes().cmp(state.items.get(b.0).as_bytes()));
        h.text(state.items.get(owner));
        h.put(&(list.len() as u32).to_le_bytes());
        for (neighbour, score) in list {
            h.text(state.items.get(neighbour));
            h.put(&score.to_bits().to_le_bytes());
        }
    }
}

fn dedup(h: &mut Hasher, state: &CollectionView) {
    h.count(u64::from(state.dedup.ends.len));
    for entry in state.dedup.entries() {
        h.put(&[entry.state.byte(), entry.score]);
        h.text(state.contexts.get(entry.context));
        h.text(state.items.get(entry.item));
        h.put(&entry.time_s.to_le_bytes());
    }
}
