//! Snapshots of logs: what a log was at a moment, kept beside it, restored as a log of its own.
//!
//! A [`SnapshotManager`] makes and keeps the snapshots of one log, in `<log_dir>/snapshots`. **Two types have this name**:
//! this one is about one [`Log`](crate::Log), and its snapshots are mostly hard links; the one in the crate
//! `cairn-snapshot` is about whole databases, and its snapshots are parts in a repository.
//!
//! **What a snapshot protects from.** Sealed segments never change, so a snapshot holds them as second names of the log's
//! own files ([`Snapshot::linked`]): it costs no time and no space, and it keeps what retention, compaction or a deletion
//! takes from the log. It is no backup against a bad disk, which damages the one file under both names: for that, export
//! its [`SnapshotManager::snapshot_files`], or make it compressed elsewhere.
//!
//! **What is checked when.** The log keeps a running checksum of each segment as it writes it. Making a snapshot compares
//! with it whatever it copies (the open segment, and everything when it compresses), and of what it links only the length:
//! else it would take as long as the log is long. [`SnapshotManager::verify_snapshot`] and every restore compare every byte.
//!
//! ```
//! use cairn_log::{DatabaseId, Entry, Log, LogConfig, ManualClock, SnapshotManager, TimelineId};
//! use std::sync::Arc;
//!
//! # fn main() -> cairn_log::Result<()> {
//! let disk = Arc::new(cairn_disk::SimDisk::new(1));
//! let config = LogConfig::new("/data/log", DatabaseId::random(), TimelineId::random());
//! let (log, _) = Log::open(disk.clone(), config)?;
//! log.append(&[Entry { timestamp_us: 5, key: None, value: Some(b"hello") }])?;
//!
//! let snapshots = SnapshotManager::with(disk.clone(), Arc::new(ManualClock::new(7)), "/data/log")?;
//! let snapshot = snapshots.create_snapshot(&log)?;
//! assert_eq!((snapshot.id.as_str(), snapshot.high_water_mark), ("snapshot-7000", 1));
//!
//! let restored = snapshots.restore_snapshot(&snapshot.id, "/data/restored-log")?;
//! let (restored, _) = Log::open(disk, restored.config)?;
//! assert_eq!(restored.next_offset(), 1);
//! # Ok(())
//! # }
//! ```

mod catalogue;
mod cleanup;
mod compression;
mod create;
mod cut;
mod import;
mod manager;
mod metadata;
mod options;
mod parallel;
mod restore;
mod scheduler;
mod sealed_json;
mod snapshot;
mod store;
mod stream;
mod verify;

pub use catalogue::SnapshotsFound;
pub use cleanup::Cleaned;
pub use compression::{Compression, SnapshotCodec};
pub use manager::{SnapshotManager, StoredFile};
pub use options::{RestoreOptions, SnapshotConfig, SnapshotOptions};
pub use restore::Restored;
pub use scheduler::{Scheduled, SnapshotScheduler};
pub use snapshot::{Snapshot, SnapshotFile, SnapshotFileKind, SnapshotGroup, SnapshotSegment};
pub use verify::Verification;
