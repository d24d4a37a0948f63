//! Cleanup: which snapshots are old, and the newest good one is never among them.

use crate::error::Result;
use crate::snapshot::Snapshot;
use cairn_engine::DatabaseId;
use std::collections::BTreeMap;

/// The collections that a snapshot covers, by number; `None`: the whole database.
type Covered = Option<Vec<u32>>;

/// The snapshots to be deleted so that the `keep` newest of each database, and of each choice of its collections, stay.
/// `listed` is newest first. Where none of those that stay `is_good`, the newest good one of the others stays too; where none
/// is good at all, all stay.
pub(crate) fn old_snapshots(
    listed: Vec<Snapshot>,
    keep: usize,
    is_good: impl Fn(&Snapshot) -> Result<bool>,
) -> Result<Vec<Snapshot>> {
    let mut alike: BTreeMap<(DatabaseId, Covered), Vec<Snapshot>> = BTreeMap::new();
    for snapshot in listed {
        let covered = (!snapshot.whole).then(|| {
            let mut numbers: Vec<u32> = snapshot.collections.iter().map(|c| c.number).collect();
            numbers.sort_unstable();
            numbers
        });
        alike.entry((snapshot.database, covered)).or_default().push(snapshot);
    }
    let first_good = |snapshots: &[Snapshot]| {
        for (at, snapshot) in snapshots.iter().enumerate() {
            if is_good(snapshot)? {
                return Ok(Some(at));
            }
        }
        Ok::<_, crate::Error>(None)
    };
    let mut old = Vec::new();
    for mut snapshots in alike.into_values() {
        let mut rest = snapshots.split_off(keep.min(snapshots.len()));
        if !rest.is_empty() && first_good(&snapshots)?.is_none() {
            match first_good(&rest)? {
                Some(at) => drop(rest.remove(at)),
                None => rest.clear(),
            }
        }
        old.extend(rest);
    }
    Ok(old)
}
