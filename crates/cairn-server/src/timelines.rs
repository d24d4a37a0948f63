//! TIMELINE: the past, over the wire.

use crate::check::with_counts;
use crate::command::{Recover, Timelines as Ask};
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::jobs::{Family, Kind};
use crate::parse_wal::ZONE_NOTE;
use crate::reply::{Block, Reply};
use cairn_engine::{
    Differences, History, LoadReport, LogPlace, Lsn, Point, Role, TimelineId, Window, show_time,
};

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn timelines(backend: &EngineBackend, ask: &Ask) -> Reply {
    let done = match ask {
        Ask::List => list(backend),
        Ask::Recover(asked) if asked.dry_run => plan(backend, asked),
        Ask::Recover(asked) => recover(backend, asked),
        Ask::Compare(id) => compare(backend, *id),
        Ask::Promote(id) => promote(backend, *id),
        Ask::Drop { timeline, dry_run } => drop_one(backend, *timeline, *dry_run),
    };
    done.map_or_else(Reply::Failed, Reply::Block)
}

fn history(backend: &EngineBackend) -> Result<History> {
    if backend.read_only {
        // A state of the past knows only itself.
        return Ok(cairn_engine::history(&backend.storage, &backend.data_dir)?);
    }
    Ok(backend.engine.history()?)
}

fn list(backend: &EngineBackend) -> Result<Block> {
    Ok(timelines_block(&history(backend)?))
}

/// The reply to TIMELINE LIST.
pub fn timelines_block(history: &History) -> Block {
    let block = Block::new(format!("TIMELINES {}", history.windows.len()));
    history.windows.iter().map(line).fold(block, Block::text)
}

/// One line of `key=value`, the reason last since it holds spaces.
fn line(window: &Window) -> String {
    let timeline = &window.timeline;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    format!(
        "id={} role={} parent={} fork_lsn={} from_lsn={} from_time={} to_lsn={} to_time={} checkpoints={} wal={} ended={} reason={}",
        timeline.id,
        window.role.name(),
        or_none(timeline.parent.map(|id| id.to_string())),
        timeline.fork_lsn,
        window.from.lsn,
        show_time(window.from.time_us),
        window.to.lsn,
        show_time(window.to.time_us),
        window.checkpoints.len(),
        if timeline.log == LogPlace::Off { "off" } else { "on" },
        or_none(window.ended_us.map(show_time)),
        timeline.reason,
    )
}

fn noted(block: Block, asked: &Recover) -> Block {
    if asked.zone_assumed { block.pair("note", ZONE_NOTE) } else { block }
}

fn recover(backend: &EngineBackend, asked: &Recover) -> Result<Block> {
    let target = asked.target.to_string();
    backend.jobs.run(Family::History, Kind::Tidy, "TIMELINE RECOVER", &target, |_| {
        let branch = backend.engine.recover(asked.target, asked.timeline)?;
        let id = branch.timeline.id;
        let block = Block::new(format!("TIMELINE_RECOVERED {id}"))
            .pair("timeline", id)
            .pair("role", Role::Branch.name())
            .pair("parent", branch.timeline.parent.map_or("none".to_owned(), |id| id.to_string()))
            .pair("lsn", branch.at.lsn)
            .pair("time", show_time(branch.at.time_us));
        Ok(noted(block, asked))
    })
}

/// Where a recovery would stand. The state is built in memory and let go: what would refuse a recovery refuses this.
fn plan(backend: &EngineBackend, asked: &Recover) -> Result<Block> {
    let target = asked.target.to_string();
    backend.jobs.run(Family::History, Kind::Tidy, "TIMELINE RECOVER", &target, |_| {
        let at = backend.engine.view_at(asked.target, asked.timeline)?.position();
        let point = Point { lsn: at.lsn, time_us: at.time_us };
        Ok(noted(recovery_plan(&history(backend)?, at.timeline, point)?, asked))
    })
}

