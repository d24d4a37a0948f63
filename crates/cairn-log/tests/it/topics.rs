//! Topics: created, appended to, read, dropped and deleted.

use crate::common::{Rng, disk};
use cairn_disk::{Fate, RealDisk, SimDisk, Storage};
use cairn_log::{
    CompactionPolicy, Entry, Error, ErrorKind, Fetched, ManualClock, SyncMode, Topic, TopicConfig,
    TopicManager, TopicsRecovered, partition_of_key,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const TOPICS: &str = "/db/topics";

pub fn try_open(sim: &SimDisk) -> cairn_log::Result<(TopicManager, TopicsRecovered)> {
    TopicManager::open(disk(sim), TOPICS, Arc::new(ManualClock::new(1_000_000)))
}

pub fn open(sim: &SimDisk) -> (TopicManager, TopicsRecovered) {
    try_open(sim).expect("the topics open")
}

/// Small segments, so that a few dozen records fill several.
pub fn small(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, segment_bytes: 600, record_bytes_max: 10_000, ..TopicConfig::default() }
}

pub fn keyed<'a>(key: &'a str, value: &'a str) -> Entry<'a> {
    Entry { timestamp_us: 5, key: Some(key.as_bytes()), value: Some(value.as_bytes()) }
}

pub fn at(timestamp_us: i64) -> Entry<'static> {
    Entry { timestamp_us, key: None, value: Some(&[7; 100]) }
}

pub fn read_all(topic: &Topic, partition: u32) -> Fetched {
    let from = topic.info().unwrap().partitions[partition as usize].base_offset;
    topic.read(partition, from, usize::MAX, u64::MAX).expect("read")
}

/// The error below an [`Error::Partition`].
fn cause(error: &Error) -> &Error {
    match error {
        Error::Partition { source, .. } => source,
        other => other,
    }
}

fn names(manager: &TopicManager) -> Vec<String> {
    manager.topics().into_iter().map(|t| t.name).collect()
}

#[test]
fn created_topics_are_there_after_a_crash_with_their_settings() {
    let sim = SimDisk::new(1);
    let config = TopicConfig {
        partitions: 3,
        retention_us: 7,
        retention_bytes: 8,
        compaction: CompactionPolicy::Key,
        tombstone_retention_us: 9,
        segment_bytes: 1 << 20,
        record_bytes_max: 1 << 16,
        sync: SyncMode::Periodic { interval_us: 250 },
    };
    let (manager, _) = open(&sim);
    let id = manager.create_topic("orders", config.clone()).unwrap().id();
    manager.create_topic("a.b_c-D9", TopicConfig { sync: SyncMode::Async, ..small(1) }).unwrap();
    let (again, recovered) = open(&sim.image(Fate::Dropped));
    assert_eq!(names(&again), ["a.b_c-D9", "orders"]);
    let info = again.topic("orders").unwrap().info().unwrap();
    assert_eq!((info.id, info.created_us, info.config, info.partitions.len()), (id, 1_000_000, config, 3));
    assert_eq!(recovered.partitions.len(), 4);
    assert_eq!(again.topic("a.b_c-D9").unwrap().config().sync, SyncMode::Async);
}

#[test]
fn a_key_stays_in_its_partition_and_others_take_turns() {
    let sim = SimDisk::new(1);
    let topic = open(&sim).0.create_topic("t", small(4)).unwrap();
    let keys: Vec<String> = (0..40).map(|n| format!("key {n}")).collect();
    for _ in 0..3 {
        let entries: Vec<Entry<'_>> = keys.iter().map(|k| keyed(k, "v")).collect();
        let places = topic.append(None, &entries).unwrap();
        for (key, place) in keys.iter().zip(&places) {
            assert_eq!(place.partition, partition_of_key(key.as_bytes(), 4));
            let read = topic.read(place.partition, place.offset, 1, 0).unwrap().records;
            assert_eq!(read[0].key.as_deref(), Some(key.as_bytes()));
        }
    }
    assert_eq!(partition_of_key(b"123456789", 1 << 20), 0xe306_9283 % (1 << 20), "it is CRC-32C");
    let turns = topic.append(None, &[at(1), at(2), at(3), at(4), at(5)]).unwrap();
    assert_eq!(turns.iter().map(|p| p.partition).collect::<Vec<_>>(), [0, 1, 2, 3, 0]);
    let all: u64 = topic.info().unwrap().partitions.iter().map(|p| p.records).sum();
    assert_eq!(all, 125);
}

