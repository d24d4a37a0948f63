//! Every version that shipped opens for good: small databases, stored as files, with the state hash they must have.

use crate::collections::{create_with, to};
use crate::support::*;
use cairn_disk::{RealDisk, SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Database, Elements, Engine, EventOp, IndexKind, Lsn,
    Options, Role, StorageMode, SyncMode, Target, WalSettings, Write, check_dir,
};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version 1 of everything: a checkpoint with a sealed segment and page files, and a log after it.
const V1: &str = "tests/fixtures/v1";
const V1_HASH: &str = include_str!("../fixtures/v1.hash");

/// Version 1 with what came later: several checkpoints, a replaced timeline and a branch, a log without vectors, its settings.
const V1_TIMELINES: &str = "tests/fixtures/v1-timelines";
const V1_TIMELINES_HASH: &str = include_str!("../fixtures/v1-timelines.hash");

/// Version 2 of the checkpoint: several collections, an alias, deletes, a mapped segment with a graph, one with codes.
const V2: &str = "tests/fixtures/v2-collections";
const V2_HASH: &str = include_str!("../fixtures/v2-collections.hash");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A directory's files, as a disk in memory: opening may write.
fn loaded(dir: &Path) -> SimDisk {
    let disk = SimDisk::new(1);
    copy(dir, Path::new(DIR), &disk);
    disk
}

fn copy(from: &Path, to: &Path, disk: &SimDisk) {
    disk.create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let path = entry.expect("readable").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to, disk);
        } else {
            disk.write_file(&to, &file(&path));
        }
    }
}

/// What made the fixture, for the next version's: run with `CAIRN_WRITE_FIXTURE=DIR`, a new directory.
fn write(dir: &Path) -> String {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let (_database, mut core, _) = Database::open(storage, dir, &busy_options()).expect("opens");
    let mut numbers = Numbers(42);
    // 16 rows fill a segment.
    for n in 0..20u32 {
        let elements: Vec<f32> = (0..6).map(|_| numbers.unit()).collect();
        assert!(core.step(vec![vector(&format!("item-{}", n % 18), &elements)])[0].is_ok());
    }
    let events = |core: &mut cairn_engine::Core, from: i64| {
        for n in from..from + 60 {
            let op = [EventOp::Add, EventOp::Add, EventOp::Set, EventOp::Del][n as usize % 4];
            let write =
                event(&format!("c{}", n % 5), &format!("item-{}", n * 7 % 18), op, (n % 100) as u8, n);
            assert!(core.step(vec![write])[0].is_ok());
        }
        assert!(
            core.step(vec![metadata("item-1", &format!("n:{from},kind:\"a b\",on:true,f:0.5"))])[0].is_ok()
        );
        core.tick(0.75).expect("ticks");
    };
    events(&mut core, 0);
    core.checkpoint().expect("written");
    events(&mut core, 60);
    hash(&core.view())
}

#[test]
fn version_1_opens_to_its_state() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        println!("{}", write(Path::new(&dir)));
        return;
    }
    let disk = loaded(&fixture(V1));
    let report = check_dir(&storage(&disk), Path::new(DIR)).expect("whole");
    let hex: String = report.state_hash.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, V1_HASH.trim());
    assert!(report.replayed > 0 && report.checkpoint_lsn.0 > 0);
    let (_database, core, _) = open_core(&disk, &busy_options()).expect("opens");
    assert_eq!(hash(&core.view()), V1_HASH.trim());
}

/// How the log of the second fixture is kept.
fn wal_without_vectors() -> WalSettings {
    WalSettings {
        sync: SyncMode::Periodic { interval_us: 1_000_000 },
        include_vectors: false,
        segment_bytes: 8 << 10,
        ..WalSettings::default()
    }
}

/// What made the second fixture: a copy of the directory as a crash would leave it.
fn write_timelines(dir: &Path) {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let options = Options { wal: Some(wal_without_vectors()), ..busy_options() };
    let (engine, _) = Engine::open(storage, &dir.with_extension("open"), options).expect("opens");
    let mut numbers = Numbers(43);
    let mut write = |n: u64| assert!(engine.write(vec![scripted(n, &mut numbers)])[0].is_ok());
    (0..40).for_each(&mut write);
    engine.checkpoint().expect("a checkpoint");
    (40..60).for_each(&mut write);
    let branch = engine.recover(Target::Lsn(Lsn(30)), None).expect("a branch");
    engine.promote(branch.timeline.id).expect("promoted");
    (60..75).for_each(&mut write);
    engine.recover(Target::Latest, None).expect("a branch that is not promoted");
    engine.sync().expect("synced");
    let copied = std::process::Command::new("cp").arg("-r").arg(dir.with_extension("open")).arg(dir).status();
    assert!(copied.expect("cp runs").success());
}

