//! Failures injected into the simulated disk.

use crate::support::{create, create_durable, kind, noise, open, read};
use cairn_disk::{Access, ErrorKind, Fate, Fault, SimDisk, Storage};
use std::path::Path;

const A: &str = "/a";

fn a() -> &'static Path {
    Path::new(A)
}

#[test]
fn a_crash_fails_that_operation_and_everything_after() {
    let disk = SimDisk::new(1);
    let file = create_durable(&disk, a(), b"one");
    disk.crash_at(disk.ops() + 1);
    file.append(b" two").unwrap();
    assert_eq!(disk.read_file(a()), b"one two");
    assert_eq!(file.bytes().unwrap(), 7);

    let error = file.sync().unwrap_err();
    assert_eq!(error.to_string(), "sync /a: simulated crash");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(file.bytes().is_err() && file.read_at(0, &mut [0]).is_err() && file.map().is_err());
    assert!(disk.open(a(), Access::Read).is_err() && disk.stat(a()).is_err());
    assert!(disk.list(Path::new("/")).is_err() && disk.lock(Path::new("/L"), "").is_err());
    assert_eq!(disk.image(Fate::Dropped).read_file(a()), b"one");
    assert_eq!(disk.image(Fate::Kept).read_file(a()), b"one two");
}

#[test]
fn a_crash_in_the_past_is_now() {
    let disk = SimDisk::new(1);
    create_durable(&disk, a(), b"one");
    disk.crash_at(0);
    assert!(disk.stat(a()).is_err());
}

#[test]
fn operations_do_not_count_after_a_crash() {
    let disk = SimDisk::new(1);
    disk.crash_at(1);
    let file = disk.create(a()).unwrap();
    assert!(file.sync().is_err() && file.sync().is_err());
    assert_eq!(disk.ops(), 1);
}

#[test]
fn each_operation_counts_once() {
    let disk = SimDisk::new(1);
    let count = |op: &dyn Fn()| {
        let before = disk.ops();
        op();
        disk.ops() - before
    };
    assert_eq!(count(&|| disk.create_dir_all(Path::new("/d/e/f")).unwrap()), 3);
    assert_eq!(count(&|| drop(disk.create(a()).unwrap())), 1);
    let file = open(&disk, a());
    assert_eq!(count(&|| file.append(b"hello").unwrap()), 1);
    assert_eq!(count(&|| file.write_at(0, b"x").unwrap()), 1);
    assert_eq!(count(&|| file.truncate(3).unwrap()), 1);
    assert_eq!(count(&|| file.sync().unwrap()), 1);
    assert_eq!(count(&|| disk.link(a(), Path::new("/b")).unwrap()), 1);
    assert_eq!(count(&|| disk.rename(Path::new("/b"), Path::new("/d/b")).unwrap()), 1);
    assert_eq!(count(&|| disk.reflink(a(), Path::new("/c")).unwrap()), 1);
    assert_eq!(count(&|| disk.remove(Path::new("/c")).unwrap()), 1);
    assert_eq!(count(&|| disk.sync_dir(Path::new("/")).unwrap()), 1);
    assert_eq!(count(&|| disk.remove_dir_all(Path::new("/d")).unwrap()), 4);
    assert_eq!(count(&|| drop(read(&disk, a()))), 0);
    assert_eq!(count(&|| drop(disk.list(Path::new("/")).unwrap())), 0);
}

#[test]
fn a_fault_fails_one_operation() {
    let disk = SimDisk::new(1);
    disk.fail_at(1, Fault::Eio);
    let file = disk.create(a()).unwrap();
    let error = disk.rename(a(), Path::new("/b")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().starts_with("rename /b: Input/output error"), "{error}");
    assert!(disk.stat(a()).unwrap().is_some(), "a rename that fails has no effect");
    disk.rename(a(), Path::new("/b")).unwrap();
    file.append(b"x").unwrap();
}

#[test]
fn every_kind_of_operation_can_fail() {
    type Op = fn(&SimDisk) -> cairn_disk::Result<()>;
    let ops: [Op; 10] = [
        |d| d.create(Path::new("/new")).map(drop),
        |d| open(d, a()).append(b"x"),
        |d| open(d, a()).write_at(0, b"x"),
        |d| open(d, a()).truncate(0),
        |d| open(d, a()).sync(),
        |d| d.link(a(), Path::new("/b")),
        |d| d.reflink(a(), Path::new("/b")),
        |d| d.remove(a()),
        |d| d.create_dir_all(Path::new("/d")),
        |d| d.sync_dir(Path::new("/")),
    ];
    for (number, op) in ops.iter().enumerate() {
        let disk = SimDisk::new(1);
        disk.write_file(a(), b"bytes");
        disk.fail_at(0, Fault::Eio);
        assert_eq!(kind(op(&disk)), ErrorKind::Io, "operation {number}");
        op(&disk).unwrap();
        disk.fail_at(disk.ops(), Fault::Enospc);
        assert_eq!(kind(disk.create(Path::new("/last"))), ErrorKind::NoSpace);
    }
}

#[test]
fn a_failed_append_leaves_the_first_bytes() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let file = create(&disk, a(), b"one");
        disk.fail_at(disk.ops(), Fault::Enospc);
        assert_eq!(kind(file.append(&noise(20, 1))), ErrorKind::NoSpace);
        let bytes = disk.read_file(a());
        assert!([b"one".as_slice(), &noise(20, 1)].concat().starts_with(&bytes));
        lengths.insert(bytes.len());
    }
    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn a_sync_after_a_failed_one_proves_nothing() {
    let disk = SimDisk::new(1);
    let file = create_durable(&disk, a(), b"one");
    file.append(b" two").unwrap();
    disk.fail_at(disk.ops(), Fault::Eio);
    assert!(file.sync().is_err());
    assert_eq!(read(&disk, a()), b"one two", "still there to read");
    file.sync().unwrap();
    file.append(b" three").unwrap();
    file.sync().unwrap();
    assert_eq!(disk.read_file(a()), b"one two three");
    assert_eq!(disk.image(Fate::Dropped).read_file(a()), b"one\0\0\0\0 three");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = SimDisk::new(1);
    disk.capacity(Some(100));
    let file = create(&disk, a(), &[1; 60]);
    assert_eq!(disk.free_bytes(a()).unwrap(), 40);
    let error = file.append(&[2; 41]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(file.bytes().unwrap(), 100);
    assert_eq!(disk.free_bytes(a()).unwrap(), 0);
    file.write_at(0, &[3; 100]).unwrap();
    assert_eq!(kind(file.write_at(90, &[4; 11])), ErrorKind::NoSpace);
    assert_eq!(disk.read_file(a())[90..], [4; 10]);
}

#[test]
fn space_comes_back_when_a_file_has_no_name_and_no_handle() {
    let disk = SimDisk::new(1);
    disk.capacity(Some(100));
    let file = create(&disk, a(), &[1; 100]);
    disk.link(a(), Path::new("/b")).unwrap();
    disk.remove(a()).unwrap();
    assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 0);
    disk.remove(Path::new("/b")).unwrap();
    assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 0, "open");
    drop(file);
    assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 100);
    create(&disk, a(), &[1; 60]);
    assert_eq!(kind(disk.reflink(a(), Path::new("/c"))), ErrorKind::NoSpace);
    assert!(disk.stat(Path::new("/c")).unwrap().is_none());
    disk.capacity(None);
    disk.reflink(a(), Path::new("/c")).unwrap();
}
