//! Logs, timelines and snapshots that the archive's tests share.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{DatabaseId, Lsn, ManualClock, Position, Settings, StateBuilder, TimelineId, View};
use cairn_log::{Entry, Log, LogConfig, Record};
use cairn_snapshot::Repository;
use cairn_snapshot::archive::{
    ArchiveReader, ArchivedTimeline, Shipped, Shipper, TimelineInfo, list, verify_archive,
};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

pub const DATABASE: DatabaseId = DatabaseId([7; 16]);
/// The time of LSN 0; each record is a second later than the one before.
pub const T0: i64 = NOW_US;
/// Small segments: seven records or so.
pub const SEGMENT_BYTES: u64 = 500;

pub fn timeline_id(n: u8) -> TimelineId {
    TimelineId([n; 16])
}

/// Timeline 1 is the first; others fork from it at `fork`.
pub fn timeline(n: u8, fork: u64) -> TimelineInfo {
    child(n, if n == 1 { None } else { Some(1) }, fork)
}

pub fn child(n: u8, parent: Option<u8>, fork: u64) -> TimelineInfo {
    TimelineInfo {
        id: timeline_id(n),
        database: DATABASE,
        parent: parent.map(timeline_id),
        fork_lsn: Lsn(fork),
        created_us: time(fork) + 500_000,
        reason: format!("test {n}"),
    }
}

pub fn time(lsn: u64) -> i64 {
    T0 + lsn as i64 * 1_000_000
}

/// A record whose content follows from its timeline and LSN.
pub fn record(of: u8, lsn: u64) -> Record {
    let key = (!lsn.is_multiple_of(3)).then(|| format!("key-{of}-{lsn}").into_bytes());
    let value = (lsn % 5 != 1).then(|| vec![lsn as u8 ^ of; (lsn * 37 % 60) as usize]);
    Record { offset: lsn, timestamp_us: time(lsn), key, value }
}

pub fn records(of: u8, lsns: RangeInclusive<u64>) -> Vec<Record> {
    lsns.map(|lsn| record(of, lsn)).collect()
}

pub fn log_config(info: &TimelineInfo) -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        index_interval_bytes: 200,
        start: info.fork_lsn.0 + 1,
        ..LogConfig::new(format!("/db/{}", info.id), info.database, info.id)
    }
}

pub fn open_log(disk: &SimDisk, info: &TimelineInfo) -> Log {
    Log::open(storage(disk), log_config(info)).expect("the log opens").0
}

/// Appends records one by one; they are not synced.
pub fn append(log: &Log, of: u8, lsns: RangeInclusive<u64>) {
    for record in records(of, lsns) {
        let entry = Entry {
            timestamp_us: record.timestamp_us,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
        };
        assert_eq!(log.append(&[entry]).expect("appended"), record.offset..record.offset + 1);
    }
}

/// Appends records and makes them durable.
pub fn write(log: &Log, of: u8, lsns: RangeInclusive<u64>) {
    let last = *lsns.end();
    append(log, of, lsns);
    log.commit(last).expect("durable");
}

pub fn shipper(repository: &Repository, log_disk: &SimDisk, info: &TimelineInfo) -> Shipper {
    let clock = Arc::new(ManualClock::new(NOW_US + 3_600_000_000));
    Shipper::of(repository.clone(), info.clone(), storage(log_disk), clock)
}

/// Ships what there is, the open segment's part too.
pub fn ship(repository: &Repository, log_disk: &SimDisk, info: &TimelineInfo, log: &Log) -> Shipped {
    shipper(repository, log_disk, info).ship(log, &one_thread(), true).expect("shipped")
}

/// A timeline's log on a disk of its own with these records, all shipped; then the disk is gone.
pub fn archive(repository: &Repository, info: &TimelineInfo, of: u8, last: u64) {
    let disk = SimDisk::new(1);
    let log = open_log(&disk, info);
    write(&log, of, info.fork_lsn.0 + 1..=last);
    ship(repository, &disk, info, &log);
}

pub fn wal_dir(info: &TimelineInfo) -> PathBuf {
    repo_path().join("wal").join(info.id.to_string())
}

pub fn names(disk: &SimDisk, info: &TimelineInfo) -> Vec<String> {
    let files = files_below(disk, wal_dir(info).to_str().expect("UTF-8"));
    let name = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).expect("UTF-8").to_owned();
    files.iter().map(name).collect()
}

/// The LSNs in the names of the archived logs.
pub fn spans(disk: &SimDisk, info: &TimelineInfo) -> Vec<(u64, u64)> {
    let logs = names(disk, info).into_iter().filter_map(|name| {
        let (first, last) = name.strip_suffix(".log.zst")?.split_once('-')?;
        Some((first.parse().expect("an LSN"), last.parse().expect("an LSN")))
    });
    logs.collect()
}

pub fn log_path(info: &TimelineInfo, first: u64, last: u64) -> PathBuf {
    wal_dir(info).join(format!("{first:020}-{last:020}.log.zst"))
}

pub fn listed(repository: &Repository, info: &TimelineInfo) -> ArchivedTimeline {
    let all = list(repository).expect("listed");
    all.into_iter().find(|archived| archived.id == info.id).expect("the timeline is listed")
}

/// First and last LSN of each range.
pub fn ranges(repository: &Repository, info: &TimelineInfo) -> Vec<(u64, u64)> {
    listed(repository, info).ranges.iter().map(|range| (range.first.0, range.last.0)).collect()
}

/// First and last LSN of each gap, and whether it is recorded.
pub fn gaps(repository: &Repository, info: &TimelineInfo) -> Vec<(u64, u64, bool)> {
    let gaps = listed(repository, info).gaps;
    gaps.iter().map(|gap| (gap.first.0, gap.last.0, gap.recorded.is_some())).collect()
}

pub fn read(
    repository: &Repository,
    info: &TimelineInfo,
    lsns: RangeInclusive<u64>,
) -> cairn_snapshot::Result<Vec<Record>> {
    ArchiveReader::open(repository, info.id, Lsn(*lsns.start()), Lsn(*lsns.end()))?.collect()
}

pub fn assert_whole(repository: &Repository, what: &str) {
    let report = verify_archive(repository, &one_thread()).expect("readable");
    assert!(report.is_whole(), "{what}: {:?}", report.findings);
}

/// A View that says it is the state after `lsn` of a timeline, taken at `time_us`.
pub fn view_at(of: u8, lsn: u64, time_us: i64) -> View {
    let position = Position { database: DATABASE, timeline: timeline_id(of), lsn: Lsn(lsn), time_us };
    StateBuilder::new(Settings::default()).expect("settings").finish(position).expect("a state")
}

/// A snapshot after `lsn` of a timeline, taken a tenth of a second later.
pub fn snapshot(disk: &SimDisk, of: u8, lsn: u64) -> String {
    let view = view_at(of, lsn, time(lsn) + 100_000);
    let options = cairn_snapshot::CreateOptions { now_us: time(lsn) + 200_000, ..Default::default() };
    create(disk, view, &options).id.to_string()
}
