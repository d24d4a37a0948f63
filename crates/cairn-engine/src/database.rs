//! A data directory, held: its lock, its identity, and which of its timelines is live.

use crate::closed_logs::ClosedLogs;
use crate::core::{Adopt, Core, OpenReport};
use crate::draft::TimelineDraft;
use crate::error::{Error, Result};
use crate::layout::DataDir;
use crate::settings::Options;
use crate::state::State;
use crate::timeline::{
    LogPlace, Timeline, read_began, read_current, read_database, read_ended, write_began, write_current,
    write_database, write_ended,
};
use crate::view::{Position, View};
use crate::wal_settings::{self, WalSettings};
use cairn_disk::{LockGuard, Storage, Throttle, Throttled};
use cairn_log::{DatabaseId, Lsn, TimelineId};
use parking_lot::{Mutex, RwLock};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// An open data directory. While it lives, no other process opens it.
#[derive(Debug)]
pub struct Database {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) data: DataDir,
    id: DatabaseId,
    lock: Mutex<Option<Box<dyn LockGuard>>>,
    /// Held shared by whoever reads the past, so that nothing of it is dropped meanwhile.
    pub(crate) past: Arc<RwLock<()>>,
    throttle: Arc<Throttle>,
    /// The logs that were looked at for a state of the past; `None`: the directory is open for writing.
    pub(crate) closed: Option<ClosedLogs>,
}

