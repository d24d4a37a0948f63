//! `Compaction`: of each key only the newest record stays.
//!
//! It rewrites sealed segments, oldest first, each replaced durably before the next is begun: a tombstone leaves the log
//! only after everything it stands over has. Offsets never change, so a rewritten segment has holes.

use crate::compacted::{COMPACTED_HEADER_BYTES, Compacted};
use crate::index::{Sampler, Samples, remove_if_there};
use crate::reader::{Part, Reader};
use crate::record::{self, Entry, RecordRef, Stamp};
use crate::segment::{Extent, LOG_EXTENSION, LogSegment, SegmentHeader};
use crate::{Error, ErrorKind, Log, Result};
use cairn_disk::File;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// How much is written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compaction {
    /// How many segments were rewritten; the others held nothing superseded.
    pub segments: u64,
    /// How many records were taken out, tombstones included.
    pub records: u64,
    /// How many of them were tombstones past their time that were still their key's newest.
    pub tombstones: u64,
    /// By how many bytes the `.log` files became shorter. A header grows by 40, so this may be less than 0.
    pub bytes: i64,
}

/// A key's newest record.
struct Newest {
    offset: u64,
    /// When it is a tombstone: since when, microseconds.
    tombstone_us: Option<i64>,
}

/// What the whole log says about which records are superseded.
struct Survey {
    newest: HashMap<Vec<u8>, Newest>,
    /// Tombstones before this time have served.
    tombstones_before_us: i64,
    /// Base offsets of the segments that hold something to take out.
    dirty: BTreeSet<u64>,
}

impl Log {
    /// Rewrites the sealed segments so that of each key only the newest record in the whole log stays. A record with a
    /// key and no value is a tombstone: it stays its key's newest until its timestamp is before `tombstones_before_us`
    /// (microseconds since the Unix epoch), then it goes too. Records without a key stay.
    ///
    /// Everything appended so far is made durable first: no record gives way to one that a crash may lose. Each segment
    /// is replaced atomically and durably; a crash leaves the old or the new one. Readers at work go on reading what
    /// they began with. It keeps every distinct key in memory meanwhile.
    ///
    /// Refused with [`Error::NotCompactable`] unless the configuration allows it. After [`ErrorKind::NoSpace`] the log is
    /// as before, but for segments already rewritten.
    pub fn compact(&self, tombstones_before_us: i64) -> Result<Compaction> {
        self.compact_while(tombstones_before_us, || true)
    }

    /// As [`Log::compact`]; ends early, between two segments, once `go_on` says no.
    pub(crate) fn compact_while(
        &self,
        tombstones_before_us: i64,
        go_on: impl Fn() -> bool,
    ) -> Result<Compaction> {
        if !self.config.compacted_allowed {
            return Err(Error::NotCompactable { dir: self.config.dir.clone() });
        }
        let _one_at_a_time = self.compacting.lock();
        let mut done = Compaction::default();
        let survey = self.survey(tombstones_before_us)?;
        let sealed: Vec<Arc<LogSegment>> = {
            let published = self.published.lock();
            published.segments.iter().filter(|s| s.sealed().is_some()).map(Arc::clone).collect()
        };
        for segment in sealed.iter().filter(|s| survey.dirty.contains(&s.base)) {
            if !go_on() {
                break;
            }
            self.compact_segment(segment, &survey, &mut done)?;
        }
        if done.segments > 0 {
            // The entries of the new indexes.
            self.sync_dir()?;
        }
        Ok(done)
    }

