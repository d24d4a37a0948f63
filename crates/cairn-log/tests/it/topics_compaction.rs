//! Compaction by key: what stays, where it is found, and what is told of it.

use crate::common::*;
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_log::{Compaction, Entry, Error, ErrorKind, Log, LogConfig, Record};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn compactable() -> LogConfig {
    LogConfig { compacted_allowed: true, ..config() }
}

fn reopen(sim: &SimDisk) -> Log {
    open_with(sim, compactable()).expect("the log opens").0
}

/// Record `n` of a log of a few keys; some have none, some values are missing. Times come in runs of three.
fn keyed(n: u64, keys: u64) -> Record {
    let mut rng = Rng(n + 1);
    let key = (!n.is_multiple_of(7)).then(|| format!("key-{}", rng.below(keys)).into_bytes());
    let value = (rng.below(5) > 0).then(|| vec![n as u8; rng.below(150) as usize]);
    Record { offset: n, timestamp_us: 1_000 + n as i64 / 3 * 10, key, value }
}

fn keyed_records(range: std::ops::Range<u64>) -> Vec<Record> {
    range.map(|n| keyed(n, 12)).collect()
}

fn append_keyed(log: &Log, range: std::ops::Range<u64>) -> Vec<Record> {
    let records = keyed_records(range);
    for batch in records.chunks(5) {
        log.append(&entries(batch)).unwrap();
    }
    records
}

/// The offset of each key's newest record.
fn newest(records: &[Record]) -> HashMap<Vec<u8>, u64> {
    records.iter().filter_map(|r| Some((r.key.clone()?, r.offset))).collect()
}

/// What of `records` a compaction leaves whose last record is sealed; later ones all stay.
fn compacted(records: &[Record], sealed_to: u64, tombstones_before_us: i64) -> Vec<Record> {
    let newest = newest(records);
    let stays = |r: &&Record| {
        let Some(key) = r.key.as_ref().filter(|_| r.offset < sealed_to) else { return true };
        newest[key] == r.offset && (r.value.is_some() || r.timestamp_us >= tombstones_before_us)
    };
    records.iter().filter(stays).cloned().collect()
}

fn sealed_to(log: &Log) -> u64 {
    log.segments().last().unwrap().base_offset
}

/// Reads from every offset and looks up every time.
fn assert_found(log: &Log, expected: &[Record], what: &str) {
    let next = log.next_offset();
    for from in log.base_offset()..=next {
        let want: Vec<&Record> = expected.iter().filter(|r| r.offset >= from).collect();
        assert!(read_from(log, from).iter().eq(want), "{what}: from {from}");
    }
    let last = expected.last().map_or(0, |r| r.timestamp_us);
    for time in 990..last + 10 {
        let want = expected.iter().find(|r| r.timestamp_us >= time).map(|r| r.offset);
        assert_eq!(log.offset_for_time(time).unwrap(), want, "{what}: time {time}");
    }
}

/// A compacted log of 100 records, and what it holds.
fn compacted_log(sim: &SimDisk) -> (Log, Vec<Record>) {
    let log = reopen(sim);
    let records = append_keyed(&log, 0..100);
    log.compact(0).unwrap();
    let left = compacted(&records, sealed_to(&log), 0);
    (log, left)
}

#[test]
fn of_each_key_the_newest_record_stays_at_its_offset() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let records = append_keyed(&log, 0..100);
    let before = log.segments();
    let done = log.compact(0).unwrap();
    let left = compacted(&records, sealed_to(&log), 0);
    assert!(left.len() < 60 && before.len() > 4, "{} of {:?}", left.len(), before);
    assert!(read_all(&log) == left);
    let bytes = |segments: &[cairn_log::SegmentInfo]| segments.iter().map(|s| s.bytes as i64).sum::<i64>();
    let after = log.segments();
    assert_eq!(done.records, 100 - left.len() as u64);
    assert_eq!((done.tombstones, done.bytes), (0, bytes(&before) - bytes(&after)));
    assert_eq!(done.segments, after.iter().filter(|s| s.compacted).count() as u64);
    let ends = |segments: &[cairn_log::SegmentInfo]| {
        segments.iter().map(|s| (s.base_offset, s.next_offset, s.last_timestamp_us)).collect::<Vec<_>>()
    };
    assert_eq!(ends(&before), ends(&after));
    assert_eq!(after.iter().map(|s| s.records).sum::<u64>(), left.len() as u64);
    assert_eq!(log.compact(0).unwrap(), Compaction::default(), "there is nothing left to do");
    assert_found(&log, &left, "live");
    let (log, recovered) = open_with(&sim.image(Fate::Dropped), compactable()).unwrap();
    assert_eq!((recovered.records, recovered.indexes_rebuilt), (left.len() as u64, 0));
    assert_eq!((recovered.base_offset, recovered.next_offset), (0, 100));
    assert_found(&log, &left, "reopened");
}

