//! `cairn wal`: how the write-ahead log is kept, and what is in it.

use crate::args_history::{EnableArgs, PlaceArgs, ReplayArgs, WalCommand};
use crate::block_fields::{fields, only};
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, bytes_field, count_field, field, warn};
use crate::session::{Session, asked, quoted};
use cairn_disk::Storage;
use cairn_engine::{LogPlace, WalSettings, Window, check_dir, show_time};
use cairn_server::{flush_text, retention_text};
use std::path::{Path, PathBuf};

/// Runs a command, on a directory or at a server.
pub fn run(command: &WalCommand, output: Output) -> Result<()> {
    match command {
        WalCommand::Enable(args) => enable(args, output),
        WalCommand::Disable(place) => disable(place, output),
        WalCommand::Status(place) => status(place, output),
        WalCommand::Replay(args) => replay(args, output),
        WalCommand::Verify(place) => verify(place, output),
    }
}

fn enable(args: &EnableArgs, output: Output) -> Result<()> {
    let mut line = String::from("WAL ENABLE");
    if let Some(path) = &args.path {
        line += &format!(" path={}", quoted(&place_path(&args.place, path)?)?);
    }
    let options = [
        ("sync_mode", &args.sync_mode),
        ("flush_interval", &args.flush_interval),
        ("segment_size", &args.segment_size),
        ("retention", &args.retention),
        ("retention_bytes", &args.retention_bytes),
        ("include_vectors", &args.include_vectors),
    ];
    for (name, value) in options {
        if let Some(value) = value {
            line += &format!(" {name}={}", quoted(value)?);
        }
    }
    // What is wrong with the options is said before anything is opened.
    asked(&line)?;
    let session = Session::open(&args.place)?;
    let block = session.ask(&line)?;
    session.end()?;
    let keys = ["wal_enabled", "path", "sync_mode", "segment_size_bytes", "retention", "status"];
    output.record(&only(&block, &keys))
}

/// A closed directory's log may be anywhere, and is remembered wherever the next command runs; a server reads a path itself.
fn place_path(place: &PlaceArgs, path: &str) -> Result<String> {
    if place.addr.is_some() || path.is_empty() {
        return Ok(path.to_owned());
    }
    Ok(std::path::absolute(path)?.to_string_lossy().into_owned())
}

fn disable(place: &PlaceArgs, output: Output) -> Result<()> {
    let session = Session::open(place)?;
    let block = session.ask("WAL DISABLE")?;
    session.end()?;
    output.record(&only(&block, &["wal_enabled", "status"]))
}

fn status(place: &PlaceArgs, output: Output) -> Result<()> {
    if place.addr.is_none() {
        return status_closed(&place.data, output);
    }
    let session = Session::open(place)?;
    let block = session.ask("WAL STATUS")?;
    session.end()?;
    output.record(&fields(&block))
}

/// As the server says it, from the files: nothing is opened for writing, so that looking changes nothing.
fn status_closed(data: &Path, output: Output) -> Result<()> {
    let storage = storage();
    let history = cairn_engine::history(&storage, data)?;
    let missing = || Failure::new(Exit::Damage, format!("{}: its live timeline is missing", data.display()));
    let live = history.live().ok_or_else(missing)?;
    let wal = WalSettings::of_dir(&*storage, data)?;
    let dir = wal_dir(data, live);
    let segments = dir.as_deref().map(|dir| segments(&*storage, dir)).transpose()?.unwrap_or_default();
    let shown = wal.dir.clone().or(dir).unwrap_or_else(|| data.to_owned());
    let checkpoint = live.checkpoints.last().map(|point| point.lsn.0);
    output.record(&[
        field("wal_enabled", wal.enabled),
        field("path", shown.display().to_string()),
        field("sync_mode", wal.sync.name()),
        count_field("segment_size_bytes", wal.segment_bytes),
        field("retention", retention_text(&wal)),
        field("status", if wal.enabled { "active" } else { "inactive" }),
        field("flush_interval", flush_text(&wal)),
        bytes_field("retention_bytes", wal.retention_bytes),
        field("include_vectors", wal.include_vectors),
        field("timeline", live.timeline.id.to_string()),
        count_field("lsn", live.to.lsn.0),
        count_field("durable_lsn", live.to.lsn.0),
        field("last_checkpoint_lsn", checkpoint),
        count_field("segments", segments.len() as u64),
        bytes_field("wal_bytes", segments.iter().map(|segment| segment.bytes).sum()),
        field("recoverable", history.recoverable()),
        field("job", None::<String>),
        count_field("job_percent", 0u64),
    ])
}

