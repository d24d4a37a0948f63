//! Images of the simulated disk: forks of one run, and damage at rest.

use crate::support::{View, create, create_durable, noise, open, read, view};
use cairn_disk::{Access, ErrorKind, Fate, SimDisk, Storage, atomic_replace};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

const ROOT: &str = "/";

#[test]
fn an_image_and_its_disk_change_apart() {
    let disk = SimDisk::new(1);
    let path = Path::new("/d/a");
    disk.create_dir_all(Path::new("/d")).unwrap();
    let file = create(&disk, path, b"one");
    let image = disk.image(Fate::Kept);
    file.append(b" two").unwrap();
    open(&image, path).write_at(0, b"O").unwrap();
    disk.remove(path).unwrap();
    create(&image, Path::new("/d/b"), b"");
    assert_eq!(read(&image, path), b"One");
    assert!(disk.files().is_empty());
    assert_eq!(image.files().len(), 2);
}

#[test]
fn an_image_counts_from_zero_and_is_durable() {
    let disk = SimDisk::new(1);
    create(&disk, Path::new("/a"), b"bytes");
    disk.crash_at(0);
    let image = disk.image(Fate::Kept);
    assert_eq!(image.ops(), 0);
    assert_eq!(image.image(Fate::Dropped).read_file(Path::new("/a")), b"bytes");
}

#[test]
fn locks_are_not_in_an_image() {
    let disk = SimDisk::new(1);
    let held = disk.lock(Path::new("/LOCK"), "me").unwrap();
    let image = disk.image(Fate::Kept);
    image.lock(Path::new("/LOCK"), "you").unwrap();
    assert_eq!(disk.lock(Path::new("/LOCK"), "you").unwrap_err().kind(), ErrorKind::Locked);
    drop(held);
}

#[test]
fn many_images_of_a_large_file_share_its_bytes() {
    let disk = SimDisk::new(1);
    let file = create_durable(&disk, Path::new("/a"), &noise(8 << 20, 1));
    // 16 GB, were the bytes copied.
    let mut images = Vec::new();
    for round in 0..2000_u32 {
        file.append(&round.to_le_bytes()).unwrap();
        images.push(disk.image(Fate::Torn(u64::from(round))));
    }
    let longest = images.iter().map(|i| open(i, Path::new("/a")).bytes().unwrap()).max();
    assert_eq!(longest, Some((8 << 20) + 8000));
}

#[test]
fn a_hook_sees_each_operation_before_it_happens() {
    let disk = SimDisk::new(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    disk.on_op(Box::new(move |op, disk| {
        assert_eq!(op, disk.ops());
        log.lock().push((op, disk.image(Fate::Kept).files().len()));
    }));
    create(&disk, Path::new("/a"), b"x");
    create(&disk, Path::new("/b"), b"y").sync().unwrap();
    assert_eq!(*seen.lock(), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)]);
}

/// Something of everything, with no regard to errors.
fn script(disk: &SimDisk) {
    let run = || -> cairn_disk::Result<()> {
        let path = |name: &str| Path::new("/db").join(name);
        disk.create_dir_all(&path("sub"))?;
        disk.sync_dir(Path::new("/"))?;
        let log = disk.create(&path("log"))?;
        disk.sync_dir(&path(""))?;
        for round in 0..6_u8 {
            log.append(&noise(700, u64::from(round)))?;
            if round % 2 == 0 {
                log.sync()?;
            }
            atomic_replace(disk, &path("current"), &[round; 600])?;
        }
        log.truncate(1000)?;
        log.write_at(500, &[1; 900])?;
        disk.link(&path("log"), &path("sub/link"))?;
        disk.reflink(&path("log"), &path("copy"))?;
        disk.rename(&path("copy"), &path("sub/copy"))?;
        disk.sync_dir(&path("sub"))?;
        disk.rename(&path("sub"), &path("moved"))?;
        disk.open(&path("moved/copy"), Access::Read)?.sync()?;
        disk.remove(&path("log"))?;
        disk.sync_dir(&path(""))?;
        disk.remove_dir_all(&path("moved"))
    };
    let _ = run();
}

