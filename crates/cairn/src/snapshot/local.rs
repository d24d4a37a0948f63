//! Snapshots of a stopped server: the data directory and the repository are opened here.

use super::{lines, prune, schedule};
use crate::args::{
    CompressionArg, CreateArgs, DeleteArgs, DiffArgs, HowArgs, RestoreArgs, SnapshotCommand, VerifyArgs,
    WhatArgs,
};
use crate::args_archive::RecoverArgs;
use crate::args_history::PlaceArgs;
use crate::block_fields::fields;
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field};
use crate::progress::Bar;
use crate::recover;
use crate::session::Session;
use cairn_client::Block;
use cairn_disk::ErrorKind;
use cairn_engine::{Engine, Options, Target};
use cairn_snapshot::{
    Base, Compression, CreateOptions, Created, DeleteOptions, Depth, DiffRow, Error, Job, Listed, Pin,
    Progress, Repository, RestoreOptions, RestorePlan, Restored, Snapshot, SnapshotId, VerifyReport,
};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a pin waits for another writer.
const PIN_WAIT: Duration = Duration::from_secs(60);

/// Runs a command on a repository's directory.
pub fn run(repo: &Path, command: &SnapshotCommand, output: Output) -> Result<()> {
    match command {
        SnapshotCommand::Create(args) => create(repo, args, output),
        SnapshotCommand::List(args) => list(repo, args.collection.as_deref(), output),
        SnapshotCommand::Info(args) => {
            let repository = open(repo)?;
            let found = cairn_snapshot::find(&repository, &args.snapshot)?;
            let mut fields = details(&found);
            fields.push(field("pinned", cairn_snapshot::pins(&repository)?.get(&found.id).map(pin_text)));
            output.record(&fields)
        }
        SnapshotCommand::Verify(args) => verify(repo, args, output),
        SnapshotCommand::Diff(args) => diff(repo, args, output),
        SnapshotCommand::Restore(args) => restore(repo, args, output),
        SnapshotCommand::Delete(args) if args.dry_run => plan_delete(repo, &args.snapshot, output),
        SnapshotCommand::Delete(args) => delete(repo, args, output),
        SnapshotCommand::Pin(args) => {
            let id = cairn_snapshot::pin(&open(repo)?, &args.snapshot, &args.note, now_us(), PIN_WAIT)?;
            output.record(&[field("pinned", id.as_str()), field("note", args.note.as_str())])
        }
        SnapshotCommand::Unpin(args) => {
            let id = cairn_snapshot::unpin(&open(repo)?, &args.snapshot, PIN_WAIT)?;
            output.record(&[field("unpinned", id.as_str())])
        }
        SnapshotCommand::Prune(args) => prune::run(args, output),
        SnapshotCommand::Schedule(args) => schedule::run(args, output),
    }
}

fn open(repo: &Path) -> Result<Repository> {
    Ok(Repository::open(storage(), repo)?)
}

fn create(repo: &Path, args: &CreateArgs, output: Output) -> Result<()> {
    let started = Instant::now();
    let asked = Asked {
        data: &args.data,
        name: args.name.as_deref(),
        collections: &args.collections,
        compression: compression(args.compression),
        what: &args.what,
    };
    let Created { snapshot, full_because } = create_in(repo, &asked)?;
    let mut fields = details(&snapshot);
    fields.extend(full_because.map(|why| field("full_because", why)));
    fields.push(milliseconds(started));
    output.record(&fields)
}

/// What a new snapshot is to be.
pub struct Asked<'a> {
    /// The data directory.
    pub data: &'a Path,
    /// An alias.
    pub name: Option<&'a str>,
    /// The collections it covers; none: all.
    pub collections: &'a [String],
    /// How parts are stored.
    pub compression: Compression,
    /// The rest.
    pub what: &'a WhatArgs,
}

