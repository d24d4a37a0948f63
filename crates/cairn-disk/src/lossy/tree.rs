//! The live names of a lossy disk: the real directories, and over them what was not synced.

use super::inode::Inode;
use super::log::{DirId, EntryOp, Node, Pending, Place, mark};
use crate::{Access, FileType, Stat};
use rustix::fs::{AtFlags, CWD, Dir as RealDir, FileType as RealType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};
use std::sync::Arc;

type IoResult<T> = io::Result<T>;
/// Device and inode number. One stays ours while a file with it is open here.
type RealId = (u64, u64);

/// `Tree::tidy` looks for something to forget when there are more directories or files than this.
const KNOWN_MAX: usize = 128;

/// A directory that is in use, or has unsynced names.
#[derive(Debug, Default)]
struct Dir {
    /// `None`: its own entry is not durable.
    real: Option<OwnedFd>,
    /// Names that differ from the real directory's; `None` hides one.
    names: BTreeMap<OsString, Option<Node>>,
}

/// What is at a name.
pub(super) enum Found {
    Node(Node),
    /// A real file that is not open here, of this length.
    RealFile(u64),
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    dirs: BTreeMap<DirId, Dir>,
    next: DirId,
    real_dirs: HashMap<RealId, DirId>,
    real_files: HashMap<RealId, Arc<Inode>>,
    log: Vec<Pending>,
}

impl Tree {
    /// The directory at `path`.
    pub(super) fn dir(&mut self, path: &Path) -> IoResult<DirId> {
        if path.as_os_str().is_empty() {
            return Err(Errno::NOENT.into());
        }
        let start = if path.is_absolute() { "/" } else { "." };
        let start = open_dir(CWD, OsStr::new(start))?;
        let mut at = self.known_dir(start)?;
        let mut above = Vec::new();
        for component in path.components() {
            let next = match component {
                Component::Normal(name) => self.child_dir(at, name)?,
                Component::ParentDir => self.parent_dir(at, above.pop())?,
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            };
            above.push(at);
            at = next;
        }
        Ok(at)
    }

    fn child_dir(&mut self, dir: DirId, name: &OsStr) -> IoResult<DirId> {
        let entry = self.dirs.get(&dir).ok_or(Errno::NOENT)?;
        match (entry.names.get(name), &entry.real) {
            (Some(Some(Node::Dir(id))), _) => Ok(*id),
            (Some(Some(_)), _) => Err(Errno::NOTDIR.into()),
            (Some(None), _) | (None, None) => Err(Errno::NOENT.into()),
            (None, Some(real)) => {
                let fd = open_dir(real.as_fd(), name)?;
                self.known_dir(fd)
            }
        }
    }

    fn parent_dir(&mut self, dir: DirId, above: Option<DirId>) -> IoResult<DirId> {
        match (self.real(dir), above) {
            (Some(real), _) => {
                let fd = open_dir(real, OsStr::new(".."))?;
                self.known_dir(fd)
            }
            (None, Some(above)) => Ok(above),
            (None, None) => Err(Errno::NOENT.into()),
        }
    }

    /// The directory and name that `path` stands for, whether or not something is there.
    pub(super) fn place(&mut self, path: &Path) -> IoResult<Place> {
        let name = match path.components().next_back() {
            Some(Component::Normal(name)) => name,
            Some(_) => return Err(Errno::EXIST.into()),
            None => return Err(Errno::NOENT.into()),
        };
        let dir = self.dir(crate::parent_dir(path))?;
        Ok(Place { dir, name: name.to_owned() })
    }

    /// What is at a place; a symbolic link is not followed.
    pub(super) fn find(&mut self, place: &Place) -> IoResult<Option<Found>> {
        let entry = self.dirs.get(&place.dir).ok_or(Errno::NOENT)?;
        match (entry.names.get(&place.name), &entry.real) {
            (Some(node), _) => Ok(node.clone().map(Found::Node)),
            (None, None) => Ok(None),
            (None, Some(real)) => {
                let stat = match rustix::fs::statat(real, &place.name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => return Ok(None),
                    stat => stat?,
                };
                Ok(Some(match RealType::from_raw_mode(stat.st_mode) {
                    RealType::Directory => {
                        let fd = open_dir(real.as_fd(), &place.name)?;
                        Found::Node(Node::Dir(self.known_dir(fd)?))
                    }
                    RealType::RegularFile => match self.real_files.get(&real_id(&stat)) {
                        Some(inode) => Found::Node(Node::File(Arc::clone(inode))),
                        None => Found::RealFile(u64::try_from(stat.st_size).unwrap_or(0)),
                    },
                    _ => Found::Node(Node::Other),
                }))
            }
        }
    }

