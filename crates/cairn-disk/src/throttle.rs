//! `Throttle`: work in the background writes slowly while somebody waits for syncs.

use crate::removed::Removed;
use crate::{Access, Bytes, Entry, File, LockGuard, Result, Stat, Storage};
use parking_lot::Mutex;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So long after a sync that somebody waited for, the next is expected.
const EXPECTED: Duration = Duration::from_millis(50);
/// Bytes that are written at once: a sync that comes meanwhile waits for about as many. With 256 KiB a log's p99 beside it is twice
/// as long as alone, with 64 KiB half as much again.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes that are written at once when nobody waits.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes that may be written before there is any wait.
const BURST_BYTES: u64 = 4 << 20;
/// No single wait is longer: whoever waited for syncs may have gone.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// How fast work in the background may write while somebody waits for syncs; when nobody does, it is not held back.
///
/// A disk does one thing at a time: a log's sync that comes while many MiB of another file are under way is done after them. With
/// small pieces at a bounded rate it finds the disk idle nearly always. Only time is spent here: what is written and in what
/// order stays the same. The same goes for giving back the space of removed files.
#[derive(Debug)]
pub struct Throttle {
    bytes_per_second: u64,
    waiting: Arc<Waiting>,
    /// When what was written so far is paid for, since this was made.
    paid: Mutex<Duration>,
    removed: Removed,
}

/// Who waits for syncs.
#[derive(Debug)]
pub(crate) struct Waiting {
    started: Instant,
    /// When the last sync that somebody waited for was over, in microseconds since `started`; 0: there was none.
    synced_us: AtomicU64,
}

impl Waiting {
    /// The time since this was made.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether somebody waits for syncs, as far as the last one tells.
    pub fn is_waited_for(&self, now: Duration) -> bool {
        let synced_us = self.synced_us.load(Ordering::Relaxed);
        synced_us != 0 && now < Duration::from_micros(synced_us).saturating_add(EXPECTED)
    }
}

impl Throttle {
    /// What [`Throttle::default`] allows, in bytes a second.
    pub const BYTES_PER_SECOND: u64 = 128 << 20;

    /// So many bytes a second; 0: any number.
    pub fn new(bytes_per_second: u64) -> Throttle {
        Throttle {
            bytes_per_second,
            waiting: Arc::new(Waiting { started: Instant::now(), synced_us: AtomicU64::new(0) }),
            paid: Mutex::default(),
            removed: Removed::default(),
        }
    }

    /// Says that somebody waited for a sync, which is over now.
    pub fn synced(&self) {
        self.synced_at(self.waiting.now());
    }

    /// Waits until `bytes` more may be written. Any number of threads share the rate.
    pub fn pass(&self, bytes: u64) {
        let now = self.waiting.now();
        let due = now + self.wait_at(bytes, now);
        loop {
            let now = self.waiting.now();
            let left = due.saturating_sub(now);
            if left.is_zero() || !self.waiting.is_waited_for(now) {
                return;
            }
            std::thread::sleep(left.min(WAIT_MAX));
        }
    }

    /// [`Throttle::synced`] at a time since this was made.
    pub fn synced_at(&self, now: Duration) {
        let now_us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.waiting.synced_us.store(now_us.max(1), Ordering::Relaxed);
    }

    /// Counts `bytes` that are about to be written, at a time since this was made: how long to wait before it.
    pub fn wait_at(&self, bytes: u64, now: Duration) -> Duration {
        if self.bytes_per_second == 0 || !self.waiting.is_waited_for(now) {
            return Duration::ZERO;
        }
        let cost = |bytes: u64| Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        let mut paid = self.paid.lock();
        // What was not used lasts for a burst, no more.
        let from = (*paid).max(now.saturating_sub(cost(BURST_BYTES)));
        *paid = from + cost(bytes);
        paid.saturating_sub(now)
    }

    /// Takes a file that was removed: its space is given back when it is closed, which holds up syncs. While somebody waits for
    /// them, that happens bit by bit.
    pub(crate) fn let_go(&self, file: fs::File) {
        if self.bytes_per_second > 0 {
            self.removed.push(file, &self.waiting);
        }
    }

