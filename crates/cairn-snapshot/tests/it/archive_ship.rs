//! Shipping: what is archived, when, under which names, and what stands in the files.

use crate::archive_support::*;
use crate::support::{REPO, files_below, one_thread, open_or_create, storage};
use cairn_disk::{ErrorKind, SimDisk};
use cairn_engine::{DatabaseId, Lsn};
use cairn_log::Log;
use cairn_snapshot::Job;
use cairn_snapshot::archive::{Lag, TimelineInfo, archived_to, list};
use std::sync::atomic::AtomicBool;

/// A repository on a disk of its own, a log on another.
fn setup() -> (SimDisk, SimDisk, TimelineInfo, Log) {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let log = open_log(&disk, &info);
    (repo, disk, info, log)
}

#[test]
fn sealed_segments_are_archived_whole_and_read_back() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=40);
    let sealed: Vec<(u64, u64)> = log
        .segments()
        .iter()
        .filter(|segment| segment.sealed)
        .map(|segment| (segment.base_offset, segment.next_offset - 1))
        .collect();
    assert!(sealed.len() >= 3, "{sealed:?}");
    let shipped = shipper(&repository, &disk, &info).ship(&log, &one_thread(), false).expect("shipped");
    assert_eq!(spans(&repo, &info), sealed);
    let last = sealed.last().expect("some").1;
    assert_eq!((shipped.segments, shipped.parts), (sealed.len() as u64, 0));
    assert_eq!((shipped.records, shipped.archived_lsn), (last, Some(Lsn(last))));
    assert_eq!(ranges(&repository, &info), [(1, last)]);
    assert_eq!(read(&repository, &info, 1..=last).expect("read"), records(1, 1..=last));
    assert_eq!(read(&repository, &info, 9..=11).expect("read"), records(1, 9..=11));
    assert_eq!(archived_to(&repository, info.id).expect("listed"), Some(Lsn(last)));
    let listed = listed(&repository, &info);
    assert_eq!(listed.timeline.as_ref(), Some(&info));
    assert_eq!((listed.ranges[0].first_us, listed.ranges[0].last_us), (time(1), time(last)));
    let stored: u64 = files_below(&repo, REPO)
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "zst"))
        .map(|path| repo.read_file(path).len() as u64)
        .sum::<u64>();
    assert_eq!((listed.bytes, shipped.stored_bytes), (stored, stored));
    assert_whole(&repository, "fresh");
}

#[test]
fn an_archived_segment_decompresses_to_the_very_bytes_of_the_log() {
    let (repo, disk, info, log) = setup();
    write(&log, 1, 1..=40);
    ship(&open_or_create(&repo), &disk, &info, &log);
    let segments = log.segments();
    for segment in segments.iter().filter(|segment| segment.sealed) {
        let stored = repo.read_file(&log_path(&info, segment.base_offset, segment.next_offset - 1));
        let plain = zstd::stream::decode_all(&stored[..]).expect("zstd reads it, trailer and all");
        assert_eq!(plain, disk.read_file(&segment.path));
    }
    // The part of the open one is a segment too: with a base of its own the log opens it.
    let open = segments.last().expect("one");
    let stored = repo.read_file(&log_path(&info, open.base_offset, 40));
    let copy = SimDisk::new(3);
    let config = log_config(&info);
    let path = config.dir.join(format!("{:020}.log", open.base_offset));
    copy.write_file(&path, &zstd::stream::decode_all(&stored[..]).expect("zstd reads it"));
    let (opened, recovered) = Log::open(storage(&copy), config).expect("it is a log");
    assert_eq!((opened.next_offset(), recovered.cut.is_none()), (41, true));
}

#[test]
fn a_record_longer_than_a_frame_is_archived() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    let long: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let entry = |value| cairn_log::Entry { timestamp_us: time(1), key: None, value: Some(value) };
    log.append(&[entry(&b"short"[..]), entry(&long), entry(&b"after"[..])]).expect("appended");
    log.commit(3).expect("durable");
    ship(&repository, &disk, &info, &log);
    let read = read(&repository, &info, 1..=3).expect("read");
    let values: Vec<&[u8]> = read.iter().filter_map(|record| record.value.as_deref()).collect();
    assert_eq!(values, [b"short", &long[..], b"after"]);
    assert_whole(&repository, "long");
}

