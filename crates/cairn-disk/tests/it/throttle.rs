//! The throttle: how long work in the background waits, and that what it writes is what it was given.

use cairn_disk::{Access, SimDisk, Storage, Throttle, Throttled};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn nobody_waits_for_syncs_and_nothing_is_held_back() {
    let throttle = Throttle::new(MIB);
    assert_eq!(throttle.wait_at(1 << 40, at(1_000)), Duration::ZERO);
}

#[test]
fn beside_syncs_a_burst_passes_and_then_the_rate_holds() {
    let throttle = Throttle::new(MIB);
    throttle.synced_at(at(10_000));
    assert_eq!(throttle.wait_at(4 * MIB, at(10_000)), Duration::ZERO, "the burst");
    assert_eq!(throttle.wait_at(MIB, at(10_000)), at(1_000));
    assert_eq!(throttle.wait_at(2 * MIB, at(10_000)), at(3_000), "all threads share it");
    assert_eq!(throttle.wait_at(MIB / 2, at(10_040)), at(3_460), "time passes");
}

#[test]
fn it_lets_go_when_the_syncs_end() {
    let throttle = Throttle::new(MIB);
    throttle.synced_at(at(10_000));
    assert_eq!(throttle.wait_at(100 * MIB, at(10_000)), at(96_000));
    assert_eq!(throttle.wait_at(100 * MIB, at(10_051)), Duration::ZERO);
}

#[test]
fn what_was_not_used_is_not_saved_up() {
    let throttle = Throttle::new(MIB);
    throttle.synced_at(at(10_000));
    throttle.wait_at(4 * MIB, at(10_000));
    throttle.synced_at(at(3_600_000));
    assert_eq!(throttle.wait_at(5 * MIB, at(3_600_000)), at(1_000));
}

#[test]
fn no_rate_is_any_rate() {
    let throttle = Throttle::new(0);
    throttle.synced_at(at(10));
    assert_eq!(throttle.wait_at(u64::MAX, at(10)), Duration::ZERO);
}

#[test]
fn a_throttled_file_has_the_bytes_it_was_given() {
    let disk = SimDisk::new(1);
    let throttle = Arc::new(Throttle::new(1 << 40));
    throttle.synced();
    let throttled = Throttled::new(Arc::new(disk.clone()), throttle);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n >> 3) as u8).collect();
    let path = Path::new("/f");
    let file = throttled.create(path).unwrap();
    file.append(&bytes[..1_000_001]).unwrap();
    file.append(&[]).unwrap();
    file.append(&bytes[1_000_001..]).unwrap();
    file.write_at(5, b"here").unwrap();
    file.sync().unwrap();
    let mut expected = bytes;
    expected[5..9].copy_from_slice(b"here");
    assert_eq!(cairn_disk::read_file(&disk, path, 1 << 30).unwrap(), expected);
    assert_eq!(throttled.open(path, Access::Read).unwrap().bytes().unwrap(), 3_000_000);
}

#[test]
fn a_throttled_file_of_the_real_disk_has_its_bytes_whether_anybody_waits_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let throttle = Arc::new(Throttle::new(1 << 40));
    let throttled = Throttled::new(Arc::new(cairn_disk::RealDisk::new()), Arc::clone(&throttle));
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n >> 3) as u8).collect();
    let path = dir.path().join("f");
    let file = throttled.create(&path).unwrap();
    file.append(&bytes[..600_001]).unwrap();
    throttle.synced();
    file.append(&bytes[600_001..]).unwrap();
    file.append(&[]).unwrap();
    file.sync().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
