//! Snapshots of a database that is written to: each is the state at one record, and has all that was acknowledged before it.

use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{
    CollectionChange, CollectionSpec, Engine, EventOp, ManualClock, Options, Request, SyncMode, Target, View,
    WalSettings, Write, check_dir, view_dir,
};
use cairn_snapshot::{Base, CreateOptions, Job, Repository, Snapshot, SnapshotType, create_live, list};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const WRITERS: usize = 4;
/// Of each mode of the log: more than 100 in all.
const SNAPSHOTS: u64 = 36;
/// Batches that each writer may write for a snapshot, most of them while it is made.
const BATCHES: u64 = 30;

/// A writer: what it was told is durable or taken, and how far it may go.
struct Writers {
    acknowledged: Vec<AtomicU64>,
    may_write: AtomicU64,
    done: AtomicBool,
}

/// One batch, the last write of which says its number.
fn batch(writer: usize, n: u64) -> Vec<Request> {
    let collection: Option<Arc<str>> = if n.is_multiple_of(2) { None } else { Some("books".into()) };
    let to = |write: Write| Request { collection: collection.clone(), write };
    let id = format!("item-{writer}-{}", n % 37);
    let other = format!("item-{}-{}", (writer + 1) % WRITERS, n % 11);
    let context = format!("user-{}", n % 5);
    let mut requests = vec![
        to(vector(&id, &[n as f32, writer as f32, 0.5, -1.0])),
        to(metadata(&id, &format!("n:{n},even:{}", n.is_multiple_of(2)))),
        to(event(&context, &id, EventOp::Add, (n % 100) as u8, 1_700_000_000 + n as i64 * 61)),
        to(event(&context, &other, EventOp::Set, 7, 1_700_000_000 + n as i64 * 61)),
    ];
    match n % 9 {
        0 => requests.push(to(Write::VectorDelete { id })),
        1 => requests.push(to(event(&context, &id, EventOp::Del, 0, 1_700_000_000 + n as i64 * 61))),
        2 => requests.push(to(Write::Decay { factor: 0.875 })),
        _ => {}
    }
    let mark = format!("mark-{writer}");
    requests.push(vector(&mark, &[1.0, 1.0, 1.0, 1.0]).into());
    requests.push(metadata(&mark, &format!("n:{n}")).into());
    requests
}

fn write_on(engine: &Engine, writers: &Writers, writer: usize) {
    for n in 1.. {
        while n > writers.may_write.load(Ordering::Acquire) {
            if writers.done.load(Ordering::Acquire) {
                return;
            }
            std::thread::yield_now();
        }
        for answer in engine.write_requests(batch(writer, n)) {
            answer.expect("the write is accepted");
        }
        writers.acknowledged[writer].store(n, Ordering::Release);
    }
}

/// The number of the last batch of each writer that is in a state.
fn marks(view: &View) -> Vec<u64> {
    let default = view.default_collection();
    let found: std::collections::HashMap<String, u64> = default
        .metadata()
        .filter(|(id, _)| id.starts_with("mark-"))
        .map(|(id, metadata)| (id.to_owned(), metadata.to_json()["n"].as_u64().expect("a number")))
        .collect();
    (0..WRITERS).map(|writer| found.get(&format!("mark-{writer}")).copied().unwrap_or(0)).collect()
}

fn open_engine(disk: &SimDisk, sync: SyncMode) -> Engine {
    let options = Options {
        settings: settings(),
        clock: Arc::new(ManualClock::new(NOW_US)),
        wal: Some(WalSettings { sync, segment_bytes: 256 << 10, ..WalSettings::default() }),
        vector_segment_bytes: 4_000,
        ..Options::default()
    };
    Engine::open(storage(disk), Path::new("/db"), options).expect("it opens").0
}

/// A snapshot that was made, and what a restore of it after the crash gave.
struct Made {
    snapshot: Snapshot,
    hash: [u8; 32],
}

/// Right after the call returned everything that was not synced is lost.
fn crash(disk: &SimDisk, snapshot: &Snapshot, noted: &[u64]) -> Made {
    let after = disk.image(Fate::Dropped);
    let id = snapshot.id.as_str();
    let repository = Repository::open(storage(&after), repo_path()).expect("it opens");
    let report = cairn_snapshot::verify(&repository, id, &one_thread()).expect("it is there");
    assert!(report.is_whole(), "{id}: {:?}", report.findings);
    cairn_snapshot::restore(&repository, id, &storage(&after), target(), NOW_US, &one_thread())
        .expect("it restores");
    let (view, _) = view_dir(&storage(&after), target()).expect("a whole directory");
    let found = marks(&view);
    assert!(
        noted.iter().zip(&found).all(|(noted, found)| noted <= found),
        "{id}: acknowledged before the call: {noted:?}, in the snapshot: {found:?}"
    );
    // The database did not fall behind its snapshot.
    let report = check_dir(&storage(&after), Path::new("/db")).expect("it recovers");
    assert!(report.lsn >= snapshot.lsn, "{id}: LSN {} after the crash", report.lsn);
    Made { snapshot: snapshot.clone(), hash: view.state_hash() }
}

