//! Damage: to the log before a snapshot, to a snapshot's files, to its metadata.

use crate::common::*;
use crate::snapshots_common::*;
use cairn_disk::{SimDisk, Storage, crc32c};
use cairn_log::{Compression, ErrorKind, Log, ManualClock, SnapshotManager, SnapshotOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const ZSTD: SnapshotOptions = SnapshotOptions { compression: Compression::Zstd { level: 1 }, parallel: 1 };

#[test]
fn a_damaged_open_segment_fails_the_snapshot_by_name() {
    let f = fixture(100);
    let base = f.log.segments().last().unwrap().base_offset;
    f.sim.flip(&path(base, "log"), 80, 2);
    for options in [SnapshotOptions::default(), ZSTD] {
        let error = f.manager.create_snapshot_with(&f.log, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().starts_with(&format!("/db/wal/{base:020}.log: CRC mismatch")), "{error}");
    }
    assert_eq!((f.ids(), strays(&f.sim, &f.manager)), (vec![], vec![]));
}

#[test]
fn a_damaged_sealed_segment_is_found_where_it_is_read() {
    let f = fixture(100);
    f.sim.flip(&path(0, "log"), 80, 2);
    let error = f.manager.create_snapshot_with(&f.log, &ZSTD).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().starts_with("/db/wal/00000000000000000000.log: CRC mismatch"), "{error}");
    // Linked it is not read.
    let snapshot = f.create();
    let found = f.manager.verify_snapshot(&snapshot.id).unwrap();
    assert_eq!(found.damage.len(), 1);
    let file = f.file(&snapshot, "00000000000000000000.log");
    assert!(found.damage[0].to_string().starts_with(&format!("{}: CRC mismatch", file.display())));
    let error = f.manager.restore_snapshot(&snapshot.id, "/restored").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(f.sim.files().iter().all(|p| p.starts_with("/db")), "nothing stays of it");
    // What is not damaged can be had.
    let rest = &snapshot.segment_offsets[1..];
    let part = f.manager.restore_segments(&snapshot.id, "/rest", rest).unwrap();
    assert_eq!(read_all(&open_with(&f.sim, part.config.small()).unwrap().0), records(rest[0]..100));
    f.sim.truncate_file(&path(rest[0], "log"), 90);
    let error = f.manager.create_snapshot(&f.log).unwrap_err();
    assert!(error.to_string().contains("size mismatch"), "its length is looked at: {error}");
}

#[test]
fn every_flip_and_cut_of_a_snapshot_is_found() {
    let f = fixture(60);
    let mut damaged = 0;
    for options in [SnapshotOptions::default(), ZSTD] {
        let snapshot = f.manager.create_snapshot_with(&f.log, &options).unwrap();
        for stored in f.manager.snapshot_files(&snapshot.id).unwrap() {
            for at in (0..stored.bytes).step_by(7) {
                let sim = f.sim.image(cairn_disk::Fate::Kept);
                let manager = manager(&sim);
                if at % 2 == 0 {
                    sim.flip(&stored.path, at, 1 << (at % 8));
                } else {
                    sim.truncate_file(&stored.path, at);
                }
                let found = manager.verify_snapshot(&snapshot.id).unwrap();
                assert_eq!(found.damage.len(), 1, "{} at {at}", stored.name);
                assert!(found.damage[0].to_string().contains(&stored.path.display().to_string()));
                if stored.name != "snapshot.json" {
                    let error = manager.restore_snapshot(&snapshot.id, "/restored").unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                }
                damaged += 1;
            }
            let sim = f.sim.image(cairn_disk::Fate::Kept);
            sim.remove_file(&stored.path);
            let found = manager(&sim).verify_snapshot(&snapshot.id).unwrap();
            assert_eq!(found.damage.len(), 1);
        }
    }
    println!("{damaged} damaged snapshots");
    assert!(damaged > 1_000, "{damaged}");
}

