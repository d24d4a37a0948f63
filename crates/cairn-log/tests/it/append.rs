//! Append, read, rotate, reopen.

use crate::common::*;
use cairn_disk::{Fate, RealDisk, SimDisk};
use cairn_log::{Entry, Error, ErrorKind, Log, LogConfig};
use std::sync::Arc;

#[test]
fn a_new_log_is_empty() {
    let sim = SimDisk::new(1);
    let (log, recovered) = open(&sim);
    assert_eq!((log.base_offset(), log.next_offset(), log.durable_offset()), (0, 0, 0));
    assert_eq!((recovered.records, recovered.segments), (0, 1));
    assert_eq!(read_all(&log), []);
    assert_eq!(log.offset_for_time(i64::MIN).unwrap(), None);
}

#[test]
fn what_is_appended_is_read() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..5);
    append(&log, 5..7);
    assert_eq!(read_all(&log), records(0..7));
}

#[test]
fn offsets_begin_where_the_configuration_says() {
    let sim = SimDisk::new(1);
    let (log, _) = open_with(&sim, LogConfig { start: 1001, ..config() }).unwrap();
    append(&log, 1001..1003);
    assert_eq!(read_all(&log), records(1001..1003));
    assert_eq!(logs(&sim), [path(1001, "log")]);
}

#[test]
fn an_empty_batch_changes_nothing() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..3);
    let before = snapshot(&sim);
    assert_eq!(log.append(&[]).unwrap(), 3..3);
    assert_eq!(snapshot(&sim), before);
}

#[test]
fn segments_stay_within_their_bytes() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    for at in 0..60 {
        append(&log, at * 3..at * 3 + 3);
    }
    let segments = log.segments();
    assert!(segments.len() > 5, "{segments:?}");
    for (i, segment) in segments.iter().enumerate() {
        assert!(segment.bytes <= 2000, "{segment:?}");
        assert_eq!(segment.bytes, sim.read_file(&segment.path).len() as u64);
        assert_eq!(segment.sealed, i + 1 < segments.len());
        let first_after = segments.get(i + 1).map_or(180, |next| next.base_offset);
        assert_eq!(segment.next_offset, first_after);
        assert_eq!(segment.last_timestamp_us, Some(record(segment.next_offset - 1).timestamp_us));
    }
    assert_eq!(read_all(&log), records(0..180));
}

#[test]
fn a_batch_may_span_segments() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..2);
    append(&log, 2..150);
    assert!(log.segments().len() > 5);
    assert_eq!(read_all(&log), records(0..150));
    drop(log);
    assert_eq!(read_all(&open(&sim).0), records(0..150));
}

#[test]
fn a_batch_is_one_write_per_segment() {
    let sim = SimDisk::new(1);
    let (log, _) = open_with(&sim, LogConfig { segment_bytes: 1 << 20, ..config() }).unwrap();
    let before = sim.ops();
    append(&log, 0..100);
    assert_eq!(sim.ops() - before, 1);
}

#[test]
fn a_record_longer_than_a_segment_has_one_of_its_own() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..1);
    let long = vec![3; 50_000];
    let entry = Entry { timestamp_us: 5000, key: None, value: Some(&long) };
    log.append(&[entry, entry]).unwrap();
    log.append(&[Entry { timestamp_us: 6000, key: None, value: None }]).unwrap();
    assert_eq!(log.segments().iter().map(|s| s.base_offset).collect::<Vec<_>>(), [0, 1, 2, 3]);
    drop(log);
    let read = read_all(&open(&sim).0);
    assert_eq!(
        read.iter().map(|r| r.value.as_ref().map_or(0, Vec::len)).collect::<Vec<_>>(),
        [0, 50_000, 50_000, 0]
    );
}

#[test]
fn reopened_it_goes_on() {
    let sim = SimDisk::new(1);
    let mut next = 0;
    for round in 0..20 {
        let (log, recovered) = open(&sim);
        assert_eq!((recovered.records, recovered.next_offset), (next, next));
        assert_eq!((recovered.cut, recovered.indexes_rebuilt), (None, 0));
        assert_eq!(log.durable_offset(), next, "what is kept is durable");
        append(&log, next..next + 7 + round % 3);
        next += 7 + round % 3;
        assert_eq!(read_all(&log), records(0..next));
    }
}

