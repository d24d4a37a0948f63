//! The write-ahead log as the engine's users see it: how it is kept, and what of it is read by others.

use crate::core::Adopt;
use crate::engine::{Engine, LoadReport};
use crate::error::{Error, Result};
use crate::mutation::{Change, Mutation};
use crate::replay::{Until, log_config};
use crate::settings::ReplayProgress;
use crate::time_text::show_time;
use crate::timeline::{LogPlace, Timeline};
use crate::wal_settings::WalSettings;
use cairn_disk::Storage;
use cairn_log::{Log, LogConfig, Lsn, ReadAhead, Reader, Record, TimelineId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Records that a replay appends at once.
const REPLAY_AT_ONCE: usize = 1_024;

/// An open timeline's log, for whoever copies it elsewhere.
#[derive(Debug, Clone)]
pub struct Wal {
    /// The timeline.
    pub timeline: Timeline,
    /// Its log. Only the engine appends to it.
    pub log: Arc<Log>,
    /// The directory of its segments.
    pub dir: PathBuf,
}

/// What [`Engine::replay_wal`] did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Records read that were there already, and are equal.
    pub skipped: u64,
    /// Records applied.
    pub applied: u64,
    /// Segments of the log.
    pub segments: usize,
    /// The last LSN afterwards.
    pub lsn: Lsn,
    /// The collections that the applied records are about, by the names they have in the end.
    pub collections: BTreeSet<String>,
}

/// Which collections records are about, whose names come and go with the records.
struct Affected {
    names: BTreeMap<u32, String>,
    numbers: BTreeSet<u32>,
}

impl Affected {
    fn note(&mut self, mutation: &Mutation) {
        if let Change::Create { name, .. } | Change::Rename { name } = &mutation.change {
            self.names.insert(mutation.collection, name.clone());
        }
        self.numbers.insert(mutation.collection);
    }

    fn names(&self) -> BTreeSet<String> {
        self.numbers.iter().filter_map(|number| self.names.get(number).cloned()).collect()
    }
}

impl Engine {
    /// The live timeline's log; `None` when it has none.
    pub fn wal(&self) -> Option<Wal> {
        let live = self.live();
        let database = &self.inner.shared.database;
        let dir = live.timeline.wal_dir(&database.data.timeline(live.timeline.id))?;
        Some(Wal { timeline: live.timeline.clone(), log: Arc::clone(live.log.as_ref()?), dir })
    }

    /// Notes that every record of a timeline up to `lsn` is in the archive: retention need not wait for it any more.
    pub fn archived(&self, timeline: TimelineId, lsn: Lsn) -> Result<()> {
        let live = self.live();
        if live.timeline.id != timeline {
            return Ok(());
        }
        live.archived.fetch_max(lsn.0, Ordering::AcqRel);
        self.retain()
    }

    /// The timelines that were live once, are not any more, and are not wholly in the archive yet.
    pub fn unarchived(&self) -> Result<Vec<TimelineId>> {
        let database = &self.inner.shared.database;
        let mut left = Vec::new();
        for window in self.history()?.windows {
            let dir = database.data.timeline(window.timeline.id);
            let was_live = window.ended_us.is_some() && window.timeline.log != LogPlace::Off;
            if was_live && database.storage.stat(&dir.archived())?.is_none() {
                left.push(window.timeline.id);
            }
        }
        Ok(left)
    }

    /// Opens the log of a timeline that is not live any more, for the archive. `None`: it has none.
    pub fn closed_wal(&self, timeline: TimelineId) -> Result<Option<Wal>> {
        let database = &self.inner.shared.database;
        let dir = database.data.timeline(timeline);
        let timeline = Timeline::read(&*database.storage, &dir)?;
        if timeline.id == self.live().timeline.id {
            return Err(Error::Input(format!("timeline {} is the live one", timeline.id)));
        }
        let Some(wal) = timeline.wal_dir(&dir) else { return Ok(None) };
        if database.storage.stat(&wal)?.is_none() {
            return Ok(None);
        }
        let config = log_config(&wal, &timeline, WalSettings::default().segment_bytes, i64::MIN);
        let (log, _) = Log::open(Arc::clone(&database.storage), config)?;
        Ok(Some(Wal { timeline, log: Arc::new(log), dir: wal }))
    }

