//! Talking to a server: over a Unix socket, with a password, and when it goes away.

use crate::run::{cairn, code, stderr};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

/// Answers the n-th line of one connection with the n-th reply, then closes; gives the lines.
fn scripted(path: &Path, replies: Vec<&'static str>) -> JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut got = Vec::new();
        for reply in replies {
            got.push(lines.next().unwrap().unwrap());
            (&stream).write_all(reply.as_bytes()).unwrap();
        }
        got
    })
}

#[test]
fn a_command_goes_over_a_unix_socket_after_the_password_of_the_environment() {
    for (args, line) in [(["wal", "status"], "WAL STATUS"), (["exec", "WAL STATUS"], "WAL STATUS")] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.sock");
        let server = scripted(&path, vec!["+OK\r\n", "OK WAL_STATUS\r\nwal_enabled: true\r\nEND\r\n"]);
        let addr = format!("unix:{}", path.display());
        let mut command = cairn(&[&args[..], &["--addr", &addr]].concat());
        let output = command.env("CAIRN_PASSWORD", "pass word").output().unwrap();
        assert_eq!(code(&output), 0, "{args:?}: {}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("wal_enabled"), "{args:?}");
        assert_eq!(server.join().unwrap(), ["AUTH pass word", line]);
    }
}

#[test]
fn a_refusal_for_want_of_a_password_says_where_it_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cairn.sock");
    let server = scripted(&path, vec!["(error) NOAUTH Authentication required\r\n"]);
    let addr = format!("unix:{}", path.display());
    let output = cairn(&["wal", "status", "--addr", &addr]).env_remove("CAIRN_PASSWORD").output().unwrap();
    assert_eq!(code(&output), 6);
    assert!(stderr(&output).contains("CAIRN_PASSWORD"), "{}", stderr(&output));
    server.join().unwrap();
}

#[test]
fn a_change_that_is_left_without_an_answer_is_told_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cairn.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        BufReader::new(stream).lines().next()
    });
    let addr = format!("unix:{}", path.display());
    let output =
        cairn(&["snapshot", "create", "--addr", &addr]).env_remove("CAIRN_PASSWORD").output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("unknown whether SNAPSHOT CREATE"), "{}", stderr(&output));
    server.join().unwrap();
}
