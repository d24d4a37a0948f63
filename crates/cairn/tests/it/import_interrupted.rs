//! An import that is killed or interrupted goes on where it was.

use crate::run::{Server, cairn, json, stderr};
use serde_json::{Value, json as value};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: usize = 2_000;

fn rows(dir: &Path) -> String {
    let rows: String = (0..ROWS)
        .map(|n| {
            format!(
                "{{\"ctx\":\"c{n}\",\"id\":\"i\",\"type\":\"SET\",\"score\":{},\"timestamp\":7}}\n",
                n % 100
            )
        })
        .collect();
    crate::import::file(dir, "rows.jsonl", &rows)
}

/// An import of standard input that has got half of the rows, and has noted a part of them.
fn halfway(rows: &str, state: &Path, addr: &str) -> (Child, impl Write) {
    let args = ["import", "-", "--format", "jsonl", "--batch", "10", "--addr", addr, "--resume"];
    let mut child = cairn(&[&args[..], &[state.to_str().unwrap()]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = std::fs::read_to_string(rows).unwrap();
    input.write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    let started = Instant::now();
    while !std::fs::read_to_string(state).is_ok_and(|state| state.contains("\nrows 9")) {
        assert!(started.elapsed() < PATIENCE, "no state");
        std::thread::sleep(Duration::from_millis(2));
    }
    (child, input)
}

/// The same import again, of the whole file.
fn again(rows: &str, state: &Path, addr: &str) -> Value {
    let args = ["import", "-", "--format", "jsonl", "--batch", "10", "--addr", addr, "--resume"];
    let input = File::open(rows).unwrap();
    let output = cairn(&[&args[..], &[state.to_str().unwrap()]].concat()).stdin(input).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each row is there; where none came twice, the state is that of an import in one go.
fn check(server: &Server, rows: &str, dir: &Path, none_twice: bool) {
    let got = server.send("CHECK\n");
    assert!(got.contains(&format!("\nevents: {ROWS}\r\n")), "{got}");
    assert!(got.contains(&format!("\nstored_events: {ROWS}\r\n")), "{got}");
    if none_twice {
        let once = dir.join("once");
        json(&["import", rows, "--data", once.to_str().unwrap()]);
        let expected = json(&["check", once.to_str().unwrap()]);
        assert!(got.contains(expected["state_hash"].as_str().unwrap()), "{got}\nexpected {expected}");
    }
}

#[test]
fn a_killed_import_goes_on_at_its_last_note() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let (addr, state, rows) = (server.addr.to_string(), dir.path().join("state"), rows(dir.path()));
    let (mut child, _input) = halfway(&rows, &state, &addr);
    child.kill().unwrap();
    child.wait().unwrap();
    let report = again(&rows, &state, &addr);
    assert!(report["resumed_at"].as_u64().unwrap() >= 900, "{report}");
    assert_eq!((&report["rows_read"], &report["rows_written"]), (&value!(ROWS), &value!(ROWS)));
    assert!(!state.exists(), "an import that is done leaves no state");
    check(&server, &rows, dir.path(), false);
}

#[test]
fn an_interrupted_import_notes_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let (addr, state, rows) = (server.addr.to_string(), dir.path().join("state"), rows(dir.path()));
    let (mut child, mut input) = halfway(&rows, &state, &addr);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.next().unwrap().unwrap().contains("once more ends at once"));
    // The stream gives its next bytes, or ends.
    _ = input.write_all(b"\n");
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["status"], "cancelled");
    let done = report["rows_read"].as_u64().unwrap();
    assert_eq!(again(&rows, &state, &addr)["resumed_at"], done);
    check(&server, &rows, dir.path(), true);
}

#[test]
fn another_file_or_another_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let (addr, state, rows) = (server.addr.to_string(), dir.path().join("state"), rows(dir.path()));
    let (mut child, _input) = halfway(&rows, &state, &addr);
    child.kill().unwrap();
    child.wait().unwrap();
    let state = state.to_str().unwrap();
    let other = dir.path().join("other");
    for args in [
        ["import", &rows, "--addr", &addr, "--resume", state],
        ["import", &rows, "--data", other.to_str().unwrap(), "--resume", state],
    ] {
        let output = cairn(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("is not the file that the import began with"),
            "{}",
            stderr(&output)
        );
    }
}
