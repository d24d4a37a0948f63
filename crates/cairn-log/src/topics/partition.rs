//! `Partition`: one of a topic's logs, and what of it can be read.

use super::PartitionInfo;
use super::file::TopicFile;
use super::topic::Fetched;
use crate::error::corrupt;
use crate::record::HEAD_BYTES;
use crate::{Entry, Error, Log, LogConfig, Recovered, Result, SyncMode, TimelineId};
use cairn_disk::Storage;
use parking_lot::RwLock;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A partition. Its directory is named by its number.
#[derive(Debug)]
pub(crate) struct Partition {
    pub number: u32,
    pub log: Log,
    sync: RwLock<SyncMode>,
    /// When a timer last synced it; `i64::MIN` at first.
    synced_us: AtomicI64,
}

impl Partition {
    /// The directory of a partition.
    pub fn dir(topic_dir: &Path, number: u32) -> std::path::PathBuf {
        topic_dir.join(number.to_string())
    }

    /// Opens partition `number` of the topic that `file` describes. Its directory was made with the topic.
    pub fn open(
        storage: &Arc<dyn Storage>,
        topic_dir: &Path,
        file: &TopicFile,
        number: u32,
    ) -> Result<(Partition, Recovered)> {
        let dir = Self::dir(topic_dir, number);
        if storage.stat(&dir)?.is_none() {
            return Err(corrupt(&dir, None, "partition", "a directory", "none").into());
        }
        // The segments of one partition are not taken for another's.
        let mut timeline = TimelineId::ZERO;
        timeline.0[12..].copy_from_slice(&number.to_be_bytes());
        let config = LogConfig {
            segment_bytes: file.config.segment_bytes,
            record_bytes_max: file.config.record_bytes_max,
            // Whatever the topic's policy is now: it may have been another one.
            compacted_allowed: true,
            ..LogConfig::new(dir, file.id, timeline)
        };
        let (log, recovered) = Log::open(Arc::clone(storage), config)?;
        let synced_us = AtomicI64::new(i64::MIN);
        Ok((Partition { number, log, sync: RwLock::new(file.config.sync), synced_us }, recovered))
    }

    fn sync_mode(&self) -> SyncMode {
        *self.sync.read()
    }

    /// Another mode from now on; nobody appends or reads meanwhile.
    pub fn set_sync(&self, sync: SyncMode) {
        *self.sync.write() = sync;
    }

    /// Appends a batch, all or nothing; in mode fsync it is durable afterwards.
    pub fn append(&self, batch: &[Entry<'_>]) -> Result<Range<u64>> {
        match self.sync_mode() {
            SyncMode::Fsync => self.log.append_durably(batch),
            SyncMode::Periodic { .. } | SyncMode::Async => self.log.append(batch),
        }
    }

    /// The offset after the last record that was acknowledged.
    pub fn high_water_mark(&self) -> u64 {
        match self.sync_mode() {
            SyncMode::Fsync => self.log.durable_offset(),
            SyncMode::Periodic { .. } | SyncMode::Async => self.log.next_offset(),
        }
    }

    /// Records from `from` on; see `Topic::read`.
    pub fn read(&self, from: u64, records_max: usize, bytes_max: u64) -> Result<Fetched> {
        let high_water_mark = self.high_water_mark();
        if from > high_water_mark {
            return Err(Error::OutOfRange {
                offset: from,
                first: self.log.base_offset(),
                next: high_water_mark,
            });
        }
        let mut reader = self.log.read(from)?;
        let mut fetched = Fetched { records: Vec::new(), next_offset: from, high_water_mark };
        let mut bytes = 0;
        while fetched.records.len() < records_max {
            let record = match reader.next_ref() {
                Some(record) => record?,
                None => {
                    fetched.next_offset = high_water_mark;
                    break;
                }
            };
            if record.offset >= high_water_mark {
                fetched.next_offset = high_water_mark;
                break;
            }
            bytes +=
                (HEAD_BYTES + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)) as u64;
            // One at least: or a long record would end all reading.
            if bytes > bytes_max && !fetched.records.is_empty() {
                break;
            }
            fetched.next_offset = record.offset + 1;
            fetched.records.push(record.to_record());
        }
        Ok(fetched)
    }

    /// The first record that can be read with a timestamp of at least `timestamp_us`.
    pub fn offset_for_time(&self, timestamp_us: i64) -> Result<Option<u64>> {
        let high_water_mark = self.high_water_mark();
        Ok(self.log.offset_for_time(timestamp_us)?.filter(|offset| *offset < high_water_mark))
    }

    /// Syncs, if it is to be synced by a timer and the time has come; whether there was anything to sync.
    pub fn sync_due(&self, now_us: i64) -> Result<bool> {
        let SyncMode::Periodic { interval_us } = self.sync_mode() else { return Ok(false) };
        let last_us = self.synced_us.load(Ordering::Acquire);
        // A clock that was set back must not put it off.
        let since_us = i128::from(now_us) - i128::from(last_us);
        if (0..i128::from(interval_us)).contains(&since_us) {
            return Ok(false);
        }
        let synced = self.sync()?;
        self.synced_us.store(now_us, Ordering::Release);
        Ok(synced)
    }

    /// Makes everything appended so far durable; whether anything was not.
    pub fn sync(&self) -> Result<bool> {
        let unsynced = self.log.durable_offset() < self.log.next_offset();
        self.log.sync().map(|()| unsynced)
    }

    /// What there is to say of it.
    pub fn info(&self) -> PartitionInfo {
        let segments = self.log.segments();
        PartitionInfo {
            partition: self.number,
            base_offset: segments.first().map_or(0, |s| s.base_offset),
            high_water_mark: self.high_water_mark(),
            durable_offset: self.log.durable_offset(),
            records: segments.iter().map(|s| s.records).sum(),
            segments: segments.len(),
            compacted_segments: segments.iter().filter(|s| s.compacted).count(),
            bytes: segments.iter().map(|s| s.bytes).sum(),
            last_timestamp_us: segments.last().and_then(|s| s.last_timestamp_us),
            poisoned: self.log.poisoned(),
        }
    }
}
