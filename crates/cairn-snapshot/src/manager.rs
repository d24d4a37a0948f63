//! `SnapshotManager`: snapshots of a database as async calls, by the names of ruvector-snapshot.
//!
//! A façade over [`crate::create_live`], [`crate::restore`] and the rest, with types of its own ([`Snapshot`],
//! [`SnapshotType`]). Each call works on a thread of its own from when it is first polled, so it runs on any async runtime and
//! blocks none. Dropping a future stops its work and takes back what it made; what is said of each call holds for it.
//!
//! # Create
//!
//! ```
//! use cairn_snapshot::{SnapshotConfig, SnapshotManager, VectorDB};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let dir = tempfile::tempdir()?;
//! #   std::env::set_current_dir(dir.path())?;
//!     let db = VectorDB::open("./data")?;
//!     db.insert("item-1", &[0.1, 0.2, 0.3])?;
//!
//!     // Configure snapshot manager
//!     let config = SnapshotConfig {
//!         snapshot_dir: "./snapshots".into(),
//!         compression: true,
//!         verify_checksum: true,
//!         ..Default::default()
//!     };
//!
//!     let manager = SnapshotManager::new(config)?;
//!
//!     // Create a full snapshot
//!     let snapshot = manager.create_snapshot(&db, "backup-2024-01").await?;
//!     println!("Created snapshot: {} ({} bytes)",
//!         snapshot.id,
//!         snapshot.size_bytes
//!     );
//!
//! #   assert_eq!((snapshot.vector_count, snapshot.size_bytes > 0), (1, true));
//!     Ok(())
//! }
//! ```
//!
//! # Restore
//!
//! ```
//! # use cairn_snapshot::{SnapshotConfig, VectorDB};
//! use cairn_snapshot::SnapshotManager;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # std::env::set_current_dir(dir.path())?;
//! # let db = VectorDB::open("./data")?;
//! # db.insert("item-1", &[0.1, 0.2, 0.3])?;
//! # let manager = SnapshotManager::new(SnapshotConfig::default())?;
//! # manager.create_snapshot(&db, "backup-2024-01").await?;
//! // List available snapshots
//! let snapshots = manager.list_snapshots().await?;
//! for snapshot in &snapshots {
//!     println!("{}: {} ({})",
//!         snapshot.id,
//!         snapshot.created_at,
//!         snapshot.size_bytes
//!     );
//! }
//!
//! // Restore from snapshot
//! let restored_db = manager.restore_snapshot(&snapshots[0].id).await?;
//! println!("Restored {} vectors", restored_db.len()?);
//! # assert_eq!((snapshots.len(), restored_db.len()?), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # Incremental
//!
//! ```
//! # use cairn_snapshot::{SnapshotConfig, VectorDB};
//! use cairn_snapshot::{SnapshotManager, manager::SnapshotType};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # std::env::set_current_dir(dir.path())?;
//! # let db = VectorDB::open("./data")?;
//! # for n in 0..500 {
//! #     db.insert(&format!("item-{n}"), &[n as f32, 1.0, 0.5])?;
//! # }
//! # let manager = SnapshotManager::new(SnapshotConfig::default())?;
//! // Create base snapshot
//! let base = manager.create_snapshot(&db, "base").await?;
//!
//! // ... database modifications ...
//! db.insert("item-1", &[0.3, 0.2, 0.1])?;
//!
//! // Create incremental snapshot
//! let incremental = manager.create_incremental_snapshot(
//!     &db,
//!     "incremental-1",
//!     &base.id
//! ).await?;
//!
//! println!("Incremental snapshot: {} bytes (vs {} full)",
//!     incremental.size_bytes,
//!     base.size_bytes
//! );
//! assert_eq!(incremental.snapshot_type, SnapshotType::Incremental { base_id: base.id });
//! # assert!(incremental.size_bytes < base.size_bytes);
//! # Ok(())
//! # }
//! ```
//!
//! # Manage
//!
//! ```
//! # use cairn_snapshot::{SnapshotConfig, SnapshotManager, VectorDB};
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # std::env::set_current_dir(dir.path())?;
//! # let db = VectorDB::open("./data")?;
//! # db.insert("item-1", &[0.1, 0.2, 0.3])?;
//! # let manager = SnapshotManager::new(SnapshotConfig::default())?;
//! let first = manager.create_snapshot(&db, "first").await?;
//! let second = manager.create_incremental_snapshot(&db, "second", &first.id).await?;
//! assert!(manager.verify_snapshot(&second.id).await?);
//! assert_eq!(manager.get_snapshot("second").await?, Some(second));
//!
//! // The base goes, what was made from it stays whole.
//! manager.delete_snapshot(&first.id).await?;
//! assert!(manager.verify_snapshot("second").await?);
//!
//! manager.create_snapshot(&db, "third").await?;
//! assert_eq!(manager.cleanup_old_snapshots(1).await?, 1);
//! assert_eq!(manager.get_snapshot("second").await?, None);
//! # Ok(())
//! # }
//! ```

