//! Snapshots: the repository, its parts, verification, restore, and portable files.
//!
//! A [`Repository`] is a directory of snapshots and of the parts they share. [`create`] stores a View in it, [`list`] and
//! [`find`] say what is there, [`verify`] reads and hashes every byte, [`restore`] builds a data directory and [`load`]
//! replaces a running engine's state, [`delete`] removes a snapshot, [`prune`] those that a [`RetentionPolicy`] does not keep;
//! [`pin`] keeps one, and a [`Schedule`] says when the next one is due. [`archive`] keeps the log beside them, so that any
//! point after a snapshot can be recovered ([`recover`]). [`export_log_snapshot`] keeps the snapshots of logs
//! (`cairn_log::SnapshotManager`: of one log, mostly hard links beside it; here snapshots are of databases). [`SnapshotManager`] offers
//! all this as async calls. [`nvec`] is the portable single file. Formats: `docs/format.md`.
//!
//! ```
//! use cairn_engine::{Engine, Options, Write, check_dir};
//! use cairn_snapshot::{CreateOptions, Job, Repository, create, restore};
//! use std::{path::Path, sync::Arc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk: Arc<dyn cairn_disk::Storage> = Arc::new(cairn_disk::SimDisk::new(1)); // or RealDisk::new()
//! let (engine, _) = Engine::open(Arc::clone(&disk), Path::new("/data"), Options::default())?;
//! engine.write(vec![Write::VectorSet { id: "a".into(), vector: vec![1.0, 2.0] }]).remove(0)?;
//!
//! let now_us = engine.options().clock.now_us();
//! let repository = Repository::open_or_create(Arc::clone(&disk), Path::new("/backup"), now_us)?;
//! let options = CreateOptions { now_us, ..CreateOptions::default() };
//! let snapshot = create(&repository, engine.view()?, &options, &Job::default())?;
//! restore(&repository, snapshot.id.as_str(), &disk, Path::new("/restored"), now_us, &Job::default())?;
//! assert_eq!(check_dir(&disk, Path::new("/restored"))?.state_hash, engine.view()?.state_hash());
//! # Ok(())
//! # }
//! ```

pub mod archive;
mod catalog;
mod checksum;
mod codec;
mod create;
mod delete;
mod diff;
mod digest;
mod error;
mod finding;
mod incremental;
mod job;
mod layout;
mod log_part;
mod log_snapshot;
pub mod manager;
mod metadata;
mod names;
pub mod nvec;
mod part;
mod part_writer;
mod paths;
mod pin;
mod prune;
mod recover;
mod replay;
mod repository;
mod restore;
mod restore_plan;
mod retention;
mod schedule;
mod sealed_json;
mod shuffle;
mod snapshot;
mod snapshot_id;
mod verify;
mod zone;

pub use catalog::{Listed, find, list};
pub use codec::{Codec, Compression, FRAME_BYTES};
pub use create::{CreateOptions, Created, create, create_live};
pub use delete::{DeleteOptions, Deleted, Swept, delete, delete_with, sweep};
pub use diff::{DiffRow, diff};
pub use digest::Digest;
pub use error::{Error, Result};
pub use finding::Finding;
pub use incremental::Base;
pub use job::{Job, Progress};
pub use log_part::LogPart;
pub use log_snapshot::{
    ExportedLog, export_log_snapshot, exported_log_snapshots, import_log_snapshot, verify_log_snapshot,
};
pub use manager::{SnapshotConfig, SnapshotManager, VectorDB};
pub use names::{auto_dump_name, auto_dumps, dump_name};
pub use part::{PART_BYTES_MAX, Part, PartId};
pub use paths::resolve;
pub use pin::{Pin, pin, pins, unpin};
pub use prune::{PruneOptions, Pruned, candidates, newest_good_us, prune, prune_plan};
pub use recover::{Recovered, recover};
pub use repository::Repository;
pub use restore::{
    Loaded, RestoreOptions, Restored, branch, load, load_collection, load_collections, restore, restore_with,
};
pub use restore_plan::{RestorePlan, plan_restore};
pub use retention::{Candidate, Plan, Reason, RetentionPolicy, plan};
pub use schedule::{Schedule, When};
pub use shuffle::{Width, shuffle, unshuffle};
pub use snapshot::{Place, Snapshot, SnapshotCollection, SnapshotFile, SnapshotType};
pub use snapshot_id::SnapshotId;
pub use verify::{Depth, VerifyReport, verify, verify_all, verify_all_with, verify_with};
pub use zone::Zone;
