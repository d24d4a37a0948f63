//! `Engine`: the shell of threads around the core: one sequencer, a writer of checkpoints, any number of readers.

use crate::change::CollectionChange;
use crate::checkpoint::{CheckpointDone, CheckpointReport};
use crate::collection::{Collection, Counts};
use crate::core::{Adopt, Core, OpenReport};
use crate::database::Database;
use crate::draft::TimelineDraft;
use crate::error::{Error, Result};
use crate::history::Point;
use crate::live::Live;
use crate::maintenance::{Maintenance, MaintenanceThread};
use crate::recover::Branch;
use crate::roll::Roll;
use crate::sequencer::{Message, Sequencer};
use crate::settings::{FusionSettings, Limits, Options};
use crate::timeline::Timeline;
use crate::version;
use crate::view::View;
use crate::wal_settings::WalSettings;
use crate::wal_sync::WalSync;
use crate::write::{Request, Write};
use cairn_disk::Storage;
use cairn_log::{DatabaseId, Lsn, TimelineId};
use parking_lot::{Mutex, RwLock};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// What is called when a batch of writes is done: an LSN or an error for each, in order.
pub type Done = Box<dyn FnOnce(Vec<Result<Lsn>>) + Send>;

/// How the engine is doing.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The database.
    pub database: DatabaseId,
    /// The live timeline.
    pub timeline: Timeline,
    /// The last record applied.
    pub lsn: Lsn,
    /// The last record that is durable. Without a write-ahead log, that of the newest checkpoint.
    pub durable_lsn: Lsn,
    /// Every record up to here is in the archive, as far as this process knows.
    pub archived_lsn: Lsn,
    /// Bytes of log that wait for the archive, whole segments.
    pub archive_backlog_bytes: u64,
    /// Bytes of the segments that the write-ahead log consists of.
    pub wal_bytes: u64,
    /// How many segments these are.
    pub wal_segments: usize,
    /// How many collections there are.
    pub collections: u64,
    /// How much there is in all collections.
    pub counts: Counts,
    /// The dimension of the vectors in `default`; 0: none yet.
    pub dimension: u32,
    /// Sealed vector segments.
    pub segments: usize,
    /// Pages copied so far because a View held them.
    pub pages_copied: u64,
    /// Why the last piece of maintenance in the background failed, if it did: it is tried again.
    pub maintenance_error: Option<String>,
    /// The rest, as of the last batch.
    pub status: Status,
}

/// What the sequencer tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The newest checkpoint's LSN.
    pub checkpoint_lsn: Lsn,
    /// Bytes of mutations logged since.
    pub log_bytes: u64,
    /// Why writes are refused until a restart.
    pub poisoned: Option<String>,
    /// What is being loaded.
    pub loading: Option<String>,
    /// Why the last checkpoint failed.
    pub checkpoint_error: Option<String>,
    /// How the write-ahead log is kept.
    pub wal: WalSettings,
    /// The oldest point of the live timeline that can be had back.
    pub reaches_back_to: Option<Point>,
    /// The state only answers: it is one of the past.
    pub read_only: bool,
}

/// What [`Engine::load`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// The new live timeline.
    pub timeline: TimelineId,
    /// Its LSN.
    pub lsn: Lsn,
    /// How much there is now.
    pub counts: Counts,
}

/// What the engine's threads share.
pub(crate) struct Shared {
    pub database: Database,
    pub options: Options,
    /// As it is now, and the version of that; `options` has what the engine was opened with.
    pub fusion: RwLock<(FusionSettings, u64)>,
    /// As they are now; `options` has those that the engine was opened with.
    pub limits: RwLock<Arc<Limits>>,
    pub live: RwLock<Arc<Live>>,
    pub status: Mutex<Status>,
}

pub(crate) struct Inner {
    pub shared: Arc<Shared>,
    /// Syncs the log now and then, when that is its mode.
    syncer: Mutex<Option<WalSync>>,
    pub(crate) maintenance: Arc<Maintenance>,
    /// Does maintenance in the background.
    maintainer: Mutex<Option<MaintenanceThread>>,
    messages: Sender<Message>,
    sequencer: Mutex<Option<JoinHandle<()>>>,
}

