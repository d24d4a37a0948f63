//! A log that is moved away while it is written.

use cairn_disk::{ErrorKind, LinesFile};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn lines_go_on_at_the_end_of_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    LinesFile::open(&path).unwrap().append(b"one\n").unwrap();
    LinesFile::open(&path).unwrap().append(b"two\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn opened_anew_it_leaves_the_file_that_was_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
    let log = LinesFile::open(&path).unwrap();
    log.append(b"one\n").unwrap();
    fs::rename(&path, &moved).unwrap();
    log.append(b"two\n").unwrap();
    log.reopen().unwrap();
    log.append(b"three\n").unwrap();
    assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn when_it_cannot_be_opened_anew_the_old_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (inner, moved) = (dir.path().join("inner"), dir.path().join("moved"));
    fs::create_dir(&inner).unwrap();
    let log = LinesFile::open(&inner.join("log")).unwrap();
    fs::rename(&inner, &moved).unwrap();
    assert_eq!(log.reopen().unwrap_err().kind(), ErrorKind::NotFound);
    log.append(b"still\n").unwrap();
    assert_eq!(fs::read_to_string(moved.join("log")).unwrap(), "still\n");
}
