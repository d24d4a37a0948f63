//! Torn crashes of the simulated disk: which states a seed can leave, and which none may.

use crate::support::{View, create, create_durable, noise, open, text, view};
use cairn_disk::{Fate, SimDisk, Storage};
use std::collections::BTreeSet;
use std::path::Path;

const SEEDS: u64 = 600;

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    for dir in ["/db", "/far"] {
        disk.create_dir_all(Path::new(dir)).unwrap();
    }
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// Every state that the seeds leave.
fn outcomes(disk: &SimDisk) -> BTreeSet<View> {
    (0..SEEDS).map(|seed| view(&disk.image(Fate::Torn(seed)), Path::new("/"))).collect()
}

/// Every content of a file that the seeds leave.
fn contents(disk: &SimDisk, path: &str) -> BTreeSet<Vec<u8>> {
    (0..SEEDS).map(|seed| disk.image(Fate::Torn(seed)).read_file(Path::new(path))).collect()
}

#[test]
fn one_seed_leaves_one_state() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), &noise(900, 1)).append(&noise(9000, 2)).unwrap();
    create(&disk, Path::new("/db/b"), &noise(4000, 3));
    for seed in 0..50 {
        let (one, two) = (disk.image(Fate::Torn(seed)), disk.image(Fate::Torn(seed)));
        assert_eq!(view(&one, Path::new("/")), view(&two, Path::new("/")), "seed {seed}");
    }
}

#[test]
fn what_is_durable_stays() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), &noise(900, 1));
    disk.sync_dir(Path::new("/")).unwrap();
    assert_eq!(outcomes(&disk).len(), 1);
    assert_eq!(disk.image(Fate::Torn(5)).read_file(Path::new("/db/a")), noise(900, 1));
}

#[test]
fn an_append_survives_whole_in_part_with_holes_or_not() {
    let disk = disk();
    let (old, new) = (noise(700, 1), noise(5000, 2));
    create_durable(&disk, Path::new("/db/a"), &old).append(&new).unwrap();
    let whole = [old.as_slice(), &new].concat();

    let seen = contents(&disk, "/db/a");
    for bytes in &seen {
        assert_eq!(bytes[..700], old, "bytes that were synced");
    }
    assert!(seen.contains(&old), "lost");
    assert!(seen.contains(&whole), "survived");
    let is_prefix = |b: &&Vec<u8>| b.len() > 700 && b.len() < whole.len() && whole.starts_with(b);
    assert!(seen.iter().any(|b| is_prefix(&b)), "cut short");
    assert!(seen.iter().any(|b| is_prefix(&b) && b.len() % 512 != 0), "cut within a sector");
    let zero = |b: &[u8], sector: usize| b[sector * 512..][..512].iter().all(|b| *b == 0);
    let hole = |b: &&Vec<u8>| b.len() == whole.len() && zero(b, 4) && !zero(b, 5);
    assert!(seen.iter().any(|b| hole(&b)), "a sector missing before one that is there");
    assert!(seen.iter().any(|b| b.len() > 5120 && (2..10).all(|s| zero(b, s))), "only the length survived");
    assert!(seen.len() > 100, "only {} states", seen.len());
}

#[test]
fn writes_after_each_other_may_survive_out_of_order() {
    let disk = disk();
    let file = create_durable(&disk, Path::new("/db/a"), b"");
    for part in [1_u8, 2, 3] {
        file.append(&[part; 1024]).unwrap();
    }
    let seen = contents(&disk, "/db/a");
    let out_of_order = |b: &Vec<u8>| b.len() == 3072 && b[..1024] == [0; 1024] && b[2048..] == [3; 1024];
    assert!(seen.iter().any(out_of_order));
    let in_order = |b: &Vec<u8>| b.len() == 2048 && b[..1024] == [1; 1024] && b[1024..] == [2; 1024];
    assert!(seen.iter().any(in_order));
}

#[test]
fn an_overwritten_sector_is_old_or_new() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), &[1; 4096]).write_at(1024, &[2; 2048]).unwrap();
    for bytes in contents(&disk, "/db/a") {
        assert_eq!(bytes.len(), 4096);
        assert!(bytes.iter().all(|b| *b == 1 || *b == 2));
        assert!(bytes[..1024].iter().chain(&bytes[3072..]).all(|b| *b == 1));
    }
}

#[test]
fn a_cut_survives_or_not() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), &noise(3000, 1)).truncate(100).unwrap();
    let seen = contents(&disk, "/db/a");
    assert!(seen.iter().all(|b| b[..100] == noise(100, 1)));
    let lengths: BTreeSet<_> = seen.iter().map(Vec::len).collect();
    assert!(lengths.contains(&100) && lengths.contains(&3000));
}

#[test]
fn names_survive_in_any_selection() {
    let disk = disk();
    for name in ["a", "b", "c"] {
        create(&disk, &Path::new("/db").join(name), b"").sync().unwrap();
    }
    let seen = outcomes(&disk);
    assert_eq!(seen.len(), 8, "each of three names is there or not");
}

