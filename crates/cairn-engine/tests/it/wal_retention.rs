//! Retention: what is kept of the log and of replaced timelines, by age, by size, and for the archive.

use crate::support::*;
use crate::wal_modes::{START_US, clock_us};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{
    ArchivePolicy, Core, Engine, ErrorKind, Lsn, ManualClock, Options, Target, WalSettings, WhenFull,
};
use std::path::Path;
use std::sync::Arc;

fn fill(core: &mut Core, clock: &ManualClock, n: u64, step_us: i64) {
    let mut numbers = Numbers(31);
    for n in 0..n {
        clock.advance(step_us);
        assert!(core.step(vec![scripted(n, &mut numbers)])[0].is_ok());
        if n % 50 == 49 {
            core.checkpoint().expect("a checkpoint");
        }
    }
}

#[test]
fn retention_by_age_keeps_the_window_and_lets_the_rest_go() {
    let disk = SimDisk::new(8);
    let clock = Arc::new(ManualClock::new(START_US));
    let hour = 3_600_000_000;
    let wal = WalSettings { segment_bytes: 4 << 10, retention_us: 24 * hour, ..WalSettings::default() };
    let options = Options { clock: clock.clone(), wal: Some(wal), ..busy_options() };
    let (database, mut core, _) = open_core(&disk, &options).expect("opens");
    // 1,000 writes, six minutes apart: 100 hours.
    fill(&mut core, &clock, 1_000, hour / 10);
    drop((core, database));
    let engine = open(&disk, &options);
    let history = engine.history().expect("a history");
    let window = history.live().expect("live");
    let reach = clock_us(&clock) - window.from.time_us;
    assert!(reach >= 24 * hour, "only {} hours", reach / hour);
    assert!(reach <= 48 * hour, "{} hours are kept, 24 asked for", reach / hour);
    assert!(window.checkpoints.len() <= 6, "{} checkpoints", window.checkpoints.len());
    let logs = disk.files().iter().filter(|p| p.extension().is_some_and(|e| e == "log")).count();
    let first = engine.wal().expect("a log").log.base_offset();
    assert!(first > 400 && logs > 1, "{logs} segments from LSN {first} on");
    let target = Target::Time(clock_us(&clock) - 24 * hour);
    assert!(engine.view_at(target, None).expect("inside the window").lsn() < window.to.lsn);
    assert!(engine.view_at(Target::Lsn(Lsn(100)), None).is_err(), "it is gone");
}

#[test]
fn retention_by_size_keeps_what_the_newest_checkpoint_needs() {
    let disk = SimDisk::new(9);
    let clock = Arc::new(ManualClock::new(START_US));
    let wal = WalSettings { segment_bytes: 4 << 10, retention_bytes: 12 << 10, ..WalSettings::default() };
    let options = Options { clock: clock.clone(), wal: Some(wal), ..busy_options() };
    let (_database, mut core, _) = open_core(&disk, &options).expect("opens");
    fill(&mut core, &clock, 500, 1_000);
    let bytes: usize = disk
        .files()
        .iter()
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .map(|p| disk.read_file(p).len())
        .sum();
    assert!(bytes <= 24 << 10, "{bytes} bytes of log");
}

#[test]
fn log_waits_for_its_archive_then_writes_are_refused_or_a_gap_is_made() {
    for when_full in [WhenFull::Refuse, WhenFull::Gap] {
        let disk = SimDisk::new(10);
        let archive = Some(ArchivePolicy { backlog_bytes_max: 40 << 10, when_full });
        let engine = open(&disk, &Options { archive, ..busy_options() });
        let mut numbers = Numbers(5);
        let mut refused = None;
        for n in 0..3_000 {
            match engine.write(vec![scripted(n, &mut numbers)]).remove(0) {
                Ok(_) if n % 100 == 99 => drop(engine.checkpoint().expect("a checkpoint")),
                Ok(_) => {}
                Err(e) => {
                    refused = Some(e);
                    break;
                }
            }
        }
        let wal = engine.wal().expect("a log");
        match when_full {
            WhenFull::Refuse => {
                let e = refused.expect("refused");
                assert_eq!(e.kind(), ErrorKind::NoSpace);
                assert!(
                    e.to_string().contains("bytes of log wait for the archive, at most 40960 may"),
                    "{e}"
                );
                assert_eq!(wal.log.base_offset(), 1, "nothing was dropped unarchived");
                assert!(engine.stats().archive_backlog_bytes > 40 << 10);
                engine.archived(wal.timeline.id, engine.stats().lsn).expect("noted");
                assert!(engine.write(vec![scripted(1, &mut numbers)])[0].is_ok(), "it goes on");
                engine.checkpoint().expect("a checkpoint");
                assert!(wal.log.base_offset() > 1, "what is archived goes");
            }
            WhenFull::Gap => {
                assert!(refused.is_none(), "{refused:?}");
                assert!(wal.log.base_offset() > 1, "log was dropped unarchived");
            }
        }
    }
}

#[test]
fn a_replaced_timeline_goes_when_retention_says_so_and_the_last_one_stays() {
    let disk = SimDisk::new(11);
    let clock = Arc::new(ManualClock::new(START_US));
    let options = Options { clock: clock.clone(), ..options() };
    let engine = open(&disk, &options);
    let hour = 3_600_000_000;
    let mut ids = vec![engine.stats().timeline.id];
    for n in 0..4 {
        assert!(engine.write(vec![vector(&format!("v{n}"), &[1.0])])[0].is_ok());
        clock.advance(10 * hour);
        let branch = engine.recover(Target::Latest, None).expect("a branch");
        engine.promote(branch.timeline.id).expect("promoted");
        ids.push(branch.timeline.id);
    }
    let known = |engine: &Engine| engine.history().expect("a history").windows.len();
    // Replaced 10, 20, 30 and 40 hours after the start; it is hour 40 now.
    assert_eq!(known(&engine), 4, "the first was replaced 30 hours ago");
    clock.advance(1_000 * hour);
    engine.retain().expect("retention");
    assert_eq!(known(&engine), 2, "the live one and the last one replaced");
    engine.promote(ids[3]).expect("undone");
    assert_eq!(engine.stats().timeline.id, ids[3]);
    let leftover = disk.files().iter().any(|p| p.to_string_lossy().contains(&ids[0].to_string()));
    assert!(!leftover && disk.list(Path::new("/db/timelines")).expect("a list").len() == 2);
}