#[test]
fn only_what_is_durable_is_archived() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=3);
    append(&log, 1, 4..=5);
    assert_eq!(log.durable_offset(), 4, "the appends stay in the open segment");
    let shipped = ship(&repository, &disk, &info, &log);
    assert_eq!(shipped.archived_lsn, Some(Lsn(3)));
    assert_eq!(ranges(&repository, &info), [(1, 3)]);
    log.commit(5).expect("durable");
    assert_eq!(ship(&repository, &disk, &info, &log).records, 2);
    assert_eq!(read(&repository, &info, 1..=5).expect("read"), records(1, 1..=5));
}

#[test]
fn parts_are_superseded_when_their_segment_seals() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    let mut shipper = shipper(&repository, &disk, &info);
    for lsn in 1..=40 {
        write(&log, 1, lsn..=lsn);
        let shipped = shipper.ship(&log, &one_thread(), true).expect("shipped");
        assert_eq!((shipped.records, shipped.archived_lsn), (1, Some(Lsn(lsn))));
        assert_eq!(ranges(&repository, &info), [(1, lsn)]);
        let open = log.segments().pop().expect("one").base_offset;
        for (first, last) in spans(&repo, &info) {
            assert!(
                first >= open
                    || log.segments().iter().any(|s| (s.base_offset, s.next_offset) == (first, last + 1))
            );
        }
    }
    assert_eq!(read(&repository, &info, 1..=40).expect("read"), records(1, 1..=40));
    assert_whole(&repository, "parts");
}

#[test]
fn a_segment_that_seals_right_after_its_last_part_is_archived_whole() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    let mut shipper = shipper(&repository, &disk, &info);
    let mut lsn = 0;
    while log.segments().len() < 2 {
        lsn += 1;
        write(&log, 1, lsn..=lsn);
        if log.segments().len() < 2 {
            shipper.ship(&log, &one_thread(), true).expect("shipped");
        }
    }
    // All of the first segment is in parts, the second is not looked at.
    let shipped = shipper.ship(&log, &one_thread(), false).expect("shipped");
    assert_eq!((shipped.segments, shipped.records), (1, 0));
    assert_eq!(spans(&repo, &info), [(1, lsn - 1)]);
}

#[test]
fn many_parts_of_one_segment_are_few_files() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let config = cairn_log::LogConfig { segment_bytes: 1 << 20, ..log_config(&info) };
    let log = Log::open(storage(&disk), config).expect("opens").0;
    let mut shipper = shipper(&repository, &disk, &info);
    let mut written = 0;
    for lsn in 1..=500 {
        write(&log, 1, lsn..=lsn);
        written += shipper.ship(&log, &one_thread(), true).expect("shipped").bytes;
        assert!(spans(&repo, &info).len() <= 10, "after {lsn}: {:?}", spans(&repo, &info));
    }
    let once = log.segments().pop().expect("one").bytes;
    assert!(written < once * 12, "{written} bytes written for a log of {once}");
    assert_eq!(read(&repository, &info, 1..=500).expect("read"), records(1, 1..=500));
}

#[test]
fn a_new_shipper_goes_on_where_the_last_one_ended() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    for last in [5, 17, 18, 33] {
        let from = log.next_offset();
        write(&log, 1, from..=last);
        let shipped = ship(&repository, &disk, &info, &log);
        assert_eq!((shipped.records, shipped.archived_lsn), (last + 1 - from, Some(Lsn(last))));
    }
    let again = ship(&repository, &disk, &info, &log);
    assert_eq!((again.records, again.bytes, again.archived_lsn), (0, 0, Some(Lsn(33))));
    assert_eq!(read(&repository, &info, 1..=33).expect("read"), records(1, 1..=33));
}

#[test]
fn log_dropped_before_it_was_archived_is_a_recorded_gap() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=10);
    ship(&repository, &disk, &info, &log);
    write(&log, 1, 11..=60);
    log.remove_before(45).expect("removed");
    let base = log.base_offset();
    assert!(base > 20, "segments 11 to 20 are gone: {base}");
    let shipped = ship(&repository, &disk, &info, &log);
    assert_eq!(shipped.gaps.len(), 1);
    assert_eq!(gaps(&repository, &info), [(11, base - 1, true)]);
    assert_eq!(ranges(&repository, &info), [(1, 10), (base, 60)]);
    let error = read(&repository, &info, 5..=base).expect_err("a gap is in it");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    for part in ["recoverable: from LSN 1 ", "to LSN 10 ", "to LSN 60 ", "is a gap, recorded ", "dropped"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(read(&repository, &info, base..=60).expect("read"), records(1, base..=60));
    assert_whole(&repository, "a recorded gap is no damage");
    assert!(ship(&repository, &disk, &info, &log).gaps.is_empty(), "once");
}

