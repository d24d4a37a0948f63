//! `cairn import`: what is taken, what is refused, and what is said of it.

use crate::run::{Server, cairn, code, json, run, stderr, stdout};
use serde_json::{Value, json as value};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

pub fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs it with this on standard input.
fn fed(args: &[&str], text: &str) -> Output {
    let mut child =
        cairn(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// 1,000 rows of which ten are bad: nine that the reader refuses, and one (line 900) that the database does.
fn one_percent_bad(dir: &Path) -> (String, Vec<u64>) {
    let bad: Vec<u64> = (1..=10).map(|n| n * 90).collect();
    let rows = (1..=1_000).map(|n| match bad.iter().position(|line| *line == n) {
        None => format!("{{\"id\":\"i{n}\",\"vector\":[{n},1]}}\n"),
        Some(0) => "{\"id\":\n".to_owned(),
        Some(9) => format!("{{\"id\":\"i{n}\",\"vector\":[1,2,3]}}\n"),
        Some(_) => format!("{{\"id\":\"i{n}\",\"vector\":[{n},\"x\"]}}\n"),
    });
    (file(dir, "rows.jsonl", &rows.collect::<String>()), bad)
}

fn bad_lines(path: &PathBuf) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["line"].as_u64().unwrap();
    text.lines().map(line).collect()
}

#[test]
fn of_a_file_with_one_percent_of_bad_rows_each_is_reported_in_both_places() {
    let dir = tempfile::tempdir().unwrap();
    let (rows, bad) = one_percent_bad(dir.path());
    let served = dir.path().join("served");
    let server = Server::start(&served);
    let (addr, closed) = (server.addr.to_string(), dir.path().join("closed"));
    for place in [["--addr", addr.as_str()], ["--data", closed.to_str().unwrap()]] {
        let bad_rows = dir.path().join(format!("bad{}.jsonl", place[0]));
        let skip = ["--on-error", "skip", "--bad-rows", bad_rows.to_str().unwrap()];
        let report = json(&[&["import", &rows], &skip[..], &place].concat());
        assert_eq!(
            (&report["rows_read"], &report["rows_written"], &report["rows_skipped"]),
            (&value!(1000), &value!(990), &value!(10)),
            "{place:?}"
        );
        assert_eq!(bad_lines(&bad_rows), bad);
        let shown: Vec<&str> =
            report["bad_rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
        assert_eq!(shown.len(), 10);
        assert_eq!(shown[1], "line 180: vector[1]: expected a finite f32 number, got \"\\\"x\\\"\"");
        assert_eq!(shown[9], "line 900: vector: Vector dimension mismatch: expected 2, got 3");
    }
    assert!(server.send("INFO\n").contains("vector_count: 990"));
    assert_eq!(json(&["check", closed.to_str().unwrap()])["vectors"], 990);
}

#[test]
fn a_bad_row_stops_it_with_exit_code_1_and_the_rows_before_it_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let (rows, _) = one_percent_bad(dir.path());
    let data = dir.path().join("data");
    let output = run(&["import", &rows, "--data", data.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&report["status"], &report["rows_written"]), (&value!("stopped"), &value!(89)));
    assert!(stderr(&output).contains("line 90: "), "{}", stderr(&output));
    assert_eq!(json(&["check", data.to_str().unwrap()])["vectors"], 89);
}

#[test]
fn fields_are_mapped_and_standard_input_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let addr = server.addr.to_string();
    let rows = "{\"sku\":\"a\",\"v\":[1,0],\"text\":\"red, round\",\"price\":3,\"junk\":[]}\n";
    let options = ["--id-field", "sku", "--vector-field", "v", "--metadata-field", "price"];
    let more = ["--metadata-field", "text=body", "--ignore-field", "junk", "--addr", &addr];
    let output = fed(&[&["import", "-", "--format", "jsonl"], &options[..], &more[..]].concat(), rows);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let found = server.send("SIMV 5 filter=price>2,body:\"red, round\" 1 0\n");
    assert_eq!(found, "OK RESULTS 1\r\na 1.0000\r\n");
}

