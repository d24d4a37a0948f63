//! Maintenance: a thread that compacts segments, computes their graphs and codes, moves columns, and checks mapped files,
//! one piece of work at a time and at a low priority, while reads and writes go on; and one that brings hot rows in and out.

use crate::compaction::{CompactionPolicy, MOVE_AT_ONCE, Pace};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::sequencer::Message;
use crate::verify_mapped::is_damage;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the thread sleeps when there is nothing to do.
const IDLE: Duration = Duration::from_millis(200);
/// How long it sleeps at most after failures: each one doubles the time.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// How much nicer than the rest of the process the thread is.
const NICENESS: i32 = 10;

/// Does maintenance, for the thread and for whoever asks for some now.
pub(crate) struct Maintenance {
    messages: Sender<Message>,
    /// How fast mapped files are verified.
    verify_bytes_per_second: u64,
    pace: Pace,
    /// Held while a piece of work is done: there is one at a time.
    working: Mutex<()>,
    /// Held while hot rows are brought in and out: it takes milliseconds, and does not wait for the other work.
    warming: Mutex<()>,
    wake: Condvar,
    stopped: Mutex<bool>,
    /// Why the last piece of work failed; `None` once one succeeded.
    last_error: Mutex<Option<String>>,
}

/// The thread; dropped, it is stopped.
pub(crate) struct MaintenanceThread {
    maintenance: Arc<Maintenance>,
    handles: Vec<JoinHandle<()>>,
}

impl MaintenanceThread {
    pub fn start(maintenance: Arc<Maintenance>) -> Result<MaintenanceThread> {
        let mut thread = MaintenanceThread { maintenance, handles: Vec::new() };
        thread.spawn("maintenance", Maintenance::run)?;
        thread.spawn("hot rows", Maintenance::run_warming)?;
        Ok(thread)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce(&Maintenance) + Send + 'static) -> Result<()> {
        let shared = Arc::clone(&self.maintenance);
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared));
        self.handles.push(spawned.map_err(|e| Error::Bug(format!("cannot start a thread: {e}")))?);
        Ok(())
    }
}

impl Drop for MaintenanceThread {
    fn drop(&mut self) {
        self.maintenance.pace.cancel.store(true, Ordering::Relaxed);
        *self.maintenance.stopped.lock() = true;
        self.maintenance.wake.notify_all();
        for handle in self.handles.drain(..) {
            if handle.thread().id() != std::thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

/// Does work in a thread of its own that gives way to the rest of the process, and waits for it.
pub(crate) fn giving_way<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let polite = move || {
            // Without the right to be nice, it is not.
            let _ = rustix::process::nice(NICENESS);
            work()
        };
        scope.spawn(polite).join().map_err(|_| Error::Bug("a thread of maintenance died".to_owned()))
    })
}

/// Half of the cores compute: the others serve.
fn computing_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2)
}

impl Maintenance {
    pub fn new(messages: Sender<Message>, verify_bytes_per_second: u64) -> Maintenance {
        Maintenance {
            messages,
            verify_bytes_per_second,
            pace: Pace { threads: computing_threads(), ..Pace::default() },
            working: Mutex::default(),
            warming: Mutex::default(),
            wake: Condvar::new(),
            stopped: Mutex::new(false),
            last_error: Mutex::default(),
        }
    }

    /// Why the last piece of work in the background failed, if it did.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }

    fn run(&self) {
        // Without the right to be nice, it is not.
        let _ = rustix::process::nice(NICENESS);
        let mut pause = IDLE;
        loop {
            if self.stopped_after(pause) {
                return;
            }
            let done = self.work_once();
            *self.last_error.lock() = match &done {
                Err(Error::Closed) | Ok(_) => None,
                Err(e) => Some(e.to_string()),
            };
            pause = match done {
                Ok(true) => Duration::ZERO,
                Ok(false) => IDLE,
                // A disk that is full or fails is not asked again and again.
                Err(_) => (pause * 2).clamp(IDLE, BACKOFF_MAX),
            };
        }
    }

    /// Brings hot rows in and out, until it is stopped.
    fn run_warming(&self) {
        let _ = rustix::process::nice(NICENESS);
        let mut pause = IDLE;
        while !self.stopped_after(pause) {
            // Without a core there is nothing to do, and soon it is stopped.
            pause = if self.warm_once().unwrap_or(false) { Duration::ZERO } else { IDLE };
        }
    }

