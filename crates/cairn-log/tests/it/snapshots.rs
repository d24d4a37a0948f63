//! Snapshots of a log: made, listed, restored, deleted.

use crate::common::*;
use crate::snapshots_common::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_log::{ErrorKind, Log, LogConfig, RestoreOptions, Snapshot, SnapshotManager};
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_restored_log_reads_back_identically() {
    let f = fixture(100);
    let snapshot = f.create();
    f.append(150);
    let segments = f.log.segments();
    assert!(snapshot.num_segments >= 4 && segments.len() > snapshot.num_segments, "{snapshot:?}");
    assert_eq!(restored(&f.sim, &f.manager, &snapshot.id), records(0..100));

    let target = f.manager.restore_snapshot(&snapshot.id, "/other/log").unwrap();
    assert_eq!((target.config.id, target.config.timeline), (config().id, config().timeline));
    let (log, _) = open_with(&f.sim, target.config.clone().small()).unwrap();
    for (was, is) in segments.iter().zip(log.segments()).take(snapshot.num_segments - 1) {
        assert_eq!(f.sim.read_file(&was.path), f.sim.read_file(&is.path));
        assert_eq!((was.sealed, was.next_offset), (is.sealed, is.next_offset));
    }
    append_committed(&log, 100..140);
    assert_eq!(read_all(&log), records(0..140), "it goes on by itself");
    assert_eq!(read_all(&f.log), records(0..150), "and is none of the first one's business");
    assert!(f.manager.verify_snapshot(&snapshot.id).unwrap().is_good());
}

#[test]
fn its_facts_and_files_are_those_of_the_format() {
    let f = fixture(100);
    let snapshot = f.create();
    assert_eq!(snapshot.id, format!("snapshot-{}", snapshot.timestamp_us * 1000));
    assert_eq!(snapshot.timestamp_us, NOW_US + 60_000_000);
    assert_eq!((snapshot.base_offset, snapshot.high_water_mark), (0, 100));
    let segments = f.log.segments();
    assert_eq!(snapshot.segment_offsets, segments.iter().map(|s| s.base_offset).collect::<Vec<_>>());
    assert_eq!(snapshot.changed_segments, snapshot.segment_offsets);
    assert!(snapshot.linked && snapshot.base_id.is_none() && snapshot.group.is_none());
    let mut bytes = 0;
    for (i, segment) in segments.iter().enumerate() {
        let base = segment.base_offset;
        let extensions = if segment.sealed { &["log", "index", "timeindex"][..] } else { &["log"] };
        for extension in extensions {
            let stored = f.sim.read_file(&f.file(&snapshot, &format!("{base:020}.{extension}")));
            assert_eq!(stored, f.sim.read_file(&path(base, extension)));
            bytes += stored.len() as u64;
        }
        assert_eq!(snapshot.segments[i].files.len(), extensions.len());
        assert_eq!(snapshot.segments[i].files[0].bytes, segment.bytes);
    }
    assert_eq!((snapshot.total_size, snapshot.stored_size, f.manager.size().unwrap()), (bytes, bytes, bytes));
    let all = String::from_utf8(f.sim.read_file(&f.manager.snapshot_dir().join("snapshots.json"))).unwrap();
    let own = String::from_utf8(f.sim.read_file(&f.file(&snapshot, "snapshot.json"))).unwrap();
    assert!(all.starts_with("{\n  \"format\": \"cairndb-log-snapshots\",\n  \"version\": 1,\n"), "{all}");
    assert!(own.starts_with("{\n  \"format\": \"cairndb-log-snapshot\",\n  \"version\": 1,\n"), "{own}");
    for fact in ["\"high_water_mark\": 100", "\"num_segments\"", "\"segment_offsets\"", "\"crc32c\""] {
        assert!(all.contains(fact) && own.contains(fact), "{fact}");
    }
    let body = own.rfind("\n  \"crc32c\"").unwrap();
    assert!(own.ends_with(&format!("{:08x}\"\n}}\n", cairn_disk::crc32c(&own.as_bytes()[..body]))));
}

/// Version 1, to the letter.
#[test]
fn its_metadata_is_written_as_ever() {
    let f = fixture(2);
    let snapshot = f.create();
    let own = String::from_utf8(f.sim.read_file(&f.file(&snapshot, "snapshot.json"))).unwrap();
    assert_eq!(own, include_str!("fixtures/log-snapshot-v1.json"));
}

