//! Version 1 of the archive opens for good: a repository with an archive, stored as files.

use crate::archive_support::*;
use crate::support::{NOW_US, one_thread, open, repo_path, storage};
use cairn_disk::{FileType, RealDisk, SimDisk, Storage, read_file};
use cairn_engine::ManualClock;
use cairn_snapshot::Repository;
use cairn_snapshot::archive::{Shipper, TimelineInfo};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1/archive")
}

fn infos() -> [TimelineInfo; 2] {
    [timeline(1, 0), timeline(2, 30)]
}

/// What made the fixture, for the next version's: run with `CAIRN_WRITE_FIXTURE=DIR`, a new directory.
fn make(dir: &Path) {
    let real: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let repository = Repository::create(real, &dir.join("archive"), NOW_US).expect("made");
    for info in infos() {
        let (disk, of) = (SimDisk::new(1), info.id.0[0]);
        let log = open_log(&disk, &info);
        let clock = Arc::new(ManualClock::new(NOW_US));
        let mut shipper = Shipper::of(repository.clone(), info.clone(), storage(&disk), clock);
        let mut ship = || shipper.ship(&log, &one_thread(), true).expect("shipped");
        write(&log, of, info.fork_lsn.0 + 1..=40);
        ship();
        write(&log, of, 41..=60);
        log.remove_before(55).expect("removed");
        ship();
    }
}

fn copy(real: &RealDisk, from: &Path, to: &Path, disk: &SimDisk) {
    disk.create_dir_all(to).expect("made");
    for entry in real.list(from).expect("the fixture is there") {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        match entry.stat.file_type {
            FileType::Dir => copy(real, &from, &to, disk),
            _ => disk.write_file(&to, &read_file(real, &from, 1 << 20).expect("readable")),
        }
    }
}

#[test]
fn a_version_1_archive_is_listed_verified_and_read() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        make(Path::new(&dir));
        return;
    }
    let disk = SimDisk::new(1);
    copy(&RealDisk::new(), &fixture(), repo_path(), &disk);
    let repository = open(&disk);
    assert_whole(&repository, "version 1");
    for (info, (gap, after)) in infos().iter().zip([((41, 52), 53), ((41, 54), 55)]) {
        let listed = listed(&repository, info);
        assert_eq!((listed.timeline.as_ref(), listed.damaged.len()), (Some(info), 0));
        assert_eq!(gaps(&repository, info), [(gap.0, gap.1, true)]);
        let (first, of) = (info.fork_lsn.0 + 1, info.id.0[0]);
        assert_eq!(ranges(&repository, info), [(first, 40), (after, 60)]);
        assert_eq!(read(&repository, info, first..=40).expect("read"), records(of, first..=40));
        assert_eq!(read(&repository, info, after..=60).expect("read"), records(of, after..=60));
    }
}
