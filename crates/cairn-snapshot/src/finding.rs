//! A finding: one thing that a check found wrong.

use crate::error::{Error, Result};
use cairn_disk::ErrorKind;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The damaged file.
    pub path: PathBuf,
    /// Where in the file, when known.
    pub offset: Option<u64>,
    /// What was checked: `SHA-256 mismatch`, `size mismatch`, `CRC mismatch: file may be corrupted`, `missing file`.
    pub what: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub actual: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}: expected {}, got {}", self.what, self.expected, self.actual)
    }
}

impl Finding {
    /// The finding in an error met while checking `path`. An error that says nothing about the stored bytes (no
    /// permission, cancelled, out of space) is not a finding and comes back as the error it is.
    pub(crate) fn of(error: Error, path: &Path) -> Result<Finding> {
        let finding = |what: &str, expected: String, actual: String| {
            Ok(Finding { path: path.to_owned(), offset: None, what: what.to_owned(), expected, actual })
        };
        match error {
            Error::Damaged(finding) => Ok(*finding),
            Error::Version { path, expected, actual } => Ok(Finding {
                path,
                offset: None,
                what: "Version mismatch".to_owned(),
                expected: expected.to_string(),
                actual: actual.to_string(),
            }),
            Error::Disk(e) => match e.kind() {
                ErrorKind::NotFound => finding("missing file", "a file".to_owned(), "nothing".to_owned()),
                ErrorKind::Corrupt | ErrorKind::Version | ErrorKind::Io => {
                    finding("unreadable file", "a file that can be read".to_owned(), e.to_string())
                }
                _ => Err(Error::Disk(e)),
            },
            other => Err(other),
        }
    }
}
