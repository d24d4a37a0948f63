//! The lines file: a log for people, appended to and opened anew when somebody has moved it away.

use crate::{Error, Result};
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that lines are appended to. Nothing of it is synced: it is no part of a database.
#[derive(Debug)]
pub struct LinesFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LinesFile {
    /// Opens it, or makes it, readable by its owner alone.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(LinesFile { path: path.to_owned(), file: Mutex::new(open(path)?) })
    }

    /// Opens the path again: where it was moved away, a new file. On an error the old one stays in use.
    pub fn reopen(&self) -> Result<()> {
        *self.file.lock() = open(&self.path)?;
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends, in one piece.
    pub fn append(&self, lines: &[u8]) -> io::Result<()> {
        self.file.lock().write_all(lines)
    }
}

fn open(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|e| Error::io("open", path, e))
}
