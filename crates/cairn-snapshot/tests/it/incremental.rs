//! Incremental snapshots: what they store, what they share, and that each comes back whatever became of the others.

use crate::support::*;
use cairn_disk::{ErrorKind, SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, Engine, EventOp, ManualClock, Options, Request, StorageMode,
    WalSettings, Write, check_dir,
};
use cairn_snapshot::{
    Base, Compression, CreateOptions, Created, Job, Repository, Snapshot, SnapshotType, create_live, delete,
    list, load, verify_all,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database and a repository on one disk, and a clock.
pub struct Scene {
    pub disk: SimDisk,
    pub engine: Engine,
    pub repository: Repository,
    pub clock: Arc<ManualClock>,
}

impl Scene {
    pub fn new(wal: WalSettings) -> Scene {
        let disk = SimDisk::new(1);
        let clock = Arc::new(ManualClock::new(NOW_US));
        let settings = settings();
        let options = Options {
            settings,
            clock: Arc::clone(&clock) as _,
            wal: Some(wal),
            vector_segment_bytes: 2_000,
            maintenance: false,
            ..Options::default()
        };
        let (engine, _) = Engine::open(storage(&disk), Path::new("/db"), options).expect("it opens");
        let repository = open_or_create(&disk);
        Scene { disk, engine, repository, clock }
    }

    pub fn options(&self, base: Base) -> CreateOptions {
        self.clock.advance(1_000_000);
        let now_us = self.engine.options().clock.now_us();
        CreateOptions { now_us, base, ..CreateOptions::default() }
    }

    pub fn make(&self, options: &CreateOptions) -> Created {
        create_live(&self.repository, &self.engine, options, &one_thread()).expect("created")
    }

    pub fn snapshot(&self, base: Base) -> Snapshot {
        self.make(&self.options(base)).snapshot
    }

    pub fn hash(&self) -> [u8; 32] {
        self.engine.view().expect("a view").state_hash()
    }

    /// Restores into a new directory; its state's hash.
    pub fn restored(&self, id: &str) -> [u8; 32] {
        let target = PathBuf::from(format!("/restored/{id}"));
        let disk = storage(&self.disk);
        cairn_snapshot::restore(&self.repository, id, &disk, &target, NOW_US, &one_thread())
            .expect("restored");
        let report = check_dir(&disk, &target).expect("a whole directory");
        self.disk.remove_dir_all(&target).expect("removed");
        report.state_hash
    }

    pub fn vectors(&self, from: usize, n: usize) {
        let writes =
            (from..from + n).map(|i| vector(&format!("item-{i}"), &[i as f32, 1.0, 0.5, -0.25])).collect();
        write(&self.engine, writes);
    }

    pub fn events(&self, from: usize, n: usize) {
        let one = |i: usize| {
            let (context, id) = (format!("user-{}", i % 7), format!("item-{}", i * 3 % 50));
            event(&context, &id, EventOp::Add, (i % 100) as u8, 1_700_000_000 + i as i64 * 60)
        };
        write(&self.engine, (from..from + n).map(one).collect());
    }
}

fn in_repository(disk: &SimDisk) -> u64 {
    files_below(disk, REPO).iter().map(|path| disk.read_file(path).len() as u64).sum()
}

#[test]
fn a_chain_comes_back_exactly_and_each_without_the_others() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 500);
    scene.events(0, 300);
    scene.engine.checkpoint().expect("a checkpoint");
    let mut hashes = Vec::new();
    let full = scene.snapshot(Base::Newest);
    assert_eq!(full.snapshot_type, SnapshotType::Full, "there is nothing to go on from");
    hashes.push((full.id.to_string(), scene.hash()));
    for round in 0..6 {
        scene.vectors(480 + round * 10, 20);
        scene.events(300 + round * 30, 30);
        write(
            &scene.engine,
            vec![Write::VectorDelete { id: format!("item-{round}") }, Write::Decay { factor: 0.9 }],
        );
        write(&scene.engine, vec![metadata(&format!("item-{}", 90 + round), "price:10,ok:true")]);
        if round == 3 {
            // The log goes, the snapshots stay: it is compared with what the repository holds.
            scene.engine.checkpoint().expect("a checkpoint");
        }
        let made = scene.snapshot(Base::Newest);
        assert_eq!(made.snapshot_type, SnapshotType::Incremental);
        assert_eq!(made.base.as_ref().map(ToString::to_string), hashes.last().map(|(id, _)| id.clone()));
        assert_eq!(made.changed_vectors, 21, "twenty set, one deleted");
        assert!(!made.log.is_empty() && made.files == full.files);
        hashes.push((made.id.to_string(), scene.hash()));
    }
    for (id, hash) in &hashes {
        assert_eq!(scene.restored(id), *hash, "{id}");
    }
    assert!(verify_all(&scene.repository, &one_thread()).expect("readable").is_whole());
    // Every other one goes, the full one too.
    for (id, _) in hashes.iter().step_by(2) {
        let gone = delete(&scene.repository, id).expect("deleted");
        assert_eq!(gone.kept_for, None);
    }
    assert!(verify_all(&scene.repository, &one_thread()).expect("readable").is_whole());
    for (id, hash) in hashes.iter().skip(1).step_by(2) {
        assert_eq!(scene.restored(id), *hash, "{id}");
    }
    for listed in list(&scene.repository).expect("readable") {
        delete(&scene.repository, listed.id()).expect("deleted");
    }
    let left: Vec<PathBuf> =
        files_below(&scene.disk, REPO).into_iter().filter(|f| f.starts_with("/backup/repo/parts")).collect();
    assert_eq!(left, [] as [PathBuf; 0], "no part is left");
}

