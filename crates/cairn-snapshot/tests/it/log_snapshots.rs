//! Snapshots of logs and topics, in a repository and back.

use cairn_disk::{Fate, SimDisk, Storage};
use cairn_log::{Entry, Log, ManualClock, Record, SnapshotManager, TopicConfig, TopicManager};
use cairn_snapshot::{
    Compression, ExportedLog, Job, Repository, export_log_snapshot, exported_log_snapshots,
    import_log_snapshot, verify_log_snapshot,
};
use std::path::Path;
use std::sync::{Arc, Mutex};

const NOW_US: i64 = 1_700_000_000_000_000;

struct Scene {
    disk: SimDisk,
    topics: TopicManager,
    clock: Arc<ManualClock>,
}

fn arc(disk: &SimDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

fn scene() -> Scene {
    let (disk, clock) = (SimDisk::new(1), Arc::new(ManualClock::new(NOW_US)));
    let (topics, _) = TopicManager::open(arc(&disk), "/topics", clock.clone()).expect("opens");
    let config = TopicConfig { partitions: 3, segment_bytes: 600, ..TopicConfig::default() };
    let topic = topics.create_topic("clicks", config).expect("made");
    for n in 0..90u8 {
        let (key, value) = ([n % 7], [n; 40]);
        let entry = Entry { timestamp_us: NOW_US + i64::from(n), key: Some(&key), value: Some(&value) };
        topic.append(None, &[entry]).expect("appended");
    }
    Scene { disk, topics, clock }
}

fn repository(disk: &SimDisk) -> Repository {
    Repository::open_or_create(arc(disk), Path::new("/backup"), NOW_US).expect("opens")
}

fn records(disk: &SimDisk, config: cairn_log::LogConfig) -> Vec<Record> {
    let (log, _) = Log::open(arc(disk), config).expect("opens");
    log.read(log.base_offset()).expect("reads").collect::<Result<_, _>>().expect("whole")
}

fn export(scene: &Scene, partition: u32, id: &str, compression: Compression) -> ExportedLog {
    let manager = scene.topics.snapshots("clicks", partition).expect("a manager");
    export_log_snapshot(&repository(&scene.disk), &manager, &scene.disk, id, compression, &Job::default())
        .expect("exported")
}

#[test]
fn a_topic_goes_to_a_repository_and_comes_back_on_another_machine() {
    for compression in [Compression::default(), Compression::Gzip { level: 6 }, Compression::None] {
        let scene = scene();
        let snapshots = scene.topics.create_topic_snapshot("clicks").expect("snapshots");
        assert_eq!(snapshots.len(), 3, "one of each partition");
        assert!(snapshots.iter().all(|s| s.id == snapshots[0].id && s.num_segments > 1));
        let total: u64 = snapshots.iter().map(|s| s.high_water_mark).sum();
        assert_eq!(total, 90, "all at one moment");
        let other = SimDisk::new(2);
        for (partition, snapshot) in (0..).zip(&snapshots) {
            let exported = export(&scene, partition, &snapshot.id, compression);
            let repository = repository(&scene.disk);
            assert!(exported_log_snapshots(&repository).expect("a list").contains(&exported));
            assert!(verify_log_snapshot(&repository, &exported, &Job::default()).expect("whole") > 3);
            let dir = format!("/logs/{partition}");
            other.create_dir_all(Path::new(&dir)).expect("made");
            let there = SnapshotManager::with(arc(&other), scene.clock.clone(), &*dir).expect("a manager");
            let taken = import_log_snapshot(&repository, &exported, &there, &Job::default()).expect("taken");
            assert_eq!((taken.id.as_str(), taken.linked), (snapshot.id.as_str(), false));
            let restored =
                there.restore_snapshot(&taken.id, format!("/restored/{partition}")).expect("restored");
            let topic = scene.topics.topic("clicks").expect("there");
            let expected = topic.read(partition, 0, 1_000, u64::MAX).expect("reads").records;
            assert_eq!(records(&other, restored.config), expected);
        }
        let e = export_log_snapshot(
            &repository(&scene.disk),
            &scene.topics.snapshots("clicks", 0).expect("a manager"),
            &scene.disk,
            &snapshots[0].id,
            compression,
            &Job::default(),
        );
        assert!(e.expect_err("twice").to_string().contains("is in the repository already"));
    }
}

#[test]
fn every_flipped_byte_of_an_exported_snapshot_is_found() {
    let scene = scene();
    let id = scene.topics.create_topic_snapshot("clicks").expect("snapshots").remove(0).id;
    let exported = export(&scene, 0, &id, Compression::default());
    let repository = repository(&scene.disk);
    let files: Vec<_> =
        scene.disk.files().into_iter().filter(|path| path.starts_with("/backup/logs")).collect();
    let mut flips = 0;
    for path in &files {
        for at in 0..scene.disk.read_file(path).len() as u64 {
            scene.disk.flip(path, at, 1 << (at % 8));
            let e = verify_log_snapshot(&repository, &exported, &Job::default()).expect_err("found");
            assert!(e.to_string().contains("/backup/logs"), "{e}");
            scene.disk.flip(path, at, 1 << (at % 8));
            flips += 1;
        }
    }
    println!("{flips} flipped bytes of an exported log snapshot, each found");
    assert!(flips > 1_000, "{flips}");
    verify_log_snapshot(&repository, &exported, &Job::default()).expect("whole again");
}

#[test]
fn a_crash_while_exporting_leaves_it_whole_or_not_there() {
    let scene = scene();
    let id = scene.topics.create_topic_snapshot("clicks").expect("snapshots").remove(0).id;
    drop(repository(&scene.disk));
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    scene.disk.on_op(Box::new(move |op, disk| {
        out.lock().expect("no panic").extend([Fate::Dropped, Fate::Torn(op)].map(|fate| disk.image(fate)));
    }));
    let exported = export(&scene, 0, &id, Compression::default());
    scene.disk.on_op(Box::new(|_, _| ()));
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    for image in &images {
        let repository = repository(image);
        let listed = exported_log_snapshots(&repository).expect("a list");
        if listed.is_empty() {
            let manager = SnapshotManager::with(arc(image), scene.clock.clone(), "/topics/clicks/0")
                .expect("a manager");
            export_log_snapshot(&repository, &manager, image, &id, Compression::default(), &Job::default())
                .expect("a second try succeeds");
        }
        verify_log_snapshot(&repository, &exported, &Job::default()).expect("whole");
    }
    println!("{} crash images of an export", images.len());
    assert!(images.len() >= 60, "{}", images.len());
}
