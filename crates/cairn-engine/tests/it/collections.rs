//! Collections: created, found by name and alias, renamed, dropped, bounded, and as they were after a crash.

use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{
    CollectionChange, CollectionSpec, Core, Engine, ErrorKind, EventOp, Near, Request, SearchOptions,
    Settings, Write,
};
use std::sync::{Arc, Mutex};

pub fn create(name: &str) -> CollectionChange {
    create_with(name, CollectionSpec::default())
}

pub fn create_with(name: &str, spec: CollectionSpec) -> CollectionChange {
    CollectionChange::Create {
        name: name.to_owned(),
        settings: Box::new(Settings::default()),
        spec: Box::new(spec),
    }
}

pub fn to(collection: &str, write: Write) -> Request {
    Request { collection: Some(Arc::from(collection)), write }
}

fn near(engine: &Engine, collection: &str, query: &[f32]) -> Vec<String> {
    let query = Near {
        vector: query.to_vec(),
        top_k: 10,
        filter: None,
        min_score: None,
        how: SearchOptions::default(),
    };
    let hits = engine.similar_to_vector_in(Some(collection), &query).expect("a search");
    hits.results.into_iter().map(|hit| hit.id).collect()
}

fn write(engine: &Engine, collection: &str, write: Write) {
    engine.write_requests(vec![to(collection, write)]).remove(0).expect("written");
}

#[test]
fn each_collection_has_items_and_events_of_its_own() {
    let engine = open(&SimDisk::new(1), &options());
    engine.change_collections(create("books")).expect("created");
    write(&engine, "books", vector("a", &[1.0, 0.0]));
    write(&engine, "default", vector("b", &[1.0, 0.0, 0.0]));
    write(&engine, "books", event("c", "a", EventOp::Add, 10, 1));
    assert_eq!(near(&engine, "books", &[1.0, 0.0]), ["a"]);
    assert_eq!(near(&engine, "default", &[1.0, 0.0, 0.0]), ["b"]);
    let view = engine.view().expect("a view");
    let counts = |name| view.collection(name).expect("it is there").counts();
    assert_eq!((counts("books").vectors, counts("books").events), (1, 1));
    assert_eq!((counts("default").vectors, counts("default").events), (1, 0));
    assert_eq!(view.counts().vectors, 2);
}

#[test]
fn a_name_that_is_not_there_is_an_error_that_says_which_are() {
    let engine = open(&SimDisk::new(1), &options());
    engine.change_collections(create("books")).expect("created");
    let e = engine
        .write_requests(vec![to("boks", vector("a", &[1.0]))])
        .remove(0)
        .expect_err("no such collection");
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert_eq!(e.to_string(), "Collection not found: boks (there are: books, default)");
}

#[test]
fn bad_names_and_specs_are_refused_and_change_nothing() {
    let engine = open(&SimDisk::new(1), &options());
    let before = engine.stats().lsn;
    for name in ["", ".hidden", "a b", "a/b", "-x", &"n".repeat(129), "default"] {
        assert_eq!(
            engine.change_collections(create(name)).expect_err(name).kind(),
            ErrorKind::Input,
            "{name}"
        );
    }
    let bad = CollectionSpec { m: 1, ..CollectionSpec::default() };
    let e = engine.change_collections(create_with("x", bad)).expect_err("m of 1");
    assert_eq!(e.to_string(), "m: expected 2 to 128, got 1");
    let fields = (0..64).map(|n| format!("{n}{}", "f".repeat(2_000))).collect();
    let long = CollectionSpec { fields, ..CollectionSpec::default() };
    let e = engine.change_collections(create_with("x", long)).expect_err("longer than it may be read back");
    assert!(
        e.to_string().starts_with("bytes of the settings, with the names of fields: expected 0 to 65536"),
        "{e}"
    );
    for change in [
        CollectionChange::Drop { name: "default".to_owned() },
        CollectionChange::Rename { from: "default".to_owned(), to: "x".to_owned() },
        CollectionChange::AliasSet { alias: "default".to_owned(), collection: "default".to_owned() },
    ] {
        assert_eq!(engine.change_collections(change).expect_err("refused").kind(), ErrorKind::Input);
    }
    assert_eq!(engine.stats().lsn, before);
}

