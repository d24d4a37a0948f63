//! What every disk does, on all three of them.

use crate::support::{create, kind, noise, open, read, text, view};
use cairn_disk::{
    Access, Error, ErrorKind, FileType, LossyDisk, RealDisk, SimDisk, Stat, Storage, read_file,
};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes each function a test on each disk; it gets the disk and an empty directory.
macro_rules! on_every_disk {
    ($($name:ident,)*) => {
        mod real { $(#[test] fn $name() { super::on_files(&super::RealDisk::new(), super::$name); })* }
        mod lossy { $(#[test] fn $name() { super::on_files(&super::LossyDisk::new(), super::$name); })* }
        mod sim { $(#[test] fn $name() { super::in_memory(super::$name); })* }
    };
}

fn on_files(disk: &dyn Storage, test: impl Fn(&dyn Storage, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    // Resolved, because a temporary directory may be behind a symbolic link.
    test(disk, &dir.path().canonicalize().unwrap());
}

fn in_memory(test: impl Fn(&dyn Storage, &Path)) {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/db")).unwrap();
    test(&disk, Path::new("/db"));
}

on_every_disk! {
    a_created_file_is_read_back,
    create_refuses_a_path_that_is_taken,
    create_needs_the_directory,
    open_needs_a_file,
    a_reader_cannot_write,
    append_goes_after_the_last_byte,
    two_handles_see_the_same_bytes,
    a_read_ends_at_the_end,
    read_exact_refuses_a_short_file,
    write_at_replaces_and_lengthens,
    an_empty_write_changes_nothing,
    write_at_leaves_no_hole,
    truncate_cuts,
    truncate_does_not_lengthen,
    a_long_file_is_read_back_at_any_place,
    map_gives_the_whole_file,
    map_of_an_empty_file_is_empty,
    stat_tells_file_directory_and_nothing,
    list_is_sorted_and_has_lengths,
    list_needs_a_directory,
    create_dir_all_makes_those_above,
    create_dir_all_refuses_a_file_in_the_way,
    rename_moves_and_replaces,
    rename_onto_itself_does_nothing,
    rename_between_two_names_of_a_file_does_nothing,
    rename_of_a_directory_takes_its_contents,
    rename_replaces_only_an_empty_directory,
    rename_does_not_mix_files_and_directories,
    rename_of_a_directory_into_itself_is_refused,
    rename_needs_a_source,
    an_open_file_outlives_its_name,
    a_link_is_the_same_file,
    link_refuses_a_taken_name_and_directories,
    reflink_is_a_file_of_its_own,
    reflink_refuses_a_taken_name,
    remove_needs_a_file,
    a_removed_name_is_free_again,
    remove_dir_all_removes_everything,
    remove_dir_all_of_nothing_is_fine,
    remove_dir_all_refuses_a_file,
    sync_dir_needs_a_directory,
    a_held_lock_names_its_holder,
    a_dropped_lock_is_free,
    a_dropped_lock_is_free_while_processes_start,
    a_lock_can_be_taken_in_a_new_directory,
    free_bytes_are_of_an_existing_path,
    canonical_resolves_dots,
    canonical_needs_the_path,
    read_file_refuses_what_is_too_long,
}

fn a_created_file_is_read_back(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("a");
    let file = create(disk, &path, b"hello");
    assert_eq!(file.path(), path);
    assert_eq!(file.bytes().unwrap(), 5);
    assert_eq!(read(disk, &path), b"hello");
    file.sync().unwrap();
    disk.sync_dir(dir).unwrap();
    assert_eq!(read(disk, &path), b"hello");
}

fn create_refuses_a_path_that_is_taken(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"1");
    disk.create_dir_all(&dir.join("d")).unwrap();
    assert_eq!(kind(disk.create(&dir.join("a"))), ErrorKind::Exists);
    assert_eq!(kind(disk.create(&dir.join("d"))), ErrorKind::Exists);
    assert_eq!(read(disk, &dir.join("a")), b"1");
}

fn create_needs_the_directory(disk: &dyn Storage, dir: &Path) {
    assert_eq!(kind(disk.create(&dir.join("no/a"))), ErrorKind::NotFound);
}

fn open_needs_a_file(disk: &dyn Storage, dir: &Path) {
    let error = disk.open(&dir.join("no"), Access::Read).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(dir.join("no").to_str().unwrap()), "{error}");
    assert_eq!(kind(disk.open(dir, Access::Read)), ErrorKind::Io);
    assert_eq!(kind(disk.open(dir, Access::Write)), ErrorKind::Io);
}

fn a_reader_cannot_write(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("a");
    create(disk, &path, b"hello");
    let file = disk.open(&path, Access::Read).unwrap();
    assert!(file.append(b"x").is_err());
    assert!(file.write_at(0, b"x").is_err());
    assert!(file.truncate(1).is_err());
    assert_eq!(read(disk, &path), b"hello");
}

fn append_goes_after_the_last_byte(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"one ");
    file.append(b"two ").unwrap();
    file.sync().unwrap();
    file.append(b"three").unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"one two three");
}

fn two_handles_see_the_same_bytes(disk: &dyn Storage, dir: &Path) {
    let one = create(disk, &dir.join("a"), b"one ");
    let two = open(disk, &dir.join("a"));
    two.append(b"two ").unwrap();
    one.append(b"three").unwrap();
    drop(one);
    assert_eq!(two.bytes().unwrap(), 13);
    drop(two);
    assert_eq!(read(disk, &dir.join("a")), b"one two three");
}

fn a_read_ends_at_the_end(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello");
    let mut buf = [0; 8];
    assert_eq!(file.read_at(3, &mut buf).unwrap(), 2);
    assert_eq!(&buf[..2], b"lo");
    assert_eq!(file.read_at(5, &mut buf).unwrap(), 0);
    assert_eq!(file.read_at(500, &mut buf).unwrap(), 0);
    assert_eq!(file.read_at(0, &mut []).unwrap(), 0);
}

fn read_exact_refuses_a_short_file(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello");
    let mut buf = [0; 3];
    file.read_exact_at(2, &mut buf).unwrap();
    assert_eq!(&buf, b"llo");
    assert_eq!(kind(file.read_exact_at(3, &mut buf)), ErrorKind::Io);
}

fn write_at_replaces_and_lengthens(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello world");
    file.write_at(6, b"W").unwrap();
    file.sync().unwrap();
    file.write_at(9, b"LD and more").unwrap();
    file.write_at(0, b"H").unwrap();
    file.write_at(20, b"!").unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"Hello WorLD and more!");
}

fn an_empty_write_changes_nothing(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello");
    file.sync().unwrap();
    file.append(b" world").unwrap();
    file.write_at(5, b"").unwrap();
    file.write_at(0, b"").unwrap();
    file.append(b"").unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"hello world");
}

fn write_at_leaves_no_hole(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello");
    assert_eq!(kind(file.write_at(6, b"x")), ErrorKind::Input);
    file.write_at(5, b"x").unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"hellox");
}

