//! The `Storage` trait: every way CairnDB touches files.

use crate::{Error, Result, Throttle};
use std::fmt;
use std::io;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

/// What a path is. Symbolic links are never followed by [`Storage::stat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, a socket, anything else.
    Other,
}

/// What [`Storage::stat`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub file_type: FileType,
    /// Its length in bytes (0 for a directory).
    pub bytes: u64,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The last component of its path. Names that are not UTF-8 are left out: CairnDB writes none.
    pub name: String,
    /// What it is.
    pub stat: Stat,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing an existing file.
    Write,
}

/// How mapped bytes will be read: advice to the system, never more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Advice {
    /// Nothing is known.
    Normal,
    /// Here and there: nothing is read ahead.
    #[default]
    Random,
    /// From the beginning on: much is read ahead.
    Sequential,
}

/// A file's bytes, mapped or held in memory.
pub trait Bytes: Deref<Target = [u8]> + Send + Sync + fmt::Debug {
    /// Whether the system may drop them from memory and read them from the file again.
    fn is_mapped(&self) -> bool {
        false
    }

    /// Tells the system how they will be read.
    fn advise(&self, _advice: Advice) -> Result<()> {
        Ok(())
    }

    /// Asks the system to read some of them into memory soon. Nothing waits for it.
    fn will_need(&self, _range: Range<usize>) -> Result<()> {
        Ok(())
    }

    /// Reads all of them into memory now, as far as there is room.
    fn populate(&self) -> Result<()> {
        Ok(())
    }

    /// How many of them are in memory now, whole pages.
    fn resident_bytes(&self) -> Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A disk: directories of files, and when what is written lasts.
///
/// **Durability.** Nothing lasts until it is synced: a file's bytes by [`File::sync`], a directory's entries (create,
/// rename, link, remove) by [`Storage::sync_dir`] on that directory. After a crash, what was not synced may be there
/// whole, in part, or not at all, and in any order.
///
/// Paths are absolute or relative to the process, as the operating system takes them. Every method may be called from
/// any thread.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Creates a new file (mode 0600), open for reading and writing. It is an error if the path exists.
    fn create(&self, path: &Path) -> Result<Box<dyn File>>;
    /// Opens an existing file.
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>>;
    /// What is at `path`; `None` when nothing is. Does not follow a symbolic link at the end.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;
    /// The entries of a directory, by name.
    fn list(&self, dir: &Path) -> Result<Vec<Entry>>;
    /// Creates a directory and the missing ones above it (mode 0700). An existing directory is fine. The entry of each
    /// directory made lasts once *its parent* is synced.
    fn create_dir_all(&self, dir: &Path) -> Result<()>;
    /// Renames a file or directory, replacing a file that is at `to`. Atomic: after a crash, `to` is the old or the new.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// A second name for the same file.
    fn link(&self, from: &Path, to: &Path) -> Result<()>;
    /// A copy that shares blocks where the file system can, and an ordinary copy elsewhere. Not yet synced.
    fn reflink(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> Result<()>;
    /// As [`Storage::remove`]: the name is gone at once. The file's space is given back later where that would hold up those
    /// who wait for syncs, as `throttle` knows; at the latest when the process ends.
    fn remove_gently(&self, path: &Path, throttle: &Throttle) -> Result<()> {
        let _ = throttle;
        self.remove(path)
    }
    /// Removes a directory and everything in it; nothing there is fine. Never follows links.
    fn remove_dir_all(&self, dir: &Path) -> Result<()>;
    /// Makes the entries of a directory last.
    fn sync_dir(&self, dir: &Path) -> Result<()>;
    /// Takes an exclusive lock, held until the guard is dropped or the process dies. The lock file is created when
    /// missing, and `holder` written into it for people. When held: [`Error::Locked`] with what its holder wrote.
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn LockGuard>>;
    /// Free bytes on the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> Result<u64>;
    /// The path with every symbolic link resolved. It must exist.
    fn canonical(&self, path: &Path) -> Result<PathBuf>;
}

/// A lock held on a path; dropped, it is released.
pub trait LockGuard: Send + Sync + fmt::Debug {}

/// An open file.
pub trait File: Send + Sync + fmt::Debug {
    /// The path it was opened by.
    fn path(&self) -> &Path;
    /// Its length in bytes, unsynced ones included.
    fn bytes(&self) -> Result<u64>;
    /// Reads at most `buf.len()` bytes at `offset`; 0 at or past the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;
    /// Writes all of `bytes` after the last byte. Lasts once synced. After an error, how much was written is unknown.
    fn append(&self, bytes: &[u8]) -> Result<()>;
    /// Writes all of `bytes` at `offset`, which is at most the file's length.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;
    /// Cuts the file to `bytes`. Lasts once synced.
    fn truncate(&self, bytes: u64) -> Result<()>;
    /// Makes the file's bytes and length last (its directory entry does not: [`Storage::sync_dir`]). After an error,
    /// nothing unsynced may be counted on, and a later sync that succeeds proves nothing about it.
    fn sync(&self) -> Result<()>;
    /// As [`File::append`], as fast as `throttle` allows beside those who wait for syncs. Only the time differs.
    fn append_gently(&self, bytes: &[u8], throttle: &Throttle) -> Result<()> {
        throttle.pass(bytes.len() as u64);
        self.append(bytes)
    }
    /// The whole file as bytes, mapped where the disk can. The caller promises that it is immutable.
    fn map(&self) -> Result<Box<dyn Bytes>>;

    /// Reads exactly `buf.len()` bytes at `offset`.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buf.len() {
            let n = self.read_at(offset + done as u64, &mut buf[done..])?;
            if n == 0 {
                return Err(Error::io("read", self.path(), io::ErrorKind::UnexpectedEof.into()));
            }
            done += n;
        }
        Ok(())
    }
}
