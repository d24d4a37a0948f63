//! Repair: the best state that a damaged directory still holds, made the live one, with everything damaged left where it is.

use crate::database::Database;
use crate::error::{Error, Result};
use crate::kept;
use crate::layout::{DataDir, TimelineDir};
use crate::loaded::{self, Loaded, Reading};
use crate::mutation::Mutation;
use crate::replay::log_config;
use crate::settings::Options;
use crate::state::State;
use crate::timeline::{LogPlace, Timeline, read_current, read_database, write_began, write_current};
use crate::view::{Position, View};
use crate::wal_settings::WalSettings;
use cairn_disk::Storage;
use cairn_log::{Log, Lsn, RepairPlan as LogPlan, TimelineId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is damaged in a data directory, and what [`RepairPlan::run`] would make of it. Made by [`plan_repair`], which changes
/// nothing.
#[derive(Debug)]
pub struct RepairPlan {
    storage: Arc<dyn Storage>,
    data: DataDir,
    database: Database,
    log: Option<LogPlan>,
    /// The live timeline, which is damaged, or not.
    pub timeline: Timeline,
    /// Everything that is damaged in it, each naming its file. Empty: nothing is to be done.
    pub damage: Vec<String>,
    /// The checkpoint that the repaired state begins with.
    pub checkpoint_lsn: Lsn,
    /// The last record of the repaired state.
    pub lsn: Lsn,
    /// The last record that is known to have been there.
    pub last_known: Lsn,
}

/// What a repair made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The new live timeline.
    pub timeline: TimelineId,
    /// Where it stands.
    pub lsn: Lsn,
    /// The damaged timeline's directory, as it was: nothing removes it but `timeline drop`.
    pub aside: PathBuf,
}

/// Looks for the best state that the live timeline of a closed directory still gives: from the newest checkpoint that is
/// whole and the records after it that can be read, or from an older one when that gets further. Takes the lock and changes nothing.
pub fn plan_repair(storage: &Arc<dyn Storage>, dir: &Path) -> Result<RepairPlan> {
    let data = DataDir(dir.to_owned());
    if storage.stat(&data.database())?.is_none() {
        let message = format!("{}: no database in it (expected a file DATABASE)", dir.display());
        return Err(Error::NotFound(message));
    }
    let lock = storage.lock(&data.lock(), &format!("pid {} (repair)", std::process::id()))?;
    let id = read_database(&**storage, &data)?;
    let database = Database::locked(Arc::clone(storage), data.clone(), id, lock);
    let current = read_current(&**storage, &data)?;
    let timeline_dir = data.timeline(current);
    let timeline = Timeline::read(&**storage, &timeline_dir)?;
    let mut damage = Vec::new();
    damage.extend(WalSettings::read(&**storage, &data).err().map(|e| e.to_string()));
    let log = plan_log(storage, &timeline_dir, &timeline, &mut damage)?;
    let mut best: Option<(Lsn, Lsn)> = None;
    let mut last_known = log.as_ref().map_or(0, |log| log.lost.end.max(log.keeps.end).saturating_sub(1));
    for lsn in kept::listed(&**storage, &timeline_dir)?.into_iter().rev() {
        last_known = last_known.max(lsn.0);
        match loaded::load_at(&**storage, &timeline_dir, lsn, Reading::EveryByte) {
            Ok(_) => {
                let reaches = match &log {
                    Some(log) => Lsn(log.reaches_from(storage, lsn.0 + 1)?.saturating_sub(1)),
                    None => lsn,
                };
                if best.is_none_or(|(_, other)| reaches > other) {
                    best = Some((lsn, reaches));
                }
            }
            Err(e) => damage.push(e.to_string()),
        }
    }
    let Some((checkpoint_lsn, lsn)) = best else {
        let what = format!(
            "no checkpoint can be read, so nothing can be saved here: restore a snapshot. {}",
            damage.join("; ")
        );
        return Err(Error::Corrupt { path: timeline_dir.checkpoints(), what });
    };
    let (storage, last_known) = (Arc::clone(storage), Lsn(last_known.max(lsn.0)));
    Ok(RepairPlan { storage, data, database, log, timeline, damage, checkpoint_lsn, lsn, last_known })
}

fn plan_log(
    storage: &Arc<dyn Storage>,
    dir: &TimelineDir,
    timeline: &Timeline,
    damage: &mut Vec<String>,
) -> Result<Option<LogPlan>> {
    let Some(wal) = timeline.wal_dir(dir) else { return Ok(None) };
    if storage.stat(&wal)?.is_none() {
        damage.push(format!("{}: the write-ahead log's directory is missing", wal.display()));
        return Ok(None);
    }
    let config = log_config(&wal, timeline, WalSettings::default().segment_bytes, i64::MIN);
    let plan = Log::plan_repair(Arc::clone(storage), config)?;
    damage.extend(plan.damage.iter().map(ToString::to_string));
    Ok(Some(plan))
}

impl RepairPlan {
    /// Whether anything is damaged.
    pub fn is_needed(&self) -> bool {
        !self.damage.is_empty()
    }

    /// How many records that were there the repaired state lacks, as far as what is there tells.
    pub fn lost(&self) -> u64 {
        self.last_known.0 - self.lsn.0
    }

    /// Makes the best state the live one, as a new timeline. The damaged one stays as it is, and can be gone back to as far as
    /// it can be read.
    pub fn run(self, options: &Options) -> Result<Repaired> {
        let storage = &*self.storage;
        let dir = self.data.timeline(self.timeline.id);
        let Loaded { mut state, position, .. } =
            loaded::load_at(storage, &dir, self.checkpoint_lsn, Reading::ToServe)?;
        let time_us = self.replay(&mut state, &dir)?.max(position.time_us);
        let view = View { position: Position { lsn: self.lsn, time_us, ..position }, state: state.view() };
        let wal = match WalSettings::read(storage, &self.data) {
            Ok(stored) => stored.unwrap_or_default(),
            Err(_) => {
                storage.rename(&self.data.wal_settings(), &self.data.0.join("WAL.damaged"))?;
                WalSettings::default()
            }
        };
        let place = if wal.enabled { wal.place() } else { LogPlace::Inside };
        let now_us = options.clock.now_us();
        let reason = format!("repaired timeline {}", self.timeline.id);
        let new = self.database.fork(&view, now_us, &reason, place)?;
        write_began(storage, &self.data.timeline(new.id), now_us)?;
        write_current(storage, &self.data, new.id)?;
        Ok(Repaired { timeline: new.id, lsn: self.lsn, aside: dir.0 })
    }

    /// Applies the readable records up to the end; the last one's time.
    fn replay(&self, state: &mut State, dir: &TimelineDir) -> Result<i64> {
        let Some(log) = &self.log else { return Ok(i64::MIN) };
        let mut last_us = i64::MIN;
        for record in log.records_from(&self.storage, self.checkpoint_lsn.0 + 1)? {
            let record = record?;
            if record.offset > self.lsn.0 {
                break;
            }
            let damaged =
                |e: Error| Error::Corrupt { path: dir.wal(), what: format!("record {}: {e}", record.offset) };
            let value = record.value.as_deref().ok_or(Error::Decode("it has no value")).map_err(damaged)?;
            state.replay(Mutation::decode(value).map_err(damaged)?).map_err(damaged)?;
            last_us = record.timestamp_us;
        }
        Ok(last_us)
    }
}