#[test]
fn nothing_changed_costs_next_to_nothing_and_little_costs_little() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 5_000);
    scene.events(0, 2_000);
    scene.snapshot(Base::None);
    let before = in_repository(&scene.disk);
    let same = scene.snapshot(Base::Newest);
    assert_eq!((same.log.len(), same.changed_vectors, same.lsn), (0, 0, scene.engine.stats().lsn));
    assert!(in_repository(&scene.disk) - before <= 4 << 10, "{} bytes", in_repository(&scene.disk) - before);
    assert_eq!(scene.restored(same.id.as_str()), scene.hash());
    let before = in_repository(&scene.disk);
    scene.vectors(0, 50);
    let little = scene.snapshot(Base::Newest);
    let stored = in_repository(&scene.disk) - before;
    assert!(stored <= 50 * 50 + (4 << 10), "{stored} bytes for 50 vectors");
    assert_eq!(little.changed_vectors, 50);
    assert_eq!(scene.restored(little.id.as_str()), scene.hash());
}

#[test]
fn many_small_ones_do_not_name_many_parts() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 500);
    scene.snapshot(Base::None);
    for round in 0..40 {
        scene.vectors(round, 3);
        let made = scene.snapshot(Base::Newest);
        assert_eq!(made.log.len(), 1, "round {round}");
        assert_eq!(made.log_records(), 3 * (round as u64 + 1));
    }
    let newest = list(&scene.repository).expect("readable")[0].id().to_owned();
    assert_eq!(scene.restored(&newest), scene.hash());
}

#[test]
fn a_log_that_costs_more_than_its_share_calls_for_a_full_one() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 10);
    scene.snapshot(Base::None);
    let long = vec![0.5; 4_000];
    write(&scene.engine, vec![vector("z", &[1.0, 1.0, 1.0, 1.0])]);
    let spec = CollectionSpec { storage: StorageMode::Mmap, ..CollectionSpec::default() };
    scene
        .engine
        .change_collections(CollectionChange::Create {
            name: "long".to_owned(),
            settings: Box::new(settings()),
            spec: Box::new(spec),
        })
        .expect("created");
    // The same few items again and again: much log, a small state.
    for round in 0..1_100 {
        let to = |id: String| Request { collection: Some("long".into()), write: vector(&id, &long) };
        scene.engine.write_requests(vec![to(format!("item-{}", round % 10))]).remove(0).expect("written");
    }
    let made = scene.make(&scene.options(Base::Newest));
    assert_eq!(made.snapshot.snapshot_type, SnapshotType::Full);
    assert!(made.full_because.expect("a reason").contains("replay more than"));
    assert_eq!(scene.restored(made.snapshot.id.as_str()), scene.hash());
}

#[test]
fn parts_are_stored_where_the_log_leaves_vectors_out_or_is_gone() {
    let wal = WalSettings { include_vectors: false, ..WalSettings::default() };
    let scene = Scene::new(wal);
    scene.vectors(0, 2_000);
    let full = scene.snapshot(Base::None);
    scene.vectors(2_000, 10);
    let made = scene.snapshot(Base::Newest);
    assert_eq!((made.snapshot_type, made.log.len()), (SnapshotType::Incremental, 0));
    assert!(made.added_bytes < full.stored_bytes / 2, "{} of {}", made.added_bytes, full.stored_bytes);
    assert_eq!(scene.restored(made.id.as_str()), scene.hash());

    // A log that was off in between.
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 2_000);
    scene.snapshot(Base::None);
    scene.engine.set_wal(WalSettings { enabled: false, ..WalSettings::default() }).expect("off");
    scene.vectors(2_000, 10);
    scene.engine.set_wal(WalSettings::default()).expect("on");
    scene.vectors(2_010, 10);
    let made = scene.snapshot(Base::Newest);
    assert_eq!((made.snapshot_type, made.log.len()), (SnapshotType::Incremental, 0));
    assert_eq!(scene.restored(made.id.as_str()), scene.hash());
}

