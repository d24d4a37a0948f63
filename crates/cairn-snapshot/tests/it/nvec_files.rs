//! `.nvec` files of our own: saved, described, verified, loaded.

use crate::crashes::crashes;
use crate::support::*;
use cairn_disk::{ErrorKind, Fate, Fault, SimDisk, Storage};
use cairn_engine::{EventOp, Settings, View, check_dir};
use cairn_snapshot::{Job, nvec};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const FILE: &str = "/dumps/a.nvec";

fn file() -> &'static Path {
    Path::new(FILE)
}

fn save(disk: &SimDisk, view: &View) -> nvec::NvecInfo {
    if disk.stat(Path::new("/dumps")).expect("readable").is_none() {
        disk.create_dir_all(Path::new("/dumps")).expect("made");
        disk.sync_dir(Path::new("/")).expect("synced");
    }
    nvec::save(disk, file(), view, NOW_US, &one_thread()).expect("saved")
}

fn read(disk: &SimDisk) -> Result<View, cairn_snapshot::Error> {
    Ok(nvec::read(disk, file(), &Settings::default(), &one_thread())?.0)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

#[test]
fn a_state_with_everything_has_the_same_hash_afterwards() {
    let (disk, view) = (SimDisk::new(1), full_state());
    assert!(view.counts().one_sided > 0, "the state has one-sided pairs");
    save(&disk, &view);
    let back = read(&disk).expect("reads");
    assert_eq!(back.state_hash(), view.state_hash());
    assert_eq!(back.position(), view.position());
    assert_eq!(back.default_collection().settings(), view.default_collection().settings());
    let (mut before, mut after) = (view.counts(), back.counts());
    // Ids that nothing refers to any more are not in a file.
    (before.ids, after.ids) = (0, 0);
    assert_eq!(before, after);
}

#[test]
fn pairs_whose_sides_differ_keep_both_scores() {
    let view = full_state();
    let lists: std::collections::BTreeMap<&str, std::collections::BTreeMap<&str, f64>> = view
        .default_collection()
        .neighbours()
        .map(|(owner, list)| (owner, list.into_iter().collect()))
        .collect();
    let uneven = lists.iter().flat_map(|(a, list)| list.iter().map(move |(b, score)| (a, b, score)));
    let uneven = uneven.filter(|(a, b, score)| {
        lists.get(**b).and_then(|list| list.get(**a)).is_some_and(|other| other.to_bits() != score.to_bits())
    });
    assert!(uneven.count() > 0, "the state has pairs with two scores");
    // That they survive is what the hash of the test above says.
}

#[test]
fn an_empty_state_round_trips() {
    let disk = SimDisk::new(1);
    let view = engine(Settings::default()).view().expect("a view");
    let info = save(&disk, &view);
    assert_eq!((info.event_count, info.pair_count, info.vector_count, info.context_count), (0, 0, 0, 0));
    assert_eq!(read(&disk).expect("reads").state_hash(), view.state_hash());
}

#[test]
fn a_larger_state_round_trips() {
    let (disk, view) = (SimDisk::new(1), big_state(3_000, 200, 8));
    let info = save(&disk, &view);
    assert!(info.file_size > 2 << 20);
    assert_eq!(read(&disk).expect("reads").state_hash(), view.state_hash());
    nvec::verify(&disk, file(), &one_thread()).expect("whole");
}

#[test]
fn more_pairs_than_one_pass_looks_at_round_trip() {
    let engine = engine(Settings { ctx_buffer_size: 1_500, ..Settings::default() });
    let events = (0..1_500).map(|i| event("all", &format!("{i}"), EventOp::Add, 1 + (i % 100) as u8, i));
    write(&engine, events.collect());
    let (disk, view) = (SimDisk::new(1), engine.view().expect("a view"));
    assert!(view.counts().pairs > 1 << 20);
    let info = save(&disk, &view);
    assert_eq!(info.pair_count, view.counts().pairs);
    assert_eq!(read(&disk).expect("reads").state_hash(), view.state_hash());
}

#[test]
fn the_header_is_as_the_format_says() {
    let (disk, view) = (SimDisk::new(1), full_state());
    let info = save(&disk, &view);
    let bytes = disk.read_file(file());
    let counts = view.counts();
    assert_eq!(&bytes[..4], b"NVEC");
    assert_eq!((u32_at(&bytes, 4), u32_at(&bytes, 8)), (1, 1));
    let header = [12, 16, 20].map(|at| u64::from(u32_at(&bytes, at)));
    assert_eq!(header, [counts.events, counts.pairs, counts.vectors]);
    assert_eq!(u64::from_le_bytes(bytes[24..32].try_into().expect("8")), NOW_US as u64 / 1_000);
    assert_eq!(u64::from_le_bytes(bytes[32..40].try_into().expect("8")), bytes.len() as u64);
    let end = bytes.len() - 8;
    assert_eq!(u32_at(&bytes, end), crc32fast::hash(&bytes[..end]));
    assert_eq!(u32_at(&bytes, end + 4), 0);
    let mut kinds = Vec::new();
    let mut at = 40;
    while at < end {
        let length = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().expect("8")) as usize;
        assert_eq!(u32_at(&bytes, at + 4), crc32fast::hash(&bytes[at + 16..at + 16 + length]));
        kinds.push(u32_at(&bytes, at));
        at += 16 + length;
    }
    assert_eq!(kinds, [1, 2, 3, 16, 17, 18, 19, 20, 21, 22]);
    assert_eq!(info, nvec::info(&disk, file()).expect("info"));
    assert_eq!(info.file_size, bytes.len() as u64);
    assert_eq!(info.created_at(), "2024-01-20T10:30:45");
    assert_eq!((info.version, info.flags, info.context_count), (1, 1, counts.contexts));
    let verified = nvec::verify(&disk, file(), &one_thread()).expect("whole");
    assert_eq!(verified.crc, u32_at(&bytes, end));
}

