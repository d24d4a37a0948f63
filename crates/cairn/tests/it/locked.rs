//! A data directory is opened by one process at a time.

use crate::run::{Server, code, run, stderr};

#[test]
fn a_second_opener_exits_with_5_and_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let (path, repo) = (data.to_str().unwrap(), dir.path().join("repo"));
    let repo = repo.to_str().unwrap();
    // A snapshot is taken beside the server: it only reads.
    let made = run(&["snapshot", "create", "--data", path, "--repo", repo, "--name", "x"]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    for args in [
        vec!["serve", "--tcp", "127.0.0.1:0", "--data", path],
        vec!["check", path],
        vec!["snapshot", "restore", "x", "--data", path, "--repo", repo, "--overwrite"],
    ] {
        let output = run(&args);
        assert_eq!(code(&output), 5, "{args:?}: {}", stderr(&output));
        let holder = format!("pid {}", server.pid());
        assert!(stderr(&output).contains(&holder), "{args:?} does not name {holder}: {}", stderr(&output));
    }
    assert_eq!(server.send("VECSET a 1 0\n"), "OK VECSET\r\n");
}

#[test]
fn the_lock_ends_with_its_holder_however_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    Server::start(&data).kill();
    assert_eq!(code(&run(&["check", data.to_str().unwrap()])), 0);
}
