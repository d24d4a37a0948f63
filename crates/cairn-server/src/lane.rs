//! The lane: threads for connections that ask for much at once. They give way to the threads that serve single requests.

use crate::failure::Failure;
use cairn_engine::ErrorKind;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Work that a connection may do in one go; then it is the others' turn.
const TURN: Duration = Duration::from_micros(150);
/// Requests that may wait on a connection that is served among the single ones.
const SINGLE_LINES: usize = 8;
/// Their bytes: one long vector is a single request, too.
const SINGLE_BYTES: usize = 32 << 10;
/// After how many reads without more than that a connection is served among the single ones again.
const CALM_READS: u32 = 16;
/// Writes of connections on the lane that are under way at once, at most: a single write waits for about as many, and a sync is little
/// beside them.
pub(crate) const LANE_WRITES_MAX: u32 = 256;
/// How much less than others the lane's threads get of a processor that is wanted (nice); alone on it they get all.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// The threads.
pub(crate) struct Lane(Option<Runtime>);

impl Lane {
    /// As many threads as there are processors.
    pub fn start() -> Result<Lane, Failure> {
        let runtime = Builder::new_multi_thread()
            .enable_time()
            .thread_name("cairn-lane")
            .on_thread_start(give_way)
            .build()
            .map_err(|e| Failure::new(ErrorKind::Io, format!("cannot start threads: {e}")))?;
        Ok(Lane(Some(runtime)))
    }

    /// Runs it there; when this is dropped, it ends where it waits. A panic there is one here.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut task = Ended(self.0.as_ref()?.spawn(work));
        match (&mut task.0).await {
            Ok(done) => Some(done),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Whoever drops it must not wait: it may be one of its own threads.
            runtime.shutdown_background();
        }
    }
}

/// A task that is aborted when nobody waits for it any more.
struct Ended<T>(JoinHandle<T>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(target_os = "linux")]
fn give_way() {
    // Of this thread alone, on Linux.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "cannot lower a thread's priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// Where a connection is served, and since when it works without waiting.
#[derive(Debug)]
pub(crate) struct Turn {
    pub place: Place,
    since: Instant,
    calm_reads: u32,
}

/// Where a connection is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among those that ask for little at once.
    Single,
    /// On the lane.
    Lane,
}

impl Turn {
    /// A new connection's.
    pub fn new() -> Self {
        Turn { place: Place::Single, since: Instant::now(), calm_reads: 0 }
    }

    /// It has waited: others had their turn.
    pub fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// Whether others are due.
    pub fn is_over(&self) -> bool {
        self.since.elapsed() >= TURN
    }

    /// Bytes were read, and so many lines now wait; whether the connection should go on at the other place.
    pub fn read(&mut self, lines: impl FnOnce(usize) -> usize, bytes: usize) -> bool {
        let single = bytes <= SINGLE_BYTES && lines(SINGLE_LINES + 1) <= SINGLE_LINES;
        match self.place {
            Place::Single => !single,
            Place::Lane => {
                self.calm_reads = if single { self.calm_reads + 1 } else { 0 };
                self.calm_reads >= CALM_READS
            }
        }
    }

    /// It goes on at the other place.
    pub fn change(&mut self) {
        self.place = match self.place {
            Place::Single => Place::Lane,
            Place::Lane => Place::Single,
        };
        self.calm_reads = 0;
        self.begin();
    }
}