#[test]
fn a_collection_is_made_when_that_is_asked_for_and_missed_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    let rows = file(dir.path(), "rows.csv", "id,v0,v1,kind\na,1,0,x\nb,0,1,y\n");
    json(&["collection", "create", "other", "--data", path]);
    let output = run(&["import", &rows, "--collection", "books", "--data", path]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    let made = ["--collection", "books", "--create", "-d", "2", "--on-disk", "--data", path];
    assert_eq!(json(&[&["import", &rows], &made[..]].concat())["rows_written"], 2);
    let stats = json(&["collection", "stats", "books", "--data", path]);
    assert_eq!(
        (&stats["vectors"], &stats["metadata"], &stats["storage"]),
        (&value!(2), &value!(2), &value!("mmap"))
    );
    // It is there: the same command goes on with it.
    assert_eq!(json(&[&["import", &rows], &made[..]].concat())["rows_written"], 2);
    let server = Server::start(&data);
    let addr = server.addr.to_string();
    let remote = ["--collection", "more", "--create", "--addr", addr.as_str()];
    assert_eq!(json(&[&["import", &rows], &remote[..]].concat())["collection"], "more");
    assert!(server.send("COLLECTION STATS more\n").contains("vectors: 2"));
}

#[test]
fn only_the_content_that_is_asked_for_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data").to_str().unwrap().to_owned();
    let text = "{\"id\":\"a\",\"vector\":[1,0],\"metadata\":{\"k\":1}}\n{\"ctx\":\"c\",\"id\":\"a\",\"type\":\"ADD\",\"score\":5}\n";
    let rows = file(dir.path(), "rows.jsonl", text);
    let skip = ["--on-error", "skip", "--data", &path];
    let report = json(&[&["import", &rows, "--content", "vectors"], &skip[..]].concat());
    assert_eq!((&report["rows_written"], &report["rows_skipped"]), (&value!(1), &value!(1)));
    assert_eq!(report["bad_rows"], value!(["line 2: content: expected vectors, got an event"]));
    let checked = json(&["check", &path]);
    assert_eq!(
        (&checked["vectors"], &checked["metadata"], &checked["events"]),
        (&value!(1), &value!(0), &value!(0))
    );
    json(&[&["import", &rows, "--content", "events"], &skip[..]].concat());
    assert_eq!(json(&["check", &path])["events"], 1);
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data").to_str().unwrap().to_owned();
    let rows = file(dir.path(), "rows.jsonl", "{\"id\":\"a\",\"vector\":[1,0]}\n");
    let noise = file(dir.path(), "noise", "what is this");
    let cut = file(dir.path(), "cut.npy", "\u{7f}");
    std::fs::write(&cut, b"\x93NUMPY\x01\x00\xff\x00").unwrap();
    for (args, exit) in [
        (vec!["missing.jsonl"], 4),
        (vec![&noise], 2),
        (vec![&cut], 3),
        (vec![&rows, "--format", "xml"], 2),
        (vec![&rows, "--on-error", "ignore"], 2),
        (vec![&rows, "--content", "co-occurrence"], 2),
        (vec![&rows, "--content", "all"], 2),
        (vec![&rows, "--id-prefix", "x"], 2),
        (vec![&rows, "--batch", "0"], 2),
        (vec![&rows, "-d", "2"], 2),
        (vec![&rows, "--id-field", "vector"], 2),
    ] {
        let output = run(&[&["import", "--data", &path], &args[..]].concat());
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
    }
    assert!(!Path::new(&path).exists(), "what was refused made a database");
    let nobody = run(&["import", &rows, "--addr", "127.0.0.1:1"]);
    assert_eq!(code(&nobody), 1, "{}", stderr(&nobody));
}