/// Takes a snapshot of a data directory. A server may have it open: what is on disk is what it acknowledged.
pub fn create_in(repo: &Path, asked: &Asked<'_>) -> Result<Created> {
    let (storage, what) = (storage(), asked.what);
    let (engine, _) =
        Engine::open_past(Arc::clone(&storage), asked.data, Target::Latest, None, Options::default())?;
    let repository = Repository::open_or_create(storage, repo, now_us())?;
    let base = match (&what.base, what.incremental) {
        (Some(base), _) => Base::Of(base.clone()),
        (None, true) => Base::Newest,
        (None, false) => Base::None,
    };
    let options = CreateOptions {
        name: asked.name.map(str::to_owned),
        description: what.description.clone().unwrap_or_default(),
        tags: what.tags.clone(),
        compression: asked.compression,
        collections: (!asked.collections.is_empty()).then(|| asked.collections.to_vec()),
        base,
        now_us: now_us(),
        ..CreateOptions::default()
    };
    let created = with_bar("storing", |job| cairn_snapshot::create_live(&repository, &engine, &options, job));
    // The process ends: its memory goes all at once, which is quicker than table by table. Nothing is open to be written.
    std::mem::forget(engine);
    created
}

/// How parts are stored, as asked for; zstd by default.
pub fn compression(asked: Option<CompressionArg>) -> Compression {
    match asked {
        None | Some(CompressionArg::Zstd) => Compression::default(),
        Some(CompressionArg::Gzip) => Compression::Gzip { level: 6 },
        Some(CompressionArg::None) => Compression::None,
    }
}

/// The snapshots of a repository; with a collection, the whole ones that cover it.
pub fn listed(repo: &Path, collection: Option<&str>) -> Result<Vec<Listed>> {
    let mut listed = cairn_snapshot::list(&open(repo)?)?;
    if let Some(name) = collection {
        listed.retain(|entry| entry.whole().is_some_and(|snapshot| snapshot.has(name)));
    }
    Ok(listed)
}

fn list(repo: &Path, collection: Option<&str>, output: Output) -> Result<()> {
    let listed = listed(repo, collection)?;
    let pins = cairn_snapshot::pins(&open(repo)?)?;
    let pinned = |l: &Listed| l.id().parse::<SnapshotId>().is_ok_and(|id| pins.contains_key(&id));
    let rows: Vec<Vec<Field>> = listed.iter().map(|l| row(l, pinned(l))).collect();
    output.list("snapshots", &rows)?;
    match listed.iter().find(|l| l.whole().is_none()) {
        None => Ok(()),
        Some(damaged) => Err(Failure::new(Exit::Damage, format!("snapshot {} is damaged", damaged.id()))
            .next(format!("cairn snapshot verify {} --repo {}", damaged.id(), repo.display()))),
    }
}

/// Why and since when it is pinned.
fn pin_text(pin: &Result<Pin, Error>) -> String {
    match pin {
        Ok(pin) if pin.note.is_empty() => cairn_engine::show_time(pin.pinned_us),
        Ok(pin) => format!("{}: {}", cairn_engine::show_time(pin.pinned_us), pin.note),
        Err(e) => format!("its pin does not read: {e}"),
    }
}

fn row(listed: &Listed, pinned: bool) -> Vec<Field> {
    let mut fields = fields_of(listed);
    fields.push(field("pinned", pinned));
    fields
}

fn fields_of(listed: &Listed) -> Vec<Field> {
    match listed {
        Listed::Whole(s) => vec![
            field("id", s.id.as_str()),
            field("name", s.name.clone()),
            field("status", "whole"),
            field("type", s.snapshot_type.name()),
            field("created_at", s.created_at()),
            count_field("lsn", s.lsn.0),
            count_field("vectors", s.counts.vectors),
            count_field("events", s.counts.events),
            bytes_field("stored_bytes", s.stored_bytes),
            bytes_field("added_bytes", s.added_bytes),
        ],
        Listed::Damaged { id, error } => vec![
            field("id", id.as_str()),
            field("name", None::<String>),
            field("status", error.to_string()),
            field("type", None::<String>),
            field("created_at", None::<String>),
            field("lsn", None::<u64>),
            field("vectors", None::<u64>),
            field("events", None::<u64>),
            field("stored_bytes", None::<u64>),
            field("added_bytes", None::<u64>),
        ],
    }
}

