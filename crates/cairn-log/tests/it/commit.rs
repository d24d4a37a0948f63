//! Group commit: one sync for all that wait, nothing acknowledged before it is durable.

use crate::common::*;
use crate::gate::GateDisk;
use cairn_disk::{Fate, Fault, RealDisk, SimDisk};
use cairn_log::{Entry, Error, Log, LogConfig};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

const THREADS: u64 = 12;

fn roomy() -> LogConfig {
    LogConfig { segment_bytes: 1 << 30, ..config() }
}

#[test]
fn commit_makes_durable() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..5);
    assert_eq!(log.durable_offset(), 0);
    assert_eq!(open(&sim.image(Fate::Dropped)).1.next_offset, 0);
    log.commit(2).unwrap();
    assert_eq!(log.durable_offset(), 5, "a sync takes everything with it");
    assert_eq!(read_all(&open(&sim.image(Fate::Dropped)).0), records(0..5));
}

#[test]
fn what_is_durable_is_not_synced_again() {
    let sim = SimDisk::new(1);
    let (log, _) = open(&sim);
    append(&log, 0..5);
    log.commit(4).unwrap();
    let before = sim.ops();
    (0..5).for_each(|offset| log.commit(offset).unwrap());
    assert_eq!(sim.ops(), before);
}

#[test]
fn an_offset_not_appended_cannot_be_committed() {
    let (log, _) = open(&SimDisk::new(1));
    append(&log, 0..3);
    let error = log.commit(3).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { offset: 3, first: 0, next: 3 }), "{error}");
}

#[test]
fn a_sync_does_not_hold_up_appends() {
    let sim = SimDisk::new(1);
    // Once armed, a sync ends only after an append that began after it.
    let (armed, appended) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let (arm, wait) = (Arc::clone(&armed), Arc::clone(&appended));
    let gate = GateDisk::new(
        disk(&sim),
        Box::new(move |_| {
            if arm.swap(false, Ordering::SeqCst) {
                wait.wait();
                wait.wait();
            }
        }),
    );
    let (log, _) = Log::open(Arc::new(gate), roomy()).unwrap();
    append(&log, 0..1);
    armed.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| log.commit(0).unwrap());
        appended.wait();
        append(&log, 1..3);
        assert_eq!(log.next_offset(), 3);
        appended.wait();
    });
    assert_eq!(log.durable_offset(), 1, "the sync began before the second batch");
}

#[test]
fn one_sync_serves_all_that_wait() {
    let sim = SimDisk::new(1);
    let (log, gate, appended) = gated(&sim);
    let before = gate.syncs();
    let rounds = 20;
    for round in 1..=rounds {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let offset = append_one(&log);
                    appended.fetch_add(1, Ordering::SeqCst);
                    log.commit(offset).unwrap();
                });
            }
        });
        assert_eq!(log.durable_offset(), round * THREADS);
    }
    let syncs = gate.syncs() - before;
    // The first of a round may begin before all have appended; the second then serves the rest.
    assert!(syncs <= 2 * rounds, "{syncs} syncs for {} commits", rounds * THREADS);
}

/// A log whose syncs wait until the threads of a round have all appended.
fn gated(sim: &SimDisk) -> (Log, Arc<GateDisk>, Arc<AtomicU64>) {
    let appended = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&appended);
    let gate = GateDisk::new(
        disk(sim),
        Box::new(move |_| {
            while !seen.load(Ordering::SeqCst).is_multiple_of(THREADS) {
                thread::yield_now();
            }
        }),
    );
    let gate = Arc::new(gate);
    let storage: Arc<dyn cairn_disk::Storage> = Arc::clone(&gate) as _;
    (Log::open(storage, roomy()).unwrap().0, gate, appended)
}

fn append_one(log: &Log) -> u64 {
    log.append(&[Entry { timestamp_us: 1, key: None, value: Some(b"value") }]).unwrap().start
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable() {
    let sim = SimDisk::new(1);
    // Segments small enough that seals happen in between.
    let (log, _) = open(&sim);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let offset = append_one(&log);
                    log.commit(offset).unwrap();
                    assert!(log.durable_offset() > offset);
                    let (after_crash, _) = open(&sim.image(Fate::Dropped));
                    assert!(after_crash.next_offset() > offset, "offset {offset} was lost");
                }
            });
        }
    });
    assert_eq!(read_all(&log).len(), 200);
}

/// Each sync wakes whom it served and one more: a thread that is not woken would wait forever.
#[test]
fn no_waiter_is_forgotten() {
    let sim = SimDisk::new(1);
    let gate = GateDisk::new(disk(&sim), Box::new(|_| thread::yield_now()));
    // Seals sync as well.
    let (log, _) = Log::open(Arc::new(gate), config()).unwrap();
    thread::scope(|scope| {
        for n in 0..24 {
            let log = &log;
            scope.spawn(move || {
                for round in 0..150 {
                    let offset = append_one(log);
                    if (round + n) % 7 == 0 {
                        log.sync().unwrap()
                    } else {
                        log.commit(offset).unwrap()
                    }
                    assert!(log.durable_offset() > offset);
                }
            });
        }
    });
    assert_eq!((log.durable_offset(), read_all(&log).len()), (24 * 150, 24 * 150));
}

/// Whoever waits when a sync fails is told, those for the next one too.
#[test]
fn a_failed_sync_is_told_to_all_that_wait() {
    let sim = SimDisk::new(1);
    let (log, gate, appended) = gated(&sim);
    let one_at_a_time = std::sync::Mutex::new(());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let guard = one_at_a_time.lock().unwrap();
                    let offset = append_one(&log);
                    if appended.load(Ordering::SeqCst) + 1 == THREADS {
                        // The sync that waits for this one is the next operation.
                        sim.fail_at(sim.ops(), Fault::Eio);
                    }
                    appended.fetch_add(1, Ordering::SeqCst);
                    drop(guard);
                    log.commit(offset)
                })
            })
            .collect();
        for thread in threads {
            assert!(matches!(thread.join().unwrap(), Err(Error::Poisoned { .. })));
        }
    });
    assert_eq!(log.durable_offset(), 0);
    assert!(gate.syncs() >= 1);
}

#[test]
fn many_threads_on_a_real_disk_sync_less_often_than_they_commit() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(GateDisk::new(Arc::new(RealDisk::new()), Box::new(|_| {})));
    let storage: Arc<dyn cairn_disk::Storage> = Arc::clone(&gate) as _;
    let config = LogConfig { dir: dir.path().to_owned(), segment_bytes: 20_000, ..config() };
    let (log, _) = Log::open(storage, config.clone()).unwrap();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..100 {
                    log.commit(append_one(&log)).unwrap();
                }
            });
        }
    });
    assert!(gate.syncs() < 1600, "{} syncs for 1600 commits", gate.syncs());
    drop(log);
    let (log, recovered) = Log::open(Arc::new(RealDisk::new()), config).unwrap();
    assert_eq!((recovered.records, read_all(&log).len()), (1600, 1600));
}
