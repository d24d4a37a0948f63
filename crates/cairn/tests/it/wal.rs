//! `cairn wal` and `cairn storage wal`.

use crate::run::{Server, code, json, ok, run, stderr, stdout};
use serde_json::{Value, json as value};
use std::path::Path;

/// A data directory with a few writes, closed in order.
fn data(dir: &Path) -> String {
    let data = dir.join("data");
    let server = Server::start(&data);
    server.send("VECSET a 1 0\nVECSET b 0 1\nEVENT c ADD a 100\n");
    server.stop("TERM");
    data.to_str().unwrap().to_owned()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn enable_prints_the_documented_fields() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let path = dir.path().join("wal").to_str().unwrap().to_owned();
    let said = json(&[
        "storage",
        "wal",
        "enable",
        "--data",
        &data,
        "--path",
        &path,
        "--sync-mode",
        "fsync",
        "--segment-size",
        "134217728",
        "--retention",
        "48h",
    ]);
    let expected = value!({
        "wal_enabled": true, "path": path, "sync_mode": "fsync", "segment_size_bytes": 134_217_728,
        "retention": "48h", "status": "active",
    });
    assert_eq!(said, expected);
    assert!(Path::new(&path).is_dir());
    // What is not named stays as it is.
    let said =
        json(&["wal", "enable", "--data", &data, "--sync-mode", "periodic", "--flush-interval", "250ms"]);
    assert_eq!((&said["path"], &said["retention"]), (&value!(path), &value!("48h")));
    let status = json(&["wal", "status", "--data", &data]);
    assert_eq!((&status["sync_mode"], &status["flush_interval"]), (&value!("periodic"), &value!("250ms")));
    assert_eq!((&status["wal_enabled"], &status["lsn"]), (&value!(true), &value!(3)));
}

#[test]
fn disable_and_enable_keep_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let before = json(&["check", &data])["state_hash"].clone();
    let output = run(&["storage", "wal", "disable", "--data", &data]);
    assert_eq!(
        serde_json::from_str::<Value>(&stdout(&output)).unwrap(),
        value!({"wal_enabled": false, "status": "inactive"})
    );
    assert!(stderr(&output).contains("lost at a crash"), "{}", stderr(&output));
    assert_eq!(json(&["wal", "status", "--data", &data])["status"], "inactive");
    assert_eq!(json(&["wal", "enable", "--data", &data])["status"], "active");
    assert_eq!(json(&["check", &data])["state_hash"], before);
}

