//! Mapped files: bytes that the system reads when they are used, and may drop again.

use crate::{Advice, Bytes, Error, Result};
use std::fs;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

impl Bytes for Vec<u8> {}

/// Where a mapping of a file begins is a multiple of this, and more.
const ALIGN: usize = 64;

/// A file's bytes in memory, aligned as a mapping would be: whoever asks for aligned columns has them on every disk.
pub(crate) struct InMemory {
    buffer: Vec<u8>,
    at: usize,
    bytes: usize,
}

impl InMemory {
    pub(crate) fn new(bytes: &[u8]) -> InMemory {
        let mut buffer = vec![0; bytes.len() + ALIGN];
        // The buffer stays where it is.
        let at = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
        buffer[at..at + bytes.len()].copy_from_slice(bytes);
        InMemory { buffer, at, bytes: bytes.len() }
    }
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InMemory").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Deref for InMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.at..self.at + self.bytes]
    }
}

impl Bytes for InMemory {}

/// A whole file, mapped.
#[derive(Debug)]
struct Mapped {
    map: memmap2::Mmap,
    path: PathBuf,
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl Mapped {
    fn told<T>(&self, what: &'static str, result: io::Result<T>) -> Result<T> {
        result.map_err(|e| Error::io(what, &self.path, e))
    }
}

impl Bytes for Mapped {
    fn is_mapped(&self) -> bool {
        true
    }

    fn advise(&self, advice: Advice) -> Result<()> {
        let advice = match advice {
            Advice::Normal => memmap2::Advice::Normal,
            Advice::Random => memmap2::Advice::Random,
            Advice::Sequential => memmap2::Advice::Sequential,
        };
        self.told("advise", self.map.advise(advice))
    }

    fn will_need(&self, range: Range<usize>) -> Result<()> {
        let asked = self.map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        self.told("advise", asked)
    }

    fn populate(&self) -> Result<()> {
        self.told("populate", self.map.advise(memmap2::Advice::WillNeed))?;
        // Asking is not reading: every page is touched once.
        let page = rustix::param::page_size();
        let touched = self.map.iter().step_by(page).fold(0u8, |sum, byte| sum ^ byte);
        std::hint::black_box(touched);
        Ok(())
    }

    fn resident_bytes(&self) -> Result<u64> {
        let page = rustix::param::page_size();
        let mut pages = vec![0u8; self.map.len().div_ceil(page)];
        // SAFETY: the mapping is page-aligned and lives as long as `self`; `pages` has a byte for each of its pages.
        let done = unsafe {
            libc::mincore(self.map.as_ptr().cast_mut().cast(), self.map.len(), pages.as_mut_ptr().cast())
        };
        if done != 0 {
            return self.told("mincore", Err(io::Error::last_os_error()));
        }
        let resident = pages.iter().filter(|page| **page & 1 == 1).count() * page;
        Ok(resident.min(self.map.len()) as u64)
    }
}

/// The whole file, mapped.
pub(crate) fn map(file: &fs::File, path: &Path) -> Result<Box<dyn Bytes>> {
    let failed = |e| Error::io("map", path, e);
    if file.metadata().map_err(failed)?.len() == 0 {
        return Ok(Box::new(Vec::new()));
    }
    // SAFETY: `File::map` has the caller promise that the file is immutable, and files it is used for are written once
    // and then only removed, which leaves a mapping valid. Another program that cuts such a file can make a read fail
    // with SIGBUS; the data directory's lock and its mode 0700 are what stands against that.
    let map = unsafe { memmap2::Mmap::map(file) }.map_err(failed)?;
    Ok(Box::new(Mapped { map, path: path.to_owned() }))
}
