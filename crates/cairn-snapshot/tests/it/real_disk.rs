//! A repository in a real directory: the tools of the system read it, and modes are right.

use crate::support::*;
use cairn_disk::{RealDisk, Storage};
use cairn_engine::check_dir;
use cairn_snapshot::{Compression, Job, Repository, Snapshot, nvec};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::TempDir;

fn real() -> Arc<dyn Storage> {
    Arc::new(RealDisk::new())
}

fn made(compression: Compression) -> (TempDir, PathBuf, Snapshot) {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("deep/repo");
    let repository = Repository::open_or_create(real(), &root, NOW_US).expect("made");
    let snapshot = cairn_snapshot::create(&repository, full_state(), &options(compression), &Job::default());
    (dir, root, snapshot.expect("created"))
}

fn sha256sum(root: &Path, snapshot: &Snapshot) -> Output {
    let dir = root.join("snapshots").join(snapshot.id.as_str());
    let output =
        Command::new("sha256sum").args(["--strict", "-c", "checksum.sha256"]).current_dir(dir).output();
    output.expect("coreutils are installed")
}

#[test]
fn sha256sum_checks_a_snapshot() {
    for compression in [Compression::default(), Compression::Gzip { level: 6 }, Compression::None] {
        let (_dir, root, snapshot) = made(compression);
        let output = sha256sum(&root, &snapshot);
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).expect("text");
        assert_eq!(lines.lines().count(), 1 + snapshot.unique_parts().len());
        assert!(lines.starts_with("metadata.json: OK\n../../parts/"), "{lines}");
        let part = root.join(snapshot.files[0].part.stored());
        let file = real().open(&part, cairn_disk::Access::Write).expect("opens");
        file.write_at(5, b"?").expect("written");
        assert!(!sha256sum(&root, &snapshot).status.success());
    }
}

#[test]
fn sha256sum_checks_shuffled_parts() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("repo");
    let repository = Repository::open_or_create(real(), &root, NOW_US).expect("made");
    let options = options(Compression::default());
    let snapshot =
        cairn_snapshot::create(&repository, shuffled_state(), &options, &Job::default()).expect("created");
    assert!(snapshot.parts().any(|part| part.codec.width().is_some()));
    assert!(sha256sum(&root, &snapshot).status.success());
}

#[test]
fn files_are_for_their_owner_alone() {
    let (dir, root, _) = made(Compression::default());
    let dump = dir.path().join("a.nvec");
    nvec::save(real().as_ref(), &dump, &tiny_state(), NOW_US, &Job::default()).expect("saved");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&dump), 0o600);
    let mut dirs = vec![root];
    let mut files = 0;
    while let Some(dir) = dirs.pop() {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(&dir).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 5);
}

#[test]
fn a_snapshot_travels_by_copying_the_directory() {
    let (dir, root, snapshot) = made(Compression::default());
    let copy = dir.path().join("copy");
    let copied = Command::new("cp").arg("-r").args([&root, &copy]).status().expect("coreutils are installed");
    assert!(copied.success());
    let repository = Repository::open(real(), &copy).expect("opens");
    assert!(cairn_snapshot::verify_all(&repository, &Job::default()).expect("readable").is_whole());
    let target = dir.path().join("db");
    cairn_snapshot::restore(&repository, snapshot.id.as_str(), &real(), &target, NOW_US, &Job::default())
        .expect("restores");
    let report = check_dir(&real(), &target).expect("whole");
    assert_eq!(report.state_hash, full_state().state_hash());
}

#[test]
fn two_writers_of_one_process_do_not_meet() {
    let (_dir, root, snapshot) = made(Compression::default());
    let _held = real().lock(&root.join("LOCK"), "the first").expect("free");
    let repository = Repository::open(real(), &root).expect("opens");
    let error = cairn_snapshot::delete(&repository, snapshot.id.as_str()).expect_err("locked");
    assert_eq!(error.kind(), cairn_disk::ErrorKind::Locked);
}

#[test]
fn one_repository_is_made_when_several_make_it_at_once_and_all_can_write() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("repo");
        let make = || {
            let repository = Repository::open_or_create(real(), &root, NOW_US).expect("made or opened");
            cairn_snapshot::sweep(&repository).expect("the right to write");
            repository.id().to_owned()
        };
        let ids: Vec<String> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            makers.into_iter().map(|maker| maker.join().expect("no panic")).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
