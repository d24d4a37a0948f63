//! Repair: what can be kept is kept, everything else is aside, and nothing is gone.

use crate::common::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_log::{
    DatabaseId, Entry, ErrorKind, Log, LogConfig, Record, RepairPlan, Repaired, record as bytes_of,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const RECORDS: u64 = 90;

fn filled() -> SimDisk {
    let sim = SimDisk::new(1);
    append_committed(&open(&sim).0, 0..RECORDS);
    assert!(logs(&sim).len() >= 4, "{:?}", logs(&sim));
    sim
}

fn plan_with(sim: &SimDisk, config: &LogConfig) -> RepairPlan {
    let (before, ops) = (snapshot(sim), sim.ops());
    let plan = Log::plan_repair(disk(sim), config.clone()).expect("a plan");
    assert_eq!((snapshot(sim), sim.ops()), (before, ops), "planning changes nothing");
    plan
}

fn plan(sim: &SimDisk) -> RepairPlan {
    plan_with(sim, &config())
}

fn run(sim: &SimDisk, plan: &RepairPlan) -> Repaired {
    let repaired = plan.run(&disk(sim)).unwrap_or_else(|e| panic!("{e}\n{plan}"));
    assert_eq!((&repaired.keeps, &repaired.lost), (&plan.keeps, &plan.lost));
    let again = Log::plan_repair(disk(sim), config()).unwrap();
    assert!(!again.is_needed(), "{again}");
    repaired
}

/// The whole records that segment files below a directory begin with.
fn records_below(sim: &SimDisk, dir: &Path) -> BTreeMap<u64, Record> {
    let mut found = BTreeMap::new();
    for path in sim.files().iter().filter(|p| p.starts_with(dir) && p.extension().is_some_and(|e| e == "log"))
    {
        let mut bytes = sim.read_file(path);
        let mut at = 64.min(bytes.len());
        while let Ok(record) = bytes_of::decode(&mut bytes[at..]) {
            let length = 32 + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            found.insert(record.offset, record.to_record());
            at += length;
        }
    }
    found
}

/// Every `.log` of before is somewhere, byte for byte.
fn assert_nothing_gone(before: &[(PathBuf, Vec<u8>)], sim: &SimDisk, what: &str) {
    let now = snapshot(sim);
    for (path, bytes) in before.iter().filter(|(p, _)| p.extension().is_some_and(|e| e == "log")) {
        let kept = now.iter().any(|(_, there)| there == bytes);
        assert!(kept, "{what}: {} is gone: {:?}", path.display(), sim.files());
    }
}

/// Repairs, and checks what is promised of every repair. `damaged` is the offset that cannot be read, if any.
fn repair(sim: &SimDisk, damaged: Option<u64>, what: &str) -> (RepairPlan, Repaired) {
    let before = snapshot(sim);
    let plan = plan(sim);
    assert!(plan.is_needed(), "{what}");
    let repaired = run(sim, &plan);
    assert_nothing_gone(&before, sim, what);
    let durable = sim.image(Fate::Dropped);
    assert_nothing_gone(&before, &durable, what);
    let (log, recovered) = open(&durable);
    assert_eq!(recovered.cut, None, "{what}");
    assert_eq!(log.base_offset()..log.next_offset(), plan.keeps, "{what}");
    assert_eq!(read_all(&log), records(plan.keeps.clone()), "{what}");
    let aside = records_below(&durable, &plan.aside);
    for offset in plan.lost.clone() {
        let is_readable = plan.readable.iter().any(|r| r.contains(&offset));
        assert_eq!(is_readable, Some(offset) != damaged, "{what}: offset {offset}: {plan}");
        if is_readable {
            assert_eq!(aside.get(&offset), Some(&record(offset)), "{what}: offset {offset}");
        }
    }
    append(&log, log.next_offset()..log.next_offset() + 50);
    (plan, repaired)
}

#[test]
fn a_whole_log_needs_none() {
    let sim = filled();
    let plan = plan(&sim);
    assert!(!plan.is_needed());
    assert_eq!((plan.keeps.clone(), plan.lost.is_empty()), (0..RECORDS, true));
    assert_eq!(plan.to_string(), "the log in /db/wal needs no repair: it holds offsets 0 to 89");
    let before = snapshot(&sim);
    let repaired = run(&sim, &plan);
    assert_eq!((repaired.aside, snapshot(&sim)), (None, before));
}

#[test]
fn what_only_a_crash_left_needs_none() {
    let whole = filled();
    let newest = logs(&whole).pop().unwrap();
    let length = whole.read_file(&newest).len() as u64;
    let sim = whole.image(Fate::Kept);
    sim.truncate_file(&newest, length - 3);
    let torn = plan(&sim);
    assert!(!torn.is_needed(), "{torn}");
    assert_eq!((torn.keeps.end, torn.torn.map(|cut| cut.offset)), (RECORDS - 1, Some(RECORDS - 1)));
    for created in [0, 20, 63] {
        sim.truncate_file(&newest, created);
        let plan = plan(&sim);
        assert!(!plan.is_needed(), "{created} bytes: {plan}");
    }
    let sim = whole.image(Fate::Kept);
    sim.remove_file(&path(0, "index"));
    assert!(!plan(&sim).is_needed(), "indexes are rebuilt at open");
}

#[test]
fn a_flip_in_a_sealed_segment_ends_the_log_there() {
    let sim = filled();
    let files = logs(&sim);
    let positions = positions(&sim.read_file(&files[1]));
    let base: u64 = files[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    sim.flip(&files[1], positions[2] as u64 + 20, 1);
    let (plan, repaired) = repair(&sim, Some(base + 2), "flip");
    assert_eq!((plan.keeps.clone(), plan.lost.clone()), (0..base + 2, base + 2..RECORDS));
    assert_eq!(plan.readable, std::slice::from_ref(&(base + 3..RECORDS)));
    let [place] = &plan.damage[..] else { panic!("{plan}") };
    assert_eq!((&place.segment, place.position), (&files[1], Some(positions[2] as u64)));
    assert_eq!((place.unreadable_from, place.readable_again), (base + 2, Some(base + 3)));
    assert_eq!(repaired.aside, Some(PathBuf::from("/db/wal/damaged-1")));
    let name = |path: &PathBuf| path.file_name().unwrap().to_owned();
    for file in &files[1..] {
        assert!(repaired.files.iter().any(|f| name(f) == name(file)), "{}", file.display());
    }
    assert!(plan.to_string().contains("it would keep offsets 0 to "), "{plan}");
    assert!(plan.to_string().contains(&format!("cannot be read: offset {}\n", base + 2)), "{plan}");
    assert!(plan.to_string().ends_with("nothing would be deleted"), "{plan}");
}

#[test]
fn a_flip_anywhere_before_the_newest_record() {
    let whole = filled();
    let mut flips = 0;
    for file in &logs(&whole) {
        let bytes = whole.read_file(file);
        let base: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let positions = positions(&bytes);
        for at in 0..bytes.len() {
            let damaged = positions.iter().rposition(|p| *p <= at).map(|n| base + n as u64);
            if damaged == Some(RECORDS - 1) {
                continue;
            }
            let sim = whole.image(Fate::Kept);
            sim.flip(file, at as u64, 0x20);
            let what = format!("{} byte {at}", file.display());
            let (plan, _) = repair(&sim, damaged, &what);
            let end = damaged.unwrap_or(RECORDS);
            assert_eq!(plan.keeps, 0..end, "{what}: a header is written anew, and costs nothing");
            flips += 1;
        }
    }
    println!("{flips} flips repaired");
    assert!(flips > 2_000, "{flips} flips");
}

#[test]
fn a_sealed_segment_cut_anywhere() {
    let whole = filled();
    let file = &logs(&whole)[1];
    let base: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let positions = positions(&whole.read_file(file));
    for length in 0..whole.read_file(file).len() {
        let sim = whole.image(Fate::Kept);
        sim.truncate_file(file, length as u64);
        let before = snapshot(&sim);
        let plan = plan(&sim);
        let kept = positions.iter().filter(|p| **p <= length).count().saturating_sub(1) as u64;
        assert_eq!(plan.keeps, 0..base + kept, "length {length}");
        assert_eq!(plan.lost.end, RECORDS, "length {length}");
        run(&sim, &plan);
        assert_nothing_gone(&before, &sim, &format!("length {length}"));
        assert_eq!(read_all(&open(&sim).0), records(plan.keeps.clone()), "length {length}");
    }
}

#[test]
fn bytes_after_the_last_record_of_a_sealed_segment_cost_nothing() {
    let sim = filled();
    let file = &logs(&sim)[1];
    let mut bytes = sim.read_file(file);
    bytes.extend_from_slice(b"what is this");
    sim.write_file(file, &bytes);
    let (plan, _) = repair(&sim, None, "more bytes");
    assert_eq!((plan.keeps.clone(), plan.lost.is_empty(), plan.moves.is_empty()), (0..RECORDS, true, true));
}

#[test]
fn a_missing_segment_in_the_middle_ends_the_log_before_it() {
    let sim = filled();
    let files = logs(&sim);
    let base = |i: usize| files[i].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    sim.remove_file(&files[1]);
    let before = snapshot(&sim);
    let plan = plan(&sim);
    assert_eq!((plan.keeps.clone(), plan.lost.clone()), (0..base(1), base(1)..RECORDS));
    assert_eq!(plan.readable, std::slice::from_ref(&(base(2)..RECORDS)));
    let [place] = &plan.damage[..] else { panic!("{plan}") };
    assert_eq!((&place.segment, place.position), (&files[2], None));
    assert_eq!((place.unreadable_from, place.readable_again), (base(1), Some(base(2))));
    run(&sim, &plan);
    assert_nothing_gone(&before, &sim, "missing");
    assert_eq!(read_all(&open(&sim).0), records(0..base(1)));
}

#[test]
fn the_newest_segment_with_later_proof() {
    let config = LogConfig { segment_bytes: 1 << 20, ..config() };
    let sim = SimDisk::new(1);
    append_committed(&open_with(&sim, config).unwrap().0, 0..12);
    let positions = positions(&sim.read_file(&path(0, "log")));
    sim.flip(&path(0, "log"), positions[5] as u64 + 9, 1);
    let (plan, repaired) = repair(&sim, Some(5), "newest");
    assert_eq!(plan.keeps, 0..5);
    assert_eq!(plan.readable, std::slice::from_ref(&(6..12)));
    let readable = Path::new("/db/wal/damaged-1/readable/00000000000000000006.log");
    assert!(repaired.files.iter().any(|f| f == readable), "{repaired:?}");
    // What was saved is a log of its own.
    let config = LogConfig { dir: readable.parent().unwrap().to_owned(), ..crate::common::config() };
    let saved: Vec<_> =
        Log::read_only(disk(&sim), config, 6).unwrap().collect::<cairn_log::Result<_>>().unwrap();
    assert_eq!(saved, records(6..12));
}

#[test]
fn a_first_segment_that_is_no_segment_says_where_the_log_goes_on() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..RECORDS);
    log.sync().unwrap();
    log.remove_before(40).unwrap();
    let base = log.base_offset();
    drop(log);
    assert!(base > 0);
    for length in [10, 63] {
        let sim = sim.image(Fate::Kept);
        sim.truncate_file(&path(base, "log"), length);
        let before = snapshot(&sim);
        let plan = plan(&sim);
        assert_eq!(plan.keeps, base..base);
        run(&sim, &plan);
        assert_nothing_gone(&before, &sim, "first");
        let (log, _) = open(&sim);
        assert_eq!((log.base_offset(), log.next_offset()), (base, base));
        append(&log, base..base + 10);
        assert_eq!(read_all(&log), records(base..base + 10));
    }
}

