//! A disk that fails: full, or broken.

use crate::common::*;
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_log::{Error, ErrorKind, Log};
use std::sync::{Arc, Mutex};

fn used(sim: &SimDisk) -> u64 {
    snapshot(sim).iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn a_failed_sync_poisons_for_good() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..3);
    log.commit(2).unwrap();
    append(&log, 3..6);
    sim.fail_at(sim.ops(), Fault::Eio);
    let first = log.commit(4).unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Poisoned);
    assert!(first.to_string().contains("sync /db/wal/00000000000000000000.log"), "{first}");
    let batch = records(6..7);
    for error in [log.commit(5).unwrap_err(), log.append(&entries(&batch)).unwrap_err()] {
        assert_eq!(error.to_string(), first.to_string());
    }
    assert_eq!(log.poisoned().unwrap().to_string(), first.to_string());
    assert_eq!(log.durable_offset(), 3);
    log.commit(2).expect("it was durable before");
    assert_eq!(read_all(&log), records(0..6), "reads go on");
    assert_eq!(log.offset_for_time(record(5).timestamp_us).unwrap(), Some(3));

    let (after_crash, _) = open(&sim.image(Fate::Dropped));
    assert_eq!(read_all(&after_crash), records(0..3));
}

/// Fails each operation of a run in turn, restarts on the same machine, whose cache may show what the disk never got,
/// goes on, and then loses power.
#[test]
fn a_restart_after_a_failure_loses_nothing_at_a_later_crash() {
    let mut poisoned = 0;
    for at in 0..80 {
        let sim = SimDisk::new(at);
        let (log, _) = open(&sim);
        append_committed(&log, 0..5);
        sim.fail_at(sim.ops() + at, Fault::Eio);
        for start in (5..200).step_by(5) {
            let batch = records(start..start + 5);
            if log.append(&entries(&batch)).is_err() || log.commit(start + 3).is_err() {
                break;
            }
        }
        poisoned += u64::from(log.poisoned().is_some());
        drop(log);
        let (log, _) = open(&sim);
        let next = log.next_offset();
        assert!(next >= 5);
        append(&log, next..next + 3);
        log.commit(next + 2).unwrap();
        assert_eq!(read_all(&open(&sim.image(Fate::Dropped)).0), records(0..next + 3), "failure at {at}");
    }
    assert!(poisoned > 20, "{poisoned} runs were poisoned");
}

#[test]
fn everyone_who_waits_learns_of_a_failed_sync() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..8);
    sim.fail_at(sim.ops(), Fault::Eio);
    std::thread::scope(|scope| {
        for offset in 0..8 {
            let log = &log;
            scope.spawn(move || {
                assert_eq!(log.commit(offset).unwrap_err().kind(), ErrorKind::Poisoned);
            });
        }
    });
}

#[test]
fn a_failed_append_is_taken_back() {
    for fault in [Fault::Enospc, Fault::Eio] {
        let sim = SimDisk::new(3);
        let (log, _) = open(&sim);
        append(&log, 0..3);
        sim.fail_at(sim.ops(), fault);
        let batch = records(3..9);
        let kind = log.append(&entries(&batch)).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::NoSpace | ErrorKind::Io), "{kind:?}");
        assert_eq!((log.next_offset(), log.poisoned().is_none()), (3, true));
        assert_eq!(read_all(&log), records(0..3));
        append(&log, 3..5);
        log.commit(4).unwrap();
        let (reopened, recovered) = open(&sim.image(Fate::Dropped));
        assert_eq!(recovered.cut, None);
        assert_eq!(read_all(&reopened), records(0..5));
    }
}

/// Fails each operation of appending a batch that spans segments, in turn.
fn fail_each(fault: Fault, check: impl Fn(u64, &SimDisk, &Log, Error)) -> u64 {
    let mut at = 0;
    loop {
        let sim = SimDisk::new(at);
        let (log, _) = open(&sim);
        append(&log, 0..3);
        log.commit(1).unwrap();
        append(&log, 3..8);
        sim.fail_at(sim.ops() + at, fault);
        let batch = records(8..70);
        let before = sim.ops();
        match log.append(&entries(&batch)) {
            Err(error) => check(at, &sim, &log, error),
            Ok(_) if sim.ops() - before <= at => return at,
            Ok(_) => panic!("operation {at} failed and nobody said so"),
        }
        at += 1;
    }
}

