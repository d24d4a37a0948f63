//! `SnapshotManager`: the snapshots of one log.

use super::catalogue::{Catalogue, DELETED_SUFFIX, NEW_SUFFIX, SnapshotsFound};
use super::snapshot::{ID_PREFIX, Snapshot};
use super::{metadata, metadata::SNAPSHOT_JSON};
use crate::log::make_dir;
use crate::{Clock, Error, ErrorKind, Result, SystemClock};
use cairn_disk::{LockGuard, RealDisk, Storage};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// The directory of a log's snapshots, in the log's.
const SNAPSHOTS_DIR: &str = "snapshots";
/// In it, held by whoever makes or deletes one.
const LOCK_FILE: &str = "LOCK";

/// Makes, lists, restores and deletes the snapshots of one log; they are in `<log_dir>/snapshots`.
///
/// (Its namesake in the crate `cairn-snapshot` is about snapshots of databases, in a repository.)
///
/// All methods may be called from any thread. Those that change something happen one after the other, also among several
/// managers of the same directory: in one process they wait for each other; in another process they are refused with
/// [`ErrorKind::Locked`], naming the holder.
pub struct SnapshotManager {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log_dir: PathBuf,
    pub(crate) snapshot_dir: PathBuf,
    /// Held by this process's manager at work on the directory.
    gate: Arc<Mutex<()>>,
    found: SnapshotsFound,
}

/// One of a log's snapshot's files, for who copies it elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name, in the snapshot.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The CRC-32C of its bytes.
    pub crc32c: u32,
}

/// The right to change a directory of snapshots.
pub(crate) struct Held<'a> {
    // Dropped in this order: who waits in this process finds the file's lock free.
    _lock: Box<dyn LockGuard>,
    _gate: MutexGuard<'a, ()>,
}

impl SnapshotManager {
    /// The snapshots of the log in `log_dir`, which exists, on the real disk. Removes what a crash left unfinished.
    pub fn new(log_dir: impl Into<PathBuf>) -> Result<SnapshotManager> {
        Self::with(Arc::new(RealDisk::new()), Arc::new(SystemClock), log_dir)
    }

    /// As [`SnapshotManager::new`], on another disk and by another clock.
    pub fn with(
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
        log_dir: impl Into<PathBuf>,
    ) -> Result<SnapshotManager> {
        let log_dir = log_dir.into();
        if storage.stat(&log_dir)?.is_none() {
            return Err(Error::NoLog { dir: log_dir });
        }
        let snapshot_dir = log_dir.join(SNAPSHOTS_DIR);
        make_dir(&*storage, &snapshot_dir)?;
        let gate = gate(&storage.canonical(&snapshot_dir)?);
        let found = SnapshotsFound::default();
        let mut manager = SnapshotManager { storage, clock, log_dir, snapshot_dir, gate, found };
        let tidied = manager.hold().and_then(|held| manager.tidy(&held));
        manager.found = match tidied {
            Ok(catalogue) => catalogue.found,
            // Another process is at work, and what looks unfinished may be its: or nothing may be changed here. Either
            // way the snapshots can be listed and restored.
            Err(e) if matches!(e.kind(), ErrorKind::Locked | ErrorKind::Permission) => {
                manager.catalogue()?.found
            }
            Err(e) => return Err(e),
        };
        Ok(manager)
    }

    /// The log's directory.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// Where the snapshots are.
    pub fn snapshot_dir(&self) -> &Path {
        &self.snapshot_dir
    }

    /// What was found, and set right, when this manager was made.
    pub fn found(&self) -> &SnapshotsFound {
        &self.found
    }

    /// All snapshots, newest first.
    pub fn list_snapshots(&self) -> Result<Vec<Snapshot>> {
        Ok(self.catalogue()?.snapshots)
    }

    /// The snapshot with this id, if there is one.
    pub fn get_snapshot(&self, id: &str) -> Result<Option<Snapshot>> {
        Ok(self.list_snapshots()?.into_iter().find(|s| s.id == id))
    }

    /// The bytes of all snapshots' files as they are stored. A file that several share, or that is linked to the log's,
    /// counts in each: deleting one snapshot may free less.
    pub fn size(&self) -> Result<u64> {
        Ok(self.list_snapshots()?.iter().map(|s| s.stored_size).fold(0, u64::saturating_add))
    }

    /// Deletes a snapshot, also a damaged one. Others need nothing of it. After a crash it is there whole, or gone.
    pub fn delete_snapshot(&self, id: &str) -> Result<()> {
        let held = self.hold()?;
        let catalogue = self.tidy(&held)?;
        let is_damaged = catalogue.found.damaged.iter().any(|(damaged, _)| damaged == id);
        if !is_damaged {
            catalogue.get(&self.snapshot_dir, id)?;
        }
        self.delete(&held, catalogue, id)
    }

    /// The files of a snapshot, to be copied elsewhere: its metadata first, then its segments'. Back they come by
    /// [`SnapshotManager::import_snapshot`].
    pub fn snapshot_files(&self, id: &str) -> Result<Vec<StoredFile>> {
        let snapshot = self.existing(id)?;
        let dir = self.dir_of(id);
        let json = metadata::encode(&snapshot);
        let first = StoredFile {
            name: SNAPSHOT_JSON.to_owned(),
            path: dir.join(SNAPSHOT_JSON),
            bytes: json.len() as u64,
            crc32c: cairn_disk::crc32c(&json),
        };
        let files = snapshot.files().map(|(base, file)| StoredFile {
            name: file.stored_name(base),
            path: Snapshot::path(&dir, base, file),
            bytes: file.stored_bytes,
            crc32c: file.stored_crc32c,
        });
        Ok(std::iter::once(first).chain(files).collect())
    }

