//! Hot rows: which rows of a hybrid collection are held in memory follows what is searched for, within the budget, and never
//! changes what is found.

use crate::collections::{create_with, to};
use crate::support::*;
use cairn_disk::{RealDisk, SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Elements, Engine, Hit, IndexKind, Options, Request,
    SearchOptions, Similar, StorageMode, StorageStats, Using, Write,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ROWS: usize = 3_000;
const DIMENSION: usize = 16;

/// Without background work, so that a test says when; a graph from 500 rows on.
fn quiet() -> Options {
    Options {
        maintenance: false,
        graph_rows_min: 500,
        vector_segment_bytes: 16 << 10,
        wal: Some(small_wal()),
        ..options()
    }
}

fn hybrid(hot_bytes: u64) -> CollectionSpec {
    let index = IndexKind::Graph;
    CollectionSpec { storage: StorageMode::Hybrid, hot_bytes, index, ..CollectionSpec::default() }
}

fn elements(n: usize) -> Vec<f32> {
    let mut numbers = Numbers(n as u64 + 7);
    (0..DIMENSION).map(|_| numbers.unit()).collect()
}

fn set(engine: &Engine, collection: &str, rows: impl Iterator<Item = usize>) {
    let writes: Vec<Request> =
        rows.map(|n| to(collection, vector(&format!("item-{n}"), &elements(n)))).collect();
    assert!(engine.write_requests(writes).iter().all(Result::is_ok));
}

fn fill(engine: &Engine, collection: &str, spec: CollectionSpec) {
    engine.change_collections(create_with(collection, spec)).expect("created");
    set(engine, collection, 0..ROWS);
    compact(engine, collection);
}

fn compact(engine: &Engine, collection: &str) {
    engine.checkpoint().expect("a checkpoint");
    engine.settle_columns().expect("mapped");
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(Some(collection), all, |_, _| ControlFlow::Continue(())).expect("it compacts");
}

fn configure(engine: &Engine, spec: CollectionSpec) {
    let change = CollectionChange::Configure { name: "v".to_owned(), spec: Box::new(spec) };
    engine.change_collections(change).expect("configured");
}

fn similar(engine: &Engine, collection: &str, n: usize, exact: bool) -> Vec<Hit> {
    let query = Similar {
        id: format!("item-{n}"),
        top_k: 10,
        using: Using::Vectors,
        filter: None,
        min_score: None,
        adaptive: None,
        how: SearchOptions { exact, ..SearchOptions::default() },
    };
    engine.similar_in(Some(collection), &query).expect("a search").results
}

fn stats(engine: &Engine) -> StorageStats {
    let stats = engine.storage_stats(Some("v")).expect("stats").remove(0);
    let (used, budget) = (stats.hot_bytes + stats.hot_vector_bytes, stats.spec.hot_bytes);
    assert!(stats.hot_vector_bytes == 0 || used <= budget, "{used} of {budget}: {stats:?}");
    stats
}

/// Searches around the items from `first` on, a few of which are asked for most.
fn skewed(engine: &Engine, first: usize, searches: usize, seed: u64) {
    let mut numbers = Numbers(seed);
    for n in 0..searches {
        let spread = [4, 4, 4, 40][numbers.below(4) as usize];
        similar(engine, "v", first + numbers.below(spread) as usize, false);
        if n % 50 == 0 {
            engine.settle_hot_rows().expect("settled");
            stats(engine);
        }
    }
    engine.settle_hot_rows().expect("settled");
}

/// Which share of what a stretch of searches reads is hot.
fn share_of(engine: &Engine, first: usize, seed: u64) -> f64 {
    let before = stats(engine);
    let mut numbers = Numbers(seed);
    (0..100).for_each(|_| drop(similar(engine, "v", first + numbers.below(4) as usize, false)));
    let after = stats(engine);
    let (hits, misses) = (after.hot_hits - before.hot_hits, after.hot_misses - before.hot_misses);
    hits as f64 / (hits + misses) as f64
}

/// What the graph of the collection takes: a budget has to leave room for rows beside it.
fn graph_bytes(engine: &Engine) -> u64 {
    engine.storage_stats(Some("v")).expect("stats").remove(0).derived_bytes
}

#[test]
fn what_is_searched_for_is_held_and_gives_way_when_the_load_moves() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, &quiet());
    fill(&engine, "v", hybrid(1 << 30));
    let graph = graph_bytes(&engine);
    // Room for some 300 of the 3,000 rows.
    configure(&engine, hybrid(graph + 40_000));
    engine.settle_hot_rows().expect("settled");
    let cold = stats(&engine);
    assert_eq!((cold.hot_rows, cold.promotions, cold.hot_bytes), (0, 0, graph), "the graph comes first");

    skewed(&engine, 0, 600, 1);
    let warm = stats(&engine);
    assert!(warm.hot_rows > 100 && warm.hot_rows < 400, "{warm:?}");
    let share = share_of(&engine, 0, 2);
    println!("{} of {ROWS} rows are hot: {:.1} % of reads hit them", warm.hot_rows, share * 100.0);
    assert!(share > 0.95, "{share}");

    // The load moves: what was hot goes, what is wanted now comes.
    assert!(share_of(&engine, 1_500, 3) < 0.7);
    skewed(&engine, 1_500, 2_500, 4);
    let moved = stats(&engine);
    assert!(moved.demotions > 100, "{moved:?}");
    let share = share_of(&engine, 1_500, 5);
    assert!(share > 0.95, "{share}");

    // Less room: rows go at once. None: all of them.
    configure(&engine, hybrid(graph + 15_000));
    engine.settle_hot_rows().expect("settled");
    let less = stats(&engine);
    assert!(less.hot_rows > 20 && less.hot_rows < moved.hot_rows / 2, "{less:?}");
    assert!(share_of(&engine, 1_500, 6) > 0.3, "the most wanted stay");
    configure(&engine, CollectionSpec { storage: StorageMode::Mmap, hot_bytes: 0, ..hybrid(0) });
    engine.settle_hot_rows().expect("settled");
    let none = stats(&engine);
    assert_eq!((none.hot_rows, none.hot_vector_bytes), (0, 0));
    assert_eq!(none.promotions, none.demotions, "what came went");
}

