//! SNAPSHOT: the repository, over the wire.

use crate::check::with_counts;
use crate::command::{Compression, Create, Snapshot as Ask};
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use crate::keeping::{self, WRITER_WAIT};
use crate::reply::{Block, JobStatus, Reply};
use crate::schedules::schedules_block;
use cairn_engine::ErrorKind;
use cairn_snapshot::{
    CreateOptions, DeleteOptions, Deleted, Job, Listed, Repository, Snapshot, VerifyReport, delete_with,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn snapshot(backend: &EngineBackend, ask: &Ask) -> Reply {
    let done = match ask {
        Ask::Create(options) => create(backend, options),
        Ask::List => list(backend),
        Ask::Info(asked) => info(backend, asked),
        Ask::Verify(asked) => verify(backend, asked),
        Ask::Restore(asked) => restore(backend, asked),
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

/// The repository, when there is one.
pub(crate) fn open(backend: &EngineBackend) -> Result<Option<Repository>> {
    match Repository::open(Arc::clone(&backend.storage), &backend.repository_dir) {
        Ok(repository) => Ok(Some(repository)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The id of the newest whole snapshot.
pub(crate) fn newest(backend: &EngineBackend) -> Result<Option<String>> {
    let Some(repository) = open(backend)? else { return Ok(None) };
    let listed = cairn_snapshot::list(&repository)?;
    Ok(listed.iter().find_map(Listed::whole).map(|snapshot| snapshot.id.to_string()))
}

/// The repository that must hold the snapshot asked for.
pub(crate) fn holding(backend: &EngineBackend, asked: &str) -> Result<Repository> {
    open(backend)?.ok_or_else(|| {
        let message = format!("Snapshot not found: {}", crate::failure::shown(asked));
        Failure::new(ErrorKind::NotFound, message)
    })
}

fn create(backend: &EngineBackend, asked: &Create) -> Result<Block> {
    let target = asked.name.clone().unwrap_or_default();
    backend.jobs.run(Family::Snapshot, Kind::Save, "SNAPSHOT CREATE", &target, |job| {
        let options = CreateOptions {
            name: asked.name.clone(),
            description: asked.description.clone().unwrap_or_default(),
            compression: compression(asked.compression),
            now_us: backend.now_us(),
            ..CreateOptions::default()
        };
        let made = make(backend, &options, job)?;
        Ok(lines(Block::new(format!("SNAPSHOT_CREATED {}", made.id)), &made))
    })
}

/// Stores the state as it is now.
fn make(backend: &EngineBackend, options: &CreateOptions, job: &Job<'_>) -> Result<Snapshot> {
    backend.savable()?;
    backend.prepare_dir(&backend.snapshot.dir)?;
    let storage = Arc::clone(&backend.storage);
    let repository = Repository::open_or_create(storage, &backend.repository_dir, options.now_us)?;
    let made = cairn_snapshot::create(&repository, backend.engine.view()?, options, job)?;
    backend.jobs.rename(Family::Snapshot, made.id.as_str());
    backend.set_newest(Some(made.id.to_string()));
    Ok(made)
}

/// Takes the snapshot of a schedule, once no other job runs; its time and id. `cancel` ends it, and nothing is left.
pub(crate) fn create_scheduled(
    backend: &EngineBackend,
    schedule: &str,
    tag: &str,
    compression: cairn_snapshot::Compression,
    cancel: &AtomicBool,
) -> Result<(i64, String)> {
    let family = (Family::Snapshot, Kind::Save);
    backend.jobs.run_waiting(family, "scheduled SNAPSHOT CREATE", schedule, cancel, |job| {
        let options = CreateOptions {
            tags: vec![tag.to_owned()],
            compression,
            now_us: backend.now_us(),
            ..CreateOptions::default()
        };
        let made = make(backend, &options, job)?;
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

fn list(backend: &EngineBackend) -> Result<Block> {
    let (listed, pins) = match open(backend)? {
        Some(repository) => (cairn_snapshot::list(&repository)?, cairn_snapshot::pins(&repository)?),
        None => Default::default(),
    };
    let mut block = Block::new(format!("SNAPSHOTS {}", listed.len()));
    for entry in listed {
        block = block.text(match entry {
            Listed::Whole(snapshot) => line(&snapshot, pins.contains_key(&snapshot.id)),
            Listed::Damaged { id, error } => format!("id={id} type=damaged error={error}"),
        });
    }
    Ok(block)
}

/// One line of `key=value`, the name last since it is optional.
fn line(snapshot: &Snapshot, pinned: bool) -> String {
    let pinned = if pinned { " pinned=on" } else { "" };
    let name = snapshot.name.as_ref().map(|name| format!(" name={name}")).unwrap_or_default();
    format!(
        "id={} type={} created_at={} timeline={} lsn={} vectors={} events={} plain_bytes={} stored_bytes={} compression={}{pinned}{name}",
        snapshot.id,
        snapshot.snapshot_type.name(),
        snapshot.created_at(),
        snapshot.timeline,
        snapshot.lsn,
        snapshot.counts.vectors,
        snapshot.counts.events,
        snapshot.plain_bytes,
        snapshot.stored_bytes,
        snapshot.compression.name(),
    )
}

fn lines(block: Block, snapshot: &Snapshot) -> Block {
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
        .pair("stored_bytes", snapshot.stored_bytes);
    with_counts(block, &snapshot.counts)
}

fn info(backend: &EngineBackend, asked: &str) -> Result<Block> {
    let repository = holding(backend, asked)?;
    let found = cairn_snapshot::find(&repository, asked)?;
    let block = lines(Block::new(format!("SNAPSHOT_INFO {}", found.id)), &found);
    Ok(match cairn_snapshot::pins(&repository)?.remove(&found.id) {
        None => block,
        Some(Ok(pin)) => {
            block.pair("pinned", cairn_engine::show_time(pin.pinned_us)).pair("pin_note", pin.note)
        }
        Some(Err(e)) => block.pair("pinned", format!("its pin does not read: {e}")),
    })
}

fn verify(backend: &EngineBackend, asked: &str) -> Result<Block> {
    let repository = holding(backend, asked)?;
    let job = Job { cancel: backend.jobs.cancelled(), ..Job::default() };
    let report = cairn_snapshot::verify(&repository, asked, &job)?;
    if !report.is_whole() {
        return Err(damaged(asked, &report));
    }
    let id = report.snapshots.first().map_or(asked, String::as_str);
    Ok(Block::new(format!("SNAPSHOT_VALID {id}"))
        .pair("id", id)
        .pair("status", "valid")
        .pair("parts", report.parts)
        .pair("plain_bytes", report.plain_bytes)
        .pair("stored_bytes", report.stored_bytes))
}

fn damaged(asked: &str, report: &VerifyReport) -> Failure {
    let n = report.findings.len();
    let details = report.findings.iter().map(|finding| ("finding".to_owned(), finding.to_string()));
    Failure {
        kind: ErrorKind::Corrupt,
        message: format!("Snapshot {asked} is damaged: {n} finding{}", if n == 1 { "" } else { "s" }),
        details: details.collect(),
    }
}

fn restore(backend: &EngineBackend, asked: &str) -> Result<Block> {
    backend.jobs.run(Family::Snapshot, Kind::Load, "SNAPSHOT RESTORE", asked, |job| {
        let repository = holding(backend, asked)?;
        let loaded = cairn_snapshot::load(&repository, asked, &backend.engine, job)?;
        let id = &loaded.snapshot.id;
        backend.jobs.rename(Family::Snapshot, id.as_str());
        let block = Block::new(format!("SNAPSHOT_RESTORED {id}"))
            .pair("id", id)
            .pair("timeline", loaded.report.timeline)
            .pair("lsn", loaded.report.lsn);
        Ok(with_counts(block, &loaded.report.counts))
    })
}

fn delete(backend: &EngineBackend, asked: &str, force: bool) -> Result<Block> {
    backend.jobs.run(Family::Snapshot, Kind::Tidy, "SNAPSHOT DELETE", asked, |_| {
        let Deleted { id, parts, stored_bytes, kept_for } =
            delete_with(&holding(backend, asked)?, asked, &DeleteOptions { force, wait: WRITER_WAIT })?;
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
}
