//! The state of an import: where an interrupted one goes on (docs/format.md, "State of an import").

use crate::error::{Error, Result};
use crate::report::Counts;
use crate::rows::{Place, RowReader};
use cairn_disk::{Storage, parent_dir, sealed};
use std::path::Path;

const MAGIC: &str = "cairndb-import";
const VERSION: u32 = 1;
/// The keys, in the file's order.
const KEYS: [&str; 11] = [
    "target",
    "format",
    "file_bytes",
    "file_sample",
    "rows",
    "lines",
    "bytes",
    "crc",
    "read",
    "written",
    "skipped",
];

/// Where the state of an import is kept.
#[derive(Clone, Copy)]
pub struct StateFile<'a> {
    /// The disk.
    pub storage: &'a dyn Storage,
    /// The file. It is removed when the import is done.
    pub path: &'a Path,
    /// Where the rows go, in the caller's words: an import into another place is another import.
    pub target: &'a str,
}

impl std::fmt::Debug for StateFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateFile")
            .field("path", &self.path)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl StateFile<'_> {
    /// Takes the reader to where the import stopped, and says what was done by then; `None`: there is no state.
    pub(crate) fn load(&self, reader: &mut dyn RowReader) -> Result<Option<(Place, Counts)>> {
        if self.storage.stat(self.path)?.is_none() {
            return Ok(None);
        }
        let entries = sealed::read_text(self.storage, self.path, MAGIC, VERSION)?;
        let keys = entries.iter().map(|(key, _)| key.as_str());
        if !keys.eq(KEYS) {
            return Err(self.damaged("keys", &KEYS.join(" "), "others"));
        }
        let number = |n: usize, radix| {
            let (key, value) = &entries[n];
            u64::from_str_radix(value, radix).map_err(|_| self.damaged(key, "a number", value))
        };
        let crc = |n| number(n, 16)?.try_into().map_err(|_| self.damaged("crc", "32 bits", &entries[n].1));
        let place =
            Place { rows: number(4, 10)?, lines: number(5, 10)?, bytes: number(6, 10)?, crc: crc(7)? };
        let counts = Counts { read: number(8, 10)?, written: number(9, 10)?, skipped: number(10, 10)? };
        for (n, now) in self.identity(reader).into_iter().enumerate() {
            let (key, before) = &entries[n];
            if now != *before {
                let what = KEYS.iter().find(|k| *k == key).copied().unwrap_or("state");
                return Err(reader.input().changed(what, before, now));
            }
        }
        reader.resume(&place)?;
        Ok(Some((place, counts)))
    }

    /// Makes a place durable.
    pub(crate) fn save(&self, reader: &Identity, place: &Place, counts: &Counts) -> Result<()> {
        let numbers = [place.rows, place.lines, place.bytes].map(|n| n.to_string());
        let done = [counts.read, counts.written, counts.skipped].map(|n| n.to_string());
        let crc = format!("{:08x}", place.crc);
        let values = reader.iter().chain(&numbers).chain([&crc]).chain(&done);
        let entries: Vec<(&str, &str)> = KEYS.into_iter().zip(values.map(String::as_str)).collect();
        Ok(sealed::write_text(self.storage, self.path, MAGIC, VERSION, &entries)?)
    }

    /// Removes the state: the import is done.
    pub(crate) fn remove(&self) -> Result<()> {
        if self.storage.stat(self.path)?.is_some() {
            self.storage.remove(self.path)?;
            self.storage.sync_dir(parent_dir(self.path))?;
        }
        Ok(())
    }

    /// What an import is told from another by.
    pub(crate) fn identity(&self, reader: &dyn RowReader) -> Identity {
        let stored = reader.input().stored();
        let bytes = stored.map_or("-".to_owned(), |stored| stored.bytes.to_string());
        let sample = stored.map_or("-".to_owned(), |stored| format!("{:08x}", stored.sample));
        [self.target.to_owned(), reader.format().name().to_owned(), bytes, sample]
    }

    fn damaged(&self, what: &str, expected: &str, got: &str) -> Error {
        Error::Format {
            name: self.path.display().to_string(),
            place: "state of an import".to_owned(),
            what: what.to_owned(),
            expected: expected.to_owned(),
            got: crate::bad_row::shown(got),
        }
    }
}

/// Target, format, length and sample of what is imported.
pub(crate) type Identity = [String; 4];
