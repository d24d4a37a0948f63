//! Shuffled parts: which parts are, how they are kept, and every damage of them named.

use crate::incremental::Scene;
use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_engine::WalSettings;
use cairn_snapshot::{
    Base, Codec, Compression, CreateOptions, Part, RestoreOptions, Snapshot, Width, restore_with,
};
use serde_json::Value;
use std::path::PathBuf;

fn made() -> (SimDisk, Snapshot, [u8; 32]) {
    let (disk, view) = (SimDisk::new(1), shuffled_state());
    let hash = view.state_hash();
    let snapshot = create(&disk, view, &options(Compression::default()));
    (disk, snapshot, hash)
}

/// The codecs of the files with this ending.
fn codecs(snapshot: &Snapshot, ending: &str) -> Vec<Codec> {
    let files = snapshot.files.iter().filter(|file| file.name.ends_with(ending));
    files.map(|file| file.part.codec).collect()
}

fn path(part: &Part) -> PathBuf {
    repo_path().join(part.stored())
}

fn metadata_of(disk: &SimDisk, snapshot: &Snapshot) -> Value {
    let path = repo_path().join("snapshots").join(snapshot.id.as_str()).join("metadata.json");
    serde_json::from_slice(&disk.read_file(&path)).expect("JSON")
}

#[test]
fn floats_are_stored_shuffled_by_their_width() {
    let (disk, snapshot, hash) = made();
    assert_eq!(codecs(&snapshot, ".vec"), [Codec::Shuffled(Width::Four); 2]);
    assert_eq!(codecs(&snapshot, ".codes"), [Codec::Shuffled(Width::Two)]);
    let pages = codecs(&snapshot, ".pages");
    assert!(!pages.is_empty() && pages.iter().all(|codec| codec.width().is_none()), "{pages:?}");
    assert_eq!(snapshot.compression, Codec::Zstd);
    for part in snapshot.unique_parts() {
        let name = part.stored();
        assert_eq!(name.ends_with(".shuffle4.zst"), part.codec == Codec::Shuffled(Width::Four), "{name}");
        assert_eq!(name.ends_with(".shuffle2.zst"), part.codec == Codec::Shuffled(Width::Two), "{name}");
    }
    assert!(verify(&disk, snapshot.id.as_str()).is_whole());
    assert_eq!(restore(&disk, snapshot.id.as_str()).expect("restores").state_hash, hash);
}

#[test]
fn shuffled_ones_are_smaller_than_those_of_any_level() {
    let stored = |compression| {
        let disk = SimDisk::new(1);
        create(&disk, shuffled_state(), &options(compression)).stored_bytes
    };
    let shuffled = stored(Compression::default());
    assert!(shuffled < stored(Compression::Gzip { level: 9 }));
    assert!(shuffled < stored(Compression::None));
}

#[test]
fn only_zstd_shuffles() {
    for compression in [Compression::Gzip { level: 6 }, Compression::None] {
        let disk = SimDisk::new(1);
        let snapshot = create(&disk, shuffled_state(), &options(compression));
        assert!(snapshot.parts().all(|part| part.codec.width().is_none()));
        assert_eq!(metadata_of(&disk, &snapshot)["version"], 2, "an earlier program can read it");
    }
}

#[test]
fn a_snapshot_says_by_its_version_whether_parts_are_shuffled() {
    let (disk, snapshot, _) = made();
    assert_eq!(metadata_of(&disk, &snapshot)["version"], 3);
    let disk = SimDisk::new(1);
    let snapshot = create(&disk, tiny_state(), &options(Compression::default()));
    assert_eq!(metadata_of(&disk, &snapshot)["version"], 2);
}

#[test]
fn flipped_bytes_of_shuffled_parts_are_detected() {
    let (whole, snapshot, _) = made();
    let mut flips = 0;
    for part in snapshot.unique_parts().iter().filter(|part| part.codec.width().is_some()) {
        for at in (0..part.stored_bytes).step_by(661) {
            let disk = whole.image(Fate::Kept);
            disk.flip(&path(part), at, 1 << (at % 8));
            let report = verify(&disk, snapshot.id.as_str());
            assert!(report.findings.iter().any(|f| f.path == path(part)), "{}: {at}", part.stored());
            let error = restore(&disk, snapshot.id.as_str()).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(names_file(&error.to_string(), &path(part)), "{error}");
            assert!(files_below(&disk, "/restored").is_empty());
            flips += 1;
        }
    }
    assert!(flips >= 200, "only {flips}");
}