#[test]
fn a_read_keeps_to_its_limits_and_says_where_to_go_on() {
    let sim = SimDisk::new(1);
    let topic = open(&sim).0.create_topic("t", small(1)).unwrap();
    for n in 0..50 {
        topic.append(Some(0), &[at(n)]).unwrap();
    }
    assert_eq!(topic.high_water_mark(0).unwrap(), 50);
    let Fetched { records, next_offset, high_water_mark } = topic.read(0, 10, 5, u64::MAX).unwrap();
    assert_eq!(records.iter().map(|r| r.offset).collect::<Vec<_>>(), [10, 11, 12, 13, 14]);
    assert_eq!((next_offset, high_water_mark), (15, 50));
    // 132 bytes each.
    assert_eq!(topic.read(0, 10, 100, 132 * 3).unwrap().records.len(), 3);
    assert_eq!(topic.read(0, 10, 100, 1).unwrap().records.len(), 1, "one at least");
    assert_eq!(topic.read(0, 50, 100, 1000).unwrap().records, []);
    let error = topic.read(0, 51, 1, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains("`t`, partition 0: offset 51 is not in the log: it holds 0 up to 50"), "{text}");
    let (mut from, mut seen) = (0, 0);
    while from < 50 {
        let fetched = topic.read(0, from, 7, 500).unwrap();
        (from, seen) = (fetched.next_offset, seen + fetched.records.len());
    }
    assert_eq!(seen, 50);
    assert_eq!(topic.offset_for_time(0, 33).unwrap(), Some(33));
    assert_eq!(topic.offset_for_time(0, 50).unwrap(), None);
}

#[test]
fn what_is_asked_for_wrongly_is_refused_by_name() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    assert!(manager.topic("x").unwrap_err().to_string().ends_with("there are no topics"));
    let topic = manager.create_topic("t", small(2)).unwrap();
    manager.create_topic("u", small(1)).unwrap();
    let error = manager.create_topic("t", small(2)).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Exists, "topic `t` exists already"));
    let error = manager.topic("v").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "topic `v` does not exist: there are t, u");
    let error = topic.append(Some(2), &[at(1)]).unwrap_err();
    assert_eq!(error.to_string(), "topic `t` has no partition 2: its partitions are 0 to 1");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(topic.read(2, 0, 1, 1).is_err() && topic.high_water_mark(9).is_err());
    let long = vec![0; 20_000];
    let batch = [at(1), Entry { value: Some(&long), ..at(1) }, at(1)];
    assert_eq!(topic.append(None, &batch).unwrap_err().kind(), ErrorKind::Input);
    assert_eq!(topic.info().unwrap().partitions.iter().map(|p| p.records).sum::<u64>(), 0);
    assert_eq!(topic.append(None, &[]).unwrap(), []);
}

