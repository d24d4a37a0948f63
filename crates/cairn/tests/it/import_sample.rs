//! The shipped sample comes in by a server and by a directory, and is the same state.

use crate::run::{Server, json};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json as value;
use std::io::{Read, Write};
use std::path::Path;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/debian");

fn sample(name: &str) -> String {
    format!("{SAMPLE}/{name}")
}

/// The events with a time, so that they are the same whenever they come in.
fn timed_events(dir: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(sample("events.txt.gz")).unwrap()).read_to_string(&mut text).unwrap();
    let path = dir.join("events.txt.gz");
    let mut out = GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
    let timed: String = text.lines().map(|line| format!("{line} timestamp=1737201600\n")).collect();
    out.write_all(timed.as_bytes()).unwrap();
    out.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

fn import(events: &str, place: &[&str]) {
    let (vectors, items) = (sample("vectors.f16.npy"), sample("items.jsonl.gz"));
    let new = ["--collection", "packages", "--create", "-d", "384", "--index", "hnsw"];
    let ids = ["--ids", items.as_str()];
    let made = json(&[&["import", &vectors], &ids[..], &new[..], place].concat());
    assert_eq!((&made["format"], &made["rows_written"]), (&value!("npy"), &value!(5000)));
    let into = ["--collection", "packages"];
    let ignored = ["--ignore-field", "text"];
    let told = json(&[&["import", &items], &ignored[..], &into[..], place].concat());
    assert_eq!((&told["format"], &told["rows_written"]), (&value!("jsonl"), &value!(5000)));
    let done = json(&[&["import", events], &into[..], place].concat());
    assert_eq!((&done["format"], &done["rows_written"]), (&value!("lines"), &value!(225_643)));
}

#[test]
fn the_sample_is_the_same_state_by_a_server_and_by_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let events = timed_events(dir.path());
    let (served, closed) = (dir.path().join("served"), dir.path().join("closed"));
    let server = Server::start(&served);
    let addr = server.addr.to_string();
    import(&events, &["--addr", &addr]);
    import(&events, &["--data", closed.to_str().unwrap()]);
    let check = json(&["check", closed.to_str().unwrap()]);
    assert_eq!((&check["vectors"], &check["metadata"]), (&value!(5000), &value!(5000)));
    let hash = check["state_hash"].as_str().unwrap();
    let told = server.send("CHECK\n");
    assert!(told.contains(&format!("state_hash: {hash}\r\n")), "{hash} is not in {told}");
    server.stop("TERM");
    assert_eq!(json(&["check", served.to_str().unwrap()])["state_hash"], hash);
    // And the events as they are shipped, which get the time when they come in.
    let raw = sample("events.txt.gz");
    let report = json(&["import", &raw, "--data", closed.to_str().unwrap()]);
    assert_eq!(report["rows_written"], 225_643);
}

#[test]
fn derived_files_that_are_damaged_are_named_counted_and_computed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let path = data.to_str().unwrap();
    let new = ["--collection", "packages", "--create", "--index", "flat", "--elements", "i8", "--data", path];
    json(&[&["import", &sample("vectors.f16.npy")], &new[..]].concat());
    json(&["storage", "compact", "packages", "--aggressive", "--data", path]);
    let codes = |path: &Path| -> Vec<_> {
        let timeline = path.join("timelines").read_dir().unwrap().next().unwrap().unwrap().path();
        let files = timeline.join("segments").read_dir().unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "codes" || end == "graph")).collect()
    };
    let derived = codes(&data);
    assert!(!derived.is_empty(), "nothing was derived");
    for file in &derived {
        // The version is in the head, which is looked at before a file is used.
        let mut bytes = std::fs::read(file).unwrap();
        bytes[8] ^= 0x40;
        std::fs::write(file, bytes).unwrap();
    }
    let server = Server::start(&data);
    let info = server.send("INFO\n");
    let line = info.lines().find_map(|line| line.strip_prefix("derived_discarded: ")).unwrap();
    assert!(line.parse::<u64>().unwrap() > 0, "{line}");
    let (_, log) = server.stop("TERM");
    assert!(log.contains("computed anew"), "{log}");
}
