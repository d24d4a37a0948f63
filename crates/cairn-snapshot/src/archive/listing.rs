//! `Listing`: the names in a timeline's archive, and what they cover.

use super::segment_name::{Name, Span};
use crate::error::Result;
use cairn_disk::{ErrorKind, FileType, Storage};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files of a timeline's archive, by what their names say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    /// Archived logs, ascending by first LSN.
    pub logs: BTreeSet<Span>,
    /// Notes of gaps.
    pub gaps: BTreeSet<Span>,
    /// Unfinished files.
    pub temporary: Vec<PathBuf>,
}

impl Listing {
    /// Lists `dir`; one that does not exist holds nothing.
    pub fn read(storage: &dyn Storage, dir: &Path) -> Result<Listing> {
        let mut listing = Listing::default();
        let entries = match storage.list(dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(listing),
            entries => entries?,
        };
        for entry in entries.into_iter().filter(|e| e.stat.file_type == FileType::File) {
            match Name::parse(&entry.name) {
                Name::Log(span) => drop(listing.logs.insert(span)),
                Name::Gap(span) => drop(listing.gaps.insert(span)),
                Name::Temporary => listing.temporary.push(dir.join(entry.name)),
                Name::Other => {}
            }
        }
        Ok(listing)
    }

    /// The last LSN that is archived or noted as missing.
    pub fn last(&self) -> Option<u64> {
        self.logs.iter().chain(&self.gaps).map(|span| span.last).max()
    }

    /// The log that ends last; of several the longest.
    pub fn newest(&self) -> Option<Span> {
        self.logs.iter().copied().max_by_key(|span| (span.last, span.count()))
    }

    /// Whether one log has all of `span`.
    pub fn has_whole(&self, span: Span) -> bool {
        self.logs.iter().any(|log| log.covers(span))
    }

    /// Whether some log has a part of `span`.
    pub fn has_part(&self, span: Span) -> bool {
        self.logs.iter().any(|log| log.overlaps(span))
    }

    /// The logs that another one covers, each with that one.
    pub fn superseded(&self) -> Vec<(Span, Span)> {
        let mut logs: Vec<Span> = self.logs.iter().copied().collect();
        logs.sort_by_key(|span| (span.first, std::cmp::Reverse(span.last)));
        let mut widest: Option<Span> = None;
        let mut found = Vec::new();
        for span in logs {
            match widest {
                Some(by) if by.covers(span) => found.push((span, by)),
                _ => widest = Some(span),
            }
        }
        found
    }
}

/// Joins spans that touch or overlap; ascending.
pub(crate) fn merged(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans.into_iter().collect();
    sorted.sort_unstable();
    let mut out: Vec<Span> = Vec::new();
    for span in sorted {
        match out.last_mut() {
            Some(last) if span.first <= last.last.saturating_add(1) => last.last = last.last.max(span.last),
            _ => out.push(span),
        }
    }
    out
}

/// What of `span` is in none of `holes`, which are merged.
pub(crate) fn without(span: Span, holes: &[Span]) -> Vec<Span> {
    let mut out = Vec::new();
    let mut first = span.first;
    for hole in holes.iter().filter(|hole| hole.overlaps(span)) {
        out.extend(hole.first.checked_sub(1).and_then(|last| Span::new(first, last)));
        match hole.last.checked_add(1) {
            Some(after) => first = after,
            None => return out,
        }
    }
    out.extend(Span::new(first, span.last));
    out
}