#[test]
fn several_places_are_all_named() {
    let sim = filled();
    let files = logs(&sim);
    sim.flip(&files[0], 20, 1);
    for file in &files[1..4] {
        let position = positions(&sim.read_file(file))[3] as u64;
        sim.flip(file, position + 9, 1);
    }
    let plan = plan(&sim);
    assert_eq!(plan.damage.len(), 4, "{plan}");
    for (place, file) in plan.damage.iter().zip(&files) {
        assert_eq!(&place.segment, file);
    }
    assert_eq!(plan.damage[0].readable_again, Some(0));
    assert!(plan.to_string().contains("no record is lost by it"), "{plan}");
    let before = snapshot(&sim);
    run(&sim, &plan);
    assert_nothing_gone(&before, &sim, "several");
    let aside = records_below(&sim, &plan.aside);
    let readable: Vec<u64> = plan.readable.iter().cloned().flatten().collect();
    assert_eq!(readable.len() as u64, plan.lost.end - plan.lost.start - 3);
    assert!(readable.iter().all(|offset| aside.get(offset) == Some(&record(*offset))));
}

#[test]
fn another_log_and_another_version_are_refused() {
    let whole = filled();
    let other = LogConfig { id: DatabaseId([8; 16]), ..config() };
    let error = Log::plan_repair(disk(&whole), other).unwrap_err().to_string();
    assert!(error.contains("log id mismatch"), "{error}");
    let nowhere = LogConfig { dir: "/nowhere".into(), ..config() };
    assert_eq!(Log::plan_repair(disk(&whole), nowhere).unwrap_err().kind(), ErrorKind::NotFound);
    let sim = whole.image(Fate::Kept);
    let mut bytes = sim.read_file(&path(0, "log"));
    bytes[8] = 2;
    let crc = cairn_disk::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    sim.write_file(&path(0, "log"), &bytes);
    assert_eq!(Log::plan_repair(disk(&sim), config()).unwrap_err().kind(), ErrorKind::Version);
}

