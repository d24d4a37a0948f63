//! The fate of what was not synced, and the disk a reboot then finds.

use super::content::Content;
use super::inode::Inode;
use super::rng::Rng;
use super::tree::{Dir, Ino, Names, Node, ROOT, Tree, set_name};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What becomes of unsynced effects in a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All are lost: each file has the bytes last synced, each directory the entries last synced.
    Dropped,
    /// Some survive, as the seed has it. Of a file's unsynced writes: none, all, the first ones with the last in part,
    /// or single sectors of 512 bytes, zeros where the others would have lengthened the file. Of a directory's unsynced
    /// entry operations: none, all, the first ones or single ones. A rename within a directory is at the old name or
    /// the new; one between directories may be at both. What was durable is never lost, except by an operation.
    Torn(u64),
    /// All survive.
    Kept,
}

/// The tree a reboot would find. Unchanged files and directories are shared with it.
pub(super) fn reboot(tree: &Tree, fate: Fate) -> Tree {
    let names = surviving_names(tree, fate);
    let mut nodes = BTreeMap::new();
    let mut open = vec![ROOT];
    while let Some(ino) = open.pop() {
        if nodes.contains_key(&ino) {
            continue;
        }
        match tree.nodes.get(&ino) {
            Some(Node::Dir(dir)) => {
                let names = names.get(&ino).unwrap_or(match fate {
                    Fate::Kept => &dir.live,
                    Fate::Dropped | Fate::Torn(_) => &dir.durable,
                });
                open.extend(names.values());
                let dir = Dir { live: Arc::clone(names), durable: Arc::clone(names) };
                nodes.insert(ino, Node::Dir(dir));
            }
            Some(Node::File { inode, .. }) => {
                let inode = surviving_bytes(ino, inode, fate);
                nodes.insert(ino, Node::File { inode, open: Arc::default() });
            }
            None => {}
        }
    }
    Tree::of(nodes)
}

/// Of the directories whose names some unsynced operation changed by chance.
fn surviving_names(tree: &Tree, fate: Fate) -> BTreeMap<Ino, Arc<Names>> {
    let mut names = BTreeMap::new();
    if let Fate::Torn(seed) = fate {
        tree.log.survive(&mut Rng::split(seed, ROOT), |place, node| {
            if let Some(Node::Dir(dir)) = tree.nodes.get(&place.dir) {
                let names = names.entry(place.dir).or_insert_with(|| Arc::clone(&dir.durable));
                set_name(names, place, node);
            }
        });
    }
    names
}

fn surviving_bytes(ino: Ino, inode: &Arc<Inode>, fate: Fate) -> Arc<Inode> {
    if inode.is_at_rest() {
        return Arc::clone(inode);
    }
    let content: Content = match fate {
        Fate::Kept => inode.live.clone(),
        Fate::Dropped => inode.durable().clone(),
        Fate::Torn(seed) => inode.torn(&mut Rng::split(seed, ino)),
    };
    Arc::new(Inode::at_rest(content))
}
