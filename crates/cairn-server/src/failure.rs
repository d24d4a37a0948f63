//! The failure: why a request was refused, in the words of the protocol.

use cairn_engine::ErrorKind;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the caller can do about it.
    pub kind: ErrorKind,
    /// One line, without the dialect's mark.
    pub message: String,
    /// What a check expected and what it found, as `key: value`.
    pub details: Vec<(String, String)>,
}

impl Failure {
    /// A failure of one line.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), details: Vec::new() }
    }

    /// The request is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Failure::new(ErrorKind::Input, message)
    }

    /// The state is one of the past.
    pub(crate) fn read_only(what: &str) -> Self {
        Failure::from(cairn_engine::Error::ReadOnly(what.to_owned()))
    }

    /// Not now.
    pub fn busy(message: impl Into<String>) -> Self {
        Failure::new(ErrorKind::Busy, message)
    }
}

/// A word of the request as an error shows it: its beginning, when it is long.
pub(crate) fn shown(word: &str) -> String {
    const SHOWN: usize = 80;
    match word.char_indices().nth(SHOWN) {
        None => word.to_owned(),
        Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
    }
}

impl From<cairn_engine::Error> for Failure {
    fn from(error: cairn_engine::Error) -> Self {
        Failure::new(error.kind(), error.to_string())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.details.iter().try_for_each(|(key, value)| write!(f, "; {key}: {value}"))
    }
}

impl std::error::Error for Failure {}
