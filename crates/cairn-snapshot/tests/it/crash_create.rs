//! A crash, or a fault, at every operation of a create.

use crate::crashes::{Crash, crashes};
use crate::support::*;
use cairn_disk::{ErrorKind, Fate, Fault, SimDisk};
use cairn_engine::View;
use cairn_snapshot::{Compression, CreateOptions, Listed, Snapshot, list, verify_all};

fn later() -> CreateOptions {
    CreateOptions { now_us: NOW_US + 60_000_000, ..options(Compression::default()) }
}

/// A repository with one snapshot, and the state of the next.
fn before() -> (SimDisk, Snapshot, View) {
    let disk = SimDisk::new(3);
    let old = create(&disk, tiny_state(), &options(Compression::default()));
    (disk, old, full_state())
}

/// The old snapshot is whole, and so is everything else that is listed.
fn check_listed(crash: &Crash, old: &Snapshot) -> Vec<Listed> {
    let disk = &crash.disk;
    let listed = list(&open(disk)).unwrap_or_else(|e| panic!("{crash}: {e}"));
    assert!(listed.iter().any(|l| l.id() == old.id.as_str()), "{crash}: the old snapshot is gone");
    for entry in &listed {
        assert!(entry.whole().is_some(), "{crash}: half a snapshot is listed: {entry:?}");
    }
    let report = verify_all(&open(disk), &one_thread()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    assert!(report.is_whole(), "{crash}: {:?}", report.findings);
    listed
}

/// What is listed is whole, a create and deletes work, and after them nothing is left over. How many were listed.
fn check(crash: &Crash, old: &Snapshot, view: &View) -> usize {
    let (disk, listed) = (&crash.disk, check_listed(crash, old));
    let again = CreateOptions { now_us: NOW_US + 120_000_000, ..later() };
    let made = create(disk, view.clone(), &again);
    for entry in &listed {
        cairn_snapshot::delete(&open(disk), entry.id()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    }
    assert!(verify(disk, made.id.as_str()).is_whole(), "{crash}");
    assert_eq!(restore(disk, made.id.as_str()).expect("restores").state_hash, view.state_hash(), "{crash}");
    let parts = files_below(disk, "/backup/repo/parts").len();
    assert_eq!(parts, made.unique_parts().len(), "{crash}: parts are left over");
    assert_eq!(files_below(disk, "/backup/repo/tmp").len(), 0, "{crash}");
    listed.len()
}

#[test]
fn a_crash_at_every_operation_leaves_the_old_snapshots_whole_and_no_half_one() {
    let (disk, old, view) = before();
    let forks = crashes(&disk, 12, || {
        create(&disk, view.clone(), &later());
    });
    println!("crash points of a create: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.operations >= 20, "only {} operations", forks.operations);
    assert!(forks.images.len() >= 300, "only {} images", forks.images.len());
    let (mut with, mut without) = (0, 0);
    for crash in &forks.images {
        match check(crash, &old, &view) {
            1 => without += 1,
            2 => with += 1,
            n => panic!("{crash}: {n} snapshots"),
        }
    }
    assert!(with > 0 && without > 0, "crashes before and after the rename: {without}, {with}");
}

#[test]
fn a_crash_while_many_parts_are_written_is_the_same() {
    let (disk, old, _) = before();
    let view = wide_state();
    let forks = crashes(&disk, 4, || {
        create(&disk, view.clone(), &later());
    });
    println!("crash points of a create of many parts: {} operations", forks.operations);
    assert!(forks.operations >= 28, "only {} operations", forks.operations);
    for crash in &forks.images {
        check_listed(crash, &old);
    }
}

#[test]
fn a_crash_while_shuffled_parts_are_written_is_the_same() {
    let (disk, old, _) = before();
    let view = shuffled_state();
    let made = create(&disk.image(Fate::Kept), view.clone(), &later());
    assert!(made.parts().filter(|part| part.codec.width().is_some()).count() >= 3, "{made:?}");
    let forks = crashes(&disk, 2, || {
        create(&disk, view.clone(), &later());
    });
    println!("crash points of a create of shuffled parts: {} operations", forks.operations);
    assert!(forks.operations >= 28, "only {} operations", forks.operations);
    let with = forks.images.iter().filter(|crash| check(crash, &old, &view) == 2).count();
    assert!(with > 0 && with < forks.images.len(), "crashes before and after the rename: {with} with it");
}

#[test]
fn an_acknowledged_snapshot_survives_the_crash_after_it() {
    let (disk, _, view) = before();
    let made = create(&disk, view.clone(), &later());
    for fate in [Fate::Dropped, Fate::Torn(1), Fate::Torn(2), Fate::Kept] {
        let disk = disk.image(fate);
        assert!(verify(&disk, made.id.as_str()).is_whole(), "{fate:?}");
        assert_eq!(restore(&disk, made.id.as_str()).expect("restores").state_hash, view.state_hash());
    }
}

#[test]
fn a_fault_at_every_operation_is_an_error_and_shows_nothing() {
    let (disk, _, view) = before();
    let from = disk.ops();
    create(&disk, view.clone(), &later());
    let operations = disk.ops() - from;
    let (mut failed, mut done) = (0, 0);
    for op in 0..operations {
        for fault in [Fault::Eio, Fault::Enospc] {
            let (disk, old, _) = before();
            disk.fail_at(disk.ops() + op, fault);
            let result = cairn_snapshot::create(&open(&disk), view.clone(), &later(), &one_thread());
            let listed = list(&open(&disk)).expect("readable");
            match result {
                Err(error) => {
                    failed += 1;
                    let kind = error.kind();
                    assert!(matches!(kind, ErrorKind::Io | ErrorKind::NoSpace), "{op} {fault:?}: {error}");
                    assert_eq!(listed.len(), 1, "{op} {fault:?}: something is shown");
                }
                Ok(made) => {
                    done += 1;
                    assert_eq!(listed.len(), 2, "{op} {fault:?}");
                    assert!(verify(&disk.image(Fate::Dropped), made.id.as_str()).is_whole());
                }
            }
            assert!(verify(&disk, old.id.as_str()).is_whole(), "{op} {fault:?}");
            for fate in [Fate::Dropped, Fate::Torn(op), Fate::Kept] {
                let (disk, what) = (disk.image(fate), format!("{op}, {fault:?}, then {fate:?}"));
                check(&Crash { disk, what }, &old, &view);
            }
        }
    }
    println!("faults in a create: {failed} failed it, {done} did not");
    assert!(failed >= 40, "only {failed} faults failed it");
}
