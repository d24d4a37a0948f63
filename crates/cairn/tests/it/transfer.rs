//! `cairn import` and `cairn export`: the shipped sample in and out, bad rows by line, a kill in the middle.

use crate::run::{Server, code, json, run, stderr};
use serde_json::json as value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn sample(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/debian").join(name);
    path.to_str().unwrap().to_owned()
}

/// Imports all of the sample; `place` says where.
fn import_all(place: &[&str]) {
    let (vectors, items, events) =
        (sample("vectors.f16.npy"), sample("items.jsonl.gz"), sample("events.txt.gz"));
    for (args, rows) in [
        (vec!["import", &vectors, "--ids", &items, "--collection", "deb", "--create", "-d", "384"], 5_000),
        (
            vec!["import", &items, "--content", "metadata", "--ignore-field", "text", "--collection", "deb"],
            5_000,
        ),
        (vec!["import", &events, "--format", "lines", "--collection", "deb"], 225_643),
    ] {
        let done = json(&[&args[..], place].concat());
        assert_eq!(
            (&done["rows_written"], &done["status"]),
            (&value!(rows), &value!("completed")),
            "{args:?}"
        );
    }
}

#[test]
fn the_sample_comes_into_a_directory_and_into_a_server_as_the_same_vectors_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let (closed, served) = (dir.path().join("closed"), dir.path().join("served"));
    import_all(&["--data", closed.to_str().unwrap()]);
    let server = Server::start(&served);
    let addr = server.addr.to_string();
    import_all(&["--addr", &addr]);
    server.stop("TERM");
    let export = |data: &Path, content: &str, name: &str| {
        let file = dir.path().join(name);
        let (data, path) = (data.to_str().unwrap(), file.to_str().unwrap());
        let args = ["export", "--data", data, "--collection", "deb", "--content", content, "--output", path];
        assert_eq!(json(&args)["status"], "completed");
        std::fs::read(&file).unwrap()
    };
    for (content, rows) in [("items", 5_000), ("co-occurrence", 1)] {
        let name = content.replace('-', "_");
        let ours = export(&closed, content, &format!("{name}-closed.jsonl"));
        assert!(ours == export(&served, content, &format!("{name}-served.jsonl")), "{content}");
        assert!(ours.iter().filter(|b| **b == b'\n').count() >= rows);
    }
    // What was exported comes in again.
    let again = dir.path().join("again");
    let items = dir.path().join("items-closed.jsonl");
    let place = ["--data", again.to_str().unwrap(), "--collection", "deb"];
    let done = json(&[&["import", items.to_str().unwrap(), "--create", "-d", "384"], &place[..]].concat());
    assert_eq!(done["rows_written"], 5_000);
    assert!(export(&again, "items", "again.jsonl") == std::fs::read(&items).unwrap());
}

#[test]
fn one_percent_of_bad_rows_is_reported_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let (file, bad) = (dir.path().join("rows.jsonl"), dir.path().join("bad.jsonl"));
    let data = dir.path().join("data");
    let mut text = String::new();
    let mut expected = Vec::new();
    for n in 1..=2_000 {
        let line = match n % 100 {
            50 if n % 200 == 50 => format!("{{\"id\":\"i{n}\",\"vector\":[1,\"x\"]}}"),
            50 => format!("{{\"id\":\"i{n}\",\"vector\":[1,2,3]}}"),
            _ => format!("{{\"id\":\"i{n}\",\"vector\":[{n},1]}}"),
        };
        if n % 100 == 50 {
            expected.push(n);
        }
        let _ = writeln!(text, "{line}");
    }
    std::fs::write(&file, text).unwrap();
    let place = ["--data", data.to_str().unwrap(), "--collection", "v", "--create", "-d", "2"];
    let args = ["import", file.to_str().unwrap(), "--on-error", "skip", "--bad-rows", bad.to_str().unwrap()];
    let done = json(&[&args[..], &place[..]].concat());
    let shown = ["rows_read", "rows_written", "rows_skipped"].map(|key| done[key].clone());
    assert_eq!(shown, [value!(2_000), value!(1_980), value!(20)]);
    let lines: Vec<u64> = std::fs::read_to_string(&bad)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, expected);
    let stopped = run(&[&["import", file.to_str().unwrap()], &place[..2], &["--collection", "v"]].concat());
    assert_eq!(code(&stopped), 1);
    assert!(stderr(&stopped).contains("line 50"), "{}", stderr(&stopped));
}

#[test]
fn what_is_wrong_with_an_import_or_export_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    let odd = dir.path().join("odd.npy");
    std::fs::write(&odd, b"no numbers here").unwrap();
    for (args, exit) in [
        (vec!["import", "nothing.npy"], 4),
        (vec!["import", odd.to_str().unwrap(), "--id-prefix", "i"], 1),
        (vec!["import", odd.to_str().unwrap(), "--format", "sheets"], 2),
        (vec!["import", odd.to_str().unwrap(), "--on-error", "shrug"], 2),
        (vec!["export", "--collection", "nothing"], 4),
        (vec!["export", "--content", "dreams"], 2),
    ] {
        let output = run(&[&args[..], &["--data", path]].concat());
        assert!(code(&output) == exit || (exit == 1 && code(&output) != 0), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty(), "{args:?} says why");
    }
}
