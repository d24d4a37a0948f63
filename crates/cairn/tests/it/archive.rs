//! The archive, end to end: a server ships its log, the machine is lost, and any point comes back from the repository.

use crate::run::{Server, code, json, run, stderr};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

struct Scene {
    dir: tempfile::TempDir,
    config: String,
}

impl Scene {
    fn new(archive: &str) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("cairn.yaml");
        std::fs::write(&config, format!("archive:\n  enabled: true\n  interval: 100ms\n{archive}")).unwrap();
        let config = config.to_str().unwrap().to_owned();
        Scene { dir, config }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn server(&self) -> Server {
        Server::start_with(Path::new(&self.path("data")), &["-c", &self.config], &[])
    }

    fn repo(&self) -> String {
        self.path("cairn-snapshots/repository")
    }
}

fn info(server: &Server, key: &str) -> String {
    let info = server.send("INFO\n");
    let prefix = format!("{key}: ");
    let found = info.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned);
    found.unwrap_or_else(|| panic!("no {key} in {info}"))
}

/// Waits until the server's archive holds an LSN.
fn until_archived(server: &Server, lsn: u64) {
    let started = Instant::now();
    while info(server, "archived_lsn").parse::<u64>().unwrap() < lsn {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", info(server, "archive_error"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn state_hash(dir: &str) -> Value {
    json(&["check", dir])["state_hash"].clone()
}

#[test]
fn any_point_comes_back_after_the_machine_is_gone() {
    let scene = Scene::new("");
    let server = scene.server();
    assert!(server.send("SNAPSHOT CREATE name=base\n").starts_with("OK SNAPSHOT_CREATED"));
    server.send(&(0..40).map(|n| format!("VECSET v{n} 1 {n}\n")).collect::<String>());
    // A time between two writes.
    std::thread::sleep(Duration::from_millis(5));
    let between =
        json(&["timeline", "list", "--addr", &server.addr.to_string()])["timelines"][0]["to_time"].clone();
    std::thread::sleep(Duration::from_millis(5));
    server.send(&(40..50).map(|n| format!("EVENT ctx ADD v{n} 10\n")).collect::<String>());
    until_archived(&server, 50);
    assert_eq!(info(&server, "archive_error"), "none");
    let hash = server.send("CHECK\n");
    let hash = hash.lines().find_map(|line| line.strip_prefix("state_hash: ")).unwrap().to_owned();
    server.kill();
    std::fs::remove_dir_all(scene.path("data")).unwrap();

    let (repo, restored) = (scene.repo(), scene.path("restored"));
    let plan = json(&["recover", "--repo", &repo, "--dry-run"]);
    assert_eq!(
        (&plan["status"], &plan["lsn"], &plan["records_replayed"]),
        (&"planned".into(), &50.into(), &50.into())
    );
    let done = json(&["recover", "--repo", &repo, "--data", &restored]);
    assert_eq!((&done["status"], &done["lsn"]), (&"completed".into(), &50.into()));
    assert_eq!(state_hash(&restored), Value::from(hash));

    let then = scene.path("then");
    json(&["recover", "--repo", &repo, "--data", &then, "--to", between.as_str().unwrap()]);
    let counts = json(&["check", &then]);
    assert_eq!((&counts["vectors"], &counts["events"], &counts["lsn"]), (&40.into(), &0.into(), &40.into()));

    // The recovered directory is a database like any other.
    let server = Server::start_with(Path::new(&restored), &["-c", &scene.config], &[]);
    assert_eq!(server.send("VECSET more 1 1\n"), "OK VECSET\r\n");
    until_archived(&server, 51);
    drop(server);
    let listed = json(&["archive", "list", "--repo", &repo]);
    assert!(listed["total"].as_u64().unwrap() >= 2, "both timelines: {listed}");
    assert_eq!(json(&["archive", "verify", "--repo", &repo])["status"], "whole");
    let e = run(&["recover", "--repo", &repo, "--data", &restored]);
    assert_eq!(code(&e), 2, "{}", stderr(&e));
    assert!(stderr(&e).contains("is not empty"), "{}", stderr(&e));
}

#[test]
fn what_cannot_be_recovered_is_refused_with_the_window() {
    let scene = Scene::new("");
    let server = scene.server();
    let answers = server.send("SNAPSHOT CREATE\nVECSET a 1 0\n");
    assert!(answers.starts_with("OK SNAPSHOT_CREATED") && !answers.contains("ERROR"), "{answers}");
    until_archived(&server, 1);
    drop(server);
    let repo = scene.repo();
    for (to, expected, says) in [
        ("99", 4, "recoverable: timeline"),
        ("2001-01-01T00:00:00Z", 4, "recoverable: timeline"),
        ("2999-01-01T00:00:00Z", 4, "it is in the future"),
        ("yesterday", 2, "expected `latest`, an LSN, or a time"),
    ] {
        let output = run(&["recover", "--repo", &repo, "--dry-run", "--to", to]);
        assert_eq!(code(&output), expected, "{to}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{to}: {}", stderr(&output));
    }
    let output = run(&["recover", "--repo", &repo, "--dry-run", "--to", "2001-01-01T00:00:00"]);
    assert!(stderr(&output).contains("taken as UTC"), "{}", stderr(&output));
}

#[test]
fn a_closed_directory_is_shipped_and_damage_is_found() {
    let scene = Scene::new("");
    let data = scene.path("data");
    let server = Server::start(Path::new(&data));
    server.send("VECSET a 1 0\nVECSET b 0 1\n");
    server.stop("TERM");
    let repo = scene.path("backups");
    json(&["snapshot", "create", "--repo", &repo, "--data", &data]);
    let shipped = json(&["archive", "ship", "--repo", &repo, "--data", &data]);
    assert_eq!((&shipped["archived_lsn"], &shipped["records"]), (&2.into(), &2.into()));
    assert_eq!(json(&["archive", "ship", "--repo", &repo, "--data", &data])["records"], 0, "nothing new");
    assert_eq!(json(&["archive", "prune", "--repo", &repo, "--dry-run"])["status"], "planned");
    let wal = Path::new(&repo).join("wal");
    let timeline = std::fs::read_dir(wal).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(timeline)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "zst"))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let output = run(&["archive", "verify", "--repo", &repo]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains(file.file_name().unwrap().to_str().unwrap()), "{}", stderr(&output));
}