    /// Waits, but not longer than until it is stopped: whether it is.
    fn stopped_after(&self, pause: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped && !pause.is_zero() {
            self.wake.wait_for(&mut stopped, pause);
        }
        *stopped
    }

    /// Does something with the core on its own thread.
    fn with_core<T: Send + 'static>(&self, f: impl FnOnce(&mut Core) -> T + Send + 'static) -> Result<T> {
        let (send, answer) = channel();
        let work = Box::new(move |core: &mut Core| drop(send.send(f(core))));
        self.messages.send(Message::Core(work)).map_err(|_| Error::Closed)?;
        answer.recv().map_err(|_| Error::Closed)
    }

    /// One piece of work, if there is any: compaction as its default policy has it, then what segments lack.
    fn work_once(&self) -> Result<bool> {
        let names = self.with_core(|core| core.collection_names())?;
        for name in names {
            if self.compact_once(&name, CompactionPolicy::default())? {
                return Ok(true);
            }
        }
        let worked = self.index_fields_once()? || self.move_columns_once()? || self.derive_once(None)?;
        Ok(worked || self.verify_once()?)
    }

    /// Compacts a collection once. Whether there was anything to do.
    pub fn compact_once(&self, collection: &str, policy: CompactionPolicy) -> Result<bool> {
        let _alone = self.working.lock();
        let name = collection.to_owned();
        let Some(job) = self.with_core(move |core| core.begin_merge(&name, &policy))? else {
            return Ok(false);
        };
        let merged = match job.run(&self.pace) {
            Ok(Some(merged)) => merged,
            Ok(None) => return Ok(true),
            Err(e) => {
                self.with_core(move |core| core.abandon_merge(&job))?;
                return Err(e);
            }
        };
        drop(job);
        let merged = Arc::new(merged);
        let mut first = 0;
        loop {
            let moving = Arc::clone(&merged);
            let more = self.with_core(move |core| core.move_in(&moving, first, MOVE_AT_ONCE))?;
            if !more {
                return Ok(true);
            }
            first += MOVE_AT_ONCE;
        }
    }

    /// Computes one thing that a segment lacks. Whether there was any.
    pub fn derive_once(&self, collection: Option<&str>) -> Result<bool> {
        let _alone = self.working.lock();
        let name = collection.map(str::to_owned);
        let Some(job) = self.with_core(move |core| core.begin_derive(name.as_deref()))? else {
            return Ok(false);
        };
        let cancelled = || self.pace.cancel.load(Ordering::Relaxed);
        let done = job.run(self.pace.threads, &cancelled)?;
        self.with_core(Core::note_layout)?;
        Ok(done)
    }

    /// Builds the indexes on metadata fields that are due in one collection. Whether there were any.
    pub fn index_fields_once(&self) -> Result<bool> {
        let _alone = self.working.lock();
        let Some((collection, job)) = self.with_core(|core| core.begin_fields())? else { return Ok(false) };
        let built = job.run();
        self.with_core(move |core| core.end_fields(collection, &job, built))?;
        Ok(true)
    }

    /// Reads one mapped file to its end that was only opened by its header. Whether there was any.
    fn verify_once(&self) -> Result<bool> {
        let Some(job) = self.with_core(|core| core.begin_verify())? else { return Ok(false) };
        let found = job.run(self.verify_bytes_per_second, &self.pace);
        if is_damage(&found) {
            self.with_core(move |core| core.end_verify(&job, found))?;
        }
        Ok(true)
    }

    /// Brings hot rows in and out of memory, some at a time. Whether any moved.
    pub fn warm_once(&self) -> Result<bool> {
        let _alone = self.warming.lock();
        let jobs = self.with_core(|core| core.begin_hot())?;
        // Each is run, also after one that moved something.
        Ok(jobs.iter().filter(|job| job.run()).count() > 0)
    }

    /// Moves one segment's columns to where they should be. Whether there was any.
    pub fn move_columns_once(&self) -> Result<bool> {
        let _alone = self.working.lock();
        let Some(job) = self.with_core(|core| core.begin_columns())? else { return Ok(false) };
        let segment = job.run()?;
        self.with_core(move |core| core.end_columns(&job, segment))?;
        Ok(true)
    }
}
