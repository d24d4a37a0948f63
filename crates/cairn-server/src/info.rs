//! INFO: the server's figures.

use crate::archiver::ArchiveStatus;
use crate::cache::CacheFigures;
use crate::counters::Counters;
use crate::memory::{Memory, human};
use crate::reply::Section;
use crate::schedules::ScheduleStatus;
use crate::wal_change::{retention_text, wal_text};
use cairn_engine::{Lsn, OpenReport, Stats, show_time};
use cairn_snapshot::SnapshotId;

/// What INFO is made of.
pub(crate) struct Facts<'a> {
    pub counters: &'a Counters,
    pub cache: CacheFigures,
    pub stats: &'a Stats,
    pub memory: Memory,
    pub uptime_s: i64,
    /// The newest snapshot in the repository, by its id.
    pub last_snapshot: Option<String>,
    /// How the schedules are doing.
    pub schedules: Vec<ScheduleStatus>,
    /// What opening the engine did, when that is known.
    pub opened: Option<&'a OpenReport>,
    pub now_us: i64,
    /// An archive is kept.
    pub archived: bool,
    /// How it is doing.
    pub archive: Option<ArchiveStatus>,
}

pub(crate) fn sections(facts: &Facts<'_>) -> Vec<Section> {
    let mut sections = vec![
        server(facts),
        stats(facts.counters),
        memory(facts.memory),
        cache(&facts.cache),
        data(facts.stats),
        persistence(facts),
    ];
    sections.extend(snapshots(facts));
    sections
}

/// How the schedules are doing, when there are any; the age of the newest snapshot is what a loss of the machine would take.
fn snapshots(facts: &Facts<'_>) -> Option<Section> {
    let all = &facts.schedules;
    if all.is_empty() {
        return None;
    }
    let time = |us: Option<i64>| us.map_or_else(|| "none".to_owned(), show_time);
    let last = all.iter().filter_map(|s| s.last_us).max();
    let failed = all.iter().max_by_key(|s| s.failed_us);
    let id = facts.last_snapshot.as_ref().and_then(|id| id.parse::<SnapshotId>().ok());
    let newest = last.max(id.map(|id| id.time_us()));
    let age = newest.map(|us| (facts.now_us - us).max(0) / 1_000_000);
    let lines = vec![
        ("snapshot_schedules", all.len().to_string()),
        ("snapshot_runs", all.iter().map(|s| s.runs).sum::<u64>().to_string()),
        ("snapshot_failures", all.iter().map(|s| s.failures).sum::<u64>().to_string()),
        ("snapshot_last_success", time(last)),
        ("snapshot_last_failure", time(failed.and_then(|s| s.failed_us))),
        ("snapshot_error", failed.and_then(|s| s.error.clone()).unwrap_or_else(|| "none".to_owned())),
        ("snapshot_next_run", time(all.iter().filter_map(|s| s.next_us).min())),
        ("snapshot_age_seconds", age.map_or_else(|| "none".to_owned(), |age| age.to_string())),
    ];
    Some(section("Snapshots", lines))
}

fn section(name: &'static str, lines: Vec<(&'static str, String)>) -> Section {
    Section { name, lines }
}

fn server(facts: &Facts<'_>) -> Section {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    section("Server", vec![("version", version), ("uptime_seconds", facts.uptime_s.to_string())])
}

fn stats(counters: &Counters) -> Section {
    let lines = [
        ("total_commands_processed", &counters.commands),
        ("failed_commands", &counters.failed),
        ("total_connections_received", &counters.connections),
        ("active_connections", &counters.active_connections),
        ("event_commands", &counters.events),
        ("sim_commands", &counters.sims),
        ("vecset_commands", &counters.vecsets),
        ("metaset_commands", &counters.metasets),
    ];
    section("Stats", lines.into_iter().map(|(key, counter)| (key, counter.get().to_string())).collect())
}

fn memory(memory: Memory) -> Section {
    let lines = vec![
        ("used_memory_bytes", memory.used.to_string()),
        ("used_memory_human", human(memory.used)),
        ("memory_health", memory.health().to_owned()),
        ("system_memory_bytes", memory.total.to_string()),
        ("system_memory_available_bytes", memory.available.to_string()),
    ];
    section("Memory", lines)
}

fn cache(figures: &CacheFigures) -> Section {
    let lines = vec![
        ("cache_entries", figures.entries.to_string()),
        ("cache_hits", figures.hits.to_string()),
        ("cache_misses", figures.misses.to_string()),
        ("cache_hit_rate", format!("{:.4}", figures.hit_rate())),
    ];
    section("Cache", lines)
}