#[test]
fn an_alias_moves_and_a_rename_keeps_it() {
    let engine = open(&SimDisk::new(1), &options());
    let change = |change| engine.change_collections(change).expect("changed");
    let alias = |to: &str| CollectionChange::AliasSet { alias: "live".to_owned(), collection: to.to_owned() };
    change(create("v1"));
    change(create("v2"));
    write(&engine, "v1", vector("old", &[1.0]));
    write(&engine, "v2", vector("new", &[1.0]));
    change(alias("v1"));
    assert_eq!(near(&engine, "live", &[1.0]), ["old"]);
    change(alias("v2"));
    assert_eq!(near(&engine, "live", &[1.0]), ["new"]);
    change(CollectionChange::Rename { from: "v2".to_owned(), to: "v3".to_owned() });
    assert_eq!(near(&engine, "live", &[1.0]), ["new"]);
    assert_eq!(near(&engine, "v3", &[1.0]), ["new"]);
    let e =
        engine.change_collections(CollectionChange::Drop { name: "live".to_owned() }).expect_err("an alias");
    assert!(e.to_string().contains("live is an alias of v3"), "{e}");
    change(CollectionChange::Drop { name: "v3".to_owned() });
    let gone = engine.write_requests(vec![to("live", vector("x", &[1.0]))]).remove(0);
    assert_eq!(gone.expect_err("gone with its collection").kind(), ErrorKind::NotFound);
}

#[test]
fn a_deleted_vector_takes_its_metadata_along_and_leaves_its_events() {
    let engine = open(&SimDisk::new(1), &options());
    let all = vec![
        vector("a", &[1.0, 0.0]),
        metadata("a", "k:1"),
        event("c", "a", EventOp::Add, 10, 1),
        event("c", "b", EventOp::Add, 10, 2),
        Write::VectorDelete { id: "a".to_owned() },
        metadata("a", "k:2"),
        Write::VectorDelete { id: "a".to_owned() },
        vector("a", &[0.0, 1.0]),
    ];
    let answers = engine.write(all);
    let refused: Vec<usize> = (0..8).filter(|&n| answers[n].is_err()).collect();
    assert_eq!(refused, [5, 6], "within one batch too");
    let counts = engine.stats().counts;
    assert_eq!((counts.vectors, counts.metadata, counts.events, counts.pairs), (1, 0, 2, 1));
}

#[test]
fn quotas_hold_within_a_batch_and_give_room_after_deletes() {
    let engine = open(&SimDisk::new(1), &options());
    let spec = CollectionSpec { max_vectors: 2, ..CollectionSpec::default() };
    engine.change_collections(create_with("small", spec)).expect("created");
    let set = |id: &str| to("small", vector(id, &[1.0]));
    let answers = engine.write_requests(vec![set("a"), set("b"), set("c"), set("a")]);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, true]);
    let e = answers[2].clone().expect_err("full");
    assert_eq!(e.to_string(), "Quota exceeded: max_vectors is 2, and so many are there");
    write(&engine, "small", Write::VectorDelete { id: "a".to_owned() });
    write(&engine, "small", vector("c", &[1.0]));
    let bytes = CollectionSpec { max_bytes: 20, ..CollectionSpec::default() };
    engine.change_collections(create_with("bytes", bytes)).expect("created");
    let set = |id: &str| to("bytes", vector(id, &[1.0, 2.0]));
    let answers = engine.write_requests(vec![set("a"), set("b"), set("c")]);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_volatile_collection_is_there_and_empty_after_a_restart_and_costs_no_lsn() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, &options());
    let spec = CollectionSpec { volatile: true, ..CollectionSpec::default() };
    engine.change_collections(create_with("cache", spec)).expect("created");
    let before = engine.stats().lsn;
    write(&engine, "cache", vector("a", &[1.0]));
    write(&engine, "default", vector("b", &[1.0]));
    assert_eq!(engine.stats().lsn.0, before.0 + 1);
    assert_eq!(near(&engine, "cache", &[1.0]), ["a"]);
    let logical = hash(&engine.view().expect("a view"));
    for restart in ["from the log", "from a checkpoint"] {
        let image = if restart == "from the log" { disk.image(Fate::Dropped) } else { disk.clone() };
        if restart == "from a checkpoint" {
            engine.close().expect("closed");
        }
        let again = open(&image, &options());
        assert_eq!(near(&again, "cache", &[1.0]), Vec::<String>::new(), "{restart}");
        assert_eq!(near(&again, "default", &[1.0]), ["b"], "{restart}");
        assert_eq!(hash(&again.view().expect("a view")), logical, "{restart}");
    }
}