#[test]
fn every_flipped_byte_is_detected() {
    for view in [tiny_state(), full_state()] {
        let disk = SimDisk::new(1);
        save(&disk, &view);
        let length = disk.read_file(file()).len() as u64;
        for at in 0..length {
            let disk = disk.image(Fate::Kept);
            disk.flip(file(), at, 1 << (at % 8));
            let verified = nvec::verify(&disk, file(), &one_thread()).expect_err("verify");
            let loaded = read(&disk).expect_err("load");
            for error in [verified, loaded] {
                let text = error.to_string();
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "byte {at}: {text}");
                assert!(
                    text.contains(FILE) && text.contains("expected") && text.contains("got"),
                    "byte {at}: {text}"
                );
            }
            // The description reads no payload: it must not fail badly, and must not believe a wrong header.
            if let Ok(info) = nvec::info(&disk, file()) {
                let counts = [info.event_count, info.pair_count, info.vector_count, info.context_count];
                let true_ones = view.counts();
                let expected = [true_ones.events, true_ones.pairs, true_ones.vectors, true_ones.contexts];
                assert_eq!((counts, info.file_size), (expected, length), "byte {at}");
            }
        }
        println!("flipped bytes of a .nvec: {length}");
    }
}

#[test]
fn every_shorter_length_is_detected() {
    let disk = SimDisk::new(1);
    save(&disk, &full_state());
    let bytes = disk.read_file(file());
    for length in 0..bytes.len() {
        let disk = SimDisk::new(1);
        disk.write_file(file(), &bytes[..length]);
        for error in [
            nvec::verify(&disk, file(), &one_thread()).expect_err("verify"),
            nvec::info(&disk, file()).expect_err("info"),
            read(&disk).expect_err("load"),
        ] {
            let finding = error.finding().unwrap_or_else(|| panic!("{length}: {error}"));
            if length < 4 {
                assert_eq!((finding.what.as_str(), finding.expected.as_str()), ("magic", "NVEC"));
            } else {
                assert_eq!(finding.what, "size mismatch", "{length}");
                assert_eq!(finding.actual, format!("{length} bytes"));
            }
        }
    }
    let disk = SimDisk::new(1);
    disk.write_file(file(), &[&bytes[..], b"x"].concat());
    assert_eq!(read(&disk).expect_err("longer").headline(), "size mismatch");
}

