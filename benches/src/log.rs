//! The log alone: appending, syncing together, reading, and finding a time, beside what the disk does without it.

use crate::Result;
use crate::load::percentile;
use cairn_disk::{RealDisk, Storage};
use cairn_log::{DatabaseId, Entry, Log, LogConfig, SnapshotManager, TimelineId};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The value of every record.
const VALUE: [u8; 1024] = [0x5A; 1024];
/// A record's head is 32 bytes.
const RECORD_BYTES: usize = 32 + VALUE.len();
/// Records that are appended for one speed, and read: 0.5 and 2 GiB of values.
const APPENDED: u64 = 512 << 10;
const READ: u64 = 2 << 20;
/// Records of the log that is searched, and read from: 10 GiB of values, all of it on disk.
const RECORDS: u64 = 10 << 20;
/// Records in one append.
const BATCHES: [usize; 2] = [1, 64];
/// Each speed is the best of so many runs: the machine is shared, the limit is not.
const RUNS: usize = 3;
/// Appenders that sync together; for how long they and the lone one write, in turn, and how often.
const APPENDERS: usize = 64;
const SYNCED_FOR: Duration = Duration::from_secs(1);
const SYNCED_RUNS: usize = 7;
/// Lookups in one pass, and passes; the first finds the disk still busy with what was just written.
const LOOKUPS: u64 = 20_000;
const PASSES: usize = 3;

/// Sealed segments of 64 MiB in the logs that snapshots are taken of, and how many snapshots.
const SEALED: [usize; 2] = [4, 16];
const SNAPSHOTS: usize = 7;

/// Measures a log on the real disk.
pub fn run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // First: syncs are slow while the disk is busy with the gigabytes of the others.
    synced(dir.path())?;
    appends(dir.path())?;
    let log = filled(&dir.path().join("read"))?;
    reads(&log)?;
    lookups(&log)?;
    drop(log);
    std::fs::remove_dir_all(dir.path().join("read"))?;
    snapshots(dir.path())
}

fn open(dir: &Path) -> Result<Log> {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let config = LogConfig::new(dir, DatabaseId::random(), TimelineId::random());
    Ok(Log::open(storage, config)?.0)
}

/// Timestamps are a record apart, so that each is found alone.
fn entry(n: u64) -> Entry<'static> {
    Entry { timestamp_us: n as i64 * 10, key: None, value: Some(&VALUE) }
}

fn append_all(log: &Log, records: u64, batch: usize) -> Result<()> {
    let mut entries = Vec::with_capacity(batch);
    for first in (0..records).step_by(batch) {
        entries.clear();
        entries.extend((first..records.min(first + batch as u64)).map(entry));
        log.append(&entries)?;
    }
    log.sync()?;
    Ok(())
}

fn appends(dir: &Path) -> Result<()> {
    let records = APPENDED;
    let bytes = records * RECORD_BYTES as u64;
    for batch in BATCHES {
        let (mut log_took, mut plain_took) = (Duration::MAX, Duration::MAX);
        for _ in 0..RUNS {
            let to = dir.join("append");
            let log = open(&to)?;
            let started = Instant::now();
            append_all(&log, records, batch)?;
            log_took = log_took.min(started.elapsed());
            drop(log);
            std::fs::remove_dir_all(&to)?;
            plain_took = plain_took.min(plain_write(&dir.join("plain"), bytes, batch * RECORD_BYTES)?);
        }
        let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / f64::from(1 << 20);
        println!(
            "| log: append of 1 KiB records, {batch} at a time, one sync at the end | {:.0} MiB/s ({:.2} × plain writes of the same size and a sync: {:.0} MiB/s) |",
            speed(log_took),
            plain_took.as_secs_f64() / log_took.as_secs_f64(),
            speed(plain_took)
        );
    }
    Ok(())
}

fn plain_write(path: &Path, bytes: u64, chunk: usize) -> Result<Duration> {
    let buffer = vec![0x5A; chunk];
    let mut file = File::create(path)?;
    let started = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let n = chunk.min(left as usize);
        file.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    file.sync_all()?;
    let took = started.elapsed();
    std::fs::remove_file(path)?;
    Ok(took)
}

