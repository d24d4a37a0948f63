//! `Version`: what the answer of a search depends on, as it is now: for whoever keeps answers.
//!
//! A collection has a version for each of its three parts. Each change of a part gives it a number that no part of any collection
//! in this process ever had, before the change can be seen. So two equal versions mean the same collection with the same content,
//! whatever was written, restored, loaded, promoted, dropped, renamed or aliased between them.
//!
//! What only lays a state out otherwise changes no version: segments, compaction, graphs, codes, field indexes, mapping. An exact search
//! has the same answer, and one along a graph an answer that this very state gave, with the right scores.

use crate::engine::Engine;
use crate::error::Result;
use crate::filter::Filter;
use crate::mutation::Change;
use crate::search::{Near, Similar, Using};
use std::sync::atomic::{AtomicU64, Ordering};

/// The last number given. Only ever different, never compared in order: any ordering of the adds will do.
static LAST: AtomicU64 = AtomicU64::new(0);

pub(crate) fn fresh() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// What a search reads, as of some moment. A part that it does not read is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    events: u64,
    vectors: u64,
    metadata: u64,
    /// Of how results are fused, which is the engine's.
    fusion: u64,
}

/// The versions of a collection's parts. They stand under its lock, as the parts do.
pub(crate) struct Versions(Version);

impl Default for Versions {
    fn default() -> Self {
        Versions(Version { events: fresh(), vectors: fresh(), metadata: fresh(), fusion: 0 })
    }
}

impl Versions {
    /// Before a change is applied. A stored event is told by [`Versions::stored_event`]: duplicates change nothing.
    pub fn note(&mut self, change: &Change) {
        let Versions(now) = self;
        match change {
            Change::Event { .. } => {}
            Change::Decay { .. } | Change::Prune { .. } => now.events = fresh(),
            Change::VectorSet { .. } | Change::VectorElided { .. } => now.vectors = fresh(),
            Change::MetadataSet { .. } => now.metadata = fresh(),
            Change::VectorDelete { .. } => (now.vectors, now.metadata) = (fresh(), fresh()),
            // Settings say how vectors are compared, the spec how they are searched.
            _ => *self = Versions::default(),
        }
    }

    /// Before an event that is no duplicate is applied.
    pub fn stored_event(&mut self) {
        self.0.events = fresh();
    }

    /// An item has nothing any more: what searches by its events answered, too.
    pub fn forgotten(&mut self) {
        self.0.events = fresh();
    }

    fn of(&self, using: Using, filter: Option<&Filter>) -> Version {
        let Versions(now) = self;
        Version {
            events: if using == Using::Vectors { 0 } else { now.events },
            vectors: if using == Using::Events { 0 } else { now.vectors },
            metadata: if filter.is_none() { 0 } else { now.metadata },
            fusion: 0,
        }
    }
}

impl Engine {
    /// What [`Engine::similar_in`] would read now. When it is the same before and after a search, the answer is that of this
    /// version; as long as it stays the same, the search has no other answer. Cheap: a few locks, no page is read.
    pub fn version_of_similar(&self, collection: Option<&str>, query: &Similar) -> Result<Version> {
        let fusion = if query.using == Using::Fusion { self.inner.shared.fusion.read().1 } else { 0 };
        let version = self.version(collection, |versions| versions.of(query.using, query.filter.as_ref()))?;
        Ok(Version { fusion, ..version })
    }

    /// As [`Engine::version_of_similar`], of [`Engine::similar_to_vector_in`].
    pub fn version_of_near(&self, collection: Option<&str>, query: &Near) -> Result<Version> {
        self.version(collection, |versions| versions.of(Using::Vectors, query.filter.as_ref()))
    }

    fn version(&self, collection: Option<&str>, of: impl FnOnce(&Versions) -> Version) -> Result<Version> {
        let collection = self.live().collection(collection)?;
        let state = collection.read();
        Ok(of(&state.versions))
    }
}