#[test]
fn errors_have_the_words_of_nvecds_documents() {
    let disk = SimDisk::new(1);
    save(&disk, &tiny_state());
    let bytes = disk.read_file(file());
    let end = bytes.len() - 8;
    let other = disk.image(Fate::Kept);
    other.flip(file(), 70, 0xff);
    let error = nvec::verify(&other, file(), &one_thread()).expect_err("damaged");
    assert_eq!(error.headline(), "CRC mismatch: file may be corrupted");
    let finding = error.finding().expect("a finding");
    assert_eq!(finding.expected, format!("0x{:08x}", u32_at(&bytes, end)));
    assert_eq!(finding.actual, format!("0x{:08x}", crc32fast::hash(&other.read_file(file())[..end])));
    assert_eq!(finding.offset, Some(40), "the section that is damaged");
    disk.flip(file(), 4, 3);
    for error in [
        nvec::verify(&disk, file(), &one_thread()).expect_err("newer"),
        nvec::info(&disk, file()).expect_err("newer"),
        read(&disk).expect_err("newer"),
    ] {
        assert_eq!(error.headline(), "Version mismatch: expected 1, got 2");
        assert_eq!(error.to_string(), format!("{FILE}: Version mismatch: expected 1, got 2"));
        assert_eq!(error.kind(), ErrorKind::Version);
    }
}

#[test]
fn a_file_that_is_not_there_is_not_found() {
    let disk = SimDisk::new(1);
    for error in [
        nvec::verify(&disk, file(), &one_thread()).expect_err("none"),
        nvec::info(&disk, file()).expect_err("none"),
        read(&disk).expect_err("none"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(FILE), "{error}");
    }
}

#[test]
fn loading_replaces_the_state_and_a_bad_file_does_not() {
    let (disk, view) = (SimDisk::new(1), full_state());
    save(&disk, &view);
    let engine = engine(Settings::default());
    write(&engine, vec![vector("old", &[1.0])]);
    let before = engine.view().expect("a view").state_hash();
    let bad = disk.image(Fate::Kept);
    bad.flip(file(), 100, 1);
    nvec::load(&engine, &bad, file(), &one_thread()).expect_err("damaged");
    assert_eq!(engine.view().expect("a view").state_hash(), before);
    write(&engine, vec![vector("old", &[2.0])]);
    let loaded = nvec::load(&engine, &disk, file(), &one_thread()).expect("loads");
    assert_eq!(loaded.info.vector_count, view.counts().vectors);
    assert_eq!(loaded.report.counts.events, view.counts().events);
    assert_eq!(engine.view().expect("a view").state_hash(), view.state_hash());
    write(&engine, vec![vector("new", &[1.0, 2.0, 3.0])]);
}

#[test]
fn a_data_directory_can_be_made_of_a_file() {
    let (disk, view) = (SimDisk::new(1), full_state());
    save(&disk, &view);
    nvec::restore(&storage(&disk), file(), target(), NOW_US, &one_thread()).expect("restores");
    let report = check_dir(&storage(&disk), target()).expect("whole");
    assert_eq!(report.state_hash, view.state_hash());
    disk.flip(file(), 60, 1);
    let other = Path::new("/restored/other");
    nvec::restore(&storage(&disk), file(), other, NOW_US, &one_thread()).expect_err("damaged");
    assert!(disk.stat(other).expect("readable").is_none());
}

