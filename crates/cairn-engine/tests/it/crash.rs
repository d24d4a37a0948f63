//! Crashes: the core on a simulated disk, stopped at every I/O operation, comes back to a prefix that holds everything
//! acknowledged.

use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use std::sync::{Arc, Mutex};

/// A crash point: the disk's possible images at one operation, and how many LSNs were acknowledged by then.
struct Point {
    op: u64,
    images: Vec<SimDisk>,
    acknowledged: u64,
}

/// Runs the script once, forking the disk before every operation.
fn run(writes: usize, torn_seeds: u64) -> (Vec<Point>, Vec<String>) {
    let disk = SimDisk::new(11);
    let acknowledged = Arc::new(Mutex::new(0u64));
    let points = Arc::new(Mutex::new(Vec::new()));
    let (acked, out) = (Arc::clone(&acknowledged), Arc::clone(&points));
    disk.on_op(Box::new(move |op, disk| {
        let torn = (0..torn_seeds).map(|seed| disk.image(Fate::Torn(op * 31 + seed)));
        let images = std::iter::once(disk.image(Fate::Dropped)).chain(torn).collect();
        out.lock().expect("no panic").push(Point {
            op,
            images,
            acknowledged: *acked.lock().expect("no panic"),
        });
    }));
    let (_database, mut core, _) = open_core(&disk, &busy_options()).expect("opens");
    let mut hashes = vec![hash(&core.view())];
    let mut numbers = Numbers(5);
    let mut n = 0;
    while n < writes {
        // Batches of 1, so that every LSN's state is known; the timer and checkpoints in between.
        let answers = core.step(vec![scripted(n as u64, &mut numbers)]);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        note(&mut hashes, &core);
        if n % 40 == 39 {
            core.tick(0.9).expect("ticks");
            note(&mut hashes, &core);
        }
        if n % 25 == 24 {
            core.checkpoint().expect("a checkpoint");
        }
        *acknowledged.lock().expect("no panic") = core.lsn().0;
        n += 1;
    }
    let points = std::mem::take(&mut *points.lock().expect("no panic"));
    (points, hashes)
}

/// The state's hash after each LSN; a step may take several (pruning), whose middles no one has seen.
fn note(hashes: &mut Vec<String>, core: &cairn_engine::Core) {
    while (hashes.len() as u64) < core.lsn().0 {
        hashes.push("unseen".to_owned());
    }
    if hashes.len() as u64 == core.lsn().0 {
        hashes.push(hash(&core.view()));
    }
}

#[test]
fn every_crash_point_opens_to_a_prefix_with_everything_acknowledged() {
    let (points, hashes) = run(300, 2);
    let mut checked = 0;
    for point in &points {
        for (fate, image) in point.images.iter().enumerate() {
            let (_database, core, _) = open_core(image, &busy_options())
                .unwrap_or_else(|e| panic!("crash at operation {}, fate {fate}: {e}", point.op));
            let lsn = core.lsn().0;
            assert!(lsn >= point.acknowledged, "operation {}: {lsn} < {}", point.op, point.acknowledged);
            let expected = &hashes[lsn as usize];
            assert!(
                expected == "unseen" || *expected == hash(&core.view()),
                "operation {}, LSN {lsn}",
                point.op
            );
            checked += 1;
        }
    }
    println!("{checked} crash images of {} operations", points.len());
    assert!(points.len() >= 750 && checked >= 2_250, "{checked} images of {} operations", points.len());
}

#[test]
fn a_crash_while_recovering_is_recovered_from() {
    let (points, _) = run(60, 1);
    let mut checked = 0;
    for point in points.iter().step_by(7) {
        let disk = &point.images[1];
        let images = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&images);
        disk.on_op(Box::new(move |op, disk| out.lock().expect("no panic").push(disk.image(Fate::Torn(op)))));
        let (_database, core, _) = open_core(disk, &busy_options()).expect("opens");
        let expected = hash(&core.view());
        for image in images.lock().expect("no panic").iter() {
            let (_database, again, _) =
                open_core(image, &busy_options()).expect("opens after a crash while opening");
            if again.lsn() == core.lsn() {
                assert_eq!(hash(&again.view()), expected);
            }
            assert!(again.lsn().0 >= point.acknowledged);
            checked += 1;
        }
    }
    println!("{checked} crash images while recovering");
    assert!(checked >= 60, "{checked}");
}
