//! How a snapshot's files are stored: linked, copied, upon another, compressed, and brought elsewhere and back.

use crate::common::*;
use crate::snapshots_common::*;
use cairn_disk::{RealDisk, SimDisk, Storage};
use cairn_log::{
    Compression, Entry, ErrorKind, Log, LogConfig, ManualClock, Snapshot, SnapshotCodec, SnapshotManager,
    SnapshotOptions, SystemClock, TimelineId,
};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

const ZSTD: Compression = Compression::Zstd { level: 3 };
const GZIP: Compression = Compression::Gzip { level: 6 };

fn compressed(compression: Compression) -> SnapshotOptions {
    SnapshotOptions { compression, parallel: 2 }
}

/// A log with `sealed` sealed segments of about 64 KiB and a short open one, and how many bytes of the log's files a
/// snapshot of it reads and writes.
fn bytes_for(sealed: u64, reopen: bool, compression: Compression) -> (u64, Snapshot) {
    let watched = WatchedDisk::new(Arc::new(SimDisk::new(1)));
    let config = LogConfig { segment_bytes: 64 << 10, ..LogConfig::new(DIR, config().id, config().timeline) };
    let (mut log, _) = Log::open(Arc::new(watched.clone()), config.clone()).unwrap();
    let value = vec![7; 2000];
    while (log.segments().len() as u64) <= sealed {
        log.append(&[Entry { timestamp_us: 1, key: None, value: Some(&value) }; 4]).unwrap();
    }
    if reopen {
        log.sync().unwrap();
        drop(log);
        (log, _) = Log::open(Arc::new(watched.clone()), config).unwrap();
    }
    let clock = Arc::new(ManualClock::new(NOW_US));
    let manager = SnapshotManager::with(Arc::new(watched.clone()), clock, DIR).unwrap();
    let before = watched.watch.log_bytes.load(Ordering::SeqCst);
    let snapshot = manager.create_snapshot_with(&log, &compressed(compression)).unwrap();
    assert!(manager.verify_snapshot(&snapshot.id).unwrap().is_good());
    let of_verify: u64 = snapshot.files().map(|(_, file)| file.stored_bytes).sum();
    (watched.watch.log_bytes.load(Ordering::SeqCst) - before - of_verify, snapshot)
}

#[test]
fn with_links_it_takes_as_long_as_the_open_segment_is_long() {
    let (few, _) = bytes_for(2, false, Compression::None);
    let (many, snapshot) = bytes_for(16, false, Compression::None);
    let (reopened, _) = bytes_for(16, true, Compression::None);
    let open = snapshot.segments.last().unwrap().files[0].bytes;
    println!("{} bytes in 17 segments: {many} bytes read and written", snapshot.total_size);
    assert!(snapshot.linked && snapshot.total_size > 16 * 60_000);
    // Copied, and the copy read.
    assert_eq!((many, reopened), (2 * open, 2 * open));
    assert!(few < 64 << 10 && many < 64 << 10);
    let (all, _) = bytes_for(16, false, ZSTD);
    assert!(all >= snapshot.total_size, "compression reads everything: {all}");
}

/// The checksum of every sealed segment, and the real disk's links.
#[test]
fn on_a_real_disk_sealed_segments_are_second_names() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("log");
    let config = LogConfig { segment_bytes: 1 << 20, ..LogConfig::new(&at, config().id, config().timeline) };
    let (log, _) = Log::open(Arc::new(RealDisk::new()), config.clone()).unwrap();
    let value = vec![9; 100_000];
    for _ in 0..40 {
        log.append(&[Entry { timestamp_us: 1, key: None, value: Some(&value) }]).unwrap();
    }
    let manager = SnapshotManager::new(&at).unwrap();
    let snapshot = manager.create_snapshot(&log).unwrap();
    let inode = |path: &Path| std::fs::metadata(path).map(|m| (m.ino(), m.nlink())).unwrap();
    let mut linked = 0;
    for (segment, file) in snapshot.files() {
        let live = at.join(file.name(segment));
        let stored = manager.snapshot_dir().join(&snapshot.id).join(file.stored_name(segment));
        let is_open = segment == *snapshot.segment_offsets.last().unwrap();
        assert_eq!(inode(&live) == inode(&stored), !is_open);
        assert_eq!(inode(&live).1, if is_open { 1 } else { 2 });
        linked += u64::from(!is_open);
    }
    assert!(linked >= 9, "{linked}");
    let restored = manager.restore_snapshot(&snapshot.id, dir.path().join("restored")).unwrap();
    for (segment, file) in snapshot.files() {
        assert_eq!(inode(&restored.config.dir.join(file.name(segment))).1, 1, "nothing is shared");
    }
    let (copy, _) = Log::open(Arc::new(RealDisk::new()), restored.config).unwrap();
    assert!(read_all(&copy) == read_all(&log));
    // The parents of a target are made.
    manager.restore_snapshot(&snapshot.id, dir.path().join("a/b/c")).unwrap();
    assert_eq!(manager.snapshot_files(&snapshot.id).unwrap().len() as u64, linked + 2);
    manager.delete_snapshot(&snapshot.id).unwrap();
    assert_eq!(inode(&at.join(format!("{:020}.log", 0))).1, 1);
}

