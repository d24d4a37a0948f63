//! A crash, or a fault, at every operation of a delete.

use crate::crashes::{Crash, crashes};
use crate::support::*;
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_snapshot::{Compression, Snapshot, delete, list, verify_all};

fn before() -> (SimDisk, Snapshot, Snapshot) {
    let disk = SimDisk::new(3);
    let gone = create(&disk, full_state(), &options(Compression::default()));
    let stays = create(&disk, tiny_state(), &options(Compression::default()));
    (disk, gone, stays)
}

/// The other snapshot is whole; the deleted one is whole or not listed. Deleting it again, or what it left, works.
fn check(crash: &Crash, gone: &Snapshot, stays: &Snapshot) -> usize {
    let disk = &crash.disk;
    let listed = list(&open(disk)).unwrap_or_else(|e| panic!("{crash}: {e}"));
    for entry in &listed {
        assert!(entry.whole().is_some(), "{crash}: half a snapshot is listed: {entry:?}");
    }
    let report = verify_all(&open(disk), &one_thread()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    assert!(report.is_whole(), "{crash}: {:?}", report.findings);
    assert!(restore(disk, stays.id.as_str()).is_ok(), "{crash}");
    let still_there = listed.iter().any(|l| l.id() == gone.id.as_str());
    let again =
        if still_there { gone.clone() } else { create(disk, tiny_state(), &options(Compression::None)) };
    delete(&open(disk), again.id.as_str()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    assert!(verify(disk, stays.id.as_str()).is_whole(), "{crash}");
    let parts = files_below(disk, "/backup/repo/parts").len();
    assert_eq!(parts, stays.unique_parts().len(), "{crash}: parts are left over");
    listed.len()
}

#[test]
fn a_crash_at_every_operation_leaves_each_snapshot_whole_or_gone() {
    let (disk, gone, stays) = before();
    let forks = crashes(&disk, 6, || {
        delete(&open(&disk), gone.id.as_str()).expect("deleted");
    });
    println!("crash points of a delete: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.operations >= 10, "only {} operations", forks.operations);
    assert!(forks.images.len() >= 80, "only {} images", forks.images.len());
    let counts: Vec<usize> = forks.images.iter().map(|crash| check(crash, &gone, &stays)).collect();
    assert!(counts.contains(&1) && counts.contains(&2), "crashes before and after the rename");
}

#[test]
fn a_fault_at_every_operation_leaves_each_snapshot_whole_or_gone() {
    let (disk, gone, _) = before();
    let from = disk.ops();
    delete(&open(&disk), gone.id.as_str()).expect("deleted");
    let operations = disk.ops() - from;
    for op in 0..operations {
        let (disk, gone, stays) = before();
        disk.fail_at(disk.ops() + op, Fault::Eio);
        let result = delete(&open(&disk), gone.id.as_str());
        let what = format!("fault at {op}: {result:?}");
        for fate in [Fate::Dropped, Fate::Torn(op), Fate::Kept] {
            let crash = Crash { disk: disk.image(fate), what: format!("{what}, then {fate:?}") };
            check(&crash, &gone, &stays);
        }
        check(&Crash { disk, what }, &gone, &stays);
    }
}
