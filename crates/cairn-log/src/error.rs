//! What can go wrong with a log.

pub use cairn_disk::ErrorKind;
use std::path::{Path, PathBuf};

/// A result of a log operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed log operation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk failed, or a file is damaged or does not belong to this log.
    #[error(transparent)]
    Disk(#[from] cairn_disk::Error),
    /// An earlier write's fate is unknown: reads go on, writes are refused until the log is opened again.
    #[error("the log takes no writes since an earlier failure: {cause}")]
    Poisoned {
        /// The first failure.
        cause: cairn_disk::Error,
    },
    /// A record or key is longer than allowed.
    #[error("{what} of {bytes} bytes exceeds maximum allowed: {max}")]
    TooLong {
        /// `record` or `key`.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The longest allowed.
        max: u64,
    },
    /// The log does not hold this offset.
    #[error("offset {offset} is not in the log: it holds {first} up to {next} (exclusive)")]
    OutOfRange {
        /// The offset asked for.
        offset: u64,
        /// The first offset held.
        first: u64,
        /// The offset that the next record gets.
        next: u64,
    },
    /// A setting of [`crate::LogConfig`] is out of range.
    #[error("{name} must be in range [{min}, {max}], got {value}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// Text that is no id.
    #[error("an id is 32 hex digits, got `{text}`")]
    Id {
        /// The text, its beginning.
        text: String,
    },
    /// All 2^64 offsets are used up.
    #[error("the log has no offsets left")]
    OffsetsUsedUp,
    /// The directory holds no log.
    #[error("{} does not exist", dir.display())]
    NoLog {
        /// The directory.
        dir: PathBuf,
    },
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Disk(e) => e.kind(),
            Error::Poisoned { .. } => ErrorKind::Poisoned,
            Error::NoLog { .. } | Error::OutOfRange { .. } => ErrorKind::NotFound,
            Error::TooLong { .. } | Error::Setting { .. } | Error::Id { .. } | Error::OffsetsUsedUp => {
                ErrorKind::Input
            }
        }
    }
}

/// A damaged file, as the disk crate names damage.
pub(crate) fn corrupt(
    path: &Path,
    offset: Option<u64>,
    what: &'static str,
    expected: impl ToString,
    actual: impl ToString,
) -> cairn_disk::Error {
    cairn_disk::Error::Corrupt {
        path: path.to_owned(),
        offset,
        what,
        expected: expected.to_string(),
        actual: actual.to_string(),
    }
}
