//! Append-only logs of checksummed records: the write-ahead log and the user's logs.
//!
//! A [`Log`] is a directory of segments. [`Log::append`] writes a batch, [`Log::commit`] makes it durable (one sync
//! for everyone who waits), [`Log::read`] streams it back, every checksum checked. Formats: `docs/format.md`.
//!
//! ```
//! use cairn_log::{DatabaseId, Entry, Log, LogConfig, TimelineId};
//!
//! # fn main() -> cairn_log::Result<()> {
//! let disk = std::sync::Arc::new(cairn_disk::SimDisk::new(1));
//! let config = LogConfig::new("/log", DatabaseId::random(), TimelineId::random());
//! let (log, _) = Log::open(disk, config)?;
//! let offsets = log.append(&[Entry { timestamp_us: 5, key: None, value: Some(b"hello") }])?;
//! log.commit(offsets.start)?; // durable from here on
//! let record = log.read(offsets.start)?.next().expect("one record")?;
//! assert_eq!((record.offset, record.value.as_deref()), (0, Some(&b"hello"[..])));
//! # Ok(())
//! # }
//! ```

mod append;
mod clock;
mod closed;
mod commit;
mod compacted;
mod config;
mod error;
mod group;
mod id;
mod index;
mod inspect;
mod listing;
mod log;
mod lsn;
mod proof;
mod read_ahead;
mod reader;
pub mod record;
mod recovery;
mod repair;
mod resync;
mod retention;
mod scan;
mod segment;
mod snapshots;
mod sums;
mod sync_mode;
mod topics;

pub use clock::{Clock, ManualClock, SystemClock};
pub use closed::ClosedLog;
pub use config::LogConfig;
pub use error::{Error, ErrorKind, Result};
pub use id::{DatabaseId, TimelineId};
pub use inspect::{Inspection, SegmentReport};
pub use log::{Bounds, Log, SegmentInfo};
pub use lsn::Lsn;
pub use read_ahead::ReadAhead;
pub use reader::Reader;
pub use record::{Entry, Record, RecordRef};
pub use recovery::{Cut, Recovered};
pub use repair::{DamagedPlace, RepairPlan, Repaired};
pub use retention::{Retained, Retention};
pub use snapshots::{
    Cleaned, Compression, RestoreOptions, Restored, Scheduled, Snapshot, SnapshotCodec, SnapshotConfig,
    SnapshotFile, SnapshotFileKind, SnapshotGroup, SnapshotManager, SnapshotOptions, SnapshotScheduler,
    SnapshotSegment, SnapshotsFound, StoredFile, Verification,
};
pub use sync_mode::SyncMode;
pub use topics::{
    Appended, Compacted, Compaction, CompactionPolicy, Dropped, Fetched, Maintained, PartitionInfo,
    PartitionRecovered, TOPIC_NAME_BYTES_MAX, Topic, TopicChange, TopicConfig, TopicInfo, TopicManager,
    TopicSnapshot, TopicsRecovered, partition_of_key,
};
