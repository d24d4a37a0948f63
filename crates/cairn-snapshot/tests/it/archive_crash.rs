//! A crash, or a fault, at every operation of shipping, with appends, rotation and removal in between.

use crate::archive_support::*;
use crate::support::{one_thread, open, open_or_create};
use cairn_disk::{ErrorKind, Fate, Fault, SimDisk, Storage};
use cairn_engine::Lsn;
use cairn_log::Log;
use cairn_snapshot::archive::{Shipper, TimelineInfo};
use parking_lot::Mutex;
use std::sync::Arc;

/// What is known at a moment of the run.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Everything before this was committed.
    committed: u64,
    /// A shipment said that everything up to this LSN is archived.
    promised: Option<Lsn>,
    /// LSNs that were dropped, or were about to be, before they were archived.
    dropped: Vec<(u64, u64)>,
}

struct Fork {
    what: String,
    disk: SimDisk,
    known: Known,
}

const TORN_SEEDS: u64 = 4;

fn fork_every_op(sim: &SimDisk, known: &Arc<Mutex<Known>>) -> Arc<Mutex<Vec<Fork>>> {
    fork_ops(sim, known, |op| {
        let torn = (0..TORN_SEEDS).map(|seed| Fate::Torn(op * 1_000 + seed));
        torn.chain([Fate::Dropped, Fate::Kept]).collect()
    })
}

/// Takes the disks that crashes with these fates before an operation would leave.
fn fork_ops(
    sim: &SimDisk,
    known: &Arc<Mutex<Known>>,
    fates: impl Fn(u64) -> Vec<Fate> + Send + 'static,
) -> Arc<Mutex<Vec<Fork>>> {
    let forks = Arc::new(Mutex::new(Vec::new()));
    let (known, out) = (Arc::clone(known), Arc::clone(&forks));
    sim.on_op(Box::new(move |op, sim| {
        let known = known.lock().clone();
        for fate in fates(op) {
            let what = format!("crash before operation {op}, {fate:?}, {known:?}");
            out.lock().push(Fork { what, disk: sim.image(fate), known: known.clone() });
        }
    }));
    forks
}

/// A generator for what a run varies, the same in every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Appends, commits, ships and removes until there were `ops` operations. Log and repository are on one disk.
fn run(disk: &SimDisk, info: &TimelineInfo, known: &Mutex<Known>, ops: u64, seed: u64) {
    let mut rng = Rng(seed);
    let repository = open(disk);
    let log = open_log(disk, info);
    let mut shipper = shipper(&repository, disk, info);
    while disk.ops() < ops {
        match rng.below(12) {
            0..4 => {
                let next = log.next_offset();
                append(&log, 1, next..=next + rng.below(6));
            }
            4..7 if log.next_offset() > 1 => {
                let last = log.next_offset() - 1;
                log.commit(last).expect("durable");
                let mut known = known.lock();
                known.committed = known.committed.max(last + 1);
            }
            7..10 => {
                let shipped = shipper.ship(&log, &one_thread(), rng.below(4) > 0).expect("shipped");
                known.lock().promised = shipped.archived_lsn;
            }
            10 => {
                // Retention that waits for the archive.
                let archived = shipper.archived_lsn().map_or(0, |lsn| lsn.0 + 1);
                log.remove_before(archived).expect("removed");
            }
            11 if rng.below(3) == 0 => {
                // And a policy that does not: some segments are filled and dropped while nothing is shipped.
                let next = log.next_offset();
                write(&log, 1, next..=next + 24);
                let before = log.durable_offset();
                let archived = shipper.archived_lsn().map_or(1, |lsn| lsn.0 + 1);
                let mut known = known.lock();
                known.committed = known.committed.max(before);
                known.dropped.push((archived, before - 1));
                drop(known);
                log.remove_before(before).expect("removed");
            }
            _ => shipper = self::shipper(&repository, disk, info),
        }
    }
}

/// Every archived record is right, every gap is one, and nothing that was promised is missing.
fn check_archive(fork: &Fork, info: &TimelineInfo) -> Vec<(u64, u64)> {
    let Fork { what, disk, known } = fork;
    let repository = open(disk);
    assert_whole(&repository, what);
    if cairn_snapshot::archive::list(&repository).expect("listed").is_empty() {
        assert_eq!(known.promised, None, "{what}");
        return Vec::new();
    }
    let archived = listed(&repository, info);
    assert!(archived.damaged.is_empty() && archived.timeline.is_some(), "{what}: {archived:?}");
    for gap in &archived.gaps {
        assert!(gap.recorded.is_some(), "{what}: {gap:?}");
        let inside = |(first, last): &(u64, u64)| *first <= gap.first.0 && gap.last.0 <= *last;
        assert!(known.dropped.iter().any(inside), "{what}: no such gap: {gap:?}");
    }
    let found = ranges(&repository, info);
    for (first, last) in &found {
        let read = read(&repository, info, *first..=*last).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(read, records(1, *first..=*last), "{what}");
    }
    let ends = found.iter().map(|(_, last)| *last).chain(archived.gaps.iter().map(|gap| gap.last.0)).max();
    assert!(ends >= known.promised.map(|lsn| lsn.0), "{what}: the archive ends at {ends:?}");
    found
}

