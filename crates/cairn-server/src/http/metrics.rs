//! Metrics: INFO's figures as Prometheus text.

use super::call::Call;
use super::error::{Errors, HttpError};
use crate::reply::{JobState, JobStatus, JobStatuses, Section};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

/// The format's content type.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// A figure of INFO, its name as a metric, and what it says.
type Figure = (&'static str, &'static str, Kind, &'static str);

use Kind::{Counter, Gauge};

const FIGURES: &[Figure] = &[
    ("uptime_seconds", "cairn_uptime_seconds", Gauge, "Seconds since the server started."),
    ("total_commands_processed", "cairn_commands_total", Counter, "Requests, refused ones included."),
    ("failed_commands", "cairn_commands_failed_total", Counter, "Requests refused."),
    ("total_connections_received", "cairn_connections_total", Counter, "Connections accepted."),
    ("active_connections", "cairn_connections", Gauge, "Connections open now."),
    ("event_commands", "cairn_event_commands_total", Counter, "Events asked to be written."),
    ("sim_commands", "cairn_search_commands_total", Counter, "Searches."),
    ("vecset_commands", "cairn_vecset_commands_total", Counter, "Vectors asked to be written."),
    ("metaset_commands", "cairn_metaset_commands_total", Counter, "Metadata asked to be written."),
    ("used_memory_bytes", "cairn_memory_bytes", Gauge, "Resident memory of the process."),
    ("system_memory_bytes", "cairn_system_memory_bytes", Gauge, "Memory of the machine."),
    (
        "system_memory_available_bytes",
        "cairn_system_memory_available_bytes",
        Gauge,
        "Of which is free to use.",
    ),
    ("cache_entries", "cairn_cache_entries", Gauge, "Searches in the cache."),
    ("cache_hits", "cairn_cache_hits_total", Counter, "Searches answered by the cache."),
    ("cache_misses", "cairn_cache_misses_total", Counter, "Searches that the cache did not have."),
    ("collections", "cairn_collections", Gauge, "Collections, default included."),
    ("id_count", "cairn_items", Gauge, "Item ids of all collections."),
    ("ctx_count", "cairn_contexts", Gauge, "Contexts of all collections."),
    ("vector_count", "cairn_vectors", Gauge, "Vectors of all collections."),
    ("event_count", "cairn_events", Gauge, "Events kept."),
    ("metadata_count", "cairn_metadata", Gauge, "Items with metadata."),
    ("pair_count", "cairn_co_occurrence_pairs", Gauge, "Pairs of items with a score."),
    ("total_events", "cairn_events_received_total", Counter, "Events ever received; a restore sets it back."),
    ("deduped_events", "cairn_events_deduplicated_total", Counter, "Of which were duplicates."),
    ("lsn", "cairn_lsn", Gauge, "The last record applied."),
    ("durable_lsn", "cairn_durable_lsn", Gauge, "The last record that a crash does not take."),
    ("archived_lsn", "cairn_archived_lsn", Gauge, "The last record in the archive."),
    ("archive_backlog_bytes", "cairn_archive_backlog_bytes", Gauge, "Log that waits for the archive."),
    ("archive_gaps", "cairn_archive_gaps", Gauge, "Gaps in the archive."),
    ("wal_bytes", "cairn_wal_bytes", Gauge, "Bytes of the write-ahead log."),
    ("wal_segments", "cairn_wal_segments", Gauge, "Segments of the write-ahead log."),
    (
        "wal_bytes_since_checkpoint",
        "cairn_wal_bytes_since_checkpoint",
        Gauge,
        "Bytes that a restart would replay.",
    ),
    ("snapshot_runs", "cairn_snapshot_runs_total", Counter, "Scheduled snapshots taken."),
    ("snapshot_failures", "cairn_snapshot_failures_total", Counter, "Scheduled snapshots that failed."),
    ("snapshot_age_seconds", "cairn_snapshot_age_seconds", Gauge, "Age of the newest snapshot or dump."),
    ("snapshot_schedules", "cairn_snapshot_schedules", Gauge, "Schedules of snapshots."),
];

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "nvecd",
    responses((status = 200, body = String, content_type = "text/plain"), Errors))]
pub(crate) async fn metrics(call: Call) -> Result<Response, HttpError> {
    let sections = super::health::info(&call).await?;
    let mut out = String::new();
    figures(&sections, &mut out);
    let ready = if super::health::not_ready(&sections).is_none() { 1.0 } else { 0.0 };
    sample(&mut out, "cairn_ready", Gauge, "Whether writes are taken.", &[("", ready)]);
    let lag = lag(&sections);
    if let Some(lag) = lag {
        let help = "Records that wait for the archive.";
        sample(&mut out, "cairn_archive_lag_records", Gauge, help, &[("", lag)]);
    }
    jobs(&call, &mut out);
    Ok(([(CONTENT_TYPE, TEXT)], out).into_response())
}

fn value<'s>(sections: &'s [Section], name: &str) -> Option<&'s str> {
    let lines = sections.iter().flat_map(|section| &section.lines);
    lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

fn figures(sections: &[Section], out: &mut String) {
    for (key, name, kind, help) in FIGURES {
        // What is not kept, or is `none`, has no sample.
        let Some(number) = value(sections, key).and_then(|value| value.parse::<f64>().ok()) else { continue };
        sample(out, name, *kind, help, &[("", number)]);
    }
}

fn lag(sections: &[Section]) -> Option<f64> {
    let number = |key| value(sections, key).and_then(|value| value.parse::<f64>().ok());
    Some((number("lsn")? - number("archived_lsn")?).max(0.0))
}

/// Whether a long operation of each family runs, and how far it is.
fn jobs(call: &Call, out: &mut String) {
    let Some(JobStatuses { dump, snapshot, history }) = call.gate.service.backend.jobs() else { return };
    let all = [("{job=\"dump\"}", dump), ("{job=\"snapshot\"}", snapshot), ("{job=\"history\"}", history)];
    let of = |value: fn(&JobStatus) -> f64| all.each_ref().map(|(label, job)| (*label, value(job)));
    let running = of(|job| if job.state == JobState::InProgress { 1.0 } else { 0.0 });
    sample(out, "cairn_job_running", Gauge, "Whether a long operation runs.", &running);
    let help = "How far the current or last one is, 0 to 100.";
    sample(out, "cairn_job_percent", Gauge, help, &of(|job| f64::from(job.percent)));
}

fn sample(out: &mut String, name: &str, kind: Kind, help: &str, samples: &[(&str, f64)]) {
    let kind = match kind {
        Counter => "counter",
        Gauge => "gauge",
    };
    // Writing into a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}
