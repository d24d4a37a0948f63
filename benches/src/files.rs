//! Plain copies: what snapshots and restores are measured beside.

use crate::Result;
use std::fs::File;
use std::io::copy;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// All files below a directory.
pub fn below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Copies the files into a new directory, syncing each, by as many threads as a snapshot works with; returns the bytes and the
/// time.
pub fn copy_synced(files: &[PathBuf], to: &Path) -> Result<(u64, Duration)> {
    std::fs::create_dir_all(to)?;
    let started = Instant::now();
    let threads = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let run = || -> std::io::Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(n) else { return Ok(()) };
            let mut target = File::create(to.join(n.to_string()))?;
            bytes.fetch_add(copy(&mut File::open(file)?, &mut target)?, Ordering::Relaxed);
            target.sync_all()?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a copy does not panic"))
    })?;
    File::open(to)?.sync_all()?;
    Ok((bytes.into_inner(), started.elapsed()))
}
