//! The backend of a running server: an engine, and the files beside it.

use crate::archiver::Archiver;
use crate::backend::{Backend, Cost, Written};
use crate::cache::QueryCache;
use crate::cache_key::Search;
use crate::check::check;
use crate::collections::collections;
use crate::command::{Ask, Cache, Collections, Configs, Dump, Snapshot, StorageAsk, Timelines, Wal};
use crate::config::{Config, SnapshotConfig};
use crate::config_admin::configs;
use crate::counters::Counters;
use crate::dump::dump;
use crate::failure::Failure;
use crate::info::{Facts, recoverable, sections};
use crate::jobs::{Family, Jobs, read_only};
use crate::live::Live;
use crate::memory::LastMemory;
use crate::reply::{JobStatuses, Reply, Trace};
use crate::scheduler::Scheduler;
use crate::schedules::ScheduleStatus;
use crate::snapshot::{newest, snapshot};
use crate::storage::storage;
use crate::timelines::timelines;
use crate::topics::topic;
use crate::variables::variables;
use crate::wal::wal;
use cairn_disk::{Storage, Throttle, Throttled};
use cairn_engine::topics::Topics;
use cairn_engine::{Clock, Engine, Hits, Item, OpenReport, Options, Request, Stats, Using};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Elements of vectors that a search may score on the thread that serves connections: two tenths of a millisecond or so, about
/// four times what handing it to another thread costs.
const SMALL_SEARCH_ELEMENTS: u64 = 1 << 20;
/// Items with metadata that a filter may look at there.
const SMALL_FILTER_ITEMS: u64 = 256;

/// An engine, the storage it is on, and where snapshots go.
pub struct EngineBackend {
    pub(crate) engine: Engine,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) snapshot: SnapshotConfig,
    pub(crate) repository_dir: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) jobs: Jobs,
    /// The engine only answers, and so does this.
    pub(crate) read_only: bool,
    /// Whoever asks may name any path.
    any_path: bool,
    opened: Option<OpenReport>,
    /// Open from the first request about them on.
    topics: Mutex<Option<Arc<Topics>>>,
    /// Ships the log, when that is configured.
    archiver: Mutex<Option<Archiver>>,
    /// Makes snapshots when they are due, when that is configured.
    scheduler: Mutex<Option<Scheduler>>,
    cache: Arc<QueryCache>,
    memory: LastMemory,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    live: Option<Arc<Live>>,
    started_us: i64,
    newest: Mutex<Option<String>>,
}

