//! What no log leads to is no base, and nothing a recovery begins with: states that were taken together from others, parts of a
//! state, states that a crash took back.

use crate::incremental::Scene;
use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{
    CollectionChange, CollectionSpec, Engine, ManualClock, Options, Request, Take, Target, WalSettings, Write,
};
use cairn_snapshot::archive::plan;
use cairn_snapshot::{
    Base, CreateOptions, RestoreOptions, SnapshotType, create_live, load, load_collection, restore_with,
};
use std::path::Path;
use std::sync::Arc;

/// A scene with a collection beside `default`.
fn with_books() -> Scene {
    let scene = Scene::new(WalSettings::default());
    let create = CollectionChange::Create {
        name: "books".to_owned(),
        settings: Box::new(settings()),
        spec: Box::new(CollectionSpec::default()),
    };
    scene.engine.change_collections(create).expect("created");
    scene.vectors(0, 100);
    books(&scene.engine, 0);
    scene
}

fn books(engine: &Engine, from: usize) {
    let one = |i: usize| Request {
        collection: Some("books".into()),
        write: vector(&format!("book-{i}"), &[i as f32, 0.5]),
    };
    for answer in engine.write_requests((from..from + 20).map(one).collect()) {
        answer.expect("written");
    }
}

/// The next incremental snapshot is of the state that there is.
fn check_next(scene: &Scene) {
    scene.vectors(500, 3);
    let made = scene.snapshot(Base::Newest);
    assert_eq!(made.snapshot_type, SnapshotType::Incremental);
    assert_eq!(made.log, [], "no log leads from its base to it");
    assert_eq!(scene.restored(made.id.as_str()), scene.hash());
    // From there on there is a log again.
    scene.vectors(600, 3);
    let made = scene.snapshot(Base::Newest);
    assert_eq!(made.log_records(), 3);
    assert_eq!(scene.restored(made.id.as_str()), scene.hash());
}

#[test]
fn a_state_into_which_a_collection_was_taken_has_no_base_before_that() {
    let scene = with_books();
    let id = scene.snapshot(Base::None).id.to_string();
    books(&scene.engine, 20);
    scene.snapshot(Base::Newest);
    let take = Take { from: "books".to_owned(), to: "books".to_owned(), overwrite: true };
    load_collection(&scene.repository, &id, &scene.engine, &take, &one_thread()).expect("loaded");
    check_next(&scene);
}

#[test]
fn a_state_of_single_collections_has_no_base_that_is_of_all() {
    let scene = with_books();
    scene.snapshot(Base::None);
    let mut options = scene.options(Base::None);
    options.collections = Some(vec!["books".to_owned()]);
    let books = scene.make(&options).snapshot;
    load(&scene.repository, books.id.as_str(), &scene.engine, &one_thread()).expect("loaded");
    assert_eq!(scene.engine.stats().counts.vectors, 20);
    check_next(&scene);
}

#[test]
fn a_directory_with_some_collections_restored_has_no_base_that_is_of_all() {
    let scene = with_books();
    let id = scene.snapshot(Base::None).id.to_string();
    let only = RestoreOptions { only: Some(vec!["books".to_owned()]), overwrite: false };
    let (disk, dir) = (storage(&scene.disk), Path::new("/second"));
    restore_with(&scene.repository, &id, &disk, dir, NOW_US, &only, &one_thread()).expect("restored");
    let options = Options { clock: Arc::clone(&scene.clock) as _, ..Options::default() };
    let (engine, _) = Engine::open_as_stored(disk, dir, options).expect("it opens");
    let second = Scene { engine, ..scene };
    check_next(&second);
}

#[test]
fn what_a_crash_took_back_is_no_base() {
    let off = WalSettings { enabled: false, ..WalSettings::default() };
    let elided = WalSettings { include_vectors: false, ..WalSettings::default() };
    for wal in [off, elided] {
        let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::new(NOW_US)));
        let options = Options {
            settings: settings(),
            clock: clock as _,
            wal: Some(wal.clone()),
            maintenance: false,
            ..Options::default()
        };
        let (engine, _) = Engine::open(storage(&disk), Path::new("/db"), options.clone()).expect("it opens");
        write(&engine, (0..10).map(|i| vector(&format!("old-{i}"), &[i as f32, 1.0])).collect());
        let first = CreateOptions { now_us: NOW_US, ..CreateOptions::default() };
        let base = create_live(&open_or_create(&disk), &engine, &first, &one_thread()).expect("created");
        // No checkpoint: the vectors are lost. Without a log as many others take their LSNs, on another timeline.
        let disk = disk.image(Fate::Dropped);
        let (engine, _) = Engine::open(storage(&disk), Path::new("/db"), options).expect("it opens");
        assert_eq!(engine.stats().counts.vectors, 0);
        if !wal.enabled {
            write(&engine, (0..10).map(|i| vector(&format!("new-{i}"), &[2.0, i as f32])).collect());
        }
        assert_eq!(engine.stats().lsn, base.snapshot.lsn);
        let next = CreateOptions { now_us: NOW_US + 1_000_000, base: Base::Newest, ..first };
        let made = create_live(&open(&disk), &engine, &next, &one_thread()).expect("created").snapshot;
        let restored = restore(&disk, made.id.as_str()).expect("restored");
        assert_eq!(restored.state_hash, engine.view().expect("a view").state_hash(), "{wal:?}");
    }
}

#[test]
fn a_recovery_never_begins_with_single_collections() {
    let scene = with_books();
    let whole = scene.snapshot(Base::None);
    write(&scene.engine, vec![Write::Decay { factor: 0.5 }]);
    let mut options = scene.options(Base::None);
    options.collections = Some(vec!["books".to_owned()]);
    let books = scene.make(&options).snapshot;
    let plan = |target| plan(&scene.repository, target, Some(whole.timeline));
    assert_eq!(plan(Target::Lsn(whole.lsn)).expect("it is there").snapshot.id, whole.id);
    assert!(plan(Target::Lsn(books.lsn)).is_err(), "no archive leads there");
}