#[test]
fn names_and_settings_that_no_topic_has_are_refused() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    for name in ["", ".", "..", ".t", "a/b", "a b", "ä", "a\0", "a\n", &"x".repeat(250)] {
        let error = manager.create_topic(name, small(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{name:?}");
        assert!(error.to_string().contains("1 to 249 characters of A-Z"), "{error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
    let bad = [
        small(0),
        small(1025),
        TopicConfig { segment_bytes: 1, ..small(1) },
        TopicConfig { record_bytes_max: 1, ..small(1) },
    ];
    for config in bad {
        let error = manager.create_topic("t", config).unwrap_err();
        assert!(error.to_string().contains("must be in range"), "{error}");
    }
    assert_eq!(names(&manager), Vec::<String>::new());
    assert_eq!(sim.files(), [Path::new(TOPICS).join(".lock")]);
}

#[test]
fn the_longest_name_and_the_most_partitions_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("topics");
    let real: Arc<dyn Storage> = Arc::new(RealDisk);
    let open = || TopicManager::open(Arc::clone(&real), &root, Arc::new(ManualClock::new(1)));
    let name = "n".repeat(249);
    {
        let (manager, _) = open().unwrap();
        let topic = manager.create_topic(&name, small(2)).unwrap();
        topic.append(Some(1), &[at(1)]).unwrap();
        assert_eq!(open().unwrap_err().kind(), ErrorKind::Locked);
        let many = manager.create_topic("many", small(40)).unwrap();
        assert_eq!(many.append(Some(39), &[at(1)]).unwrap()[0].offset, 0);
    }
    let (manager, _) = open().unwrap();
    assert_eq!(manager.topic(&name).unwrap().high_water_mark(1).unwrap(), 1);
    manager.delete_topic(&name).unwrap();
    drop(manager);
    assert_eq!(names(&open().unwrap().0), ["many"]);
}

#[test]
fn a_deleted_topic_is_gone_for_everyone_and_its_name_free() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let old = manager.create_topic("t", small(1)).unwrap();
    old.append(Some(0), &[at(1), at(2)]).unwrap();
    manager.delete_topic("t").unwrap();
    assert_eq!(manager.delete_topic("t").unwrap_err().kind(), ErrorKind::NotFound);
    let new = manager.create_topic("t", small(1)).unwrap();
    assert_ne!(new.id(), old.id());
    for error in [
        old.append(Some(0), &[at(1)]).unwrap_err(),
        old.read(0, 0, 1, 1).unwrap_err(),
        old.high_water_mark(0).unwrap_err(),
        old.info().unwrap_err(),
        old.sync().failed.remove(0),
    ] {
        assert_eq!(error.to_string(), "topic `t` does not exist: it was deleted");
    }
    new.append(Some(0), &[at(9)]).unwrap();
    let (again, _) = open(&sim.image(Fate::Dropped));
    assert_eq!(read_all(&again.topic("t").unwrap(), 0).records.len(), 1);
    assert!(sim.files().iter().all(|p| !p.to_str().unwrap().contains(".del")));
}

#[test]
fn what_can_be_read_was_acknowledged() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let fsync = manager.create_topic("fsync", small(1)).unwrap();
    let lazy = manager.create_topic("lazy", TopicConfig { sync: SyncMode::Async, ..small(1) }).unwrap();
    fsync.append(Some(0), &[at(1)]).unwrap();
    lazy.append(Some(0), &[at(1)]).unwrap();
    let info = |topic: &Topic| {
        let partition = topic.info().unwrap().partitions.remove(0);
        (partition.high_water_mark, partition.durable_offset)
    };
    assert_eq!((info(&fsync), info(&lazy)), ((1, 1), (1, 0)));
    // Appended and not yet synced: in mode fsync nobody sees it.
    fsync.with_logs(|logs| logs[0].append(&[at(2)])).unwrap().unwrap();
    assert_eq!(fsync.high_water_mark(0).unwrap(), 1);
    assert_eq!(read_all(&fsync, 0).records.len(), 1);
    assert_eq!(fsync.offset_for_time(0, 2).unwrap(), None);
    assert_eq!(fsync.read(0, 2, 1, 1).unwrap_err().kind(), ErrorKind::NotFound);
    let (again, _) = open(&sim.image(Fate::Dropped));
    let marks = ["fsync", "lazy"].map(|t| again.topic(t).unwrap().high_water_mark(0).unwrap());
    assert_eq!(marks, [1, 0]);
}

#[test]
fn a_timer_syncs_what_is_due() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let sync = SyncMode::Periodic { interval_us: 100 };
    let periodic = manager.create_topic("periodic", TopicConfig { sync, ..small(2) }).unwrap();
    let lazy = manager.create_topic("lazy", TopicConfig { sync: SyncMode::Async, ..small(1) }).unwrap();
    let durable =
        |topic: &Topic| topic.info().unwrap().partitions.iter().map(|p| p.durable_offset).collect::<Vec<_>>();
    let due = |now| manager.sync_due(now).done;
    assert_eq!(due(1_000), []);
    for _ in 0..2 {
        periodic.append(Some(1), &[at(1)]).unwrap();
        lazy.append(Some(0), &[at(1)]).unwrap();
    }
    assert_eq!(due(1_099), [], "not yet");
    assert_eq!(durable(&periodic), [0, 0]);
    assert_eq!(due(1_100), [("periodic".to_owned(), 1)]);
    assert_eq!((durable(&periodic), durable(&lazy)), (vec![0, 2], vec![0]));
    assert_eq!(due(1_300), [], "nothing new");
    periodic.append(Some(0), &[at(1)]).unwrap();
    assert_eq!(due(900).len(), 1, "the clock was set back");
    assert_eq!(manager.sync_all().done, [("lazy".to_owned(), 0)]);
    assert_eq!(durable(&lazy), [2]);
}