impl std::fmt::Debug for EngineBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineBackend").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl EngineBackend {
    /// For an engine whose data and snapshots are on `storage`; `counters` are those of its connections.
    pub fn new(config: &Config, engine: Engine, storage: Arc<dyn Storage>, counters: Arc<Counters>) -> Self {
        let clock = Arc::clone(&engine.options().clock);
        // What is deleted goes without holding up the writers.
        let storage = Throttled::removing(storage, Arc::clone(&engine.options().throttle));
        let backend = EngineBackend {
            snapshot: config.snapshot.clone(),
            repository_dir: config.snapshot.repository_dir(),
            data_dir: config.data_dir.clone(),
            jobs: Jobs::new(engine.options()),
            started_us: clock.now_us(),
            read_only: engine.stats().status.read_only,
            any_path: false,
            opened: None,
            topics: Mutex::new(None),
            archiver: Mutex::new(None),
            scheduler: Mutex::new(None),
            newest: Mutex::new(None),
            cache: Arc::new(QueryCache::new(config.cache.clone(), Arc::clone(&clock))),
            memory: LastMemory::default(),
            live: None,
            engine,
            storage: Arc::new(storage),
            counters,
            clock,
        };
        match newest(&backend) {
            Ok(found) => backend.set_newest(found),
            // The server works without its repository; each SNAPSHOT request will say what is wrong with it.
            Err(failure) => tracing::warn!(%failure, "cannot read the snapshot repository"),
        }
        backend
    }

    /// Goes by a configuration that can be told and changed: CONFIG, SET, GET and SHOW VARIABLES.
    pub fn with_live(self, live: Arc<Live>) -> Self {
        let engine = self.engine.clone();
        let cache = Arc::clone(&self.cache);
        live.on_change(move |config| {
            engine.set_fusion(config.fusion.clone());
            if *engine.limits() != config.limits {
                engine.set_limits(config.limits.clone());
            }
            cache.configure(&config.cache);
        });
        EngineBackend { live: Some(live), ..self }
    }

    /// INFO tells of the recovery that opened the engine.
    pub fn opened_with(self, report: OpenReport) -> Self {
        EngineBackend { opened: Some(report), ..self }
    }

    /// Ships the log to the repository from now on.
    pub fn with_archiver(self, archiver: Archiver) -> Self {
        EngineBackend { archiver: Mutex::new(Some(archiver)), ..self }
    }

    /// Makes snapshots by the schedules of the configuration from now on, and by others when it changes.
    pub(crate) fn start_schedules(self: &Arc<Self>) -> Result<(), Failure> {
        self.schedule(&self.snapshot)?;
        let weak = Arc::downgrade(self);
        if let Some(live) = &self.live {
            live.on_change(move |config| {
                if let Some(backend) = weak.upgrade()
                    && let Err(failure) = backend.schedule(&config.snapshot)
                {
                    tracing::error!(%failure, "the schedules stay as they were");
                }
            });
        }
        Ok(())
    }

    fn schedule(self: &Arc<Self>, config: &SnapshotConfig) -> Result<(), Failure> {
        let mut scheduler = self.scheduler.lock();
        match &mut *scheduler {
            Some(running) => running.change(self, config),
            none => {
                *none = Scheduler::start(self, config)?;
                Ok(())
            }
        }
    }

    /// How the schedules are doing.
    pub(crate) fn schedules(&self) -> Vec<ScheduleStatus> {
        self.scheduler.lock().as_ref().map(Scheduler::status).unwrap_or_default()
    }

    /// Requests may name any path: for whoever holds the directory and is asked by nobody else.
    pub fn with_any_path(self) -> Self {
        EngineBackend { any_path: true, ..self }
    }

    /// The directory that a request means.
    pub(crate) fn given_dir(&self, given: &str) -> Result<PathBuf, Failure> {
        if self.any_path {
            return Ok(PathBuf::from(given));
        }
        let mut allowed = self.snapshot.allowed_dirs.clone();
        allowed.push(self.snapshot.dir.clone());
        Ok(cairn_snapshot::resolve(self.storage.as_ref(), &self.data_dir, &allowed, given)?)
    }

    /// The directory that WAL ENABLE means: never one of the database's own files, wherever the request comes from.
    pub(crate) fn wal_path(&self, given: &str) -> Result<PathBuf, Failure> {
        let path = self.given_dir(given)?;
        let storage = self.storage.as_ref();
        let real = storage.canonical(&path).unwrap_or_else(|_| path.clone());
        for held in [self.data_dir.join("timelines"), self.repository_dir.clone()] {
            if storage.canonical(&held).is_ok_and(|held| real.starts_with(held)) {
                let shown = path.display();
                return Err(Failure::input(format!("Invalid filepath: {shown} belongs to the database")));
            }
        }
        if storage.canonical(&self.data_dir).is_ok_and(|data| data == real) {
            let shown = path.display();
            return Err(Failure::input(format!(
                "Invalid filepath: {shown} is the data directory; expected a directory of its own for the log"
            )));
        }
        Ok(path)
    }

    /// The topics, opened when they are not yet.
    pub(crate) fn topics(&self) -> Result<Arc<Topics>, Failure> {
        let mut open = self.topics.lock();
        if let Some(topics) = &*open {
            return Ok(Arc::clone(topics));
        }
        let clock = Arc::clone(&self.clock);
        let (topics, recovered) = Topics::open(Arc::clone(&self.storage), &self.data_dir, clock)?;
        for found in recovered.partitions.iter().filter(|found| found.recovered.cut.is_some()) {
            let (topic, partition) = (&found.topic, found.partition);
            tracing::warn!(topic, partition, "the torn end of a topic's partition was cut");
        }
        let topics = Arc::new(topics);
        *open = Some(Arc::clone(&topics));
        Ok(topics)
    }

    /// Opens the topics when there are any, so that their syncs, retention and compaction go on without a request.
    pub(crate) fn resume_topics(&self) {
        let dir = self.data_dir.join("topics");
        if self.read_only || !self.storage.stat(&dir).is_ok_and(|stat| stat.is_some()) {
            return;
        }
        if let Err(failure) = self.topics() {
            // The database works without them; each TOPIC request will say what is wrong.
            tracing::warn!(%failure, "cannot open the topics");
        }
    }

    /// What can be recovered on the live timeline. Cheap.
    pub(crate) fn recoverable(&self, stats: &Stats) -> String {
        recoverable(stats, self.now_us())
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// Whether the repository holds a whole snapshot, as far as is known.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.newest.lock().is_some()
    }

    /// Remembers which snapshot is the newest.
    pub(crate) fn set_newest(&self, id: Option<String>) {
        *self.newest.lock() = id;
    }

    /// Whether there is a state to save: not while it is being replaced, by whomever.
    pub(crate) fn savable(&self) -> Result<(), Failure> {
        if self.engine.stats().status.loading.is_some() { Err(read_only()) } else { Ok(()) }
    }

    /// Makes a directory of the configuration when it is missing.
    pub(crate) fn prepare_dir(&self, dir: &Path) -> Result<(), Failure> {
        let made = || {
            if self.storage.stat(dir)?.is_none() {
                self.storage.create_dir_all(dir)?;
                self.storage.sync_dir(cairn_disk::parent_dir(dir))?;
            }
            Ok(())
        };
        made().map_err(|e: cairn_disk::Error| cairn_snapshot::Error::Disk(e).into())
    }

    fn with(&self, answer: impl FnOnce(&Live) -> Reply) -> Reply {
        match &self.live {
            Some(live) => answer(live),
            None => Failure::input("there is no configuration here: ask a server").into(),
        }
    }

    fn info(&self) -> Reply {
        let facts = Facts {
            counters: &self.counters,
            cache: self.cache.figures(),
            stats: &self.engine.stats(),
            memory: self.memory.read(self.storage.as_ref()),
            uptime_s: (self.now_us() - self.started_us).max(0) / 1_000_000,
            last_snapshot: self.newest.lock().clone(),
            schedules: self.schedules(),
            opened: self.opened.as_ref(),
            now_us: self.now_us(),
            archived: self.engine.options().archive.is_some(),
            archive: self.archiver.lock().as_ref().map(Archiver::status),
        };
        Reply::Info(sections(&facts))
    }

    /// CACHE ENABLE and DISABLE are SET of `cache.enabled`, where there is a configuration that can be set.
    fn cached(&self, asked: Cache) -> Reply {
        let enabled = match asked {
            Cache::Enable => Some("true"),
            Cache::Disable => Some("false"),
            Cache::Stats | Cache::Clear => None,
        };
        if let (Some(text), Some(live)) = (enabled, &self.live)
            && let Err(failure) = live.set("cache.enabled", text)
        {
            return failure.into();
        }
        self.cache.command(asked)
    }

    fn search_cost(&self, collection: Option<&str>, filtered: bool) -> Cost {
        let small = self.engine.search_elements(collection) <= SMALL_SEARCH_ELEMENTS;
        let few = !filtered || self.engine.stats().counts.metadata <= SMALL_FILTER_ITEMS;
        if small && few { Cost::Small } else { Cost::Search }
    }
}