fn truncate_cuts(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello world");
    file.sync().unwrap();
    file.append(b" again").unwrap();
    file.truncate(13).unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"hello world a");
    file.truncate(4).unwrap();
    file.append(b"!").unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"hell!");
    file.sync().unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"hell!");
    file.truncate(0).unwrap();
    assert_eq!(file.bytes().unwrap(), 0);
}

fn truncate_does_not_lengthen(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"hello");
    assert_eq!(kind(file.truncate(6)), ErrorKind::Input);
    file.truncate(5).unwrap();
    assert_eq!(read(disk, &dir.join("a")), b"hello");
}

fn a_long_file_is_read_back_at_any_place(disk: &dyn Storage, dir: &Path) {
    let bytes = noise(300_000, 7);
    let file = disk.create(&dir.join("a")).unwrap();
    for piece in bytes.chunks(70_001) {
        file.append(piece).unwrap();
    }
    for (from, len) in [(0, 1), (32_767, 2), (32_768, 32_768), (65_535, 100_000), (299_999, 1)] {
        let mut buf = vec![0; len];
        file.read_exact_at(from as u64, &mut buf).unwrap();
        assert_eq!(buf, bytes[from..from + len], "{len} bytes at {from}");
    }
    assert_eq!(read(disk, &dir.join("a")), bytes);
}

fn map_gives_the_whole_file(disk: &dyn Storage, dir: &Path) {
    let bytes = noise(100_000, 8);
    let file = create(disk, &dir.join("a"), &bytes);
    assert_eq!(&file.map().unwrap()[..], bytes);
    file.sync().unwrap();
    disk.sync_dir(dir).unwrap();
    let map = disk.open(&dir.join("a"), Access::Read).unwrap().map().unwrap();
    disk.remove(&dir.join("a")).unwrap();
    assert_eq!(&map[..], bytes);
}

fn map_of_an_empty_file_is_empty(disk: &dyn Storage, dir: &Path) {
    assert!(create(disk, &dir.join("a"), b"").map().unwrap().is_empty());
}

