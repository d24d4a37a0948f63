//! `cairn storage snapshot` with the words and the JSON of its document, and what `cairn snapshot` does beyond.

use crate::run::{Server, cairn, code, json, ok, run, stderr};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// A directory to work in, with a database of two collections in `cairn-data`, which is the default.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        let server = Server::start(&place.path("cairn-data"));
        server.send(
            "VECSET a 1 0\nVECSET b 0.6 0.8\nCOLLECTION CREATE products dimension=3\nUSE products\n\
             VECSET p1 1 0 0\nVECSET p2 0 1 0\nEVENT c ADD p1 100\nEVENT c ADD p2 50\n",
        );
        server.stop("TERM");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cairn(args);
        command.current_dir(self.dir.path());
        command
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args).output().unwrap();
        assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.command(args).output().unwrap();
        (code(&output), stderr(&output))
    }

    fn hash(&self, data: &str) -> String {
        self.json(&["check", data, "--format", "json"])["state_hash"].as_str().unwrap().to_owned()
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn create_and_list_print_the_documented_json() {
    let place = Place::new();
    let made = place.json(&["storage", "snapshot", "create", "products", "--path", "backups", "--compress"]);
    let mut documented = vec![
        "snapshot_id",
        "type",
        "collections",
        "vectors",
        "size_bytes",
        "compressed",
        "path",
        "duration_ms",
        "status",
    ];
    documented.sort_unstable();
    let mut found = keys(&made);
    found.sort_unstable();
    assert_eq!(found, documented);
    assert_eq!((&made["type"], &made["collections"]), (&json!("full"), &json!(["products"])));
    assert_eq!(
        (&made["vectors"], &made["compressed"], &made["status"]),
        (&json!(2), &json!(true), &json!("completed"))
    );
    let id = made["snapshot_id"].as_str().unwrap();
    assert_eq!(made["path"], format!("backups/snapshots/{id}"));
    assert!(place.path(made["path"].as_str().unwrap()).join("metadata.json").exists());

    let whole = place.json(&["storage", "snapshot", "create"]);
    assert_eq!(
        (&whole["collections"], &whole["compressed"]),
        (&json!(["default", "products"]), &json!(false))
    );
    let listed =
        place.json(&["storage", "snapshot", "list", "--path", "backups", "--collection", "products"]);
    assert_eq!(listed["total"], 1);
    let row = &listed["snapshots"][0];
    assert_eq!(
        (&row["id"], &row["size_bytes"], &row["path"]),
        (&made["snapshot_id"], &made["size_bytes"], &made["path"])
    );
    let mut found = keys(row);
    found.sort_unstable();
    assert_eq!(
        found,
        ["collections", "compressed", "created_at", "id", "path", "size_bytes", "type", "vectors"]
    );
    assert_eq!(place.json(&["storage", "snapshot", "list"])["total"], 1);
    let (exit, said) = place.refused(&["storage", "snapshot", "create", "nothing"]);
    assert!(exit == 4 && said.contains("Collection not found: nothing"), "{exit}: {said}");
}

#[test]
fn the_documented_backup_strategy_runs_as_it_stands_beside_a_server() {
    let place = Place::new();
    let server = Server::start(&place.path("cairn-data"));
    let hourly = ["storage", "snapshot", "create", "--incremental", "--compress", "--path", "backups/hourly"];
    let daily = place.json(&["storage", "snapshot", "create", "--compress", "--path", "backups/daily"]);
    assert_eq!(daily["type"], "full");
    let first = place.json(&hourly);
    assert_eq!(first["type"], "full", "there is nothing to go on from");
    server.send("VECSET later 1 1\nVECSET a 0 1\n");
    let second = place.json(&hourly);
    assert_eq!((&second["type"], &second["vectors"]), (&json!("incremental"), &json!(2)));
    let nothing = place.json(&hourly);
    assert_eq!((&nothing["type"], &nothing["vectors"]), (&json!("incremental"), &json!(0)));
    assert!(second["size_bytes"].as_u64().unwrap() < first["size_bytes"].as_u64().unwrap());
    server.stop("TERM");
    let hash = place.hash("cairn-data");
    for made in [&second, &nothing] {
        let path = made["path"].as_str().unwrap();
        let restored =
            place.json(&["storage", "snapshot", "restore", path, "--verify", "--data", "restored"]);
        assert_eq!(restored["status"], "completed");
        assert_eq!(place.hash("restored"), hash);
        std::fs::remove_dir_all(place.path("restored")).unwrap();
    }
    // As the document names it, too.
    let path = format!("backups/hourly/{}.gz", first["snapshot_id"].as_str().unwrap());
    let restored = place.json(&["storage", "snapshot", "restore", &path, "--data", "restored"]);
    assert_eq!(restored["collections_restored"], json!(["default", "products"]));
}

#[test]
fn a_collection_comes_back_under_another_name_and_over_itself() {
    let place = Place::new();
    let id = place.json(&["storage", "snapshot", "create", "products"])["snapshot_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let back = place.json(&["storage", "snapshot", "restore", &id, "--collection", "products-restored"]);
    let mut found = keys(&back);
    found.sort_unstable();
    assert_eq!(found, ["collections_restored", "duration_ms", "snapshot_id", "status", "vectors_restored"]);
    assert_eq!(
        (&back["collections_restored"], &back["vectors_restored"]),
        (&json!(["products-restored"]), &json!(2))
    );
    let stats = place.json(&["collection", "stats", "products-restored"]);
    assert_eq!((&stats["vectors"], &stats["events"]), (&json!(2), &json!(2)));
    let before = place.hash("cairn-data");
    let (exit, said) = place.refused(&["storage", "snapshot", "restore", &id]);
    assert!(exit != 0 && said.contains("Collection exists: products"), "{exit}: {said}");
    assert_eq!(place.hash("cairn-data"), before);
    let back = place.json(&["storage", "snapshot", "restore", &id, "--overwrite", "--verify"]);
    assert_eq!(back["collections_restored"], json!(["products"]));
    let (exit, said) = place.refused(&["storage", "snapshot", "restore", "snap-2024-01-20-103045"]);
    assert!(exit == 4 && said.contains("Snapshot not found"), "{exit}: {said}");
    let (exit, said) = place.refused(&["storage", "snapshot", "restore", "/nowhere/latest.snap"]);
    assert!(exit == 4 && said.contains("/nowhere/latest.snap"), "{exit}: {said}");
}

#[test]
fn the_same_at_a_server_within_its_directories() {
    let place = Place::new();
    let server = Server::start(&place.path("cairn-data"));
    let addr = server.addr.to_string();
    let made =
        place.json(&["storage", "snapshot", "create", "products", "--addr", &addr, "--path", "hourly"]);
    assert_eq!(
        (&made["type"], &made["collections"], &made["vectors"]),
        (&json!("full"), &json!(["products"]), &json!(2))
    );
    let listed = place.json(&["storage", "snapshot", "list", "--addr", &addr, "--path", "hourly"]);
    assert_eq!((&listed["total"], &listed["snapshots"][0]["path"]), (&json!(1), &made["path"]));
    let id = made["snapshot_id"].as_str().unwrap();
    let args =
        ["storage", "snapshot", "restore", id, "--addr", &addr, "--path", "hourly", "--collection", "again"];
    assert_eq!(place.json(&args)["collections_restored"], json!(["again"]));
    let (exit, said) = place.refused(&["storage", "snapshot", "create", "--addr", &addr, "--path", "/etc"]);
    assert!(exit == 2 && said.contains("Invalid filepath"), "{exit}: {said}");

    // And by the other family.
    let first = json(&[
        "snapshot",
        "create",
        "--addr",
        &addr,
        "--name",
        "first",
        "--tag",
        "x",
        "--description",
        "a b",
    ]);
    assert_eq!((&first["tags"], &first["description"]), (&json!(["x"]), &json!("a b")));
    server.send("VECSET later 1 1\n");
    let second = json(&["snapshot", "create", "--addr", &addr, "--incremental", "--name", "second"]);
    assert_eq!((&second["type"], &second["base"]), (&json!("incremental"), &first["id"]));
    let diff = json(&["snapshot", "diff", "first", "second", "--addr", &addr]);
    assert_eq!(
        (&diff["differences"][0]["collection"], &diff["differences"][0]["vectors"]),
        (&json!("*"), &json!(1))
    );
    assert_eq!(json(&["snapshot", "verify", "--all", "--addr", &addr])["snapshots"], 2);
    let plan = json(&["snapshot", "restore", "second", "--dry-run", "--addr", &addr]);
    assert_eq!((&plan["log_records"], &plan["fits"]), (&json!(1), &json!(true)));
    let branch = json(&["snapshot", "restore", "first", "--branch", "--addr", &addr]);
    ok(&["timeline", "compare", branch["branch"].as_str().unwrap(), "--addr", &addr]);
}

#[test]
fn a_directory_is_restored_over_only_when_asked_and_is_kept() {
    let place = Place::new();
    let made = place.json(&["snapshot", "create", "--repo", "repo", "--name", "first"]);
    let hash = place.hash("cairn-data");
    let server = Server::start(&place.path("cairn-data"));
    server.send("VECSET later 1 1\n");
    let restore = ["snapshot", "restore", "first", "--repo", "repo", "--data", "cairn-data"];
    let over = [&restore[..], &["--overwrite"]].concat();
    let (exit, said) = place.refused(&over);
    assert!(exit == 5, "{exit}: {said}");
    server.stop("TERM");
    let live = place.hash("cairn-data");
    let (exit, said) = place.refused(&restore);
    assert!(exit == 2 && said.contains("is not empty") && said.contains("--overwrite"), "{exit}: {said}");
    let plan = place.json(&[&restore[..], &["--dry-run"]].concat());
    assert_eq!((&plan["id"], &plan["fits"]), (&made["id"], &json!(true)));
    assert_eq!(place.hash("cairn-data"), live, "a plan changes nothing");
    let restored = place.json(&over);
    assert_eq!(place.hash("cairn-data"), hash);
    let kept = restored["replaced"].as_str().unwrap();
    assert_eq!(place.hash(kept), live);
    assert!(restored["kept_bytes"].as_u64().is_some());
}

#[test]
fn verify_reads_as_much_as_asked_and_names_what_is_affected() {
    let place = Place::new();
    place.json(&["snapshot", "create", "--repo", "repo", "--name", "first"]);
    place.json(&["snapshot", "create", "--repo", "repo", "--name", "second", "--incremental"]);
    let all = place.json(&["snapshot", "verify", "--all", "--repo", "repo"]);
    assert_eq!((&all["status"], &all["parts"]), (&json!("whole"), &all["parts_read"]));
    let sizes = place.json(&["snapshot", "verify", "second", "--sizes", "--repo", "repo"]);
    assert_eq!(sizes["parts_read"], 0);
    place.json(&["snapshot", "verify", "--all", "--read-data-subset", "50%", "--repo", "repo"]);
    let (exit, said) =
        place.refused(&["snapshot", "verify", "--all", "--read-data-subset", "lots", "--repo", "repo"]);
    assert!(exit == 2 && said.contains("\"lots\""), "{exit}: {said}");
    let id = place.json(&["snapshot", "info", "first", "--repo", "repo"])["id"].as_str().unwrap().to_owned();
    let metadata = std::fs::read(place.path(&format!("repo/snapshots/{id}/metadata.json"))).unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    let part = place.path("repo").join(metadata["manifest"]["stored"].as_str().unwrap());
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[9] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let output = place.command(&["snapshot", "verify", "--all", "--repo", "repo"]).output().unwrap();
    assert_eq!(code(&output), 3);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let affected = report["affected"][0].as_str().unwrap();
    assert!(affected.contains(&id) && affected.contains(", snap-"), "both share it: {affected}");
    // The plain tool finds it as well.
    let sums = Command::new("sha256sum")
        .args(["-c", "--quiet", "checksum.sha256"])
        .current_dir(place.path(&format!("repo/snapshots/{id}")))
        .output()
        .unwrap();
    assert!(!sums.status.success());
    assert_eq!(code(&run(&["snapshot", "verify"])), 2, "neither one nor all");
}

#[test]
fn progress_comes_as_lines_of_json_when_asked() {
    let place = Place::new();
    let args = ["snapshot", "create", "--repo", "repo", "--name", "first", "--progress", "json"];
    let output = place.command(&args).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stderr(&output);
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&last["operation"], &last["files_done"]), (&json!("storing"), &last["files_total"]));
    assert_eq!(last["bytes_done"].as_u64().map(|n| n > 0), Some(true), "{last}");
    let quiet = place.command(&["snapshot", "verify", "first", "--repo", "repo"]).output().unwrap();
    assert_eq!(stderr(&quiet), "", "where stderr is no terminal nothing is drawn");
}

