//! The core: the sequencer's synchronous state machine. Threads are a shell around it, so it runs on `SimDisk` too.

use crate::backlog::Backlog;
use crate::change::CollectionChange;
use crate::checkpoint::{CheckpointDone, CheckpointJob, CheckpointReport, Stored, mark_dirty, take_dirty};
use crate::collection::Collection;
use crate::decide::Deciders;
use crate::error::{Error, Result};
use crate::kept::{Keep, KeptCheckpoint, KeptCheckpoints};
use crate::layout::TimelineDir;
use crate::live::Live;
use crate::loaded::{self, Reading};
use crate::mutation::{Change, DEFAULT_COLLECTION, Mutation};
use crate::replay::{self, Lost, Until};
use crate::settings::{Limits, Options, Settings};
use crate::state::State;
use crate::timeline::Timeline;
use crate::view::{Position, View};
use crate::wal_settings::WalSettings;
use crate::write::Request;
use cairn_disk::Storage;
use cairn_log::{Entry, Log, Lsn, SyncMode};
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Mutations applied under one lock, so that readers wait a moment at most.
const APPLY_AT_ONCE: u64 = 64;
/// Items whose lists one timer tick prunes.
const PRUNE_AT_ONCE: u32 = 4_096;

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
    /// Bytes of log records that were replayed.
    pub replayed_bytes: u64,
    /// How long the replay took, by the engine's clock.
    pub replay_time: Duration,
    /// Graphs and codes whose files were damaged or of another version, each with why: they are computed anew.
    pub discarded: Vec<String>,
    /// What may be lost, when writes were acknowledged before they were durable and the last stop was not orderly.
    pub lost: Option<Lost>,
}

