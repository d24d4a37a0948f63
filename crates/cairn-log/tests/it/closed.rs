//! `ClosedLog`: looked at once, read as often as asked.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::{ClosedLog, Record};

fn read(log: &ClosedLog, from: u64) -> Vec<Record> {
    log.read(from).unwrap().map(|record| record.unwrap()).collect()
}

#[test]
fn it_is_read_as_often_as_asked() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    let log = ClosedLog::look(&disk(&sim), config()).unwrap();
    assert_eq!((log.bounds().first_offset, log.bounds().next_offset), (0, 100));
    for from in [0, 99, 30, 100] {
        assert_eq!(read(&log, from), records(from..100));
    }
    let error = log.read(101).unwrap_err();
    assert_eq!(error.to_string(), "offset 101 is not in the log: it holds 0 up to 100 (exclusive)");
}

#[test]
fn what_is_appended_after_the_look_is_not_seen() {
    let sim = SimDisk::new(1);
    let (owner, _) = open(&sim);
    append(&owner, 0..100);
    let log = ClosedLog::look(&disk(&sim), config()).unwrap();
    append(&owner, 100..300);
    assert_eq!(log.bounds().next_offset, 100);
    assert_eq!(read(&log, 0), records(0..100));
}

#[test]
fn what_is_damaged_after_the_look_is_found_when_it_is_read() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    let log = ClosedLog::look(&disk(&sim), config()).unwrap();
    let newest = logs(&sim).pop().unwrap();
    sim.flip(&newest, sim.read_file(&newest).len() as u64 - 1, 8);
    let error = log.read(0).unwrap().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), cairn_log::ErrorKind::Corrupt);
}

#[test]
fn a_segment_removed_after_the_look_is_not_found() {
    let sim = SimDisk::new(1);
    let (owner, _) = open(&sim);
    append(&owner, 0..300);
    owner.commit(299).unwrap();
    let log = ClosedLog::look(&disk(&sim), config()).unwrap();
    assert!(owner.remove_before(200).unwrap() > 0);
    let error = log.read(0).unwrap_err();
    assert_eq!(error.kind(), cairn_log::ErrorKind::NotFound);
    assert_eq!(read(&log, 250), records(250..300));
}
