//! The newest segment cut at every length opens to a prefix.

use crate::common::*;
use cairn_disk::{Fate, SimDisk};
use cairn_log::{Log, LogConfig};

fn check(whole: &SimDisk, config: &LogConfig) {
    let newest = logs(whole).pop().unwrap();
    let base: u64 = newest.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let bytes = whole.read_file(&newest);
    let positions = positions(&bytes);
    for length in 0..=bytes.len() {
        let sim = whole.image(Fate::Kept);
        sim.truncate_file(&newest, length as u64);
        let inspection = Log::inspect(disk(&sim), config.clone()).unwrap();
        let (log, recovered) = open_with(&sim, config.clone()).unwrap();
        let kept = positions.iter().filter(|p| **p <= length).count().saturating_sub(1) as u64;
        assert_eq!(recovered.next_offset, base + kept, "length {length}");
        assert_eq!(read_all(&log), records(0..base + kept), "length {length}");
        assert!(inspection.damage.is_empty());
        assert_eq!(inspection.records, base + kept);
        append(&log, base + kept..base + kept + 2);
        drop(log);
        assert_eq!(open_with(&sim, config.clone()).unwrap().1.records, base + kept + 2);
    }
}

#[test]
fn of_a_log_with_sealed_segments() {
    let sim = SimDisk::new(1);
    append_committed(&open(&sim).0, 0..45);
    assert!(logs(&sim).len() > 2);
    check(&sim, &config());
}

#[test]
fn of_a_log_with_one_segment() {
    let config = LogConfig { segment_bytes: 1 << 20, ..config() };
    let sim = SimDisk::new(1);
    append(&open_with(&sim, config.clone()).unwrap().0, 0..10);
    check(&sim, &config);
}
