//! A collection's mutable state, and how a mutation changes it.

use crate::dedup::{Dedup, Entry, Key, Remembered};
use crate::error::{Error, Result};
use crate::event::{EventOp, RingEvent};
use crate::indexed_fields::IndexedFields;
use crate::metadata::Metadata;
use crate::metadata_pages::MetadataTable;
use crate::mutation::Change;
use crate::named::Named;
use crate::names::{Contexts, Items, Names};
use crate::neighbours::Neighbours;
use crate::places::Places;
use crate::rings::Rings;
use crate::settings::Settings;
use crate::spec::CollectionSpec;
use crate::vectors::Vectors;
use crate::version::Versions;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Ids ever named: by a vector, metadata or an event.
    pub ids: u64,
    /// Items with a vector.
    pub vectors: u64,
    /// Items with metadata.
    pub metadata: u64,
    /// Contexts.
    pub contexts: u64,
    /// Events in rings.
    pub events: u64,
    /// Pairs of items with a co-occurrence score, in either direction.
    pub pairs: u64,
    /// Pairs that only one of the two lists, since pruning took the other side.
    pub one_sided: u64,
    /// Events ever received.
    pub total_events: u64,
    /// Events ever stored; the others were duplicates.
    pub stored_events: u64,
}

/// The mutable state of one collection. Only the sequencer changes it.
pub(crate) struct Collection {
    pub settings: Settings,
    pub spec: CollectionSpec,
    pub items: Names<Items>,
    pub contexts: Names<Contexts>,
    pub places: Places,
    pub metadata: MetadataTable,
    pub fields: IndexedFields,
    pub rings: Rings,
    /// Which items the rings name. It follows from them.
    pub named: Named,
    pub neighbours: Neighbours,
    pub dedup: Dedup,
    pub vectors: Vectors,
    pub counts: Counts,
    /// Not part of the state.
    pub versions: Versions,
    /// Items whose list passed twice its bound: to be pruned by a logged mutation. A hint, not state.
    pub overfull: Vec<u32>,
}

impl Collection {
    /// An empty collection.
    pub fn new(settings: Settings) -> Collection {
        let vectors = Vectors { dimension: settings.dimension, ..Vectors::default() };
        Collection {
            settings,
            spec: CollectionSpec::default(),
            items: Names::default(),
            contexts: Names::default(),
            places: Places::default(),
            metadata: MetadataTable::default(),
            fields: IndexedFields::default(),
            rings: Rings::default(),
            named: Named::default(),
            neighbours: Neighbours::default(),
            dedup: Dedup::default(),
            vectors,
            counts: Counts::default(),
            versions: Versions::default(),
            overfull: Vec::new(),
        }
    }

    /// Applies a change of what is in it. Fails only on what no sequencer would have logged, changing nothing.
    pub fn apply(&mut self, change: Change) -> Result<()> {
        self.versions.note(&change);
        match change {
            Change::VectorSet { id, vector } => self.set_vector(&id, &vector),
            Change::MetadataSet { id, metadata } => {
                let item = self.items.find(&id).ok_or(Error::Decode("metadata of an unknown item"))?;
                self.set_metadata(item, metadata);
                Ok(())
            }
            Change::Event { context, id, op, score, time_s } => {
                self.event(&context, &id, op, score, time_s);
                Ok(())
            }
            Change::Decay { factor } if factor > 0.0 && factor <= 1.0 => {
                self.neighbours.decay(factor);
                Ok(())
            }
            Change::Decay { .. } => Err(Error::Decode("a decay factor outside (0, 1]")),
            Change::Prune { first, count } => {
                self.prune(first, count);
                Ok(())
            }
            Change::Settings(settings) => self.set_settings(settings),
            Change::VectorElided { id, dimension } => {
                self.fix_dimension(dimension)?;
                self.intern_item(&id);
                Ok(())
            }
            Change::VectorDelete { id } => self.delete(&id),
            Change::Configure(spec) => {
                self.configure(spec);
                Ok(())
            }
            Change::Create { .. }
            | Change::Drop
            | Change::Rename { .. }
            | Change::AliasSet { .. }
            | Change::AliasDrop { .. } => Err(Error::Decode("a change of the collections, not of one")),
        }
    }

    /// Takes a spec over: what is stored stays, and moves when the background gets to it.
    pub fn configure(&mut self, spec: CollectionSpec) {
        self.spec = spec;
        match self.counts.metadata {
            0 => self.fields.declare_empty(&self.spec.fields),
            _ => self.fields.declare(&self.spec.fields),
        }
        for mapping in self.vectors.segments.iter().filter_map(|segment| segment.mapping()) {
            // Advice that is not taken changes nothing but the speed.
            let _ = mapping.advise(self.spec.advise.advice());
        }
    }

