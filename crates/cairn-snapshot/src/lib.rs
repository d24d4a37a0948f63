//! Snapshots: the repository, its parts, verification, restore, and portable files.
//!
//! A [`Repository`] is a directory of snapshots and of the parts they share. [`create`] stores a View in it, [`list`] and
//! [`find`] say what is there, [`verify`] reads and hashes every byte, [`restore`] builds a data directory and [`load`]
//! replaces a running engine's state, [`delete`] removes a snapshot. [`nvec`] is the portable single file. Formats:
//! `docs/format.md`.

mod catalog;
mod checksum;
mod codec;
mod create;
mod delete;
mod digest;
mod error;
mod finding;
mod job;
mod layout;
mod metadata;
mod names;
pub mod nvec;
mod part;
mod part_writer;
mod paths;
mod repository;
mod restore;
mod snapshot;
mod snapshot_id;
mod verify;

pub use catalog::{Listed, find, list};
pub use codec::{Codec, Compression, FRAME_BYTES};
pub use create::{CreateOptions, create};
pub use delete::{Deleted, delete};
pub use digest::Digest;
pub use error::{Error, Result};
pub use finding::Finding;
pub use job::{Job, Progress};
pub use names::dump_name;
pub use part::{PART_BYTES_MAX, Part, PartId};
pub use paths::resolve;
pub use repository::Repository;
pub use restore::{Loaded, Restored, load, restore};
pub use snapshot::{Snapshot, SnapshotFile, SnapshotType};
pub use snapshot_id::SnapshotId;
pub use verify::{VerifyReport, verify, verify_all};