impl Backend for EngineBackend {
    fn submit(&self, writes: Vec<Request>, done: Box<dyn FnOnce(Written) + Send>) {
        self.engine.submit_requests(writes, done);
    }

    fn write(&self, writes: Vec<Request>) -> Written {
        self.engine.write_requests(writes)
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let failed = |e: cairn_engine::Error| Reply::Failed(e.into());
        if self.read_only && changes(ask) {
            return Failure::read_only("state of the past").into();
        }
        let searched = |search: Search<'_>| {
            let hits = self.cache.answer(&self.engine, &search);
            hits.map_or_else(failed, |hits| Reply::Results(hits.results))
        };
        match ask {
            Ask::Similar { collection, query } => searched(Search::Similar(collection.as_deref(), query)),
            Ask::Near { collection, query } => searched(Search::Near(collection.as_deref(), query)),
            Ask::Cache(asked) => self.cached(*asked),
            Ask::Use(name) => {
                let info = self.engine.collection_info(name);
                info.map_or_else(failed, |_| Reply::Using(name.clone()))
            }
            Ask::Collection(asked) => collections(self, asked),
            Ask::Storage(asked) => storage(self, asked),
            Ask::Info => self.info(),
            Ask::Check => self.engine.view().map_or_else(failed, |view| Reply::Block(check(&view))),
            Ask::Dump(asked) => dump(self, asked),
            Ask::Snapshot(asked) => snapshot(self, asked),
            Ask::Wal(asked) => wal(self, asked),
            Ask::Timeline(asked) => timelines(self, asked),
            Ask::Topic(asked) => topic(self, asked),
            Ask::Variables(asked) => self.with(|live| variables(live, asked)),
            Ask::Config(asked) => self.with(|live| configs(self, live, asked)),
        }
    }

    fn ready(&self, ask: &Ask) -> Option<Reply> {
        let search = match ask {
            Ask::Similar { collection, query } => Search::Similar(collection.as_deref(), query),
            Ask::Near { collection, query } => Search::Near(collection.as_deref(), query),
            _ => return None,
        };
        Some(Reply::Results(self.cache.ready(&self.engine, &search)?.results))
    }

    fn answer_traced(&self, ask: &Ask) -> (Reply, Option<Trace>) {
        let started = Instant::now();
        let search = match ask {
            Ask::Similar { collection, query } => Search::Similar(collection.as_deref(), query),
            Ask::Near { collection, query } => Search::Near(collection.as_deref(), query),
            _ => return (self.answer(ask), None),
        };
        match self.cache.answer(&self.engine, &search) {
            Ok(Hits { results, mode, candidates }) => {
                let query_us = started.elapsed().as_micros();
                let trace = Trace { mode, query_us, candidates, results: results.len() };
                (Reply::Results(results), Some(trace))
            }
            Err(error) => (Reply::Failed(error.into()), None),
        }
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.live.clone()
    }

    fn cost(&self, ask: &Ask) -> Cost {
        match ask {
            Ask::Similar { query, .. } if query.using == Using::Events && query.filter.is_none() => {
                Cost::Small
            }
            Ask::Similar { collection, query } => {
                self.search_cost(collection.as_deref(), query.filter.is_some())
            }
            Ask::Near { collection, query } => {
                self.search_cost(collection.as_deref(), query.filter.is_some() || query.how.exact)
            }
            Ask::Use(_)
            | Ask::Cache(_)
            | Ask::Info
            | Ask::Variables(_)
            | Ask::Config(Configs::Help(_) | Configs::Show(_))
            | Ask::Dump(Dump::Status)
            | Ask::Snapshot(Snapshot::Status | Snapshot::Schedule)
            | Ask::Wal(Wal::Status) => Cost::Small,
            Ask::Collection(_)
            | Ask::Storage(_)
            | Ask::Check
            | Ask::Dump(_)
            | Ask::Snapshot(_)
            | Ask::Wal(_)
            | Ask::Timeline(_)
            | Ask::Topic(_)
            | Ask::Config(Configs::Verify(_)) => Cost::Files,
        }
    }

    fn jobs(&self) -> Option<JobStatuses> {
        let status = |family| self.jobs.status(family);
        let (dump, snapshot) = (status(Family::Dump), status(Family::Snapshot));
        Some(JobStatuses { dump, snapshot, history: status(Family::History) })
    }

    fn item(&self, collection: Option<&str>, id: &str) -> Result<Item, Failure> {
        Ok(self.engine.item_in(collection, id)?)
    }

    fn cancel(&self) {
        self.jobs.cancel();
    }

    fn close(&self) -> Result<(), Failure> {
        // What it is making is given up.
        let scheduler = self.scheduler.lock().take();
        drop(scheduler);
        // The topics are synced before the directory's lock goes.
        self.topics.lock().take();
        // What was acknowledged is shipped before the engine goes.
        self.archiver.lock().take();
        Ok(self.engine.close()?)
    }
}

