//! Create, list, info, verify, restore: the whole way of a snapshot.

use crate::support::*;
use cairn_disk::{ErrorKind, SimDisk};
use cairn_engine::Engine;
use cairn_snapshot::{Codec, Compression, CreateOptions, Job, Listed, find, list};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[test]
fn a_restored_snapshot_has_the_state_hash_of_its_view() {
    for compression in [Compression::default(), Compression::Gzip { level: 6 }, Compression::None] {
        let (disk, view) = (SimDisk::new(1), full_state());
        let (hash, counts, position) = (view.state_hash(), view.counts(), view.position());
        let snapshot = create(&disk, view, &options(compression));
        assert!(verify(&disk, snapshot.id.as_str()).is_whole());
        let report = restore(&disk, snapshot.id.as_str()).expect("restores");
        assert_eq!(report.state_hash, hash, "{compression:?}");
        assert_eq!(report.counts, counts);
        assert_eq!(report.lsn, position.lsn);
        assert_eq!(report.database, position.database);
        assert_eq!(report.timeline.parent, Some(position.timeline));
        assert_ne!(report.timeline.id, position.timeline);
        assert!(report.timeline.reason.contains(snapshot.id.as_str()));
    }
}

#[test]
fn the_metadata_says_what_is_in_it() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let (position, counts) = (view.position(), view.counts());
    let wanted = CreateOptions {
        name: Some("before upgrade".to_owned()),
        description: "all of it".to_owned(),
        tags: vec!["a".to_owned(), "b c".to_owned()],
        ..options(Compression::Gzip { level: 1 })
    };
    let made = create(&disk, view, &wanted);
    let found = find(&open(&disk), "before upgrade").expect("found by its name");
    assert_eq!(found, made);
    assert_eq!(found.id.as_str(), "snap-2024-01-20-103045");
    assert_eq!(found.created_at(), "2024-01-20T10:30:45Z");
    assert_eq!(
        (found.database, found.timeline, found.lsn),
        (position.database, position.timeline, position.lsn)
    );
    assert_eq!((found.counts, found.time_us), (counts, position.time_us));
    assert_eq!(found.compression, Codec::Gzip);
    assert_eq!(found.description, "all of it");
    assert_eq!(found.tags, ["a", "b c"]);
    assert_eq!(found.plain_bytes, found.parts().map(|part| part.bytes).sum::<u64>());
    let on_disk: u64 =
        files_below(&disk, "/backup/repo/parts").iter().map(|f| disk.read_file(f).len() as u64).sum();
    assert_eq!(found.stored_bytes, on_disk);
}

#[test]
fn a_snapshot_can_be_loaded_into_a_running_engine() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let hash = view.state_hash();
    let snapshot = create(&disk, view, &options(Compression::default()));
    let engine: Engine = engine(settings());
    write(&engine, vec![vector("old", &[1.0, 2.0, 3.0])]);
    let loaded =
        cairn_snapshot::load(&open(&disk), snapshot.id.as_str(), &engine, &one_thread()).expect("loads");
    assert_eq!(loaded.snapshot, snapshot);
    assert_eq!(loaded.report.counts, snapshot.counts);
    assert_eq!(engine.view().expect("a view").state_hash(), hash);
    write(&engine, vec![vector("new", &[1.0, 2.0, 3.0])]);
}

#[test]
fn a_damaged_snapshot_leaves_a_running_engine_as_it_was() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let snapshot = create(&disk, view, &options(Compression::default()));
    let part = repo_path().join(snapshot.files[0].part.stored());
    disk.flip(&part, 9, 1);
    let engine: Engine = engine(settings());
    write(&engine, vec![vector("old", &[1.0, 2.0, 3.0])]);
    let hash = engine.view().expect("a view").state_hash();
    let error = cairn_snapshot::load(&open(&disk), snapshot.id.as_str(), &engine, &one_thread())
        .expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(names_file(&error.to_string(), &part), "{error}");
    assert_eq!(engine.view().expect("a view").state_hash(), hash);
    write(&engine, vec![vector("new", &[1.0, 2.0, 3.0])]);
}

#[test]
fn equal_states_share_their_parts() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let first = create(&disk, view.clone(), &options(Compression::default()));
    let written = AtomicU64::new(0);
    let progress = |p: cairn_snapshot::Progress| written.store(p.bytes_written, Ordering::Relaxed);
    let job = Job { progress: &progress, ..one_thread() };
    let parts = files_below(&disk, "/backup/repo/parts");
    // Another codec changes nothing: a part is stored once.
    let again = options(Compression::None);
    let second = cairn_snapshot::create(&open(&disk), view, &again, &job).expect("created");
    assert_eq!(second.id.as_str(), "snap-2024-01-20-103045-2");
    assert_eq!(second.files, first.files);
    assert_eq!(files_below(&disk, "/backup/repo/parts"), parts);
    assert_eq!(written.into_inner(), 0);
    assert!(cairn_snapshot::verify_all(&open(&disk), &one_thread()).expect("readable").is_whole());
}

