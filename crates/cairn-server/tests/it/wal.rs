//! WAL lines on a real engine.

use crate::past::Past;
use crate::running::config;
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{SyncMode, WalSettings};
use cairn_server::{Backend, Config, Dialect};
use std::path::{Path, PathBuf};

fn with_wal(wal: WalSettings) -> Config {
    Config { wal: Some(wal), ..config() }
}

#[test]
fn status_says_how_the_log_is_kept_and_how_much_there_is() {
    let mut past = Past::new();
    past.write("a", 5);
    let status = past.block("WAL STATUS");
    for (key, value) in [
        ("", "OK WAL_STATUS"),
        ("wal_enabled", "true"),
        ("sync_mode", "fsync"),
        ("flush_interval", "none"),
        ("segment_size_bytes", "67108864"),
        ("retention", "24h"),
        ("retention_bytes", "0"),
        ("include_vectors", "true"),
        ("status", "active"),
        ("segments", "1"),
        ("lsn", "5"),
        ("durable_lsn", "5"),
        ("job", "none"),
    ] {
        assert_eq!(status[key], value, "{key}");
    }
    assert!(status["path"].starts_with("/db/timelines/") && status["path"].ends_with("/wal"));
    assert!(
        status["recoverable"]
            .starts_with("from 2025-01-18T12:00:00Z (LSN 0) to 2025-01-18T12:00:05Z (LSN 5)")
    );
}

#[test]
fn both_dialects_give_the_same_blocks() {
    for dialect in [Dialect::Documented, Dialect::Nvecd] {
        let mut past = Past::with(config(), dialect);
        past.write("a", 3);
        assert_eq!(past.raw("WAL SYNC"), "OK WAL_SYNCED\r\ndurable_lsn: 3\r\nEND\r\n");
        let mark = if dialect == Dialect::Nvecd { "ERROR" } else { "(error)" };
        assert_eq!(past.raw("WAL FOO"), format!("{mark} Unknown WAL subcommand: FOO\r\n"));
        let replayed = past.raw("WAL REPLAY");
        assert_eq!(
            replayed,
            "OK WAL_REPLAYED\r\nsegments_replayed: 0\r\noperations_replayed: 0\r\ncollections_affected: \r\n\
             duration_ms: 0\r\nstatus: completed\r\noperations_skipped: 0\r\nlsn: 3\r\ndry_run: false\r\nEND\r\n"
        );
    }
}

#[test]
fn enable_changes_what_it_names_and_leaves_the_rest() {
    let mut past = Past::new();
    past.write("a", 3);
    let changed = past.block("WAL ENABLE sync_mode=periodic flush_interval=250ms retention=48h");
    assert_eq!(changed[""], "OK WAL_ENABLED");
    assert_eq!((changed["sync_mode"].as_str(), changed["flush_interval"].as_str()), ("periodic", "250ms"));
    assert_eq!((changed["retention"].as_str(), changed["segment_size_bytes"].as_str()), ("48h", "67108864"));
    // No new timeline for that.
    assert!(!changed.contains_key("timeline"), "{changed:?}");
    assert_eq!(past.block("INFO")["wal"], "on, periodic 250ms");
    assert_eq!(past.block("INFO")["wal_retention"], "48h");
    let kept = past.block("WAL ENABLE sync_mode=periodic");
    assert_eq!(kept["flush_interval"], "250ms");
    assert_eq!(past.block("WAL ENABLE sync_mode=async")["flush_interval"], "none");
    assert_eq!(past.block("INFO")["wal"], "on, async");
    let message = past.refused("WAL ENABLE flush_interval=5s");
    assert_eq!(message, "flush_interval 5s needs sync_mode periodic, got async");
    assert_eq!(past.block("WAL STATUS")["sync_mode"], "async");
}