#[test]
fn version_1_with_timelines_opens_to_its_states() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        write_timelines(&Path::new(&dir).join("timelines-fixture"));
        return;
    }
    let disk = loaded(&fixture(V1_TIMELINES));
    let report = check_dir(&storage(&disk), Path::new(DIR)).expect("whole");
    let hex: String = report.state_hash.iter().map(|b| format!("{b:02x}")).collect();
    let (engine, report) =
        Engine::open_as_stored(storage(&disk), Path::new(DIR), busy_options_as_stored()).expect("opens");
    let lost = report.lost.as_ref().expect("the stop was not orderly").to_string();
    assert!(lost.contains("periodic mode"), "{lost}");
    assert_eq!(engine.stats().status.wal, wal_without_vectors());
    let history = engine.history().expect("a history");
    let roles: Vec<Role> = history.windows.iter().map(|window| window.role).collect();
    assert_eq!(roles, [Role::Live, Role::Ancestor, Role::Branch]);
    let first = history.windows[1].timeline.id;
    let past = hash(&engine.view_at(Target::Lsn(Lsn(50)), Some(first)).expect("reachable"));
    let branch =
        hash(&engine.view_at(Target::Latest, Some(history.windows[2].timeline.id)).expect("reachable"));
    let expected: Vec<&str> = V1_TIMELINES_HASH.split_whitespace().collect();
    assert_eq!([hex.as_str(), past.as_str(), branch.as_str()], expected[..]);
}

/// The directory's own settings count.
fn busy_options_as_stored() -> Options {
    Options { wal: None, ..busy_options() }
}

fn small_graphs() -> Options {
    Options { graph_rows_min: 24, maintenance: false, ..busy_options() }
}

/// What made the third fixture.
fn write_collections(dir: &Path) -> String {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let (engine, _) = Engine::open(storage, dir, small_graphs()).expect("opens");
    let graph = CollectionSpec {
        storage: StorageMode::Mmap,
        index: IndexKind::Graph,
        fields: vec!["n".to_owned()],
        max_vectors: 1_000,
        ..CollectionSpec::default()
    };
    let codes = CollectionSpec { elements: Elements::I8, ..CollectionSpec::default() };
    engine.change_collections(create_with("graph", graph)).expect("created");
    engine.change_collections(create_with("codes", codes)).expect("created");
    engine.change_collections(create_with("gone", CollectionSpec::default())).expect("created");
    let alias = CollectionChange::AliasSet { alias: "live".to_owned(), collection: "graph".to_owned() };
    engine.change_collections(alias).expect("changed");
    let mut numbers = Numbers(44);
    let one = |name: &str, write: Write| {
        engine.write_requests(vec![to(name, write)]).remove(0).expect("written");
    };
    for n in 0..300 {
        let name = ["default", "graph", "codes"][n % 3];
        let id = format!("item-{n}");
        one(name, vector(&id, &[numbers.unit(), numbers.unit(), numbers.unit(), 1.0]));
        one(name, metadata(&id, &format!("n:{n}")));
        one(name, event(&format!("c{}", n % 4), &id, EventOp::Add, 50, n as i64));
    }
    for n in 300..500 {
        one("codes", vector(&format!("item-{n}"), &[numbers.unit(), numbers.unit(), numbers.unit(), 1.0]));
    }
    for n in (0..300).step_by(7) {
        one(["default", "graph", "codes"][n % 3], Write::VectorDelete { id: format!("item-{n}") });
    }
    engine.change_collections(CollectionChange::Drop { name: "gone".to_owned() }).expect("dropped");
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(None, all, |_, _| ControlFlow::Continue(())).expect("compacted");
    engine.close().expect("closed");
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let (_database, mut core, _) = Database::open(storage, dir, &small_graphs()).expect("opens");
    assert!(core.step(vec![to("live", vector("later", &[1.0, 0.0, 0.0, 0.0]))])[0].is_ok());
    hash(&core.view())
}

#[test]
fn version_2_with_collections_opens_to_its_state_and_its_indexes() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        println!("{}", write_collections(&Path::new(&dir).join("collections-fixture")));
        return;
    }
    let disk = loaded(&fixture(V2));
    let report = check_dir(&storage(&disk), Path::new(DIR)).expect("whole");
    let hex: String = report.state_hash.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, V2_HASH.trim());
    let (engine, report) = Engine::open(storage(&disk), Path::new(DIR), small_graphs()).expect("opens");
    assert_eq!(hash(&engine.view().expect("a view")), V2_HASH.trim());
    assert_eq!(report.discarded, Vec::<String>::new(), "its graphs and codes are taken as they are");
    let stats = engine.storage_stats(None).expect("stats");
    let shown: Vec<_> =
        stats.iter().map(|s| (s.collection.as_str(), s.graphs, s.codes > 0, s.pending)).collect();
    assert_eq!(shown, [("default", 0, false, 0), ("graph", 1, false, 0), ("codes", 0, true, 0)]);
    assert_eq!(engine.collection_info("live").expect("an alias").name, "graph");
}