fn stat_tells_file_directory_and_nothing(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"hello");
    let file = Stat { file_type: FileType::File, bytes: 5 };
    assert_eq!(disk.stat(&dir.join("a")).unwrap(), Some(file));
    assert_eq!(disk.stat(dir).unwrap(), Some(Stat { file_type: FileType::Dir, bytes: 0 }));
    assert_eq!(disk.stat(&dir.join("b")).unwrap(), None);
    assert_eq!(disk.stat(&dir.join("b/c")).unwrap(), None);
    assert_eq!(disk.stat(&dir.join("a/c")).unwrap(), None);
    assert!(disk.stat(Path::new("/")).unwrap().is_some());
}

fn list_is_sorted_and_has_lengths(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("b"), b"22");
    disk.sync_dir(dir).unwrap();
    create(disk, &dir.join("c"), b"333");
    disk.create_dir_all(&dir.join("a")).unwrap();
    let entries = disk.list(dir).unwrap();
    let seen: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.stat.file_type, e.stat.bytes)).collect();
    assert_eq!(seen, [("a", FileType::Dir, 0), ("b", FileType::File, 2), ("c", FileType::File, 3)]);
}

fn list_needs_a_directory(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"");
    assert_eq!(kind(disk.list(&dir.join("no"))), ErrorKind::NotFound);
    assert_eq!(kind(disk.list(&dir.join("a"))), ErrorKind::Io);
}

fn create_dir_all_makes_those_above(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("a/b/c")).unwrap();
    disk.create_dir_all(&dir.join("a/b/c")).unwrap();
    disk.create_dir_all(&dir.join("a/b/d")).unwrap();
    create(disk, &dir.join("a/b/c/file"), b"x");
    let names: Vec<_> = view(disk, dir).into_keys().collect();
    assert_eq!(names, ["a", "a/b", "a/b/c", "a/b/c/file", "a/b/d"]);
}

fn create_dir_all_refuses_a_file_in_the_way(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"");
    assert_eq!(kind(disk.create_dir_all(&dir.join("a"))), ErrorKind::Exists);
    assert!(disk.create_dir_all(&dir.join("a/b")).is_err());
}

fn rename_moves_and_replaces(disk: &dyn Storage, dir: &Path) {
    let (a, b) = (dir.join("a"), dir.join("b"));
    create(disk, &a, b"new");
    create(disk, &b, b"old");
    disk.rename(&a, &b).unwrap();
    assert_eq!(text(disk, &a), None);
    assert_eq!(text(disk, &b).unwrap(), "new");
    disk.create_dir_all(&dir.join("d")).unwrap();
    disk.rename(&b, &dir.join("d/c")).unwrap();
    assert_eq!(text(disk, &dir.join("d/c")).unwrap(), "new");
    assert_eq!(text(disk, &b), None);
}

fn rename_onto_itself_does_nothing(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"x");
    disk.create_dir_all(&dir.join("d/e")).unwrap();
    disk.rename(&dir.join("a"), &dir.join("a")).unwrap();
    disk.rename(&dir.join("d"), &dir.join("d")).unwrap();
    assert_eq!(view(disk, dir).len(), 3);
}

fn rename_between_two_names_of_a_file_does_nothing(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"x");
    disk.link(&dir.join("a"), &dir.join("b")).unwrap();
    disk.rename(&dir.join("a"), &dir.join("b")).unwrap();
    assert_eq!(view(disk, dir).len(), 2);
}

fn rename_of_a_directory_takes_its_contents(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("a/sub")).unwrap();
    disk.create_dir_all(&dir.join("far")).unwrap();
    let file = create(disk, &dir.join("a/sub/f"), b"one");
    disk.rename(&dir.join("a"), &dir.join("b")).unwrap();
    assert_eq!(text(disk, &dir.join("b/sub/f")).unwrap(), "one");
    disk.rename(&dir.join("b"), &dir.join("far/c")).unwrap();
    file.append(b" two").unwrap();
    assert_eq!(text(disk, &dir.join("far/c/sub/f")).unwrap(), "one two");
    let names: Vec<_> = view(disk, dir).into_keys().collect();
    assert_eq!(names, ["far", "far/c", "far/c/sub", "far/c/sub/f"]);
}

