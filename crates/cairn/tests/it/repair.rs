//! `cairn repair`.

use crate::run::{Server, code, json, ok, run, stderr, stdout};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn newest(dir: &Path, extension: &str) -> PathBuf {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.pop().unwrap()
}

#[test]
fn damage_is_shown_then_repaired_and_nothing_damaged_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    // Each answered before the next is sent, so that each proves the one before durable.
    for n in 0..50 {
        assert_eq!(server.send(&format!("VECSET v{n} 1 {n}\n")), "OK VECSET\r\n");
    }
    server.kill();
    let path = data.to_str().unwrap();
    assert_eq!(json(&["repair", path])["status"], "whole");

    // In the middle of the log, and later records prove that it was durable.
    let log = newest(&data, "log");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&log, &bytes).unwrap();
    assert_eq!(code(&run(&["check", path])), 3);
    let refused = run(&["serve", "--data", path, "--tcp", "127.0.0.1:0"]);
    assert_eq!(code(&refused), 3);
    assert!(stderr(&refused).contains("cairn repair"), "{}", stderr(&refused));

    for args in [&["repair", path, "--dry-run"][..], &["repair", path]] {
        let output = run(args);
        assert_eq!(code(&output), 3, "{}", stderr(&output));
        let says = stderr(&output);
        assert!(says.contains(log.to_str().unwrap()) && says.contains("nothing was changed"), "{says}");
        let plan: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let (lsn, lost) = (plan["lsn"].as_u64().unwrap(), plan["records_lost"].as_u64().unwrap());
        assert!(plan["status"] == "planned" && lsn + lost == 50 && lost > 0, "{plan}");
        assert_eq!(std::fs::read(&log).unwrap(), bytes);
    }
    let done = json(&["repair", path, "--yes"]);
    assert_eq!(done["status"], "repaired");
    assert_eq!(std::fs::read(&log).unwrap(), bytes, "the damaged file is kept");
    ok(&["timeline", "list", "--data", path]);
    let server = Server::start(&data);
    assert_eq!(server.send("VECSET next 1 1\n"), "OK VECSET\r\n");
    let lsn = done["lsn"].as_u64().unwrap();
    assert!(server.send("CHECK\n").contains(&format!("lsn: {}", lsn + 1)));
}