#[test]
fn a_segment_of_another_log_in_the_middle_goes_aside() {
    let (sim, other) = (filled(), SimDisk::new(2));
    let config = LogConfig { id: DatabaseId([8; 16]), ..config() };
    append(&open_with(&other, config).unwrap().0, 0..RECORDS);
    let file = &logs(&sim)[2];
    let base: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    sim.write_file(file, &other.read_file(file));
    let before = snapshot(&sim);
    let plan = plan(&sim);
    assert_eq!(plan.keeps, 0..base);
    assert!(plan.damage[0].message.contains("log id mismatch"), "{plan}");
    run(&sim, &plan);
    assert_nothing_gone(&before, &sim, "foreign");
}

#[test]
fn a_plan_that_is_no_longer_true_is_refused() {
    let sim = filled();
    sim.flip(&logs(&sim)[1], 64 + 20, 1);
    let plan = plan(&sim);
    sim.flip(&logs(&sim)[0], 64 + 20, 1);
    let before = snapshot(&sim);
    let error = plan.run(&disk(&sim)).unwrap_err();
    assert_eq!((error.kind(), snapshot(&sim)), (ErrorKind::Busy, before));
    assert_eq!(error.to_string(), "the log in /db/wal changed since the repair was planned: plan again");
}

#[test]
fn the_next_repair_has_a_directory_of_its_own() {
    let sim = filled();
    for n in 1..4 {
        sim.flip(&path(0, "log"), positions(&sim.read_file(&path(0, "log")))[5 - n] as u64 + 20, 1);
        let (plan, _) = repair_only(&sim);
        assert_eq!(plan.aside, Path::new(&format!("/db/wal/damaged-{n}")));
        append_committed(&open(&sim).0, plan.keeps.end..plan.keeps.end + 4);
    }
}