#[test]
fn searches_beside_promotions_and_writes_find_what_a_collection_in_memory_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let (engine, _) = Engine::open(disk, &dir.path().join("db"), quiet()).expect("it opens");
    fill(&engine, "memory", CollectionSpec { index: IndexKind::Graph, ..CollectionSpec::default() });
    fill(&engine, "v", hybrid(1 << 30));
    let budget = |rows: u64| graph_bytes(&engine) + 4_000 + 120 * rows;
    configure(&engine, hybrid(budget(200)));
    let expected: Vec<Vec<Hit>> = (0..300).map(|n| similar(&engine, "memory", n, false)).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The budget goes up and down, so that rows come and go all the time.
            let mut numbers = Numbers(3);
            while !stop.load(Ordering::Relaxed) {
                engine.settle_hot_rows().expect("settled");
                let rows = 50 + numbers.below(300);
                configure(&engine, hybrid(budget(rows)));
            }
        });
        let searches: Vec<_> = (0..2u64)
            .map(|seed| {
                let (engine, expected) = (&engine, &expected);
                scope.spawn(move || {
                    let mut numbers = Numbers(seed);
                    for _ in 0..3_000 {
                        let n = (numbers.below(300) * numbers.below(300) / 300) as usize;
                        assert_eq!(similar(engine, "v", n, false), expected[n], "around item {n}");
                    }
                })
            })
            .collect();
        let done: Vec<_> = searches.into_iter().map(|search| search.join()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(done.iter().all(Result::is_ok));
    });
    engine.settle_hot_rows().expect("settled");
    let stats = stats(&engine);
    println!("{} promotions, {} demotions, {} hits", stats.promotions, stats.demotions, stats.hot_hits);
    assert!(stats.promotions > 200 && stats.demotions > 100 && stats.hot_hits > 1_000, "{stats:?}");
    for n in 0..20 {
        assert_eq!(similar(&engine, "v", n, true), similar(&engine, "memory", n, true));
    }
}

#[test]
fn compaction_takes_the_heat_along_and_lets_the_old_rows_go() {
    let disk = SimDisk::new(2);
    let engine = open(&disk, &quiet());
    fill(&engine, "v", hybrid(1 << 30));
    configure(&engine, hybrid(2 * graph_bytes(&engine) + 60_000));
    skewed(&engine, 0, 400, 1);
    let before = stats(&engine);
    assert!(before.hot_rows > 50, "{before:?}");
    let view = engine.view().expect("a View holds the old segment");
    let gone: Vec<Request> =
        (1_000..2_000).map(|n| to("v", Write::VectorDelete { id: format!("item-{n}") })).collect();
    assert!(engine.write_requests(gone).iter().all(Result::is_ok));
    engine.settle_hot_rows().expect("settled");
    let dead_gone = stats(&engine);
    assert!(dead_gone.hot_rows < before.hot_rows, "dead rows are not hot: {dead_gone:?}");

    compact(&engine, "v");
    let moved = stats(&engine);
    assert_eq!((moved.segments, moved.dead_rows, moved.hot_rows), (1, 0, 0), "the old rows went: {moved:?}");
    assert_eq!(moved.promotions, moved.demotions);
    engine.settle_hot_rows().expect("settled");
    let after = stats(&engine);
    assert_eq!(after.hot_rows, dead_gone.hot_rows, "as many as before: their counts came along");
    // Where a third is gone, searches also read rows that stood behind these before.
    let share = share_of(&engine, 0, 9);
    assert!(share > 0.5, "{share}");
    skewed(&engine, 0, 200, 3);
    let share = share_of(&engine, 0, 9);
    assert!(share > 0.95, "{share}");
    drop(view);
}

