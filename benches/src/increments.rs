//! Increments: what restoring and deleting take in a chain of incremental snapshots on one base.

use crate::Result;
use crate::states::{events, fill, open, options, repository};
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Clock, SystemClock, check_dir};
use cairn_snapshot::{Base, Job, Repository, create_live, delete, restore};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Vectors and events of the base.
const VECTORS: usize = 100_000;
const EVENTS: usize = 100_000;
/// Of both, what each increment changes: 0.2 %.
const CHANGED: usize = 200;
/// Each restore is the best of so many.
const ROUNDS: usize = 3;

type Hash = [u8; 32];

/// Measures chains of 1, 10 and 30.
pub fn run() -> Result<()> {
    for length in [1, 10, 30] {
        chain(length)?;
    }
    Ok(())
}

fn chain(length: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let engine = open(&dir.path().join("db"))?;
    fill(&engine, 0..VECTORS)?;
    events(&engine, 0..EVENTS)?;
    let repository = repository(dir.path())?;
    create_live(&repository, &engine, &options(Base::None, "base"), &Job::default())?;
    let base_took = restored(&repository, dir.path(), "base", engine.view()?.state_hash())?;
    let mut made: Vec<(String, Hash)> = Vec::new();
    for nth in 0..length {
        let from = nth * CHANGED;
        fill(&engine, from..from + CHANGED)?;
        events(&engine, EVENTS + from..EVENTS + from + CHANGED)?;
        let name = format!("i{nth}");
        let created = create_live(&repository, &engine, &options(Base::Newest, &name), &Job::default())?;
        if let Some(why) = created.full_because {
            return Err(format!("{name} of {length} is a full one: {why}").into());
        }
        made.push((name, engine.view()?.state_hash()));
    }
    engine.close()?;
    let (last, hash) = made.last().ok_or("a chain of nothing")?;
    let last_took = restored(&repository, dir.path(), last, *hash)?;

    // The base, then the one in the middle: all others stay whole.
    let mut gone = vec![timed_delete(&repository, "base")?];
    if length > 2 {
        gone.push(timed_delete(&repository, &made.remove(length / 2).0)?);
    }
    let mut others = Duration::ZERO;
    for (name, hash) in &made {
        others = others.max(restore_once(&repository, dir.path(), name, *hash)?);
    }
    let ms = |took: Duration| format!("{:.0}", took.as_secs_f64() * 1e3);
    let gone: Vec<String> = gone.into_iter().map(ms).collect();
    println!(
        "| a base of {VECTORS} vectors and {EVENTS} events, {length} increments of {CHANGED} each | restore of the base {} ms, of the last {} ms; \
         delete of the base, and of the middle one, {} ms; then each of the {} left restores, {} ms at most |",
        ms(base_took),
        ms(last_took),
        gone.join(", "),
        made.len(),
        ms(others)
    );
    Ok(())
}

fn timed_delete(repository: &Repository, name: &str) -> Result<Duration> {
    let started = Instant::now();
    delete(repository, name)?;
    Ok(started.elapsed())
}

fn restored(repository: &Repository, dir: &Path, name: &str, hash: Hash) -> Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        best = best.min(restore_once(repository, dir, name, hash)?);
    }
    Ok(best)
}

/// How long it takes; the state that comes back has to be the one that was stored.
fn restore_once(repository: &Repository, dir: &Path, name: &str, hash: Hash) -> Result<Duration> {
    let storage: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let target = dir.join("restored");
    let started = Instant::now();
    restore(repository, name, &storage, &target, SystemClock.now_us(), &Job::default())?;
    let took = started.elapsed();
    let found = check_dir(&storage, &target)?.state_hash;
    std::fs::remove_dir_all(&target)?;
    if found == hash { Ok(took) } else { Err(format!("{name} came back as another state").into()) }
}
