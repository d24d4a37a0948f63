//! A failed command: its exit code, what happened, and what to do next.

use crate::exit::Exit;
use cairn_disk::ErrorKind;
use std::fmt;
use std::io;

/// A result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// What the process exits with.
    pub exit: Exit,
    /// What happened where; empty when there is nothing to say (the reader went away, or it was said already).
    pub message: String,
    /// What to do about it.
    pub next: Option<String>,
}

impl Failure {
    /// A failure in our own words.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), next: None }
    }

    /// A failure that needs no words: the output said it.
    pub fn silent(exit: Exit) -> Self {
        Failure::new(exit, "")
    }

    /// Says what to do next.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// An error of a crate below, which knows its kind.
    pub fn of_kind(kind: ErrorKind, error: &dyn fmt::Display) -> Self {
        let next = match kind {
            ErrorKind::Locked => {
                "stop that process first, or ask the running server: cairn exec CHECK, cairn snapshot … --addr HOST:PORT"
            }
            ErrorKind::Corrupt => {
                "nothing was changed; restore a snapshot beside it (cairn snapshot restore ID --repo DIR --data NEWDIR), or see what can be saved: cairn repair DIR --dry-run"
            }
            ErrorKind::NoSpace => "free space on that file system, then run the same command again",
            ErrorKind::Permission => "run as the user that owns these files, or change their owner",
            ErrorKind::Version => "it was written by another version of CairnDB: use that version",
            ErrorKind::Poisoned => "a sync failed: look at the disk, then restart the server",
            ErrorKind::Busy => "try again in a moment",
            ErrorKind::Bug => "this is a bug in CairnDB: please report it with this message",
            _ => "",
        };
        let failure = Failure::new(kind.into(), error.to_string());
        if next.is_empty() { failure } else { failure.next(next) }
    }
}

impl From<cairn_disk::Error> for Failure {
    fn from(error: cairn_disk::Error) -> Self {
        Failure::of_kind(error.kind(), &error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever read our output has read enough.
            io::ErrorKind::BrokenPipe => Failure::silent(Exit::Done),
            io::ErrorKind::NotFound => Failure::new(Exit::NotFound, error.to_string()),
            io::ErrorKind::PermissionDenied | io::ErrorKind::StorageFull => {
                Failure::new(Exit::NoSpace, error.to_string())
            }
            _ => Failure::new(Exit::Failed, error.to_string()),
        }
    }
}
