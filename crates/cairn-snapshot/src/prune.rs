//! Pruning: a plan of which snapshots go, and what does it.

use crate::catalog;
use crate::codec::Codec;
use crate::delete::{self, Swept, Unnamed};
use crate::error::{Error, Result};
use crate::layout;
use crate::part::{PartId, stored_parts};
use crate::pin;
use crate::repository::Repository;
use crate::retention::{Candidate, Plan, RetentionPolicy, plan};
use crate::snapshot::Snapshot;
use crate::snapshot_id::SnapshotId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a prune is to do.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// Which snapshots stay.
    pub policy: RetentionPolicy,
    /// Only snapshots with this tag are looked at, as if there were no others; `None`: all.
    pub tag: Option<String>,
    /// The time now, microseconds since the Unix epoch.
    pub now_us: i64,
    /// How long another writer of the repository is waited for.
    pub wait: Duration,
}

/// What a prune did, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Which snapshots went and which stayed, and why.
    pub plan: Plan,
    /// Parts removed: those that no snapshot names any more, also when an earlier writer left them.
    pub parts: u64,
    /// Their stored bytes.
    pub stored_bytes: u64,
    /// The damaged snapshot for whose sake no part was removed, as [`crate::Deleted::kept_for`].
    pub kept_for: Option<String>,
}

/// What [`prune`] would do now. Takes no lock and writes nothing; beside a create that runs, the parts it has stored so far
/// are among those that would go.
pub fn prune_plan(repository: &Repository, options: &PruneOptions) -> Result<Pruned> {
    let plan = planned(repository, options)?;
    let gone: BTreeSet<&str> = plan.remove.iter().map(String::as_str).collect();
    let Unnamed { parts, kept_for } = delete::unnamed(repository, &gone)?;
    let stored_bytes = parts.iter().map(|(_, bytes)| bytes).sum();
    Ok(Pruned { plan, parts: parts.len() as u64, stored_bytes, kept_for })
}

/// Removes the snapshots that the policy does not keep, the oldest first, and then the parts that no other one names.
///
/// It holds the repository's lock: it waits for a create to end, and a create for it. Those that go stop being snapshots
/// before a part goes, durably; after an error or a crash, some of them are gone, every other snapshot is whole, and the next
/// writer removes what was left. Whoever reads a snapshot that goes meanwhile gets an error or the right bytes.
pub fn prune(repository: &Repository, options: &PruneOptions) -> Result<Pruned> {
    let _writer = repository.writer_after("snapshot prune", options.wait)?;
    let plan = planned(repository, options)?;
    let (storage, root) = (repository.storage(), repository.root());
    let mut gone = Vec::new();
    for name in plan.remove.iter().rev() {
        let id: SnapshotId = name.parse()?;
        let deleted = layout::deleted_dir(root, &id);
        storage.rename(&layout::snapshot_dir(root, &id), &deleted)?;
        gone.push(deleted);
    }
    let Swept { parts, stored_bytes, kept_for } = delete::remove_unnamed(repository)?;
    for dir in gone {
        storage.remove_dir_all(&dir)?;
    }
    Ok(Pruned { plan, parts, stored_bytes, kept_for })
}

fn planned(repository: &Repository, options: &PruneOptions) -> Result<Plan> {
    let candidates = candidates(repository, options.tag.as_deref())?;
    Ok(plan(&candidates, &options.policy, options.now_us))
}

/// The snapshots of a repository as a policy sees them; with a tag, only those that have it. Looks at the length of every
/// part that a snapshot names, and reads none.
pub fn candidates(repository: &Repository, tag: Option<&str>) -> Result<Vec<Candidate>> {
    let pins = pin::pins(repository)?;
    let mut parts = Stored::read(repository)?;
    let mut found = Vec::new();
    for listed in catalog::list(repository)? {
        let whole = listed.whole();
        if tag.is_some_and(|tag| !whole.is_some_and(|s| s.tags.iter().any(|t| t == tag))) {
            continue;
        }
        let id: Option<SnapshotId> = listed.id().parse().ok();
        let created_us = match (whole, &id) {
            (Some(snapshot), _) => snapshot.created_us,
            (None, Some(id)) => id.time_us(),
            (None, None) => i64::MIN,
        };
        found.push(Candidate {
            id: listed.id().to_owned(),
            created_us,
            database: whole.map(|snapshot| snapshot.database),
            good: whole.map(|snapshot| parts.hold(repository, snapshot)).transpose()?.unwrap_or(false),
            pinned: id.is_some_and(|id| pins.contains_key(&id)),
        });
    }
    Ok(found)
}

/// The time of the newest good snapshot, of those with a tag when one is given: microseconds since the Unix epoch.
pub fn newest_good_us(repository: &Repository, tag: Option<&str>) -> Result<Option<i64>> {
    let found = candidates(repository, tag)?;
    Ok(found.iter().filter(|c| c.good).map(|c| c.created_us).max())
}

/// The parts that are stored, with their lengths once they were asked for.
struct Stored {
    bytes: BTreeMap<(PartId, Codec), Option<u64>>,
}

impl Stored {
    fn read(repository: &Repository) -> Result<Stored> {
        let found = stored_parts(repository.storage(), repository.root())?;
        Ok(Stored { bytes: found.into_iter().map(|(id, codec, _)| ((id, codec), None)).collect() })
    }

    /// Whether all parts of a snapshot are there and as long as they were written.
    fn hold(&mut self, repository: &Repository, snapshot: &Snapshot) -> Result<bool> {
        for part in snapshot.parts() {
            let Some(known) = self.bytes.get_mut(&(part.id, part.codec)) else { return Ok(false) };
            let bytes = match known {
                Some(bytes) => *bytes,
                None => {
                    let path = repository.root().join(part.stored());
                    let stat = repository.storage().stat(&path)?;
                    *known.insert(stat.map_or(u64::MAX, |stat| stat.bytes))
                }
            };
            if bytes != part.stored_bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Refuses to delete a snapshot that is pinned.
pub(crate) fn check_unpinned(repository: &Repository, id: &SnapshotId) -> Result<()> {
    let Some(pin) = pin::pin_of(repository, id)? else { return Ok(()) };
    let why = match pin {
        Ok(pin) if pin.note.is_empty() => String::new(),
        Ok(pin) => format!(" ({})", pin.note),
        Err(e) => format!(" (its pin does not read: {e})"),
    };
    Err(Error::Input(format!("snapshot {id} is pinned{why}: unpin it first, or force its deletion")))
}
