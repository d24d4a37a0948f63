//! Inspection: everything read, nothing changed.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::Log;

#[test]
fn a_whole_log_is_counted() {
    let sim = SimDisk::new(1);
    let segments = {
        let (log, _) = open(&sim);
        append(&log, 0..120);
        log.commit(119).unwrap();
        log.remove_before(20).unwrap();
        log.segments()
    };
    let (before, ops) = (snapshot(&sim), sim.ops());
    let inspection = Log::inspect(disk(&sim), config()).unwrap();
    assert_eq!((snapshot(&sim), sim.ops()), (before, ops), "nothing changes");
    let base = segments[0].base_offset;
    assert_eq!((inspection.first_offset, inspection.next_offset), (Some(base), 120));
    assert_eq!(inspection.records, 120 - base);
    assert_eq!(inspection.bytes, segments.iter().map(|s| s.bytes).sum::<u64>());
    assert!(inspection.damage.is_empty() && inspection.index_damage.is_empty() && inspection.torn.is_none());
    for (report, segment) in inspection.segments.iter().zip(&segments) {
        assert_eq!((&report.path, report.base_offset), (&segment.path, segment.base_offset));
        assert_eq!(report.records, segment.next_offset - segment.base_offset);
        assert_eq!(report.bytes, segment.bytes);
        assert_eq!(report.first_timestamp_us, Some(record(segment.base_offset).timestamp_us));
        assert_eq!(report.last_timestamp_us, segment.last_timestamp_us);
    }
}

#[test]
fn a_torn_end_is_reported_and_left() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    let newest = logs(&sim).pop().unwrap();
    let length = sim.read_file(&newest).len() as u64;
    sim.truncate_file(&newest, length - 3);
    let before = snapshot(&sim);
    let inspection = Log::inspect(disk(&sim), config()).unwrap();
    assert_eq!(snapshot(&sim), before);
    assert!(inspection.damage.is_empty());
    assert_eq!((inspection.records, inspection.next_offset), (99, 99));
    let torn = inspection.torn.unwrap();
    assert_eq!((&torn.segment, torn.offset), (&newest, 99));
    assert_eq!(open(&sim).1.cut, Some(torn), "open does what inspect says");
}

#[test]
fn a_torn_creation_is_reported_and_left() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    let newest = logs(&sim).pop().unwrap();
    sim.truncate_file(&newest, 20);
    let inspection = Log::inspect(disk(&sim), config()).unwrap();
    assert!(inspection.damage.is_empty(), "{:?}", inspection.damage);
    assert_eq!(inspection.torn.unwrap().segment, newest);
    assert_eq!(inspection.next_offset, open(&sim).1.next_offset);
}

#[test]
fn every_damaged_segment_is_named() {
    let sim = SimDisk::new(1);
    append_committed(&open(&sim).0, 0..100);
    let files = logs(&sim);
    for file in &files {
        sim.flip(file, 64 + 20, 1);
    }
    let inspection = Log::inspect(disk(&sim), config()).unwrap();
    let messages: Vec<_> = inspection.damage.iter().map(|e| e.to_string()).collect();
    assert_eq!(messages.len(), files.len(), "{messages:?}");
    for (file, message) in files.iter().zip(&messages) {
        assert!(message.starts_with(&format!("{} at byte 64: CRC mismatch", file.display())), "{message}");
    }
}

#[test]
fn an_empty_directory_holds_no_records() {
    let sim = SimDisk::new(1);
    drop(open(&sim));
    let inspection = Log::inspect(disk(&sim), config()).unwrap();
    assert_eq!((inspection.records, inspection.first_offset, inspection.next_offset), (0, None, 0));
    assert_eq!(inspection.segments.len(), 1);
}
