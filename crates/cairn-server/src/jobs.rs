//! Jobs: the long operations, one at a time, watched by STATUS.

use crate::failure::Failure;
use crate::reply::{JobState, JobStatus};
use cairn_engine::{Clock, ErrorKind, Options, ReplayProgress, ReplayWatch};
use cairn_snapshot::{Job, Progress};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often whoever waits for another job looks whether it should go on waiting.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long a job that was asked for waits for a scheduled one.
const SCHEDULED_WAIT: Duration = Duration::from_secs(10);

/// Which STATUS tells of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// DUMP.
    Dump,
    /// SNAPSHOT.
    Snapshot,
    /// WAL and TIMELINE.
    History,
}

/// What a job does to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads it.
    Save,
    /// It replaces it: there is nothing to save meanwhile.
    Load,
    /// It leaves it alone.
    Tidy,
}

/// The job that runs, if one does, and the last of each family.
pub(crate) struct Jobs {
    slots: Mutex<Slots>,
    /// The engine's too: what it does for a job ends as well.
    cancel: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    /// How far the engine's replay is: the progress of what goes back or replays.
    replayed: Arc<ReplayWatch>,
    /// A job has ended.
    ended: Condvar,
}

struct Slots {
    running: Option<(Family, Kind)>,
    /// It is one of a schedule.
    scheduled: bool,
    dump: JobStatus,
    snapshot: JobStatus,
    history: JobStatus,
}

impl Slots {
    fn of(&mut self, family: Family) -> &mut JobStatus {
        match family {
            Family::Dump => &mut self.dump,
            Family::Snapshot => &mut self.snapshot,
            Family::History => &mut self.history,
        }
    }
}

impl Jobs {
    /// Of an engine with these options.
    pub fn new(options: &Options) -> Self {
        let slots =
            Slots { running: None, scheduled: false, dump: idle(), snapshot: idle(), history: idle() };
        let Options { clock, cancel, replayed, .. } = options;
        let (clock, cancel, replayed) = (Arc::clone(clock), Arc::clone(cancel), Arc::clone(replayed));
        Jobs { slots: Mutex::new(slots), cancel, clock, replayed, ended: Condvar::new() }
    }

    /// How the current or last job of a family goes. Of history what is done are records, not bytes.
    pub fn status(&self, family: Family) -> JobStatus {
        let mut slots = self.slots.lock();
        if let (Some((Family::History, _)), Family::History) = (slots.running, family) {
            self.look(&mut slots.history);
        }
        slots.of(family).clone()
    }

    /// Notes how far the engine's replay is.
    fn look(&self, status: &mut JobStatus) {
        let ReplayProgress { records, total } = self.replayed.now();
        (status.bytes_done, status.bytes_total) = (records, total);
        // What comes after the replay takes its time, too: only the end is all of it.
        let percent = records.saturating_mul(100).checked_div(total).unwrap_or(0);
        status.percent = u8::try_from(percent).unwrap_or(99).min(99);
        let spent_s = self.now_s().saturating_sub(status.start_s).max(1).unsigned_abs();
        status.bytes_per_second = records / spent_s;
        let left = total.saturating_sub(records);
        status.eta_s = left.checked_div(status.bytes_per_second).unwrap_or(0);
    }

