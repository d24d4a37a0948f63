//! Removing the oldest segments.

use crate::common::*;
use cairn_disk::{Fault, SimDisk};
use cairn_log::ErrorKind;

#[test]
fn whole_sealed_segments_before_the_offset_go() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..200);
    log.commit(199).unwrap();
    let segments = log.segments();
    assert_eq!(log.remove_before(segments[3].base_offset - 1).unwrap(), 2);
    assert_eq!(log.base_offset(), segments[2].base_offset);
    assert_eq!(log.remove_before(segments[3].base_offset).unwrap(), 1);
    assert_eq!(log.remove_before(segments[3].base_offset).unwrap(), 0);
    assert_eq!(log.segments(), segments[3..]);
    let kept: Vec<_> = segments[3..].iter().map(|s| s.path.clone()).collect();
    assert_eq!(logs(&sim), kept);
    let indexes = sim.files().len() - kept.len();
    assert_eq!(indexes, 2 * (kept.len() - 1), "indexes go with their segment");
    drop(log);
    let (log, recovered) = open(&sim);
    assert_eq!((recovered.removed, recovered.indexes_rebuilt), (vec![], 0));
    assert_eq!(read_all(&log), records(segments[3].base_offset..200));
}

#[test]
fn the_newest_stays() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..200);
    log.commit(199).unwrap();
    log.remove_before(u64::MAX).unwrap();
    assert_eq!(log.segments().len(), 1);
    append(&log, 200..210);
    assert_eq!(read_all(&log), records(log.base_offset()..210));
}

#[test]
fn the_last_durable_record_stays_so_that_times_never_go_back() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..200);
    log.commit(199).unwrap();
    // A seal just happened: the newest segment's records are not durable.
    while log.segments().last().unwrap().base_offset < log.durable_offset() {
        let next = log.next_offset();
        append(&log, next..next + 1);
        if log.segments().last().unwrap().base_offset < next {
            log.commit(next).unwrap();
        }
    }
    log.remove_before(u64::MAX).unwrap();
    assert_eq!(log.segments().len(), 2);
    let next = log.next_offset();
    log.commit(next - 1).unwrap();
    assert_eq!(log.remove_before(u64::MAX).unwrap(), 1);
}

#[test]
fn a_failed_removal_leaves_a_log() {
    for fault_at in 0..8 {
        let sim = SimDisk::new(1);
        let (log, _) = open(&sim);
        append(&log, 0..100);
        log.commit(99).unwrap();
        sim.fail_at(sim.ops() + fault_at, Fault::Eio);
        let removed = log.remove_before(log.segments()[3].base_offset);
        let kind = removed.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Io | ErrorKind::Poisoned), "{kind:?}");
        assert_eq!(read_all(&log), records(log.base_offset()..100), "fault at {fault_at}");
        drop(log);
        let (log, _) = open(&sim);
        assert_eq!(read_all(&log), records(log.base_offset()..100), "fault at {fault_at}, reopened");
    }
}
