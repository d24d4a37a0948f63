//! `Appender`: the write path of a log. A batch is written whole or taken back, segments are sealed on the way.

use crate::index::{Sampler, Samples};
use crate::record::{self, Entry, KEY_BYTES_MAX, Stamp};
use crate::recovery::Newest;
use crate::segment::{Extent, LogSegment};
use crate::{Error, ErrorKind, Log, Result};
use cairn_disk::{Crc32c, File};
use std::ops::Range;
use std::sync::Arc;

/// The append buffer is given back to this after a batch that needed more.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// Where the next record goes. Cloned before each batch, to go back there when the batch fails.
#[derive(Debug, Clone)]
struct Tail {
    segment: Arc<LogSegment>,
    file: Arc<dyn File>,
    end: Extent,
    /// Of the file up to what is flushed.
    crc: Crc32c,
    sampler: Sampler,
    /// Everything before this was synced when its segment was sealed.
    sealed_to: u64,
}

/// What one append at a time works with.
#[derive(Debug)]
pub(crate) struct Appender {
    tail: Tail,
    /// Encoded records of the tail's segment that are not yet in its file.
    buffer: Vec<u8>,
    samples: Samples,
    /// Segments that this batch sealed, and how they end.
    sealed: Vec<(Arc<LogSegment>, Extent)>,
}

