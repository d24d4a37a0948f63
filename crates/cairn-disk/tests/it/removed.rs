//! Removed files whose space is given back bit by bit.

use cairn_disk::{Access, RealDisk, Storage, Throttle, Throttled};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether a file of this process is open that was removed from `dir`.
fn is_held(dir: &Path) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target.starts_with(dir) && target.to_string_lossy().ends_with(" (deleted)"))
}

fn wait_until_given_back(dir: &Path) {
    let started = Instant::now();
    while is_held(dir) {
        assert!(started.elapsed() < Duration::from_secs(60), "never given back");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_name_goes_at_once_and_the_space_when_nobody_waits_for_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let throttle = Arc::new(Throttle::default());
    let disk = Throttled::removing(Arc::new(RealDisk::new()), Arc::clone(&throttle));
    let path = dir.path().join("large");
    disk.create(&path).unwrap().append(&vec![7; 4 << 20]).unwrap();
    let reader = disk.open(&path, Access::Read).unwrap();
    throttle.synced();
    disk.remove(&path).unwrap();
    assert_eq!(disk.stat(&path).unwrap(), None);
    // Who had it open reads on.
    let mut last = [0; 1];
    reader.read_exact_at((4 << 20) - 1, &mut last).unwrap();
    assert_eq!(last, [7]);
    drop(reader);
    wait_until_given_back(dir.path());
}

#[test]
fn the_space_of_a_large_file_stays_for_a_while_when_somebody_waits_for_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let throttle = Arc::new(Throttle::default());
    let disk = Throttled::removing(Arc::new(RealDisk::new()), Arc::clone(&throttle));
    let path = dir.path().join("large");
    let ended = AtomicBool::new(false);
    // 64 MiB stay for two seconds.
    disk.create(&path).unwrap().append(&vec![7; 64 << 20]).unwrap();
    std::thread::scope(|scope| {
        throttle.synced();
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                throttle.synced();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        disk.remove(&path).unwrap();
        let held = is_held(dir.path());
        ended.store(true, Ordering::Relaxed);
        assert!(held, "it went at once");
    });
    wait_until_given_back(dir.path());
}

#[test]
fn small_files_and_those_that_nobody_waits_beside_go_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let throttle = Arc::new(Throttle::default());
    let disk = Throttled::removing(Arc::new(RealDisk::new()), Arc::clone(&throttle));
    let path = dir.path().join("f");
    disk.create(&path).unwrap().append(&vec![7; 4 << 20]).unwrap();
    disk.remove(&path).unwrap();
    assert!(!is_held(dir.path()));
    disk.create(&path).unwrap().append(&[7; 4 << 10]).unwrap();
    throttle.synced();
    disk.remove(&path).unwrap();
    assert!(!is_held(dir.path()));
}

#[test]
fn what_cannot_be_removed_is_an_error_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Throttled::removing(Arc::new(RealDisk::new()), Arc::default());
    let missing = disk.remove(&dir.path().join("missing")).unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
    assert!(disk.remove(dir.path()).is_err(), "a directory");
    assert!(dir.path().exists());
}
