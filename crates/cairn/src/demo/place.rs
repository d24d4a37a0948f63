//! The demo's directory: its configuration, the data, and the snapshots outside of the data.

use super::reference::{ALPHA, BETA, RING};
use super::sample::Sample;
use crate::disk::storage;
use crate::failure::Result;
use cairn_disk::write_new;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A temporary directory. Dropped, it is removed, unless it is to be kept.
#[derive(Debug)]
pub struct Place {
    dir: TempDir,
    keep: bool,
    /// The server's configuration.
    pub config: PathBuf,
    /// The server's data.
    pub data: PathBuf,
    /// The repository of its snapshots.
    pub repository: PathBuf,
    /// The data of the proof's embedded engine.
    pub proof: PathBuf,
}

impl Place {
    /// Makes the directory and the configuration in it.
    pub fn make(sample: &Sample, keep: bool) -> Result<Place> {
        let mut dir = tempfile::Builder::new().prefix("cairn-demo-").tempdir()?;
        dir.disable_cleanup(keep);
        let at = |name: &str| dir.path().join(name);
        let place = Place {
            config: at("cairn.yaml"),
            data: at("data"),
            repository: at("snapshots"),
            proof: at("proof"),
            keep,
            dir,
        };
        write_new(&*storage(), &place.config, place.yaml(sample).as_bytes())?;
        Ok(place)
    }

    /// Everything the proof depends on is said here, and decay is off: it would happen at times of its own.
    fn yaml(&self, sample: &Sample) -> String {
        let (files, repository) = (self.dir.path().join("files"), &self.repository);
        format!(
            "api:\n  tcp:\n    bind: 127.0.0.1\n    port: 0\n\
             events:\n  ctx_buffer_size: {RING}\n  decay_interval_sec: 0\n\
             vectors:\n  default_dimension: {}\n  distance_metric: cosine\n\
             similarity:\n  fusion_alpha: {ALPHA}\n  fusion_beta: {BETA}\n\
             snapshot:\n  dir: {}\n  repository: {}\n\
             logging:\n  level: warn\n",
            sample.dimension(),
            quoted(&files),
            quoted(repository),
        )
    }

    /// The directory, when it stays.
    pub fn kept(&self) -> Option<&Path> {
        self.keep.then(|| self.dir.path())
    }
}

/// A path as a double-quoted YAML scalar.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
