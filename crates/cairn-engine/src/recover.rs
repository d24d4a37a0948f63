//! Going back: states of the past as views, as branches, and as the live state again.

use crate::closed_logs::ClosedLogs;
use crate::compare::{Comparison, compare};
use crate::core::{Adopt, Core};
use crate::database::Database;
use crate::engine::{Engine, LoadReport};
use crate::error::{Error, Result};
use crate::history::{History, Point, Role};
use crate::layout::DataDir;
use crate::past::{Past, state_at};
use crate::settings::Options;
use crate::target::Target;
use crate::timeline::{Timeline, read_database};
use crate::view::View;
use cairn_disk::Storage;
use cairn_log::TimelineId;
use std::path::Path;
use std::sync::Arc;

/// What [`Engine::recover`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The new timeline, not live yet.
    pub timeline: Timeline,
    /// Where it stands.
    pub at: Point,
}

impl Engine {
    /// Which points of the past can be had back.
    pub fn history(&self) -> Result<History> {
        let database = &self.inner.shared.database;
        History::read(&database.storage, &database.data, Some(&self.live()), &ClosedLogs::default())
    }

    /// The state at a point of a timeline's line (the live one's by default), in memory. Costs a second state.
    pub fn view_at(&self, target: Target, timeline: Option<TimelineId>) -> Result<View> {
        Ok(self.past(target, timeline)?.view())
    }

    fn past(&self, target: Target, timeline: Option<TimelineId>) -> Result<Past> {
        let shared = &self.inner.shared;
        let _nothing_is_dropped = shared.database.past.read();
        let (storage, data, live) = (&shared.database.storage, &shared.database.data, self.live());
        state_at(storage, data, Some(&live), &shared.options, target, timeline)
    }

    /// Makes a branch: a new timeline with the state at a point of the past. Nothing else changes, and writes go on: look at it
    /// with [`Engine::view_at`], compare it, then [`Engine::promote`] or [`Engine::drop_timeline`] it.
    pub fn recover(&self, target: Target, timeline: Option<TimelineId>) -> Result<Branch> {
        let past = self.past(target, timeline)?;
        let shared = &self.inner.shared;
        let at = Point { lsn: past.position.lsn, time_us: past.position.time_us };
        let reason = format!("recovered to {target} of timeline {}", past.timeline.id);
        let log = shared.status.lock().wal.place();
        let view = past.view();
        drop(past);
        let (now_us, cancel) = (shared.options.clock.now_us(), Some(&*shared.options.cancel));
        let timeline = shared.database.fork_until(&view, now_us, &reason, log, cancel)?;
        Ok(Branch { timeline, at })
    }

    /// Makes a timeline the live one: a branch, or one that was live before. The one that was live stays, so that this can
    /// be undone, until retention takes it.
    pub fn promote(&self, id: TimelineId) -> Result<LoadReport> {
        let history = self.history()?;
        let window = history.of(id)?;
        if window.role == Role::Live {
            return Err(Error::Input(format!("timeline {id} is the live one already")));
        }
        self.replace(&format!("promoting timeline {id}"), |shared| {
            let wal = shared.status.lock().wal.clone();
            let (core, _) = shared.database.open_timeline(id, &shared.options, &wal, Adopt::Stored)?;
            Ok((core, wal))
        })
    }

    /// Removes a timeline for good. The live one is refused.
    pub fn drop_timeline(&self, id: TimelineId) -> Result<()> {
        let history = self.history()?;
        if history.of(id)?.role == Role::Live {
            return Err(Error::Input(format!("timeline {id} is the live one: promote another first")));
        }
        let database = &self.inner.shared.database;
        let _nobody_reads = database.past.write();
        database.remove_timeline(id)
    }

    /// How the newest state of a timeline differs from the live one.
    pub fn compare(&self, id: TimelineId) -> Result<Comparison> {
        let theirs = self.view_at(Target::Latest, Some(id))?;
        Ok(compare(&self.view()?, &theirs))
    }

    /// Opens a state of the past, to be read: nothing of the directory is changed, no lock is taken, so it may be open for
    /// writing in another process. Writes are refused with [`Error::ReadOnly`].
    pub fn open_past(
        storage: Arc<dyn Storage>,
        dir: &Path,
        target: Target,
        timeline: Option<TimelineId>,
        options: Options,
    ) -> Result<(Engine, Point)> {
        let data = DataDir(dir.to_owned());
        if storage.stat(&data.database())?.is_none() {
            let message = format!("{}: no database in it (expected a file DATABASE)", dir.display());
            return Err(Error::NotFound(message));
        }
        let id = read_database(&*storage, &data)?;
        let past = read_past(&storage, &data, &options, target, timeline)?;
        let at = Point { lsn: past.position.lsn, time_us: past.position.time_us };
        let Past { state, position, timeline, closed } = past;
        let reason = format!("as of {target}, LSN {} of timeline {}", at.lsn, timeline.id);
        let state = (state, position);
        let timeline_dir = data.timeline(timeline.id);
        let core =
            Core::read_only(Arc::clone(&storage), timeline_dir, timeline, options.clone(), state, reason);
        let database = Database::unlocked(storage, data, id, closed);
        Ok((Engine::start(database, core, options)?, at))
    }
}

/// How often a reading is begun again because a server beside it dropped what was being read.
const TRIES: u32 = 5;

fn read_past(
    storage: &Arc<dyn Storage>,
    data: &DataDir,
    options: &Options,
    target: Target,
    timeline: Option<TimelineId>,
) -> Result<Past> {
    let mut tries = 1;
    loop {
        match state_at(storage, data, None, options, target, timeline) {
            Err(e) if tries < TRIES && !matches!(e, Error::Input(_) | Error::OutOfWindow { .. }) => {
                tries += 1
            }
            result => return result,
        }
    }
}

/// Which points of the past a data directory can bring back. Changes nothing and takes no lock.
pub fn history(storage: &Arc<dyn Storage>, dir: &Path) -> Result<History> {
    let data = DataDir(dir.to_owned());
    if storage.stat(&data.database())?.is_none() {
        let message = format!("{}: no database in it (expected a file DATABASE)", dir.display());
        return Err(Error::NotFound(message));
    }
    History::read(storage, &data, None, &ClosedLogs::default())
}
