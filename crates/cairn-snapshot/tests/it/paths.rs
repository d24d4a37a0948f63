//! Which paths a request may name.

use cairn_disk::{ErrorKind, RealDisk, Storage};
use cairn_snapshot::resolve;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `dumps/` (the directory), `backup/` (allowed), `outside/`, and links between them.
fn tree() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().canonicalize().expect("it exists");
    for sub in ["dumps/sub", "backup", "outside"] {
        RealDisk::new().create_dir_all(&root.join(sub)).expect("made");
    }
    for file in ["dumps/a.nvec", "backup/b.nvec", "outside/secret"] {
        fs::File::create_new(root.join(file)).expect("made");
    }
    symlink(root.join("outside"), root.join("dumps/way-out")).expect("linked");
    symlink(root.join("outside/secret"), root.join("dumps/file-out")).expect("linked");
    symlink(root.join("outside/new"), root.join("dumps/dangling")).expect("linked");
    symlink(root.join("backup/b.nvec"), root.join("dumps/to-backup")).expect("linked");
    symlink(root.join("dumps/sub"), root.join("dumps/inside")).expect("linked");
    symlink(root.join("dumps"), root.join("alias")).expect("linked");
    (dir, root)
}

fn ask(root: &Path, given: &str) -> Result<PathBuf, cairn_snapshot::Error> {
    resolve(&RealDisk::new(), &root.join("dumps"), &[root.join("backup"), root.join("missing")], given)
}

#[test]
fn paths_inside_are_resolved() {
    let (_dir, root) = tree();
    for (given, expected) in [
        ("a.nvec", "dumps/a.nvec"),
        ("new.nvec", "dumps/new.nvec"),
        ("./a.nvec", "dumps/a.nvec"),
        ("sub/new.nvec", "dumps/sub/new.nvec"),
        ("inside/new.nvec", "dumps/sub/new.nvec"),
        ("to-backup", "backup/b.nvec"),
        ("sub", "dumps/sub"),
        ("..hidden", "dumps/..hidden"),
        ("two words.nvec", "dumps/two words.nvec"),
    ] {
        assert_eq!(ask(&root, given).expect(given), root.join(expected), "{given}");
    }
    for (given, expected) in [
        ("dumps/a.nvec", "dumps/a.nvec"),
        ("backup/new.nvec", "backup/new.nvec"),
        ("alias/a.nvec", "dumps/a.nvec"),
        ("dumps", "dumps"),
        ("backup", "backup"),
    ] {
        let given = root.join(given);
        let given = given.to_str().expect("UTF-8");
        assert_eq!(ask(&root, given).expect(given), root.join(expected), "{given}");
    }
}

#[test]
fn paths_that_lead_out_are_refused_with_the_documented_words() {
    let (_dir, root) = tree();
    let absolute = |path: &str| root.join(path).to_str().expect("UTF-8").to_owned();
    for given in [
        "..".to_owned(),
        "../outside/secret".to_owned(),
        "sub/../../outside/secret".to_owned(),
        "sub/../a.nvec".to_owned(),
        "way-out".to_owned(),
        "way-out/secret".to_owned(),
        "way-out/new.nvec".to_owned(),
        "file-out".to_owned(),
        "dangling".to_owned(),
        "/etc/passwd".to_owned(),
        "/no/such/dir/x.nvec".to_owned(),
        "/".to_owned(),
        absolute("outside/secret"),
        absolute("outside/new"),
        absolute("outside/no/such"),
        absolute("dumps/../outside/secret"),
        absolute("dumps-evil/x"),
        absolute("missing/x.nvec/y"),
    ] {
        let error = ask(&root, &given).expect_err(&given);
        if given.contains("missing") {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{given}");
            continue;
        }
        assert_eq!(error.to_string(), "Invalid filepath: path traversal detected", "{given}");
        assert_eq!(error.kind(), ErrorKind::Input);
    }
}

#[test]
fn a_neighbour_whose_name_begins_alike_is_outside() {
    let (_dir, root) = tree();
    fs::create_dir(root.join("dumps-evil")).expect("made");
    fs::File::create_new(root.join("dumps-evil/x")).expect("made");
    let given = root.join("dumps-evil/x");
    assert!(ask(&root, given.to_str().expect("UTF-8")).is_err());
}

#[test]
fn names_that_are_none_are_refused() {
    let (_dir, root) = tree();
    for given in ["", "a\0b"] {
        let error = ask(&root, given).expect_err("no name");
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().starts_with("Invalid filepath"), "{error}");
    }
}

#[test]
fn a_missing_directory_inside_is_not_found() {
    let (_dir, root) = tree();
    let error = ask(&root, "nope/new.nvec").expect_err("no directory");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("nope"), "{error}");
}
