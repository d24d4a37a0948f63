//! Recall on real data: what graphs and codes find beside the truth, as built, after a restart, a restore, a compaction,
//! with a third deleted, and with filters.
//!
//! `CAIRN_DEBIAN=DIR` takes the full set in DIR instead of the sample (`just recall DIR`).

use crate::collections::{create_with, to};
use crate::sample::{ids, npy, shipped};
use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{
    CollectionSpec, CompactionPolicy, Elements, Engine, Filter, IndexKind, Near, Options, Request,
    SearchOptions, StorageMode, Write, restore_dir,
};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A set of items and queries.
struct Set {
    ids: Vec<String>,
    vectors: Vec<Vec<f32>>,
    queries: Vec<Vec<f32>>,
}

fn set() -> Set {
    let dir = std::env::var_os("CAIRN_DEBIAN").map_or_else(shipped, PathBuf::from);
    Set {
        ids: ids(&dir.join("items.jsonl.gz")),
        vectors: npy(&dir.join("vectors.f16.npy")).floats(),
        queries: npy(&dir.join("query_vectors.f16.npy")).floats(),
    }
}

/// Without background work, so that a test says when; a graph from 1,000 rows on.
fn quiet() -> Options {
    Options { maintenance: false, graph_rows_min: 1_000, ..options() }
}

/// Where an item falls, evenly spread: 0 to 999.
fn share(n: usize) -> usize {
    n * 7_919 % 1_000
}

fn filled(disk: &SimDisk, set: &Set, spec: CollectionSpec) -> Engine {
    let engine = open(disk, &quiet());
    engine.change_collections(create_with("v", spec)).expect("created");
    let rows = set.ids.iter().zip(&set.vectors).enumerate();
    let writes: Vec<Request> = rows
        .flat_map(|(n, (id, v))| {
            [to("v", vector(id, v)), to("v", metadata(id, &format!("share:{}", share(n))))]
        })
        .collect();
    assert!(engine.write_requests(writes).iter().all(Result::is_ok));
    engine
}

fn compact(engine: &Engine) {
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(Some("v"), all, |_, _| ControlFlow::Continue(())).expect("it compacts");
}

fn search(engine: &Engine, query: &[f32], filter: Option<&str>, exact: bool) -> Vec<String> {
    let filter = filter.map(|text| Filter::parse(text).expect("a filter"));
    let how = SearchOptions { exact, ..SearchOptions::default() };
    let query = Near { vector: query.to_vec(), top_k: 10, filter, min_score: None, how };
    let hits = engine.similar_to_vector_in(Some("v"), &query).expect("a search");
    hits.results.into_iter().map(|hit| hit.id).collect()
}

/// The share of the true ten that are found at the default settings, over all queries.
fn recall(engine: &Engine, set: &Set, filter: Option<&str>) -> f64 {
    let (mut found, mut asked) = (0, 0);
    for query in &set.queries {
        let truth: HashSet<String> = search(engine, query, filter, true).into_iter().collect();
        let got = search(engine, query, filter, false);
        assert_eq!(got.len(), truth.len(), "as many as there are, whatever the filter: {filter:?}");
        found += got.iter().filter(|id| truth.contains(*id)).count();
        asked += truth.len();
    }
    found as f64 / asked as f64
}

fn graphs(engine: &Engine) -> u64 {
    engine.storage_stats(Some("v")).expect("stats").iter().map(|s| s.graphs).sum()
}

fn graph() -> CollectionSpec {
    CollectionSpec { index: IndexKind::Graph, ..CollectionSpec::default() }
}

