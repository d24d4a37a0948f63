//! A crash, or a fault, at every operation of a restore.

use crate::crashes::{Crash, crashes};
use crate::indexed::Indexed;
use crate::support::*;
use cairn_disk::{Fate, Fault, SimDisk, Storage};
use cairn_engine::{Engine, View, check_dir};
use cairn_snapshot::{Compression, Error, Restored, verify_all};

/// A repository with one snapshot; its id and state hash.
fn before() -> (SimDisk, String, [u8; 32]) {
    before_of(full_state())
}

fn before_of(view: View) -> (SimDisk, String, [u8; 32]) {
    let disk = SimDisk::new(3);
    let hash = view.state_hash();
    let snapshot = create(&disk, view, &options(Compression::default()));
    (disk, snapshot.id.to_string(), hash)
}

fn restore_only(disk: &SimDisk, id: &str) -> Result<Restored, Error> {
    cairn_snapshot::restore(&open(disk), id, &storage(disk), target(), NOW_US, &one_thread())
}

/// The target is whole, or there is nothing at it and a restore works. True when it is whole.
fn check(crash: &Crash, id: &str, hash: [u8; 32]) -> bool {
    let disk = &crash.disk;
    let report = verify_all(&open(disk), &one_thread()).unwrap_or_else(|e| panic!("{crash}: {e}"));
    assert!(report.is_whole(), "{crash}: {:?}", report.findings);
    let there = disk.stat(target()).expect("readable").is_some();
    let found = if there {
        check_dir(&storage(disk), target()).unwrap_or_else(|e| panic!("{crash}: half a target: {e}"))
    } else {
        restore(disk, id).unwrap_or_else(|e| panic!("{crash}: {e}"))
    };
    assert_eq!(found.state_hash, hash, "{crash}");
    there
}

#[test]
fn a_crash_at_every_operation_leaves_a_whole_target_or_none() {
    let (disk, id, hash) = before();
    let forks = crashes(&disk, 6, || {
        restore_only(&disk, &id).expect("restores");
    });
    println!("crash points of a restore: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.operations >= 30, "only {} operations", forks.operations);
    assert!(forks.images.len() >= 240, "only {} images", forks.images.len());
    let whole = forks.images.iter().filter(|crash| check(crash, &id, hash)).count();
    assert!(whole > 0 && whole < forks.images.len(), "crashes before and after the rename: {whole} whole");
}

#[test]
fn a_crash_while_collections_with_graphs_and_codes_are_restored_is_the_same() {
    let indexed = Indexed::new();
    let stats = indexed.stats();
    let (disk, id, hash) = before_of(indexed.view());
    let forks = crashes(&disk, 2, || {
        restore_only(&disk, &id).expect("restores");
    });
    println!("crash points of a restore of collections: {} operations", forks.operations);
    assert!(forks.operations >= 50, "only {} operations", forks.operations);
    let whole: Vec<_> = forks.images.iter().filter(|crash| check(crash, &id, hash)).collect();
    assert!(!whole.is_empty() && whole.len() < forks.images.len());
    for crash in whole {
        let (engine, _) = Engine::open(storage(&crash.disk), target(), Indexed::options())
            .unwrap_or_else(|e| panic!("{crash}: {e}"));
        assert_eq!(Indexed::stats_of(&engine), stats, "{crash}");
    }
}

#[test]
fn a_crash_while_a_file_of_many_pieces_is_restored_is_the_same() {
    let (disk, id, hash) = before_of(wide_state());
    let forks = crashes(&disk, 1, || {
        restore_only(&disk, &id).expect("restores");
    });
    println!("crash points of a restore of long files: {} operations", forks.operations);
    assert!(forks.operations >= 35, "only {} operations", forks.operations);
    let whole = forks.images.iter().filter(|crash| check(crash, &id, hash)).count();
    assert!(whole > 0 && whole < forks.images.len());
}

#[test]
fn a_crash_while_shuffled_parts_are_restored_is_the_same() {
    let (disk, id, hash) = before_of(shuffled_state());
    let forks = crashes(&disk, 2, || {
        restore_only(&disk, &id).expect("restores");
    });
    println!("crash points of a restore of shuffled parts: {} operations", forks.operations);
    assert!(forks.operations >= 35, "only {} operations", forks.operations);
    let whole = forks.images.iter().filter(|crash| check(crash, &id, hash)).count();
    assert!(whole > 0 && whole < forks.images.len());
}

#[test]
fn an_acknowledged_restore_survives_the_crash_after_it() {
    let (disk, id, hash) = before();
    restore(&disk, &id).expect("restores");
    for fate in [Fate::Dropped, Fate::Torn(1), Fate::Torn(2), Fate::Kept] {
        let crash = Crash { disk: disk.image(fate), what: format!("{fate:?}") };
        assert!(check(&crash, &id, hash), "{fate:?}: the target is gone");
    }
}

#[test]
fn a_fault_at_every_operation_leaves_a_whole_target_or_none() {
    let (disk, id, _) = before();
    let from = disk.ops();
    restore_only(&disk, &id).expect("restores");
    let operations = disk.ops() - from;
    let mut failed = 0;
    for op in 0..operations {
        for fault in [Fault::Eio, Fault::Enospc] {
            let (disk, id, hash) = before();
            disk.fail_at(disk.ops() + op, fault);
            let result = restore_only(&disk, &id);
            failed += u64::from(result.is_err());
            let what = format!("{fault:?} at {op}: {result:?}");
            let whole = check(&Crash { disk: disk.image(Fate::Dropped), what: what.clone() }, &id, hash);
            assert!(whole || result.is_err(), "{what}: lost after it was done");
            check(&Crash { disk, what }, &id, hash);
        }
    }
    println!("faults in a restore: {failed} failed it");
    assert!(failed >= 50, "only {failed} faults failed it");
}
