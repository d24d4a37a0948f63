//! `cairn storage mmap`, `compact` and `stats`.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::{Value, json as value};
use std::path::Path;

/// Rows of a collection, of which a third is deleted.
fn filled(data: &Path) -> String {
    let row = |n: usize| (0..256).map(|i| format!(" {}", (i * 31 + n) % 17)).collect::<String>();
    let mut lines: String = (0..4_000).map(|n| format!("VECSET i{n}{}\n", row(n))).collect();
    lines.extend((0..1_400).map(|n| format!("VECDEL i{n}\n")));
    let path = data.to_str().unwrap().to_owned();
    json(&["collection", "create", "v", "-d", "256", "--on-disk", "--data", &path]);
    let server = Server::start(data);
    let replies = server.send(&format!("USE v\n{lines}"));
    assert_eq!(replies.lines().filter(|line| line.starts_with("OK ")).count(), 5_401);
    server.stop("TERM");
    path
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

const MMAP: [&str; 5] = ["advise_mode", "mmap_enabled", "populate", "resident_bytes", "total_mapped_bytes"];

#[test]
fn mapping_and_compaction_print_the_documented_json_in_both_places() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = filled(&data);
    let closed = ["--data", path.as_str()];
    let on = |args: &[&str], place: &[&str]| json(&[&["storage"], args, place].concat());
    let stats = on(&["stats", "v"], &closed);
    assert_eq!((&stats["total"], &stats["collections"][0]["storage"]), (&value!(1), &value!("mmap")));
    let off = on(&["mmap", "--disable"], &closed);
    assert_eq!((&off["mmap_enabled"], &off["total_mapped_bytes"]), (&value!(false), &value!(0)));
    let switched = ["mmap", "--enable", "--advise", "sequential", "--populate", "--collection", "v"];
    let enabled = on(&switched, &closed);
    assert_eq!(keys(&enabled), MMAP);
    assert_eq!(
        (&enabled["mmap_enabled"], &enabled["advise_mode"], &enabled["populate"]),
        (&value!(true), &value!("sequential"), &value!(true))
    );
    assert!(enabled["total_mapped_bytes"].as_u64().unwrap() > 1 << 20, "{enabled}");

    let server = Server::start(&data);
    let addr = server.addr.to_string();
    let remote = ["--addr", addr.as_str()];
    let shown = on(&["mmap", "--collection", "v"], &remote);
    assert_eq!((keys(&shown), &shown["populate"]), (MMAP.to_vec(), &value!(true)));
    assert_eq!(on(&["mmap", "--populate=off", "--collection", "v"], &remote)["populate"], false);
    let done = on(&["compact", "v", "--threshold", "20%"], &remote);
    let number = |key: &str| done[key].as_u64().unwrap_or_else(|| panic!("{key}: {done}"));
    assert_eq!((&done["collections_compacted"], &done["status"]), (&value!(["v"]), &value!("completed")));
    assert_eq!(number("before_size_bytes") - number("freed_bytes"), number("after_size_bytes"));
    assert!(done["reduction_percent"].as_f64().unwrap() > 20.0 && done["duration_ms"].is_u64(), "{done}");
    server.stop("TERM");

    // All that was worth it is done.
    let again = on(&["compact", "--threshold", "20"], &closed);
    assert_eq!((&again["collections_compacted"], &again["freed_bytes"]), (&value!([]), &value!(0)));
    assert_eq!(again["reduction_percent"].as_f64(), Some(0.0));
    assert_eq!(on(&["stats", "v"], &closed)["collections"][0]["dead_rows"], 0);
    let table = ok(&["storage", "stats", "--format", "table", "--data", &path]);
    assert!(table.starts_with("collection"), "{table}");
    assert_eq!(json(&["check", &path])["status"], "whole");
}

#[test]
fn a_repository_loses_the_parts_that_no_snapshot_names_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (data, repo) = (dir.path().join("data"), dir.path().join("repo"));
    let (path, repo) = (data.to_str().unwrap(), repo.to_str().unwrap());
    Server::start(&data).send("VECSET a 1 0\n");
    json(&["snapshot", "create", "--data", path, "--repo", repo, "--name", "s"]);
    assert_eq!(json(&["storage", "compact", "--repo", repo])["parts_removed"], 0);
    // What a create that was killed leaves: a part without a snapshot.
    let parts = Path::new(repo).join("parts");
    let dir_of = parts.read_dir().unwrap().next().unwrap().unwrap().path();
    let part = dir_of.read_dir().unwrap().next().unwrap().unwrap().path();
    let name = part.file_name().unwrap().to_str().unwrap();
    let first = if name.ends_with("0.zst") { "1.zst" } else { "0.zst" };
    let orphan = dir_of.join(format!("{}{first}", &name[..name.len() - 5]));
    std::fs::copy(&part, &orphan).unwrap();
    let swept = json(&["storage", "compact", "--repo", repo]);
    assert_eq!((&swept["parts_removed"], &swept["status"]), (&value!(1), &value!("completed")));
    assert_eq!(swept["freed_bytes"], part.metadata().unwrap().len());
    assert!(!orphan.exists());
    assert_eq!(json(&["snapshot", "verify", "s", "--repo", repo])["status"], "whole");
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    let missing = run(&["storage", "stats", "--data", path]);
    assert_eq!(code(&missing), 4, "{}", stderr(&missing));
    assert!(!data.exists());
    json(&["collection", "create", "v", "--data", path]);
    for (args, exit) in [
        (vec!["stats", "nothing"], 4),
        (vec!["compact", "nothing"], 4),
        (vec!["compact", "--threshold", "0"], 2),
        (vec!["compact", "--threshold", "120%"], 2),
        (vec!["mmap", "--advise", "never"], 2),
        (vec!["mmap", "--populate=maybe"], 2),
        (vec!["mmap", "--collection", "nothing"], 4),
    ] {
        let output = run(&[&["storage"], &args[..], &["--data", path]].concat());
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
    }
}
