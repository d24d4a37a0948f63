//! `Verification`: whether every byte of a snapshot is what was written.

use super::create::check_parallel;
use super::snapshot::Snapshot;
use super::store::read_stored;
use super::{SnapshotManager, metadata, parallel};
use crate::error::corrupt;
use crate::{Error, ErrorKind, Result};

/// What reading a snapshot whole found.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// How many files were read.
    pub files: usize,
    /// The bytes of those that are good, as restored.
    pub bytes: u64,
    /// What is wrong, one for each damaged file. Empty: it restores.
    pub damage: Vec<Error>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty()
    }
}

impl SnapshotManager {
    /// Reads every file of a snapshot and holds it against the checksums kept from when the log wrote it. This is where
    /// damage in a hard-linked segment is found, which is damage in the log as well. Changes nothing.
    pub fn verify_snapshot(&self, id: &str) -> Result<Verification> {
        self.verify_snapshot_with(id, 1)
    }

    /// As [`SnapshotManager::verify_snapshot`], with so many files at a time.
    pub fn verify_snapshot_with(&self, id: &str, parallel: usize) -> Result<Verification> {
        check_parallel(parallel)?;
        let snapshot = self.existing(id)?;
        let dir = self.dir_of(id);
        let mut found = Verification::default();
        match metadata::read(&*self.storage, &dir) {
            Ok(own) if own == snapshot => {}
            Ok(_) => {
                let (path, expected) = (dir.join(metadata::SNAPSHOT_JSON), metadata::SNAPSHOTS_JSON);
                found
                    .damage
                    .push(corrupt(&path, None, "metadata", format!("as in {expected}"), "else").into());
            }
            Err(e) => found.damage.push(damage(e.into())?),
        }
        let files: Vec<_> = snapshot.files().collect();
        let read = parallel::run(parallel, &files, |(base, file)| {
            match read_stored(&*self.storage, &Snapshot::path(&dir, *base, file), file, None) {
                Ok(()) => Ok(Ok(file.bytes)),
                Err(e) => Ok(Err(damage(e)?)),
            }
        })?;
        found.files = read.len();
        for read in read {
            match read {
                Ok(bytes) => found.bytes += bytes,
                Err(error) => found.damage.push(error),
            }
        }
        Ok(found)
    }
}

/// An error about a file, if it is one of the snapshot and not of the disk.
fn damage(error: Error) -> Result<Error> {
    match error.kind() {
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Version => Ok(error),
        _ => Err(error),
    }
}