#[test]
fn a_graphs_recall_is_at_least_99_percent_whatever_happened_to_it() {
    let set = set();
    let disk = SimDisk::new(1);
    let engine = filled(&disk, &set, graph());
    let at_least = |engine: &Engine, filter: Option<&str>, what: &str| {
        let recall = recall(engine, &set, filter);
        println!("recall@10 {recall:.4} {what}");
        assert!(recall >= 0.99, "{recall} {what}");
    };
    at_least(&engine, None, "before anything is indexed");
    compact(&engine);
    assert_eq!(graphs(&engine), 1);
    at_least(&engine, None, "one graph");
    for (filter, what) in [("share<500", "of 50 %"), ("share<50", "of 5 %"), ("share<5", "of 0.5 %")] {
        at_least(&engine, Some(filter), &format!("with a filter {what}"));
    }
    engine.close().expect("closed");

    let engine = open(&disk, &quiet());
    assert_eq!(graphs(&engine), 1, "loaded, not built: nothing builds here");
    at_least(&engine, None, "after a restart");
    let image = engine.view().expect("a view").into_image();
    let target = Path::new("/restored");
    restore_dir::<cairn_engine::Error>(&storage(&disk), target, 1, "restored", |draft| {
        draft.put_image(image)
    })
    .expect("restored");
    let (restored, report) = Engine::open(storage(&disk), target, quiet()).expect("it opens");
    assert_eq!((graphs(&restored), report.discarded.len()), (1, 0), "shipped with the image");
    at_least(&restored, None, "after a restore");
    restored.close().expect("closed");

    let deletes = set.ids.iter().enumerate().filter(|(n, _)| share(*n) < 300);
    let deletes: Vec<Request> =
        deletes.map(|(_, id)| to("v", Write::VectorDelete { id: id.clone() })).collect();
    assert!(engine.write_requests(deletes).iter().all(Result::is_ok));
    at_least(&engine, None, "with 30 % deleted");
    at_least(&engine, Some("share<500"), "with 30 % deleted and a filter");
    compact(&engine);
    at_least(&engine, None, "after the compaction of that");
}

#[test]
fn many_searches_at_once_answer_as_one_by_one() {
    let set = set();
    let engine = filled(&SimDisk::new(1), &set, graph());
    compact(&engine);
    let near = |query: &Vec<f32>| {
        let how = SearchOptions::default();
        Near { vector: query.clone(), top_k: 10, filter: None, min_score: None, how }
    };
    let queries: Vec<Near> = set.queries.iter().take(51).map(near).collect();
    let together = engine.similar_to_vectors_in(Some("v"), &queries);
    for (query, hits) in queries.iter().zip(together) {
        let alone = engine.similar_to_vector_in(Some("v"), query).expect("a search");
        assert_eq!(hits.expect("a search").results, alone.results);
    }
    assert!(engine.similar_to_vectors_in(None, &[]).is_empty());
}

#[test]
fn searches_through_codes_find_exactly_what_searches_of_all_vectors_find() {
    let set = set();
    for elements in [Elements::F16, Elements::I8] {
        let engine = filled(&SimDisk::new(1), &set, CollectionSpec { elements, ..CollectionSpec::default() });
        let plain = filled(&SimDisk::new(1), &set, CollectionSpec::default());
        engine.wait_indexed(Some("v")).expect("coded");
        let stats = engine.storage_stats(Some("v")).expect("stats").remove(0);
        assert!(stats.codes == stats.segments && stats.segments > 1, "{stats:?}");
        for query in set.queries.iter().take(100) {
            for filter in [None, Some("share<500")] {
                assert_eq!(search(&engine, query, filter, false), search(&plain, query, filter, false));
            }
        }
    }
}

#[test]
fn damaged_graphs_and_codes_are_computed_anew_and_nothing_else_is_lost() {
    let set = set();
    let both = [
        ("graph", graph()),
        ("codes", CollectionSpec { elements: Elements::I8, ..CollectionSpec::default() }),
    ];
    for (extension, spec) in both {
        for storage in [StorageMode::Memory, StorageMode::Mmap] {
            let disk = SimDisk::new(1);
            let engine = filled(&disk, &set, CollectionSpec { storage, ..spec.clone() });
            compact(&engine);
            let truth = search(&engine, &set.queries[0], None, true);
            engine.close().expect("closed");
            let derived = |disk: &SimDisk| -> Vec<PathBuf> {
                disk.files().into_iter().filter(|p| p.extension().is_some_and(|e| e == extension)).collect()
            };
            let path = derived(&disk).pop().expect("it was stored");
            disk.flip(&path, 20, 0xff);
            let (engine, report) =
                Engine::open(crate::support::storage(&disk), Path::new(DIR), quiet()).expect("it opens");
            assert_eq!(report.discarded.len(), 1);
            assert!(report.discarded[0].contains(&path.display().to_string()), "{:?}", report.discarded);
            assert_eq!(search(&engine, &set.queries[0], None, true), truth);
            engine.wait_indexed(Some("v")).expect("computed");
            engine.close().expect("closed");
            assert!(!derived(&disk).contains(&path), "the new one has a name of its own");
            let (engine, report) =
                Engine::open(crate::support::storage(&disk), Path::new(DIR), quiet()).expect("it opens");
            assert_eq!(report.discarded, Vec::<String>::new());
            let stats = engine.storage_stats(Some("v")).expect("stats").remove(0);
            assert_eq!(stats.pending, 0, "{stats:?}");
        }
    }
}

