//! `View`: the whole state at exactly one (timeline, LSN), for snapshots, exports, hashes and comparisons.

use crate::collection::{Collection, Counts};
use crate::dedup::{DedupView, Remembered};
use crate::error::{Error, Result};
use crate::event::EventRow;
use crate::metadata::Metadata;
use crate::metadata_pages::MetadataTable;
use crate::mutation::DEFAULT_COLLECTION;
use crate::names::{Contexts, Items, NamesView};
use crate::neighbours::NeighboursView;
use crate::places::Places;
use crate::rings::Rings;
use crate::settings::Settings;
use crate::spec::CollectionSpec;
use crate::state_hash;
use crate::vectors::Vectors;
use cairn_log::{DatabaseId, Lsn, TimelineId};
use std::collections::{BTreeMap, BTreeSet};

/// All collections' roots.
#[derive(Clone)]
pub(crate) struct StateView {
    /// By number: `default` is the first.
    pub collections: Vec<CollectionView>,
    pub aliases: BTreeMap<String, u32>,
    pub next_number: u32,
}

/// One collection's roots: all that is in it at the View's LSN.
#[derive(Clone)]
pub struct CollectionView {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) spec: CollectionSpec,
    pub(crate) items: NamesView<Items>,
    pub(crate) contexts: NamesView<Contexts>,
    pub(crate) places: Places,
    pub(crate) metadata: MetadataTable,
    pub(crate) rings: Rings,
    pub(crate) neighbours: NeighboursView,
    pub(crate) dedup: DedupView,
    pub(crate) vectors: Vectors,
    pub(crate) counts: Counts,
}

impl std::fmt::Debug for CollectionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectionView").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a state stands: of which database, on which timeline, after which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The database.
    pub database: DatabaseId,
    /// The timeline; an LSN means nothing without it.
    pub timeline: TimelineId,
    /// The last record applied.
    pub lsn: Lsn,
    /// When the View was taken, microseconds since the Unix epoch, UTC.
    pub time_us: i64,
}

/// The whole state at one (timeline, LSN). Taking one clones pointers; while it is held, the engine copies the pages
/// it writes. Hold it no longer than needed.
#[derive(Clone)]
pub struct View {
    pub(crate) position: Position,
    pub(crate) state: StateView,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("position", &self.position).finish_non_exhaustive()
    }
}

/// One remembered store of the dedup cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupRow<'a> {
    /// What is remembered.
    pub state: Remembered,
    /// The score stored.
    pub score: u8,
    /// In which context.
    pub context: &'a str,
    /// Of which item.
    pub id: &'a str,
    /// Event time, seconds since the Unix epoch.
    pub time_s: i64,
}

impl View {
    /// Where the state stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The timeline.
    pub fn timeline(&self) -> TimelineId {
        self.position.timeline
    }

    /// The last record applied.
    pub fn lsn(&self) -> Lsn {
        self.position.lsn
    }

    /// How much there is in all collections but the volatile ones.
    pub fn counts(&self) -> Counts {
        let lasting = self.state.collections.iter().filter(|collection| !collection.spec.volatile);
        lasting.map(|collection| collection.counts).sum()
    }

    /// The collection that is always there.
    pub fn default_collection(&self) -> &CollectionView {
        self.state.collections.first().expect("it is there from the first and never dropped")
    }

    /// All collections; `default` is the first.
    pub fn collections(&self) -> &[CollectionView] {
        &self.state.collections
    }

    /// The collection that a name or an alias means.
    pub fn collection(&self, name: &str) -> Option<&CollectionView> {
        let named = self.state.collections.iter().find(|collection| collection.name == name);
        named.or_else(|| {
            let number = self.state.aliases.get(name)?;
            self.state.collections.iter().find(|collection| collection.number == *number)
        })
    }

    /// The same state with the content of these collections alone, named by their names or aliases: `default` is empty unless
    /// it is one of them, and the others are not there. The position stays.
    pub fn only(mut self, names: &[String]) -> Result<View> {
        let mut wanted = BTreeSet::new();
        for name in names {
            let Some(found) = self.collection(name) else {
                return Err(Error::NotFound(format!("Collection not found: {name}")));
            };
            if found.spec.volatile {
                return Err(Error::Input(format!("Collection {name} is volatile: nothing of it is kept")));
            }
            wanted.insert(found.number);
        }
        self.keep(&wanted);
        Ok(self)
    }

