//! Files that are not this log's, or not at their place.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::{DatabaseId, ErrorKind, Log, LogConfig, TimelineId};

fn filled() -> SimDisk {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..100);
    sim
}

fn refused(sim: &SimDisk, config: &LogConfig) -> String {
    let before = snapshot(sim);
    let error = open_with(sim, config.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(snapshot(sim), before);
    let inspection = Log::inspect(disk(sim), config.clone()).unwrap();
    let found = inspection.damage.first().expect("inspect finds it too").to_string();
    assert_eq!(found, error.to_string());
    found
}

#[test]
fn another_databases_log_is_refused() {
    let config = LogConfig { id: DatabaseId([8; 16]), ..config() };
    let error = refused(&filled(), &config);
    let expected = format!("log id mismatch: expected {}, got {}", "08".repeat(16), "07".repeat(16));
    assert!(error.ends_with(&expected), "{error}");
}

#[test]
fn another_timelines_log_is_refused() {
    let config = LogConfig { timeline: TimelineId([1; 16]), ..config() };
    let error = refused(&filled(), &config);
    let expected = format!("timeline mismatch: expected {}, got {}", "01".repeat(16), "09".repeat(16));
    assert!(error.ends_with(&expected), "{error}");
}

#[test]
fn an_empty_segment_of_another_database_is_not_taken_for_torn() {
    let sim = SimDisk::new(1);
    drop(open(&sim));
    refused(&sim, &LogConfig { id: DatabaseId([8; 16]), ..config() });
}

#[test]
fn a_missing_middle_segment_is_refused() {
    let sim = filled();
    let files = logs(&sim);
    sim.remove_file(&files[2]);
    let error = refused(&sim, &config());
    assert!(error.starts_with(files[3].to_str().unwrap()), "{error}");
    let base = |i: usize| files[i].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let (from, to) = (base(2), base(3));
    let expected = format!(
        "records missing before it, base offset: expected {from}, got {to}: offsets {from} to {} are missing",
        to - 1
    );
    assert!(error.ends_with(&expected), "{error}");
}

#[test]
fn a_segment_whose_records_are_there_twice_is_refused() {
    let sim = filled();
    let files = logs(&sim);
    let base = |i: usize| files[i].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    // Whole records again at the end of the first: those of the second.
    let (mut first, second) = (sim.read_file(&files[0]), sim.read_file(&files[1]));
    first.extend_from_slice(&second[64..positions(&second)[2]]);
    sim.write_file(&files[0], &first);
    let error = refused(&sim, &config());
    let (to, next) = (base(1), base(1) + 2);
    let expected = format!(
        "records there twice, base offset: expected {next}, got {to}: offsets {to} to {} are there twice",
        next - 1
    );
    assert!(error.starts_with(files[1].to_str().unwrap()) && error.ends_with(&expected), "{error}");
}

#[test]
fn a_missing_segment_before_the_newest_is_refused() {
    let sim = filled();
    let files = logs(&sim);
    sim.remove_file(&files[files.len() - 2]);
    refused(&sim, &config());
}

#[test]
fn a_missing_segment_before_a_torn_creation_is_refused() {
    let sim = filled();
    let files = logs(&sim);
    sim.remove_file(&files[files.len() - 2]);
    sim.truncate_file(&files[files.len() - 1], 0);
    refused(&sim, &config());
}

#[test]
fn a_segment_under_another_name_is_refused() {
    let sim = filled();
    let bytes = sim.read_file(&path(0, "log"));
    sim.write_file(&path(100, "log"), &bytes);
    let error = refused(&sim, &config());
    assert!(
        error.ends_with("00000000000000000100.log at byte 48: base offset mismatch: expected 100, got 0"),
        "{error}"
    );
}

#[test]
fn swapped_segments_are_refused() {
    let sim = filled();
    let files = logs(&sim);
    let (a, b) = (sim.read_file(&files[1]), sim.read_file(&files[2]));
    sim.write_file(&files[1], &b);
    sim.write_file(&files[2], &a);
    refused(&sim, &config());
}

#[test]
fn leftover_files_are_removed_and_strangers_left_alone() {
    let sim = filled();
    let leftovers = [
        format!("{DIR}/00000000000000000003.index.tmp"),
        format!("{DIR}/00000000000000000003.index"),
        format!("{DIR}/00000000000000000003.timeindex"),
    ];
    let strangers =
        [format!("{DIR}/notes.txt"), format!("{DIR}/3.log"), format!("{DIR}/99999999999999999999.log")];
    leftovers.iter().chain(&strangers).for_each(|p| sim.write_file(p.as_ref(), b"x"));
    let (log, recovered) = open(&sim);
    let mut removed: Vec<_> = recovered.removed.iter().map(|p| p.to_str().unwrap().to_owned()).collect();
    removed.sort();
    let mut expected = leftovers.to_vec();
    expected.sort();
    assert_eq!(removed, expected);
    let files = sim.files();
    assert!(leftovers.iter().all(|p| !files.contains(&p.into())));
    assert!(strangers.iter().all(|p| files.contains(&p.into())));
    assert_eq!(read_all(&log), records(0..100));
}
