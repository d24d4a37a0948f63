//! The core: the sequencer's synchronous state machine. Threads are a shell around it, so it runs on `SimDisk` too.

use crate::checkpoint::{CheckpointDone, CheckpointJob, CheckpointReport, Stored, mark_dirty, take_dirty};
use crate::collection::Collection;
use crate::decide::Decider;
use crate::error::{Error, Result};
use crate::layout::TimelineDir;
use crate::loaded;
use crate::mutation::Mutation;
use crate::settings::{Options, Settings};
use crate::timeline::Timeline;
use crate::view::{Position, View};
use crate::write::Write;
use cairn_disk::Storage;
use cairn_log::{Entry, Log, LogConfig, Lsn};
use parking_lot::RwLock;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Mutations applied under one lock, so that readers wait a moment at most.
const APPLY_AT_ONCE: usize = 64;
/// Items whose lists one timer tick prunes.
const PRUNE_AT_ONCE: u32 = 4_096;

/// The state that readers share with the sequencer.
pub(crate) struct Live {
    pub collection: RwLock<Collection>,
    lsn: AtomicU64,
    pub timeline: Timeline,
}

impl Live {
    /// The last record applied.
    pub fn lsn(&self) -> Lsn {
        Lsn(self.lsn.load(Ordering::Acquire))
    }
}

/// Which settings an opened timeline has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adopt {
    /// The configured ones: a difference is logged as a mutation.
    Configured,
    /// Its own: it was just loaded, and is to be exactly what was loaded.
    Stored,
}

/// What opening a timeline found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Where the opened state stands.
    pub timeline: Timeline,
    /// The last record applied.
    pub lsn: Lsn,
    /// The checkpoint it started from.
    pub checkpoint_lsn: Lsn,
    /// Records applied after it.
    pub replayed: u64,
    /// Bytes of a torn end that were cut from the log: nothing in them was acknowledged.
    pub cut_bytes: u64,
}

/// One timeline, open for writing. All of it is synchronous: [`Core::step`] decides, logs, syncs, applies and answers.
pub struct Core {
    storage: Arc<dyn Storage>,
    dir: TimelineDir,
    options: Options,
    log: Log,
    live: Arc<Live>,
    lsn: Lsn,
    /// `None` while a checkpoint is being written beside the core.
    stored: Option<Stored>,
    checkpoint_lsn: Lsn,
    log_bytes: u64,
    failed: Option<String>,
    pending: Vec<Mutation>,
    prune_next: u32,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("dir", &self.dir).field("lsn", &self.lsn).finish_non_exhaustive()
    }
}