    /// As [`View::only`], by numbers; those that are not there change nothing.
    pub(crate) fn keep(&mut self, numbers: &BTreeSet<u32>) {
        self.state.collections.retain(|c| c.number == DEFAULT_COLLECTION || numbers.contains(&c.number));
        self.state.aliases.retain(|_, number| numbers.contains(number));
        if !numbers.contains(&DEFAULT_COLLECTION) {
            let emptied = self.default_collection().emptied();
            self.state.collections[0] = emptied;
        }
    }

    /// Aliases and the names of the collections they mean.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.state.aliases.iter().filter_map(|(alias, number)| {
            let meant = self.state.collections.iter().find(|collection| collection.number == *number)?;
            Some((alias.as_str(), meant.name.as_str()))
        })
    }

    /// SHA-256 of the logical state (docs/format.md, "State hash"). Costs a sort of all ids.
    pub fn state_hash(&self) -> [u8; 32] {
        state_hash::of(&self.state)
    }
}

impl CollectionView {
    /// The roots as they are now: a few pointers, whatever the collection's size.
    pub(crate) fn of(number: u32, name: String, state: &Collection) -> CollectionView {
        CollectionView {
            number,
            name,
            settings: state.settings.clone(),
            spec: state.spec.clone(),
            items: state.items.view(),
            contexts: state.contexts.view(),
            places: state.places.clone(),
            metadata: state.metadata.clone(),
            rings: state.rings.clone(),
            neighbours: state.neighbours.view.clone(),
            dedup: state.dedup.view.clone(),
            vectors: state.vectors.clone(),
            counts: state.counts,
        }
    }

    /// As it is after a restart, when it is volatile: empty.
    pub(crate) fn emptied(&self) -> CollectionView {
        let mut empty = Collection::new(self.settings.clone());
        empty.configure(self.spec.clone());
        CollectionView::of(self.number, self.name.clone(), &empty)
    }

    /// Its number, which was never another's in this database.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is stored and indexed.
    pub fn spec(&self) -> &CollectionSpec {
        &self.spec
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The dimension of vectors; 0: none yet.
    pub fn dimension(&self) -> u32 {
        self.vectors.dimension
    }

    /// Contexts and their events, oldest first.
    pub fn contexts(&self) -> impl Iterator<Item = (&str, Vec<EventRow<'_>>)> {
        (0..self.contexts.count).map(|context| {
            let ring = self.rings.get(context).iter();
            let row = |e: &crate::event::RingEvent| EventRow {
                id: self.items.get(e.item),
                op: e.op,
                score: e.score,
                time_s: e.time_s,
            };
            (self.contexts.get(context), ring.map(row).collect())
        })
    }

    /// Items and their neighbours with logical scores: each pair stands at both items that list it.
    pub fn neighbours(&self) -> impl Iterator<Item = (&str, Vec<(&str, f64)>)> {
        self.neighbours.owners().map(|owner| {
            let list = self.neighbours.of(owner);
            (self.items.get(owner), list.map(|(n, score)| (self.items.get(n), score)).collect())
        })
    }

    /// Ids and vectors.
    pub fn vectors(&self) -> impl Iterator<Item = (&str, &[f32])> {
        self.places.items().map(|(item, place)| (self.items.get(item), self.vectors.get(place)))
    }

    /// Ids and metadata.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &Metadata)> {
        self.metadata.items().map(|(item, metadata)| (self.items.get(item), &**metadata))
    }

    /// What the dedup cache remembers, least recently stored first.
    pub fn dedup(&self) -> impl Iterator<Item = DedupRow<'_>> {
        self.dedup.entries().map(|e| DedupRow {
            state: e.state,
            score: e.score,
            context: self.contexts.get(e.context),
            id: self.items.get(e.item),
            time_s: e.time_s,
        })
    }
}
