//! Several collections restored into a running database: all of them or none, whatever happens.

use crate::crashes::crashes;
use crate::incremental::Scene;
use crate::restores::{content, create_collection, fill};
use crate::support::*;
use cairn_disk::{ErrorKind, Storage};
use cairn_engine::{CollectionSpec, Engine, Options, StorageMode, Take, WalSettings};
use cairn_snapshot::{Base, load_collections};
use std::collections::BTreeSet;
use std::path::Path;

/// A snapshot of `books`, `films` and `songs`, after which `books` went on and `films` was dropped; its id.
fn scene() -> (Scene, String) {
    let scene = Scene::new(WalSettings::default());
    let mapped = CollectionSpec { storage: StorageMode::Mmap, ..CollectionSpec::default() };
    create_collection(&scene.engine, "books", mapped);
    create_collection(&scene.engine, "films", CollectionSpec::default());
    create_collection(&scene.engine, "songs", CollectionSpec::default());
    fill(&scene.engine, "books", 200);
    fill(&scene.engine, "films", 50);
    fill(&scene.engine, "songs", 30);
    let id = scene.snapshot(Base::None).id.to_string();
    fill(&scene.engine, "books", 220);
    let drop = cairn_engine::CollectionChange::Drop { name: "films".to_owned() };
    scene.engine.change_collections(drop).expect("dropped");
    (scene, id)
}

fn take(from: &str, to: &str, overwrite: bool) -> Take {
    Take { from: from.to_owned(), to: to.to_owned(), overwrite }
}

fn timelines(disk: &dyn Storage) -> usize {
    disk.list(Path::new("/db/timelines")).expect("readable").len()
}

#[test]
fn several_come_back_on_one_new_timeline() {
    let (scene, id) = scene();
    let before = timelines(&scene.disk);
    let songs = content(&scene.engine, "songs");
    let takes = [take("books", "books", true), take("films", "films", false), take("songs", "tunes", false)];
    let loaded =
        load_collections(&scene.repository, &id, &scene.engine, &takes, &one_thread()).expect("loaded");
    assert_eq!(timelines(&scene.disk), before + 1);
    assert_eq!(scene.engine.stats().timeline.id, loaded.report.timeline);
    let reason = &scene.engine.stats().timeline.reason;
    assert_eq!(*reason, format!("restored books, films, songs as tunes from snapshot {id}"));
    assert_eq!(content(&scene.engine, "books").0.len(), 200);
    assert_eq!(content(&scene.engine, "films").0.len(), 50);
    assert_eq!((content(&scene.engine, "songs"), content(&scene.engine, "tunes")), (songs.clone(), songs));
}

#[test]
fn one_that_is_refused_keeps_all_others_as_they_were() {
    let (scene, id) = scene();
    let (before, there) = (scene.hash(), timelines(&scene.disk));
    let refused: [(&[Take], ErrorKind, &str); 4] = [
        (&[take("films", "films", false), take("books", "books", false)], ErrorKind::Input, "books"),
        (&[take("films", "films", false), take("plays", "plays", false)], ErrorKind::NotFound, "plays"),
        (&[take("films", "x", false), take("books", "x", true)], ErrorKind::Input, "x: named twice"),
        (&[], ErrorKind::Input, "at least one collection"),
    ];
    for (takes, kind, what) in refused {
        let e = load_collections(&scene.repository, &id, &scene.engine, takes, &one_thread())
            .expect_err("refused");
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.to_string().contains(what), "{e}");
        assert_eq!(scene.hash(), before, "{e}: nothing has changed");
        assert_eq!(timelines(&scene.disk), there, "{e}: nothing is left");
    }
}

#[test]
fn a_crash_at_every_operation_leaves_all_of_them_or_none() {
    let (scene, id) = scene();
    let (before, there) = (scene.hash(), timelines(&scene.disk));
    let takes = [take("books", "books", true), take("films", "films", false)];
    let forks = crashes(&scene.disk, 2, || {
        load_collections(&scene.repository, &id, &scene.engine, &takes, &one_thread()).expect("loaded");
    });
    let after = scene.hash();
    println!("crash points of a restore of two collections: {} operations", forks.operations);
    assert!(forks.operations >= 60, "only {} operations", forks.operations);
    let mut seen = BTreeSet::new();
    for crash in &forks.images {
        let options = Options { settings: settings(), maintenance: false, ..Options::default() };
        let (engine, _) = Engine::open(storage(&crash.disk), Path::new("/db"), options)
            .unwrap_or_else(|e| panic!("{crash}: {e}"));
        let hash = engine.view().expect("a view").state_hash();
        assert!(hash == before || hash == after, "{crash}: one of them alone");
        let left = timelines(&crash.disk);
        assert!(left == there || left == there + 1, "{crash}: {left} timelines");
        assert!(left == there + 1 || hash == before, "{crash}: {left} timelines");
        seen.insert(hash == after);
    }
    assert_eq!(seen.len(), 2, "crashes before and after");
}
