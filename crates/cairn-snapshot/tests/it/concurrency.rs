//! Many threads in one create, verify or restore.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_snapshot::{Compression, Job, verify};

fn threads(threads: usize) -> Job<'static> {
    Job { threads, ..Job::default() }
}

#[test]
fn any_number_of_threads_makes_the_same_snapshot() {
    let view = big_state(20_000, 256, 8);
    let made = |n: usize| {
        let disk = SimDisk::new(1);
        let repository = open_or_create(&disk);
        let options = options(Compression::default());
        let snapshot =
            cairn_snapshot::create(&repository, view.clone(), &options, &threads(n)).expect("created");
        let report = verify(&repository, snapshot.id.as_str(), &threads(n)).expect("readable");
        assert!(report.is_whole());
        cairn_snapshot::restore(
            &repository,
            snapshot.id.as_str(),
            &storage(&disk),
            target(),
            NOW_US,
            &threads(n),
        )
        .expect("restores");
        let restored = cairn_engine::check_dir(&storage(&disk), target()).expect("whole");
        assert_eq!(restored.state_hash, view.state_hash());
        snapshot
    };
    let one = made(1);
    assert!(one.files.len() > 2, "{} files", one.files.len());
    for n in [2, 16] {
        assert_eq!(made(n), one);
    }
}

#[test]
fn every_damaged_part_is_found_by_many_threads() {
    let disk = SimDisk::new(1);
    let snapshot = create(&disk, big_state(20_000, 256, 8), &options(Compression::None));
    let parts = snapshot.unique_parts();
    for part in &parts {
        disk.flip(&repo_path().join(part.stored()), part.stored_bytes / 2, 1);
    }
    let report = verify(&open(&disk), snapshot.id.as_str(), &threads(8)).expect("readable");
    assert_eq!(report.findings.len(), parts.len());
    assert!(report.findings.is_sorted_by(|a, b| a.path <= b.path));
}
