//! What else a restore can do: go on after a kill, keep what is right, take the place of a directory, make a branch, bring one
//! collection back.

use crate::crashes::crashes;
use crate::incremental::Scene;
use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, Elements, Engine, Near, Options, Request, SearchOptions, StorageMode,
    Take, Target, WalSettings, Write, check_dir,
};
use cairn_snapshot::{Base, RestoreOptions, Restored, branch, load, load_collection, restore_with};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn scene() -> Scene {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 500);
    scene.events(0, 200);
    scene
}

fn over(
    scene: &Scene,
    disk: &SimDisk,
    id: &str,
    target: &str,
    overwrite: bool,
) -> Result<Restored, cairn_snapshot::Error> {
    let options = RestoreOptions { overwrite, only: None };
    let repository = open(disk);
    let now_us = scene.engine.options().clock.now_us();
    restore_with(&repository, id, &storage(disk), Path::new(target), now_us, &options, &one_thread())
}

fn hash_of(disk: &SimDisk, dir: &str) -> [u8; 32] {
    check_dir(&storage(disk), Path::new(dir)).expect("a whole directory").state_hash
}

#[test]
fn a_restore_that_was_killed_goes_on_with_the_files_that_are_right() {
    let scene = scene();
    scene.snapshot(Base::None);
    scene.vectors(300, 20);
    let snapshot = scene.snapshot(Base::Newest);
    let (id, hash) = (snapshot.id.to_string(), scene.hash());
    let forks = crashes(&scene.disk, 4, || {
        over(&scene, &scene.disk, &id, "/restored/db", false).expect("restored");
    });
    println!("crash points of a restore: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.images.len() >= 150, "only {} images", forks.images.len());
    let (mut whole, mut resumed) = (0, 0);
    for crash in &forks.images {
        let disk = &crash.disk;
        if disk.stat(Path::new("/restored/db")).expect("readable").is_some() {
            assert_eq!(hash_of(disk, "/restored/db"), hash, "{crash}");
            whole += 1;
            continue;
        }
        let again = over(&scene, disk, &id, "/restored/db", false).unwrap_or_else(|e| panic!("{crash}: {e}"));
        resumed += u64::from(again.kept_bytes > 0);
        assert_eq!(hash_of(disk, "/restored/db"), hash, "{crash}");
        let beside: Vec<PathBuf> =
            disk.list(Path::new("/restored")).expect("readable").into_iter().map(|e| e.name.into()).collect();
        assert_eq!(beside, [PathBuf::from("db")], "{crash}: something is left beside it");
        let timelines = disk.list(Path::new("/restored/db/timelines")).expect("readable");
        assert_eq!(timelines.len(), 1, "{crash}: a leftover is in it");
    }
    assert!(whole > 0 && resumed >= 30, "{whole} whole, {resumed} went on with files of before");
}

#[test]
fn an_existing_directory_gives_what_is_right_of_it_and_is_kept() {
    let scene = scene();
    let snapshot = scene.snapshot(Base::None);
    let (id, hash) = (snapshot.id.to_string(), scene.hash());
    scene.engine.checkpoint().expect("a checkpoint");
    scene.vectors(900, 30);
    let disk = scene.disk.image(Fate::Kept);
    let live_hash = scene.hash();
    // As another's it is refused, without the option as well, and so is a directory of anything else.
    let e = over(&scene, &scene.disk, &id, "/db", true).expect_err("open");
    assert_eq!(e.kind(), ErrorKind::Locked, "{e}");
    let e = over(&scene, &disk, &id, "/db", false).expect_err("not empty");
    assert!(e.to_string().contains("is not empty"), "{e}");
    disk.create_dir_all(Path::new("/other")).expect("made");
    disk.write_file(Path::new("/other/letter.txt"), b"Dear");
    let e = over(&scene, &disk, &id, "/other", true).expect_err("no database");
    assert!(e.to_string().contains("is not empty"), "{e}");

    // One damaged file of many: only that one is written.
    let segments: Vec<PathBuf> =
        files_below(&disk, "/db").into_iter().filter(|f| f.extension().is_some_and(|e| e == "vec")).collect();
    assert!(segments.len() >= 3, "{segments:?}");
    let bytes = disk.read_file(&segments[1]).len() as u64;
    disk.flip(&segments[1], bytes / 2, 1);
    let restored = over(&scene, &disk, &id, "/db", true).expect("restored");
    let vectors = snapshot.files.iter().filter(|f| f.name.ends_with(".vec"));
    let (vectors, all) =
        (vectors.map(|f| f.part.bytes).sum::<u64>(), snapshot.image_bytes() - snapshot.manifest.bytes);
    let kept = vectors - bytes..=all - bytes;
    assert!(kept.contains(&restored.kept_bytes), "{} of {kept:?}", restored.kept_bytes);
    assert_eq!(hash_of(&disk, "/db"), hash);
    let kept = restored.replaced.expect("the old one is there");
    assert!(check_dir(&storage(&disk), &kept).is_err(), "damaged as it was");
    // Undone: the old one, had it been whole.
    disk.flip(&kept.join(segments[1].strip_prefix("/db").expect("below")), bytes / 2, 1);
    assert_eq!(check_dir(&storage(&disk), &kept).expect("whole").state_hash, live_hash);
}

#[test]
fn an_overwrite_that_crashes_leaves_one_of_the_two() {
    let scene = scene();
    let snapshot = scene.snapshot(Base::None);
    let (id, hash) = (snapshot.id.to_string(), scene.hash());
    scene.vectors(900, 30);
    let live_hash = scene.hash();
    let base = scene.disk.image(Fate::Kept);
    let forks = crashes(&base, 4, || {
        over(&scene, &base, &id, "/db", true).expect("restored");
    });
    let (mut old, mut new, mut between) = (0, 0, 0);
    for crash in &forks.images {
        let disk = &crash.disk;
        let there = |dir: &Path| disk.stat(&dir.join("DATABASE")).expect("readable").is_some();
        if there(Path::new("/db")) {
            match hash_of(disk, "/db") {
                found if found == live_hash => old += 1,
                found if found == hash => new += 1,
                _ => panic!("{crash}: neither"),
            }
            continue;
        }
        // Between the two renames both are there under other names.
        between += 1;
        assert_eq!(hash_of(disk, "/.db.restoring"), hash, "{crash}");
        let aside = disk.list(Path::new("/")).expect("readable");
        let aside = aside.iter().find(|e| e.name.starts_with("db.replaced-")).expect("the old one");
        assert_eq!(hash_of(disk, &format!("/{}", aside.name)), live_hash, "{crash}");
    }
    println!(
        "crash points of an overwrite: {} images: {old} old, {new} new, {between} between",
        forks.images.len()
    );
    assert!(forks.images.len() >= 100 && old > 0 && new > 0, "{old} old, {new} new");
}

#[test]
fn a_branch_is_looked_at_then_promoted_or_dropped_while_writes_go_on() {
    let scene = scene();
    scene.snapshot(Base::None);
    scene.vectors(480, 40);
    let snapshot = scene.snapshot(Base::Newest);
    let hash = scene.hash();
    scene.vectors(800, 10);
    let (of, made) =
        branch(&scene.repository, snapshot.id.as_str(), &scene.engine, &one_thread()).expect("a branch");
    assert_eq!((of.id, made.at.lsn), (snapshot.id.clone(), snapshot.lsn));
    assert_eq!(made.timeline.parent, Some(snapshot.timeline));
    scene.vectors(900, 10);
    let live = scene.hash();
    let seen = scene.engine.view_at(Target::Latest, Some(made.timeline.id)).expect("a view").state_hash();
    assert_eq!(seen, hash);
    let differences = scene.engine.compare(made.timeline.id).expect("compared");
    assert!(!differences.equal && differences.vectors.only_ours == 20, "{differences:?}");
    scene.engine.promote(made.timeline.id).expect("promoted");
    assert_eq!(scene.hash(), hash);
    let (_, other) =
        branch(&scene.repository, snapshot.id.as_str(), &scene.engine, &one_thread()).expect("a branch");
    scene.engine.drop_timeline(other.timeline.id).expect("dropped");
    assert_eq!(scene.hash(), hash);
    assert_ne!(live, hash);
    // A load shares what is there.
    let loaded = load(&scene.repository, snapshot.id.as_str(), &scene.engine, &one_thread()).expect("loaded");
    assert!(loaded.kept_bytes > 0);
    assert_eq!(scene.hash(), hash);
}

pub fn create_collection(engine: &Engine, name: &str, spec: CollectionSpec) {
    let settings = Box::new(settings());
    let change = CollectionChange::Create { name: name.to_owned(), settings, spec: Box::new(spec) };
    engine.change_collections(change).expect("created");
}

pub fn fill(engine: &Engine, name: &str, n: usize) {
    let to = |i: usize| Request {
        collection: Some(name.into()),
        write: vector(&format!("{name}-{i}"), &[i as f32, 1.0, -(i as f32) / 3.0]),
    };
    for result in engine.write_requests((0..n).map(to).collect()) {
        result.expect("written");
    }
    let event = |i: usize| Request {
        collection: Some(name.into()),
        write: event(
            &format!("user-{}", i % 5),
            &format!("{name}-{i}"),
            cairn_engine::EventOp::Add,
            50,
            1_700_000_000 + i as i64,
        ),
    };
    for result in engine.write_requests((0..n / 4).map(event).collect()) {
        result.expect("written");
    }
}

/// All that is in a collection.
pub type Content = (
    BTreeMap<String, Vec<u32>>,
    BTreeMap<String, Vec<(String, u8, i64)>>,
    BTreeMap<String, BTreeMap<String, u64>>,
);

pub fn content(engine: &Engine, name: &str) -> Content {
    let view = engine.view().expect("a view");
    let collection = view.collection(name).expect("there");
    let vectors =
        collection.vectors().map(|(id, v)| (id.to_owned(), v.iter().map(|x| x.to_bits()).collect()));
    let events = collection.contexts().map(|(context, rows)| {
        (context.to_owned(), rows.iter().map(|row| (row.id.to_owned(), row.score, row.time_s)).collect())
    });
    let pairs = collection.neighbours().map(|(id, list)| {
        (id.to_owned(), list.into_iter().map(|(other, score)| (other.to_owned(), score.to_bits())).collect())
    });
    let found: Content = (vectors.collect(), events.collect(), pairs.collect());
    assert!(!found.0.is_empty() && !found.1.is_empty() && !found.2.is_empty());
    found
}

#[test]
fn one_collection_comes_back_beside_all_others_or_in_its_place() {
    for storage_mode in [StorageMode::Memory, StorageMode::Mmap] {
        let scene = scene();
        let spec =
            CollectionSpec { storage: storage_mode, elements: Elements::F16, ..CollectionSpec::default() };
        create_collection(&scene.engine, "books", spec);
        create_collection(&scene.engine, "films", CollectionSpec::default());
        fill(&scene.engine, "books", 600);
        fill(&scene.engine, "films", 100);
        scene.engine.checkpoint().expect("a checkpoint");
        scene.snapshot(Base::None);
        write(&scene.engine, vec![Write::Decay { factor: 0.5 }]);
        fill(&scene.engine, "books", 610);
        let snapshot = scene.snapshot(Base::Newest);
        let id = snapshot.id.to_string();
        let (books, films) = (content(&scene.engine, "books"), content(&scene.engine, "films"));
        let take = |from: &str, to: &str, overwrite: bool| {
            let take = Take { from: from.to_owned(), to: to.to_owned(), overwrite };
            load_collection(&scene.repository, &id, &scene.engine, &take, &one_thread())
        };

        // The live one loses what it had; another comes beside it.
        scene
            .engine
            .change_collections(CollectionChange::Drop { name: "films".to_owned() })
            .expect("dropped");
        fill(&scene.engine, "books", 5);
        take("films", "films", false).expect("loaded");
        assert_eq!(content(&scene.engine, "films"), films);
        take("books", "books-restored", false).expect("loaded");
        assert_eq!(content(&scene.engine, "books-restored"), books);
        let before = scene.hash();
        let e = take("books", "books", false).expect_err("it exists");
        assert!(e.to_string().starts_with("Collection exists: books"), "{e}");
        let e = take("nothing", "x", false).expect_err("not there");
        assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
        assert!(take("books", "no/good name", false).is_err());
        assert_eq!(scene.hash(), before, "refused, and nothing has changed");
        take("books", "books", true).expect("loaded");
        assert_eq!(content(&scene.engine, "books"), books);
        take("books", "default", true).expect("loaded");
        assert_eq!(content(&scene.engine, "default"), books);

        // It takes writes, and all of it is there after a restart.
        fill(&scene.engine, "books-restored", 20);
        let hash = scene.hash();
        scene.engine.close().expect("closed");
        assert_eq!(hash_of(&scene.disk, "/db"), hash);
        let (engine, report) = Engine::open(
            storage(&scene.disk),
            Path::new("/db"),
            Options { settings: settings(), ..Options::default() },
        )
        .expect("it opens");
        assert!(report.discarded.is_empty(), "{:?}", report.discarded);
        engine.wait_indexed(None).expect("computed anew");
        let near = Near {
            vector: vec![7.0, 1.0, -7.0 / 3.0],
            top_k: 3,
            filter: None,
            min_score: None,
            how: SearchOptions::default(),
        };
        let found = engine.similar_to_vector_in(Some("books"), &near).expect("found");
        assert_eq!(found.results[0].id, "books-7");
    }
}

#[test]
fn single_collections_are_restored_into_a_directory() {
    let scene = scene();
    create_collection(&scene.engine, "books", CollectionSpec::default());
    fill(&scene.engine, "books", 100);
    let id = scene.snapshot(Base::None).id.to_string();
    let expected =
        scene.engine.view().expect("a view").only(&["books".to_owned()]).expect("there").state_hash();
    let options = RestoreOptions { only: Some(vec!["books".to_owned()]), overwrite: false };
    let disk = storage(&scene.disk);
    restore_with(&scene.repository, &id, &disk, target(), NOW_US, &options, &one_thread()).expect("restored");
    assert_eq!(hash_of(&scene.disk, TARGET), expected);
    let options = RestoreOptions { only: Some(vec!["films".to_owned()]), overwrite: false };
    let e = restore_with(&scene.repository, &id, &disk, Path::new("/other"), NOW_US, &options, &one_thread());
    assert_eq!(e.expect_err("not there").kind(), ErrorKind::NotFound);
    assert!(files_below(&scene.disk, "/other").is_empty());
}
