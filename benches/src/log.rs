//! The log alone: appending, syncing together, reading, and finding a time, beside what the disk does without it.

use crate::Result;
use crate::load::percentile;
use cairn_disk::{RealDisk, Storage};
use cairn_log::{DatabaseId, Entry, Log, LogConfig, TimelineId};
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
/// Records of the log that is appended to, read and searched: 2 GiB.
const RECORDS: u64 = 2 << 20;
/// Records in one append.
const BATCHES: [usize; 2] = [1, 64];
/// Each speed is the best of so many runs: the machine is shared, the limit is not.
const RUNS: usize = 3;
/// Appenders that sync together, and for how long they and the lone one write.
const APPENDERS: usize = 64;
const SYNCED_FOR: Duration = Duration::from_secs(4);
const LOOKUPS: u64 = 20_000;

/// Measures a log on the real disk.
pub fn run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    appends(dir.path())?;
    synced(dir.path())?;
    let log = filled(&dir.path().join("read"))?;
    reads(&log)?;
    lookups(&log)
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
    let records = RECORDS / 4;
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
    let alone = synced_by(&dir.join("alone"), 1)?;
    let together = synced_by(&dir.join("together"), APPENDERS)?;
    println!("| log: append and sync of each record, 1 appender | {alone:.0}/s |");
    println!(
        "| log: append and sync of each record, {APPENDERS} appenders | {together:.0}/s ({:.1} × one) |",
        together / alone
    );
    Ok(())
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
    Ok(done.into_inner() as f64 / started.elapsed().as_secs_f64())
}

fn filled(dir: &Path) -> Result<Log> {
    let log = open(dir)?;
    append_all(&log, RECORDS, 64)?;
    Ok(log)
}

fn reads(log: &Log) -> Result<()> {
    let bytes = RECORDS * RECORD_BYTES as u64;
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / 1e9;
    let mut took = Duration::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        let (mut reader, mut read) = (log.read(0)?, 0);
        while let Some(record) = reader.next_ref() {
            read += record?.value.map_or(0, <[u8]>::len);
        }
        took = took.min(started.elapsed());
        assert_eq!(read as u64, RECORDS * VALUE.len() as u64);
    }
    println!(
        "| log: sequential read of 2 GiB from the cache, every checksum checked | {:.2} GB/s |",
        speed(took)
    );
    Ok(())
}

fn lookups(log: &Log) -> Result<()> {
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
    println!(
        "| log: offset of a time, in 2 GiB of {} segments | p50 {:.1} µs, p99 {:.1} µs |",
        log.segments().len(),
        us(0.5),
        us(0.99)
    );
    Ok(())
}