#[test]
fn a_rename_is_old_or_new() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/target"), b"old");
    create_durable(&disk, Path::new("/db/temp"), b"new");
    disk.rename(Path::new("/db/temp"), Path::new("/db/target")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let image = disk.image(Fate::Torn(seed));
        let at = |name| text(&image, Path::new(name));
        seen.insert((at("/db/target").unwrap(), at("/db/temp")));
    }
    let old = ("old".to_owned(), Some("new".to_owned()));
    let new = ("new".to_owned(), None);
    assert_eq!(seen, BTreeSet::from([old, new]));
}

#[test]
fn a_chain_of_renames_is_somewhere_on_its_way() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), b"x");
    disk.rename(Path::new("/db/a"), Path::new("/db/b")).unwrap();
    disk.rename(Path::new("/db/b"), Path::new("/db/c")).unwrap();
    for seed in 0..SEEDS {
        let image = disk.image(Fate::Torn(seed));
        assert_eq!(image.files().len(), 1, "seed {seed}: {:?}", image.files());
    }
    assert_eq!(outcomes(&disk).len(), 3);
}

#[test]
fn a_file_moved_far_is_at_the_old_place_the_new_or_both() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), b"x");
    disk.rename(Path::new("/db/a"), Path::new("/far/b")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        seen.insert(disk.image(Fate::Torn(seed)).files());
    }
    let (old, new) = (Path::new("/db/a").to_owned(), Path::new("/far/b").to_owned());
    assert_eq!(seen, BTreeSet::from([vec![old.clone()], vec![old, new.clone()], vec![new]]));
}

#[test]
fn a_file_moved_far_may_be_at_both_places_once_the_new_one_is_synced() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), b"x");
    disk.rename(Path::new("/db/a"), Path::new("/far/b")).unwrap();
    disk.sync_dir(Path::new("/far")).unwrap();
    assert_eq!(disk.image(Fate::Dropped).files().len(), 2);
    disk.remove(Path::new("/far/b")).unwrap();
    disk.sync_dir(Path::new("/far")).unwrap();
    disk.sync_dir(Path::new("/db")).unwrap();
    assert!(disk.image(Fate::Dropped).files().is_empty(), "the new name does not come back");
}

#[test]
fn a_file_moved_into_a_new_directory_is_never_nowhere() {
    let disk = disk();
    create_durable(&disk, Path::new("/db/a"), b"x");
    disk.create_dir_all(Path::new("/far/new/deep")).unwrap();
    disk.rename(Path::new("/db/a"), Path::new("/far/new/deep/b")).unwrap();
    for seed in 0..SEEDS {
        assert!(!disk.image(Fate::Torn(seed)).files().is_empty(), "seed {seed}");
    }
}

#[test]
fn a_file_moved_out_of_a_removed_directory_is_never_nowhere() {
    let disk = disk();
    create_durable(&disk, Path::new("/far/a"), b"x");
    disk.rename(Path::new("/far/a"), Path::new("/db/b")).unwrap();
    disk.remove_dir_all(Path::new("/far")).unwrap();
    let mut gone = 0;
    for seed in 0..SEEDS {
        let image = disk.image(Fate::Torn(seed));
        assert!(!image.files().is_empty(), "seed {seed}");
        gone += u32::from(image.stat(Path::new("/far")).unwrap().is_none());
    }
    assert!(gone > 0, "the removal survives at times");
}

#[test]
fn a_directory_moved_far_is_at_one_place() {
    let disk = disk();
    disk.create_dir_all(Path::new("/db/d")).unwrap();
    create_durable(&disk, Path::new("/db/d/f"), b"x");
    disk.sync_dir(Path::new("/db")).unwrap();
    disk.rename(Path::new("/db/d"), Path::new("/far/d")).unwrap();
    disk.rename(Path::new("/far/d"), Path::new("/far/e")).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let files = disk.image(Fate::Torn(seed)).files();
        assert_eq!(files.len(), 1, "seed {seed}: {files:?}");
        seen.extend(files);
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn bytes_and_names_survive_apart() {
    let disk = disk();
    create(&disk, Path::new("/db/a"), &[7; 600]);
    let mut lengths = BTreeSet::new();
    for seed in 0..SEEDS {
        let image = disk.image(Fate::Torn(seed));
        lengths.insert(text(&image, Path::new("/db/a")).map(|t| t.len()));
    }
    assert!(lengths.contains(&None) && lengths.contains(&Some(0)) && lengths.contains(&Some(600)));
}

#[test]
fn the_disk_goes_on_as_if_nothing_was_looked_at() {
    let disk = disk();
    let file = create_durable(&disk, Path::new("/db/a"), b"one");
    file.append(b" two").unwrap();
    outcomes(&disk);
    file.sync().unwrap();
    open(&disk, Path::new("/db/a")).append(b" three").unwrap();
    assert_eq!(disk.image(Fate::Dropped).read_file(Path::new("/db/a")), b"one two");
    assert_eq!(disk.read_file(Path::new("/db/a")), b"one two three");
}