    /// Takes an item's vector and metadata away. Events and what they imply stay.
    fn delete(&mut self, id: &str) -> Result<()> {
        let item = self.items.find(id).ok_or(Error::Decode("a delete of an item that is not there"))?;
        // Not there: the log left it out, and a crash took it.
        if self.places.get(item).is_some() {
            self.vectors.delete(&mut self.places, item);
            self.counts.vectors -= 1;
        }
        if let Some(old) = self.metadata.remove(item) {
            self.fields.set(item, Some(&old), None);
            self.counts.metadata -= 1;
        }
        if !self.has(item) {
            self.versions.forgotten();
        }
        Ok(())
    }

    /// The number of an item that there is. A name that has nothing any more, neither vector, metadata nor neighbours nor an
    /// event in a ring, is as if it had never been: its number is layout.
    pub fn known(&self, id: &str) -> Option<u32> {
        self.items.find(id).filter(|&item| self.has(item))
    }

    fn has(&self, item: u32) -> bool {
        self.places.get(item).is_some()
            || self.named.has(item)
            || self.neighbours.view.len(item) > 0
            || self.metadata.get(item).is_some()
    }

    /// Replaces an item's metadata.
    pub fn set_metadata(&mut self, item: u32, metadata: Metadata) {
        let new = Arc::new(metadata);
        let old = self.metadata.set(item, Arc::clone(&new));
        self.fields.set(item, old.as_deref(), Some(&new));
        self.counts.metadata += u64::from(old.is_none());
    }

    /// Sets an item's vector; the first fixes the dimension.
    pub fn set_vector(&mut self, id: &str, vector: &[f32]) -> Result<()> {
        self.fix_dimension(u32::try_from(vector.len()).unwrap_or(u32::MAX))?;
        let item = self.intern_item(id);
        self.counts.vectors += u64::from(self.vectors.set(&mut self.places, item, vector));
        Ok(())
    }

    /// Refuses another dimension than that in force; the first is in force from then on.
    /// Fixes the dimension, or refuses another one than is in force.
    pub fn fix_dimension(&mut self, dimension: u32) -> Result<()> {
        if self.vectors.dimension == 0 {
            self.vectors.dimension = dimension;
        }
        if dimension == 0 || dimension != self.vectors.dimension {
            return Err(Error::Decode("a vector of another dimension"));
        }
        Ok(())
    }

    pub fn intern_item(&mut self, id: &str) -> u32 {
        let item = self.items.intern(id);
        self.counts.ids = u64::from(self.items.count());
        item
    }

    pub fn intern_context(&mut self, name: &str) -> u32 {
        let context = self.contexts.intern(name);
        self.counts.contexts = u64::from(self.contexts.count());
        context
    }

    fn event(&mut self, context: &str, id: &str, op: EventOp, score: u8, time_s: i64) {
        self.counts.total_events += 1;
        let score = if op == EventOp::Del { 0 } else { score };
        if let (Some(context), Some(item)) = (self.contexts.find(context), self.items.find(id))
            && self.is_duplicate(context, item, op, score, time_s)
        {
            return;
        }
        self.counts.stored_events += 1;
        self.versions.stored_event();
        let (context, item) = (self.intern_context(context), self.intern_item(id));
        self.remember(context, item, op, score, time_s);
        let event = RingEvent { time_s, item, op, score };
        self.co_occur(context, event);
        self.counts.events += 1;
        let capacity = self.settings.ctx_buffer_size;
        self.counts.events -= self.rings.push(context, event, capacity, &mut self.named);
    }

    fn is_duplicate(&self, context: u32, item: u32, op: EventOp, score: u8, time_s: i64) -> bool {
        let state = || self.dedup.get(Key::state(context, item));
        match op {
            EventOp::Add => (self.dedup.get(Key::add(context, item, score))).is_some_and(|e| {
                self.settings.dedup_window_sec > 0
                    && e.time_s.abs_diff(time_s) <= self.settings.dedup_window_sec
            }),
            EventOp::Set => state().is_some_and(|e| e.state == Remembered::Set && e.score == score),
            EventOp::Del => state().is_some_and(|e| e.state == Remembered::Deleted),
        }
    }

    fn remember(&mut self, context: u32, item: u32, op: EventOp, score: u8, time_s: i64) {
        let capacity = self.settings.dedup_cache_size;
        let mut store = |state| self.dedup.store(Entry { state, score, context, item, time_s }, capacity);
        if op == EventOp::Add {
            store(Remembered::Add);
        }
        store(if op == EventOp::Del { Remembered::Deleted } else { Remembered::Set });
    }