#[test]
fn unchanged_files_are_shared_by_two_snapshots() {
    let (disk, engine) = (SimDisk::new(1), engine(cairn_engine::Settings::default()));
    write(&engine, (0..40).map(|i| vector(&format!("{i}"), &vec![i as f32; 65_536])).collect());
    let first = create(&disk, engine.view().expect("a view"), &options(Compression::default()));
    write(&engine, vec![event("c", "1", cairn_engine::EventOp::Add, 1, 1)]);
    let second = create(&disk, engine.view().expect("a view"), &options(Compression::default()));
    let segments = |s: &cairn_snapshot::Snapshot| -> Vec<_> {
        s.files.iter().filter(|f| f.name.starts_with("segments/")).map(|f| f.part).collect()
    };
    assert!(!segments(&first).is_empty());
    assert_eq!(segments(&first), segments(&second));
    assert_ne!(first.manifest, second.manifest);
    assert!(restore(&disk, second.id.as_str()).is_ok());
}

#[test]
fn a_damaged_part_is_written_again_by_the_next_create() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let first = create(&disk, view.clone(), &options(Compression::default()));
    let part = repo_path().join(first.files[0].part.stored());
    disk.flip(&part, 20, 0x40);
    assert!(!verify(&disk, first.id.as_str()).is_whole());
    // Asked for another codec, the damaged part keeps its own: one file a part.
    let second = create(&disk, view, &options(Compression::None));
    assert!(verify(&disk, second.id.as_str()).is_whole());
    assert!(verify(&disk, first.id.as_str()).is_whole(), "the same bytes are back");
}

#[test]
fn cancelling_leaves_nothing() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let repository = open_or_create(&disk);
    let before = disk.files();
    let cancel = AtomicBool::new(false);
    let progress = |_| cancel.store(true, Ordering::Relaxed);
    let job = Job { threads: 1, progress: &progress, cancel: &cancel };
    let error = cairn_snapshot::create(&repository, view, &options(Compression::default()), &job)
        .expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.to_string(), "cancelled");
    assert!(list(&repository).expect("readable").is_empty());
    assert_eq!(disk.files(), before);
}

#[test]
fn progress_counts_files_and_bytes() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let seen = parking_lot::Mutex::new(Vec::new());
    let progress = |p| seen.lock().push(p);
    let job = Job { progress: &progress, ..one_thread() };
    let made = cairn_snapshot::create(&open_or_create(&disk), view, &options(Compression::None), &job)
        .expect("created");
    let seen = seen.into_inner();
    let last = seen.last().expect("it was told");
    assert_eq!(last.files_done, made.files.len() as u64);
    assert_eq!(last.files_total, last.files_done);
    let list = made.list.expect("a list");
    assert_eq!(last.bytes_done, made.plain_bytes - made.manifest.bytes - list.bytes);
    assert_eq!(last.bytes_written, made.stored_bytes - made.manifest.stored_bytes - list.stored_bytes);
    assert!(last.percent() >= 90);
}

#[test]
fn progress_goes_on_within_one_long_file() {
    let (disk, view) = (SimDisk::new(1), wide_state());
    let seen = parking_lot::Mutex::new(Vec::new());
    let progress = |p: cairn_snapshot::Progress| seen.lock().push((p.files_done, p.bytes_done));
    let job = Job { progress: &progress, ..one_thread() };
    let made = cairn_snapshot::create(&open_or_create(&disk), view, &options(Compression::None), &job)
        .expect("created");
    let seen = seen.into_inner();
    assert!(seen.is_sorted_by(|a, b| a.1 <= b.1), "{seen:?}");
    let longest = made.files.iter().map(|file| file.part.bytes).max().expect("files");
    assert!(longest >= 4 << 20, "{longest} bytes");
    let step = seen.windows(2).map(|two| two[1].1 - two[0].1).max().expect("steps");
    assert!(step <= 1 << 20, "a step of {step} bytes in a file of {longest}");
}

#[test]
fn cancelling_within_the_first_file_leaves_nothing() {
    let (disk, view) = (SimDisk::new(1), wide_state());
    let repository = open_or_create(&disk);
    let before = disk.files();
    let cancel = AtomicBool::new(false);
    let files_done = AtomicU64::new(0);
    let progress = |p: cairn_snapshot::Progress| {
        files_done.store(p.files_done, Ordering::Relaxed);
        cancel.store(true, Ordering::Relaxed);
    };
    let job = Job { threads: 1, progress: &progress, cancel: &cancel };
    let error = cairn_snapshot::create(&repository, view, &options(Compression::default()), &job)
        .expect_err("cancelled");
    assert_eq!(error.to_string(), "cancelled");
    assert_eq!(files_done.into_inner(), 0);
    assert_eq!(disk.files(), before);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let repository = open_or_create(&disk);
    let before = disk.files();
    let used: u64 = before.iter().map(|f| disk.read_file(f).len() as u64).sum();
    disk.capacity(Some(used + 10_000));
    let raw = options(Compression::None);
    let error = cairn_snapshot::create(&repository, view.clone(), &raw, &one_thread()).expect_err("full");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(disk.files(), before);
    disk.capacity(None);
    assert!(matches!(list(&repository).expect("readable").as_slice(), []));
    create(&disk, view, &raw);
    assert!(matches!(list(&repository).expect("readable").as_slice(), [Listed::Whole(_)]));
}

#[test]
fn a_target_that_is_not_empty_is_refused() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    let snapshot = create(&disk, view, &options(Compression::default()));
    disk.write_file(&target().join("keep.txt"), b"mine");
    let error = restore(&disk, snapshot.id.as_str()).expect_err("occupied");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains(TARGET), "{error}");
    assert_eq!(disk.read_file(&target().join("keep.txt")), b"mine");
}
