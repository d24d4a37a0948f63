//! `cairn demo`.

use crate::run::{cairn, code, run, stderr, stdout};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// What is left in a temporary directory.
fn left_in(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn it_tells_the_whole_story_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = cairn(&["demo"]).env("TMPDIR", temporary.path()).output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let story = stdout(&output);
    println!("{story}");
    for part in [
        "5,000 vectors",
        "5,000 metadata",
        "packages like nginx",
        "by vector",
        "by behaviour",
        "fused",
        "section:httpd",
        "200 packages it has never seen: top 10 of each equal to the exact truth",
        "writes were acknowledged meanwhile",
        "SIGKILL to pid",
        "the data directory is deleted",
        "as a new timeline",
        "state hash",
        "as computed",
        "nothing is missing, nothing is added, nothing is torn",
        "archive of the log",
        "Where to go next",
    ] {
        assert!(story.contains(part), "the story does not say {part:?}");
    }
    assert_eq!(story.matches("as computed").count(), 3);
    assert_eq!(left_in(temporary.path()), Vec::<String>::new());
    assert_eq!(stderr(&output), "");
}

#[test]
fn stopped_halfway_it_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = cairn(&["demo"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut server = String::new();
    // Its server runs, and data come in.
    while !server.contains("pid ") {
        server.clear();
        assert_ne!(stdout.read_line(&mut server).unwrap(), 0, "the demo ended before its server started");
    }
    let server_pid = server.split("pid ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(!Path::new("/proc").join(&server_pid).exists(), "its server {server_pid} still runs");
    assert_eq!(left_in(temporary.path()), Vec::<String>::new());
}

#[test]
fn without_room_for_its_files_it_fails_with_a_reason() {
    let output = cairn(&["demo"]).env("TMPDIR", "/nonexistent").output().unwrap();
    assert_eq!(code(&output), 4, "{}", stderr(&output));
    assert!(stderr(&output).contains("/nonexistent"), "{}", stderr(&output));
    assert_eq!(code(&run(&["demo", "extra"])), 2);
}
