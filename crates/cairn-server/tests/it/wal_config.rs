//! The keys of the write-ahead log and its archive.

use cairn_engine::{SyncMode, WalSettings, WhenFull};
use cairn_server::config::Config;
use std::path::Path;
use std::time::Duration;

fn wal(text: &str) -> WalSettings {
    let (config, notices) = Config::parse(text, "c.yaml").unwrap_or_else(|e| panic!("{text}: {e}"));
    assert!(notices.is_empty(), "{text}: {notices:?}");
    assert_eq!(config.engine_options().wal, config.wal);
    config.wal.unwrap_or_else(|| panic!("{text}: nothing said of the log"))
}

fn refused(text: &str) -> String {
    Config::parse(text, "c.yaml").expect_err(text).to_string()
}

#[test]
fn a_file_without_a_word_about_the_log_leaves_it_to_the_data_directory() {
    for text in ["", "wal:\n", "wal:\n  enabled:\n", "events: {min_support: 1}"] {
        assert_eq!(Config::parse(text, "c.yaml").unwrap().0.wal, None, "{text}");
    }
}

#[test]
fn what_a_file_leaves_out_has_its_default() {
    assert_eq!(wal("wal: {enabled: true}"), WalSettings::default());
    assert_eq!(wal("wal: {enabled: false}"), WalSettings { enabled: false, ..WalSettings::default() });
    let all = wal(
        "wal: {dir: /w, max_file_size: 2MB, sync_mode: periodic, flush_interval: 250ms, retention: 7d,\n \
                   retention_bytes: 8GB, include_vectors: false}",
    );
    assert_eq!(all.dir.as_deref(), Some(Path::new("/w")));
    assert_eq!((all.segment_bytes, all.sync), (2 << 20, SyncMode::Periodic { interval_us: 250_000 }));
    assert_eq!((all.retention_us, all.retention_bytes), (7 * 86_400 * 1_000_000, 8 << 30));
    assert!(!all.include_vectors);
    assert_eq!(wal("wal: {dir: \"\", enabled: true}").dir, None);
}

#[test]
fn nvecds_names_and_ours_give_the_sync_mode() {
    let periodic = |interval_us| SyncMode::Periodic { interval_us };
    for (text, sync) in [
        ("enabled: true", SyncMode::Fsync),
        ("sync_on_write: true", SyncMode::Fsync),
        ("sync_on_write: true, sync_interval_ms: 100", SyncMode::Fsync),
        ("sync_interval_ms: 100", SyncMode::Fsync),
        ("sync_on_write: false", SyncMode::Async),
        ("sync_on_write: false, sync_interval_ms: 0", SyncMode::Async),
        ("sync_on_write: false, sync_interval_ms: 100", periodic(100_000)),
        ("sync_mode: fsync, sync_on_write: true", SyncMode::Fsync),
        ("sync_mode: periodic", periodic(5_000_000)),
        ("sync_mode: periodic, sync_interval_ms: 100", periodic(100_000)),
        ("sync_mode: periodic, flush_interval: 5s, sync_interval_ms: 5000", periodic(5_000_000)),
        ("sync_mode: async, sync_on_write: false", SyncMode::Async),
    ] {
        assert_eq!(wal(&format!("wal: {{{text}}}")).sync, sync, "{text}");
    }
}

#[test]
fn contradictions_name_both_keys_and_the_line() {
    for (text, message) in [
        (
            "wal:\n  sync_on_write: false\n  sync_mode: fsync\n",
            "c.yaml:3: wal.sync_mode: fsync contradicts wal.sync_on_write: false",
        ),
        (
            "wal:\n  sync_mode: async\n  sync_on_write: true\n",
            "c.yaml:2: wal.sync_mode: async contradicts wal.sync_on_write: true",
        ),
        (
            "wal:\n  flush_interval: 5s\n",
            "c.yaml:2: wal.flush_interval: 5s needs wal.sync_mode: periodic, but the mode is fsync",
        ),
        (
            "wal: {sync_mode: periodic, flush_interval: 5s, sync_interval_ms: 100}",
            "c.yaml:1: wal.flush_interval: 5s contradicts wal.sync_interval_ms: 100",
        ),
    ] {
        assert_eq!(refused(text), message);
    }
}

#[test]
fn values_out_of_range_say_what_was_expected() {
    for (text, message) in [
        (
            "wal: {max_file_size: 1023KB}",
            "c.yaml:1: wal.max_file_size: expected a size in range [1MB, 4GB], in bytes or as 64MB, got \"1023KB\"",
        ),
        (
            "wal: {max_file_size: 1000}",
            "c.yaml:1: wal.max_file_size: expected a size in range [1MB, 4GB], in bytes or as 64MB, got 1000",
        ),
        (
            "wal: {flush_interval: 5}",
            "c.yaml:1: wal.flush_interval: expected a duration with its unit in range [1ms, 1h], as 250ms, 5s or 24h, got 5",
        ),
        (
            "wal: {sync_mode: always}",
            "c.yaml:1: wal.sync_mode: expected one of fsync, periodic, async, got \"always\"",
        ),
        (
            "wal: {retention_bytes: lots}",
            "c.yaml:1: wal.retention_bytes: expected a size of at least 0, in bytes or as 64MB, got \"lots\"",
        ),
        (
            "archive: {backlog_max: 1KB}",
            "c.yaml:1: archive.backlog_max: expected a size of at least 1MB, in bytes or as 64MB, got \"1KB\"",
        ),
        (
            "archive: {when_full: drop}",
            "c.yaml:1: archive.when_full: expected one of refuse, gap, got \"drop\"",
        ),
    ] {
        assert_eq!(refused(text), message);
    }
}

#[test]
fn the_archive_is_off_unless_it_is_asked_for() {
    let config = Config::default();
    assert!(!config.archive.enabled);
    assert_eq!(config.archive.interval, Duration::from_secs(10));
    assert_eq!(config.archive.policy.backlog_bytes_max, 4 << 30);
    assert_eq!(config.archive.policy.when_full, WhenFull::Refuse);
    let text = "archive: {enabled: true, interval: 1m, backlog_max: 1GB, when_full: gap}";
    let archive = Config::parse(text, "c.yaml").unwrap().0.archive;
    assert!(archive.enabled);
    assert_eq!((archive.interval, archive.policy.backlog_bytes_max), (Duration::from_secs(60), 1 << 30));
    assert_eq!(archive.policy.when_full, WhenFull::Gap);
}
