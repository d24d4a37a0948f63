//! `RepairPlan`: what a repair would do, for people to read before it is done.

use crate::compacted::Compacted;
use crate::segment::{Extent, LOG_EXTENSION};
use crate::{Cut, Log, LogConfig, Result};
use cairn_disk::Storage;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names of directories for what a repair set aside: this and a number from 1.
pub(super) const ASIDE_PREFIX: &str = "damaged-";
/// Below such a directory: whole records that stood after damage in the same file.
pub(super) const READABLE_DIR: &str = "readable";

/// One place of a log that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPlace {
    /// The segment's `.log`.
    pub segment: PathBuf,
    /// The position in it; `None` when the whole file is meant.
    pub position: Option<u64>,
    /// What is wrong, with path, place, expected and actual.
    pub message: String,
    /// The first offset that cannot be read because of it.
    pub unreadable_from: u64,
    /// The first offset from there on that can be read again (the same one when nothing is lost); `None` when none can.
    pub readable_again: Option<u64>,
}

/// A segment that is written anew from the good records of the one there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rewrite {
    pub base: u64,
    /// Where its good records are in the file that is there.
    pub records: Range<u64>,
    /// When it is a compacted one.
    pub compacted: Option<Compacted>,
}

/// Whole records in a row that stand after damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub source: PathBuf,
    pub first_offset: u64,
    /// Of the first one in the file.
    pub position: u64,
    /// Where in the file they end.
    pub end: Extent,
    /// How many: as many as offsets, unless the segment is compacted.
    pub records: u64,
}

/// What is damaged in a closed log, and what [`RepairPlan::run`] would do about it. Made by [`Log::plan_repair`], which changes
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairPlan {
    pub(super) config: LogConfig,
    /// Every damaged place, in the order of the log. When there is none, there is nothing to do.
    pub damage: Vec<DamagedPlace>,
    /// The offsets that the log keeps. It goes on at their end.
    pub keeps: Range<u64>,
    /// The offsets that the log no longer holds afterwards, as far as what is there tells.
    pub lost: Range<u64>,
    /// Of the lost ones, those that can be read from what is set aside.
    pub readable: Vec<Range<u64>>,
    /// The unacknowledged end that a crash left torn, when the log keeps its newest segment. [`Log::open`] cuts it: no damage.
    pub torn: Option<Cut>,
    /// The directory that damaged files would go to.
    pub aside: PathBuf,
    /// The files that would go there, newest first.
    pub moves: Vec<PathBuf>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) runs: Vec<Run>,
}

impl Log {
    /// Looks at every byte of a closed log for damage, and says what a repair would do. Changes nothing. What only a crash left
    /// is no damage: [`Log::open`] sees to it, and to indexes.
    ///
    /// A log of another id or timeline than `config` says, or of another version, is refused: it is not for this to repair.
    pub fn plan_repair(storage: Arc<dyn Storage>, config: LogConfig) -> Result<RepairPlan> {
        super::planner::plan(&storage, &config)
    }
}

impl RepairPlan {
    /// Whether anything is damaged.
    pub fn is_needed(&self) -> bool {
        !self.damage.is_empty()
    }

    /// The directory of the log.
    pub fn dir(&self) -> &Path {
        &self.config.dir
    }

    pub(super) fn log_path(&self, base: u64) -> PathBuf {
        self.config.dir.join(format!("{base:020}.{LOG_EXTENSION}"))
    }
}

impl fmt::Display for DamagedPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; ", self.message)?;
        match self.readable_again {
            Some(again) if again <= self.unreadable_from => f.write_str("no record is lost by it"),
            Some(again) => write!(f, "cannot be read: {}", offsets(&(self.unreadable_from..again))),
            None => write!(f, "cannot be read: offset {} and all after it", self.unreadable_from),
        }
    }
}

impl fmt::Display for RepairPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir().display();
        if !self.is_needed() {
            return write!(f, "the log in {dir} needs no repair: it holds {}", offsets(&self.keeps));
        }
        let places = if self.damage.len() == 1 { "place" } else { "places" };
        writeln!(f, "the log in {dir} is damaged in {} {places}:", self.damage.len())?;
        for place in &self.damage {
            writeln!(f, "  {place}")?;
        }
        writeln!(f, "it would keep {}, and go on at offset {}", offsets(&self.keeps), self.keeps.end)?;
        if !self.lost.is_empty() {
            writeln!(f, "it would lose {}", offsets(&self.lost))?;
            let readable: Vec<String> = self.readable.iter().map(offsets).collect();
            let readable = if readable.is_empty() { "none".to_owned() } else { readable.join(", ") };
            writeln!(f, "of these can be read from what is set aside: {readable}")?;
        }
        for rewrite in &self.rewrites {
            writeln!(
                f,
                "{:020}.log would be written anew, the old one kept in {}",
                rewrite.base,
                self.aside.display()
            )?;
        }
        for path in &self.moves {
            writeln!(f, "{} would be moved to {}", path.display(), self.aside.display())?;
        }
        f.write_str("nothing would be deleted")
    }
}

/// A range of offsets, for people.
fn offsets(range: &Range<u64>) -> String {
    match range.end.saturating_sub(range.start) {
        0 => "no records".to_owned(),
        1 => format!("offset {}", range.start),
        _ => format!("offsets {} to {}", range.start, range.end - 1),
    }
}
