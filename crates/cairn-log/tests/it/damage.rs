//! Damage to what was acknowledged: found, named, and nothing is cut.

use crate::common::*;
use cairn_disk::{Fate, SimDisk};
use cairn_log::{Error, ErrorKind, Log, LogConfig};

/// The damage is reported by open (or at the latest by reading), and no file changes.
fn assert_refused(sim: &SimDisk, config: &LogConfig, what: &str) -> String {
    let before = snapshot(sim);
    let error = match open_with(sim, config.clone()) {
        Err(error) => {
            assert_eq!(snapshot(sim), before, "{what}: files changed");
            error
        }
        Ok((log, recovered)) => {
            assert_eq!(recovered.cut, None, "{what}: cut");
            log.read(log.base_offset())
                .unwrap()
                .find_map(Result::err)
                .unwrap_or_else(|| panic!("{what}: not found"))
        }
    };
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{what}: {error}");
    error.to_string()
}

#[test]
fn in_the_durable_middle_of_the_newest_segment() {
    let config = LogConfig { segment_bytes: 1 << 20, ..config() };
    let whole = SimDisk::new(1);
    append_committed(&open_with(&whole, config.clone()).unwrap().0, 0..12);
    let file = path(0, "log");
    let positions = positions(&whole.read_file(&file));
    let last = positions[11];
    for at in 64..last as u64 {
        let sim = whole.image(Fate::Kept);
        sim.flip(&file, at, 0x40);
        let before = snapshot(&sim);
        let error = open_with(&sim, config.clone()).unwrap_err();
        let Error::Disk(cairn_disk::Error::Corrupt { path, offset, expected, actual, .. }) = &error else {
            panic!("byte {at}: {error}");
        };
        let damaged = positions.iter().rposition(|p| *p as u64 <= at).unwrap();
        assert_eq!((path, *offset), (&file, Some(positions[damaged] as u64)), "byte {at}: {error}");
        assert_ne!(expected, actual);
        assert_eq!(snapshot(&sim), before, "byte {at}: the file changed");
    }
}

#[test]
fn the_message_names_file_position_expected_and_actual() {
    let sim = SimDisk::new(1);
    append_committed(&open(&sim).0, 0..5);
    sim.flip(&path(0, "log"), 64 + 20, 1);
    let error = open_with(&sim, config()).unwrap_err().to_string();
    let beginning = "/db/wal/00000000000000000000.log at byte 64: CRC mismatch: expected 0x";
    assert!(error.starts_with(beginning), "{error}");
    assert!(error.contains(", got 0x"), "{error}");
}

#[test]
fn only_what_a_later_record_knew_durable_is_proven() {
    // Five durable, then a batch of five that was not: damage before the fifth is refused, after it cut.
    let config = LogConfig { segment_bytes: 1 << 20, ..config() };
    let whole = SimDisk::new(1);
    let (log, _) = open_with(&whole, config.clone()).unwrap();
    append(&log, 0..5);
    log.commit(4).unwrap();
    append(&log, 5..10);
    let positions = positions(&whole.read_file(&path(0, "log")));
    for (damaged, position) in positions.iter().enumerate().take(10) {
        let sim = whole.image(Fate::Kept);
        sim.flip(&path(0, "log"), *position as u64 + 9, 1);
        match open_with(&sim, config.clone()) {
            Err(error) => assert!(damaged < 5 && error.kind() == ErrorKind::Corrupt, "{damaged}: {error}"),
            Ok((_, recovered)) => assert!(damaged >= 5 && recovered.records == damaged as u64, "{damaged}"),
        }
    }
}

#[test]
fn in_a_sealed_segment() {
    let whole = SimDisk::new(1);
    append(&open(&whole).0, 0..60);
    let sealed = logs(&whole);
    for file in &sealed[..2] {
        for at in 0..whole.read_file(file).len() as u64 {
            let sim = whole.image(Fate::Kept);
            sim.flip(file, at, 4);
            let what = format!("{} byte {at}", file.display());
            let error = assert_refused(&sim, &config(), &what);
            assert!(error.contains(file.to_str().unwrap()), "{what}: {error}");
            let inspection = Log::inspect(disk(&sim), config()).unwrap();
            assert!(!inspection.damage.is_empty(), "{what}");
        }
    }
}

#[test]
fn in_a_sealed_segment_without_index() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..60);
    sim.flip(&path(0, "log"), 64 + 40, 4);
    sim.remove_file(&path(0, "index"));
    let before = snapshot(&sim);
    let error = open_with(&sim, config()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("00000000000000000000.log at byte "), "{error}");
    assert_eq!(snapshot(&sim), before);
}

#[test]
fn a_sealed_segment_cut_at_every_length() {
    let whole = SimDisk::new(1);
    append(&open(&whole).0, 0..60);
    let file = &logs(&whole)[1];
    for length in 0..whole.read_file(file).len() as u64 {
        let sim = whole.image(Fate::Kept);
        sim.truncate_file(file, length);
        let before = snapshot(&sim);
        let error = open_with(&sim, config()).expect_err("a cut segment");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "length {length}: {error}");
        assert_eq!(snapshot(&sim), before, "length {length}");
    }
}

#[test]
fn in_the_header_of_the_newest_segment() {
    let config = LogConfig { segment_bytes: 1 << 20, ..config() };
    let whole = SimDisk::new(1);
    append(&open_with(&whole, config.clone()).unwrap().0, 0..3);
    for at in 0..64 {
        let sim = whole.image(Fate::Kept);
        sim.flip(&path(0, "log"), at, 0x80);
        let error = assert_refused(&sim, &config, &format!("byte {at}"));
        assert!(error.starts_with("/db/wal/00000000000000000000.log"), "{error}");
    }
}

#[test]
fn in_the_header_of_a_lone_segment_that_others_came_before() {
    let sim = SimDisk::new(1);
    let base = {
        let (log, _) = open(&sim);
        append(&log, 0..60);
        log.commit(59).unwrap();
        log.remove_before(60).unwrap();
        log.base_offset()
    };
    sim.truncate_file(&path(base, "log"), 10);
    let error = assert_refused(&sim, &config(), "cut to 10 bytes");
    assert!(error.contains("size mismatch: expected at least 64, got 10"), "{error}");
    assert_eq!(Log::inspect(disk(&sim), config()).unwrap().damage.len(), 1);
}

#[test]
fn times_that_go_back_are_damage() {
    use cairn_log::Entry;
    use cairn_log::record::{Stamp, encode};
    let sim = SimDisk::new(1);
    drop(open(&sim));
    let mut bytes = sim.read_file(&path(0, "log"));
    for (offset, timestamp_us) in [(0, 5), (1, 4), (2, 6)] {
        encode(&mut bytes, Stamp { offset, timestamp_us, durable_offset: offset }, &Entry::default());
    }
    sim.write_file(&path(0, "log"), &bytes);
    let error = open_with(&sim, config()).unwrap_err().to_string();
    assert!(error.ends_with("at byte 96: timestamp: expected at least 5, got 4"), "{error}");
}

#[test]
fn a_newer_version_is_refused_and_never_removed() {
    for (length, base) in [(64, 0), (1000, 0)] {
        let sim = SimDisk::new(1);
        append(&open(&sim).0, 0..40);
        let newest = logs(&sim).pop().unwrap();
        let mut bytes = sim.read_file(&newest);
        bytes.truncate(length);
        bytes[8] = 2;
        sim.write_file(&newest, &bytes);
        let error = assert_refused(&sim, &config(), &format!("base {base}"));
        assert!(error.ends_with("Version mismatch: expected 1, got 2"), "{error}");
    }
}
