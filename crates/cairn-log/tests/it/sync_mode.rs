//! The names of the sync modes, and a sync of everything.

use crate::common::*;
use crate::gate::GateDisk;
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_log::{ErrorKind, Log, SyncMode};
use std::sync::Arc;

#[test]
fn every_mode_is_read_as_it_is_shown() {
    let periodic = SyncMode::Periodic { interval_us: SyncMode::INTERVAL_US };
    for (mode, name) in [(SyncMode::Fsync, "fsync"), (periodic, "periodic"), (SyncMode::Async, "async")] {
        assert_eq!(mode.to_string(), name);
        assert_eq!(name.parse::<SyncMode>().unwrap(), mode);
    }
    assert_eq!(SyncMode::default(), SyncMode::Fsync);
}

#[test]
fn another_name_is_refused() {
    for name in ["", "FSYNC", "none", "periodic "] {
        let error = name.parse::<SyncMode>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let message = error.to_string();
        assert!(
            message.starts_with("unknown sync mode: expected fsync, periodic or async, got "),
            "{message}"
        );
        assert!(message.contains(name), "{message}");
    }
    let long = "x".repeat(10_000).parse::<SyncMode>().unwrap_err().to_string();
    assert!(long.len() < 200, "{long}");
}

#[test]
fn a_sync_makes_everything_appended_durable() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..45);
    assert!(log.durable_offset() < 45);
    log.sync().unwrap();
    assert_eq!(log.durable_offset(), 45);
    let (after, _) = open(&sim.image(Fate::Dropped));
    assert_eq!(read_all(&after), records(0..45));
}

#[test]
fn a_sync_of_nothing_new_asks_nothing_of_the_disk() {
    let gate = Arc::new(GateDisk::new(disk(&SimDisk::new(1)), Box::new(|_| {})));
    let (log, _) = Log::open(gate.clone(), config()).unwrap();
    let syncs = gate.syncs();
    log.sync().unwrap();
    assert_eq!(gate.syncs(), syncs, "an empty log");
    append(&log, 0..3);
    log.sync().unwrap();
    assert_eq!(gate.syncs(), syncs + 1);
    log.sync().unwrap();
    log.commit(2).unwrap();
    assert_eq!(gate.syncs(), syncs + 1);
}

#[test]
fn a_sync_that_fails_poisons_the_log() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..3);
    sim.fail_at(sim.ops(), Fault::Eio);
    assert_eq!(log.sync().unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(log.sync().unwrap_err().kind(), ErrorKind::Poisoned, "also with nothing new");
    assert_eq!(log.durable_offset(), 0);
}
