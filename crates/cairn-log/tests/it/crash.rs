//! A scripted run, crashed at every operation: what was committed is there, and nothing but a prefix of what was
//! appended.

use crate::common::*;
use cairn_disk::{Fate, SimDisk};
use cairn_log::{Log, Record};
use std::sync::{Arc, Mutex};

/// What is known at a moment of the run.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Everything before this was committed.
    committed: u64,
    /// Nothing from here on was given to append.
    given: u64,
    /// Everything before this may have been removed.
    removed: u64,
}

struct Fork {
    op: u64,
    fate: Fate,
    disk: SimDisk,
    known: Known,
}

const TORN_SEEDS: u64 = 5;

type Forks = Arc<Mutex<Vec<Fork>>>;

/// Takes the disks that crashes before each operation would leave.
fn fork_every_op(sim: &SimDisk, known: &Arc<Mutex<Known>>) -> Forks {
    fork_ops(sim, known, |op| {
        let torn = (0..TORN_SEEDS).map(|seed| Fate::Torn(op * 1000 + seed));
        torn.chain([Fate::Dropped, Fate::Kept]).collect()
    })
}

/// Takes the disks that crashes with these fates before an operation would leave.
fn fork_ops(
    sim: &SimDisk,
    known: &Arc<Mutex<Known>>,
    fates: impl Fn(u64) -> Vec<Fate> + Send + 'static,
) -> Forks {
    let forks = Arc::new(Mutex::new(Vec::new()));
    let (known, out) = (Arc::clone(known), Arc::clone(&forks));
    sim.on_op(Box::new(move |op, sim| {
        let known = *known.lock().unwrap();
        let fork = |fate| Fork { op, fate, disk: sim.image(fate), known };
        out.lock().unwrap().extend(fates(op).into_iter().map(fork));
    }));
    forks
}

/// Appends, commits, seals and removes until there were `ops` operations.
fn run(sim: &SimDisk, known: &Mutex<Known>, ops: u64, seed: u64) -> Log {
    let (log, _) = open(sim);
    let mut rng = Rng(seed);
    let mut next = log.next_offset();
    while sim.ops() < ops {
        match rng.below(10) {
            0..6 => {
                let end = next + 1 + rng.below(9);
                known.lock().unwrap().given = end;
                append(&log, next..end);
                next = end;
            }
            6..9 if next > 0 => {
                let offset = next - 1 - rng.below(3).min(next - 1);
                log.commit(offset).unwrap();
                let mut known = known.lock().unwrap();
                known.committed = known.committed.max(offset + 1);
            }
            _ => {
                let before = log.durable_offset().saturating_sub(rng.below(40));
                let mut known = known.lock().unwrap();
                known.removed = known.removed.max(before);
                drop(known);
                log.remove_before(before).unwrap();
            }
        }
    }
    log
}

/// Opens what a crash left, checks it against what was known, and goes on writing.
fn check(fork: &Fork) -> Vec<Record> {
    let Fork { op, fate, disk: sim, known } = fork;
    let what = format!("crash before operation {op}, {fate:?}, {known:?}");
    let log_dir = std::path::Path::new(DIR);
    if cairn_disk::Storage::stat(sim, log_dir).unwrap().is_some() {
        let inspection = Log::inspect(disk(sim), config()).unwrap();
        assert!(inspection.damage.is_empty(), "{what}: {:?}", inspection.damage);
    }
    let (log, recovered) = open_with(sim, config()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (base, next) = (log.base_offset(), log.next_offset());
    assert!(base <= known.removed, "{what}: begins at {base}");
    assert!(next >= known.committed, "{what}: ends at {next}");
    assert!(next <= known.given, "{what}: ends at {next}");
    assert_eq!(recovered.records, next - base, "{what}");
    let kept = read_all(&log);
    assert_eq!(kept, records(base..next), "{what}");
    assert!(open(&sim.image(Fate::Dropped)).0.next_offset() >= next, "{what}: what is kept is durable");
    append(&log, next..next + 30);
    log.commit(next + 29).unwrap();
    drop(log);
    let (log, recovered) = open(&sim.image(Fate::Dropped));
    assert_eq!((recovered.cut, recovered.indexes_rebuilt), (None, 0), "{what}: written after it");
    assert_eq!(read_all(&log), records(base..next + 30), "{what}: written after it");
    kept
}

#[test]
fn at_every_operation() {
    let mut points = 0;
    for seed in 0..3 {
        let sim = SimDisk::new(seed);
        let known = Arc::default();
        let forks = fork_every_op(&sim, &known);
        let log = run(&sim, &known, 250, seed);
        assert!(log.base_offset() > 20, "the run seals and removes: {:?}", log.segments());
        let forks = std::mem::take(&mut *forks.lock().unwrap());
        forks.iter().for_each(|fork| drop(check(fork)));
        points += forks.len();
    }
    println!("{points} crash points, each reopened to a prefix that holds every commit");
    assert!(points >= 4_000, "{points} crash points");
}

/// A crash in the recovery from a crash.
#[test]
fn at_every_operation_of_a_recovery() {
    let sim = SimDisk::new(9);
    let known = Arc::default();
    let forks = fork_every_op(&sim, &known);
    run(&sim, &known, 120, 9);
    let first = std::mem::take(&mut *forks.lock().unwrap());
    let mut points = 0;
    for fork in first.iter().step_by(3) {
        let known = Arc::new(Mutex::new(fork.known));
        let second = fork_every_op(&fork.disk, &known);
        let (log, _) = open(&fork.disk);
        append(&log, log.next_offset()..log.next_offset());
        let second = std::mem::take(&mut *second.lock().unwrap());
        second.iter().for_each(|fork| drop(check(fork)));
        points += second.len();
    }
    println!("{points} crash points of recoveries");
    assert!(points >= 1_000, "{points} crash points");
}

/// Runs, and recoveries from their crashes, of as many seeds as are asked for.
#[test]
fn more_seeds_of_the_log() {
    let (mut points, mut recoveries) = (0, 0);
    for seed in seeds(6) {
        let sim = SimDisk::new(seed);
        let known = Arc::default();
        let forks = fork_ops(&sim, &known, move |op| sometimes(seed, op, 5).into_iter().collect());
        run(&sim, &known, 250, seed);
        for fork in std::mem::take(&mut *forks.lock().unwrap()) {
            if points % 8 == 0 {
                let disk = fork.disk.image(Fate::Kept);
                let known = Arc::new(Mutex::new(fork.known));
                let second =
                    fork_ops(&disk, &known, move |op| sometimes(seed + 1, op, 3).into_iter().collect());
                drop(open(&disk));
                let second = std::mem::take(&mut *second.lock().unwrap());
                second.iter().for_each(|fork| drop(check(fork)));
                recoveries += second.len();
            }
            check(&fork);
            points += 1;
        }
    }
    println!("{points} crash points of more seeds of the log, {recoveries} more in recoveries from them");
    assert!(points >= 200 && recoveries >= 20, "{points} crash points, {recoveries} in recoveries");
}
