//! Damage at rest: every byte of a small database's files flipped, every length cut: found by `check` and by open,
//! naming the file, or of no consequence; never a panic, never wrong data.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{ErrorKind, EventOp, check_dir};
use std::path::{Path, PathBuf};

/// A small closed database, all of it in a checkpoint, and its state hash.
fn small() -> (SimDisk, String) {
    let disk = SimDisk::new(1);
    let (_database, mut core, _) = open_core(&disk, &busy_options()).expect("opens");
    let writes = vec![
        vector("a", &[1.0, 0.0]),
        vector("b", &[0.0, 1.0]),
        metadata("a", "kind:x,n:1,on:true,f:0.5"),
        event("ctx", "a", EventOp::Add, 100, 10),
        event("ctx", "b", EventOp::Set, 50, 11),
        event("ctx", "a", EventOp::Del, 0, 12),
        vector("a", &[0.5, 0.5]),
    ];
    assert!(core.step(writes).iter().all(Result::is_ok));
    core.checkpoint().expect("written");
    let hash = hash(&core.view());
    (disk, hash)
}

fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let counts = |p: &PathBuf| {
        let p = p.to_string_lossy();
        !p.ends_with("LOCK") && !p.contains("/wal/")
    };
    disk.files().into_iter().filter(counts).collect()
}

fn expect_damage(disk: &SimDisk, path: &Path, what: &str) {
    let image = disk.image(cairn_disk::Fate::Kept);
    let e = check_dir(&storage(&image), Path::new(DIR)).err();
    let e = e.unwrap_or_else(|| panic!("check missed {what} of {}", path.display()));
    let named = path.file_name().expect("a file").to_string_lossy().into_owned();
    let kind = e.kind();
    assert!(
        matches!(kind, ErrorKind::Corrupt | ErrorKind::Version),
        "{what} of {}: {e} ({kind:?})",
        path.display()
    );
    assert!(e.to_string().contains(&named), "{what} of {}: {e}", path.display());
    assert!(open_core(&image, &busy_options()).is_err(), "open missed {what} of {}", path.display());
}

#[test]
fn every_flipped_byte_is_found() {
    let (disk, _) = small();
    let mut flips = 0;
    for path in files(&disk) {
        for byte in 0..disk.read_file(&path).len() as u64 {
            let image = disk.image(cairn_disk::Fate::Kept);
            image.flip(&path, byte, 1 << (byte % 8));
            expect_damage(&image, &path, &format!("byte {byte} flipped"));
            flips += 1;
        }
    }
    println!("{flips} bytes flipped");
    assert!(flips >= 3_000, "{flips}");
}

#[test]
fn every_shorter_length_is_found() {
    let (disk, _) = small();
    for path in files(&disk) {
        for length in 0..disk.read_file(&path).len() as u64 {
            let image = disk.image(cairn_disk::Fate::Kept);
            image.truncate_file(&path, length);
            expect_damage(&image, &path, &format!("a cut to {length} bytes"));
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let (disk, _) = small();
    for path in files(&disk) {
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".pages") || name.ends_with(".vec") {
            let image = disk.image(cairn_disk::Fate::Kept);
            cairn_disk::Storage::remove(&image, &path).expect("removed");
            expect_damage(&image, &path, "absence");
        }
    }
}

#[test]
fn a_whole_directory_checks_out() {
    let (disk, expected) = small();
    let report = check_dir(&storage(&disk), Path::new(DIR)).expect("it is whole");
    let hex: String = report.state_hash.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((hex, report.counts.vectors, report.counts.pairs), (expected, 2, 1));
}

#[test]
fn a_newer_version_is_refused_with_both_numbers() {
    let (disk, _) = small();
    let path =
        files(&disk).into_iter().find(|p| p.to_string_lossy().ends_with(".ckpt")).expect("a checkpoint");
    disk.flip(&path, 8, 2 ^ 3);
    let e = check_dir(&storage(&disk), Path::new(DIR)).expect_err("refused");
    assert!(e.to_string().contains("Version mismatch: expected 2, got 3"), "{e}");
    assert_eq!(e.kind(), ErrorKind::Version);
}
