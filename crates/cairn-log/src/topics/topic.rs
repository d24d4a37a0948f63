//! `Topic`: a named set of partitions, open.

use super::file::TopicFile;
use super::partition::Partition;
use super::partitioner::Partitioner;
use super::{Compaction, CompactionPolicy, Dropped, Maintained, TopicChange, TopicInfo, retention};
use crate::{DatabaseId, Entry, Error, Log, Record, Recovered, Result, SyncMode, TopicConfig};
use cairn_disk::Storage;
use parking_lot::{RwLock, RwLockReadGuard};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where an appended record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The partition.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Where to read on. More than the last record's offset + 1 where compaction took out what followed it.
    pub next_offset: u64,
    /// The partition's high-water mark at the time.
    pub high_water_mark: u64,
}

/// What compaction did in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// What it did.
    pub compaction: Compaction,
}

/// A topic. All methods may be called from any thread; once it is deleted, all are refused with [`Error::NoTopic`].
///
/// What fails in a partition is an [`Error::Partition`], which names it and has the cause as its `source`.
#[derive(Debug)]
pub struct Topic {
    name: String,
    id: DatabaseId,
    created_us: i64,
    config: RwLock<Arc<TopicConfig>>,
    partitions: Vec<Partition>,
    partitioner: Partitioner,
    /// Held for reading by whoever works with the files: they go away, and another topic's may come to their place, only
    /// once nobody does.
    exists: RwLock<bool>,
    /// Someone waits to delete it: long work ends early.
    ending: AtomicBool,
}