fn synced(dir: &Path) -> Result<()> {
    let (mut alone, mut together, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SYNCED_RUNS {
        alone.push(synced_by(&dir.join("synced"), 1)?);
        together.push(synced_by(&dir.join("synced"), APPENDERS)?);
        times.push(together[together.len() - 1] / alone[alone.len() - 1]);
    }
    println!("| log: append and sync of each record, 1 appender | {:.0}/s |", median(&mut alone));
    println!(
        "| log: append and sync of each record, {APPENDERS} appenders, {SYNCED_RUNS} runs in turn with one | {:.0}/s (median {:.1} × one, {:.1}–{:.1}) |",
        median(&mut together),
        median(&mut times),
        times[0],
        times[SYNCED_RUNS - 1]
    );
    Ok(())
}

/// Sorts them; the middle one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Records a second, each durable before its appender's next.
fn synced_by(dir: &Path, appenders: usize) -> Result<f64> {
    let log = open(dir)?;
    let done = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..appenders)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while started.elapsed() < SYNCED_FOR {
                        log.append_durably(&[entry(0)])?;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| "an appender panicked")?)
    })?;
    let took = started.elapsed();
    drop(log);
    std::fs::remove_dir_all(dir)?;
    Ok(done.into_inner() as f64 / took.as_secs_f64())
}

fn filled(dir: &Path) -> Result<Log> {
    let log = open(dir)?;
    append_all(&log, RECORDS, 64)?;
    Ok(log)
}

fn reads(log: &Log) -> Result<()> {
    let bytes = READ * RECORD_BYTES as u64;
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e9;
    let mut took = Duration::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        let (mut reader, mut read) = (log.read(0)?, 0);
        for _ in 0..READ {
            let record = reader.next_ref().ok_or("the log ends early")?;
            read += record?.value.map_or(0, <[u8]>::len);
        }
        took = took.min(started.elapsed());
        assert_eq!(read as u64, READ * VALUE.len() as u64);
    }
    println!(
        "| log: sequential read of 2 GiB from the cache, every checksum checked | {:.2} GB/s |",
        speed(took)
    );
    Ok(())
}

fn lookups(log: &Log) -> Result<()> {
    let passes = (0..PASSES).map(|_| lookup_pass(log)).collect::<Result<Vec<_>>>()?;
    let show = |(p50, p99): &(f64, f64)| format!("p50 {p50:.1} µs, p99 {p99:.1} µs");
    println!(
        "| log: offset of a time, in 10 GiB of {} segments, {PASSES} passes of {LOOKUPS} | {} |",
        log.segments().len(),
        passes.iter().map(show).collect::<Vec<_>>().join("; ")
    );
    Ok(())
}

/// Half of the lookups, and all but a hundredth, take no longer than these microseconds.
fn lookup_pass(log: &Log) -> Result<(f64, f64)> {
    let mut times = Vec::new();
    for n in 0..LOOKUPS {
        let wanted = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % RECORDS;
        let started = Instant::now();
        let found = log.offset_for_time(wanted as i64 * 10 - 5)?;
        times.push(started.elapsed());
        assert_eq!(found, Some(wanted));
    }
    times.sort_unstable();
    let us = |share| percentile(&times, share).as_secs_f64() * 1e6;
    Ok((us(0.5), us(0.99)))
}

/// Snapshots by hard links, of logs with as much in their open segments: what they take must not follow the sealed bytes.
fn snapshots(dir: &Path) -> Result<()> {
    let mut shown = Vec::new();
    for sealed in SEALED {
        let dir = dir.join("snapshots-of");
        let log = open(&dir)?;
        let mut next = 0;
        while log.segments().len() <= sealed {
            let batch: Vec<_> = (next..next + 64).map(entry).collect();
            next = log.append(&batch)?.end;
        }
        log.sync()?;
        let manager = SnapshotManager::new(&dir)?;
        let mut took = Vec::new();
        for _ in 0..SNAPSHOTS {
            let started = Instant::now();
            manager.create_snapshot(&log)?;
            took.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let gigabytes = (next * RECORD_BYTES as u64) as f64 / 1e9;
        shown.push(format!(
            "{gigabytes:.2} GB in {sealed} sealed segments: median {:.1} ms, {:.1}–{:.1}",
            median(&mut took),
            took[0],
            took[SNAPSHOTS - 1]
        ));
        drop(log);
        std::fs::remove_dir_all(&dir)?;
    }
    println!("| log: a snapshot by hard links, {SNAPSHOTS} of each | {} |", shown.join("; "));
    Ok(())
}
