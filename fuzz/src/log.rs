//! `log`: a small log in memory, the beginning of what is damaged.

use cairn_disk::{Fate, SimDisk, Storage};
use cairn_log::{DatabaseId, Entry, Log, LogConfig, Record, Result, TimelineId};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// How many records the log holds.
pub const RECORDS: u64 = 60;

/// Small segments, so that a few dozen records fill several.
pub fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 150,
        record_bytes_max: 4000,
        ..LogConfig::new("/log", DatabaseId([7; 16]), TimelineId([9; 16]))
    }
}

/// The record of an offset; timestamps come in runs of three.
pub fn record(offset: u64) -> Record {
    let key = (!offset.is_multiple_of(3)).then(|| vec![offset as u8; 3]);
    let value = (offset % 5 != 1).then(|| vec![offset as u8; (offset * 7 % 40) as usize]);
    Record { offset, timestamp_us: 1_000 + (offset / 3 * 10) as i64, key, value }
}

/// The bytes of a segment's header.
pub fn header(base: u64) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(b"CAIRNLOG");
    bytes[8] = 1;
    bytes[12] = 64;
    bytes[16..32].fill(7);
    bytes[32..48].fill(9);
    bytes[48..56].copy_from_slice(&base.to_le_bytes());
    let crc = cairn_disk::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A disk that holds the log, whole; each call gives one of its own.
pub fn disk() -> SimDisk {
    static WHOLE: OnceLock<SimDisk> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| {
        let disk = SimDisk::new(1);
        let (log, _) = Log::open(storage(&disk), config()).expect("opens");
        for record in (0..RECORDS).map(record) {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            let offsets = log.append(&[Entry { timestamp_us: record.timestamp_us, key, value }]);
            log.commit(offsets.expect("appended").start).expect("committed");
        }
        disk
    });
    whole.image(Fate::Kept)
}

/// As the log takes it.
pub fn storage(disk: &SimDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

/// Everything the log holds.
pub fn read_all(log: &Log) -> Result<Vec<Record>> {
    log.read(log.base_offset())?.collect()
}

/// The path of a segment's file.
pub fn path(base: u64, extension: &str) -> PathBuf {
    PathBuf::from(format!("/log/{base:020}.{extension}"))
}

/// The base offsets of the segments of [`disk`].
pub fn bases() -> &'static [u64] {
    static BASES: OnceLock<Vec<u64>> = OnceLock::new();
    BASES.get_or_init(|| {
        let files = disk().files();
        let logs = files.iter().filter(|p| p.extension().is_some_and(|e| e == "log"));
        logs.filter_map(|p| p.file_stem()?.to_str()?.parse().ok()).collect()
    })
}
