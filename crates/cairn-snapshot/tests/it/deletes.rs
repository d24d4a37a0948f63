//! Deleting snapshots and the parts only they named.

use crate::support::*;
use cairn_disk::{ErrorKind, SimDisk};
use cairn_snapshot::{Compression, Snapshot, delete, list, verify_all};
use std::path::Path;

fn two_states(disk: &SimDisk) -> (Snapshot, Snapshot) {
    let first = create(disk, tiny_state(), &options(Compression::default()));
    let second = create(disk, full_state(), &options(Compression::default()));
    (first, second)
}

#[test]
fn deleting_removes_only_what_no_other_names() {
    let disk = SimDisk::new(1);
    let (first, second) = two_states(&disk);
    let third = create(&disk, full_state(), &options(Compression::default()));
    let deleted = delete(&open(&disk), first.id.as_str()).expect("deleted");
    assert_eq!(deleted.id, first.id);
    assert!(deleted.parts > 0 && deleted.stored_bytes > 0);
    assert_eq!(deleted.kept_for, None);
    delete(&open(&disk), second.id.as_str()).expect("deleted");
    assert!(verify_all(&open(&disk), &one_thread()).expect("readable").is_whole());
    assert!(restore(&disk, third.id.as_str()).is_ok());
    delete(&open(&disk), third.id.as_str()).expect("deleted");
    assert!(list(&open(&disk)).expect("readable").is_empty());
    assert_eq!(files_below(&disk, "/backup/repo/parts"), [] as [std::path::PathBuf; 0]);
    assert_eq!(files_below(&disk, "/backup/repo/snapshots"), [] as [std::path::PathBuf; 0]);
}

#[test]
fn an_id_that_became_free_is_not_given_to_a_newer_one_below_those_there() {
    let disk = SimDisk::new(1);
    let (first, second) = two_states(&disk);
    delete(&open(&disk), first.id.as_str()).expect("deleted");
    let third = create(&disk, tiny_state(), &options(Compression::default()));
    assert_eq!(third.id.to_string(), format!("{}-3", first.id));
    let listed = list(&open(&disk)).expect("readable");
    let ids: Vec<&str> = listed.iter().map(cairn_snapshot::Listed::id).collect();
    assert_eq!(ids, [third.id.as_str(), second.id.as_str()], "newest first");
}

#[test]
fn parts_of_an_unfinished_create_go_with_the_next_delete() {
    let disk = SimDisk::new(1);
    let (first, second) = two_states(&disk);
    let orphan = Path::new("/backup/repo/parts/ab").join(format!("{}.zst", "ab".repeat(32)));
    disk.write_file(&orphan, b"left over");
    let foreign = Path::new("/backup/repo/parts/ab/README");
    disk.write_file(foreign, b"not a part's name: not ours to remove");
    delete(&open(&disk), first.id.as_str()).expect("deleted");
    assert!(!disk.files().contains(&orphan));
    assert!(disk.files().iter().any(|f| f == foreign));
    assert!(verify(&disk, second.id.as_str()).is_whole());
}

#[test]
fn no_part_goes_while_a_damaged_snapshot_might_name_it() {
    let disk = SimDisk::new(1);
    let (first, second) = two_states(&disk);
    let parts = files_below(&disk, "/backup/repo/parts");
    disk.flip(&Path::new("/backup/repo/snapshots").join(second.id.as_str()).join("metadata.json"), 50, 1);
    let deleted = delete(&open(&disk), first.id.as_str()).expect("deleted");
    assert_eq!(deleted.kept_for.as_deref(), Some(second.id.as_str()));
    assert_eq!(files_below(&disk, "/backup/repo/parts"), parts);
    // The damaged one can be deleted by its id; then all parts go.
    let deleted = delete(&open(&disk), second.id.as_str()).expect("deleted");
    assert_eq!((deleted.kept_for, deleted.parts), (None, parts.len() as u64));
    assert!(files_below(&disk, "/backup/repo/parts").is_empty());
}

#[test]
fn a_writer_is_refused_while_another_works() {
    let disk = SimDisk::new(1);
    let (first, _) = two_states(&disk);
    let storage = storage(&disk);
    let _held = storage.lock(Path::new("/backup/repo/LOCK"), "someone else").expect("locked");
    let error = delete(&open(&disk), first.id.as_str()).expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("someone else"), "{error}");
    let create =
        cairn_snapshot::create(&open(&disk), tiny_state(), &options(Compression::None), &one_thread());
    assert_eq!(create.expect_err("locked").kind(), ErrorKind::Locked);
    // Readers take no lock.
    assert_eq!(list(&open(&disk)).expect("readable").len(), 2);
    assert!(verify(&disk, first.id.as_str()).is_whole());
    assert!(restore(&disk, first.id.as_str()).is_ok());
}
