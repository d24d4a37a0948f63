//! How much memory a snapshot and a restore take of a database whose vectors are one segment of 512 MiB:
//! `cargo run -p cairn-snapshot --example memory -- DIR` (absent or empty; it needs 2 GiB).
//!
//! Each step is a process of its own, which samples its own memory: what is its own (anonymous), and all that is resident, with
//! the pages of mapped files, which the system may take back at any time.
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use cairn_disk::{RealDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Engine, Options, Request, Settings, StorageMode,
    Write,
};
use cairn_snapshot::{CreateOptions, Job, Repository};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROWS: u32 = 1 << 20;
const DIMENSION: usize = 128;
/// Vectors written at once.
const BATCH: u32 = 8_192;
const NOW_US: i64 = 1_764_028_800_000_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [dir] => ["mmap", "memory"].into_iter().try_for_each(|storage| all_steps(dir, storage)),
        [dir, "fill", storage] => fill(&Path::new(dir).join(storage), storage),
        [dir, "create", storage] => create(&Path::new(dir).join(storage), storage),
        [dir, "restore", storage] => restore(&Path::new(dir).join(storage), storage),
        _ => Err("usage: memory DIR".into()),
    }
}

fn all_steps(dir: &str, storage: &str) -> Result<()> {
    for step in ["fill", "create", "restore"] {
        let status = Command::new(std::env::current_exe()?).args([dir, step, storage]).status()?;
        if !status.success() {
            return Err(format!("{step}: {status}").into());
        }
    }
    Ok(())
}

fn open(dir: &Path) -> Result<Engine> {
    let options = Options { maintenance: false, ..Options::default() };
    Ok(Engine::open(Arc::new(RealDisk::new()), &dir.join("db"), options)?.0)
}

fn repository(dir: &Path) -> Result<Repository> {
    Ok(Repository::open_or_create(Arc::new(RealDisk::new()), &dir.join("repository"), NOW_US)?)
}

/// A collection `v` of [`ROWS`] vectors in one segment.
fn fill(dir: &Path, storage: &str) -> Result<()> {
    RealDisk::new().create_dir_all(dir)?;
    let engine = open(dir)?;
    let mode = StorageMode::from_name(storage).ok_or("a storage mode")?;
    engine.change_collections(CollectionChange::Create {
        name: "v".to_owned(),
        settings: Box::new(Settings::default()),
        spec: Box::new(CollectionSpec { storage: mode, ..CollectionSpec::default() }),
    })?;
    let collection: Arc<str> = Arc::from("v");
    let mut seed = 7u64;
    for first in (0..ROWS).step_by(BATCH as usize) {
        let requests = (first..first + BATCH).map(|n| {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 40) as f32 / 8_388_608.0 - 1.0
            };
            let vector = (0..DIMENSION).map(|_| next()).collect();
            let write = Write::VectorSet { id: n.to_string(), vector };
            Request { collection: Some(Arc::clone(&collection)), write }
        });
        for answer in engine.write_requests(requests.collect()) {
            answer?;
        }
    }
    let policy = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(Some("v"), policy, |_, _| ControlFlow::Continue(()))?;
    engine.checkpoint()?;
    let stats = engine.storage_stats(Some("v"))?.remove(0);
    println!("{storage}: {} segments, {} MiB of files", stats.segments, stats.file_bytes >> 20);
    Ok(engine.close()?)
}

fn create(dir: &Path, storage: &str) -> Result<()> {
    let (engine, repository) = (open(dir)?, repository(dir)?);
    let view = engine.view()?;
    measured(&format!("snapshot, {storage}"), || {
        let options = CreateOptions { now_us: NOW_US, ..CreateOptions::default() };
        cairn_snapshot::create(&repository, view, &options, &Job::default())?;
        Ok(())
    })
}

fn restore(dir: &Path, storage: &str) -> Result<()> {
    let repository = repository(dir)?;
    let snapshot = cairn_snapshot::list(&repository)?.remove(0);
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    measured(&format!("restore, {storage}"), || {
        let target = dir.join("restored");
        cairn_snapshot::restore(&repository, snapshot.id(), &disk, &target, NOW_US, &Job::default())?;
        Ok(())
    })?;
    Ok(disk.remove_dir_all(dir)?)
}

/// Anonymous and all resident memory of this process, in KiB.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    (field("RssAnon:"), field("VmRSS:"))
}

/// Runs `work`, sampling memory, and prints what it added at the most.
fn measured(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = memory();
    let done = AtomicBool::new(false);
    let (result, seconds, most) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut most = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let now = memory();
                most = (most.0.max(now.0), most.1.max(now.1));
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        let started = Instant::now();
        let result = work();
        let seconds = started.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        (result, seconds, sampler.join().unwrap_or_default())
    });
    result?;
    let mib = |after: u64, before: u64| after.saturating_sub(before) >> 10;
    println!(
        "{what}: {seconds:.2} s, own memory +{} MiB (of {} MiB before), resident +{} MiB",
        mib(most.0, before.0),
        before.0 >> 10,
        mib(most.1, before.1)
    );
    Ok(())
}
