//! `Pin`: a mark that keeps a snapshot from being pruned, and from being deleted by mistake.

use crate::catalog;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::names;
use crate::repository::Repository;
use crate::snapshot_id::SnapshotId;
use cairn_disk::{FileType, atomic_replace, read_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// `format`.
const FORMAT: &str = "cairndb-pin";
/// `version`.
const VERSION: u32 = 1;
/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 4_096;
/// Bytes of a `pin.json`: a note of control characters, each written in six.
const BYTES_MAX: u64 = 32 << 10;

/// Why and since when a snapshot is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Words for people.
    pub note: String,
    /// When, microseconds since the Unix epoch.
    pub pinned_us: i64,
}

/// `pin.json`, keys in the order of docs/format.md.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    version: u32,
    snapshot: String,
    note: String,
    pinned_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
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
    let bytes = encode(&id, &Pin { note: note.to_owned(), pinned_us: now_us })?;
    let path = layout::snapshot_dir(repository.root(), &id).join(layout::PIN);
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
    let read = read_file(repository.storage(), &path, BYTES_MAX).map_err(Error::from);
    Ok(Some(read.and_then(|bytes| decode(&path, id, &bytes))))
}

/// The file's one line.
fn encode(id: &SnapshotId, pin: &Pin) -> Result<Vec<u8>> {
    let mut wire = Wire {
        format: FORMAT.to_owned(),
        version: VERSION,
        snapshot: id.to_string(),
        note: pin.note.clone(),
        pinned_at: names::rfc3339(pin.pinned_us),
        checksum: None,
    };
    let json =
        |wire: &Wire| serde_json::to_vec(wire).map_err(|e| Error::Bug(format!("{}: {e}", layout::PIN)));
    wire.checksum = Some(Digest::of(&json(&wire)?).to_string());
    let mut bytes = json(&wire)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn decode(path: &Path, id: &SnapshotId, bytes: &[u8]) -> Result<Pin> {
    let fields =
        |e: serde_json::Error| Error::damaged(path, None, "fields", "the fields of docs/format.md", e);
    let head: Head = serde_json::from_slice(bytes).map_err(fields)?;
    if head.format != FORMAT {
        return Err(Error::damaged(path, None, "format", FORMAT, format!("{:.80?}", head.format)));
    }
    if head.version != VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: head.version });
    }
    let wire: Wire = serde_json::from_slice(bytes).map_err(fields)?;
    if wire.snapshot != id.as_str() {
        return Err(Error::damaged(path, None, "snapshot", id, format!("{:.80?}", wire.snapshot)));
    }
    let pinned_us = names::from_rfc3339(&wire.pinned_at).ok_or_else(|| {
        Error::damaged(path, None, "pinned_at", "a time as RFC 3339 has it, UTC", &wire.pinned_at)
    })?;
    let pin = Pin { note: wire.note, pinned_us };
    let whole = encode(id, &pin)?;
    if whole != bytes {
        let of = |bytes: &[u8]| Digest::of(bytes).to_string();
        return Err(Error::damaged(path, None, "SHA-256 mismatch", of(&whole), of(bytes)));
    }
    Ok(pin)
}