impl Database {
    /// Takes the lock and opens the live timeline; a directory without a database gets a new one.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: &Options,
    ) -> Result<(Database, Core, OpenReport)> {
        Database::open_adopting(storage, dir, options, Adopt::Configured)
    }

    /// As [`Database::open`], with the configured settings or the stored ones.
    pub(crate) fn open_adopting(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: &Options,
        adopt: Adopt,
    ) -> Result<(Database, Core, OpenReport)> {
        let data = DataDir(dir.to_owned());
        let made = storage.stat(dir)?.is_none();
        if made && adopt == Adopt::Stored {
            return Err(Error::NotFound(format!("{}: no database in it", dir.display())));
        }
        storage.create_dir_all(&data.timelines())?;
        if made {
            storage.sync_dir(cairn_disk::parent_dir(dir))?;
        }
        let lock = storage.lock(&data.lock(), &holder())?;
        if storage.stat(&data.current())?.is_none() {
            create(&storage, &data, options)?;
        }
        let wal = wal_settings::resolve(&*storage, &data, options.wal.as_ref())?;
        let id = read_database(&*storage, &data)?;
        let lock = Mutex::new(Some(lock));
        let (past, throttle) = (Arc::default(), Arc::clone(&options.throttle));
        let database = Database { storage, data, id, lock, past, throttle, closed: None };
        database.remove_unfinished()?;
        let current = read_current(&*database.storage, &database.data)?;
        let live_dir = database.data.timeline(current);
        if database.storage.stat(&live_dir.ended())?.is_some() {
            // A crash came between the note that it would end and its end.
            database.storage.remove(&live_dir.ended())?;
        }
        let (core, report) = database.open_timeline(current, options, &wal, adopt)?;
        let (core, report) = database.place_log(core, report, options, &wal)?;
        database.drop_old_timelines(core.live().timeline.id, &wal, options)?;
        Ok((database, core, report))
    }

    /// Moves to a new timeline when the log is to be elsewhere than the live one's is. So does every open without a log: what a
    /// crash may have lost were LSNs, which must not come again on the same timeline.
    fn place_log(
        &self,
        core: Core,
        report: OpenReport,
        options: &Options,
        wal: &WalSettings,
    ) -> Result<(Core, OpenReport)> {
        let place = wal.place();
        let old = core.live().timeline.clone();
        if old.log == place && place != LogPlace::Off {
            return Ok((core, report));
        }
        let reason = match (&old.log, &place) {
            (LogPlace::Off, LogPlace::Off) => "opened without a write-ahead log",
            (_, LogPlace::Off) => "the write-ahead log was switched off",
            (LogPlace::Off, _) => "the write-ahead log was switched on",
            _ => "the write-ahead log was moved",
        };
        let new = self.fork(&core.view(), options.clock.now_us(), reason, place)?;
        let (core, _) = self.open_timeline(new.id, options, wal, Adopt::Stored)?;
        self.replace_current(old.id, new.id, options.clock.now_us())?;
        Ok((core, OpenReport { timeline: new, ..report }))
    }

    /// Opens one of its timelines.
    pub(crate) fn open_timeline(
        &self,
        id: TimelineId,
        options: &Options,
        wal: &WalSettings,
        adopt: Adopt,
    ) -> Result<(Core, OpenReport)> {
        let dir = self.data.timeline(id);
        let timeline = Timeline::read(&*self.storage, &dir)?;
        if timeline.id != id || timeline.database != self.id {
            let what = format!(
                "id mismatch: expected timeline {id} of database {}, got {} of {}",
                self.id, timeline.id, timeline.database
            );
            return Err(Error::Corrupt { path: dir.info(), what });
        }
        for sub in dir.image_dirs() {
            // A copy made by other tools may lack directories that were empty.
            self.storage.create_dir_all(&sub)?;
        }
        let (storage, past) = (Arc::clone(&self.storage), Arc::clone(&self.past));
        Core::open(storage, dir, timeline, options.clone(), wal.clone(), adopt, past)
    }

    /// A directory whose lock is held already.
    pub(crate) fn locked(
        storage: Arc<dyn Storage>,
        data: DataDir,
        id: DatabaseId,
        lock: Box<dyn LockGuard>,
    ) -> Database {
        Database {
            storage,
            data,
            id,
            lock: Mutex::new(Some(lock)),
            past: Arc::default(),
            throttle: Arc::default(),
            closed: None,
        }
    }

    /// A directory that is only read: no lock is held.
    pub(crate) fn unlocked(
        storage: Arc<dyn Storage>,
        data: DataDir,
        id: DatabaseId,
        closed: ClosedLogs,
    ) -> Database {
        Database {
            storage,
            data,
            id,
            lock: Mutex::new(None),
            past: Arc::default(),
            throttle: Arc::default(),
            closed: Some(closed),
        }
    }

    /// Starts a new timeline of this database, to be filled beside its writers.
    pub(crate) fn draft(&self) -> Result<TimelineDraft> {
        let storage = Throttled::new(Arc::clone(&self.storage), Arc::clone(&self.throttle));
        TimelineDraft::create(Arc::new(storage), &self.data, TimelineId::random())
    }

    /// A new timeline with a state of this database, forked from where the state stands. Not yet live.
    pub(crate) fn fork(&self, view: &View, now_us: i64, reason: &str, log: LogPlace) -> Result<Timeline> {
        self.fork_until(view, now_us, reason, log, None)
    }

    /// The same; once `cancel` is set it ends soon, with [`Error::Cancelled`], and leaves nothing.
    pub(crate) fn fork_until(
        &self,
        view: &View,
        now_us: i64,
        reason: &str,
        log: LogPlace,
        cancel: Option<&AtomicBool>,
    ) -> Result<Timeline> {
        let draft = self.draft()?;
        let manifest = match draft.put_image_over(view.clone().into_image(), None, cancel) {
            Ok(manifest) => manifest,
            Err(e) => {
                // A draft left behind is removed at the next open; the first failure is what matters.
                let _ = draft.abandon();
                return Err(e);
            }
        };
        draft.finish(&manifest, self.id, now_us, reason, log)
    }

    /// The database's id.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// Lets other processes open the directory: nothing is written through this any more.
    pub(crate) fn release(&self) {
        drop(self.lock.lock().take());
    }

    /// Makes `new` the live timeline in place of `old`, and notes on the old one that it ended. After an error the old one is
    /// live, or it is unknown which is: [`Replace::Unknown`].
    pub(crate) fn replace_current(
        &self,
        old: TimelineId,
        new: TimelineId,
        now_us: i64,
    ) -> Result<(), Replace> {
        let old_dir = self.data.timeline(old);
        let new_dir = self.data.timeline(new);
        if read_began(&*self.storage, &new_dir).map_err(Replace::Failed)?.is_none() {
            write_began(&*self.storage, &new_dir, now_us).map_err(Replace::Failed)?;
        }
        if read_began(&*self.storage, &old_dir).map_err(Replace::Failed)?.is_none() {
            // A database's first, and one that a restore began with: live since they were created.
            let created_us = Timeline::read(&*self.storage, &old_dir).map_err(Replace::Failed)?.created_us;
            write_began(&*self.storage, &old_dir, created_us).map_err(Replace::Failed)?;
        }
        write_ended(&*self.storage, &old_dir, now_us, new).map_err(Replace::Failed)?;
        let Err(e) = write_current(&*self.storage, &self.data, new) else {
            if let Ok(Some(_)) = self.storage.stat(&new_dir.ended()) {
                // It was live once before. If this fails, the next open does it.
                let _ = self.storage.remove(&new_dir.ended());
            }
            return Ok(());
        };
        // Whether the new name lasts is unknown, so write the old one again, or stop writing.
        match write_current(&*self.storage, &self.data, old) {
            Ok(()) => Err(Replace::Failed(e)),
            Err(second) => {
                Err(Replace::Unknown(format!("it is unknown which timeline is live: {e}; {second}")))
            }
        }
    }

    /// Removes replaced timelines that retention no longer asks for. The last one replaced always stays, so that a wrong
    /// restore can be undone, and with an archive each that is not wholly in it.
    pub(crate) fn drop_old_timelines(
        &self,
        live: TimelineId,
        wal: &WalSettings,
        options: &Options,
    ) -> Result<()> {
        let Some(_nobody_reads) = self.past.try_write() else { return Ok(()) };
        let mut ended = Vec::new();
        for entry in self.storage.list(&self.data.timelines())? {
            let Ok(id) = entry.name.parse::<TimelineId>() else { continue };
            let dir = self.data.timeline(id);
            if id != live
                && let Some(ended_us) = read_ended(&*self.storage, &dir)?
            {
                ended.push((ended_us, id));
            }
        }
        ended.sort_unstable();
        ended.pop();
        let since = match wal.retention_us {
            0 => i64::MAX,
            retention => options.clock.now_us().saturating_sub(retention),
        };
        for (ended_us, id) in ended {
            let archived =
                options.archive.is_none() || self.storage.stat(&self.data.timeline(id).archived())?.is_some();
            if ended_us < since && archived {
                self.remove_timeline(id)?;
            }
        }
        Ok(())
    }

    /// Removes a timeline for good. First it is no timeline any more: a crash leaves it whole, or what the next open removes.
    pub(crate) fn remove_timeline(&self, id: TimelineId) -> Result<()> {
        let dir = self.data.timeline(id);
        if let Ok(timeline) = Timeline::read(&*self.storage, &dir)
            && let LogPlace::Below(_) = timeline.log
            && let Some(wal) = timeline.wal_dir(&dir)
        {
            self.storage.remove_dir_all(&wal)?;
        }
        self.storage.remove(&dir.info())?;
        self.storage.sync_dir(&dir.0)?;
        self.storage.remove_dir_all(&dir.0)?;
        Ok(self.storage.sync_dir(&self.data.timelines())?)
    }

    /// Removes timelines that were never finished.
    fn remove_unfinished(&self) -> Result<()> {
        for entry in self.storage.list(&self.data.timelines())? {
            let dir = self.data.timelines().join(&entry.name);
            if self.storage.stat(&dir.join("TIMELINE"))?.is_none() {
                self.storage.remove_dir_all(&dir)?;
            }
        }
        Ok(())
    }
}