/// One timeline, open for writing. All of it is synchronous: [`Core::step`] decides, logs, syncs, applies and answers.
pub struct Core {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: TimelineDir,
    pub(crate) options: Options,
    /// What one request may ask for: whoever steps the core says when it changed.
    pub(crate) limits: Arc<Limits>,
    wal: WalSettings,
    /// Held shared by whoever reads the past.
    past: Arc<RwLock<()>>,
    pub(crate) live: Arc<Live>,
    lsn: Lsn,
    /// The time of the last record or checkpoint: times never go back, whatever the clock does.
    last_us: i64,
    /// `None` while a checkpoint is being written beside the core.
    stored: Option<Stored>,
    kept: KeptCheckpoints,
    log_bytes: u64,
    backlog: Backlog,
    pub(crate) failed: Option<String>,
    pub(crate) read_only: Option<String>,
    pending: Vec<Mutation>,
    /// Where pruning goes on, by collection.
    prune_next: BTreeMap<u32, u32>,
    /// Files that compactions write or wrote, and no checkpoint names yet.
    pub(crate) unpublished: HashSet<String>,
    /// The newest checkpoint has the content, but not the segments and indexes that there are.
    pub(crate) layout_changed: bool,
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
        wal: WalSettings,
        adopt: Adopt,
        past: Arc<RwLock<()>>,
    ) -> Result<(Core, OpenReport)> {
        let loaded = loaded::load(&*storage, &dir, Reading::ToServe)?;
        let from = loaded.position.lsn;
        let newest =
            KeptCheckpoint { lsn: from, time_us: loaded.position.time_us, files: loaded.stored.names() };
        let kept = KeptCheckpoints::read(&*storage, &dir, newest)?;
        kept.remove_others(&*storage, &dir, &HashSet::new())?;
        let mut state = loaded.state;
        state.set_segment_bytes(options.vector_segment_bytes);
        let started_us = options.clock.now_us();
        let (mut lsn, mut last_us, mut replayed_bytes, mut cut_bytes) = (from, loaded.position.time_us, 0, 0);
        let mut log = None;
        if let Some(wal_dir) = timeline.wal_dir(&dir) {
            let config = replay::log_config(&wal_dir, &timeline, wal.segment_bytes, last_us);
            let (opened, recovered) = Log::open(options.log_disk(&storage), config)?;
            let tell = |now| options.tell(now);
            let done = replay::replay(&opened, &wal_dir, from, Until::End, &mut state, Some(&tell))?;
            lsn = Lsn(from.0 + done.records);
            last_us = last_us.max(done.last_us);
            replayed_bytes = done.bytes;
            cut_bytes = recovered.cut.map_or(0, |cut| cut.bytes);
            log = Some(Arc::new(opened));
        }
        let replayed = lsn.0 - from.0;
        let spent_us = options.clock.now_us().saturating_sub(started_us);
        let unclean = replayed > 0 || cut_bytes > 0;
        let report = OpenReport {
            timeline: timeline.clone(),
            lsn,
            checkpoint_lsn: from,
            replayed,
            cut_bytes,
            replayed_bytes,
            replay_time: Duration::from_micros(u64::try_from(spent_us).unwrap_or(0)),
            discarded: loaded.discarded,
            lost: Lost::after(unclean, &wal, lsn, last_us),
        };
        let live = Live {
            state: RwLock::new(state),
            lsn: AtomicU64::new(lsn.0),
            timeline,
            log,
            archived: AtomicU64::new(0),
        };
        let mut core = Core {
            storage,
            dir,
            backlog: Backlog::new(options.archive),
            limits: Arc::new(options.limits.clone()),
            options,
            wal,
            past,
            live: Arc::new(live),
            lsn,
            last_us,
            stored: Some(loaded.stored),
            kept,
            log_bytes: 0,
            failed: None,
            read_only: None,
            pending: Vec::new(),
            prune_next: BTreeMap::new(),
            unpublished: HashSet::new(),
            layout_changed: false,
        };
        if adopt == Adopt::Configured {
            core.adopt_settings()?;
        }
        Ok((core, report))
    }

    /// A core that only answers: of a state of the past. Nothing is written through it.
    pub(crate) fn read_only(
        storage: Arc<dyn Storage>,
        dir: TimelineDir,
        timeline: Timeline,
        options: Options,
        state: (State, Position),
        reason: String,
    ) -> Core {
        let (state, Position { lsn, time_us, .. }) = state;
        let live = Live {
            state: RwLock::new(state),
            lsn: AtomicU64::new(lsn.0),
            timeline,
            log: None,
            archived: AtomicU64::new(0),
        };
        Core {
            storage,
            dir,
            backlog: Backlog::new(None),
            limits: Arc::new(options.limits.clone()),
            options,
            wal: WalSettings { enabled: false, ..WalSettings::default() },
            past: Arc::default(),
            live: Arc::new(live),
            lsn,
            last_us: time_us,
            stored: None,
            kept: KeptCheckpoints::default(),
            log_bytes: 0,
            failed: None,
            read_only: Some(reason),
            pending: Vec::new(),
            prune_next: BTreeMap::new(),
            unpublished: HashSet::new(),
            layout_changed: false,
        }
    }

    /// Logs the configured settings when the stored ones differ.
    fn adopt_settings(&mut self) -> Result<()> {
        let wanted = {
            let shared = self.live.collection(None)?;
            let state = shared.read();
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
        self.pending.push(Change::Settings(wanted).of(DEFAULT_COLLECTION));
        self.flush()
    }

    /// Decides, logs, syncs and applies a batch; the answer of each write is its LSN or why it was refused. When this
    /// returns, every write with an LSN is durable and applied.
    pub fn step(&mut self, writes: Vec<impl Into<Request>>) -> Vec<Result<Lsn>> {
        if let Err(refused) = self.writable() {
            return writes.iter().map(|_| Err(refused.clone())).collect();
        }
        let now_us = self.now_us();
        let mut batch = std::mem::take(&mut self.pending);
        let mut answers = Vec::with_capacity(writes.len());
        {
            let state = self.live.state.read();
            let logged = batch.iter().filter(|mutation| !state.is_volatile(mutation)).count();
            let mut lsn = self.lsn.0 + logged as u64;
            let mut deciders = Deciders::new(&state, &self.limits, now_us);
            for write in writes {
                match deciders.decide(write.into()) {
                    Ok(mutation) => {
                        lsn += u64::from(!state.is_volatile(&mutation));
                        answers.push(Ok(Lsn(lsn)));
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

    /// Logs, syncs and applies a change of the collections themselves, if it can be.
    pub fn change_collections(&mut self, wanted: &CollectionChange) -> Result<Lsn> {
        self.writable()?;
        let mutation = wanted.decide(&self.live.state.read(), &self.limits)?;
        self.pending.push(mutation);
        self.flush()?;
        Ok(self.lsn)
    }

    /// Why no write is taken, if none is.
    fn writable(&mut self) -> Result<()> {
        if let Some(reason) = &self.read_only {
            return Err(Error::ReadOnly(reason.clone()));
        }
        if let Some(reason) = &self.failed {
            return Err(Error::Poisoned(reason.clone()));
        }
        match &self.live.log {
            Some(log) => self.backlog.admit(log, self.live.archived.load(Ordering::Acquire)),
            None => Ok(()),
        }
    }

    /// The clock's time, but never one before the last record's.
    fn now_us(&self) -> i64 {
        self.options.clock.now_us().max(self.last_us)
    }

    /// Logs and applies what is pending.
    fn flush(&mut self) -> Result<()> {
        self.writable()?;
        let batch = std::mem::take(&mut self.pending);
        self.commit(batch, self.now_us())
    }

    /// Logs and applies records that were logged before, with their own times: they follow what is applied.
    pub(crate) fn replay_records(&mut self, records: Vec<(Mutation, i64)>) -> Result<()> {
        self.writable()?;
        for (mutation, time_us) in records {
            self.commit(vec![mutation], time_us.max(self.last_us))?;
        }
        Ok(())
    }

    fn commit(&mut self, batch: Vec<Mutation>, now_us: i64) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(log) = self.live.log.clone()
            && let Err(e) = self.log_batch(&log, &batch, now_us)
        {
            if let Some(reason) = log.poisoned() {
                self.failed = Some(reason.to_string());
            }
            return Err(e);
        }
        self.last_us = now_us;
        self.apply(batch)
    }

    fn log_batch(&mut self, log: &Log, batch: &[Mutation], now_us: i64) -> Result<()> {
        let mut bytes = Vec::new();
        let mut ends = Vec::with_capacity(batch.len());
        {
            let state = self.live.state.read();
            for mutation in batch.iter().filter(|mutation| !state.is_volatile(mutation)) {
                mutation.encode_for_log(self.wal.include_vectors, &mut bytes);
                ends.push(bytes.len());
            }
        }
        if ends.is_empty() {
            return Ok(());
        }
        let mut start = 0;
        let entry = |end: usize| {
            let value = Some(&bytes[std::mem::replace(&mut start, end)..end]);
            Entry { timestamp_us: now_us, key: None, value }
        };
        let entries: Vec<Entry<'_>> = ends.into_iter().map(entry).collect();
        let offsets = log.append(&entries)?;
        if offsets != (self.lsn.0 + 1..self.lsn.0 + 1 + entries.len() as u64) {
            self.failed = Some(format!("the log gave LSNs {offsets:?} after {}", self.lsn));
            return Err(Error::Bug(format!("the log gave LSNs {offsets:?} after {}", self.lsn)));
        }
        if self.wal.sync == SyncMode::Fsync {
            log.commit(offsets.end - 1)?;
            self.options.throttle.synced();
        }
        self.log_bytes += bytes.len() as u64;
        self.backlog.appended(bytes.len() as u64);
        Ok(())
    }

    /// Makes everything acknowledged durable. With [`SyncMode::Fsync`] it is already.
    pub fn sync(&mut self) -> Result<()> {
        let Some(log) = &self.live.log else { return Ok(()) };
        log.sync().inspect_err(|e| self.failed = Some(e.to_string()))?;
        Ok(())
    }

    /// Applies what is durable. A failure here means that the state and the log went apart: nothing more is written.
    fn apply(&mut self, batch: Vec<Mutation>) -> Result<()> {
        let mut batch = batch.into_iter().peekable();
        while let Some(mutation) = batch.next() {
            let number = mutation.collection;
            let logged = u64::from(!self.live.state.read().is_volatile(&mutation));
            let applied = match mutation.change {
                change if change.is_of_run() => self.apply_run(number, change, &mut batch),
                change => self.live.state.write().apply(change.of(number)).map(|()| 1),
            };
            match applied {
                Ok(count) => self.lsn.0 += count * logged,
                Err(e) => {
                    let reason = format!("applying LSN {} and later: {e}", self.lsn.0 + 1);
                    self.failed = Some(reason.clone());
                    return Err(Error::Bug(reason));
                }
            }
            self.live.lsn.store(self.lsn.0, Ordering::Release);
        }
        Ok(())
    }

    /// Applies the next few changes of one collection's content under its lock: how many.
    fn apply_run(
        &mut self,
        number: u32,
        first: Change,
        batch: &mut std::iter::Peekable<std::vec::IntoIter<Mutation>>,
    ) -> Result<u64> {
        let shared = {
            let state = self.live.state.read();
            let slot = state.get(number).ok_or(Error::Decode("a collection that does not exist"))?;
            Arc::clone(&slot.collection)
        };
        let mut collection = shared.write();
        collection.apply(first)?;
        let mut count = 1;
        while count < APPLY_AT_ONCE
            && let Some(next) = batch.next_if(|next| next.collection == number && next.change.is_of_run())
        {
            collection.apply(next.change)?;
            count += 1;
        }
        let prune = |item| Change::Prune { first: item, count: 1 }.of(number);
        self.pending.extend(collection.overfull.drain(..).map(prune));
        Ok(count)
    }

    /// What the decay timer does: all scores decay, and the next few lists are pruned.
    pub fn tick(&mut self, factor: f64) -> Result<()> {
        let state = self.live.state.read();
        for (number, slot) in state.iter() {
            let collection = slot.collection.read();
            // Where nothing co-occurs, nothing decays; `default` keeps its clock all the same.
            if collection.counts.pairs > 0 || number == DEFAULT_COLLECTION {
                self.pending.push(Change::Decay { factor }.of(number));
            }
            let settings = &collection.settings;
            if settings.max_neighbors_per_item > 0 || settings.min_support > 0.0 {
                let next = self.prune_next.entry(number).or_default();
                self.pending.push(Change::Prune { first: *next, count: PRUNE_AT_ONCE }.of(number));
                *next = next.saturating_add(PRUNE_AT_ONCE);
                if *next >= collection.items.count() {
                    *next = 0;
                }
            }
        }
        drop(state);
        self.flush()
    }

    /// The whole state now. Clones pointers.
    pub fn view(&self) -> View {
        View { position: self.position(), state: self.live.state.read().view() }
    }

    fn position(&self) -> Position {
        let timeline = &self.live.timeline;
        Position { database: timeline.database, timeline: timeline.id, lsn: self.lsn, time_us: self.now_us() }
    }

    /// Whether enough was logged since the last checkpoint for another.
    pub(crate) fn wants_checkpoint(&self) -> bool {
        let enough = self.log_bytes >= self.options.checkpoint_log_bytes || self.backlog.wants_checkpoint();
        enough && self.stored.is_some() && self.failed.is_none() && self.lsn != self.checkpoint_lsn()
    }

    /// Starts a checkpoint: what [`CheckpointJob::run`] does may run beside further steps. `None` when one is being
    /// written, or nothing changed since the last.
    pub(crate) fn begin_checkpoint(&mut self) -> Option<CheckpointJob> {
        if self.lsn == self.checkpoint_lsn() && !self.layout_changed {
            return None;
        }
        let stored = self.stored.take()?;
        self.log_bytes = 0;
        self.layout_changed = false;
        let position = self.position();
        // No later record is earlier than the checkpoint.
        self.last_us = position.time_us;
        let state = self.live.state.read();
        let dirty = take_dirty(&state);
        let view = View { position, state: state.view() };
        drop(state);
        let (storage, dir, log) = (self.background(), self.dir.clone(), self.live.log.clone());
        Some(CheckpointJob { storage, dir, view, dirty, stored, log })
    }

    /// Ends a checkpoint; after a successful one, what retention no longer asks for is dropped.
    pub(crate) fn finish_checkpoint(&mut self, done: CheckpointDone) -> Result<CheckpointReport> {
        self.stored = Some(done.stored);
        mark_dirty(&self.live.state.read(), &done.dirty);
        self.layout_changed |= done.result.is_err();
        let (report, kept) = done.result?;
        for (collection, segment) in done.mapped {
            if let Some(slot) = self.live.state.read().get(collection) {
                slot.collection.write().vectors.swap_columns(segment);
            }
        }
        self.unpublished.retain(|name| !kept.files.contains(name));
        // The same content laid out otherwise takes the place of the last.
        self.kept.0.retain(|other| other.lsn != kept.lsn);
        self.kept.0.push(kept);
        self.drop_unneeded()?;
        Ok(report)
    }

    /// Drops the checkpoints, files and log segments that neither opening nor retention nor the archive needs.
    pub(crate) fn drop_unneeded(&mut self) -> Result<()> {
        if self.read_only.is_some() || self.stored.is_none() {
            return Ok(());
        }
        // While the past is read, everything stays; the next time drops it.
        let Some(_nobody_reads) = self.past.try_write() else { return Ok(()) };
        let log = self.live.log.clone();
        let archived = self.live.archived.load(Ordering::Acquire);
        let gives_way = self.backlog.gives_way(log.as_deref(), archived);
        let keep = match gives_way {
            true => Keep::PRESENT,
            false => Keep::of(&self.wal, &self.options, self.now_us()),
        };
        self.kept.thin(keep, log.as_deref());
        self.kept.remove_others(&*self.background(), &self.dir, &self.unpublished)?;
        let (Some(log), Some(oldest)) = (log, self.kept.oldest()) else { return Ok(()) };
        let needed = oldest.lsn.0 + 1;
        let waits = self.backlog.is_on() && !gives_way;
        log.remove_before(if waits { needed.min(archived + 1) } else { needed })?;
        Ok(())
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
        self.kept.0.last().map_or(Lsn(0), |newest| newest.lsn)
    }

    /// The oldest point that its own checkpoints and log bring back: its LSN and time.
    pub(crate) fn reaches_back_to(&self) -> Option<(Lsn, i64)> {
        self.kept.oldest().map(|oldest| (oldest.lsn, oldest.time_us))
    }

    /// How its log is kept.
    pub(crate) fn wal(&self) -> &WalSettings {
        &self.wal
    }

    /// Changes how its log is kept, where that takes no new timeline.
    pub(crate) fn set_wal(&mut self, wal: WalSettings) -> Result<()> {
        if wal.sync == SyncMode::Fsync {
            self.sync()?;
        }
        self.wal = wal;
        self.drop_unneeded()
    }

    /// Whether it only answers.
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.is_some()
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
