//! The reader: borrowed records, long ones, and what goes on beside it.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::{Entry, Log, LogConfig, Reader};

fn finish(reader: Reader) -> Vec<cairn_log::Record> {
    reader.map(|r| r.unwrap()).collect()
}

#[test]
fn borrowed_records_are_the_same() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..100);
    let mut reader = log.read(0).unwrap();
    for expected in records(0..100) {
        let record = reader.next_ref().unwrap().unwrap();
        assert_eq!(record.key, expected.key.as_deref());
        assert_eq!(record.to_record(), expected);
    }
    assert!(reader.next_ref().is_none());
    assert!(reader.next_ref().is_none());
}

#[test]
fn records_longer_than_the_buffer_are_read() {
    let sim = SimDisk::new(1);
    let config = LogConfig { segment_bytes: 8 << 20, record_bytes_max: 8 << 20, ..config() };
    let (log, _) = open_with(&sim, config.clone()).unwrap();
    let lengths = [10, 300_000, 5, 262_144 - 32, 262_144, 1_000_000, 0, 70_000, 70_000, 70_000, 70_000];
    let values: Vec<Vec<u8>> = lengths.iter().map(|n| (0..*n).map(|i| (i * 7) as u8).collect()).collect();
    let batch: Vec<_> = values.iter().map(|v| Entry { timestamp_us: 0, key: None, value: Some(v) }).collect();
    log.append(&batch).unwrap();
    let read =
        |log: &Log| finish(log.read(0).unwrap()).into_iter().map(|r| r.value.unwrap()).collect::<Vec<_>>();
    assert!(read(&log) == values);
    drop(log);
    assert!(read(&open_with(&sim, config).unwrap().0) == values);
}

#[test]
fn it_ends_where_the_log_ended_when_it_was_made() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..10);
    let reader = log.read(5).unwrap();
    let at_end = log.read(10).unwrap();
    append(&log, 10..100);
    assert_eq!(finish(reader), records(5..10));
    assert_eq!(finish(at_end), []);
}

#[test]
fn it_outlives_the_segments_it_reads() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..100);
    let mut begun = log.read(0).unwrap();
    assert_eq!(begun.next().unwrap().unwrap(), record(0));
    let whole = log.read(0).unwrap();
    append(&log, 100..300);
    log.commit(299).unwrap();
    assert!(log.remove_before(300).unwrap() > 5);
    assert!(log.base_offset() > 100);
    assert_eq!(finish(begun), records(1..100));
    assert_eq!(finish(whole), records(0..100));
}

#[test]
fn it_outlives_the_log() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..100);
    let reader = log.read(0).unwrap();
    drop(log);
    assert_eq!(finish(reader), records(0..100));
}

#[test]
fn readers_and_an_appender_go_on_together() {
    let (log, _) = open(&SimDisk::new(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..200 {
                append(&log, at * 5..at * 5 + 5);
                if at % 40 == 39 {
                    log.commit(at * 5).unwrap();
                    log.remove_before(at).unwrap();
                }
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                while log.next_offset() < 1000 {
                    let end = log.next_offset();
                    // The beginning may be removed between the two calls.
                    let from = log.base_offset().max(end.saturating_sub(150));
                    if let Ok(reader) = log.read(from) {
                        let read = finish(reader);
                        assert_eq!(read.first().map_or(from, |r| r.offset), from);
                        assert!(from + read.len() as u64 >= end);
                        assert!(read.iter().all(|r| *r == record(r.offset)));
                    }
                    let time = record(end / 2).timestamp_us;
                    let found = log.offset_for_time(time).unwrap();
                    assert!(found.is_none_or(|o| record(o).timestamp_us >= time));
                }
            });
        }
    });
}

#[test]
fn a_closed_log_is_read_without_a_change() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    let newest = logs(&sim).pop().unwrap();
    let length = sim.read_file(&newest).len() as u64;
    sim.truncate_file(&newest, length - 1);
    let (before, ops) = (snapshot(&sim), sim.ops());
    let read = finish(Log::read_only(disk(&sim), config(), 30).unwrap());
    assert_eq!(read, records(30..99));
    assert_eq!((snapshot(&sim), sim.ops()), (before, ops));
    let error = Log::read_only(disk(&sim), config(), 100).unwrap_err();
    assert_eq!(error.to_string(), "offset 100 is not in the log: it holds 0 up to 99 (exclusive)");
}

#[test]
fn no_directory_is_no_log() {
    let sim = SimDisk::new(1);
    let error = Log::read_only(disk(&sim), config(), 0).unwrap_err();
    assert_eq!(error.to_string(), "/db/wal does not exist");
    assert_eq!(Log::inspect(disk(&sim), config()).unwrap_err().kind(), cairn_log::ErrorKind::NotFound);
    assert_eq!(sim.ops(), 0);
}
