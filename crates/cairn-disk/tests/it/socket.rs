//! Listening at a path.

use cairn_disk::{ErrorKind, SocketFile};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

#[test]
fn it_has_its_mode_and_goes_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o660, 0o666] {
        let path = dir.path().join("s");
        let (listener, file) = SocketFile::listen(&path, mode).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        UnixStream::connect(&path).unwrap();
        drop((listener, file));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_socket_of_a_dead_process_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (_listener, _file) = SocketFile::listen(&path, 0o600).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_live_one_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (_listener, _file) = SocketFile::listen(&path, 0o600).unwrap();
    let error = SocketFile::listen(&path, 0o600).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    UnixStream::connect(&path).unwrap();
}

#[test]
fn another_file_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    fs::write(&path, "precious").unwrap();
    let error = SocketFile::listen(&path, 0o600).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn what_took_its_place_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let (_listener, file) = SocketFile::listen(&path, 0o600).unwrap();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(file);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_path_that_is_too_long_or_nowhere_is_said() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("s".repeat(200)), dir.path().join("absent/s")] {
        let error = SocketFile::listen(&path, 0o600).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
