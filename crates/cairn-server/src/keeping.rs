//! SNAPSHOT PIN, UNPIN and PRUNE: which snapshots stay.

use crate::command::Prune;
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use crate::reply::Block;
use crate::snapshot::{holding, newest, open};
use cairn_snapshot::{PruneOptions, Pruned, Repository, RetentionPolicy, prune, prune_plan};
use std::time::Duration;

type Result<T> = std::result::Result<T, Failure>;

/// How long another process's work on the repository is waited for.
pub(crate) const WRITER_WAIT: Duration = Duration::from_secs(10);
/// The same of a schedule's prune: the next run tries again, and a stop waits for it.
const SCHEDULED_WAIT: Duration = Duration::from_secs(2);

pub(crate) fn pin(backend: &EngineBackend, asked: &str, note: &str) -> Result<Block> {
    let repository = holding(backend, asked, None)?;
    let id = cairn_snapshot::pin(&repository, asked, note, backend.now_us(), WRITER_WAIT)?;
    Ok(Block::new(format!("SNAPSHOT_PINNED {id}")).pair("id", id).pair("note", note))
}

pub(crate) fn unpin(backend: &EngineBackend, asked: &str) -> Result<Block> {
    let id = cairn_snapshot::unpin(&holding(backend, asked, None)?, asked, WRITER_WAIT)?;
    Ok(Block::new(format!("SNAPSHOT_UNPINNED {id}")).pair("id", id))
}

/// Lines `keep` and `remove` after the figures.
pub(crate) fn prune_asked(backend: &EngineBackend, asked: &Prune) -> Result<Block> {
    let Some(repository) = open(backend, None)? else {
        return Ok(block("SNAPSHOT_PRUNED", &nothing()));
    };
    let options = options(backend, asked.tag.clone(), asked.policy.clone());
    if asked.dry_run {
        return Ok(block("SNAPSHOT_PRUNE_PLAN", &prune_plan(&repository, &options)?));
    }
    backend.jobs.run(Family::Snapshot, Kind::Tidy, "SNAPSHOT PRUNE", "", |_| {
        Ok(block("SNAPSHOT_PRUNED", &run(backend, &repository, &options)?))
    })
}

/// Prunes the snapshots of a schedule, after it made one; how many went.
pub(crate) fn prune_scheduled(backend: &EngineBackend, tag: &str, policy: &RetentionPolicy) -> Result<u64> {
    if policy.is_empty() && !policy.remove_damaged {
        return Ok(0);
    }
    let Some(repository) = open(backend, None)? else { return Ok(0) };
    let options = options(backend, Some(tag.to_owned()), policy.clone());
    let pruned = run(backend, &repository, &PruneOptions { wait: SCHEDULED_WAIT, ..options })?;
    if let Some(damaged) = &pruned.kept_for {
        tracing::warn!(
            damaged,
            "no space is freed while this snapshot is damaged: delete it, or prune with remove_damaged=on"
        );
    }
    Ok(pruned.plan.remove.len() as u64)
}

fn options(backend: &EngineBackend, tag: Option<String>, policy: RetentionPolicy) -> PruneOptions {
    PruneOptions { policy, tag, now_us: backend.now_us(), wait: WRITER_WAIT }
}

fn run(backend: &EngineBackend, repository: &Repository, options: &PruneOptions) -> Result<Pruned> {
    let pruned = prune(repository, options)?;
    backend.set_newest(newest(backend)?);
    Ok(pruned)
}

fn nothing() -> Pruned {
    Pruned { plan: cairn_snapshot::Plan::default(), parts: 0, stored_bytes: 0, kept_for: None }
}

fn block(head: &str, pruned: &Pruned) -> Block {
    let mut block = Block::new(format!("{head} {}", pruned.plan.remove.len()))
        .pair("kept", pruned.plan.keep.len())
        .pair("removed", pruned.plan.remove.len())
        .pair("parts_removed", pruned.parts)
        .pair("bytes_removed", pruned.stored_bytes);
    if let Some(damaged) = &pruned.kept_for {
        block = block.pair("parts_kept_for", damaged);
    }
    for (id, reasons) in &pruned.plan.keep {
        let reasons: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
        block = block.text(format!("keep id={id} reasons={}", reasons.join(",")));
    }
    pruned.plan.remove.iter().fold(block, |block, id| block.text(format!("remove id={id}")))
}
