//! A disk whose syncs are counted, and wait for the test's leave.

use cairn_disk::{Access, Bytes, Entry, File, LockGuard, Result, Stat, Storage};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs before each sync of a file, in the thread that syncs, with no lock of the disk held.
type BeforeSync = Box<dyn Fn(&Path) + Send + Sync>;

/// Passes everything on to another disk.
pub struct GateDisk {
    inner: Arc<dyn Storage>,
    gate: Arc<Gate>,
}

struct Gate {
    syncs: AtomicU64,
    before_sync: BeforeSync,
}

impl GateDisk {
    pub fn new(inner: Arc<dyn Storage>, before_sync: BeforeSync) -> Self {
        GateDisk { inner, gate: Arc::new(Gate { syncs: AtomicU64::new(0), before_sync }) }
    }

    /// How many syncs of files there were.
    pub fn syncs(&self) -> u64 {
        self.gate.syncs.load(Ordering::SeqCst)
    }

    fn wrap(&self, inner: Box<dyn File>) -> Box<dyn File> {
        Box::new(GateFile { inner, gate: Arc::clone(&self.gate) })
    }
}

impl fmt::Debug for GateDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GateDisk")
    }
}

impl Storage for GateDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        Ok(self.wrap(self.inner.create(path)?))
    }
    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        Ok(self.wrap(self.inner.open(path, access)?))
    }
    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.inner.stat(path)
    }
    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        self.inner.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.inner.create_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.link(from, to)
    }
    fn reflink(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.reflink(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.inner.remove(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> Result<()> {
        self.inner.remove_dir_all(dir)
    }
    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.inner.sync_dir(dir)
    }
    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn LockGuard>> {
        self.inner.lock(path, holder)
    }
    fn free_bytes(&self, path: &Path) -> Result<u64> {
        self.inner.free_bytes(path)
    }
    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.inner.canonical(path)
    }
}

struct GateFile {
    inner: Box<dyn File>,
    gate: Arc<Gate>,
}

impl fmt::Debug for GateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl File for GateFile {
    fn path(&self) -> &Path {
        self.inner.path()
    }
    fn bytes(&self) -> Result<u64> {
        self.inner.bytes()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.inner.read_at(offset, buf)
    }
    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.inner.append(bytes)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.inner.write_at(offset, bytes)
    }
    fn truncate(&self, bytes: u64) -> Result<()> {
        self.inner.truncate(bytes)
    }
    fn sync(&self) -> Result<()> {
        self.gate.syncs.fetch_add(1, Ordering::SeqCst);
        (self.gate.before_sync)(self.inner.path());
        self.inner.sync()
    }
    fn map(&self) -> Result<Box<dyn Bytes>> {
        self.inner.map()
    }
}
