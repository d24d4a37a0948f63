//! What recovery reports of the times.

use crate::common::*;
use cairn_disk::SimDisk;

#[test]
fn the_first_and_the_last_time_are_reported() {
    let sim = SimDisk::new(1);
    let (log, recovered) = open(&sim);
    assert_eq!((recovered.first_timestamp_us, recovered.last_timestamp_us), (None, None));
    append(&log, 0..120);
    log.sync().unwrap();
    drop(log);
    let (log, recovered) = open(&sim);
    let times = (recovered.first_timestamp_us, recovered.last_timestamp_us);
    assert_eq!(times, (Some(record(0).timestamp_us), Some(record(119).timestamp_us)));
    log.remove_before(100).unwrap();
    let base = log.base_offset();
    assert!(base > 50);
    drop(log);
    let (_, recovered) = open(&sim);
    let times = (recovered.first_timestamp_us, recovered.last_timestamp_us);
    assert_eq!(times, (Some(record(base).timestamp_us), Some(record(119).timestamp_us)));
}

#[test]
fn a_newest_segment_without_records_has_the_times_before_it() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..120);
    let newest = logs(&sim).pop().unwrap();
    sim.truncate_file(&newest, 64);
    let (log, recovered) = open(&sim);
    let last = log.next_offset() - 1;
    assert_eq!(recovered.last_timestamp_us, Some(record(last).timestamp_us));
    assert_eq!(recovered.first_timestamp_us, Some(record(0).timestamp_us));
}
