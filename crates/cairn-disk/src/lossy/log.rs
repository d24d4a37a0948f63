//! The log of entry operations that the real directories do not show yet.

use super::inode::Inode;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

/// The number of a directory, in this process.
pub(super) type DirId = u64;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) dir: DirId,
    pub(super) name: OsString,
}

/// What a name leads to.
#[derive(Debug, Clone)]
pub(super) enum Node {
    File(Arc<Inode>),
    Dir(DirId),
    /// A symbolic link, a socket: it can be moved and removed.
    Other,
}

/// A change of names.
#[derive(Debug, Clone)]
pub(super) enum EntryOp {
    /// A name for a node: create, create directory, link.
    Enter { place: Place, node: Node },
    /// A name less.
    Remove { place: Place, removed_dir: Option<DirId> },
    /// A rename, which may replace. Between directories, the first sync of either makes it last.
    Move { from: Place, to: Place, moved_dir: Option<DirId>, replaced_dir: Option<DirId> },
}

/// An operation and whether a sync asked for it. It stays while its directory is itself not real.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) op: EntryOp,
    pub(super) synced: bool,
}

impl EntryOp {
    /// The directories it happens in.
    pub(super) fn dirs(&self) -> [DirId; 2] {
        match self {
            EntryOp::Enter { place, .. } | EntryOp::Remove { place, .. } => [place.dir; 2],
            EntryOp::Move { from, to, .. } => [from.dir, to.dir],
        }
    }

    /// The directory that it names.
    fn named_dir(&self) -> Option<DirId> {
        match self {
            EntryOp::Enter { node: Node::Dir(dir), .. } => Some(*dir),
            EntryOp::Move { moved_dir, .. } => *moved_dir,
            EntryOp::Enter { .. } | EntryOp::Remove { .. } => None,
        }
    }

    /// The directory that it takes away.
    fn lost_dir(&self) -> Option<DirId> {
        match self {
            EntryOp::Enter { .. } => None,
            EntryOp::Remove { removed_dir, .. } => *removed_dir,
            EntryOp::Move { replaced_dir, .. } => *replaced_dir,
        }
    }

    /// Every directory it mentions.
    pub(super) fn mentions(&self) -> impl Iterator<Item = DirId> {
        self.dirs().into_iter().chain(self.named_dir()).chain(self.lost_dir())
    }
}

/// Marks what a sync of the directories in `synced` brings with it: all operations in them, and those without which a
/// moved file would be nowhere. Directories in `reachable` become real themselves.
pub(super) fn mark(log: &mut [Pending], mut synced: BTreeSet<DirId>, mut reachable: BTreeSet<DirId>) {
    for pending in log.iter_mut().rev() {
        let dirs = pending.op.dirs();
        if pending.op.named_dir().is_some_and(|dir| reachable.contains(&dir)) {
            synced.extend(dirs);
            reachable.extend(dirs);
        }
        if dirs.iter().any(|dir| synced.contains(dir)) {
            pending.synced = true;
            synced.extend(pending.op.lost_dir());
            if dirs[0] != dirs[1] {
                synced.extend(dirs);
                reachable.extend(dirs);
            }
        }
    }
}