/// An open database. Cheap to clone; the last one dropped closes it, with a checkpoint.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("database", &self.inner.shared.database).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the database in `dir`, making one when there is none: a checkpoint, and the log after it. A torn,
    /// unacknowledged end of the log is cut and reported; damage anywhere else is an error.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, options: Options) -> Result<(Engine, OpenReport)> {
        let (database, core, report) = Database::open(storage, dir, &options)?;
        Ok((Engine::start(database, core, options)?, report))
    }

    /// As [`Engine::open`], with the settings that the database was last used with, and only where there is one: for tools
    /// that work on a directory and should leave its settings as they are.
    pub fn open_as_stored(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: Options,
    ) -> Result<(Engine, OpenReport)> {
        let (database, core, report) = Database::open_adopting(storage, dir, &options, Adopt::Stored)?;
        Ok((Engine::start(database, core, options)?, report))
    }

    /// Starts the threads around a core.
    pub(crate) fn start(database: Database, core: Core, options: Options) -> Result<Engine> {
        let shared = Arc::new(Shared {
            database,
            fusion: RwLock::new((options.fusion.clone(), version::fresh())),
            limits: RwLock::new(Arc::new(options.limits.clone())),
            options,
            live: RwLock::new(Arc::clone(core.live())),
            status: Mutex::default(),
        });
        let read_only = core.is_read_only();
        let (messages, queue) = channel();
        let sequencer = Sequencer::new(Arc::clone(&shared), core, messages.clone());
        let spawned =
            std::thread::Builder::new().name("sequencer".to_owned()).spawn(move || sequencer.run(&queue));
        let handle = spawned.map_err(|e| Error::Bug(format!("cannot start a thread: {e}")))?;
        let syncer = Mutex::new(Some(WalSync::start(&shared)?));
        let maintenance =
            Arc::new(Maintenance::new(messages.clone(), shared.options.verify_bytes_per_second));
        let thread = match shared.options.maintenance && !read_only {
            true => Some(MaintenanceThread::start(Arc::clone(&maintenance))?),
            false => None,
        };
        let maintainer = Mutex::new(thread);
        let inner =
            Inner { shared, syncer, maintenance, maintainer, messages, sequencer: Mutex::new(Some(handle)) };
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// Queues writes to `default` and returns at once: [`Engine::submit_requests`].
    pub fn submit(&self, writes: Vec<Write>, done: Done) {
        self.submit_requests(writes.into_iter().map(Request::from).collect(), done);
    }

    /// Queues writes and returns at once. `done` is called on the sequencer's thread when each is durable and applied,
    /// or refused: it must be quick. Writes of one call are consecutive in the log but for the refused.
    pub fn submit_requests(&self, writes: Vec<Request>, done: Done) {
        if let Err(unsent) = self.inner.messages.send(Message::Write { writes, done })
            && let Message::Write { writes, done } = unsent.0
        {
            done(writes.iter().map(|_| Err(Error::Closed)).collect());
        }
    }

    /// Writes to `default`, and waits until each is durable and applied, or refused.
    pub fn write(&self, writes: Vec<Write>) -> Vec<Result<Lsn>> {
        self.write_requests(writes.into_iter().map(Request::from).collect())
    }

    /// Writes, and waits until each is durable and applied, or refused.
    pub fn write_requests(&self, writes: Vec<Request>) -> Vec<Result<Lsn>> {
        let n = writes.len();
        let (send, answer) = channel();
        self.submit_requests(writes, Box::new(move |answers| drop(send.send(answers))));
        answer.recv().unwrap_or_else(|_| vec![Err(Error::Closed); n])
    }

    pub(crate) fn ask<T>(&self, message: impl FnOnce(Sender<T>) -> Message) -> Result<T> {
        let (send, answer) = channel();
        self.inner.messages.send(message(send)).map_err(|_| Error::Closed)?;
        answer.recv().map_err(|_| Error::Closed)
    }

    /// The whole state at one LSN, holding every write acknowledged before the call. All of it is durable when this returns:
    /// what is made of it never names a record that a crash takes back.
    pub fn view(&self) -> Result<View> {
        let (view, log) = self.ask(Message::View)?;
        if let Some(log) = log {
            log.sync()?;
        }
        Ok(view)
    }

    /// Changes which collections there are, or how one is kept. Durable when this returns, as a write is.
    pub fn change_collections(&self, change: CollectionChange) -> Result<Lsn> {
        self.ask(|answer| Message::Change { change: Box::new(change), answer })?
    }

    /// Takes a checkpoint; `None` when nothing changed since the last.
    pub fn checkpoint(&self) -> Result<Option<CheckpointReport>> {
        self.ask(Message::Checkpoint)?
    }

    /// Closes: everything queued is done, a checkpoint is taken, the lock is released. Later calls fail with
    /// [`Error::Closed`].
    pub fn close(&self) -> Result<()> {
        self.inner.syncer.lock().take();
        self.inner.maintainer.lock().take();
        let result = self.ask(Message::Close)?;
        if let Some(handle) = self.inner.sequencer.lock().take() {
            let _ = handle.join();
        }
        result
    }

    /// How the engine is doing.
    pub fn stats(&self) -> Stats {
        let live = self.live();
        let (collections, counts, dimension, sealed, pages_copied) = {
            let state = live.state.read();
            let sum = |f: fn(&Collection) -> u64| {
                state.iter().map(|(_, slot)| f(&slot.collection.read())).sum::<u64>()
            };
            let dimension = state.default_collection().read().vectors.dimension;
            let sealed = sum(|collection| collection.vectors.segments.len() as u64) as usize;
            (state.len() as u64, state.counts(), dimension, sealed, sum(Collection::pages_copied))
        };
        let segments = live.log.as_ref().map_or_else(Vec::new, |log| log.segments());
        let status = self.inner.shared.status.lock().clone();
        let archived = live.archived.load(Ordering::Acquire);
        let waiting = segments.iter().filter(|segment| segment.next_offset > archived + 1);
        Stats {
            archive_backlog_bytes: waiting.map(|segment| segment.bytes).sum(),
            wal_bytes: segments.iter().map(|segment| segment.bytes).sum(),
            wal_segments: segments.len(),
            database: self.inner.shared.database.id(),
            timeline: live.timeline.clone(),
            lsn: live.lsn(),
            durable_lsn: durable_lsn(&live, &status),
            archived_lsn: Lsn(archived),
            collections,
            counts,
            dimension,
            segments: sealed,
            pages_copied,
            maintenance_error: self.inner.maintenance.last_error(),
            status,
        }
    }

    /// The options it was opened with.
    pub fn options(&self) -> &Options {
        &self.inner.shared.options
    }

    /// How results are fused now.
    pub fn fusion(&self) -> FusionSettings {
        self.inner.shared.fusion.read().0.clone()
    }

    /// Changes how results are fused, for searches that begin from now on. Not remembered: opening says it anew.
    pub fn set_fusion(&self, settings: FusionSettings) {
        let mut now = self.inner.shared.fusion.write();
        if now.0 != settings {
            *now = (settings, version::fresh());
        }
    }

    /// What one request may ask for now.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.inner.shared.limits.read())
    }

    /// Changes what one request may ask for, from the next one on; what is stored stays. Not remembered: opening says it anew.
    pub fn set_limits(&self, limits: Limits) {
        *self.inner.shared.limits.write() = Arc::new(limits);
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.inner.shared.live.read())
    }

    /// Replaces the whole state by a new timeline: `fill` puts image files into the draft and returns the manifest.
    ///
    /// Meanwhile writes are answered [`Error::Loading`] and reads come from the old state. Afterwards the new timeline
    /// is live and the old one is kept beside it. On any failure nothing has changed.
    pub fn load<E: From<Error>>(
        &self,
        reason: &str,
        fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
    ) -> Result<LoadReport, E> {
        self.load_rolled(reason, fill, None)
    }

    /// As [`Engine::load`], and then a roll is applied, if there is one, before the state is the live one.
    pub fn load_rolled<E: From<Error>>(
        &self,
        reason: &str,
        fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
        roll: Option<Roll<'_, E>>,
    ) -> Result<LoadReport, E> {
        self.load_built(reason, || self.draft_timeline(reason, fill, roll))
    }

    /// Makes a timeline live that `build` makes; meanwhile writes are refused, reads come from the old one.
    pub(crate) fn load_built<E: From<Error>>(
        &self,
        reason: &str,
        build: impl FnOnce() -> Result<Timeline, E>,
    ) -> Result<LoadReport, E> {
        self.ask(|answer| Message::BeginLoad { reason: reason.to_owned(), answer })??;
        let opened = build().and_then(|timeline| {
            let shared = &self.inner.shared;
            let wal = shared.status.lock().wal.clone();
            // The loaded state keeps its own settings, as a restored directory would.
            let (core, _) =
                shared.database.open_timeline(timeline.id, &shared.options, &wal, Adopt::Stored)?;
            Ok(core)
        });
        let core = match opened {
            Ok(core) => core,
            Err(e) => {
                self.ask(Message::CancelLoad)?;
                return Err(e);
            }
        };
        Ok(self.ask(|answer| Message::EndLoad { core: Box::new(core), answer })??)
    }

    /// Makes a timeline that is not live.
    pub(crate) fn draft_timeline<E: From<Error>>(
        &self,
        reason: &str,
        fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
        roll: Option<Roll<'_, E>>,
    ) -> Result<Timeline, E> {
        let shared = &self.inner.shared;
        let draft = shared.database.draft()?;
        let manifest = match fill(&draft) {
            Ok(manifest) => manifest,
            Err(e) => {
                // A draft left behind is removed at the next open; the first failure is what matters.
                let _ = draft.abandon();
                return Err(e);
            }
        };
        let (draft, manifest) = match roll {
            Some(roll) => draft.rolled(&manifest, roll)?,
            None => (draft, manifest),
        };
        let now_us = shared.options.clock.now_us();
        let log = shared.status.lock().wal.place();
        Ok(draft.finish(&manifest, shared.database.id(), now_us, reason, log)?)
    }

    /// Makes a branch of image files: a new timeline that is not live, beside a state that goes on taking writes. Look at it
    /// with [`Engine::view_at`], compare it, then [`Engine::promote`] or [`Engine::drop_timeline`] it.
    pub fn branch<E: From<Error>>(
        &self,
        reason: &str,
        fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
        roll: Option<Roll<'_, E>>,
    ) -> Result<Branch, E> {
        if self.inner.shared.status.lock().read_only {
            return Err(Error::ReadOnly("state of the past".to_owned()).into());
        }
        let timeline = self.draft_timeline(reason, fill, roll)?;
        let at = self.history()?.of(timeline.id)?.to;
        Ok(Branch { timeline, at })
    }

    /// Replaces the live timeline by what `build` opens; meanwhile writes are refused, reads come from the old one.
    pub(crate) fn replace(
        &self,
        reason: &str,
        build: impl FnOnce(&Shared) -> Result<(Core, WalSettings)>,
    ) -> Result<LoadReport> {
        self.ask(|answer| Message::BeginLoad { reason: reason.to_owned(), answer })??;
        let (core, wal) = match build(&self.inner.shared) {
            Ok(built) => built,
            Err(e) => {
                self.ask(Message::CancelLoad)?;
                return Err(e);
            }
        };
        let report = self.ask(|answer| Message::EndLoad { core: Box::new(core), answer })??;
        self.wake_syncer(&wal);
        Ok(report)
    }

    pub(crate) fn wake_syncer(&self, wal: &WalSettings) {
        if let Some(syncer) = &*self.inner.syncer.lock() {
            syncer.set(wal.sync);
        }
    }
}

/// What is durable by now.
fn durable_lsn(live: &Live, status: &Status) -> Lsn {
    match &live.log {
        // Applied only after it was logged: no record is durable and not applied for long.
        Some(log) => Lsn(log.durable_offset().saturating_sub(1)).min(live.lsn()),
        None if status.read_only => live.lsn(),
        None => status.checkpoint_lsn,
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.syncer.lock().take();
        self.maintainer.lock().take();
        let (send, _answer) = channel();
        // Already closed: nothing to do.
        let _ = self.messages.send(Message::Close(send));
        if let Some(handle) = self.sequencer.lock().take()
            && handle.thread().id() != std::thread::current().id()
        {
            let _ = handle.join();
        }
    }
}

/// A finished checkpoint on its way back to the sequencer, with the timeline it belongs to.
pub(crate) struct CheckpointResult {
    pub timeline: TimelineId,
    pub done: CheckpointDone,
}