/// What a crash left is sound, and shipping goes on from it to the log's end.
fn check(fork: &Fork, info: &TimelineInfo) {
    let Fork { what, disk, known } = fork;
    let before = check_archive(fork, info);
    let log = open_log(disk, info);
    let is_dropped = |lsn: u64| known.dropped.iter().any(|(first, last)| (*first..=*last).contains(&lsn));
    for lsn in 1..known.committed {
        let archived = before.iter().any(|(first, last)| (*first..=*last).contains(&lsn));
        let logged = (log.base_offset()..log.next_offset()).contains(&lsn);
        assert!(archived || logged || is_dropped(lsn), "{what}: LSN {lsn} is lost");
    }
    let repository = open(disk);
    let shipped = ship(&repository, disk, info, &log);
    assert!(shipped.damaged.is_empty(), "{what}: {shipped:?}");
    let last = log.next_offset() - 1;
    assert_eq!(shipped.archived_lsn, (last > 0).then_some(Lsn(last)), "{what}");
    let after = check_archive(fork, info);
    assert!(names(disk, info).iter().all(|name| !name.ends_with(".tmp")), "{what}");
    if last > 0 && last >= log.base_offset() {
        let (first, end) = *after.last().unwrap_or_else(|| panic!("{what}: nothing is archived"));
        assert!(first <= log.base_offset() && end == last, "{what}: {after:?}");
    }
    // And that lasts.
    let again = disk.image(Fate::Dropped);
    assert_eq!(ranges(&open(&again), info), after, "{what}");
}

#[test]
fn at_every_operation() {
    let info = timeline(1, 0);
    let (mut points, mut gaps, mut archived) = (0, 0, 0);
    for seed in 0..4 {
        let sim = SimDisk::new(seed);
        open_or_create(&sim);
        let known = Arc::default();
        let forks = fork_every_op(&sim, &known);
        run(&sim, &info, &known, 500, seed);
        gaps += self::gaps(&open(&sim), &info).len();
        archived += ranges(&open(&sim), &info).iter().map(|(first, last)| last - first + 1).sum::<u64>();
        let forks = std::mem::take(&mut *forks.lock());
        forks.iter().for_each(|fork| check(fork, &info));
        points += forks.len();
    }
    println!("{points} crash points of shipping, {archived} records archived, {gaps} gaps recorded");
    assert!(points >= 8_000, "{points} crash points");
    assert!(gaps >= 2 && archived >= 100, "the runs archive and drop: {archived}, {gaps}");
}

/// Runs of as many seeds as CAIRN_SEEDS asks for (`just seeds`), crashed here and there.
#[test]
fn more_seeds_of_shipping() {
    let info = timeline(1, 0);
    let (mut points, mut records) = (0, 0);
    let asked = std::env::var("CAIRN_SEEDS").ok().and_then(|text| text.parse().ok());
    for seed in 1_000..1_000 + asked.unwrap_or(4u64) {
        let sim = SimDisk::new(seed);
        open_or_create(&sim);
        let known = Arc::default();
        let forks = fork_ops(&sim, &known, move |op| {
            let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ op);
            let fates = [Fate::Dropped, Fate::Kept, Fate::Torn(seed * 100_003 + op), Fate::Torn(op)];
            let (_, chosen) = (rng.below(2), rng.below(9 * 4) as usize);
            fates.get(chosen).copied().into_iter().collect()
        });
        run(&sim, &info, &known, 400, seed);
        // A short run may end before it ships anything.
        if !cairn_snapshot::archive::list(&open(&sim)).expect("listed").is_empty() {
            records += ranges(&open(&sim), &info).iter().map(|(first, last)| last - first + 1).sum::<u64>();
        }
        for mut fork in std::mem::take(&mut *forks.lock()) {
            fork.what = format!("seed {seed}, {}", fork.what);
            check(&fork, &info);
            points += 1;
        }
    }
    println!("{points} crash points of more seeds of shipping, {records} records archived");
    assert!(points >= 100 && records >= 50, "{points} crash points, {records} records archived");
}

