//! Larger than memory: one collection, mapped and then hybrid, in a process whose memory is limited, under a skewed load of
//! searches along its graph.
//!
//! `CAIRN_LARGER=ROWS,DIMENSION,HOT_MB,QUERIES` takes other sizes; `CAIRN_LARGER_DIR` keeps the database between runs.

use crate::Result;
use crate::larger_load::{Answers, Load, sample_ids};
use crate::larger_process::{Report, run_limited};
use cairn_disk::RealDisk;
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Engine, IndexKind, Options, Request, Settings,
    StorageMode, WalSettings, Write,
};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Memory of the process and of the page cache it fills.
pub const LIMIT_BYTES: u64 = 512 << 20;
/// Turns: each runs both.
const TURNS: usize = 2;
/// The collection.
pub const NAME: &str = "v";

/// How large all is.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub rows: usize,
    pub dimension: usize,
    pub hot_bytes: u64,
    pub queries: usize,
}

impl Sizes {
    fn from_environment() -> Result<Sizes> {
        let text = std::env::var("CAIRN_LARGER").unwrap_or_else(|_| "256000,1536,460,4000".to_owned());
        let numbers: Vec<usize> = text.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
        let [rows, dimension, hot, queries] = numbers[..] else {
            return Err("CAIRN_LARGER: expected ROWS,DIMENSION,HOT_MB,QUERIES".into());
        };
        Ok(Sizes { rows, dimension, hot_bytes: hot as u64 * 1_000_000, queries })
    }

    fn spec(&self, storage: StorageMode) -> CollectionSpec {
        let hot_bytes = if storage == StorageMode::Hybrid { self.hot_bytes } else { 0 };
        CollectionSpec {
            storage,
            hot_bytes,
            index: IndexKind::Graph,
            ef_construction: 100,
            ..CollectionSpec::default()
        }
    }
}

/// Makes the database if it is not there, then lets limited processes query it in turns.
pub fn run() -> Result<()> {
    let sizes = Sizes::from_environment()?;
    let temporary = tempfile::tempdir()?;
    let dir = match std::env::var_os("CAIRN_LARGER_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => temporary.path().to_owned(),
    };
    std::fs::create_dir_all(&dir)?;
    let (database, truth) = (dir.join("db"), dir.join("truth"));
    if !truth.exists() {
        let answers = make(&database, sizes)?;
        answers.write(&truth)?;
    }
    let mut reports: Vec<(StorageMode, Report)> = Vec::new();
    for _ in 0..TURNS {
        for storage in [StorageMode::Mmap, StorageMode::Hybrid] {
            configure(&database, sizes.spec(storage))?;
            reports.push((storage, run_limited(&dir, sizes, LIMIT_BYTES)?));
        }
    }
    print(sizes, &reports);
    Ok(())
}

/// A server in a process of its own, as its parent limits it: `larger-process DIR ROWS DIMENSION QUERIES`.
pub fn child(dir: &Path, sizes: Sizes) -> Result<()> {
    let started = Instant::now();
    let engine = open(&dir.join("db"), true)?;
    let opened = started.elapsed();
    let truth = Answers::read(&dir.join("truth"))?;
    Report::measure(&engine, opened, &Load::new(sizes.rows), sizes.queries, &truth)?.print();
    engine.close()?;
    Ok(())
}

fn open(database: &Path, maintenance: bool) -> Result<Engine> {
    // Nothing of the past is kept, so that files go as soon as nothing needs them.
    let wal = WalSettings { retention_us: 0, ..WalSettings::default() };
    let options = Options { wal: Some(wal), maintenance, ..Options::default() };
    Ok(Engine::open(Arc::new(RealDisk::new()), database, options)?.0)
}

fn configure(database: &Path, spec: CollectionSpec) -> Result<()> {
    let engine = open(database, false)?;
    engine.change_collections(CollectionChange::Configure { name: NAME.to_owned(), spec: Box::new(spec) })?;
    engine.checkpoint()?;
    engine.close()?;
    Ok(())
}

/// Fills it, makes as few segments as can be, each with its graph, and answers the sample by looking at every vector.
fn make(database: &Path, sizes: Sizes) -> Result<Answers> {
    let engine = open(database, false)?;
    engine.change_collections(CollectionChange::Create {
        name: NAME.to_owned(),
        settings: Box::new(Settings { dimension: sizes.dimension as u32, ..Settings::default() }),
        spec: Box::new(sizes.spec(StorageMode::Mmap)),
    })?;
    let collection: Arc<str> = Arc::from(NAME);
    let mut vectors = crate::larger_load::Vectors::new(sizes.rows, sizes.dimension);
    for first in (0..sizes.rows).step_by(1_000) {
        let rows = (first..(first + 1_000).min(sizes.rows)).map(|n| Request {
            collection: Some(Arc::clone(&collection)),
            write: Write::VectorSet { id: crate::larger_load::id(n), vector: vectors.next() },
        });
        for answer in engine.write_requests(rows.collect()) {
            answer?;
        }
        if first % 50_000 == 0 {
            engine.checkpoint()?;
        }
    }
    engine.checkpoint()?;
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(Some(NAME), all, |_, _| ControlFlow::Continue(()))?;
    engine.wait_indexed(Some(NAME))?;
    let answers = Answers::exact(&engine, &sample_ids(sizes.rows))?;
    engine.close()?;
    Ok(answers)
}

fn print(sizes: Sizes, reports: &[(StorageMode, Report)]) {
    let Sizes { rows, dimension, hot_bytes, queries } = sizes;
    println!(
        "| {rows} × {dimension}-d, {:.2} GB of vectors, limit {} MiB, hot {} MB; {queries} SIM, one after the other, after as many | storage: p50, p99; hits; opened; recall of 10; resident, most of the group |",
        (rows * dimension * 4) as f64 / 1e9,
        LIMIT_BYTES >> 20,
        hot_bytes / 1_000_000,
    );
    for (storage, report) in reports {
        println!("| | {}: {} |", storage.name(), report.told());
    }
    for pair in reports.chunks_exact(2) {
        let (mapped, hybrid) = (&pair[0].1, &pair[1].1);
        println!(
            "| mmap ÷ hybrid at p50 and p99; same answers | {:.2} ×, {:.2} ×; {} |",
            mapped.p50_us / hybrid.p50_us,
            mapped.p99_us / hybrid.p99_us,
            mapped.answers == hybrid.answers,
        );
    }
}
