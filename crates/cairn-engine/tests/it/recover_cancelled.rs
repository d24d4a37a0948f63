//! A recovery that is stopped at any of its operations leaves nothing behind, and works again.

use crate::support::*;
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, Error, Target};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An image of some files of several pieces.
fn scene(disk: &SimDisk) -> (Engine, Arc<AtomicBool>) {
    let options = options();
    let cancel = Arc::clone(&options.cancel);
    let engine = open(disk, &options);
    let mut numbers = Numbers(5);
    for from in (0..6_000).step_by(500) {
        let mut one =
            |i: usize| vector(&format!("item-{i}"), &(0..256).map(|_| numbers.unit()).collect::<Vec<_>>());
        for result in engine.write((from..from + 500).map(&mut one).collect()) {
            result.expect("written");
        }
    }
    (engine, cancel)
}

fn below_timelines(disk: &SimDisk) -> Vec<String> {
    disk.list(Path::new("/db/timelines")).expect("readable").into_iter().map(|entry| entry.name).collect()
}

fn stop_at(disk: &SimDisk, op: u64, cancel: &Arc<AtomicBool>) {
    let cancel = Arc::clone(cancel);
    let stop = move |at, _: &SimDisk| {
        if at >= op {
            cancel.store(true, Ordering::Relaxed);
        }
    };
    disk.on_op(Box::new(stop));
}

#[test]
fn it_is_cut_between_pieces_and_leaves_nothing() {
    let disk = SimDisk::new(1);
    let (engine, cancel) = scene(&disk);
    let there = below_timelines(&disk);
    let from = disk.ops();
    let branch = engine.recover(Target::Latest, None).expect("recovered");
    let operations = disk.ops() - from;
    assert!(operations >= 30, "only {operations} operations");
    engine.drop_timeline(branch.timeline.id).expect("dropped");
    assert_eq!(below_timelines(&disk), there);

    let (mut stopped, mut most) = (0, 0);
    for op in 0..operations {
        let from = disk.ops();
        stop_at(&disk, from + op, &cancel);
        let result = engine.recover(Target::Latest, None);
        disk.on_op(Box::new(|_, _| {}));
        cancel.store(false, Ordering::Relaxed);
        match result {
            Err(e) => {
                assert!(matches!(e, Error::Cancelled(_)), "at {op}: {e}");
                stopped += 1;
                most = most.max(disk.ops() - from - op);
            }
            // All was written: what is left are the syncs.
            Ok(branch) => engine.drop_timeline(branch.timeline.id).expect("dropped"),
        }
        assert_eq!(below_timelines(&disk), there, "stopped at {op}: something is left");
    }
    println!("a recovery of {operations} operations: {stopped} stopped, {most} operations more at most");
    assert!(stopped >= operations / 2, "{stopped} of {operations} were stopped");
    // The draft's directories are made before the first look, or a piece of a MiB is written; and all is removed.
    assert!(most <= 16, "{most} operations after it was stopped");
    engine.recover(Target::Latest, None).expect("it works again");
}