    pub(super) fn stat(&mut self, place: &Place) -> IoResult<Option<Stat>> {
        let Some(found) = self.find(place)? else { return Ok(None) };
        let (file_type, bytes) = match found {
            Found::RealFile(bytes) => (FileType::File, bytes),
            Found::Node(Node::File(inode)) => (FileType::File, inode.bytes()?),
            Found::Node(Node::Dir(_)) => (FileType::Dir, 0),
            Found::Node(Node::Other) => (FileType::Other, 0),
        };
        Ok(Some(Stat { file_type, bytes }))
    }

    /// The node at a place; a real file is opened for it.
    fn node(&mut self, place: &Place) -> IoResult<Option<Node>> {
        Ok(match self.find(place)? {
            Some(Found::Node(node)) => Some(node),
            Some(Found::RealFile(_)) => Some(Node::File(self.open_real(place, Access::Read)?)),
            None => None,
        })
    }

    pub(super) fn open(&mut self, place: &Place, access: Access) -> IoResult<Arc<Inode>> {
        let entry = self.dirs.get(&place.dir).ok_or(Errno::NOENT)?;
        match entry.names.get(&place.name) {
            Some(Some(Node::File(inode))) => Ok(Arc::clone(inode)),
            Some(Some(Node::Dir(_))) => Err(Errno::ISDIR.into()),
            Some(Some(Node::Other)) => Err(Errno::INVAL.into()),
            Some(None) => Err(Errno::NOENT.into()),
            None => self.open_real(place, access),
        }
    }

    fn open_real(&mut self, place: &Place, access: Access) -> IoResult<Arc<Inode>> {
        let real = self.real(place.dir).ok_or(Errno::NOENT)?;
        let flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
        // Whoever opens it next may write.
        let opened = rustix::fs::openat(real, &place.name, flags | OFlags::RDWR, Mode::empty());
        let (fd, writable) = match opened {
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::ISDIR) if access == Access::Read => {
                (rustix::fs::openat(real, &place.name, flags | OFlags::RDONLY, Mode::empty())?, false)
            }
            opened => (opened?, true),
        };
        let stat = rustix::fs::fstat(&fd)?;
        match RealType::from_raw_mode(stat.st_mode) {
            RealType::RegularFile => {}
            RealType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
        let file = fs::File::from(fd);
        let known = self.real_files.get(&real_id(&stat)).cloned();
        Ok(match known {
            Some(inode) => {
                if writable {
                    inode.reopened(file);
                }
                inode
            }
            None => {
                let inode = Arc::new(Inode::real(file));
                self.real_files.insert(real_id(&stat), Arc::clone(&inode));
                inode
            }
        })
    }

