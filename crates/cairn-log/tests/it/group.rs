//! Appending durably from many threads: one write and one sync for all that wait, and each gets its own answer.

use crate::common::{config, open, open_with};
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_log::{Entry, ErrorKind, Log};
use std::sync::atomic::{AtomicU64, Ordering};

fn entry(value: &[u8]) -> Entry<'_> {
    Entry { timestamp_us: 1, key: None, value: Some(value) }
}

#[test]
fn each_thread_gets_its_own_offsets_and_all_of_it_is_durable() {
    let disk = SimDisk::new(1);
    let log = open(&disk).0;
    let (threads, each) = (16u64, 100u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let log = &log;
            scope.spawn(move || {
                for n in 0..each {
                    let values = [format!("{thread}/{n}/a"), format!("{thread}/{n}/b")];
                    let batch = [entry(values[0].as_bytes()), entry(values[1].as_bytes())];
                    let offsets = log.append_durably(&batch).expect("appended");
                    assert_eq!(offsets.end - offsets.start, 2);
                    assert!(log.durable_offset() >= offsets.end, "durable when it returns");
                    let read = log.read(offsets.start).expect("there").take(2);
                    let read: Vec<_> = read.map(|r| r.expect("whole").value.expect("a value")).collect();
                    assert_eq!(read, values.map(String::into_bytes), "a batch is not torn apart");
                }
            });
        }
    });
    assert_eq!(log.next_offset(), threads * each * 2);
    assert_eq!(open(&disk.image(Fate::Dropped)).0.next_offset(), threads * each * 2);
}

#[test]
fn a_batch_of_nothing_is_nothing() {
    let log = open(&SimDisk::new(2)).0;
    assert_eq!(log.append_durably(&[]).expect("nothing to do"), 0..0);
    assert_eq!(log.append_durably(&[entry(b"a")]).expect("appended"), 0..1);
    assert_eq!(log.append_durably(&[]).expect("nothing to do"), 1..1);
}

#[test]
fn what_is_refused_or_fails_is_answered_to_everyone_and_nobody_waits_for_ever() {
    for round in 0..30u64 {
        let disk = SimDisk::new(round);
        let log = open(&disk).0;
        let (acknowledged, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let fault = if round % 2 == 0 { Fault::Enospc } else { Fault::Eio };
        disk.fail_at(disk.ops() + 5 + round, fault);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        match log.append_durably(&[entry(b"value")]) {
                            Ok(offsets) => drop(acknowledged.fetch_max(offsets.end, Ordering::SeqCst)),
                            Err(e) => {
                                assert!(
                                    matches!(
                                        e.kind(),
                                        ErrorKind::NoSpace | ErrorKind::Poisoned | ErrorKind::Io
                                    ),
                                    "{e}"
                                );
                                refused.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                });
            }
        });
        let acknowledged = acknowledged.into_inner();
        assert!(acknowledged > 0 || refused.into_inner() > 0);
        drop(log);
        disk.fail_at(u64::MAX, Fault::Eio);
        let after: Log = open(&disk.image(Fate::Dropped)).0;
        assert!(
            after.next_offset() >= acknowledged,
            "round {round}: {} < {acknowledged}",
            after.next_offset()
        );
    }
}

#[test]
fn a_record_too_long_is_refused_alone() {
    let mut small = config();
    small.record_bytes_max = 100;
    let log = open_with(&SimDisk::new(3), small).expect("opens").0;
    std::thread::scope(|scope| {
        for n in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for _ in 0..50 {
                    let long = [0; 200];
                    let value = if n == 0 { &long[..] } else { &long[..10] };
                    assert_eq!(log.append_durably(&[entry(value)]).is_err(), n == 0);
                }
            });
        }
    });
    assert_eq!(log.next_offset(), 350);
}