impl Core {
    /// Opens a timeline: its newest checkpoint, and the log after it.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        dir: TimelineDir,
        timeline: Timeline,
        options: Options,
        adopt: Adopt,
    ) -> Result<(Core, OpenReport)> {
        let loaded = loaded::load(&*storage, &dir)?;
        let names = loaded.stored.names();
        crate::checkpoint::remove_leftovers(&*storage, &dir, loaded.position.lsn, &names)?;
        let (log, recovered) = Log::open(Arc::clone(&storage), log_config(&dir, &timeline, &options))?;
        let mut collection = loaded.collection;
        collection.vectors.segment_bytes = options.vector_segment_bytes;
        let from = loaded.position.lsn;
        let replayed = replay(&log, &dir.wal(), from, &mut collection)?;
        let lsn = Lsn(from.0 + replayed);
        let cut_bytes = recovered.cut.map_or(0, |cut| cut.bytes);
        let report =
            OpenReport { timeline: timeline.clone(), lsn, checkpoint_lsn: from, replayed, cut_bytes };
        let live = Live { collection: RwLock::new(collection), lsn: AtomicU64::new(lsn.0), timeline };
        let mut core = Core {
            storage,
            dir,
            options,
            log,
            live: Arc::new(live),
            lsn,
            stored: Some(loaded.stored),
            checkpoint_lsn: from,
            log_bytes: 0,
            failed: None,
            pending: Vec::new(),
            prune_next: 0,
        };
        if adopt == Adopt::Configured {
            core.adopt_settings()?;
        }
        Ok((core, report))
    }

    /// Logs the configured settings when the stored ones differ.
    fn adopt_settings(&mut self) -> Result<()> {
        let wanted = {
            let state = self.live.collection.read();
            let mut wanted = self.options.settings.clone();
            wanted.validate(self.options.limits.dimension)?;
            if wanted.dimension == 0 {
                wanted.dimension = state.settings.dimension;
            }
            if wanted == state.settings {
                return Ok(());
            }
            check_dimension(&wanted, &state)?;
            wanted
        };
        self.pending.push(Mutation::Settings(wanted));
        self.flush()
    }

    /// Decides, logs, syncs and applies a batch; the answer of each write is its LSN or why it was refused. When this
    /// returns, every write with an LSN is durable and applied.
    pub fn step(&mut self, writes: Vec<Write>) -> Vec<Result<Lsn>> {
        if let Some(reason) = &self.failed {
            return writes.iter().map(|_| Err(Error::Poisoned(reason.clone()))).collect();
        }
        let now_us = self.options.clock.now_us();
        let mut batch = std::mem::take(&mut self.pending);
        let system = batch.len();
        let mut answers = Vec::with_capacity(writes.len());
        {
            let state = self.live.collection.read();
            let mut decider = Decider::new(&state, &self.options.limits, now_us);
            for write in writes {
                match decider.decide(write, &batch[system..]) {
                    Ok(mutation) => {
                        answers.push(Ok(Lsn(self.lsn.0 + batch.len() as u64 + 1)));
                        batch.push(mutation);
                    }
                    Err(e) => answers.push(Err(e)),
                }
            }
        }
        if let Err(e) = self.commit(batch, now_us) {
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(e.clone());
            }
        }
        answers
    }

    /// Logs and applies what is pending.
    fn flush(&mut self) -> Result<()> {
        if let Some(reason) = &self.failed {
            return Err(Error::Poisoned(reason.clone()));
        }
        let batch = std::mem::take(&mut self.pending);
        self.commit(batch, self.options.clock.now_us())
    }

    fn commit(&mut self, batch: Vec<Mutation>, now_us: i64) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Err(e) = self.log_batch(&batch, now_us) {
            if let Some(reason) = self.log.poisoned() {
                self.failed = Some(reason.to_string());
            }
            return Err(e);
        }
        self.apply(batch)
    }

    fn log_batch(&mut self, batch: &[Mutation], now_us: i64) -> Result<()> {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(batch.len());
        for mutation in batch {
            mutation.encode(&mut bytes);
            ends.push(bytes.len());
        }
        let mut start = 0;
        let entry = |end: usize| {
            let value = Some(&bytes[std::mem::replace(&mut start, end)..end]);
            Entry { timestamp_us: now_us, key: None, value }
        };
        let entries: Vec<Entry<'_>> = ends.into_iter().map(entry).collect();
        let offsets = self.log.append(&entries)?;
        if offsets != (self.lsn.0 + 1..self.lsn.0 + 1 + batch.len() as u64) {
            self.failed = Some(format!("the log gave LSNs {offsets:?} after {}", self.lsn));
            return Err(Error::Bug(format!("the log gave LSNs {offsets:?} after {}", self.lsn)));
        }
        self.log.commit(offsets.end - 1)?;
        self.log_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Applies what is durable. A failure here means that the state and the log went apart: nothing more is written.
    fn apply(&mut self, batch: Vec<Mutation>) -> Result<()> {
        let mut batch = batch.into_iter().peekable();
        while batch.peek().is_some() {
            let mut state = self.live.collection.write();
            for mutation in batch.by_ref().take(APPLY_AT_ONCE) {
                if let Err(e) = state.apply(mutation) {
                    let reason = format!("applying LSN {}: {e}", self.lsn.0 + 1);
                    self.failed = Some(reason.clone());
                    return Err(Error::Bug(reason));
                }
                self.lsn.0 += 1;
            }
            self.pending
                .extend(state.overfull.drain(..).map(|item| Mutation::Prune { first: item, count: 1 }));
            self.live.lsn.store(self.lsn.0, Ordering::Release);
        }
        Ok(())
    }

    /// What the decay timer does: all scores decay, and the next few lists are pruned.
    pub fn tick(&mut self, factor: f64) -> Result<()> {
        self.pending.push(Mutation::Decay { factor });
        let (items, settings) = {
            let state = self.live.collection.read();
            (state.items.count(), state.settings.clone())
        };
        if settings.max_neighbors_per_item > 0 || settings.min_support > 0.0 {
            self.pending.push(Mutation::Prune { first: self.prune_next, count: PRUNE_AT_ONCE });
            self.prune_next = self.prune_next.saturating_add(PRUNE_AT_ONCE);
            if self.prune_next >= items {
                self.prune_next = 0;
            }
        }
        self.flush()
    }

    /// The whole state now. Clones pointers.
    pub fn view(&self) -> View {
        let state = self.live.collection.read().view();
        View { position: self.position(), state }
    }

    fn position(&self) -> Position {
        let timeline = &self.live.timeline;
        let time_us = self.options.clock.now_us();
        Position { database: timeline.database, timeline: timeline.id, lsn: self.lsn, time_us }
    }

    /// Whether enough was logged since the last checkpoint for another.
    pub(crate) fn wants_checkpoint(&self) -> bool {
        self.log_bytes >= self.options.checkpoint_log_bytes && self.stored.is_some() && self.failed.is_none()
    }

    /// Starts a checkpoint: what [`CheckpointJob::run`] does may run beside further steps. `None` when one is being
    /// written, or nothing changed since the last.
    pub(crate) fn begin_checkpoint(&mut self) -> Option<CheckpointJob> {
        if self.lsn == self.checkpoint_lsn {
            return None;
        }
        let stored = self.stored.take()?;
        self.log_bytes = 0;
        let mut state = self.live.collection.write();
        let dirty = take_dirty(&mut state);
        let view = View { position: self.position(), state: state.view() };
        Some(CheckpointJob { storage: Arc::clone(&self.storage), dir: self.dir.clone(), view, dirty, stored })
    }

    /// Ends a checkpoint; after a successful one, log before it is dropped.
    pub(crate) fn finish_checkpoint(&mut self, done: CheckpointDone) -> Result<CheckpointReport> {
        self.stored = Some(done.stored);
        mark_dirty(&mut self.live.collection.write(), &done.dirty);
        let report = done.result?;
        self.checkpoint_lsn = report.lsn;
        self.log.remove_before(report.lsn.0 + 1)?;
        Ok(report)
    }

    /// Takes a checkpoint now, in this thread. `None` when nothing changed since the last.
    pub fn checkpoint(&mut self) -> Result<Option<CheckpointReport>> {
        match self.begin_checkpoint() {
            Some(job) => {
                let done = job.run();
                self.finish_checkpoint(done).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The last record applied.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub(crate) fn checkpoint_lsn(&self) -> Lsn {
        self.checkpoint_lsn
    }

    /// Bytes of mutations logged since the last checkpoint began.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// Why writes are refused, when they are.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Refuses all further writes.
    pub(crate) fn fail(&mut self, reason: String) {
        self.failed.get_or_insert(reason);
    }
}

fn check_dimension(wanted: &Settings, state: &Collection) -> Result<()> {
    let stored = state.vectors.dimension;
    if state.counts.vectors > 0 && wanted.dimension != 0 && wanted.dimension != stored {
        let message = format!(
            "vectors.default_dimension: expected {stored}, the dimension of the stored vectors, got {}",
            wanted.dimension
        );
        return Err(Error::Input(message));
    }
    Ok(())
}

/// The configuration of a timeline's write-ahead log.
pub(crate) fn log_config(dir: &TimelineDir, timeline: &Timeline, options: &Options) -> LogConfig {
    let mut config = LogConfig::new(dir.wal(), timeline.database, timeline.id);
    config.start = timeline.fork_lsn.0 + 1;
    config.segment_bytes = options.log_segment_bytes;
    config
}

/// Applies the log's records after `from`. Refuses a gap.
fn replay(log: &Log, wal: &Path, from: Lsn, state: &mut Collection) -> Result<u64> {
    let first = from.0 + 1;
    if log.base_offset() > first || log.next_offset() < first {
        let what = format!(
            "the log holds LSNs {} to {}, the checkpoint needs those from {first} on: a gap",
            log.base_offset(),
            log.next_offset().saturating_sub(1)
        );
        return Err(Error::Corrupt { path: wal.to_owned(), what });
    }
    let mut reader = log.read(first)?;
    let mut replayed = 0;
    while let Some(record) = reader.next_ref() {
        let record = record?;
        apply_record(wal, record.offset, record.value, state)?;
        replayed += 1;
    }
    Ok(replayed)
}

/// Decodes and applies one record's value.
pub(crate) fn apply_record(wal: &Path, lsn: u64, value: Option<&[u8]>, state: &mut Collection) -> Result<()> {
    let damaged = |e: Error| Error::Corrupt { path: wal.to_owned(), what: format!("record {lsn}: {e}") };
    let value = value.ok_or_else(|| damaged(Error::Decode("it has no value")))?;
    state.apply(Mutation::decode(value).map_err(damaged)?).map_err(damaged)?;
    state.overfull.clear();
    Ok(())
}
