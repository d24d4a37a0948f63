//! Topics: named sets of partitions, each a [`Log`](crate::Log) of its own.
//!
//! A [`TopicManager`] owns a directory of topics: creates, deletes and opens them, and does what is due in all of them
//! (syncs, retention, compaction) when its owner's timer says so: it has no threads. A [`Topic`] is appended to and read.
//!
//! ```
//! use cairn_log::{Entry, ManualClock, TopicConfig, TopicManager};
//! use std::sync::Arc;
//!
//! # fn main() -> cairn_log::Result<()> {
//! let disk = Arc::new(cairn_disk::SimDisk::new(1));
//! let (topics, _) = TopicManager::open(disk, "/topics", Arc::new(ManualClock::new(0)))?;
//! let orders = topics.create_topic("orders", TopicConfig { partitions: 3, ..TopicConfig::default() })?;
//! let entry = Entry { timestamp_us: 5, key: Some(b"customer 7"), value: Some(b"two apples") };
//! let at = orders.append(None, &[entry])?[0]; // durable from here on
//! let fetched = orders.read(at.partition, at.offset, 100, 1 << 20)?;
//! assert_eq!(fetched.records[0].value.as_deref(), Some(&b"two apples"[..]));
//! assert_eq!(fetched.next_offset, orders.high_water_mark(at.partition)?);
//! # Ok(())
//! # }
//! ```

mod change;
mod compaction;
mod config;
mod file;
mod info;
mod manager;
mod name;
mod partition;
mod partitioner;
mod retention;
mod snapshot;
mod topic;

pub use change::TopicChange;
pub use compaction::Compaction;
pub use config::{CompactionPolicy, TopicConfig};
pub use info::{Maintained, PartitionInfo, TopicInfo};
pub use manager::{PartitionRecovered, TopicManager, TopicsRecovered};
pub use name::TOPIC_NAME_BYTES_MAX;
pub use partitioner::partition_of_key;
pub use retention::Dropped;
pub use snapshot::TopicSnapshot;
pub use topic::{Appended, Compacted, Fetched, Topic};