fn rename_replaces_only_an_empty_directory(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("a/sub")).unwrap();
    disk.create_dir_all(&dir.join("empty")).unwrap();
    disk.create_dir_all(&dir.join("full/sub")).unwrap();
    assert_eq!(kind(disk.rename(&dir.join("a"), &dir.join("full"))), ErrorKind::Exists);
    disk.rename(&dir.join("a"), &dir.join("empty")).unwrap();
    let names: Vec<_> = view(disk, dir).into_keys().collect();
    assert_eq!(names, ["empty", "empty/sub", "full", "full/sub"]);
}

fn rename_does_not_mix_files_and_directories(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("f"), b"x");
    disk.create_dir_all(&dir.join("d")).unwrap();
    assert!(disk.rename(&dir.join("f"), &dir.join("d")).is_err());
    assert!(disk.rename(&dir.join("d"), &dir.join("f")).is_err());
    assert_eq!(view(disk, dir).len(), 2);
}

fn rename_of_a_directory_into_itself_is_refused(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("d/e")).unwrap();
    assert!(disk.rename(&dir.join("d"), &dir.join("d/e/d")).is_err());
    assert_eq!(view(disk, dir).len(), 2);
}

fn rename_needs_a_source(disk: &dyn Storage, dir: &Path) {
    let error = disk.rename(&dir.join("no"), &dir.join("b")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

fn an_open_file_outlives_its_name(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("a");
    let file = create(disk, &path, b"old");
    disk.remove(&path).unwrap();
    create(disk, &path, b"new");
    file.append(b"er").unwrap();
    file.sync().unwrap();
    disk.sync_dir(dir).unwrap();
    let mut buf = [0; 5];
    file.read_exact_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"older");
    assert_eq!(text(disk, &path).unwrap(), "new");
}

fn a_link_is_the_same_file(disk: &dyn Storage, dir: &Path) {
    let file = create(disk, &dir.join("a"), b"one");
    disk.link(&dir.join("a"), &dir.join("b")).unwrap();
    file.append(b" two").unwrap();
    open(disk, &dir.join("b")).append(b" three").unwrap();
    disk.remove(&dir.join("a")).unwrap();
    assert_eq!(text(disk, &dir.join("b")).unwrap(), "one two three");
}

fn link_refuses_a_taken_name_and_directories(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"");
    create(disk, &dir.join("b"), b"");
    disk.create_dir_all(&dir.join("d")).unwrap();
    assert_eq!(kind(disk.link(&dir.join("a"), &dir.join("b"))), ErrorKind::Exists);
    assert_eq!(kind(disk.link(&dir.join("no"), &dir.join("c"))), ErrorKind::NotFound);
    assert!(disk.link(&dir.join("d"), &dir.join("e")).is_err());
}

fn reflink_is_a_file_of_its_own(disk: &dyn Storage, dir: &Path) {
    let bytes = noise(50_000, 9);
    let file = create(disk, &dir.join("a"), &bytes);
    disk.reflink(&dir.join("a"), &dir.join("b")).unwrap();
    file.write_at(0, b"changed").unwrap();
    open(disk, &dir.join("b")).append(b"more").unwrap();
    assert_eq!(read(disk, &dir.join("b")), [bytes.as_slice(), b"more"].concat());
    assert_eq!(file.bytes().unwrap(), 50_000);
}

fn reflink_refuses_a_taken_name(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"1");
    create(disk, &dir.join("b"), b"2");
    assert_eq!(kind(disk.reflink(&dir.join("a"), &dir.join("b"))), ErrorKind::Exists);
    assert_eq!(kind(disk.reflink(&dir.join("no"), &dir.join("c"))), ErrorKind::NotFound);
    assert_eq!(text(disk, &dir.join("b")).unwrap(), "2");
    assert_eq!(view(disk, dir).len(), 2);
}

fn remove_needs_a_file(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("d")).unwrap();
    assert_eq!(kind(disk.remove(&dir.join("no"))), ErrorKind::NotFound);
    assert_eq!(kind(disk.remove(&dir.join("d"))), ErrorKind::Io);
}

fn a_removed_name_is_free_again(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("a");
    for round in 0..3_u8 {
        create(disk, &path, &[round]);
        if round == 1 {
            disk.sync_dir(dir).unwrap();
        }
        assert_eq!(read(disk, &path), [round]);
        disk.remove(&path).unwrap();
        assert_eq!(disk.stat(&path).unwrap(), None);
    }
}

