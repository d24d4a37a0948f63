//! Snapshots of a stopped server: the data directory and the repository are opened here.

use super::{prune, schedule};
use crate::args::{CompressionArg, CreateArgs, DeleteArgs, RestoreArgs, SnapshotCommand};
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field};
use crate::progress::Bar;
use cairn_disk::ErrorKind;
use cairn_snapshot::{
    Compression, CreateOptions, DeleteOptions, Error, Job, Listed, Pin, Progress, Repository, Restored,
    Snapshot, SnapshotId, VerifyReport,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a pin waits for another writer.
const PIN_WAIT: Duration = Duration::from_secs(60);

/// Runs a command on a repository's directory.
pub fn run(repo: &Path, command: &SnapshotCommand, output: Output) -> Result<()> {
    match command {
        SnapshotCommand::Create(args) => create(repo, args, output),
        SnapshotCommand::List(_) => list(repo, output),
        SnapshotCommand::Info(args) => {
            let repository = open(repo)?;
            let found = cairn_snapshot::find(&repository, &args.snapshot)?;
            let mut fields = details(&found);
            fields.push(field("pinned", cairn_snapshot::pins(&repository)?.get(&found.id).map(pin_text)));
            output.record(&fields)
        }
        SnapshotCommand::Verify(args) => verify(repo, &args.snapshot, output),
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
    let storage = storage();
    let (view, _) = cairn_engine::view_dir(&storage, &args.data)?;
    let repository = Repository::open_or_create(storage, repo, now_us())?;
    let options = CreateOptions {
        name: args.name.clone(),
        compression: compression(args.compression),
        now_us: now_us(),
        ..CreateOptions::default()
    };
    let snapshot = with_bar("storing", |job| cairn_snapshot::create(&repository, view, &options, job))?;
    let mut fields = details(&snapshot);
    fields.push(milliseconds(started));
    output.record(&fields)
}

fn compression(asked: Option<CompressionArg>) -> Compression {
    match asked {
        None | Some(CompressionArg::Zstd) => Compression::default(),
        Some(CompressionArg::Gzip) => Compression::Gzip { level: 6 },
        Some(CompressionArg::None) => Compression::None,
    }
}

fn list(repo: &Path, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let listed = cairn_snapshot::list(&repository)?;
    let pins = cairn_snapshot::pins(&repository)?;
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
    ]
}

fn verify(repo: &Path, snapshot: &str, output: Output) -> Result<()> {
    let repository = open(repo)?;
    let report = with_bar("verifying", |job| cairn_snapshot::verify(&repository, snapshot, job))?;
    output.record(&[
        field("snapshot", report.snapshots.join(", ")),
        field("status", if report.is_whole() { "whole" } else { "damaged" }),
        count_field("parts", report.parts),
        bytes_field("stored_bytes", report.stored_bytes),
        bytes_field("plain_bytes", report.plain_bytes),
        field("findings", report.findings.iter().map(ToString::to_string).collect::<Vec<_>>()),
    ])?;
    whole(&report)
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
    let started = Instant::now();
    let Some(data) = &args.data else {
        return Err(Failure::new(Exit::Usage, "restore needs --data DIR, or --addr of a running server"));
    };
    let restored = restore_to(repo, &args.snapshot, data)?;
    let mut fields = vec![
        field("snapshot", restored.snapshot.id.as_str()),
        field("data", data.display().to_string()),
        field("timeline", restored.report.timeline.to_string()),
        field("parent", restored.snapshot.timeline.to_string()),
        count_field("lsn", restored.report.lsn.0),
        count_field("vectors", restored.snapshot.counts.vectors),
        count_field("events", restored.snapshot.counts.events),
        bytes_field("plain_bytes", restored.snapshot.plain_bytes),
    ];
    fields.push(milliseconds(started));
    output.record(&fields)
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
