//! The handle of a simulated disk: counting operations, crashing, failing, forking images.

use super::content::Content;
use super::fate::{Fate, reboot};
use super::inode::Inode;
use super::rng::Rng;
use super::tree::{Ino, Node, Tree};
use super::{Fault, files::SimFile};
use crate::{Error, Result};
use parking_lot::{Mutex, MutexGuard};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`SimDisk::on_op`] calls: with the operation's number and the disk.
pub type Hook = Box<dyn FnMut(u64, &SimDisk) + Send>;

/// A disk in memory that keeps what is live and what is durable apart. A clone is the same disk; `/` exists on a new
/// one, and a relative path starts there.
///
/// Everything that changes or syncs something is an *operation*, numbered from 0: create, append, write, truncate,
/// sync, rename, link, reflink, remove, each directory created or removed, sync of a directory, and the writing of a
/// lock's holder. A crash between two operations is found by [`SimDisk::image`], which can be taken at any time.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held through an operation, so that hooks see operations one after the other.
    hook: Mutex<Option<Hook>>,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) tree: Tree,
    pub(super) locks: BTreeSet<Ino>,
    pub(super) capacity: Option<u64>,
    pub(super) rng: Rng,
    seed: u64,
    ops: u64,
    crash_at: Option<u64>,
    crashed: bool,
    faults: BTreeMap<u64, Fault>,
}

impl SimDisk {
    /// An empty disk. The seed decides how much of a write a fault leaves.
    pub fn new(seed: u64) -> Self {
        Self::of(Tree::new(), seed, None)
    }

    fn of(tree: Tree, seed: u64, capacity: Option<u64>) -> Self {
        let state = State {
            tree,
            locks: BTreeSet::new(),
            capacity,
            rng: Rng::new(seed),
            seed,
            ops: 0,
            crash_at: None,
            crashed: false,
            faults: BTreeMap::new(),
        };
        Self { shared: Arc::new(Shared { hook: Mutex::new(None), state: Mutex::new(state) }) }
    }

    /// How many operations there were; the number of the next one.
    pub fn ops(&self) -> u64 {
        self.shared.state.lock().ops
    }

    /// Operation `op` and every call after it, reads included, fail with `simulated crash`. An operation of the past
    /// means now. [`SimDisk::image`] then tells what a reboot finds.
    pub fn crash_at(&self, op: u64) {
        let mut state = self.shared.state.lock();
        state.crashed |= op < state.ops;
        state.crash_at = Some(op);
    }

    /// Operation `op` alone fails.
    pub fn fail_at(&self, op: u64, fault: Fault) {
        self.shared.state.lock().faults.insert(op, fault);
    }

    /// How many bytes all files together may have; `None` (a new disk) is no limit. What does not fit fails as on a full
    /// disk, a write after having written what does.
    pub fn capacity(&self, bytes: Option<u64>) {
        self.shared.state.lock().capacity = bytes;
    }

    /// The disk that a reboot would find if the machine lost power now. It is a disk of its own, with the same capacity
    /// and no locks, faults or hook; contents are shared until one of the two changes them.
    pub fn image(&self, fate: Fate) -> SimDisk {
        let state = self.shared.state.lock();
        Self::of(reboot(&state.tree, fate), state.seed, state.capacity)
    }

    /// Has `hook` called before each operation, with the operation's number. In it, [`SimDisk::image`] and everything
    /// that reads works on this disk; an operation on it, or another `on_op`, would wait forever.
    pub fn on_op(&self, hook: Hook) {
        *self.shared.hook.lock() = Some(hook);
    }

    /// Damage at rest: changes a byte of a file by exclusive or with `mask`, live and durable.
    ///
    /// # Panics
    /// When the file does not exist or is shorter.
    pub fn flip(&self, path: &Path, byte: u64, mask: u8) {
        self.damage(path, |content| {
            let mut old = [0];
            if content.read(byte, &mut old) == 1 {
                content.write(byte, &[old[0] ^ mask]);
            }
        });
        let bytes = self.read_file(path).len() as u64;
        assert!(byte < bytes, "flip byte {byte} of {}: it has {bytes}", path.display());
    }

    /// Damage at rest: cuts a file, live and durable.
    ///
    /// # Panics
    /// When the file does not exist.
    pub fn truncate_file(&self, path: &Path, bytes: u64) {
        self.damage(path, |content| content.truncate(bytes));
    }