#[test]
fn it_goes_on_across_timelines_and_from_a_base_that_is_its_own_past_only() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 300);
    let first = scene.snapshot(Base::None);
    scene.vectors(300, 10);
    let second = scene.snapshot(Base::Newest);
    let second_hash = scene.hash();
    scene.vectors(310, 10);
    // Back to the second: a new timeline.
    load(&scene.repository, second.id.as_str(), &scene.engine, &one_thread()).expect("loaded");
    assert_eq!(scene.hash(), second_hash);
    let same = scene.snapshot(Base::Of(second.id.to_string()));
    assert_eq!((same.log == second.log, same.timeline == second.timeline), (true, false));
    assert_eq!(scene.restored(same.id.as_str()), second_hash);
    scene.vectors(500, 10);
    let third = scene.snapshot(Base::Of(first.id.to_string()));
    assert_eq!(third.snapshot_type, SnapshotType::Incremental);
    assert_eq!(scene.restored(third.id.as_str()), scene.hash());
    let fourth = scene.snapshot(Base::Newest);
    assert_eq!(fourth.base, Some(third.id));
    assert_eq!(fourth.log.iter().map(|log| log.timeline).collect::<std::collections::BTreeSet<_>>().len(), 2);
    assert_eq!(scene.restored(fourth.id.as_str()), scene.hash());
}

#[test]
fn a_base_must_be_there_and_of_the_same_database_and_collections() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 10);
    let refused = |options: &CreateOptions| {
        create_live(&scene.repository, &scene.engine, options, &one_thread()).expect_err("refused")
    };
    let e = refused(&scene.options(Base::Of("nothing".to_owned())));
    assert_eq!(e.kind(), ErrorKind::NotFound);
    assert!(e.to_string().starts_with("Snapshot not found: nothing"), "{e}");
    let other = create(&scene.disk, full_state(), &scene.options(Base::None));
    let e = refused(&scene.options(Base::Of(other.id.to_string())));
    assert_eq!(e.kind(), ErrorKind::Input);
    assert!(e.to_string().contains("expected a snapshot of database"), "{e}");
    let whole = scene.snapshot(Base::None);
    let mut options = scene.options(Base::Of(whole.id.to_string()));
    options.collections = Some(vec!["default".to_owned()]);
    let e = refused(&options);
    assert!(e.to_string().contains("of the same collections, got one of the whole database"), "{e}");
    options.collections = Some(vec!["missing".to_owned()]);
    assert_eq!(refused(&options).to_string(), "Collection not found: missing");
    let e = cairn_snapshot::create(
        &scene.repository,
        scene.engine.view().expect("a view"),
        &scene.options(Base::Newest),
        &one_thread(),
    );
    assert_eq!(e.expect_err("no engine, no log").kind(), ErrorKind::Input);
    assert_eq!(list(&scene.repository).expect("readable").len(), 2, "the refused left nothing");
}

