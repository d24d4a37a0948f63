//! The log of unsynced entry operations: what a `sync_dir` makes durable, and what may survive without one.

use super::rng::Rng;
use super::tree::Ino;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) dir: Ino,
    pub(super) name: OsString,
}

/// A change of names.
#[derive(Debug, Clone)]
pub(super) enum EntryOp {
    /// A name for a node: create, create directory, link.
    Enter { place: Place, node: Ino },
    /// A name less.
    Remove { place: Place, removed_dir: Option<Ino> },
    /// A rename, which may replace.
    Move {
        from: Place,
        to: Place,
        node: Ino,
        is_dir: bool,
        replaced_dir: Option<Ino>,
        /// The new name is durable, the old one not yet gone.
        placed: bool,
    },
}

/// How much of an operation is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// Of a move between directories: the new name only.
    NewName,
}

/// Entry operations that are not durable, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct EntryLog {
    ops: Vec<EntryOp>,
}

impl EntryLog {
    pub(super) fn push(&mut self, op: EntryOp) {
        self.ops.push(op);
    }

    /// Takes out what would still happen to this name.
    pub(super) fn forget(&mut self, place: &Place) {
        self.ops.retain(|op| match op {
            EntryOp::Enter { place: p, .. } | EntryOp::Remove { place: p, .. } => p != place,
            EntryOp::Move { from, to, .. } => from != place && to != place,
        });
    }

    /// The directories that operations happen in, and the nodes they name.
    pub(super) fn mentions(&self) -> impl Iterator<Item = Ino> {
        self.ops.iter().flat_map(|op| match op {
            EntryOp::Enter { place, node } => [place.dir, *node, *node],
            EntryOp::Remove { place, .. } => [place.dir; 3],
            EntryOp::Move { from, to, node, .. } => [from.dir, to.dir, *node],
        })
    }

    /// Makes the names of `dir` durable: gives `set` the changes of its operations, and of those in other directories
    /// that must not come later.
    pub(super) fn commit(&mut self, dir: Ino, mut set: impl FnMut(&Place, Option<Ino>)) {
        let mut closure = Closure { synced: BTreeSet::from([dir]), reachable: BTreeSet::new() };
        let mut parts: Vec<_> = self.ops.iter().rev().map(|op| closure.part(op)).collect();
        parts.reverse();
        let mut kept = Vec::new();
        for (mut op, part) in std::mem::take(&mut self.ops).into_iter().zip(parts) {
            if let Some(part) = part {
                op.apply(part, &mut set);
            }
            if let (EntryOp::Move { placed, .. }, Some(Part::NewName)) = (&mut op, part) {
                *placed = true;
            }
            if part != Some(Part::Whole) {
                kept.push(op);
            }
        }
        self.ops = kept;
    }

    /// Gives `set` the changes that happen to survive a crash.
    pub(super) fn survive(&self, rng: &mut Rng, mut set: impl FnMut(&Place, Option<Ino>)) {
        let mut survival = Survival::new(rng);
        for (at, op) in self.ops.iter().enumerate() {
            if let Some(part) = survival.part(at, op, rng) {
                op.apply(part, &mut set);
            }
        }
    }
}

impl EntryOp {
    fn apply(&self, part: Part, set: &mut impl FnMut(&Place, Option<Ino>)) {
        for (place, node) in self.effects(part).into_iter().flatten() {
            set(place, node);
        }
    }

    /// The names it changes, and the node each then leads to.
    fn effects(&self, part: Part) -> [Option<(&Place, Option<Ino>)>; 2] {
        match self {
            EntryOp::Enter { place, node } => [Some((place, Some(*node))), None],
            EntryOp::Remove { place, .. } => [Some((place, None)), None],
            EntryOp::Move { from, to, node, placed, .. } => {
                let new_name = (!*placed).then_some((to, Some(*node)));
                let old_name = (part == Part::Whole).then_some((from, None));
                [new_name, old_name]
            }
        }
    }
}

/// Which earlier operations a sync brings with it, found from the newest backwards: all in its directories, and those
/// without which a moved file would be nowhere.
struct Closure {
    /// Directories whose earlier operations become durable.
    synced: BTreeSet<Ino>,
    /// Directories that must be found from the root: something durable moves into them.
    reachable: BTreeSet<Ino>,
}

