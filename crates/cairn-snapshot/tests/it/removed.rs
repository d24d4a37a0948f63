//! Snapshots that are removed while they are restored: the error says so.

use crate::incremental::Scene;
use crate::support::*;
use cairn_disk::ErrorKind;
use cairn_engine::{Take, WalSettings};
use cairn_snapshot::{
    Base, Error, Job, Progress, PruneOptions, RetentionPolicy, Snapshot, branch, delete, load,
    load_collection, prune,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A snapshot of many files, and a newer one that shares few of them.
fn scene() -> (Scene, Snapshot) {
    let scene = Scene::new(WalSettings::default());
    scene.vectors(0, 500);
    scene.events(0, 200);
    let first = scene.snapshot(Base::None);
    scene.vectors(100, 500);
    scene.snapshot(Base::None);
    (scene, first)
}

type Restoring<'a> = &'a dyn Fn(&Scene, &str, &Job<'_>) -> Result<(), Error>;

/// The error of a restore whose snapshot `remove` takes away once its first bytes are read.
fn removed_while(restoring: Restoring<'_>, remove: &(dyn Fn(&Scene, &str) + Sync)) -> String {
    let (scene, first) = scene();
    let (id, before) = (first.id.to_string(), scene.hash());
    let removed = AtomicBool::new(false);
    let progress = |_: Progress| {
        if !removed.swap(true, Ordering::Relaxed) {
            remove(&scene, &id);
        }
    };
    let error = restoring(&scene, &id, &Job { progress: &progress, ..one_thread() }).expect_err("removed");
    assert!(removed.into_inner());
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(scene.hash(), before, "nothing has changed");
    assert!(files_below(&scene.disk, TARGET).is_empty());
    error.to_string().replace(&id, "ID")
}

fn by_delete(scene: &Scene, id: &str) {
    delete(&open(&scene.disk), id).expect("deleted");
}

fn by_prune(scene: &Scene, id: &str) {
    let policy = RetentionPolicy { keep_last: 1, ..RetentionPolicy::default() };
    let options = PruneOptions { policy, now_us: NOW_US, wait: Duration::from_secs(60), tag: None };
    assert_eq!(prune(&open(&scene.disk), &options).expect("pruned").plan.remove, [id.to_owned()]);
}

const SAID: &str = "snapshot ID was removed while it was being restored: ";

#[test]
fn a_restore_into_a_directory_says_so() {
    let restoring: Restoring<'_> = &|scene, id, job| {
        let disk = storage(&scene.disk);
        cairn_snapshot::restore(&scene.repository, id, &disk, target(), NOW_US, job).map(drop)
    };
    for error in [removed_while(restoring, &by_delete), removed_while(restoring, &by_prune)] {
        assert!(error.starts_with(SAID) && error.contains("/parts/"), "{error}");
    }
}

#[test]
fn a_restore_into_a_running_engine_says_so() {
    let take = Take { from: "default".to_owned(), to: "other".to_owned(), overwrite: false };
    let ways: [Restoring<'_>; 3] = [
        &|scene, id, job| load(&scene.repository, id, &scene.engine, job).map(drop),
        &|scene, id, job| branch(&scene.repository, id, &scene.engine, job).map(drop),
        &|scene, id, job| load_collection(&scene.repository, id, &scene.engine, &take, job).map(drop),
    ];
    for restoring in ways {
        let error = removed_while(restoring, &by_delete);
        assert!(error.starts_with(SAID), "{error}");
    }
}

#[test]
fn a_part_missing_of_a_snapshot_that_is_there_is_damage() {
    let (scene, first) = scene();
    scene.disk.remove_file(&repo_path().join(first.files[0].part.stored()));
    let disk = storage(&scene.disk);
    let error =
        cairn_snapshot::restore(&scene.repository, first.id.as_str(), &disk, target(), NOW_US, &one_thread())
            .expect_err("a part is missing");
    assert!(!error.to_string().contains("was removed while"), "{error}");
    assert!(names_file(&error.to_string(), Path::new(&first.files[0].part.stored())), "{error}");
}