    pub(super) fn create(&mut self, path: &Path) -> IoResult<Arc<Inode>> {
        let place = self.vacant(path)?;
        let inode = Arc::new(Inode::nameless());
        self.enter(place, Node::File(Arc::clone(&inode)));
        Ok(inode)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> IoResult<()> {
        let place = self.vacant(path)?;
        let id = self.new_dir(Dir::default());
        self.enter(place, Node::Dir(id));
        Ok(())
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> IoResult<()> {
        let node = self.place(from).and_then(|from| self.node(&from))?.ok_or(Errno::NOENT)?;
        let to = self.vacant(to)?;
        match node {
            Node::File(_) => self.enter(to, node),
            Node::Dir(_) | Node::Other => return Err(Errno::PERM.into()),
        }
        Ok(())
    }

    fn vacant(&mut self, path: &Path) -> IoResult<Place> {
        let place = self.place(path)?;
        match self.find(&place)? {
            Some(_) => Err(Errno::EXIST.into()),
            None => Ok(place),
        }
    }

    fn enter(&mut self, place: Place, node: Node) {
        self.set(&place, Some(node.clone()));
        self.push(EntryOp::Enter { place, node });
    }

    pub(super) fn remove(&mut self, place: Place, want_dir: bool) -> IoResult<()> {
        let removed_dir = match (self.find(&place)?.ok_or(Errno::NOENT)?, want_dir) {
            (Found::Node(Node::Dir(_)), false) => return Err(Errno::ISDIR.into()),
            (Found::Node(Node::Dir(dir)), true) => {
                if !self.names(dir)?.is_empty() {
                    return Err(Errno::NOTEMPTY.into());
                }
                Some(dir)
            }
            (_, true) => return Err(Errno::NOTDIR.into()),
            (_, false) => None,
        };
        self.set(&place, None);
        self.push(EntryOp::Remove { place, removed_dir });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: Place, to: Place) -> IoResult<()> {
        let node = self.node(&from)?.ok_or(Errno::NOENT)?;
        let replaced = self.node(&to)?;
        let (mut moved_dir, mut replaced_dir) = (None, None);
        match (&node, &replaced) {
            // Two names of one file: rename(2) does nothing.
            (Node::File(a), Some(Node::File(b))) if Arc::ptr_eq(a, b) => return Ok(()),
            (Node::Dir(a), Some(Node::Dir(b))) if a == b => return Ok(()),
            (Node::Dir(_), Some(Node::Dir(b))) => {
                if !self.names(*b)?.is_empty() {
                    return Err(Errno::NOTEMPTY.into());
                }
                replaced_dir = Some(*b);
            }
            (Node::Dir(_), Some(_)) => return Err(Errno::NOTDIR.into()),
            (_, Some(Node::Dir(_))) => return Err(Errno::ISDIR.into()),
            _ => {}
        }
        if let Node::Dir(dir) = &node {
            moved_dir = Some(*dir);
        }
        self.set(&from, None);
        self.set(&to, Some(node));
        self.push(EntryOp::Move { from, to, moved_dir, replaced_dir });
        Ok(())
    }

    /// All live names of a directory.
    pub(super) fn names(&self, dir: DirId) -> IoResult<BTreeSet<OsString>> {
        let entry = self.dirs.get(&dir).ok_or(Errno::NOENT)?;
        let mut names = BTreeSet::new();
        if let Some(real) = &entry.real {
            for real_entry in RealDir::read_from(real)? {
                let name = OsString::from_vec(real_entry?.file_name().to_bytes().to_vec());
                if name != "." && name != ".." {
                    names.insert(name);
                }
            }
        }
        for (name, node) in &entry.names {
            match node {
                Some(_) => drop(names.insert(name.clone())),
                None => drop(names.remove(name)),
            }
        }
        Ok(names)
    }

    /// The real directory, when it has one.
    pub(super) fn real(&self, dir: DirId) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.dirs.get(&dir)?.real.as_ref().map(AsFd::as_fd)
    }

    /// Writes a directory's names through to the real one.
    pub(super) fn sync_dir(&mut self, dir: DirId) -> IoResult<()> {
        mark(&mut self.log, BTreeSet::from([dir]), BTreeSet::new());
        self.write_through()
    }

    /// Makes the place's directory real, and its name there as it is live, so that another process sees it.
    pub(super) fn publish(&mut self, place: &Place) -> IoResult<()> {
        let changed = self.dirs.get(&place.dir).is_some_and(|d| d.names.contains_key(&place.name));
        let synced = changed.then_some(place.dir).into_iter().collect();
        mark(&mut self.log, synced, BTreeSet::from([place.dir]));
        self.write_through()
    }

    /// Does in the real directories what syncs asked for, oldest first: killed at any point, what is there is what a
    /// crash before the sync could have left.
    fn write_through(&mut self) -> IoResult<()> {
        let mut touched = BTreeSet::new();
        let mut at = 0;
        while let Some(pending) = self.log.get(at) {
            let dirs = pending.op.dirs();
            if pending.synced && dirs.iter().all(|dir| self.real(*dir).is_some()) {
                self.write_op(&pending.op.clone())?;
                touched.extend(dirs);
                self.log.remove(at);
            } else {
                at += 1;
            }
        }
        let waiting: BTreeSet<DirId> = self.log.iter().flat_map(|p| p.op.dirs()).collect();
        for dir in touched.difference(&waiting) {
            if let Some(dir) = self.dirs.get_mut(dir) {
                dir.names.clear();
            }
        }
        Ok(())
    }

    fn write_op(&mut self, op: &EntryOp) -> IoResult<()> {
        let real = |place: &Place| self.real(place.dir).ok_or(Errno::NOENT);
        match op {
            EntryOp::Enter { place, node: Node::File(inode) } => self.write_file(place, inode),
            EntryOp::Enter { place, node: Node::Dir(id) } => {
                rustix::fs::mkdirat(real(place)?, &place.name, Mode::RWXU)?;
                let fd = open_dir(real(place)?, &place.name)?;
                self.real_dirs.insert(real_id(&rustix::fs::fstat(&fd)?), *id);
                self.dirs.entry(*id).or_default().real = Some(fd);
                Ok(())
            }
            EntryOp::Enter { node: Node::Other, .. } => Err(Errno::INVAL.into()),
            EntryOp::Remove { place, removed_dir } => {
                let flags = if removed_dir.is_some() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                Ok(rustix::fs::unlinkat(real(place)?, &place.name, flags)?)
            }
            EntryOp::Move { from, to, .. } => {
                Ok(rustix::fs::renameat(real(from)?, &from.name, real(to)?, &to.name)?)
            }
        }
    }

    fn write_file(&mut self, place: &Place, inode: &Arc<Inode>) -> IoResult<()> {
        let real = self.real(place.dir).ok_or(Errno::NOENT)?;
        let mut id = None;
        let link = |file: &fs::File| {
            let file = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(rustix::fs::linkat(CWD, file, real, &place.name, AtFlags::SYMLINK_FOLLOW)?)
        };
        let create = || {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(real, &place.name, flags, Mode::RUSR | Mode::WUSR)?;
            id = Some(real_id(&rustix::fs::fstat(&fd)?));
            Ok(fs::File::from(fd))
        };
        inode.name(link, create)?;
        if let Some(id) = id {
            // A copy takes the place of a real file that has no name any more.
            self.real_files.retain(|_, known| !Arc::ptr_eq(known, inode));
            self.real_files.insert(id, Arc::clone(inode));
        }
        Ok(())
    }

    fn set(&mut self, place: &Place, node: Option<Node>) {
        if let Some(dir) = self.dirs.get_mut(&place.dir) {
            dir.names.insert(place.name.clone(), node);
        }
    }

    fn push(&mut self, op: EntryOp) {
        self.log.push(Pending { op, synced: false });
    }

    fn known_dir(&mut self, fd: OwnedFd) -> IoResult<DirId> {
        let real = real_id(&rustix::fs::fstat(&fd)?);
        if let Some(id) = self.real_dirs.get(&real) {
            return Ok(*id);
        }
        let id = self.new_dir(Dir { real: Some(fd), names: BTreeMap::new() });
        self.real_dirs.insert(real, id);
        Ok(id)
    }

    fn new_dir(&mut self, dir: Dir) -> DirId {
        self.next += 1;
        self.dirs.insert(self.next, dir);
        self.next
    }

    /// Forgets what is as the real directories have it and in use by nobody. Not to be called between finding a place
    /// and using it.
    pub(super) fn tidy(&mut self) {
        if self.real_files.len() > KNOWN_MAX {
            self.real_files.retain(|_, inode| Arc::strong_count(inode) > 1 || !inode.is_clean());
        }
        if self.dirs.len() > KNOWN_MAX {
            let mut keep: BTreeSet<DirId> = self.log.iter().flat_map(|p| p.op.mentions()).collect();
            for node in self.dirs.values().flat_map(|d| d.names.values()) {
                if let Some(Node::Dir(dir)) = node {
                    keep.insert(*dir);
                }
            }
            self.dirs.retain(|id, dir| keep.contains(id) || !dir.names.is_empty());
            let dirs = &self.dirs;
            self.real_dirs.retain(|_, id| dirs.contains_key(id));
        }
    }
}

fn open_dir(at: impl AsFd, name: &OsStr) -> IoResult<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, name, flags, Mode::empty())?)
}

fn real_id(stat: &rustix::fs::Stat) -> RealId {
    (stat.st_dev, stat.st_ino)
}