#[test]
fn a_crash_at_every_operation_of_a_save_leaves_the_old_file_or_the_new() {
    let (disk, old, new) = (SimDisk::new(1), tiny_state(), full_state());
    save(&disk, &old);
    let forks = crashes(&disk, 8, || {
        save(&disk, &new);
    });
    println!("crash points of a save: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.operations >= 5 && forks.images.len() >= 50);
    let mut hashes = std::collections::BTreeSet::new();
    for crash in &forks.images {
        let hash = read(&crash.disk).unwrap_or_else(|e| panic!("{crash}: {e}")).state_hash();
        assert!(hash == old.state_hash() || hash == new.state_hash(), "{crash}");
        hashes.insert(hash);
        nvec::remove_unfinished(&crash.disk, Path::new("/dumps")).unwrap_or_else(|e| panic!("{crash}: {e}"));
        save(&crash.disk, &new);
        assert_eq!(crash.disk.files(), [file()], "{crash}: nothing is left over");
    }
    assert_eq!(hashes.len(), 2);
    assert_eq!(read(&disk.image(Fate::Dropped)).expect("durable").state_hash(), new.state_hash());
}

#[test]
fn a_cancelled_save_leaves_the_old_file() {
    let (disk, old) = (SimDisk::new(1), tiny_state());
    save(&disk, &old);
    let cancel = AtomicBool::new(false);
    let progress = |_| cancel.store(true, Ordering::Relaxed);
    let job = Job { threads: 1, progress: &progress, cancel: &cancel };
    let error = nvec::save(&disk, file(), &big_state(3_000, 200, 8), NOW_US, &job).expect_err("cancelled");
    assert_eq!(error.to_string(), "cancelled");
    assert_eq!(disk.files(), [file()]);
    assert_eq!(read(&disk).expect("reads").state_hash(), old.state_hash());
}

#[test]
fn saving_twice_gives_the_same_bytes() {
    let (disk, view) = (SimDisk::new(1), full_state());
    save(&disk, &view);
    let first = disk.read_file(file());
    save(&disk, &view);
    assert_eq!(disk.read_file(file()), first);
}

#[test]
fn what_a_dead_save_left_is_in_nobodys_way() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    let left = Path::new("/dumps/.a.nvec.1.unfinished");
    disk.write_file(left, b"half");
    disk.write_file(Path::new("/dumps/.mine"), b"?");
    save(&disk, &view);
    assert_eq!(disk.read_file(left), b"half", "it might be another's, still being written");
    assert_eq!(nvec::remove_unfinished(&disk, Path::new("/dumps")).expect("removed"), 1);
    assert_eq!(disk.files(), [Path::new("/dumps/.mine"), file()]);
}

#[test]
fn a_fault_at_every_operation_of_a_save_leaves_the_old_file() {
    let (old, new) = (tiny_state(), full_state());
    for op in 0..4 {
        let disk = SimDisk::new(1);
        save(&disk, &old);
        disk.fail_at(disk.ops() + op, Fault::Enospc);
        let error = nvec::save(&disk, file(), &new, NOW_US, &one_thread()).expect_err("a fault");
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{op}: {error}");
        assert_eq!(read(&disk).expect("whole").state_hash(), old.state_hash(), "{op}");
        assert_eq!(disk.files(), [file()], "{op}");
        save(&disk, &new);
    }
}

#[test]
fn progress_goes_once_from_nothing_to_everything() {
    let (disk, view) = (SimDisk::new(1), big_state(3_000, 200, 8));
    save(&disk, &view);
    let seen = parking_lot::Mutex::new(Vec::new());
    let progress = |p: cairn_snapshot::Progress| seen.lock().push(p.percent());
    let job = Job { progress: &progress, ..one_thread() };
    nvec::verify(&disk, file(), &job).expect("whole");
    let seen = seen.into_inner();
    assert!(seen.len() > 10 && seen.is_sorted());
    assert!(*seen.last().expect("told") >= 99);
}
