//! An archive in a real directory, of a log on a real disk, while it is written to.

use crate::archive_support::*;
use crate::support::{NOW_US, one_thread};
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Lsn, ManualClock};
use cairn_log::{Entry, Log, LogConfig};
use cairn_snapshot::Repository;
use cairn_snapshot::archive::{ArchiveReader, Shipper, list, verify_archive};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_log_is_archived_while_it_is_written_sealed_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let repository = Repository::create(Arc::clone(&disk), &dir.path().join("repo"), NOW_US).expect("made");
    let info = timeline(1, 0);
    let config = LogConfig { dir: dir.path().join("wal"), segment_bytes: 20_000, ..log_config(&info) };
    let log = Log::open(Arc::clone(&disk), config).expect("opens").0;
    let (records, done) = (5_000u64, AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..records / 10 {
                let value = [batch as u8; 100];
                let entry = |i: u64| Entry {
                    timestamp_us: time(batch * 10 + i + 1),
                    key: None,
                    value: Some(&value[..(batch % 90) as usize]),
                };
                let entries: Vec<Entry<'_>> = (0..10).map(entry).collect();
                let offsets = log.append(&entries).expect("appended");
                log.commit(offsets.end - 1).expect("durable");
            }
            done.store(true, Ordering::SeqCst);
        });
        let clock = Arc::new(ManualClock::new(NOW_US));
        let mut shipper = Shipper::of(repository.clone(), info.clone(), Arc::clone(&disk), clock);
        loop {
            let last_round = done.load(Ordering::SeqCst);
            let shipped = shipper.ship(&log, &one_thread(), true).expect("shipped");
            assert!(shipped.gaps.is_empty(), "{shipped:?}");
            log.remove_before(shipped.archived_lsn.map_or(0, |lsn| lsn.0)).expect("removed");
            if last_round {
                break;
            }
        }
    });
    assert!(log.base_offset() > records / 2, "the log was dropped on the way");
    let listed = list(&repository).expect("listed");
    assert_eq!((listed.len(), listed[0].gaps.len(), listed[0].ranges.len()), (1, 0, 1));
    assert_eq!((listed[0].ranges[0].first, listed[0].ranges[0].last), (Lsn(1), Lsn(records)));
    let reader = ArchiveReader::open(&repository, info.id, Lsn(1), Lsn(records)).expect("opens");
    let read: Vec<_> = reader.map(|record| record.expect("whole")).collect();
    assert_eq!(read.len() as u64, records);
    assert!(read.iter().all(|r| r.timestamp_us == time(r.offset)), "times are as they were written");
    let report = verify_archive(&repository, &cairn_snapshot::Job::default()).expect("readable");
    assert!(report.is_whole() && report.stored_bytes < report.plain_bytes, "{report:?}");
}