mod call;
mod cleanup;
mod config;
mod database;
mod described;

pub use config::SnapshotConfig;
pub use database::VectorDB;
pub use described::{Snapshot, SnapshotType};

use crate::catalog::{self, Listed};
use crate::create::{CreateOptions, create_live};
use crate::delete::delete;
use crate::error::{Error, Result};
use crate::incremental::Base;
use crate::job::Job;
use crate::repository::Repository;
use crate::restore::restore;
use crate::verify::{VerifyReport, verify, verify_all};
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Clock, DatabaseId, SystemClock};
use call::Call;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The snapshots of one directory. Cheap to clone; its calls may run at the same time. Those that make and delete snapshots
/// wait for one another; when another process is at it, they fail after a second with [`cairn_disk::ErrorKind::Locked`].
#[derive(Debug, Clone)]
pub struct SnapshotManager {
    inner: Arc<Inner>,
}

struct Inner {
    config: SnapshotConfig,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    repository: Repository,
    /// Held while a snapshot is made or deleted.
    writing: Mutex<()>,
}

/// How often a call that waits for another one looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl SnapshotManager {
    /// Opens the repository at [`SnapshotConfig::snapshot_dir`], making it when there is none: a few small files, on the
    /// caller's thread. A configuration that cannot be is refused.
    pub fn new(config: SnapshotConfig) -> Result<SnapshotManager> {
        SnapshotManager::with(config, Arc::new(RealDisk::new()), Arc::new(SystemClock))
    }

    /// As [`SnapshotManager::new`], on another disk and with another clock: for tests.
    pub fn with(
        config: SnapshotConfig,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
    ) -> Result<SnapshotManager> {
        config.validate()?;
        let repository =
            Repository::open_or_create(Arc::clone(&storage), &config.snapshot_dir, clock.now_us())?;
        let inner = Inner { config, storage, clock, repository, writing: Mutex::new(()) };
        Ok(SnapshotManager { inner: Arc::new(inner) })
    }

    /// Stores the whole state of a database, with every write that was acknowledged before the call, while reads and writes go
    /// on. `name` stands for the snapshot beside its id; one that is taken is refused ([`cairn_disk::ErrorKind::Exists`]). Durable and, if so
    /// configured, verified when this returns. When it fails or is dropped, no snapshot and no part of it is left.
    pub async fn create_snapshot(&self, db: &VectorDB, name: &str) -> Result<Snapshot> {
        self.create(db, name, Base::None).await
    }

    /// As [`SnapshotManager::create_snapshot`], but stores what is new since the snapshot `base_id` (or of that name), which must
    /// be there and of the same database. The new one stays whole when its base is deleted. Where a restore would have to replay
    /// too much, it is a full one, and its metadata say why (`full_because`).
    pub async fn create_incremental_snapshot(
        &self,
        db: &VectorDB,
        name: &str,
        base_id: &str,
    ) -> Result<Snapshot> {
        self.create(db, name, Base::Of(base_id.to_owned())).await
    }

    async fn create(&self, db: &VectorDB, name: &str, base: Base) -> Result<Snapshot> {
        let (db, name) = (db.clone(), name.to_owned());
        let work = move |inner: &Inner, job: &Job<'_>| inner.create(&db, name, base, job);
        // When even that fails, a whole snapshot is there that nobody was told of: it is listed.
        self.call(work, |inner, made: Snapshot| drop(inner.delete(&made.id))).await
    }

    /// All snapshots that are whole as far as their descriptions go, newest first; their parts are not read. Of a damaged one
    /// tells [`SnapshotManager::check_all`].
    pub async fn list_snapshots(&self) -> Result<Vec<Snapshot>> {
        let work = |inner: &Inner, _: &Job<'_>| {
            Snapshot::of_list(&inner.repository, &catalog::list(&inner.repository)?)
        };
        self.call(work, |_, _| ()).await
    }

    /// The snapshot of an id or a name; `None`: there is none. A damaged description is an error ([`cairn_disk::ErrorKind::Corrupt`]).
    pub async fn get_snapshot(&self, id: &str) -> Result<Option<Snapshot>> {
        let id = id.to_owned();
        let work = move |inner: &Inner, _: &Job<'_>| match catalog::find(&inner.repository, &id) {
            Ok(found) => Ok(Some(Snapshot::of(&inner.repository, &found)?)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        };
        self.call(work, |_, _| ()).await
    }

    /// Restores the snapshot of an id or a name into a new directory below the system's one for temporary files (`TMPDIR`) and
    /// opens it. The directory is removed when the last handle of the database is dropped: to keep it, use
    /// [`SnapshotManager::restore_snapshot_to`]. Every byte is checked before it is used. When it fails or is dropped, nothing is left.
    pub async fn restore_snapshot(&self, id: &str) -> Result<VectorDB> {
        let id = id.to_owned();
        let work = move |inner: &Inner, job: &Job<'_>| {
            // The random part of its name is an id like any other.
            let dir = std::env::temp_dir().join(format!("cairndb-restored-{}", DatabaseId::random()));
            inner.restore(&id, &dir, job)?;
            VectorDB::open_temporary(Arc::clone(&inner.storage), dir)
        };
        // The directory goes with the handle.
        self.call(work, |_, restored| drop(restored)).await
    }

    /// Restores the snapshot of an id or a name into `dir`, which is absent or empty, and opens it. The directory is whole and
    /// durable when this returns; when it fails or is dropped, it is not there.
    pub async fn restore_snapshot_to(&self, id: &str, dir: impl AsRef<Path>) -> Result<VectorDB> {
        let (id, dir) = (id.to_owned(), dir.as_ref().to_owned());
        let made = dir.clone();
        let work = move |inner: &Inner, job: &Job<'_>| {
            inner.restore(&id, &dir, job)?;
            VectorDB::open_as_stored(Arc::clone(&inner.storage), &dir)
        };
        let undo = move |inner: &Inner, restored: VectorDB| {
            // Nobody was told that it is there.
            let _ = restored.engine().close();
            let _ = inner.storage.remove_dir_all(&made);
        };
        self.call(work, undo).await
    }

    /// Reads and hashes every byte of the snapshot of an id or a name: false when one is not as it was written.
    /// [`SnapshotManager::check_snapshot`] says which.
    pub async fn verify_snapshot(&self, id: &str) -> Result<bool> {
        Ok(self.check_snapshot(id).await?.is_whole())
    }

    /// As [`SnapshotManager::verify_snapshot`], with what was found: which file, what was expected, what is there.
    pub async fn check_snapshot(&self, id: &str) -> Result<VerifyReport> {
        let id = id.to_owned();
        let work = move |inner: &Inner, job: &Job<'_>| verify(&inner.repository, &id, job);
        self.call(work, |_, _| ()).await
    }

    /// As [`SnapshotManager::check_snapshot`], of all snapshots, also of those too damaged to be listed, and of what else is in
    /// the repository.
    pub async fn check_all(&self) -> Result<VerifyReport> {
        let work = |inner: &Inner, job: &Job<'_>| verify_all(&inner.repository, job);
        self.call(work, |_, _| ()).await
    }

    /// Deletes the snapshot of an id (a damaged one too) or a name, durably, and the parts that no other one names: all others
    /// stay whole, those made from it too. Dropped before it began, it does not begin; after that, it comes to its end.
    pub async fn delete_snapshot(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        let work = move |inner: &Inner, job: &Job<'_>| {
            let _writing = inner.writing(job)?;
            delete(&inner.repository, &id).map(drop)
        };
        self.call(work, |_, ()| ()).await
    }

    /// Deletes all but the `keep` newest snapshots, of each database and each choice of its collections that is in the repository
    /// for itself; how many were deleted. The newest good one is never deleted: where all that would stay are damaged, or `keep` is 0, it
    /// stays as well, and where none is good, all do. Damaged ones that are not listed neither count nor go. Dropped, it ends
    /// between two deletions.
    pub async fn cleanup_old_snapshots(&self, keep: usize) -> Result<usize> {
        let work = move |inner: &Inner, job: &Job<'_>| inner.cleanup(keep, job);
        self.call(work, |_, _| ()).await
    }

    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &Job<'_>) -> Result<T> + Send + 'static,
        undo: impl Fn(&Inner, T) + Send + Sync + 'static,
    ) -> Call<T> {
        let (inner, for_undo) = (Arc::clone(&self.inner), Arc::clone(&self.inner));
        let run = move |cancel: &_| {
            let job = Job { threads: inner.config.max_concurrent_io, cancel, ..Job::default() };
            job.go_on()?;
            work(&inner, &job)
        };
        Call::begin(run, move |made| undo(&for_undo, made))
    }
}

