//! What the tests of log snapshots share: a log with a manager, and a disk that counts, refuses and has no links.

use crate::common::*;
use cairn_disk::{
    Access, Bytes, Entry as DirEntry, Error as DiskError, File, LockGuard, Result as DiskResult, SimDisk,
    Stat, Storage,
};
use cairn_log::{Log, LogConfig, ManualClock, Record, Snapshot, SnapshotManager};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

pub const NOW_US: i64 = 1_700_000_000_000_000;
pub const HOUR_US: i64 = 3_600_000_000;

/// A log, and its snapshots.
pub struct Fixture {
    pub sim: SimDisk,
    pub clock: Arc<ManualClock>,
    pub log: Log,
    pub manager: SnapshotManager,
}

/// A log of so many records, all committed, in small segments.
pub fn fixture(records: u64) -> Fixture {
    let sim = SimDisk::new(records);
    let (log, _) = open(&sim);
    if records > 0 {
        append(&log, 0..records);
        log.commit(records - 1).unwrap();
    }
    let clock = Arc::new(ManualClock::new(NOW_US));
    let manager = SnapshotManager::with(disk(&sim), Arc::clone(&clock) as _, DIR).unwrap();
    Fixture { sim, clock, log, manager }
}

impl Fixture {
    /// Appends more, each committed.
    pub fn append(&self, to: u64) {
        append_committed(&self.log, self.log.next_offset()..to);
    }

    /// Takes one, a minute after the last.
    pub fn create(&self) -> Snapshot {
        self.clock.advance(60_000_000);
        self.manager.create_snapshot(&self.log).unwrap()
    }

    pub fn ids(&self) -> Vec<String> {
        ids(&self.manager)
    }

    /// The path of a snapshot's file.
    pub fn file(&self, snapshot: &Snapshot, name: &str) -> PathBuf {
        self.manager.snapshot_dir().join(&snapshot.id).join(name)
    }
}

pub fn manager(sim: &SimDisk) -> SnapshotManager {
    SnapshotManager::with(disk(sim), Arc::new(ManualClock::new(NOW_US)), DIR).unwrap()
}

pub fn ids(manager: &SnapshotManager) -> Vec<String> {
    manager.list_snapshots().unwrap().into_iter().map(|s| s.id).collect()
}

/// The files below a snapshot manager's directory that belong to no snapshot, but its list and its lock.
pub fn strays(sim: &SimDisk, manager: &SnapshotManager) -> Vec<PathBuf> {
    let ids = ids(manager);
    let known = |path: &Path| {
        let below = path.strip_prefix(manager.snapshot_dir()).unwrap();
        let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
        ids.iter().any(|id| id == first) || ["LOCK", "snapshots.json", "snapshots.json.tmp"].contains(&first)
    };
    let files = sim.files().into_iter().filter(|p| p.starts_with(manager.snapshot_dir()));
    files.filter(|p| !known(p)).collect()
}

/// Restores into a fresh directory, opens it with the ordinary limits of the tests, and reads all.
pub fn restored(sim: &SimDisk, manager: &SnapshotManager, id: &str) -> Vec<Record> {
    let target = PathBuf::from(format!("/restored/{id}-{}", sim.ops()));
    let restored = manager.restore_snapshot(id, &target).unwrap();
    let config = restored.config.clone().small();
    let (log, recovered) = open_with(sim, config).unwrap();
    assert_eq!((recovered.cut, recovered.removed.len()), (None, 0), "nothing to repair");
    assert_eq!(recovered.indexes_rebuilt, 0, "the indexes came along");
    assert_eq!((log.base_offset(), log.next_offset()), (restored.base_offset, restored.high_water_mark));
    read_all(&log)
}

/// A configuration, with the tests' small segments.
pub trait Small {
    fn small(self) -> LogConfig;
}

impl Small for LogConfig {
    fn small(self) -> LogConfig {
        LogConfig { segment_bytes: 2000, index_interval_bytes: 200, record_bytes_max: 100_000, ..self }
    }
}

/// A disk that counts what is read and written, and refuses what it is told to.
#[derive(Debug, Clone)]
pub struct WatchedDisk {
    inner: Arc<dyn Storage>,
    pub watch: Arc<Watch>,
}

