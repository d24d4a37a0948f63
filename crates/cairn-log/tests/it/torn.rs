//! The torn end of the newest segment: cut when it was never acknowledged, and only then.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::record::{Stamp, encode};
use cairn_log::{Entry, LogConfig};

fn roomy() -> LogConfig {
    LogConfig { segment_bytes: 1 << 20, ..config() }
}

/// Ten records that nobody made durable, as a crash without loss would leave them.
fn unsynced() -> (SimDisk, Vec<usize>) {
    let sim = SimDisk::new(1);
    append(&open_with(&sim, roomy()).unwrap().0, 0..10);
    let positions = positions(&sim.read_file(&path(0, "log")));
    (sim, positions)
}

#[test]
fn unacknowledged_damage_is_cut_there_and_reported() {
    let (whole, positions) = unsynced();
    let bytes = whole.read_file(&path(0, "log"));
    for at in 64..bytes.len() {
        let sim = whole.image(cairn_disk::Fate::Kept);
        sim.flip(&path(0, "log"), at as u64, 0x10);
        let damaged = positions.iter().rposition(|p| *p <= at).unwrap();
        let (log, recovered) = open_with(&sim, roomy()).unwrap();
        let cut = recovered.cut.expect("a cut");
        assert_eq!(cut.segment, path(0, "log"));
        assert_eq!((cut.at, cut.offset), (positions[damaged] as u64, damaged as u64), "byte {at}");
        assert_eq!(cut.bytes, (bytes.len() - positions[damaged]) as u64);
        assert_eq!(read_all(&log), records(0..damaged as u64));
        append(&log, damaged as u64..damaged as u64 + 4);
        drop(log);
        let (log, recovered) = open_with(&sim, roomy()).unwrap();
        assert_eq!(recovered.cut, None);
        assert_eq!(read_all(&log), records(0..damaged as u64 + 4));
    }
}

#[test]
fn zeros_at_the_end_are_cut() {
    let (sim, positions) = unsynced();
    let mut bytes = sim.read_file(&path(0, "log"));
    bytes.truncate(positions[7] + 11);
    bytes.resize(bytes.len() + 5000, 0);
    sim.write_file(&path(0, "log"), &bytes);
    let (log, recovered) = open_with(&sim, roomy()).unwrap();
    assert_eq!(recovered.cut.unwrap().bytes, 5011);
    assert_eq!(read_all(&log), records(0..7));
}

#[test]
fn a_sector_missing_in_the_unsynced_middle_is_cut() {
    let (sim, positions) = unsynced();
    let mut bytes = sim.read_file(&path(0, "log"));
    bytes[positions[4]..positions[5]].fill(0);
    sim.write_file(&path(0, "log"), &bytes);
    let (log, _) = open_with(&sim, roomy()).unwrap();
    assert_eq!(read_all(&log), records(0..4));
}

#[test]
fn what_looks_like_a_record_inside_a_whole_one_proves_nothing() {
    let sim = SimDisk::new(1);
    let mut inner = Vec::new();
    encode(&mut inner, Stamp { offset: 9, timestamp_us: 99, durable_offset: 9 }, &Entry::default());
    {
        let (log, _) = open_with(&sim, roomy()).unwrap();
        let plain = Entry { timestamp_us: 1, key: None, value: Some(b"plain") };
        log.append(&[plain, plain, Entry { value: Some(&inner), ..plain }, plain]).unwrap();
    }
    let second = positions(&sim.read_file(&path(0, "log")))[1] as u64;
    sim.flip(&path(0, "log"), second + 33, 1);
    let (log, recovered) = open_with(&sim, roomy()).unwrap();
    assert_eq!((recovered.cut.unwrap().offset, log.next_offset()), (1, 1));
}

#[test]
fn an_unknown_lag_proves_nothing() {
    let sim = SimDisk::new(1);
    let start = 1 << 40;
    let config = LogConfig { start, ..roomy() };
    drop(open_with(&sim, config.clone()).unwrap());
    let file = path(start, "log");
    let mut bytes = sim.read_file(&file);
    for offset in start..start + 4 {
        encode(&mut bytes, Stamp { offset, timestamp_us: 0, durable_offset: 0 }, &Entry::default());
    }
    sim.write_file(&file, &bytes);
    assert_eq!(open_with(&sim, config.clone()).unwrap().1.records, 4);
    sim.flip(&file, 64 + 32 + 10, 1);
    assert_eq!(open_with(&sim, config).unwrap().1.records, 1);
}

#[test]
fn a_segment_created_and_never_synced_is_removed() {
    let sim = SimDisk::new(1);
    append(&open(&sim).0, 0..30);
    let sealed_end = open(&sim).0.segments().last().unwrap().base_offset;
    // The newest goes back to how its creation might have torn it.
    let newest = path(sealed_end, "log");
    let header = sim.read_file(&newest)[..64].to_vec();
    let mut torn: Vec<Vec<u8>> = (0..64).map(|length| header[..length].to_vec()).collect();
    torn.extend([vec![0; 64], vec![0; 13]]);
    for bytes in torn {
        let sim = sim.image(cairn_disk::Fate::Kept);
        sim.write_file(&newest, &bytes);
        let (log, recovered) = open(&sim);
        assert!(recovered.removed.contains(&newest), "{recovered:?}");
        assert_eq!(recovered.next_offset, sealed_end);
        append(&log, sealed_end..60);
        drop(log);
        let (log, recovered) = open(&sim);
        assert_eq!((recovered.removed, recovered.cut, recovered.indexes_rebuilt), (vec![], None, 0));
        assert_eq!(read_all(&log), records(0..60));
    }
}

#[test]
fn a_first_segment_created_and_never_synced_is_made_anew() {
    for bytes in [vec![], vec![0; 64]] {
        let sim = SimDisk::new(1);
        sim.write_file(&path(0, "log"), &bytes);
        let (log, recovered) = open(&sim);
        assert_eq!(recovered.removed, [path(0, "log")]);
        append(&log, 0..3);
        assert_eq!(read_all(&log), records(0..3));
    }
}
