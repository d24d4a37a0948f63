//! A data directory, held: its lock, its identity, and which of its timelines is live.

use crate::collection::Collection;
use crate::core::{Adopt, Core, OpenReport};
use crate::draft::TimelineDraft;
use crate::error::{Error, Result};
use crate::layout::DataDir;
use crate::settings::Options;
use crate::timeline::{Timeline, read_current, read_database, write_current, write_database};
use crate::view::{Position, View};
use cairn_disk::{LockGuard, Storage};
use cairn_log::{DatabaseId, Lsn, TimelineId};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// An open data directory. While it lives, no other process opens it.
#[derive(Debug)]
pub struct Database {
    storage: Arc<dyn Storage>,
    data: DataDir,
    id: DatabaseId,
    lock: Mutex<Option<Box<dyn LockGuard>>>,
}

impl Database {
    /// Takes the lock and opens the live timeline; a directory without a database gets a new one.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: &Options,
    ) -> Result<(Database, Core, OpenReport)> {
        let data = DataDir(dir.to_owned());
        let made = storage.stat(dir)?.is_none();
        storage.create_dir_all(&data.timelines())?;
        if made {
            storage.sync_dir(cairn_disk::parent_dir(dir))?;
        }
        let lock = storage.lock(&data.lock(), &holder())?;
        if storage.stat(&data.current())?.is_none() {
            create(&storage, &data, options)?;
        }
        let id = read_database(&*storage, &data)?;
        let database = Database { storage, data, id, lock: Mutex::new(Some(lock)) };
        database.remove_unfinished()?;
        let (core, report) = database.open_timeline(
            read_current(&*database.storage, &database.data)?,
            options,
            Adopt::Configured,
        )?;
        Ok((database, core, report))
    }

    /// Opens one of its timelines.
    pub(crate) fn open_timeline(
        &self,
        id: TimelineId,
        options: &Options,
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
        Core::open(Arc::clone(&self.storage), dir, timeline, options.clone(), adopt)
    }

    /// Starts a new timeline of this database, to be filled.
    pub(crate) fn draft(&self) -> Result<TimelineDraft> {
        TimelineDraft::create(Arc::clone(&self.storage), &self.data, TimelineId::random())
    }

    /// The database's id.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// Lets other processes open the directory: nothing is written through this any more.
    pub(crate) fn release(&self) {
        drop(self.lock.lock().take());
    }

    /// Makes a timeline the live one.
    pub(crate) fn make_current(&self, id: TimelineId) -> Result<()> {
        write_current(&*self.storage, &self.data, id)
    }

    /// Removes all timelines but these.
    pub(crate) fn keep_timelines(&self, keep: &[TimelineId]) -> Result<()> {
        let keep: Vec<String> = keep.iter().map(ToString::to_string).collect();
        for entry in self.storage.list(&self.data.timelines())? {
            if !keep.contains(&entry.name) {
                self.storage.remove_dir_all(&self.data.timelines().join(&entry.name))?;
            }
        }
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

/// Makes a new database. `CURRENT` comes last: a crash before it leaves what the next open makes anew.
fn create(storage: &Arc<dyn Storage>, data: &DataDir, options: &Options) -> Result<()> {
    options.settings.validate(options.limits.dimension)?;
    let ours = ["LOCK", "DATABASE", "timelines"];
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
    let empty = View { position, state: Collection::new(options.settings.clone()).view() };
    let manifest = draft.put_image(empty.into_image())?;
    draft.finish(&manifest, database, now_us, "created")?;
    write_current(&**storage, data, timeline)?;
    Ok(storage.sync_dir(&data.0)?)
}

/// What the lock file says of its holder, for people.
fn holder() -> String {
    let host = rustix::system::uname();
    let now_s = cairn_log::Clock::now_us(&cairn_log::SystemClock) / 1_000_000;
    let since = jiff::Timestamp::from_second(now_s).unwrap_or_default();
    format!("pid {} on {} since {since}", std::process::id(), host.nodename().to_string_lossy())
}
