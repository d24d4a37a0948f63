//! `Pin`: a mark that keeps a snapshot from being pruned, and from being deleted by mistake.

use crate::catalog;
use crate::error::{Error, Result};
use crate::layout;
use crate::names;
use crate::repository::Repository;
use crate::sealed_json::{self, Fields};
use crate::snapshot_id::SnapshotId;
use cairn_disk::{FileType, atomic_replace};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 4_096;
/// Why and since when a snapshot is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Words for people.
    pub note: String,
    /// When, microseconds since the Unix epoch.
    pub pinned_us: i64,
}

/// `pin.json`, keys in the order of docs/format.md.
#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    format: String,
    version: u32,
    snapshot: String,
    note: String,
    pinned_at: String,
}

impl Fields for Wire {
    const FORMAT: &'static str = "cairndb-pin";
    const VERSION: u32 = 1;
}

/// Pins the snapshot of an id or a name, or gives its pin another note. It lasts when this returns. Waits up to `wait` for
/// another writer. A damaged snapshot can be pinned too, by its id.
pub fn pin(
    repository: &Repository,
    id_or_name: &str,
    note: &str,
    now_us: i64,
    wait: Duration,
) -> Result<SnapshotId> {
    if note.len() > NOTE_BYTES_MAX || note.chars().any(char::is_control) {
        let got = note.len();
        return Err(Error::Input(format!(
            "note of a pin: expected one line of at most {NOTE_BYTES_MAX} bytes, got {got} bytes: {note:.80?}"
        )));
    }
    let _writer = repository.writer_after("snapshot pin", wait)?;
    let id = catalog::resolve(repository, id_or_name)?;
    let path = layout::snapshot_dir(repository.root(), &id).join(layout::PIN);
    let bytes = encode(&path, &id, &Pin { note: note.to_owned(), pinned_us: now_us })?;
    atomic_replace(repository.storage(), &path, &bytes)?;
    Ok(id)
}

/// Takes the pin off the snapshot of an id or a name, also one that does not read. It is off for good when this returns.
pub fn unpin(repository: &Repository, id_or_name: &str, wait: Duration) -> Result<SnapshotId> {
    let _writer = repository.writer_after("snapshot unpin", wait)?;
    let id = catalog::resolve(repository, id_or_name)?;
    let (storage, dir) = (repository.storage(), layout::snapshot_dir(repository.root(), &id));
    let path = dir.join(layout::PIN);
    if storage.stat(&path)?.is_none() {
        return Err(Error::NotFound(format!("snapshot {id} is not pinned")));
    }
    storage.remove(&path)?;
    storage.sync_dir(&dir)?;
    Ok(id)
}

/// All pinned snapshots, by id. A pin that does not read is an error in its place: the snapshot counts as pinned.
pub fn pins(repository: &Repository) -> Result<BTreeMap<SnapshotId, Result<Pin>>> {
    let (storage, dir) = (repository.storage(), repository.root().join(layout::SNAPSHOTS));
    let mut pins = BTreeMap::new();
    for entry in storage.list(&dir)? {
        let Ok(id) = entry.name.parse::<SnapshotId>() else { continue };
        if entry.stat.file_type == FileType::Dir
            && let Some(pin) = pin_of(repository, &id)?
        {
            pins.insert(id, pin);
        }
    }
    Ok(pins)
}

/// The pin of a snapshot; `None`: it has none.
pub(crate) fn pin_of(repository: &Repository, id: &SnapshotId) -> Result<Option<Result<Pin>>> {
    let path = layout::snapshot_dir(repository.root(), id).join(layout::PIN);
    if repository.storage().stat(&path)?.is_none() {
        return Ok(None);
    }
    Ok(Some(read(repository, &path, id)))
}

/// The file's bytes.
fn encode(path: &Path, id: &SnapshotId, pin: &Pin) -> Result<Vec<u8>> {
    let wire = Wire {
        format: Wire::FORMAT.to_owned(),
        version: Wire::VERSION,
        snapshot: id.to_string(),
        note: pin.note.clone(),
        pinned_at: names::rfc3339(pin.pinned_us),
    };
    sealed_json::encode(path, wire)
}

fn read(repository: &Repository, path: &Path, id: &SnapshotId) -> Result<Pin> {
    let wire: Wire = sealed_json::read(repository.storage(), path)?;
    if wire.snapshot != id.as_str() {
        return Err(Error::damaged(path, None, "snapshot", id, format!("{:.80?}", wire.snapshot)));
    }
    let pinned_us = names::from_rfc3339(&wire.pinned_at).ok_or_else(|| {
        Error::damaged(path, None, "pinned_at", "a time as RFC 3339 has it, UTC", &wire.pinned_at)
    })?;
    Ok(Pin { note: wire.note, pinned_us })
}