    /// Notes that all of a timeline that is not live any more is in the archive.
    pub fn archived_wholly(&self, timeline: TimelineId) -> Result<()> {
        let database = &self.inner.shared.database;
        let dir = database.data.timeline(timeline);
        if database.storage.stat(&dir.info())?.is_some() {
            let id = timeline.to_string();
            let path = dir.archived();
            cairn_disk::sealed::write_text(
                &*database.storage,
                &path,
                "cairndb-archived",
                1,
                &[("timeline", &id)],
            )?;
        }
        self.retain()
    }

    /// Drops now what retention and the archive let go; otherwise each checkpoint does it.
    pub fn retain(&self) -> Result<()> {
        self.ask(crate::sequencer::Message::Retain)?
    }

    /// Makes everything acknowledged so far durable, whatever the log's mode.
    pub fn sync(&self) -> Result<Lsn> {
        match &self.live().log {
            Some(log) => log.sync()?,
            None => drop(self.checkpoint()?),
        }
        Ok(self.stats().durable_lsn)
    }

    /// Changes how the log is kept, now and for later opens. A log that is switched on or off, moved, or cut otherwise goes on
    /// as a new timeline: a moment in which writes are refused. The report of it, when there is one.
    pub fn set_wal(&self, wal: WalSettings) -> Result<Option<LoadReport>> {
        let shared = &self.inner.shared;
        let status = shared.status.lock().clone();
        if status.read_only {
            return Err(Error::ReadOnly("state of the past".to_owned()));
        }
        let database = &shared.database;
        if !status.wal.needs_new_timeline(&wal) {
            wal.write(&*database.storage, &database.data)?;
            self.ask(|answer| crate::sequencer::Message::SetWal { wal: Box::new(wal.clone()), answer })??;
            self.wake_syncer(&wal);
            return Ok(None);
        }
        let reason = match (status.wal.enabled, wal.enabled) {
            (true, false) => "the write-ahead log was switched off",
            (false, true) => "the write-ahead log was switched on",
            _ => "the write-ahead log was moved or cut otherwise",
        };
        let report = self.replace(reason, |shared| {
            let view = self.view()?;
            let now_us = shared.options.clock.now_us();
            let new = shared.database.fork(&view, now_us, reason, wal.place())?;
            wal.write(&*shared.database.storage, &shared.database.data)?;
            let (core, _) = shared.database.open_timeline(new.id, &shared.options, &wal, Adopt::Stored)?;
            Ok((core, wal))
        })?;
        Ok(Some(report))
    }