    /// Reads the log from its beginning to its durable end.
    fn survey(&self, tombstones_before_us: i64) -> Result<Survey> {
        let next = self.next_offset();
        self.sync()?;
        let (parts, bases) = {
            let published = self.published.lock();
            let sealed = published.segments.iter().filter(|s| s.sealed().is_some());
            let bases: BTreeMap<u64, u64> =
                sealed.filter_map(|s| Some((s.base, s.sealed()?.next_offset))).collect();
            (published.parts(|_| true), bases)
        };
        let first = parts.first().map_or(next, |p| p.segment.base);
        let mut reader = Reader::new(&self.config, parts, first)?;
        let mut survey = Survey { newest: HashMap::new(), tombstones_before_us, dirty: BTreeSet::new() };
        while let Some(record) = reader.next_ref() {
            let record = record?;
            if record.offset >= next {
                break;
            }
            if let Some(before) = survey.note(&record) {
                survey.mark(&bases, before);
            }
        }
        let expired: Vec<u64> =
            survey.newest.values().filter(|n| survey.is_expired(n)).map(|n| n.offset).collect();
        expired.into_iter().for_each(|offset| survey.mark(&bases, offset));
        Ok(survey)
    }

    /// Rewrites one segment, unless it was removed meanwhile.
    fn compact_segment(
        &self,
        segment: &Arc<LogSegment>,
        survey: &Survey,
        done: &mut Compaction,
    ) -> Result<()> {
        let _no_removal = self.removing.lock();
        let is_held = self.published.lock().segments.iter().any(|s| Arc::ptr_eq(s, segment));
        let Some(end) = segment.sealed().filter(|_| is_held) else { return Ok(()) };
        self.commit.check()?;
        let temporary = self.config.dir.join(format!("{:020}.{LOG_EXTENSION}.tmp", segment.base));
        let written = self.write_compacted(&temporary, segment, end, survey);
        let (rewritten, counts) = written.inspect_err(|_| self.discard(&temporary))?;
        self.replace(segment, &temporary, &rewritten)?;
        done.segments += 1;
        done.records += counts.records;
        done.tombstones += counts.tombstones;
        let after = rewritten.sealed().map_or(0, |e| e.bytes);
        done.bytes = done.bytes.saturating_add_unsigned(end.bytes).saturating_sub_unsigned(after);
        Ok(())
    }

    /// Writes what stays of a segment to a temporary file, and syncs it. The segment it returns stands for that file once
    /// it has the old one's name.
    fn write_compacted(
        &self,
        temporary: &Path,
        old: &Arc<LogSegment>,
        end: Extent,
        survey: &Survey,
    ) -> Result<(Arc<LogSegment>, Compaction)> {
        remove_if_there(&*self.storage, temporary)?;
        let file = self.storage.create(temporary)?;
        // The header says how long the file is: it is written last, in its place.
        file.append(&[0; COMPACTED_HEADER_BYTES])?;
        let mut kept = Kept::new(&*file, old.base, self.config.index_interval_bytes);
        let mut counts = Compaction::default();
        let part = Part { segment: Arc::clone(old), end };
        let mut reader = Reader::new(&self.config, vec![part], old.base)?;
        while let Some(record) = reader.next_ref() {
            let record = record?;
            if survey.keeps(&record) {
                kept.add(&record)?;
            } else {
                counts.records += 1;
                counts.tombstones += u64::from(survey.is_newest(&record));
            }
        }
        kept.flush()?;
        let compacted = Compacted {
            end_offset: end.next_offset,
            last_timestamp_us: end.last_timestamp_us,
            file_bytes: kept.position,
            records: kept.records,
        };
        let (id, timeline, base) = (self.config.id, self.config.timeline, old.base);
        let header = SegmentHeader { id, timeline, base, compacted: Some(compacted) };
        file.write_at(0, &compacted.to_bytes(&header.to_bytes()))?;
        file.sync()?;
        let segment = LogSegment::new(&self.storage, &self.config.dir, base, kept.samples);
        segment.note_header(&header);
        segment.seal(compacted.extent());
        Ok((Arc::new(segment), counts))
    }

