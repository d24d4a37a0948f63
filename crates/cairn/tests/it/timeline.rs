//! `cairn timeline`: going back, on a closed directory and at a running server.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::{Value, json as value};
use std::path::Path;

const ID: &str = "0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b";

/// A data directory with four writes, closed in order; the state hash after each.
fn data(dir: &Path) -> (String, Vec<String>) {
    let data = dir.join("data");
    let server = Server::start(&data);
    let mut hashes = Vec::new();
    for i in 0..4 {
        let said = server.send(&format!("VECSET v{i} {i} 1\nCHECK\n"));
        let hash = said.lines().find_map(|line| line.strip_prefix("state_hash: ")).unwrap();
        hashes.push(hash.to_owned());
    }
    server.stop("TERM");
    (data.to_str().unwrap().to_owned(), hashes)
}

fn hash(data: &str) -> Value {
    json(&["check", data])["state_hash"].clone()
}

fn timelines(place: &[&str]) -> Vec<Value> {
    let said = json(&[&["timeline", "list"], place].concat());
    let rows = said["timelines"].as_array().unwrap().clone();
    assert_eq!(said["total"], rows.len());
    rows
}

#[test]
fn a_closed_directory_goes_back_and_forth() {
    let dir = tempfile::tempdir().unwrap();
    let (data, hashes) = data(dir.path());
    let place = ["--data", data.as_str()];
    let before = timelines(&place);
    assert_eq!((before.len(), &before[0]["role"], &before[0]["to_lsn"]), (1, &value!("live"), &value!(4)));
    let first = before[0]["id"].as_str().unwrap().to_owned();

    let dry = json(&[&["timeline", "recover", "2", "--dry-run"], &place[..]].concat());
    assert_eq!(
        (&dry["lsn"], &dry["from_timeline"], &dry["dry_run"]),
        (&value!(2), &value!(first), &value!(true))
    );
    assert_eq!(timelines(&place), before);

    let done = json(&[&["timeline", "recover", "2"], &place[..]].concat());
    assert_eq!((&done["lsn"], &done["vectors"], &done["replaced"]), (&value!(2), &value!(2), &value!(first)));
    assert_eq!(hash(&data), hashes[1].as_str());
    let roles: Vec<Value> = timelines(&place).into_iter().map(|t| t["role"].clone()).collect();
    assert_eq!(roles, ["live", "ancestor"]);

    // Only a branch: the live state stays.
    let branch =
        json(&[&["timeline", "recover", "4", "--branch", "--timeline", &first], &place[..]].concat());
    let branch = branch["timeline"].as_str().unwrap().to_owned();
    assert_eq!(hash(&data), hashes[1].as_str());
    let compared = json(&[&["timeline", "compare", &branch], &place[..]].concat());
    assert_eq!(compared["equal"], false);
    let vectors = value!({"only_live": 0, "only_other": 2, "changed": 0, "ids": ["v2", "v3"]});
    assert_eq!(compared["vectors"], vectors);

    let planned = json(&[&["timeline", "drop", &branch, "--dry-run"], &place[..]].concat());
    assert_eq!((&planned["was"], &planned["to_lsn"]), (&value!("branch"), &value!(4)));
    assert_eq!(timelines(&place).len(), 3);
    json(&[&["timeline", "drop", &branch], &place[..]].concat());
    assert_eq!(timelines(&place).len(), 2);

    // The wrong recovery is undone.
    json(&[&["timeline", "promote", &first], &place[..]].concat());
    assert_eq!(hash(&data), hashes[3].as_str());
}

#[test]
fn a_running_server_goes_back_over_the_wire() {
    let dir = tempfile::tempdir().unwrap();
    let (data, hashes) = data(dir.path());
    let server = Server::start(Path::new(&data));
    let addr = server.addr.to_string();
    let place = ["--addr", addr.as_str()];
    let first = timelines(&place)[0]["id"].as_str().unwrap().to_owned();
    let dry = json(&[&["timeline", "recover", "1", "--dry-run"], &place[..]].concat());
    assert_eq!((&dry["lsn"], &dry["records_to_replay"]), (&value!(1), &value!(1)));
    let done = json(&[&["timeline", "recover", "3"], &place[..]].concat());
    assert_eq!((&done["lsn"], &done["vectors"]), (&value!(3), &value!(3)));
    assert!(server.send("CHECK\n").contains(&hashes[2]));
    let branch = json(&[&["timeline", "recover", "latest", "--branch"], &place[..]].concat());
    let branch = branch["timeline"].as_str().unwrap().to_owned();
    assert_eq!(json(&[&["timeline", "compare", &branch], &place[..]].concat())["equal"], true);
    let planned = json(&[&["timeline", "drop", &branch, "--dry-run"], &place[..]].concat());
    assert_eq!(planned["was"], "branch");
    json(&[&["timeline", "drop", &branch], &place[..]].concat());
    json(&[&["timeline", "promote", &first], &place[..]].concat());
    assert!(server.send("CHECK\n").contains(&hashes[3]));
    // The list and dry runs need no lock.
    assert_eq!(timelines(&["--data", &data]).len(), 2);
    json(&["timeline", "recover", "2", "--dry-run", "--data", &data]);
    let output = run(&["timeline", "recover", "2", "--data", &data]);
    assert_eq!(code(&output), 5, "{}", stderr(&output));
}

#[test]
fn what_cannot_be_had_exits_with_4_and_names_the_window() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = data(dir.path());
    let server = Server::start(Path::new(&data));
    let addr = server.addr.to_string();
    for place in [["--data", data.as_str()], ["--addr", addr.as_str()]] {
        let output = run(&[&["timeline", "recover", "99", "--dry-run"], &place[..]].concat());
        assert_eq!(code(&output), 4, "{place:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("recoverable: from "), "{}", stderr(&output));
        let output = run(&[&["timeline", "drop", ID, "--dry-run"], &place[..]].concat());
        assert_eq!(code(&output), 4, "{place:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(ID), "{}", stderr(&output));
    }
}

#[test]
fn wrong_usage_is_told_before_anything_is_opened() {
    for args in [
        vec!["timeline", "recover", "yesterday"],
        vec!["timeline", "recover", "latest", "--timeline", "x"],
        vec!["timeline", "drop", "x"],
        vec!["timeline", "promote", "x"],
        vec!["timeline", "compare", "x"],
        vec!["timeline", "recover"],
        vec!["open", "nowhere", "--as-of", "yesterday", "--read-only"],
        vec!["open", "nowhere"],
    ] {
        let output = run(&args);
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
    }
    let output = run(&["timeline", "list", "--data", "/nowhere/at/all"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn a_time_without_a_zone_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = data(dir.path());
    for args in [
        vec!["timeline", "recover", "2099-01-01 10:00:00", "--dry-run", "--data", &data],
        vec!["open", &data, "--read-only", "--as-of", "2099-01-01", "--exec", "CHECK"],
    ] {
        let output = run(&args);
        assert_eq!(code(&output), 4, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("in the future"), "{}", stderr(&output));
    }
    let now = ok(&["timeline", "list", "--data", &data, "--format", "json"]);
    let list: Value = serde_json::from_str(&now).unwrap();
    let time = list["timelines"][0]["to_time"].as_str().unwrap().trim_end_matches('Z').to_owned();
    let output = run(&["timeline", "recover", &time, "--dry-run", "--data", &data]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("no time zone given, taken as UTC"), "{}", stderr(&output));
}
