//! The keys of the write-ahead log and its archive.

use super::keys::{Key, key, wal};
use super::value::Kind;
use crate::wal_change::{
    FLUSH_US_MAX, FLUSH_US_MIN, RETENTION_BYTES_MAX, RETENTION_US_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use cairn_engine::WhenFull;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) static WAL_KEYS: &[Key] = &[
    wal(
        "wal.enabled",
        Kind::Bool,
        "true",
        "whether writes are logged before they are acknowledged",
        |w, v| w.enabled = Some(v.bool()),
    ),
    wal("wal.dir", Kind::Text, "in the data directory", "where the log is", |w, v| {
        w.dir = Some(PathBuf::from(v.text())).filter(|dir| !dir.as_os_str().is_empty())
    }),
    wal(
        "wal.max_file_size",
        Kind::Size(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
        "64MB",
        "bytes of a segment of the log",
        |w, v| w.segment_bytes = Some(v.u64()),
    ),
    wal(
        "wal.sync_mode",
        Kind::Choice(&["fsync", "periodic", "async"]),
        "fsync",
        "when a write is durable: before it is acknowledged, every flush_interval, or some time",
        |w, v| w.sync_mode = v.text().parse().ok(),
    ),
    wal(
        "wal.flush_interval",
        Kind::Duration(FLUSH_US_MIN, FLUSH_US_MAX),
        "5s",
        "between two syncs in mode periodic",
        |w, v| w.flush_us = Some(v.u64()),
    ),
    wal("wal.sync_on_write", Kind::Bool, "true", "nvecd's name for wal.sync_mode: fsync", |w, v| {
        w.sync_on_write = Some(v.bool())
    }),
    wal(
        "wal.sync_interval_ms",
        Kind::Int(0, 3_600_000),
        "0",
        "without sync_on_write: milliseconds between two syncs; 0: async",
        |w, v| w.sync_interval_ms = Some(v.u64()),
    ),
    wal("wal.include_vectors", Kind::Bool, "true", "whether vectors are in the log", |w, v| {
        w.include_vectors = Some(v.bool())
    }),
    wal(
        "wal.retention",
        Kind::Duration(0, RETENTION_US_MAX),
        "24h",
        "how far back the past is kept",
        |w, v| w.retention_us = Some(v.u64()),
    ),
    wal(
        "wal.retention_bytes",
        Kind::Size(0, RETENTION_BYTES_MAX),
        "0",
        "bytes of log kept at most for that; 0: any number",
        |w, v| w.retention_bytes = Some(v.u64()),
    ),
    key("archive.enabled", Kind::Bool, "false", "whether the log is copied to the repository", |c, v| {
        c.archive.enabled = v.bool()
    }),
    key(
        "archive.interval",
        Kind::Duration(100_000, 86_400_000_000),
        "10s",
        "between two copies of what was logged since",
        |c, v| c.archive.interval = Duration::from_micros(v.u64()),
    ),
    key(
        "archive.backlog_max",
        Kind::Size(SEGMENT_BYTES_MIN, RETENTION_BYTES_MAX),
        "4GB",
        "bytes of log that may wait for the archive",
        |c, v| c.archive.policy.backlog_bytes_max = v.u64(),
    ),
    key(
        "archive.when_full",
        Kind::Choice(&["refuse", "gap"]),
        "refuse",
        "what happens past that: writes are refused, or log is dropped and the archive has a gap",
        |c, v| c.archive.policy.when_full = if v.text() == "gap" { WhenFull::Gap } else { WhenFull::Refuse },
    ),
];