    /// Ends the running job soon, and every later one.
    pub fn cancel(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    /// The flag that ends work, for work that is no job.
    pub fn cancelled(&self) -> &AtomicBool {
        &self.cancel
    }

    /// As [`Jobs::run`] of what saves or tidies, waiting until no other runs. `cancel` ends the waiting and the work.
    pub fn run_waiting<T>(
        &self,
        (family, kind): (Family, Kind),
        operation: &'static str,
        target: &str,
        cancel: &AtomicBool,
        work: impl FnOnce(&Job<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        while let Err(busy) = self.begin((family, kind), operation, target, true) {
            if cancel.load(Ordering::Relaxed) || self.cancel.load(Ordering::Relaxed) {
                return Err(busy);
            }
            let mut slots = self.slots.lock();
            if slots.running.is_some() {
                self.ended.wait_for(&mut slots, LOOK_PAUSE);
            }
        }
        self.begun(family, cancel, work)
    }

    /// Runs a job on the caller's thread, or refuses it because another one runs; one of a schedule is waited for, a while.
    pub fn run<T>(
        &self,
        family: Family,
        kind: Kind,
        operation: &'static str,
        target: &str,
        work: impl FnOnce(&Job<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut waited = Duration::ZERO;
        while let Err(busy) = self.begin((family, kind), operation, target, false) {
            // Nobody asked for a scheduled one just now: it is let end, for a while.
            let mut slots = self.slots.lock();
            if !slots.scheduled || waited >= SCHEDULED_WAIT || self.cancel.load(Ordering::Relaxed) {
                return Err(busy);
            }
            self.ended.wait_for(&mut slots, LOOK_PAUSE);
            waited += LOOK_PAUSE;
        }
        self.begun(family, &self.cancel, work)
    }

    fn begun<T>(
        &self,
        family: Family,
        cancel: &AtomicBool,
        work: impl FnOnce(&Job<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut ending =
            Ending { jobs: self, family, error: Some("internal error: the job panicked".to_owned()) };
        let started_us = self.clock.now_us();
        let progress = |progress: Progress| self.progress(family, progress, started_us);
        let result = work(&Job { threads: 0, progress: &progress, cancel });
        ending.error = result.as_ref().err().map(Failure::to_string);
        result
    }

    /// The target's name, once it is known.
    pub fn rename(&self, family: Family, target: &str) {
        target.clone_into(&mut self.slots.lock().of(family).target);
    }

    fn begin(
        &self,
        (family, kind): (Family, Kind),
        operation: &'static str,
        target: &str,
        scheduled: bool,
    ) -> Result<(), Failure> {
        let mut slots = self.slots.lock();
        if let Some((running, what)) = slots.running {
            if (what, kind) == (Kind::Load, Kind::Save) {
                return Err(read_only());
            }
            let JobStatus { operation, target, percent, .. } = slots.of(running);
            return Err(Failure::busy(format!(
                "{operation} {target} is in progress ({percent} %): try again later"
            )));
        }
        (slots.running, slots.scheduled) = (Some((family, kind)), scheduled);
        if family == Family::History {
            self.replayed.reset();
        }
        *slots.of(family) = JobStatus {
            state: JobState::InProgress,
            operation,
            target: target.to_owned(),
            start_s: self.now_s(),
            ..idle()
        };
        Ok(())
    }

    fn progress(&self, family: Family, progress: Progress, started_us: i64) {
        let mut slots = self.slots.lock();
        let status = slots.of(family);
        // Threads report in any order.
        status.percent = status.percent.max(progress.percent());
        status.bytes_written = status.bytes_written.max(progress.bytes_written);
        status.bytes_done = status.bytes_done.max(progress.bytes_done);
        status.bytes_total = progress.bytes_total;
        let elapsed_us = self.clock.now_us().saturating_sub(started_us).max(1);
        let rate = status.bytes_done as f64 * 1e6 / elapsed_us as f64;
        status.bytes_per_second = rate as u64;
        let left = status.bytes_total.saturating_sub(status.bytes_done);
        status.eta_s = if rate >= 1.0 { (left as f64 / rate).ceil() as u64 } else { 0 };
    }

    fn now_s(&self) -> i64 {
        self.clock.now_us().div_euclid(1_000_000)
    }
}

/// Ends a job however its work ends.
struct Ending<'a> {
    jobs: &'a Jobs,
    family: Family,
    error: Option<String>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let end_s = self.jobs.now_s();
        let mut slots = self.jobs.slots.lock();
        (slots.running, slots.scheduled) = (None, false);
        let status = slots.of(self.family);
        if self.family == Family::History {
            self.jobs.look(status);
        }
        (status.end_s, status.eta_s) = (end_s, 0);
        match self.error.take() {
            None => (status.state, status.percent) = (JobState::Completed, 100),
            Some(error) => (status.state, status.error) = (JobState::Failed, error),
        }
        self.jobs.ended.notify_all();
    }
}

/// A save while the state is being replaced.
pub(crate) fn read_only() -> Failure {
    Failure::busy("Cannot save snapshot: read-only mode")
}

fn idle() -> JobStatus {
    JobStatus {
        state: JobState::Idle,
        operation: "",
        target: String::new(),
        start_s: 0,
        end_s: 0,
        percent: 0,
        bytes_written: 0,
        error: String::new(),
        bytes_done: 0,
        bytes_total: 0,
        bytes_per_second: 0,
        eta_s: 0,
    }
}

impl From<cairn_snapshot::Error> for Failure {
    fn from(error: cairn_snapshot::Error) -> Self {
        use cairn_snapshot::Error;
        let kind = error.kind();
        match &error {
            Error::Damaged(finding) => {
                let mut details = vec![("file".to_owned(), finding.path.display().to_string())];
                details.extend(finding.offset.map(|offset| ("offset".to_owned(), offset.to_string())));
                details.push(("expected".to_owned(), finding.expected.clone()));
                details.push(("actual".to_owned(), finding.actual.clone()));
                Failure { kind, message: finding.what.clone(), details }
            }
            Error::Version { path, .. } => {
                let details = vec![("file".to_owned(), path.display().to_string())];
                Failure { kind, message: error.headline(), details }
            }
            Error::Disk(cairn_disk::Error::Io { path, .. }) if kind == ErrorKind::Permission => {
                Failure::new(kind, format!("Permission denied: {}", path.display()))
            }
            Error::Engine(cairn_engine::Error::Disk(e)) => Failure::from(Error::Disk(e.clone())),
            _ => Failure::new(kind, error.headline()),
        }
    }
}
