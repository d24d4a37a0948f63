//! Which partition a record goes to when its sender names none.

use crate::Entry;
use cairn_disk::crc32c;
use std::sync::atomic::{AtomicU32, Ordering};

/// The partition of a key: its CRC-32C (Castagnoli) modulo the number of partitions, which is not 0. All records of a key
/// are in one partition, in order.
pub fn partition_of_key(key: &[u8], partitions: u32) -> u32 {
    crc32c(key) % partitions
}

/// Chooses partitions: by key, and for records without one the next in turn, from 0 at each open.
#[derive(Debug, Default)]
pub(crate) struct Partitioner {
    turn: AtomicU32,
}

impl Partitioner {
    /// The partition of `entry`.
    pub fn choose(&self, entry: &Entry<'_>, partitions: u32) -> u32 {
        match entry.key {
            Some(key) => partition_of_key(key, partitions),
            None => self.turn.fetch_add(1, Ordering::Relaxed) % partitions,
        }
    }
}