/// Why the live timeline was not replaced.
#[derive(Debug)]
pub(crate) enum Replace {
    /// The old one is live.
    Failed(Error),
    /// Nothing more may be written.
    Unknown(String),
}

impl From<Replace> for Error {
    fn from(replace: Replace) -> Error {
        match replace {
            Replace::Failed(e) => e,
            Replace::Unknown(reason) => Error::Poisoned(reason),
        }
    }
}

/// Makes a new database. `CURRENT` comes last: a crash before it leaves what the next open makes anew.
fn create(storage: &Arc<dyn Storage>, data: &DataDir, options: &Options) -> Result<()> {
    options.settings.validate(options.limits.dimension)?;
    let ours = ["LOCK", "DATABASE", "WAL", "topics", "timelines"];
    if let Some(entry) =
        storage.list(&data.0)?.iter().find(|e| !ours.contains(&e.name.as_str()) && !e.name.contains("tmp"))
    {
        let message = format!("{}: no database, and not empty: it holds {:?}", data.0.display(), entry.name);
        return Err(Error::Input(message));
    }
    let database = DatabaseId::random();
    write_database(&**storage, data, database)?;
    let timeline = TimelineId::random();
    let draft = TimelineDraft::create(Arc::clone(storage), data, timeline)?;
    let now_us = options.clock.now_us();
    let position = Position { database, timeline, lsn: Lsn(0), time_us: now_us };
    let empty = View { position, state: State::new(options.settings.clone()).view() };
    let manifest = draft.put_image(empty.into_image())?;
    let wal = wal_settings::resolve(&**storage, data, options.wal.as_ref())?;
    draft.finish(&manifest, database, now_us, "created", wal.place())?;
    write_current(&**storage, data, timeline)?;
    Ok(storage.sync_dir(&data.0)?)
}

/// What the lock file says of its holder, for people.
pub(crate) fn holder() -> String {
    let host = rustix::system::uname();
    let now_s = cairn_log::Clock::now_us(&cairn_log::SystemClock) / 1_000_000;
    let since = jiff::Timestamp::from_second(now_s).unwrap_or_default();
    format!("pid {} on {} since {since}", std::process::id(), host.nodename().to_string_lossy())
}
