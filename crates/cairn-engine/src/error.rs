//! What can go wrong in the engine, and what the caller can do about it.

use cairn_disk::ErrorKind;
use std::path::PathBuf;

/// A result of the engine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed engine operation. Cheap to clone: one failed sync is reported to every write of its batch.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong; the message says what was expected and what came.
    #[error("{0}")]
    Input(String),
    /// The asked thing does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Bytes that do not decode. Wrapped with the file and place by whoever read them.
    #[error("cannot decode: {0}")]
    Decode(&'static str),
    /// A stored file is damaged.
    #[error("{}: {what}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What is wrong, with expected and actual.
        what: String,
    },
    /// The state is being replaced: writes must wait.
    #[error("LOADING ({0}): reads go on, writes when it is done")]
    Loading(String),
    /// The state is one of the past, opened to be read.
    #[error("READONLY {0}: writes are refused")]
    ReadOnly(String),
    /// More log waits for the archive than may.
    #[error("writes are refused: {0}")]
    ArchiveBehind(String),
    /// The collection holds as much as it may.
    #[error("Quota exceeded: {0}")]
    Quota(String),
    /// There is too little free space for work that can wait.
    #[error("{0}")]
    NoRoom(String),
    /// The point in time cannot be had back.
    #[error("{what}; recoverable: {window}")]
    OutOfWindow {
        /// What was asked for, and why it cannot be had.
        what: String,
        /// What can.
        window: String,
    },
    /// A write or a sync failed earlier: reads go on, writes are refused until a restart.
    #[error("writes are refused since an earlier failure: {0}; restart to recover")]
    Poisoned(String),
    /// It was told to end before it was done ([`crate::Options::cancel`]).
    #[error("{0}: cancelled, the server is stopping")]
    Cancelled(&'static str),
    /// The engine was closed.
    #[error("the engine is closed")]
    Closed,
    /// Something that should not be possible.
    #[error("internal error: {0}; please report it")]
    Bug(String),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] cairn_log::Error),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] cairn_disk::Error),
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Input(_) | Error::ReadOnly(_) => ErrorKind::Input,
            Error::NotFound(_) | Error::OutOfWindow { .. } => ErrorKind::NotFound,
            Error::ArchiveBehind(_) | Error::Quota(_) | Error::NoRoom(_) => ErrorKind::NoSpace,
            Error::Decode(_) | Error::Corrupt { .. } => ErrorKind::Corrupt,
            Error::Loading(_) | Error::Cancelled(_) | Error::Closed => ErrorKind::Busy,
            Error::Poisoned(_) => ErrorKind::Poisoned,
            Error::Bug(_) => ErrorKind::Bug,
            Error::Log(e) => e.kind(),
            Error::Disk(e) => e.kind(),
        }
    }

    /// Names the file in which something did not decode.
    pub(crate) fn in_file(self, path: &std::path::Path) -> Error {
        match self {
            Error::Decode(what) => Error::Corrupt { path: path.to_owned(), what: what.to_owned() },
            Error::Input(what) => Error::Corrupt { path: path.to_owned(), what },
            other => other,
        }
    }
}