#[test]
fn deleted_or_damaged_metadata_is_made_again() {
    let f = fixture(60);
    f.create();
    f.append(90);
    f.create();
    let all = f.manager.list_snapshots().unwrap();
    let json = f.manager.snapshot_dir().join("snapshots.json");
    let whole = f.sim.read_file(&json);
    let check = |sim: &SimDisk, why: &str| {
        assert_eq!(f.manager.list_snapshots().unwrap(), all, "also before it is made again");
        let manager = manager(sim);
        assert!(manager.found().rebuilt.as_ref().unwrap().contains(why), "{:?}", manager.found());
        assert_eq!(manager.list_snapshots().unwrap(), all);
        assert_eq!(sim.read_file(&json), whole);
    };
    f.sim.remove_file(&json);
    check(&f.sim, "snapshots.json");
    for at in (100..whole.len()).step_by(41) {
        f.sim.flip(&json, at as u64, 1);
        check(&f.sim, "CRC mismatch");
    }
    f.sim.truncate_file(&json, 0);
    check(&f.sim, "format");
    // A later format's is none of ours to replace.
    let later = String::from_utf8(whole.clone()).unwrap().replace("\"version\": 1,", "\"version\": 2,");
    f.sim.write_file(&json, later.as_bytes());
    let error = SnapshotManager::with(disk(&f.sim), Arc::new(ManualClock::default()), DIR).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Version);
}

#[test]
fn a_snapshot_without_any_metadata_is_reported_and_can_be_deleted() {
    let f = fixture(60);
    let (lost, kept) = (f.create(), f.create());
    f.sim.remove_file(&f.manager.snapshot_dir().join("snapshots.json"));
    f.sim.flip(&f.file(&lost, "snapshot.json"), 200, 1);
    let manager = manager(&f.sim);
    assert_eq!(ids(&manager), [&*kept.id]);
    let [(id, error)] = &manager.found().damaged[..] else { panic!("{:?}", manager.found()) };
    assert_eq!((id, error.kind()), (&lost.id, ErrorKind::Corrupt));
    assert_eq!(manager.restore_snapshot(&lost.id, "/restored").unwrap_err().kind(), ErrorKind::NotFound);
    manager.delete_snapshot(&lost.id).unwrap();
    assert!(f.sim.stat(&f.manager.snapshot_dir().join(&lost.id)).unwrap().is_none());
    // One that is listed and gone is no longer listed.
    f.sim.remove_dir_all(&f.manager.snapshot_dir().join(&kept.id)).unwrap();
    assert_eq!(ids(&manager), [] as [&str; 0]);
    let manager = crate::snapshots_common::manager(&f.sim);
    assert_eq!(manager.found().missing, [kept.id]);
}

/// Metadata whose checksum is right and that says what no snapshot is.
#[test]
fn metadata_that_cannot_be_is_refused() {
    let f = fixture(30);
    let snapshot = f.create();
    let path = f.file(&snapshot, "snapshot.json");
    let text = String::from_utf8(f.sim.read_file(&path)).unwrap();
    let body = &text[..text.rfind("\n  \"crc32c\"").unwrap()];
    f.sim.remove_file(&f.manager.snapshot_dir().join("snapshots.json"));
    let refused = |from: &str, to: &str| {
        assert!(body.contains(from), "{from}");
        let body = body.replacen(from, to, 1);
        let crc = crc32c(body.as_bytes());
        f.sim.write_file(&path, format!("{body}\n  \"crc32c\": \"{crc:08x}\"\n}}\n").as_bytes());
        let manager = manager(&f.sim);
        f.sim.remove_file(&f.manager.snapshot_dir().join("snapshots.json"));
        match &manager.found().damaged[..] {
            [(_, error)] => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            _ => panic!("{to} is taken"),
        }
    };
    let size = format!("\"total_size\": {}", snapshot.total_size);
    refused(&size, "\"total_size\": 18446744073709551615");
    refused(&size, &format!("{size}, \"more\": 1"));
    refused(&size, &format!("{size}, {size}"));
    refused(&snapshot.id, "snapshot-7");
    refused(&snapshot.id, "snapshot-07");
    refused("\"00000000000000000000.log\"", "\"../../00000000000000000000.log\"");
    refused("\"compression\": \"none\"", "\"compression\": \"lzma\"");
    refused("\"high_water_mark\": 30", "\"high_water_mark\": 31");
    refused("\"base_offset\": 0", "\"base_offset\": 1");
    refused("\"segment_offsets\": [", "\"segment_offsets\": [9,");
    refused("\"bytes\": ", "\"bytes\": 1844674407370955");
    refused("\"log_id\": \"07", "\"log_id\": \"");
    refused("\"segments\": [", "\"segments\": [[],");
}

