//! Plain copies: what snapshots and restores are measured beside.

use crate::Result;
use std::fs::File;
use std::io::copy;
use std::path::{Path, PathBuf};
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

/// Copies the files into a new directory, syncing each; returns the bytes and the time.
pub fn copy_synced(files: &[PathBuf], to: &Path) -> Result<(u64, Duration)> {
    std::fs::create_dir_all(to)?;
    let started = Instant::now();
    let mut bytes = 0;
    for (n, file) in files.iter().enumerate() {
        let mut target = File::create(to.join(n.to_string()))?;
        bytes += copy(&mut File::open(file)?, &mut target)?;
        target.sync_all()?;
    }
    File::open(to)?.sync_all()?;
    Ok((bytes, started.elapsed()))
}
