//! Pins: what keeps a snapshot.

use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_snapshot::{
    Compression, DeleteOptions, Error, Repository, Snapshot, delete, delete_with, list, pin, pins, unpin,
};
use sha2::Digest;
use std::path::PathBuf;
use std::time::Duration;

const WAIT: Duration = Duration::ZERO;

fn one() -> (SimDisk, Repository, Snapshot) {
    let disk = SimDisk::new(1);
    let snapshot = create(&disk, tiny_state(), &options(Compression::default()));
    let repository = open(&disk);
    (disk, repository, snapshot)
}

fn pin_path(snapshot: &Snapshot) -> PathBuf {
    repo_path().join("snapshots").join(snapshot.id.as_str()).join("pin.json")
}

#[test]
fn a_pin_has_a_note_and_a_time_and_can_be_replaced() {
    let (_, repository, snapshot) = one();
    assert!(pins(&repository).expect("readable").is_empty());
    pin(&repository, snapshot.id.as_str(), "before \"2.0\"", NOW_US, WAIT).expect("pinned");
    pin(&repository, snapshot.id.as_str(), "legal hold", NOW_US + 1, WAIT).expect("pinned again");
    let found = pins(&repository).expect("readable");
    let found = found[&snapshot.id].as_ref().expect("whole");
    assert_eq!((found.note.as_str(), found.pinned_us), ("legal hold", NOW_US + 1));
    unpin(&repository, snapshot.id.as_str(), WAIT).expect("unpinned");
    assert!(pins(&repository).expect("readable").is_empty());
    assert_eq!(
        unpin(&repository, snapshot.id.as_str(), WAIT).expect_err("no pin").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        pin(&repository, "nothing", "", NOW_US, WAIT).expect_err("nothing").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        pin(&repository, snapshot.id.as_str(), "a\nb", 0, WAIT).expect_err("lines").kind(),
        ErrorKind::Input
    );
}

#[test]
fn a_pinned_snapshot_is_deleted_only_by_force() {
    let (_, repository, snapshot) = one();
    pin(&repository, snapshot.id.as_str(), "legal hold", NOW_US, WAIT).expect("pinned");
    let error = delete(&repository, snapshot.id.as_str()).expect_err("pinned");
    assert!(error.to_string().contains("legal hold"), "{error}");
    assert_eq!(list(&repository).expect("readable").len(), 1);
    let force = DeleteOptions { force: true, ..DeleteOptions::default() };
    delete_with(&repository, snapshot.id.as_str(), &force).expect("deleted");
    assert!(list(&repository).expect("readable").is_empty());
}

#[test]
fn version_1_of_a_pin_is_these_bytes() {
    let (disk, repository, snapshot) = one();
    pin(&repository, snapshot.id.as_str(), "legal \"hold\"", NOW_US, WAIT).expect("pinned");
    let bytes = disk.read_file(&pin_path(&snapshot));
    let text = String::from_utf8(bytes).expect("text");
    let plain = "{\"format\":\"cairndb-pin\",\"version\":1,\"snapshot\":\"snap-2024-01-20-103045\",\"note\":\"legal \\\"hold\\\"\",\"pinned_at\":\"2024-01-20T10:30:45Z\"";
    let sum = sha2::Sha256::digest(format!("{plain}}}"));
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, format!("{plain},\"checksum\":\"{sum}\"}}\n"));
}

#[test]
fn every_damage_to_a_pin_is_found_and_it_still_pins() {
    let (disk, repository, snapshot) = one();
    pin(&repository, snapshot.id.as_str(), "n", NOW_US, WAIT).expect("pinned");
    let path = pin_path(&snapshot);
    let bytes = disk.read_file(&path);
    for at in 0..bytes.len() {
        for cut in [true, false] {
            let mut damaged = bytes.clone();
            if cut {
                damaged.truncate(at)
            } else {
                damaged[at] ^= 1
            }
            disk.write_file(&path, &damaged);
            let found = pins(&repository).expect("readable");
            let error = found[&snapshot.id].as_ref().expect_err("damaged");
            let told = matches!(error, Error::Damaged(_) | Error::Version { .. });
            assert!(told && error.to_string().contains("pin.json"), "{at}: {error}");
            assert!(delete(&repository, snapshot.id.as_str()).is_err(), "{at}");
        }
    }
    unpin(&repository, snapshot.id.as_str(), WAIT).expect("a damaged pin can be taken off");
}

#[test]
fn a_crash_at_every_operation_leaves_the_old_pin_or_the_new_one() {
    let (disk, repository, snapshot) = one();
    pin(&repository, snapshot.id.as_str(), "old", NOW_US, WAIT).expect("pinned");
    let forks = crate::crashes::crashes(&disk, 4, || {
        pin(&repository, snapshot.id.as_str(), "new", NOW_US, WAIT).expect("pinned");
    });
    println!("crash points of a pin: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.operations >= 5 && forks.images.len() >= 30, "only {} images", forks.images.len());
    for crash in &forks.images {
        let found = pins(&open(&crash.disk)).unwrap_or_else(|e| panic!("{crash}: {e}"));
        let note = &found[&snapshot.id].as_ref().unwrap_or_else(|e| panic!("{crash}: {e}")).note;
        assert!(note == "old" || note == "new", "{crash}: {note}");
        assert!(verify(&crash.disk, snapshot.id.as_str()).is_whole(), "{crash}");
    }
    let last = disk.image(Fate::Dropped);
    assert_eq!(pins(&open(&last)).expect("readable")[&snapshot.id].as_ref().expect("whole").note, "new");
}
