//! A crash at every operation of an incremental snapshot, and damage of every byte of a chain of them.

use crate::crashes::crashes;
use crate::incremental::Scene;
use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{Engine, Options, WalSettings, Write, check_dir};
use cairn_snapshot::{Base, Repository, create_live, list, verify_all};
use std::path::{Path, PathBuf};

/// A full snapshot and two on it; ids and hashes, newest first.
fn chain() -> (Scene, Vec<(String, [u8; 32])>) {
    let scene = Scene::new(WalSettings::default());
    let mut made = Vec::new();
    for round in 0..3 {
        scene.vectors(round * 5, 6);
        scene.events(round * 4, 4);
        write(&scene.engine, vec![metadata("item-1", &format!("round:{round}"))]);
        made.push((scene.snapshot(Base::Newest).id.to_string(), scene.hash()));
    }
    made.reverse();
    (scene, made)
}

/// Restores a snapshot of a disk's repository; the state's hash.
fn restored(disk: &SimDisk, id: &str) -> Result<[u8; 32], cairn_snapshot::Error> {
    let repository = Repository::open(storage(disk), repo_path())?;
    let disk = storage(disk);
    cairn_snapshot::restore(&repository, id, &disk, target(), NOW_US, &one_thread())?;
    let hash = check_dir(&disk, target()).expect("a restored directory is whole").state_hash;
    disk.remove_dir_all(target()).expect("removed");
    Ok(hash)
}

#[test]
fn a_crash_at_every_operation_leaves_every_listed_snapshot_restorable() {
    let (scene, made) = chain();
    scene.vectors(100, 4);
    write(&scene.engine, vec![Write::VectorDelete { id: "item-3".to_owned() }]);
    let hash = scene.hash();
    let forks = crashes(&scene.disk, 8, || {
        scene.snapshot(Base::Newest);
    });
    println!(
        "crash points of an incremental: {} operations, {} images",
        forks.operations,
        forks.images.len()
    );
    assert!(forks.operations >= 15, "only {} operations", forks.operations);
    assert!(forks.images.len() >= 150, "only {} images", forks.images.len());
    let (mut with, mut without) = (0, 0);
    for crash in &forks.images {
        let disk = &crash.disk;
        let listed = list(&open(disk)).unwrap_or_else(|e| panic!("{crash}: {e}"));
        let report = verify_all(&open(disk), &one_thread()).unwrap_or_else(|e| panic!("{crash}: {e}"));
        assert!(report.is_whole(), "{crash}: {:?}", report.findings);
        for entry in &listed {
            let old = made.iter().find(|(id, _)| id == entry.id());
            let expected = old.map_or(hash, |(_, hash)| *hash);
            let found = restored(disk, entry.id()).unwrap_or_else(|e| panic!("{crash}: {}: {e}", entry.id()));
            assert_eq!(found, expected, "{crash}: {}", entry.id());
        }
        match listed.len() {
            3 => without += 1,
            4 => with += 1,
            n => panic!("{crash}: {n} snapshots"),
        }
        // The database lost nothing either, and the next one goes on from the newest there is.
        let (engine, _) = Engine::open(
            storage(disk),
            Path::new("/db"),
            Options { settings: settings(), ..Options::default() },
        )
        .unwrap_or_else(|e| panic!("{crash}: {e}"));
        let mut options = scene.options(Base::Newest);
        options.now_us += 3_600_000_000;
        let again = create_live(&open(disk), &engine, &options, &one_thread())
            .unwrap_or_else(|e| panic!("{crash}: {e}"));
        assert_eq!(again.full_because, None, "{crash}");
        assert_eq!(restored(disk, again.snapshot.id.as_str()).expect("restores"), hash, "{crash}");
    }
    assert!(with > 0 && without > 0, "crashes before and after the rename: {without}, {with}");
}

/// The damage is found by the name of the file, and no snapshot is restored to anything but what it was.
fn damaged(disk: &SimDisk, made: &[(String, [u8; 32])], file: &Path, what: &str) {
    let Ok(repository) = Repository::open(storage(disk), repo_path()) else { return };
    let report = verify_all(&repository, &one_thread()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let text = report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(names_file(&text, file), "{what}: {} is not named in {text:?}", file.display());
    for (id, hash) in made {
        match restored(disk, id) {
            Ok(found) => assert_eq!(found, *hash, "{what}: {id}"),
            Err(e) => assert!(names_file(&e.to_string(), file), "{what}: {id}: {e}"),
        }
        assert_eq!(files_below(disk, "/restored"), [] as [PathBuf; 0], "{what}: {id}");
    }
}

#[test]
fn every_flipped_byte_and_many_lengths_of_a_chain_are_found_and_never_restored() {
    let (scene, made) = chain();
    let whole = scene.disk.image(Fate::Kept);
    let files: Vec<PathBuf> =
        files_below(&whole, REPO).into_iter().filter(|f| !f.ends_with("LOCK")).collect();
    let mut flips = 0;
    for file in &files {
        let bytes = whole.read_file(file).len() as u64;
        // The parts of the checkpoint are those of a full snapshot, of which every byte is tried elsewhere.
        let step = if bytes > 1_500 { 7 } else { 1 };
        for at in (0..bytes).step_by(step) {
            let disk = whole.image(Fate::Kept);
            disk.flip(file, at, 1 << (at % 8));
            damaged(&disk, &made, file, &format!("{} byte {at}", file.display()));
            flips += 1;
        }
        for length in (0..bytes).step_by(23) {
            let disk = whole.image(Fate::Kept);
            disk.truncate_file(file, length);
            damaged(&disk, &made, file, &format!("{} cut to {length}", file.display()));
        }
        if !file.ends_with("cairn-repository.json") {
            let disk = whole.image(Fate::Kept);
            disk.remove_file(file);
            damaged(&disk, &made, file, &format!("{} missing", file.display()));
        }
    }
    println!("flipped bytes of a chain: {flips}");
    assert!(flips >= 4_000, "only {flips}");
}

#[test]
fn parts_that_were_swapped_are_found() {
    let (scene, made) = chain();
    let whole = scene.disk.image(Fate::Kept);
    let parts: Vec<PathBuf> =
        files_below(&whole, REPO).into_iter().filter(|f| f.starts_with("/backup/repo/parts")).collect();
    assert!(parts.len() >= 5, "{parts:?}");
    for a in &parts {
        for b in parts.iter().filter(|b| *b != a) {
            let disk = whole.image(Fate::Kept);
            disk.write_file(a, &whole.read_file(b));
            damaged(&disk, &made, a, &format!("{} in the place of {}", b.display(), a.display()));
        }
    }
}
