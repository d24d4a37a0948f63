//! What there is to say of topics and partitions, and of a round of work on them.

use crate::{DatabaseId, Error, TopicConfig};

/// A topic, for people and monitoring.
#[derive(Debug, Clone)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// The id in every segment of its partitions.
    pub id: DatabaseId,
    /// When it was created, microseconds since the Unix epoch, UTC.
    pub created_us: i64,
    /// What it was created with.
    pub config: TopicConfig,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionInfo>,
}

/// A partition, for people and monitoring.
#[derive(Debug, Clone)]
pub struct PartitionInfo {
    /// Its number, from 0.
    pub partition: u32,
    /// The first offset held.
    pub base_offset: u64,
    /// The offset after the last record that can be read.
    pub high_water_mark: u64,
    /// The first offset not known durable.
    pub durable_offset: u64,
    /// How many records it holds: fewer than offsets once it is compacted.
    pub records: u64,
    /// How many segments.
    pub segments: usize,
    /// How many of them are compacted.
    pub compacted_segments: usize,
    /// The bytes of its `.log` files.
    pub bytes: u64,
    /// The last timestamp, microseconds; `None` when it never held a record.
    pub last_timestamp_us: Option<i64>,
    /// Why it takes no writes; `None` when it does.
    pub poisoned: Option<Error>,
}

/// What a round of work on all topics did. One that fails does not keep the others from it.
#[derive(Debug, Clone)]
#[must_use = "the errors are in it"]
pub struct Maintained<T> {
    /// What was done, by topic and partition.
    pub done: Vec<T>,
    /// What failed: each names its topic and partition.
    pub failed: Vec<Error>,
}

impl<T> Default for Maintained<T> {
    fn default() -> Self {
        Maintained { done: Vec::new(), failed: Vec::new() }
    }
}

impl<T> Maintained<T> {
    /// Adds what happened to one partition.
    pub(crate) fn note(&mut self, result: Result<Option<T>, Error>) {
        match result {
            Ok(done) => self.done.extend(done),
            Err(error) => self.failed.push(error),
        }
    }

    /// Adds another round.
    pub(crate) fn extend(&mut self, more: Maintained<T>) {
        self.done.extend(more.done);
        self.failed.extend(more.failed);
    }
}
