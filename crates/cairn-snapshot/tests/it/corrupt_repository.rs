//! Damage of a repository: every byte, every length, missing and swapped parts.

use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_snapshot::{Compression, Error, Repository, Snapshot, find, verify, verify_all};
use std::path::{Path, PathBuf};

/// A repository with one small snapshot, and its files but `LOCK`, which is for people.
fn small(compression: Compression) -> (SimDisk, Snapshot, Vec<PathBuf>) {
    let disk = SimDisk::new(1);
    let snapshot = create(&disk, tiny_state(), &options(compression));
    let files = files_below(&disk, REPO).into_iter().filter(|f| !f.ends_with("LOCK")).collect();
    (disk.image(Fate::Kept), snapshot, files)
}

/// Verify reports the damage and restore refuses, both naming the file, and the target is not there.
fn must_be_detected(disk: &SimDisk, id: &str, file: &Path, what: &str) {
    let named = |text: String| {
        // Which of the two changed cannot be known when they disagree about a digest: then both are named.
        assert!(names_file(&text, file), "{what}: {} is not named in {text:?}", file.display());
    };
    match Repository::open(storage(disk), repo_path()) {
        Err(error) => {
            assert!(
                matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version | ErrorKind::NotFound),
                "{what}: {error}"
            );
            named(error.to_string());
        }
        Ok(repository) => {
            let report = verify(&repository, id, &one_thread()).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(!report.is_whole(), "{what}: verify found nothing");
            named(report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
            let restored =
                cairn_snapshot::restore(&repository, id, &storage(disk), target(), NOW_US, &one_thread());
            let snapshot = find(&repository, id);
            let list = snapshot.ok().and_then(|snapshot| snapshot.list).map(|list| list.stored());
            if list.is_some_and(|list| file.ends_with(list)) {
                // Of a full snapshot, the list is for those made from it: the state is all there.
                restored.expect(what);
                let there = cairn_engine::check_dir(&storage(disk), target()).expect("a whole directory");
                assert_eq!(there.state_hash, tiny_state().state_hash(), "{what}");
                return;
            }
            let error = restored.expect_err(what);
            assert!(is_damage(&error), "{what}: {error}");
            named(error.to_string());
        }
    }
    assert_eq!(files_below(disk, "/restored"), [] as [PathBuf; 0], "{what}");
}

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version | ErrorKind::NotFound)
}

#[test]
fn every_flipped_byte_is_detected() {
    let mut flips = 0;
    for compression in [Compression::Zstd { level: 19 }, Compression::Gzip { level: 9 }] {
        let (whole, snapshot, files) = small(compression);
        for file in &files {
            for at in 0..whole.read_file(file).len() as u64 {
                // One bit, another at each place.
                let disk = whole.image(Fate::Kept);
                disk.flip(file, at, 1 << (at % 8));
                must_be_detected(&disk, snapshot.id.as_str(), file, &format!("{} byte {at}", file.display()));
                flips += 1;
            }
        }
    }
    println!("flipped bytes: {flips}");
    assert!(flips >= 5_000, "only {flips} bytes");
}

#[test]
fn flipped_bytes_of_raw_parts_are_detected() {
    let (whole, snapshot, files) = small(Compression::None);
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "raw")) {
        for at in (0..whole.read_file(file).len() as u64).step_by(97) {
            let disk = whole.image(Fate::Kept);
            disk.flip(file, at, 0xff);
            must_be_detected(&disk, snapshot.id.as_str(), file, &format!("{} byte {at}", file.display()));
        }
    }
}

#[test]
fn every_shorter_length_is_detected() {
    let mut cuts = 0;
    for compression in [Compression::Zstd { level: 19 }, Compression::Gzip { level: 9 }] {
        let (whole, snapshot, files) = small(compression);
        for file in &files {
            for length in 0..whole.read_file(file).len() as u64 {
                let disk = whole.image(Fate::Kept);
                disk.truncate_file(file, length);
                must_be_detected(
                    &disk,
                    snapshot.id.as_str(),
                    file,
                    &format!("{} cut to {length}", file.display()),
                );
                cuts += 1;
            }
        }
    }
    println!("lengths: {cuts}");
    assert!(cuts >= 5_000, "only {cuts} lengths");
}

