//! `View`: the whole state at exactly one (timeline, LSN), for snapshots, exports, hashes and comparisons.

use crate::collection::{Collection, Counts};
use crate::dedup::{DedupView, Remembered};
use crate::event::EventRow;
use crate::metadata::Metadata;
use crate::metadata_pages::MetadataTable;
use crate::names::{Contexts, Items, NamesView};
use crate::neighbours::NeighboursView;
use crate::places::Places;
use crate::rings::Rings;
use crate::settings::Settings;
use crate::state_hash;
use crate::vectors::Vectors;
use cairn_log::{DatabaseId, Lsn, TimelineId};

/// A collection's roots.
#[derive(Clone)]
pub(crate) struct CollectionView {
    pub settings: Settings,
    pub items: NamesView<Items>,
    pub contexts: NamesView<Contexts>,
    pub places: Places,
    pub metadata: MetadataTable,
    pub rings: Rings,
    pub neighbours: NeighboursView,
    pub dedup: DedupView,
    pub vectors: Vectors,
    pub counts: Counts,
}

impl Collection {
    /// The roots as they are now: a few pointers, whatever the collection's size.
    pub fn view(&self) -> CollectionView {
        CollectionView {
            settings: self.settings.clone(),
            items: self.items.view(),
            contexts: self.contexts.view(),
            places: self.places.clone(),
            metadata: self.metadata.clone(),
            rings: self.rings.clone(),
            neighbours: self.neighbours.view.clone(),
            dedup: self.dedup.view.clone(),
            vectors: self.vectors.clone(),
            counts: self.counts,
        }
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
    pub(crate) state: CollectionView,
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

    /// How much there is.
    pub fn counts(&self) -> Counts {
        self.state.counts
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.state.settings
    }

    /// The dimension of vectors; 0: none yet.
    pub fn dimension(&self) -> u32 {
        self.state.vectors.dimension
    }

    /// SHA-256 of the logical state (docs/format.md, "State hash"). Costs a sort of all ids.
    pub fn state_hash(&self) -> [u8; 32] {
        state_hash::of(&self.state)
    }

    /// Contexts and their events, oldest first.
    pub fn contexts(&self) -> impl Iterator<Item = (&str, Vec<EventRow<'_>>)> {
        (0..self.state.contexts.count).map(|context| {
            let ring = self.state.rings.get(context).iter();
            let row = |e: &crate::event::RingEvent| EventRow {
                id: self.state.items.get(e.item),
                op: e.op,
                score: e.score,
                time_s: e.time_s,
            };
            (self.state.contexts.get(context), ring.map(row).collect())
        })
    }

    /// Items and their neighbours with logical scores: each pair stands at both items that list it.
    pub fn neighbours(&self) -> impl Iterator<Item = (&str, Vec<(&str, f64)>)> {
        self.state.neighbours.owners().map(|owner| {
            let list = self.state.neighbours.of(owner);
            (self.state.items.get(owner), list.map(|(n, score)| (self.state.items.get(n), score)).collect())
        })
    }

    /// Ids and vectors.
    pub fn vectors(&self) -> impl Iterator<Item = (&str, &[f32])> {
        self.state
            .places
            .items()
            .map(|(item, place)| (self.state.items.get(item), self.state.vectors.get(place)))
    }

    /// Ids and metadata.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &Metadata)> {
        self.state.metadata.items().map(|(item, metadata)| (self.state.items.get(item), &**metadata))
    }

    /// What the dedup cache remembers, least recently stored first.
    pub fn dedup(&self) -> impl Iterator<Item = DedupRow<'_>> {
        self.state.dedup.entries().map(|e| DedupRow {
            state: e.state,
            score: e.score,
            context: self.state.contexts.get(e.context),
            id: self.state.items.get(e.item),
            time_s: e.time_s,
        })
    }
}
