//! Which snapshots stay: prune, pins and schedules, as users run them.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    /// With a stopped server's data in it.
    fn with_data() -> Place {
        let place = Place::new();
        let server = Server::start(&place.path("data"));
        server.send("VECSET a 1 0\nVECSET b 0.6 0.8\n");
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

    fn listed(&self) -> Vec<String> {
        let listed = json(&["snapshot", "list", "--repo", &self.at("repo")]);
        let ids = listed["snapshots"].as_array().unwrap().iter();
        ids.map(|s| s["id"].as_str().unwrap().to_owned()).collect()
    }

    /// A server with `snapshot:` settings.
    fn serve(&self, settings: &str) -> Server {
        self.serve_on(settings, &[])
    }

    fn serve_on(&self, settings: &str, env: &[(&str, &str)]) -> Server {
        let config = self.path("cairn.yaml");
        std::fs::write(&config, format!("snapshot:\n  dir: {}\n{settings}", self.at("snapshots"))).unwrap();
        Server::start_with(&self.path("data"), &["-c", config.to_str().unwrap()], env)
    }

    /// The files in `snapshot.dir`.
    fn files(&self) -> Vec<String> {
        let Ok(dir) = std::fs::read_dir(self.path("snapshots")) else { return Vec::new() };
        let names = dir.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_file());
        let mut names: Vec<String> = names.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn auto_files(&self) -> Vec<String> {
        let mut files = self.files();
        files.retain(|name| name.starts_with("auto_2") && name.ends_with(".snapshot"));
        files
    }
}

/// The figure of an INFO line.
fn figure(server: &Server, key: &str) -> u64 {
    let info = server.send("INFO\n");
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Looks again and again until it is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_prune_shows_its_plan_asks_and_removes() {
    let place = Place::with_data();
    let made: Vec<Value> = ["one", "two", "three"].iter().map(|name| place.create(name)).collect();
    let repo = place.at("repo");
    ok(&["snapshot", "pin", "one", "--repo", &repo, "--note", "until the audit"]);
    let prune = ["snapshot", "prune", "--repo", &repo, "--keep-last", "1"];
    let plan = json(&[&prune[..], &["--dry-run"]].concat());
    assert_eq!((&plan["status"], &plan["removed"], &plan["kept"]), (&"planned".into(), &1.into(), &2.into()));
    let keeps = |at: usize| (plan["snapshots"][at]["id"].clone(), plan["snapshots"][at]["reasons"].clone());
    assert_eq!(keeps(0), (made[2]["id"].clone(), serde_json::json!(["newest-good", "last"])));
    assert_eq!(keeps(1), (made[0]["id"].clone(), serde_json::json!(["pinned"])));
    assert_eq!(plan["snapshots"][2]["action"], "remove");
    // Nobody is there to be asked.
    let refused = run(&prune);
    assert_eq!(code(&refused), 2, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("--yes"), "{}", stderr(&refused));
    assert_eq!(place.listed().len(), 3);
    let done = json(&[&prune[..], &["--yes"]].concat());
    assert_eq!((&done["status"], &done["removed"]), (&"pruned".into(), &1.into()));
    assert_eq!(place.listed(), [made[2]["id"].as_str().unwrap(), made[0]["id"].as_str().unwrap()]);
    for name in ["one", "three"] {
        assert_eq!(json(&["snapshot", "verify", name, "--repo", &repo])["status"], "whole");
    }
    let without_rules = run(&["snapshot", "prune", "--repo", &repo, "--yes"]);
    assert_eq!(code(&without_rules), 2);
    assert!(stderr(&without_rules).contains("--keep-last"), "{}", stderr(&without_rules));
}

#[test]
fn a_pinned_snapshot_is_deleted_only_by_force() {
    let place = Place::with_data();
    place.create("one");
    let repo = place.at("repo");
    ok(&["snapshot", "pin", "one", "--repo", &repo, "--note", "until the audit"]);
    assert!(ok(&["snapshot", "list", "--repo", &repo]).contains("\"pinned\": true"));
    let info = json(&["snapshot", "info", "one", "--repo", &repo]);
    assert!(info["pinned"].as_str().unwrap().ends_with("until the audit"), "{info}");
    let refused = run(&["snapshot", "delete", "one", "--repo", &repo]);
    assert_ne!(code(&refused), 0);
    assert!(stderr(&refused).contains("until the audit"), "{}", stderr(&refused));
    ok(&["snapshot", "unpin", "one", "--repo", &repo]);
    ok(&["snapshot", "pin", "one", "--repo", &repo]);
    ok(&["snapshot", "delete", "one", "--repo", &repo, "--force"]);
    assert!(place.listed().is_empty());
}

#[test]
fn prunes_and_creates_of_two_processes_never_hurt_each_other() {
    let place = Place::with_data();
    place.create("first");
    let repo = place.at("repo");
    let prune = ["snapshot", "prune", "--repo", &repo, "--keep-last", "2", "--yes"];
    let create = ["snapshot", "create", "--data", &place.at("data"), "--repo", &repo];
    // A create waits for five seconds: on a loaded machine they may be over, and it is said for whom.
    let fine = |output: &std::process::Output| {
        let locked = code(output) == 5 && stderr(output).contains("locked by pid");
        assert!(code(output) == 0 || locked, "{}", stderr(output));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (0..8).for_each(|_| fine(&run(&create))));
        scope.spawn(|| (0..16).for_each(|_| fine(&run(&prune))));
    });
    for id in place.listed() {
        assert_eq!(json(&["snapshot", "verify", &id, "--repo", &repo])["status"], "whole");
    }
    ok(&prune);
    let left = place.listed();
    assert!((1..=2).contains(&left.len()), "{left:?}");
    let restored = json(&["snapshot", "restore", &left[0], "--repo", &repo, "--data", &place.at("restored")]);
    assert_eq!(restored["vectors"], 2);
}