#[test]
fn bytes_after_the_end_are_detected() {
    let (whole, snapshot, files) = small(Compression::default());
    for file in &files {
        for more in [&b"\0"[..], b"\n", b"more"] {
            let disk = whole.image(Fate::Kept);
            disk.write_file(file, &[&disk.read_file(file), more].concat());
            must_be_detected(&disk, snapshot.id.as_str(), file, &format!("{} longer", file.display()));
        }
    }
}

#[test]
fn a_missing_file_is_detected() {
    let (whole, snapshot, files) = small(Compression::default());
    for file in files.iter().filter(|f| !f.ends_with("cairn-repository.json")) {
        let disk = whole.image(Fate::Kept);
        disk.remove_file(file);
        must_be_detected(&disk, snapshot.id.as_str(), file, &format!("{} missing", file.display()));
    }
}

#[test]
fn swapped_parts_are_detected() {
    let (whole, snapshot, _) = small(Compression::default());
    let parts: Vec<PathBuf> = snapshot.parts().map(|part| repo_path().join(part.stored())).collect();
    for a in &parts {
        for b in parts.iter().filter(|b| *b != a) {
            let disk = whole.image(Fate::Kept);
            let (bytes_a, bytes_b) = (disk.read_file(a), disk.read_file(b));
            disk.write_file(a, &bytes_b);
            disk.write_file(b, &bytes_a);
            for file in [a, b] {
                let report = verify(&open(&disk), snapshot.id.as_str(), &one_thread()).expect("readable");
                assert!(report.findings.iter().any(|f| &f.path == file), "{:?}", report.findings);
            }
            assert!(restore(&disk, snapshot.id.as_str()).is_err());
        }
    }
}

#[test]
fn findings_say_what_was_expected_and_what_is_there() {
    let (whole, snapshot, _) = small(Compression::default());
    let part = snapshot.files[0].part;
    let path = repo_path().join(part.stored());
    let disk = whole.image(Fate::Kept);
    disk.truncate_file(&path, 10);
    let findings = verify(&open(&disk), snapshot.id.as_str(), &one_thread()).expect("readable").findings;
    let expected =
        format!("{}: size mismatch: expected {} bytes, got 10 bytes", path.display(), part.stored_bytes);
    assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    let disk = whole.image(Fate::Kept);
    disk.flip(&path, 3, 1);
    let findings = verify(&open(&disk), snapshot.id.as_str(), &one_thread()).expect("readable").findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].what, "SHA-256 mismatch");
    assert_eq!(findings[0].expected, part.stored_sha256.to_string());
}

#[test]
fn verify_goes_on_after_the_first_damage() {
    let (disk, snapshot, _) = small(Compression::default());
    let paths: Vec<PathBuf> =
        snapshot.unique_parts().iter().map(|part| repo_path().join(part.stored())).collect();
    for path in &paths {
        disk.flip(path, 5, 8);
    }
    let report = verify(&open(&disk), "snap-2024-01-20-103045", &one_thread()).expect("readable");
    let mut expected = paths.clone();
    expected.sort();
    assert_eq!(report.findings.iter().map(|f| f.path.clone()).collect::<Vec<_>>(), expected);
}

#[test]
fn damage_of_one_snapshot_does_not_hide_another() {
    let disk = SimDisk::new(1);
    let first = create(&disk, tiny_state(), &options(Compression::default()));
    let second = create(&disk, full_state(), &options(Compression::default()));
    let metadata = repo_path().join("snapshots").join(second.id.as_str()).join("metadata.json");
    disk.flip(&metadata, 100, 1);
    let report = verify_all(&open(&disk), &one_thread()).expect("readable");
    assert_eq!(report.snapshots, [second.id.as_str(), first.id.as_str()]);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].path, metadata);
    assert!(verify(&open(&disk), first.id.as_str(), &one_thread()).expect("readable").is_whole());
    assert!(restore(&disk, first.id.as_str()).is_ok());
}