impl Closure {
    fn part(&mut self, op: &EntryOp) -> Option<Part> {
        match op {
            EntryOp::Enter { place, node } => self.names(place.dir, *node).then_some(Part::Whole),
            EntryOp::Remove { place, removed_dir } => {
                let chosen = self.synced.contains(&place.dir);
                if chosen {
                    self.synced.extend(removed_dir);
                }
                chosen.then_some(Part::Whole)
            }
            EntryOp::Move { from, to, node, is_dir, replaced_dir, placed } => {
                let (old, new) = (self.synced.contains(&from.dir), self.synced.contains(&to.dir));
                let within = from.dir == to.dir;
                let part = if within || *is_dir {
                    // Looked at first: it adds the parent of a directory that must be reachable.
                    (self.names(to.dir, *node) || old).then_some(Part::Whole)?
                } else if old {
                    Part::Whole
                } else if new && !*placed {
                    Part::NewName
                } else {
                    return None;
                };
                self.synced.extend(replaced_dir);
                if part == Part::Whole && !within && !*placed {
                    self.synced.extend([from.dir, to.dir]);
                    self.reachable.insert(to.dir);
                }
                Some(part)
            }
        }
    }

    /// Whether a name in `dir` for `node` must be durable.
    fn names(&mut self, dir: Ino, node: Ino) -> bool {
        if self.reachable.contains(&node) {
            self.synced.insert(dir);
            self.reachable.insert(dir);
        }
        self.synced.contains(&dir)
    }
}

/// Which operations survive a crash by chance: in each directory none, all, the first few or some. An operation never
/// survives without the earlier ones on the same name, so a rename is whole, and what was durable is never lost.
struct Survival {
    seed: u64,
    /// By directory: how to choose.
    modes: BTreeMap<Ino, Mode>,
    failed_names: BTreeSet<Place>,
    /// Directories in which some operation did not survive.
    failed_dirs: BTreeSet<Ino>,
    /// New directories that a crash leaves without a name.
    adrift: BTreeSet<Ino>,
    dir_move_failed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    None,
    All,
    Some,
    Until(usize),
}

impl Survival {
    fn new(rng: &mut Rng) -> Self {
        Self {
            seed: rng.next(),
            modes: BTreeMap::new(),
            failed_names: BTreeSet::new(),
            failed_dirs: BTreeSet::new(),
            adrift: BTreeSet::new(),
            dir_move_failed: false,
        }
    }

    fn part(&mut self, at: usize, op: &EntryOp, rng: &mut Rng) -> Option<Part> {
        match op {
            EntryOp::Enter { place, node } => {
                let lives = self.name_lives(at, place, rng);
                if !lives || self.adrift.contains(&place.dir) {
                    self.adrift.insert(*node);
                }
                self.keep(lives, &[place], Part::Whole)
            }
            EntryOp::Remove { place, removed_dir } => {
                let emptied = removed_dir.is_none_or(|dir| !self.failed_dirs.contains(&dir));
                let lives = emptied && self.name_lives(at, place, rng);
                self.keep(lives, &[place], Part::Whole)
            }
            EntryOp::Move { from, to, is_dir, replaced_dir, placed, .. } => {
                let emptied = replaced_dir.is_none_or(|dir| !self.failed_dirs.contains(&dir));
                let new = *placed || (emptied && self.name_lives(at, to, rng));
                let old = self.name_lives(at, from, rng) && (*placed || !self.adrift.contains(&to.dir));
                if from.dir == to.dir {
                    // One directory: both names or neither.
                    let lives = new && !self.failed_names.contains(from);
                    self.keep(lives, &[from, to], Part::Whole)
                } else if *is_dir {
                    let lives = new && old && !self.dir_move_failed;
                    self.dir_move_failed |= !lives;
                    self.keep(lives, &[from, to], Part::Whole)
                } else {
                    let gone = self.keep(new && old, &[from], Part::Whole);
                    gone.or(self.keep(new, &[to], Part::NewName))
                }
            }
        }
    }

    fn keep(&mut self, lives: bool, places: &[&Place], part: Part) -> Option<Part> {
        if !lives {
            self.failed_dirs.extend(places.iter().map(|p| p.dir));
            self.failed_names.extend(places.iter().map(|p| (*p).clone()));
        }
        lives.then_some(part)
    }

    fn name_lives(&mut self, at: usize, place: &Place, rng: &mut Rng) -> bool {
        let mode = *self.modes.entry(place.dir).or_insert_with(|| {
            let mut rng = Rng::split(self.seed, place.dir);
            match rng.up_to(4) {
                0 => Mode::None,
                1 => Mode::All,
                2 => Mode::Until(at + rng.index(8)),
                _ => Mode::Some,
            }
        });
        let chosen = match mode {
            Mode::None => false,
            Mode::All => true,
            Mode::Some => rng.eighths(4),
            Mode::Until(end) => at < end,
        };
        chosen && !self.failed_names.contains(place)
    }
}