#[test]
fn appends_and_compactions_take_turns() {
    let sim = SimDisk::new(1);
    let mut log = reopen(&sim);
    let mut records = Vec::new();
    for round in 0..12u64 {
        records.extend(append_keyed(&log, round * 30..(round + 1) * 30));
        let before_us = 1_000 + round as i64 * 60;
        log.compact(before_us).unwrap();
        // What one compaction took out the next does not see; it makes no difference.
        records = compacted(&records, sealed_to(&log), before_us);
        assert_found(&log, &records, &format!("round {round}"));
        if round % 3 == 2 {
            log = reopen(&sim);
            assert_found(&log, &records, &format!("round {round}, reopened"));
        }
    }
    let (base, count) = (log.segments()[4].base_offset, log.segments().len());
    assert_eq!(log.remove_before(base).unwrap(), 4);
    records.retain(|r| r.offset >= base);
    assert_found(&log, &records, "after a removal");
    let log = reopen(&sim.image(Fate::Dropped));
    assert_eq!(log.segments().len(), count - 4);
    assert_found(&log, &records, "after a removal, reopened");
}

#[test]
fn a_tombstone_stays_until_its_time_and_its_key_is_gone_then() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let put = |timestamp_us, key: &str, value: Option<&[u8]>| {
        log.append(&[Entry { timestamp_us, key: Some(key.as_bytes()), value }]).unwrap().start
    };
    put(1, "a", Some(b"1"));
    put(2, "b", Some(b"2"));
    let tombstone = put(3, "a", None);
    put(4, "c", Some(b""));
    put(5, "fill", Some(&[0; 1990]));
    put(6, "end", Some(&[0; 1990]));
    let offsets = || read_all(&log).iter().map(|r| r.offset).collect::<Vec<_>>();
    log.compact(3).unwrap();
    assert_eq!(offsets(), [1, tombstone, 3, 4, 5], "its time has not passed; an empty value is no tombstone");
    let done = log.compact(4).unwrap();
    assert_eq!((done.segments, done.records, done.tombstones), (1, 1, 1));
    assert_eq!(offsets(), [1, 3, 4, 5]);
}

#[test]
fn a_segment_may_become_empty() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let big = [3; 900];
    for n in 0..12 {
        log.append(&[Entry { timestamp_us: n, key: Some(b"k"), value: Some(&big) }]).unwrap();
    }
    log.compact(0).unwrap();
    let segments = log.segments();
    assert!(segments[..segments.len() - 1].iter().all(|s| s.records == 0 && s.bytes == 104), "{segments:?}");
    for log in [log, reopen(&sim)] {
        for from in 0..=10 {
            assert_eq!(read_from(&log, from)[0].offset, 10);
        }
        assert_eq!(log.offset_for_time(3).unwrap(), Some(10));
        assert_eq!(log.offset_for_time(12).unwrap(), None);
    }
    let (_, recovered) = open_with(&sim, compactable()).unwrap();
    assert_eq!((recovered.records, recovered.indexes_rebuilt), (2, 0));
    let inspection = Log::inspect(disk(&sim), compactable()).unwrap();
    assert_eq!((inspection.records, inspection.first_offset, inspection.next_offset), (2, Some(10), 12));
    assert!(inspection.damage.is_empty() && inspection.index_damage.is_empty(), "{inspection:?}");
}