#[test]
fn replay_prints_the_documented_fields_first() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let said = json(&["storage", "wal", "replay", "--data", &data, "--verify"]);
    let documented =
        ["segments_replayed", "operations_replayed", "collections_affected", "duration_ms", "status"];
    let mut expected = documented.to_vec();
    expected.extend(["operations_skipped", "lsn", "dry_run"]);
    expected.sort_unstable();
    assert_eq!(keys(&said), expected);
    assert_eq!((&said["operations_replayed"], &said["collections_affected"]), (&value!(0), &value!([])));
    assert_eq!((&said["status"], &said["lsn"]), (&value!("completed"), &value!(3)));
    let text = ok(&["storage", "wal", "replay", "--data", &data]);
    let places: Vec<usize> = documented.iter().map(|key| text.find(&format!("\"{key}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn a_log_is_replayed_onto_the_snapshot_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let repo = dir.path().join("repo").to_str().unwrap().to_owned();
    let server = Server::start(&data);
    server.send("VECSET a 1 0\n");
    server.stop("TERM");
    let data = data.to_str().unwrap();
    json(&["snapshot", "create", "--data", data, "--repo", &repo, "--name", "early"]);
    let server = Server::start(Path::new(data));
    server.send("VECSET b 0 1\nVECSET c 1 1\n");
    server.stop("TERM");
    let status = json(&["wal", "status", "--data", data]);
    let (wal, late) =
        (status["path"].as_str().unwrap().to_owned(), json(&["check", data])["state_hash"].clone());
    let restored = dir.path().join("restored").to_str().unwrap().to_owned();
    json(&["snapshot", "restore", "early", "--repo", &repo, "--data", &restored]);
    let dry = json(&["wal", "replay", "--path", &wal, "--data", &restored, "--dry-run"]);
    assert_eq!((&dry["operations_replayed"], &dry["dry_run"]), (&value!(2), &value!(true)));
    assert_eq!(json(&["check", &restored])["lsn"], 1);
    let done = json(&["wal", "replay", "--path", &wal, "--data", &restored, "--verify"]);
    assert_eq!(
        (&done["operations_replayed"], &done["collections_affected"]),
        (&value!(2), &value!(["default"]))
    );
    let again = json(&["wal", "replay", "--path", &wal, "--data", &restored]);
    assert_eq!((&again["operations_replayed"], &again["operations_skipped"]), (&value!(0), &value!(2)));
    assert_eq!(json(&["check", &restored])["state_hash"], late);
}

#[test]
fn wrong_options_are_wrong_usage_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing").to_str().unwrap().to_owned();
    for (args, named) in [
        (vec!["wal", "enable", "--sync-mode", "always"], vec!["always", "fsync, periodic, or async"]),
        (vec!["wal", "enable", "--segment-size", "1000"], vec!["1000", "1MB"]),
        (vec!["storage", "wal", "enable", "--retention", "soon"], vec!["soon", "24h"]),
        (vec!["wal", "enable", "--include-vectors", "yes"], vec!["yes", "on or off"]),
        (
            vec!["wal", "replay", "--from", "2024-01-20T11:00:00Z", "--to", "2024-01-20T10:00:00Z"],
            vec!["2024-01-20T11:00:00Z", "2024-01-20T10:00:00Z"],
        ),
        (vec!["wal", "replay", "--from", "noon"], vec!["noon", "RFC 3339"]),
    ] {
        let args = [args.as_slice(), &["--data", &missing]].concat();
        let output = run(&args);
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
        for word in named {
            assert!(stderr(&output).contains(word), "{args:?} does not name {word}: {}", stderr(&output));
        }
    }
    let output = run(&["wal", "status", "--data", &missing]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(!Path::new(&missing).exists());
}

#[test]
fn a_time_without_a_zone_is_taken_as_utc_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let output = run(&["wal", "replay", "--data", &data, "--to", "2024-01-20 10:00:00"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("no time zone given, taken as UTC"), "{}", stderr(&output));
}

#[test]
fn verify_changes_nothing_and_finds_damage() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    // One by one: a later record proves that an earlier one was durable, and so that its damage is no torn end.
    for line in ["VECSET a 1 0\n", "VECSET b 0 1\n", "EVENT c ADD a 100\n"] {
        server.send(line);
    }
    let wal = server.send("WAL STATUS\n");
    server.kill();
    let path = wal.lines().find_map(|line| line.strip_prefix("path: ")).unwrap();
    let log = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "log"))
        .unwrap();
    let whole = std::fs::read(&log).unwrap();
    let found = json(&["wal", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!((&found["status"], &found["records"]), (&value!("valid"), &value!(3)));
    assert_eq!((&found["first_lsn"], &found["last_lsn"]), (&value!(1), &value!(3)));
    assert_eq!((&found["segments"], &found["torn_bytes"]), (&value!(1), &value!(0)));
    assert!(std::fs::read(&log).unwrap() == whole, "verify changed the log");
    let mut damaged = whole;
    damaged[100] ^= 1;
    std::fs::write(&log, &damaged).unwrap();
    let output = run(&["wal", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains(log.file_name().unwrap().to_str().unwrap()), "{}", stderr(&output));
    assert!(std::fs::read(&log).unwrap() == damaged, "verify changed the log");
}

#[test]
fn a_running_server_is_asked_with_addr() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    server.send("VECSET a 1 0\n");
    let addr = server.addr.to_string();
    let said = json(&["wal", "enable", "--addr", &addr, "--sync-mode", "periodic", "--flush-interval", "1s"]);
    assert_eq!(
        keys(&said),
        ["path", "retention", "segment_size_bytes", "status", "sync_mode", "wal_enabled"]
    );
    assert_eq!((&said["wal_enabled"], &said["sync_mode"]), (&value!(true), &value!("periodic")));
    assert!(server.send("INFO\n").contains("wal: on, periodic 1s\r\n"));
    let status = json(&["storage", "wal", "status", "--addr", &addr]);
    assert_eq!((&status["flush_interval"], &status["segments"]), (&value!("1s"), &value!(1)));
    assert_eq!(json(&["wal", "verify", "--addr", &addr])["records"], 1);
    assert_eq!(json(&["wal", "replay", "--addr", &addr])["operations_replayed"], 0);
    let output = run(&["wal", "replay", "--addr", &addr, "--path", "/etc"]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("path traversal"), "{}", stderr(&output));
    assert_eq!(json(&["wal", "disable", "--addr", &addr])["wal_enabled"], false);
    let output = run(&["wal", "verify", "--addr", &addr]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn storage_prints_json_and_wal_a_table_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let table = ok(&["wal", "status", "--data", &data, "--format", "table"]);
    assert!(table.lines().any(|line| line.starts_with("sync mode ")), "{table}");
    assert!(ok(&["storage", "wal", "status", "--data", &data]).starts_with('{'));
}

#[test]
fn the_configuration_decides_at_each_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cairn.yaml");
    let data = dir.path().join("data");
    std::fs::write(&config, "wal:\n  sync_on_write: false\n  sync_interval_ms: 100\n  retention: 7d\n")
        .unwrap();
    let server = Server::start_with(&data, &["-c", config.to_str().unwrap()], &[]);
    let info = server.send("INFO\n");
    assert!(info.contains("wal: on, periodic 100ms\r\nwal_bytes: "), "{info}");
    assert!(info.contains("wal_retention: 168h\r\n"), "{info}");
    server.stop("TERM");
    // Without a configuration the directory remembers.
    let server = Server::start(&data);
    assert!(server.send("INFO\n").contains("wal: on, periodic 100ms\r\n"));
}

#[test]
fn looking_at_the_log_of_a_closed_directory_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let files = || {
        let mut found = Vec::new();
        let mut dirs = vec![std::path::PathBuf::from(&data)];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path)
                } else {
                    found.push((path.clone(), std::fs::read(path).unwrap()))
                }
            }
        }
        found.sort();
        found
    };
    let server_says = {
        let server = Server::start(Path::new(&data));
        let addr = server.addr.to_string();
        let status = json(&["wal", "status", "--addr", &addr]);
        server.stop("TERM");
        status
    };
    let before = files();
    let status = json(&["wal", "status", "--data", &data]);
    assert!(files() == before);
    assert_eq!(keys(&status), keys(&server_says));
    for key in [
        "sync_mode",
        "retention",
        "segment_size_bytes",
        "timeline",
        "lsn",
        "durable_lsn",
        "wal_enabled",
        "path",
    ] {
        assert_eq!(status[key], server_says[key], "{key}");
    }
    // With the log off each opening begins a new timeline; looking does not.
    json(&["wal", "disable", "--data", &data]);
    let before = files();
    for _ in 0..3 {
        let status = json(&["wal", "status", "--data", &data]);
        assert_eq!((&status["wal_enabled"], &status["segments"]), (&value!(false), &value!(0)));
    }
    assert!(files() == before);
}