#[test]
fn an_unreachable_repository_refuses_writes_at_its_mark_and_lets_them_on_when_it_is_back() {
    let scene = Scene::new("  backlog_max: 1MB\nwal:\n  max_file_size: 1MB\n");
    let server = scene.server();
    assert_eq!(server.send("VECSET first 1 0\n"), "OK VECSET\r\n");
    until_archived(&server, 1);
    // Another thing stands where the repository was.
    let (repo, away) = (scene.repo(), scene.path("away"));
    std::fs::rename(&repo, &away).unwrap();
    std::fs::write(&repo, "not a directory").unwrap();
    let vector = " 0.123456789".repeat(500);
    let mut refused = String::new();
    for n in 0..2_000 {
        let reply = server.send(&format!("VECSET v{n} 1 0\n"));
        assert!(reply.starts_with("OK") || reply.contains("wait for the archive"), "{reply}");
        let reply = server.send(&format!("METASET v{n} text:\"{}\"\n", vector.replace(' ', "_")));
        if !reply.starts_with("OK") {
            refused = reply;
            break;
        }
    }
    assert!(refused.contains("bytes of log wait for the archive, at most 1048576 may"), "{refused}");
    assert!(server.send("SIM first 1 using=vectors\n").starts_with("OK RESULTS"), "reads go on");
    assert_ne!(info(&server, "archive_error"), "none");
    std::fs::remove_file(&repo).unwrap();
    std::fs::rename(&away, &repo).unwrap();
    let started = Instant::now();
    while !server.send("VECSET again 1 0\n").starts_with("OK") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", info(&server, "archive_error"));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        json(&["archive", "list", "--repo", &repo])["windows"].as_array().map(Vec::len),
        Some(0),
        "no snapshot yet"
    );
}