fn remove_dir_all_removes_everything(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("a/b/c")).unwrap();
    create(disk, &dir.join("a/f"), b"1");
    disk.sync_dir(&dir.join("a")).unwrap();
    disk.sync_dir(dir).unwrap();
    create(disk, &dir.join("a/b/g"), b"2");
    create(disk, &dir.join("keep"), b"3");
    disk.remove_dir_all(&dir.join("a")).unwrap();
    assert_eq!(view(disk, dir).into_keys().collect::<Vec<_>>(), ["keep"]);
    disk.sync_dir(dir).unwrap();
    assert_eq!(view(disk, dir).into_keys().collect::<Vec<_>>(), ["keep"]);
}

fn remove_dir_all_of_nothing_is_fine(disk: &dyn Storage, dir: &Path) {
    disk.remove_dir_all(&dir.join("no")).unwrap();
    disk.remove_dir_all(&dir.join("no/such")).unwrap();
}

fn remove_dir_all_refuses_a_file(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"");
    assert!(disk.remove_dir_all(&dir.join("a")).is_err());
    assert!(disk.stat(&dir.join("a")).unwrap().is_some());
}

fn sync_dir_needs_a_directory(disk: &dyn Storage, dir: &Path) {
    disk.sync_dir(dir).unwrap();
    assert_eq!(kind(disk.sync_dir(&dir.join("no"))), ErrorKind::NotFound);
    create(disk, &dir.join("a"), b"");
    assert_eq!(kind(disk.sync_dir(&dir.join("a"))), ErrorKind::Io);
}

fn a_held_lock_names_its_holder(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("LOCK");
    let _held = disk.lock(&path, "pid 17 on here").unwrap();
    let error = disk.lock(&path, "pid 18").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert_eq!(error.to_string(), format!("{} is locked by pid 17 on here", path.display()));
    assert!(matches!(error, Error::Locked { holder, .. } if holder == "pid 17 on here"));
    assert_eq!(text(disk, &path).unwrap(), "pid 17 on here");
}

fn a_dropped_lock_is_free(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("LOCK");
    drop(disk.lock(&path, "a holder with a long name").unwrap());
    let other = disk.lock(&dir.join("OTHER"), "other").unwrap();
    drop(disk.lock(&path, "two").unwrap());
    assert_eq!(text(disk, &path).unwrap(), "two");
    let _again = disk.lock(&path, "three").unwrap();
    drop(other);
    assert_eq!(kind(disk.lock(&path, "four")), ErrorKind::Locked);
}

fn a_dropped_lock_is_free_while_processes_start(disk: &dyn Storage, dir: &Path) {
    let path = dir.join("LOCK");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Until it runs its program, the new process has our open files.
                    assert!(Command::new("true").current_dir("/").status().unwrap().success());
                }
            });
        }
        let refused = (0..2_000).find_map(|_| disk.lock(&path, "me").err());
        done.store(true, Ordering::Relaxed);
        assert!(refused.is_none(), "{refused:?}");
    });
}

fn a_lock_can_be_taken_in_a_new_directory(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("a/b")).unwrap();
    let path = dir.join("a/b/LOCK");
    let held = disk.lock(&path, "me").unwrap();
    assert_eq!(kind(disk.lock(&path, "you")), ErrorKind::Locked);
    create(disk, &dir.join("a/b/f"), b"x");
    drop(held);
    assert_eq!(view(disk, dir).len(), 4);
}

fn free_bytes_are_of_an_existing_path(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("d")).unwrap();
    assert!(disk.free_bytes(&dir.join("d")).unwrap() > 0);
    assert_eq!(kind(disk.free_bytes(&dir.join("no"))), ErrorKind::NotFound);
}

fn canonical_resolves_dots(disk: &dyn Storage, dir: &Path) {
    disk.create_dir_all(&dir.join("d/e")).unwrap();
    create(disk, &dir.join("d/f"), b"");
    assert_eq!(disk.canonical(&dir.join("d/./e/../f")).unwrap(), dir.join("d/f"));
    disk.sync_dir(dir).unwrap();
    assert_eq!(disk.canonical(&dir.join("d")).unwrap(), dir.join("d"));
}

fn canonical_needs_the_path(disk: &dyn Storage, dir: &Path) {
    assert_eq!(kind(disk.canonical(&dir.join("no"))), ErrorKind::NotFound);
}

fn read_file_refuses_what_is_too_long(disk: &dyn Storage, dir: &Path) {
    create(disk, &dir.join("a"), b"hello");
    assert_eq!(read_file(disk, &dir.join("a"), 5).unwrap(), b"hello");
    let error = read_file(disk, &dir.join("a"), 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("size mismatch: expected at most 4 bytes, got 5 bytes"), "{error}");
}
