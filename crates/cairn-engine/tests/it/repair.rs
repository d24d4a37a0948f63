//! Repair: what a damaged directory still holds is saved, and nothing damaged is removed.

use crate::support::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_engine::{Engine, Lsn, Options, WalSettings, check_dir, plan_repair};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

fn options_kept() -> Options {
    Options { wal: Some(WalSettings { segment_bytes: 4 << 10, ..WalSettings::default() }), ..busy_options() }
}

/// A directory with two checkpoints and several log segments before, between and after them, closed by a crash; and the hash
/// after each LSN.
fn scene() -> (SimDisk, Vec<String>) {
    let disk = SimDisk::new(3);
    let engine = open(&disk, &options_kept());
    let mut numbers = Numbers(17);
    let mut hashes = vec![String::new()];
    for n in 0..300 {
        assert!(engine.write(vec![scripted(n, &mut numbers)])[0].is_ok());
        let view = engine.view().expect("a view");
        hashes.resize(view.lsn().0 as usize, "unseen".to_owned());
        hashes.push(hash(&view));
        if n == 120 || n == 200 {
            engine.checkpoint().expect("a checkpoint");
        }
    }
    (disk.image(Fate::Dropped), hashes)
}

fn files(disk: &SimDisk, part: &str, extension: &str) -> Vec<PathBuf> {
    let wanted =
        |p: &PathBuf| p.to_string_lossy().contains(part) && p.extension().is_some_and(|e| e == extension);
    disk.files().into_iter().filter(wanted).collect()
}

fn base(path: &Path) -> u64 {
    path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).expect("a number")
}

/// Repairs, and checks that the directory opens to a state that was, with every byte of the damaged timeline still there.
fn repaired(disk: &SimDisk, hashes: &[String]) -> (Lsn, u64) {
    let before: Vec<_> = disk.files().into_iter().map(|path| (path.clone(), disk.read_file(&path))).collect();
    let plan = plan_repair(&storage(disk), Path::new(DIR)).expect("a plan");
    assert!(plan.is_needed());
    let lost = plan.lost();
    let done = plan.run(&options_kept()).expect("repaired");
    for (path, bytes) in before.iter().filter(|(path, _)| path.starts_with(&done.aside)) {
        assert!(disk.read_file(path) == *bytes, "{} changed", path.display());
    }
    let (engine, report) =
        Engine::open_as_stored(storage(disk), Path::new(DIR), options_kept()).expect("opens");
    assert_eq!(report.lsn, done.lsn);
    assert_eq!(hash(&engine.view().expect("a view")), hashes[done.lsn.0 as usize]);
    assert!(engine.write(vec![vector("next", &[1.0; 4])])[0].is_ok());
    (done.lsn, lost)
}

#[test]
fn what_is_whole_needs_none() {
    let (disk, _) = scene();
    assert!(!plan_repair(&storage(&disk), Path::new(DIR)).expect("a plan").is_needed());
    assert!(check_dir(&storage(&disk), Path::new(DIR)).is_ok(), "planning changes nothing");
}

#[test]
fn damage_to_the_newest_checkpoint_costs_nothing() {
    let (disk, hashes) = scene();
    let newest = files(&disk, "/checkpoints/", "ckpt").pop().expect("checkpoints");
    disk.flip(&newest, 40, 1);
    assert!(Engine::open_as_stored(storage(&disk), Path::new(DIR), options_kept()).is_err());
    assert_eq!(
        repaired(&disk, &hashes),
        (Lsn(hashes.len() as u64 - 1), 0),
        "an older one and the log after it"
    );
}

#[test]
fn damage_to_the_log_before_the_newest_checkpoint_costs_nothing_of_the_present() {
    let (disk, hashes) = scene();
    let oldest = files(&disk, "/wal/", "log").remove(0);
    for (byte, what) in [(20, "its header"), (200, "a record")] {
        let image = disk.image(Fate::Dropped);
        image.flip(&oldest, byte, 1);
        assert_eq!(repaired(&image, &hashes), (Lsn(hashes.len() as u64 - 1), 0), "{what}");
    }
    // A whole segment gone from the middle, all of it before the newest checkpoint.
    let newest = files(&disk, "/checkpoints/", "ckpt").pop().expect("checkpoints");
    let logs = files(&disk, "/wal/", "log");
    let middle =
        logs.windows(2).skip(1).find(|pair| base(&pair[1]) <= base(&newest)).expect("such a segment");
    disk.remove(&middle[0]).expect("removed");
    assert_eq!(repaired(&disk, &hashes), (Lsn(hashes.len() as u64 - 1), 0));
}

#[test]
fn damage_to_the_log_after_the_newest_checkpoint_costs_what_follows_it_and_says_so() {
    let (disk, hashes) = scene();
    let logs = files(&disk, "/wal/", "log");
    let damaged = &logs[logs.len() - 2];
    disk.flip(damaged, 700, 1);
    let last = hashes.len() as u64 - 1;
    let plan = plan_repair(&storage(&disk), Path::new(DIR)).expect("a plan");
    assert!(plan.damage.iter().any(|d| d.contains(damaged.to_str().expect("UTF-8"))), "{:?}", plan.damage);
    assert!(plan.lsn.0 >= base(damaged) && plan.lsn.0 < last, "{}", plan.lsn);
    assert_eq!((plan.last_known, plan.lost()), (Lsn(last), last - plan.lsn.0));
    drop(plan);
    let (lsn, lost) = repaired(&disk, &hashes);
    assert_eq!(lsn.0 + lost, last);
}

#[test]
fn damaged_settings_of_the_log_are_put_aside() {
    let (disk, hashes) = scene();
    disk.flip(Path::new("/db/WAL"), 30, 1);
    assert_eq!(repaired(&disk, &hashes).1, 0);
    assert!(disk.stat(Path::new("/db/WAL.damaged")).expect("readable").is_some());
}

#[test]
fn a_directory_with_no_checkpoint_left_says_what_to_do() {
    let (disk, _) = scene();
    for checkpoint in files(&disk, "/checkpoints/", "ckpt") {
        disk.flip(&checkpoint, 40, 1);
    }
    let e = plan_repair(&storage(&disk), Path::new(DIR)).expect_err("nothing to save").to_string();
    assert!(e.contains("restore a snapshot"), "{e}");
}

#[test]
fn a_crash_while_repairing_leaves_it_to_be_repaired_or_done() {
    let (disk, hashes) = scene();
    let logs = files(&disk, "/wal/", "log");
    disk.flip(&logs[logs.len() - 2], 700, 1);
    let expected = plan_repair(&storage(&disk), Path::new(DIR)).expect("a plan").lsn;
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    disk.on_op(Box::new(move |op, disk| {
        out.lock().expect("no panic").extend([Fate::Dropped, Fate::Torn(op)].map(|fate| disk.image(fate)));
    }));
    plan_repair(&storage(&disk), Path::new(DIR)).expect("a plan").run(&options_kept()).expect("repaired");
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    for image in &images {
        let plan = plan_repair(&storage(image), Path::new(DIR)).expect("a plan");
        match plan.is_needed() {
            true => assert_eq!(plan.run(&options_kept()).expect("repaired").lsn, expected),
            false => drop(plan),
        }
        let (engine, _) =
            Engine::open_as_stored(storage(image), Path::new(DIR), options_kept()).expect("opens");
        assert_eq!(hash(&engine.view().expect("a view")), hashes[expected.0 as usize]);
    }
    println!("{} crash images of a repair", images.len());
    assert!(images.len() >= 50, "{}", images.len());
}