    /// Writes with `write` all of `bytes`, as fast as they may be: in pieces that `begin` then has begun, as long as somebody waits.
    pub(crate) fn write_through(
        &self,
        bytes: &[u8],
        write: impl Fn(&[u8]) -> Result<()>,
        begin: impl Fn(),
    ) -> Result<()> {
        let mut left = bytes;
        while !left.is_empty() && self.is_waited_for_now() {
            let (piece, rest) = left.split_at(left.len().min(PIECE_BYTES));
            self.pass(piece.len() as u64);
            write(piece)?;
            begin();
            // Whoever waits for the log may want this core as well.
            std::thread::yield_now();
            left = rest;
        }
        if left.is_empty() { Ok(()) } else { write(left) }
    }

    /// Whether somebody waits for syncs now.
    fn is_waited_for_now(&self) -> bool {
        self.bytes_per_second > 0 && self.waiting.is_waited_for(self.waiting.now())
    }
}

impl Default for Throttle {
    /// 128 MiB a second: a log's syncs then take about as long as on an idle disk that writes a GB a second.
    fn default() -> Self {
        Throttle::new(Throttle::BYTES_PER_SECOND)
    }
}

/// A disk that does as fast as a [`Throttle`] allows what is work in the background; everything else goes to the disk below as it is.
#[derive(Debug)]
pub struct Throttled {
    below: Arc<dyn Storage>,
    throttle: Arc<Throttle>,
    /// New files are written through the throttle.
    writes: bool,
}

impl Throttled {
    /// The same files; new ones are written, and removed ones let go, through a throttle.
    pub fn new(below: Arc<dyn Storage>, throttle: Arc<Throttle>) -> Throttled {
        Throttled { below, throttle, writes: true }
    }

    /// The same files, of which only those removed go through a throttle: for what is waited for itself, such as a log.
    pub fn removing(below: Arc<dyn Storage>, throttle: Arc<Throttle>) -> Throttled {
        Throttled { below, throttle, writes: false }
    }
}

impl Storage for Throttled {
    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        let below = self.below.create(path)?;
        if !self.writes {
            return Ok(below);
        }
        Ok(Box::new(ThrottledFile { below, throttle: Arc::clone(&self.throttle) }))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        self.below.open(path, access)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        self.below.stat(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        self.below.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.below.create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.below.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.below.link(from, to)
    }

    fn reflink(&self, from: &Path, to: &Path) -> Result<()> {
        self.below.reflink(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.below.remove_gently(path, &self.throttle)
    }

    fn remove_gently(&self, path: &Path, throttle: &Throttle) -> Result<()> {
        self.below.remove_gently(path, throttle)
    }

    fn remove_dir_all(&self, dir: &Path) -> Result<()> {
        self.below.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.below.sync_dir(dir)
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn LockGuard>> {
        self.below.lock(path, holder)
    }

    fn free_bytes(&self, path: &Path) -> Result<u64> {
        self.below.free_bytes(path)
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        self.below.canonical(path)
    }
}

#[derive(Debug)]
struct ThrottledFile {
    below: Box<dyn File>,
    throttle: Arc<Throttle>,
}

impl File for ThrottledFile {
    fn path(&self) -> &Path {
        self.below.path()
    }

    fn bytes(&self) -> Result<u64> {
        self.below.bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.below.read_at(offset, buf)
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        // A simulated disk sees these pieces, whether anybody waits or not.
        bytes.chunks(CHUNK_BYTES).try_for_each(|chunk| self.below.append_gently(chunk, &self.throttle))
    }

    fn append_gently(&self, bytes: &[u8], throttle: &Throttle) -> Result<()> {
        self.below.append_gently(bytes, throttle)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.throttle.pass(bytes.len() as u64);
        self.below.write_at(offset, bytes)
    }

    fn truncate(&self, bytes: u64) -> Result<()> {
        self.below.truncate(bytes)
    }

    fn sync(&self) -> Result<()> {
        self.below.sync()
    }

    fn map(&self) -> Result<Box<dyn Bytes>> {
        self.below.map()
    }
}
