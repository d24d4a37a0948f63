//! `State`: all collections of a database, by number, name and alias.

use crate::collection::{Collection, Counts};
use crate::error::{Error, Result};
use crate::mutation::{Change, DEFAULT_COLLECTION, Mutation};
use crate::settings::Settings;
use crate::view::{CollectionView, StateView};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The name of the collection that requests without a name mean. It is always there.
pub const DEFAULT_NAME: &str = "default";
/// The longest name of a collection or alias, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// A collection that readers share with the sequencer.
pub(crate) type Shared = Arc<RwLock<Collection>>;

/// All collections. Only the sequencer changes it.
#[derive(Default)]
pub(crate) struct State {
    by_number: BTreeMap<u32, Slot>,
    by_name: BTreeMap<String, u32>,
    aliases: BTreeMap<String, u32>,
    /// Collections whose content is not logged.
    volatile: BTreeSet<u32>,
    /// The number that the next new collection gets: none is ever given twice.
    next_number: u32,
}

/// One collection and its name.
#[derive(Clone)]
pub(crate) struct Slot {
    pub name: String,
    pub collection: Shared,
}

impl State {
    /// The state of a new database: an empty `default`.
    pub fn new(settings: Settings) -> State {
        let mut state = State::default();
        state.put(DEFAULT_COLLECTION, DEFAULT_NAME.to_owned(), Collection::new(settings));
        state.next_number = DEFAULT_COLLECTION + 1;
        state
    }

    /// Puts a loaded collection in place.
    pub fn put(&mut self, number: u32, name: String, collection: Collection) {
        self.by_name.insert(name.clone(), number);
        if collection.spec.volatile {
            self.volatile.insert(number);
        }
        self.by_number.insert(number, Slot { name, collection: Arc::new(RwLock::new(collection)) });
    }

    /// Sets what a checkpoint says beside the collections, after checking it.
    pub fn rebuild(&mut self, aliases: BTreeMap<String, u32>, next_number: u32) -> Result<()> {
        let names = &self.by_name;
        let valid = |name: &str| check_name(name).is_ok();
        let whole = names.len() == self.by_number.len()
            && self.by_number.get(&DEFAULT_COLLECTION).is_some_and(|slot| slot.name == DEFAULT_NAME)
            && names.keys().all(|name| valid(name))
            && self.by_number.keys().all(|number| *number < next_number)
            && aliases.iter().all(|(alias, number)| {
                valid(alias) && !names.contains_key(alias) && self.by_number.contains_key(number)
            });
        if !whole {
            return Err(Error::Decode("manifest: names, numbers or aliases of collections"));
        }
        self.aliases = aliases;
        self.next_number = next_number;
        Ok(())
    }

