//! Names below `wal/` in a repository, spelled once.

use cairn_engine::TimelineId;
use std::fmt;
use std::path::{Path, PathBuf};

/// All archived logs.
pub(crate) const WAL: &str = "wal";
/// Where a timeline came from.
pub(crate) const TIMELINE_FILE: &str = "timeline.json";
/// Held by whoever writes to a timeline's archive.
pub(crate) const LOCK: &str = "LOCK";
/// What a file's name ends in until it is whole and durable.
pub(crate) const TMP: &str = ".tmp";
const LOG: &str = ".log.zst";
const GAP: &str = ".gap.json";
/// Digits of an LSN in a name.
const DIGITS: usize = 20;

/// LSNs from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub first: u64,
    pub last: u64,
}

impl Span {
    /// The span of two ends; `None` when it holds nothing.
    pub fn new(first: u64, last: u64) -> Option<Span> {
        (first <= last).then_some(Span { first, last })
    }

    pub fn contains(self, lsn: u64) -> bool {
        (self.first..=self.last).contains(&lsn)
    }

    pub fn covers(self, other: Span) -> bool {
        self.first <= other.first && self.last >= other.last
    }

    pub fn overlaps(self, other: Span) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// How many LSNs.
    pub fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// The name of the archived log with these records.
    pub fn log_name(self) -> String {
        format!("{self}{LOG}")
    }

    /// The name of the note that these LSNs were never archived.
    pub fn gap_name(self) -> String {
        format!("{self}{GAP}")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:020}", self.first, self.last)
    }
}

/// What a name in a timeline's archive stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Log(Span),
    Gap(Span),
    /// Not finished.
    Temporary,
    /// None of ours.
    Other,
}

impl Name {
    pub fn parse(name: &str) -> Name {
        if name.ends_with(TMP) {
            return Name::Temporary;
        }
        let log = name.strip_suffix(LOG).and_then(span).map(Name::Log);
        log.or_else(|| name.strip_suffix(GAP).and_then(span).map(Name::Gap)).unwrap_or(Name::Other)
    }
}

fn span(text: &str) -> Option<Span> {
    let (first, last) = text.split_once('-')?;
    Span::new(number(first)?, number(last)?)
}

fn number(text: &str) -> Option<u64> {
    let plain = text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The directory of a timeline's archive.
pub(crate) fn timeline_dir(root: &Path, timeline: TimelineId) -> PathBuf {
    root.join(WAL).join(timeline.to_string())
}

/// The timeline of a directory below `wal/`: only of the spelling that [`timeline_dir`] writes.
pub(crate) fn timeline_of(name: &str) -> Option<TimelineId> {
    name.parse::<TimelineId>().ok().filter(|id| id.to_string() == name)
}