impl Topic {
    /// Opens a topic's directory; also says what recovery found, partition by partition.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        dir: &Path,
        name: &str,
    ) -> Result<(Topic, Vec<Recovered>)> {
        let file = TopicFile::read(&**storage, dir, name)?;
        let (mut partitions, mut recovered) = (Vec::new(), Vec::new());
        for number in 0..file.config.partitions {
            let (partition, found) = Partition::open(storage, dir, &file, number)?;
            partitions.push(partition);
            recovered.push(found);
        }
        let TopicFile { name, id, created_us, config } = file;
        let topic = Topic {
            name,
            id,
            created_us,
            config: RwLock::new(Arc::new(config)),
            partitions,
            partitioner: Partitioner::default(),
            exists: RwLock::new(true),
            ending: AtomicBool::new(false),
        };
        Ok((topic, recovered))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id in every segment of its partitions.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// Its settings, as they are now.
    pub fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read())
    }

    /// Appends entries; where each went, in their order.
    ///
    /// All go to `partition`, or each where its key belongs ([`partition_of_key`](super::partition_of_key)), those without
    /// a key to the partitions in turn. In mode fsync they are durable when this returns; in the other modes they are once
    /// synced. For each partition it is all or nothing. After an error the [`Error::Partition`] says how many entries went
    /// to others before; entries that are too long are refused before anything is appended.
    pub fn append(&self, partition: Option<u32>, entries: &[Entry<'_>]) -> Result<Vec<Appended>> {
        let _exists = self.hold()?;
        let mut batches: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        if let Some(partition) = partition {
            self.partition(partition)?;
        }
        if let Some(any) = self.partitions.first() {
            any.log.check_batch(entries)?;
        }
        let partitions = self.config().partitions;
        for (i, entry) in entries.iter().enumerate() {
            let chosen = partition.unwrap_or_else(|| self.partitioner.choose(entry, partitions));
            batches.entry(chosen).or_default().push(i);
        }
        let mut places = vec![Appended { partition: 0, offset: 0 }; entries.len()];
        let mut appended = 0;
        for (number, members) in &batches {
            let batch: Vec<Entry<'_>> = members.iter().map(|i| entries[*i]).collect();
            let partition = self.partition(*number)?;
            let offsets = partition.append(&batch).map_err(|e| self.failed(*number, appended, e))?;
            appended += batch.len() as u64;
            for (i, offset) in members.iter().zip(offsets) {
                places[*i] = Appended { partition: *number, offset };
            }
        }
        Ok(places)
    }

    /// Reads a partition from `from_offset` on: at most `records_max` records, of at most `bytes_max` bytes (32 for each
    /// record, its key and its value), but one at least if there is one. Only what was acknowledged is read: up to the
    /// high-water mark, at which it is empty.
    ///
    /// An offset past the high-water mark, or before the first that is held: [`Error::OutOfRange`], within the
    /// [`Error::Partition`].
    pub fn read(
        &self,
        partition: u32,
        from_offset: u64,
        records_max: usize,
        bytes_max: u64,
    ) -> Result<Fetched> {
        self.on(partition, |p| p.read(from_offset, records_max, bytes_max))
    }

    /// The offset after the last record of a partition that was acknowledged. In the modes periodic and async that may be
    /// lost in a crash of the machine, and the mark then goes back to what was synced.
    pub fn high_water_mark(&self, partition: u32) -> Result<u64> {
        self.on(partition, |p| Ok(p.high_water_mark()))
    }

    /// The offset of the first record of a partition with a timestamp (microseconds since the Unix epoch, UTC) of at least
    /// `timestamp_us`; `None` when there is none before the high-water mark.
    pub fn offset_for_time(&self, partition: u32, timestamp_us: i64) -> Result<Option<u64>> {
        self.on(partition, |p| p.offset_for_time(timestamp_us))
    }

    /// What there is to say of it and its partitions.
    pub fn info(&self) -> Result<TopicInfo> {
        let _exists = self.hold()?;
        let partitions = self.partitions.iter().map(Partition::info).collect();
        let (id, created_us, config) = (self.id, self.created_us, TopicConfig::clone(&self.config()));
        Ok(TopicInfo { name: self.name.clone(), id, created_us, config, partitions })
    }

    /// Makes everything appended so far durable, whatever the mode: the partitions where anything was not yet.
    pub fn sync(&self) -> Maintained<u32> {
        self.each(|p| Ok(p.sync()?.then_some(p.number)))
    }

    /// In mode periodic: makes what was appended durable in the partitions whose interval has passed at `now_us`; those
    /// where there was anything. In the other modes it does nothing.
    pub fn sync_due(&self, now_us: i64) -> Maintained<u32> {
        self.each(|p| Ok(p.sync_due(now_us)?.then_some(p.number)))
    }

    /// Drops the oldest sealed segments whose last record is older than the topic's `retention_us` at `now_us`, or that are
    /// more than `retention_bytes`; durably, one by one. The newest segment stays.
    pub fn apply_retention(&self, now_us: i64) -> Maintained<Dropped> {
        let config = self.config();
        self.each(|p| retention::apply(self.name(), p.number, &p.log, &config, now_us))
    }

    /// Compacts the sealed segments of a topic with compaction by key: see [`Log::compact`]. Tombstones go that are older
    /// than `tombstone_retention_us` at `now_us`. In a topic without compaction there is nothing to do.
    pub fn compact(&self, now_us: i64) -> Maintained<Compacted> {
        if self.config().compaction == CompactionPolicy::None {
            return Maintained::default();
        }
        let kept_us = i64::try_from(self.config().tombstone_retention_us).unwrap_or(i64::MAX);
        let before_us = now_us.saturating_sub(kept_us);
        self.each(|p| {
            let compaction = p.log.compact_while(before_us, || !self.ending.load(Ordering::Acquire))?;
            let (topic, partition) = (self.name().to_owned(), p.number);
            Ok((compaction.segments > 0).then_some(Compacted { topic, partition, compaction }))
        })
    }

    /// Calls `work` with the logs of all partitions, by number; the topic is not deleted meanwhile. For what the topic
    /// itself does not do, as snapshots. `work` must not delete it.
    pub fn with_logs<T>(&self, work: impl FnOnce(&[&Log]) -> T) -> Result<T> {
        let _exists = self.hold()?;
        let logs: Vec<&Log> = self.partitions.iter().map(|p| &p.log).collect();
        Ok(work(&logs))
    }

    /// Changes the settings, durably, while nobody works with the topic. After an error they are as before; when only the
    /// directory could not be synced, those of the next open may be the new ones.
    pub(crate) fn alter(
        &self,
        storage: &dyn Storage,
        dir: &Path,
        change: &TopicChange,
    ) -> Result<Arc<TopicConfig>> {
        // A compaction at work ends early, and goes on at its next turn.
        self.ending.store(true, Ordering::Release);
        let exists = self.exists.write();
        self.ending.store(false, Ordering::Release);
        if !*exists {
            return Err(self.deleted());
        }
        let config = change.applied_to(&self.config());
        config.check()?;
        if config.sync == SyncMode::Fsync {
            // In this mode what can be read is durable.
            for partition in &self.partitions {
                partition.sync().map_err(|e| self.failed(partition.number, 0, e))?;
            }
        }
        let file = TopicFile { name: self.name.clone(), id: self.id, created_us: self.created_us, config };
        file.write(storage, dir)?;
        self.partitions.iter().for_each(|partition| partition.set_sync(file.config.sync));
        let config = Arc::new(file.config);
        *self.config.write() = Arc::clone(&config);
        Ok(config)
    }

    /// From when this returns nobody works with the files, and nobody will: until [`Topic::revive`].
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        *self.exists.write() = false;
    }

    /// It was not deleted after all.
    pub(crate) fn revive(&self) {
        *self.exists.write() = true;
        self.ending.store(false, Ordering::Release);
    }

    fn hold(&self) -> Result<RwLockReadGuard<'_, bool>> {
        let exists = self.exists.read();
        if *exists {
            return Ok(exists);
        }
        Err(self.deleted())
    }

    fn deleted(&self) -> Error {
        Error::NoTopic { name: self.name().to_owned(), known: "it was deleted".to_owned() }
    }

    fn on<T>(&self, partition: u32, work: impl FnOnce(&Partition) -> Result<T>) -> Result<T> {
        let _exists = self.hold()?;
        work(self.partition(partition)?).map_err(|e| self.failed(partition, 0, e))
    }

    fn each<T>(&self, mut work: impl FnMut(&Partition) -> Result<Option<T>>) -> Maintained<T> {
        let mut maintained = Maintained::default();
        match self.hold() {
            Ok(_exists) => {
                for partition in &self.partitions {
                    maintained.note(work(partition).map_err(|e| self.failed(partition.number, 0, e)));
                }
            }
            Err(deleted) => maintained.note(Err(deleted)),
        }
        maintained
    }

    fn partition(&self, number: u32) -> Result<&Partition> {
        let found = usize::try_from(number).ok().and_then(|n| self.partitions.get(n));
        found.ok_or_else(|| Error::NoPartition {
            topic: self.name().to_owned(),
            partition: number,
            partitions: self.config().partitions,
        })
    }

    fn failed(&self, partition: u32, appended: u64, source: Error) -> Error {
        Error::Partition { topic: self.name().to_owned(), partition, appended, source: Box::new(source) }
    }
}
