//! The refusal: what a server said no with, and what the caller can do.

use crate::ErrorKind;
use std::fmt;

/// Why the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The message without `(error)` or `ERROR`.
    pub message: String,
    /// Further lines, of a failed VERIFY: `expected: 0x…`.
    pub details: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.details.iter().try_for_each(|line| write!(f, "; {line}"))
    }
}

/// How messages begin, and what that means. Looked at first: what a message quotes comes later in it.
const BEGINNINGS: [(&str, ErrorKind); 22] = [
    ("noauth", ErrorKind::Auth),
    ("invalid password", ErrorKind::Auth),
    ("wrongpass", ErrorKind::Auth),
    ("noperm", ErrorKind::Auth),
    ("loading", ErrorKind::Retry),
    ("cannot save snapshot: read-only mode", ErrorKind::Retry),
    ("readonly", ErrorKind::Unavailable),
    ("permission denied", ErrorKind::Unavailable),
    ("too many connections", ErrorKind::SlowDown),
    ("too many wrong passwords", ErrorKind::SlowDown),
    ("rate limit", ErrorKind::SlowDown),
    ("quota exceeded", ErrorKind::Limit),
    ("request exceeds", ErrorKind::Limit),
    ("query vector not found", ErrorKind::NotFound),
    ("vector not found", ErrorKind::NotFound),
    ("collection not found", ErrorKind::NotFound),
    ("alias not found", ErrorKind::NotFound),
    ("snapshot not found", ErrorKind::NotFound),
    ("file not found", ErrorKind::NotFound),
    ("unknown variable", ErrorKind::NotFound),
    ("configuration path not found", ErrorKind::NotFound),
    ("collection exists", ErrorKind::Exists),
];

/// Words inside messages, and what they mean; the first that is found decides.
const WORDS: [(&str, ErrorKind); 20] = [
    ("fate is unknown", ErrorKind::Unknown),
    ("(network.allow_cidrs)", ErrorKind::Auth),
    ("try again later", ErrorKind::Retry),
    ("locked by pid", ErrorKind::Retry),
    ("the server is stopping", ErrorKind::Retry),
    ("rate limit", ErrorKind::SlowDown),
    ("restart to recover", ErrorKind::Unavailable),
    ("no space left", ErrorKind::Unavailable),
    ("archive.backlog_max", ErrorKind::Unavailable),
    ("takes no writes since an earlier failure", ErrorKind::Unavailable),
    ("is damaged", ErrorKind::Damaged),
    ("crc mismatch", ErrorKind::Damaged),
    ("sha-256 mismatch", ErrorKind::Damaged),
    ("exceeds maximum allowed", ErrorKind::Limit),
    ("does not exist", ErrorKind::NotFound),
    ("cannot be recovered", ErrorKind::NotFound),
    ("not here; there are", ErrorKind::NotFound),
    ("is not in the log", ErrorKind::NotFound),
    ("has no partition", ErrorKind::NotFound),
    ("exists already", ErrorKind::Exists),
];

impl Refusal {
    /// What the caller can do, told from the message, since the wire has no codes. What is not known here is
    /// [`ErrorKind::Input`]: sent again as it is, it is refused again.
    pub fn kind(&self) -> ErrorKind {
        let message = self.message.to_ascii_lowercase();
        let begins = BEGINNINGS.iter().find(|(words, _)| message.starts_with(words));
        let found = begins.or_else(|| WORDS.iter().find(|(words, _)| message.contains(words)));
        found.map_or(ErrorKind::Input, |(_, kind)| *kind)
    }
}