#[test]
fn an_archive_that_begins_late_has_no_gap() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=60);
    log.remove_before(30).expect("removed");
    let base = log.base_offset();
    assert!(base > 1);
    assert!(ship(&repository, &disk, &info, &log).gaps.is_empty());
    assert_eq!((ranges(&repository, &info), gaps(&repository, &info)), (vec![(base, 60)], vec![]));
}

#[test]
fn missing_files_show_as_gaps_that_nobody_recorded() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=60);
    ship(&repository, &disk, &info, &log);
    let (first, last) = spans(&repo, &info)[2];
    repo.remove_file(&log_path(&info, first, last));
    assert_eq!(gaps(&repository, &info), [(first, last, false)]);
    let report = cairn_snapshot::archive::verify_archive(&repository, &one_thread()).expect("readable");
    assert_eq!(report.findings.len(), 1);
    let text = report.findings[0].to_string();
    assert!(text.contains(&format!("LSN {first} to {last}")), "{text}");
    let error = read(&repository, &info, 1..=60).expect_err("missing");
    assert!(error.to_string().contains(&format!("LSN {first} to {last} is missing")), "{error}");
}

#[test]
fn a_log_of_another_timeline_or_database_is_refused() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=10);
    ship(&repository, &disk, &info, &log);
    let before = repo.files();
    let refused = |other: &TimelineInfo, log: &Log, word: &str| {
        let error = shipper(&repository, &disk, other).ship(log, &one_thread(), true).expect_err(word);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert_eq!(repo.files(), before, "nothing is written for it");
    };
    // The log is not what the caller says.
    refused(&TimelineInfo { id: timeline_id(9), ..info.clone() }, &log, ".log at byte 32: timeline: ");
    let of_other = TimelineInfo { database: DatabaseId([8; 16]), ..info.clone() };
    refused(&of_other, &log, ".log at byte 16: database: ");
    // The archive is of another timeline, though of the same id.
    refused(&TimelineInfo { fork_lsn: Lsn(3), ..info.clone() }, &log, "timeline.json: timeline: ");
    let dir = "/db/other".into();
    let config = cairn_log::LogConfig { dir, ..log_config(&of_other) };
    let other = Log::open(storage(&disk), config).expect("opens").0;
    refused(&of_other, &other, "timeline.json: timeline: ");
}

#[test]
fn a_log_that_went_its_own_way_is_refused() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=6);
    let copy = disk.image(cairn_disk::Fate::Kept);
    write(&log, 1, 7..=20);
    ship(&repository, &disk, &info, &log);
    // An older copy of the directory: it ends before the archive does.
    let old = open_log(&copy, &info);
    let refused = |log: &Log| {
        let error = shipper(&repository, &copy, &info).ship(log, &one_thread(), true).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("archive of another log"), "{error}");
    };
    refused(&old);
    // And once it has grown past that, with other records.
    write(&old, 2, 7..=30);
    refused(&old);
    assert_eq!(read(&repository, &info, 1..=20).expect("read"), records(1, 1..=20));
}

#[test]
fn the_lag_is_what_the_log_holds_beyond_the_archive() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=20);
    let bytes: u64 = log.segments().iter().map(|segment| segment.bytes).sum();
    let mut shipper = shipper(&repository, &disk, &info);
    let all = Lag { records: 20, bytes, oldest_us: Some(time(1)) };
    assert_eq!(shipper.lag(&log).expect("lag"), all, "nothing is archived");
    shipper.ship(&log, &one_thread(), true).expect("shipped");
    assert_eq!(shipper.lag(&log).expect("lag"), Lag::default());
    write(&log, 1, 21..=25);
    let lag = shipper.lag(&log).expect("lag");
    assert_eq!((lag.records, lag.oldest_us), (5, Some(time(21))));
    assert!(lag.bytes > 5 * 32 && lag.bytes < bytes, "{lag:?}");
    assert_eq!(Lag::of(Some(Lsn(20)), &log).expect("lag"), lag);
}

#[test]
fn a_cancelled_shipment_archives_nothing_more_and_can_go_on() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=40);
    let cancelled = AtomicBool::new(true);
    let job = Job { cancel: &cancelled, ..one_thread() };
    let mut shipper = shipper(&repository, &disk, &info);
    assert!(matches!(shipper.ship(&log, &job, true), Err(cairn_snapshot::Error::Cancelled)));
    assert_eq!(spans(&repo, &info), []);
    assert_eq!(shipper.ship(&log, &one_thread(), true).expect("shipped").records, 40);
}