/// One step of a scripted run over three collections: a write, a change of the collections or a checkpoint.
fn step(core: &mut Core, numbers: &mut Numbers, n: u64) {
    let change = match n {
        3 => Some(create("b")),
        4 => Some(create("c")),
        50 => Some(CollectionChange::Drop { name: "c".to_owned() }),
        60 => Some(create("c")),
        75 => Some(CollectionChange::Rename { from: "b".to_owned(), to: "d".to_owned() }),
        80 => Some(create("b")),
        90 => Some(CollectionChange::AliasSet { alias: "live".to_owned(), collection: "d".to_owned() }),
        _ => None,
    };
    if let Some(change) = change {
        core.change_collections(&change).expect("it can be");
        return;
    }
    if n % 25 == 24 {
        core.checkpoint().expect("a checkpoint");
    }
    let name = ["default", "b", "c", "live"][numbers.below(4) as usize];
    let id = format!("item-{}", numbers.below(25));
    let write = match numbers.below(4) {
        0 => Write::VectorDelete { id },
        1 => vector(&id, &[numbers.unit(), numbers.unit(), 0.5, 1.0]),
        _ => scripted(n, numbers),
    };
    // Some are refused, as those of a collection that is not there yet: that is part of the run.
    let _ = core.step(vec![to(name, write)]);
}

#[test]
fn every_crash_of_a_run_over_several_collections_gives_back_the_acknowledged_prefix() {
    let disk = SimDisk::new(7);
    let acknowledged = Arc::new(Mutex::new(0u64));
    let images = Arc::new(Mutex::new(Vec::new()));
    let (acked, out) = (Arc::clone(&acknowledged), Arc::clone(&images));
    disk.on_op(Box::new(move |op, disk| {
        for fate in [Fate::Dropped, Fate::Torn(op)] {
            let acknowledged = *acked.lock().expect("no panic");
            out.lock().expect("no panic").push((op, acknowledged, disk.image(fate)));
        }
    }));
    let (_database, mut core, _) = open_core(&disk, &busy_options()).expect("it opens");
    let mut hashes = std::collections::HashMap::from([(core.lsn().0, hash(&core.view()))]);
    let mut numbers = Numbers(3);
    for n in 0..150 {
        step(&mut core, &mut numbers, n);
        hashes.insert(core.lsn().0, hash(&core.view()));
        *acknowledged.lock().expect("no panic") = core.lsn().0;
    }
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    for (op, acknowledged, image) in &images {
        let (_, again, _) =
            open_core(image, &busy_options()).unwrap_or_else(|e| panic!("operation {op}: {e}"));
        assert!(again.lsn().0 >= *acknowledged, "operation {op}: {} < {acknowledged}", again.lsn());
        if let Some(expected) = hashes.get(&again.lsn().0) {
            assert_eq!(hash(&again.view()), *expected, "operation {op}, LSN {}", again.lsn());
        }
    }
    println!("{} crash images", images.len());
    assert!(images.len() > 600, "{}", images.len());
}
