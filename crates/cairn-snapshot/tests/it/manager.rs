//! `SnapshotManager`: its names, errors, what a dropped call leaves, calls at the same time, damage, cleanup.

use crate::support::*;
use cairn_disk::{ErrorKind, FileType, RealDisk, SimDisk, Storage};
use cairn_engine::{Engine, ManualClock, Options, Write};
use cairn_snapshot::manager::{Snapshot, SnapshotType};
use cairn_snapshot::{Repository, SnapshotConfig, SnapshotManager, VectorDB, find};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tempfile::TempDir;

type Any = Box<dyn std::error::Error>;

/// A directory with a database and a manager on real files.
struct Place {
    dir: TempDir,
    db: VectorDB,
    manager: SnapshotManager,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        let db = VectorDB::open(dir.path().join("data")).expect("it opens");
        let manager = SnapshotManager::new(config(dir.path())).expect("made");
        Place { dir, db, manager }
    }

    fn insert(&self, from: usize, n: usize) {
        let one = |i: usize| vector(&format!("item-{i}"), &[i as f32, 0.5, -0.25]);
        write(self.db.engine(), (from..from + n).map(one).collect());
    }

    fn hash(&self) -> [u8; 32] {
        hash(&self.db)
    }

    /// The part that holds a snapshot's manifest.
    fn manifest_of(&self, snapshot: &Snapshot) -> PathBuf {
        let root = self.dir.path().join("snapshots");
        let repository = Repository::open(Arc::new(RealDisk::new()), &root).expect("opens");
        root.join(find(&repository, &snapshot.id).expect("there").manifest.stored())
    }
}

fn config(dir: &Path) -> SnapshotConfig {
    SnapshotConfig { snapshot_dir: dir.join("snapshots"), ..SnapshotConfig::default() }
}

fn hash(db: &VectorDB) -> [u8; 32] {
    db.engine().view().expect("a view").state_hash()
}

/// Every file below a directory, but locks.
fn files(dir: &Path) -> Vec<PathBuf> {
    let disk = RealDisk::new();
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in disk.list(&dir).expect("readable") {
            let path = dir.join(&entry.name);
            match entry.stat.file_type {
                FileType::Dir => dirs.push(path),
                _ if entry.name == "LOCK" => {}
                _ => found.push(path),
            }
        }
    }
    found.sort();
    found
}

fn flip(path: &Path) {
    let disk = RealDisk::new();
    let mut bytes = cairn_disk::read_file(&disk, path, 1 << 20).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let file = disk.open(path, cairn_disk::Access::Write).expect("opens");
    file.write_at(0, &bytes).expect("written");
}

