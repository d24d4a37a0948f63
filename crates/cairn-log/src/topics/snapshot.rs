//! Snapshots of a whole topic: all its partitions at one moment.

use super::Topic;
use super::partition::Partition;
use crate::snapshots::{
    Cleaned, RestoreOptions, Scheduled, Snapshot, SnapshotConfig, SnapshotManager, SnapshotOptions,
    SnapshotScheduler, Verification,
};
use crate::{Error, Log, Result, TopicManager};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The snapshots of a topic's partitions that were taken at one moment, with one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSnapshot {
    /// The id of each.
    pub id: String,
    /// When they were taken, microseconds since the Unix epoch, UTC.
    pub timestamp_us: i64,
    /// The partitions, ascending, and the snapshot of each.
    pub partitions: Vec<(u32, Snapshot)>,
    /// Whether all partitions of the topic are there: otherwise some were deleted, or a crash came between, or they are
    /// snapshots of single partitions.
    pub whole: bool,
}

impl TopicManager {
    /// The manager of a partition's snapshots, which are in `<topic>/<partition>/snapshots/`.
    pub fn snapshots(&self, topic: &str, partition: u32) -> Result<SnapshotManager> {
        let partitions = self.topic(topic)?.config().partitions;
        if partition >= partitions {
            return Err(Error::NoPartition { topic: topic.to_owned(), partition, partitions });
        }
        let dir = Partition::dir(&self.dir().join(topic), partition);
        SnapshotManager::with(self.storage(), self.clock(), dir)
    }

    /// Takes a snapshot of every partition at one moment; in the order of the partitions. A record is in them whenever one is
    /// that was appended, to any partition, after its append had returned. They have the same id. After an error none is there.
    pub fn create_topic_snapshot(&self, topic: &str) -> Result<Vec<Snapshot>> {
        self.create_topic_snapshot_with(topic, &SnapshotOptions::default())
    }

    /// As [`TopicManager::create_topic_snapshot`], compressed, or with several files at a time.
    pub fn create_topic_snapshot_with(
        &self,
        topic: &str,
        options: &SnapshotOptions,
    ) -> Result<Vec<Snapshot>> {
        self.with_managers(&*self.topic(topic)?, |logs| SnapshotManager::create_cut_with(logs, options))
    }

    /// Takes a snapshot of a topic if one is due, then cleans up; `None` when none is due. For the owner's timer.
    pub fn run_topic_snapshot_if_due(
        &self,
        topic: &str,
        scheduler: &SnapshotScheduler,
    ) -> Result<Option<Vec<Scheduled>>> {
        self.with_managers(&*self.topic(topic)?, |logs| scheduler.run_cut_if_due(logs))
    }

    /// A topic's snapshots, newest first.
    pub fn list_topic_snapshots(&self, topic: &str) -> Result<Vec<TopicSnapshot>> {
        let partitions = self.topic(topic)?.config().partitions;
        let mut found: BTreeMap<String, Vec<(u32, Snapshot)>> = BTreeMap::new();
        for number in 0..partitions {
            for snapshot in self.snapshots(topic, number)?.list_snapshots()? {
                found.entry(snapshot.id.clone()).or_default().push((number, snapshot));
            }
        }
        let mut all: Vec<TopicSnapshot> = found
            .into_iter()
            .map(|(id, of)| TopicSnapshot {
                id,
                timestamp_us: of.iter().map(|(_, s)| s.timestamp_us).max().unwrap_or(0),
                // Of one cut, not by chance of one number.
                whole: of.len() == partitions as usize
                    && of.iter().all(|(_, s)| s.group.as_ref() == of[0].1.group.as_ref()),
                partitions: of,
            })
            .collect();
        all.sort_by_key(|s| (Reverse(s.timestamp_us), Reverse(s.id.clone())));
        Ok(all)
    }

    /// A topic's snapshot with this id; [`Error::NoSnapshot`] when there is none.
    pub fn topic_snapshot(&self, topic: &str, id: &str) -> Result<TopicSnapshot> {
        let mut all = self.list_topic_snapshots(topic)?;
        match all.iter().position(|s| s.id == id) {
            Some(at) => Ok(all.swap_remove(at)),
            // It names those there are.
            None => Err(self.snapshots(topic, 0)?.existing(id).err().unwrap_or_else(|| Error::NoTopic {
                name: topic.to_owned(),
                known: "it was changed meanwhile".to_owned(),
            })),
        }
    }

    /// Reads a topic's snapshot whole; what each partition's is like. Changes nothing.
    pub fn verify_topic_snapshot(&self, topic: &str, id: &str) -> Result<Vec<(u32, Verification)>> {
        let verify = |(number, _): &(u32, Snapshot)| {
            Ok((*number, self.snapshots(topic, *number)?.verify_snapshot(id)?))
        };
        self.topic_snapshot(topic, id)?.partitions.iter().map(verify).collect()
    }

    /// Restores a topic's snapshot as a new topic, with the settings that the old one has now. Every byte is checked on the
    /// way. It is durable; after an error or a crash the new topic is there whole or not at all. Its id is the old topic's,
    /// which its segments have. A snapshot that lacks partitions is refused.
    pub fn restore_topic_snapshot(&self, topic: &str, id: &str, new: &str) -> Result<Arc<Topic>> {
        let snapshot = self.topic_snapshot(topic, id)?;
        let old = self.topic(topic)?;
        if !snapshot.whole {
            return Err(Error::SnapshotRequest {
                what: "topic snapshot",
                expected: format!("one of all {} partitions, taken at one moment", old.config().partitions),
                actual: format!("{id} of {}", snapshot.partitions.len()),
            });
        }
        self.create_filled(new, (*old.config()).clone(), old.id(), |dir, partition| {
            let target = Partition::dir(dir, partition);
            let manager = self.snapshots(topic, partition)?;
            manager.restore_snapshot_with(id, target, &RestoreOptions::default()).map(drop)
        })
    }

    /// Deletes a topic's snapshot, in all partitions that have it; how many. After an error some have it still.
    pub fn delete_topic_snapshot(&self, topic: &str, id: &str) -> Result<usize> {
        let snapshot = self.topic_snapshot(topic, id)?;
        for (number, _) in &snapshot.partitions {
            self.snapshots(topic, *number)?.delete_snapshot(id)?;
        }
        Ok(snapshot.partitions.len())
    }

    /// Deletes the snapshots that a policy does not keep, partition by partition: see
    /// [`SnapshotManager::cleanup_snapshots`].
    pub fn cleanup_topic_snapshots(&self, topic: &str, config: &SnapshotConfig) -> Result<Vec<Cleaned>> {
        let numbers = 0..self.topic(topic)?.config().partitions;
        numbers.map(|number| self.snapshots(topic, number)?.cleanup_snapshots(config)).collect()
    }

    fn with_managers<T>(
        &self,
        topic: &Topic,
        work: impl FnOnce(&[(&SnapshotManager, &Log)]) -> Result<T>,
    ) -> Result<T> {
        let numbers = 0..topic.config().partitions;
        let managers = numbers.map(|n| self.snapshots(topic.name(), n)).collect::<Result<Vec<_>>>()?;
        topic.with_logs(|logs| {
            let pairs: Vec<(&SnapshotManager, &Log)> = managers.iter().zip(logs.iter().copied()).collect();
            work(&pairs)
        })?
    }
}