    /// Replays a directory of log segments: of the timeline that the live one comes from, as after a restore, or of the live
    /// one itself. Its records after the fork are applied, up to `to_us`. Each is applied once, however often it is replayed:
    /// one that is there already is compared and skipped; one that differs from what the database wrote there since ends the
    /// replay with an error before anything is applied. Records before `from_us` must be there already.
    pub fn replay_wal(
        &self,
        dir: &Path,
        from_us: Option<i64>,
        to_us: Option<i64>,
        dry_run: bool,
    ) -> Result<ReplayReport> {
        let live = self.live();
        let storage = &self.inner.shared.database.storage;
        let config = replay_config(storage, dir, &live.timeline)?;
        let bounds = Log::bounds(Arc::clone(storage), config.clone())?;
        // What is at or before the fork is in the state; only records after it can have been written twice.
        let first = live.timeline.fork_lsn.0 + 1;
        if bounds.first_offset > live.lsn().0 + 1 {
            return Err(gap_before(bounds.first_offset, live.lsn()));
        }
        let start = first.max(bounds.first_offset);
        let mut report =
            ReplayReport { lsn: live.lsn(), segments: bounds.segments, ..ReplayReport::default() };
        if bounds.next_offset <= start {
            return Ok(report);
        }
        let theirs = Log::read_only(Arc::clone(storage), config, start)?;
        let mut own = match &live.log {
            Some(log) if log.base_offset() <= start => Some(log.read(start)?),
            _ => None,
        };
        let until = to_us.map_or(Until::End, Until::Time);
        let names = live.state.read().iter().map(|(number, slot)| (number, slot.name.clone())).collect();
        let mut affected = Affected { names, numbers: BTreeSet::new() };
        let mut waiting = Vec::new();
        let total = bounds.next_offset - start;
        for record in ReadAhead::new(theirs, |record| record.to_record()) {
            if self.options().cancel.load(Ordering::Relaxed) {
                // What was appended stays, and the same replay goes on after it.
                return Err(Error::Cancelled("replaying a log"));
            }
            let record = record?;
            if until.is_past(record.offset, record.timestamp_us) {
                break;
            }
            self.options().replayed.set(ReplayProgress { records: record.offset - start, total });
            if report.applied == 0 && record.offset <= live.lsn().0 {
                compare_with_own(&mut own, &record)?;
                report.skipped += 1;
                continue;
            }
            if from_us.is_some_and(|from| record.timestamp_us < from) {
                let (lsn, time) = (record.offset, show_time(record.timestamp_us));
                let message = format!(
                    "LSN {lsn} ({time}) is before --from and not in the database: a gap; leave --from out"
                );
                return Err(Error::Input(message));
            }
            if record.offset != report.lsn.0 + 1 {
                return Err(gap_before(record.offset, report.lsn));
            }
            let value = record.value.as_deref().ok_or(Error::Decode("a record without a value"))?;
            let mutation = Mutation::decode(value)?;
            affected.note(&mutation);
            waiting.push((mutation, record.timestamp_us));
            report.applied += 1;
            report.lsn = Lsn(record.offset);
            if waiting.len() == REPLAY_AT_ONCE {
                self.append_replayed(&mut waiting, dry_run)?;
            }
        }
        self.append_replayed(&mut waiting, dry_run)?;
        let records = report.skipped + report.applied;
        self.options().replayed.set(ReplayProgress { records, total: records });
        report.collections = affected.names();
        Ok(report)
    }

    fn append_replayed(&self, waiting: &mut Vec<(Mutation, i64)>, dry_run: bool) -> Result<()> {
        let records = std::mem::take(waiting);
        if dry_run || records.is_empty() {
            return Ok(());
        }
        self.ask(|answer| crate::sequencer::Message::Replay { records, answer })?.map(|_| ())
    }
}

/// The configuration of a log directory that may be replayed onto a timeline.
fn replay_config(storage: &Arc<dyn Storage>, dir: &Path, live: &Timeline) -> Result<LogConfig> {
    let Some((database, timeline, base)) = Log::identity(&**storage, dir)? else {
        return Err(Error::NotFound(format!("{}: no log segment in it", dir.display())));
    };
    if database != live.database {
        let message = format!(
            "{}: the log of another database: expected {}, got {database}",
            dir.display(),
            live.database
        );
        return Err(Error::Input(message));
    }
    if timeline != live.id && Some(timeline) != live.parent {
        let parent = live.parent.map_or("none".to_owned(), |id| id.to_string());
        let message = format!(
            "{}: the log of timeline {timeline}; expected that of the live one, {}, or of the one it comes from, {parent}",
            dir.display(),
            live.id
        );
        return Err(Error::Input(message));
    }
    let mut config = LogConfig::new(dir, database, timeline);
    config.start = base;
    Ok(config)
}

/// Refuses a record that is not what the database has at its LSN.
fn compare_with_own(own: &mut Option<Reader>, record: &Record) -> Result<()> {
    let mine = own.as_mut().and_then(Reader::next).transpose()?;
    if mine.is_some_and(|mine| mine.offset == record.offset && mine.value == record.value) {
        return Ok(());
    }
    let lsn = record.offset;
    let message = format!(
        "LSN {lsn} of the log is not what the database has there: it was written to since it was restored; nothing was replayed. Restore \
         into a new directory and replay there"
    );
    Err(Error::Input(message))
}

fn gap_before(got: u64, lsn: Lsn) -> Error {
    Error::Input(format!("the log goes on at LSN {got}, the database needs LSN {}: a gap", lsn.0 + 1))
}
