//! The engine from outside: write, read, close, open again.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{Engine, ErrorKind, EventOp, Filter, Near, SearchOptions, Similar, Using};
use std::path::Path;

fn near(vector: &[f32], top_k: usize) -> Near {
    Near { vector: vector.to_vec(), top_k, filter: None, min_score: None, how: SearchOptions::default() }
}

fn similar(id: &str, using: Using) -> Similar {
    Similar {
        id: id.to_owned(),
        top_k: 10,
        using,
        filter: None,
        min_score: None,
        adaptive: None,
        how: SearchOptions::default(),
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_reopen() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, &options());
    let answers = engine.write(vec![
        vector("a", &[1.0, 0.0]),
        vector("b", &[0.8, 0.6]),
        metadata("a", "kind:x"),
        event("ctx", "a", EventOp::Add, 100, 10),
        event("ctx", "b", EventOp::Set, 50, 11),
    ]);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let before = hash(&engine.view().expect("a view"));
    engine.close().expect("closes");
    let engine = open(&disk, &options());
    assert_eq!(hash(&engine.view().expect("a view")), before);
    let hits = engine.similar(&similar("a", Using::Events)).expect("found");
    assert_eq!((hits.results[0].id.as_str(), hits.results[0].score), ("b", 5000.0));
    let hits = engine.similar_to_vector(&near(&[1.0, 0.0], 5)).expect("found");
    assert_eq!(hits.results.iter().map(|h| h.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_crash_without_close_replays_the_log() {
    let disk = SimDisk::new(2);
    let engine = open(&disk, &options());
    assert!(engine.write(vec![vector("a", &[1.0])]).iter().all(Result::is_ok));
    let image = disk.image(cairn_disk::Fate::Dropped);
    let (engine, report) = Engine::open(storage(&image), Path::new(DIR), options()).expect("opens");
    assert_eq!((report.replayed, engine.stats().counts.vectors), (1, 1));
}

#[test]
fn refused_writes_say_why_and_the_others_of_their_batch_go_through() {
    let engine = open(&SimDisk::new(3), &options());
    let answers = engine.write(vec![
        metadata("a", "k:1"),
        vector("a", &[1.0, 2.0, 3.0]),
        metadata("a", "k:1"),
        vector("b", &[1.0, 2.0]),
        vector("c", &[f32::NAN, 1.0, 1.0]),
        event("ctx", "a", EventOp::Add, 101, 0),
        event("", "a", EventOp::Add, 1, 0),
        vector(&"x".repeat(2_000), &[1.0, 2.0, 3.0]),
    ]);
    let text: Vec<String> =
        answers.iter().map(|a| a.as_ref().map_or_else(ToString::to_string, |lsn| lsn.to_string())).collect();
    assert_eq!(text[0], "Vector not found for metadata: a");
    assert!(answers[1].is_ok() && answers[2].is_ok());
    assert_eq!(text[3], "Vector dimension mismatch: expected 3, got 2");
    assert_eq!(text[4], "Invalid float: nan");
    assert_eq!(text[5], "Score must be in range [0, 100], got 101");
    assert_eq!(text[6], "Context must not be empty");
    assert_eq!(text[7], "Id is 2000 bytes, exceeds maximum allowed: 1024");
    let counts = engine.stats().counts;
    assert_eq!((counts.vectors, counts.metadata, counts.total_events), (1, 1, 0));
}

#[test]
fn queries_say_what_is_wrong_with_them() {
    let engine = open(&SimDisk::new(4), &options());
    engine.write(vec![vector("a", &[1.0, 2.0, 3.0]), event("ctx", "e", EventOp::Add, 9, 0)]);
    let error = |r: cairn_engine::Result<cairn_engine::Hits>| r.expect_err("refused").to_string();
    assert_eq!(
        error(engine.similar_to_vector(&near(&[1.0], 1))),
        "Query vector dimension mismatch: expected 3, got 1"
    );
    assert_eq!(error(engine.similar_to_vector(&near(&[1.0; 3], 0))), "top_k must be positive, got 0");
    assert_eq!(
        error(engine.similar_to_vector(&near(&[1.0; 3], 1001))),
        "top_k 1001 exceeds maximum allowed: 1000"
    );
    assert_eq!(error(engine.similar(&similar("nobody", Using::Fusion))), "Query vector not found: nobody");
    assert_eq!(error(engine.similar(&similar("e", Using::Vectors))), "Query vector not found: e");
    assert!(engine.similar(&similar("e", Using::Events)).is_ok());
    assert!(engine.similar(&similar("e", Using::Fusion)).is_ok());
}

#[test]
fn a_filter_gives_k_results_whenever_k_match() {
    let engine = open(&SimDisk::new(5), &options());
    let mut writes = Vec::new();
    for n in 0..500 {
        writes.push(vector(&format!("i{n:03}"), &[1.0, n as f32 / 500.0]));
        writes.push(metadata(&format!("i{n:03}"), &format!("rare:{},n:{n}", n % 100 == 99)));
    }
    assert!(engine.write(writes).iter().all(Result::is_ok));
    let filter = Some(Filter::parse("rare:true").expect("valid"));
    let query = Near { filter, ..near(&[1.0, 0.0], 5) };
    let ids: Vec<String> =
        engine.similar_to_vector(&query).expect("found").results.into_iter().map(|h| h.id).collect();
    assert_eq!(ids, ["i099", "i199", "i299", "i399", "i499"]);
}

#[test]
fn equal_scores_are_ordered_by_id_at_the_cut_too() {
    let engine = open(&SimDisk::new(6), &options());
    let ids = ["m", "z", "a", "q", "b", "y"];
    engine.write(ids.iter().map(|id| vector(id, &[1.0, 1.0])).collect());
    let hits = engine.similar_to_vector(&near(&[1.0, 1.0], 3)).expect("found");
    assert_eq!(hits.results.iter().map(|h| h.id.as_str()).collect::<Vec<_>>(), ["a", "b", "m"]);
}

#[test]
fn a_second_opener_is_refused_naming_the_holder() {
    let disk = SimDisk::new(7);
    let _engine = open(&disk, &options());
    let e = Engine::open(storage(&disk), Path::new(DIR), options()).expect_err("locked");
    assert_eq!(e.kind(), ErrorKind::Locked);
    assert!(e.to_string().contains(&format!("pid {}", std::process::id())), "{e}");
}

#[test]
fn a_directory_with_other_things_in_it_is_not_taken() {
    let disk = SimDisk::new(8);
    cairn_disk::Storage::create_dir_all(&disk, Path::new(DIR)).expect("made");
    disk.write_file(Path::new("/db/photo.jpg"), b"x");
    let e = Engine::open(storage(&disk), Path::new(DIR), options()).expect_err("refused");
    assert!(e.to_string().contains("photo.jpg"), "{e}");
}

#[test]
fn a_changed_setting_is_logged_and_a_conflicting_dimension_refused() {
    let disk = SimDisk::new(9);
    let engine = open(&disk, &options());
    engine.write(vec![vector("a", &[1.0, 2.0])]);
    engine.close().expect("closes");
    let mut changed = options();
    changed.settings.ctx_buffer_size = 7;
    let engine = open(&disk, &changed);
    assert_eq!(engine.view().expect("a view").default_collection().settings().ctx_buffer_size, 7);
    engine.close().expect("closes");
    changed.settings.dimension = 768;
    let e = Engine::open(storage(&disk), Path::new(DIR), changed).expect_err("refused");
    assert!(e.to_string().contains("expected 2") && e.to_string().contains("got 768"), "{e}");
}

#[test]
fn replaced_vectors_do_not_pile_up() {
    let disk = SimDisk::new(10);
    let engine = open(&disk, &options());
    let dimension = 4_096;
    for round in 0..40 {
        let writes =
            (0..100).map(|n| vector(&format!("i{n}"), &vec![round as f32 + n as f32; dimension])).collect();
        assert!(engine.write(writes).iter().all(Result::is_ok));
    }
    // 4,000 rows were written and 100 live; a segment has 256 rows of 16 KiB.
    assert!(engine.stats().segments <= 2, "{} segments", engine.stats().segments);
    let hits = engine.similar_to_vector(&near(&vec![1.0; dimension], 100)).expect("found");
    assert_eq!(hits.results.len(), 100);
    let before = hash(&engine.view().expect("a view"));
    engine.close().expect("closes");
    assert_eq!(hash(&open(&disk, &options()).view().expect("a view")), before);
}

#[test]
fn a_close_beside_a_checkpoint_leaves_nothing_to_replay() {
    let mut options = options();
    // Every batch begins a checkpoint, so that one is being written when the engine is closed.
    options.checkpoint_log_bytes = 1;
    for round in 0..50 {
        let disk = SimDisk::new(round);
        let engine = open(&disk, &options);
        engine.write(vec![vector("a", &[1.0])]);
        engine.write(vec![vector("b", &[2.0])]);
        engine.close().expect("closes");
        let (engine, report) = Engine::open(storage(&disk), Path::new(DIR), options.clone()).expect("opens");
        assert_eq!((report.replayed, engine.stats().counts.vectors), (0, 2), "round {round}");
    }
}
