//! The backend of a running server: an engine, and the files beside it.

use crate::backend::{Backend, Cost, Written};
use crate::check::check;
use crate::command::{Ask, Dump, Snapshot};
use crate::config::{Config, SnapshotConfig};
use crate::counters::Counters;
use crate::dump::dump;
use crate::failure::Failure;
use crate::info::{Facts, sections};
use crate::jobs::{Jobs, read_only};
use crate::memory::Memory;
use crate::reply::Reply;
use crate::snapshot::{newest, snapshot};
use cairn_disk::Storage;
use cairn_engine::{Clock, Engine, Options, Using, Write};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Elements of vectors that a search may score on the thread that serves connections: a tenth of a millisecond or so.
const SMALL_SEARCH_ELEMENTS: u64 = 256 << 10;
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
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
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
        let backend = EngineBackend {
            snapshot: config.snapshot.clone(),
            repository_dir: config.snapshot.repository_dir(),
            data_dir: config.data_dir.clone(),
            jobs: Jobs::new(Arc::clone(&clock)),
            started_us: clock.now_us(),
            newest: Mutex::new(None),
            engine,
            storage,
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

    pub(crate) fn now_us(&self) -> i64 {
        self.clock.now_us()
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

    fn info(&self) -> Reply {
        let facts = Facts {
            counters: &self.counters,
            stats: &self.engine.stats(),
            memory: Memory::read(self.storage.as_ref()),
            uptime_s: (self.now_us() - self.started_us).max(0) / 1_000_000,
            last_snapshot: self.newest.lock().clone(),
        };
        Reply::Info(sections(&facts))
    }

    fn search_cost(&self, filtered: bool) -> Cost {
        let stats = self.engine.stats();
        let elements = stats.counts.vectors.saturating_mul(u64::from(stats.dimension));
        let small = elements <= SMALL_SEARCH_ELEMENTS;
        let few = !filtered || stats.counts.metadata <= SMALL_FILTER_ITEMS;
        if small && few { Cost::Small } else { Cost::Search }
    }
}

impl Backend for EngineBackend {
    fn submit(&self, writes: Vec<Write>, done: Box<dyn FnOnce(Written) + Send>) {
        self.engine.submit(writes, done);
    }

    fn write(&self, writes: Vec<Write>) -> Written {
        self.engine.write(writes)
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let failed = |e: cairn_engine::Error| Reply::Failed(e.into());
        match ask {
            Ask::Similar(query) => {
                self.engine.similar(query).map_or_else(failed, |hits| Reply::Results(hits.results))
            }
            Ask::Near(query) => {
                self.engine.similar_to_vector(query).map_or_else(failed, |hits| Reply::Results(hits.results))
            }
            Ask::Info => self.info(),
            Ask::Check => self.engine.view().map_or_else(failed, |view| Reply::Block(check(&view))),
            Ask::Dump(asked) => dump(self, asked),
            Ask::Snapshot(asked) => snapshot(self, asked),
        }
    }

    fn cost(&self, ask: &Ask) -> Cost {
        match ask {
            Ask::Similar(query) if query.using == Using::Events && query.filter.is_none() => Cost::Small,
            Ask::Similar(query) => self.search_cost(query.filter.is_some()),
            Ask::Near(query) => self.search_cost(query.filter.is_some()),
            Ask::Info | Ask::Dump(Dump::Status) | Ask::Snapshot(Snapshot::Status) => Cost::Small,
            Ask::Check | Ask::Dump(_) | Ask::Snapshot(_) => Cost::Files,
        }
    }

    fn cancel(&self) {
        self.jobs.cancel();
    }

    fn close(&self) -> Result<(), Failure> {
        Ok(self.engine.close()?)
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
            log_segment_bytes: self.log_segment_bytes,
            ..Options::default()
        }
    }
}