#[test]
fn retention_drops_old_segments_and_says_which() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let by_age = manager.create_topic("age", TopicConfig { retention_us: 1000, ..small(1) }).unwrap();
    let by_size = manager.create_topic("size", TopicConfig { retention_bytes: 1500, ..small(1) }).unwrap();
    let all = manager.create_topic("all", small(1)).unwrap();
    for n in 0..40 {
        for topic in [&by_age, &by_size, &all] {
            topic.append(Some(0), &[at(n * 10)]).unwrap();
        }
    }
    // 4 records of 132 bytes in each segment.
    let done = manager.apply_retention(1_125).done;
    assert_eq!(done.len(), 2);
    assert_eq!((done[0].topic.as_str(), done[0].partition), ("age", 0));
    // The segment whose last record is from 110 goes, that of 150 stays.
    assert_eq!((done[0].segments, done[0].records, done[0].bytes), (3, 12, 3 * (64 + 4 * 132)));
    assert_eq!((done[0].from_offset, done[0].to_offset), (0, 12));
    assert_eq!(done[1].topic, "size");
    let info = |topic: &Topic| topic.info().unwrap().partitions.remove(0);
    assert!(info(&by_size).bytes <= 1500 && info(&by_size).bytes > 1500 - 600);
    assert_eq!((info(&by_age).base_offset, info(&all).base_offset), (12, 0));
    let error = by_age.read(0, 11, 1, 1).unwrap_err();
    assert!(matches!(cause(&error), Error::OutOfRange { first: 12, next: 40, .. }), "{error}");
    assert_eq!(manager.apply_retention(1_125).done, []);
    assert_eq!(manager.apply_retention(i64::MAX).done[0].topic, "age");
    assert_eq!((info(&by_age).segments, info(&by_age).high_water_mark), (1, 40), "never the newest");
    let (again, _) = open(&sim.image(Fate::Dropped));
    assert_eq!(info(&again.topic("age").unwrap()).segments, 1);
}

#[test]
fn one_partition_that_fails_is_named_and_the_others_go_on() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let lazy = TopicConfig { sync: SyncMode::Async, ..small(2) };
    let topic = manager.create_topic("t", lazy).unwrap();
    topic.append(None, &[at(1), at(1)]).unwrap();
    sim.fail_at(sim.ops(), cairn_disk::Fault::Eio);
    let synced = manager.sync_all();
    assert_eq!(synced.done, [("t".to_owned(), 1)]);
    let failed: Vec<String> = synced.failed.iter().map(ToString::to_string).collect();
    assert!(failed.len() == 1 && failed[0].starts_with("topic `t`, partition 0: "), "{failed:?}");
    assert!(topic.info().unwrap().partitions[0].poisoned.is_some());
    // The next without a key would go to partition 0.
    let error = topic.append(None, &[at(2), keyed("b", "")]).unwrap_err();
    assert_eq!((error.kind(), partition_of_key(b"b", 2)), (ErrorKind::Poisoned, 0), "{error}");
    assert_eq!(topic.append(Some(1), &[at(2)]).unwrap()[0].offset, 1);
    // Refused by partition 1 after partition 0 took its share.
    let full = manager.create_topic("full", small(2)).unwrap();
    let used: u64 = sim.files().iter().map(|p| sim.read_file(p).len() as u64).sum();
    sim.capacity(Some(used + 140));
    let error = full.append(None, &[at(1), at(1)]).unwrap_err();
    assert!(matches!(error, Error::Partition { partition: 1, appended: 1, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(error.to_string().ends_with("(1 entries of the same call are appended to other partitions)"));
    let marks = [0, 1].map(|p| full.high_water_mark(p).unwrap());
    assert_eq!(marks, [1, 0]);
}

#[test]
fn a_creation_that_fails_at_any_operation_can_be_tried_again() {
    let count = {
        let sim = SimDisk::new(1);
        let (manager, _) = open(&sim);
        let from = sim.ops();
        manager.create_topic("t", small(2)).unwrap();
        sim.ops() - from
    };
    for op in 0..count {
        let sim = SimDisk::new(1);
        let (manager, _) = open(&sim);
        sim.fail_at(sim.ops() + op, cairn_disk::Fault::Eio);
        if manager.create_topic("t", small(2)).is_err() {
            assert_eq!(names(&manager), Vec::<String>::new(), "operation {op}");
        }
        let topic = match manager.create_topic("t", small(2)) {
            Ok(topic) => topic,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Exists, "operation {op}: {error}");
                manager.topic("t").unwrap()
            }
        };
        topic.append(Some(1), &[at(1)]).unwrap_or_else(|e| panic!("operation {op}: {e}"));
        let (again, _) = open(&sim.image(Fate::Dropped));
        assert_eq!(again.topic("t").unwrap().high_water_mark(1).unwrap(), 1, "operation {op}");
    }
    assert!(count > 10, "{count}");
}

