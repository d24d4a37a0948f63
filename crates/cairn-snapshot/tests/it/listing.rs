//! The list: newest first, with what is damaged among it.

use crate::support::*;
use cairn_disk::{ErrorKind, SimDisk};
use cairn_snapshot::{Compression, CreateOptions, Listed, find, list};
use std::path::Path;

fn at(seconds: i64) -> CreateOptions {
    CreateOptions { now_us: NOW_US + seconds * 1_000_000, ..options(Compression::default()) }
}

#[test]
fn the_list_is_newest_first() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    for seconds in [5, 0, 0, 90_000, 5] {
        create(&disk, view.clone(), &at(seconds));
    }
    let ids: Vec<String> = list(&open(&disk)).expect("readable").iter().map(|l| l.id().to_owned()).collect();
    let expected = [
        "snap-2024-01-21-113045",
        "snap-2024-01-20-103050-2",
        "snap-2024-01-20-103050",
        "snap-2024-01-20-103045-2",
        "snap-2024-01-20-103045",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn ten_of_one_second_are_in_order() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    let made: Vec<String> = (0..11).map(|_| create(&disk, view.clone(), &at(0)).id.to_string()).collect();
    assert_eq!(made[10], "snap-2024-01-20-103045-11");
    let listed: Vec<String> =
        list(&open(&disk)).expect("readable").iter().rev().map(|l| l.id().to_owned()).collect();
    assert_eq!(listed, made);
}

#[test]
fn damaged_entries_are_listed_as_damaged() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    let old = create(&disk, view.clone(), &at(0));
    let new = create(&disk, view, &at(1));
    disk.flip(&Path::new(REPO).join("snapshots").join(old.id.as_str()).join("metadata.json"), 30, 1);
    disk.write_file(Path::new("/backup/repo/snapshots/notes/readme.txt"), b"?");
    disk.write_file(Path::new("/backup/repo/snapshots/snap-2030-01-01-000000/checksum.sha256"), b"?");
    let listed = list(&open(&disk)).expect("readable");
    let shown: Vec<(&str, bool)> = listed.iter().map(|l| (l.id(), l.whole().is_some())).collect();
    let expected = [
        ("snap-2030-01-01-000000", false),
        (new.id.as_str(), true),
        (old.id.as_str(), false),
        ("notes", false),
    ];
    assert_eq!(shown, expected);
    let Listed::Damaged { error, .. } = &listed[2] else { panic!("damaged") };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("metadata.json"), "{error}");
}

#[test]
fn a_name_stands_for_its_snapshot_and_is_taken_once() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    let named = |name: &str| CreateOptions { name: Some(name.to_owned()), ..at(0) };
    let nightly = create(&disk, view.clone(), &named("nightly"));
    assert_eq!(find(&open(&disk), "nightly").expect("found").id, nightly.id);
    let error = cairn_snapshot::create(&open(&disk), view.clone(), &named("nightly"), &one_thread());
    let error = error.expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains(nightly.id.as_str()), "{error}");
    for bad in ["", "a/b", "snap-x", ".hidden", " x", "tab\tbed", "back\\slash", &"x".repeat(129)] {
        let error =
            cairn_snapshot::create(&open(&disk), view.clone(), &named(bad), &one_thread()).expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::Input, "{bad:?}: {error}");
    }
    cairn_snapshot::delete(&open(&disk), "nightly").expect("deleted by its name");
    create(&disk, view, &named("nightly"));
}

#[test]
fn what_is_not_there_is_not_found() {
    let (disk, view) = (SimDisk::new(1), tiny_state());
    create(&disk, view, &at(0));
    for asked in ["snap-2024-01-20-103046", "nope", "../../etc/passwd", "snap-2024-01-20-103045/../x", ""] {
        let error = find(&open(&disk), asked).expect_err("not there");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{asked}");
        assert!(error.to_string().starts_with("Snapshot not found: "), "{error}");
        assert!(cairn_snapshot::verify(&open(&disk), asked, &one_thread()).is_err());
        assert!(cairn_snapshot::delete(&open(&disk), asked).is_err());
        assert!(restore(&disk, asked).is_err());
    }
}