#[test]
fn a_batch_over_segments_that_fails_anywhere_leaves_nothing() {
    let operations = fail_each(Fault::Enospc, |at, sim, log, error| {
        assert_eq!(read_all(log), records(0..8), "operation {at}: {error}");
        assert_eq!(log.next_offset(), 8);
        assert!(log.durable_offset() <= 8, "operation {at}: nothing taken back counts as durable");
        if log.poisoned().is_some() {
            // Only a failed sync of records does that; a later start keeps what was acknowledged.
            assert_eq!(error.kind(), ErrorKind::Poisoned);
            let (log, _) = open(&sim.image(Fate::Torn(at)));
            assert!(log.next_offset() >= 3, "operation {at}");
            assert_eq!(read_all(&log), records(0..log.next_offset()), "operation {at}");
            return;
        }
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(logs(sim), [path(0, "log")], "operation {at}");
        append(log, 8..75);
        log.commit(74).unwrap();
        let (log, recovered) = open(&sim.image(Fate::Dropped));
        assert_eq!((recovered.cut, recovered.indexes_rebuilt), (None, 0), "operation {at}");
        assert_eq!(read_all(&log), records(0..75), "operation {at}");
        let inspection = Log::inspect(disk(&sim.image(Fate::Dropped)), config()).unwrap();
        assert!(inspection.damage.is_empty() && inspection.index_damage.is_empty(), "{inspection:?}");
    });
    assert!(operations > 30, "{operations} operations");
}

#[test]
fn a_broken_disk_never_leaves_half_a_batch() {
    fail_each(Fault::Eio, |at, sim, log, error| {
        assert!(matches!(error.kind(), ErrorKind::Io | ErrorKind::Poisoned), "{error}");
        assert_eq!(read_all(log), records(0..8), "operation {at}: {error}");
        if log.poisoned().is_none() {
            append(log, 8..75);
            log.commit(74).unwrap();
            assert_eq!(read_all(&open(&sim.image(Fate::Dropped)).0), records(0..75), "operation {at}");
        } else {
            let (log, _) = open(&sim.image(Fate::Torn(at)));
            assert!(log.next_offset() >= 3);
            assert_eq!(read_all(&log), records(0..log.next_offset()), "operation {at}");
        }
    });
}

#[test]
fn a_full_disk_is_survived() {
    let sim = SimDisk::new(5);
    let (log, _) = open(&sim);
    append(&log, 0..10);
    log.commit(9).unwrap();
    let mut refused = 0;
    let mut next = 10;
    for room in 0..400 {
        // Not enough for the batch, more each time: every cut through records, seals and headers comes up.
        sim.capacity(Some(used(&sim) + room * 3));
        let batch = records(next..next + 30);
        match log.append(&entries(&batch)) {
            Ok(range) => next = range.end,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                refused += 1;
            }
        }
        assert_eq!(log.next_offset(), next);
        if room % 40 == 0 {
            sim.capacity(None);
            append(&log, next..next + 5);
            next += 5;
            log.commit(next - 1).unwrap();
            log.remove_before(next.saturating_sub(20)).unwrap();
            assert_eq!(read_all(&open(&sim.image(Fate::Dropped)).0), records(log.base_offset()..next));
        }
    }
    assert!(refused > 100, "{refused} refused");
    assert!(log.poisoned().is_none());
    assert_eq!(read_all(&log), records(log.base_offset()..next));
}

#[test]
fn a_crash_while_a_failed_append_is_taken_back_leaves_a_prefix() {
    let mut points = 0;
    for fault_at in 0..30 {
        let sim = SimDisk::new(fault_at);
        let (log, _) = open(&sim);
        append(&log, 0..8);
        log.commit(7).unwrap();
        let images = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&images);
        sim.on_op(Box::new(move |op, sim| {
            let fates = (0..4).map(|seed| Fate::Torn(op * 10 + seed)).chain([Fate::Dropped]);
            out.lock().unwrap().extend(fates.map(|fate| (op, sim.image(fate))));
        }));
        sim.fail_at(sim.ops() + fault_at, Fault::Enospc);
        let batch = records(8..60);
        let _ = log.append(&entries(&batch));
        if log.poisoned().is_none() {
            let next = log.next_offset();
            append(&log, next..next + 4);
        }
        for (op, image) in images.lock().unwrap().iter() {
            let (log, _) = open(image);
            let next = log.next_offset();
            assert!(next >= 8, "fault at {fault_at}, crash at {op}: {next}");
            assert_eq!(read_all(&log), records(0..next), "fault at {fault_at}, crash at {op}");
            points += 1;
        }
    }
    println!("{points} crash points while failed appends are taken back");
    assert!(points >= 1_500, "{points} crash points");
}

#[test]
fn a_full_disk_does_not_keep_a_log_without_indexes_from_opening() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    for file in sim.files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "index")) {
        sim.remove_file(&file);
    }
    sim.capacity(Some(used(&sim)));
    let (log, recovered) = open(&sim);
    assert!(recovered.indexes_rebuilt > 3);
    assert_eq!(read_all(&log), records(0..100));
    assert_eq!(read_from(&log, 70), records(70..100));
    drop(log);
    sim.capacity(None);
    assert!(open(&sim).1.indexes_rebuilt > 3);
    assert_eq!(open(&sim).1.indexes_rebuilt, 0);
}