#[derive(Debug, Default)]
pub struct Watch {
    /// Bytes read from, and written to, `.log` files.
    pub log_bytes: AtomicU64,
    /// Hard links are refused, as on a file system that has none.
    pub no_links: AtomicBool,
    /// Nothing may be created below this.
    pub forbidden: Mutex<Option<PathBuf>>,
    /// At the first hard link the one is told, and the other given a moment to answer.
    pub linking: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
    /// Whether it did answer.
    pub answered: AtomicBool,
}

impl WatchedDisk {
    pub fn new(inner: Arc<dyn Storage>) -> WatchedDisk {
        WatchedDisk { inner, watch: Arc::default() }
    }

    fn check(&self, op: &'static str, path: &Path) -> DiskResult<()> {
        let forbidden = self.watch.forbidden.lock().unwrap();
        if forbidden.as_ref().is_some_and(|dir| path.starts_with(dir)) {
            return Err(DiskError::io(op, path, io::ErrorKind::PermissionDenied.into()));
        }
        Ok(())
    }

    fn watched(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(WatchedFile { inner: file, watch: Arc::clone(&self.watch) })
    }
}

impl Storage for WatchedDisk {
    fn create(&self, path: &Path) -> DiskResult<Box<dyn File>> {
        self.check("create", path)?;
        Ok(self.watched(self.inner.create(path)?))
    }
    fn open(&self, path: &Path, access: Access) -> DiskResult<Box<dyn File>> {
        Ok(self.watched(self.inner.open(path, access)?))
    }
    fn stat(&self, path: &Path) -> DiskResult<Option<Stat>> {
        self.inner.stat(path)
    }
    fn list(&self, dir: &Path) -> DiskResult<Vec<DirEntry>> {
        self.inner.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> DiskResult<()> {
        self.check("create directory", dir)?;
        self.inner.create_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> DiskResult<()> {
        self.inner.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> DiskResult<()> {
        if self.watch.no_links.load(Ordering::SeqCst) {
            return Err(DiskError::io("link", from, io::ErrorKind::Unsupported.into()));
        }
        if let Some((began, answer)) = self.watch.linking.lock().unwrap().take() {
            began.send(()).unwrap();
            let answered = answer.recv_timeout(Duration::from_millis(100)).is_ok();
            self.watch.answered.store(answered, Ordering::SeqCst);
        }
        self.inner.link(from, to)
    }
    fn reflink(&self, from: &Path, to: &Path) -> DiskResult<()> {
        let bytes = self.inner.stat(from)?.map_or(0, |stat| stat.bytes);
        self.watch.log_bytes.fetch_add(bytes, Ordering::SeqCst);
        self.inner.reflink(from, to)
    }
    fn remove(&self, path: &Path) -> DiskResult<()> {
        self.inner.remove(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> DiskResult<()> {
        self.inner.remove_dir_all(dir)
    }
    fn sync_dir(&self, dir: &Path) -> DiskResult<()> {
        self.inner.sync_dir(dir)
    }
    fn lock(&self, path: &Path, holder: &str) -> DiskResult<Box<dyn LockGuard>> {
        self.check("lock", path)?;
        self.inner.lock(path, holder)
    }
    fn free_bytes(&self, path: &Path) -> DiskResult<u64> {
        self.inner.free_bytes(path)
    }
    fn canonical(&self, path: &Path) -> DiskResult<PathBuf> {
        self.inner.canonical(path)
    }
}

#[derive(Debug)]
struct WatchedFile {
    inner: Box<dyn File>,
    watch: Arc<Watch>,
}

impl WatchedFile {
    fn count(&self, bytes: usize) {
        if self.inner.path().extension().is_some_and(|e| e != "json" && e != "tmp") {
            self.watch.log_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
        }
    }
}

impl File for WatchedFile {
    fn path(&self) -> &Path {
        self.inner.path()
    }
    fn bytes(&self) -> DiskResult<u64> {
        self.inner.bytes()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> DiskResult<usize> {
        let got = self.inner.read_at(offset, buf)?;
        self.count(got);
        Ok(got)
    }
    fn append(&self, bytes: &[u8]) -> DiskResult<()> {
        self.count(bytes.len());
        self.inner.append(bytes)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> DiskResult<()> {
        self.count(bytes.len());
        self.inner.write_at(offset, bytes)
    }
    fn truncate(&self, bytes: u64) -> DiskResult<()> {
        self.inner.truncate(bytes)
    }
    fn sync(&self) -> DiskResult<()> {
        self.inner.sync()
    }
    fn map(&self) -> DiskResult<Box<dyn Bytes>> {
        self.inner.map()
    }
}
