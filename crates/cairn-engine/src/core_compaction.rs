//! The core's side of compaction: planning one, and moving its rows in.

use crate::collection::Collection;
use crate::compaction::{self, CompactionPolicy, MOVE_AT_ONCE, MergeJob, Merged, Pace};
use crate::core::Core;
use crate::error::Result;
use crate::layout::segment_name;
use crate::spec::StorageMode;
use std::sync::Arc;

impl Core {
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
        let sources = compaction::plan(&state.vectors, &state.spec, policy);
        if sources.is_empty() {
            return None;
        }
        let number = state.vectors.reserve();
        let job = MergeJob {
            storage: Arc::clone(&self.storage),
            dir: self.dir.clone(),
            timeline: self.live.timeline.id,
            collection,
            number,
            mode: state.spec.storage,
            vectors: state.vectors.clone(),
            sources,
        };
        if job.mode != StorageMode::Memory {
            self.unpublished.insert(segment_name((collection, number)));
        }
        Some(job)
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
        }
        end < from.len()
    }

    /// Compacts a collection once, in this thread. Whether there was anything to do.
    pub fn compact(&mut self, collection: &str, policy: &CompactionPolicy) -> Result<bool> {
        self.live.state.read().named(collection)?;
        let Some(job) = self.begin_merge(collection, policy) else { return Ok(false) };
        if let Some(merged) = job.run(&Pace::default())? {
            let mut first = 0;
            while self.move_in(&merged, first, MOVE_AT_ONCE) {
                first += MOVE_AT_ONCE;
            }
        }
        Ok(true)
    }
}
