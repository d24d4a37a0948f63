//! Deleting a snapshot, and the parts that no snapshot names.

use crate::catalog::{self, Listed};
use crate::error::Result;
use crate::layout;
use crate::part::stored_parts;
use crate::prune::check_unpinned;
use crate::repository::Repository;
use crate::snapshot_id::SnapshotId;
use cairn_disk::parent_dir;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// How a snapshot is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Also when it is pinned.
    pub force: bool,
    /// How long another writer of the repository is waited for.
    pub wait: Duration,
}

impl Default for DeleteOptions {
    /// Not when it is pinned; a second.
    fn default() -> Self {
        DeleteOptions { force: false, wait: Duration::from_secs(1) }
    }
}

/// As [`delete_with`], with the options that are the default.
pub fn delete(repository: &Repository, id_or_name: &str) -> Result<Deleted> {
    delete_with(repository, id_or_name, &DeleteOptions::default())
}

/// Deletes the snapshot of an id or a name; one that is pinned only by force. First it stops being a snapshot, durably and at
/// once; then the parts go that no other snapshot names. A crash in between leaves parts that nothing names; the next delete
/// removes them. Every other snapshot stays whole.
pub fn delete_with(repository: &Repository, id_or_name: &str, options: &DeleteOptions) -> Result<Deleted> {
    let _writer = repository.writer_after("snapshot delete", options.wait)?;
    let id = catalog::resolve(repository, id_or_name)?;
    if !options.force {
        check_unpinned(repository, &id)?;
    }
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
pub(crate) fn remove_unnamed(repository: &Repository) -> Result<Swept> {
    let (storage, root) = (repository.storage(), repository.root());
    // No part may go while a crash could bring back a snapshot that names it.
    storage.sync_dir(&root.join(layout::SNAPSHOTS))?;
    let Unnamed { parts, kept_for } = unnamed(repository, &BTreeSet::new())?;
    let mut swept = Swept { kept_for, ..Swept::default() };
    let mut dirs: BTreeSet<&Path> = BTreeSet::new();
    let mut step = Step::default();
    for (path, bytes) in &parts {
        storage.remove(path)?;
        swept.parts += 1;
        swept.stored_bytes += bytes;
        dirs.insert(parent_dir(path));
        step.removed(*bytes);
    }
    dirs.iter().try_for_each(|dir| storage.sync_dir(dir))?;
    Ok(swept)
}

/// Stored parts that may go.
#[derive(Debug, Default)]
pub(crate) struct Unnamed {
    /// Their files, with their lengths.
    pub(crate) parts: Vec<(PathBuf, u64)>,
    /// As [`Deleted::kept_for`]: then there are none.
    pub(crate) kept_for: Option<String>,
}

/// The stored parts that no snapshot names, those in directories called `gone` aside.
pub(crate) fn unnamed(repository: &Repository, gone: &BTreeSet<&str>) -> Result<Unnamed> {
    let (storage, root) = (repository.storage(), repository.root());
    let mut named = BTreeSet::new();
    for listed in catalog::list(repository)? {
        match listed {
            listed if gone.contains(listed.id()) => {}
            Listed::Whole(snapshot) => named.extend(snapshot.parts().map(|part| (part.id, part.codec))),
            Listed::Damaged { id, .. } => return Ok(Unnamed { kept_for: Some(id), ..Unnamed::default() }),
        }
    }
    let mut found = Unnamed::default();
    for (id, codec, path) in stored_parts(storage, root)? {
        if !named.contains(&(id, codec)) {
            let bytes = storage.stat(&path)?.map_or(0, |stat| stat.bytes);
            found.parts.push((path, bytes));
        }
    }
    Ok(found)
}

/// Removing goes in small steps with a pause after each: on a file system that tells the device what is free (`discard`), the
/// syncs of others wait until it is told.
#[derive(Debug, Default)]
struct Step {
    files: u32,
    bytes: u64,
}

impl Step {
    const FILES_MAX: u32 = 16;
    const BYTES_MAX: u64 = 64 << 20;
    const PAUSE: Duration = Duration::from_millis(10);

    fn removed(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        if self.files >= Self::FILES_MAX || self.bytes >= Self::BYTES_MAX {
            std::thread::sleep(Self::PAUSE);
            *self = Step::default();
        }
    }
}
