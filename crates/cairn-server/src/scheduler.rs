//! `Scheduler`: the thread that makes what the schedules of the configuration ask for, one at a time.

use crate::auto_dump;
use crate::config::SnapshotConfig;
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::schedules::{ScheduleStatus, Task, What, tasks};
use crate::snapshot::create_scheduled;
use cairn_engine::{ErrorKind, show_time};
use cairn_snapshot::{Base, Schedule};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest time between two looks at the clock, which may be set.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Runs until stopped or dropped.
pub(crate) struct Scheduler {
    /// Takes other tasks; it ends when this is gone.
    tell: Option<Sender<Vec<Task>>>,
    /// What it was told last.
    tasks: Vec<Task>,
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    shown: Arc<Mutex<Vec<ScheduleStatus>>>,
}

impl Scheduler {
    /// Starts the schedules of a configuration; `None`: it has none. The backend is not kept alive by it.
    pub fn start(
        backend: &Arc<EngineBackend>,
        config: &SnapshotConfig,
    ) -> Result<Option<Scheduler>, Failure> {
        let tasks = tasks(config, seed(backend))?;
        if tasks.is_empty() {
            return Ok(None);
        }
        let shown = Arc::new(Mutex::new(tasks.iter().map(Task::status).collect()));
        let cancel = Arc::new(AtomicBool::new(false));
        let mut runners = runners(tasks.clone(), Vec::new(), backend.now_us());
        let (weak, (statuses, cancelled)) =
            (Arc::downgrade(backend), (Arc::clone(&shown), Arc::clone(&cancel)));
        let (tell, told) = channel();
        let run = move || {
            loop {
                let Some(wait) = look(&weak, &mut runners, &statuses, &cancelled) else { return };
                match told.recv_timeout(wait) {
                    Ok(tasks) => {
                        let Some(backend) = weak.upgrade() else { return };
                        runners = self::runners(tasks, runners, backend.now_us());
                        *statuses.lock() = runners.iter().map(|runner| runner.status.clone()).collect();
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("scheduler".to_owned()).spawn(run).map_err(|e| {
            Failure::new(ErrorKind::Busy, format!("cannot start the scheduler of snapshots: {e}"))
        })?;
        Ok(Some(Scheduler { tell: Some(tell), tasks, cancel, thread: Some(thread), shown }))
    }

    /// Goes by another configuration, once what is being made is made. A schedule that is as it was goes on as it was.
    pub fn change(&mut self, backend: &EngineBackend, config: &SnapshotConfig) -> Result<(), Failure> {
        let tasks = tasks(config, seed(backend))?;
        if tasks != self.tasks {
            let gone =
                || Failure::new(ErrorKind::Bug, "the scheduler of snapshots is gone; please report it");
            self.tell.as_ref().and_then(|tell| tell.send(tasks.clone()).ok()).ok_or_else(gone)?;
            self.tasks = tasks;
        }
        Ok(())
    }

    /// How each schedule is doing.
    pub fn status(&self) -> Vec<ScheduleStatus> {
        self.shown.lock().clone()
    }

    /// Ends it; what it is making is cancelled and leaves nothing.
    fn stop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.tell = None;
        if let Some(thread) = self.thread.take()
            // It may be the one that lets the backend go.
            && thread.thread().id() != std::thread::current().id()
        {
            // It does not panic, and there is nobody else to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes one server's jitter differ from another's.
fn seed(backend: &EngineBackend) -> u64 {
    let database = backend.engine.stats().database.to_string();
    u64::from_str_radix(database.get(..16).unwrap_or_default(), 16).unwrap_or(0)
}

/// Who works on these tasks: those who do already, and new ones that begin now.
fn runners(tasks: Vec<Task>, mut before: Vec<Runner>, now_us: i64) -> Vec<Runner> {
    let of = |task: Task| match before.iter().position(|runner| runner.task == task) {
        Some(at) => before.swap_remove(at),
        None => Runner::new(task, now_us),
    };
    tasks.into_iter().map(of).collect()
}

/// Runs what is due; how long to wait then. `None`: it is over.
fn look(
    backend: &Weak<EngineBackend>,
    runners: &mut [Runner],
    shown: &Mutex<Vec<ScheduleStatus>>,
    cancel: &AtomicBool,
) -> Option<Duration> {
    let backend = backend.upgrade()?;
    let mut wait = LOOK_MAX;
    for (at, runner) in runners.iter_mut().enumerate() {
        if cancel.load(Ordering::Relaxed) {
            return None;
        }
        if runner.next_us(&backend).is_some_and(|due| due <= backend.now_us()) {
            runner.run(&backend, cancel);
        }
        runner.status.next_us = runner.next_us(&backend);
        if let Some(due) = runner.status.next_us {
            let us = u64::try_from(due.saturating_sub(backend.now_us())).unwrap_or(0);
            wait = wait.min(Duration::from_micros(us));
        }
        // Only this thread changes how many there are.
        if let Some(status) = shown.lock().get_mut(at) {
            *status = runner.status.clone();
        }
    }
    // A clock that stands still is looked at again all the same.
    Some(wait.max(Duration::from_millis(1)))
}

/// One schedule at work.
struct Runner {
    task: Task,
    since_us: i64,
    status: ScheduleStatus,
    /// What was made before the start was asked for.
    known: bool,
    /// Failures since the last success, and when it is tried again.
    in_a_row: u32,
    retry_us: Option<i64>,
}

impl Runner {
    fn new(task: Task, since_us: i64) -> Runner {
        let status = task.status();
        Runner { task, since_us, status, known: false, in_a_row: 0, retry_us: None }
    }

    fn next_us(&mut self, backend: &EngineBackend) -> Option<i64> {
        if let Some(retry) = self.retry_us {
            return Some(retry);
        }
        if !self.known {
            match self.task.last_us(&backend.snapshot, &backend.storage) {
                Ok(last) => (self.status.last_us, self.known) = (last, true),
                Err(failure) => {
                    self.failed(backend, &failure, "when the last one was made cannot be read");
                    return self.retry_us;
                }
            }
        }
        self.task.schedule.due(self.status.last_us, self.since_us, backend.now_us())
    }

    fn run(&mut self, backend: &EngineBackend, cancel: &AtomicBool) {
        self.retry_us = None;
        if !self.known && self.next_us(backend).is_none_or(|due| due > backend.now_us()) {
            return;
        }
        let made = match &self.task.what {
            What::Dump { .. } => auto_dump::save(backend, cancel),
            What::Snapshot { tag, compression, incremental, .. } => {
                let base = if *incremental { Base::Newest } else { Base::None };
                create_scheduled(backend, &self.task.name, tag, (*compression, base), cancel)
            }
        };
        match made {
            Ok((time_us, made)) => {
                self.status.last_us = Some(time_us);
                self.status.runs += 1;
                self.in_a_row = 0;
                tracing::info!(schedule = %self.task.name, %made, "scheduled snapshot made");
                self.tidy(backend);
            }
            Err(_) if cancel.load(Ordering::Relaxed) => {}
            Err(failure) => self.failed(backend, &failure, "a scheduled snapshot failed"),
        }
    }

    /// Removes what need not stay. When that fails, the next run tries again: what was made is there.
    fn tidy(&mut self, backend: &EngineBackend) {
        let removed = match &self.task.what {
            What::Dump { retain } => auto_dump::clean(backend, *retain),
            What::Snapshot { tag, policy, .. } => crate::keeping::prune_scheduled(backend, tag, policy),
        };
        match removed {
            Ok(0) => {}
            Ok(removed) => tracing::info!(schedule = %self.task.name, removed, "old snapshots removed"),
            Err(failure) => {
                self.note(backend, &failure, "old snapshots could not be removed", "the next run tries again")
            }
        }
    }

    fn failed(&mut self, backend: &EngineBackend, failure: &Failure, what: &str) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let pause = Schedule::retry_after(self.in_a_row);
        let retry_us = backend.now_us().saturating_add(pause.as_micros() as i64);
        self.retry_us = Some(retry_us);
        self.note(backend, failure, what, &format!("tried again at {}", show_time(retry_us)));
    }

    fn note(&mut self, backend: &EngineBackend, failure: &Failure, what: &str, then: &str) {
        self.status.failures += 1;
        self.status.failed_us = Some(backend.now_us());
        self.status.error = Some(failure.to_string());
        let next_step = match failure.kind {
            ErrorKind::NoSpace => "free space there, or keep fewer snapshots",
            ErrorKind::Permission => "let the server's user write there",
            ErrorKind::Locked => "another process uses the repository: wait for it, or stop it",
            ErrorKind::Corrupt => "cairn snapshot list shows what is damaged",
            _ => "SNAPSHOT SCHEDULE shows how it goes on",
        };
        tracing::error!(schedule = %self.task.name, error = %failure, then, next_step, "{what}");
    }
}