fn repair_only(sim: &SimDisk) -> (RepairPlan, Repaired) {
    let plan = plan(sim);
    let repaired = run(sim, &plan);
    (plan, repaired)
}

/// Damages a log in one way; returns what the repair must keep.
type Damage = fn(&SimDisk) -> std::ops::Range<u64>;

const DAMAGES: [(&str, Damage); 6] = [
    ("flip in a sealed segment", |sim| {
        let file = &logs(sim)[1];
        sim.flip(file, positions(&sim.read_file(file))[4] as u64 + 20, 1);
        0..file.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() + 4
    }),
    // Were it the newest segment's, it might be torn.
    ("the last record of a sealed segment", |sim| {
        let file = &logs(sim)[1];
        let position = positions(&sim.read_file(file)).into_iter().rev().nth(1).unwrap();
        sim.flip(file, position as u64 + 20, 1);
        0..logs(sim)[2].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() - 1
    }),
    ("header damaged", |sim| {
        sim.flip(&logs(sim)[1], 20, 1);
        0..RECORDS
    }),
    ("header and record damaged", |sim| {
        sim.flip(&logs(sim)[0], 3, 1);
        let file = &logs(sim)[2];
        sim.flip(file, positions(&sim.read_file(file))[1] as u64 + 20, 1);
        0..file.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() + 1
    }),
    ("middle segment missing", |sim| {
        let file = logs(sim).remove(1);
        sim.remove_file(&file);
        0..file.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap()
    }),
    ("newest with later proof", |sim| {
        let file = logs(sim).pop().unwrap();
        sim.flip(&file, positions(&sim.read_file(&file))[1] as u64 + 20, 1);
        0..file.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap() + 1
    }),
];

