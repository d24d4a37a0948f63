//! The sequencer's thread: takes requests from a queue and steps the core.

use crate::change::CollectionChange;
use crate::checkpoint::CheckpointReport;
use crate::core::Core;
use crate::database::Replace;
use crate::engine::{CheckpointResult, Done, LoadReport, Shared, Status};
use crate::error::{Error, Result};
use crate::history::Point;
use crate::mutation::Mutation;
use crate::view::View;
use crate::wal_settings::WalSettings;
use crate::write::Request;
use cairn_log::{Log, Lsn, TimelineId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most writes of one batch, and so of one sync.
const BATCH_WRITES: usize = 4_096;

/// What is asked of the sequencer.
pub(crate) enum Message {
    Write {
        writes: Vec<Request>,
        done: Done,
    },
    /// A View, and the log that must be synced before anyone else learns of it.
    View(Sender<(View, Option<Arc<Log>>)>),
    /// Something to be done with the core, quickly. Not while a state is being loaded: whoever asked learns nothing then.
    Core(Box<dyn FnOnce(&mut Core) + Send>),
    /// A change of the collections themselves.
    Change {
        change: Box<CollectionChange>,
        answer: Sender<Result<Lsn>>,
    },
    Checkpoint(Sender<Result<Option<CheckpointReport>>>),
    CheckpointDone(Box<CheckpointResult>),
    BeginLoad {
        reason: String,
        answer: Sender<Result<()>>,
    },
    CancelLoad(Sender<()>),
    /// Changes how the log is kept, where that takes no new timeline.
    SetWal {
        wal: Box<WalSettings>,
        answer: Sender<Result<()>>,
    },
    /// Drops what retention and the archive let go.
    Retain(Sender<Result<()>>),
    /// Appends records that were logged before.
    Replay {
        records: Vec<(Mutation, i64)>,
        answer: Sender<Result<Lsn>>,
    },
    EndLoad {
        core: Box<Core>,
        answer: Sender<Result<LoadReport>>,
    },
    Close(Sender<Result<()>>),
}

/// The thread that owns the core.
pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    core: Core,
    messages: Sender<Message>,
    loading: Option<String>,
    checkpointing: Option<JoinHandle<()>>,
    waiting_for_checkpoint: Vec<Sender<Result<Option<CheckpointReport>>>>,
    checkpoint_error: Option<String>,
    decay_due_us: i64,
}

impl Sequencer {
    pub fn new(shared: Arc<Shared>, core: Core, messages: Sender<Message>) -> Sequencer {
        let decay_due_us = next_decay_us(&shared);
        let sequencer = Sequencer {
            shared,
            core,
            messages,
            loading: None,
            checkpointing: None,
            waiting_for_checkpoint: Vec::new(),
            checkpoint_error: None,
            decay_due_us,
        };
        sequencer.publish();
        sequencer
    }

    /// Runs until closed.
    pub fn run(mut self, queue: &Receiver<Message>) {
        let mut held = VecDeque::new();
        loop {
            let message = match held.pop_front() {
                Some(message) => message,
                None => match queue.recv_timeout(self.until_decay()) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => {
                        self.decay_when_due();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                },
            };
            match message {
                Message::Write { writes, done } => self.write(writes, done, queue, &mut held),
                Message::Close(answer) => {
                    let result = self.close(queue);
                    // The core and the lock go first: who was told "closed" may open the directory again.
                    drop(self.core);
                    self.shared.database.release();
                    let _ = answer.send(result);
                    return;
                }
                other => self.handle(other),
            }
            self.decay_when_due();
            if self.core.wants_checkpoint() && self.loading.is_none() {
                self.begin_checkpoint();
            }
            self.publish();
        }
    }