fn details(s: &Snapshot) -> Vec<Field> {
    vec![
        field("id", s.id.as_str()),
        field("name", s.name.clone()),
        field("type", s.snapshot_type.name()),
        field("created_at", s.created_at()),
        field("database", s.database.to_string()),
        field("timeline", s.timeline.to_string()),
        count_field("lsn", s.lsn.0),
        field("compression", s.compression.name()),
        count_field("ids", s.counts.ids),
        count_field("vectors", s.counts.vectors),
        count_field("metadata", s.counts.metadata),
        count_field("contexts", s.counts.contexts),
        count_field("events", s.counts.events),
        count_field("pairs", s.counts.pairs),
        count_field("parts", s.unique_parts().len() as u64),
        bytes_field("plain_bytes", s.plain_bytes),
        bytes_field("stored_bytes", s.stored_bytes),
        bytes_field("added_bytes", s.added_bytes),
        field("description", s.description.clone()),
        field("tags", s.tags.clone()),
        field("covers", if s.whole { "database" } else { "collections" }),
        field("collections", s.collections.iter().map(|c| c.name.clone()).collect::<Vec<_>>()),
        field("base", s.base.as_ref().map(ToString::to_string)),
        count_field("changed_vectors", s.changed_vectors),
        count_field("log_records", s.log_records()),
    ]
}

fn verify(repo: &Path, args: &VerifyArgs, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let depth = depth(args)?;
    let report = with_bar("verifying", |job| match &args.snapshot {
        Some(one) => cairn_snapshot::verify_with(&repository, one, depth, job),
        None => cairn_snapshot::verify_all_with(&repository, depth, job),
    })?;
    let affected: Vec<String> = report
        .affected
        .iter()
        .map(|(path, ids)| {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            format!("{}: {}", path.display(), ids.join(", "))
        })
        .collect();
    output.record(&[
        field("snapshot", report.snapshots.join(", ")),
        field("status", if report.is_whole() { "whole" } else { "damaged" }),
        count_field("parts", report.parts),
        count_field("parts_read", report.parts_read),
        count_field("archived_files", report.archived_files),
        bytes_field("stored_bytes", report.stored_bytes),
        bytes_field("plain_bytes", report.plain_bytes),
        field("findings", report.findings.iter().map(ToString::to_string).collect::<Vec<_>>()),
        field("affected", affected),
    ])?;
    whole(&report)
}

fn depth(args: &VerifyArgs) -> Result<Depth> {
    let Some(text) = &args.read_data_subset else {
        return Ok(if args.sizes { Depth::Sizes } else { Depth::Every });
    };
    let number = text.strip_suffix('%').and_then(|n| n.parse::<f64>().ok());
    match number.filter(|percent| (0.0..=100.0).contains(percent)) {
        Some(percent) => Ok(Depth::Share { share: percent / 100.0, seed: now_us() as u64 }),
        None => Err(Failure::new(
            Exit::Usage,
            format!("--read-data-subset: expected a share from 0% to 100%, got {text:?}"),
        )),
    }
}

fn diff(repo: &Path, args: &DiffArgs, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let find = |name: &str| cairn_snapshot::find(&repository, name);
    let row = |row: &DiffRow| {
        vec![
            field("collection", row.collection.clone()),
            field("vectors", row.vectors),
            field("events", row.events),
            field("metadata", row.metadata),
            field("contexts", row.contexts),
            field("pairs", row.pairs),
        ]
    };
    let rows: Vec<Vec<Field>> =
        cairn_snapshot::diff(&find(&args.from)?, &find(&args.to)?).iter().map(row).collect();
    output.list("differences", &rows)
}

