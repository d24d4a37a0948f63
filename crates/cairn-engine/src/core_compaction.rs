//! The core's side of compaction: planning one, and moving its rows in.

use crate::collection::Collection;
use crate::compaction::{self, CompactionPolicy, MOVE_AT_ONCE, MergeJob, Merged, Pace};
use crate::core::Core;
use crate::derived::{self, DeriveJob};
use crate::error::Result;
use crate::field_index::FieldIndexes;
use crate::indexed_fields::FieldsJob;
use crate::layout::{TimelineDir, segment_name};
use crate::spec::{CollectionSpec, StorageMode};
use crate::vector_segment::VectorSegment;
use cairn_disk::{Storage, Throttled};
use cairn_log::TimelineId;
use std::sync::Arc;

impl Core {
    /// The disk for work beside the writers: it gives way to their syncs.
    pub(crate) fn background(&self) -> Arc<dyn Storage> {
        Arc::new(Throttled::new(Arc::clone(&self.storage), Arc::clone(&self.options.throttle)))
    }

    /// Starts the compaction that a collection needs most, if any: [`MergeJob::run`] may run beside further steps.
    pub fn begin_merge(&mut self, collection: &str, policy: &CompactionPolicy) -> Option<MergeJob> {
        if self.read_only.is_some() || self.failed.is_some() {
            return None;
        }
        let (collection, shared) = {
            let state = self.live.state.read();
            let (number, slot) = state.named(collection).ok()?;
            (number, Arc::clone(&slot.collection))
        };
        let mut state = shared.write();
        // Compactions come one after the other: what is still being moved was left in the middle.
        state.vectors.moving_to = None;
        state.vectors.drop_dead_segments();
        let sources = compaction::plan(&state.vectors, &state.spec, policy);
        if sources.is_empty() {
            return None;
        }
        let number = state.vectors.reserve();
        let job = MergeJob {
            storage: self.background(),
            dir: self.dir.clone(),
            timeline: self.live.timeline.id,
            collection,
            number,
            spec: state.spec.clone(),
            metric: state.settings.metric,
            graph_rows_min: self.options.graph_rows_min,
            vectors: state.vectors.clone(),
            sources,
        };
        if job.spec.storage != StorageMode::Memory {
            self.unpublished.insert(segment_name((collection, number)));
        }
        Some(job)
    }

    /// Forgets a compaction that failed: what is left of its file is nobody's.
    pub(crate) fn abandon_merge(&mut self, job: &MergeJob) {
        self.unpublished.remove(&segment_name((job.collection, job.number)));
    }

    /// Moves some rows, from `first` on, into a merged segment: the first call adds it, the last ends the move. True while
    /// more is to do. A segment of another timeline, or of a collection that is gone, is let go.
    pub fn move_in(&mut self, merged: &Merged, first: usize, rows: usize) -> bool {
        let Merged { timeline, collection, segment, from } = merged;
        if *timeline != self.live.timeline.id {
            return false;
        }
        let state = self.live.state.read();
        let Some(slot) = state.get(*collection) else { return false };
        let mut state = slot.collection.write();
        let Collection { vectors, places, .. } = &mut *state;
        if first == 0 {
            vectors.begin_move(Arc::clone(segment));
        }
        let end = (first + rows).min(from.len());
        vectors.move_rows(places, segment.number, first as u32, &from[first..end]);
        if end == from.len() {
            vectors.end_move(segment.number);
            self.layout_changed = true;
        }
        end < from.len()
    }

    /// Compacts a collection once, in this thread. Whether there was anything to do.
    pub fn compact(&mut self, collection: &str, policy: &CompactionPolicy) -> Result<bool> {
        self.live.state.read().named(collection)?;
        let Some(job) = self.begin_merge(collection, policy) else { return Ok(false) };
        let merged = job.run(&Pace::default()).inspect_err(|_| self.abandon_merge(&job))?;
        if let Some(merged) = merged {
            let mut first = 0;
            while self.move_in(&merged, first, MOVE_AT_ONCE) {
                first += MOVE_AT_ONCE;
            }
        }
        Ok(true)
    }

    /// The names of all collections.
    pub(crate) fn collection_names(&self) -> Vec<String> {
        self.live.state.read().iter().map(|(_, slot)| slot.name.clone()).collect()
    }