#[test]
fn a_deletion_that_fails_at_any_operation_leaves_a_whole_topic_or_none() {
    for op in 0..30 {
        let sim = SimDisk::new(1);
        let (manager, _) = open(&sim);
        let topic = manager.create_topic("t", small(2)).unwrap();
        topic.append(Some(1), &[at(1)]).unwrap();
        sim.fail_at(sim.ops() + op, cairn_disk::Fault::Eio);
        let deleted = manager.delete_topic("t");
        let there = manager.topic("t").is_ok();
        assert!(deleted.is_err() || !there, "operation {op}");
        assert_eq!(topic.append(Some(1), &[at(2)]).is_ok(), there, "operation {op}");
        for fate in [Fate::Dropped, Fate::Kept] {
            let (again, _) = open(&sim.image(fate));
            match again.topic("t") {
                Ok(topic) => assert!(topic.high_water_mark(1).unwrap() >= 1, "operation {op}"),
                Err(_) => assert!(!there, "operation {op}"),
            }
            if again.topic("t").is_err() {
                again.create_topic("t", small(1)).unwrap();
            }
        }
    }
}

/// The path of the only file below the topic `t` that ends like this.
fn file(sim: &SimDisk, end: &str) -> PathBuf {
    let below = sim.files().into_iter().filter(|p| p.starts_with(Path::new(TOPICS).join("t")));
    below.filter(|p| p.to_str().unwrap().ends_with(end)).min().unwrap()
}

#[test]
fn a_damaged_topic_file_is_found_at_every_byte_and_length() {
    let whole = SimDisk::new(1);
    open(&whole).0.create_topic("t", small(1)).unwrap();
    let path = file(&whole, "TOPIC");
    let bytes = whole.read_file(&path).len() as u64;
    for byte in 0..bytes {
        let sim = whole.image(Fate::Kept);
        sim.flip(&path, byte, 1);
        let error = try_open(&sim).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "byte {byte}: {error}");
        assert!(error.to_string().starts_with("/db/topics/t/TOPIC"), "{error}");
        let sim = whole.image(Fate::Kept);
        sim.truncate_file(&path, byte);
        assert_eq!(try_open(&sim).unwrap_err().kind(), ErrorKind::Corrupt, "length {byte}");
    }
    let sim = whole.image(Fate::Kept);
    sim.remove_file(&path);
    let error = try_open(&sim).unwrap_err().to_string();
    assert_eq!(error, "/db/topics/t/TOPIC: topic file: expected a file, got none");
}

