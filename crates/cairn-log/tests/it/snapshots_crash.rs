//! Crashes at every operation: what was acknowledged is there, what is listed is whole, the log holds what it held.

use crate::common::*;
use crate::snapshots_common::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_log::{Compression, ManualClock, Snapshot, SnapshotConfig, SnapshotManager, SnapshotOptions};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What is known at a moment of the run.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Snapshots whose making was acknowledged, and whose deletion was not begun.
    made: Vec<Snapshot>,
    /// Snapshots whose deletion was acknowledged.
    deleted: Vec<String>,
    /// Every record before this is committed.
    committed: u64,
    /// Everything before this may have been removed from the log.
    removed: u64,
    /// A directory restored into, and what it then holds.
    restored: Option<(&'static str, u64)>,
}

struct Fork {
    what: String,
    disk: SimDisk,
    known: Known,
}

type Forks = Arc<Mutex<Vec<Fork>>>;

/// Takes the disks that crashes before each operation would leave.
fn fork_every_op(sim: &SimDisk, known: &Arc<Mutex<Known>>, torn: u64) -> Forks {
    fork_ops(sim, known, move |op| {
        (0..torn).map(|seed| Fate::Torn(op * 1000 + seed)).chain([Fate::Dropped, Fate::Kept]).collect()
    })
}

/// Takes the disks that crashes with these fates before an operation would leave.
fn fork_ops(
    sim: &SimDisk,
    known: &Arc<Mutex<Known>>,
    fates: impl Fn(u64) -> Vec<Fate> + Send + 'static,
) -> Forks {
    let forks = Forks::default();
    let (known, out) = (Arc::clone(known), Arc::clone(&forks));
    sim.on_op(Box::new(move |op, sim| {
        let known = known.lock().unwrap().clone();
        for fate in fates(op) {
            let what = format!("crash before operation {op}, {fate:?}");
            out.lock().unwrap().push(Fork { what, disk: sim.image(fate), known: known.clone() });
        }
    }));
    forks
}

struct Run {
    f: Fixture,
    known: Arc<Mutex<Known>>,
}

impl Run {
    fn known(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap());
    }

    /// Appends a few records, each committed.
    fn append(&self, n: u64) {
        let next = self.f.log.next_offset();
        append_committed(&self.f.log, next..next + n);
        self.known(|k| k.committed = next + n);
    }

    fn made(&self, snapshot: Snapshot) -> Snapshot {
        self.known(|k| k.made.push(snapshot.clone()));
        self.f.clock.advance(HOUR_US);
        snapshot
    }

    /// Before some are deleted: from now on they may be there or not.
    fn forget(&self, ids: &[&str]) {
        self.known(|k| k.made.retain(|s| !ids.contains(&s.id.as_str())));
    }

    fn deleted(&self, ids: &[&str]) {
        self.known(|k| k.deleted.extend(ids.iter().map(|id| (*id).to_owned())));
    }
}

/// Appends, makes, makes upon, deletes, cleans up and restores.
fn run(seed: u64, compression: Compression, torn: u64) -> Vec<Fork> {
    let sim = SimDisk::new(seed);
    let (log, _) = open(&sim);
    let clock = Arc::new(ManualClock::new(NOW_US));
    let manager = SnapshotManager::with(disk(&sim), Arc::clone(&clock) as _, DIR).unwrap();
    let known = Arc::default();
    let run = Run { f: Fixture { sim: sim.clone(), clock, log, manager }, known: Arc::clone(&known) };
    run.append(40 + seed * 7);
    let forks = fork_every_op(&sim, &known, torn);
    let (manager, log) = (&run.f.manager, &run.f.log);
    let options = SnapshotOptions { compression, parallel: 1 };

    let first = run.made(manager.create_snapshot_with(log, &options).unwrap());
    run.append(15);
    let upon = manager.create_incremental_snapshot_with(log, &first.id, &options).unwrap();
    let upon = run.made(upon);
    run.forget(&[&first.id]);
    manager.delete_snapshot(&first.id).unwrap();
    run.deleted(&[&first.id]);
    run.known(|k| k.removed = 30);
    log.remove_before(30).unwrap();
    run.append(5);
    let third = run.made(manager.create_snapshot_with(log, &options).unwrap());
    manager.restore_snapshot(&upon.id, "/restored").unwrap();
    run.known(|k| k.restored = Some(("/restored", upon.high_water_mark)));
    run.append(3);
    let last = run.made(manager.create_snapshot_with(log, &options).unwrap());
    run.forget(&[&upon.id, &third.id]);
    let config = SnapshotConfig { max_snapshots: 1, ..SnapshotConfig::default() };
    assert_eq!(manager.cleanup_snapshots(&config).unwrap().deleted, [&*upon.id, &third.id]);
    run.deleted(&[&upon.id, &third.id]);
    let files: Vec<(String, Vec<u8>)> = manager
        .snapshot_files(&last.id)
        .unwrap()
        .into_iter()
        .map(|file| (file.name, sim.read_file(&file.path)))
        .collect();
    run.forget(&[&last.id]);
    manager.delete_snapshot(&last.id).unwrap();
    let files = files.iter().map(|(name, bytes)| (name.clone(), &bytes[..]));
    run.made(manager.import_snapshot(files).unwrap());
    run.append(2);
    sim.on_op(Box::new(|_, _| {}));
    std::mem::take(&mut *forks.lock().unwrap())
}