    /// Steps the core with these writes and all that are waiting behind them: one sync for all.
    fn write(
        &mut self,
        mut writes: Vec<Request>,
        done: Done,
        queue: &Receiver<Message>,
        held: &mut VecDeque<Message>,
    ) {
        let mut parts = vec![(writes.len(), done)];
        while writes.len() < BATCH_WRITES
            && let Ok(message) = queue.try_recv()
        {
            match message {
                Message::Write { writes: more, done } => {
                    parts.push((more.len(), done));
                    writes.extend(more);
                }
                other => {
                    held.push_back(other);
                    break;
                }
            }
        }
        let mut answers = match &self.loading {
            Some(reason) => writes.iter().map(|_| Err(Error::Loading(reason.clone()))).collect(),
            None => {
                self.core.limits = Arc::clone(&self.shared.limits.read());
                self.core.step(writes)
            }
        };
        for (n, done) in parts {
            let rest = answers.split_off(n);
            done(std::mem::replace(&mut answers, rest));
        }
    }

    fn handle(&mut self, message: Message) {
        // Whoever asked may have gone: then nobody misses the answer.
        match message {
            Message::View(answer) => {
                let log = self.core.live().log.clone();
                drop(answer.send((self.core.view(), log)));
            }
            Message::SetWal { wal, answer } => {
                let result = self.core.set_wal(*wal);
                self.publish();
                drop(answer.send(result));
            }
            Message::Core(work) => {
                if self.loading.is_none() {
                    work(&mut self.core);
                }
            }
            Message::Change { change, answer } => {
                let result = match &self.loading {
                    Some(reason) => Err(Error::Loading(reason.clone())),
                    None => {
                        self.core.limits = Arc::clone(&self.shared.limits.read());
                        self.core.change_collections(&change)
                    }
                };
                drop(answer.send(result));
            }
            Message::Retain(answer) => {
                let result = self.retain();
                self.publish();
                drop(answer.send(result));
            }
            Message::Replay { records, answer } => {
                let result = match &self.loading {
                    Some(reason) => Err(Error::Loading(reason.clone())),
                    None => self.core.replay_records(records).map(|()| self.core.lsn()),
                };
                drop(answer.send(result));
            }
            Message::Checkpoint(answer) => {
                self.waiting_for_checkpoint.push(answer);
                self.begin_checkpoint();
            }
            Message::CheckpointDone(result) => self.end_checkpoint(*result),
            Message::BeginLoad { reason, answer } => {
                let result = match &self.loading {
                    Some(other) => Err(Error::Loading(other.clone())),
                    None => {
                        self.loading = Some(reason);
                        Ok(())
                    }
                };
                self.publish();
                drop(answer.send(result));
            }
            Message::CancelLoad(answer) => {
                self.loading = None;
                let _ = answer.send(());
            }
            Message::EndLoad { core, answer } => {
                let result = self.swap(*core);
                self.loading = None;
                self.publish();
                drop(answer.send(result));
            }
            Message::Write { .. } | Message::Close(_) => {}
        }
    }