/// Whether a request changes something, or makes files: all that a state of the past refuses. It has no log of its own
/// either, and no other state to be compared with.
fn changes(ask: &Ask) -> bool {
    match ask {
        Ask::Similar { .. } | Ask::Near { .. } | Ask::Use(_) | Ask::Cache(_) | Ask::Info | Ask::Check => {
            false
        }
        // Of the server, not of its state.
        Ask::Variables(_) | Ask::Config(_) => false,
        Ask::Collection(asked) => !matches!(asked, Collections::List | Collections::Stats(_)),
        Ask::Storage(asked) => !matches!(asked, StorageAsk::Stats(_)),
        Ask::Dump(asked) => matches!(asked, Dump::Save(_) | Dump::Load(_)),
        Ask::Snapshot(asked) => match asked {
            Snapshot::List { .. }
            | Snapshot::Diff { .. }
            | Snapshot::Info(_)
            | Snapshot::Verify(_)
            | Snapshot::Schedule
            | Snapshot::Status => false,
            Snapshot::Prune(asked) => !asked.dry_run,
            Snapshot::Create(_)
            | Snapshot::Restore(_)
            | Snapshot::Delete(_)
            | Snapshot::DeletePinned(_)
            | Snapshot::Pin(..)
            | Snapshot::Unpin(_) => true,
        },
        Ask::Wal(asked) => *asked != Wal::Status,
        Ask::Timeline(asked) => *asked != Timelines::List,
        // Opening them cuts torn ends and takes their lock.
        Ask::Topic(_) => true,
    }
}

impl Config {
    /// What the engine is opened with.
    pub fn engine_options(&self) -> Options {
        Options {
            settings: self.settings.clone(),
            limits: self.limits.clone(),
            fusion: self.fusion.clone(),
            decay: (self.decay.interval_sec > 0).then_some(self.decay),
            wal: self.wal.clone(),
            archive: self.archive.enabled.then_some(self.archive.policy),
            throttle: Arc::new(Throttle::new(self.background_bytes_per_second)),
            ..Options::default()
        }
    }
}
