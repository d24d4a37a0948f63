//! Reading ahead on another thread: the same records in the same order, bounded, and errors at their place.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::{Entry, ErrorKind, Log, LogConfig, ReadAhead, RecordRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn the_records_are_those_of_a_reader() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..3_000);
    for from in [0, 1, 1_499, 2_999, 3_000] {
        let ahead = log.read_ahead(from, |r| r.to_record()).unwrap();
        let ahead: Vec<_> = ahead.map(|r| r.unwrap()).collect();
        assert_eq!(ahead, read_from(&log, from), "from {from}");
    }
    assert_eq!(log.read_ahead(3_001, |r| r.offset).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_closed_log_is_read_ahead_too() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..500);
    let reader = Log::read_only(disk(&sim), config(), 20).unwrap();
    let decode = |record: RecordRef<'_>| (record.offset, record.value.map(<[u8]>::len));
    let ahead: Vec<_> = ReadAhead::new(reader, decode).map(|r| r.unwrap()).collect();
    let expected: Vec<_> =
        records(20..500).iter().map(|r| (r.offset, r.value.as_ref().map(Vec::len))).collect();
    assert_eq!(ahead, expected);
}

#[test]
fn records_longer_than_a_message_come_one_by_one() {
    let config = LogConfig { segment_bytes: 8 << 20, record_bytes_max: 8 << 20, ..config() };
    let (log, _) = open_with(&SimDisk::new(1), config).unwrap();
    let values: Vec<Vec<u8>> = (0..40).map(|n| vec![n; if n % 3 == 0 { 600_000 } else { 10 }]).collect();
    for value in &values {
        log.append(&[Entry { timestamp_us: 0, key: Some(value), value: Some(value) }]).unwrap();
    }
    let ahead = log.read_ahead(0, |r| r.value.map(<[u8]>::to_vec)).unwrap();
    assert!(ahead.map(|r| r.unwrap().unwrap()).eq(values));
}

#[test]
fn an_error_comes_where_its_record_would_and_is_the_end() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..3_000);
    let segments = log.segments();
    let damaged = &segments[segments.len() / 2];
    sim.flip(&damaged.path, 64 + 20, 1);
    let mut ahead = log.read_ahead(0, |r| r.to_record()).unwrap();
    for expected in records(0..damaged.base_offset) {
        assert_eq!(ahead.next().unwrap().unwrap(), expected);
    }
    let error = ahead.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(damaged.path.to_str().unwrap()), "{error}");
    assert!(ahead.next().is_none());
    assert!(ahead.next().is_none());
}

#[test]
fn it_is_no_further_ahead_than_its_bound() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..20_000);
    let decoded = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&decoded);
    let mut ahead = log
        .read_ahead(0, move |record| {
            counter.fetch_add(1, Ordering::SeqCst);
            record.offset
        })
        .unwrap();
    // The first message is taken: one waits to be sent, four wait to be taken.
    for n in 0..20_000usize {
        assert_eq!(ahead.next().unwrap().unwrap(), n as u64);
        let most = n + 1 + 6 * 512;
        let there = decoded.load(Ordering::SeqCst);
        assert!(there <= most, "{there} decoded when {n} were taken");
    }
    assert!(ahead.next().is_none());
}

#[test]
fn dropped_it_stops() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..20_000);
    let decoded = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&decoded);
    let mut ahead = log.read_ahead(0, move |_| counter.fetch_add(1, Ordering::SeqCst)).unwrap();
    assert_eq!(ahead.next().unwrap().unwrap(), 0);
    drop(ahead);
    // The thread is joined, so nothing counts any more.
    assert!(decoded.load(Ordering::SeqCst) <= 6 * 512 + 1);
    assert_eq!(Arc::strong_count(&decoded), 1);
}

#[test]
fn a_panic_of_decode_does_not_look_like_the_end() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..2_000);
    let decode = |record: RecordRef<'_>| {
        assert_ne!(record.offset, 1_500, "a decoder's bug");
        record.offset
    };
    let mut ahead = log.read_ahead(0, decode).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ahead.by_ref().count()));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("a decoder's bug"), "{message}");
    assert!(ahead.next().is_none());
}

#[test]
fn it_outlives_the_segments_it_reads_and_the_log() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..5_000);
    log.sync().unwrap();
    let mut ahead = log.read_ahead(0, |r| r.to_record()).unwrap();
    assert_eq!(ahead.next().unwrap().unwrap(), record(0));
    assert!(log.remove_before(5_000).unwrap() > 5);
    drop(log);
    assert!(ahead.map(|r| r.unwrap()).eq(records(1..5_000)));
}
