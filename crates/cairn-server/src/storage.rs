//! STORAGE: compaction, mapping, and how much is where, over the wire.

use crate::command::{Compact, Mmap, StorageAsk};
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::reply::{Block, Reply};
use cairn_engine::{Advise, CollectionChange, CompactionPolicy, StorageMode, StorageStats};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn storage(backend: &EngineBackend, ask: &StorageAsk) -> Reply {
    let done = match ask {
        StorageAsk::Stats(collection) => stats(backend, collection.as_deref()),
        StorageAsk::Mmap(asked) => mmap(backend, asked),
        StorageAsk::Compact(asked) => compact(backend, asked),
    };
    done.map_or_else(Reply::Failed, Reply::Block)
}

fn stats(backend: &EngineBackend, collection: Option<&str>) -> Result<Block> {
    let mut block = Block::new("STORAGE");
    for s in backend.engine.storage_stats(collection)? {
        block = block.text(format!(
            "collection={} storage={} index={} segments={} graphs={} codes={} pending={} living_rows={} dead_rows={} \
             file_bytes={} derived_bytes={} memory_bytes={} hot_bytes={} hot_vector_bytes={} hot_rows={} \
             hit_share={:.4} promotions={} demotions={} mapped_bytes={} resident_bytes={}",
            s.collection,
            s.spec.storage.name(),
            s.spec.index.name(),
            s.segments,
            s.graphs,
            s.codes,
            s.pending,
            s.living_rows,
            s.dead_rows,
            s.file_bytes,
            s.derived_bytes,
            s.memory_bytes,
            s.hot_bytes,
            s.hot_vector_bytes,
            s.hot_rows,
            s.hit_share(),
            s.promotions,
            s.demotions,
            s.mapped_bytes,
            s.resident_bytes,
        ));
    }
    Ok(block)
}

/// Changes how collections are mapped: the one that is named, or all that are not volatile. Without a change, says how it is.
fn mmap(backend: &EngineBackend, asked: &Mmap) -> Result<Block> {
    let changes = asked.enable.is_some() || asked.advise.is_some() || asked.populate.is_some();
    let before = backend.engine.storage_stats(asked.collection.as_deref())?;
    let lasting = |stats: &&StorageStats| asked.collection.is_some() || !stats.spec.volatile;
    for stats in before.iter().filter(|_| changes).filter(lasting) {
        let mut spec = stats.spec.clone();
        match asked.enable {
            // A hybrid collection is mapped already.
            Some(true) if spec.storage == StorageMode::Memory => spec.storage = StorageMode::Mmap,
            Some(false) => (spec.storage, spec.hot_bytes) = (StorageMode::Memory, 0),
            _ => {}
        }
        spec.advise = asked.advise.unwrap_or(spec.advise);
        spec.populate = asked.populate.unwrap_or(spec.populate);
        if spec != stats.spec {
            let (name, spec) = (stats.collection.clone(), Box::new(spec));
            backend.engine.change_collections(CollectionChange::Configure { name, spec })?;
        }
    }
    if changes {
        // What was never written cannot be mapped; what can be moves now.
        backend.engine.checkpoint()?;
        backend.engine.settle_columns()?;
    }
    let after = backend.engine.storage_stats(asked.collection.as_deref())?;
    let mapped = |s: &&StorageStats| s.spec.storage != StorageMode::Memory;
    let first = after.iter().find(mapped).or(after.first());
    let sum = |f: fn(&StorageStats) -> u64| after.iter().map(f).sum::<u64>();
    Ok(Block::new("STORAGE_MMAP")
        .pair("mmap_enabled", after.iter().any(|s| mapped(&s)))
        .pair("advise_mode", first.map_or(Advise::Random, |s| s.spec.advise).name())
        .pair("populate", first.is_some_and(|s| s.spec.populate))
        .pair("total_mapped_bytes", sum(|s| s.mapped_bytes))
        .pair("resident_bytes", sum(|s| s.resident_bytes)))
}

fn compact(backend: &EngineBackend, asked: &Compact) -> Result<Block> {
    let defaults = CompactionPolicy::default();
    let policy = CompactionPolicy {
        dead_share: asked.threshold.unwrap_or(defaults.dead_share),
        aggressive: asked.aggressive,
        ..defaults
    };
    let started_us = backend.now_us();
    let cancelled = || backend.jobs.cancelled().load(Ordering::Relaxed);
    let report = backend.engine.compact(asked.collection.as_deref(), policy, |before, now| {
        tracing::info!(before_bytes = before, bytes = now, "compacting");
        if cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    // The log and what only it kept shrink with it.
    backend.engine.retain()?;
    let freed = report.before_bytes.saturating_sub(report.after_bytes);
    let percent =
        if report.before_bytes == 0 { 0.0 } else { freed as f64 * 100.0 / report.before_bytes as f64 };
    let status = if cancelled() { "cancelled" } else { "completed" };
    Ok(Block::new("STORAGE_COMPACTED")
        .pair("collections_compacted", report.collections.join(","))
        .pair("before_size_bytes", report.before_bytes)
        .pair("after_size_bytes", report.after_bytes)
        .pair("freed_bytes", freed)
        .pair("reduction_percent", format!("{percent:.1}"))
        .pair("duration_ms", (backend.now_us() - started_us).max(0) / 1_000)
        .pair("status", status))
}
