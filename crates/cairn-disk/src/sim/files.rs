//! The simulated disk as a [`Storage`], and its open files.

use super::disk::{SimDisk, State};
use super::inode::Inode;
use super::tree::{Dir, Ino, Node, normal};
use crate::mapped::InMemory;
use crate::real::{check_truncate, check_write, locked};
use crate::{Access, Bytes, Entry, Error, File, FileType, LockGuard, Result, Stat, Storage};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Free space where no capacity is set.
const FREE_BYTES: u64 = 1 << 40;

impl Storage for SimDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        let ino = self.operate("create", path, |s| s.tree.create(path, empty_file()))?;
        Ok(Box::new(self.file(path, ino, true)?))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let ino = self.read("open", path, |s| {
            let ino = s.tree.existing(path)?;
            s.tree.file(ino).map(|_| ino)
        })?;
        Ok(Box::new(self.file(path, ino, access == Access::Write)?))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.read("stat", path, |s| Ok(s.tree.find(path)?.and_then(|ino| stat_of(s, ino))))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        self.read("list", dir, |s| {
            let names = &s.tree.dir(s.tree.existing(dir)?)?.live;
            let entry = |(name, ino): (&std::ffi::OsString, &Ino)| {
                Some(Entry { name: name.to_str()?.to_owned(), stat: stat_of(s, *ino)? })
            };
            Ok(names.iter().filter_map(entry).collect())
        })
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let dir_normal = normal(dir).map_err(|e| Error::io("create directory", dir, e))?;
        let mut missing = Vec::new();
        for above in dir_normal.ancestors() {
            match self.stat(above)?.map(|s| s.file_type) {
                Some(FileType::Dir) => break,
                Some(_) => {
                    let error = if missing.is_empty() { Errno::EXIST } else { Errno::NOTDIR };
                    return Err(Error::io("create directory", dir, error.into()));
                }
                None => missing.push(above),
            }
        }
        for path in missing.into_iter().rev() {
            let made = self.operate("create directory", path, |s| {
                s.tree.create(path, Node::Dir(Dir::default())).map(|_| ())
            });
            match made {
                // Another thread was first.
                Err(e) if e.kind() == crate::ErrorKind::Exists => {}
                made => made?,
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.operate("rename", to, |s| s.tree.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.operate("link", to, |s| s.tree.link(from, to))
    }

    fn reflink(&self, from: &Path, to: &Path) -> Result<()> {
        self.operate("copy to", to, |s| {
            let source = s.tree.existing(from)?;
            let content = s.tree.file(source)?.live.clone();
            if s.room(content.bytes()) < content.bytes() {
                return Err(Errno::NOSPC.into());
            }
            let ino = s.tree.create(to, empty_file())?;
            s.tree.file_mut(ino)?.copy_of(content);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.operate("remove", path, |s| s.tree.remove(path, false))
    }

    fn remove_dir_all(&self, dir: &Path) -> Result<()> {
        if self.stat(dir)?.is_none() {
            return Ok(());
        }
        for entry in self.list(dir)? {
            let path = dir.join(&entry.name);
            match entry.stat.file_type {
                FileType::Dir => self.remove_dir_all(&path)?,
                FileType::File | FileType::Other => self.remove(&path)?,
            }
        }
        self.operate("remove directory", dir, |s| s.tree.remove(dir, true))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.operate("sync directory", dir, |s| s.tree.sync_dir(dir))
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn LockGuard>> {
        if self.stat(path)?.is_none() {
            match self.operate("lock", path, |s| s.tree.create(path, empty_file()).map(|_| ())) {
                Err(e) if e.kind() == crate::ErrorKind::Exists => {}
                made => made?,
            }
        }
        let file = self.open(path, Access::Write)?;
        let ino = self.read("lock", path, |s| s.tree.existing(path))?;
        if !self.state().locks.insert(ino) {
            return Err(locked(path, &self.read_file(path)));
        }
        let guard = SimLock { disk: self.clone(), ino, _file: file };
        self.operate("write to", path, |s| {
            let inode = s.tree.file_mut(ino)?;
            inode.truncate(0);
            inode.write(0, holder.as_bytes());
            Ok(())
        })?;
        Ok(Box::new(guard))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64> {
        self.read("read free space of", path, |s| {
            s.tree.existing(path)?;
            Ok(if s.capacity.is_some() { s.room(u64::MAX) } else { FREE_BYTES })
        })
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.read("resolve", path, |s| {
            s.tree.existing(path)?;
            normal(path)
        })
    }
}

/// A lock on a simulated file.
#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    ino: Ino,
    /// Keeps the number from going to another file.
    _file: Box<dyn File>,
}

impl LockGuard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.ino);
    }
}

/// An open file of a simulated disk.
#[derive(Debug)]
pub(super) struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    ino: Ino,
    writable: bool,
    _hold: Arc<()>,
}