/// Opens what a crash left, and holds it against what was known.
fn check(fork: &Fork) {
    let Fork { what, disk: sim, known } = fork;
    let (log, recovered) = open_with(sim, config()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let base = log.base_offset();
    assert!(base <= known.removed && log.next_offset() >= known.committed, "{what}: {recovered:?}");
    assert_eq!(read_all(&log), records(base..log.next_offset()), "{what}");

    let manager = SnapshotManager::with(disk(sim), Arc::new(ManualClock::new(NOW_US)), DIR);
    let manager = manager.unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(manager.found().damaged.is_empty(), "{what}: {:?}", manager.found());
    assert!(manager.found().rebuilt.is_none() || known.made.is_empty(), "{what}");
    let listed = manager.list_snapshots().unwrap();
    for made in &known.made {
        assert!(listed.contains(made), "{what}: {} was acknowledged: {:?}", made.id, ids(&manager));
    }
    for deleted in &known.deleted {
        assert!(listed.iter().all(|s| s.id != *deleted), "{what}: {deleted} was deleted");
    }
    for snapshot in &listed {
        let found = manager.verify_snapshot(&snapshot.id).unwrap();
        assert!(found.is_good(), "{what}: {}: {:?}", snapshot.id, found.damage);
        let is = restored(sim, &manager, &snapshot.id);
        assert_eq!(is, records(snapshot.base_offset..snapshot.high_water_mark), "{what}");
    }
    assert_eq!(strays(sim, &manager), [] as [&Path; 0], "{what}: half ones are gone");
    let target = Path::new("/restored");
    let is_restored = sim.stat(&target.join(format!("{:020}.log", 0))).unwrap().is_some();
    assert!(is_restored || known.restored.is_none(), "{what}: a restore was acknowledged");
    if is_restored {
        let (log, recovered) =
            open_with(sim, cairn_log::LogConfig { dir: target.into(), ..config() }).unwrap();
        assert_eq!((recovered.cut, recovered.removed.len()), (None, 0), "{what}");
        assert_eq!(read_all(&log), records(0..log.next_offset()), "{what}");
        assert!(known.restored.is_none_or(|(_, end)| end == log.next_offset()), "{what}");
    }
    // It goes on from there, and what is then acknowledged is durable.
    append_committed(&log, log.next_offset()..log.next_offset() + 3);
    let made = manager.create_snapshot(&log).unwrap_or_else(|e| panic!("{what}: {e}"));
    let again = crate::snapshots_common::manager(&sim.image(Fate::Dropped));
    assert_eq!(again.list_snapshots().unwrap().len(), listed.len() + 1, "{what}");
    assert!(again.verify_snapshot(&made.id).unwrap().is_good(), "{what}");
}

#[test]
fn at_every_operation() {
    let mut points = 0;
    let plain = [(0, Compression::None, 3), (1, Compression::None, 3)];
    for (seed, compression, torn) in plain.into_iter().chain([(2, Compression::Zstd { level: 1 }, 2)]) {
        let forks = run(seed, compression, torn);
        forks.iter().for_each(check);
        points += forks.len();
    }
    println!("{points} crash points: every snapshot listed is whole, every one acknowledged is listed");
    assert!(points >= 3_000, "{points} crash points");
}

/// A crash while what a crash left is tidied up.
#[test]
fn at_every_operation_of_tidying_up() {
    let first = run(3, Compression::None, 1);
    let mut points = 0;
    for fork in first.iter().step_by(7) {
        let known = Arc::new(Mutex::new(fork.known.clone()));
        let second = fork_every_op(&fork.disk, &known, 1);
        let (log, _) = open(&fork.disk);
        drop((manager(&fork.disk), log));
        fork.disk.on_op(Box::new(|_, _| {}));
        let second = std::mem::take(&mut *second.lock().unwrap());
        second.iter().for_each(check);
        points += second.len();
    }
    println!("{points} crash points of tidying up");
    assert!(points >= 500, "{points} crash points");
}

/// Of a cut of two logs each is there whole or not at all; once acknowledged, both are.
#[test]
fn at_every_operation_of_a_cut() {
    let sim = SimDisk::new(8);
    let dirs = [DIR, "/db/other"];
    let logs = dirs.map(|dir| {
        let (log, _) = open_with(&sim, cairn_log::LogConfig { dir: dir.into(), ..config() }).unwrap();
        append_committed(&log, 0..50);
        log
    });
    let clock = Arc::new(ManualClock::new(NOW_US));
    let with = |sim: &SimDisk, dir| SnapshotManager::with(disk(sim), Arc::clone(&clock) as _, dir).unwrap();
    let managers = dirs.map(|dir| with(&sim, dir));
    let known = Arc::new(Mutex::new(Known::default()));
    let forks = fork_every_op(&sim, &known, 3);
    for round in 0..3u64 {
        let cut = SnapshotManager::create_cut(&[(&managers[0], &logs[0]), (&managers[1], &logs[1])]).unwrap();
        known.lock().unwrap().made.extend(cut);
        let next = 50 + round * 4;
        logs.iter().for_each(|log| append_committed(log, next..next + 4));
    }
    sim.on_op(Box::new(|_, _| {}));
    let forks = std::mem::take(&mut *forks.lock().unwrap());
    let mut halves = 0;
    for Fork { what, disk: sim, known } in &forks {
        let mut listed = Vec::new();
        for (i, dir) in dirs.into_iter().enumerate() {
            let manager = with(sim, dir);
            let here = manager.list_snapshots().unwrap();
            for made in known.made.iter().skip(i).step_by(2) {
                assert!(here.contains(made), "{what}: {} in {dir} was acknowledged", made.id);
            }
            for snapshot in &here {
                assert!(manager.verify_snapshot(&snapshot.id).unwrap().is_good(), "{what}");
                assert_eq!(snapshot.group.as_ref().map(|group| group.logs), Some(2), "{what}");
            }
            assert_eq!(strays(sim, &manager), [] as [&Path; 0], "{what}");
            listed.push(here.len());
        }
        halves += usize::from(listed[0] != listed[1]);
        assert!(listed[0].abs_diff(listed[1]) <= 1, "{what}: {listed:?}");
    }
    println!("{} crash points of cuts, {halves} of them leave one of two", forks.len());
    assert!(forks.len() >= 500, "{} crash points", forks.len());
}

/// Makes, makes upon, deletes, cleans up, restores and appends in any order.
fn random_run(seed: u64) -> Vec<Fork> {
    let sim = SimDisk::new(seed);
    let (log, _) = open(&sim);
    let clock = Arc::new(ManualClock::new(NOW_US));
    let manager = SnapshotManager::with(disk(&sim), Arc::clone(&clock) as _, DIR).unwrap();
    let known = Arc::default();
    let run = Run { f: Fixture { sim: sim.clone(), clock, log, manager }, known: Arc::clone(&known) };
    let mut rng = Rng(seed);
    run.append(rng.below(60));
    let forks = fork_ops(&sim, &known, move |op| sometimes(seed, op, 9).into_iter().collect());
    let (manager, log) = (&run.f.manager, &run.f.log);
    for _ in 0..14 {
        let listed = manager.list_snapshots().unwrap();
        let one = listed.get(rng.below(4) as usize);
        let compression = if rng.below(4) == 0 { Compression::Zstd { level: 1 } } else { Compression::None };
        let options = SnapshotOptions { compression, parallel: 1 };
        match (rng.below(8), one) {
            (0..2, _) => drop(run.made(manager.create_snapshot_with(log, &options).unwrap())),
            (2, Some(one)) => {
                let made = manager.create_incremental_snapshot_with(log, &one.id, &options).unwrap();
                run.made(made);
            }
            (3, Some(one)) => {
                run.forget(&[&one.id]);
                manager.delete_snapshot(&one.id).unwrap();
                run.deleted(&[&one.id]);
            }
            (4, _) if listed.len() > 2 => {
                let gone: Vec<&str> = listed[2..].iter().map(|s| s.id.as_str()).collect();
                run.forget(&gone);
                let config = SnapshotConfig {
                    max_snapshots: 2,
                    retention_time: std::time::Duration::from_secs(1 << 30),
                    ..SnapshotConfig::default()
                };
                manager.cleanup_snapshots(&config).unwrap();
                run.deleted(&gone);
            }
            (5, Some(one)) if one.base_offset == 0 && run.known.lock().unwrap().restored.is_none() => {
                manager.restore_snapshot(&one.id, "/restored").unwrap();
                run.known(|k| k.restored = Some(("/restored", one.high_water_mark)));
            }
            (6, _) => {
                let before = log.durable_offset().saturating_sub(rng.below(40));
                run.known(|k| k.removed = k.removed.max(before));
                log.remove_before(before).unwrap();
            }
            _ => run.append(1 + rng.below(12)),
        }
    }
    sim.on_op(Box::new(|_, _| {}));
    std::mem::take(&mut *forks.lock().unwrap())
}

#[test]
fn more_seeds_of_log_snapshots() {
    let mut points = 0;
    for seed in seeds(5) {
        for mut fork in random_run(seed) {
            fork.what = format!("seed {seed}, {}", fork.what);
            check(&fork);
            points += 1;
        }
    }
    println!("{points} crash points of more seeds of log snapshots");
    assert!(points >= 60, "{points} crash points");
}
