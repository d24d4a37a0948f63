//! SNAPSHOT RESTORE: as the live state, as a branch beside it, or one collection.

use crate::check::with_counts;
use crate::command::Restore;
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use crate::reply::Block;
use crate::snapshot::holding;
use cairn_engine::{ErrorKind, LoadReport, Take};
use cairn_snapshot::{Job, Repository, Snapshot};

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn restore(backend: &EngineBackend, asked: &Restore) -> Result<Block> {
    // A branch replaces nothing: saves go on beside it.
    let kind = if asked.branch || asked.dry_run { Kind::Tidy } else { Kind::Load };
    backend.jobs.run(Family::Snapshot, kind, "SNAPSHOT RESTORE", &asked.snapshot, |job| {
        let repository = holding(backend, &asked.snapshot, asked.path.as_deref())?;
        let snapshot = cairn_snapshot::find(&repository, &asked.snapshot)?;
        backend.jobs.rename(Family::Snapshot, snapshot.id.as_str());
        if asked.dry_run {
            return plan(backend, &repository, &snapshot, asked, job);
        }
        if asked.verify {
            verified(&repository, &snapshot, job)?;
        }
        if asked.branch {
            return branch(backend, &repository, &snapshot, job);
        }
        match takes(&snapshot, asked)? {
            takes if takes.is_empty() => all(backend, &repository, &snapshot, job),
            takes => some(backend, &repository, &snapshot, takes, job),
        }
    })
}

/// Reads every byte before anything is done.
fn verified(repository: &Repository, snapshot: &Snapshot, job: &Job<'_>) -> Result<()> {
    let report = cairn_snapshot::verify(repository, snapshot.id.as_str(), job)?;
    match report.findings.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(
            ErrorKind::Corrupt,
            format!("Snapshot {} is damaged: {first}; nothing was restored", snapshot.id),
        )),
    }
}

/// The collections that are to come back; none: the whole state.
fn takes(snapshot: &Snapshot, asked: &Restore) -> Result<Vec<Take>> {
    let names: Vec<&str> = snapshot.collections.iter().map(|c| c.name.as_str()).collect();
    let overwrite = asked.overwrite;
    match (&asked.collection, &asked.from) {
        (None, None) if snapshot.whole => Ok(Vec::new()),
        // Of a snapshot of single collections, these and no more are replaced.
        (None, None) => {
            let take = |name: &&str| Take { from: (*name).to_owned(), to: (*name).to_owned(), overwrite };
            Ok(names.iter().map(take).collect())
        }
        (None, Some(from)) => Ok(vec![Take { from: from.clone(), to: from.clone(), overwrite }]),
        (Some(to), Some(from)) => Ok(vec![Take { from: from.clone(), to: to.clone(), overwrite }]),
        (Some(to), None) => {
            let filled = snapshot.collections.iter().filter(|c| c.counts.ids > 0).collect::<Vec<_>>();
            let from = match (names.contains(&to.as_str()), &filled[..]) {
                (true, _) => to.clone(),
                (false, [only]) => only.name.clone(),
                _ => {
                    return Err(Failure::input(format!(
                        "collection {to}: from expected, one of {}",
                        names.join(", ")
                    )));
                }
            };
            Ok(vec![Take { from, to: to.clone(), overwrite }])
        }
    }
}

fn all(
    backend: &EngineBackend,
    repository: &Repository,
    snapshot: &Snapshot,
    job: &Job<'_>,
) -> Result<Block> {
    let loaded = cairn_snapshot::load(repository, snapshot.id.as_str(), &backend.engine, job)?;
    let names: Vec<&str> = snapshot.collections.iter().map(|c| c.name.as_str()).collect();
    Ok(restored(snapshot, &loaded.report, &names.join(","), snapshot.counts.vectors, loaded.kept_bytes))
}

fn some(
    backend: &EngineBackend,
    repository: &Repository,
    snapshot: &Snapshot,
    takes: Vec<Take>,
    job: &Job<'_>,
) -> Result<Block> {
    // All are looked at before the first is done.
    for take in takes.iter().filter(|take| !take.overwrite) {
        if backend.engine.collection_info(&take.to).is_ok() {
            let message = format!("Collection exists: {} (overwrite=on replaces it)", take.to);
            return Err(Failure::new(ErrorKind::Exists, message));
        }
    }
    let id = snapshot.id.as_str();
    let loaded = cairn_snapshot::load_collections(repository, id, &backend.engine, &takes, job)?;
    let vectors_of = |take: &Take| {
        let found = snapshot.collections.iter().find(|c| c.name == take.from);
        found.map_or(0, |collection| collection.counts.vectors)
    };
    let names: Vec<&str> = takes.iter().map(|take| take.to.as_str()).collect();
    let vectors = takes.iter().map(vectors_of).sum();
    Ok(restored(snapshot, &loaded.report, &names.join(","), vectors, loaded.kept_bytes))
}

fn restored(snapshot: &Snapshot, report: &LoadReport, names: &str, vectors: u64, kept_bytes: u64) -> Block {
    let id = &snapshot.id;
    let block = Block::new(format!("SNAPSHOT_RESTORED {id}"))
        .pair("id", id)
        .pair("timeline", report.timeline)
        .pair("lsn", report.lsn);
    with_counts(block, &report.counts)
        .pair("collections_restored", names)
        .pair("vectors_restored", vectors)
        .pair("kept_bytes", kept_bytes)
}

fn branch(
    backend: &EngineBackend,
    repository: &Repository,
    snapshot: &Snapshot,
    job: &Job<'_>,
) -> Result<Block> {
    let (_, branch) = cairn_snapshot::branch(repository, snapshot.id.as_str(), &backend.engine, job)?;
    Ok(Block::new(format!("SNAPSHOT_RESTORED {}", snapshot.id))
        .pair("id", &snapshot.id)
        .pair("branch", branch.timeline.id)
        .pair("lsn", branch.at.lsn)
        .pair("time", cairn_engine::show_time(branch.at.time_us)))
}

fn plan(
    backend: &EngineBackend,
    repository: &Repository,
    snapshot: &Snapshot,
    asked: &Restore,
    job: &Job<'_>,
) -> Result<Block> {
    let (storage, target) = (backend.storage.as_ref(), &backend.data_dir);
    let plan = cairn_snapshot::plan_restore(repository, snapshot.id.as_str(), storage, target, job)?;
    let takes = takes(snapshot, asked)?;
    let names: Vec<&str> = match takes.is_empty() {
        true => snapshot.collections.iter().map(|c| c.name.as_str()).collect(),
        false => takes.iter().map(|take| take.to.as_str()).collect(),
    };
    Ok(Block::new(format!("SNAPSHOT_RESTORE_PLAN {}", snapshot.id))
        .pair("id", &snapshot.id)
        .pair("type", snapshot.snapshot_type.name())
        .pair("collections", names.join(","))
        .pair("read_bytes", plan.read_bytes)
        .pair("write_bytes", plan.write_bytes)
        .pair("there_bytes", plan.there_bytes)
        .pair("log_records", plan.log_records)
        .pair("free_bytes", plan.free_bytes)
        .pair("fits", plan.fits())
        .pair("seconds", format!("{:.1}", plan.seconds)))
}