/// Polls a call once: what begins it.
async fn polled<T>(call: &mut Pin<Box<impl Future<Output = T>>>) -> Option<T> {
    std::future::poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Begins a call, and drops it while its thread stands before the disk's `nth` operation from now; what it gave when it was
/// done before.
async fn drop_at<T>(disk: &SimDisk, nth: u64, call: impl Future<Output = T>) -> Option<T> {
    let (reached, stands) = channel();
    let (go_on, waits) = channel();
    let waits = Mutex::new(waits);
    let mut left = nth;
    disk.on_op(Box::new(move |_, _| {
        let now = left == 0;
        left = left.wrapping_sub(1);
        if now {
            reached.send(()).expect("somebody waits");
            // Told to, or nobody is there any more.
            let _: Result<(), _> = waits.lock().expect("no panic").recv();
        }
    }));
    let mut call = Box::pin(call);
    loop {
        if let Some(done) = polled(&mut call).await {
            drop(go_on);
            disk.on_op(Box::new(|_, _| {}));
            return Some(done);
        }
        if stands.try_recv().is_ok() {
            drop(call);
            drop(go_on);
            return None;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits for a thread that goes on after its call was dropped.
async fn eventually(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_names_and_types_are_those_of_the_document() -> Result<(), Any> {
    let place = Place::new();
    place.insert(0, 10);
    let SnapshotConfig { snapshot_dir, compression, compression_level, verify_checksum, max_concurrent_io } =
        SnapshotConfig::default();
    let of_config: (PathBuf, bool, u32, bool, usize) =
        (snapshot_dir, compression, compression_level, verify_checksum, max_concurrent_io);
    assert_eq!(of_config, ("./snapshots".into(), true, 6, true, 4));

    let made = place.manager.create_snapshot(&place.db, "named").await?;
    let Snapshot { id, created_at, size_bytes, checksum, snapshot_type, vector_count, metadata } =
        made.clone();
    let (id, size_bytes, checksum): (String, u64, String) = (id, size_bytes, checksum);
    let (created_at, vector_count): (jiff::Timestamp, usize) = (created_at, vector_count);
    assert_eq!((snapshot_type, vector_count), (SnapshotType::Full, 10));
    assert!(id.starts_with("snap-") && size_bytes > 0 && created_at.as_second() > 1_700_000_000);
    assert_eq!(metadata["name"], "named");
    assert_eq!(metadata["compression"], "gzip");
    let file = place.dir.path().join("snapshots/snapshots").join(&id).join("metadata.json");
    let bytes = cairn_disk::read_file(&RealDisk::new(), &file, 1 << 20)?;
    assert_eq!(checksum, cairn_snapshot::Digest::of(&bytes).to_string());
    // An id and a name mean the same, and what is listed is what was made.
    assert_eq!(place.manager.get_snapshot(&id).await?, Some(made.clone()));
    assert_eq!(place.manager.get_snapshot("named").await?, Some(made.clone()));
    assert_eq!(place.manager.list_snapshots().await?, [made]);
    Ok(())
}

#[tokio::test]
async fn a_chain_comes_back_and_its_directory_goes_with_the_handle() -> Result<(), Any> {
    let place = Place::new();
    place.insert(0, 300);
    let base = place.manager.create_snapshot(&place.db, "base").await?;
    let mut hashes = vec![(base.id.clone(), place.hash())];
    for round in 0..3 {
        place.insert(round * 7, 5);
        write(place.db.engine(), vec![Write::VectorDelete { id: format!("item-{}", 200 + round) }]);
        let (base_id, _) = hashes.last().expect("one").clone();
        let name = format!("incremental-{round}");
        let made = place.manager.create_incremental_snapshot(&place.db, &name, &base_id).await?;
        assert_eq!(made.snapshot_type, SnapshotType::Incremental { base_id });
        assert_eq!(made.vector_count, 299 - round);
        assert_eq!(made.metadata["changed_vectors"], 6);
        assert!(made.size_bytes < base.size_bytes);
        hashes.push((made.id, place.hash()));
    }
    place.manager.delete_snapshot("base").await?;
    for (id, expected) in hashes.iter().skip(1) {
        let restored = place.manager.restore_snapshot(id).await?;
        assert_eq!((hash(&restored), restored.is_empty()?), (*expected, false));
        // It is a database like any other.
        restored.insert("another", &[1.0, 2.0, 3.0])?;
        let two = restored.clone();
        let before = restored.len()?;
        drop(restored);
        assert_eq!(two.len()?, before);
    }
    let target = place.dir.path().join("restored/db");
    let (id, expected) = &hashes[3];
    let kept = place.manager.restore_snapshot_to(id, &target).await?;
    assert_eq!(hash(&kept), *expected);
    drop(kept);
    assert_eq!(hash(&VectorDB::open(&target)?), *expected, "it stays");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_is_an_error_that_says_why() -> Result<(), Any> {
    let place = Place::new();
    place.insert(0, 10);
    let refused = |config: SnapshotConfig| SnapshotManager::new(config).expect_err("refused").to_string();
    let none = SnapshotConfig { max_concurrent_io: 0, ..config(place.dir.path()) };
    assert_eq!(refused(none), "max_concurrent_io: expected at least 1, got 0");
    let level = SnapshotConfig { compression_level: 10, ..config(place.dir.path()) };
    assert_eq!(refused(level), "gzip compression level: expected 1 to 9, got 10");
    place.manager.create_snapshot(&place.db, "first").await?;
    let before = files(place.dir.path().join("snapshots").as_path());

    let e = place.manager.create_snapshot(&place.db, "first").await.expect_err("taken");
    assert_eq!(e.kind(), ErrorKind::Exists);
    let e = place.manager.create_snapshot(&place.db, "").await.expect_err("no name");
    assert_eq!(e.kind(), ErrorKind::Input);
    for (base, why) in [("", "none was named"), ("missing", "Snapshot not found: missing (in ")] {
        let made = place.manager.create_incremental_snapshot(&place.db, "second", base).await;
        let e = made.expect_err("no base");
        assert_eq!(e.kind(), ErrorKind::NotFound);
        let text = e.to_string();
        assert!(text.starts_with(&format!("incremental snapshot needs a base: {why}")), "{text}");
    }
    let other = Place::new();
    let made = place.manager.create_incremental_snapshot(&other.db, "second", "first").await;
    let text = made.expect_err("of another database").to_string();
    assert!(text.starts_with("base first: expected a snapshot of database "), "{text}");

    assert_eq!(place.manager.get_snapshot("missing").await?, None);
    for e in [
        place.manager.restore_snapshot("missing").await.map(drop).expect_err("missing"),
        place.manager.verify_snapshot("missing").await.map(drop).expect_err("missing"),
        place.manager.delete_snapshot("missing").await.expect_err("missing"),
    ] {
        assert_eq!(e.kind(), ErrorKind::NotFound);
    }
    let e = place.manager.restore_snapshot_to("first", place.dir.path()).await.expect_err("not empty");
    assert_eq!(e.kind(), ErrorKind::Input);
    place.db.engine().close()?;
    assert!(place.db.len().is_err());
    assert!(place.manager.create_snapshot(&place.db, "closed").await.is_err());
    assert_eq!(files(place.dir.path().join("snapshots").as_path()), before, "the refused left nothing");
    Ok(())
}

#[tokio::test]
async fn damage_is_false_and_its_finding_names_the_file() -> Result<(), Any> {
    let place = Place::new();
    place.insert(0, 200);
    let good = place.manager.create_snapshot(&place.db, "good").await?;
    write(place.db.engine(), (0..200).map(|i| vector(&format!("item-{i}"), &[0.5, i as f32, 9.0])).collect());
    let bad = place.manager.create_snapshot(&place.db, "bad").await?;
    let after = files(&place.dir.path().join("snapshots/parts"));
    let own = &place.manifest_of(&bad);
    flip(own);

    assert!(place.manager.verify_snapshot(&good.id).await?);
    assert!(!place.manager.verify_snapshot(&bad.id).await?);
    let report = place.manager.check_snapshot(&bad.id).await?;
    assert_eq!(report.findings.iter().map(|f| &f.path).collect::<Vec<_>>(), [own]);
    assert_eq!(place.manager.check_all().await?.findings, report.findings);
    let e = place.manager.restore_snapshot(&bad.id).await.expect_err("damaged");
    assert_eq!((e.kind(), &e.finding().expect("a finding").path), (ErrorKind::Corrupt, own));
    // A new one that would share the damaged part is refused where it is verified; nothing of it stays.
    let e = place.manager.create_incremental_snapshot(&place.db, "on-bad", "bad").await.expect_err("damaged");
    assert_eq!(e.kind(), ErrorKind::Corrupt);
    assert_eq!(place.manager.get_snapshot("on-bad").await?, None);
    assert_eq!(files(&place.dir.path().join("snapshots/parts")), after);

    // A damaged description is listed no more, but found, and can be deleted.
    flip(&place.dir.path().join("snapshots/snapshots").join(&bad.id).join("metadata.json"));
    assert_eq!(place.manager.list_snapshots().await?, [good]);
    assert_eq!(place.manager.get_snapshot(&bad.id).await.expect_err("damaged").kind(), ErrorKind::Corrupt);
    assert!(!place.manager.verify_snapshot(&bad.id).await?);
    assert!(place.manager.check_all().await?.snapshots.contains(&bad.id));
    place.manager.delete_snapshot(&bad.id).await?;
    assert!(place.manager.check_all().await?.is_whole());
    Ok(())
}

#[tokio::test]
async fn a_cleanup_keeps_the_newest_good_one() -> Result<(), Any> {
    let place = Place::new();
    let mut made = Vec::new();
    for n in 0..5 {
        place.insert(n * 50, 50);
        made.push(place.manager.create_snapshot(&place.db, &format!("n{n}")).await?);
    }
    // One of another database is counted for itself.
    let other = Place::new();
    let of_other = place.manager.create_snapshot(&other.db, "other").await?;
    assert_eq!(place.manager.cleanup_old_snapshots(5).await?, 0);
    assert_eq!(place.manager.cleanup_old_snapshots(4).await?, 1);
    assert_eq!(place.manager.get_snapshot("n0").await?, None);

    // The newest two are damaged: of those asked to be kept none is good.
    for snapshot in &made[3..] {
        flip(&place.manifest_of(snapshot));
        assert!(!place.manager.verify_snapshot(&snapshot.id).await?);
    }
    assert_eq!(place.manager.cleanup_old_snapshots(2).await?, 1);
    let left: Vec<String> = place.manager.list_snapshots().await?.into_iter().map(|s| s.id).collect();
    assert_eq!(left, [&of_other.id, &made[4].id, &made[3].id, &made[2].id].map(Clone::clone));
    assert_eq!(place.manager.cleanup_old_snapshots(0).await?, 2, "the damaged ones");
    let left: Vec<String> = place.manager.list_snapshots().await?.into_iter().map(|s| s.id).collect();
    assert_eq!(left, [&of_other.id, &made[2].id].map(Clone::clone));
    let restored = place.manager.restore_snapshot(&made[2].id).await?;
    assert_eq!(restored.len()?, 150);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_the_same_time_do_not_meet() -> Result<(), Any> {
    let place = Place::new();
    place.insert(0, 500);
    let expected = place.hash();
    let base = place.manager.create_snapshot(&place.db, "base").await?;
    let all = (0..12).map(|n| {
        let (manager, db, base) = (place.manager.clone(), place.db.clone(), base.id.clone());
        tokio::spawn(async move {
            let name = format!("n{n}");
            let made = match n % 2 {
                0 => manager.create_snapshot(&db, &name).await?,
                _ => manager.create_incremental_snapshot(&db, &name, &base).await?,
            };
            manager.list_snapshots().await?;
            let restored = manager.restore_snapshot(&made.id).await?;
            let restored = hash(&restored);
            assert!(manager.verify_snapshot(&made.id).await?);
            if n % 3 == 0 {
                manager.delete_snapshot(&made.id).await?;
            }
            Ok::<_, cairn_snapshot::Error>(restored)
        })
    });
    for task in all.collect::<Vec<_>>() {
        assert_eq!(task.await??, expected);
    }
    assert_eq!(place.manager.list_snapshots().await?.len(), 9);
    assert!(place.manager.check_all().await?.is_whole());
    Ok(())
}

/// A manager and a database on a disk in memory that counts.
fn on_sim_disk() -> (SimDisk, VectorDB, SnapshotManager) {
    let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::new(NOW_US)));
    let options = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
    let (engine, _) = Engine::open(storage(&disk), Path::new("/db"), options).expect("it opens");
    write(&engine, (0..2_000).map(|i| vector(&format!("item-{i}"), &[i as f32, 1.0])).collect());
    let config =
        SnapshotConfig { snapshot_dir: REPO.into(), max_concurrent_io: 1, ..SnapshotConfig::default() };
    let manager = SnapshotManager::with(config, storage(&disk), clock).expect("made");
    (disk, engine.into(), manager)
}

fn nothing<T>(done: cairn_snapshot::Result<T>) -> cairn_snapshot::Result<()> {
    done.map(drop)
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_whenever_it_is_dropped() -> Result<(), Any> {
    let (disk, db, manager) = on_sim_disk();
    let base = manager.create_snapshot(&db, "base").await?;
    write(db.engine(), (0..500).map(|i| vector(&format!("item-{i}"), &[2.0, i as f32])).collect());
    db.engine().checkpoint()?;
    let temporary = || disk.files().iter().filter(|path| path.starts_with(std::env::temp_dir())).count();
    let before = disk.files();
    let mut dropped = [0, 0, 0];
    for (kind, dropped) in dropped.iter_mut().enumerate() {
        for nth in 0.. {
            // What was restored is dropped once nobody stops at operations any more.
            let done = match kind {
                0 => drop_at(&disk, nth, manager.create_snapshot(&db, "dropped")).await.map(nothing),
                1 => {
                    let call = manager.create_incremental_snapshot(&db, "dropped", &base.id);
                    drop_at(&disk, nth, call).await.map(nothing)
                }
                _ => drop_at(&disk, nth, manager.restore_snapshot("base")).await.map(nothing),
            };
            if let Some(done) = done {
                done?;
                break;
            }
            *dropped += 1;
            eventually(|| temporary() == 0 && disk.files() == before).await;
            assert_eq!(manager.list_snapshots().await?.len(), 1, "dropped at operation {nth}");
        }
        if kind < 2 {
            manager.delete_snapshot("dropped").await?;
        }
        eventually(|| temporary() == 0 && disk.files() == before).await;
    }
    println!("dropped at each operation of a full snapshot, an incremental one, a restore: {dropped:?}");
    assert!(dropped[0] >= 25 && dropped[1] >= 15 && dropped[2] >= 40, "only {dropped:?}");
    assert!(manager.check_all().await?.is_whole());
    Ok(())
}

#[tokio::test]
async fn a_call_that_waits_for_another_can_be_dropped_and_one_never_polled_does_nothing() -> Result<(), Any> {
    let (disk, db, manager) = on_sim_disk();
    drop(manager.create_snapshot(&db, "never polled"));
    let mut first = Box::pin(manager.create_snapshot(&db, "first"));
    let mut second = Box::pin(manager.create_snapshot(&db, "second"));
    let first_done = polled(&mut first).await;
    let second_done = polled(&mut second).await;
    drop(second);
    match first_done {
        Some(made) => drop(made?),
        None => drop(first.await?),
    }
    eventually(|| !disk.files().iter().any(|path| path.starts_with("/backup/repo/tmp"))).await;
    // A call that comes after them finds what they left.
    manager.delete_snapshot("first").await?;
    if second_done.is_none() {
        assert!(manager.list_snapshots().await?.is_empty());
        assert_eq!(files_below(&disk, "/backup/repo/parts"), [] as [PathBuf; 0]);
    }
    Ok(())
}
