//! Snapshots of a whole topic: all its partitions at one moment.

use super::Topic;
use super::partition::Partition;
use crate::snapshots::{Scheduled, Snapshot, SnapshotManager, SnapshotOptions, SnapshotScheduler};
use crate::{Error, Log, Result, TopicManager};

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