#[test]
fn lookups_do_not_depend_on_the_indexes() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let records = append_keyed(&log, 0..100);
    let old: Vec<(PathBuf, Vec<u8>)> = snapshot(&sim);
    log.compact(0).unwrap();
    let left = compacted(&records, sealed_to(&log), 0);
    let is_index = |path: &PathBuf| path.extension().is_some_and(|e| e != "log");
    // Indexes of the segments as they were before, which a crash may not leave, but a person may put there.
    for (path, bytes) in old.iter().filter(|(path, _)| is_index(path)) {
        sim.write_file(path, bytes);
    }
    assert_found(&log, &left, "stale indexes, live");
    assert_found(&reopen(&sim.image(Fate::Kept)), &left, "stale indexes, reopened");
    for path in sim.files().iter().filter(|path| is_index(path)) {
        sim.remove_file(path);
    }
    assert_found(&log, &left, "no indexes, live");
    let (log, recovered) = open_with(&sim, compactable()).unwrap();
    assert_eq!(recovered.indexes_rebuilt, log.segments().len() - 1);
    assert_found(&log, &left, "indexes rebuilt");
    assert!(Log::inspect(disk(&sim), compactable()).unwrap().index_damage.is_empty());
}

/// Records of one length: what an index of the segment as it was names is a record's beginning still, but another's.
#[test]
fn an_index_that_names_another_record_is_not_believed() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let mut records = Vec::new();
    let mut put = |key: u8| {
        let offset = records.len() as u64;
        let key = Some(vec![b'k', key]);
        records.push(Record { offset, timestamp_us: 1_000 + offset as i64, key, value: Some(vec![1; 50]) });
        log.append(&[entry(&records[offset as usize])]).unwrap();
    };
    (0..60).for_each(|n| put(n % 55));
    log.compact(0).unwrap();
    let indexes: Vec<(PathBuf, Vec<u8>)> =
        snapshot(&sim).into_iter().filter(|(p, _)| p.extension().is_some_and(|e| e != "log")).collect();
    (0..60).for_each(|n| put(n / 4 * 3));
    log.compact(0).unwrap();
    let left = compacted(&records, sealed_to(&log), 0);
    for (path, bytes) in &indexes {
        sim.write_file(path, bytes);
    }
    assert_found(&log, &left, "live");
    assert_found(&reopen(&sim.image(Fate::Kept)), &left, "reopened");
}

#[test]
fn readers_at_work_go_on_with_what_they_began_with() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let records = append_keyed(&log, 0..100);
    let mut readers: Vec<_> = (0..100).step_by(9).map(|from| log.read(from).unwrap()).collect();
    let mut seen: Vec<Vec<Record>> = readers.iter_mut().map(|r| vec![r.next().unwrap().unwrap()]).collect();
    log.compact(0).unwrap();
    let again = append_keyed(&log, 100..200);
    log.compact(i64::MAX).unwrap();
    log.remove_before(150).unwrap();
    for (i, (reader, seen)) in readers.into_iter().zip(&mut seen).enumerate() {
        seen.extend(reader.map(|r| r.unwrap()));
        assert!(*seen == records[i * 9..], "from {}", i * 9);
    }
    assert!(again.len() == 100);
}

#[test]
fn nothing_gives_way_to_a_record_that_a_crash_may_lose() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let put =
        |value: &[u8]| log.append(&[Entry { timestamp_us: 1, key: Some(b"k"), value: Some(value) }]).unwrap();
    put(&[1; 1900]);
    put(&[2; 1900]);
    log.sync().unwrap();
    put(&[3; 10]);
    log.compact(0).unwrap();
    let kept = read_all(&reopen(&sim.image(Fate::Dropped)));
    assert_eq!(kept.last().map(|r| r.offset), Some(2));
}

