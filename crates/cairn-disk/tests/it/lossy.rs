//! What is special to disks of real files: the operating system's side of them.

use crate::support::{create, create_durable, kind, open, read, text, view};
use cairn_disk::{Access, ErrorKind, FileType, LossyDisk, RealDisk, Storage, is_lossy, storage_from_env};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn both(test: impl Fn(&dyn Storage, &Path)) {
    for disk in [&RealDisk::new() as &dyn Storage, &LossyDisk::new()] {
        let dir = tempfile::tempdir().unwrap();
        test(disk, dir.path());
    }
}

#[test]
fn files_and_directories_are_private() {
    both(|disk, dir| {
        disk.create_dir_all(&dir.join("d/e")).unwrap();
        create_durable(disk, &dir.join("a"), b"1");
        disk.reflink(&dir.join("a"), &dir.join("b")).unwrap();
        let _lock = disk.lock(&dir.join("d/e/LOCK"), "me").unwrap();
        disk.sync_dir(dir).unwrap();
        let mode = |name| fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("a"), mode("b"), mode("d/e/LOCK")], [0o600; 3]);
        assert_eq!([mode("d"), mode("d/e")], [0o700; 2]);
    });
}

#[test]
fn a_copy_is_private_whatever_its_source() {
    both(|disk, dir| {
        fs::write(dir.join("a"), b"bytes").unwrap();
        fs::set_permissions(dir.join("a"), fs::Permissions::from_mode(0o644)).unwrap();
        disk.reflink(&dir.join("a"), &dir.join("b")).unwrap();
        open(disk, &dir.join("b")).sync().unwrap();
        disk.sync_dir(dir).unwrap();
        assert_eq!(fs::metadata(dir.join("b")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(dir.join("b")).unwrap(), b"bytes");
    });
}

#[test]
fn a_symbolic_link_is_no_file_of_ours() {
    both(|disk, dir| {
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/f"), b"bytes").unwrap();
        symlink(dir.join("d"), dir.join("to-d")).unwrap();
        symlink("nowhere", dir.join("broken")).unwrap();
        assert_eq!(disk.stat(&dir.join("to-d")).unwrap().unwrap().file_type, FileType::Other);
        assert_eq!(disk.stat(&dir.join("broken")).unwrap().unwrap().file_type, FileType::Other);
        assert_eq!(text(disk, &dir.join("to-d/f")).unwrap(), "bytes");
        assert_eq!(disk.canonical(&dir.join("to-d/f")).unwrap(), dir.canonicalize().unwrap().join("d/f"));
        assert_eq!(disk.list(dir).unwrap().len(), 3);
    });
}

#[test]
fn removing_a_directory_does_not_follow_links() {
    both(|disk, dir| {
        fs::create_dir_all(dir.join("gone")).unwrap();
        fs::create_dir(dir.join("kept")).unwrap();
        fs::write(dir.join("kept/f"), b"bytes").unwrap();
        symlink(dir.join("kept"), dir.join("gone/link")).unwrap();
        disk.remove_dir_all(&dir.join("gone")).unwrap();
        disk.sync_dir(dir).unwrap();
        assert!(!dir.join("gone").exists());
        assert!(dir.join("kept/f").exists());
    });
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    both(|disk, dir| {
        let made = std::process::Command::new("mkfifo").arg(dir.join("pipe")).status();
        assert!(made.unwrap().success());
        let error = disk.open(&dir.join("pipe"), Access::Read).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    });
}

#[test]
fn names_that_are_not_utf8_are_left_out() {
    both(|disk, dir| {
        fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff")), b"").unwrap();
        fs::write(dir.join("a"), b"").unwrap();
        assert_eq!(disk.list(dir).unwrap().len(), 1);
        disk.remove_dir_all(dir).unwrap();
    });
}

#[test]
fn a_linked_file_has_one_inode() {
    both(|disk, dir| {
        create_durable(disk, &dir.join("a"), b"bytes");
        disk.link(&dir.join("a"), &dir.join("b")).unwrap();
        disk.sync_dir(dir).unwrap();
        let inode = |name| fs::metadata(dir.join(name)).unwrap().ino();
        assert_eq!(inode("a"), inode("b"));
    });
}

#[test]
fn relative_paths_start_at_the_current_directory() {
    both(|disk, _| {
        assert!(disk.stat(Path::new("Cargo.toml")).unwrap().is_some());
        assert!(disk.stat(Path::new("./src/../Cargo.toml")).unwrap().is_some());
        assert_eq!(kind(disk.open(Path::new(""), Access::Read)), ErrorKind::NotFound);
    });
}

#[test]
fn a_lock_is_seen_across_disks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let held = LossyDisk::new().lock(&path, "lossy").unwrap();
    assert_eq!(kind(RealDisk::new().lock(&path, "real")), ErrorKind::Locked);
    drop(held);
    let _held = RealDisk::new().lock(&path, "real").unwrap();
    let error = LossyDisk::new().lock(&path, "lossy").unwrap_err();
    assert!(error.to_string().ends_with("LOCK is locked by real"), "{error}");
}

