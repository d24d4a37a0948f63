//! What lasts and what a crash loses: the same on the simulated disk (an image of it) and on the lossy one (the real
//! directory, as another process would find it).

use crate::support::{View, create, create_durable, open, text, view};
use cairn_disk::{Fate, LossyDisk, RealDisk, SimDisk, Storage};
use std::path::{Path, PathBuf};

/// A disk with a directory on it that is durable.
pub struct Crashable {
    disk: Box<dyn Storage>,
    dir: PathBuf,
    after: Box<dyn Fn() -> Box<dyn Storage>>,
}

impl Crashable {
    /// The directory as it is after a crash now.
    fn crashed(&self) -> View {
        view(&*(self.after)(), &self.dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file's text after a crash now.
    fn left(&self, name: &str) -> Option<String> {
        text(&*(self.after)(), &self.path(name))
    }

    fn sync_dir(&self, name: &str) {
        self.disk.sync_dir(&self.path(name)).unwrap();
    }
}

macro_rules! on_crashable_disks {
    ($($name:ident,)*) => {
        mod lossy { $(#[test] fn $name() { super::on_lossy(super::$name); })* }
        mod sim { $(#[test] fn $name() { super::on_sim(super::$name); })* }
    };
}

fn on_lossy(test: impl Fn(&Crashable)) {
    let dir = tempfile::tempdir().unwrap();
    let after = || Box::new(RealDisk::new()) as Box<dyn Storage>;
    let disk = Box::new(LossyDisk::new());
    test(&Crashable { disk, dir: dir.path().to_owned(), after: Box::new(after) });
}

fn on_sim(test: impl Fn(&Crashable)) {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/db")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let after = {
        let disk = disk.clone();
        move || Box::new(disk.image(Fate::Dropped)) as Box<dyn Storage>
    };
    test(&Crashable { disk: Box::new(disk), dir: "/db".into(), after: Box::new(after) });
}

on_crashable_disks! {
    unsynced_bytes_are_lost,
    synced_bytes_last,
    an_unsynced_name_is_lost,
    a_name_alone_is_an_empty_file,
    bytes_synced_after_the_name_last,
    an_unsynced_cut_is_undone,
    a_synced_cut_lasts,
    an_unsynced_overwrite_is_undone,
    another_handle_syncs_all_bytes,
    an_unsynced_rename_is_undone,
    a_synced_rename_lasts,
    a_rename_of_unsynced_bytes_replaces_by_an_empty_file,
    an_unsynced_remove_is_undone,
    a_synced_remove_lasts,
    a_removed_and_created_name_is_the_new_file,
    a_link_lasts_by_its_own_directory,
    a_link_to_a_file_that_was_removed_lasts,
    an_unsynced_copy_is_empty,
    a_directory_lasts_by_its_parent,
    a_synced_directory_without_parent_is_lost,
    a_synced_directory_comes_with_its_parent,
    an_unsynced_rename_of_a_directory_is_undone,
    a_synced_rename_of_a_directory_takes_its_contents,
    a_directory_moved_far_is_at_one_place,
    a_file_moved_far_is_not_lost_when_its_old_directory_is_synced,
    a_file_moved_far_is_not_lost_when_its_new_directory_is_synced,
    a_file_moved_out_of_a_removed_directory_is_not_lost,
    a_file_moved_into_a_new_directory_is_not_lost,
    an_unsynced_removal_of_a_directory_is_undone,
    a_synced_removal_of_a_directory_lasts,
    a_directory_can_replace_an_empty_one,
}

fn unsynced_bytes_are_lost(d: &Crashable) {
    let file = create_durable(&*d.disk, &d.path("a"), b"kept");
    file.append(b" lost").unwrap();
    assert_eq!(d.left("a").unwrap(), "kept");
    assert_eq!(text(&*d.disk, &d.path("a")).unwrap(), "kept lost");
}

fn synced_bytes_last(d: &Crashable) {
    let file = create_durable(&*d.disk, &d.path("a"), b"one");
    file.append(b" two").unwrap();
    file.sync().unwrap();
    assert_eq!(d.left("a").unwrap(), "one two");
}

fn an_unsynced_name_is_lost(d: &Crashable) {
    let file = create(&*d.disk, &d.path("a"), b"bytes");
    file.sync().unwrap();
    assert_eq!(d.left("a"), None);
    d.sync_dir("");
    assert_eq!(d.left("a").unwrap(), "bytes");
}

fn a_name_alone_is_an_empty_file(d: &Crashable) {
    let _file = create(&*d.disk, &d.path("a"), b"bytes");
    d.sync_dir("");
    assert_eq!(d.left("a").unwrap(), "");
}

fn bytes_synced_after_the_name_last(d: &Crashable) {
    let file = create(&*d.disk, &d.path("a"), b"one");
    d.sync_dir("");
    file.append(b" two").unwrap();
    drop(file);
    open(&*d.disk, &d.path("a")).sync().unwrap();
    assert_eq!(d.left("a").unwrap(), "one two");
}

fn an_unsynced_cut_is_undone(d: &Crashable) {
    let file = create_durable(&*d.disk, &d.path("a"), b"long text");
    file.truncate(4).unwrap();
    file.append(b"er").unwrap();
    assert_eq!(d.left("a").unwrap(), "long text");
}

fn a_synced_cut_lasts(d: &Crashable) {
    let file = create_durable(&*d.disk, &d.path("a"), b"long text");
    file.truncate(4).unwrap();
    file.append(b"er").unwrap();
    file.sync().unwrap();
    assert_eq!(d.left("a").unwrap(), "longer");
}

fn an_unsynced_overwrite_is_undone(d: &Crashable) {
    let file = create_durable(&*d.disk, &d.path("a"), b"old text");
    file.write_at(0, b"new").unwrap();
    assert_eq!(d.left("a").unwrap(), "old text");
    file.sync().unwrap();
    assert_eq!(d.left("a").unwrap(), "new text");
}

fn another_handle_syncs_all_bytes(d: &Crashable) {
    let file = create_durable(&*d.disk, &d.path("a"), b"one");
    open(&*d.disk, &d.path("a")).append(b" two").unwrap();
    d.disk.open(&d.path("a"), cairn_disk::Access::Read).unwrap().sync().unwrap();
    drop(file);
    assert_eq!(d.left("a").unwrap(), "one two");
}

fn an_unsynced_rename_is_undone(d: &Crashable) {
    create_durable(&*d.disk, &d.path("old"), b"1");
    create_durable(&*d.disk, &d.path("target"), b"2");
    d.disk.rename(&d.path("old"), &d.path("target")).unwrap();
    assert_eq!(d.left("old").unwrap(), "1");
    assert_eq!(d.left("target").unwrap(), "2");
}

fn a_synced_rename_lasts(d: &Crashable) {
    create_durable(&*d.disk, &d.path("old"), b"1");
    create_durable(&*d.disk, &d.path("target"), b"2");
    d.disk.rename(&d.path("old"), &d.path("target")).unwrap();
    d.sync_dir("");
    assert_eq!(d.left("old"), None);
    assert_eq!(d.left("target").unwrap(), "1");
}

fn a_rename_of_unsynced_bytes_replaces_by_an_empty_file(d: &Crashable) {
    create_durable(&*d.disk, &d.path("target"), b"old");
    create(&*d.disk, &d.path("new"), b"never synced");
    d.disk.rename(&d.path("new"), &d.path("target")).unwrap();
    d.sync_dir("");
    assert_eq!(d.left("target").unwrap(), "");
    assert_eq!(text(&*d.disk, &d.path("target")).unwrap(), "never synced");
}

fn an_unsynced_remove_is_undone(d: &Crashable) {
    create_durable(&*d.disk, &d.path("a"), b"1");
    d.disk.remove(&d.path("a")).unwrap();
    assert_eq!(d.left("a").unwrap(), "1");
}

fn a_synced_remove_lasts(d: &Crashable) {
    create_durable(&*d.disk, &d.path("a"), b"1");
    d.disk.remove(&d.path("a")).unwrap();
    d.sync_dir("");
    assert!(d.crashed().is_empty());
}

fn a_removed_and_created_name_is_the_new_file(d: &Crashable) {
    create_durable(&*d.disk, &d.path("a"), b"old");
    d.disk.remove(&d.path("a")).unwrap();
    create(&*d.disk, &d.path("a"), b"new").sync().unwrap();
    assert_eq!(d.left("a").unwrap(), "old");
    d.sync_dir("");
    assert_eq!(d.left("a").unwrap(), "new");
}

fn a_link_lasts_by_its_own_directory(d: &Crashable) {
    d.disk.create_dir_all(&d.path("far")).unwrap();
    d.sync_dir("");
    create(&*d.disk, &d.path("a"), b"bytes").sync().unwrap();
    d.disk.link(&d.path("a"), &d.path("far/b")).unwrap();
    d.sync_dir("far");
    assert_eq!(d.left("a"), None);
    assert_eq!(d.left("far/b").unwrap(), "bytes");
    d.sync_dir("");
    open(&*d.disk, &d.path("a")).append(b" more").unwrap();
    open(&*d.disk, &d.path("far/b")).sync().unwrap();
    assert_eq!(d.left("a").unwrap(), "bytes more");
    assert_eq!(d.left("far/b").unwrap(), "bytes more");
}

fn a_link_to_a_file_that_was_removed_lasts(d: &Crashable) {
    d.disk.create_dir_all(&d.path("far")).unwrap();
    d.sync_dir("");
    create_durable(&*d.disk, &d.path("a"), b"bytes");
    d.disk.link(&d.path("a"), &d.path("far/b")).unwrap();
    d.disk.remove(&d.path("a")).unwrap();
    d.sync_dir("");
    d.sync_dir("far");
    assert_eq!(d.left("a"), None);
    assert_eq!(d.left("far/b").unwrap(), "bytes");
    open(&*d.disk, &d.path("far/b")).append(b" more").unwrap();
    open(&*d.disk, &d.path("far/b")).sync().unwrap();
    assert_eq!(d.left("far/b").unwrap(), "bytes more");
}

fn an_unsynced_copy_is_empty(d: &Crashable) {
    create_durable(&*d.disk, &d.path("a"), b"bytes");
    d.disk.reflink(&d.path("a"), &d.path("b")).unwrap();
    d.sync_dir("");
    assert_eq!(d.left("b").unwrap(), "");
    open(&*d.disk, &d.path("b")).sync().unwrap();
    assert_eq!(d.left("b").unwrap(), "bytes");
}

fn a_directory_lasts_by_its_parent(d: &Crashable) {
    d.disk.create_dir_all(&d.path("a/b")).unwrap();
    assert!(d.crashed().is_empty());
    d.sync_dir("");
    assert_eq!(d.crashed().into_keys().collect::<Vec<_>>(), ["a"]);
    d.sync_dir("a");
    assert_eq!(d.crashed().into_keys().collect::<Vec<_>>(), ["a", "a/b"]);
}

fn a_synced_directory_without_parent_is_lost(d: &Crashable) {
    d.disk.create_dir_all(&d.path("a")).unwrap();
    create_durable(&*d.disk, &d.path("a/f"), b"bytes");
    assert!(d.crashed().is_empty());
    assert_eq!(text(&*d.disk, &d.path("a/f")).unwrap(), "bytes");
}

fn a_synced_directory_comes_with_its_parent(d: &Crashable) {
    d.disk.create_dir_all(&d.path("a/b")).unwrap();
    create_durable(&*d.disk, &d.path("a/b/f"), b"bytes");
    create(&*d.disk, &d.path("a/b/g"), b"lost").sync().unwrap();
    d.sync_dir("a");
    assert!(d.crashed().is_empty());
    d.sync_dir("");
    assert_eq!(d.left("a/b/f").unwrap(), "bytes");
    assert_eq!(d.left("a/b/g"), None);
    d.sync_dir("a/b");
    assert_eq!(d.left("a/b/g").unwrap(), "lost");
}

fn an_unsynced_rename_of_a_directory_is_undone(d: &Crashable) {
    d.disk.create_dir_all(&d.path("a")).unwrap();
    create_durable(&*d.disk, &d.path("a/f"), b"bytes");
    d.sync_dir("");
    d.disk.rename(&d.path("a"), &d.path("b")).unwrap();
    create_durable(&*d.disk, &d.path("b/g"), b"new");
    assert_eq!(d.left("a/f").unwrap(), "bytes");
    assert_eq!(d.left("a/g").unwrap(), "new");
    assert_eq!(d.left("b/f"), None);
}

fn a_synced_rename_of_a_directory_takes_its_contents(d: &Crashable) {
    d.disk.create_dir_all(&d.path("tmp/sub")).unwrap();
    create_durable(&*d.disk, &d.path("tmp/f"), b"one");
    create_durable(&*d.disk, &d.path("tmp/sub/f"), b"two");
    let file = create(&*d.disk, &d.path("tmp/late"), b"late");
    d.disk.rename(&d.path("tmp"), &d.path("final")).unwrap();
    d.sync_dir("");
    let names: Vec<_> = d.crashed().into_keys().collect();
    assert_eq!(names, ["final", "final/f", "final/sub", "final/sub/f"]);
    file.sync().unwrap();
    d.sync_dir("final");
    assert_eq!(d.left("final/late").unwrap(), "late");
    assert_eq!(d.left("final/sub/f").unwrap(), "two");
}

fn a_directory_moved_far_is_at_one_place(d: &Crashable) {
    d.disk.create_dir_all(&d.path("tmp/x")).unwrap();
    d.disk.create_dir_all(&d.path("snapshots")).unwrap();
    d.sync_dir("");
    d.sync_dir("tmp");
    create_durable(&*d.disk, &d.path("tmp/x/f"), b"bytes");
    d.disk.rename(&d.path("tmp/x"), &d.path("snapshots/x")).unwrap();
    assert_eq!(d.left("tmp/x/f").unwrap(), "bytes");
    d.sync_dir("snapshots");
    assert_eq!(d.left("snapshots/x/f").unwrap(), "bytes");
    assert_eq!(d.left("tmp/x/f"), None);
}

fn a_file_moved_far_is_not_lost_when_its_old_directory_is_synced(d: &Crashable) {
    moved_far(d);
    d.sync_dir("from");
    assert_eq!(d.left("from/a"), None);
    assert_eq!(d.left("to/b").unwrap(), "bytes");
}

fn a_file_moved_far_is_not_lost_when_its_new_directory_is_synced(d: &Crashable) {
    moved_far(d);
    d.sync_dir("to");
    assert_eq!(d.left("to/b").unwrap(), "bytes");
    d.sync_dir("from");
    assert_eq!(d.left("from/a"), None);
    assert_eq!(d.left("to/b").unwrap(), "bytes");
}

fn moved_far(d: &Crashable) {
    d.disk.create_dir_all(&d.path("from")).unwrap();
    d.disk.create_dir_all(&d.path("to")).unwrap();
    d.sync_dir("");
    create_durable(&*d.disk, &d.path("from/a"), b"bytes");
    d.disk.rename(&d.path("from/a"), &d.path("to/b")).unwrap();
    assert_eq!(d.left("from/a").unwrap(), "bytes");
    assert_eq!(d.left("to/b"), None);
}

fn a_file_moved_out_of_a_removed_directory_is_not_lost(d: &Crashable) {
    moved_far(d);
    d.disk.remove_dir_all(&d.path("from")).unwrap();
    d.sync_dir("");
    assert_eq!(d.left("from/a"), None);
    assert_eq!(d.left("to/b").unwrap(), "bytes");
}

fn a_file_moved_into_a_new_directory_is_not_lost(d: &Crashable) {
    create_durable(&*d.disk, &d.path("a"), b"bytes");
    d.disk.create_dir_all(&d.path("new/deep")).unwrap();
    d.disk.rename(&d.path("a"), &d.path("new/deep/b")).unwrap();
    d.sync_dir("");
    assert_eq!(d.left("a"), None);
    assert_eq!(d.left("new/deep/b").unwrap(), "bytes");
}

fn an_unsynced_removal_of_a_directory_is_undone(d: &Crashable) {
    d.disk.create_dir_all(&d.path("a/b")).unwrap();
    create_durable(&*d.disk, &d.path("a/b/f"), b"bytes");
    d.sync_dir("a");
    d.sync_dir("");
    d.disk.remove_dir_all(&d.path("a")).unwrap();
    assert_eq!(d.left("a/b/f").unwrap(), "bytes");
}

fn a_synced_removal_of_a_directory_lasts(d: &Crashable) {
    d.disk.create_dir_all(&d.path("a/b")).unwrap();
    create_durable(&*d.disk, &d.path("a/b/f"), b"bytes");
    d.sync_dir("a");
    d.sync_dir("");
    d.disk.remove_dir_all(&d.path("a")).unwrap();
    d.sync_dir("");
    assert!(d.crashed().is_empty());
    d.disk.create_dir_all(&d.path("a/b")).unwrap();
    assert_eq!(view(&*d.disk, &d.dir).len(), 2);
}

fn a_directory_can_replace_an_empty_one(d: &Crashable) {
    d.disk.create_dir_all(&d.path("target")).unwrap();
    d.sync_dir("");
    d.disk.create_dir_all(&d.path("built")).unwrap();
    create_durable(&*d.disk, &d.path("built/f"), b"bytes");
    d.disk.rename(&d.path("built"), &d.path("target")).unwrap();
    assert_eq!(d.left("target/f"), None);
    d.sync_dir("");
    assert_eq!(d.left("target/f").unwrap(), "bytes");
    assert_eq!(d.crashed().len(), 2);
}
