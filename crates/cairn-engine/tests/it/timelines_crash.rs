//! Crashes while timelines come and go: at every I/O operation the database opens, stands where it did before or after, and the
//! past can still be had back.

use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{Engine, Lsn, ManualClock, Options, SyncMode, Target, TimelineId, WalSettings};
use std::sync::{Arc, Mutex};

const START_US: i64 = 1_700_000_000_000_000;

fn options_at(clock: &Arc<ManualClock>) -> Options {
    let wal = WalSettings { segment_bytes: 4 << 10, ..WalSettings::default() };
    Options { clock: clock.clone(), wal: Some(wal), ..busy_options() }
}

/// Everything that a crash image must still give: targets and their hashes.
struct Scene {
    disk: SimDisk,
    engine: Engine,
    clock: Arc<ManualClock>,
    first: TimelineId,
    known: Vec<(Lsn, String)>,
}

fn scene(seed: u64) -> Scene {
    let disk = SimDisk::new(seed);
    let clock = Arc::new(ManualClock::new(START_US));
    let engine = open(&disk, &options_at(&clock));
    let first = engine.stats().timeline.id;
    let mut numbers = Numbers(seed);
    let mut known = Vec::new();
    for n in 0..150 {
        clock.advance(1_000);
        assert!(engine.write(vec![scripted(n, &mut numbers)])[0].is_ok());
        if n % 40 == 20 {
            engine.checkpoint().expect("a checkpoint");
        }
        if n % 30 == 29 {
            let view = engine.view().expect("a view");
            known.push((view.lsn(), hash(&view)));
        }
    }
    Scene { disk, engine, clock, first, known }
}

/// Runs `act` and checks every image of every operation in it. Returns how many there were.
fn crash_during(scene: &Scene, act: impl FnOnce(&Engine), check: impl Fn(&Engine, &str)) -> usize {
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    scene.disk.on_op(Box::new(move |op, disk| {
        let fates = [Fate::Dropped, Fate::Torn(op), Fate::Torn(op + 7_777)];
        out.lock().expect("no panic").extend(fates.map(|fate| disk.image(fate)));
    }));
    let before = hash(&scene.engine.view().expect("a view"));
    act(&scene.engine);
    scene.disk.on_op(Box::new(|_, _| ()));
    let after = hash(&scene.engine.view().expect("a view"));
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    let (mut old, mut new) = (0, 0);
    for image in &images {
        let engine = open(image, &options_at(&scene.clock));
        let got = hash(&engine.view().expect("a view"));
        assert!(got == before || got == after, "neither before nor after");
        old += usize::from(got == before);
        new += usize::from(got == after);
        check(&engine, &got);
    }
    assert!(old > 0 && new > 0, "{old} old, {new} new");
    images.len()
}

/// All that was known of the first timeline is there.
fn all_known(engine: &Engine, scene: &Scene) {
    for (lsn, expected) in &scene.known {
        let view = engine.view_at(Target::Lsn(*lsn), Some(scene.first)).expect("the past is reachable");
        assert_eq!(&hash(&view), expected, "LSN {lsn}");
    }
}

#[test]
fn recovering_and_promoting() {
    let scene = scene(1);
    let target = Target::Lsn(scene.known[1].0);
    let points = crash_during(
        &scene,
        |engine| {
            let branch = engine.recover(target, None).expect("a branch");
            engine.promote(branch.timeline.id).expect("promoted");
        },
        |engine, _| {
            all_known(engine, &scene);
            // The next write goes on from wherever it stands.
            assert!(engine.write(vec![vector("next", &[1.0; 4])])[0].is_ok());
        },
    );
    println!("{points} crash images of a recovery and a promotion");
    assert!(points >= 60, "{points}");
}

#[test]
fn dropping_a_branch_and_going_back_to_the_old_one() {
    let scene = scene(2);
    let branch = scene.engine.recover(Target::Lsn(scene.known[0].0), None).expect("a branch").timeline.id;
    scene.engine.promote(branch).expect("promoted");
    let points = crash_during(
        &scene,
        |engine| {
            engine.promote(scene.first).expect("and back");
            engine.drop_timeline(branch).expect("dropped");
        },
        |engine, _| all_known(engine, &scene),
    );
    println!("{points} crash images of promotions and a drop");
    assert!(points >= 30, "{points}");
}

#[test]
fn switching_the_log_off_and_on() {
    let scene = scene(3);
    let points = crash_during(
        &scene,
        |engine| {
            let wal = engine.stats().status.wal;
            engine.set_wal(WalSettings { enabled: false, ..wal.clone() }).expect("off");
            engine.set_wal(WalSettings { sync: SyncMode::Async, ..wal }).expect("on");
            // A write, so that before and after differ.
            assert!(engine.write(vec![vector("next", &[1.0; 4])])[0].is_ok());
            engine.sync().expect("synced");
        },
        |engine, _| all_known(engine, &scene),
    );
    println!("{points} crash images of a log switched off and on");
    assert!(points >= 80, "{points}");
}

#[test]
fn retention_dropping_checkpoints_log_and_timelines() {
    let scene = scene(4);
    let branch = scene.engine.recover(Target::Latest, None).expect("a branch").timeline.id;
    scene.engine.promote(branch).expect("promoted");
    let mut numbers = Numbers(77);
    let hour = 3_600_000_000;
    let points = crash_during(
        &scene,
        |engine| {
            for n in 1..60 {
                scene.clock.advance(hour);
                // One item, so that a crash between two writes is not a third state.
                let write = scripted(n, &mut numbers);
                if n == 59 {
                    assert!(engine.write(vec![write])[0].is_ok());
                }
                if n % 20 == 19 {
                    engine.checkpoint().expect("a checkpoint");
                    engine.retain().expect("retention");
                }
            }
            let again = engine.recover(Target::Latest, None).expect("a branch").timeline.id;
            engine.promote(again).expect("promoted");
            scene.clock.advance(100 * hour);
            engine.retain().expect("retention");
        },
        |engine, _| {
            let history = engine.history().expect("a history");
            for window in &history.windows {
                let view = engine.view_at(Target::Latest, Some(window.timeline.id)).expect("each is whole");
                assert_eq!(view.lsn(), window.to.lsn);
                engine
                    .view_at(Target::Lsn(window.from.lsn), Some(window.timeline.id))
                    .expect("from its oldest point on");
            }
        },
    );
    println!("{points} crash images of retention");
    assert!(points >= 60, "{points}");
}
