//! `Listing`: the files of a log's directory.

use crate::Result;
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::segment::LOG_EXTENSION;
use cairn_disk::{FileType, Storage};
use std::path::{Path, PathBuf};

/// The files of a log's directory, by what they are.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Base offsets of the `.log` files, ascending.
    pub bases: Vec<u64>,
    /// Base offsets and extensions of index files.
    pub indexes: Vec<(u64, &'static str)>,
    /// Temporary files.
    pub temporary: Vec<PathBuf>,
}

impl Listing {
    /// Lists `dir`; files that are none of a log's are left out.
    pub fn read(storage: &dyn Storage, dir: &Path) -> Result<Listing> {
        let mut listing = Listing::default();
        for entry in storage.list(dir)?.iter().filter(|e| e.stat.file_type == FileType::File) {
            let Some((stem, extension)) = entry.name.split_once('.') else { continue };
            let digits = stem.len() == 20 && stem.bytes().all(|b| b.is_ascii_digit());
            let Some(base) = stem.parse().ok().filter(|_| digits) else { continue };
            match extension {
                LOG_EXTENSION => listing.bases.push(base),
                OffsetEntry::EXTENSION => listing.indexes.push((base, OffsetEntry::EXTENSION)),
                TimeEntry::EXTENSION => listing.indexes.push((base, TimeEntry::EXTENSION)),
                _ if extension.ends_with(".tmp") => listing.temporary.push(dir.join(&entry.name)),
                _ => {}
            }
        }
        listing.bases.sort_unstable();
        Ok(listing)
    }
}
