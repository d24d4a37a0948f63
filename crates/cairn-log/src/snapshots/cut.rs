//! `LogCut`: what logs are at one moment, and that nothing is taken from them while it is copied.

use super::snapshot::{Snapshot, SnapshotFileKind, SnapshotSegment};
use crate::error::corrupt;
use crate::index::{OffsetEntry, TimeEntry};
use crate::recovery::scan_whole;
use crate::segment::{Extent, LogSegment};
use crate::sums::FileSum;
use crate::{Log, Result};
use parking_lot::MutexGuard;
use std::path::PathBuf;
use std::sync::Arc;

/// A log at one moment. Appends go on after it; removal and compaction wait until it is dropped.
pub(crate) struct LogCut<'a> {
    pub log: &'a Log,
    /// Oldest first; the last is the one that takes records.
    segments: Vec<SegmentCut>,
    _nothing_is_removed: MutexGuard<'a, ()>,
}

/// A segment at that moment.
struct SegmentCut {
    segment: Arc<LogSegment>,
    end: Extent,
    /// The checksum up to `end` of the segment that takes records; `None` when it is sealed.
    open_crc: Option<u32>,
}

/// A file that a snapshot is to hold.
#[derive(Debug)]
pub(crate) struct Source {
    pub base: u64,
    pub kind: SnapshotFileKind,
    pub path: PathBuf,
    /// What it is when it is as it was written; of a file that grows, its beginning.
    pub sum: FileSum,
    /// Whether it never changes, so that a second name is as good as a copy.
    pub sealed: bool,
}

impl<'a> LogCut<'a> {
    /// Takes the cut of several logs, each of which is named once, at one moment: a record is in it whenever one is that
    /// was appended, to any of the logs, after the first's append had returned.
    pub fn take(logs: &[&'a Log]) -> Vec<LogCut<'a>> {
        // In one order everywhere, so that two that cut the same logs don't wait for each other.
        let mut order: Vec<usize> = (0..logs.len()).collect();
        order.sort_by_key(|i| std::ptr::from_ref(logs[*i]).addr());
        let mut removing: Vec<Option<MutexGuard<'a, ()>>> = logs.iter().map(|_| None).collect();
        for &i in &order {
            removing[i] = Some(logs[i].removing.lock());
        }
        let mut published: Vec<_> = order.iter().map(|i| (*i, logs[*i].published.lock())).collect();
        published.sort_by_key(|(i, _)| *i);
        let cuts = published.iter().zip(logs).zip(removing).map(|(((_, published), log), removing)| {
            let cut = |segment: &Arc<LogSegment>| SegmentCut {
                segment: Arc::clone(segment),
                end: segment.sealed().unwrap_or(published.end),
                open_crc: segment.sealed().is_none().then(|| published.crc.value()),
            };
            LogCut {
                log,
                segments: published.segments.iter().map(cut).collect(),
                _nothing_is_removed: removing.expect("each log was locked above"),
            }
        });
        cuts.collect()
    }

    /// The first offset, and the one after the last.
    pub fn offsets(&self) -> (u64, u64) {
        let first = self.segments.first().map_or(0, |s| s.segment.base);
        (first, self.segments.last().map_or(first, |s| s.end.next_offset))
    }

    /// The segments, without their files.
    pub fn segments(&self) -> Vec<SnapshotSegment> {
        let segment = |cut: &SegmentCut| SnapshotSegment {
            base_offset: cut.segment.base,
            next_offset: cut.end.next_offset,
            sealed: cut.open_crc.is_none(),
            compacted: cut.segment.compacted().is_some(),
            files: Vec::new(),
        };
        self.segments.iter().map(segment).collect()
    }

    /// The files. A sealed segment whose checksum was not kept as it was written is read and checked for it, unless one of
    /// the snapshots `known` tells it.
    pub fn sources(&self, known: &[Snapshot]) -> Result<Vec<Source>> {
        let mut sources = Vec::with_capacity(self.segments.len() * 3);
        for cut in &self.segments {
            let segment = &cut.segment;
            let source = |kind, path, sum| Source {
                base: segment.base,
                kind,
                path,
                sum,
                sealed: cut.open_crc.is_none(),
            };
            let crc32c = match cut.open_crc {
                Some(crc32c) => crc32c,
                None => self.sealed_crc(cut, known)?,
            };
            let sum = FileSum { bytes: cut.end.bytes, crc32c };
            sources.push(source(SnapshotFileKind::Log, segment.log_path(), sum));
            if let Some([index, timeindex]) = segment.sums().indexes.filter(|_| cut.open_crc.is_none()) {
                let (offsets, times) =
                    (segment.index_path::<OffsetEntry>(), segment.index_path::<TimeEntry>());
                sources.push(source(SnapshotFileKind::Index, offsets, index));
                sources.push(source(SnapshotFileKind::TimeIndex, times, timeindex));
            }
        }
        Ok(sources)
    }

    /// The checksum of a sealed segment's `.log`.
    fn sealed_crc(&self, cut: &SegmentCut, known: &[Snapshot]) -> Result<u32> {
        let segment = &cut.segment;
        if let Some(crc32c) = segment.sums().log {
            return Ok(crc32c);
        }
        let crc32c = match self.remembered_crc(cut, known) {
            Some(crc32c) => crc32c,
            None => {
                let file = segment.open()?;
                let whole = scan_whole(segment, &file, None, |_, _| {})?;
                if let Some((flaw, position)) = whole.flaw {
                    return Err(flaw.at(file.path(), position).into());
                }
                if whole.end.bytes != cut.end.bytes {
                    let (expected, actual) = (cut.end.bytes, whole.end.bytes);
                    return Err(corrupt(file.path(), None, "size mismatch", expected, actual).into());
                }
                whole.crc.value()
            }
        };
        segment.note_sums(|sums| sums.log = Some(crc32c));
        Ok(crc32c)
    }

    /// What an earlier snapshot says of the same segment, which is the same as long as it is as long: all that is ever done
    /// to a sealed segment is to take records out.
    fn remembered_crc(&self, cut: &SegmentCut, known: &[Snapshot]) -> Option<u32> {
        let config = &self.log.config;
        let compacted = cut.segment.compacted().is_some();
        known
            .iter()
            .filter(|s| (s.log_id, s.timeline) == (config.id, config.timeline))
            .flat_map(|s| &s.segments)
            .filter(|s| s.base_offset == cut.segment.base && s.compacted == compacted)
            .filter_map(|s| s.file(SnapshotFileKind::Log))
            .find(|file| file.bytes == cut.end.bytes)
            .map(|file| file.crc32c)
    }
}
