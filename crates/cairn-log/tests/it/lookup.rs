//! Reading from an offset and from a time, at every record, against a plain model.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::{ErrorKind, Log};

/// 300 records in many segments, the newest included.
fn filled() -> (SimDisk, Log) {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    let mut at = 0;
    while at < 300 {
        let next = (at + 1 + at % 17).min(300);
        append(&log, at..next);
        at = next;
    }
    assert!(log.segments().len() > 10);
    (sim, log)
}

fn check_offsets(log: &Log) {
    for from in 0..=300 {
        let read: Vec<_> = log.read(from).unwrap().take(4).map(Result::unwrap).collect();
        assert_eq!(read, records(from..(from + 4).min(300)), "from {from}");
    }
}

fn check_times(log: &Log) {
    let model = records(0..300);
    for time in model.iter().flat_map(|r| r.timestamp_us - 1..r.timestamp_us + 2).chain([i64::MIN, i64::MAX])
    {
        let expected = model.iter().find(|r| r.timestamp_us >= time).map(|r| r.offset);
        assert_eq!(log.offset_for_time(time).unwrap(), expected, "time {time}");
    }
}

#[test]
fn every_offset_is_found() {
    let (sim, log) = filled();
    check_offsets(&log);
    drop(log);
    check_offsets(&open(&sim).0);
}

#[test]
fn every_time_is_found() {
    let (sim, log) = filled();
    check_times(&log);
    drop(log);
    check_times(&open(&sim).0);
}

#[test]
fn all_is_found_without_indexes() {
    let (sim, log) = filled();
    for file in sim.files().into_iter().filter(|p| p.extension().is_some_and(|e| e != "log")) {
        sim.remove_file(&file);
    }
    check_offsets(&log);
    check_times(&log);
}

#[test]
fn long_runs_of_one_time_are_found_at_their_beginning() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    let times: Vec<i64> = (0..400)
        .map(|i| {
            if i < 150 {
                5
            } else if i < 390 {
                6
            } else {
                9
            }
        })
        .collect();
    for chunk in times.chunks(13) {
        let batch: Vec<_> = chunk
            .iter()
            .map(|t| cairn_log::Entry { timestamp_us: *t, key: None, value: Some(&[0; 30]) })
            .collect();
        log.append(&batch).unwrap();
    }
    let expected = [(4, Some(0)), (5, Some(0)), (6, Some(150)), (7, Some(390)), (9, Some(390)), (10, None)];
    for (time, offset) in expected {
        assert_eq!(log.offset_for_time(time).unwrap(), offset, "time {time}");
    }
}

#[test]
fn offsets_outside_are_refused() {
    let (_sim, log) = filled();
    let base = log.segments()[2].base_offset;
    log.remove_before(base).unwrap();
    for offset in [0, base - 1, 301, u64::MAX] {
        let error = log.read(offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let expected = format!("offset {offset} is not in the log: it holds {base} up to 300 (exclusive)");
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(read_from(&log, base), records(base..300));
    assert_eq!(read_from(&log, 300), []);
}
