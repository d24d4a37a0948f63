//! Damage of an archive: every byte, every length, swapped and foreign files, names that lie, and overlaps.

use crate::archive_support::*;
use crate::support::{names_file, one_thread, open, open_or_create, repo_path, storage};
use cairn_disk::{ErrorKind, Fate, SimDisk, Storage};
use cairn_snapshot::archive::{TimelineInfo, verify_archive};
use std::path::{Path, PathBuf};

/// An archive with two segments, a gap and a part; its files but `LOCK`.
fn small() -> (SimDisk, TimelineInfo, Vec<PathBuf>) {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    write(&log, 1, 1..=3);
    ship(&repository, &disk, &info, &log);
    write(&log, 1, 4..=30);
    log.remove_before(28).expect("removed");
    ship(&repository, &disk, &info, &log);
    let files = repo.files().into_iter().filter(|f| f.starts_with(repo_path().join("wal")));
    let files: Vec<PathBuf> = files.filter(|f| !f.ends_with("LOCK")).collect();
    assert!(files.len() >= 4, "{files:?}");
    (repo.image(Fate::Kept), info, files)
}

/// Verification names the file; a reader gives the right records or an error that names it.
fn must_be_found(disk: &SimDisk, info: &TimelineInfo, whole: &[(u64, u64)], file: &Path, what: &str) {
    let repository = open(disk);
    let report = verify_archive(&repository, &one_thread()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let text = report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(names_file(&text, file), "{what}: {} is not named in {text:?}", file.display());
    for (first, last) in whole {
        match read(&repository, info, *first..=*last) {
            Ok(read) => assert_eq!(read, records(1, *first..=*last), "{what}"),
            Err(e) => {
                let expected = [ErrorKind::Corrupt, ErrorKind::Version, ErrorKind::NotFound];
                assert!(expected.contains(&e.kind()), "{what}: {e}");
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let (whole, info, files) = small();
    let there = ranges(&open(&whole), &info);
    let mut flips = 0;
    for file in &files {
        for at in 0..whole.read_file(file).len() as u64 {
            for mask in [1 << (at % 8), 0x40] {
                let disk = whole.image(Fate::Kept);
                disk.flip(file, at, mask);
                let what = format!("{} byte {at}", file.display());
                must_be_found(&disk, &info, &there, file, &what);
                flips += 1;
            }
        }
    }
    println!("flipped bytes: {flips}");
    assert!(flips >= 2_000, "only {flips}");
}

#[test]
fn every_shorter_length_is_found_and_named() {
    let (whole, info, files) = small();
    let there = ranges(&open(&whole), &info);
    for file in &files {
        for bytes in 0..whole.read_file(file).len() as u64 {
            let disk = whole.image(Fate::Kept);
            disk.truncate_file(file, bytes);
            must_be_found(&disk, &info, &there, file, &format!("{} cut to {bytes}", file.display()));
        }
    }
}

#[test]
fn more_bytes_are_found_and_named() {
    let (whole, info, files) = small();
    let there = ranges(&open(&whole), &info);
    for file in &files {
        let bytes = whole.read_file(file);
        for more in [&b"\0"[..], &[0; 200], &bytes] {
            let disk = whole.image(Fate::Kept);
            disk.write_file(file, &[&bytes, more].concat());
            must_be_found(&disk, &info, &there, file, &format!("{} with more", file.display()));
        }
    }
}

#[test]
fn swapped_files_are_found() {
    let (whole, info, files) = small();
    let there = ranges(&open(&whole), &info);
    for (i, a) in files.iter().enumerate() {
        for b in &files[..i] {
            let disk = whole.image(Fate::Kept);
            let (bytes_a, bytes_b) = (disk.read_file(a), disk.read_file(b));
            disk.write_file(a, &bytes_b);
            disk.write_file(b, &bytes_a);
            for file in [a, b] {
                must_be_found(&disk, &info, &there, file, "swapped");
            }
        }
    }
}

#[test]
fn files_of_another_timeline_or_database_are_refused() {
    let (repo, info) = (SimDisk::new(1), timeline(1, 0));
    let repository = open_or_create(&repo);
    archive(&repository, &info, 1, 20);
    let (first, last) = spans(&repo, &info)[0];
    let path = log_path(&info, first, last);
    for other in [
        TimelineInfo { id: timeline_id(2), ..info.clone() },
        TimelineInfo { database: cairn_engine::DatabaseId([9; 16]), ..info.clone() },
    ] {
        let foreign = SimDisk::new(5);
        archive(&open_or_create(&foreign), &other, 1, 20);
        let disk = repo.image(Fate::Kept);
        disk.write_file(&path, &foreign.read_file(&log_path(&other, first, last)));
        must_be_found(&disk, &info, &[(1, 20)], &path, "foreign");
        assert!(read(&open(&disk), &info, first..=last).is_err());
        // The rest can still be read.
        let rest = read(&open(&disk), &info, last + 1..=20).expect("read");
        assert_eq!(rest, records(1, last + 1..=20));
    }
}

#[test]
fn a_newer_version_says_so() {
    let (whole, info, files) = small();
    for file in &files {
        let mut bytes = whole.read_file(file);
        let (at, value) = if file.extension().is_some_and(|e| e == "zst") {
            (bytes.len() - 136 + 16, 2)
        } else {
            let text = String::from_utf8(bytes.clone()).expect("text");
            (text.find("\"version\":1").expect("there") + 10, b'2')
        };
        bytes[at] = value;
        let disk = whole.image(Fate::Kept);
        disk.write_file(file, &bytes);
        let findings = listed(&open(&disk), &info).damaged;
        assert_eq!(findings.len(), 1, "{}", file.display());
        assert_eq!(findings[0].what, "Version mismatch", "{}", file.display());
    }
}

#[test]
fn each_frame_carries_zstds_own_checksum() {
    let (whole, _, files) = small();
    let logs = files.iter().filter(|file| file.extension().is_some_and(|e| e == "zst"));
    for file in logs {
        let mut bytes = whole.read_file(file);
        assert_eq!((&bytes[..4], bytes[4] & 4), (&[0x28, 0xb5, 0x2f, 0xfd][..], 4), "{}", file.display());
        // The last byte of the frame is one of its checksum.
        let at = bytes.len() - 137;
        bytes[at] ^= 1;
        assert!(zstd::stream::decode_all(&bytes[..]).is_err(), "{}", file.display());
    }
}

#[test]
fn a_name_alone_neither_stops_shipping_nor_removes_anything() {
    for settled in [false, true] {
        let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
        let repository = open_or_create(&repo);
        let log = open_log(&disk, &info);
        write(&log, 1, 1..=20);
        let mut shipper = shipper(&repository, &disk, &info);
        shipper.ship(&log, &one_thread(), true).expect("shipped");
        let before = spans(&repo, &info);
        let liar = log_path(&info, 1, 900);
        repo.write_file(&liar, b"not a log");
        write(&log, 1, 21..=30);
        if !settled {
            shipper = self::shipper(&repository, &disk, &info);
        }
        let shipped = shipper.ship(&log, &one_thread(), true).expect("shipped");
        assert_eq!(shipped.damaged.len(), 1, "{shipped:?}");
        assert_eq!(shipped.archived_lsn.map(|lsn| lsn.0), Some(30));
        assert!(before.iter().all(|(_, last)| ranges(&repository, &info)[0].1 >= *last));
        assert_eq!(read(&repository, &info, 1..=30).expect("read"), records(1, 1..=30));
    }
}

#[test]
fn an_end_that_no_log_has_is_never_taken_for_archived() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    write(&log, 1, 1..=60);
    let mut shipper = shipper(&repository, &disk, &info);
    shipper.ship(&log, &one_thread(), true).expect("shipped");
    log.remove_before(40).expect("removed");
    // The log no longer has the first record it claims: it cannot be written again.
    repo.write_file(&log_path(&info, 1, u64::MAX), b"not a log");
    for fresh in [false, true] {
        if fresh {
            shipper = self::shipper(&repository, &disk, &info);
        }
        let error = shipper.ship(&log, &one_thread(), true).expect_err("refused");
        assert!(error.to_string().contains("archive of another log"), "{error}");
    }
}

#[test]
fn superseded_files_that_are_still_there_do_no_harm_and_go_with_the_next_call() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    let mut parts = Vec::new();
    for lsn in 1..=30 {
        write(&log, 1, lsn..=lsn);
        ship(&repository, &disk, &info, &log);
        parts.extend(spans(&repo, &info).into_iter().map(|(first, last)| {
            let path = log_path(&info, first, last);
            (path.clone(), repo.read_file(&path))
        }));
    }
    let tidy = names(&repo, &info);
    for (path, bytes) in &parts {
        repo.write_file(path, bytes);
    }
    assert!(names(&repo, &info).len() > tidy.len() + 10);
    assert_eq!((ranges(&repository, &info), gaps(&repository, &info)), (vec![(1, 30)], vec![]));
    for first in 1..=30 {
        assert_eq!(read(&repository, &info, first..=30).expect("read"), records(1, first..=30));
    }
    assert_whole(&repository, "leftovers");
    ship(&repository, &disk, &info, &log);
    assert_eq!(names(&repo, &info), tidy);
}

#[test]
fn files_that_overlap_read_as_one() {
    // The same log archived twice, cut at different places, and the files put together.
    let (info, disk) = (timeline(1, 0), SimDisk::new(2));
    let config = cairn_log::LogConfig { segment_bytes: 1 << 20, ..log_config(&info) };
    let log = cairn_log::Log::open(storage(&disk), config).expect("opens").0;
    let (one, two) = (SimDisk::new(3), SimDisk::new(4));
    let at = |lsn: u64, repos: &[&SimDisk]| {
        write(&log, 1, log.next_offset()..=lsn);
        for repo in repos {
            ship(&open_or_create(repo), &disk, &info, &log);
        }
    };
    at(45, &[&one]);
    at(50, &[&two]);
    at(60, &[&one]);
    at(70, &[&two]);
    assert_eq!((spans(&one, &info), spans(&two, &info)), (vec![(1, 45), (46, 60)], vec![(1, 50), (51, 70)]));
    for (first, last) in spans(&two, &info) {
        let path = log_path(&info, first, last);
        one.write_file(&path, &two.read_file(&path));
    }
    let repository = open(&one);
    assert_eq!((ranges(&repository, &info), gaps(&repository, &info)), (vec![(1, 70)], vec![]));
    for first in [1, 44, 45, 46, 50, 51, 60, 61, 70] {
        assert_eq!(read(&repository, &info, first..=70).expect("read"), records(1, first..=70));
    }
    // Without the later part the earlier one still ends where it did.
    one.remove(&log_path(&info, 51, 70)).expect("removed");
    assert_eq!(read(&repository, &info, 1..=60).expect("read"), records(1, 1..=60));
}

#[test]
fn a_reader_goes_on_when_its_file_is_superseded_meanwhile() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    write(&log, 1, 1..=12);
    ship(&repository, &disk, &info, &log);
    let (first, last) = *spans(&repo, &info).last().expect("some");
    assert!(first > 1 && last == 12);
    let mut reader = cairn_snapshot::archive::ArchiveReader::open(
        &repository,
        info.id,
        cairn_engine::Lsn(1),
        cairn_engine::Lsn(12),
    )
    .expect("opens");
    let mut got = vec![reader.next().expect("one").expect("whole")];
    write(&log, 1, 13..=40);
    ship(&repository, &disk, &info, &log);
    assert!(!spans(&repo, &info).contains(&(first, last)), "superseded");
    got.extend(reader.map(|record| record.expect("whole")));
    assert_eq!(got, records(1, 1..=12));
}

#[test]
fn reading_nothing_or_of_no_timeline_is_refused() {
    let (repo, info) = (SimDisk::new(1), timeline(1, 0));
    let repository = open_or_create(&repo);
    assert_eq!(cairn_snapshot::archive::list(&repository).expect("listed").len(), 0);
    assert_eq!(read(&repository, &info, 1..=2).expect_err("no archive").kind(), ErrorKind::NotFound);
    archive(&repository, &info, 1, 20);
    #[allow(clippy::reversed_empty_ranges, reason = "that is what is asked for")]
    let error = read(&repository, &info, 5..=4).expect_err("the wrong way round");
    assert_eq!(error.kind(), ErrorKind::Input);
    for lsns in [0..=3, 15..=21, 21..=30] {
        let error = read(&repository, &info, lsns).expect_err("outside");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("recoverable: from LSN 1 "), "{error}");
    }
}