#[test]
fn automatic_dumps_are_made_and_the_newest_stay_and_manual_ones_are_left_alone() {
    let place = Place::new();
    let settings = "  interval_sec: 1\n  retain: 2\n";
    let server = place.serve(settings);
    server.send("VECSET a 1 0\nDUMP SAVE manual.nvec\nDUMP SAVE\n");
    std::fs::write(place.path("snapshots/auto_notes.snapshot"), "mine").unwrap();
    until("four dumps were made", || figure(&server, "snapshot_runs") >= 4);
    let (status, log) = server.stop("TERM");
    assert_eq!(status, Some(0), "{log}");
    let autos = place.auto_files();
    assert_eq!(autos.len(), 2, "{autos:?}");
    let others: Vec<String> = place.files().into_iter().filter(|name| !autos.contains(name)).collect();
    assert_eq!(others.len(), 3, "{others:?}");
    assert!(others.contains(&"manual.nvec".to_owned()) && others.contains(&"auto_notes.snapshot".to_owned()));
    assert!(others.iter().any(|name| name.starts_with("dump_2")), "{others:?}");
    for name in &autos {
        let mode = std::fs::metadata(place.path("snapshots").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    // Killed, it goes on where it was: of an hour, next to nothing has passed.
    let server = place.serve(settings);
    until("one more was made", || figure(&server, "snapshot_runs") >= 1);
    server.kill();
    let hourly = "  interval_sec: 3600\n  retain: 2\n";
    let server = place.serve(hourly);
    let before = place.auto_files();
    until("the next one is known", || server.send("SNAPSHOT SCHEDULE\n").contains(" next=2"));
    assert_eq!((figure(&server, "snapshot_runs"), place.auto_files()), (0, before.clone()));
    server.kill();

    // Of what was missed while it was down, it makes up for one, at once.
    for (at, name) in before.iter().enumerate() {
        let old = format!("auto_20200101_0{at}0000.snapshot");
        std::fs::rename(place.path("snapshots").join(name), place.path("snapshots").join(old)).unwrap();
    }
    let server = place.serve(hourly);
    until("it caught up", || figure(&server, "snapshot_runs") == 1);
    let newest = place.auto_files().pop().unwrap();
    assert!(!newest.starts_with("auto_2020"), "{newest}");
    let verified = server.send(&format!("DUMP VERIFY {newest}\n"));
    assert!(verified.starts_with("OK Snapshot is valid"), "{verified}");
    let (_, log) = server.stop("TERM");
    assert_eq!(place.auto_files().len(), 2, "{:?}: {log}", place.files());
    assert!(!place.files().iter().any(|name| name.ends_with(".unfinished")), "{:?}", place.files());
}

#[test]
fn scheduled_snapshots_are_made_pruned_by_their_policy_and_shown() {
    let place = Place::new();
    let settings = "  schedule:\n    - {name: often, every: 1s, keep_last: 2}\n    - {name: nightly, cron: \"0 2 * * *\", time_zone: Europe/Berlin, keep_daily: 14}\n";
    let server = place.serve(settings);
    let addr = server.addr.to_string();
    server.send("VECSET a 1 0\n");
    // Whichever comes first, the other waits.
    let replies = server.send(&"SNAPSHOT CREATE\n".repeat(30));
    assert_eq!(replies.matches("OK SNAPSHOT_CREATED").count(), 30, "{replies}");
    until("four were made", || figure(&server, "snapshot_runs") >= 4);
    let shown = json(&["snapshot", "schedule", "--addr", &addr]);
    let (often, nightly) = (&shown["schedules"][0], &shown["schedules"][1]);
    assert_eq!(
        (&often["name"], &often["when"], &often["keeps"]),
        (&"often".into(), &"every 1s".into(), &"keep_last=2".into())
    );
    assert!(often["last_success"].is_string() && often["failures"] == 0, "{shown}");
    assert_eq!(nightly["when"], "cron 0 2 * * * Europe/Berlin");
    assert!(nightly["next"].is_string() && nightly["last_success"].is_null(), "{shown}");
    assert!(figure(&server, "snapshot_age_seconds") < 60);
    let table = ok(&["snapshot", "schedule", "--addr", &addr, "--format", "table"]);
    assert!(table.contains("nightly"), "{table}");
    server.stop("TERM");
    let repo = place.at("snapshots/repository");
    let listed = json(&["snapshot", "list", "--repo", &repo]);
    // A stop may come between a snapshot and its prune.
    let total = listed["total"].as_u64().unwrap();
    assert!((32..=33).contains(&total), "{listed}");
    let planned = json(&["snapshot", "schedule", "-c", &place.at("cairn.yaml")]);
    assert!(planned["schedules"][0]["last_success"].is_string(), "{planned}");
    let tagged =
        ["snapshot", "prune", "--repo", &repo, "--tag", "schedule:often", "--keep-last", "1", "--yes"];
    ok(&tagged);
    assert_eq!(json(&["snapshot", "list", "--repo", &repo])["total"], 31);
}

#[test]
fn a_stop_gives_up_a_scheduled_snapshot_and_leaves_nothing_of_it() {
    let place = Place::new();
    let vectors = (0..2_000).map(|i| {
        let numbers: Vec<String> = (0..256).map(|d| (i * 256 + d).to_string()).collect();
        format!("VECSET v{i} {}\n", numbers.join(" "))
    });
    let server = place.serve("");
    assert_eq!(server.send(&vectors.collect::<String>()).matches("OK").count(), 2_000);
    server.stop("TERM");
    let repo = place.path("snapshots/repository");
    for round in 0..4 {
        let server =
            place.serve(&format!("  schedule: [{{name: s{round}, every: 1h, compression: gzip}}]\n"));
        // In its middle, mostly; on a slow machine it may be over.
        until("it begins", || server.send("SNAPSHOT STATUS\n").contains("scheduled SNAPSHOT CREATE"));
        let (status, log) = server.stop("TERM");
        assert_eq!(status, Some(0), "{log}");
        let unfinished = std::fs::read_dir(repo.join("snapshots")).unwrap();
        let unfinished: Vec<_> = unfinished.map(|entry| entry.unwrap().file_name()).collect();
        assert!(unfinished.iter().all(|name| !name.to_str().unwrap().starts_with('.')), "{unfinished:?}");
        assert_eq!(std::fs::read_dir(repo.join("tmp")).unwrap().count(), 0, "{log}");
    }
    let listed = json(&["snapshot", "list", "--repo", repo.to_str().unwrap()]);
    for snapshot in listed["snapshots"].as_array().unwrap() {
        let id = snapshot["id"].as_str().unwrap();
        assert_eq!(json(&["snapshot", "verify", id, "--repo", repo.to_str().unwrap()])["status"], "whole");
    }
}

#[test]
fn a_server_killed_between_its_snapshots_and_prunes_leaves_whole_ones() {
    let place = Place::new();
    let settings = "  interval_sec: 1\n  retain: 1\n  schedule: [{name: s, every: 1s, keep_last: 1}]\n";
    for round in 1..=4 {
        let server = place.serve_on(settings, &[("CAIRN_DISK", "lossy")]);
        server.send(&format!("VECSET v{round} {round} 1\n"));
        until("some were made", || figure(&server, "snapshot_runs") >= round);
        // What it had not synced dies with it.
        server.kill();
    }
    let server = place.serve("");
    for name in place.auto_files() {
        let verified = server.send(&format!("DUMP VERIFY {name}\n"));
        assert!(verified.starts_with("OK Snapshot is valid"), "{name}: {verified}");
    }
    assert!(!place.auto_files().is_empty());
    let repo = place.at("snapshots/repository");
    let listed = json(&["snapshot", "list", "--repo", &repo]);
    assert!(listed["total"].as_u64() >= Some(1), "{listed}");
    for snapshot in listed["snapshots"].as_array().unwrap() {
        let id = snapshot["id"].as_str().unwrap();
        assert_eq!(json(&["snapshot", "verify", id, "--repo", &repo])["status"], "whole", "{listed}");
    }
}

#[test]
fn a_server_prunes_and_pins_by_the_same_commands() {
    let place = Place::new();
    let server = place.serve("");
    let addr = server.addr.to_string();
    server.send("VECSET a 1 0\n");
    for name in ["one", "two"] {
        ok(&["snapshot", "create", "--addr", &addr, "--name", name]);
    }
    ok(&["snapshot", "pin", "one", "--addr", &addr, "--note", "two words"]);
    let prune = ["snapshot", "prune", "--addr", &addr, "--keep-last", "1"];
    assert_eq!(json(&[&prune[..], &["--dry-run"]].concat())["removed"], 0);
    ok(&["snapshot", "unpin", "one", "--addr", &addr]);
    assert_eq!(code(&run(&prune)), 2);
    assert_eq!(json(&[&prune[..], &["--yes"]].concat())["removed"], 1);
    assert_eq!(json(&["snapshot", "list", "--addr", &addr])["total"], 1);
    assert!(Path::new(&place.at("snapshots/repository")).is_dir());
}