fn whole(report: &VerifyReport) -> Result<()> {
    match report.findings.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            let message = format!("{first} ({} damaged in all)", report.findings.len());
            Err(Failure::new(Exit::Damage, message).next("restore another snapshot, then delete this one"))
        }
    }
}

fn restore(repo: &Path, args: &RestoreArgs, output: Output) -> Result<()> {
    let Some(data) = &args.data else {
        return Err(Failure::new(Exit::Usage, "restore needs --data DIR, or --addr of a running server"));
    };
    let started = Instant::now();
    if let Some(to) = &args.how.as_of {
        let (repo, to) = (repo.to_owned(), to.clone());
        let args = RecoverArgs { repo, data: Some(data.clone()), to, timeline: None, dry_run: false };
        return recover::run(&args, output);
    }
    match restore_here(repo, &args.snapshot, data, &args.how)? {
        Back::Directory(restored) => {
            let mut fields = vec![
                field("snapshot", restored.snapshot.id.as_str()),
                field("data", data.display().to_string()),
                field("timeline", restored.report.timeline.to_string()),
                field("parent", restored.snapshot.timeline.to_string()),
                count_field("lsn", restored.report.lsn.0),
                count_field("vectors", restored.snapshot.counts.vectors),
                count_field("events", restored.snapshot.counts.events),
                bytes_field("plain_bytes", restored.snapshot.plain_bytes),
                bytes_field("kept_bytes", restored.kept_bytes),
                field("replaced", restored.replaced.as_ref().map(|path| path.display().to_string())),
            ];
            fields.push(milliseconds(started));
            output.record(&fields)
        }
        Back::Answer(block) => {
            let mut fields = fields(&block);
            fields.push(milliseconds(started));
            output.record(&fields)
        }
    }
}

/// What a restore gave.
pub enum Back {
    /// A new directory.
    Directory(Box<Restored>),
    /// What the database in a directory answered.
    Answer(Block),
}

/// Restores into a directory: a new one, one that takes the place of another, or what is asked for into the database that is there.
pub fn restore_here(repo: &Path, snapshot: &str, data: &Path, how: &HowArgs) -> Result<Back> {
    let (storage, repository) = (storage(), open(repo)?);
    let there = storage.stat(data)?.is_some() && !storage.list(data)?.is_empty();
    if how.dry_run {
        let found = cairn_snapshot::find(&repository, snapshot)?;
        let (id, disk) = (found.id.as_str(), storage.as_ref());
        return Ok(Back::Answer(planned(&with_bar("looking", |job| {
            cairn_snapshot::plan_restore(&repository, id, disk, data, job)
        })?)));
    }
    let found = cairn_snapshot::find(&repository, snapshot)?;
    let whole = how.collection.is_none() && how.from.is_none() && found.whole;
    if how.branch || !whole || (there && !how.overwrite) {
        if there && whole && !how.branch {
            let message = format!("{} is not empty", data.display());
            return Err(Failure::new(Exit::Usage, message).next(
                "choose another --data, or --overwrite: the directory that is there is kept under another name",
            ));
        }
        let place = PlaceArgs { data: data.to_owned(), addr: None };
        // Absolute, since the database's own directory is what relative paths are taken from.
        let path = storage.canonical(repository.root())?;
        let session = Session::open_or_create(&place)?;
        let block = session.ask(&lines::restore(snapshot, how, Some(&path))?);
        session.end()?;
        return Ok(Back::Answer(block?));
    }
    if how.verify {
        whole_or_nothing(&repository, snapshot)?;
    }
    let options = RestoreOptions { only: None, overwrite: how.overwrite };
    let restored = with_bar("restoring", |job| {
        cairn_snapshot::restore_with(&repository, snapshot, &storage, data, now_us(), &options, job)
    })?;
    Ok(Back::Directory(Box::new(restored)))
}