#[test]
fn a_crash_at_every_operation() {
    let mut points = 0;
    for (name, damage) in DAMAGES {
        let sim = filled();
        let keeps = damage(&sim);
        let before = snapshot(&sim);
        let forks = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&forks);
        sim.on_op(Box::new(move |op, sim| {
            let torn = (0..8).map(|seed| Fate::Torn(op * 100 + seed));
            let fates = torn.chain([Fate::Dropped, Fate::Kept]);
            out.lock().unwrap().extend(fates.map(|fate| (op, fate, sim.image(fate))));
        }));
        let plan = Log::plan_repair(disk(&sim), config()).unwrap();
        assert_eq!(plan.keeps, keeps, "{name}");
        plan.run(&disk(&sim)).unwrap();
        for (op, fate, sim) in std::mem::take(&mut *forks.lock().unwrap()) {
            let what = format!("{name}, crash before operation {op}, {fate:?}");
            assert_nothing_gone(&before, &sim, &what);
            // Without a second repair: what it would keep, or the damage still shows.
            if let Ok((log, recovered)) = open_with(&sim.image(Fate::Kept), config()) {
                assert_eq!(recovered.cut, None, "{what}");
                let read: cairn_log::Result<Vec<Record>> = log.read(log.base_offset()).unwrap().collect();
                match read {
                    Ok(read) => assert_eq!(read, records(keeps.clone()), "{what}"),
                    Err(e) => assert_eq!(e.kind(), ErrorKind::Corrupt, "{what}: {e}"),
                }
            }
            let plan = Log::plan_repair(disk(&sim), config()).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(plan.keeps, keeps, "{what}: {plan}");
            run(&sim, &plan);
            assert_nothing_gone(&before, &sim, &what);
            let durable = sim.image(Fate::Dropped);
            assert_nothing_gone(&before, &durable, &what);
            let (log, _) = open(&durable);
            assert_eq!(read_all(&log), records(keeps.clone()), "{what}");
            append(&log, keeps.end..keeps.end + 30);
            points += 1;
        }
    }
    println!("{points} crash points of repairs, each finished by a second one with nothing gone");
    assert!(points >= 900, "{points} crash points");
}