#[test]
fn a_mapped_graph_that_is_damaged_past_its_header_is_found_in_the_background_and_computed_anew() {
    let set = set();
    let disk = SimDisk::new(1);
    let engine = filled(&disk, &set, CollectionSpec { storage: StorageMode::Mmap, ..graph() });
    compact(&engine);
    engine.close().expect("closed");
    let path =
        disk.files().into_iter().find(|p| p.extension().is_some_and(|e| e == "graph")).expect("stored");
    disk.flip(&path, disk.read_file(&path).len() as u64 - 100, 0xff);
    let (_database, mut core, report) = open_core(&disk, &quiet()).expect("it opens");
    assert_eq!(report.discarded, Vec::<String>::new(), "its header is right");
    let mut damaged = 0;
    loop {
        match core.verify_mapped() {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => {
                assert!(e.to_string().contains(&path.display().to_string()), "{e}");
                damaged += 1;
            }
        }
    }
    assert_eq!((damaged, core.failed()), (1, None));
    assert!(core.derive("v").expect("computed anew"));
    core.checkpoint().expect("a checkpoint").expect("something to write");
    assert!(!core.verify_mapped().expect("all is right"));
}

#[test]
fn a_hybrid_collection_holds_its_graph_within_its_budget_and_a_mapped_one_holds_nothing() {
    let set = set();
    let dir = tempfile::tempdir().expect("a directory");
    let real: std::sync::Arc<dyn cairn_disk::Storage> = std::sync::Arc::new(cairn_disk::RealDisk::new());
    let spec = |storage, hot_bytes| CollectionSpec { storage, hot_bytes, ..graph() };
    let kinds = [
        ("mmap", spec(StorageMode::Mmap, 0), false),
        ("hybrid", spec(StorageMode::Hybrid, 1 << 30), true),
        ("small", spec(StorageMode::Hybrid, 1 << 20), false),
    ];
    for (name, spec, holds) in kinds {
        let path = dir.path().join(name);
        let (engine, _) = Engine::open(std::sync::Arc::clone(&real), &path, quiet()).expect("it opens");
        engine.change_collections(create_with("v", spec)).expect("created");
        let rows = set.ids.iter().zip(&set.vectors);
        let writes: Vec<Request> = rows.map(|(id, v)| to("v", vector(id, v))).collect();
        assert!(engine.write_requests(writes).iter().all(Result::is_ok));
        compact(&engine);
        let found = search(&engine, &set.queries[0], None, false);
        for restarted in [false, true] {
            let engine = match restarted {
                false => engine.clone(),
                true => {
                    engine.close().expect("closed");
                    Engine::open(std::sync::Arc::clone(&real), &path, quiet()).expect("it opens").0
                }
            };
            let stats = engine.storage_stats(Some("v")).expect("stats").remove(0);
            assert_eq!((stats.graphs, stats.hot_bytes > 0), (1, holds), "{name}, restarted: {restarted}");
            assert!(stats.hot_bytes == 0 || stats.hot_bytes == stats.derived_bytes);
            assert!(stats.mapped_bytes > 0 && stats.memory_bytes == 0, "{stats:?}");
            assert_eq!(search(&engine, &set.queries[0], None, false), found, "the same, wherever it is");
        }
    }
}
