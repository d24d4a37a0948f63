//! Random operations: the disks against each other, and against a plain model.

use crate::support::{View, noise, view};
use cairn_disk::{Access, ErrorKind, Fate, File, FileType, LossyDisk, RealDisk, SimDisk, Storage};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
enum Op {
    Create(usize),
    Append(usize, usize),
    WriteAt(usize, usize, usize),
    Truncate(usize, usize),
    Sync(usize),
    Rename(usize, usize),
    Link(usize, usize),
    Reflink(usize, usize),
    Remove(usize),
    CreateDir(usize),
    RemoveDir(usize),
    SyncDir(usize),
}

/// What operations may name: files and directories alike.
const NAMES: [&str; 12] = ["a", "b", "d", "e", "d/a", "d/b", "d/s", "d/s/a", "e/a", "e/b", "e/s", "e/s/a"];

fn op() -> impl Strategy<Value = Op> {
    let name = || 0..NAMES.len();
    prop_oneof![
        6 => name().prop_map(Op::Create),
        4 => (name(), 0..2000_usize).prop_map(|(n, bytes)| Op::Append(n, bytes)),
        2 => (name(), 0..1500_usize, 0..1000_usize).prop_map(|(n, at, bytes)| Op::WriteAt(n, at, bytes)),
        1 => (name(), 0..1500_usize).prop_map(|(n, bytes)| Op::Truncate(n, bytes)),
        3 => name().prop_map(Op::Sync),
        4 => (name(), name()).prop_map(|(from, to)| Op::Rename(from, to)),
        2 => (name(), name()).prop_map(|(from, to)| Op::Link(from, to)),
        1 => (name(), name()).prop_map(|(from, to)| Op::Reflink(from, to)),
        2 => name().prop_map(Op::Remove),
        5 => name().prop_map(Op::CreateDir),
        1 => name().prop_map(Op::RemoveDir),
        4 => (0..=NAMES.len()).prop_map(Op::SyncDir),
    ]
}

fn path(root: &Path, name: usize) -> PathBuf {
    NAMES.get(name).map_or_else(|| root.to_owned(), |n| root.join(n))
}

fn apply(disk: &dyn Storage, root: &Path, op: &Op) -> Result<(), ErrorKind> {
    let path = |name: usize| path(root, name);
    let open = |name: usize| disk.open(&path(name), Access::Write);
    let done = match *op {
        Op::Create(name) => disk.create(&path(name)).map(drop),
        Op::Append(name, bytes) => open(name).and_then(|f| f.append(&noise(bytes, bytes as u64))),
        Op::WriteAt(name, at, bytes) => {
            open(name).and_then(|f| f.write_at(at as u64, &noise(bytes, at as u64)))
        }
        Op::Truncate(name, bytes) => open(name).and_then(|f| f.truncate(bytes as u64)),
        Op::Sync(name) => open(name).and_then(|f| f.sync()),
        Op::Rename(from, to) => disk.rename(&path(from), &path(to)),
        Op::Link(from, to) => disk.link(&path(from), &path(to)),
        Op::Reflink(from, to) => disk.reflink(&path(from), &path(to)),
        Op::Remove(name) => disk.remove(&path(name)),
        Op::CreateDir(name) => disk.create_dir_all(&path(name)),
        Op::RemoveDir(name) => disk.remove_dir_all(&path(name)),
        Op::SyncDir(name) => disk.sync_dir(&path(name)),
    };
    done.map_err(|e| e.kind())
}

/// Whether the operation stays in one directory, where there is only one way to lose it.
fn stays(op: &Op) -> bool {
    let dir = |name: usize| Path::new(NAMES[name]).parent();
    match op {
        Op::Rename(from, to) => dir(*from) == dir(*to),
        _ => true,
    }
}

fn sim() -> (SimDisk, &'static Path) {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/db")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    (disk, Path::new("/db"))
}

