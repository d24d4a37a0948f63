//! A crash, or a fault, at every operation of a prune.

use crate::crashes::{Crash, crashes};
use crate::support::*;
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_snapshot::{
    Compression, CreateOptions, PruneOptions, RetentionPolicy, Snapshot, list, pin, prune, verify_all,
};
use std::time::Duration;

fn policy() -> PruneOptions {
    let policy = RetentionPolicy { keep_last: 1, ..RetentionPolicy::default() };
    PruneOptions { policy, now_us: NOW_US, wait: Duration::ZERO, tag: None }
}

/// Five snapshots of one database; the policy keeps the newest, a pin the second.
fn before() -> (SimDisk, Vec<Snapshot>) {
    let disk = SimDisk::new(5);
    let engine = engine(settings());
    let made = (0..5).map(|n| {
        write(&engine, vec![vector(&format!("v{n}"), &[n as f32, 1.0]), metadata("v0", "k:1")]);
        let now_us = NOW_US + n * 3_600_000_000;
        let options = CreateOptions { now_us, ..options(Compression::default()) };
        create(&disk, engine.view().expect("a view"), &options)
    });
    let made: Vec<Snapshot> = made.collect();
    pin(&open(&disk), made[1].id.as_str(), "held", NOW_US, Duration::ZERO).expect("pinned");
    (disk, made)
}

/// What stays is restorable, what is still listed is whole, and a prune after it leaves no part over.
fn check(crash: &Crash, made: &[Snapshot]) -> usize {
    let disk = &crash.disk;
    let listed = list(&open(disk)).unwrap_or_else(|e| panic!("{crash}: {e}"));
    for entry in &listed {
        assert!(entry.whole().is_some(), "{crash}: half a snapshot is listed: {entry:?}");
    }
    let report = verify_all(&open(disk), &one_thread()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    assert!(report.is_whole(), "{crash}: {:?}", report.findings);
    for stays in [&made[1], &made[4]] {
        let image = disk.image(Fate::Kept);
        assert!(restore(&image, stays.id.as_str()).is_ok(), "{crash}: {}", stays.id);
    }
    prune(&open(disk), &policy()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    let mut named: Vec<_> =
        [&made[1], &made[4]].iter().flat_map(|s| s.unique_parts()).map(|p| p.id).collect();
    named.sort();
    named.dedup();
    assert_eq!(files_below(disk, "/backup/repo/parts").len(), named.len(), "{crash}: parts are left over");
    listed.len()
}

#[test]
fn a_crash_at_every_operation_of_a_prune_leaves_every_kept_snapshot_restorable() {
    let (disk, made) = before();
    let forks = crashes(&disk, 4, || {
        prune(&open(&disk), &policy()).expect("pruned");
    });
    println!("crash points of a prune: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.operations >= 22, "only {} operations", forks.operations);
    assert!(forks.images.len() >= 130, "only {} images", forks.images.len());
    let counts: Vec<usize> = forks.images.iter().map(|crash| check(crash, &made)).collect();
    assert!(counts.contains(&5) && counts.contains(&2), "crashes before and after: {counts:?}");
}

#[test]
fn a_fault_at_every_operation_of_a_prune_leaves_every_kept_snapshot_restorable() {
    let (disk, _) = before();
    let from = disk.ops();
    prune(&open(&disk), &policy()).expect("pruned");
    let operations = disk.ops() - from;
    for op in 0..operations {
        let (disk, made) = before();
        let at = disk.ops() + op;
        disk.fail_at(at, Fault::Eio);
        let result = prune(&open(&disk), &policy());
        // Ids are random: parts that share a directory need one sync less.
        if disk.ops() <= at {
            continue;
        }
        let what = format!("fault at {op}: {:?}", result.as_ref().map(|done| done.plan.remove.len()));
        for fate in [Fate::Dropped, Fate::Torn(op), Fate::Kept] {
            check(&Crash { disk: disk.image(fate), what: format!("{what}, then {fate:?}") }, &made);
        }
        check(&Crash { disk, what }, &made);
    }
}