#[test]
fn a_topic_file_with_settings_that_no_topic_has_is_damage() {
    let seal = |lines: &str| {
        let body = format!("cairndb-topic 1\n{lines}");
        format!("{body}crc32c {:08x}\n", cairn_disk::crc32c(body.as_bytes()))
    };
    let sim = SimDisk::new(1);
    open(&sim).0.create_topic("t", small(1)).unwrap();
    let path = file(&sim, "TOPIC");
    let text = String::from_utf8(sim.read_file(&path)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let lines = lines[1..lines.len() - 1].join("\n") + "\n";
    let wrong = [
        lines.replace("name t", "name u"),
        lines.replace("partitions 1", "partitions 0"),
        lines.replace("partitions 1", "partitions 1000000000000"),
        lines.replace("partitions 1", "partitions 2"),
        lines.replace("compaction none", "compaction some"),
        lines.replace("sync fsync", "sync never"),
        lines.replace("segment_bytes 600", "segment_bytes 6"),
        lines.replace("retention_us 0\n", ""),
        format!("{lines}more 1\n"),
        lines.split_inclusive('\n').rev().collect(),
    ];
    for lines in wrong {
        sim.write_file(&path, seal(&lines).as_bytes());
        let error = try_open(&sim).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().starts_with("/db/topics/t/"), "{error}");
    }
    sim.write_file(&path, seal(&lines).as_bytes());
    open(&sim);
}

#[test]
fn a_partition_is_not_taken_for_another() {
    let sim = SimDisk::new(1);
    open(&sim).0.create_topic("t", small(2)).unwrap();
    let first = Path::new(TOPICS).join("t/0/00000000000000000000.log");
    let bytes = sim.read_file(&first);
    sim.write_file(&Path::new(TOPICS).join("t/1/00000000000000000000.log"), &bytes);
    let error = try_open(&sim).unwrap_err().to_string();
    assert!(error.contains("/t/1/") && error.contains("timeline mismatch"), "{error}");
}

#[test]
fn what_is_no_topic_is_left_alone() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    for path in ["lost+found/x", ".hidden/x", ".t.new.bak/x", "file"] {
        sim.write_file(&Path::new(TOPICS).join(path), b"x");
    }
    sim.write_file(&Path::new(TOPICS).join("foreign/x"), b"x");
    let error = manager.create_topic("foreign", small(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists, "put there by someone else: {error}");
    sim.remove_file(&Path::new(TOPICS).join("foreign/x"));
    drop(manager);
    disk(&sim).remove_dir_all(&Path::new(TOPICS).join("foreign")).unwrap();
    sim.write_file(&Path::new(TOPICS).join(".t.new/0/x"), b"x");
    sim.write_file(&Path::new(TOPICS).join(".t.del/TOPIC"), b"x");
    let (manager, recovered) = open(&sim);
    assert_eq!(recovered.removed, [".t.del", ".t.new"].map(|d| Path::new(TOPICS).join(d)));
    assert_eq!(names(&manager), Vec::<String>::new());
    assert_eq!(sim.files().len(), 5, "{:?}", sim.files());
}

#[test]
fn many_threads_append_read_and_delete() {
    let sim = SimDisk::new(1);
    let manager = open(&sim).0;
    let topic =
        manager.create_topic("t", TopicConfig { compaction: CompactionPolicy::Key, ..small(3) }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let topic = &topic;
            scope.spawn(move || {
                let mut rng = Rng(thread);
                for _ in 0..150 {
                    let key = format!("{}", rng.below(20));
                    let place = topic.append(None, &[keyed(&key, "value")]).unwrap()[0];
                    let fetched = topic.read(place.partition, place.offset, 1, 0).unwrap();
                    assert!(fetched.high_water_mark > place.offset);
                    if let Some(record) = fetched.records.first() {
                        assert!(record.offset >= place.offset);
                    }
                }
            });
        }
        scope.spawn(|| {
            for now in 0..30 {
                assert!(manager.compact(now).failed.is_empty());
            }
        });
        scope.spawn(|| {
            for _ in 0..20 {
                manager.create_topic("other", small(1)).unwrap();
                manager.delete_topic("other").unwrap();
                assert!(manager.apply_retention(1).failed.is_empty());
            }
        });
    });
    manager.compact(0).done.iter().for_each(|c| assert!(c.compaction.records > 0));
    let records: u64 = topic.info().unwrap().partitions.iter().map(|p| p.records).sum();
    assert!((20..600).contains(&records), "{records}");
    assert_eq!(names(&manager), ["t"]);
}