fn data(stats: &Stats) -> Section {
    let counts = &stats.counts;
    let duplicates = counts.total_events.saturating_sub(counts.stored_events);
    let lines = [
        ("collections", stats.collections),
        ("id_count", counts.ids),
        ("ctx_count", counts.contexts),
        ("vector_count", counts.vectors),
        ("event_count", counts.events),
        ("metadata_count", counts.metadata),
        ("pair_count", counts.pairs),
        ("dimension", u64::from(stats.dimension)),
        ("total_events", counts.total_events),
        ("deduped_events", duplicates),
        ("stored_events", counts.stored_events),
    ];
    section("Data", lines.into_iter().map(|(key, number)| (key, number.to_string())).collect())
}

fn persistence(facts: &Facts<'_>) -> Section {
    let none = || "none".to_owned();
    let (stats, status) = (facts.stats, &facts.stats.status);
    let Lsn(checkpoint) = status.checkpoint_lsn;
    let mut lines = vec![
        ("database", stats.database.to_string()),
        ("timeline", stats.timeline.id.to_string()),
        ("timeline_reason", stats.timeline.reason.clone()),
        ("lsn", stats.lsn.to_string()),
        ("durable_lsn", stats.durable_lsn.to_string()),
        ("wal", wal_text(&status.wal)),
        ("wal_bytes", stats.wal_bytes.to_string()),
        ("wal_segments", stats.wal_segments.to_string()),
        ("wal_retention", retention_text(&status.wal)),
        ("recoverable", recoverable(stats, facts.now_us)),
        ("wal_bytes_since_checkpoint", status.log_bytes.to_string()),
        ("last_checkpoint_lsn", checkpoint.to_string()),
        ("checkpoint_error", status.checkpoint_error.clone().unwrap_or_else(none)),
        ("maintenance_error", stats.maintenance_error.clone().unwrap_or_else(none)),
        ("last_snapshot", facts.last_snapshot.clone().unwrap_or_else(none)),
        ("last_recovery", facts.opened.map_or_else(none, last_recovery)),
        ("derived_discarded", facts.opened.map_or(0, |opened| opened.discarded.len()).to_string()),
        ("loading", status.loading.clone().unwrap_or_else(none)),
        ("poisoned", status.poisoned.clone().unwrap_or_else(none)),
        ("read_only", status.read_only.to_string()),
    ];
    if facts.archived {
        let behind = stats.lsn.0.saturating_sub(stats.archived_lsn.0);
        lines.push(("archived_lsn", stats.archived_lsn.to_string()));
        lines.push(("archive_backlog_bytes", stats.archive_backlog_bytes.to_string()));
        lines.push(("archive_lag", format!("{behind} records")));
        let archive = facts.archive.clone().unwrap_or_default();
        let last = archive.last_us.map_or_else(none, cairn_engine::show_time);
        lines.push(("archive_last", last));
        lines.push(("archive_gaps", archive.gaps.to_string()));
        lines.push(("archive_error", archive.error.unwrap_or_else(none)));
    }
    section("Persistence", lines)
}

/// `from … to …`: what the live timeline itself can bring back, of which the end is now when a log is kept.
pub(crate) fn recoverable(stats: &Stats, now_us: i64) -> String {
    let status = &stats.status;
    let Some(from) = status.reaches_back_to else { return "none".to_owned() };
    let (since, lsn) = (show_time(from.time_us), from.lsn);
    if status.wal.enabled {
        return format!("from {since} (LSN {lsn}) to {} (LSN {})", show_time(now_us), stats.lsn);
    }
    format!("checkpoints only, from {since} (LSN {lsn}) to LSN {}", status.checkpoint_lsn)
}

/// `8 records in 1.2 s (7 records/s)`.
fn last_recovery(opened: &OpenReport) -> String {
    let seconds = opened.replay_time.as_secs_f64();
    let rate = records_per_second(opened).map_or_else(String::new, |rate| format!(" ({rate} records/s)"));
    format!("{} records in {seconds:.3} s{rate}", opened.replayed)
}

/// How fast a replay was; `None` when it took no time that the clock shows.
pub fn records_per_second(opened: &OpenReport) -> Option<u64> {
    let us = opened.replay_time.as_micros();
    let rate = u128::from(opened.replayed).saturating_mul(1_000_000).checked_div(us)?;
    u64::try_from(rate).ok()
}
