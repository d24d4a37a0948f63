//! `IndexedFields`: a collection's indexes on metadata fields: the declared ones, and those that searches asked for often.

use crate::field_index::{FieldDemand, FieldIndexes, Matching};
use crate::filter::Filter;
use crate::metadata::Metadata;
use crate::metadata_pages::MetadataTable;
use cairn_log::TimelineId;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The indexes, and what is wanted of them. Derived from the metadata: not part of the state.
#[derive(Default)]
pub(crate) struct IndexedFields {
    indexes: FieldIndexes,
    demand: FieldDemand,
    declared: BTreeSet<String>,
    /// Fields that are to be indexed.
    due: Mutex<BTreeSet<String>>,
    /// While indexes are built apart: the items whose metadata changed since.
    changed: Option<BTreeSet<u32>>,
}

/// Indexes to be built beside the sequencer, from the metadata as they were when it began.
pub(crate) struct FieldsJob {
    pub fields: Vec<String>,
    /// Of which timeline they are.
    pub timeline: TimelineId,
    metadata: MetadataTable,
}

impl FieldsJob {
    pub fn run(&self) -> FieldIndexes {
        let items = self.metadata.items().map(|(item, metadata)| (item, &**metadata));
        FieldIndexes::build(self.fields.iter().cloned(), items)
    }
}

impl IndexedFields {
    /// These fields are indexed from now on, or as soon as the background comes to it.
    pub fn declare(&mut self, fields: &[String]) {
        self.declared = fields.iter().cloned().collect();
        let missing = self.declared.iter().filter(|field| !self.indexes.has(field)).cloned();
        self.due.lock().extend(missing);
    }

    /// Declared fields of an empty collection need no building.
    pub fn declare_empty(&mut self, fields: &[String]) {
        self.declared = fields.iter().cloned().collect();
        self.indexes = FieldIndexes::new(fields.iter().cloned());
    }

    /// An item's metadata change.
    pub fn set(&mut self, item: u32, old: Option<&Metadata>, new: Option<&Metadata>) {
        self.indexes.set(item, old, new);
        if let Some(changed) = &mut self.changed {
            changed.insert(item);
        }
    }

    /// What the indexes know of a filter; counts what it asks for.
    pub fn matching(&self, filter: &Filter, items: u32) -> Option<Matching> {
        let learned = self.indexes.fields().filter(|field| !self.declared.contains(*field)).count();
        let due = self.demand.note(filter, items, learned, |field| self.indexes.has(field));
        if !due.is_empty() {
            self.due.lock().extend(due);
        }
        self.indexes.matching(filter, items)
    }

    /// The indexed fields.
    pub fn fields(&self) -> Vec<String> {
        self.indexes.fields().map(str::to_owned).collect()
    }

    /// Begins to build what is due, if anything is.
    pub fn begin(&mut self, metadata: &MetadataTable, timeline: TimelineId) -> Option<FieldsJob> {
        let due = std::mem::take(&mut *self.due.lock());
        let fields: Vec<String> = due.into_iter().filter(|field| !self.indexes.has(field)).collect();
        if fields.is_empty() {
            return None;
        }
        self.changed = Some(BTreeSet::new());
        Some(FieldsJob { fields, timeline, metadata: metadata.clone() })
    }

    /// Takes over what was built, and what changed meanwhile.
    pub fn end(&mut self, job: &FieldsJob, mut built: FieldIndexes, now: &MetadataTable) {
        for item in self.changed.take().unwrap_or_default() {
            let metadata = |table: &MetadataTable| table.get(item).map(Arc::clone);
            let (old, new) = (metadata(&job.metadata), metadata(now));
            built.set(item, old.as_deref(), new.as_deref());
        }
        job.fields.iter().for_each(|field| self.demand.forget(field));
        self.indexes.merge(built);
    }
}
