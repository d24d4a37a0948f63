//! Index files: rebuilt when missing, short or damaged, and never believed against the log.

use crate::common::*;
use cairn_disk::{Fate, SimDisk, crc32c};
use cairn_log::Log;
use std::path::Path;

fn filled() -> SimDisk {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..150);
    sim
}

/// Opens, finds everything, and has the index files as they were before the damage.
fn assert_rebuilt(sim: &SimDisk, whole: &SimDisk, what: &str) {
    let (log, recovered) = open(sim);
    assert_eq!(recovered.indexes_rebuilt, 1, "{what}");
    assert!((0..150).step_by(7).all(|from| read_from(&log, from).len() as u64 == 150 - from), "{what}");
    assert_eq!(snapshot(sim), snapshot(whole), "{what}");
}

#[test]
fn the_newest_segment_has_none_until_it_is_sealed() {
    let sim = filled();
    let files = logs(&sim);
    for (i, file) in files.iter().enumerate() {
        let sealed = i + 1 < files.len();
        assert_eq!(sim.files().contains(&file.with_extension("index")), sealed);
        assert_eq!(sim.files().contains(&file.with_extension("timeindex")), sealed);
    }
}

#[test]
fn bytes_are_those_of_the_format() {
    let sim = filled();
    let second = logs(&sim)[1].clone();
    let base: u64 = second.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let log_positions = positions(&sim.read_file(&second));
    for (extension, magic) in [("index", b"CAIRNIDX"), ("timeindex", b"CAIRNTIX")] {
        let bytes = sim.read_file(&second.with_extension(extension));
        assert_eq!(&bytes[..8], magic);
        assert_eq!(bytes[8..16], [1, 0, 0, 0, 32, 0, 0, 0]);
        assert_eq!(bytes[16..24], base.to_le_bytes());
        let log_crc = if extension == "index" { crc32c(&sim.read_file(&second)) } else { 0 };
        assert_eq!(bytes[24..28], log_crc.to_le_bytes());
        assert_eq!(bytes[28..32], crc32c(&bytes[..28]).to_le_bytes());
        assert!(bytes.len() >= 32 + 5 * 16 && bytes.len().is_multiple_of(16));
        for entry in bytes[32..].chunks(16) {
            assert_eq!(entry[12..], crc32c(&entry[..12]).to_le_bytes());
            let word = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().unwrap());
            let long = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
            if extension == "index" {
                assert_eq!(log_positions[word(0) as usize], long(4) as usize);
            } else {
                let offset = base + u64::from(word(8));
                assert_eq!(record(offset).timestamp_us, long(0) as i64);
                assert!(word(8) == 0 || record(offset - 1).timestamp_us < long(0) as i64);
            }
        }
    }
}

#[test]
fn missing_ones_are_rebuilt() {
    let whole = filled();
    for extension in ["index", "timeindex"] {
        let sim = whole.image(Fate::Kept);
        sim.remove_file(&path(0, extension));
        assert_rebuilt(&sim, &whole, extension);
    }
}

#[test]
fn short_ones_are_rebuilt() {
    let whole = filled();
    for extension in ["index", "timeindex"] {
        let file = path(0, extension);
        for length in 0..whole.read_file(&file).len() as u64 {
            let sim = whole.image(Fate::Kept);
            sim.truncate_file(&file, length);
            let inspection = Log::inspect(disk(&sim), config()).unwrap();
            assert_eq!((inspection.damage.len(), inspection.index_damage.len()), (0, 1), "{length}");
            assert_rebuilt(&sim, &whole, &format!("{extension} cut to {length}"));
        }
    }
}

#[test]
fn damaged_ones_are_rebuilt() {
    let whole = filled();
    for extension in ["index", "timeindex"] {
        let file = path(0, extension);
        for at in 0..whole.read_file(&file).len() as u64 {
            let sim = whole.image(Fate::Kept);
            sim.flip(&file, at, 0x20);
            let inspection = Log::inspect(disk(&sim), config()).unwrap();
            assert_eq!(
                (inspection.damage.len(), inspection.index_damage.len()),
                (0, 1),
                "{extension} byte {at}"
            );
            assert_rebuilt(&sim, &whole, &format!("{extension} byte {at}"));
        }
    }
}

#[test]
fn another_segments_index_is_rebuilt() {
    let whole = filled();
    let second = logs(&whole)[1].clone();
    for extension in ["index", "timeindex"] {
        let sim = whole.image(Fate::Kept);
        sim.write_file(&path(0, extension), &sim.read_file(&second.with_extension(extension)));
        assert_rebuilt(&sim, &whole, extension);
    }
}

#[test]
fn damage_while_the_log_is_open_misleads_nobody() {
    let sim = filled();
    let (log, _) = open(&sim);
    for file in sim.files().into_iter().filter(|p| p.extension().is_some_and(|e| e != "log")) {
        (32..sim.read_file(&file).len() as u64).step_by(5).for_each(|at| sim.flip(&file, at, 1));
    }
    assert_all_found(&log);
}

/// Entries that check, and say what is not so.
#[test]
fn wrong_entries_mislead_nobody_and_are_found_by_inspect() {
    let whole = filled();
    let (log, _) = open(&whole);
    for (extension, change) in [("index", 4), ("index", 0), ("timeindex", 8), ("timeindex", 0)] {
        let file = path(0, extension);
        let entries = (whole.read_file(&file).len() - 32) / 16;
        for entry in 1..entries - 1 {
            let sim = whole.image(Fate::Kept);
            nudge(&sim, &file, 32 + entry * 16, change);
            let inspection = Log::inspect(disk(&sim), config()).unwrap();
            assert_eq!(inspection.index_damage.len(), 1, "{extension} entry {entry}");
            assert_all_found(&open(&sim).0);
        }
    }
    assert_all_found(&log);
}

#[test]
fn a_last_entry_past_the_segments_end_misleads_nobody() {
    let sim = filled();
    for file in sim.files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "timeindex")) {
        let last = sim.read_file(&file).len() - 16;
        nudge(&sim, &file, last, 9);
    }
    let (log, recovered) = open(&sim);
    assert_eq!(recovered.indexes_rebuilt, 0, "nothing tells without looking at the record");
    assert_all_found(&log);
}

/// Adds one to a field of an entry, and makes its checksum right.
fn nudge(sim: &SimDisk, file: &Path, entry: usize, field: usize) {
    let mut bytes = sim.read_file(file);
    bytes[entry + field] += 1;
    let crc = crc32c(&bytes[entry..entry + 12]);
    bytes[entry + 12..entry + 16].copy_from_slice(&crc.to_le_bytes());
    sim.write_file(file, &bytes);
}

fn assert_all_found(log: &Log) {
    for from in 0..150 {
        assert_eq!(log.read(from).unwrap().next().unwrap().unwrap(), record(from));
        let time = record(from).timestamp_us;
        let expected = (0..150).find(|o| record(*o).timestamp_us >= time);
        assert_eq!(log.offset_for_time(time).unwrap(), expected, "time {time}");
    }
}

#[test]
fn another_interval_changes_nothing_but_the_indexes() {
    let sim = filled();
    for interval in [50, 1000, 200, 1] {
        let config = cairn_log::LogConfig { index_interval_bytes: interval, ..config() };
        assert_all_found(&open_with(&sim, config.clone()).unwrap().0);
        let inspection = Log::inspect(disk(&sim), config).unwrap();
        assert!(inspection.damage.is_empty() && inspection.index_damage.is_empty(), "{inspection:?}");
    }
}
