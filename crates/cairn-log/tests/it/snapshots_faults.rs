//! A disk that is full, broken or forbids: errors are told apart, and a failed snapshot leaves nothing.

use crate::common::*;
use crate::snapshots_common::*;
use cairn_disk::{Fate, Fault, RealDisk, SimDisk};
use cairn_log::{
    Compression, Error, ErrorKind, Log, LogConfig, ManualClock, SnapshotManager, SnapshotOptions,
};
use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What the operating system said.
fn system_error(error: &Error) -> io::ErrorKind {
    let source = error.source().expect("an error of the system has a source");
    source.downcast_ref::<Arc<io::Error>>().expect("which is the system's").kind()
}

#[test]
fn a_full_disk() {
    let f = fixture(100);
    let first = f.create();
    let all: u64 = snapshot(&f.sim).iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let sealed = first.segments.iter().filter(|s| s.sealed).flat_map(|s| &s.files);
    let used = all - sealed.map(|file| file.bytes).sum::<u64>();
    for room in [0, 100, 1000, 2000, 4000] {
        f.sim.capacity(Some(used + room));
        let error = f.manager.create_snapshot(&f.log).unwrap_err();
        assert_eq!((error.kind(), system_error(&error)), (ErrorKind::NoSpace, io::ErrorKind::StorageFull));
        assert_eq!(f.ids(), [&*first.id]);
        assert_eq!(strays(&f.sim, &f.manager), [] as [PathBuf; 0], "room for {room}");
        let error = f.manager.restore_snapshot(&first.id, "/restored").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(f.sim.files().iter().all(|p| p.starts_with("/db")));
    }
    f.sim.capacity(Some(0));
    f.manager.delete_snapshot(&first.id).expect("what frees space needs none");
    assert_eq!(f.ids(), [] as [&str; 0]);
    f.sim.capacity(None);
    assert_eq!(manager(&f.sim).found().missing, [first.id], "it was still in the list");
    let again = f.create();
    assert_eq!(restored(&f.sim, &f.manager, &again.id), records(0..100));
}

#[test]
fn a_forbidden_directory() {
    let f = fixture(30);
    let first = f.create();
    let watched = WatchedDisk::new(disk(&f.sim));
    let forbid = |path: PathBuf| *watched.watch.forbidden.lock().unwrap() = Some(path);
    let with = || SnapshotManager::with(Arc::new(watched.clone()), Arc::new(ManualClock::new(1)), DIR);
    forbid(f.manager.snapshot_dir().to_owned());
    let manager = with().expect("what is there can be read");
    assert_eq!(ids(&manager), [&*first.id]);
    assert_eq!(restored(&f.sim, &manager, &first.id), records(0..30));
    forbid(f.manager.snapshot_dir().join("snapshot-1000.new"));
    let (permission, space) = (manager.create_snapshot(&f.log).unwrap_err(), io::ErrorKind::PermissionDenied);
    assert_eq!((permission.kind(), system_error(&permission)), (ErrorKind::Permission, space));
    assert!(permission.to_string().contains("snapshot-1000.new"), "{permission}");
    assert_eq!(f.ids(), [first.id]);
    forbid("/elsewhere".into());
    manager.create_snapshot(&f.log).unwrap();
}

#[test]
fn on_a_real_disk_a_missing_directory_has_a_source() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::new(dir.path().join("log"), config().id, config().timeline);
    let (log, _) = Log::open(Arc::new(RealDisk::new()), config.clone()).unwrap();
    let manager = SnapshotManager::new(&config.dir).unwrap();
    cairn_disk::Storage::remove_dir_all(&RealDisk::new(), &config.dir).unwrap();
    let error = manager.create_snapshot(&log).unwrap_err();
    assert_eq!((error.kind(), system_error(&error)), (ErrorKind::NotFound, io::ErrorKind::NotFound));
}

/// Fails each operation in turn. The snapshot is there whole, or its call failed and nothing of it is; the log goes on.
#[test]
fn each_operation_fails() {
    let options = [Compression::None, Compression::Zstd { level: 1 }]
        .map(|compression| SnapshotOptions { compression, parallel: 1 });
    let (mut failed, mut done) = (0, 0);
    for options in options {
        for at in 0.. {
            let f = fixture(40);
            let first = f.create();
            f.append(60);
            f.sim.fail_at(f.sim.ops() + at, Fault::Eio);
            let before = f.sim.ops();
            f.clock.advance(1);
            let made = f.manager.create_snapshot_with(&f.log, &options);
            if f.sim.ops() <= before + at {
                break;
            }
            let expected: Vec<String> = made.iter().map(|s| s.id.clone()).chain([first.id.clone()]).collect();
            let listed = ids(&manager(&f.sim));
            assert_eq!(listed, expected, "operation {at}");
            for id in &listed {
                assert!(f.manager.verify_snapshot(id).unwrap().is_good(), "operation {at}");
            }
            assert_eq!(strays(&f.sim, &f.manager), [] as [PathBuf; 0], "operation {at}");
            assert_eq!(f.log.poisoned().map(|e| e.to_string()), None);
            f.append(70);
            *(if made.is_ok() { &mut done } else { &mut failed }) += 1;
        }
    }
    println!("{failed} failed operations that failed a snapshot, {done} that did not");
    assert!(failed >= 40, "{failed}");
}

#[test]
fn a_cut_of_several_is_made_whole_or_not_at_all() {
    let mut failed = 0;
    for at in 0.. {
        let f = fixture(40);
        let (other, _) = open_with(&f.sim, LogConfig { dir: "/db/2".into(), ..config() }).unwrap();
        let second = SnapshotManager::with(disk(&f.sim), Arc::clone(&f.clock) as _, "/db/2").unwrap();
        let before = f.sim.ops();
        f.sim.fail_at(before + at, Fault::Eio);
        let made = SnapshotManager::create_cut(&[(&f.manager, &f.log), (&second, &other)]);
        if f.sim.ops() <= before + at {
            break;
        }
        let there = usize::from(made.is_ok());
        failed += 1 - there;
        assert_eq!((ids(&f.manager).len(), ids(&second).len()), (there, there), "operation {at}");
        assert_eq!((strays(&f.sim, &f.manager).len(), strays(&f.sim, &second).len()), (0, 0));
    }
    assert!(failed >= 30, "{failed}");
}

#[test]
fn a_log_that_takes_no_writes_gives_no_snapshot_until_it_is_opened_again() {
    let f = fixture(20);
    append(&f.log, 20..22);
    f.sim.fail_at(f.sim.ops(), Fault::Eio);
    f.log.commit(21).unwrap_err();
    let error = f.manager.create_snapshot(&f.log).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned);
    assert_eq!(strays(&f.sim, &f.manager), [] as [PathBuf; 0]);
    let sim: SimDisk = f.sim.image(Fate::Dropped);
    let (log, _) = open(&sim);
    let manager = manager(&sim);
    let made = manager.create_snapshot(&log).unwrap();
    assert_eq!(restored(&sim, &manager, &made.id), records(0..20));
}
