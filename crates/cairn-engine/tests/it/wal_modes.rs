//! How the log is kept: what each mode may lose at a crash and says it lost, a log switched off and on, moved, without
//! vectors.

use crate::support::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_engine::{
    Engine, ErrorKind, EventOp, LogPlace, Lsn, ManualClock, Options, SyncMode, Target, WalSettings, Write,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub const START_US: i64 = 1_700_000_000_000_000;

pub fn clock_us(clock: &ManualClock) -> i64 {
    cairn_engine::Clock::now_us(clock)
}

fn with_wal(wal: WalSettings) -> Options {
    Options { wal: Some(wal), ..busy_options() }
}

/// The images at each operation: what was durable for sure by then, and what was acknowledged.
type Images = Vec<(SimDisk, u64, u64)>;

/// A scripted run that syncs every `sync_every` steps (0: never), and the hash after each LSN.
fn run(seed: u64, steps: u64, sync: SyncMode, sync_every: u64) -> (Images, Vec<String>) {
    let disk = SimDisk::new(seed);
    let marks = Arc::new(Mutex::new((0u64, 0u64)));
    let images = Arc::new(Mutex::new(Vec::new()));
    let (at, out) = (Arc::clone(&marks), Arc::clone(&images));
    disk.on_op(Box::new(move |op, disk| {
        let (durable, acknowledged) = *at.lock().expect("no panic");
        for fate in [Fate::Dropped, Fate::Torn(op ^ seed << 20)] {
            out.lock().expect("no panic").push((disk.image(fate), durable, acknowledged));
        }
    }));
    let wal = WalSettings { sync, ..small_wal() };
    let (_database, mut core, _) = open_core(&disk, &with_wal(wal)).expect("opens");
    let mut hashes = vec![String::new(); 1];
    let mut numbers = Numbers(seed);
    for n in 0..steps {
        assert!(core.step(vec![scripted(n, &mut numbers)])[0].is_ok());
        hashes.resize(core.lsn().0 as usize, "unseen".to_owned());
        hashes.push(hash(&core.view()));
        marks.lock().expect("no panic").1 = core.lsn().0;
        if sync_every > 0 && n % sync_every == sync_every - 1 {
            core.sync().expect("synced");
            marks.lock().expect("no panic").0 = core.lsn().0;
        }
        if n % 60 == 59 {
            core.checkpoint().expect("a checkpoint");
            marks.lock().expect("no panic").0 = core.lsn().0;
        }
        if sync == SyncMode::Fsync {
            marks.lock().expect("no panic").0 = core.lsn().0;
        }
    }
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    (images, hashes)
}

/// The most writes lost, how often that was said, and what is to be printed.
fn crash(sync: SyncMode, sync_every: u64, floor: usize) -> (u64, usize, String) {
    crash_run((21, 200), sync, sync_every, floor)
}

fn crash_run(
    (seed, steps): (u64, u64),
    sync: SyncMode,
    sync_every: u64,
    floor: usize,
) -> (u64, usize, String) {
    let (images, hashes) = run(seed, steps, sync, sync_every);
    let (mut most_lost, mut said) = (0, 0);
    for (image, durable, acknowledged) in &images {
        let wal = WalSettings { sync, ..small_wal() };
        let (_database, core, report) = open_core(image, &with_wal(wal)).expect("opens");
        let lsn = core.lsn().0;
        assert!(lsn >= *durable, "{sync}: LSN {lsn}, durable were {durable}");
        let expected = hashes.get(lsn as usize).map_or("unseen", String::as_str);
        assert!(
            expected.is_empty() || expected == "unseen" || *expected == hash(&core.view()),
            "{sync}: LSN {lsn}"
        );
        // A step may log more than its write (pruning), which nobody saw.
        let seen = (lsn + 1..=*acknowledged).filter(|lsn| hashes[*lsn as usize] != "unseen").count();
        most_lost = most_lost.max(seen as u64);
        if let Some(lost) = &report.lost {
            assert_eq!((lost.sync, lost.after.0), (sync, lsn.min(lost.after.0)));
            said += 1;
        }
        // What a crash took is not said to be lost only where nothing can tell: right after a checkpoint.
        assert!(sync == SyncMode::Fsync || report.lost.is_some() || report.replayed == 0);
    }
    let n = images.len();
    let summary =
        format!("{sync}: {n} crash images, at most {most_lost} acknowledged writes lost, {said} said so");
    assert!(images.len() >= floor, "{} images", images.len());
    (most_lost, said, summary)
}

#[test]
fn fsync_loses_nothing_acknowledged() {
    let (lost, said, summary) = crash(SyncMode::Fsync, 0, 600);
    println!("{summary}");
    assert_eq!((lost, said), (0, 0));
}

#[test]
fn periodic_loses_at_most_its_interval_and_says_so() {
    let (lost, said, summary) = crash(SyncMode::Periodic { interval_us: 1_000 }, 10, 300);
    println!("{summary}");
    assert!((1..=10).contains(&lost), "{lost} of ten steps between two syncs");
    assert!(said > 0);
}

#[test]
fn async_loses_what_no_checkpoint_or_seal_synced_and_says_so() {
    let (lost, said, summary) = crash(SyncMode::Async, 0, 300);
    println!("{summary}");
    assert!(lost > 20 && said > 0, "{lost}, {said}");
}

#[test]
fn more_seeds_in_every_mode() {
    let (mut images, mut runs) = (0, 0);
    for seed in seeds(3) {
        let every = 1 + seed % 13;
        for (sync, every) in
            [(SyncMode::Fsync, 0), (SyncMode::Periodic { interval_us: 1_000 }, every), (SyncMode::Async, 0)]
        {
            let (lost, ..) = crash_run((seed, 60), sync, every, 60);
            assert!(sync != SyncMode::Fsync || lost == 0, "seed {seed}: {lost} lost");
            assert!(
                !matches!(sync, SyncMode::Periodic { .. }) || lost <= every,
                "seed {seed}: {lost} of {every} lost"
            );
            (images, runs) = (images + 60, runs + 1);
        }
    }
    println!("{runs} more runs, at least {images} crash images");
}

#[test]
fn a_view_is_durable_before_anyone_has_it() {
    let disk = SimDisk::new(2);
    let wal = WalSettings { sync: SyncMode::Async, ..WalSettings::default() };
    let engine = open(&disk, &Options { wal: Some(wal), ..options() });
    assert!(engine.write(vec![vector("a", &[1.0])])[0].is_ok());
    assert_eq!(engine.stats().durable_lsn, Lsn(0));
    let view = engine.view().expect("a view");
    assert_eq!(engine.stats().durable_lsn, view.lsn());
    let (engine, _) =
        Engine::open(storage(&disk.image(Fate::Dropped)), Path::new(DIR), options()).expect("opens");
    assert_eq!(engine.stats().lsn, view.lsn());
}

#[test]
fn a_directory_remembers_how_its_log_is_kept() {
    let disk = SimDisk::new(3);
    let wal = WalSettings {
        sync: SyncMode::Periodic { interval_us: 250_000 },
        segment_bytes: 2 << 20,
        retention_us: 7,
        retention_bytes: 8,
        ..WalSettings::default()
    };
    open(&disk, &Options { wal: Some(wal.clone()), ..options() }).close().expect("closes");
    let engine = open(&disk, &options());
    assert_eq!(engine.stats().status.wal, wal);
    let changed = WalSettings { sync: SyncMode::Fsync, ..wal };
    let timeline = engine.stats().timeline.id;
    assert!(engine.set_wal(changed.clone()).expect("changed").is_none(), "no new timeline for that");
    assert_eq!(engine.stats().timeline.id, timeline);
    engine.close().expect("closes");
    assert_eq!(open(&disk, &options()).stats().status.wal, changed);
}

#[test]
fn a_log_switched_off_and_on_shows_the_gap_and_keeps_both_sides() {
    let disk = SimDisk::new(4);
    let clock = Arc::new(ManualClock::new(START_US));
    let options = Options { clock: clock.clone(), ..options() };
    let engine = open(&disk, &options);
    let write = |engine: &Engine, id: &str| {
        clock.advance(1_000_000);
        assert!(engine.write(vec![vector(id, &[1.0])])[0].is_ok());
        engine.stats().lsn
    };
    let before = write(&engine, "before");
    let off = WalSettings { enabled: false, ..WalSettings::default() };
    let report = engine.set_wal(off.clone()).expect("off").expect("a new timeline");
    assert_eq!((report.lsn, engine.stats().timeline.log), (before, LogPlace::Off));
    let during = write(&engine, "during");
    assert_eq!(during.0, before.0 + 1, "LSNs go on");
    write(&engine, "during 2");
    assert_eq!(engine.stats().durable_lsn, before, "until a checkpoint nothing more is durable");
    let crashed = open(&disk.image(Fate::Dropped), &options);
    assert_eq!(crashed.stats().lsn, before, "without a log a crash takes what no checkpoint has");
    assert_ne!(
        crashed.stats().timeline.id,
        report.timeline,
        "and its LSNs do not come again on that timeline"
    );
    engine.set_wal(WalSettings::default()).expect("on").expect("a new timeline");
    let after = write(&engine, "after");
    for (lsn, vectors) in [(before, 1), (Lsn(during.0 + 1), 3), (after, 4)] {
        let view = engine.view_at(Target::Lsn(lsn), None).expect("reachable");
        assert_eq!((view.lsn(), view.counts().vectors), (lsn, vectors));
    }
    let gap = engine.view_at(Target::Lsn(during), None).expect_err("in the gap").to_string();
    assert!(gap.contains("it is in a gap, the write-ahead log was off"), "{gap}");
    let engine = {
        engine.close().expect("closes");
        open(&disk, &options)
    };
    assert_eq!(engine.stats().counts.vectors, 4);
}

#[test]
fn a_log_elsewhere_is_moved_by_an_open_and_checked_to_be_its_own() {
    let disk = SimDisk::new(5);
    let engine = open(&disk, &options());
    assert!(engine.write(vec![vector("a", &[1.0])])[0].is_ok());
    engine.close().expect("closes");
    let wal = |dir: &str| Options {
        wal: Some(WalSettings { dir: Some(PathBuf::from(dir)), ..WalSettings::default() }),
        ..options()
    };
    let engine = open(&disk, &wal("/wal"));
    let timeline = engine.stats().timeline;
    assert_eq!(timeline.log, LogPlace::Below(PathBuf::from("/wal")));
    assert!(engine.write(vec![vector("b", &[2.0])])[0].is_ok());
    let log = PathBuf::from(format!("/wal/{}/00000000000000000002.log", timeline.id));
    assert!(disk.files().contains(&log), "{:?}", disk.files());
    let image = disk.image(Fate::Dropped);
    assert_eq!(open(&image, &wal("/wal")).stats().counts.vectors, 2);
    // Another database's log in its place.
    let other = SimDisk::new(6);
    let engine = open(&other, &wal("/wal"));
    assert!(engine.write(vec![vector("x", &[1.0])])[0].is_ok());
    let foreign = other
        .files()
        .into_iter()
        .find(|p| p.starts_with("/wal") && p.extension().is_some_and(|e| e == "log"));
    let bytes = other.read_file(&foreign.expect("a log"));
    let image = disk.image(Fate::Dropped);
    image.remove(&log).expect("removed");
    let file = image.create(&log).expect("created");
    file.append(&bytes).and_then(|()| file.sync()).expect("written");
    let e = Engine::open(storage(&image), Path::new(DIR), wal("/wal")).map(|_| ()).expect_err("refused");
    assert!(e.to_string().contains("log id mismatch"), "{e}");
}

#[test]
fn a_log_without_vectors_loses_those_since_the_checkpoint_and_only_those() {
    let disk = SimDisk::new(7);
    let wal = WalSettings { include_vectors: false, ..WalSettings::default() };
    let options = Options { wal: Some(wal), ..options() };
    let engine = open(&disk, &options);
    assert!(engine.write(vec![vector("old", &[1.0, 2.0])])[0].is_ok());
    engine.checkpoint().expect("a checkpoint");
    let writes = vec![
        vector("new", &[3.0, 4.0]),
        metadata("new", "k:v"),
        event("ctx", "new", EventOp::Add, 5, 0),
        vector("old", &[9.0, 9.0]),
    ];
    assert!(engine.write(writes).iter().all(Result::is_ok));
    assert_eq!(engine.stats().counts.vectors, 2);
    let crashed = open(&disk.image(Fate::Dropped), &options);
    let stats = crashed.stats();
    assert_eq!(
        (stats.lsn, stats.counts.vectors, stats.counts.metadata, stats.counts.events),
        (Lsn(5), 1, 1, 1)
    );
    let view = crashed.view().expect("a view");
    assert_eq!(view.default_collection().vectors().collect::<Vec<_>>(), [("old", &[1.0f32, 2.0][..])]);
    assert!(crashed.write(vec![vector("new", &[3.0])])[0].is_err(), "the dimension is known");
    engine.close().expect("an orderly close takes a checkpoint");
    assert_eq!(open(&disk, &options).stats().counts.vectors, 2);
}

#[test]
fn what_was_done_to_a_vector_that_a_crash_took_is_replayed() {
    let disk = SimDisk::new(7);
    let wal = WalSettings { include_vectors: false, ..WalSettings::default() };
    let options = Options { wal: Some(wal), ..options() };
    let engine = open(&disk, &options);
    let writes = vec![
        vector("a", &[1.0, 2.0]),
        metadata("a", "k:v"),
        Write::VectorDelete { id: "a".to_owned() },
        vector("b", &[1.0, 2.0]),
        metadata("b", "k:v"),
    ];
    assert!(engine.write(writes).iter().all(Result::is_ok));
    let crashed = open(&disk.image(Fate::Dropped), &options);
    let stats = crashed.stats();
    assert_eq!((stats.lsn, stats.counts.vectors, stats.counts.metadata), (Lsn(5), 0, 1));
}

#[test]
fn a_log_replayed_onto_what_was_restored_is_applied_once() {
    let disk = SimDisk::new(12);
    let clock = Arc::new(ManualClock::new(START_US));
    let options = Options { clock: clock.clone(), ..busy_options() };
    let engine = open(&disk, &options);
    let mut numbers = Numbers(3);
    let mut write = |engine: &Engine, n: u64| {
        clock.advance(1_000_000);
        assert!(engine.write(vec![scripted(n, &mut numbers)])[0].is_ok());
    };
    (0..50).for_each(|n| write(&engine, n));
    let image = engine.view().expect("a view");
    (50..120).for_each(|n| write(&engine, n));
    let expected = engine.view().expect("a view");
    let old_wal = engine.wal().expect("a log").dir;
    let target = Path::new("/restored");
    let fill = |draft: &cairn_engine::TimelineDraft| draft.put_image(image.clone().into_image());
    cairn_engine::restore_dir::<cairn_engine::Error>(&storage(&disk), target, 1, "a snapshot", fill)
        .expect("restored");
    let opened = || Engine::open_as_stored(storage(&disk), target, options.clone()).expect("opens").0;
    let restored = opened();
    let from = Some(image.position().time_us + 1);
    let half = Some(image.position().time_us + 30_000_000);
    let dry = restored.replay_wal(&old_wal, from, half, true).expect("it would do");
    assert_eq!((dry.skipped, restored.stats().lsn), (0, image.lsn()), "a dry run changes nothing");
    let first = restored.replay_wal(&old_wal, from, half, false).expect("replayed");
    assert_eq!((first.applied, first.lsn), (dry.applied, restored.stats().lsn));
    let second = restored.replay_wal(&old_wal, None, None, false).expect("replayed");
    assert_eq!((second.skipped, second.lsn), (first.applied, expected.lsn()));
    assert_eq!(hash(&restored.view().expect("a view")), hash(&expected));
    let third = restored.replay_wal(&old_wal, None, None, false).expect("again");
    assert_eq!((third.applied, third.skipped), (0, first.applied + second.applied));
    restored.close().expect("closes");
    let restored = opened();
    assert_eq!(hash(&restored.view().expect("a view")), hash(&expected), "and it lasts");
    // Written to since: what follows in the log is another history.
    write(&restored, 1);
    write(&engine, 2);
    let e = restored.replay_wal(&old_wal, None, None, false).expect_err("refused").to_string();
    assert!(e.contains("is not what the database has there") && e.contains("nothing was replayed"), "{e}");
    // Another database's log, and a hole.
    let other = open(&SimDisk::new(13), &options);
    let e = other.replay_wal(&old_wal, None, None, false).expect_err("not there").to_string();
    assert!(e.contains("does not exist"), "{e}");
    let before = Some(expected.position().time_us);
    let fresh = Path::new("/fresh");
    let fill = |draft: &cairn_engine::TimelineDraft| draft.put_image(image.clone().into_image());
    cairn_engine::restore_dir::<cairn_engine::Error>(&storage(&disk), fresh, 1, "a snapshot", fill)
        .expect("restored");
    let (fresh, _) = Engine::open_as_stored(storage(&disk), fresh, options.clone()).expect("opens");
    let e = fresh.replay_wal(&old_wal, before, None, false).expect_err("a gap").to_string();
    assert!(e.contains("is before --from and not in the database: a gap"), "{e}");
}

/// Writes at odd moments of a clock set by hand, on a disk where every operation takes some of its time; synced as the thread of
/// the mode does it: an interval after the last sync ended. At every operation the machine goes down.
#[test]
fn periodic_loses_nothing_older_than_its_interval_and_one_sync() {
    const INTERVAL_US: i64 = 5_000;
    const OPERATION_US: i64 = 70;
    let (mut images_seen, mut oldest_us, mut bound_us) = (0, 0, 0);
    for seed in seeds(3) {
        let clock = Arc::new(ManualClock::new(START_US));
        let disk = SimDisk::new(seed);
        // What was acknowledged: the LSN after it, and when.
        let acknowledged = Arc::new(Mutex::new(Vec::<(u64, i64)>::new()));
        let images = Arc::new(Mutex::new(Vec::new()));
        let (known, out, ticking) = (Arc::clone(&acknowledged), Arc::clone(&images), Arc::clone(&clock));
        disk.on_op(Box::new(move |op, disk| {
            ticking.advance(OPERATION_US);
            let fate = if op % 3 == 0 { Fate::Torn(op ^ seed) } else { Fate::Dropped };
            let known = known.lock().expect("no panic").clone();
            out.lock().expect("no panic").push((disk.image(fate), clock_us(&ticking), known));
        }));
        let wal = WalSettings { sync: SyncMode::Periodic { interval_us: INTERVAL_US as u64 }, ..small_wal() };
        let options = Options { clock: Arc::clone(&clock) as _, ..with_wal(wal) };
        let (_database, mut core, _) = open_core(&disk, &options).expect("opens");
        let mut numbers = Numbers(seed);
        let (mut synced_us, mut longest_us) = (clock_us(&clock), 0);
        for n in 0..150 {
            let began_us = clock_us(&clock);
            assert!(core.step(vec![scripted(n, &mut numbers)])[0].is_ok());
            acknowledged.lock().expect("no panic").push((core.lsn().0, clock_us(&clock)));
            clock.advance(numbers.below(900) as i64);
            if clock_us(&clock) - synced_us >= INTERVAL_US {
                core.sync().expect("synced");
                synced_us = clock_us(&clock);
            }
            // A step, the pause after it, and the sync that was due meanwhile.
            longest_us = longest_us.max(clock_us(&clock) - began_us);
        }
        disk.on_op(Box::new(|_, _| ()));
        bound_us = bound_us.max(INTERVAL_US + longest_us);
        for (image, now_us, known) in std::mem::take(&mut *images.lock().expect("no panic")) {
            if known.is_empty() {
                continue;
            }
            let (_database, core, _) = open_core(&image, &options).expect("opens");
            let lost = known.iter().find(|(lsn, _)| *lsn > core.lsn().0);
            let age_us = lost.map_or(0, |(_, acknowledged_us)| now_us - acknowledged_us);
            assert!(
                age_us <= INTERVAL_US + longest_us,
                "seed {seed}: a write acknowledged {age_us} µs before the crash is lost; the interval is {INTERVAL_US} µs, the \
                 longest sync and step {longest_us} µs"
            );
            (images_seen, oldest_us) = (images_seen + 1, oldest_us.max(age_us));
        }
    }
    println!(
        "{images_seen} crash images: the oldest lost write was {oldest_us} µs old, {bound_us} µs allowed"
    );
    assert!(images_seen > 300 && oldest_us > INTERVAL_US / 2, "{images_seen}, {oldest_us}");
}

#[test]
fn going_back_and_replaying_end_when_they_are_told_to() {
    let disk = SimDisk::new(14);
    let options = busy_options();
    let engine = open(&disk, &options);
    let mut numbers = Numbers(5);
    (0..40).for_each(|n| assert!(engine.write(vec![scripted(n, &mut numbers)])[0].is_ok()));
    let (lsn, dir) = (engine.stats().lsn, engine.wal().expect("a log").dir);
    engine.options().cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    for refused in [
        engine.view_at(Target::Lsn(Lsn(10)), None).map(drop),
        engine.recover(Target::Lsn(Lsn(10)), None).map(drop),
        engine.replay_wal(&dir, None, None, false).map(drop),
    ] {
        let e = refused.expect_err("cancelled");
        assert_eq!(e.kind(), ErrorKind::Busy);
        assert!(e.to_string().contains("cancelled, the server is stopping"), "{e}");
    }
    assert_eq!(engine.history().expect("a history").windows.len(), 1, "no half branch");
    engine.close().expect("an orderly end is not cancelled");
    options.cancel.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(open(&disk, &options).stats().lsn, lsn);
}

#[test]
fn a_clock_that_jumps_back_takes_no_time_of_the_log_back() {
    let disk = SimDisk::new(15);
    let clock = Arc::new(ManualClock::new(START_US));
    let options = Options { clock: Arc::clone(&clock) as _, ..options() };
    let engine = open(&disk, &options);
    let hour = 3_600_000_000;
    for (n, at_us) in [0, hour, hour / 2, -hour, hour + 1, 10 * hour, 5].into_iter().enumerate() {
        clock.set(START_US + at_us);
        assert!(engine.write(vec![vector(&format!("v{n}"), &[1.0])])[0].is_ok());
    }
    let times = |engine: &Engine| {
        let log = engine.wal().expect("a log").log;
        let records = log.read(log.base_offset()).expect("a reader");
        records.map(|r| r.expect("whole").timestamp_us - START_US).collect::<Vec<_>>()
    };
    assert!(times(&engine).is_sorted());
    let written = times(&engine);
    assert_eq!(written[written.len() - 3..], [hour + 1, 10 * hour, 10 * hour]);
    // Also over a restart, and where a branch goes on.
    clock.set(START_US - 100 * hour);
    engine.close().expect("closes");
    let engine = open(&disk, &options);
    assert!(engine.write(vec![vector("restarted", &[1.0])])[0].is_ok());
    assert_eq!(times(&engine).last(), Some(&(10 * hour)));
    let branch = engine.recover(Target::Time(START_US + 2 * hour), None).expect("between two of its times");
    engine.promote(branch.timeline.id).expect("promoted");
    assert_eq!(engine.stats().counts.vectors, 5);
    assert!(engine.write(vec![vector("on", &[1.0])])[0].is_ok());
    assert!(times(&engine).iter().all(|us| *us > hour), "{:?}", times(&engine));
}

#[test]
fn the_log_of_another_database_is_not_replayed() {
    let disk = SimDisk::new(16);
    let write = |dir: &str| {
        let engine = Engine::open(storage(&disk), Path::new(dir), options()).expect("opens").0;
        assert!(engine.write(vec![vector("a", &[1.0])])[0].is_ok());
        engine
    };
    let (one, other) = (write("/one"), write("/other"));
    let theirs = other.wal().expect("a log").dir;
    let e = one.replay_wal(&theirs, None, None, false).expect_err("refused");
    let (own_id, their_id) = (one.stats().database, other.stats().database);
    assert_eq!(e.kind(), ErrorKind::Input);
    assert_eq!(
        e.to_string(),
        format!("{}: the log of another database: expected {own_id}, got {their_id}", theirs.display())
    );
    assert_eq!(one.stats().lsn, Lsn(1));
}
