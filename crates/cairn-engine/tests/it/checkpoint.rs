//! Checkpoints: what they write, what they leave, and that a state comes back from them alone.

use crate::support::*;
use cairn_disk::{Fault, SimDisk};
use cairn_engine::{Core, Database};

fn core(disk: &SimDisk) -> (Database, Core) {
    let (database, core, _) = open_core(disk, &busy_options()).expect("opens");
    (database, core)
}

fn fill(core: &mut Core, from: u64, n: u64) {
    let mut numbers = Numbers(from + 77);
    for n in from..from + n {
        assert!(core.step(vec![scripted(n, &mut numbers)])[0].is_ok());
    }
}

#[test]
fn a_checkpoint_and_no_log_after_it_is_the_whole_state() {
    let disk = SimDisk::new(1);
    let (database, mut core) = core(&disk);
    fill(&mut core, 0, 400);
    core.checkpoint().expect("written").expect("something changed");
    let before = hash(&core.view());
    drop((core, database));
    let (_database, core, report) = open_core(&disk, &busy_options()).expect("opens");
    assert_eq!((report.replayed, hash(&core.view())), (0, before));
}

#[test]
fn nothing_changed_means_no_checkpoint() {
    let disk = SimDisk::new(2);
    let (_database, mut core) = core(&disk);
    fill(&mut core, 0, 10);
    assert!(core.checkpoint().expect("written").is_some());
    assert!(core.checkpoint().expect("nothing to do").is_none());
}

#[test]
fn a_failed_checkpoint_loses_nothing_and_the_next_one_holds_all() {
    let disk = SimDisk::new(3);
    let (database, mut core) = core(&disk);
    fill(&mut core, 0, 200);
    for ahead in 1..12 {
        disk.fail_at(disk.ops() + ahead, Fault::Enospc);
        // Whether the fault hits inside the checkpoint or after it, nothing may be lost.
        let _ = core.checkpoint();
        fill(&mut core, 200 + ahead * 10, 10);
    }
    disk.fail_at(u64::MAX, Fault::Eio);
    core.checkpoint().expect("written");
    let before = hash(&core.view());
    drop((core, database));
    let (_database, core, _) = open_core(&disk, &busy_options()).expect("opens");
    assert_eq!(hash(&core.view()), before);
}

#[test]
fn many_checkpoints_keep_the_space_in_bounds() {
    let disk = SimDisk::new(4);
    let (database, mut core) = core(&disk);
    fill(&mut core, 0, 500);
    core.checkpoint().expect("written");
    let bytes = |disk: &SimDisk| {
        let files = disk.files().into_iter().filter(|path| path.to_string_lossy().contains("/pages/"));
        files.map(|path| disk.read_file(&path).len()).sum::<usize>()
    };
    let first = bytes(&disk);
    for round in 1..120 {
        fill(&mut core, 500 + round * 20, 20);
        core.checkpoint().expect("written");
    }
    let last = bytes(&disk);
    assert!(last <= 4 * first, "page files grew from {first} to {last} bytes");
    let before = hash(&core.view());
    drop((core, database));
    let (_database, core, _) = open_core(&disk, &busy_options()).expect("opens");
    assert_eq!(hash(&core.view()), before);
}

#[test]
fn the_log_before_a_checkpoint_goes() {
    let disk = SimDisk::new(5);
    let (_database, mut core) = core(&disk);
    fill(&mut core, 0, 2_000);
    let logs = |disk: &SimDisk| disk.files().iter().filter(|p| p.to_string_lossy().ends_with(".log")).count();
    let before = logs(&disk);
    core.checkpoint().expect("written");
    assert!(before > 2 && logs(&disk) == 1, "{before} segments, then {}", logs(&disk));
}