/// A crash in the shipment after a crash.
#[test]
fn at_every_operation_of_a_shipment_that_resumes() {
    let info = timeline(1, 0);
    let sim = SimDisk::new(11);
    open_or_create(&sim);
    let known = Arc::default();
    let forks = fork_every_op(&sim, &known);
    run(&sim, &info, &known, 300, 11);
    let first = std::mem::take(&mut *forks.lock());
    let mut points = 0;
    for fork in first.iter().step_by(23) {
        let log = open_log(&fork.disk, &info);
        let known = Arc::new(Mutex::new(fork.known.clone()));
        let second = fork_every_op(&fork.disk, &known);
        ship(&open(&fork.disk), &fork.disk, &info, &log);
        let second = std::mem::take(&mut *second.lock());
        second.iter().for_each(|fork| check(fork, &info));
        points += second.len();
    }
    println!("{points} crash points of shipments that resume");
    assert!(points >= 3_000, "{points} crash points");
}

/// A repository that is archived in part, a log that has more, sealed and open; each on a disk of its own.
fn half_archived(info: &TimelineInfo) -> (SimDisk, SimDisk) {
    let (repo, disk) = (SimDisk::new(1), SimDisk::new(2));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, info);
    write(&log, 1, 1..=10);
    ship(&repository, &disk, info, &log);
    write(&log, 1, 11..=50);
    log.remove_before(20).expect("removed");
    (repo.image(Fate::Dropped), disk)
}

fn finish(repo: &SimDisk, shipper: &mut Shipper, log: &Log, info: &TimelineInfo, what: &str) {
    let shipped = shipper.ship(log, &one_thread(), true).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(shipped.archived_lsn, Some(Lsn(50)), "{what}");
    let after = repo.image(Fate::Dropped);
    let base = log.base_offset();
    assert_eq!(ranges(&open(&after), info), [(1, 10), (base, 50)], "{what}");
    assert_eq!(gaps(&open(&after), info), [(11, base - 1, true)], "{what}");
    assert_whole(&open(&after), what);
    assert_eq!(read(&open(&after), info, base..=50).expect("read"), records(1, base..=50), "{what}");
}

#[test]
fn a_fault_at_every_operation_is_an_error_and_the_next_call_goes_on() {
    let info = timeline(1, 0);
    let (repo, disk) = half_archived(&info);
    let log = open_log(&disk, &info);
    let (mut failed, mut operations) = (0, 0);
    for fault in [Fault::Eio, Fault::Enospc] {
        for op in 0.. {
            let repo = repo.image(Fate::Kept);
            let repository = open(&repo);
            let mut shipper = shipper(&repository, &disk, &info);
            repo.fail_at(op, fault);
            let what = format!("{fault:?} at operation {op}");
            match shipper.ship(&log, &one_thread(), true) {
                Ok(_) if repo.ops() <= op => break,
                Ok(shipped) => assert_eq!(shipped.archived_lsn, Some(Lsn(50)), "{what}"),
                Err(e) => {
                    let wanted = if fault == Fault::Eio { ErrorKind::Io } else { ErrorKind::NoSpace };
                    assert_eq!(e.kind(), wanted, "{what}: {e}");
                    failed += 1;
                }
            }
            operations += 1;
            assert_eq!(log.next_offset(), 51, "the log is as it was");
            if op % 2 == 0 {
                finish(&repo, &mut shipper, &log, &info, &what);
            } else {
                finish(&repo, &mut self::shipper(&repository, &disk, &info), &log, &info, &what);
            }
        }
    }
    println!("{failed} faults in {operations} operations");
    assert!(failed >= 50, "only {failed} faults");
}

#[test]
fn a_full_repository_is_an_error_until_there_is_room() {
    let info = timeline(1, 0);
    let (repo, disk) = half_archived(&info);
    let log = open_log(&disk, &info);
    let used: u64 = repo.files().iter().map(|path| repo.read_file(path).len() as u64).sum();
    let repository = open(&repo);
    let mut shipper = shipper(&repository, &disk, &info);
    for more in (0..1_500).step_by(100) {
        repo.capacity(Some(used + more));
        let error = shipper.ship(&log, &one_thread(), true).expect_err("full");
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert_whole(&repository, "full");
    }
    repo.capacity(None);
    finish(&repo, &mut shipper, &log, &info, "room again");
}

#[test]
fn a_repository_that_is_gone_is_an_error_and_nothing_is_made_in_its_place() {
    let info = timeline(1, 0);
    let (repo, disk) = half_archived(&info);
    let log = open_log(&disk, &info);
    let repository = open(&repo);
    let mut shipper = shipper(&repository, &disk, &info);
    // As when what was mounted there no longer is.
    repo.rename("/backup".as_ref(), "/elsewhere".as_ref()).expect("renamed");
    let error = shipper.ship(&log, &one_thread(), true).expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(repo.stat("/backup".as_ref()).expect("there").is_none());
    assert_eq!(shipper.lag(&log).expect("lag").records, 51 - log.base_offset());
    repo.rename("/elsewhere".as_ref(), "/backup".as_ref()).expect("there");
    finish(&repo, &mut shipper, &log, &info, "back");
}
