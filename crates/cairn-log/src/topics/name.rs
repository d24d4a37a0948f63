//! Topic names, and those of the directories that stand for topics in the making and in the removing.

use crate::{Error, Result};

/// The longest name of a topic: with what marks an unfinished one it is still a file name everywhere.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

const EXPECTED: &str = "1 to 249 characters of A-Z, a-z, 0-9, `.`, `_` and `-`, the first no `.`";
/// What a directory's name ends in while its topic is made, and while it is removed. It begins with `.`, as no topic does.
const NEW: &str = ".new";
const DELETED: &str = ".del";

/// Refuses what is no topic's name.
pub(crate) fn check(name: &str) -> Result<()> {
    let fits = (1..=TOPIC_NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('.');
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    let name = if shown.len() < name.len() { format!("{shown}…") } else { shown };
    Err(Error::TopicName { name, expected: EXPECTED })
}

/// The name of a topic's directory while it is made.
pub(crate) fn new_dir(name: &str) -> String {
    format!(".{name}{NEW}")
}

/// The name of a topic's directory while it is removed.
pub(crate) fn deleted_dir(name: &str) -> String {
    format!(".{name}{DELETED}")
}

/// Whether a directory of this name is a topic's that was never finished, or not removed to the end.
pub(crate) fn is_leftover(dir_name: &str) -> bool {
    let name = dir_name.strip_prefix('.').and_then(|n| n.strip_suffix(NEW).or(n.strip_suffix(DELETED)));
    name.is_some_and(|name| check(name).is_ok())
}