/// The reply to a TIMELINE RECOVER that only says where it would stand: at a point of a timeline.
pub fn recovery_plan(history: &History, timeline: TimelineId, at: Point) -> Result<Block> {
    let window = history.of(timeline)?;
    let begin = nearest(window, at.lsn).unwrap_or(window.from);
    Ok(Block::new("TIMELINE_PLAN")
        .pair("from_timeline", timeline)
        .pair("lsn", at.lsn)
        .pair("time", show_time(at.time_us))
        .pair("checkpoint_lsn", begin.lsn)
        .pair("checkpoint_time", show_time(begin.time_us))
        .pair("records_to_replay", at.lsn.0.saturating_sub(begin.lsn.0))
        .pair("recoverable", history.recoverable())
        .pair("dry_run", true))
}

/// The checkpoint that a recovery to an LSN begins at.
fn nearest(window: &Window, lsn: Lsn) -> Option<Point> {
    window.checkpoints.iter().rev().find(|point| point.lsn <= lsn).copied()
}

fn compare(backend: &EngineBackend, id: TimelineId) -> Result<Block> {
    backend.jobs.run(Family::History, Kind::Tidy, "TIMELINE COMPARE", &id.to_string(), |_| {
        let found = backend.engine.compare(id)?;
        let block = Block::new(format!("TIMELINE_COMPARED {id}"))
            .pair("equal", found.equal)
            .pair("live", found.ours.timeline)
            .pair("live_lsn", found.ours.lsn)
            .pair("other", found.theirs.timeline)
            .pair("other_lsn", found.theirs.lsn);
        let parts = [
            ("vectors", &found.vectors),
            ("metadata", &found.metadata),
            ("contexts", &found.contexts),
            ("neighbours", &found.neighbours),
        ];
        Ok(parts.into_iter().fold(block, |block, (name, differences)| differ(block, name, differences)))
    })
}

/// `vectors: only_live=1 only_other=0 changed=2`, and the ids of some of them, one a line.
fn differ(block: Block, name: &'static str, found: &Differences) -> Block {
    let Differences { only_ours, only_theirs, changed, named } = found;
    let counts = format!("only_live={only_ours} only_other={only_theirs} changed={changed}");
    named.iter().fold(block.pair(name, counts), |block, id| block.text(format!("{name} id={id}")))
}

fn promote(backend: &EngineBackend, id: TimelineId) -> Result<Block> {
    backend.jobs.run(Family::History, Kind::Load, "TIMELINE PROMOTE", &id.to_string(), |_| {
        let before = backend.engine.stats().timeline.id;
        let LoadReport { timeline, lsn, counts } = backend.engine.promote(id)?;
        let block = Block::new(format!("TIMELINE_PROMOTED {timeline}"))
            .pair("timeline", timeline)
            .pair("lsn", lsn)
            .pair("replaced", before);
        Ok(with_counts(block, &counts))
    })
}

fn drop_one(backend: &EngineBackend, id: TimelineId, dry_run: bool) -> Result<Block> {
    backend.jobs.run(Family::History, Kind::Tidy, "TIMELINE DROP", &id.to_string(), |_| {
        let history = history(backend)?;
        if dry_run {
            return drop_plan(&history, id);
        }
        let window = history.of(id)?;
        backend.engine.drop_timeline(id)?;
        Ok(held(Block::new(format!("TIMELINE_DROPPED {id}")), window).pair("dry_run", false))
    })
}

/// The reply to a TIMELINE DROP that only says what would go.
pub fn drop_plan(history: &History, id: TimelineId) -> Result<Block> {
    let window = history.of(id)?;
    if window.role == Role::Live {
        return Err(Failure::input(format!("timeline {id} is the live one: promote another first")));
    }
    Ok(held(Block::new("TIMELINE_PLAN"), window).pair("dry_run", true))
}

/// What a timeline can bring back, or could.
fn held(block: Block, window: &Window) -> Block {
    block
        .pair("timeline", window.timeline.id)
        .pair("was", window.role.name())
        .pair("from_lsn", window.from.lsn)
        .pair("from_time", show_time(window.from.time_us))
        .pair("to_lsn", window.to.lsn)
        .pair("to_time", show_time(window.to.time_us))
}
