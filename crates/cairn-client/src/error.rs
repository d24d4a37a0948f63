//! What can go wrong between a client and its server.

use crate::Refusal;
use std::io;
use std::time::Duration;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

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
    /// The server's own message, when it was the server that refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    pub(crate) fn read(source: io::Error) -> Self {
        Error::Io { op: "read", source }
    }

    pub(crate) fn write(source: io::Error) -> Self {
        Error::Io { op: "write", source }
    }
}