#[test]
fn a_base_whose_parts_are_missing_or_cut_is_no_base() {
    for cut in [false, true] {
        let scene = Scene::new(WalSettings::default());
        scene.vectors(0, 50);
        let oldest = scene.snapshot(Base::None);
        scene.vectors(0, 60);
        let older = scene.snapshot(Base::None);
        scene.vectors(55, 10);
        let damage = |snapshot: &Snapshot, others: &[&Snapshot]| {
            let shared = |id| others.iter().any(|other| other.parts().any(|part| part.id == id));
            let part = *snapshot.parts().find(|part| !shared(part.id)).expect("a part of its own");
            let path = Path::new(REPO).join(part.stored());
            match cut {
                true => scene.disk.truncate_file(&path, part.stored_bytes - 1),
                false => scene.disk.remove_file(&path),
            }
            part.stored()
        };
        let stored = damage(&older, &[&oldest]);
        let options = scene.options(Base::Of(older.id.to_string()));
        let e = create_live(&scene.repository, &scene.engine, &options, &one_thread()).expect_err("refused");
        assert!(e.to_string().contains(&stored), "{e}");
        assert_eq!(e.kind(), if cut { ErrorKind::Corrupt } else { ErrorKind::NotFound }, "{e}");
        let made = scene.snapshot(Base::Newest);
        assert_eq!(made.base.as_ref(), Some(&oldest.id), "the newest whole one");
        assert_eq!(scene.restored(made.id.as_str()), scene.hash());

        delete(&scene.repository, made.id.as_str()).expect("deleted");
        damage(&oldest, &[]);
        let made = scene.make(&scene.options(Base::Newest));
        assert_eq!(made.snapshot.snapshot_type, SnapshotType::Full);
        let why = made.full_because.expect("it says why");
        assert!(
            why.starts_with(&format!("there is no whole snapshot of it to go on from: {}", oldest.id)),
            "{why}"
        );
        assert_eq!(scene.restored(made.snapshot.id.as_str()), scene.hash());
    }
}

#[test]
fn collections_of_their_own_come_back_without_the_others() {
    let scene = Scene::new(WalSettings::default());
    for name in ["books", "films"] {
        let create = CollectionChange::Create {
            name: name.to_owned(),
            settings: Box::new(settings()),
            spec: Box::new(CollectionSpec::default()),
        };
        scene.engine.change_collections(create).expect("created");
    }
    let put = |name: &str, from: usize, n: usize| {
        let to = |i: usize| Request {
            collection: Some(name.into()),
            write: vector(&format!("{name}-{i}"), &[i as f32, 1.0]),
        };
        for result in scene.engine.write_requests((from..from + n).map(to).collect()) {
            result.expect("written");
        }
    };
    scene.vectors(0, 50);
    put("books", 0, 400);
    put("films", 0, 100);
    let of_books = |base: Base| {
        let mut options = scene.options(base);
        options.collections = Some(vec!["books".to_owned()]);
        scene.make(&options).snapshot
    };
    let expected = || {
        let view = scene.engine.view().expect("a view").only(&["books".to_owned()]).expect("there");
        assert_eq!(view.counts().vectors, view.collection("books").expect("there").counts().vectors);
        view.state_hash()
    };
    let first = of_books(Base::Newest);
    assert_eq!((first.whole, first.collections.len(), first.counts.vectors), (false, 1, 400));
    assert_eq!(scene.restored(first.id.as_str()), expected());
    for round in 0..5 {
        put("films", 100 + round * 10, 10);
        put("books", 390 + round * 20, 20);
        scene.vectors(round * 7, 5);
        let made = of_books(Base::Newest);
        assert_eq!((made.snapshot_type, made.changed_vectors), (SnapshotType::Incremental, 20));
        assert_eq!(made.log_records(), 20 * (round as u64 + 1), "those of the others are left out");
        assert_eq!(scene.restored(made.id.as_str()), expected(), "round {round}");
    }
    // What others become can change what the name means: then parts are stored.
    scene.engine.change_collections(CollectionChange::Drop { name: "films".to_owned() }).expect("dropped");
    let made = of_books(Base::Newest);
    assert_eq!((made.snapshot_type, made.log.len()), (SnapshotType::Incremental, 0));
    assert_eq!(scene.restored(made.id.as_str()), expected());
    // Of the whole database no base of one collection is taken.
    assert_eq!(scene.snapshot(Base::Newest).snapshot_type, SnapshotType::Full);
}

#[test]
fn cancelled_it_leaves_nothing() {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 500);
    scene.snapshot(Base::None);
    scene.vectors(500, 100);
    let before = scene.disk.files();
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let progress = |_| cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let job = Job { progress: &progress, cancel: &cancel, ..one_thread() };
    let e = create_live(&scene.repository, &scene.engine, &scene.options(Base::Newest), &job)
        .expect_err("cancelled");
    assert_eq!(e.to_string(), "cancelled");
    assert_eq!(scene.disk.files(), before);
}

#[test]
fn each_compression_stores_a_log_that_comes_back() {
    for compression in [Compression::None, Compression::Gzip { level: 6 }, Compression::Zstd { level: 3 }] {
        let scene = Scene::new(WalSettings::default());
        scene.vectors(0, 200);
        scene.snapshot(Base::None);
        scene.events(0, 500);
        let mut options = scene.options(Base::Newest);
        options.compression = compression;
        let made = scene.make(&options).snapshot;
        assert_eq!(scene.restored(made.id.as_str()), scene.hash());
    }
}