/// Reads every byte of a snapshot before anything is done.
fn whole_or_nothing(repository: &Repository, snapshot: &str) -> Result<()> {
    let report = with_bar("verifying", |job| cairn_snapshot::verify(repository, snapshot, job))?;
    whole(&report)
}

/// A plan, as a server tells it.
fn planned(plan: &RestorePlan) -> Block {
    let pairs = [
        ("id", plan.snapshot.id.to_string()),
        ("type", plan.snapshot.snapshot_type.name().to_owned()),
        ("read_bytes", plan.read_bytes.to_string()),
        ("write_bytes", plan.write_bytes.to_string()),
        ("there_bytes", plan.there_bytes.to_string()),
        ("log_records", plan.log_records.to_string()),
        ("free_bytes", plan.free_bytes.to_string()),
        ("fits", plan.fits().to_string()),
        ("seconds", format!("{:.1}", plan.seconds)),
    ];
    let lines = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    Block { head: "OK SNAPSHOT_RESTORE_PLAN".to_owned(), lines }
}

/// Builds the data directory `data` from a snapshot, as a new timeline.
pub fn restore_to(repo: &Path, snapshot: &str, data: &Path) -> Result<Restored> {
    let repository = open(repo)?;
    with_bar("restoring", |job| {
        cairn_snapshot::restore(&repository, snapshot, &storage(), data, now_us(), job)
    })
}

fn delete(repo: &Path, args: &DeleteArgs, output: Output) -> Result<()> {
    let options = DeleteOptions { force: args.force, wait: prune::wait(&args.wait)? };
    let deleted = cairn_snapshot::delete_with(&open(repo)?, &args.snapshot, &options)?;
    output.record(&[
        field("deleted", deleted.id.as_str()),
        count_field("parts", deleted.parts),
        bytes_field("freed_bytes", deleted.stored_bytes),
        field("kept_for", deleted.kept_for),
    ])
}

/// What a delete would remove: the parts that no other snapshot names.
fn plan_delete(repo: &Path, snapshot: &str, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let doomed = cairn_snapshot::find(&repository, snapshot)?;
    let listed = cairn_snapshot::list(&repository)?;
    let damaged = listed.iter().find(|l| l.whole().is_none()).map(|l| l.id().to_owned());
    let others = listed.iter().filter_map(Listed::whole).filter(|s| s.id != doomed.id);
    let shared: Vec<_> = others.flat_map(Snapshot::unique_parts).map(|part| part.id).collect();
    let mut own = doomed.unique_parts();
    own.retain(|part| damaged.is_none() && !shared.contains(&part.id));
    output.record(&[
        field("would_delete", doomed.id.as_str()),
        count_field("parts", own.len() as u64),
        bytes_field("would_free_bytes", own.iter().map(|part| part.stored_bytes).sum()),
        field("kept_for", damaged),
    ])
}

/// Does work beside a bar that shows how far it is.
pub fn with_bar<T>(what: &'static str, work: impl FnOnce(&Job<'_>) -> Result<T, Error>) -> Result<T> {
    let bar = Bar::new(what);
    let progress = |progress: Progress| bar.show(progress);
    Ok(work(&Job { progress: &progress, ..Job::default() })?)
}

/// How long something took.
pub fn milliseconds(since: Instant) -> Field {
    field("duration_ms", u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Failure::of_kind(error.kind(), &error);
        match error.kind() {
            ErrorKind::Corrupt => {
                failure.next("nothing was changed; cairn snapshot list shows what else there is")
            }
            ErrorKind::Locked => failure.next("wait for it to end, then run the same command again"),
            ErrorKind::NotFound => failure.next("cairn snapshot list shows what there is"),
            ErrorKind::Exists => failure.next("choose another name, or a directory that is absent or empty"),
            _ => failure,
        }
    }
}
