//! `manager::Snapshot`: a snapshot as the manager describes it.

use crate::catalog::Listed;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::metadata;
use crate::repository::Repository;
use cairn_disk::read_file;
use cairn_engine::Counts;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A finished snapshot. [`crate::find`] tells all there is about one, down to its files.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its id: `snap-YYYY-MM-DD-HHMMSS`, UTC. Its name does as well wherever an id is asked for.
    pub id: String,
    /// When it was made. Shown as RFC 3339 has it: `2024-01-20T10:30:45Z`.
    pub created_at: Timestamp,
    /// What it takes in the repository: of a full one all its parts, also those it shares; of an incremental one what was not
    /// there before it.
    pub size_bytes: u64,
    /// The SHA-256 of its `metadata.json`, 64 hex digits. That file names all its other files by their hashes, so this stands
    /// for every byte of it.
    pub checksum: String,
    /// What kind it is.
    pub snapshot_type: SnapshotType,
    /// How many vectors are in it: as many as a restore brings back, of an incremental one too.
    pub vector_count: usize,
    /// The rest: `name`, `description`, `tags`, `database`, `timeline`, `lsn`, `compression`, `counts` (`vectors`, `metadata`,
    /// `events`, `contexts`, `pairs`, …), `collections` (`name`, `dimension`, `counts` of each), `changed_vectors` since the base,
    /// `plain_bytes`, `stored_bytes`; and `full_because` when an incremental one was asked for and a full one was made.
    pub metadata: Value,
}

/// What a snapshot was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotType {
    /// The whole state, without regard to another one.
    Full,
    /// What was new since its base. It stays whole when the base is deleted.
    Incremental {
        /// The snapshot it was made from, which may be gone.
        base_id: String,
    },
}

impl Snapshot {
    pub(crate) fn of(repository: &Repository, from: &crate::Snapshot) -> Result<Snapshot> {
        let path = layout::snapshot_dir(repository.root(), &from.id).join(layout::METADATA);
        let bytes = read_file(repository.storage(), &path, metadata::BYTES_MAX)?;
        let snapshot_type = match &from.base {
            Some(base) => SnapshotType::Incremental { base_id: base.to_string() },
            None => SnapshotType::Full,
        };
        let vectors = from.counts.vectors;
        Ok(Snapshot {
            id: from.id.to_string(),
            created_at: Timestamp::from_microsecond(from.created_us)
                .map_err(|e| Error::damaged(&path, None, "created_at", "a time", e))?,
            size_bytes: from.size_bytes(),
            checksum: Digest::of(&bytes).to_string(),
            snapshot_type,
            vector_count: usize::try_from(vectors)
                .map_err(|_| Error::damaged(&path, None, "vectors", "as many as can be counted", vectors))?,
            metadata: rest(from)?,
        })
    }

    /// Those of a list that are whole, in its order.
    pub(crate) fn of_list(repository: &Repository, listed: &[Listed]) -> Result<Vec<Snapshot>> {
        let mut all = Vec::new();
        for from in listed.iter().filter_map(Listed::whole) {
            match Snapshot::of(repository, from) {
                Ok(snapshot) => all.push(snapshot),
                Err(e) => {
                    // Deleted since it was listed.
                    let dir = layout::snapshot_dir(repository.root(), &from.id);
                    if repository.storage().stat(&dir)?.is_some() {
                        return Err(e);
                    }
                }
            }
        }
        Ok(all)
    }
}

fn rest(from: &crate::Snapshot) -> Result<Value> {
    let counts = |counts: &Counts| {
        serde_json::to_value(counts).map_err(|e| Error::Bug(format!("counts of a snapshot: {e}")))
    };
    let mut collections = Vec::new();
    for c in &from.collections {
        let counts = counts(&c.counts)?;
        collections.push(json!({ "name": c.name, "dimension": c.dimension, "counts": counts }));
    }
    Ok(json!({
        "name": from.name,
        "description": from.description,
        "tags": from.tags,
        "database": from.database.to_string(),
        "timeline": from.timeline.to_string(),
        "lsn": from.lsn.0,
        "compression": from.compression.name(),
        "counts": counts(&from.counts)?,
        "collections": collections,
        "changed_vectors": from.changed_vectors,
        "plain_bytes": from.plain_bytes,
        "stored_bytes": from.stored_bytes,
    }))
}