    /// The number that a name or alias means.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).or_else(|| self.aliases.get(name)).copied()
    }

    /// The collection that a name or alias means.
    pub fn named(&self, name: &str) -> Result<(u32, &Slot)> {
        let found = self.find(name).and_then(|number| Some((number, self.by_number.get(&number)?)));
        found.ok_or_else(|| {
            let mut known: Vec<&str> =
                self.by_name.keys().chain(self.aliases.keys()).map(String::as_str).collect();
            known.sort_unstable();
            known.truncate(8);
            Error::NotFound(format!("Collection not found: {name} (there are: {})", known.join(", ")))
        })
    }

    pub fn get(&self, number: u32) -> Option<&Slot> {
        self.by_number.get(&number)
    }

    /// Whether a mutation is one that no log holds: of what is in a volatile collection.
    pub fn is_volatile(&self, mutation: &Mutation) -> bool {
        let logged = !mutation.change.is_of_content() || matches!(mutation.change, Change::Configure(_));
        !logged && self.volatile.contains(&mutation.collection)
    }

    /// The collection that is always there.
    pub fn default_collection(&self) -> Shared {
        let slot =
            self.by_number.get(&DEFAULT_COLLECTION).expect("it is there from the first and never dropped");
        Arc::clone(&slot.collection)
    }

    /// All collections, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Slot)> {
        self.by_number.iter().map(|(number, slot)| (*number, slot))
    }

    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    pub fn aliases(&self) -> &BTreeMap<String, u32> {
        &self.aliases
    }

    pub fn next_number(&self) -> u32 {
        self.next_number
    }

    /// Sums over all collections.
    pub fn counts(&self) -> Counts {
        self.by_number.values().map(|slot| slot.collection.read().counts).sum()
    }

    /// Applies a mutation. Fails only on what no sequencer would have logged, changing nothing.
    pub fn apply(&mut self, mutation: Mutation) -> Result<()> {
        let Mutation { collection: number, change } = mutation;
        match change {
            Change::Create { name, settings, spec } => {
                if number < self.next_number || self.find(&name).is_some() {
                    return Err(Error::Decode("a collection that was there before"));
                }
                check_name(&name)?;
                let mut collection = Collection::new(settings);
                collection.vectors.segment_bytes = self.segment_bytes();
                collection.configure(spec);
                self.put(number, name, collection);
                self.next_number = number + 1;
                Ok(())
            }
            Change::Drop if number != DEFAULT_COLLECTION && self.by_number.contains_key(&number) => {
                self.by_number.remove(&number);
                self.volatile.remove(&number);
                self.by_name.retain(|_, named| *named != number);
                self.aliases.retain(|_, meant| *meant != number);
                Ok(())
            }
            Change::Rename { name } if number != DEFAULT_COLLECTION && self.find(&name).is_none() => {
                check_name(&name)?;
                self.slot_mut(number)?.name = name.clone();
                self.by_name.retain(|_, named| *named != number);
                self.by_name.insert(name, number);
                Ok(())
            }
            Change::AliasSet { alias } if !self.by_name.contains_key(&alias) => {
                check_name(&alias)?;
                self.slot_mut(number)?;
                self.aliases.insert(alias, number);
                Ok(())
            }
            Change::AliasDrop { alias } => {
                self.aliases.remove(&alias).map(|_| ()).ok_or(Error::Decode("an alias that is not there"))
            }
            Change::Drop | Change::Rename { .. } | Change::AliasSet { .. } => {
                Err(Error::Decode("a change of a collection that cannot be"))
            }
            change => self.slot_mut(number)?.collection.write().apply(change),
        }
    }

    fn slot_mut(&mut self, number: u32) -> Result<&mut Slot> {
        self.by_number.get_mut(&number).ok_or(Error::Decode("a mutation of a collection that does not exist"))
    }

    fn segment_bytes(&self) -> u32 {
        self.default_collection().read().vectors.segment_bytes
    }

    /// Sets how large segments get, about. Not part of the state.
    pub fn set_segment_bytes(&mut self, bytes: u32) {
        self.by_number.values().for_each(|slot| slot.collection.write().vectors.segment_bytes = bytes);
    }

    /// Applies a logged mutation again: the prunings that followed were logged too.
    pub fn replay(&mut self, mutation: Mutation) -> Result<()> {
        let number = mutation.collection;
        self.apply(mutation)?;
        if let Some(slot) = self.by_number.get(&number) {
            slot.collection.write().overfull.clear();
        }
        Ok(())
    }

    /// The roots as they are now.
    pub fn view(&self) -> StateView {
        let collections = self.iter().map(|(number, slot)| {
            let state = slot.collection.read();
            CollectionView::of(number, slot.name.clone(), &state)
        });
        StateView {
            collections: collections.collect(),
            aliases: self.aliases.clone(),
            next_number: self.next_number,
        }
    }
}

/// Refuses what is no name of a collection or alias.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(['.', '-']);
    if fits {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(Error::Input(format!(
        "Collection name: expected 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -, the first no . or -, got {shown:?}"
    )))
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |a, b| Counts {
            ids: a.ids + b.ids,
            vectors: a.vectors + b.vectors,
            metadata: a.metadata + b.metadata,
            contexts: a.contexts + b.contexts,
            events: a.events + b.events,
            pairs: a.pairs + b.pairs,
            one_sided: a.one_sided + b.one_sided,
            total_events: a.total_events + b.total_events,
            stored_events: a.stored_events + b.stored_events,
        })
    }
}
