//! WAL: the write-ahead log, over the wire.

use crate::command::{ReplayWal, Wal as Ask};
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use crate::parse_wal::ZONE_NOTE;
use crate::reply::{Block, JobState, Reply};
use crate::wal_change::{WalChange, flush_text, retention_text};
use cairn_engine::{ErrorKind, LoadReport, ReplayReport, Wal, WalSettings, show_time};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn wal(backend: &EngineBackend, ask: &Ask) -> Reply {
    let done = match ask {
        Ask::Status => Ok(status(backend)),
        Ask::Enable(change) => enable(backend, change),
        Ask::Disable => disable(backend),
        Ask::Verify => verify(backend),
        Ask::Sync => sync(backend),
        Ask::Replay(asked) => replay(backend, asked),
    };
    done.map_or_else(Reply::Failed, Reply::Block)
}

fn status(backend: &EngineBackend) -> Block {
    let stats = backend.engine.stats();
    let block = settings(backend, Block::new("WAL_STATUS"), &stats.status.wal)
        .pair("timeline", stats.timeline.id)
        .pair("lsn", stats.lsn)
        .pair("durable_lsn", stats.durable_lsn)
        .pair("last_checkpoint_lsn", stats.status.checkpoint_lsn)
        .pair("segments", stats.wal_segments)
        .pair("wal_bytes", stats.wal_bytes)
        .pair("recoverable", backend.recoverable(&stats));
    let job = backend.jobs.status(Family::History);
    let text = match job.state {
        JobState::Idle => "none".to_owned(),
        state => format!("{} {} {}", job.operation, job.target, state.name()),
    };
    block.pair("job", text).pair("job_percent", job.percent)
}

/// The lines that say how the log is kept; the first ones are those of the contract.
fn settings(backend: &EngineBackend, block: Block, wal: &WalSettings) -> Block {
    let block = block
        .pair("wal_enabled", wal.enabled)
        .pair("path", dir(backend, wal).display())
        .pair("sync_mode", wal.sync)
        .pair("segment_size_bytes", wal.segment_bytes)
        .pair("retention", retention_text(wal))
        .pair("status", if wal.enabled { "active" } else { "inactive" });
    block
        .pair("flush_interval", flush_text(wal).unwrap_or_else(|| "none".to_owned()))
        .pair("retention_bytes", wal.retention_bytes)
        .pair("include_vectors", wal.include_vectors)
}

/// Where the log is, or would be: the directory that was configured, else the live timeline's own.
fn dir(backend: &EngineBackend, wal: &WalSettings) -> PathBuf {
    match (&wal.dir, backend.engine.wal()) {
        (Some(dir), _) => dir.clone(),
        (None, Some(wal)) => wal.dir,
        (None, None) => backend.data_dir.clone(),
    }
}

fn enable(backend: &EngineBackend, change: &WalChange) -> Result<Block> {
    backend.jobs.run(Family::History, Kind::Load, "WAL ENABLE", "", |_| {
        let dir = match change.path.as_deref().filter(|path| !path.is_empty()) {
            Some(given) => Some(backend.wal_path(given)?),
            None => None,
        };
        let wanted = change.applied_to(&backend.engine.stats().status.wal, dir)?;
        let report = backend.engine.set_wal(wanted.clone())?;
        Ok(moved(settings(backend, Block::new("WAL_ENABLED"), &wanted), report))
    })
}

fn disable(backend: &EngineBackend) -> Result<Block> {
    backend.jobs.run(Family::History, Kind::Load, "WAL DISABLE", "", |_| {
        let wanted = WalSettings { enabled: false, ..backend.engine.stats().status.wal };
        let report = backend.engine.set_wal(wanted.clone())?;
        let block = settings(backend, Block::new("WAL_DISABLED"), &wanted).pair(
            "note",
            "what is written from now on is lost at a crash, back to the last checkpoint, and is a gap for \
             point-in-time recovery",
        );
        Ok(moved(block, report))
    })
}

/// Says that writes go on on a new timeline, when they do.
fn moved(block: Block, report: Option<LoadReport>) -> Block {
    match report {
        Some(report) => block.pair("timeline", report.timeline).pair("lsn", report.lsn),
        None => block,
    }
}

/// What reading every record of a log found.
struct Verified {
    records: u64,
    bytes: u64,
    first: Option<(u64, i64)>,
    last: Option<(u64, i64)>,
}