fn replay(args: &ReplayArgs, output: Output) -> Result<()> {
    let mut line = String::from("WAL REPLAY");
    if let Some(path) = &args.path {
        line += &format!(" path={}", quoted(&place_path(&args.place, path)?)?);
    }
    for (name, value) in [("from", &args.from), ("to", &args.to)] {
        if let Some(value) = value {
            line += &format!(" {name}={}", quoted(value)?);
        }
    }
    for (name, on) in [("verify", args.verify), ("dry_run", args.dry_run)] {
        if on {
            line += &format!(" {name}=on");
        }
    }
    asked(&line)?;
    let session = Session::open(&args.place)?;
    let block = session.ask(&line)?;
    session.end()?;
    output.record(&fields(&block))
}

fn verify(place: &PlaceArgs, output: Output) -> Result<()> {
    if place.addr.is_none() {
        return verify_closed(&place.data, output);
    }
    let session = Session::open(place)?;
    output.record(&fields(&session.ask("WAL VERIFY")?))
}

/// Reads every byte and changes nothing: not even a torn end is cut.
fn verify_closed(data: &Path, output: Output) -> Result<()> {
    let storage = storage();
    let report = check_dir(&storage, data)?;
    let history = cairn_engine::history(&storage, data)?;
    let live = history.of(report.timeline.id)?;
    let Some(dir) = wal_dir(data, live) else {
        warn("note: the write-ahead log is off: there is nothing to verify");
        return output.record(&[
            field("status", "valid"),
            count_field("segments", 0),
            count_field("records", 0),
        ]);
    };
    let segments = segments(&*storage, &dir)?;
    let first = segments.first().map_or(report.lsn.0 + 1, |segment| segment.first_lsn);
    let records = (report.lsn.0 + 1).saturating_sub(first);
    let some = |n: u64| Some(n).filter(|_| records > 0);
    output.record(&[
        field("status", "valid"),
        field("path", dir.display().to_string()),
        field("timeline", report.timeline.id.to_string()),
        count_field("segments", segments.len() as u64),
        bytes_field("wal_bytes", segments.iter().map(|segment| segment.bytes).sum()),
        count_field("records", records),
        field("first_lsn", some(first)),
        field("last_lsn", some(report.lsn.0)),
        field("last_time", some(report.lsn.0).map(|_| show_time(live.to.time_us))),
        bytes_field("torn_bytes", report.torn_bytes),
    ])
}

/// Where a timeline's log is; `None` when it has none.
fn wal_dir(data: &Path, window: &Window) -> Option<PathBuf> {
    let id = window.timeline.id.to_string();
    match &window.timeline.log {
        LogPlace::Inside => Some(data.join("timelines").join(id).join("wal")),
        LogPlace::Below(root) => Some(root.join(id)),
        LogPlace::Off => None,
    }
}

struct Segment {
    first_lsn: u64,
    bytes: u64,
}

/// The segments of a log, oldest first: their names are their first LSNs.
fn segments(storage: &dyn Storage, dir: &Path) -> Result<Vec<Segment>> {
    if storage.stat(dir)?.is_none() {
        return Ok(Vec::new());
    }
    let segment = |entry: cairn_disk::Entry| {
        let first_lsn = entry.name.strip_suffix(".log")?.parse().ok()?;
        Some(Segment { first_lsn, bytes: entry.stat.bytes })
    };
    Ok(storage.list(dir)?.into_iter().filter_map(segment).collect())
}
