//! A job: work on many files, by a few threads, that can be watched and stopped.

use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::cell::Cell;
use std::fmt;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files done.
    pub files_done: u64,
    /// Files there are.
    pub files_total: u64,
    /// Plain bytes done.
    pub bytes_done: u64,
    /// Plain bytes there are: an estimate while a snapshot is made.
    pub bytes_total: u64,
    /// Bytes written so far; parts that were there already are not written again.
    pub bytes_written: u64,
}

impl Progress {
    /// 0 to 100, by bytes.
    pub fn percent(&self) -> u8 {
        let percent = u128::from(self.bytes_done) * 100 / u128::from(self.bytes_total.max(1));
        percent.min(100) as u8
    }
}

/// How a piece of work is run: by how many threads, watched by whom, and stopped how.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Threads that work beside the caller's; 0: two for each core. With 1, everything happens on the caller's thread, in
    /// order.
    pub threads: usize,
    /// Called after each file, and within long ones, from the thread that does it.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Set it, and the job ends soon with [`Error::Cancelled`].
    pub cancel: &'a AtomicBool,
}

impl Default for Job<'_> {
    fn default() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Job { threads: 0, progress: &|_| {}, cancel: &NEVER }
    }
}

impl fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("threads", &self.threads)
            .field("cancel", self.cancel)
            .finish_non_exhaustive()
    }
}

impl Job<'_> {
    /// Fails once the job was cancelled.
    pub(crate) fn go_on(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Does `work` on every item, each thread with a `state` of its own. The first error ends it; at most one item a thread
    /// is in work at a time.
    pub(crate) fn each<T: Send, S>(
        &self,
        items: Vec<T>,
        state: impl Fn() -> Result<S> + Sync,
        work: impl Fn(&mut S, T) -> Result<()> + Sync,
    ) -> Result<()> {
        let threads = self.thread_count().min(items.len());
        let queue = Mutex::new(items.into_iter());
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let run = || {
            let done = state().and_then(|mut state| {
                loop {
                    if failed.lock().is_some() {
                        return Ok(());
                    }
                    self.go_on()?;
                    let Some(item) = queue.lock().next() else { return Ok(()) };
                    work(&mut state, item)?;
                }
            });
            if let Err(e) = done {
                failed.lock().get_or_insert(e);
            }
        };
        let yielding = || {
            // Hashing fills every core it gets: whoever acknowledges writes goes first. Refused, it is only less polite.
            let _ = rustix::process::nice(NICENESS);
            run();
        };
        std::thread::scope(|scope| {
            let others = if self.threads == 1 { 0 } else { threads };
            let spawn =
                || std::thread::Builder::new().name("snapshot".to_owned()).spawn_scoped(scope, yielding);
            // Fewer threads do the same work: no more memory for one is no failure.
            if (0..others).map_while(|_| spawn().ok()).count() == 0 {
                run();
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn thread_count(&self) -> usize {
        match self.threads {
            0 => THREADS_PER_CORE * std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        }
    }
}

/// While one thread waits for a disk, another hashes.
const THREADS_PER_CORE: usize = 2;
/// How much the threads of a job stand back behind others.
const NICENESS: i32 = 10;

/// Counts what a job did, for its [`Progress`].
pub(crate) struct Meter<'a> {
    job: &'a Job<'a>,
    files_total: u64,
    bytes_total: u64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    bytes_written: AtomicU64,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(job: &'a Job<'a>, files_total: u64, bytes_total: u64) -> Meter<'a> {
        Meter {
            job,
            files_total,
            bytes_total,
            files_done: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        }
    }

    /// Goes on where others have come to.
    pub(crate) fn after(self, bytes_done: u64) -> Meter<'a> {
        self.bytes_done.store(bytes_done, Ordering::Relaxed);
        self
    }

    /// How far it is.
    pub(crate) fn bytes_done(&self) -> u64 {
        self.bytes_done.load(Ordering::Relaxed)
    }

    /// One file more is done.
    pub(crate) fn file(&self, bytes: u64, written: u64) {
        self.add(1, bytes, written);
    }

    /// So many bytes more are done, in a file that is not.
    pub(crate) fn bytes(&self, bytes: u64, written: u64) {
        self.add(0, bytes, written);
    }

    fn add(&self, files: u64, bytes: u64, written: u64) {
        let add = |counter: &AtomicU64, n| counter.fetch_add(n, Ordering::Relaxed) + n;
        (self.job.progress)(Progress {
            files_done: add(&self.files_done, files),
            files_total: self.files_total,
            bytes_done: add(&self.bytes_done, bytes),
            bytes_total: self.bytes_total,
            bytes_written: add(&self.bytes_written, written),
        });
    }
}

/// Counts one file that is read twice, to be named and to be stored; half of it each time.
pub(crate) struct FileMeter<'a> {
    meter: &'a Meter<'a>,
    bytes: u64,
    read: Cell<u64>,
    told: Cell<u64>,
}

impl<'a> FileMeter<'a> {
    /// For a file of so many plain bytes.
    pub(crate) fn new(meter: &'a Meter<'a>, bytes: u64) -> FileMeter<'a> {
        FileMeter { meter, bytes, read: Cell::new(0), told: Cell::new(0) }
    }

    /// So many bytes more were read.
    pub(crate) fn read(&self, bytes: u64) {
        self.read.set(self.read.get() + bytes);
        let now = (self.read.get() / 2).min(self.bytes);
        let before = self.told.replace(now);
        if now > before {
            self.meter.bytes(now - before, 0);
        }
    }

    /// It is done, and so many bytes were written for it. One that was there already was read once.
    pub(crate) fn done(self, written: u64) {
        self.meter.file(self.bytes - self.told.get(), written);
    }
}