#[test]
fn leftovers_of_others_are_let_be_and_temporary_files_removed() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=20);
    ship(&repository, &disk, &info, &log);
    let dir = wal_dir(&info);
    repo.write_file(&dir.join("notes.txt"), b"mine");
    repo.write_file(&dir.join("00000000000000000021-00000000000000000022.log.zst.tmp"), b"half");
    repo.write_file(&repo_wal("not-a-timeline/a"), b"?");
    ship(&repository, &disk, &info, &log);
    let names = names(&repo, &info);
    assert!(
        names.contains(&"notes.txt".to_owned()) && !names.iter().any(|n| n.ends_with(".tmp")),
        "{names:?}"
    );
    assert_eq!(list(&repository).expect("listed").len(), 1);
}

fn repo_wal(name: &str) -> std::path::PathBuf {
    crate::support::repo_path().join("wal").join(name)
}

#[test]
fn two_shippers_of_one_timeline_take_turns() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=20);
    ship(&repository, &disk, &info, &log);
    let held = storage(&repo).lock(&wal_dir(&info).join("LOCK"), "another").expect("free");
    let mut shipper = shipper(&repository, &disk, &info);
    let error = shipper.ship(&log, &one_thread(), true).expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Locked);
    drop(held);
    shipper.ship(&log, &one_thread(), true).expect("free again");
}

#[test]
fn snapshots_are_made_while_an_archive_is_locked_and_the_other_way_round() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=20);
    ship(&repository, &disk, &info, &log);
    let _archive = storage(&repo).lock(&wal_dir(&info).join("LOCK"), "a shipper").expect("free");
    snapshot(&repo, 1, 20);
    let other = child(5, None, 0);
    let log = open_log(&disk, &other);
    let _writer = storage(&repo).lock(&crate::support::repo_path().join("LOCK"), "a create").expect("free");
    write(&log, 5, 1..=3);
    ship(&repository, &disk, &other, &log);
}

#[test]
fn a_file_that_is_there_already_is_checked_and_left() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=20);
    ship(&repository, &disk, &info, &log);
    let (first, last) = *spans(&repo, &info).last().expect("some");
    let path = log_path(&info, first, last);
    let whole = repo.read_file(&path);
    repo.flip(&path, 20, 4);
    // The end of the archive is damaged, and the log still has it.
    let shipped = ship(&repository, &disk, &info, &log);
    assert_eq!(shipped.damaged.len(), 1);
    assert_eq!(shipped.damaged[0].path, path);
    assert_eq!((repo.read_file(&path), shipped.archived_lsn), (whole, Some(Lsn(20))));
    assert_whole(&repository, "archived again");
    assert!(ship(&repository, &disk, &info, &log).damaged.is_empty());
}

#[test]
fn a_damaged_end_that_the_log_no_longer_has_stays_and_is_told() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=20);
    shipper(&repository, &disk, &info).ship(&log, &one_thread(), false).expect("shipped");
    let (first, last) = *spans(&repo, &info).last().expect("some");
    repo.flip(&log_path(&info, first, last), 20, 4);
    write(&log, 1, 21..=30);
    log.remove_before(last + 1).expect("removed");
    assert_eq!(log.base_offset(), last + 1);
    let shipped = ship(&repository, &disk, &info, &log);
    assert_eq!((shipped.damaged.len(), shipped.gaps.len(), shipped.archived_lsn), (1, 0, Some(Lsn(30))));
    let error = read(&repository, &info, 1..=30).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(read(&repository, &info, last + 1..=30).expect("read"), records(1, last + 1..=30));
}

#[test]
fn a_damaged_timeline_file_is_written_again() {
    let (repo, disk, info, log) = setup();
    let repository = open_or_create(&repo);
    write(&log, 1, 1..=5);
    ship(&repository, &disk, &info, &log);
    let path = wal_dir(&info).join("timeline.json");
    let whole = repo.read_file(&path);
    repo.flip(&path, 60, 1);
    assert!(listed(&repository, &info).timeline.is_none());
    assert_eq!(listed(&repository, &info).damaged.len(), 1);
    assert_eq!(ship(&repository, &disk, &info, &log).damaged.len(), 1);
    assert_eq!(repo.read_file(&path), whole);
}