#[test]
fn the_newest_is_listed_first_and_another_manager_sees_the_same() {
    let f = fixture(20);
    let made: Vec<Snapshot> = (1..4).map(|i| (f.append(20 + i * 10), f.create()).1).collect();
    let newest_first: Vec<Snapshot> = made.iter().rev().cloned().collect();
    assert_eq!(f.manager.list_snapshots().unwrap(), newest_first);
    assert_eq!(manager(&f.sim).list_snapshots().unwrap(), newest_first);
    assert_eq!(manager(&f.sim.image(Fate::Dropped)).list_snapshots().unwrap(), newest_first, "durable");
    assert_eq!(f.manager.get_snapshot(&made[1].id).unwrap().as_ref(), Some(&made[1]));
    assert_eq!(f.manager.get_snapshot("snapshot-123456").unwrap(), None);
    assert_eq!(f.manager.found().rebuilt, None);
}

#[test]
fn a_missing_id_is_not_found_and_the_error_says_what_is_there() {
    let f = fixture(5);
    let error = f.manager.restore_snapshot("snapshot-1", "/other").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "snapshot `snapshot-1` does not exist in /db/wal/snapshots: there are none"
    );
    let made = f.create();
    let names = [
        f.manager.restore_snapshot("snapshot-1", "/other").unwrap_err(),
        f.manager.delete_snapshot("../../db").unwrap_err(),
        f.manager.verify_snapshot("").unwrap_err(),
        f.manager.snapshot_files("nonsense").unwrap_err(),
        f.manager.create_incremental_snapshot(&f.log, "snapshot-1").unwrap_err(),
    ];
    for error in names {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&made.id), "{error}");
    }
    assert!(f.sim.stat(Path::new("/other")).unwrap().is_none());
    let missing = SnapshotManager::new("/no/such/directory/at/all").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
}