#[test]
fn a_restart_begins_cold_and_the_state_is_the_same_whatever_is_hot() {
    let disk = SimDisk::new(3);
    let engine = open(&disk, &quiet());
    fill(&engine, "v", hybrid(1 << 30));
    let cold = hash(&engine.view().expect("a View"));
    let spec = hybrid(graph_bytes(&engine) + 100_000);
    configure(&engine, spec.clone());
    skewed(&engine, 0, 300, 1);
    assert!(stats(&engine).hot_rows > 50);
    let found: Vec<_> = (0..30).map(|n| similar(&engine, "v", n, false)).collect();
    assert_eq!(hash(&engine.view().expect("a View")), cold, "it is no part of the state");
    let lsn = engine.stats().lsn;
    engine.settle_hot_rows().expect("settled");
    assert_eq!(engine.stats().lsn, lsn, "nor of the log");
    engine.checkpoint().expect("a checkpoint");
    engine.close().expect("closed");
    drop(engine);

    let engine = open(&disk, &quiet());
    let restarted = stats(&engine);
    assert_eq!((restarted.hot_rows, restarted.hot_hits, restarted.promotions), (0, 0, 0));
    assert_eq!((0..30).map(|n| similar(&engine, "v", n, false)).collect::<Vec<_>>(), found);
    engine.settle_hot_rows().expect("settled");
    skewed(&engine, 0, 300, 1);
    assert!(share_of(&engine, 0, 2) > 0.95);
    assert_eq!(hash(&engine.view().expect("a View")), cold);
}

#[test]
fn rows_scored_again_after_codes_are_held_and_scans_hold_none() {
    let disk = SimDisk::new(4);
    let engine = open(&disk, &quiet());
    let spec = CollectionSpec { index: IndexKind::Flat, elements: Elements::I8, ..hybrid(1 << 30) };
    fill(&engine, "v", spec.clone());
    let hot_bytes = graph_bytes(&engine) + 30_000;
    configure(&engine, CollectionSpec { hot_bytes, ..spec });
    let expected: Vec<_> = (0..40).map(|n| similar(&engine, "v", n, false)).collect();
    skewed(&engine, 0, 400, 1);
    assert!(share_of(&engine, 0, 2) > 0.95);
    assert_eq!((0..40).map(|n| similar(&engine, "v", n, false)).collect::<Vec<_>>(), expected);

    // Without codes and graph every vector is looked at: that says nothing about any of them.
    let disk = SimDisk::new(5);
    let engine = open(&disk, &quiet());
    fill(&engine, "v", CollectionSpec { index: IndexKind::Flat, ..hybrid(1 << 20) });
    engine.settle_hot_rows().expect("settled");
    (0..200).for_each(|n| drop(similar(&engine, "v", n, false)));
    engine.settle_hot_rows().expect("settled");
    let stats = stats(&engine);
    assert!(stats.hot_hits + stats.hot_misses <= 200, "only the items asked for are counted: {stats:?}");
}

#[test]
fn the_background_does_it_by_itself_and_a_dropped_collection_holds_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let options = Options { maintenance: true, ..quiet() };
    let (engine, _) = Engine::open(disk, Path::new(&dir.path().join("db")), options).expect("it opens");
    fill(&engine, "v", hybrid(4 << 20));
    // How long it takes is not ours to say: it comes to it in the end.
    while stats(&engine).hot_rows < 20 {
        (0..10).for_each(|n| drop(similar(&engine, "v", n, false)));
        std::thread::yield_now();
    }
    engine.change_collections(CollectionChange::Drop { name: "v".to_owned() }).expect("dropped");
    engine.settle_hot_rows().expect("nothing to do");
    engine.close().expect("closed");
}
