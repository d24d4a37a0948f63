//! `Lsn`: the place of a record in a timeline's write-ahead log.

use std::fmt;

/// A log sequence number: the offset of a record in a write-ahead log. It means nothing without its timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
