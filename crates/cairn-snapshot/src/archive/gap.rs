//! `Gap`: LSNs that a timeline's archive does not hold, and the note that says why.

use super::segment_name::Span;
use crate::error::{Error, Result};
use crate::names;
use crate::sealed_json::{self, Fields};
use cairn_disk::{Storage, atomic_replace};
use cairn_engine::{Lsn, TimelineId};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// LSNs that the archive of a timeline does not hold although it holds later ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The first LSN that is missing.
    pub first: Lsn,
    /// The last LSN that is missing.
    pub last: Lsn,
    /// Why; `None`: it was not recorded, and files that were there are gone.
    pub recorded: Option<GapRecord>,
}

/// What was noted when a gap came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRecord {
    /// When it was noticed, microseconds since the Unix epoch, UTC.
    pub at_us: i64,
    /// Why, for people.
    pub reason: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    format: String,
    version: u32,
    timeline: String,
    first: u64,
    last: u64,
    recorded_us: i64,
    recorded_at: String,
    reason: String,
}

impl Fields for Wire {
    const FORMAT: &'static str = "cairndb-archive-gap";
    const VERSION: u32 = 1;
}

impl Gap {
    pub(crate) fn span(&self) -> Span {
        Span { first: self.first.0, last: self.last.0 }
    }

    pub(crate) fn unrecorded(span: Span) -> Gap {
        Gap { first: Lsn(span.first), last: Lsn(span.last), recorded: None }
    }
}

/// Notes that `span` was never archived; the note lasts when this returns.
pub(crate) fn write(
    storage: &dyn Storage,
    dir: &Path,
    timeline: TimelineId,
    span: Span,
    record: &GapRecord,
) -> Result<()> {
    let path = dir.join(span.gap_name());
    let wire = Wire {
        format: Wire::FORMAT.to_owned(),
        version: Wire::VERSION,
        timeline: timeline.to_string(),
        first: span.first,
        last: span.last,
        recorded_us: record.at_us,
        recorded_at: names::rfc3339(record.at_us),
        reason: record.reason.clone(),
    };
    Ok(atomic_replace(storage, &path, &sealed_json::encode(&path, wire)?)?)
}

/// Reads the note about `span`.
pub(crate) fn read(storage: &dyn Storage, dir: &Path, timeline: TimelineId, span: Span) -> Result<GapRecord> {
    let path = dir.join(span.gap_name());
    let wire: Wire = sealed_json::read(storage, &path)?;
    if wire.timeline != timeline.to_string() {
        let actual = format!("{:.80?}", wire.timeline);
        return Err(Error::damaged(&path, None, "timeline", timeline, actual));
    }
    if (wire.first, wire.last) != (span.first, span.last) {
        let actual = format!("{:020}-{:020}", wire.first, wire.last);
        return Err(Error::damaged(&path, None, "LSNs", span, actual));
    }
    Ok(GapRecord { at_us: wire.recorded_us, reason: wire.reason })
}