#[test]
fn what_is_being_linked_is_not_removed() {
    let f = fixture(100);
    let watched = WatchedDisk::new(disk(&f.sim));
    let manager = SnapshotManager::with(Arc::new(watched.clone()), Arc::clone(&f.clock) as _, DIR).unwrap();
    let (began, begins) = mpsc::channel();
    let (removed, answer) = mpsc::channel();
    *watched.watch.linking.lock().unwrap() = Some((began, answer));
    let snapshot = std::thread::scope(|scope| {
        let log = &f.log;
        scope.spawn(move || {
            begins.recv().unwrap();
            append_committed(log, 100..110);
            assert!(log.remove_before(90).unwrap() > 2);
            // Whoever made the snapshot no longer asks.
            removed.send(()).unwrap_err();
        });
        manager.create_snapshot(&f.log).unwrap()
    });
    assert!(!watched.watch.answered.load(Ordering::SeqCst), "removal waits");
    assert!(f.log.base_offset() > 0);
    assert_eq!(restored(&f.sim, &manager, &snapshot.id), records(0..100));
}

#[test]
fn without_links_files_are_copied() {
    let f = fixture(100);
    let watched = WatchedDisk::new(disk(&f.sim));
    watched.watch.no_links.store(true, Ordering::SeqCst);
    let manager = SnapshotManager::with(Arc::new(watched), Arc::new(SystemClock), DIR).unwrap();
    let snapshot = manager.create_snapshot(&f.log).unwrap();
    assert!(!snapshot.linked);
    // Damage to the log's file is none to the snapshot's.
    f.sim.flip(&path(0, "log"), 100, 1);
    assert!(manager.verify_snapshot(&snapshot.id).unwrap().is_good());
    assert_eq!(restored(&f.sim, &manager, &snapshot.id), records(0..100));
    let upon = manager.create_incremental_snapshot(&f.log, &snapshot.id).unwrap();
    assert!(!upon.linked && upon.changed_segments.is_empty());
    assert_eq!(restored(&f.sim, &manager, &upon.id), records(0..100));
    let error = manager.create_snapshot(&f.log).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().starts_with("/db/wal/00000000000000000000.log: CRC mismatch"), "{error}");
}

#[test]
fn an_incremental_one_takes_only_what_changed() {
    let f = fixture(100);
    let base = f.create();
    let same = f.manager.create_incremental_snapshot(&f.log, &base.id).unwrap();
    assert_eq!(same.changed_segments, [] as [u64; 0]);
    assert_eq!((same.segments.clone(), same.base_id.as_deref()), (base.segments.clone(), Some(&*base.id)));
    f.append(160);
    f.clock.advance(1);
    let upon = f.manager.create_incremental_snapshot(&f.log, &base.id).unwrap();
    let was_open = base.segment_offsets.len() - 1;
    assert_eq!(upon.changed_segments, upon.segment_offsets[was_open..]);
    assert!(upon.linked && upon.changed_segments.len() >= 3);
    // Each stays whole without the others.
    f.manager.delete_snapshot(&base.id).unwrap();
    f.log.remove_before(160).unwrap();
    assert!(f.manager.verify_snapshot(&upon.id).unwrap().is_good());
    assert_eq!(restored(&f.sim, &f.manager, &upon.id), records(0..160));
    assert_eq!(restored(&f.sim, &f.manager, &same.id), records(0..100));
}

#[test]
fn an_incremental_one_upon_a_damaged_or_a_foreign_one() {
    let f = fixture(100);
    let base = f.create();
    let lost = f.file(&base, &base.segments[1].files[0].stored_name(base.segment_offsets[1]));
    f.sim.remove_file(&lost);
    let upon = f.manager.create_incremental_snapshot(&f.log, &base.id).unwrap();
    assert_eq!(upon.changed_segments, [base.segment_offsets[1]], "what the base lost is the log's");
    assert_eq!(restored(&f.sim, &f.manager, &upon.id), records(0..100));

    let files = exported(&f, &upon);
    let elsewhere = LogConfig { dir: "/db/2".into(), timeline: TimelineId([1; 16]), ..config() };
    let (other, _) = open_with(&f.sim, elsewhere).unwrap();
    let manager = SnapshotManager::with(disk(&f.sim), Arc::new(SystemClock), "/db/2").unwrap();
    manager.import_snapshot(files.iter().map(|(name, bytes)| (name.clone(), &bytes[..]))).unwrap();
    let error = manager.create_incremental_snapshot(&other, &upon.id).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("timeline 0101"), "{error}");
}

