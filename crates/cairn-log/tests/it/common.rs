//! What the tests share: a log on a simulated disk, and records to expect.

use cairn_disk::{Fate, SimDisk, Storage};
use cairn_log::{DatabaseId, Entry, Log, LogConfig, Record, Recovered, Result, TimelineId};
use std::path::PathBuf;
use std::sync::Arc;

pub const DIR: &str = "/db/wal";

/// Small segments, so that a few dozen records fill several.
pub fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 200,
        record_bytes_max: 100_000,
        ..LogConfig::new(DIR, DatabaseId([7; 16]), TimelineId([9; 16]))
    }
}

pub fn disk(disk: &SimDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

pub fn open(on: &SimDisk) -> (Log, Recovered) {
    open_with(on, config()).expect("the log opens")
}

pub fn open_with(on: &SimDisk, config: LogConfig) -> Result<(Log, Recovered)> {
    Log::open(disk(on), config)
}

/// A record whose content follows from its offset; timestamps come in runs of three.
pub fn record(offset: u64) -> Record {
    let key = (!offset.is_multiple_of(3)).then(|| format!("key-{offset}").into_bytes());
    let value = (offset % 5 != 1).then(|| vec![offset as u8; (offset * 37 % 150) as usize]);
    Record { offset, timestamp_us: 1_000 + offset as i64 / 3 * 10, key, value }
}

pub fn records(range: std::ops::Range<u64>) -> Vec<Record> {
    range.map(record).collect()
}

pub fn entry(record: &Record) -> Entry<'_> {
    Entry { timestamp_us: record.timestamp_us, key: record.key.as_deref(), value: record.value.as_deref() }
}

pub fn entries(records: &[Record]) -> Vec<Entry<'_>> {
    records.iter().map(entry).collect()
}

/// Appends the records of these offsets in one batch.
pub fn append(log: &Log, range: std::ops::Range<u64>) {
    let batch = records(range.clone());
    assert_eq!(log.append(&entries(&batch)).expect("append"), range);
}

/// Appends records one by one, each made durable before the next.
pub fn append_committed(log: &Log, range: std::ops::Range<u64>) {
    for offset in range {
        append(log, offset..offset + 1);
        log.commit(offset).expect("commit");
    }
}

pub fn read_all(log: &Log) -> Vec<Record> {
    read_from(log, log.base_offset())
}

pub fn read_from(log: &Log, from: u64) -> Vec<Record> {
    log.read(from).expect("read").map(|r| r.expect("a whole record")).collect()
}

pub fn path(base: u64, extension: &str) -> PathBuf {
    PathBuf::from(format!("{DIR}/{base:020}.{extension}"))
}

/// The paths of the `.log` files, oldest first.
pub fn logs(on: &SimDisk) -> Vec<PathBuf> {
    on.files().into_iter().filter(|p| p.extension().is_some_and(|e| e == "log")).collect()
}

/// Every file and its bytes.
pub fn snapshot(on: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    on.files().into_iter().map(|path| (path.clone(), on.read_file(&path))).collect()
}

/// The positions of a segment's records, and its end.
pub fn positions(bytes: &[u8]) -> Vec<usize> {
    let mut at = vec![64];
    while let Some(end) = at.last().copied().filter(|at| *at < bytes.len()) {
        let body: [u8; 4] = bytes[end..end + 4].try_into().unwrap();
        at.push(end + 8 + u32::from_le_bytes(body) as usize);
    }
    at
}

/// A generator for what a test wants varied, and the same in every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

/// Seeds for runs beyond the usual ones: as many as CAIRN_SEEDS says (`just seeds`), else `usual`.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("CAIRN_SEEDS").ok().and_then(|text| text.parse().ok());
    1_000..1_000 + asked.unwrap_or(usual)
}

/// What a crash before operation `op` of the run with this seed leaves, of one operation in `one_in`.
pub fn sometimes(seed: u64, op: u64, one_in: u64) -> Option<Fate> {
    let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ op);
    rng.below(2);
    (rng.below(one_in) == 0).then(|| match rng.below(6) {
        0 => Fate::Dropped,
        1 => Fate::Kept,
        _ => Fate::Torn(seed * 100_003 + op),
    })
}
