//! Deleting a snapshot, and the parts that no snapshot names.

use crate::catalog::{self, Listed};
use crate::error::Result;
use crate::layout;
use crate::part::stored_parts;
use crate::repository::Repository;
use crate::snapshot_id::SnapshotId;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The snapshot that is gone.
    pub id: SnapshotId,
    /// Parts removed: those no snapshot names, also when an earlier writer left them.
    pub parts: u64,
    /// Stored bytes of those parts.
    pub stored_bytes: u64,
    /// The damaged snapshot for whose sake no part was removed: which parts it names cannot be known. Once it is deleted
    /// too, the parts go.
    pub kept_for: Option<String>,
}

/// Deletes the snapshot of an id or a name. First it stops being a snapshot, durably and at once; then the parts go that
/// no other snapshot names. A crash in between leaves parts that nothing names; the next delete removes them. Every other
/// snapshot stays whole.
pub fn delete(repository: &Repository, id_or_name: &str) -> Result<Deleted> {
    let _writer = repository.writer()?;
    let id = catalog::resolve(repository, id_or_name)?;
    let (storage, root) = (repository.storage(), repository.root());
    let gone = layout::deleted_dir(root, &id);
    storage.rename(&layout::snapshot_dir(root, &id), &gone)?;
    let Swept { parts, stored_bytes, kept_for } = remove_unnamed(repository)?;
    storage.remove_dir_all(&gone)?;
    Ok(Deleted { id, parts, stored_bytes, kept_for })
}

/// What a sweep removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Parts that no snapshot names.
    pub parts: u64,
    /// Their stored bytes.
    pub stored_bytes: u64,
    /// As [`Deleted::kept_for`].
    pub kept_for: Option<String>,
}

/// Removes the parts that no snapshot names: what a writer or a delete left that did not come to its end. Every snapshot
/// stays whole; one that is damaged keeps all parts.
pub fn sweep(repository: &Repository) -> Result<Swept> {
    let _writer = repository.writer()?;
    remove_unnamed(repository)
}

/// The same, for whoever holds the writer's lock.
fn remove_unnamed(repository: &Repository) -> Result<Swept> {
    let mut swept = Swept::default();
    let (storage, root) = (repository.storage(), repository.root());
    // No part may go while a crash could bring back a snapshot that names it.
    storage.sync_dir(&root.join(layout::SNAPSHOTS))?;
    let mut named = BTreeSet::new();
    for listed in catalog::list(repository)? {
        match listed {
            Listed::Whole(snapshot) => named.extend(snapshot.parts().map(|part| (part.id, part.codec))),
            Listed::Damaged { id, .. } => {
                swept.kept_for = Some(id);
                return Ok(swept);
            }
        }
    }
    let mut dirs: BTreeSet<PathBuf> = BTreeSet::new();
    for (id, codec, path) in stored_parts(storage, root)? {
        if named.contains(&(id, codec)) {
            continue;
        }
        let bytes = storage.stat(&path)?.map_or(0, |stat| stat.bytes);
        storage.remove(&path)?;
        swept.parts += 1;
        swept.stored_bytes += bytes;
        dirs.insert(layout::part_dir(root, id));
    }
    dirs.iter().try_for_each(|dir| storage.sync_dir(dir))?;
    Ok(swept)
}
