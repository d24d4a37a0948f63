//! Which snapshots stay, and when the next one is due.

use crate::common::*;
use crate::snapshots_common::*;
use cairn_log::{ManualClock, Snapshot, SnapshotConfig, SnapshotManager, SnapshotScheduler};
use std::sync::Arc;
use std::time::Duration;

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// A fixture with snapshots one hour apart, the oldest first; it is then the time of the last.
fn hourly(n: usize) -> (Fixture, Vec<Snapshot>) {
    let f = fixture(30);
    let made = (0..n).map(|_| {
        f.clock.advance(HOUR_US);
        f.manager.create_snapshot(&f.log).unwrap()
    });
    let made = made.collect();
    (f, made)
}

#[test]
fn the_defaults_are_those_of_the_document() {
    let config = SnapshotConfig::default();
    assert_eq!(config.max_snapshots, 5);
    assert_eq!((config.retention_time, config.min_interval), (hours(24), hours(1)));
}

#[test]
fn the_newest_stay() {
    let (f, made) = hourly(7);
    let cleaned = f.manager.cleanup_snapshots(&SnapshotConfig::default()).unwrap();
    assert_eq!(cleaned.deleted, [made[0].id.clone(), made[1].id.clone()]);
    assert!(!cleaned.kept_newest);
    assert_eq!(f.ids().len(), 5);
    assert_eq!(f.manager.cleanup_snapshots(&SnapshotConfig::default()).unwrap(), Default::default());
    assert_eq!(restored(&f.sim, &f.manager, &made[2].id), records(0..30));
}

#[test]
fn the_old_go() {
    let (f, made) = hourly(5);
    let config = SnapshotConfig { retention_time: hours(2), ..SnapshotConfig::default() };
    let cleaned = f.manager.cleanup_snapshots(&config).unwrap();
    assert_eq!(cleaned.deleted, [made[0].id.clone(), made[1].id.clone()], "older than, not as old as");
    f.clock.set(made[4].timestamp_us - 1000 * HOUR_US);
    assert_eq!(f.manager.cleanup_snapshots(&config).unwrap().deleted.len(), 0, "the future is not old");
}

#[test]
fn both_policies_hold() {
    let (f, made) = hourly(6);
    let config = SnapshotConfig { max_snapshots: 4, retention_time: hours(1), ..Default::default() };
    assert_eq!(f.manager.cleanup_snapshots(&config).unwrap().deleted.len(), 4);
    assert_eq!(f.ids(), [made[5].id.clone(), made[4].id.clone()]);
}

#[test]
fn the_newest_good_one_is_never_deleted() {
    let (f, made) = hourly(3);
    f.clock.advance(1000 * HOUR_US);
    // The newest lost a file: the one before it is the newest good one.
    f.sim.remove_file(&f.file(&made[2], "00000000000000000000.index"));
    let cleaned = f.manager.cleanup_snapshots(&SnapshotConfig::default()).unwrap();
    assert_eq!(cleaned.deleted, [made[0].id.clone(), made[2].id.clone()]);
    assert!(cleaned.kept_newest);
    assert_eq!(f.ids(), [made[1].id.clone()]);
    let none = SnapshotConfig { max_snapshots: 0, ..SnapshotConfig::default() };
    let cleaned = f.manager.cleanup_snapshots(&none).unwrap();
    assert!(cleaned.deleted.is_empty() && cleaned.kept_newest);
}

#[test]
fn a_scheduler_keeps_to_its_interval_and_cleans_up() {
    let f = fixture(30);
    let scheduler = SnapshotScheduler::new(SnapshotConfig { max_snapshots: 3, ..Default::default() });
    let mut made = 0;
    for _ in 0..60 {
        made += u64::from(scheduler.run_if_due(&f.manager, &f.log).unwrap().is_some());
        f.clock.advance(HOUR_US / 10);
    }
    assert_eq!((made, f.ids().len()), (6, 3));
    // What is known is in the metadata: after a restart it goes on.
    let at = Arc::new(ManualClock::new(f.manager.list_snapshots().unwrap()[0].timestamp_us + HOUR_US - 1));
    let manager = SnapshotManager::with(disk(&f.sim), Arc::clone(&at) as _, DIR).unwrap();
    assert!(scheduler.run_if_due(&manager, &f.log).unwrap().is_none());
    at.advance(1);
    let done = scheduler.run_if_due(&manager, &f.log).unwrap().unwrap();
    assert_eq!(done.cleaned.unwrap().deleted.len(), 1);
    assert_eq!(manager.get_snapshot(&done.snapshot.id).unwrap(), Some(done.snapshot));
}

#[test]
fn a_clock_set_back_does_not_stop_it() {
    let f = fixture(5);
    let scheduler = SnapshotScheduler::default();
    assert!(scheduler.run_if_due(&f.manager, &f.log).unwrap().is_some());
    f.clock.set(NOW_US - 1_000_000);
    assert!(scheduler.run_if_due(&f.manager, &f.log).unwrap().is_none(), "a second is not an hour");
    f.clock.set(NOW_US - 1000 * HOUR_US);
    assert!(scheduler.run_if_due(&f.manager, &f.log).unwrap().is_some());
    assert!(scheduler.run_if_due(&f.manager, &f.log).unwrap().is_none(), "and then the interval holds");
    f.clock.advance(HOUR_US);
    assert!(scheduler.run_if_due(&f.manager, &f.log).unwrap().is_some());
}

#[test]
fn a_scheduler_takes_several_logs_together() {
    let f = fixture(5);
    let (other, _) = open_with(&f.sim, cairn_log::LogConfig { dir: "/db/2".into(), ..config() }).unwrap();
    let manager = SnapshotManager::with(disk(&f.sim), Arc::clone(&f.clock) as _, "/db/2").unwrap();
    let (scheduler, logs) = (SnapshotScheduler::default(), [(&f.manager, &f.log), (&manager, &other)]);
    let done = scheduler.run_cut_if_due(&logs).unwrap().unwrap();
    assert_eq!(done[0].snapshot.group, done[1].snapshot.group);
    assert!(scheduler.run_cut_if_due(&logs).unwrap().is_none());
}