fn run(sync: SyncMode) -> Vec<Made> {
    let disk = SimDisk::new(1);
    let engine = open_engine(&disk, sync);
    let create = CollectionChange::Create {
        name: "books".to_owned(),
        settings: Box::new(settings()),
        spec: Box::new(CollectionSpec::default()),
    };
    engine.change_collections(create).expect("created");
    let repository = open_or_create(&disk);
    let writers = Writers {
        acknowledged: (0..WRITERS).map(|_| AtomicU64::new(0)).collect(),
        may_write: AtomicU64::new(BATCHES),
        done: AtomicBool::new(false),
    };
    let mut made = Vec::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (engine, writers) = (&engine, &writers);
            scope.spawn(move || write_on(engine, writers, writer));
        }
        // Also when an assertion fails, the writers come to their end.
        let _done = Done(&writers);
        for nth in 0..SNAPSHOTS {
            writers.may_write.fetch_add(BATCHES, Ordering::AcqRel);
            if nth % 6 == 5 {
                engine.checkpoint().expect("a checkpoint");
            }
            let noted: Vec<u64> = writers.acknowledged.iter().map(|n| n.load(Ordering::Acquire)).collect();
            let options = CreateOptions {
                base: if nth % 8 == 7 { Base::None } else { Base::Newest },
                now_us: NOW_US + nth as i64 * 1_000_000,
                ..CreateOptions::default()
            };
            let created = create_live(&repository, &engine, &options, &Job::default()).expect("created");
            made.push(crash(&disk, &created.snapshot, &noted));
        }
    });
    // What the log says was the state at that record.
    for Made { snapshot, hash } in &made {
        let then = engine.view_at(Target::Lsn(snapshot.lsn), Some(snapshot.timeline)).expect("in the log");
        assert_eq!(then.state_hash(), *hash, "{} at LSN {}", snapshot.id, snapshot.lsn);
    }
    // And each still is that, whatever came after it.
    for Made { snapshot, hash } in &made {
        let dir = Path::new("/again");
        let id = snapshot.id.as_str();
        cairn_snapshot::restore(&repository, id, &storage(&disk), dir, NOW_US, &one_thread())
            .expect("restored");
        assert_eq!(check_dir(&storage(&disk), dir).expect("whole").state_hash, *hash, "{id}");
        cairn_disk::Storage::remove_dir_all(&disk, dir).expect("removed");
    }
    assert_eq!(list(&repository).expect("readable").len(), made.len());
    made
}

/// Ends the writers when it is dropped.
struct Done<'a>(&'a Writers);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Release);
    }
}

/// What was seen, to be printed.
fn check(sync: SyncMode) -> String {
    let made = run(sync);
    let lsns: BTreeSet<u64> = made.iter().map(|made| made.snapshot.lsn.0).collect();
    let kinds = |kind| made.iter().filter(|made| made.snapshot.snapshot_type == kind).count();
    let (full, incremental) = (kinds(SnapshotType::Full), kinds(SnapshotType::Incremental));
    let logged = made.iter().filter(|made| !made.snapshot.log.is_empty()).count();
    assert!(full >= 4 && incremental >= 20 && logged >= 10, "{full}, {incremental}, {logged}");
    assert!(lsns.len() >= 30, "only {} different LSNs: nothing was written meanwhile", lsns.len());
    let n = lsns.len();
    format!("{sync}: {full} full and {incremental} incremental snapshots ({logged} with log) at {n} LSNs")
}

#[test]
fn under_writes_each_snapshot_is_one_record_and_has_what_was_acknowledged_fsync() {
    println!("{}", check(SyncMode::Fsync));
}

#[test]
fn under_writes_each_snapshot_is_one_record_and_has_what_was_acknowledged_periodic() {
    println!("{}", check(SyncMode::Periodic { interval_us: 5_000 }));
}

#[test]
fn under_writes_each_snapshot_is_one_record_and_has_what_was_acknowledged_async() {
    println!("{}", check(SyncMode::Async));
}
