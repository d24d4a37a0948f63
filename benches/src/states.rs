//! States: what a View of one costs at any size, what memory a snapshot takes beside a writer, how fast one is made and restored,
//! and what an incremental one stores.

use crate::load::percentile;
use crate::machine::resident_bytes;
use crate::vectors::{DIMENSION, vector};
use crate::{Result, files};
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Clock, Engine, EventOp, Options, SyncMode, SystemClock, WalSettings, Write};
use cairn_snapshot::{Base, Compression, CreateOptions, Job, Repository, create_live, restore};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Views taken of each state.
const VIEWS: usize = 500;
/// Bytes of a page, at most.
const PAGE_BYTES: u64 = 16 << 10;
/// Vectors and events of the state that incrementals are taken of.
const CHANGED_OF: usize = 200_000;
const EVENTS: usize = 500_000;
/// Rounds of what is measured against a copy.
const ROUNDS: usize = 3;

/// Measures creating and restoring the closed database in `dir`: `cairn-bench snapshot-speed DIR`.
pub fn speeds_of(dir: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let engine = open(dir)?;
    speeds(&engine, work.path())?;
    engine.close()?;
    Ok(())
}

/// Measures all of it.
pub fn run() -> Result<()> {
    for vectors in [20_000, 400_000, 4_000_000] {
        sized(vectors)?;
    }
    proportion()
}

/// One state with so many vectors: its Views, and a full snapshot of it beside a writer.
fn sized(vectors: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let engine = open(&dir.path().join("db"))?;
    fill(&engine, 0..vectors)?;
    let mut times = Vec::new();
    for n in 0..VIEWS {
        // Something is written in between, so that a View is never of the same roots.
        set(&engine, n..n + 1)?;
        let started = Instant::now();
        let view = engine.view()?;
        times.push(started.elapsed());
        drop(view);
    }
    times.sort_unstable();
    let us = |share: f64| percentile(&times, share).as_secs_f64() * 1e6;
    let mb = vectors * DIMENSION * 4 / 1_000_000;
    println!(
        "| {VIEWS} Views of {vectors} × {DIMENSION}-d ({mb} MB), asked for and got | p50 {:.0} µs, p99 {:.0} µs, worst {:.0} µs |",
        us(0.5),
        us(0.99),
        us(1.0)
    );
    snapshot_memory(&engine, dir.path(), vectors)?;
    speeds(&engine, dir.path())?;
    engine.close()?;
    Ok(())
}

/// The most memory that a snapshot takes, with a writer beside it.
fn snapshot_memory(engine: &Engine, dir: &Path, vectors: usize) -> Result<()> {
    let repository = repository(dir)?;
    let stop = AtomicBool::new(false);
    let copied = engine.stats().pages_copied;
    let before = resident_bytes(std::process::id());
    let (most, took, writes) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                set(engine, n % vectors..n % vectors + 1)?;
                n += 7;
                std::thread::sleep(Duration::from_micros(200));
            }
            Result::Ok(n / 7)
        });
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !stop.load(Ordering::Relaxed) {
                most = resident_bytes(std::process::id()).max(most);
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        let started = Instant::now();
        let made = create_live(&repository, engine, &options(Base::None, "full"), &Job::default());
        let took = started.elapsed();
        stop.store(true, Ordering::Relaxed);
        let most = watcher.join().map_err(|_| "the watcher died")?;
        let writes = writer.join().map_err(|_| "the writer died")??;
        made?;
        Result::Ok((most, took, writes))
    })?;
    let pages = (engine.stats().pages_copied - copied) * PAGE_BYTES;
    println!(
        "| a snapshot of it, {writes} writes beside, {:.1} s | {} MiB more memory, {} MiB of them pages written meanwhile at most |",
        took.as_secs_f64(),
        most.saturating_sub(before) >> 20,
        pages >> 20
    );
    Ok(())
}

/// Creating and restoring with nobody beside, as the bytes are and compressed, against a copy of the same bytes by as many
/// threads, each file synced: the best of three rounds in turn.
fn speeds(engine: &Engine, dir: &Path) -> Result<()> {
    let plain = Compression::None;
    let [mut none, mut zstd] = [[Duration::MAX; 2]; 2];
    let (mut copy, mut sizes) = (Duration::MAX, (0, 0));
    for round in 0..ROUNDS {
        let at = dir.join(format!("round-{round}"));
        let (repository, took, bytes) = there_and_back(engine, &at.join("none"), plain)?;
        none = best(none, took);
        let parts = files::below(&repository.root().join("parts"))?;
        copy = copy.min(files::copy_synced(&parts, &at.join("copy"))?.1);
        let (_, took, stored) = there_and_back(engine, &at.join("zstd"), Compression::default())?;
        (zstd, sizes) = (best(zstd, took), (bytes, stored));
        std::fs::remove_dir_all(&at)?;
    }
    let (bytes, stored) = sizes;
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / f64::from(1 << 20);
    let times = |took: Duration| copy.as_secs_f64() / took.as_secs_f64();
    println!("| a parallel copy with fsync of {} MiB | {:.0} MiB/s |", bytes >> 20, speed(copy));
    for (what, [create, back], stored) in [("as it is", none, bytes), ("zstd", zstd, stored)] {
        println!(
            "| create, restore of it, {what}: {:.3} × smaller | {:.0}, {:.0} MiB/s: {:.2} and {:.2} × the copy |",
            bytes as f64 / stored as f64,
            speed(create),
            speed(back),
            times(create),
            times(back)
        );
    }
    Ok(())
}

