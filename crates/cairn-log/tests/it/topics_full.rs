//! Topics on a full disk: appends are refused, nothing is lost, upkeep fails without harm, and all goes on once there is
//! space.

use crate::common::Rng;
use crate::topics::{keyed, open, read_all, small};
use cairn_disk::{Fate, SimDisk};
use cairn_log::{CompactionPolicy, ErrorKind, SyncMode, TopicChange, TopicConfig, TopicManager};

fn used(sim: &SimDisk) -> u64 {
    sim.files().iter().map(|path| sim.read_file(path).len() as u64).sum()
}

/// Appends to both partitions until each is refused; how many went in.
fn fill(manager: &TopicManager, from: u64) -> u64 {
    let topic = manager.topic("t").unwrap();
    let (mut n, mut refused) = (from, 0);
    while refused < 4 {
        let (key, value) = (format!("key {}", n % 7), format!("value {n} of some length"));
        match topic.append(Some((n % 2) as u32), &[keyed(&key, &value)]) {
            Ok(_) => n += 1,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}");
                refused += 1;
            }
        }
    }
    n
}

fn marks(manager: &TopicManager) -> u64 {
    let topic = manager.topic("t").unwrap();
    (0..2).map(|p| topic.high_water_mark(p).unwrap()).sum()
}

#[test]
fn a_full_disk_refuses_appends_and_everything_goes_on_once_there_is_space() {
    for seed in 0..40 {
        let (sim, mut rng) = (SimDisk::new(seed), Rng(seed));
        let (manager, _) = open(&sim);
        let config = TopicConfig { compaction: CompactionPolicy::Key, retention_bytes: 1_500, ..small(2) };
        manager.create_topic("t", config).unwrap();
        sim.capacity(Some(used(&sim) + 500 + rng.below(3_000)));
        let acknowledged = fill(&manager, 0);
        assert_eq!(marks(&manager), acknowledged, "seed {seed}");
        // Nothing of this may poison, or take away what was acknowledged.
        let refused = |e: &cairn_log::Error| assert_eq!(e.kind(), ErrorKind::NoSpace, "seed {seed}: {e}");
        manager.compact(0).failed.iter().for_each(refused);
        manager.create_topic("other", small(1)).map(drop).unwrap_or_else(|e| refused(&e));
        let change = TopicChange { sync: Some(SyncMode::Fsync), retention_us: Some(5), ..Default::default() };
        manager.alter_topic("t", &change).map(drop).unwrap_or_else(|e| refused(&e));
        manager.create_topic_snapshot("t").map(drop).unwrap_or_else(|e| refused(&e));
        let image = sim.image(Fate::Dropped);
        image.capacity(None);
        assert_eq!(marks(&open(&image).0), acknowledged, "seed {seed}: after a crash");
        // Dropping makes room by itself.
        assert!(manager.apply_retention(10).failed.is_empty(), "seed {seed}");
        sim.capacity(None);
        let topic = manager.topic("t").unwrap();
        topic.append(Some(0), &[keyed("key 1", "again")]).unwrap();
        assert!(topic.info().unwrap().partitions.iter().all(|p| p.poisoned.is_none()), "seed {seed}");
        assert!(manager.compact(0).failed.is_empty());
        let _ = manager.create_topic("other", small(1));
        manager.create_topic_snapshot("t").unwrap();
        let last = read_all(&topic, 0).records.pop().unwrap();
        drop((topic, manager));
        let (manager, recovered) = open(&sim.image(Fate::Dropped));
        assert!(recovered.removed.is_empty(), "seed {seed}");
        assert_eq!(marks(&manager), acknowledged + 1, "seed {seed}");
        assert_eq!(read_all(&manager.topic("t").unwrap(), 0).records.pop(), Some(last));
    }
}

#[test]
fn topics_open_on_a_full_disk_and_can_be_deleted_there() {
    let sim = SimDisk::new(1);
    let (manager, _) = open(&sim);
    manager.create_topic("t", small(2)).unwrap();
    sim.capacity(Some(used(&sim) + 2_000));
    let acknowledged = fill(&manager, 0);
    drop(manager);
    sim.capacity(Some(used(&sim)));
    let (manager, _) = open(&sim);
    assert_eq!(marks(&manager), acknowledged);
    manager.delete_topic("t").unwrap();
    manager.create_topic("t", small(2)).unwrap();
}