    /// The snapshot with this id, or an error that says which there are.
    pub(crate) fn existing(&self, id: &str) -> Result<Snapshot> {
        self.catalogue()?.get(&self.snapshot_dir, id).cloned()
    }

    pub(crate) fn catalogue(&self) -> Result<Catalogue> {
        Catalogue::read(&*self.storage, &self.snapshot_dir)
    }

    /// Where the snapshot with this id is.
    pub(crate) fn dir_of(&self, id: &str) -> PathBuf {
        self.snapshot_dir.join(id)
    }

    /// Where the snapshot with this id is made.
    pub(crate) fn staging_of(&self, id: &str) -> PathBuf {
        self.snapshot_dir.join(format!("{id}{NEW_SUFFIX}"))
    }

    /// Takes the right to change something. Waits for other managers in this process.
    pub(crate) fn hold(&self) -> Result<Held<'_>> {
        let gate = self.gate.lock();
        let holder = format!("pid {}, at work on the log's snapshots", std::process::id());
        let lock = self.storage.lock(&self.snapshot_dir.join(LOCK_FILE), &holder)?;
        Ok(Held { _lock: lock, _gate: gate })
    }

    /// Removes what a crash left, and writes `snapshots.json` where it is not what is there. Returns what there is.
    pub(crate) fn tidy(&self, _held: &Held<'_>) -> Result<Catalogue> {
        let mut catalogue = self.catalogue()?;
        for leftover in std::mem::take(&mut catalogue.leftovers) {
            self.storage.remove_dir_all(&leftover)?;
            catalogue.found.removed.push(leftover);
        }
        if catalogue.is_stale() || !catalogue.found.removed.is_empty() {
            // What is named is durable first: the crash may have come before the sync that made it so.
            self.storage.sync_dir(&self.snapshot_dir)?;
        }
        if catalogue.is_stale() {
            metadata::write_all(&*self.storage, &self.snapshot_dir, &catalogue.snapshots)?;
        }
        Ok(catalogue)
    }

    /// Whether no snapshot has this number.
    pub(crate) fn is_free(&self, number: u64) -> Result<bool> {
        Ok(self.storage.stat(&self.dir_of(&id_of(number)))?.is_none())
    }

    /// Gives a finished snapshot its name and lists it. After an error it is not there.
    pub(crate) fn publish(
        &self,
        held: &Held<'_>,
        mut catalogue: Catalogue,
        snapshot: &Snapshot,
    ) -> Result<()> {
        let (staging, dir) = (self.staging_of(&snapshot.id), self.dir_of(&snapshot.id));
        self.storage.rename(&staging, &dir).inspect_err(|_| self.discard(&staging))?;
        catalogue.snapshots.push(snapshot.clone());
        catalogue.snapshots.sort_by_key(Snapshot::order);
        let listed = self
            .storage
            .sync_dir(&self.snapshot_dir)
            .and_then(|()| metadata::write_all(&*self.storage, &self.snapshot_dir, &catalogue.snapshots));
        listed.map_err(|error| {
            // The first error is the one to report; what stays is complete, and adopted by the next manager.
            let _ = self.delete(held, catalogue, &snapshot.id);
            error.into()
        })
    }

    /// Deletes the snapshot with this id, which there is.
    pub(crate) fn delete(&self, _held: &Held<'_>, mut catalogue: Catalogue, id: &str) -> Result<()> {
        let gone = self.snapshot_dir.join(format!("{id}{DELETED_SUFFIX}"));
        self.storage.rename(&self.dir_of(id), &gone)?;
        self.storage.sync_dir(&self.snapshot_dir)?;
        catalogue.snapshots.retain(|s| s.id != id);
        // From here on it is gone; its space is not yet free.
        self.storage.remove_dir_all(&gone)?;
        self.storage.sync_dir(&self.snapshot_dir)?;
        match metadata::write_all(&*self.storage, &self.snapshot_dir, &catalogue.snapshots) {
            // On a full disk one must be able to delete. What is listed and not there is left out by whoever reads.
            Err(e) if e.kind() == ErrorKind::NoSpace => Ok(()),
            written => Ok(written?),
        }
    }

    /// Removes an unfinished snapshot after an error, which is the one to report. What stays the next manager removes.
    pub(crate) fn discard(&self, staging: &Path) {
        let _ = self.storage.remove_dir_all(staging);
        let _ = self.storage.sync_dir(&self.snapshot_dir);
    }
}

impl fmt::Debug for SnapshotManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotManager").field("log_dir", &self.log_dir).finish_non_exhaustive()
    }
}

/// The number that the id of a snapshot of this time begins to look from: nanoseconds since the Unix epoch.
pub(crate) fn first_number(timestamp_us: i64) -> u64 {
    u64::try_from(timestamp_us).unwrap_or(0).saturating_mul(1000)
}

/// The id with this number.
pub(crate) fn id_of(number: u64) -> String {
    format!("{ID_PREFIX}{number}")
}

/// What this process's managers of one directory hold in turn.
fn gate(snapshot_dir: &Path) -> Arc<Mutex<()>> {
    static GATES: Mutex<BTreeMap<PathBuf, Weak<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let mut gates = GATES.lock();
    gates.retain(|_, gate| gate.strong_count() > 0);
    if let Some(gate) = gates.get(snapshot_dir).and_then(Weak::upgrade) {
        return gate;
    }
    let gate = Arc::default();
    gates.insert(snapshot_dir.to_owned(), Arc::downgrade(&gate));
    gate
}
