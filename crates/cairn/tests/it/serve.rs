//! `cairn serve`.

use crate::run::{Server, code, json, run, stderr};
use std::io::{Read, Write};

#[test]
fn the_ready_line_says_where_everything_is() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let expected = format!("ready tcp={} http=off unix=off data={}", server.addr, data.display());
    assert_eq!(server.ready, expected);
}

#[test]
fn http_is_served_where_it_is_told_to_and_writes_are_there_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["--http", "127.0.0.1:0"];
    let server = Server::start_with(&data, &args, &[]);
    let http = server.ready.split(' ').find_map(|word| word.strip_prefix("http=")).unwrap();
    let body = r#"{"id":"a","vector":[1,0]}"#;
    let head = "POST /vecset HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let mut stream = std::net::TcpStream::connect(http).unwrap();
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
    server.kill();
    let server = Server::start_with(&data, &args, &[]);
    assert_eq!(server.send("SIMV 1 1 0\n"), "OK RESULTS 1\r\na 1.0000\r\n");
    let output = run(&["serve", "--http", "8080"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--http: expected HOST:PORT, as 127.0.0.1:8080, got 8080"));
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    assert_eq!(server.send("VECSET a 1 0\nMETASET a kind:x\n"), "OK VECSET\r\nOK METASET\r\n");
    server.kill();
    let server = Server::start(&data);
    let replies = server.send("VECSET b 1 0\nSIM b 1 using=vectors filter=kind:x\n");
    assert_eq!(replies, "OK VECSET\r\nOK RESULTS 1\r\na 1.0000\r\n");
}

#[test]
fn a_signal_stops_it_in_order() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let server = Server::start(&data);
        server.send("VECSET a 1 0\n");
        let (code, log) = server.stop(signal);
        assert_eq!(code, Some(0), "SIG{signal}: {log}");
        let checked = json(&["check", data.to_str().unwrap()]);
        // It took a checkpoint: nothing is left to replay.
        assert_eq!((&checked["lsn"], &checked["replayed"]), (&1.into(), &0.into()), "SIG{signal}");
    }
}

#[test]
fn the_configuration_file_has_nvecds_names() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cairn.yaml");
    std::fs::write(&config, "vectors:\n  default_dimension: 3\napi:\n  tcp:\n    dialect: nvecd\n").unwrap();
    let server = Server::start_with(&dir.path().join("data"), &["-c", config.to_str().unwrap()], &[]);
    let reply = server.send("VECSET a 1 0\n");
    assert_eq!(reply, "ERROR Vector dimension mismatch: expected 3, got 2\r\n");
}

#[test]
fn an_unknown_key_is_wrong_usage_and_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cairn.yaml");
    std::fs::write(&config, "vectors:\n  default_dimensoin: 3\n").unwrap();
    let output = run(&["serve", "-c", config.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(said.contains("default_dimensoin") && said.contains("default_dimension"), "{said}");
    assert!(said.contains("cairn.yaml:2"), "{said}");
}

#[test]
fn a_taken_port_is_said_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let data = dir.path().join("data");
    let output = run(&["serve", "--tcp", &addr, "--data", data.to_str().unwrap()]);
    assert_ne!(code(&output), 0);
    assert!(stderr(&output).contains(&addr) && stderr(&output).contains("--tcp"), "{}", stderr(&output));
}

#[test]
fn the_lossy_disk_is_never_used_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&dir.path().join("data"), &[], &[("CAIRN_DISK", "lossy")]);
    let (_, log) = server.stop("TERM");
    assert!(log.contains("CAIRN_DISK=lossy") && log.contains("LOST"), "{log}");
}

#[test]
fn a_directory_that_may_not_be_written_exits_with_6() {
    // Nobody makes a directory there, root included.
    let output = run(&["serve", "--tcp", "127.0.0.1:0", "--data", "/sys/cairn-data"]);
    assert_eq!(code(&output), 6, "{}", stderr(&output));
    assert!(stderr(&output).contains("/sys/cairn-data"), "{}", stderr(&output));
}

#[test]
fn it_logs_how_it_was_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    server.send("VECSET a 1 0\nVECSET b 0 1\n");
    server.kill();
    let (_, log) = Server::start(&data).stop("TERM");
    let opened = log.lines().find(|line| line.contains("opened")).unwrap();
    for field in ["lsn=2", "replayed=2", "seconds=", "data="] {
        assert!(opened.contains(field), "{field} is not in: {opened}");
    }
    assert!(!log.contains("not orderly"), "{log}");
}

#[test]
fn what_may_be_lost_after_a_crash_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), dir.path().join("cairn.yaml"));
    std::fs::write(&config, "wal:\n  sync_mode: async\n").unwrap();
    let args = ["-c", config.to_str().unwrap()];
    let server = Server::start_with(&data, &args, &[]);
    server.send("VECSET a 1 0\n");
    server.kill();
    let (_, log) = Server::start_with(&data, &args, &[]).stop("TERM");
    let lost = log.lines().find(|line| line.contains("the last stop was not orderly")).unwrap();
    assert!(lost.contains("WARN") && lost.contains("after LSN 1"), "{lost}");
    // After an orderly stop nothing can be lost.
    let (_, log) = Server::start_with(&data, &args, &[]).stop("TERM");
    assert!(!log.contains("not orderly"), "{log}");
}

#[test]
fn a_contradiction_in_the_configuration_names_both_keys() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cairn.yaml");
    std::fs::write(&config, "wal:\n  sync_mode: async\n  sync_on_write: true\n").unwrap();
    let output = run(&["serve", "-c", config.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    let said = stderr(&output);
    assert!(
        said.contains("cairn.yaml:2: wal.sync_mode: async contradicts wal.sync_on_write: true"),
        "{said}"
    );
}