    fn begin_checkpoint(&mut self) {
        if self.checkpointing.is_some() {
            return;
        }
        let Some(job) = self.core.begin_checkpoint() else {
            self.answer_checkpoint(Ok(None));
            return;
        };
        let (messages, timeline) = (self.messages.clone(), self.timeline());
        let spawned = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            let done = job.run();
            // The sequencer outlives this thread, or nobody needs the answer.
            let _ = messages.send(Message::CheckpointDone(Box::new(CheckpointResult { timeline, done })));
        });
        match spawned {
            Ok(handle) => self.checkpointing = Some(handle),
            Err(e) => {
                let reason = format!("cannot start a thread for a checkpoint: {e}");
                self.core.fail(reason.clone());
                self.answer_checkpoint(Err(Error::Poisoned(reason)));
            }
        }
    }

    fn end_checkpoint(&mut self, result: CheckpointResult) {
        // A checkpoint of a timeline that was replaced meanwhile is of no interest.
        if result.timeline != self.timeline() {
            return;
        }
        self.checkpointing = None;
        let result = self.core.finish_checkpoint(result.done);
        self.checkpoint_error = result.as_ref().err().map(ToString::to_string);
        // Whoever waited finds it in the status.
        self.publish();
        self.answer_checkpoint(result.map(Some));
    }

    fn answer_checkpoint(&mut self, result: Result<Option<CheckpointReport>>) {
        for waiting in self.waiting_for_checkpoint.drain(..) {
            let _ = waiting.send(result.clone());
        }
    }

    fn timeline(&self) -> TimelineId {
        self.core.live().timeline.id
    }

    /// Makes the loaded timeline the live one. `CURRENT` is replaced before anything else changes.
    fn swap(&mut self, core: Core) -> Result<LoadReport> {
        if let Some(handle) = self.checkpointing.take() {
            let _ = handle.join();
        }
        self.answer_checkpoint(Err(Error::Loading("the state was replaced".to_owned())));
        let database = &self.shared.database;
        let (new, old) = (core.live().timeline.id, self.timeline());
        if let Err(e) = database.replace_current(old, new, self.shared.options.clock.now_us()) {
            if let Replace::Unknown(reason) = &e {
                self.core.fail(reason.clone());
            }
            return Err(e.into());
        }
        self.core = core;
        *self.shared.live.write() = Arc::clone(self.core.live());
        self.checkpoint_error = None;
        // What cannot be removed now is removed by the next load, or open.
        let _ = self.shared.database.drop_old_timelines(new, self.core.wal(), &self.shared.options);
        let counts = self.core.live().state.read().counts();
        Ok(LoadReport { timeline: new, lsn: self.core.lsn(), counts })
    }

    fn close(&mut self, queue: &Receiver<Message>) -> Result<()> {
        if let Some(handle) = self.checkpointing.take() {
            let _ = handle.join();
            // Its result is in the queue now; without it, the last checkpoint could not be taken.
            for message in queue.try_iter() {
                if let Message::CheckpointDone(result) = message {
                    self.end_checkpoint(*result);
                }
            }
        }
        self.answer_checkpoint(Err(Error::Closed));
        if self.core.failed().is_some() || self.core.is_read_only() {
            return Ok(());
        }
        self.core.checkpoint().map(|_| ())
    }

    fn retain(&mut self) -> Result<()> {
        self.core.drop_unneeded()?;
        let options = &self.shared.options;
        self.shared.database.drop_old_timelines(self.timeline(), self.core.wal(), options)
    }

    fn until_decay(&self) -> Duration {
        let left = self.decay_due_us.saturating_sub(self.shared.options.clock.now_us());
        Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(Duration::from_secs(3_600))
    }

    fn decay_when_due(&mut self) {
        let Some(decay) = self.shared.options.decay else { return };
        if self.shared.options.clock.now_us() < self.decay_due_us {
            return;
        }
        self.decay_due_us = next_decay_us(&self.shared);
        if self.loading.is_none() && self.core.failed().is_none() && !self.core.is_read_only() {
            // A failure poisons the core, which every later write reports.
            let _ = self.core.tick(decay.alpha);
        }
    }

    fn publish(&self) {
        *self.shared.status.lock() = Status {
            checkpoint_lsn: self.core.checkpoint_lsn(),
            log_bytes: self.core.log_bytes(),
            poisoned: self.core.failed().map(str::to_owned),
            loading: self.loading.clone(),
            checkpoint_error: self.checkpoint_error.clone(),
            wal: self.core.wal().clone(),
            reaches_back_to: self.core.reaches_back_to().map(|(lsn, time_us)| Point { lsn, time_us }),
            read_only: self.core.is_read_only(),
        };
    }
}

fn next_decay_us(shared: &Shared) -> i64 {
    let Some(decay) = shared.options.decay else { return i64::MAX };
    let interval_us = i64::try_from(decay.interval_sec.max(1)).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    shared.options.clock.now_us().saturating_add(interval_us)
}