impl Log {
    /// Appends a batch, all or nothing: returns its offsets. Not durable yet: [`Log::commit`]. A timestamp before the
    /// last record's is stored as the last record's.
    ///
    /// After an error the log is as before, and may be appended to again ([`ErrorKind::NoSpace`]: once there is space);
    /// where that cannot be had, or a sync failed, the log is poisoned: [`Error::Poisoned`] from now on.
    pub fn append(&self, batch: &[Entry<'_>]) -> Result<Range<u64>> {
        self.check_batch(batch)?;
        let mut appender = self.appender.lock();
        self.commit.check()?;
        let before = appender.tail.clone();
        let samples = before.segment.sample_counts();
        let start = before.end.next_offset;
        if start.checked_add(batch.len() as u64).is_none() {
            return Err(Error::OffsetsUsedUp);
        }
        match self.write(&mut appender, batch) {
            Ok(()) => {
                self.publish(&mut appender);
                Ok(start..appender.tail.end.next_offset)
            }
            Err(error) => {
                self.undo(&mut appender, before, samples);
                self.commit.check()?;
                Err(error)
            }
        }
    }

    pub(crate) fn check_batch(&self, batch: &[Entry<'_>]) -> Result<()> {
        for entry in batch {
            let (bytes, max) = (entry.record_bytes(), u64::from(self.config.record_bytes_max));
            if bytes > max {
                return Err(Error::TooLong { what: "record", bytes, max });
            }
            let (bytes, max) = (entry.key.map_or(0, <[u8]>::len) as u64, KEY_BYTES_MAX);
            if bytes > max {
                return Err(Error::TooLong { what: "key", bytes, max });
            }
        }
        Ok(())
    }

    /// Writes a batch at the tail, sealing segments on the way.
    fn write(&self, appender: &mut Appender, batch: &[Entry<'_>]) -> Result<()> {
        let durable = self.commit.durable();
        for entry in batch {
            let bytes = entry.record_bytes();
            if appender.tail.is_full_for(bytes, self.config.segment_bytes) {
                appender.flush()?;
                self.rotate(appender)?;
            }
            let Appender { tail, buffer, samples, .. } = appender;
            let offset = tail.end.next_offset;
            let floor_us = tail.end.last_timestamp_us.max(self.config.start_timestamp_us);
            let timestamp_us = entry.timestamp_us.max(floor_us);
            let stamp = Stamp { offset, timestamp_us, durable_offset: durable.max(tail.sealed_to) };
            record::encode(buffer, stamp, entry);
            tail.sampler.note(offset, tail.end.bytes, timestamp_us, samples);
            tail.end = Extent {
                next_offset: offset + 1,
                bytes: tail.end.bytes + bytes,
                last_timestamp_us: timestamp_us,
            };
        }
        Ok(appender.flush()?)
    }

    /// Seals the tail's segment, which is flushed, and goes on in a new one. The old one is durable before the new one
    /// exists: recovery counts on it.
    fn rotate(&self, appender: &mut Appender) -> Result<()> {
        let Appender { tail, sealed, .. } = appender;
        let published = self.next_offset();
        // Not raised past `published`: this batch may still be undone.
        self.commit.sync(|| tail.file.sync().map(|()| published))?;
        let begun = self.begin_segment(tail, sealed);
        begun.map_err(|e| match e.kind() {
            ErrorKind::NoSpace => e.into(),
            _ => self.commit.poison(e),
        })
    }

    fn begin_segment(
        &self,
        tail: &mut Tail,
        sealed: &mut Vec<(Arc<LogSegment>, Extent)>,
    ) -> Result<(), cairn_disk::Error> {
        let base = tail.end.next_offset;
        sealed.push((Arc::clone(&tail.segment), tail.end));
        tail.segment.note_sums(|sums| sums.log = Some(tail.crc.value()));
        tail.segment.write_indexes()?;
        let segment = LogSegment::create(&self.storage, &self.config, base)?;
        self.storage.sync_dir(&self.config.dir)?;
        tail.file = segment.open()?;
        tail.end.bytes = segment.first().position;
        tail.crc = LogSegment::first_crc(&self.config, base);
        tail.segment = Arc::new(segment);
        tail.sampler = Sampler::new(base, self.config.index_interval_bytes);
        tail.sealed_to = base;
        Ok(())
    }

    /// Shows a written batch to readers and syncs.
    fn publish(&self, appender: &mut Appender) {
        let Appender { tail, sealed, buffer, .. } = appender;
        let mut published = self.published.lock();
        if !sealed.is_empty() {
            for (i, (segment, end)) in sealed.drain(..).enumerate() {
                segment.use_index_files();
                segment.seal(end);
                // The first is the one that was the last so far.
                if i > 0 {
                    published.segments.push_back(segment);
                }
            }
            published.segments.push_back(Arc::clone(&tail.segment));
            published.file = Arc::clone(&tail.file);
        }
        published.end = tail.end;
        published.crc = tail.crc;
        drop(published);
        self.commit.raise(tail.sealed_to);
        if buffer.capacity() > BUFFER_KEPT_BYTES {
            buffer.shrink_to(BUFFER_KEPT_BYTES);
        }
    }

    /// Takes a batch that failed half-way out of the log again; where that cannot be done, the log is poisoned.
    fn undo(&self, appender: &mut Appender, before: Tail, samples: [usize; 2]) {
        appender.buffer.clear();
        appender.samples.clear();
        appender.tail = before;
        let sealed = std::mem::take(&mut appender.sealed);
        let Tail { segment, file, end, .. } = &appender.tail;
        segment.cut_samples(samples);
        if self.commit.failed().is_some() {
            return;
        }
        let cut = self.discard_after(segment, &sealed).and_then(|()| file.truncate(end.bytes));
        // Synced, or a crash might leave parts of the batch between later records. A failure poisons.
        let synced = self.commit.sync(|| cut.and_then(|()| file.sync()).map(|()| end.next_offset));
        drop(synced);
    }

    /// Removes the segments that a batch made after `segment`, newest first, each durably before the next and before
    /// anything is cut from `segment` itself: a crash leaves no gap.
    fn discard_after(
        &self,
        segment: &LogSegment,
        sealed: &[(Arc<LogSegment>, Extent)],
    ) -> Result<(), cairn_disk::Error> {
        for (_, end) in sealed.iter().rev() {
            LogSegment::discard(&self.storage, &self.config.dir, end.next_offset)?;
            self.storage.sync_dir(&self.config.dir)?;
        }
        if sealed.is_empty() { Ok(()) } else { segment.remove_indexes() }
    }
}

impl Tail {
    /// Whether a record of `bytes` belongs in the next segment. A segment holds at least one, and at most as many as an
    /// index can name.
    fn is_full_for(&self, bytes: u64, segment_bytes: u64) -> bool {
        let records = self.end.next_offset - self.segment.base;
        records > 0 && (self.end.bytes + bytes > segment_bytes || records > u32::MAX.into())
    }
}

impl Appender {
    /// Goes on where recovery found the end; all of it is durable.
    pub fn new(newest: Newest, file: Arc<dyn File>) -> Self {
        let Newest { segment, end, crc, sampler, .. } = newest;
        let tail = Tail { segment, file, end, crc, sampler, sealed_to: end.next_offset };
        Appender { tail, buffer: Vec::new(), samples: Samples::default(), sealed: Vec::new() }
    }

    /// Writes what is encoded to the tail's file.
    fn flush(&mut self) -> Result<(), cairn_disk::Error> {
        if !self.buffer.is_empty() {
            self.tail.file.append(&self.buffer)?;
            self.tail.crc.update(&self.buffer);
            self.buffer.clear();
            self.tail.segment.add_samples(&mut self.samples);
        }
        Ok(())
    }
}
