//! Snapshots of whole topics: listed, verified, restored as new topics, deleted.

use crate::topics::{at, keyed, open, read_all, small};
use cairn_disk::{Fate, Fault, SimDisk};
use cairn_log::{ErrorKind, SnapshotConfig, Topic, TopicManager};
use std::sync::{Arc, Mutex};

fn filled(sim: &SimDisk) -> (TopicManager, Arc<Topic>) {
    let (manager, _) = open(sim);
    let topic = manager.create_topic("t", small(3)).unwrap();
    for n in 0..90 {
        topic.append(None, &[keyed(&format!("key {n}"), "a value that fills segments")]).unwrap();
    }
    (manager, topic)
}

fn records(topic: &Topic) -> Vec<Vec<cairn_log::Record>> {
    (0..3).map(|n| read_all(topic, n).records).collect()
}

#[test]
fn a_restored_topic_reads_back_identically_and_goes_on() {
    let sim = SimDisk::new(1);
    let (manager, topic) = filled(&sim);
    assert!(topic.apply_retention(0).failed.is_empty());
    let before = records(&topic);
    let made = manager.create_topic_snapshot("t").unwrap();
    topic.append(Some(0), &[at(7)]).unwrap();
    let listed = manager.list_topic_snapshots("t").unwrap();
    assert_eq!((listed.len(), listed[0].whole, listed[0].partitions.len()), (1, true, 3));
    let id = &listed[0].id;
    assert!(made.iter().all(|s| s.id == *id));
    assert!(manager.verify_topic_snapshot("t", id).unwrap().iter().all(|(_, v)| v.is_good()));
    let then = manager.restore_topic_snapshot("t", id, "then").unwrap();
    assert_eq!(records(&then), before);
    assert_eq!((then.id(), &*then.config()), (topic.id(), &*topic.config()));
    then.append(Some(0), &[at(9)]).unwrap();
    manager.delete_topic("t").unwrap();
    drop((manager, topic, then));
    let (again, recovered) = open(&sim.image(Fate::Dropped));
    assert!(recovered.removed.is_empty());
    assert_eq!(records(&again.topic("then").unwrap())[1..], before[1..]);
    assert_eq!(again.topic("then").unwrap().high_water_mark(0).unwrap(), before[0].len() as u64 + 1);
}

#[test]
fn what_cannot_be_restored_is_refused_and_nothing_is_made() {
    let sim = SimDisk::new(1);
    let (manager, _topic) = filled(&sim);
    manager.create_topic_snapshot("t").unwrap();
    let id = manager.list_topic_snapshots("t").unwrap().remove(0).id;
    let refused = |topic: &str, id: &str, new: &str| {
        manager.restore_topic_snapshot(topic, id, new).map(drop).unwrap_err().kind()
    };
    assert_eq!(refused("t", "snapshot-1", "new"), ErrorKind::NotFound);
    assert_eq!(refused("none", &id, "new"), ErrorKind::NotFound);
    assert_eq!(refused("t", &id, "t"), ErrorKind::Exists);
    assert_eq!(refused("t", &id, "a/b"), ErrorKind::Input);
    // One partition's is gone.
    manager.snapshots("t", 1).unwrap().delete_snapshot(&id).unwrap();
    assert_eq!(refused("t", &id, "new"), ErrorKind::Input);
    assert!(!manager.list_topic_snapshots("t").unwrap()[0].whole);
    assert_eq!(manager.delete_topic_snapshot("t", &id).unwrap(), 2);
    assert_eq!(manager.topics().len(), 1);
    // A damaged one.
    manager.create_topic_snapshot("t").unwrap();
    let id = manager.list_topic_snapshots("t").unwrap().remove(0).id;
    let dir = format!("/db/topics/t/2/snapshots/{id}");
    let file =
        sim.files().into_iter().find(|p| p.starts_with(&dir) && p.extension().is_some_and(|e| e == "log"));
    sim.flip(&file.unwrap(), 100, 1);
    assert_eq!(refused("t", &id, "new"), ErrorKind::Corrupt);
    assert_eq!(
        (manager.topics().len(), sim.files().iter().any(|p| p.starts_with("/db/topics/.new.new"))),
        (1, false)
    );
    let found = manager.verify_topic_snapshot("t", &id).unwrap();
    assert_eq!(found.iter().map(|(_, v)| v.is_good()).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_policy_cleans_up_in_every_partition() {
    let sim = SimDisk::new(1);
    let (manager, topic) = filled(&sim);
    for n in 0..3 {
        topic.append(None, &[at(n)]).unwrap();
        manager.create_topic_snapshot("t").unwrap();
    }
    let config = SnapshotConfig { max_snapshots: 1, ..SnapshotConfig::default() };
    let cleaned = manager.cleanup_topic_snapshots("t", &config).unwrap();
    assert!(cleaned.len() == 3 && cleaned.iter().all(|c| c.deleted.len() == 2));
    let left = manager.list_topic_snapshots("t").unwrap();
    assert_eq!((left.len(), left[0].whole), (1, true));
}

#[test]
fn a_crash_while_restoring_leaves_the_whole_topic_or_none() {
    let sim = SimDisk::new(1);
    let (manager, topic) = filled(&sim);
    let before = records(&topic);
    manager.create_topic_snapshot("t").unwrap();
    let id = manager.list_topic_snapshots("t").unwrap().remove(0).id;
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    // Checked afterwards: managers of one directory wait for each other, whatever disk it is on.
    sim.on_op(Box::new(move |op, sim| {
        let fates = [Fate::Dropped, Fate::Kept, Fate::Torn(op), Fate::Torn(op + 1_000)];
        out.lock().unwrap().extend(fates.map(|fate| (op, fate, sim.image(fate))));
    }));
    manager.restore_topic_snapshot("t", &id, "then").unwrap();
    sim.on_op(Box::new(|_, _| {}));
    let (mut without, mut with) = (0, 0);
    for (op, fate, image) in std::mem::take(&mut *images.lock().unwrap()) {
        let (manager, _) = open(&image);
        assert_eq!(records(&manager.topic("t").unwrap()), before, "{op}, {fate:?}");
        match manager.topic("then") {
            Ok(then) => {
                assert_eq!(records(&then), before, "{op}, {fate:?}");
                with += 1;
            }
            Err(_) => {
                let then = manager.restore_topic_snapshot("t", &id, "then").unwrap();
                assert_eq!(records(&then), before, "{op}, {fate:?}");
                without += 1;
            }
        }
    }
    println!("{} crash points of a topic's restore", without + with);
    assert!(without > 200 && with > 0, "{without}, {with}");
    let failing = sim.ops() + 40;
    sim.fail_at(failing, Fault::Enospc);
    assert_eq!(
        manager.restore_topic_snapshot("t", &id, "more").map(drop).unwrap_err().kind(),
        ErrorKind::NoSpace
    );
    assert_eq!(records(&manager.restore_topic_snapshot("t", &id, "more").unwrap()), before);
}
