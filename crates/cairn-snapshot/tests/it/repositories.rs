//! Making and opening repositories.

use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_snapshot::{Compression, Digest, Repository};
use std::path::Path;

const FILE: &str = "/backup/repo/cairn-repository.json";

#[test]
fn a_new_repository_lasts_and_opens() {
    let disk = SimDisk::new(1);
    let made = Repository::create(storage(&disk), repo_path(), NOW_US).expect("made");
    let disk = disk.image(Fate::Dropped);
    let opened = open(&disk);
    assert_eq!(opened.id(), made.id());
    assert_eq!(opened.root(), repo_path());
    assert_eq!(opened.id().len(), 32);
    create(&disk, tiny_state(), &options(Compression::default()));
}

#[test]
fn the_file_is_as_the_format_says() {
    let disk = SimDisk::new(1);
    let made = open_or_create(&disk);
    let body = format!(
        r#"{{"format":"cairndb-repository","version":1,"id":"{}","created_at":"2024-01-20T10:30:45Z""#,
        made.id()
    );
    let checksum = Digest::of(format!("{body}}}").as_bytes());
    let expected = format!("{body},\"checksum\":\"{checksum}\"}}\n");
    assert_eq!(String::from_utf8_lossy(&disk.read_file(Path::new(FILE))), expected);
}

#[test]
fn a_directory_with_other_things_is_no_place_for_one() {
    let disk = SimDisk::new(1);
    disk.write_file(&repo_path().join("photo.jpg"), b"mine");
    let error = Repository::create(storage(&disk), repo_path(), NOW_US).expect_err("occupied");
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains("photo.jpg"), "{error}");
    assert_eq!(Repository::open(storage(&disk), repo_path()).expect_err("none").kind(), ErrorKind::NotFound);
    let made = Repository::create(storage(&disk), Path::new("/other"), NOW_US).expect("made");
    let error = Repository::create(storage(&disk), made.root(), NOW_US).expect_err("there already");
    assert_eq!(error.kind(), ErrorKind::Exists);
}

#[test]
fn a_crash_while_making_one_leaves_one_or_a_place_for_one() {
    let disk = SimDisk::new(1);
    open_or_create(&disk);
    let ops = disk.ops();
    let mut points = 0;
    for op in 0..ops {
        for fate in [Fate::Dropped, Fate::Torn(op), Fate::Torn(op + 1_000), Fate::Kept] {
            let disk = SimDisk::new(1);
            disk.crash_at(op);
            Repository::open_or_create(storage(&disk), repo_path(), NOW_US).expect_err("crashed");
            let disk = disk.image(fate);
            open_or_create(&disk);
            create(&disk, tiny_state(), &options(Compression::None));
            points += 1;
        }
    }
    println!("crash points of making a repository: {points}");
    assert!(points >= 40, "only {points} crash points");
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    let disk = SimDisk::new(1);
    open_or_create(&disk);
    disk.write_file(Path::new(FILE), br#"{"format":"cairndb-repository","version":2,"shape":"new"}"#);
    let error = Repository::open(storage(&disk), repo_path()).expect_err("newer");
    assert_eq!(error.kind(), ErrorKind::Version);
    assert_eq!(error.to_string(), format!("{FILE}: Version mismatch: expected 1, got 2"));
    assert_eq!(error.headline(), "Version mismatch: expected 1, got 2");
}