/// Takes the checksum of the log out of the header of an index, as builds wrote it that kept none.
fn forget_sum(sim: &SimDisk, base: u64) {
    let index = path(base, "index");
    let mut bytes = sim.read_file(&index);
    bytes[24..28].fill(0);
    let crc = crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    sim.write_file(&index, &bytes);
}

#[test]
fn segments_of_builds_that_kept_no_checksum_are_read_once() {
    let f = fixture(200);
    let segments = f.log.segments();
    drop(f.log);
    let sealed: Vec<u64> = segments.iter().filter(|s| s.sealed).map(|s| s.base_offset).collect();
    sealed.iter().for_each(|base| forget_sum(&f.sim, *base));
    let bytes: u64 = segments.iter().filter(|s| s.sealed).map(|s| s.bytes).sum();
    let mut read = Vec::new();
    for damaged in [false, false, true] {
        if damaged {
            f.sim.remove_dir_all(f.manager.snapshot_dir()).unwrap();
            f.sim.flip(&path(sealed[2], "log"), 70, 1);
        }
        let watched = WatchedDisk::new(disk(&f.sim));
        let (log, recovered) = Log::open(Arc::new(watched.clone()), config()).unwrap();
        assert_eq!(recovered.indexes_rebuilt, 0);
        let manager =
            SnapshotManager::with(Arc::new(watched.clone()), Arc::clone(&f.clock) as _, DIR).unwrap();
        let before = watched.watch.log_bytes.load(Ordering::SeqCst);
        f.clock.advance(1);
        let made = manager.create_snapshot(&log);
        read.push(watched.watch.log_bytes.load(Ordering::SeqCst) - before);
        if damaged {
            let error = made.unwrap_err();
            let file = path(sealed[2], "log");
            assert!(error.to_string().starts_with(&format!("{} at byte 64: ", file.display())), "{error}");
            assert_eq!((ids(&manager), strays(&f.sim, &manager)), (vec![], vec![]));
        } else {
            assert!(manager.verify_snapshot(&made.unwrap().id).unwrap().is_good());
        }
    }
    assert!(read[0] >= bytes && read[1] < bytes / 2, "{bytes} bytes sealed, {read:?} read");
}

#[test]
fn checksums_are_kept_through_restarts_failed_appends_and_lost_indexes() {
    let sim = SimDisk::new(3);
    let mut next = 0;
    for round in 0..30u64 {
        let (log, _) = open(&sim);
        assert_eq!(log.next_offset(), next);
        append(&log, next..next + 13);
        next += 13;
        // A full disk: the batch is taken out again.
        let used: u64 = snapshot(&sim).iter().map(|(_, bytes)| bytes.len() as u64).sum();
        sim.capacity(Some(used + 60 * (round % 40)));
        let batch = records(next..next + 40);
        if log.append(&entries(&batch)).is_ok() {
            next += 40;
        }
        sim.capacity(None);
        append(&log, next..next + 1);
        next += 1;
        let manager = manager(&sim);
        let made = manager.create_snapshot(&log).unwrap();
        let found = manager.verify_snapshot(&made.id).unwrap();
        assert!(found.is_good(), "round {round}: {:?}", found.damage);
        assert_eq!(restored(&sim, &manager, &made.id), records(0..next));
        manager.delete_snapshot(&made.id).unwrap();
        sim.remove_dir_all(Path::new("/restored")).unwrap();
        drop(log);
        if round % 3 == 0 {
            let index = sim.files().into_iter().find(|p| p.extension().is_some_and(|e| e == "index"));
            index.iter().for_each(|path| sim.remove_file(path));
        }
    }
}
