//! `SnapshotConfig`: what a manager of snapshots is made with.

use crate::codec::Compression;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// How a [`crate::SnapshotManager`] keeps its snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// The repository: a directory, made when there is none. Default: `./snapshots`.
    pub snapshot_dir: PathBuf,
    /// Whether new parts are compressed, with gzip; one that it would make smaller by less than an eighth is stored as it is.
    /// Vectors of float32 hardly get smaller. (zstd is faster: [`crate::CreateOptions`] has it.) Default: true.
    pub compression: bool,
    /// 1 (fast) to 9 (small), of `compression`. Default: 6.
    pub compression_level: u32,
    /// Whether every stored byte of a snapshot is read and hashed once more after it was made, and before it is restored; and
    /// whether a cleanup looks at its bytes before it calls a snapshot good. Without it, a restore still checks each byte
    /// before it is used. Default: true.
    pub verify_checksum: bool,
    /// How many files are read, hashed and written at the same time by one call, each by a thread, at least 1. Snapshots are
    /// made and deleted one after another, whatever this says. Default: 4.
    pub max_concurrent_io: usize,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        SnapshotConfig {
            snapshot_dir: PathBuf::from("./snapshots"),
            compression: true,
            compression_level: 6,
            verify_checksum: true,
            max_concurrent_io: 4,
        }
    }
}

impl SnapshotConfig {
    /// Refuses what cannot be, naming the field.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.max_concurrent_io == 0 {
            return Err(Error::Input("max_concurrent_io: expected at least 1, got 0".to_owned()));
        }
        // Also when it is not used: a wrong number is a mistake either way.
        Compression::Gzip { level: self.compression_level }.validate()
    }

    /// What new parts are stored as.
    pub(crate) fn codec(&self) -> Compression {
        match self.compression {
            true => Compression::Gzip { level: self.compression_level },
            false => Compression::None,
        }
    }
}
