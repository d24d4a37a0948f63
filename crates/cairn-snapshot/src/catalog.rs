//! The catalog: which snapshots a repository holds.

use crate::checksum;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::metadata;
use crate::repository::Repository;
use crate::snapshot::{Snapshot, SnapshotType};
use crate::snapshot_id::SnapshotId;
use cairn_disk::{FileType, read_file};
use std::sync::atomic::AtomicBool;

/// Bytes of a `checksum.sha256` beside a `metadata.json` of the most bytes.
const CHECKSUM_BYTES_MAX: u64 = metadata::BYTES_MAX;

/// One entry of a repository's list.
#[derive(Debug, Clone)]
pub enum Listed {
    /// A snapshot whose `metadata.json` and `checksum.sha256` are whole. Its parts were not looked at: [`crate::verify`].
    Whole(Box<Snapshot>),
    /// Something below `snapshots/` that does not read as one.
    Damaged {
        /// The name of its directory.
        id: String,
        /// What is wrong.
        error: Error,
    },
}

impl Listed {
    /// The name of its directory.
    pub fn id(&self) -> &str {
        match self {
            Listed::Whole(snapshot) => snapshot.id.as_str(),
            Listed::Damaged { id, .. } => id,
        }
    }

    /// The snapshot, when it is whole.
    pub fn whole(&self) -> Option<&Snapshot> {
        match self {
            Listed::Whole(snapshot) => Some(snapshot),
            Listed::Damaged { .. } => None,
        }
    }
}

/// All snapshots, newest first; what is damaged stands among them. Reads no part.
pub fn list(repository: &Repository) -> Result<Vec<Listed>> {
    let dir = repository.root().join(layout::SNAPSHOTS);
    let mut found = Vec::new();
    for entry in repository.storage().list(&dir)? {
        if layout::is_unfinished(&entry.name) {
            continue;
        }
        let id: Result<SnapshotId> = entry.name.parse();
        let read = match &id {
            Ok(id) if entry.stat.file_type == FileType::Dir => read(repository, id),
            Ok(_) => Err(Error::damaged(
                &dir.join(&entry.name),
                None,
                "snapshot",
                "a directory",
                "another kind of file",
            )),
            Err(_) => {
                Err(Error::damaged(&dir.join(&entry.name), None, "snapshot", "a snapshot's id", &entry.name))
            }
        };
        let listed = match read {
            Ok(snapshot) => Listed::Whole(Box::new(snapshot)),
            // Deleted since it was listed.
            Err(_) if repository.storage().stat(&dir.join(&entry.name))?.is_none() => continue,
            Err(error) => Listed::Damaged { id: entry.name, error },
        };
        found.push((id.ok(), listed));
    }
    found.sort_by(|(a, a_listed), (b, b_listed)| b.cmp(a).then_with(|| b_listed.id().cmp(a_listed.id())));
    Ok(found.into_iter().map(|(_, listed)| listed).collect())
}

/// The snapshot of an id or a name. Its `metadata.json` and `checksum.sha256` are checked, its parts are not.
pub fn find(repository: &Repository, id_or_name: &str) -> Result<Snapshot> {
    read(repository, &resolve(repository, id_or_name)?)
}

/// The id that an id or a name stands for. The snapshot may be damaged, when it was asked for by its id.
pub(crate) fn resolve(repository: &Repository, id_or_name: &str) -> Result<SnapshotId> {
    if let Ok(id) = id_or_name.parse::<SnapshotId>() {
        return match repository.storage().stat(&layout::snapshot_dir(repository.root(), &id))? {
            Some(_) => Ok(id),
            None => Err(not_found(repository, id_or_name)),
        };
    }
    let named = |listed: Listed| match listed {
        Listed::Whole(snapshot) if snapshot.name.as_deref() == Some(id_or_name) => Some(snapshot.id),
        _ => None,
    };
    // Newest first: should a copied repository hold a name twice, the newest has it.
    let found = list(repository)?.into_iter().find_map(named);
    found.ok_or_else(|| not_found(repository, id_or_name))
}

fn not_found(repository: &Repository, id_or_name: &str) -> Error {
    Error::NotFound(format!("Snapshot not found: {id_or_name:.160} (in {})", repository.root().display()))
}

/// Reads and checks what a snapshot's directory holds.
pub(crate) fn read(repository: &Repository, id: &SnapshotId) -> Result<Snapshot> {
    let (storage, dir) = (repository.storage(), layout::snapshot_dir(repository.root(), id));
    let path = dir.join(layout::METADATA);
    let bytes = read_file(storage, &path, metadata::BYTES_MAX)?;
    let checksums = read_file(storage, &dir.join(layout::CHECKSUM), CHECKSUM_BYTES_MAX)?;
    let digest = Digest::of(&bytes);
    checksum::metadata_line(&dir, &checksums, digest)?;
    let mut snapshot = metadata::decode(&path, id, &bytes)?;
    if let (SnapshotType::Incremental, Some(list)) = (snapshot.snapshot_type, snapshot.list) {
        let bytes = list.read_all(storage, repository.root(), &AtomicBool::new(false))?;
        let list = metadata::decode_list(&repository.root().join(list.stored()), &bytes)?;
        snapshot = metadata::complete(&path, snapshot, list)?;
    }
    checksum::check(&dir, &checksums, digest, &snapshot)?;
    Ok(snapshot)
}