fn sync_all(disk: &dyn Storage, dir: &Path) {
    for entry in disk.list(dir).unwrap() {
        let path = dir.join(entry.name);
        match entry.stat.file_type {
            FileType::Dir => sync_all(disk, &path),
            _ => disk.open(&path, Access::Read).unwrap().sync().unwrap(),
        }
    }
    disk.sync_dir(dir).unwrap();
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(96))]

    /// The operating system is the model of what is live.
    #[test]
    fn all_disks_show_the_same(ops in vec(op(), 1..60)) {
        let (real_dir, lossy_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (real, lossy, (sim, sim_dir)) = (RealDisk::new(), LossyDisk::new(), sim());
        for op in &ops {
            let expected = apply(&real, real_dir.path(), op);
            prop_assert_eq!(apply(&lossy, lossy_dir.path(), op), expected, "lossy, {:?}", op);
            prop_assert_eq!(apply(&sim, sim_dir, op), expected, "simulated, {:?}", op);
        }
        let expected = view(&real, real_dir.path());
        prop_assert!(view(&lossy, lossy_dir.path()) == expected, "lossy");
        prop_assert!(view(&sim, sim_dir) == expected, "simulated");
        sync_all(&lossy, lossy_dir.path());
        prop_assert!(view(&real, lossy_dir.path()) == expected, "lossy, all synced");
        sync_all(&sim, sim_dir);
        prop_assert!(view(&sim.image(Fate::Dropped), sim_dir) == expected, "simulated, all synced");
    }

    /// Two disks, written apart, lose the same.
    #[test]
    fn the_lossy_and_the_simulated_disk_lose_the_same(ops in vec(op().prop_filter("stays", stays), 1..80)) {
        let lossy_dir = tempfile::tempdir().unwrap();
        let (lossy, (sim, sim_dir)) = (LossyDisk::new(), sim());
        for op in &ops {
            let done = apply(&lossy, lossy_dir.path(), op);
            prop_assert_eq!(done, apply(&sim, sim_dir, op), "{:?}", op);
            if matches!(op, Op::Sync(_) | Op::SyncDir(_)) {
                let left = view(&sim.image(Fate::Dropped), sim_dir);
                prop_assert_eq!(view(&RealDisk::new(), lossy_dir.path()), left, "{:?}", op);
            }
        }
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn an_image_of_everything_is_the_live_disk(ops in vec(op(), 1..80), seed: u64) {
        let (disk, dir) = sim();
        for op in &ops {
            let _ = apply(&disk, dir, op);
        }
        let live = view(&disk, dir);
        prop_assert!(view(&disk.image(Fate::Kept), dir) == live);
        let torn = view(&disk.image(Fate::Torn(seed)), dir);
        prop_assert!(view(&disk.image(Fate::Torn(seed)), dir) == torn);
        sync_all(&disk, dir);
        for fate in [Fate::Dropped, Fate::Kept, Fate::Torn(seed)] {
            prop_assert!(view(&disk.image(fate), dir) == live, "{:?}, all synced", fate);
        }
    }

    /// A durable file that no operation touches is there after any crash, wherever others go.
    #[test]
    fn what_is_durable_and_untouched_stays(ops in vec(op(), 1..60), seed: u64) {
        let (disk, dir) = sim();
        disk.write_file(&dir.join("kept/f"), b"bytes");
        for op in &ops {
            let _ = apply(&disk, dir, op);
        }
        for fate in [Fate::Dropped, Fate::Torn(seed)] {
            let left: View = view(&disk.image(fate), dir);
            prop_assert_eq!(left.get("kept/f"), Some(&Some(b"bytes".to_vec())));
        }
    }
}

#[derive(Debug, Clone)]
enum Change {
    Append(usize),
    WriteAt(usize, usize),
    Truncate(usize),
    Sync,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0..90_000_usize).prop_map(Change::Append),
        3 => (0..100_000_usize, 0..70_000_usize).prop_map(|(at, bytes)| Change::WriteAt(at, bytes)),
        1 => (0..100_000_usize).prop_map(Change::Truncate),
        2 => Just(Change::Sync),
    ]
}

/// Changes a file and a plain `Vec` alike. Returns the live bytes and the synced ones.
fn change_both(file: &dyn File, changes: &[Change]) -> (Vec<u8>, Vec<u8>) {
    let (mut live, mut synced) = (Vec::new(), Vec::new());
    for (number, change) in changes.iter().enumerate() {
        let seed = number as u64;
        match *change {
            Change::Append(bytes) => {
                file.append(&noise(bytes, seed)).unwrap();
                live.extend(noise(bytes, seed));
            }
            Change::WriteAt(at, bytes) => {
                let at = at.min(live.len());
                file.write_at(at as u64, &noise(bytes, seed)).unwrap();
                live.resize(live.len().max(at + bytes), 0);
                live[at..at + bytes].copy_from_slice(&noise(bytes, seed));
            }
            Change::Truncate(bytes) => {
                live.truncate(bytes);
                file.truncate(live.len() as u64).unwrap();
            }
            Change::Sync => {
                file.sync().unwrap();
                synced.clone_from(&live);
            }
        }
        assert_eq!(file.bytes().unwrap(), live.len() as u64);
    }
    (live, synced)
}

/// Reads from many places at once, whole and in part.
fn assert_reads(file: &dyn File, live: &[u8]) {
    assert!(file.map().unwrap()[..] == *live, "the whole file");
    for from in (0..live.len()).step_by(17_001) {
        let mut buf = vec![0; 40_000];
        let n = file.read_at(from as u64, &mut buf).unwrap();
        assert!(n > 0 && buf[..n] == live[from..from + n], "{n} bytes at {from}");
    }
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn a_simulated_file_is_as_a_vec(changes in vec(change(), 1..14)) {
        let disk = SimDisk::new(1);
        let file = disk.create(Path::new("/a")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let (live, synced) = change_both(&*file, &changes);
        assert_reads(&*file, &live);
        prop_assert!(disk.image(Fate::Dropped).read_file(Path::new("/a")) == synced);
        prop_assert!(disk.image(Fate::Kept).read_file(Path::new("/a")) == live);
    }

    #[test]
    fn a_lossy_file_is_as_a_vec(changes in vec(change(), 1..14), named: bool) {
        let dir = tempfile::tempdir().unwrap();
        let disk = LossyDisk::new();
        let file = disk.create(&dir.path().join("a")).unwrap();
        if named {
            disk.sync_dir(dir.path()).unwrap();
        }
        let (live, synced) = change_both(&*file, &changes);
        assert_reads(&*file, &live);
        disk.sync_dir(dir.path()).unwrap();
        prop_assert!(std::fs::read(dir.path().join("a")).unwrap() == synced);
        assert_reads(&*file, &live);
    }
}