#[test]
fn deleting_one_leaves_the_others_and_the_log() {
    let f = fixture(60);
    let made: Vec<Snapshot> = (0..3).map(|_| f.create()).collect();
    f.manager.delete_snapshot(&made[1].id).unwrap();
    assert_eq!(f.ids(), [made[2].id.clone(), made[0].id.clone()]);
    let image = f.sim.image(Fate::Dropped);
    assert_eq!(ids(&manager(&image)), f.ids(), "durably");
    assert_eq!(strays(&image, &f.manager), [] as [&Path; 0]);
    for id in f.ids() {
        assert_eq!(restored(&f.sim, &f.manager, &id), records(0..60));
    }
    assert_eq!(f.manager.delete_snapshot(&made[1].id).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(read_all(&f.log), records(0..60));
}

#[test]
fn an_empty_log() {
    let f = fixture(0);
    let snapshot = f.create();
    assert_eq!((snapshot.base_offset, snapshot.high_water_mark, snapshot.num_segments), (0, 0, 1));
    assert_eq!(restored(&f.sim, &f.manager, &snapshot.id), []);
}

#[test]
fn what_is_removed_from_the_log_stays_in_its_snapshots() {
    let f = fixture(200);
    f.log.remove_before(100).unwrap();
    let first = f.log.base_offset();
    let snapshot = f.create();
    assert_eq!(snapshot.base_offset, first);
    assert!(first > 50, "{snapshot:?}");
    f.log.remove_before(190).unwrap();
    assert!(f.log.base_offset() > first);
    assert!(f.manager.verify_snapshot(&snapshot.id).unwrap().is_good());
    assert_eq!(restored(&f.sim, &f.manager, &snapshot.id), records(first..200));
}

#[test]
fn compacting_the_log_leaves_its_snapshots() {
    let sim = SimDisk::new(1);
    let config = LogConfig { compacted_allowed: true, ..config() };
    let (log, _) = open_with(&sim, config).unwrap();
    append_committed(&log, 0..60);
    for _ in 0..3 {
        let again = records(1..30);
        log.append(&entries(&again)).unwrap();
    }
    let all = read_all(&log);
    let manager = manager(&sim);
    let before = manager.create_snapshot(&log).unwrap();
    assert!(log.compact(0).unwrap().records > 20);
    let compacted = read_all(&log);
    assert!(compacted.len() < all.len());
    assert_eq!(restored(&sim, &manager, &before.id), all);
    let after = manager.create_snapshot(&log).unwrap();
    assert!(after.segments.iter().any(|s| s.compacted));
    assert!(manager.verify_snapshot(&after.id).unwrap().is_good());
    assert_eq!(restored(&sim, &manager, &after.id), compacted);
    let last = after.segments.iter().rfind(|s| s.compacted).unwrap().base_offset;
    let error = manager.restore_segments(&after.id, "/part", &[last]).unwrap_err();
    assert!(error.to_string().contains("is compacted and takes no records"), "{error}");
    let upon = manager.create_incremental_snapshot(&log, &before.id).unwrap();
    assert!(upon.changed_segments.len() >= after.segments.iter().filter(|s| s.compacted).count());
    assert_eq!(restored(&sim, &manager, &upon.id), compacted);
}

#[test]
fn what_is_in_it_is_durable_in_the_log() {
    let f = fixture(10);
    append(&f.log, 10..40);
    assert_eq!(f.create().high_water_mark, 40);
    let (after_crash, _) = open(&f.sim.image(Fate::Dropped));
    assert_eq!(after_crash.next_offset(), 40);
}

#[test]
fn two_at_the_same_time_have_ids_of_their_own() {
    let f = fixture(10);
    let [a, b, c] = std::array::from_fn(|_| f.manager.create_snapshot(&f.log).unwrap());
    assert_eq!(a.timestamp_us, c.timestamp_us);
    let number = |s: &Snapshot| s.id["snapshot-".len()..].parse::<u64>().unwrap();
    assert_eq!((number(&b), number(&c)), (number(&a) + 1, number(&a) + 2));
    assert_eq!(f.ids(), [c.id, b.id, a.id]);
}

#[test]
fn concurrent_ones_and_appends_do_not_disturb_each_other() {
    let f = fixture(50);
    let other = manager(&f.sim);
    let made = std::thread::scope(|scope| {
        let appends = scope.spawn(|| append_committed(&f.log, 50..400));
        let one = scope.spawn(|| [f.manager.create_snapshot(&f.log), f.manager.create_snapshot(&f.log)]);
        let two = scope.spawn(|| [f.manager.create_snapshot(&f.log), other.create_snapshot(&f.log)]);
        appends.join().unwrap();
        one.join().unwrap().into_iter().chain(two.join().unwrap()).map(|s| s.unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(f.ids().len(), 4);
    for snapshot in made {
        assert!(other.verify_snapshot(&snapshot.id).unwrap().is_good());
        assert_eq!(restored(&f.sim, &other, &snapshot.id), records(0..snapshot.high_water_mark));
    }
    assert_eq!(read_all(&f.log), records(0..400));
}

#[test]
fn removal_and_compaction_wait_while_one_is_made() {
    let sim = SimDisk::new(5);
    let (log, _) = open_with(&sim, LogConfig { compacted_allowed: true, ..config() }).unwrap();
    let manager = manager(&sim);
    append_committed(&log, 0..40);
    std::thread::scope(|scope| {
        let takes = scope.spawn(|| {
            for round in 0..60 {
                let again = records(1..20);
                log.append(&entries(&again)).unwrap();
                if round % 2 == 0 {
                    log.compact(0).unwrap();
                } else {
                    log.remove_before(log.next_offset() - 60).unwrap();
                }
            }
        });
        while !takes.is_finished() {
            let made = manager.create_snapshot(&log).unwrap();
            let found = manager.verify_snapshot(&made.id).unwrap();
            assert!(found.is_good(), "{:?}", found.damage);
            manager.delete_snapshot(&made.id).unwrap();
        }
    });
}

/// As another process would hold it.
#[test]
fn a_directory_at_work_elsewhere_is_locked_and_can_be_read() {
    let f = fixture(30);
    let made = f.create();
    let unfinished = f.manager.snapshot_dir().join("snapshot-77.new/00000000000000000000.log");
    f.sim.write_file(&unfinished, b"being written");
    let lock = f.sim.lock(&f.manager.snapshot_dir().join("LOCK"), "pid 4711").unwrap();
    let manager = manager(&f.sim);
    for error in [
        manager.create_snapshot(&f.log).unwrap_err(),
        manager.delete_snapshot(&made.id).unwrap_err(),
        manager.cleanup_snapshots(&Default::default()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.to_string().contains("pid 4711"), "{error}");
    }
    assert_eq!(restored(&f.sim, &manager, &made.id), records(0..30));
    assert!(f.sim.files().contains(&unfinished), "it is the other's");
    drop(lock);
    manager.create_snapshot(&f.log).unwrap();
    assert!(!f.sim.files().contains(&unfinished), "it was nobody's");
}

#[test]
fn a_log_from_elsewhere_is_refused() {
    let f = fixture(5);
    let (other, _) = open_with(&f.sim, LogConfig { dir: "/db/other".into(), ..config() }).unwrap();
    let error = f.manager.create_snapshot(&other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(error.to_string(), "directory of the log: expected /db/wal, got /db/other");
}

#[test]
fn chosen_segments_are_restored() {
    let f = fixture(200);
    let snapshot = f.create();
    let bases = &snapshot.segment_offsets;
    assert!(bases.len() >= 6);
    let [from, to, end] = [bases[1], bases[3], bases[4]];
    let part = f.manager.restore_segments(&snapshot.id, "/part", &[bases[3], from, bases[2]]).unwrap();
    assert_eq!((part.base_offset, part.high_water_mark, part.segments), (from, end, 3));
    let (log, recovered) = open_with(&f.sim, part.config.small()).unwrap();
    assert_eq!(recovered.removed.len(), 0);
    assert_eq!(read_all(&log), records(from..end));
    append_committed(&log, end..end + 20);
    assert_eq!(read_all(&log), records(from..end + 20));

    let refused = |segments: &[u64], said: &str| {
        let error = f.manager.restore_segments(&snapshot.id, "/none", segments).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(said), "{error}");
    };
    refused(&[from, to], &format!("{} is between them", bases[2]));
    refused(&[from + 1], &format!("got {}", from + 1));
    refused(&[], "at least one, got none");
    assert!(f.sim.stat(Path::new("/none")).unwrap().is_none());
}

#[test]
fn the_target_is_empty_or_not_there() {
    let f = fixture(40);
    let snapshot = f.create();
    f.sim.write_file(Path::new("/full/file"), b"something");
    for target in ["/full", "/full/file", DIR] {
        let error = f.manager.restore_snapshot(&snapshot.id, target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
    assert_eq!(f.manager.restore_snapshot(&snapshot.id, "/").unwrap_err().kind(), ErrorKind::Exists);
    f.sim.create_dir_all(Path::new("/empty")).unwrap();
    f.sim.write_file(Path::new("/.empty.restoring/left-by-a-crash"), b"something");
    let restored = f.manager.restore_snapshot(&snapshot.id, "/empty").unwrap();
    let (log, _) = open_with(&f.sim, restored.config.small()).unwrap();
    assert_eq!(read_all(&log), records(0..40));
    assert!(f.sim.files().iter().all(|p| !p.starts_with("/.empty.restoring")));
    assert_eq!(f.sim.read_file(Path::new("/full/file")), b"something");
}

#[test]
fn several_files_at_a_time_make_the_same() {
    let f = fixture(300);
    let one = f.create();
    let options = cairn_log::SnapshotOptions { parallel: 4, ..Default::default() };
    let four = f.manager.create_snapshot_with(&f.log, &options).unwrap();
    assert_eq!(one.segments, four.segments);
    assert_eq!(f.manager.verify_snapshot_with(&four.id, 4).unwrap().bytes, four.total_size);
    let restore = RestoreOptions { parallel: 4, ..Default::default() };
    let restored = f.manager.restore_snapshot_with(&four.id, "/four", &restore).unwrap();
    assert_eq!(read_all(&open_with(&f.sim, restored.config.small()).unwrap().0), records(0..300));
    let none = cairn_log::SnapshotOptions { parallel: 0, ..Default::default() };
    assert_eq!(f.manager.create_snapshot_with(&f.log, &none).unwrap_err().kind(), ErrorKind::Input);
}

/// Records go to one log and then, once that has them, to the other.
#[test]
fn a_cut_takes_several_logs_at_one_moment() {
    let sim = SimDisk::new(1);
    let dirs = ["/topic/1", "/topic/0"];
    let logs = dirs.map(|dir| open_with(&sim, LogConfig { dir: dir.into(), ..config() }).unwrap().0);
    let managers = dirs.map(|dir| {
        let clock = Arc::new(cairn_log::ManualClock::new(NOW_US));
        SnapshotManager::with(disk(&sim), clock, dir).unwrap()
    });
    let pairs: Vec<(&SnapshotManager, &Log)> = managers.iter().zip(&logs).collect();
    managers[0].create_snapshot(&logs[0]).unwrap();
    let cuts = std::thread::scope(|scope| {
        let appends = scope.spawn(|| {
            for offset in 0..400 {
                append(&logs[0], offset..offset + 1);
                append(&logs[1], offset..offset + 1);
            }
        });
        let mut cuts = Vec::new();
        while cuts.len() < 5 || !appends.is_finished() {
            cuts.push(SnapshotManager::create_cut(&pairs).unwrap());
        }
        cuts.push(SnapshotManager::create_cut(&pairs).unwrap());
        cuts
    });
    for cut in &cuts {
        let [a, b] = &cut[..] else { panic!("as many as logs") };
        assert!([0, 1].contains(&(a.high_water_mark - b.high_water_mark)), "{a:?} {b:?}");
        assert_eq!((&a.id, &a.group), (&b.id, &b.group), "the id is free in both");
        assert_eq!(a.group.as_ref().unwrap().logs, 2);
    }
    let last = cuts.last().unwrap();
    assert_eq!(restored(&sim, &managers[1], &last[1].id), records(0..400));
    let twice = SnapshotManager::create_cut(&[pairs[0], pairs[1], pairs[0]]).unwrap_err();
    assert_eq!(twice.to_string(), "logs of a cut: expected each once, got /topic/1/snapshots twice");
    assert_eq!(SnapshotManager::create_cut(&[]).unwrap(), []);
}