#[test]
fn shorter_shuffled_parts_are_detected() {
    let (whole, snapshot, _) = made();
    for part in snapshot.unique_parts().iter().filter(|part| part.codec.width().is_some()) {
        for length in (0..part.stored_bytes).step_by(3_011) {
            let disk = whole.image(Fate::Kept);
            disk.truncate_file(&path(part), length);
            assert!(!verify(&disk, snapshot.id.as_str()).is_whole(), "{} cut to {length}", part.stored());
            assert!(restore(&disk, snapshot.id.as_str()).is_err());
        }
    }
}

#[test]
fn a_part_that_is_there_keeps_its_codec() {
    let (none, gzip) = (Compression::None, Compression::Gzip { level: 6 });
    for (first, second) in [(none, Compression::default()), (Compression::default(), none), (gzip, none)] {
        let (disk, view) = (SimDisk::new(1), shuffled_state());
        let old = create(&disk, view.clone(), &options(first));
        let later = CreateOptions { now_us: NOW_US + 60_000_000, ..options(second) };
        let new = create(&disk, view.clone(), &later);
        assert_eq!(new.files, old.files);
        assert!(verify(&disk, new.id.as_str()).is_whole());
        assert_eq!(restore(&disk, new.id.as_str()).expect("restores").state_hash, view.state_hash());
    }
}

#[test]
fn a_damaged_shuffled_part_is_replaced_shuffled() {
    for second in [Compression::default(), Compression::None, Compression::Gzip { level: 6 }] {
        let (disk, old, hash) = made();
        let part = old.parts().find(|part| part.codec.width().is_some()).expect("one");
        disk.flip(&path(part), part.stored_bytes / 2, 0x10);
        let later = CreateOptions { now_us: NOW_US + 60_000_000, ..options(second) };
        let new = create(&disk, shuffled_state(), &later);
        assert!(new.parts().any(|p| p == part), "the same bytes as before");
        for id in [&old.id, &new.id] {
            assert!(verify(&disk, id.as_str()).is_whole(), "{second:?}");
        }
        assert_eq!(restore(&disk, old.id.as_str()).expect("restores").state_hash, hash);
    }
}

#[test]
fn an_incremental_snapshot_shares_shuffled_parts() {
    let scene = Scene::new(WalSettings::default());
    let fill = |from: usize| {
        let item = |i: usize| vector(&format!("v{i}"), &[1, 2, 3, 4].map(|j| (i * j) as f32 / 997.0));
        write(&scene.engine, (from..from + 300).map(item).collect());
    };
    fill(0);
    let full = scene.snapshot(Base::None);
    fill(10);
    let second = scene.snapshot(Base::Newest);
    assert!(second.files.iter().any(|file| file.part.codec.width().is_some()), "{second:?}");
    assert_eq!(metadata_of(&scene.disk, &second)["version"], 3);
    assert_eq!(scene.restored(second.id.as_str()), scene.hash());
    cairn_snapshot::delete(&scene.repository, full.id.as_str()).expect("deleted");
    assert!(verify(&scene.disk, second.id.as_str()).is_whole());
    assert_eq!(scene.restored(second.id.as_str()), scene.hash());
}

#[test]
fn files_that_are_there_are_kept_when_the_parts_are_shuffled() {
    let (disk, snapshot, hash) = made();
    restore(&disk, snapshot.id.as_str()).expect("restores");
    let over = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let (repository, disk_) = (open(&disk), storage(&disk));
    let again =
        restore_with(&repository, snapshot.id.as_str(), &disk_, target(), NOW_US, &over, &one_thread());
    let plain: u64 = snapshot.files.iter().map(|file| file.part.bytes).sum();
    assert_eq!(again.expect("restores").kept_bytes, plain);
    let there = cairn_engine::check_dir(&disk_, target()).expect("whole");
    assert_eq!(there.state_hash, hash);
}
