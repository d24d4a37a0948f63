//! COLLECTION and USE: which collections there are, over the wire.

use crate::collection_change::SpecChange;
use crate::command::Collections;
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::reply::{Block, Reply};
use crate::units::show_size;
use cairn_engine::{CollectionChange, CollectionInfo, IndexKind, Settings, StorageMode};

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn collections(backend: &EngineBackend, ask: &Collections) -> Reply {
    let done = match ask {
        Collections::Create { name, change } => create(backend, name, change),
        Collections::List => list(backend),
        Collections::Stats(name) => stats(backend, name),
        Collections::Drop { name, dry_run } => drop_one(backend, name, *dry_run),
        Collections::Rename { from, to } => {
            let change = CollectionChange::Rename { from: from.clone(), to: to.clone() };
            changed(backend, change, Block::new(format!("COLLECTION_RENAMED {from} {to}")))
        }
        Collections::Alias { alias, name } => {
            let change = CollectionChange::AliasSet { alias: alias.clone(), collection: name.clone() };
            changed(backend, change, Block::new(format!("COLLECTION_ALIAS {alias} {name}")))
        }
        Collections::Unalias(alias) => {
            let change = CollectionChange::AliasDrop { alias: alias.clone() };
            changed(backend, change, Block::new(format!("COLLECTION_UNALIASED {alias}")))
        }
        Collections::Configure { name, change } => configure(backend, name, change),
    };
    done.map_or_else(Reply::Failed, Reply::Block)
}

fn changed(backend: &EngineBackend, change: CollectionChange, block: Block) -> Result<Block> {
    backend.engine.change_collections(change)?;
    Ok(block)
}

fn create(backend: &EngineBackend, name: &str, change: &SpecChange) -> Result<Block> {
    let defaults = Settings { dimension: 0, ..backend.engine.options().settings.clone() };
    let (settings, spec) = change.create(&defaults);
    let create = CollectionChange::Create {
        name: name.to_owned(),
        settings: Box::new(settings),
        spec: Box::new(spec),
    };
    let block = noted(Block::new(format!("COLLECTION_CREATED {name}")), change);
    changed(backend, create, block)?;
    let info = backend.engine.collection_info(name)?;
    Ok(described(noted(Block::new(format!("COLLECTION_CREATED {name}")), change), &info))
}

fn configure(backend: &EngineBackend, name: &str, change: &SpecChange) -> Result<Block> {
    change.check_existing()?;
    let info = backend.engine.collection_info(name)?;
    let spec = Box::new(change.applied_to(info.spec));
    let configure = CollectionChange::Configure { name: name.to_owned(), spec };
    backend.engine.change_collections(configure)?;
    let info = backend.engine.collection_info(name)?;
    Ok(described(noted(Block::new(format!("COLLECTION_CONFIGURED {}", info.name)), change), &info))
}

fn noted(block: Block, change: &SpecChange) -> Block {
    change.notes.iter().fold(block, |block, note| block.text(format!("note: {note}")))
}

fn drop_one(backend: &EngineBackend, name: &str, dry_run: bool) -> Result<Block> {
    let info = backend.engine.collection_info(name)?;
    let verb = if dry_run { "COLLECTION_WOULD_DROP" } else { "COLLECTION_DROPPED" };
    if !dry_run {
        backend.engine.change_collections(CollectionChange::Drop { name: name.to_owned() })?;
    }
    Ok(Block::new(format!("{verb} {name}"))
        .pair("vectors", info.counts.vectors)
        .pair("events", info.counts.events)
        .pair("aliases", info.aliases.join(",")))
}

fn list(backend: &EngineBackend) -> Result<Block> {
    let all = backend.engine.collections();
    let mut block = Block::new("COLLECTIONS").pair("collections", all.len());
    for info in all {
        let aliases = if info.aliases.is_empty() { "-".to_owned() } else { info.aliases.join(",") };
        block = block.text(format!(
            "collection={} dimension={} metric={} vectors={} events={} storage={} index={} elements={} aliases={aliases}",
            info.name,
            info.dimension,
            info.settings.metric.name(),
            info.counts.vectors,
            info.counts.events,
            info.spec.storage.name(),
            info.spec.index.name(),
            info.spec.elements.name(),
        ));
    }
    Ok(block)
}

fn stats(backend: &EngineBackend, name: &str) -> Result<Block> {
    let info = backend.engine.collection_info(name)?;
    let storage = backend.engine.storage_stats(Some(name))?.remove(0);
    Ok(described(Block::new(format!("COLLECTION_STATS {}", info.name)), &info)
        .pair("aliases", info.aliases.join(","))
        .pair("vectors", info.counts.vectors)
        .pair("metadata", info.counts.metadata)
        .pair("contexts", info.counts.contexts)
        .pair("events", info.counts.events)
        .pair("co_occurrence_pairs", info.counts.pairs)
        .pair("vector_bytes", info.vector_bytes)
        .pair("file_bytes", storage.file_bytes)
        .pair("derived_bytes", storage.derived_bytes)
        .pair("memory_bytes", storage.memory_bytes)
        .pair("hot_bytes", storage.hot_bytes)
        .pair("hot_vector_bytes", storage.hot_vector_bytes)
        .pair("hot_rows", storage.hot_rows)
        .pair("hit_share", format!("{:.4}", storage.hit_share()))
        .pair("promotions", storage.promotions)
        .pair("demotions", storage.demotions)
        .pair("mapped_bytes", storage.mapped_bytes)
        .pair("resident_bytes", storage.resident_bytes)
        .pair("segments", storage.segments)
        .pair("graphs", storage.graphs)
        .pair("codes", storage.codes)
        .pair("pending", storage.pending)
        .pair("dead_rows", storage.dead_rows)
        .pair("indexed_fields", storage.fields.join(",")))
}

/// How a collection is stored, indexed and bounded.
fn described(block: Block, info: &CollectionInfo) -> Block {
    let spec = &info.spec;
    let mut block = block
        .pair("collection", &info.name)
        .pair("dimension", info.dimension)
        .pair("metric", info.settings.metric.name())
        .pair("storage", spec.storage.name());
    if spec.storage == StorageMode::Hybrid {
        block = block.pair("hot_tier_size", show_size(spec.hot_bytes));
    }
    if spec.storage != StorageMode::Memory {
        block = block.pair("advise", spec.advise.name()).pair("populate", spec.populate);
    }
    block = block.pair("index", spec.index.name());
    if spec.index == IndexKind::Graph {
        block = block
            .pair("m", spec.m)
            .pair("ef_construction", spec.ef_construction)
            .pair("ef_search", spec.ef_search);
    }
    block
        .pair("elements", spec.elements.name())
        .pair("max_vectors", spec.max_vectors)
        .pair("max_bytes", spec.max_bytes)
        .pair("fields", spec.fields.join(","))
        .pair("volatile", spec.volatile)
}
