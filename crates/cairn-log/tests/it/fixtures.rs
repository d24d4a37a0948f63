//! Every version that shipped opens for good: small logs, stored as files, with the records they must have.

use crate::common::*;
use cairn_disk::{RealDisk, SimDisk, Storage};
use cairn_log::{Log, LogConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version 1 of the `.log` and of both indexes: two sealed segments and the newest.
const V1: &str = "tests/it/fixtures/v1";
const V1_RECORDS: u64 = 50;

/// A directory's files, as a log on a disk in memory: opening may write.
fn loaded(name: &str) -> SimDisk {
    let disk = SimDisk::new(1);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("readable").path();
        let bytes = cairn_disk::read_file(&RealDisk::new(), &path, 1 << 20).expect("readable");
        disk.write_file(&Path::new(DIR).join(path.file_name().expect("a name")), &bytes);
    }
    disk
}

/// What made the fixture, for the next version's: run with `CAIRN_WRITE_FIXTURE=DIR`, a new directory.
fn write(dir: PathBuf) {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let (log, _) = Log::open(storage, LogConfig { dir, ..config() }).expect("opens");
    append_committed(&log, 0..V1_RECORDS);
    let sealed: Vec<bool> = log.segments().iter().map(|s| s.sealed).collect();
    assert_eq!(sealed, [true, true, false]);
}

#[test]
fn version_1_opens_to_its_records() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        return write(PathBuf::from(dir));
    }
    let sim = loaded(V1);
    assert_eq!(sim.files().len(), 3 + 2 * 2, "{:?}", sim.files());
    let before = snapshot(&sim);
    let inspection = Log::inspect(disk(&sim), config()).unwrap();
    let (damage, indexes) = (&inspection.damage, &inspection.index_damage);
    assert!(damage.is_empty() && indexes.is_empty(), "{damage:?} {indexes:?}");
    let (log, recovered) = open(&sim);
    assert_eq!((recovered.records, recovered.segments, recovered.cut), (V1_RECORDS, 3, None));
    assert_eq!((recovered.removed, recovered.indexes_rebuilt), (vec![], 0));
    assert_eq!(read_all(&log), records(0..V1_RECORDS));
    for offset in 0..V1_RECORDS {
        assert_eq!(read_from(&log, offset)[0], record(offset));
        let found = log.offset_for_time(record(offset).timestamp_us).unwrap();
        assert_eq!(found, Some(offset / 3 * 3));
    }
    assert_eq!(snapshot(&sim), before, "opening changes no byte of it");
}

/// What this build writes has the bytes of the version it says.
#[test]
fn version_1_is_what_is_written() {
    let written = SimDisk::new(1);
    append_committed(&open(&written).0, 0..V1_RECORDS);
    for (path, bytes) in snapshot(&loaded(V1)) {
        assert!(written.read_file(&path) == bytes, "{} is not what it was", path.display());
    }
}

/// The first builds of version 1 wrote 0 where the `.index` now says the checksum of its `.log`.
#[test]
fn an_index_without_the_checksum_of_its_log_is_used() {
    let sim = loaded(V1);
    for path in sim.files().iter().filter(|p| p.extension().is_some_and(|e| e == "index")) {
        let mut bytes = sim.read_file(path);
        bytes[24..28].fill(0);
        let crc = cairn_disk::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        sim.write_file(path, &bytes);
    }
    let before = snapshot(&sim);
    let (log, recovered) = open(&sim);
    assert_eq!((recovered.indexes_rebuilt, read_all(&log)), (0, records(0..V1_RECORDS)));
    assert_eq!(snapshot(&sim), before);
}
