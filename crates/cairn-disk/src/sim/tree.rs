//! The simulated files and directories: numbered nodes, and the names that lead to them.

use super::entries::{EntryLog, EntryOp, Place};
use super::inode::Inode;
use crate::real::is_absent;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The number of a file or directory. A file with two names has one.
pub(super) type Ino = u64;
/// A directory's names.
pub(super) type Names = BTreeMap<OsString, Ino>;

pub(super) const ROOT: Ino = 0;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Dir(Dir),
    File {
        inode: Arc<Inode>,
        /// One clone per open handle, so that a removed file goes when its last handle does.
        open: Arc<()>,
    },
}

/// A directory: its names now, and those a crash would leave. Shared with images until one of them changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Dir {
    pub(super) live: Arc<Names>,
    pub(super) durable: Arc<Names>,
}

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<Ino, Node>,
    pub(super) log: EntryLog,
    next: Ino,
    /// Sweep when there are more nodes than this.
    sweep_at: usize,
}

type IoResult<T> = std::io::Result<T>;

impl Tree {
    pub(super) fn new() -> Self {
        Self::of(BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]))
    }

    /// A tree at rest, of these nodes.
    pub(super) fn of(nodes: BTreeMap<Ino, Node>) -> Self {
        let next = nodes.last_key_value().map_or(ROOT, |(n, _)| *n) + 1;
        Self { nodes, log: EntryLog::default(), next, sweep_at: 256 }
    }

    /// The node at `path`; `None` when nothing is there.
    pub(super) fn find(&self, path: &Path) -> IoResult<Option<Ino>> {
        match self.existing(path) {
            Ok(ino) => Ok(Some(ino)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(super) fn existing(&self, path: &Path) -> IoResult<Ino> {
        self.walk(&components(path)?)
    }

    fn walk(&self, names: &[&OsStr]) -> IoResult<Ino> {
        let mut at = ROOT;
        for name in names {
            at = *self.dir(at)?.live.get(*name).ok_or(Errno::NOENT)?;
        }
        Ok(at)
    }

    pub(super) fn dir(&self, ino: Ino) -> IoResult<&Dir> {
        match self.nodes.get(&ino) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(Errno::NOTDIR.into()),
        }
    }

    pub(super) fn file(&self, ino: Ino) -> IoResult<&Arc<Inode>> {
        match self.nodes.get(&ino) {
            Some(Node::File { inode, .. }) => Ok(inode),
            Some(Node::Dir(_)) => Err(Errno::ISDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    pub(super) fn file_mut(&mut self, ino: Ino) -> IoResult<&mut Inode> {
        match self.nodes.get_mut(&ino) {
            Some(Node::File { inode, .. }) => Ok(Arc::make_mut(inode)),
            Some(Node::Dir(_)) => Err(Errno::ISDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// Keeps a file while the returned token lives.
    pub(super) fn hold(&self, ino: Ino) -> IoResult<Arc<()>> {
        match self.nodes.get(&ino) {
            Some(Node::File { open, .. }) => Ok(Arc::clone(open)),
            _ => Err(Errno::ISDIR.into()),
        }
    }

    /// The directory and name that `path` stands for, whether or not something is there.
    pub(super) fn place(&self, path: &Path) -> IoResult<Place> {
        let components = components(path)?;
        let Some((name, above)) = components.split_last() else { return Err(Errno::EXIST.into()) };
        let dir = self.walk(above)?;
        self.dir(dir)?;
        Ok(Place { dir, name: (*name).to_owned() })
    }

    pub(super) fn at(&self, place: &Place) -> Option<Ino> {
        self.dir(place.dir).ok()?.live.get(&place.name).copied()
    }

    pub(super) fn create(&mut self, path: &Path, node: Node) -> IoResult<Ino> {
        let to = self.vacant(path)?;
        let ino = self.next;
        self.next += 1;
        self.nodes.insert(ino, node);
        self.enter(to, ino);
        Ok(ino)
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> IoResult<()> {
        let ino = self.existing(from)?;
        let to = self.vacant(to)?;
        if self.dir(ino).is_ok() {
            return Err(Errno::PERM.into());
        }
        self.enter(to, ino);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path, want_dir: bool) -> IoResult<()> {
        let place = self.place(path)?;
        let node = self.at(&place).ok_or(Errno::NOENT)?;
        let is_dir = match (self.dir(node), want_dir) {
            (Ok(_), false) => return Err(Errno::ISDIR.into()),
            (Err(e), true) => return Err(e),
            (Ok(dir), true) if !dir.live.is_empty() => return Err(Errno::NOTEMPTY.into()),
            (dir, _) => dir.is_ok(),
        };
        self.names(place.dir).remove(&place.name);
        self.log.push(EntryOp::Remove { place, removed_dir: is_dir.then_some(node) });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> IoResult<()> {
        let (source, target) = (self.place(from)?, self.place(to)?);
        let node = self.at(&source).ok_or(Errno::NOENT)?;
        let is_dir = self.dir(node).is_ok();
        let (from, to) = (components(from)?, components(to)?);
        if from != to && is_dir && to.starts_with(&from) {
            return Err(Errno::INVAL.into());
        }
        if from != to && from.starts_with(&to) {
            return Err(Errno::NOTEMPTY.into());
        }
        let replaced = self.at(&target);
        // Two names of one file: rename(2) does nothing.
        if replaced == Some(node) {
            return Ok(());
        }
        let replaced_dir = replaced.filter(|r| self.dir(*r).is_ok());
        match (replaced, replaced_dir) {
            (Some(_), Some(dir)) if !is_dir || !self.dir(dir)?.live.is_empty() => {
                return Err(if is_dir { Errno::NOTEMPTY } else { Errno::ISDIR }.into());
            }
            (Some(_), None) if is_dir => return Err(Errno::NOTDIR.into()),
            _ => {}
        }
        self.names(source.dir).remove(&source.name);
        self.names(target.dir).insert(target.name.clone(), node);
        self.log.push(EntryOp::Move { from: source, to: target, node, is_dir, replaced_dir, placed: false });
        Ok(())
    }

    /// Makes a directory's names durable, and what that brings with it.
    pub(super) fn sync_dir(&mut self, path: &Path) -> IoResult<()> {
        let ino = self.existing(path)?;
        self.dir(ino)?;
        let nodes = &mut self.nodes;
        self.log.commit(ino, |place, node| {
            if let Some(Node::Dir(dir)) = nodes.get_mut(&place.dir) {
                set_name(&mut dir.durable, place, node);
            }
        });
        if self.nodes.len() > self.sweep_at {
            self.sweep();
        }
        Ok(())
    }

    /// Puts a node at a path, live and durable at once, with the directories above it.
    pub(super) fn put_at_rest(&mut self, path: &Path, node: Node) -> IoResult<()> {
        let components = components(path)?;
        let Some((name, above)) = components.split_last() else { return Err(Errno::ISDIR.into()) };
        let mut dir = ROOT;
        for name in above {
            dir = match self.dir(dir)?.live.get(*name) {
                Some(ino) => *ino,
                None => self.enter_at_rest(dir, name, Node::Dir(Dir::default())),
            };
        }
        self.dir(dir)?;
        self.enter_at_rest(dir, name, node);
        Ok(())
    }

    pub(super) fn forget_at_rest(&mut self, path: &Path) -> IoResult<()> {
        let place = self.place(path)?;
        self.log.forget(&place);
        self.names(place.dir).remove(&place.name);
        if let Some(Node::Dir(dir)) = self.nodes.get_mut(&place.dir) {
            Arc::make_mut(&mut dir.durable).remove(&place.name);
        }
        Ok(())
    }

    fn enter_at_rest(&mut self, dir: Ino, name: &OsStr, node: Node) -> Ino {
        self.log.forget(&Place { dir, name: name.to_owned() });
        let ino = self.next;
        self.next += 1;
        self.nodes.insert(ino, node);
        if let Some(Node::Dir(dir)) = self.nodes.get_mut(&dir) {
            Arc::make_mut(&mut dir.live).insert(name.to_owned(), ino);
            Arc::make_mut(&mut dir.durable).insert(name.to_owned(), ino);
        }
        ino
    }

    /// Every file by its live path, in order.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, ino)) = open.pop() {
            match self.dir(ino) {
                Ok(dir) => open.extend(dir.live.iter().map(|(name, ino)| (path.join(name), *ino))),
                Err(_) => found.push(path),
            }
        }
        found.sort();
        found
    }

    /// Bytes of all files that have a live name or an open handle.
    pub(super) fn used_bytes(&self) -> u64 {
        let named = self.reachable(false);
        let used = self.nodes.iter().filter_map(|(ino, node)| match node {
            Node::File { inode, open } if named.contains(ino) || Arc::strong_count(open) > 1 => {
                Some(inode.live.bytes())
            }
            _ => None,
        });
        used.sum()
    }

    fn vacant(&self, path: &Path) -> IoResult<Place> {
        let place = self.place(path)?;
        match self.at(&place) {
            Some(_) => Err(Errno::EXIST.into()),
            None => Ok(place),
        }
    }

    fn enter(&mut self, place: Place, node: Ino) {
        self.names(place.dir).insert(place.name.clone(), node);
        self.log.push(EntryOp::Enter { place, node });
    }

    fn names(&mut self, dir: Ino) -> &mut Names {
        match self.nodes.get_mut(&dir) {
            Some(Node::Dir(dir)) => Arc::make_mut(&mut dir.live),
            _ => unreachable!("a place names a directory"),
        }
    }

    /// The nodes that a name leads to, from the root or from a directory that an unsynced operation still mentions.
    fn reachable(&self, durable_too: bool) -> BTreeSet<Ino> {
        let mut seen = BTreeSet::new();
        let mut open = vec![ROOT];
        if durable_too {
            open.extend(self.log.mentions());
        }
        while let Some(ino) = open.pop() {
            if let (true, Ok(dir)) = (seen.insert(ino), self.dir(ino)) {
                open.extend(dir.live.values());
                if durable_too {
                    open.extend(dir.durable.values());
                }
            }
        }
        seen
    }

    fn sweep(&mut self) {
        let keep = self.reachable(true);
        self.nodes.retain(|ino, node| {
            let held = matches!(node, Node::File { open, .. } if Arc::strong_count(open) > 1);
            held || keep.contains(ino)
        });
        self.sweep_at = 2 * self.nodes.len() + 256;
    }
}

pub(super) fn set_name(names: &mut Arc<Names>, place: &Place, node: Option<Ino>) {
    let names = Arc::make_mut(names);
    match node {
        Some(node) => drop(names.insert(place.name.clone(), node)),
        None => drop(names.remove(&place.name)),
    }
}

/// The names of a path from the root, `.` and `..` resolved. A relative path starts at the root too.
fn components(path: &Path) -> IoResult<Vec<&OsStr>> {
    if path.as_os_str().is_empty() {
        return Err(Errno::NOENT.into());
    }
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(names)
}

/// A path from the root, `.` and `..` resolved.
pub(super) fn normal(path: &Path) -> IoResult<PathBuf> {
    let names = components(path)?;
    Ok(std::iter::once(OsStr::new("/")).chain(names).collect())
}
