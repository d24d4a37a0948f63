//! What the engine's users ask of storage: compaction now, and how much is where.

use crate::compaction::CompactionPolicy;
use crate::derived::{DerivedKind, missing};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::maintenance::giving_way;
use crate::spec::{CollectionSpec, StorageMode};
use crate::state::Slot;
use std::ops::ControlFlow;

/// What [`Engine::compact`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// The collections of which something was rewritten.
    pub collections: Vec<String>,
    /// Bytes of the vector segments of all collections asked for, before. What is computed from them is not counted: a
    /// compaction may be what first gives a segment a graph.
    pub before_bytes: u64,
    /// The same afterwards. Files that going back still needs stay on disk until retention lets them go.
    pub after_bytes: u64,
    /// How many segments were made.
    pub segments_made: u64,
}

/// Where a collection's vectors are.
#[derive(Debug, Clone, PartialEq)]
pub struct StorageStats {
    /// The collection.
    pub collection: String,
    /// How it is stored and indexed.
    pub spec: CollectionSpec,
    /// Sealed vector segments.
    pub segments: u64,
    /// Segments that have a graph.
    pub graphs: u64,
    /// Segments that have codes.
    pub codes: u64,
    /// Segments that lack something that their collection wants: it is being computed.
    pub pending: u64,
    /// Metadata fields that have an index, declared or learned.
    pub fields: Vec<String>,
    /// Rows in sealed segments that live, and that are dead.
    pub living_rows: u64,
    /// Rows that were replaced, deleted or moved: compaction takes their space back.
    pub dead_rows: u64,
    /// Bytes of the files of segments.
    pub file_bytes: u64,
    /// Bytes of the files of what is computed from them: graphs and codes.
    pub derived_bytes: u64,
    /// Bytes of vector columns in memory of the process's own.
    pub memory_bytes: u64,
    /// Bytes of graphs and codes in memory of the process's own: of a hybrid collection within its budget.
    pub hot_bytes: u64,
    /// Bytes of rows that a hybrid collection holds in memory beside its mapping, and of what it notes about rows: within
    /// what graphs and codes leave of its budget.
    pub hot_vector_bytes: u64,
    /// How many rows these are.
    pub hot_rows: u64,
    /// Rows that searches read from these, since the database was opened.
    pub hot_hits: u64,
    /// Rows that searches read from the mapping.
    pub hot_misses: u64,
    /// Rows that were brought into memory.
    pub promotions: u64,
    /// Rows that were let go again.
    pub demotions: u64,
    /// Bytes mapped from files.
    pub mapped_bytes: u64,
    /// Of these, how many the system has in memory now.
    pub resident_bytes: u64,
}

impl StorageStats {
    /// Which share of the rows that searches read was in memory, 0 to 1; 0 when none was read.
    pub fn hit_share(&self) -> f64 {
        self.hot_hits as f64 / (self.hot_hits + self.hot_misses).max(1) as f64
    }
}

impl Engine {
    /// Compacts a collection, or all: what `policy` says is worth it. Reads and writes go on. `progress` is told after each
    /// step how many bytes there were to begin with and are now, and may end the work between two steps. When it ends, a
    /// checkpoint has published the result, and files that nothing needs any more are gone.
    pub fn compact(
        &self,
        collection: Option<&str>,
        policy: CompactionPolicy,
        progress: impl FnMut(u64, u64) -> ControlFlow<()> + Send,
    ) -> Result<CompactionReport> {
        policy.validate()?;
        giving_way(|| self.compact_now(collection, policy, progress))?
    }

    fn compact_now(
        &self,
        collection: Option<&str>,
        policy: CompactionPolicy,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<CompactionReport> {
        let status = self.stats().status;
        if status.read_only {
            return Err(Error::ReadOnly("state of the past".to_owned()));
        }
        let names = self.names(collection)?;
        let bytes = || Ok::<u64, Error>(self.storage_stats(collection)?.iter().map(|s| s.file_bytes).sum());
        let mut report = CompactionReport { before_bytes: bytes()?, ..CompactionReport::default() };
        'all: for name in names {
            let mut worked = false;
            while self.inner.maintenance.compact_once(&name, policy)? {
                worked = true;
                report.segments_made += 1;
                if progress(report.before_bytes, bytes()?).is_break() {
                    report.collections.push(name);
                    break 'all;
                }
            }
            while self.inner.maintenance.derive_once(Some(&name))? {
                if progress(report.before_bytes, bytes()?).is_break() {
                    break 'all;
                }
            }
            if worked {
                report.collections.push(name);
            }
        }
        self.checkpoint()?;
        report.after_bytes = bytes()?;
        Ok(report)
    }

