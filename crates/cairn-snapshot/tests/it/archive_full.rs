//! An engine whose log waits for a repository that is full: the backlog grows to its limit, writes are refused and lose
//! nothing, and all of it is archived once there is room.

use crate::support::{one_thread, open_or_create, storage};
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_engine::{
    ArchivePolicy, Engine, Lsn, ManualClock, Options, SyncMode, WalSettings, WhenFull, Write,
};
use cairn_snapshot::archive::{ArchiveReader, Shipper};
use cairn_snapshot::verify_all;
use std::path::Path;
use std::sync::Arc;

fn options(clock: &Arc<ManualClock>) -> Options {
    let wal = WalSettings { segment_bytes: 4 << 10, sync: SyncMode::Fsync, ..WalSettings::default() };
    let archive = ArchivePolicy { backlog_bytes_max: 20 << 10, when_full: WhenFull::Refuse };
    Options { clock: Arc::clone(clock) as _, wal: Some(wal), archive: Some(archive), ..Options::default() }
}

fn vector(n: u64) -> Write {
    Write::VectorSet { id: format!("item {n}"), vector: vec![n as f32 + 1.0; 32] }
}

#[test]
fn a_full_repository_stops_writes_at_the_limit_and_room_lets_them_go_on() {
    let (data, repo) = (SimDisk::new(1), SimDisk::new(2));
    let clock = Arc::new(ManualClock::new(1_700_000_000_000_000));
    let (engine, _) = Engine::open(storage(&data), Path::new("/db"), options(&clock)).expect("opens");
    let repository = open_or_create(&repo);
    let used: u64 = repo.files().iter().map(|path| repo.read_file(path).len() as u64).sum();
    repo.capacity(Some(used + 6_000));
    let timeline = engine.wal().expect("a log").timeline;
    let mut shipper = Shipper::new(repository.clone(), &timeline, storage(&data), Arc::clone(&clock) as _);
    let mut ship = |engine: &Engine| {
        let wal = engine.wal().expect("a log");
        let shipped = shipper.ship(&wal.log, &one_thread(), true)?;
        if let Some(lsn) = shipped.archived_lsn {
            engine.archived(wal.timeline.id, lsn).expect("noted");
        }
        Ok::<_, cairn_snapshot::Error>(shipped)
    };
    let (mut n, mut full) = (0u64, 0);
    let refused = loop {
        clock.advance(1_000);
        match engine.write(vec![vector(n)]).remove(0) {
            Ok(_) => n += 1,
            Err(e) => break e,
        }
        if n % 8 == 0 {
            engine.checkpoint().expect("a checkpoint");
            if let Err(e) = ship(&engine) {
                assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}");
                full += 1;
            }
        }
        assert!(n < 2_000, "never refused");
    };
    assert_eq!(refused.kind(), ErrorKind::NoSpace);
    assert!(refused.to_string().contains("wait for the archive"), "{refused}");
    assert!(full > 2 && n > 100, "{full}, {n}");
    assert_eq!(engine.stats().counts.vectors, n, "reads go on");
    let crashed = Engine::open(storage(&data.image(Fate::Dropped)), Path::new("/db"), options(&clock))
        .expect("opens")
        .0;
    assert_eq!(crashed.stats().counts.vectors, n, "nothing is lost");
    // Room again.
    repo.capacity(None);
    let shipped = ship(&engine).expect("shipped");
    assert!(shipped.gaps.is_empty() && shipped.damaged.is_empty(), "{shipped:?}");
    let last = engine.stats().lsn;
    assert_eq!(shipped.archived_lsn, Some(last));
    assert!(engine.write(vec![vector(n)])[0].is_ok(), "writes go on");
    let read = ArchiveReader::open(&repository, timeline.id, Lsn(1), last).expect("there");
    let lsns: Vec<u64> = read.map(|record| record.expect("whole").offset).collect();
    assert!(lsns.into_iter().eq(1..=last.0));
    let report = verify_all(&repository, &one_thread()).expect("readable");
    assert!(report.is_whole() && report.archived_files > 0, "{report:?}");
}

#[test]
fn a_full_data_disk_refuses_writes_and_what_was_acknowledged_is_archived_from_it() {
    let (data, repo) = (SimDisk::new(3), SimDisk::new(4));
    let clock = Arc::new(ManualClock::new(1_700_000_000_000_000));
    let (engine, _) = Engine::open(storage(&data), Path::new("/db"), options(&clock)).expect("opens");
    let repository = open_or_create(&repo);
    let used: u64 = data.files().iter().map(|path| data.read_file(path).len() as u64).sum();
    data.capacity(Some(used + 10_000));
    let mut n = 0;
    let refused = loop {
        match engine.write(vec![vector(n)]).remove(0) {
            Ok(_) => n += 1,
            Err(e) => break e,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::NoSpace, "{refused}");
    let wal = engine.wal().expect("a log");
    let mut shipper =
        Shipper::new(repository.clone(), &wal.timeline, storage(&data), Arc::clone(&clock) as _);
    let shipped = shipper.ship(&wal.log, &one_thread(), true).expect("shipping reads only");
    assert_eq!(shipped.archived_lsn, Some(engine.stats().lsn));
    data.capacity(None);
    assert!(engine.write(vec![vector(n)])[0].is_ok());
    assert_eq!(engine.stats().counts.vectors, n + 1);
}

#[test]
fn verifying_a_repository_finds_damage_of_its_archive() {
    let repo = SimDisk::new(5);
    let info = crate::archive_support::timeline(1, 0);
    let repository = open_or_create(&repo);
    crate::archive_support::archive(&repository, &info, 1, 30);
    let report = verify_all(&repository, &one_thread()).expect("readable");
    assert!(report.is_whole() && report.archived_files > 0, "{report:?}");
    let file = repo.files().into_iter().find(|path| path.to_string_lossy().ends_with(".log.zst"));
    let file = file.expect("an archived log");
    repo.flip(&file, 150, 1);
    let report = verify_all(&repository, &one_thread()).expect("readable");
    assert_eq!(report.findings.iter().map(|f| f.path.clone()).collect::<Vec<_>>(), [file]);
}
