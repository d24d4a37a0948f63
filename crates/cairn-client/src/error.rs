//! The error: what can go wrong between a client and its server.

use crate::Refusal;
use std::io;
use std::time::Duration;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Send the same again, after a while: it was not done.
    Retry,
    /// Send less often, or over fewer connections: it was not done.
    SlowDown,
    /// It may have been done or not: look before sending it again.
    Unknown,
    /// Fix the request.
    Input,
    /// Say the right password first, or come from an address that is allowed.
    Auth,
    /// What it names is not there.
    NotFound,
    /// What it would make is there already.
    Exists,
    /// It passes a limit or quota: ask for less, or raise the setting that the message names.
    Limit,
    /// Data is damaged: restore or repair.
    Damaged,
    /// The server cannot do it until somebody looks after it: a full or failing disk, a state that is served read-only.
    Unavailable,
    /// This is no CairnDB or nvecd, or one of another version: look at the address.
    Protocol,
}

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No connection to the server.
    #[error("cannot connect to {addr}: {source}")]
    Connect {
        /// The address as given.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection failed while reading or writing. Replies not yet received are lost.
    #[error("{op} failed: {source}")]
    Io {
        /// `read` or `write`.
        op: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not answer in time. The connection cannot be used any more: a late reply would be taken for
    /// another request's.
    #[error("no {what} within {} ms", after.as_millis())]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The server closed the connection before it had answered everything.
    #[error("the server closed the connection with {unanswered} requests unanswered")]
    Closed {
        /// Requests sent whose replies did not arrive.
        unanswered: u64,
    },
    /// A request that changes something was sent, and no answer came: it may have been done or not.
    #[error("it is unknown whether {request} was done: {source}")]
    FateUnknown {
        /// The request's first words.
        request: String,
        /// Why no answer came.
        source: Box<Error>,
    },
    /// An earlier failure left requests and replies out of step: open another connection.
    #[error("the connection is unusable after an earlier failure")]
    Broken,
    /// The bytes received are no reply of this protocol.
    #[error("not a reply: {0}")]
    Protocol(String),
    /// The request cannot be sent as it is.
    #[error("{0}")]
    Input(String),
    /// The server refused the request.
    #[error("{0}")]
    Refused(Refusal),
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Connect { source, .. } if !may_pass(source) => ErrorKind::Input,
            // Of a write it would be `FateUnknown`.
            Error::Connect { .. } | Error::Io { .. } | Error::Timeout { .. } | Error::Closed { .. } => {
                ErrorKind::Retry
            }
            Error::Broken => ErrorKind::Retry,
            Error::FateUnknown { .. } => ErrorKind::Unknown,
            Error::Protocol(_) => ErrorKind::Protocol,
            Error::Input(_) => ErrorKind::Input,
            Error::Refused(refusal) => refusal.kind(),
        }
    }

    /// The server's own message, when it was the server that refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether the connection may be at fault, and another one may help.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Error::Connect { source, .. } => may_pass(source),
            Error::Timeout { what, .. } => *what == "connection",
            Error::Io { .. } | Error::Closed { .. } | Error::Broken => true,
            _ => false,
        }
    }

    pub(crate) fn read(source: io::Error) -> Self {
        Error::Io { op: "read", source }
    }

    pub(crate) fn write(source: io::Error) -> Self {
        Error::Io { op: "write", source }
    }
}

/// Whether connecting may succeed later: an address that is none never does.
fn may_pass(source: &io::Error) -> bool {
    !matches!(source.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied)
}