impl SimFile {
    pub(super) fn new(disk: SimDisk, path: &Path, ino: Ino, writable: bool, hold: Arc<()>) -> Self {
        Self { disk, path: path.to_owned(), ino, writable, _hold: hold }
    }

    fn inode<T>(&self, what: &'static str, read: impl FnOnce(&Inode) -> T) -> Result<T> {
        self.disk.read(what, &self.path, |s| s.tree.file(self.ino).map(|inode| read(inode)))
    }

    /// Writes at `at` (the end when `None`); in part when a fault or a full disk stops it.
    fn write(&self, what: &'static str, at: Option<u64>, bytes: &[u8]) -> Result<()> {
        self.disk.operate_with(what, &self.path, |s, fault| {
            self.check_writable()?;
            let length = s.tree.file(self.ino)?.live.bytes();
            let at = at.unwrap_or(length);
            check_write(at, length)?;
            let (fits, error) = match fault {
                Some(fault) => (s.rng.index(bytes.len() + 1), Some(io::Error::from(fault))),
                None => {
                    let over = usize::try_from(length - at).unwrap_or(usize::MAX).min(bytes.len());
                    let more = (bytes.len() - over) as u64;
                    let room = s.room(more);
                    let fits = over + usize::try_from(room).unwrap_or(usize::MAX);
                    (fits, (room < more).then(|| Errno::NOSPC.into()))
                }
            };
            s.tree.file_mut(self.ino)?.write(at, &bytes[..fits]);
            error.map_or(Ok(()), Err)
        })
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(Errno::BADF.into()) }
    }
}

impl File for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> Result<u64> {
        self.inode("stat", |inode| inode.live.bytes())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.inode("read", |inode| inode.live.read(offset, buf))
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.write("append to", None, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.write("write", Some(offset), bytes)
    }

    fn truncate(&self, bytes: u64) -> Result<()> {
        self.disk.operate("truncate", &self.path, |s| {
            self.check_writable()?;
            let inode = s.tree.file_mut(self.ino)?;
            check_truncate(bytes, inode.live.bytes())?;
            inode.truncate(bytes);
            Ok(())
        })
    }

    fn sync(&self) -> Result<()> {
        self.disk.operate_with("sync", &self.path, |s, fault| {
            let inode = s.tree.file_mut(self.ino)?;
            match fault {
                Some(fault) => {
                    inode.fail_sync();
                    Err(fault.into())
                }
                None => {
                    inode.sync();
                    Ok(())
                }
            }
        })
    }

    fn map(&self) -> Result<Box<dyn Bytes>> {
        let whole = self.inode("map", |inode| inode.live.whole())?;
        Ok(Box::new(InMemory::new(&whole)))
    }
}

fn empty_file() -> Node {
    Node::File { inode: Arc::default(), open: Arc::default() }
}

fn stat_of(state: &State, ino: Ino) -> Option<Stat> {
    match state.tree.nodes.get(&ino)? {
        Node::Dir(_) => Some(Stat { file_type: FileType::Dir, bytes: 0 }),
        Node::File { inode, .. } => Some(Stat { file_type: FileType::File, bytes: inode.live.bytes() }),
    }
}