    /// Waits until nothing is lacking: every graph and code is computed, every index on a metadata field that is due built.
    pub fn wait_indexed(&self, collection: Option<&str>) -> Result<()> {
        for name in self.names(collection)? {
            while self.inner.maintenance.derive_once(Some(&name))? {}
        }
        while self.inner.maintenance.index_fields_once()? {}
        Ok(())
    }

    /// Brings rows in and out until each hybrid collection has those in memory that searches wanted most. The background does
    /// so by itself; this is for who wants it now.
    pub fn settle_hot_rows(&self) -> Result<()> {
        while self.inner.maintenance.warm_once()? {}
        Ok(())
    }

    /// Where the vectors of a collection, or of all, are now.
    pub fn storage_stats(&self, collection: Option<&str>) -> Result<Vec<StorageStats>> {
        let names = self.names(collection)?;
        let live = self.live();
        let state = live.state.read();
        state
            .iter()
            .filter(|(_, slot)| names.contains(&slot.name))
            .map(|(_, slot)| stats_of(slot, self.options().graph_rows_min))
            .collect()
    }

    fn names(&self, collection: Option<&str>) -> Result<Vec<String>> {
        let live = self.live();
        let state = live.state.read();
        match collection {
            Some(name) => Ok(vec![state.named(name)?.1.name.clone()]),
            None => Ok(state.iter().map(|(_, slot)| slot.name.clone()).collect()),
        }
    }
}

fn stats_of(slot: &Slot, graph_rows_min: u32) -> Result<StorageStats> {
    let (spec, vectors, fields) = {
        let state = slot.collection.read();
        (state.spec.clone(), state.vectors.clone(), state.fields.fields())
    };
    let heat = vectors.heat.totals();
    let mut stats = StorageStats {
        collection: slot.name.clone(),
        segments: vectors.segments.len() as u64,
        graphs: 0,
        codes: 0,
        pending: 0,
        fields,
        living_rows: 0,
        dead_rows: 0,
        file_bytes: 0,
        derived_bytes: 0,
        memory_bytes: 0,
        hot_bytes: 0,
        hot_vector_bytes: 0,
        hot_rows: 0,
        hot_hits: heat.hits,
        hot_misses: heat.misses,
        promotions: heat.promotions,
        demotions: heat.demotions,
        mapped_bytes: 0,
        resident_bytes: 0,
        spec,
    };
    for segment in vectors.segments.iter() {
        let derived = segment.derived();
        stats.graphs += u64::from(derived.graph().is_some());
        stats.codes += u64::from(derived.codes().is_some());
        stats.pending += u64::from(missing(segment, &stats.spec, graph_rows_min).is_some());
        stats.dead_rows += u64::from(vectors.dead.count(segment.number));
        stats.living_rows += u64::from(vectors.living(segment));
        let of_derived = DerivedKind::ALL.into_iter().filter_map(|kind| derived.get(kind));
        stats.derived_bytes += of_derived.map(|data| data.bytes().len() as u64).sum::<u64>();
        stats.hot_bytes += DerivedKind::ALL.into_iter().map(|kind| derived.memory_bytes(kind)).sum::<u64>();
        if let Some(held) = segment.hot().held() {
            stats.hot_vector_bytes += held.bytes(segment.dimension());
            stats.hot_rows += held.len() as u64;
        }
        stats.file_bytes += segment.file_bytes() as u64;
        match segment.mapping() {
            Some(mapping) => {
                stats.mapped_bytes += mapping.len() as u64;
                stats.resident_bytes += mapping.resident_bytes()?;
            }
            None => stats.memory_bytes += segment.vector_bytes(),
        }
    }
    if stats.spec.storage == StorageMode::Memory && vectors.dimension > 0 {
        stats.memory_bytes += 4 * u64::from(vectors.dimension) * u64::from(vectors.buffer.rows);
    }
    Ok(stats)
}