#[test]
fn portable_files_are_made_and_restored_here_and_at_a_server() {
    let place = Place::new();
    let hash = place.hash("cairn-data");
    for name in ["all.nvec", "all.nvec.gz", "all.zst", "snapshot-all"] {
        let made = place.json(&["storage", "snapshot", "create", "--output", name]);
        assert_eq!((&made["vectors"], &made["path"]), (&json!(2), &json!(name)), "of the default collection");
        assert_eq!(made["compressed"], json!(name != "all.nvec"));
        assert!(made["size_bytes"].as_u64().unwrap() > 100);
        let back = ["storage", "snapshot", "restore", &format!("./{name}"), "--data", "back", "--verify"];
        assert_eq!(place.json(&back)["status"], "completed");
        assert_eq!(place.hash("back"), hash, "{name}");
        std::fs::remove_dir_all(place.path("back")).unwrap();
    }
    std::fs::copy(place.path("all.nvec.gz"), place.path("latest.snap")).unwrap();
    let over = ["storage", "snapshot", "restore", "latest.snap", "--verify"];
    let (exit, said) = place.refused(&over);
    assert!(exit == 2 && said.contains("is not empty"), "{exit}: {said}");
    place.json(&[&over[..], &["--overwrite"]].concat());
    assert_eq!(place.hash("cairn-data"), hash);
    let mut bytes = std::fs::read(place.path("latest.snap")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(place.path("latest.snap"), bytes).unwrap();
    let (exit, said) = place.refused(&[&over[..], &["--overwrite"]].concat());
    assert!(exit == 3 && said.contains("latest.snap"), "{exit}: {said}");

    let server = Server::start(&place.path("cairn-data"));
    let addr = server.addr.to_string();
    for name in ["all.nvec.gz", "snapshot-all"] {
        place.json(&["storage", "snapshot", "create", "--output", name, "--addr", &addr]);
        let replies = server.send(&format!("DUMP VERIFY {name}\nDUMP INFO {name}\nDUMP LOAD {name}\n"));
        assert!(
            replies.contains("OK Snapshot is valid") || replies.contains("OK DUMP_VERIFIED"),
            "{replies}"
        );
        assert!(!replies.contains("rror)") && !replies.contains("ERROR"), "{replies}");
    }
    place.json(&["storage", "snapshot", "restore", "all.nvec.gz", "--addr", &addr]);
    server.stop("TERM");
    assert_eq!(place.hash("cairn-data"), hash);
}