fn best(a: [Duration; 2], b: [Duration; 2]) -> [Duration; 2] {
    [a[0].min(b[0]), a[1].min(b[1])]
}

/// Creates a snapshot in a new repository and restores it; the times of both, and the stored bytes.
fn there_and_back(
    engine: &Engine,
    at: &Path,
    compression: Compression,
) -> Result<(Repository, [Duration; 2], u64)> {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let repository = repository(at)?;
    let options = CreateOptions { compression, ..options(Base::None, "speed") };
    let started = Instant::now();
    let made = create_live(&repository, engine, &options, &Job::default())?;
    let create = started.elapsed();
    let started = Instant::now();
    restore(&repository, "speed", &storage, &at.join("db"), SystemClock.now_us(), &Job::default())?;
    Ok((repository, [create, started.elapsed()], made.snapshot.stored_bytes))
}

/// What incremental snapshots add for so much change.
fn proportion() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let engine = open(&dir.path().join("db"))?;
    fill(&engine, 0..CHANGED_OF)?;
    events(&engine, 0..EVENTS)?;
    let repository = repository(dir.path())?;
    create_live(&repository, &engine, &options(Base::None, "full"), &Job::default())?;
    engine.checkpoint()?;
    for (at, per_mille) in [0, 1, 10, 100].into_iter().enumerate() {
        let before = engine.stats().status.log_bytes;
        let vectors = CHANGED_OF * per_mille / 1000;
        fill(&engine, 0..vectors)?;
        events(&engine, EVENTS..EVENTS + EVENTS * per_mille / 1000)?;
        let mutations = engine.stats().status.log_bytes - before;
        let started = Instant::now();
        let made =
            create_live(&repository, &engine, &options(Base::Newest, &format!("i{at}")), &Job::default())?;
        let took = started.elapsed();
        let added = made.snapshot.added_bytes;
        println!(
            "| {} ‰ of {CHANGED_OF} vectors and {EVENTS} events changed: {mutations} bytes of mutations | {added} bytes stored, {:.2} ×, {:.0} ms |",
            per_mille,
            added as f64 / mutations.max(1) as f64,
            took.as_secs_f64() * 1e3
        );
    }
    engine.close()?;
    Ok(())
}

pub fn open(dir: &Path) -> Result<Engine> {
    // Filling it is not what is measured.
    let wal = WalSettings { sync: SyncMode::Async, ..WalSettings::default() };
    let options = Options { wal: Some(wal), maintenance: false, ..Options::default() };
    Ok(Engine::open(Arc::new(RealDisk::new()), dir, options)?.0)
}

pub fn repository(dir: &Path) -> Result<Repository> {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    Ok(Repository::open_or_create(storage, &dir.join("repository"), SystemClock.now_us())?)
}

pub fn options(base: Base, name: &str) -> CreateOptions {
    let (name, now_us) = (Some(name.to_owned()), SystemClock.now_us());
    CreateOptions { name, base, compression: Compression::None, now_us, ..CreateOptions::default() }
}

pub fn fill(engine: &Engine, numbers: std::ops::Range<usize>) -> Result<()> {
    let end = numbers.end;
    for first in numbers.step_by(2_000) {
        set(engine, first..(first + 2_000).min(end))?;
    }
    Ok(())
}

fn set(engine: &Engine, numbers: std::ops::Range<usize>) -> Result<()> {
    let writes = numbers.map(|n| Write::VectorSet { id: format!("item{n}"), vector: vector(n) });
    engine.write(writes.collect()).into_iter().try_for_each(|answer| answer.map(drop))?;
    Ok(())
}

pub fn events(engine: &Engine, numbers: std::ops::Range<usize>) -> Result<()> {
    let event = |n: usize| {
        let (context, id) = (format!("user{}", n % 10_007), format!("item{}", n * 31 % CHANGED_OF));
        Write::Event { context, id, op: EventOp::Add, score: (n % 100) as u8 + 1, time_s: Some(n as i64) }
    };
    let end = numbers.end;
    for first in numbers.step_by(2_000) {
        let writes = (first..(first + 2_000).min(end)).map(event);
        engine.write(writes.collect()).into_iter().try_for_each(|answer| answer.map(drop))?;
    }
    Ok(())
}