    /// Puts the rewritten segment in the old one's place, durably. The old indexes are durably gone before: none may stand
    /// beside a log that it is not of.
    fn replace(&self, old: &Arc<LogSegment>, temporary: &Path, new: &Arc<LogSegment>) -> Result<()> {
        let prepared = old.keep_open().and_then(|()| old.remove_indexes());
        prepared.inspect_err(|_| self.discard(temporary))?;
        self.sync_dir()?;
        let renamed = self.storage.rename(temporary, &old.log_path());
        renamed.inspect_err(|_| self.discard(temporary))?;
        let shown = {
            let mut published = self.published.lock();
            let place = published.segments.iter_mut().find(|s| Arc::ptr_eq(s, old));
            place.map(|place| *place = Arc::clone(new))
        };
        shown.expect("nothing is removed from the log while `removing` is held");
        self.sync_dir()?;
        match new.write_indexes() {
            Ok(()) => new.use_index_files(),
            // They stay in memory.
            Err(e) if e.kind() == ErrorKind::NoSpace => {}
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// What a failed sync of the directory leaves is unknown: no writes from then on.
    fn sync_dir(&self) -> Result<()> {
        self.storage.sync_dir(&self.config.dir).map_err(|e| self.commit.poison(e))
    }

    /// Removes a temporary file after an error, which is the one to report. What stays is removed at the next open.
    fn discard(&self, temporary: &Path) {
        let _ = self.storage.remove(temporary);
    }
}

impl Survey {
    /// Takes note of the next record of the log; the offset of the one that it supersedes.
    fn note(&mut self, record: &RecordRef<'_>) -> Option<u64> {
        let key = record.key?;
        let tombstone_us = record.value.is_none().then_some(record.timestamp_us);
        let newest = Newest { offset: record.offset, tombstone_us };
        match self.newest.get_mut(key) {
            Some(before) => Some(std::mem::replace(before, newest).offset),
            None => {
                self.newest.insert(key.to_vec(), newest);
                None
            }
        }
    }

    /// The segment of `offset` holds something to take out, if it is sealed. `bases` are the sealed segments' base offsets
    /// and ends.
    fn mark(&mut self, bases: &BTreeMap<u64, u64>, offset: u64) {
        let segment = bases.range(..=offset).next_back().filter(|(_, end)| offset < **end);
        self.dirty.extend(segment.map(|(base, _)| *base));
    }

    fn is_expired(&self, newest: &Newest) -> bool {
        newest.tombstone_us.is_some_and(|at| at < self.tombstones_before_us)
    }

    fn is_newest(&self, record: &RecordRef<'_>) -> bool {
        let newest = record.key.and_then(|key| self.newest.get(key));
        newest.is_some_and(|newest| newest.offset == record.offset)
    }

    fn keeps(&self, record: &RecordRef<'_>) -> bool {
        match record.key.and_then(|key| self.newest.get(key)) {
            Some(newest) if newest.offset == record.offset => !self.is_expired(newest),
            Some(newest) => newest.offset < record.offset,
            None => true,
        }
    }
}

/// The records that stay of a segment, on their way to a file.
struct Kept<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    sampler: Sampler,
    samples: Samples,
    /// Where the next record will be.
    position: u64,
    records: u64,
}

impl<'a> Kept<'a> {
    fn new(file: &'a dyn File, base: u64, index_interval_bytes: u32) -> Self {
        Kept {
            file,
            buffer: Vec::new(),
            sampler: Sampler::new(base, index_interval_bytes),
            samples: Samples::default(),
            position: COMPACTED_HEADER_BYTES as u64,
            records: 0,
        }
    }

    fn add(&mut self, record: &RecordRef<'_>) -> Result<(), cairn_disk::Error> {
        let RecordRef { offset, timestamp_us, key, value } = *record;
        let entry = Entry { timestamp_us, key, value };
        self.sampler.note(offset, self.position, timestamp_us, &mut self.samples);
        // Everything before it is durable: its segment is sealed.
        record::encode(&mut self.buffer, Stamp { offset, timestamp_us, durable_offset: offset }, &entry);
        self.position += entry.record_bytes();
        self.records += 1;
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), cairn_disk::Error> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