/// Reads every record up to the end as it is now; each one's checksum and place are checked on the way.
fn read_all(backend: &EngineBackend, wal: &Wal) -> Result<Verified> {
    let log_error = |e| Failure::from(cairn_engine::Error::from(e));
    let mut found = Verified { records: 0, bytes: 0, first: None, last: None };
    let records = wal.log.read_ahead(wal.log.base_offset(), |record| {
        let bytes = record.value.map_or(0, <[u8]>::len) as u64;
        (record.offset, record.timestamp_us, bytes)
    });
    for record in records.map_err(log_error)? {
        let (lsn, time_us, bytes) = record.map_err(log_error)?;
        if backend.jobs.cancelled().load(Ordering::Relaxed) {
            return Err(Failure::busy("the server is stopping"));
        }
        found.records += 1;
        found.bytes += bytes;
        found.first = found.first.or(Some((lsn, time_us)));
        found.last = Some((lsn, time_us));
    }
    Ok(found)
}

fn verify(backend: &EngineBackend) -> Result<Block> {
    let Some(wal) = backend.engine.wal() else {
        return Err(Failure::new(
            ErrorKind::NotFound,
            "The write-ahead log is off: there is nothing to verify",
        ));
    };
    let segments = wal.log.segments();
    let found = read_all(backend, &wal)?;
    let lsn = |point: Option<(u64, i64)>| point.map_or("none".to_owned(), |(lsn, _)| lsn.to_string());
    let time = |point: Option<(u64, i64)>| point.map_or("none".to_owned(), |(_, us)| show_time(us));
    Ok(Block::new("WAL_VALID")
        .pair("status", "valid")
        .pair("path", wal.dir.display())
        .pair("timeline", wal.timeline.id)
        .pair("segments", segments.len())
        .pair("wal_bytes", segments.iter().map(|segment| segment.bytes).sum::<u64>())
        .pair("records", found.records)
        .pair("value_bytes", found.bytes)
        .pair("first_lsn", lsn(found.first))
        .pair("last_lsn", lsn(found.last))
        .pair("first_time", time(found.first))
        .pair("last_time", time(found.last)))
}

fn sync(backend: &EngineBackend) -> Result<Block> {
    let durable = backend.engine.sync()?;
    Ok(Block::new("WAL_SYNCED").pair("durable_lsn", durable))
}

fn replay(backend: &EngineBackend, asked: &ReplayWal) -> Result<Block> {
    let target = asked.path.as_deref().unwrap_or_default();
    backend.jobs.run(Family::History, Kind::Tidy, "WAL REPLAY", target, |_| {
        let started_us = backend.now_us();
        let report = match &asked.path {
            Some(given) => replay_from(backend, given, asked)?,
            None => own(backend, asked.verify)?,
        };
        let spent_ms = (backend.now_us() - started_us).max(0) / 1_000;
        let affected: Vec<&str> = report.collections.iter().map(String::as_str).collect();
        let mut block = Block::new("WAL_REPLAYED")
            .pair("segments_replayed", report.segments)
            .pair("operations_replayed", report.applied)
            .pair("collections_affected", affected.join(","))
            .pair("duration_ms", spent_ms)
            .pair("status", "completed")
            .pair("operations_skipped", report.skipped)
            .pair("lsn", report.lsn)
            .pair("dry_run", asked.dry_run);
        if [asked.from, asked.to].into_iter().flatten().any(|time| time.zone_assumed) {
            block = block.pair("note", ZONE_NOTE);
        }
        Ok(block)
    })
}

fn replay_from(backend: &EngineBackend, given: &str, asked: &ReplayWal) -> Result<ReplayReport> {
    let dir = backend.given_dir(given)?;
    let (from_us, to_us) = (asked.from.map(|time| time.us), asked.to.map(|time| time.us));
    let run = |dry_run| backend.engine.replay_wal(&dir, from_us, to_us, dry_run);
    if asked.verify && !asked.dry_run {
        // All of it is read and compared before the first record is applied.
        run(true)?;
    }
    Ok(run(asked.dry_run)?)
}

/// The database's own log: every record of it is applied already.
fn own(backend: &EngineBackend, verify: bool) -> Result<ReplayReport> {
    if verify && let Some(wal) = backend.engine.wal() {
        read_all(backend, &wal)?;
    }
    Ok(ReplayReport { lsn: backend.engine.stats().lsn, ..ReplayReport::default() })
}
