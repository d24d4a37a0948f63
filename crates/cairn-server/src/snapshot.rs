//! SNAPSHOT: the repository, over the wire.

use crate::check::with_counts;
use crate::command::{Compression, Create, One, Snapshot as Ask, Verify};
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use crate::keeping::{self, WRITER_WAIT};
use crate::reply::{Block, JobStatus, Reply};
use crate::schedules::schedules_block;
use crate::snapshot_restore::restore;
use cairn_engine::ErrorKind;
use cairn_snapshot::{
    Base, CreateOptions, Created, DeleteOptions, Deleted, Depth, Job, Listed, Repository, Snapshot,
    SnapshotId, VerifyReport, delete_with,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn snapshot(backend: &EngineBackend, ask: &Ask) -> Reply {
    let done = match ask {
        Ask::Create(options) => create(backend, options),
        Ask::List { collection, path } => list(backend, collection.as_deref(), path.as_deref()),
        Ask::Info(one) => info(backend, one),
        Ask::Verify(asked) => verify(backend, asked),
        Ask::Restore(asked) => restore(backend, asked),
        Ask::Diff { from, to, path } => diff(backend, (from, to), path.as_deref()),
        Ask::Delete(asked) => delete(backend, asked, false),
        Ask::DeletePinned(asked) => delete(backend, asked, true),
        Ask::Pin(asked, note) => keeping::pin(backend, asked, note),
        Ask::Unpin(asked) => keeping::unpin(backend, asked),
        Ask::Prune(asked) => keeping::prune_asked(backend, asked),
        Ask::Schedule => Ok(schedules_block(&backend.schedules())),
        Ask::Status => Ok(status(&backend.jobs.status(Family::Snapshot))),
    };
    done.map_or_else(Reply::Failed, Reply::Block)
}

/// The directory of the repository that a request means.
fn dir(backend: &EngineBackend, path: Option<&str>) -> Result<PathBuf> {
    path.map_or_else(|| Ok(backend.repository_dir.clone()), |given| backend.given_dir(given))
}

/// The repository, when there is one.
pub(crate) fn open(backend: &EngineBackend, path: Option<&str>) -> Result<Option<Repository>> {
    match Repository::open(Arc::clone(&backend.storage), &dir(backend, path)?) {
        Ok(repository) => Ok(Some(repository)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The id of the newest whole snapshot.
pub(crate) fn newest(backend: &EngineBackend) -> Result<Option<String>> {
    let Some(repository) = open(backend, None)? else { return Ok(None) };
    let listed = cairn_snapshot::list(&repository)?;
    Ok(listed.iter().find_map(Listed::whole).map(|snapshot| snapshot.id.to_string()))
}

/// The repository that must hold the snapshot asked for.
pub(crate) fn holding(backend: &EngineBackend, asked: &str, path: Option<&str>) -> Result<Repository> {
    open(backend, path)?.ok_or_else(|| {
        let message = format!("Snapshot not found: {}", crate::failure::shown(asked));
        Failure::new(ErrorKind::NotFound, message)
    })
}

fn create(backend: &EngineBackend, asked: &Create) -> Result<Block> {
    let target = asked.name.clone().unwrap_or_default();
    backend.jobs.run(Family::Snapshot, Kind::Save, "SNAPSHOT CREATE", &target, |job| {
        let dir = dir(backend, asked.path.as_deref())?;
        let options = CreateOptions {
            name: asked.name.clone(),
            description: asked.description.clone().unwrap_or_default(),
            tags: asked.tags.clone(),
            compression: compression(asked.compression),
            collections: asked.collections.clone(),
            base: asked.base.clone(),
            now_us: backend.now_us(),
            ..CreateOptions::default()
        };
        let Created { snapshot, full_because } = make(backend, &dir, &options, job)?;
        let block = lines(Block::new(format!("SNAPSHOT_CREATED {}", snapshot.id)), &dir, &snapshot);
        Ok(match full_because {
            Some(why) => block.pair("full_because", why),
            None => block,
        })
    })
}

/// Stores the state as it is now.
fn make(backend: &EngineBackend, dir: &Path, options: &CreateOptions, job: &Job<'_>) -> Result<Created> {
    backend.savable()?;
    let own = dir == backend.repository_dir;
    if own {
        backend.prepare_dir(&backend.snapshot.dir)?;
    }
    let repository = Repository::open_or_create(Arc::clone(&backend.storage), dir, options.now_us)?;
    let made = cairn_snapshot::create_live(&repository, &backend.engine, options, job)?;
    backend.jobs.rename(Family::Snapshot, made.snapshot.id.as_str());
    if own {
        backend.set_newest(Some(made.snapshot.id.to_string()));
    }
    Ok(made)
}

/// Takes the snapshot of a schedule, once no other job runs; its time and id. `cancel` ends it, and nothing is left.
pub(crate) fn create_scheduled(
    backend: &EngineBackend,
    schedule: &str,
    tag: &str,
    (compression, base): (cairn_snapshot::Compression, Base),
    cancel: &AtomicBool,
) -> Result<(i64, String)> {
    let family = (Family::Snapshot, Kind::Save);
    backend.jobs.run_waiting(family, "scheduled SNAPSHOT CREATE", schedule, cancel, |job| {
        let options = CreateOptions {
            tags: vec![tag.to_owned()],
            compression,
            base,
            now_us: backend.now_us(),
            ..CreateOptions::default()
        };
        let made = make(backend, &backend.repository_dir, &options, job)?.snapshot;
        Ok((made.created_us, made.id.to_string()))
    })
}

fn compression(asked: Option<Compression>) -> cairn_snapshot::Compression {
    match asked {
        None | Some(Compression::Zstd) => cairn_snapshot::Compression::default(),
        // gzip's own default level.
        Some(Compression::Gzip) => cairn_snapshot::Compression::Gzip { level: 6 },
        Some(Compression::None) => cairn_snapshot::Compression::None,
    }
}

fn list(backend: &EngineBackend, collection: Option<&str>, path: Option<&str>) -> Result<Block> {
    let dir = dir(backend, path)?;
    let (mut listed, pins) = match open(backend, path)? {
        Some(repository) => (cairn_snapshot::list(&repository)?, cairn_snapshot::pins(&repository)?),
        None => Default::default(),
    };
    if let Some(name) = collection {
        listed.retain(|entry| entry.whole().is_some_and(|snapshot| snapshot.has(name)));
    }
    let mut block = Block::new(format!("SNAPSHOTS {}", listed.len()));
    for entry in listed {
        block = block.text(match entry {
            Listed::Whole(snapshot) => line(&dir, &snapshot, pins.contains_key(&snapshot.id)),
            Listed::Damaged { id, error } => format!("id={id} type=damaged error={error}"),
        });
    }
    Ok(block)
}

/// Where a snapshot of a repository is.
fn place(dir: &Path, snapshot: &Snapshot) -> String {
    dir.join("snapshots").join(snapshot.id.as_str()).display().to_string()
}

/// One line of `key=value`, the name last since it is optional.
fn line(dir: &Path, snapshot: &Snapshot, pinned: bool) -> String {
    let pinned = if pinned { " pinned=on" } else { "" };
    let name = snapshot.name.as_ref().map(|name| format!(" name={name}")).unwrap_or_default();
    format!(
        "id={} type={} created_at={} timeline={} lsn={} vectors={} events={} plain_bytes={} stored_bytes={} added_bytes={} base={} collections={} changed_vectors={} compression={}{pinned} path={}{name}",
        snapshot.id,
        snapshot.snapshot_type.name(),
        snapshot.created_at(),
        snapshot.timeline,
        snapshot.lsn,
        snapshot.counts.vectors,
        snapshot.counts.events,
        snapshot.plain_bytes,
        snapshot.stored_bytes,
        snapshot.added_bytes,
        snapshot.base.as_ref().map_or("-", SnapshotId::as_str),
        covered(snapshot),
        snapshot.changed_vectors,
        snapshot.compression.name(),
        place(dir, snapshot),
    )
}

/// The names of the collections that a snapshot covers, between commas; `-` when it was made before they were noted.
fn covered(snapshot: &Snapshot) -> String {
    let names: Vec<&str> = snapshot.collections.iter().map(|c| c.name.as_str()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

fn lines(block: Block, dir: &Path, snapshot: &Snapshot) -> Block {
    let block = block
        .pair("id", &snapshot.id)
        .pair("name", snapshot.name.as_deref().unwrap_or_default())
        .pair("description", &snapshot.description)
        .pair("type", snapshot.snapshot_type.name())
        .pair("created_at", snapshot.created_at())
        .pair("database", snapshot.database)
        .pair("timeline", snapshot.timeline)
        .pair("lsn", snapshot.lsn)
        .pair("compression", snapshot.compression.name())
        .pair("files", snapshot.files.len())
        .pair("plain_bytes", snapshot.plain_bytes)
        .pair("stored_bytes", snapshot.stored_bytes)
        .pair("added_bytes", snapshot.added_bytes)
        .pair("tags", snapshot.tags.join(","))
        .pair("covers", if snapshot.whole { "database" } else { "collections" })
        .pair("collections", covered(snapshot))
        .pair("base", snapshot.base.as_ref().map_or("-", SnapshotId::as_str))
        .pair("changed_vectors", snapshot.changed_vectors)
        .pair("log_records", snapshot.log_records())
        .pair("path", place(dir, snapshot));
    with_counts(block, &snapshot.counts)
}

fn info(backend: &EngineBackend, one: &One) -> Result<Block> {
    let repository = holding(backend, &one.snapshot, one.path.as_deref())?;
    let found = cairn_snapshot::find(&repository, &one.snapshot)?;
    let block = lines(Block::new(format!("SNAPSHOT_INFO {}", found.id)), repository.root(), &found);
    Ok(match cairn_snapshot::pins(&repository)?.remove(&found.id) {
        None => block,
        Some(Ok(pin)) => {
            block.pair("pinned", cairn_engine::show_time(pin.pinned_us)).pair("pin_note", pin.note)
        }
        Some(Err(e)) => block.pair("pinned", format!("its pin does not read: {e}")),
    })
}

fn verify(backend: &EngineBackend, asked: &Verify) -> Result<Block> {
    let subject = asked.snapshot.as_deref();
    let shown = subject.unwrap_or("ALL");
    let repository = holding(backend, shown, asked.path.as_deref())?;
    let job = Job { cancel: backend.jobs.cancelled(), ..Job::default() };
    let depth = match asked.read {
        // Another share each time.
        Depth::Share { share, .. } => Depth::Share { share, seed: backend.now_us() as u64 },
        depth => depth,
    };
    let report = match subject {
        Some(one) => cairn_snapshot::verify_with(&repository, one, depth, &job)?,
        None => cairn_snapshot::verify_all_with(&repository, depth, &job)?,
    };
    if !report.is_whole() {
        return Err(damaged(shown, &report));
    }
    let id = match subject {
        Some(_) => report.snapshots.first().map_or(shown, String::as_str),
        None => shown,
    };
    Ok(Block::new(format!("SNAPSHOT_VALID {id}"))
        .pair("id", id)
        .pair("status", "valid")
        .pair("snapshots", report.snapshots.len())
        .pair("parts", report.parts)
        .pair("parts_read", report.parts_read)
        .pair("plain_bytes", report.plain_bytes)
        .pair("stored_bytes", report.stored_bytes)
        .pair("archived_files", report.archived_files))
}

fn damaged(asked: &str, report: &VerifyReport) -> Failure {
    let n = report.findings.len();
    let mut details: Vec<_> =
        report.findings.iter().map(|finding| ("finding".to_owned(), finding.to_string())).collect();
    for (path, ids) in &report.affected {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        details.push(("affected".to_owned(), format!("{}: {}", path.display(), ids.join(", "))));
    }
    Failure {
        kind: ErrorKind::Corrupt,
        message: format!("Snapshot {asked} is damaged: {n} finding{}", if n == 1 { "" } else { "s" }),
        details,
    }
}

/// How the counts of two snapshots differ, in all and by collection.
fn diff(backend: &EngineBackend, (from, to): (&str, &str), path: Option<&str>) -> Result<Block> {
    let repository = holding(backend, from, path)?;
    let (from, to) = (cairn_snapshot::find(&repository, from)?, cairn_snapshot::find(&repository, to)?);
    let mut block = Block::new(format!("SNAPSHOT_DIFF {} {}", from.id, to.id));
    for row in cairn_snapshot::diff(&from, &to) {
        block = block.text(format!(
            "collection={} vectors={:+} events={:+} metadata={:+} contexts={:+} pairs={:+}",
            row.collection, row.vectors, row.events, row.metadata, row.contexts, row.pairs
        ));
    }
    Ok(block)
}

fn delete(backend: &EngineBackend, asked: &str, force: bool) -> Result<Block> {
    backend.jobs.run(Family::Snapshot, Kind::Tidy, "SNAPSHOT DELETE", asked, |_| {
        let Deleted { id, parts, stored_bytes, kept_for } =
            delete_with(&holding(backend, asked, None)?, asked, &DeleteOptions { force, wait: WRITER_WAIT })?;
        backend.set_newest(newest(backend)?);
        let block = Block::new(format!("SNAPSHOT_DELETED {id}"))
            .pair("id", &id)
            .pair("parts_removed", parts)
            .pair("bytes_removed", stored_bytes);
        Ok(match kept_for {
            Some(damaged) => block.pair("parts_kept_for", damaged),
            None => block,
        })
    })
}

fn status(status: &JobStatus) -> Block {
    Block::new("SNAPSHOT_STATUS")
        .pair("status", status.state.name())
        .pair("operation", status.operation)
        .pair("snapshot", &status.target)
        .pair("start_time", status.start_s)
        .pair("end_time", status.end_s)
        .pair("percent", status.percent)
        .pair("bytes_written", status.bytes_written)
        .pair("error_message", &status.error)
        .pair("bytes_done", status.bytes_done)
        .pair("bytes_total", status.bytes_total)
        .pair("bytes_per_second", status.bytes_per_second)
        .pair("eta_seconds", status.eta_s)
}