#[test]
fn compressed_ones_are_smaller_and_restore_the_same() {
    let f = fixture(200);
    let plain = f.create();
    for (compression, codec, suffix) in
        [(ZSTD, SnapshotCodec::Zstd, "zst"), (GZIP, SnapshotCodec::Gzip, "gz")]
    {
        let snapshot = f.manager.create_snapshot_with(&f.log, &compressed(compression)).unwrap();
        assert_eq!((snapshot.total_size, snapshot.linked), (plain.total_size, false));
        assert!(snapshot.stored_size < plain.stored_size / 2, "{} bytes", snapshot.stored_size);
        assert!(snapshot.files().all(|(_, file)| file.codec == codec));
        let name = format!("00000000000000000000.log.{suffix}");
        assert_eq!(snapshot.segments[0].files[0].stored_name(0), name);
        // As any tool reads it.
        let stored = f.sim.read_file(&f.file(&snapshot, &name));
        let mut bytes = Vec::new();
        match codec {
            SnapshotCodec::Zstd => bytes = zstd::decode_all(&stored[..]).unwrap(),
            _ => drop(std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&stored[..]), &mut bytes)),
        }
        assert_eq!(bytes, f.sim.read_file(&path(0, "log")));
        assert!(f.manager.verify_snapshot(&snapshot.id).unwrap().is_good());
        assert_eq!(restored(&f.sim, &f.manager, &snapshot.id), records(0..200));
    }
    for wrong in [Compression::Zstd { level: 23 }, Compression::Gzip { level: 0 }] {
        let error = f.manager.create_snapshot_with(&f.log, &compressed(wrong)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("compression level: expected"), "{error}");
    }
}

#[test]
fn an_incremental_one_upon_a_compressed_one_takes_its_files() {
    let f = fixture(100);
    let base = f.manager.create_snapshot_with(&f.log, &compressed(ZSTD)).unwrap();
    f.append(150);
    let upon = f.manager.create_incremental_snapshot(&f.log, &base.id).unwrap();
    let codecs: Vec<_> = upon.segments.iter().map(|s| s.files[0].codec).collect();
    let was_open = base.num_segments - 1;
    assert!(codecs[..was_open].iter().all(|codec| *codec == SnapshotCodec::Zstd));
    assert!(codecs[was_open..].iter().all(|codec| *codec == SnapshotCodec::None));
    assert!(upon.linked, "the segments sealed since are");
    f.manager.delete_snapshot(&base.id).unwrap();
    assert_eq!(restored(&f.sim, &f.manager, &upon.id), records(0..150));
    let all = f.manager.create_incremental_snapshot_with(&f.log, &upon.id, &compressed(GZIP)).unwrap();
    assert_eq!(all.changed_segments, [] as [u64; 0]);
    assert_eq!(all.segments, upon.segments);
}

/// The names and bytes that `snapshot_files` tells of.
fn exported(f: &Fixture, snapshot: &Snapshot) -> Vec<(String, Vec<u8>)> {
    let files = f.manager.snapshot_files(&snapshot.id).unwrap();
    let read = |file: cairn_log::StoredFile| {
        let bytes = f.sim.read_file(&file.path);
        assert_eq!((file.bytes, file.crc32c), (bytes.len() as u64, cairn_disk::crc32c(&bytes)));
        (file.name, bytes)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn one_goes_elsewhere_and_comes_back() {
    let f = fixture(100);
    for compression in [Compression::None, ZSTD, GZIP] {
        let snapshot = f.manager.create_snapshot_with(&f.log, &compressed(compression)).unwrap();
        let files = exported(&f, &snapshot);
        let import = |manager: &SnapshotManager, files: &[(String, Vec<u8>)]| {
            manager.import_snapshot(files.iter().map(|(name, bytes)| (name.clone(), &bytes[..])))
        };
        let taken = import(&f.manager, &files).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::Exists, "{taken}");

        let sim = SimDisk::new(1);
        sim.create_dir_all(Path::new(DIR)).unwrap();
        let there = manager(&sim);
        let back = import(&there, &files).unwrap();
        assert_eq!(back, Snapshot { linked: false, ..snapshot.clone() });
        assert_eq!(ids(&manager(&sim)), [&*back.id]);
        assert_eq!(restored(&sim, &there, &back.id), records(0..100));

        there.delete_snapshot(&back.id).unwrap();
        let mut short = files.clone();
        short.pop();
        let mut foreign = files.clone();
        foreign[1].0 = "../../escaped".to_owned();
        let mut twice = files.clone();
        twice.push(files[1].clone());
        let mut late = files.clone();
        late.swap(0, 1);
        for (wrong, said) in [
            (short, "files of a snapshot: expected"),
            (foreign, "got `../../escaped`"),
            (twice, "each once"),
            (late, "first file of a snapshot: expected snapshot.json"),
        ] {
            let error = import(&there, &wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(error.to_string().contains(said), "{error}");
        }
        for (i, (name, bytes)) in files.iter().enumerate() {
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 20) {
                let mut wrong = files.clone();
                wrong[i].1[at] ^= 4;
                let error = import(&there, &wrong).unwrap_err();
                assert!([ErrorKind::Corrupt, ErrorKind::Version].contains(&error.kind()), "{error}");
                assert!(error.to_string().contains(name), "{error}");
            }
        }
        assert_eq!((there.list_snapshots().unwrap(), strays(&sim, &there)), (vec![], vec![]));
    }
}
