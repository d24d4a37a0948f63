//! Retention: what age and size let go, and what holds it.

use crate::common::*;
use cairn_disk::{Fate, SimDisk};
use cairn_log::{Log, Retained, Retention, SegmentInfo};
use std::sync::{Arc, Mutex};

const KEEP_ALL: Retention = Retention { age_us: None, bytes: None, keep_from: u64::MAX };

fn filled(sim: &SimDisk) -> (Log, Vec<SegmentInfo>) {
    let (log, _) = open(sim);
    append(&log, 0..200);
    log.sync().unwrap();
    let segments = log.segments();
    assert!(segments.len() > 6, "{segments:?}");
    (log, segments)
}

fn bytes(segments: &[SegmentInfo]) -> u64 {
    segments.iter().map(|s| s.bytes).sum()
}

/// The first `n` segments went.
fn assert_removed(log: &Log, before: &[SegmentInfo], n: usize, retained: Retained) {
    let (gone, kept) = before.split_at(n);
    assert_eq!(retained.removed_segments, n as u64);
    assert_eq!(retained.removed_bytes, bytes(gone));
    assert_eq!(retained.first_offset, kept[0].base_offset);
    assert_eq!(log.segments(), kept);
    assert_eq!(read_all(log), records(kept[0].base_offset..200));
}

#[test]
fn without_a_limit_nothing_goes() {
    let (log, segments) = filled(&SimDisk::new(1));
    assert_removed(&log, &segments, 0, log.retain(KEEP_ALL, i64::MAX).unwrap());
}

#[test]
fn what_is_older_than_the_age_goes() {
    let (log, segments) = filled(&SimDisk::new(1));
    let policy = Retention { age_us: Some(1_000), ..KEEP_ALL };
    let last_us = segments[2].last_timestamp_us.unwrap();
    // Exactly as old is not older.
    assert_removed(&log, &segments, 2, log.retain(policy, last_us + 1_000).unwrap());
    assert_removed(&log, &segments[2..], 1, log.retain(policy, last_us + 1_001).unwrap());
    assert_removed(&log, &segments[3..], 0, log.retain(policy, i64::MIN).unwrap());
}

#[test]
fn the_oldest_go_while_there_are_too_many_bytes() {
    let (log, segments) = filled(&SimDisk::new(1));
    let policy = |bytes| Retention { bytes: Some(bytes), ..KEEP_ALL };
    assert_removed(&log, &segments, 0, log.retain(policy(bytes(&segments)), 0).unwrap());
    assert_removed(&log, &segments, 1, log.retain(policy(bytes(&segments) - 1), 0).unwrap());
    assert_removed(&log, &segments[1..], 3, log.retain(policy(bytes(&segments[4..])), 0).unwrap());
}

#[test]
fn what_is_needed_stays_however_old() {
    let (log, segments) = filled(&SimDisk::new(1));
    let policy = |keep_from| Retention { age_us: Some(0), bytes: Some(0), keep_from };
    assert_removed(&log, &segments, 0, log.retain(policy(0), i64::MAX).unwrap());
    assert_removed(&log, &segments, 2, log.retain(policy(segments[3].base_offset - 1), i64::MAX).unwrap());
    assert_removed(&log, &segments[2..], 1, log.retain(policy(segments[3].base_offset), i64::MAX).unwrap());
}

#[test]
fn the_newest_stays_in_any_case() {
    let (log, segments) = filled(&SimDisk::new(1));
    let policy = Retention { age_us: Some(0), bytes: Some(0), keep_from: u64::MAX };
    assert_removed(&log, &segments, segments.len() - 1, log.retain(policy, i64::MAX).unwrap());
    let last = log.segments();
    assert_removed(&log, &last, 0, log.retain(policy, i64::MAX).unwrap());
}

#[test]
fn a_crash_at_every_operation_leaves_no_gap() {
    let sim = SimDisk::new(4);
    let (log, segments) = filled(&sim);
    let forks = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&forks);
    sim.on_op(Box::new(move |op, sim| {
        let torn = (0..20).map(|seed| Fate::Torn(op * 100 + seed));
        let fates = torn.chain([Fate::Dropped, Fate::Kept]);
        out.lock().unwrap().extend(fates.map(|fate| (op, fate, sim.image(fate))));
    }));
    let limit = segments[5].base_offset;
    let policy = Retention { age_us: Some(0), bytes: None, keep_from: limit };
    assert_eq!(log.retain(policy, i64::MAX).unwrap().removed_segments, 5);
    let forks = std::mem::take(&mut *forks.lock().unwrap());
    for (op, fate, sim) in &forks {
        let what = format!("crash before operation {op}, {fate:?}");
        let (log, _) = open_with(sim, config()).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(log.base_offset() <= limit, "{what}");
        assert_eq!(read_all(&log), records(log.base_offset()..200), "{what}");
        assert_eq!(log.retain(policy, i64::MAX).unwrap().first_offset, limit, "{what}: the rest goes");
    }
    println!("{} crash points of retention", forks.len());
    assert!(forks.len() >= 300, "{} crash points", forks.len());
}
