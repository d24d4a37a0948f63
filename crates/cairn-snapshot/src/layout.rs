//! The layout of a repository: every name in it, spelled once.

use crate::codec::Codec;
use crate::part::PartId;
use crate::snapshot_id::SnapshotId;
use std::path::{Path, PathBuf};

/// Says that a directory is a repository.
pub(crate) const REPOSITORY_FILE: &str = "cairn-repository.json";
/// Held by a writer.
pub(crate) const LOCK: &str = "LOCK";
/// All parts.
pub(crate) const PARTS: &str = "parts";
/// All snapshots.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// Parts that a writer has not finished.
pub(crate) const TMP: &str = "tmp";
/// What a snapshot is.
pub(crate) const METADATA: &str = "metadata.json";
/// The hashes of a snapshot's stored files.
pub(crate) const CHECKSUM: &str = "checksum.sha256";

/// Keeps a snapshot from being pruned.
pub(crate) const PIN: &str = "pin.json";

/// The directory of a snapshot.
pub(crate) fn snapshot_dir(root: &Path, id: &SnapshotId) -> PathBuf {
    root.join(SNAPSHOTS).join(id.as_str())
}

/// The directory of a snapshot that is not finished. It stands beside the finished ones, since only a rename within one
/// directory is at one of its two names after a crash, whatever the file system.
pub(crate) fn staged_dir(root: &Path, id: &SnapshotId) -> PathBuf {
    root.join(SNAPSHOTS).join(format!(".{id}.new"))
}

/// The directory of a snapshot that is being deleted.
pub(crate) fn deleted_dir(root: &Path, id: &SnapshotId) -> PathBuf {
    root.join(SNAPSHOTS).join(format!(".{id}.deleted"))
}

/// Whether a name below `snapshots/` is one of those two: no snapshot.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name.starts_with('.') && (name.ends_with(".new") || name.ends_with(".deleted"))
}

/// The directory of the parts that begin as `id` does.
pub(crate) fn part_dir(root: &Path, id: PartId) -> PathBuf {
    root.join(PARTS).join(prefix(id))
}

fn prefix(id: PartId) -> String {
    format!("{:02x}", id.0.0[0])
}

/// A part's path below the repository, as `metadata.json` has it.
pub(crate) fn part_path(id: PartId, codec: Codec) -> String {
    format!("{PARTS}/{}/{id}.{}", prefix(id), codec.extension())
}

/// The part that a file of a directory below `parts/` is; `None`: no part's name.
pub(crate) fn part_of_name(dir: &str, name: &str) -> Option<(PartId, Codec)> {
    let (hex, extension) = name.split_once('.')?;
    let id: PartId = hex.parse().ok()?;
    (prefix(id) == dir).then_some((id, Codec::from_extension(extension)?))
}