impl Inner {
    /// The right to make and delete snapshots, as soon as no other call has it.
    fn writing(&self, job: &Job<'_>) -> Result<MutexGuard<'_, ()>> {
        loop {
            job.go_on()?;
            if let Some(guard) = self.writing.try_lock_for(LOOK_EVERY) {
                return Ok(guard);
            }
        }
    }

    fn create(&self, db: &VectorDB, name: String, base: Base, job: &Job<'_>) -> Result<Snapshot> {
        let _writing = self.writing(job)?;
        if let Base::Of(base_id) = &base {
            self.check_base(base_id)?;
        }
        let options = CreateOptions {
            name: Some(name),
            compression: self.config.codec(),
            base,
            now_us: self.clock.now_us(),
            ..CreateOptions::default()
        };
        let created = create_live(&self.repository, db.engine(), &options, job)?;
        let id = created.snapshot.id.as_str();
        let described = self.verify_if_asked(id, job).and_then(|()| {
            let mut described = Snapshot::of(&self.repository, &created.snapshot)?;
            if let (Some(why), Value::Object(fields)) = (created.full_because, &mut described.metadata) {
                fields.insert("full_because".to_owned(), Value::String(why));
            }
            Ok(described)
        });
        if described.is_err() {
            // The first failure is what the caller must hear of.
            let _ = delete(&self.repository, id);
        }
        described
    }

    fn check_base(&self, base_id: &str) -> Result<()> {
        let needs = |why: &str| Err(Error::NotFound(format!("incremental snapshot needs a base: {why}")));
        if base_id.is_empty() {
            return needs("none was named");
        }
        match catalog::find(&self.repository, base_id) {
            Ok(_) => Ok(()),
            Err(Error::NotFound(why)) => needs(&why),
            Err(e) => Err(e),
        }
    }

    fn restore(&self, id: &str, dir: &Path, job: &Job<'_>) -> Result<()> {
        self.verify_if_asked(id, job)?;
        restore(&self.repository, id, &self.storage, dir, self.clock.now_us(), job)?;
        Ok(())
    }

    /// Fails with the first finding, when verifying is configured.
    fn verify_if_asked(&self, id: &str, job: &Job<'_>) -> Result<()> {
        if !self.config.verify_checksum {
            return Ok(());
        }
        match verify(&self.repository, id, job)?.findings.into_iter().next() {
            Some(finding) => Err(Error::Damaged(Box::new(finding))),
            None => Ok(()),
        }
    }

    fn cleanup(&self, keep: usize, job: &Job<'_>) -> Result<usize> {
        let _writing = self.writing(job)?;
        let listed = catalog::list(&self.repository)?;
        let whole = listed.into_iter().filter_map(|listed| match listed {
            Listed::Whole(snapshot) => Some(*snapshot),
            Listed::Damaged { .. } => None,
        });
        let is_good = |snapshot: &crate::Snapshot| match self.verify_if_asked(snapshot.id.as_str(), job) {
            Ok(()) => Ok(true),
            Err(Error::Damaged(_)) => Ok(false),
            Err(e) => Err(e),
        };
        let mut deleted = 0;
        for old in cleanup::old_snapshots(whole.collect(), keep, is_good)? {
            job.go_on()?;
            match delete(&self.repository, old.id.as_str()) {
                Ok(_) => deleted += 1,
                // Another process was first.
                Err(Error::NotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(deleted)
    }

    fn delete(&self, id: &str) -> Result<()> {
        let _writing = self.writing.lock();
        delete(&self.repository, id).map(drop)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotManager").field("config", &self.config).finish_non_exhaustive()
    }
}
