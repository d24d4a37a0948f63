//! `cairn snapshot`, on directories and on a running server.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A temporary place with a stopped server's data in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        let server = Server::start(&place.path("data"));
        server
            .send("VECSET a 1 0\nVECSET b 0.6 0.8\nMETASET b kind:x\nEVENT c ADD a 100\nEVENT c ADD b 50\n");
        server.stop("TERM");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn create(&self, name: &str) -> Value {
        json(&["snapshot", "create", "--data", &self.at("data"), "--repo", &self.at("repo"), "--name", name])
    }
}

/// A part that a restore of the one snapshot needs.
fn any_part(repo: &Path) -> PathBuf {
    let snapshot = std::fs::read_dir(repo.join("snapshots")).unwrap().next().unwrap().unwrap();
    let metadata = std::fs::read(snapshot.path().join("metadata.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    repo.join(metadata["files"][0]["stored"].as_str().unwrap())
}

#[test]
fn what_is_created_is_listed_described_and_verified() {
    let place = Place::new();
    let made = place.create("first");
    assert_eq!((&made["lsn"], &made["vectors"], &made["type"]), (&5.into(), &2.into(), &"full".into()));
    let id = made["id"].as_str().unwrap();
    let listed = json(&["snapshot", "list", "--repo", &place.at("repo")]);
    assert_eq!(listed["total"], 1);
    assert_eq!(
        (&listed["snapshots"][0]["id"], &listed["snapshots"][0]["name"]),
        (&id.into(), &"first".into())
    );
    for asked in ["first", id] {
        assert_eq!(json(&["snapshot", "info", asked, "--repo", &place.at("repo")])["id"], id);
        assert_eq!(json(&["snapshot", "verify", asked, "--repo", &place.at("repo")])["status"], "whole");
    }
}

#[test]
fn a_restored_directory_holds_the_same_state_on_a_new_timeline() {
    let place = Place::new();
    place.create("first");
    let restored =
        json(&["snapshot", "restore", "first", "--repo", &place.at("repo"), "--data", &place.at("restored")]);
    let before = json(&["check", &place.at("data")]);
    let after = json(&["check", &place.at("restored")]);
    assert_eq!(before["state_hash"], after["state_hash"]);
    assert_eq!((&after["timeline"], &after["parent"]), (&restored["timeline"], &before["timeline"]));
    assert_ne!(before["timeline"], after["timeline"]);
}

#[test]
fn each_compression_restores_the_same_state() {
    let place = Place::new();
    let hash = json(&["check", &place.at("data")])["state_hash"].clone();
    for word in ["zstd", "gzip", "none"] {
        let (repo, target) = (place.at(&format!("repo-{word}")), place.at(&format!("restored-{word}")));
        let made = json(&[
            "snapshot",
            "create",
            "--data",
            &place.at("data"),
            "--repo",
            &repo,
            "--compression",
            word,
        ]);
        assert_eq!(made["compression"], word);
        ok(&["snapshot", "restore", made["id"].as_str().unwrap(), "--repo", &repo, "--data", &target]);
        assert_eq!(json(&["check", &target])["state_hash"], hash, "{word}");
    }
}

#[test]
fn creating_a_snapshot_changes_nothing_in_the_data() {
    let place = Place::new();
    let before = json(&["check", &place.at("data")]);
    place.create("first");
    assert_eq!(json(&["check", &place.at("data")]), before);
}

#[test]
fn a_snapshot_of_a_stopped_server_keeps_settings_that_are_not_the_default() {
    let place = Place { dir: tempfile::tempdir().unwrap() };
    let config = place.path("cairn.yaml");
    std::fs::write(&config, "events:\n  ctx_buffer_size: 7\nvectors:\n  distance_metric: dot\n").unwrap();
    let server = Server::start_with(&place.path("data"), &["-c", config.to_str().unwrap()], &[]);
    server.send("VECSET a 1 0\nEVENT c ADD a 100\n");
    server.stop("TERM");
    let before = json(&["check", &place.at("data")]);
    let made = place.create("first");
    assert_eq!(made["lsn"], before["lsn"]);
    assert_eq!(json(&["check", &place.at("data")]), before);
    ok(&["snapshot", "restore", "first", "--repo", &place.at("repo"), "--data", &place.at("restored")]);
    assert_eq!(json(&["check", &place.at("restored")])["state_hash"], before["state_hash"]);
}

#[test]
fn restoring_onto_data_is_refused() {
    let place = Place::new();
    place.create("first");
    let before = json(&["check", &place.at("data")]);
    let output =
        run(&["snapshot", "restore", "first", "--repo", &place.at("repo"), "--data", &place.at("data")]);
    assert_ne!(code(&output), 0);
    assert!(stderr(&output).contains(&place.at("data")), "{}", stderr(&output));
    assert_eq!(json(&["check", &place.at("data")]), before);
}

#[test]
fn a_dry_run_says_what_a_delete_then_does() {
    let place = Place::new();
    place.create("first");
    let server = Server::start(&place.path("data"));
    server.send("VECSET z 0 1\n");
    server.stop("TERM");
    place.create("second");
    let repo = place.at("repo");
    let plan = json(&["snapshot", "delete", "first", "--repo", &repo, "--dry-run"]);
    assert_eq!(json(&["snapshot", "list", "--repo", &repo])["total"], 2, "a dry run deleted");
    let done = json(&["snapshot", "delete", "first", "--repo", &repo]);
    assert_eq!((&plan["would_delete"], &plan["parts"]), (&done["deleted"], &done["parts"]));
    assert_eq!(plan["would_free_bytes"], done["freed_bytes"]);
    assert_eq!(json(&["snapshot", "list", "--repo", &repo])["total"], 1);
    assert_eq!(json(&["snapshot", "verify", "second", "--repo", &repo])["status"], "whole");
}

#[test]
fn damage_exits_with_3_and_names_the_file() {
    let place = Place::new();
    place.create("first");
    let part = any_part(&place.path("repo"));
    let mut bytes = std::fs::read(&part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let name = part.file_name().unwrap().to_str().unwrap();
    let (repo, target) = (place.at("repo"), place.at("restored"));
    for args in [
        vec!["snapshot", "verify", "first", "--repo", &repo],
        vec!["snapshot", "restore", "first", "--repo", &repo, "--data", &target],
    ] {
        let output = run(&args);
        assert_eq!(code(&output), 3, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(name), "{args:?}: {}", stderr(&output));
    }
    assert!(!place.path("restored").exists(), "a damaged snapshot was restored");
}

#[test]
fn a_snapshot_that_is_not_there_exits_with_4() {
    let place = Place::new();
    place.create("first");
    let repo = place.at("repo");
    for command in ["info", "verify", "delete"] {
        let output = run(&["snapshot", command, "other", "--repo", &repo]);
        assert_eq!(code(&output), 4, "{command}: {}", stderr(&output));
    }
}

#[test]
fn a_running_server_takes_the_same_commands() {
    let place = Place::new();
    let server = Server::start(&place.path("data"));
    let addr = server.addr.to_string();
    let made = json(&["snapshot", "create", "--addr", &addr, "--name", "live"]);
    let id = made["id"].as_str().unwrap();
    let listed = json(&["snapshot", "list", "--addr", &addr]);
    assert_eq!((&listed["total"], &listed["snapshots"][0]["id"]), (&1.into(), &id.into()));
    assert_eq!(listed["snapshots"][0]["name"], "live");
    assert_eq!(json(&["snapshot", "info", "live", "--addr", &addr])["lsn"], 5);
    ok(&["snapshot", "verify", "live", "--addr", &addr]);

    server.send("VECSET a 0 1\n");
    let restored = json(&["snapshot", "restore", "live", "--addr", &addr]);
    assert_ne!(restored["timeline"], made["timeline"]);
    assert!(server.send("SIM a 1 using=vectors\n").contains("b 0.6000"), "the old vector is not back");
    assert_eq!(code(&run(&["snapshot", "info", "other", "--addr", &addr])), 4);
    ok(&["snapshot", "delete", "live", "--addr", &addr]);
    assert_eq!(json(&["snapshot", "list", "--addr", &addr])["total"], 0);
}

#[test]
fn the_repository_of_a_running_server_can_be_read_beside_it() {
    let place = Place::new();
    let server = Server::start(&place.path("data"));
    ok(&["snapshot", "create", "--addr", &server.addr.to_string(), "--name", "live"]);
    let repo = place.at("cairn-snapshots/repository");
    assert_eq!(json(&["snapshot", "list", "--repo", &repo])["total"], 1);
    assert_eq!(json(&["snapshot", "verify", "live", "--repo", &repo])["status"], "whole");
}