    /// A file's live bytes, also after a crash. Not an operation.
    ///
    /// # Panics
    /// When the file does not exist.
    pub fn read_file(&self, path: &Path) -> Vec<u8> {
        let state = self.shared.state.lock();
        let inode = state.tree.existing(path).and_then(|ino| state.tree.file(ino));
        done("read", path, inode).live.whole().to_vec()
    }

    /// Puts a file there, durable at once, with the directories above it; one that is there already is replaced. Not an
    /// operation.
    ///
    /// # Panics
    /// When a directory is at the path, or a file at one above it.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) {
        let node = Node::File { inode: Arc::new(Inode::at_rest(Content::from(bytes))), open: Arc::default() };
        let mut state = self.shared.state.lock();
        let is_dir = matches!(state.tree.find(path), Ok(Some(ino)) if state.tree.dir(ino).is_ok());
        assert!(!is_dir, "write {}: it is a directory", path.display());
        done("write", path, state.tree.put_at_rest(path, node));
    }

    /// Damage at rest: takes a name away, live and durable. Not an operation.
    ///
    /// # Panics
    /// When nothing is there.
    pub fn remove_file(&self, path: &Path) {
        let mut state = self.shared.state.lock();
        done("remove", path, state.tree.existing(path));
        done("remove", path, state.tree.forget_at_rest(path));
    }

    /// The paths of all files, sorted; also after a crash.
    pub fn files(&self) -> Vec<PathBuf> {
        self.shared.state.lock().tree.files()
    }

    fn damage(&self, path: &Path, damage: impl Fn(&mut Content)) {
        let mut state = self.shared.state.lock();
        let ino = done("damage", path, state.tree.existing(path));
        done("damage", path, state.tree.file_mut(ino)).damage(damage);
    }

    /// Reads the state, unless the disk crashed.
    pub(super) fn read<T>(
        &self,
        what: &'static str,
        path: &Path,
        read: impl FnOnce(&State) -> io::Result<T>,
    ) -> Result<T> {
        let state = self.shared.state.lock();
        state.check_crash().and_then(|()| read(&state)).map_err(|e| Error::io(what, path, e))
    }

    /// Runs one operation: the hook before it, then the crash or the fault that was ordered, else `op`.
    pub(super) fn operate<T>(
        &self,
        what: &'static str,
        path: &Path,
        op: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T> {
        self.operate_with(what, path, |state, fault| match fault {
            Some(fault) => Err(fault.into()),
            None => op(state),
        })
    }

    /// As `operate`, for an operation that has an effect although it fails.
    pub(super) fn operate_with<T>(
        &self,
        what: &'static str,
        path: &Path,
        op: impl FnOnce(&mut State, Option<Fault>) -> io::Result<T>,
    ) -> Result<T> {
        let mut hook = self.shared.hook.lock();
        if let Some(hook) = hook.as_mut() {
            let (number, crashed) = {
                let state = self.shared.state.lock();
                (state.ops, state.crashed)
            };
            if !crashed {
                hook(number, self);
            }
        }
        let mut state = self.shared.state.lock();
        let done = state.begin().and_then(|fault| op(&mut state, fault));
        done.map_err(|e| Error::io(what, path, e))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    pub(super) fn file(&self, path: &Path, ino: Ino, writable: bool) -> Result<SimFile> {
        let hold = self.state().tree.hold(ino).map_err(|e| Error::io("open", path, e))?;
        Ok(SimFile::new(self.clone(), path, ino, writable, hold))
    }
}

impl State {
    fn check_crash(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("simulated crash")) } else { Ok(()) }
    }

    fn begin(&mut self) -> io::Result<Option<Fault>> {
        self.crashed |= self.crash_at.is_some_and(|at| self.ops >= at);
        self.check_crash()?;
        let fault = self.faults.remove(&self.ops);
        self.ops += 1;
        Ok(fault)
    }

    /// How many of `more` bytes still fit.
    pub(super) fn room(&self, more: u64) -> u64 {
        match self.capacity {
            Some(capacity) => more.min(capacity.saturating_sub(self.tree.used_bytes())),
            None => more,
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Eio => Errno::IO.into(),
            Fault::Enospc => Errno::NOSPC.into(),
        }
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("ops", &self.ops()).finish_non_exhaustive()
    }
}

/// For the methods that tests call directly, where an error is a bug in the test.
fn done<T>(what: &str, path: &Path, result: io::Result<T>) -> T {
    result.unwrap_or_else(|e| panic!("{what} {}: {e}", path.display()))
}