#[test]
fn a_directory_remembers_what_it_was_told() {
    let disk = SimDisk::new(1);
    let mut past = Past::on(disk.clone(), config(), Dialect::Documented);
    past.block("WAL ENABLE sync_mode=async segment_size=1MB retention=1h");
    past.backend.close().unwrap();
    let mut past = Past::on(disk, config(), Dialect::Documented);
    let status = past.block("WAL STATUS");
    assert_eq!((status["sync_mode"].as_str(), status["segment_size_bytes"].as_str()), ("async", "1048576"));
    assert_eq!(status["retention"], "1h");
}

#[test]
fn a_log_that_is_switched_off_and_on_again_loses_nothing() {
    let mut past = Past::new();
    past.write("a", 3);
    let hash = past.hash();
    let off = past.block("WAL DISABLE");
    assert_eq!((off["wal_enabled"].as_str(), off["status"].as_str()), ("false", "inactive"));
    assert!(off.contains_key("timeline") && off["note"].contains("lost at a crash"), "{off:?}");
    assert_eq!(past.block("INFO")["wal"], "off");
    assert!(past.block("INFO")["recoverable"].starts_with("checkpoints only, "));
    assert_eq!(past.refused("WAL VERIFY"), "The write-ahead log is off: there is nothing to verify");
    assert_eq!(past.hash(), hash);
    past.write("b", 2);
    // The last checkpoint is what is durable.
    assert_eq!(past.block("INFO")["durable_lsn"], "3");
    past.block("WAL SYNC");
    // The sequencer tells of its checkpoint a moment after it has answered.
    while past.block("INFO")["durable_lsn"] != "5" {
        std::thread::yield_now();
    }
    let on = past.block("WAL ENABLE");
    assert_eq!((on["status"].as_str(), on["lsn"].as_str()), ("active", "5"));
    past.write("c", 1);
    assert_eq!(past.block("INFO")["durable_lsn"], "6");
}

#[test]
fn verify_reads_every_record() {
    let mut past = Past::new();
    let empty = past.block("WAL VERIFY");
    assert_eq!((empty["records"].as_str(), empty["first_lsn"].as_str()), ("0", "none"));
    past.write("a", 7);
    let found = past.block("WAL VERIFY");
    assert_eq!((found[""].as_str(), found["status"].as_str()), ("OK WAL_VALID", "valid"));
    assert_eq!((found["records"].as_str(), found["segments"].as_str()), ("7", "1"));
    assert_eq!((found["first_lsn"].as_str(), found["last_lsn"].as_str()), ("1", "7"));
    assert_eq!(found["first_time"], "2025-01-18T12:00:01Z");
    assert_eq!(found["last_time"], "2025-01-18T12:00:07Z");
    let log = log_file(&past.disk);
    past.disk.flip(&log, 100, 1);
    let message = past.refused("WAL VERIFY");
    assert!(message.contains(&log.display().to_string()), "{message}");
    assert!(message.contains("expected") || message.contains("mismatch"), "{message}");
}

fn log_file(disk: &SimDisk) -> PathBuf {
    disk.files().into_iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap()
}

#[test]
fn paths_over_the_wire_stay_in_their_directories() {
    let mut config = config();
    config.snapshot.allowed_dirs = vec!["/logs".into()];
    let mut past = Past::with(config, Dialect::Documented);
    past.disk.create_dir_all(Path::new("/logs")).unwrap();
    past.disk.create_dir_all(Path::new("/elsewhere")).unwrap();
    past.disk.create_dir_all(Path::new("/snapshots")).unwrap();
    for line in ["WAL ENABLE", "WAL REPLAY"] {
        for path in ["/elsewhere/wal", "../wal", "/db/../x", "/", "/etc", "x/../../y"] {
            let message = past.refused(&format!("{line} path={path}"));
            assert_eq!(message, "Invalid filepath: path traversal detected", "{line} {path}");
        }
    }
    let message = past.refused("WAL ENABLE path=/db/timelines/x");
    assert_eq!(message, "Invalid filepath: /db/timelines/x belongs to the database");
    // Relative ones are below the data directory.
    assert_eq!(past.block("WAL ENABLE path=wal")["path"], "/db/wal");
    assert_eq!(past.block("WAL ENABLE path=/logs/wal")["path"], "/logs/wal");
    assert_eq!(past.block("WAL ENABLE path=/snapshots/wal")["path"], "/snapshots/wal");
    past.write("a", 3);
    assert!(past.disk.files().iter().any(|path| path.starts_with("/snapshots/wal")));
    let inside = past.block("WAL ENABLE path=");
    assert!(inside["path"].starts_with("/db/timelines/"), "{inside:?}");
    assert_eq!(past.block("CHECK")["vectors"], "3");
}

