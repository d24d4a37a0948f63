//! `cairn check`.

use crate::run::{Server, code, json, ok, run, stderr};
use std::path::{Path, PathBuf};

/// A data directory with a checkpoint, and a log after it; what CHECK said of it while it ran.
fn data(dir: &Path) -> (PathBuf, String) {
    let data = dir.join("data");
    let server = Server::start(&data);
    server.send("VECSET a 1 0\nVECSET b 0 1\nMETASET b kind:x\nEVENT c ADD a 100\nEVENT c ADD b 50\n");
    server.stop("TERM");
    let server = Server::start(&data);
    server.send("VECSET a 0.5 0.5\nEVENT c ADD d 20\nEVENT e ADD d 20\n");
    let said = server.send("CHECK\n");
    server.kill();
    (data, said)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn it_says_the_same_as_the_running_server_did() {
    let dir = tempfile::tempdir().unwrap();
    let (data, said) = data(dir.path());
    let checked = json(&["check", data.to_str().unwrap()]);
    assert_eq!(checked["status"], "whole");
    for key in ["timeline", "lsn", "state_hash", "vectors", "metadata", "contexts", "events", "pairs"] {
        let value = checked[key].as_str().map_or_else(|| checked[key].to_string(), str::to_owned);
        assert!(said.contains(&format!("{key}: {value}\r\n")), "{key}: {value} is not in {said}");
    }
    assert_eq!(checked["lsn"], 8);
}

#[test]
fn a_table_is_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = data(dir.path());
    let said = ok(&["check", data.to_str().unwrap(), "--format", "table"]);
    assert!(said.lines().any(|line| line.starts_with("state hash ")), "{said}");
    assert!(!said.contains('{'), "{said}");
}

#[test]
fn it_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = data(dir.path());
    let bytes = || -> Vec<(PathBuf, Vec<u8>)> {
        let kept = files(&data).into_iter().filter(|path| !path.ends_with("LOCK"));
        kept.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
    };
    let before = bytes();
    ok(&["check", data.to_str().unwrap()]);
    assert!(before == bytes(), "check changed the directory");
}

#[test]
fn a_damaged_file_exits_with_3_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = data(dir.path());
    let mut damaged = 0;
    for path in files(&data) {
        let name = path.file_name().unwrap().to_str().unwrap();
        // The lock holds nothing; indexes are derived, and made again.
        if name == "LOCK" || name.ends_with("index") {
            continue;
        }
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let output = run(&["check", data.to_str().unwrap()]);
        // The end of the newest log was never proven durable: damage there may be a torn end, which is cut at open.
        let torn = name.ends_with(".log") && code(&output) == 0;
        if !torn {
            assert_eq!(code(&output), 3, "{name}: {}", stderr(&output));
            assert!(stderr(&output).contains(name), "{name}: {}", stderr(&output));
            damaged += 1;
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(damaged >= 4, "only {damaged} files were found damaged");
    ok(&["check", data.to_str().unwrap()]);
}

#[test]
fn a_newer_format_version_is_said_in_those_words() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = data(dir.path());
    let path = data.join("DATABASE");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("cairndb-database 1", "cairndb-database 2", 1)).unwrap();
    let output = run(&["check", data.to_str().unwrap()]);
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("Version mismatch: expected 1, got 2"), "{}", stderr(&output));
    assert!(stderr(&output).contains("DATABASE"), "{}", stderr(&output));
}
