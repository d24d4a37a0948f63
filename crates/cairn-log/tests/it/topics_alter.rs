//! A topic's settings, changed while it is there.

use crate::topics::{at, keyed, open, read_all, small, try_open};
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_log::{CompactionPolicy, ErrorKind, SyncMode, TopicChange, TopicConfig};
use std::sync::{Arc, Mutex};

fn sync(sync: SyncMode) -> TopicChange {
    TopicChange { sync: Some(sync), ..TopicChange::default() }
}

#[test]
fn what_is_changed_is_changed_and_lasts_and_the_rest_stays() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let topic = manager.create_topic("t", small(2)).unwrap();
    let change = TopicChange {
        retention_us: Some(7),
        retention_bytes: Some(8),
        compaction: Some(CompactionPolicy::Key),
        tombstone_retention_us: Some(9),
        sync: Some(SyncMode::Periodic { interval_us: 10 }),
    };
    let expected = TopicConfig {
        retention_us: 7,
        retention_bytes: 8,
        compaction: CompactionPolicy::Key,
        tombstone_retention_us: 9,
        sync: SyncMode::Periodic { interval_us: 10 },
        ..small(2)
    };
    assert_eq!(*manager.alter_topic("t", &change).unwrap(), expected);
    assert_eq!(topic.info().unwrap().config, expected);
    assert_eq!(*manager.alter_topic("t", &TopicChange::default()).unwrap(), expected);
    let again = open(&sim.image(Fate::Dropped)).0;
    assert_eq!(*again.topic("t").unwrap().config(), expected);
    assert_eq!(again.alter_topic("none", &change).unwrap_err().kind(), ErrorKind::NotFound);
    manager.delete_topic("t").unwrap();
    assert_eq!(manager.alter_topic("t", &change).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn another_mode_holds_from_the_next_append_on() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let topic = manager.create_topic("t", TopicConfig { sync: SyncMode::Async, ..small(1) }).unwrap();
    topic.append(None, &[at(1), at(2)]).unwrap();
    assert_eq!(open(&sim.image(Fate::Dropped)).0.topic("t").unwrap().high_water_mark(0).unwrap(), 0);
    manager.alter_topic("t", &sync(SyncMode::Fsync)).unwrap();
    assert_eq!(topic.high_water_mark(0).unwrap(), 2, "what could be read still can");
    let kept = open(&sim.image(Fate::Dropped)).0.topic("t").unwrap();
    assert_eq!(kept.high_water_mark(0).unwrap(), 2, "and is durable now");
    topic.append(None, &[at(3)]).unwrap();
    assert_eq!(open(&sim.image(Fate::Dropped)).0.topic("t").unwrap().high_water_mark(0).unwrap(), 3);
    manager.alter_topic("t", &sync(SyncMode::Periodic { interval_us: 50 })).unwrap();
    topic.append(None, &[at(4)]).unwrap();
    assert_eq!(open(&sim.image(Fate::Dropped)).0.topic("t").unwrap().high_water_mark(0).unwrap(), 3);
    assert_eq!(manager.sync_due(1_000).done, [("t".to_owned(), 0)]);
    assert_eq!(open(&sim.image(Fate::Dropped)).0.topic("t").unwrap().high_water_mark(0).unwrap(), 4);
}

#[test]
fn compaction_begun_later_and_ended_keeps_what_it_did() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let topic = manager.create_topic("t", small(1)).unwrap();
    for n in 0..60 {
        topic.append(None, &[keyed(&format!("k{}", n % 3), "a value that fills segments")]).unwrap();
    }
    let policy = |compaction| TopicChange { compaction: Some(compaction), ..TopicChange::default() };
    assert!(manager.compact(0).done.is_empty());
    manager.alter_topic("t", &policy(CompactionPolicy::Key)).unwrap();
    assert!(!manager.compact(0).done.is_empty());
    let left = read_all(&topic, 0).records;
    assert!(left.len() < 30, "{}", left.len());
    manager.alter_topic("t", &policy(CompactionPolicy::None)).unwrap();
    for n in 0..60 {
        topic.append(None, &[keyed(&format!("k{}", n % 3), "a value that fills segments")]).unwrap();
    }
    assert!(manager.compact(0).done.is_empty());
    let now = read_all(&topic, 0).records;
    assert_eq!(now.len(), left.len() + 60);
    drop((manager, topic));
    assert_eq!(read_all(&open(&sim).0.topic("t").unwrap(), 0).records, now, "it opens again");
}

#[test]
fn shorter_retention_drops_at_its_next_turn() {
    let (manager, _) = open(&SimDisk::new(1));
    let topic = manager.create_topic("t", small(1)).unwrap();
    (0..60).for_each(|n| drop(topic.append(None, &[at(n)]).unwrap()));
    assert!(manager.apply_retention(1_000).done.is_empty());
    manager.alter_topic("t", &TopicChange { retention_us: Some(100), ..TopicChange::default() }).unwrap();
    assert_eq!(manager.apply_retention(1_000).done.len(), 1);
    assert!(topic.info().unwrap().partitions[0].base_offset > 50);
}

#[test]
fn a_crash_or_a_fault_leaves_the_old_settings_or_the_new_ones() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    let topic = manager.create_topic("t", TopicConfig { sync: SyncMode::Async, ..small(2) }).unwrap();
    topic.append(Some(0), &[at(1)]).unwrap();
    let seen = Arc::new(Mutex::new([0; 2]));
    let out = Arc::clone(&seen);
    sim.on_op(Box::new(move |op, sim| {
        for fate in [Fate::Dropped, Fate::Kept, Fate::Torn(op), Fate::Torn(op + 100)] {
            let mode = open(&sim.image(fate)).0.topic("t").unwrap().config().sync;
            out.lock().unwrap()[usize::from(mode == SyncMode::Fsync)] += 1;
        }
    }));
    manager.alter_topic("t", &sync(SyncMode::Fsync)).unwrap();
    sim.on_op(Box::new(|_, _| {}));
    let [old, new] = *seen.lock().unwrap();
    assert!(old > 10 && new > 0, "{old}, {new}");
    for fault in [Fault::Enospc, Fault::Eio] {
        for after in 0..8 {
            let sim = SimDisk::new(2);
            let manager = try_open(&sim).unwrap().0;
            let topic = manager.create_topic("t", small(1)).unwrap();
            let failing = sim.ops() + after;
            sim.fail_at(failing, fault);
            match manager.alter_topic("t", &sync(SyncMode::Async)) {
                Ok(_) if sim.ops() <= failing => break,
                Ok(config) => assert_eq!(config.sync, SyncMode::Async),
                Err(e) => {
                    assert!(matches!(e.kind(), ErrorKind::NoSpace | ErrorKind::Io), "{e}");
                    assert_eq!(topic.config().sync, SyncMode::Fsync);
                }
            }
            manager.alter_topic("t", &sync(SyncMode::Async)).unwrap();
        }
    }
}
