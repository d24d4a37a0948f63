//! Compaction: what it takes back, and what writers and queries notice of it. In the process, on the real disk.

use crate::Result;
use crate::load::percentile;
use crate::vectors::{DIMENSION, vector};
use cairn_disk::RealDisk;
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Engine, IndexKind, Near, Options, Request,
    SearchOptions, Settings, StorageMode, WalSettings, Write,
};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const VECTORS: usize = 100_000;
/// Between two requests of one thread: half of what the machine could do, and less.
const PACE: Duration = Duration::from_millis(4);
const QUIET: Duration = Duration::from_secs(8);

/// What requests took, in one stretch of time.
struct Taken {
    writes: Vec<Duration>,
    queries: Vec<Duration>,
}

/// Compacts a collection of which 30 % were deleted, beside a writer and a reader.
pub fn run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // Nothing of the past is kept, so that files go as soon as nothing needs them.
    let wal = WalSettings { retention_us: 0, ..WalSettings::default() };
    let options = Options { wal: Some(wal), maintenance: false, ..Options::default() };
    let (engine, _) = Engine::open(Arc::new(RealDisk::new()), &dir.path().join("db"), options)?;
    let spec =
        CollectionSpec { index: IndexKind::Graph, storage: StorageMode::Mmap, ..CollectionSpec::default() };
    let create = CollectionChange::Create {
        name: "v".to_owned(),
        settings: Box::new(Settings::default()),
        spec: Box::new(spec),
    };
    engine.change_collections(create)?;
    fill(&engine)?;
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(Some("v"), all, |_, _| ControlFlow::Continue(()))?;
    for n in (0..VECTORS).filter(|n| n % 10 < 3) {
        write(&engine, vec![Write::VectorDelete { id: format!("item{n}") }])?;
    }
    engine.checkpoint()?;
    let before = beside(&engine, || {
        std::thread::sleep(QUIET);
        Ok(())
    })?;
    let mut report = None;
    let mut took = Duration::ZERO;
    let during = beside(&engine, || {
        let started = Instant::now();
        let policy = CompactionPolicy::default();
        report = Some(engine.compact(Some("v"), policy, |_, _| ControlFlow::Continue(()))?);
        took = started.elapsed();
        Ok(())
    })?;
    let report = report.ok_or("no compaction")?;
    let segments = dir_bytes(&dir.path().join("db"))?;
    let living = engine.collection_info("v")?.counts.vectors;
    let ideal = living * (4 * DIMENSION as u64 + 8);
    println!(
        "| compaction of {VECTORS} × {DIMENSION}-d, 30 % deleted, with its graph, {:.1} s | vector files {} bytes, {:.3} × ideal; {:.0} % less in all |",
        took.as_secs_f64(),
        segments,
        segments as f64 / ideal as f64,
        100.0 - report.after_bytes as f64 * 100.0 / report.before_bytes as f64,
    );
    for (what, before, during) in
        [("VECSET", before.writes, during.writes), ("query", before.queries, during.queries)]
    {
        let p99 = |times: &[Duration]| percentile(times, 0.99).as_secs_f64() * 1e3;
        println!(
            "| {what} p99 before and during it ({} and {} of them) | {:.2} ms, {:.2} ms: {:.2} × |",
            before.len(),
            during.len(),
            p99(&before),
            p99(&during),
            p99(&during) / p99(&before),
        );
    }
    engine.close()?;
    Ok(())
}

fn fill(engine: &Engine) -> Result<()> {
    for first in (0..VECTORS).step_by(1_000) {
        let rows =
            (first..first + 1_000).map(|n| Write::VectorSet { id: format!("item{n}"), vector: vector(n) });
        write(engine, rows.collect())?;
    }
    Ok(())
}

fn write(engine: &Engine, writes: Vec<Write>) -> Result<()> {
    let to_v = |write| Request { collection: Some(Arc::from("v")), write };
    for answer in engine.write_requests(writes.into_iter().map(to_v).collect()) {
        answer?;
    }
    Ok(())
}

/// Runs something beside a thread that writes and one that queries, at a steady pace.
fn beside(engine: &Engine, work: impl FnOnce() -> Result<()>) -> Result<Taken> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writes = scope.spawn(|| {
            paced(&stop, |n| {
                write(
                    engine,
                    vec![Write::VectorSet {
                        id: format!("item{}", (n * 10 + 5) % VECTORS),
                        vector: vector(n),
                    }],
                )
            })
        });
        let queries = scope.spawn(|| {
            paced(&stop, |n| {
                let how = SearchOptions::default();
                let near =
                    Near { vector: vector(VECTORS + n), top_k: 10, filter: None, min_score: None, how };
                engine.similar_to_vector_in(Some("v"), &near)?;
                Ok(())
            })
        });
        let done = work();
        stop.store(true, Ordering::Relaxed);
        let taken = Taken {
            writes: writes.join().map_err(|_| "the writer died")??,
            queries: queries.join().map_err(|_| "the reader died")??,
        };
        done.map(|()| taken)
    })
}

fn paced(stop: &AtomicBool, mut request: impl FnMut(usize) -> Result<()>) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        request(times.len())?;
        let took = started.elapsed();
        times.push(took);
        std::thread::sleep(PACE.saturating_sub(took));
    }
    times.sort_unstable();
    Ok(times)
}

/// Bytes of the `.vec` files below a directory.
fn dir_bytes(dir: &std::path::Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += dir_bytes(&entry.path())?;
        } else if entry.path().extension().is_some_and(|e| e == "vec") {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}