#[test]
fn a_lock_without_a_name_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let _held = RealDisk::new().lock(&path, "").unwrap();
    let error = RealDisk::new().lock(&path, "").unwrap_err();
    assert!(error.to_string().contains("has not written its name"), "{error}");
}

#[test]
fn the_real_file_of_a_lossy_disk_has_what_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, path) = (LossyDisk::new(), dir.path().join("a"));
    let file = create_durable(&disk, &path, b"one");
    file.append(b" two").unwrap();
    file.write_at(0, b"O").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    file.sync().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"One two");
    assert_eq!(&file.map().unwrap()[..], b"One two");
}

#[test]
fn a_new_lossy_disk_finds_what_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let before = LossyDisk::new();
    create_durable(&before, &dir.path().join("a"), b"synced").append(b" unsynced").unwrap();
    create(&before, &dir.path().join("b"), b"no name");
    drop(before);
    let after = LossyDisk::new();
    assert_eq!(view(&after, dir.path()).len(), 1);
    assert_eq!(read(&after, &dir.path().join("a")), b"synced");
}

#[test]
fn unsynced_bytes_outlive_their_handle() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, path) = (LossyDisk::new(), dir.path().join("a"));
    create_durable(&disk, &path, b"one");
    drop(create_durable(&disk, &dir.path().join("other"), b""));
    open(&disk, &path).append(b" two").unwrap();
    // Enough others that the disk looks for something to forget.
    for number in 0..300 {
        let dir = dir.path().join(format!("d{number}"));
        disk.create_dir_all(&dir).unwrap();
        create_durable(&disk, &dir.join("f"), b"x");
        disk.sync_dir(dir.parent().unwrap()).unwrap();
    }
    assert_eq!(read(&disk, &path), b"one two");
    assert_eq!(fs::read(&path).unwrap(), b"one");
    open(&disk, &path).sync().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one two");
}

#[test]
fn files_of_others_are_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let disk = LossyDisk::new();
    create(&disk, &dir.path().join("mine"), b"1");
    assert_eq!(disk.list(dir.path()).unwrap().len(), 1);
    fs::write(dir.path().join("theirs"), b"22").unwrap();
    assert_eq!(disk.list(dir.path()).unwrap().len(), 2);
    assert_eq!(read(&disk, &dir.path().join("theirs")), b"22");
    fs::write(dir.path().join("theirs"), b"333").unwrap();
    assert_eq!(read(&disk, &dir.path().join("theirs")), b"333");
}

#[test]
fn a_process_is_on_the_real_disk_unless_told() {
    // Tests run with the variable unset; setting it here would change it for all of them.
    assert!(!is_lossy());
    assert_eq!(format!("{:?}", storage_from_env()), "RealDisk");
}