#[test]
fn what_a_killed_process_left_is_durable_once_opened() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..50);
    let (log, recovered) = open(&sim);
    assert_eq!(recovered.records, 50);
    assert_eq!(log.durable_offset(), 50);
    assert_eq!(read_all(&open(&sim.image(Fate::Dropped)).0), records(0..50));
}

#[test]
fn a_record_too_long_is_refused_and_changes_nothing() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..2);
    let long = vec![0; 100_000 - 31];
    let good = record(2);
    let bad = [entry(&good), Entry { timestamp_us: 0, key: None, value: Some(&long) }];
    let error = log.append(&bad).unwrap_err();
    assert_eq!(error.to_string(), "record of 100001 bytes exceeds maximum allowed: 100000");
    assert_eq!(error.kind(), ErrorKind::Input);
    append(&log, 2..4);
    assert_eq!(read_all(&log), records(0..4));
    log.append(&[Entry { timestamp_us: 0, key: None, value: Some(&long[1..]) }]).unwrap();
}

#[test]
fn a_key_too_long_is_refused() {
    let config = LogConfig { record_bytes_max: 64 << 20, segment_bytes: 64 << 20, ..config() };
    let (log, _) = open_with(&SimDisk::new(1), config).unwrap();
    let key = vec![0; 1 << 24];
    let error = log.append(&[Entry { timestamp_us: 0, key: Some(&key), value: None }]).unwrap_err();
    assert_eq!(error.to_string(), "key of 16777216 bytes exceeds maximum allowed: 16777215");
}

#[test]
fn records_longer_than_allowed_today_are_read() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..40);
    let (log, recovered) = open_with(&sim, LogConfig { record_bytes_max: 40, ..config() }).unwrap();
    assert_eq!(recovered.cut, None);
    assert_eq!(read_all(&log), records(0..40));
}

#[test]
fn the_last_offsets_are_not_passed() {
    let (log, _) = open_with(&SimDisk::new(1), LogConfig { start: u64::MAX - 1, ..config() }).unwrap();
    let one = Entry { timestamp_us: 1, key: None, value: None };
    assert!(matches!(log.append(&[one, one]), Err(Error::OffsetsUsedUp)));
    assert_eq!(log.append(&[one]).unwrap(), u64::MAX - 1..u64::MAX);
    assert!(matches!(log.append(&[one]), Err(Error::OffsetsUsedUp)));
    log.commit(u64::MAX - 1).unwrap();
    assert_eq!(read_all(&log).len(), 1);
}

#[test]
fn timestamps_never_go_back() {
    let sim = SimDisk::new(1);
    let at = |timestamp_us| Entry { timestamp_us, key: None, value: Some(&[1; 300]) };
    let times = |log: &Log| read_all(log).iter().map(|r| r.timestamp_us).collect::<Vec<_>>();
    {
        let (log, _) = open(&sim);
        log.append(&[at(-10), at(50), at(20)]).unwrap();
        log.append(&[at(30), at(60), at(i64::MIN), at(0), at(0)]).unwrap();
        assert!(log.segments().len() > 1);
        assert_eq!(times(&log), [-10, 50, 50, 50, 60, 60, 60, 60]);
    }
    let (log, _) = open(&sim);
    log.append(&[at(0)]).unwrap();
    assert_eq!(times(&log).last(), Some(&60));
}

#[test]
fn settings_out_of_range_are_refused() {
    let sim = SimDisk::new(1);
    let bad = [
        LogConfig { segment_bytes: 100, ..config() },
        LogConfig { index_interval_bytes: 0, ..config() },
        LogConfig { record_bytes_max: 31, ..config() },
    ];
    for config in bad {
        let error = open_with(&sim, config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
    assert_eq!(sim.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn it_works_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig { dir: dir.path().join("a/b/wal"), ..config() };
    for round in 0..4 {
        let (log, recovered) = Log::open(Arc::new(RealDisk::new()), config.clone()).unwrap();
        assert_eq!(recovered.next_offset, round * 40);
        append(&log, round * 40..round * 40 + 40);
        log.commit(round * 40 + 39).unwrap();
        log.remove_before(round * 20).unwrap();
        assert_eq!(read_all(&log), records(log.base_offset()..round * 40 + 40));
    }
}