#[test]
fn a_restored_state_goes_on_with_the_log_that_was_kept() {
    let mut past = Past::new();
    past.write("a", 4);
    past.block("SNAPSHOT CREATE name=early");
    past.write("b", 6);
    let (late, wal) = (past.hash(), past.block("WAL STATUS")["path"].clone());
    past.block("SNAPSHOT RESTORE early");
    let planned = past.block(&format!("WAL REPLAY path={wal} dry_run=on"));
    assert_eq!((planned["operations_replayed"].as_str(), planned["dry_run"].as_str()), ("6", "true"));
    assert_eq!(past.block("CHECK")["lsn"], "4");
    // The first half of it: the last record that is not later counts.
    let half = past.block(&format!("WAL REPLAY path={wal} to=\"2025-01-18 12:00:07\" verify=on"));
    assert_eq!((half["operations_replayed"].as_str(), half["lsn"].as_str()), ("3", "7"));
    assert_eq!(half["note"], "no time zone given, taken as UTC");
    assert_eq!(half["collections_affected"], "default");
    for (replayed, skipped) in [("3", "3"), ("0", "6")] {
        let rest = past.block(&format!("WAL REPLAY path={wal}"));
        assert_eq!(rest["operations_replayed"], replayed);
        assert_eq!((rest["operations_skipped"].as_str(), rest["status"].as_str()), (skipped, "completed"));
    }
    assert_eq!(past.hash(), late);
}

#[test]
fn info_tells_of_the_log_and_the_last_recovery() {
    let disk = SimDisk::new(1);
    let mut past = Past::on(disk.clone(), config(), Dialect::Documented);
    past.write("a", 3);
    let info = past.block("INFO");
    assert_eq!(info["wal"], "on, fsync");
    assert_eq!((info["lsn"].as_str(), info["durable_lsn"].as_str()), ("3", "3"));
    assert_eq!((info["wal_segments"].as_str(), info["wal_retention"].as_str()), ("1", "24h"));
    assert!(info["wal_bytes"].parse::<u64>().unwrap() > 100);
    assert!(info["recoverable"].starts_with("from 2025-01-18T12:00:00Z (LSN 0) to "), "{info:?}");
    assert_eq!(info["last_recovery"], "0 records in 0.000 s");
    assert_eq!((info["poisoned"].as_str(), info["read_only"].as_str()), ("none", "false"));
    // Without an archive there is nothing to say of one.
    assert!(!info.contains_key("archived_lsn"));
    // A crash: the log is replayed.
    let image = disk.image(cairn_disk::Fate::Dropped);
    drop(past);
    let mut past = Past::on(image, config(), Dialect::Documented);
    assert_eq!(past.block("INFO")["last_recovery"], "3 records in 0.000 s");
}

#[test]
fn an_asynchronous_log_says_what_is_durable() {
    let wal = WalSettings { sync: SyncMode::Async, ..WalSettings::default() };
    let mut past = Past::with(with_wal(wal), Dialect::Documented);
    past.write("a", 3);
    assert_eq!((past.block("INFO")["lsn"].as_str(), past.block("INFO")["durable_lsn"].as_str()), ("3", "0"));
    assert_eq!(past.block("WAL SYNC")["durable_lsn"], "3");
    assert_eq!(past.block("INFO")["durable_lsn"], "3");
}
