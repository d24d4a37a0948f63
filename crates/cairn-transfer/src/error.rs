//! What can go wrong in a transfer, and what the caller can do about it.

use cairn_disk::ErrorKind;
use std::sync::Arc;

/// A result of a transfer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed transfer. A bad row is none: see [`crate::BadRow`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong; the message says what was expected and what came.
    #[error("{0}")]
    Input(String),
    /// What is read is not of its format, or ends early: nothing after this place can be read.
    #[error("{name}: {place}: {what}: expected {expected}, got {got}")]
    Format {
        /// What was read: a path, or a name for a stream.
        name: String,
        /// Where: `header`, `row 7`, `byte 128`.
        place: String,
        /// What was looked at.
        what: String,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// Reading failed; what was read is cut short, or its compression is damaged.
    #[error("{name}: at byte {position}: {source}")]
    Read {
        /// What was read.
        name: String,
        /// After how many bytes, decompressed.
        position: u64,
        /// What the system, or the decompressor, said.
        source: Arc<std::io::Error>,
    },
    /// Writing the export failed.
    #[error("writing the export: {0}")]
    Write(Arc<std::io::Error>),
    /// The format cannot carry what is to be exported.
    #[error("{format} cannot carry {what}")]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// What, naming the item.
        what: String,
    },
    /// What is read is not what the interrupted import read.
    #[error("{name} is not the file that the import began with: {what}: expected {expected}, got {got}")]
    Changed {
        /// What was read.
        name: String,
        /// What was compared.
        what: &'static str,
        /// As the state file says.
        expected: String,
        /// As it is now.
        got: String,
    },
    /// The receiver of rows failed: not because of a row.
    #[error("{message}")]
    Sink {
        /// What the caller can do.
        kind: ErrorKind,
        /// What the receiver said.
        message: String,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Something that should not be possible.
    #[error("internal error: {0}; please report it")]
    Bug(String),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] cairn_disk::Error),
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Input(_) | Error::Unsupported { .. } | Error::Changed { .. } => ErrorKind::Input,
            Error::Format { .. } => ErrorKind::Corrupt,
            Error::Read { source, .. } => match source.kind() {
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => ErrorKind::Corrupt,
                _ => ErrorKind::Io,
            },
            Error::Write(source) => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
                _ => ErrorKind::Io,
            },
            Error::Sink { kind, .. } => *kind,
            Error::Cancelled => ErrorKind::Busy,
            Error::Bug(_) => ErrorKind::Bug,
            Error::Disk(e) => e.kind(),
        }
    }

    /// An export that could not be written.
    pub(crate) fn write(source: std::io::Error) -> Error {
        Error::Write(Arc::new(source))
    }
}