#[test]
fn a_log_that_is_never_compacted_refuses_to_be_and_refuses_compacted_segments() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append_keyed(&log, 0..100);
    let error = log.compact(0).unwrap_err();
    assert!(matches!(error, Error::NotCompactable { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Input);
    drop(log);
    reopen(&sim).compact(0).unwrap();
    let before = snapshot(&sim);
    let error = open_with(&sim, config()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let expected = "at byte 56: segment flags: expected a segment with every record: this log is never compacted, \
                    got a compacted one";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert!(Log::read_only(disk(&sim), config(), 0).is_err());
    assert!(!Log::inspect(disk(&sim), config()).unwrap().damage.is_empty());
    assert_eq!(snapshot(&sim), before);
}

#[test]
fn a_compacted_segment_is_never_the_newest() {
    let sim = SimDisk::new(1);
    let (log, _) = compacted_log(&sim);
    let newest = log.segments().pop().unwrap().path;
    drop(log);
    sim.remove_file(&newest);
    let error = open_with(&sim, compactable()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("expected the segments after a compacted one"), "{error}");
}

/// The damage is an error of open or of reading, and inspection sees it; it is never taken for other records.
fn assert_found_out(sim: &SimDisk, left: &[Record], what: &str) {
    let error = match open_with(sim, compactable()) {
        Err(error) => error,
        Ok((log, recovered)) => {
            assert_eq!(recovered.cut, None, "{what}");
            let read: Vec<_> = log.read(0).unwrap().collect();
            let good = read.iter().map_while(|r| r.as_ref().ok());
            assert!(good.zip(left).all(|(r, l)| r == l), "{what}: other records");
            read.into_iter().find_map(Result::err).unwrap_or_else(|| panic!("{what}: not found"))
        }
    };
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{what}: {error}");
    assert!(!Log::inspect(disk(sim), compactable()).unwrap().damage.is_empty(), "{what}: not inspected");
}

#[test]
fn damage_to_a_compacted_segment_is_found_at_every_byte_and_length() {
    let whole = SimDisk::new(1);
    let (log, left) = compacted_log(&whole);
    let info = log.segments().into_iter().find(|s| s.compacted && s.records > 2).unwrap();
    drop(log);
    for byte in 0..info.bytes {
        let sim = whole.image(Fate::Kept);
        sim.flip(&info.path, byte, 0x10);
        assert_found_out(&sim, &left, &format!("byte {byte}"));
        let sim = whole.image(Fate::Kept);
        sim.truncate_file(&info.path, byte);
        assert_found_out(&sim, &left, &format!("length {byte}"));
    }
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let sim = SimDisk::new(1);
    let log = reopen(&sim);
    let records = append_keyed(&log, 0..100);
    let used: u64 = snapshot(&sim).iter().map(|(_, b)| b.len() as u64).sum();
    sim.capacity(Some(used + 120));
    let error = log.compact(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(read_all(&log) == records);
    assert!(sim.files().iter().all(|p| p.extension().is_some_and(|e| e != "tmp")), "{:?}", sim.files());
    sim.capacity(None);
    let more = keyed_records(100..130);
    log.append(&entries(&more)).unwrap();
    log.compact(0).unwrap();
    let all: Vec<Record> = records.into_iter().chain(more).collect();
    assert_found(&log, &compacted(&all, sealed_to(&log), 0), "with space again");
}

/// Every operation of a compaction fails once: what can be read stays right, now and at the next open.
#[test]
fn a_failure_at_any_operation_loses_nothing() {
    let mut failed = 0;
    for (op, fault) in (0..).flat_map(|op| [(op, Fault::Eio), (op, Fault::Enospc)]) {
        let sim = SimDisk::new(op);
        let log = reopen(&sim);
        let records = append_keyed(&log, 0..100);
        log.sync().unwrap();
        let left = compacted(&records, sealed_to(&log), 0);
        let from = sim.ops();
        sim.fail_at(from + op, fault);
        let done = log.compact(0);
        if sim.ops() <= from + op {
            break;
        }
        failed += u64::from(done.is_err());
        let what = format!("operation {op}, {fault:?}");
        let check = |log: &Log, what: &str| {
            let read = read_all(log);
            assert!(left.iter().all(|r| read.contains(r)), "{what}: too few");
            assert!(read.iter().all(|r| records.contains(r)), "{what}: other records");
            assert_found(log, &read, what);
        };
        check(&log, &what);
        for fate in [Fate::Dropped, Fate::Kept, Fate::Torn(op)] {
            let again = reopen(&sim.image(fate));
            check(&again, &format!("{what}, {fate:?}"));
            again.compact(0).unwrap();
            assert!(read_all(&again) == left, "{what}, {fate:?}: compacted again");
        }
    }
    println!("{failed} failures, none of which lost anything");
    assert!(failed >= 50, "{failed}");
}

/// What a crash in a run of appends and compactions leaves: all records up to an end that holds every commit, but for
/// superseded ones; and it can be compacted to the end.
fn check_crash(sim: &SimDisk, committed: u64, before_us: i64, what: &str) {
    let dir = std::path::Path::new(DIR);
    if cairn_disk::Storage::stat(sim, dir).unwrap().is_some() {
        let inspection = Log::inspect(disk(sim), compactable()).unwrap();
        assert!(inspection.damage.is_empty(), "{what}: {:?}", inspection.damage);
    }
    let log = reopen(sim);
    let next = log.next_offset();
    assert!(next >= committed, "{what}: ends at {next}, {committed} were durable");
    let records = keyed_records(0..next);
    let left = compacted(&records, next, before_us);
    let read = read_all(&log);
    assert!(read.iter().all(|r| *r == records[r.offset as usize]), "{what}: other records");
    let found: Vec<u64> = read.iter().map(|r| r.offset).collect();
    assert!(left.iter().all(|r| found.binary_search(&r.offset).is_ok()), "{what}: {found:?}");
    // A key whose tombstone is gone has nothing left that the tombstone stood over.
    assert!(
        newest(&read).iter().all(|(key, at)| newest(&records)[key] == *at),
        "{what}: an old value is back"
    );
    assert!(log.segments().last().is_some_and(|s| !s.compacted), "{what}");
    assert!(reopen(&sim.image(Fate::Dropped)).next_offset() >= next, "{what}: what is kept is durable");
    append_keyed(&log, next..next + 30);
    log.compact(before_us).unwrap();
    let expected = compacted(&keyed_records(0..next + 30), sealed_to(&log), before_us);
    let (again, recovered) = open_with(&sim.image(Fate::Dropped), compactable()).unwrap();
    assert_eq!((recovered.cut, recovered.indexes_rebuilt), (None, 0), "{what}: written after it");
    assert!(read_all(&again) == expected, "{what}: written after it");
    let inspection = Log::inspect(disk(sim), compactable()).unwrap();
    assert!(inspection.damage.is_empty() && inspection.index_damage.is_empty(), "{what}: {inspection:?}");
}

#[test]
fn a_crash_at_every_operation_loses_nothing_that_stands() {
    let mut points = 0;
    for seed in 0..2 {
        let sim = SimDisk::new(seed);
        let committed = Arc::new(AtomicU64::new(0));
        let before_us = Arc::new(Mutex::new(0));
        let count = Arc::new(AtomicU64::new(0));
        let seen = (Arc::clone(&committed), Arc::clone(&before_us), Arc::clone(&count));
        sim.on_op(Box::new(move |op, sim| {
            let (committed, before_us) = (seen.0.load(Ordering::SeqCst), *seen.1.lock().unwrap());
            let torn = (0..4).map(|n| Fate::Torn(op * 10 + n));
            for fate in torn.chain([Fate::Dropped, Fate::Kept]) {
                let what = format!("seed {seed}, crash before operation {op}, {fate:?}");
                check_crash(&sim.image(fate), committed, before_us, &what);
                seen.2.fetch_add(1, Ordering::SeqCst);
            }
        }));
        let log = reopen(&sim);
        let mut rng = Rng(seed);
        for round in 0..8i64 {
            let next = log.next_offset();
            append_keyed(&log, next..next + 15 + rng.below(20));
            if rng.below(2) == 0 {
                log.sync().unwrap();
                committed.store(log.next_offset(), Ordering::SeqCst);
            }
            *before_us.lock().unwrap() = 1_000 + round * 70;
            log.compact(1_000 + round * 70).unwrap();
            committed.store(log.next_offset(), Ordering::SeqCst);
        }
        assert!(log.segments().iter().filter(|s| s.compacted).count() > 4);
        points += count.load(Ordering::SeqCst);
    }
    println!("{points} crash points of appends and compactions");
    assert!(points >= 2_000, "{points} crash points");
}
