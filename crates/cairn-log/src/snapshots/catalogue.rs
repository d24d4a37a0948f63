//! `Catalogue`: which snapshots a directory holds, from `snapshots.json` and from the directories themselves.
//!
//! A snapshot is its directory: complete from the one rename that gives it its name. `snapshots.json` is the list of
//! them, written after; where the two differ, the directories are right.

use super::metadata;
use super::snapshot::{Snapshot, id_number};
use crate::{Error, ErrorKind, Result};
use cairn_disk::{FileType, Storage};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Added to the name of a snapshot's directory while it is filled.
pub(crate) const NEW_SUFFIX: &str = ".new";
/// Added to the name of a snapshot's directory while it is deleted.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";

/// What was found in a directory of snapshots when it was opened.
#[derive(Debug, Clone, Default)]
pub struct SnapshotsFound {
    /// Why `snapshots.json` was made again from the snapshots' directories: it was gone, or damaged as this says.
    pub rebuilt: Option<String>,
    /// Snapshots that `snapshots.json` did not name: a crash came before it was written.
    pub adopted: Vec<String>,
    /// Snapshots that `snapshots.json` named and that are not there.
    pub missing: Vec<String>,
    /// Directories of snapshots whose own metadata is damaged or gone, and why. They are not listed; they can be deleted.
    pub damaged: Vec<(String, Error)>,
    /// What a crash left of snapshots being made or deleted, and was removed.
    pub removed: Vec<PathBuf>,
}

/// What a directory of snapshots holds.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Newest first.
    pub snapshots: Vec<Snapshot>,
    pub found: SnapshotsFound,
    /// Directories of snapshots not finished, or being deleted.
    pub leftovers: Vec<PathBuf>,
}

impl Catalogue {
    /// Looks at a directory; changes nothing. One that is not there holds nothing.
    pub fn read(storage: &dyn Storage, snapshot_dir: &Path) -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        if storage.stat(snapshot_dir)?.is_none() {
            return Ok(catalogue);
        }
        let mut dirs = BTreeSet::new();
        for entry in storage.list(snapshot_dir)? {
            if entry.stat.file_type != FileType::Dir {
                continue;
            }
            let unfinished =
                entry.name.strip_suffix(NEW_SUFFIX).or_else(|| entry.name.strip_suffix(DELETED_SUFFIX));
            if unfinished.is_some_and(|id| id_number(id).is_some()) {
                catalogue.leftovers.push(snapshot_dir.join(&entry.name));
            } else if id_number(&entry.name).is_some() {
                dirs.insert(entry.name);
            }
        }
        let mut listed = catalogue.listed(storage, snapshot_dir, dirs.is_empty())?;
        for id in dirs {
            match listed.remove(&id) {
                Some(snapshot) => catalogue.snapshots.push(snapshot),
                None => catalogue.adopt(storage, snapshot_dir, id)?,
            }
        }
        catalogue.found.missing.extend(listed.into_keys());
        catalogue.snapshots.sort_by_key(Snapshot::order);
        Ok(catalogue)
    }

    /// What `snapshots.json` names, by id. Where it is gone or damaged: nothing, and why.
    fn listed(
        &mut self,
        storage: &dyn Storage,
        snapshot_dir: &Path,
        no_dirs: bool,
    ) -> Result<BTreeMap<String, Snapshot>> {
        match metadata::read_all(storage, snapshot_dir) {
            Ok(snapshots) => Ok(snapshots.into_iter().map(|s| (s.id.clone(), s)).collect()),
            Err(e) if e.kind() == ErrorKind::NotFound && no_dirs => Ok(BTreeMap::new()),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                self.found.rebuilt = Some(e.to_string());
                Ok(BTreeMap::new())
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Takes a snapshot by what its own directory says.
    fn adopt(&mut self, storage: &dyn Storage, snapshot_dir: &Path, id: String) -> Result<()> {
        let dir = snapshot_dir.join(&id);
        match metadata::read(storage, &dir) {
            Ok(snapshot) if snapshot.id == id => {
                self.found.adopted.push(id);
                self.snapshots.push(snapshot);
            }
            Ok(other) => {
                let path = dir.join(metadata::SNAPSHOT_JSON);
                let error = crate::error::corrupt(&path, None, "id", &id, other.id);
                self.found.damaged.push((id, error.into()));
            }
            // Gone between the listing and now: another manager deleted it.
            Err(_) if storage.stat(&dir)?.is_none() => {}
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                self.found.damaged.push((id, e.into()));
            }
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// Whether `snapshots.json` says something else.
    pub fn is_stale(&self) -> bool {
        let SnapshotsFound { rebuilt, adopted, missing, .. } = &self.found;
        rebuilt.is_some() || !adopted.is_empty() || !missing.is_empty()
    }

    /// The snapshot with this id.
    pub fn get(&self, snapshot_dir: &Path, id: &str) -> Result<&Snapshot> {
        self.snapshots.iter().find(|s| s.id == id).ok_or_else(|| self.no_snapshot(snapshot_dir, id))
    }

    /// The error for an id that is not there.
    pub fn no_snapshot(&self, snapshot_dir: &Path, id: &str) -> Error {
        let ids: Vec<&str> = self.snapshots.iter().map(|s| s.id.as_str()).take(5).collect();
        let known = match self.snapshots.len() {
            0 => "there are none".to_owned(),
            n if n > ids.len() => format!("there are {n}, the newest {}", ids.join(", ")),
            _ => format!("there is {}", ids.join(", ")),
        };
        Error::NoSnapshot { dir: snapshot_dir.to_owned(), id: id.chars().take(60).collect(), known }
    }
}
