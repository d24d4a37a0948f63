//! `StateBuilder`: a whole state put together from outside, as a portable file holds it.

use crate::collection::Collection;
use crate::decide::check_vector;
use crate::dedup::{Entry, Remembered};
use crate::error::{Error, Result};
use crate::event::{EventOp, RingEvent};
use crate::metadata::Metadata;
use crate::mutation::DEFAULT_COLLECTION;
use crate::settings::{Limits, Settings};
use crate::spec::CollectionSpec;
use crate::state::{DEFAULT_NAME, State, check_name};
use crate::view::{Position, View};
use std::collections::{BTreeMap, HashSet};

/// Builds a state; every part is checked, since it comes from outside.
pub struct StateBuilder {
    /// The collection that is being filled.
    state: Collection,
    name: String,
    finished: Vec<(String, Collection)>,
    names: HashSet<String>,
    aliases: BTreeMap<String, String>,
    limits: Limits,
}

impl std::fmt::Debug for StateBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateBuilder").field("counts", &self.state.counts).finish_non_exhaustive()
    }
}

impl StateBuilder {
    /// An empty state with these settings.
    pub fn new(settings: Settings) -> Result<StateBuilder> {
        let limits = Limits { id_bytes: usize::from(u16::MAX), ..Limits::default() };
        settings.validate(limits.dimension)?;
        Ok(StateBuilder {
            state: Collection::new(settings),
            name: DEFAULT_NAME.to_owned(),
            finished: Vec::new(),
            names: HashSet::from([DEFAULT_NAME.to_owned()]),
            aliases: BTreeMap::new(),
            limits,
        })
    }

    /// Ends the collection that was being filled, `default` at first, and begins the next one.
    pub fn begin_collection(&mut self, name: &str, settings: Settings, spec: CollectionSpec) -> Result<()> {
        check_name(name)?;
        settings.validate(self.limits.dimension)?;
        spec.validate()?;
        if !self.names.insert(name.to_owned()) {
            return Err(Error::Input(format!("a collection stands twice: {name}")));
        }
        let mut next = Collection::new(settings);
        next.configure(spec);
        let name = std::mem::replace(&mut self.name, name.to_owned());
        self.finished.push((name, std::mem::replace(&mut self.state, next)));
        Ok(())
    }

    /// How the collection that is being filled is stored, indexed and bounded.
    pub fn configure(&mut self, spec: CollectionSpec) -> Result<()> {
        spec.validate()?;
        self.state.configure(spec);
        Ok(())
    }

    /// Sets the dimension in force, which no vector need have; 0: the first vector says.
    pub fn set_dimension(&mut self, dimension: u32) -> Result<()> {
        let limit = self.limits.dimension;
        match dimension {
            0 => Ok(()),
            n if n > limit => {
                Err(Error::Input(format!("Vector dimension {n} exceeds maximum allowed: {limit}")))
            }
            n => self.state.fix_dimension(n),
        }
    }

    /// Makes an alias mean a collection, which may come later.
    pub fn set_alias(&mut self, alias: &str, collection: &str) {
        self.aliases.insert(alias.to_owned(), collection.to_owned());
    }

    fn name(&self, name: &str) -> Result<()> {
        if name.is_empty() || name.len() > self.limits.id_bytes {
            return Err(Error::Input(format!("an id or name of {} bytes", name.len())));
        }
        Ok(())
    }

    /// Sets an item's vector.
    pub fn set_vector(&mut self, id: &str, vector: &[f32]) -> Result<()> {
        self.name(id)?;
        check_vector(vector, self.limits.dimension)?;
        let expected = self.state.vectors.dimension as usize;
        if expected != 0 && expected != vector.len() {
            return Err(Error::Input(format!(
                "Vector dimension mismatch: expected {expected}, got {}",
                vector.len()
            )));
        }
        self.state.set_vector(id, vector)
    }

    /// Sets an item's metadata; its vector may come later or never.
    pub fn set_metadata(&mut self, id: &str, metadata: Metadata) -> Result<()> {
        self.name(id)?;
        metadata.validate()?;
        let item = self.state.intern_item(id);
        self.state.set_metadata(item, metadata);
        Ok(())
    }

    /// Adds the next (newest) event to a context's ring: nothing is implied, products are set apart.
    pub fn push_event(&mut self, context: &str, id: &str, op: EventOp, score: u8, time_s: i64) -> Result<()> {
        self.name(id)?;
        if score > 100 {
            return Err(Error::Input(format!("Score must be in range [0, 100], got {score}")));
        }
        let context = self.add_context(context)?;
        let item = self.state.intern_item(id);
        let event = RingEvent { time_s, item, op, score };
        self.state.counts.events += 1;
        let Collection { rings, named, settings, counts, .. } = &mut self.state;
        counts.events -= rings.push(context, event, settings.ctx_buffer_size, named);
        Ok(())
    }

    /// Adds a context that may stay without events.
    pub fn push_context(&mut self, context: &str) -> Result<()> {
        self.add_context(context).map(|_| ())
    }

    fn add_context(&mut self, context: &str) -> Result<u32> {
        self.name(context)?;
        Ok(self.state.intern_context(context))
    }

    /// Lists a neighbour at its owner with a logical score: one direction of a pair.
    pub fn set_neighbour(&mut self, owner: &str, neighbour: &str, score: f64) -> Result<()> {
        self.name(owner)?;
        self.name(neighbour)?;
        if owner == neighbour || !score.is_finite() {
            return Err(Error::Input(format!("an impossible pair: {owner:?}, {neighbour:?}, {score}")));
        }
        let (owner_item, neighbour_item) = (self.state.intern_item(owner), self.state.intern_item(neighbour));
        if self.state.set_neighbour(owner_item, neighbour_item, score) {
            Ok(())
        } else {
            Err(Error::Input(format!("a pair stands twice: {owner:?}, {neighbour:?}")))
        }
    }

    /// Adds the next (most recently stored) entry of the dedup cache.
    pub fn push_dedup(
        &mut self,
        state: Remembered,
        score: u8,
        context: &str,
        id: &str,
        time_s: i64,
    ) -> Result<()> {
        self.name(id)?;
        let context = self.add_context(context)?;
        let item = self.state.intern_item(id);
        let entry = Entry { state, score, context, item, time_s };
        self.state.dedup.store(entry, self.state.settings.dedup_cache_size);
        Ok(())
    }

    /// Sets how many events were ever received and stored.
    pub fn set_totals(&mut self, total_events: u64, stored_events: u64) {
        self.state.counts.total_events = total_events;
        self.state.counts.stored_events = stored_events;
    }

    /// The state as a View, standing where `position` says.
    pub fn finish(mut self, position: Position) -> Result<View> {
        self.finished.push((self.name, self.state));
        let mut state = State::default();
        let mut next = DEFAULT_COLLECTION;
        for (name, collection) in self.finished {
            state.put(next, name, collection);
            next += 1;
        }
        let number = |name: String| state.find(&name).ok_or(Error::Decode("an alias of no collection"));
        let aliases = self.aliases.into_iter().map(|(alias, name)| Ok((alias, number(name)?)));
        let aliases = aliases.collect::<Result<BTreeMap<_, _>>>()?;
        state.rebuild(aliases, next)?;
        Ok(View { position, state: state.view() })
    }
}
