//! `cairn collection` and `cairn storage`, in a closed directory and at a server.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::json as value;

#[test]
fn collections_of_a_closed_directory_and_of_its_server_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    let here = ["--data", path];
    let on = |args: &[&str], place: &[&str]| json(&[args, place].concat());
    let made = on(
        &["collection", "create", "products", "-d", "2", "--on-disk", "--index", "hnsw", "--m", "8"],
        &here,
    );
    let shown = ["collection", "dimension", "storage", "index", "m", "volatile"].map(|key| made[key].clone());
    assert_eq!(
        shown,
        [value!("products"), value!(2), value!("mmap"), value!("graph"), value!(8), value!(false)]
    );
    let hybrid = ["collection", "create", "hybrid", "--storage", "hybrid", "--hot-tier-size", "10GB"];
    let more = ["--field", "section", "--field", "size", "--elements", "i8", "--max-bytes", "64MB"];
    let made = on(&[&hybrid[..], &more[..]].concat(), &here);
    assert_eq!((&made["fields"], &made["max_bytes"]), (&value!(["section", "size"]), &value!(64 << 20)));
    on(&["collection", "create", "cache", "--storage", "memory", "--volatile", "--metric", "l2"], &here);
    on(&["collection", "alias", "live", "products"], &here);

    let server = Server::start(&data);
    let addr = server.addr.to_string();
    let there = ["--addr", addr.as_str()];
    let said = ok(&["exec", "--addr", &addr, "--collection", "live", "VECSET a 1 0", "SIMV 5 1 0"]);
    assert!(said.contains("OK VECSET\nOK RESULTS 1\na 1.0000\n"), "{said}");
    let missing = run(&["exec", "--addr", &addr, "--collection", "nowhere", "VECSET a 1 0"]);
    assert!(code(&missing) != 0 && stderr(&missing).contains("nowhere"), "{}", stderr(&missing));
    let stats = on(&["collection", "stats", "live"], &there);
    assert_eq!((&stats["vectors"], &stats["aliases"]), (&value!(1), &value!(["live"])));
    let changed = on(&["collection", "configure", "live", "--ef-search", "200"], &there);
    assert_eq!((&changed["ef_search"], &changed["storage"]), (&value!(200), &value!("mmap")));
    on(&["collection", "rename", "cache", "cache-2"], &there);
    let locked = run(&[&["collection", "list"], &here[..]].concat());
    assert_eq!(code(&locked), 5, "{}", stderr(&locked));
    server.stop("TERM");

    let listed = on(&["collection", "list"], &here);
    let names: Vec<&str> =
        listed["collections"].as_array().unwrap().iter().map(|c| c["collection"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "products", "hybrid", "cache-2"]);
    assert_eq!(listed["collections"][1]["vectors"], 1);
    let table = ok(&[&["collection", "list", "--format", "table"], &here[..]].concat());
    assert!(table.contains("products") && !table.contains('{'), "{table}");
    assert_eq!(json(&["check", path])["status"], "whole");
}

#[test]
fn a_delete_wants_to_be_sure() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    let args = |args: &[&'static str]| {
        let place = ["--data", path];
        [args, &place[..]].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<String>>()
    };
    let run = |args: Vec<String>| run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let json = |args: Vec<String>| json(&args.iter().map(String::as_str).collect::<Vec<_>>());
    json(args(&["collection", "create", "v"]));
    let unsure = run(args(&["collection", "delete", "v"]));
    assert_eq!(code(&unsure), 2);
    assert!(stderr(&unsure).contains("--yes"), "{}", stderr(&unsure));
    assert_eq!(json(args(&["collection", "delete", "v", "--dry-run"]))["status"], "would_delete");
    json(args(&["collection", "stats", "v"]));
    json(args(&["collection", "delete", "v", "--yes"]));
    assert_eq!(code(&run(args(&["collection", "stats", "v"]))), 4);
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    json(&["collection", "create", "v", "--data", path]);
    for (args, exit) in [
        (vec!["collection", "stats", "nothing"], 4),
        (vec!["collection", "create", "v"], 2),
        (vec!["collection", "create", "a/b"], 2),
        (vec!["collection", "create", "w", "--metric", "round"], 2),
        (vec!["collection", "create", "w", "--storage", "hybrid"], 2),
        (vec!["collection", "create", "w", "--on-disk", "--storage", "memory"], 2),
        (vec!["collection", "create", "w", "--m", "1"], 2),
        (vec!["collection", "delete", "default", "--yes"], 2),
        (vec!["collection", "rename", "nothing", "x"], 4),
        (vec!["storage", "compact", "nothing"], 4),
        (vec!["storage", "compact", "--threshold", "0"], 2),
        (vec!["storage", "mmap", "--enable", "--disable"], 2),
        (vec!["storage", "mmap", "--advise", "sideways"], 2),
    ] {
        let output = run(&[&args[..], &["--data", path]].concat());
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty(), "{args:?} says why");
    }
}

#[test]
fn storage_prints_the_documented_fields() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    json(&["collection", "create", "products", "-d", "2", "--data", path]);
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mapped =
        json(&["storage", "mmap", "--enable", "--advise", "sequential", "--populate", "--data", path]);
    for key in ["mmap_enabled", "advise_mode", "populate", "total_mapped_bytes", "resident_bytes"] {
        assert!(keys(&mapped).contains(&key.to_owned()), "{mapped}");
    }
    assert_eq!((&mapped["mmap_enabled"], &mapped["advise_mode"]), (&value!(true), &value!("sequential")));
    let off = json(&["storage", "mmap", "--disable", "--data", path]);
    assert_eq!((&off["mmap_enabled"], &off["total_mapped_bytes"]), (&value!(false), &value!(0)));
    let done = json(&["storage", "compact", "products", "--threshold", "30%", "--data", path]);
    for key in [
        "collections_compacted",
        "before_size_bytes",
        "after_size_bytes",
        "freed_bytes",
        "reduction_percent",
        "duration_ms",
        "status",
    ] {
        assert!(keys(&done).contains(&key.to_owned()), "{done}");
    }
    assert_eq!((&done["status"], done["collections_compacted"].is_array()), (&value!("completed"), true));
}