    /// Adds a new event's products with every event of its context's ring (line-protocol.md, "Co-occurrence").
    fn co_occur(&mut self, context: u32, new: RingEvent) {
        if new.op == EventOp::Del && !self.settings.negative_signals {
            return;
        }
        for prior in self.rings.get(context).to_vec() {
            if prior.item == new.item || prior.score == 0 {
                continue;
            }
            let delta = match new.op {
                EventOp::Del => -(f64::from(prior.score) * self.settings.negative_weight),
                EventOp::Add | EventOp::Set => self.product(new, prior),
            };
            if delta != 0.0 {
                self.add_pair(new.item, prior.item, delta);
            }
        }
    }

    fn product(&self, new: RingEvent, prior: RingEvent) -> f64 {
        let product = f64::from(new.score) * f64::from(prior.score);
        if !self.settings.temporal_cooccurrence {
            return product;
        }
        // The newer one has age 0, so only the older one's factor is below 1.
        let age = new.time_s.abs_diff(prior.time_s) as f64;
        product * libm::exp2(-age / self.settings.temporal_half_life_sec)
    }

    fn add_pair(&mut self, a: u32, b: u32, delta: f64) {
        let news = (self.neighbours.add(a, b, delta), self.neighbours.add(b, a, delta));
        match news {
            (true, true) => self.counts.pairs += 1,
            (false, false) => {}
            _ => self.counts.one_sided -= 1,
        }
        for item in [a, b] {
            self.note_overfull(item);
        }
    }

    fn note_overfull(&mut self, item: u32) {
        let bound = self.settings.max_neighbors_per_item as usize;
        if bound > 0 && self.neighbours.view.len(item) > 2 * bound && !self.overfull.contains(&item) {
            self.overfull.push(item);
        }
    }

    /// Sets one direction of a pair: for building a state from outside.
    pub fn set_neighbour(&mut self, owner: u32, neighbour: u32, score: f64) -> bool {
        if self.neighbours.view.lists(owner, neighbour) {
            return false;
        }
        self.neighbours.add(owner, neighbour, score);
        if self.neighbours.view.lists(neighbour, owner) {
            self.counts.one_sided -= 1;
        } else {
            self.counts.pairs += 1;
            self.counts.one_sided += 1;
        }
        true
    }

    /// Cuts the lists of a range of items to their bound: the largest absolute scores stay, ties by id.
    fn prune(&mut self, first: u32, count: u32) {
        for item in first..first.saturating_add(count).min(self.items.count()) {
            let list: Vec<(u32, f64)> = self.neighbours.view.of(item).collect();
            let kept = self.kept(&list);
            if kept.len() == list.len() {
                continue;
            }
            let keep: std::collections::HashSet<u32> = kept.iter().map(|&(n, _)| n).collect();
            self.neighbours.replace(item, kept);
            for (neighbour, _) in list.into_iter().filter(|(n, _)| !keep.contains(n)) {
                if self.neighbours.view.lists(neighbour, item) {
                    self.counts.one_sided += 1;
                } else {
                    self.counts.one_sided -= 1;
                    self.counts.pairs -= 1;
                }
            }
        }
    }

    fn kept(&self, list: &[(u32, f64)]) -> Vec<(u32, f64)> {
        let mut kept: Vec<_> =
            list.iter().copied().filter(|(_, s)| s.abs() >= self.settings.min_support).collect();
        let bound = self.settings.max_neighbors_per_item as usize;
        if bound > 0 && kept.len() > bound {
            let id = |n: u32| self.items.get(n).as_bytes();
            kept.sort_unstable_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| id(a.0).cmp(id(b.0))));
            kept.truncate(bound);
        }
        kept
    }

    fn set_settings(&mut self, settings: Settings) -> Result<()> {
        let fixed = self.vectors.dimension;
        if self.counts.vectors > 0 && (settings.dimension != 0 && settings.dimension != fixed) {
            return Err(Error::Decode("settings fix a dimension the vectors do not have"));
        }
        if self.counts.vectors == 0 {
            self.vectors.dimension = settings.dimension;
        }
        self.dedup.shrink(settings.dedup_cache_size);
        if settings.ctx_buffer_size < self.settings.ctx_buffer_size {
            self.counts.events -= self.rings.shrink(settings.ctx_buffer_size, &mut self.named);
        }
        self.settings = settings;
        Ok(())
    }
}
