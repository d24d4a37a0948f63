//! `cairn archive`: the log in a repository.

use crate::args_archive::{ArchiveArgs, ArchiveCommand, PruneArgs, ShipArgs};
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field, warn};
use crate::snapshot::local::with_bar;
use cairn_engine::{Clock, Engine, Options, SystemClock, show_time};
use cairn_server::parse_duration;
use cairn_snapshot::Repository;
use cairn_snapshot::archive::{
    ArchiveKeep, Shipped, Shipper, list, prune, prune_plan, verify_archive, windows,
};
use std::path::Path;
use std::sync::Arc;

/// Runs a command.
pub fn run(args: &ArchiveArgs, output: Output) -> Result<()> {
    match &args.command {
        ArchiveCommand::List(args) => list_windows(&args.repo, output),
        ArchiveCommand::Verify(args) => verify(&args.repo, output),
        ArchiveCommand::Ship(args) => ship(args, output),
        ArchiveCommand::Prune(args) => prune_old(args, output),
    }
}

fn open(repo: &Path) -> Result<Repository> {
    Ok(Repository::open(storage(), repo)?)
}

/// What can be recovered, a line a window; gaps and damage are told on stderr, so that nobody overlooks them.
fn list_windows(repo: &Path, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let archived = list(&repository)?;
    for timeline in &archived {
        for gap in &timeline.gaps {
            let why = match &gap.recorded {
                Some(record) => format!("recorded {}: {}", show_time(record.at_us), record.reason),
                None => "not recorded: files are missing".to_owned(),
            };
            let (id, first, last) = (timeline.id, gap.first, gap.last);
            warn(&format!("gap: timeline {id} lacks LSN {first} to {last} ({why})"));
        }
        timeline.damaged.iter().for_each(|finding| warn(&format!("damaged: {finding}")));
    }
    let rows: Vec<Vec<Field>> = windows(&repository)?
        .iter()
        .map(|window| {
            let timeline = archived.iter().find(|timeline| timeline.id == window.timeline);
            vec![
                field("timeline", window.timeline.to_string()),
                count_field("from_lsn", window.from_lsn.0),
                field("from", show_time(window.from_us)),
                count_field("to_lsn", window.to_lsn.0),
                field("to", show_time(window.to_us)),
                count_field("gaps", window.gaps.len() as u64),
                bytes_field("archived_bytes", timeline.map_or(0, |timeline| timeline.bytes)),
            ]
        })
        .collect();
    output.list("windows", &rows)
}

fn verify(repo: &Path, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let report = with_bar("reading", |job| verify_archive(&repository, job))?;
    report.findings.iter().for_each(|finding| warn(&format!("damaged: {finding}")));
    output.record(&[
        field("status", if report.is_whole() { "whole" } else { "damaged" }),
        count_field("timelines", report.timelines),
        count_field("files", report.files),
        bytes_field("stored_bytes", report.stored_bytes),
        bytes_field("plain_bytes", report.plain_bytes),
        count_field("recorded_gaps", report.recorded_gaps),
        count_field("findings", report.findings.len() as u64),
    ])?;
    if report.is_whole() {
        return Ok(());
    }
    let message = format!("the archive is damaged: {} findings", report.findings.len());
    Err(Failure::new(Exit::Damage, message)
        .next("a server that still has the log archives it again; else recover to a point before the damage"))
}

fn ship(args: &ShipArgs, output: Output) -> Result<()> {
    let storage = storage();
    let (engine, _) = Engine::open_as_stored(storage.clone(), &args.data, Options::default())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let repository = Repository::open_or_create(storage.clone(), &args.repo, now_us())?;
    let mut total = Shipped::default();
    let mut add = |wal: &cairn_engine::Wal| -> Result<()> {
        let mut shipper =
            Shipper::new(repository.clone(), &wal.timeline, storage.clone(), Arc::clone(&clock));
        let shipped = with_bar("shipping", |job| shipper.ship(&wal.log, job, true))?;
        total.segments += shipped.segments;
        total.records += shipped.records;
        total.stored_bytes += shipped.stored_bytes;
        total.gaps.extend(shipped.gaps);
        total.archived_lsn = shipped.archived_lsn;
        Ok(())
    };
    for id in engine.unarchived()? {
        if let Some(wal) = engine.closed_wal(id)? {
            add(&wal)?;
        }
        engine.archived_wholly(id)?;
    }
    if let Some(wal) = engine.wal() {
        add(&wal)?;
    }
    engine.close()?;
    output.record(&[
        field("status", "completed"),
        count_field("segments", total.segments),
        count_field("records", total.records),
        bytes_field("stored_bytes", total.stored_bytes),
        count_field("gaps", total.gaps.len() as u64),
        field("archived_lsn", total.archived_lsn.map(|lsn| lsn.0)),
    ])
}

fn prune_old(args: &PruneArgs, output: Output) -> Result<()> {
    let repository = open(&args.repo)?;
    let bad = |text: &str| {
        Failure::new(Exit::Usage, format!("--keep: expected an age, as 30d or 48h, got {text:?}"))
    };
    let since_us = match args.keep.as_deref() {
        None => None,
        Some(text) => {
            let age_us = parse_duration(text).ok_or_else(|| bad(text))?;
            Some(now_us().saturating_sub(i64::try_from(age_us).unwrap_or(i64::MAX)))
        }
    };
    let plan = prune_plan(&repository, &ArchiveKeep { since_us })?;
    let done = match args.dry_run {
        true => plan,
        false => with_bar("pruning", |job| prune(&repository, &plan, job))?,
    };
    output.record(&[
        field("status", if args.dry_run { "planned" } else { "completed" }),
        count_field("files_removed", done.files.len() as u64),
        bytes_field("bytes_removed", done.bytes),
    ])
}
