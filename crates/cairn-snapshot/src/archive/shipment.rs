//! `Shipment`: the work of one call of a shipper, under the lock of the timeline's archive.

use super::archived_file::ArchivedFile;
use super::gap::{self, Gap, GapRecord};
use super::listing::Listing;
use super::log_source::LogSource;
use super::record_stream::RecordStream;
use super::segment_header::SegmentHeader;
use super::segment_name::Span;
use super::shipper::Shipped;
use super::timeline_info::TimelineInfo;
use super::writer::LogFileWriter;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::job::Job;
use cairn_disk::{ErrorKind, Storage};
use cairn_engine::{Clock, Lsn};
use cairn_log::{Log, Record, SegmentInfo};
use std::path::Path;

/// Why a gap is recorded.
const DROPPED: &str = "the log was dropped before it was archived";

/// Where the next part of the open segment begins: only a shortcut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    base: u64,
    next: u64,
    position: u64,
}

/// Refuses a log of another timeline or database, before anything is written on its account.
pub(crate) fn check_log(log_disk: &dyn Storage, timeline: &TimelineInfo, log: &Log) -> Result<()> {
    // The newest segment is never removed.
    let Some(newest) = log.segments().pop() else { return Ok(()) };
    let source = LogSource::open(log_disk, &newest.path, 0)?;
    RecordStream::open(source, header(timeline, newest.base_offset), newest.bytes).map(drop)
}

fn header(timeline: &TimelineInfo, base: u64) -> SegmentHeader {
    SegmentHeader { database: timeline.database, timeline: timeline.id, base }
}

/// One call's work.
pub(crate) struct Shipment<'a> {
    pub storage: &'a dyn Storage,
    pub dir: &'a Path,
    pub timeline: &'a TimelineInfo,
    pub log_disk: &'a dyn Storage,
    pub clock: &'a dyn Clock,
    pub job: &'a Job<'a>,
    pub listing: Listing,
    pub cursor: Option<Cursor>,
    pub shipped: Shipped,
}

