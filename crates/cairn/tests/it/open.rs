//! `cairn open`: a state of the past, beside a running server.

use crate::run::{Server, cairn, code, ok, run, stderr, stdout};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all.sort();
    all
}

fn hash(said: &str) -> String {
    said.lines().find_map(|line| line.strip_prefix("state_hash: ")).unwrap().to_owned()
}

#[test]
fn the_past_is_asked_beside_a_running_server_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let early = hash(&server.send("VECSET a 1 0\nVECSET b 0.6 0.8\nCHECK\n"));
    let late = hash(&server.send("VECSET a 0 1\nCHECK\n"));
    assert_ne!(early, late);
    let before = files(&data);
    let path = data.to_str().unwrap();
    let said = ok(&["open", path, "--read-only", "--as-of", "2", "--exec", "CHECK", "SIM b 1 using=vectors"]);
    assert_eq!(hash(&said), early);
    assert!(said.ends_with("END\nOK RESULTS 1\na 0.6000\n"), "{said}");
    let said = ok(&["open", path, "--read-only", "--exec", "CHECK"]);
    assert_eq!(hash(&said), late);
    let said = ok(&["open", path, "--read-only", "--as-of", "1", "--format", "json", "--exec", "CHECK"]);
    let reply: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(reply["lines"].as_array().unwrap().iter().any(|line| line == "lsn: 1"), "{said}");
    let output = run(&["open", path, "--read-only", "--exec", "VECSET x 1 1", "CHECK"]);
    assert_eq!(code(&output), 1);
    assert!(stdout(&output).starts_with("(error) READONLY "), "{}", stdout(&output));
    assert!(files(&data) == before, "the directory was touched");
    // The server goes on.
    assert_eq!(server.send("VECSET c 1 1\n"), "OK VECSET\r\n");
}

#[test]
fn it_is_served_read_only_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let early = hash(&server.send("VECSET a 1 0\nCHECK\n"));
    server.send("VECSET b 0 1\n");
    server.kill();
    let before = files(&data);
    let path = data.to_str().unwrap();
    let mut child = cairn(&["open", path, "--read-only", "--as-of", "1"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let addr = ready.strip_prefix("ready tcp=").unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(ready, format!("ready tcp={addr} data={path} as_of=1\n"));
    let mut stream = TcpStream::connect(&addr).unwrap();
    stream.write_all(b"CHECK\nVECSET c 1 1\nINFO\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(hash(&said), early);
    assert!(said.contains("(error) READONLY ") && said.contains("read_only: true\r\n"), "{said}");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(files(&data) == before, "the directory was touched");
    let made: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(made, ["data"]);
}

#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let output = run(&["open", missing.to_str().unwrap(), "--read-only", "--exec", "CHECK"]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(!missing.exists());
}
