//! What can go wrong on a disk, and what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a caller can do about an error. Shared by every crate of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong: change it.
    Input,
    /// The named thing does not exist.
    NotFound,
    /// The named thing exists already.
    Exists,
    /// Another process holds it.
    Locked,
    /// The disk is full: free space, then try again.
    NoSpace,
    /// The operating system refused access.
    Permission,
    /// Stored bytes are not what was written: restore from a snapshot.
    Corrupt,
    /// Written by another version of CairnDB (or of the format).
    Version,
    /// Not now (loading, shutting down): try again later.
    Busy,
    /// An earlier sync failed; only a restart helps.
    Poisoned,
    /// Any other failure of the operating system.
    Io,
    /// A bug in CairnDB: report it.
    Bug,
}

/// A result of a disk operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed disk operation. Cheap to clone: one failed sync is reported to every writer that waited for it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused or failed.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: `sync`, `rename`.
        op: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Stored bytes are not what was written.
    #[error("{}{}: {what}: expected {expected}, got {actual}", path.display(), at(*.offset))]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where in the file, when known.
        offset: Option<u64>,
        /// What was checked: `CRC mismatch`, `size mismatch`, `magic`.
        what: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        actual: String,
    },
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
    /// Another process holds the lock.
    #[error("{} is locked by {holder}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
}

fn at(offset: Option<u64>) -> String {
    offset.map(|o| format!(" at byte {o}")).unwrap_or_default()
}

impl Error {
    /// Wraps an error of the operating system.
    pub fn io(op: &'static str, path: &Path, source: io::Error) -> Self {
        Error::Io { op, path: path.to_owned(), source: Arc::new(source) }
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Corrupt { .. } => ErrorKind::Corrupt,
            Error::Version { .. } => ErrorKind::Version,
            Error::Locked { .. } => ErrorKind::Locked,
            Error::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => ErrorKind::Exists,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
                io::ErrorKind::WouldBlock => ErrorKind::Busy,
                io::ErrorKind::InvalidInput => ErrorKind::Input,
                _ => ErrorKind::Io,
            },
        }
    }
}
