//! `ArchiveReader`: the archived records of one timeline, streamed.

use super::archived_file::Frames;
use super::catalog::{self, ArchivedTimeline};
use super::gap::Gap;
use super::record_stream::RecordStream;
use super::segment_name::Span;
use crate::error::{Error, Result};
use crate::names;
use crate::repository::Repository;
use cairn_disk::ErrorKind;
use cairn_engine::{Lsn, TimelineId};
use cairn_log::Record;

/// Reads a timeline's archived records in order, whatever files they are in. Every checksum is checked, and that LSNs follow
/// each other, times never go back, and every file is of this timeline and database; the last record of a file comes only
/// when the whole file's SHA-256 is right. After an error it ends.
pub struct ArchiveReader {
    repository: Repository,
    archived: ArchivedTimeline,
    /// Not yet returned.
    left: Option<Span>,
    records: Option<RecordStream<Frames>>,
    last_us: i64,
}

impl ArchiveReader {
    /// The records of a timeline from LSN `from` to LSN `to`, both included. What the archive does not hold all of is refused
    /// at once, with what it does hold.
    pub fn open(repository: &Repository, timeline: TimelineId, from: Lsn, to: Lsn) -> Result<ArchiveReader> {
        let span = Span::new(from.0, to.0).ok_or_else(|| {
            Error::Input(format!("LSNs to read: expected the first before the last, got {from} to {to}"))
        })?;
        let archived = catalog::read(repository, timeline)?.ok_or_else(|| {
            let root = repository.root().display();
            Error::NotFound(format!("timeline {timeline} is not archived in {root}"))
        })?;
        match archived.range_of(from) {
            Some(range) if range.last >= to => {}
            _ => return Err(not_held(&archived, span)),
        }
        let repository = repository.clone();
        Ok(ArchiveReader { repository, archived, left: Some(span), records: None, last_us: i64::MIN })
    }

    fn advance(&mut self) -> Result<Option<Record>> {
        let Some(left) = self.left else { return Ok(None) };
        loop {
            if self.records.is_none() {
                self.records = Some(self.file(left)?);
            }
            let found = self.records.as_mut().map_or(Ok(None), |records| records.next_record())?;
            let Some(record) = found else {
                self.records = None;
                continue;
            };
            if record.timestamp_us < self.last_us {
                let path =
                    self.archived.file_of(left.first).map_or_else(Default::default, |f| f.path.clone());
                let expected = format!("at least {}", self.last_us);
                return Err(Error::damaged(&path, None, "timestamp", expected, record.timestamp_us));
            }
            self.last_us = record.timestamp_us;
            self.left = left.first.checked_add(1).and_then(|first| Span::new(first, left.last));
            return Ok(Some(record));
        }
    }

    /// The file that has the next record, standing before it.
    fn file(&mut self, left: Span) -> Result<RecordStream<Frames>> {
        let opened = match self.open_file(left) {
            // Superseded by a wider file since it was listed.
            Err(Error::Disk(e)) if e.kind() == ErrorKind::NotFound => {
                if let Some(archived) = catalog::read(&self.repository, self.archived.id)? {
                    self.archived = archived;
                }
                self.open_file(left)
            }
            opened => opened,
        };
        let mut records = opened?;
        while records.next_lsn() < left.first {
            if !records.step()? {
                return Err(not_held(&self.archived, left));
            }
        }
        Ok(records)
    }

    fn open_file(&self, left: Span) -> Result<RecordStream<Frames>> {
        let file = self.archived.file_of(left.first).ok_or_else(|| not_held(&self.archived, left))?;
        file.records(self.repository.storage())
    }
}

impl Iterator for ArchiveReader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let next = self.advance();
        if next.is_err() {
            self.left = None;
        }
        next.transpose()
    }
}

impl std::fmt::Debug for ArchiveReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveReader")
            .field("timeline", &self.archived.id)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Says what is missing, why if that is known, and what is there.
fn not_held(archived: &ArchivedTimeline, span: Span) -> Error {
    let why = |gap: &Gap| {
        let (first, last) = (gap.first, gap.last);
        match &gap.recorded {
            Some(record) => {
                format!(
                    "; LSN {first} to {last} is a gap, recorded {}: {}",
                    names::rfc3339(record.at_us),
                    record.reason
                )
            }
            None => format!("; LSN {first} to {last} is missing"),
        }
    };
    let gaps: String = archived.gaps.iter().filter(|gap| gap.span().overlaps(span)).map(why).collect();
    Error::NotFound(format!(
        "LSN {} to {} of timeline {} is not all archived{gaps}; recoverable: {}",
        span.first,
        span.last,
        archived.id,
        archived.ranges_text()
    ))
}
