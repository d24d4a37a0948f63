//! Whole files: replaced atomically, whatever happens.

use crate::support::{noise, text, view};
use cairn_disk::{ErrorKind, Fate, Fault, RealDisk, SimDisk, Storage, atomic_replace, parent_dir, write_new};
use std::path::Path;

const CURRENT: &str = "/db/CURRENT";
const TORN_SEEDS: u64 = 40;

fn current() -> &'static Path {
    Path::new(CURRENT)
}

/// Replaces three times, from nothing; the last version that is known to be there, and those that may be.
fn replacing(disk: &SimDisk, versions: &[Vec<u8>]) -> usize {
    versions.iter().take_while(|version| atomic_replace(disk, current(), version).is_ok()).count()
}

fn versions() -> Vec<Vec<u8>> {
    vec![noise(700, 1), noise(5000, 2), noise(10, 3)]
}

fn new_disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/db")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

#[test]
fn a_crash_at_any_operation_leaves_the_old_file_or_the_new() {
    let versions = versions();
    let first = new_disk().ops();
    let mut points = 0;
    for op in first.. {
        let disk = new_disk();
        disk.crash_at(op);
        let done = replacing(&disk, &versions);
        let fates = [Fate::Dropped, Fate::Kept].into_iter().chain((0..TORN_SEEDS).map(Fate::Torn));
        for fate in fates {
            let image = disk.image(fate);
            let there = image.stat(current()).unwrap().map(|_| image.read_file(current()));
            let old = done.checked_sub(1).map(|v| versions[v].clone());
            let new = versions.get(done).cloned();
            assert!(there == old || there == new, "operation {op}, {fate:?}: neither the old nor the new");
            // What is left over is not in the way.
            atomic_replace(&image, current(), b"next").unwrap();
            assert_eq!(image.image(Fate::Dropped).read_file(current()), b"next");
            points += 1;
        }
        if done == versions.len() {
            break;
        }
    }
    println!("atomic_replace: {points} crash points");
    assert!(points >= 15 * 42, "only {points} crash points");
}

#[test]
fn a_fault_at_any_operation_leaves_the_old_file_or_the_new() {
    let versions = versions();
    let first = new_disk().ops();
    let mut points = 0;
    for fault in [Fault::Eio, Fault::Enospc] {
        for op in first.. {
            let disk = new_disk();
            disk.fail_at(op, fault);
            let done = replacing(&disk, &versions);
            if done == versions.len() {
                break;
            }
            let there = disk.stat(current()).unwrap().map(|_| disk.read_file(current()));
            let old = done.checked_sub(1).map(|v| versions[v].clone());
            assert!(there == old || there == versions.get(done).cloned(), "operation {op}, {fault:?}");
            atomic_replace(&disk, current(), b"next").unwrap();
            assert_eq!(disk.image(Fate::Dropped).read_file(current()), b"next");
            assert_eq!(disk.files().len(), 1, "nothing else is left");
            points += 1;
        }
    }
    println!("atomic_replace: {points} faults");
    assert!(points >= 30, "only {points} faults");
}

#[test]
fn replacing_reports_what_failed() {
    let disk = new_disk();
    let error = atomic_replace(&disk, Path::new("/no/CURRENT"), b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    disk.create_dir_all(current()).unwrap();
    assert!(atomic_replace(&disk, current(), b"x").is_err());
    assert!(disk.files().is_empty(), "no temporary file is left");
}

#[test]
fn a_full_disk_keeps_the_old_file() {
    let disk = new_disk();
    disk.capacity(Some(1000));
    atomic_replace(&disk, current(), &[1; 600]).unwrap();
    assert_eq!(atomic_replace(&disk, current(), &[2; 600]).unwrap_err().kind(), ErrorKind::NoSpace);
    assert_eq!(disk.read_file(current()), [1; 600]);
    assert_eq!(disk.free_bytes(current()).unwrap(), 400, "the part that was written is gone");
}

#[test]
fn a_new_file_has_its_bytes_but_not_yet_its_name() {
    let disk = new_disk();
    write_new(&disk, current(), b"bytes").unwrap();
    assert_eq!(write_new(&disk, current(), b"other").unwrap_err().kind(), ErrorKind::Exists);
    assert!(disk.image(Fate::Dropped).files().is_empty());
    disk.sync_dir(Path::new("/db")).unwrap();
    assert_eq!(disk.image(Fate::Dropped).read_file(current()), b"bytes");
}

#[test]
fn replaces_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("CURRENT");
    for version in ["one", "two"] {
        atomic_replace(&RealDisk::new(), &path, version.as_bytes()).unwrap();
        assert_eq!(text(&RealDisk::new(), &path).unwrap(), version);
    }
    assert_eq!(view(&RealDisk::new(), dir.path()).len(), 1);
}

#[test]
fn the_parent_of_a_bare_name_is_the_current_directory() {
    assert_eq!(parent_dir(Path::new("a")), Path::new("."));
    assert_eq!(parent_dir(Path::new("b/a")), Path::new("b"));
    assert_eq!(parent_dir(Path::new("/a")), Path::new("/"));
}
