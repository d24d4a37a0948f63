//! `LossyDisk`: real files for real processes, where SIGKILL loses what was not synced.

mod inode;
mod log;
mod tree;

use crate::real::{is_absent, lock_file};
use crate::{Access, Entry, Error, File, FileType, LockGuard, Result, Stat, Storage};
use inode::LossyFile;
use log::Node;
use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use tree::{Found, Tree};

/// A disk for crash tests of real processes. Killing a process on an ordinary disk proves little: the operating system
/// keeps what was written and never synced. Here such bytes and names stay in the process and go with it.
///
/// [`File::sync`] writes a file's unsynced bytes to the real file, [`Storage::sync_dir`] makes a directory's creates,
/// renames, links and removes in the real directory; so a file whose name was never synced has no real file. Neither
/// calls `fsync`: what has been handed to the operating system survives SIGKILL. All paths of one value show the same
/// live state; other processes see what was synced. Between directories, a rename lasts at the first sync of either.
///
/// Locks are real: taking one makes the lock file, its directory and those above it real at once.
#[derive(Debug, Default)]
pub struct LossyDisk {
    tree: Mutex<Tree>,
}

impl LossyDisk {
    /// A lossy view of the real disk, with nothing unsynced.
    pub fn new() -> Self {
        Self::default()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        let mut tree = self.tree.lock();
        tree.tidy();
        tree
    }

    fn remove_entry(&self, path: &Path, want_dir: bool) -> io::Result<()> {
        let mut tree = self.tree();
        let place = tree.place(path)?;
        tree.remove(place, want_dir)
    }
}

impl Storage for LossyDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        let mut tree = self.tree();
        let inode = tree.create(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(LossyFile { path: path.to_owned(), inode, writable: true }))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let mut tree = self.tree();
        let inode = match tree.place(path) {
            Ok(place) => tree.open(&place, access),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(Errno::ISDIR.into()),
            Err(e) => Err(e),
        };
        let inode = inode.map_err(|e| Error::io("open", path, e))?;
        Ok(Box::new(LossyFile { path: path.to_owned(), inode, writable: access == Access::Write }))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let mut tree = self.tree();
        let found = match path.components().next_back() {
            Some(Component::Normal(_)) => tree.place(path).and_then(|place| tree.stat(&place)),
            _ => tree.dir(path).map(|_| Some(Stat { file_type: FileType::Dir, bytes: 0 })),
        };
        match found {
            Err(e) if is_absent(&e) => Ok(None),
            found => found.map_err(|e| Error::io("stat", path, e)),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        list(&mut self.tree(), dir).map_err(|e| Error::io("list", dir, e))
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        match self.stat(dir)? {
            Some(stat) if stat.file_type == FileType::File => {
                return Err(Error::io("create directory", dir, Errno::EXIST.into()));
            }
            // A symbolic link is followed when something is made below it.
            Some(_) => return Ok(()),
            None => {}
        }
        let parent = crate::parent_dir(dir);
        if self.stat(parent)?.is_some_and(|s| s.file_type == FileType::File) {
            return Err(Error::io("create directory", dir, Errno::NOTDIR.into()));
        }
        if parent != dir {
            self.create_dir_all(parent)?;
        }
        let mut tree = self.tree();
        match tree.create_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(|e| Error::io("create directory", dir, e)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut tree = self.tree();
        let renamed = tree.place(from).and_then(|source| {
            let target = tree.place(to)?;
            match tree.find(&source)? {
                Some(Found::Node(Node::Dir(_))) if to != from && to.starts_with(from) => {
                    return Err(Errno::INVAL.into());
                }
                Some(_) if to != from && from.starts_with(to) => return Err(Errno::NOTEMPTY.into()),
                _ => {}
            }
            tree.rename(source, target)
        });
        renamed.map_err(|e| Error::io("rename", to, e))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.tree().link(from, to).map_err(|e| Error::io("link", to, e))
    }

    fn reflink(&self, from: &Path, to: &Path) -> Result<()> {
        let mut tree = self.tree();
        let copied = tree.place(from).and_then(|source| {
            let bytes = tree.open(&source, Access::Read)?.whole()?;
            tree.create(to)?.write(0, &bytes)
        });
        copied.map_err(|e| Error::io("copy to", to, e))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.remove_entry(path, false).map_err(|e| Error::io("remove", path, e))
    }

    fn remove_dir_all(&self, dir: &Path) -> Result<()> {
        match self.stat(dir)?.map(|s| s.file_type) {
            None => return Ok(()),
            Some(FileType::Dir) => {}
            Some(FileType::Other) => return self.remove(dir),
            Some(FileType::File) => {
                return Err(Error::io("remove directory", dir, Errno::NOTDIR.into()));
            }
        }
        let names = {
            let mut tree = self.tree();
            tree.dir(dir).and_then(|id| tree.names(id)).map_err(|e| Error::io("list", dir, e))?
        };
        for name in names {
            let path = dir.join(name);
            match self.stat(&path)?.map(|s| s.file_type) {
                Some(FileType::Dir) => self.remove_dir_all(&path)?,
                Some(FileType::File | FileType::Other) => self.remove(&path)?,
                None => {}
            }
        }
        self.remove_entry(dir, true).map_err(|e| Error::io("remove directory", dir, e))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut tree = self.tree();
        let synced = tree.dir(dir).and_then(|id| tree.sync_dir(id));
        synced.map_err(|e| Error::io("sync directory", dir, e))
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn LockGuard>> {
        let mut tree = self.tree();
        let file = tree.place(path).and_then(|place| {
            tree.publish(&place)?;
            let dir = tree.real(place.dir).ok_or(Errno::NOENT)?;
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(dir, &place.name, flags, Mode::RUSR | Mode::WUSR)?)
        });
        let file = fs::File::from(file.map_err(|e| Error::io("lock", path, e))?);
        Ok(Box::new(lock_file(file, path, holder)?))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64> {
        if self.stat(path)?.is_none() {
            return Err(Error::io("read free space of", path, Errno::NOENT.into()));
        }
        // What is not real yet will be where the directory above it is.
        let real = path.ancestors().find(|above| fs::symlink_metadata(above).is_ok());
        crate::RealDisk::new().free_bytes(real.unwrap_or(Path::new(".")))
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        if self.stat(path)?.is_none() {
            return Err(Error::io("resolve", path, Errno::NOENT.into()));
        }
        resolve(path).map_err(|e| Error::io("resolve", path, e))
    }
}

/// The real path, as far as it is real; what is not real yet holds no symbolic links.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        resolved => return resolved,
    }
    let mut components = path.components();
    let last = components.next_back();
    let above = match components.as_path() {
        above if above.as_os_str().is_empty() => resolve(Path::new("."))?,
        above => resolve(above)?,
    };
    Ok(match last {
        Some(Component::Normal(name)) => above.join(name),
        Some(Component::ParentDir) => above.parent().map_or_else(|| above.clone(), Path::to_owned),
        _ => above,
    })
}

fn list(tree: &mut Tree, path: &Path) -> io::Result<Vec<Entry>> {
    let dir = tree.dir(path)?;
    let mut entries = Vec::new();
    for name in tree.names(dir)? {
        let Ok(text) = name.clone().into_string() else { continue };
        if let Some(stat) = tree.stat(&log::Place { dir, name })? {
            entries.push(Entry { name: text, stat });
        }
    }
    Ok(entries)
}