#[test]
fn a_fault_at_every_operation_is_an_error_and_the_next_run_finishes() {
    for fault in [cairn_disk::Fault::Eio, cairn_disk::Fault::Enospc] {
        for at in 0..200 {
            let sim = filled();
            let keeps = DAMAGES[0].1(&sim);
            let before = snapshot(&sim);
            sim.fail_at(sim.ops() + at, fault);
            let first = Log::plan_repair(disk(&sim), config()).unwrap().run(&disk(&sim));
            if first.is_ok() {
                assert!(at > 20, "a repair has more operations than {at}");
                break;
            }
            let what = format!("{fault:?} at operation {at}");
            assert_nothing_gone(&before, &sim, &what);
            let plan = plan(&sim);
            assert_eq!(plan.keeps, keeps, "{what}");
            run(&sim, &plan);
            assert_nothing_gone(&before, &sim, &what);
            assert_eq!(read_all(&open(&sim).0), records(keeps), "{what}");
        }
    }
}

#[test]
fn a_directory_named_like_an_aside_one_is_left_alone() {
    let sim = filled();
    sim.write_file(Path::new("/db/wal/damaged-7/notes"), b"mine");
    assert!(Storage::stat(&sim, Path::new("/db/wal/damaged-7")).unwrap().is_some());
    sim.flip(&logs(&sim)[1], 64 + 20, 1);
    let (plan, _) = repair_only(&sim);
    assert_eq!(plan.aside, Path::new("/db/wal/damaged-8"));
    assert_eq!(sim.read_file(Path::new("/db/wal/damaged-7/notes")), b"mine");
}

/// A log whose sealed segments are compacted: of each key only the newest record is left.
fn compacted() -> (SimDisk, LogConfig) {
    let config = LogConfig { compacted_allowed: true, ..config() };
    let sim = SimDisk::new(1);
    let (log, _) = open_with(&sim, config.clone()).unwrap();
    for n in 0..120u64 {
        // Every second record is superseded by a later one.
        let key = [if n % 2 == 0 { n as u8 } else { 255 }];
        let entry = Entry { timestamp_us: n as i64, key: Some(&key), value: Some(&[n as u8; 60]) };
        let offsets = log.append(&[entry]).unwrap();
        log.commit(offsets.start).unwrap();
    }
    log.compact(i64::MIN).unwrap();
    assert!(
        log.segments().iter().filter(|s| s.compacted && s.records > 3).count() >= 1,
        "{:?}",
        log.segments()
    );
    (sim, config)
}

#[test]
fn compacted_segments_are_cut_as_such() {
    let (whole, config) = compacted();
    let before = read_all(&open_with(&whole, config.clone()).unwrap().0);
    for file in logs(&whole) {
        for at in (0..whole.read_file(&file).len() as u64).step_by(7) {
            let sim = whole.image(Fate::Kept);
            sim.flip(&file, at, 0x20);
            let what = format!("{} byte {at}", file.display());
            let (plan, files) = (plan_with(&sim, &config), snapshot(&sim));
            if !plan.is_needed() {
                assert_eq!(Some(&file), logs(&sim).last(), "{what}: only the unproven end of the newest");
                continue;
            }
            plan.run(&disk(&sim)).unwrap_or_else(|e| panic!("{what}: {e}\n{plan}"));
            assert_nothing_gone(&files, &sim, &what);
            assert!(!plan_with(&sim, &config).is_needed(), "{what}");
            let (log, recovered) = open_with(&sim, config.clone()).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(recovered.cut, None, "{what}");
            assert_eq!(log.base_offset()..log.next_offset(), plan.keeps, "{what}");
            let kept: Vec<Record> =
                before.iter().filter(|r| plan.keeps.contains(&r.offset)).cloned().collect();
            assert_eq!(read_all(&log), kept, "{what}: {plan}");
            log.append(&[Entry::default()]).unwrap();
        }
    }
}

#[test]
fn a_lost_newest_segment_after_a_compacted_one() {
    let (sim, config) = compacted();
    let newest = logs(&sim).pop().unwrap();
    let base: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    sim.remove_file(&newest);
    let error = open_with(&sim, config.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let plan = plan_with(&sim, &config);
    assert_eq!(plan.damage.len(), 1, "{plan}");
    assert_eq!(plan.damage[0].message, error.to_string());
    plan.run(&disk(&sim)).unwrap();
    let (log, _) = open_with(&sim, config).unwrap();
    assert_eq!(log.next_offset(), base);
}