#[test]
fn forks_of_one_run_equal_runs_that_crash() {
    let fates = [Fate::Dropped, Fate::Kept, Fate::Torn(1), Fate::Torn(2), Fate::Torn(3)];
    let views = move |disk: &SimDisk| fates.map(|fate| view(&disk.image(fate), Path::new(ROOT)));
    let forks: Arc<Mutex<Vec<[View; 5]>>> = Arc::default();
    let disk = SimDisk::new(1);
    let into = Arc::clone(&forks);
    disk.on_op(Box::new(move |_, disk| into.lock().push(views(disk))));
    script(&disk);

    let forks = forks.lock();
    assert_eq!(forks.len() as u64, disk.ops());
    assert!(forks.len() > 50, "only {} crash points", forks.len());
    for (op, fork) in forks.iter().enumerate() {
        let disk = SimDisk::new(1);
        disk.crash_at(op as u64);
        script(&disk);
        assert!(*fork == views(&disk), "operation {op}");
    }
}

#[test]
fn flip_and_truncate_damage_live_and_durable_bytes() {
    let disk = SimDisk::new(1);
    let path = Path::new("/a");
    create_durable(&disk, path, b"hello");
    disk.flip(path, 1, 0x20);
    disk.truncate_file(path, 4);
    assert_eq!(disk.read_file(path), b"hEll");
    assert_eq!(disk.image(Fate::Dropped).read_file(path), b"hEll");
    let image = disk.image(Fate::Kept);
    image.flip(path, 1, 0x20);
    assert_eq!((disk.read_file(path), image.read_file(path)), (b"hEll".to_vec(), b"hell".to_vec()));
}

#[test]
fn write_file_is_durable_at_once() {
    let disk = SimDisk::new(1);
    disk.write_file(Path::new("/x/y/a"), b"one");
    disk.write_file(Path::new("/x/b"), b"two");
    disk.write_file(Path::new("/x/b"), b"three");
    assert_eq!(disk.ops(), 0);
    let image = disk.image(Fate::Dropped);
    assert_eq!(image.files(), [Path::new("/x/b"), Path::new("/x/y/a")]);
    assert_eq!(image.read_file(Path::new("/x/b")), b"three");
}

#[test]
fn write_file_and_remove_file_end_what_was_unsynced() {
    let disk = SimDisk::new(1);
    create(&disk, Path::new("/a"), b"unsynced");
    create_durable(&disk, Path::new("/b"), b"synced");
    disk.remove(Path::new("/b")).unwrap();
    disk.write_file(Path::new("/b"), b"again");
    disk.remove_file(Path::new("/a"));
    disk.sync_dir(Path::new("/")).unwrap();
    for fate in [Fate::Dropped, Fate::Kept, Fate::Torn(9)] {
        let image = disk.image(fate);
        assert_eq!(image.files(), [Path::new("/b")]);
        assert_eq!(image.read_file(Path::new("/b")), b"again");
    }
}

#[test]
#[should_panic(expected = "/no: No such file")]
fn damage_to_a_missing_file_panics() {
    SimDisk::new(1).flip(Path::new("/no"), 0, 1);
}

#[test]
#[should_panic(expected = "flip byte 3 of /a: it has 3")]
fn flip_panics_past_the_end() {
    let disk = SimDisk::new(1);
    disk.write_file(Path::new("/a"), b"abc");
    disk.flip(Path::new("/a"), 3, 1);
}

#[test]
fn a_disk_that_replaces_files_does_not_grow() {
    let disk = SimDisk::new(1);
    disk.capacity(Some(1000));
    for round in 0..2000_u32 {
        atomic_replace(&disk, Path::new("/a"), &round.to_le_bytes()).unwrap();
    }
    assert_eq!(disk.free_bytes(Path::new("/")).unwrap(), 996);
    assert_eq!(disk.image(Fate::Dropped).files(), [Path::new("/a")]);
}
