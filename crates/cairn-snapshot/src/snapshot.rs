//! A snapshot: what one point in time of a database is made of.

use crate::codec::Codec;
use crate::log_part::LogPart;
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
    /// Bytes of all its parts, decoded.
    pub plain_bytes: u64,
    /// Bytes of its parts as stored, each part once. Other snapshots may share them.
    pub stored_bytes: u64,
    /// Stored bytes of the parts that were not in the repository before.
    pub added_bytes: u64,
    /// What is in each collection it covers. Empty: it was made before this was noted.
    pub collections: Vec<SnapshotCollection>,
    /// Whether it covers the whole database, and not only [`Snapshot::collections`].
    pub whole: bool,
    /// The snapshot it was made from, which may be gone since: nothing of it is needed.
    pub base: Option<SnapshotId>,
    /// Items whose vector was set or deleted since the base.
    pub changed_vectors: u64,
    /// Where the checkpoint stands: [`Snapshot::log`] goes on from there.
    pub image: Place,
    /// The checkpoint's manifest.
    pub manifest: Part,
    /// The files the manifest names.
    pub files: Vec<SnapshotFile>,
    /// The part that lists manifest and files, for snapshots made from this one. Version 1 has none.
    pub list: Option<Part>,
    /// The records after the checkpoint, up to its LSN, in order.
    pub log: Vec<LogPart>,
}

/// A record of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The timeline.
    pub timeline: TimelineId,
    /// After this record.
    pub lsn: Lsn,
}

/// A collection of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotCollection {
    /// Its name then.
    pub name: String,
    /// Its number, which was never another's in its database.
    pub number: u32,
    /// The dimension of its vectors; 0: none yet.
    pub dimension: u32,
    /// How much there is.
    pub counts: Counts,
}

/// What a snapshot is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotType {
    /// It was made without regard to another.
    Full,
    /// It shares its base's checkpoint and adds the log since, or the parts that the base lacks. It does not need its base.
    Incremental,
}

impl SnapshotType {
    /// Its name in `metadata.json` and in commands.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotType::Full => "full",
            SnapshotType::Incremental => "incremental",
        }
    }

    /// The type of a name.
    pub fn from_name(name: &str) -> Option<SnapshotType> {
        [SnapshotType::Full, SnapshotType::Incremental].into_iter().find(|t| t.name() == name)
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
    /// Its parts: the manifest, each file's, the list, the log. One may come more than once.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.image_parts().chain(self.list.iter()).chain(self.log.iter().map(|log| &log.part))
    }

    /// The parts of its checkpoint.
    pub(crate) fn image_parts(&self) -> impl Iterator<Item = &Part> {
        std::iter::once(&self.manifest).chain(self.files.iter().map(|file| &file.part))
    }

    /// The parts that its `checksum.sha256` lists: all of them, but of an incremental one not those of the checkpoint, whose
    /// hashes are in the list.
    pub(crate) fn checked_parts(&self) -> impl Iterator<Item = &Part> {
        let image = (self.snapshot_type == SnapshotType::Full).then(|| self.image_parts());
        image.into_iter().flatten().chain(self.list.iter()).chain(self.log.iter().map(|log| &log.part))
    }

    /// Whether it covers a collection of this name.
    pub fn has(&self, collection: &str) -> bool {
        self.collections.iter().any(|c| c.name == collection)
    }

    /// Records to replay after the checkpoint.
    pub fn log_records(&self) -> u64 {
        self.log.iter().map(|log| log.records).sum()
    }

    /// Bytes of those records, decoded.
    pub fn log_bytes(&self) -> u64 {
        self.log.iter().map(|log| log.part.bytes).sum()
    }

    /// Bytes of the checkpoint, decoded.
    pub fn image_bytes(&self) -> u64 {
        self.image_parts().map(|part| part.bytes).sum()
    }

    /// What it takes in the repository that was not there before it: of a full one all it needs.
    pub fn size_bytes(&self) -> u64 {
        match self.snapshot_type {
            SnapshotType::Full => self.stored_bytes,
            SnapshotType::Incremental => self.added_bytes,
        }
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
