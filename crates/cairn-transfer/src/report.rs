//! The report of an import: what was read, written and skipped, and which rows were bad.

use crate::bad_row::{BadRow, RowPlace};
use crate::error::Error;

/// What an import did.
#[derive(Debug)]
pub struct Report {
    /// How much; of a resumed import, with what was done before.
    pub counts: Counts,
    /// The first bad rows of this run, as many as were asked for, in the file's order: what the reader could not take, and what
    /// the receiver refused.
    pub bad_rows: Vec<BadRow>,
    /// Where this run began: rows done before it.
    pub resumed_at: u64,
    /// How it ended.
    pub end: End,
}

/// How much an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows read, bad ones among them.
    pub read: u64,
    /// Rows of which everything was taken.
    pub written: u64,
    /// Rows that were not: `read` is the sum of the two.
    pub skipped: u64,
}

/// How an import ended.
#[derive(Debug)]
pub enum End {
    /// All rows were read.
    Done,
    /// The caller cancelled it. A state file says where it goes on.
    Cancelled,
    /// A row was bad, and bad rows were to stop it. A row that the reader refused: all rows before it were written and none
    /// after it, and the import goes on at that row. A row that the receiver refused: the rest of its batch was written
    /// too, and the import goes on after the batch.
    BadRow(RowPlace),
    /// Reading or writing failed. What was acknowledged before is written.
    Failed(Error),
}

impl End {
    /// Whether every row was read.
    pub fn is_done(&self) -> bool {
        matches!(self, End::Done)
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes read of the file or stream, as they are there.
    pub bytes: u64,
    /// How many there are; `None` of a stream.
    pub bytes_total: Option<u64>,
    /// Rows done.
    pub counts: Counts,
}

impl Progress {
    /// The share that is done, 0 to 1, by bytes; `None` of a stream.
    pub fn share(&self) -> Option<f64> {
        let total = self.bytes_total?;
        if total == 0 { Some(1.0) } else { Some((self.bytes as f64 / total as f64).min(1.0)) }
    }
}
