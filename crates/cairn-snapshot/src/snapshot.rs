//! A snapshot: what one point in time of a database is made of.

use crate::codec::Codec;
use crate::part::Part;
use crate::snapshot_id::SnapshotId;
use cairn_engine::{Counts, DatabaseId, Lsn, TimelineId};
use std::collections::BTreeMap;

/// A finished snapshot in a repository, as its `metadata.json` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// A second name that restore, info and delete accept; unique in the repository when it was made.
    pub name: Option<String>,
    /// Free text.
    pub description: String,
    /// Free words.
    pub tags: Vec<String>,
    /// What kind it is.
    pub snapshot_type: SnapshotType,
    /// When it was made, microseconds since the Unix epoch.
    pub created_us: i64,
    /// The database it is of.
    pub database: DatabaseId,
    /// The timeline it is of.
    pub timeline: TimelineId,
    /// The last mutation in it.
    pub lsn: Lsn,
    /// The time of its View, microseconds since the Unix epoch.
    pub time_us: i64,
    /// How its new parts were stored. Parts that were there already keep their codec.
    pub compression: Codec,
    /// What is in it.
    pub counts: Counts,
    /// Bytes of all its files and the manifest, decoded.
    pub plain_bytes: u64,
    /// Bytes of its parts as stored, each part once. Other snapshots may share them.
    pub stored_bytes: u64,
    /// The checkpoint's manifest.
    pub manifest: Part,
    /// The files the manifest names.
    pub files: Vec<SnapshotFile>,
}

/// What a snapshot is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotType {
    /// It holds everything.
    Full,
}

impl SnapshotType {
    /// Its name in `metadata.json` and in commands.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotType::Full => "full",
        }
    }
}

/// A file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its name in a timeline's directory: one that [`cairn_engine::is_image_name`] takes.
    pub name: String,
    /// Its bytes.
    pub part: Part,
}

impl Snapshot {
    /// Its parts in the order of `metadata.json`: the manifest, then each file's. One may come more than once.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.manifest).chain(self.files.iter().map(|file| &file.part))
    }

    /// Its parts, each once.
    pub fn unique_parts(&self) -> Vec<Part> {
        let by_id: BTreeMap<_, _> = self.parts().map(|part| (part.id, *part)).collect();
        by_id.into_values().collect()
    }

    /// When it was made, as RFC 3339 has it: `2024-01-20T10:30:45Z`, to the microsecond when it is not zero.
    pub fn created_at(&self) -> String {
        crate::names::rfc3339(self.created_us)
    }
}
