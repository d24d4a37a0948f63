//! What can go wrong with a snapshot, and what the caller can do about it.

use crate::finding::Finding;
use cairn_disk::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A result of a snapshot operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed snapshot operation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Stored bytes are not what was written. The finding says where, what was expected and what is there.
    #[error("{0}")]
    Damaged(Box<Finding>),
    /// The file's format version is not one this build reads.
    #[error("{}: Version mismatch: expected {expected}, got {actual}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The newest version this build reads.
        expected: u32,
        /// The version in the file.
        actual: u32,
    },
    /// The request is wrong; the message says what was expected and what came.
    #[error("{0}")]
    Input(String),
    /// A path that leads out of the directories that may be used.
    #[error("Invalid filepath: path traversal detected")]
    PathTraversal {
        /// The path as it was given.
        given: String,
    },
    /// The asked thing does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The named thing exists already.
    #[error("{0}")]
    Exists(String),
    /// Another writer held the repository's lock for as long as was waited.
    #[error("{}: locked by {holder}; waited {} s for it", path.display(), waited.as_secs())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself: its process and what it does.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The caller asked to stop. Nothing was published.
    #[error("cancelled")]
    Cancelled,
    /// Something that should not be possible.
    #[error("internal error: {0}; please report it")]
    Bug(String),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] cairn_engine::Error),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] cairn_disk::Error),
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Damaged(_) => ErrorKind::Corrupt,
            Error::Version { .. } => ErrorKind::Version,
            Error::Input(_) | Error::PathTraversal { .. } => ErrorKind::Input,
            Error::NotFound(_) => ErrorKind::NotFound,
            Error::Exists(_) => ErrorKind::Exists,
            Error::Locked { .. } => ErrorKind::Locked,
            Error::Cancelled => ErrorKind::Busy,
            Error::Bug(_) => ErrorKind::Bug,
            Error::Engine(e) => e.kind(),
            Error::Disk(e) => e.kind(),
        }
    }

    /// What was found damaged, when that is what this error says: a server prints its parts on lines of their own.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Error::Damaged(finding) => Some(finding),
            _ => None,
        }
    }

    /// The message in the words of nvecd's documents, without the path: `CRC mismatch: file may be corrupted`,
    /// `Version mismatch: expected 1, got 2`, `Permission denied`; any other message as it is.
    pub fn headline(&self) -> String {
        match self {
            Error::Damaged(finding) => finding.what.clone(),
            Error::Version { expected, actual, .. } => {
                format!("Version mismatch: expected {expected}, got {actual}")
            }
            Error::Disk(e) if e.kind() == ErrorKind::Permission => "Permission denied".to_owned(),
            other => other.to_string(),
        }
    }

    /// Damage in a file.
    pub(crate) fn damaged(
        path: &Path,
        offset: Option<u64>,
        what: impl Into<String>,
        expected: impl ToString,
        actual: impl ToString,
    ) -> Error {
        Error::Damaged(Box::new(Finding {
            path: path.to_owned(),
            offset,
            what: what.into(),
            expected: expected.to_string(),
            actual: actual.to_string(),
        }))
    }
}
