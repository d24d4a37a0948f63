//! `LogSource`: the bytes of a segment of the log, as they are on its disk.

use super::record_stream::Source;
use crate::error::Result;
use cairn_disk::{Access, File, Storage};
use std::path::Path;

/// Reads a log's file from a position on.
pub(crate) struct LogSource {
    file: Box<dyn File>,
    at: u64,
}

impl LogSource {
    /// Opens the file at `path`; once open, the removal of its name does not disturb it.
    pub fn open(storage: &dyn Storage, path: &Path, at: u64) -> Result<LogSource> {
        Ok(LogSource { file: storage.open(path, Access::Read)?, at })
    }

    /// The same file, from another position on.
    pub fn at(self, at: u64) -> LogSource {
        LogSource { at, ..self }
    }
}

impl Source for LogSource {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let got = self.file.read_at(self.at, buf)?;
        self.at += got as u64;
        Ok(got)
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn offsets(&self) -> &'static str {
        ""
    }

    /// A log has nothing beyond its records that vouches for them.
    fn finish(&mut self, _last: u64, _last_us: i64) -> Result<()> {
        Ok(())
    }
}
