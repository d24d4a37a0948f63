//! One file in several: bytes that are appended go to the files they belong to, and are read from them in their order.

use super::wrapped::{Unwrapped, Wrapping};
use cairn_disk::{Bytes, File};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};

type DiskResult<T> = std::result::Result<T, cairn_disk::Error>;

fn unsupported(path: &Path) -> cairn_disk::Error {
    cairn_disk::Error::io("use as a plain file", path, io::ErrorKind::Unsupported.into())
}

/// Appends runs of bytes to several files.
#[derive(Debug)]
pub(crate) struct Split {
    path: PathBuf,
    /// Where each run ends, and its file.
    routes: Vec<(u64, usize)>,
    files: Vec<Wrapping>,
    at: Mutex<u64>,
}

impl Split {
    pub(crate) fn new(path: &Path, routes: Vec<(u64, usize)>, files: Vec<Wrapping>) -> Split {
        Split { path: path.to_owned(), routes, files, at: Mutex::new(0) }
    }

    pub(crate) fn files(&self) -> &[Wrapping] {
        &self.files
    }
}

impl File for Split {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> DiskResult<u64> {
        Ok(*self.at.lock())
    }

    fn read_at(&self, _offset: u64, _buf: &mut [u8]) -> DiskResult<usize> {
        Err(unsupported(&self.path))
    }

    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        let at = &mut *self.at.lock();
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((end, file)) = self.routes.iter().find(|(end, _)| *end > *at) else {
                return Err(unsupported(&self.path));
            };
            let n = (end - *at).min(rest.len() as u64) as usize;
            self.files[*file].append(&rest[..n])?;
            *at += n as u64;
            rest = &rest[n..];
        }
        Ok(())
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> DiskResult<()> {
        Err(unsupported(&self.path))
    }

    fn truncate(&self, _bytes: u64) -> DiskResult<()> {
        Err(unsupported(&self.path))
    }

    fn sync(&self) -> DiskResult<()> {
        self.files.iter().try_for_each(File::sync)
    }

    fn map(&self) -> DiskResult<Box<dyn Bytes>> {
        Err(unsupported(&self.path))
    }
}

/// A run of bytes in one of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub file: usize,
    pub at: u64,
    pub bytes: u64,
}

/// Several files, read as one.
#[derive(Debug)]
pub(crate) struct Pieces {
    path: PathBuf,
    places: Vec<Place>,
    files: Vec<Unwrapped>,
}

impl Pieces {
    pub(crate) fn new(path: &Path, places: Vec<Place>, files: Vec<Unwrapped>) -> Pieces {
        Pieces { path: path.to_owned(), places, files }
    }
}

impl File for Pieces {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> DiskResult<u64> {
        Ok(self.places.iter().map(|place| place.bytes).sum())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> DiskResult<usize> {
        let mut before = 0;
        for place in &self.places {
            if offset < before + place.bytes {
                let within = offset - before;
                let n = (place.bytes - within).min(buf.len() as u64) as usize;
                return self.files[place.file].read_at(place.at + within, &mut buf[..n]);
            }
            before += place.bytes;
        }
        Ok(0)
    }

    fn append(&self, _bytes: &[u8]) -> DiskResult<()> {
        Err(unsupported(&self.path))
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> DiskResult<()> {
        Err(unsupported(&self.path))
    }

    fn truncate(&self, _bytes: u64) -> DiskResult<()> {
        Err(unsupported(&self.path))
    }

    fn sync(&self) -> DiskResult<()> {
        Err(unsupported(&self.path))
    }

    fn map(&self) -> DiskResult<Box<dyn Bytes>> {
        Err(unsupported(&self.path))
    }
}