    /// Something derived that a segment lacks, if any: [`DeriveJob::run`] may run beside further steps.
    pub(crate) fn begin_derive(&self, collection: Option<&str>) -> Option<DeriveJob> {
        let state = self.live.state.read();
        state.iter().filter(|(_, slot)| collection.is_none_or(|name| name == slot.name)).find_map(
            |(number, slot)| {
                let state = slot.collection.read();
                let settled = |s: &&Arc<VectorSegment>| state.vectors.moving_to != Some(s.number);
                state.vectors.segments.iter().filter(settled).find_map(|segment| {
                    Some(DeriveJob {
                        collection: number,
                        kind: derived::missing(segment, &state.spec, self.options.graph_rows_min)?,
                        segment: Arc::clone(segment),
                        metric: state.settings.metric,
                        spec: state.spec.clone(),
                    })
                })
            },
        )
    }

    /// Computes one thing that a segment lacks, in this thread. Whether there was any.
    pub fn derive(&mut self, collection: &str) -> Result<bool> {
        let Some(job) = self.begin_derive(Some(collection)) else { return Ok(false) };
        let done = job.run(1, &|| false)?;
        self.layout_changed = true;
        Ok(done)
    }

    /// A segment whose columns are not where its collection wants them, if any.
    pub(crate) fn begin_columns(&self) -> Option<ColumnsJob> {
        let state = self.live.state.read();
        state.iter().find_map(|(number, slot)| {
            let state = slot.collection.read();
            let wants_memory = state.spec.storage == StorageMode::Memory;
            let misplaced = state.vectors.segments.iter().find(|segment| match segment.mapping() {
                Some(_) => wants_memory,
                None => !wants_memory && segment.stored().is_some(),
            })?;
            Some(ColumnsJob {
                storage: self.background(),
                dir: self.dir.clone(),
                timeline: self.live.timeline.id,
                collection: number,
                spec: state.spec.clone(),
                segment: Arc::clone(misplaced),
            })
        })
    }

    /// Puts a segment with moved columns in place.
    pub(crate) fn end_columns(&mut self, job: &ColumnsJob, segment: Arc<VectorSegment>) {
        if job.timeline == self.live.timeline.id
            && let Some(slot) = self.live.state.read().get(job.collection)
        {
            slot.collection.write().vectors.swap_columns(segment);
        }
    }

    /// Indexes on metadata fields that are due in some collection, if any: to be built beside the sequencer.
    pub(crate) fn begin_fields(&self) -> Option<(u32, FieldsJob)> {
        let state = self.live.state.read();
        state.iter().find_map(|(number, slot)| {
            let mut state = slot.collection.write();
            let Collection { fields, metadata, .. } = &mut *state;
            Some((number, fields.begin(metadata, self.live.timeline.id)?))
        })
    }

    /// Takes over indexes on metadata fields.
    pub(crate) fn end_fields(&self, collection: u32, job: &FieldsJob, built: FieldIndexes) {
        if job.timeline == self.live.timeline.id
            && let Some(slot) = self.live.state.read().get(collection)
        {
            let mut state = slot.collection.write();
            let Collection { fields, metadata, .. } = &mut *state;
            fields.end(job, built, metadata);
        }
    }

    /// Builds the indexes on metadata fields that are due, in this thread. Whether there were any.
    pub fn index_fields(&mut self) -> bool {
        let Some((collection, job)) = self.begin_fields() else { return false };
        let built = job.run();
        self.end_fields(collection, &job, built);
        true
    }

    /// Whether what is in memory is laid out otherwise than the newest checkpoint, though the content is the same.
    pub(crate) fn note_layout(&mut self) {
        self.layout_changed = true;
    }
}

/// A segment's columns to be moved into memory or out of it, beside the sequencer.
pub(crate) struct ColumnsJob {
    storage: Arc<dyn Storage>,
    dir: TimelineDir,
    timeline: TimelineId,
    collection: u32,
    spec: CollectionSpec,
    segment: Arc<VectorSegment>,
}

impl ColumnsJob {
    /// The equal segment.
    pub fn run(&self) -> Result<Arc<VectorSegment>> {
        Ok(Arc::new(match self.spec.storage {
            StorageMode::Memory => self.segment.to_owned_columns(),
            _ => self.segment.to_mapped(&*self.storage, &self.dir, self.collection, &self.spec)?,
        }))
    }
}