impl Shipment<'_> {
    /// The first LSN neither archived nor noted as missing; `None`: nothing is.
    fn next(&self) -> Option<u64> {
        self.listing.last().map(|last| last.saturating_add(1))
    }

    /// Refuses a log that ends before the archive does: on its account nothing more would ever be archived.
    pub fn check_not_ahead(&self, log: &Log) -> Result<()> {
        let durable = log.durable_offset();
        if let Some(last) = self.listing.last().filter(|last| *last >= durable) {
            let expected = format!("at most LSN {}, where the log ends", durable.saturating_sub(1));
            return Err(Error::damaged(
                self.dir,
                None,
                "archive of another log",
                expected,
                format!("LSN {last}"),
            ));
        }
        Ok(())
    }

    /// Reads the archive's end, and refuses a log that has another record there. A damaged file at the end is left out of the
    /// listing when the log still holds its records: they are archived again.
    pub fn check_end(&mut self, log: &Log) -> Result<()> {
        while let Some(newest) = self.listing.newest() {
            match self.last_record(newest) {
                Ok(record) => return self.check_record(log, newest, &record),
                Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version) => {
                    let path = self.dir.join(newest.log_name());
                    self.shipped.damaged.push(Finding::of(e, &path)?);
                    if log.base_offset() > newest.first {
                        return Ok(());
                    }
                    self.listing.logs.remove(&newest);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn last_record(&self, span: Span) -> Result<Record> {
        let file = ArchivedFile::open(self.storage, self.dir, self.timeline.id, span)?;
        let mut records = file.records(self.storage)?;
        while records.next_lsn() < span.last && records.step()? {
            self.job.go_on()?;
        }
        let last = records.next_record()?;
        last.ok_or_else(|| Error::Bug(format!("{}: its last record is missing", file.path.display())))
    }

    fn check_record(&self, log: &Log, newest: Span, archived: &Record) -> Result<()> {
        if !(log.base_offset()..log.durable_offset()).contains(&newest.last) {
            return Ok(());
        }
        let logged = log.read(newest.last).map_err(cairn_engine::Error::from)?.next();
        let logged = logged.transpose().map_err(cairn_engine::Error::from)?;
        if logged.as_ref() == Some(archived) {
            return Ok(());
        }
        let path = self.dir.join(newest.log_name());
        let expected = format!("the log's record with LSN {}", newest.last);
        Err(Error::damaged(&path, None, "archive of another log", expected, "another record"))
    }

    /// Removes files whose records a wider one has.
    pub fn tidy(&mut self) -> Result<()> {
        let mut removed = false;
        for (old, by) in self.listing.superseded() {
            // A name alone is no reason to remove anything.
            if ArchivedFile::open(self.storage, self.dir, self.timeline.id, by).is_ok() {
                self.storage.remove(&self.dir.join(old.log_name()))?;
                self.listing.logs.remove(&old);
                removed = true;
            }
        }
        if removed {
            self.storage.sync_dir(self.dir)?;
        }
        Ok(())
    }

    /// Archives what there is; `false` when the log dropped segments meanwhile, and the next pass must look again.
    pub fn pass(&mut self, log: &Log, open_part: bool) -> Result<bool> {
        let segments = log.segments();
        // After the listing: a segment that is seen sealed before its end is known durable waits for the next call.
        let durable = log.durable_offset();
        let first = segments.first().map_or(0, |info| info.base_offset);
        if let Some(gap) = self.next().and_then(|next| Span::new(next, first.checked_sub(1)?)) {
            self.record_gap(gap)?;
        }
        for info in &segments {
            self.job.go_on()?;
            let done = if info.sealed && info.next_offset <= durable {
                self.ship_sealed(info)
            } else if open_part {
                self.ship_part(info, durable)
            } else {
                Ok(())
            };
            match done {
                Err(Error::Disk(e))
                    if e.kind() == ErrorKind::NotFound && log.base_offset() > info.base_offset =>
                {
                    return Ok(false);
                }
                done => done?,
            }
        }
        Ok(true)
    }

    fn record_gap(&mut self, span: Span) -> Result<()> {
        let record = GapRecord { at_us: self.clock.now_us(), reason: DROPPED.to_owned() };
        gap::write(self.storage, self.dir, self.timeline.id, span, &record)?;
        self.listing.gaps.insert(span);
        let gap = Gap { first: Lsn(span.first), last: Lsn(span.last), recorded: Some(record) };
        self.shipped.gaps.push(gap);
        Ok(())
    }

    fn ship_sealed(&mut self, info: &SegmentInfo) -> Result<()> {
        let Some(span) = info.next_offset.checked_sub(1).and_then(|last| Span::new(info.base_offset, last))
        else {
            return Ok(());
        };
        // One that lies before the archive's end and of which nothing is left was pruned there.
        let pruned = self.next().is_some_and(|next| span.last < next) && !self.listing.has_part(span);
        if pruned || self.listing.has_whole(span) {
            return Ok(());
        }
        self.archive(info, span)?;
        self.shipped.segments += 1;
        self.tidy()
    }

    fn ship_part(&mut self, info: &SegmentInfo, durable: u64) -> Result<()> {
        let end = durable.min(info.next_offset);
        let next = self.next().unwrap_or(0).max(info.base_offset);
        if next >= end {
            return Ok(());
        }
        let first = self.widened(next, end, info.base_offset);
        self.archive(info, Span { first, last: end - 1 })?;
        self.shipped.parts += 1;
        self.tidy()
    }

    /// Where a part that has the records from `next` to `end` begins: before the parts that are not much longer than it, so
    /// that there are few of them however slowly a segment fills, and each record is rewritten few times.
    fn widened(&self, next: u64, end: u64, base: u64) -> u64 {
        let mut first = next;
        let parts: Vec<Span> = self.listing.logs.iter().copied().filter(|part| part.first >= base).collect();
        while let Some(part) = parts.iter().find(|part| part.last.checked_add(1) == Some(first)) {
            if part.count() / 2 > end - first {
                break;
            }
            first = part.first;
        }
        first
    }

    /// Archives `span` of a segment, unless a whole file of that name is there.
    fn archive(&mut self, info: &SegmentInfo, span: Span) -> Result<()> {
        let before = self.next().unwrap_or(span.first);
        if !self.is_archived(span)? {
            let file = self.write(info, span)?;
            self.shipped.bytes += file.trailer.plain_bytes;
            self.shipped.stored_bytes += file.stored_bytes();
        }
        self.listing.logs.insert(span);
        self.shipped.records += self.next().unwrap_or(0).saturating_sub(before.max(span.first));
        Ok(())
    }

    fn is_archived(&self, span: Span) -> Result<bool> {
        if self.storage.stat(&self.dir.join(span.log_name()))?.is_none() {
            return Ok(false);
        }
        let checked = ArchivedFile::open(self.storage, self.dir, self.timeline.id, span)
            .and_then(|file| file.verify(self.storage, || self.job.go_on()));
        match checked {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn write(&mut self, info: &SegmentInfo, span: Span) -> Result<ArchivedFile> {
        let source = LogSource::open(self.log_disk, &info.path, 0)?;
        let known = self.cursor.filter(|c| (c.base, c.next) == (info.base_offset, span.first));
        let mut records = match known {
            Some(c) => RecordStream::resume(source.at(c.position), c.position, info.bytes, c.next),
            None => RecordStream::open(source, header(self.timeline, info.base_offset), info.bytes)?,
        };
        let short = |at: u64| {
            let expected = format!("records up to LSN {}", span.last);
            Error::damaged(&info.path, None, "size mismatch", expected, format!("none with LSN {at}"))
        };
        while records.next_lsn() < span.first {
            if !records.step()? {
                return Err(short(records.next_lsn()));
            }
        }
        let mut writer =
            LogFileWriter::create(self.storage, self.dir, header(self.timeline, span.first), span.last)?;
        while records.next_lsn() <= span.last {
            self.job.go_on()?;
            if !records.step()? {
                return Err(short(records.next_lsn()));
            }
            writer.push(records.last_us(), records.bytes())?;
        }
        let file = writer.publish()?;
        let (base, next, position) = (info.base_offset, records.next_lsn(), records.position());
        self.cursor = Some(Cursor { base, next, position });
        Ok(file)
    }
}
