//! The exit codes: what a script may rely on.

use cairn_disk::ErrorKind;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Damage found.
    Damage = 3,
    /// Not found.
    NotFound = 4,
    /// Locked by another process.
    Locked = 5,
    /// No space or no permission.
    NoSpace = 6,
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Input => Exit::Usage,
            ErrorKind::Corrupt => Exit::Damage,
            ErrorKind::NotFound => Exit::NotFound,
            ErrorKind::Locked => Exit::Locked,
            ErrorKind::NoSpace | ErrorKind::Permission => Exit::NoSpace,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
