//! `cairn export`: of a directory, of its past, of a snapshot.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::{Value, json as value};
use std::path::Path;

fn filled(data: &Path) -> String {
    let path = data.to_str().unwrap().to_owned();
    let server = Server::start(data);
    server.send("VECSET b 0.1 0\nVECSET a 1 0.25\nMETASET a k:\"x y\"\nEVENT c ADD a 9 timestamp=7\nEVENT c ADD b 5 timestamp=8\n");
    server.stop("TERM");
    path
}

#[test]
fn what_is_exported_comes_back_as_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(&dir.path().join("data"));
    let again = dir.path().join("again");
    let again = again.to_str().unwrap();
    for (content, name) in [("items", "items.jsonl.zst"), ("events", "events.csv.gz")] {
        let file = dir.path().join(name);
        let out = file.to_str().unwrap();
        let done = json(&["export", "--content", content, "--output", out, "--data", &path]);
        assert_eq!((&done["rows"], &done["lsn"]), (&value!(2), &value!(5)));
        assert_eq!(done["bytes"], file.metadata().unwrap().len());
        json(&["import", out, "--data", again]);
    }
    assert_eq!(json(&["check", again])["state_hash"], json(&["check", &path])["state_hash"]);
    let left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("unfinished")), "{left:?}");
}

#[test]
fn every_content_has_its_rows_and_standard_output_holds_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled(&dir.path().join("data"));
    for (content, format, expected) in [
        (
            "items",
            "jsonl",
            "{\"id\":\"a\",\"vector\":[1.0,0.25],\"metadata\":{\"k\":\"x y\"}}\n{\"id\":\"b\",\"vector\":[0.1,0.0]}\n",
        ),
        ("vectors", "lines", "VECSET a 1.0 0.25\nVECSET b 0.1 0.0\n"),
        ("metadata", "lines", "METASET a \"k\":\"x y\"\n"),
        ("events", "lines", "EVENT c ADD a 9 timestamp=7\nEVENT c ADD b 5 timestamp=8\n"),
        ("co-occurrence", "csv", "a,b,score\na,b,45.0\n"),
    ] {
        let out = ok(&["export", "--content", content, "--format", format, "--data", &path]);
        assert_eq!(out, expected, "{content}");
    }
    let (npy, ids) = (dir.path().join("v.npy"), dir.path().join("ids.jsonl"));
    let (npy, ids) = (npy.to_str().unwrap(), ids.to_str().unwrap());
    json(&["export", "--content", "vectors", "-o", npy, "--ids", ids, "--data", &path]);
    assert_eq!(std::fs::read_to_string(ids).unwrap(), "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    let again = dir.path().join("again");
    let again = again.to_str().unwrap();
    json(&["import", npy, "--ids", ids, "--data", again]);
    let vectors = |data: &str| ok(&["export", "--content", "vectors", "--data", data]);
    assert_eq!(vectors(again), vectors(&path));
}

#[test]
fn a_point_of_the_past_and_a_snapshot_are_exported_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = filled(&data);
    let repo = dir.path().join("repo");
    let repo = repo.to_str().unwrap();
    json(&["snapshot", "create", "--data", &path, "--repo", repo, "--name", "then"]);
    let before = ok(&["export", "--data", &path]);
    let server = Server::start(&data);
    server.send("VECSET z 5 5\n");
    // Beside the running server, which holds the directory.
    assert_eq!(ok(&["export", "--data", &path, "--as-of", "5"]), before);
    assert_eq!(ok(&["export", "--data", &path, "--as-of", "latest"]).lines().count(), 3);
    assert_eq!(code(&run(&["export", "--data", &path])), 5);
    server.stop("TERM");
    assert_eq!(ok(&["export", "--snapshot", "then", "--repo", repo]), before);
}

#[test]
fn a_collection_is_exported_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = filled(&data);
    let server = Server::start(&data);
    server.send("COLLECTION CREATE books\nUSE books\nVECSET t 1\n");
    server.stop("TERM");
    let out: Value =
        serde_json::from_str(&ok(&["export", "--collection", "books", "--data", &path])).unwrap();
    assert_eq!(out, value!({"id": "t", "vector": [1.0]}));
    let missing = run(&["export", "--collection", "nothing", "--data", &path]);
    assert_eq!(code(&missing), 4);
    assert!(stderr(&missing).contains("there are: "), "{}", stderr(&missing));
}

#[test]
fn a_failed_export_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = filled(&data);
    let server = Server::start(&data);
    server.send("COLLECTION CREATE books\n");
    server.stop("TERM");
    let out = crate::import::file(dir.path(), "out.npy", "old");
    for (args, exit) in [
        (vec!["--content", "events", "-o", &out], 2),
        (vec!["--content", "all", "-o", &out], 2),
        (vec!["--format", "xml", "-o", &out], 2),
        (vec!["--content", "items", "--ids", "x", "-o", &out], 2),
        (vec!["--content", "vectors", "--format", "jsonl", "--element", "f16", "-o", &out], 2),
        (vec!["--as-of", "99", "-o", &out], 4),
        (vec!["--snapshot", "x", "--repo", "/nowhere", "-o", &out], 4),
    ] {
        let output = if args.contains(&"--snapshot") {
            run(&[&["export"], &args[..]].concat())
        } else {
            run(&[&["export", "--data", &path], &args[..]].concat())
        };
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
    }
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "old");
    assert_eq!(dir.path().read_dir().unwrap().count(), 2, "the data, out.npy, and nothing else");
}
