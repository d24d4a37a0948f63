//! Topics created, appended to, compacted, dropped and deleted, crashed at every operation.

use crate::common::{Rng, entries, seeds, sometimes};
use crate::topics::{open, small, try_open};
use cairn_disk::{Fate, SimDisk};
use cairn_log::{CompactionPolicy, Record, SyncMode, Topic, TopicConfig, TopicManager};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum There {
    #[default]
    No,
    /// It is being created or deleted.
    Perhaps,
    Yes,
}

#[derive(Debug, Clone, Copy, Default)]
struct PartitionKnown {
    /// Nothing from here on was given to append.
    given: u64,
    /// Everything before this is durable.
    durable: u64,
    /// Everything before this may have been dropped.
    dropped: u64,
}

#[derive(Debug, Clone, Default)]
struct TopicKnown {
    there: There,
    partitions: [PartitionKnown; PARTITIONS as usize],
    /// How often there was a topic of this name.
    life: u64,
}

/// What is known at a moment of the run.
#[derive(Debug, Clone, Default)]
struct Known {
    topics: BTreeMap<&'static str, TopicKnown>,
    /// Tombstones before this may be gone.
    tombstones_before_us: i64,
}

const PARTITIONS: u32 = 2;
const TOMBSTONES_US: u64 = 100;

fn config(name: &str) -> TopicConfig {
    let (sync, compaction) = match name {
        "fsync" => (SyncMode::Fsync, CompactionPolicy::Key),
        "periodic" => (SyncMode::Periodic { interval_us: 50 }, CompactionPolicy::None),
        _ => (SyncMode::Async, CompactionPolicy::Key),
    };
    let (tombstone_retention_us, retention_bytes) = (TOMBSTONES_US, 1_300);
    TopicConfig { sync, compaction, tombstone_retention_us, retention_bytes, ..small(PARTITIONS) }
}

/// A record that follows from where it is.
fn record(life: u64, partition: u32, offset: u64) -> Record {
    let mut rng = Rng(life * 10_007 + u64::from(partition) * 101 + offset);
    rng.below(2);
    let key = (rng.below(6) > 0).then(|| vec![b'a' + rng.below(5) as u8]);
    let value = (rng.below(4) > 0).then(|| vec![offset as u8; rng.below(120) as usize]);
    Record { offset, timestamp_us: offset as i64 * 10, key, value }
}

/// Whether a record that is not there may be missing from a log that ends at `end`.
fn may_be_gone(record: &Record, life: u64, partition: u32, end: u64, known: &Known) -> bool {
    let Some(key) = &record.key else { return false };
    let mut later = record.offset + 1..end;
    let superseded = later.any(|o| self::record(life, partition, o).key.as_ref() == Some(key));
    superseded || (record.value.is_none() && record.timestamp_us < known.tombstones_before_us)
}

fn check_partition(topic: &Topic, number: u32, known: &Known, life: &TopicKnown, what: &str) {
    let part = life.partitions[number as usize];
    let info = topic.info().unwrap().partitions[number as usize].clone();
    let (base, end) = (info.base_offset, info.high_water_mark);
    assert!((part.durable..=part.given).contains(&end), "{what}: ends at {end}, {part:?}");
    assert!(base <= part.dropped, "{what}: begins at {base}, {part:?}");
    let mut read = topic.read(number, base, usize::MAX, u64::MAX).unwrap().records.into_iter().peekable();
    let mut records = 0;
    let (mut newest, mut gone) = (BTreeMap::new(), BTreeMap::new());
    for offset in base..end {
        let expected = record(life.life, number, offset);
        match read.next_if(|r| r.offset == offset) {
            Some(found) => {
                assert!(found == expected, "{what}: another record at {offset}");
                newest.extend(found.key.map(|key| (key, offset)));
            }
            None => {
                let compacted = topic.config().compaction == CompactionPolicy::Key;
                let may = compacted && may_be_gone(&expected, life.life, number, end, known);
                assert!(may, "{what}: {offset} is missing of {base}..{end}");
                gone.extend(expected.key.map(|key| (key, offset)));
                continue;
            }
        }
        records += 1;
    }
    assert_eq!((read.next(), info.records), (None, records), "{what}");
    for (key, offset) in newest {
        let later = gone.get(&key).filter(|o| **o > offset);
        assert_eq!(later, None, "{what}: the tombstone over {offset} is gone, and it is not");
    }
}

/// Opens what a crash left, holds it against what was known, and goes on with it.
fn check(sim: &SimDisk, known: &Known, what: &str) {
    let (manager, _) = try_open(sim).unwrap_or_else(|e| panic!("{what}: {e}"));
    for (name, life) in &known.topics {
        let what = format!("{what}, {name}");
        let topic = match (manager.topic(name), life.there) {
            (Ok(topic), There::Yes | There::Perhaps) => topic,
            (Err(_), There::No | There::Perhaps) => continue,
            (found, there) => panic!("{what}: {there:?}, {:?}", found.err()),
        };
        for number in 0..PARTITIONS {
            check_partition(&topic, number, known, life, &what);
        }
        let mark = topic.high_water_mark(1).unwrap();
        let batch: Vec<Record> = (mark..mark + 12).map(|o| record(life.life, 1, o)).collect();
        topic.append(Some(1), &entries(&batch)).unwrap();
    }
    manager.create_topic("after", small(1)).unwrap();
    assert!(manager.compact(0).failed.is_empty() && manager.sync_all().failed.is_empty(), "{what}");
    let marks = |manager: &TopicManager| {
        let of = |t: cairn_log::TopicInfo| t.partitions.into_iter().map(|p| (p.high_water_mark, p.records));
        manager.topics().into_iter().flat_map(of).collect::<Vec<_>>()
    };
    let (again, recovered) = open(&sim.image(Fate::Dropped));
    assert_eq!(marks(&again), marks(&manager), "{what}: what came after it");
    assert_eq!(recovered.removed.len(), 0, "{what}");
    let quiet = |r: &cairn_log::Recovered| r.cut.is_none() && r.indexes_rebuilt == 0;
    assert!(recovered.partitions.iter().all(|p| quiet(&p.recovered)), "{what}: {recovered:?}");
}

/// What a run did.
#[derive(Debug, Default)]
struct Counts {
    dropped: usize,
    compacted: usize,
    deleted: usize,
    tombstones: u64,
}

struct Run {
    manager: TopicManager,
    known: Arc<Mutex<Known>>,
    rng: Rng,
    now_us: i64,
    counts: Counts,
}

impl Run {
    fn note(&self, name: &'static str, note: impl FnOnce(&mut TopicKnown)) {
        note(self.known.lock().unwrap().topics.entry(name).or_default());
    }

    fn there(&self, name: &'static str, there: There) {
        self.note(name, |topic| topic.there = there);
    }

    fn create(&self, name: &'static str) {
        self.note(name, |t| {
            *t = TopicKnown { there: There::Perhaps, life: t.life + 1, ..Default::default() }
        });
        self.manager.create_topic(name, config(name)).unwrap();
        self.there(name, There::Yes);
    }

    fn append(&mut self, name: &'static str) {
        let (topic, number) = (self.manager.topic(name).unwrap(), self.rng.below(PARTITIONS.into()) as u32);
        let life = self.known.lock().unwrap().topics[name].clone();
        let start = life.partitions[number as usize].given;
        let end = start + 1 + self.rng.below(6);
        self.note(name, |t| t.partitions[number as usize].given = end);
        let batch: Vec<Record> = (start..end).map(|o| record(life.life, number, o)).collect();
        let places = topic.append(Some(number), &entries(&batch)).unwrap();
        assert!(places.iter().map(|p| p.offset).eq(start..end));
        self.now_us = self.now_us.max(end as i64 * 10);
        if topic.config().sync == SyncMode::Fsync {
            self.note(name, |t| t.partitions[number as usize].durable = end);
        }
    }

    fn synced(&self, which: impl Fn(&str) -> bool) {
        for (_, topic) in self.known.lock().unwrap().topics.iter_mut().filter(|(name, _)| which(name)) {
            topic.partitions.iter_mut().for_each(|p| p.durable = p.given);
        }
    }

    fn step(&mut self) {
        let name = ["fsync", "periodic", "async"][self.rng.below(3) as usize];
        match self.rng.below(40) {
            0 => {
                assert!(self.manager.sync_all().failed.is_empty());
                self.synced(|_| true);
            }
            1 => {
                self.now_us += 60;
                assert!(self.manager.sync_due(self.now_us).failed.is_empty());
                self.synced(|name| name == "periodic");
            }
            2..5 => {
                self.all_may_be_dropped();
                let done = self.manager.apply_retention(self.now_us);
                assert!(done.failed.is_empty());
                self.counts.dropped += done.done.len();
            }
            5..7 => {
                self.known.lock().unwrap().tombstones_before_us = self.now_us - TOMBSTONES_US as i64;
                let done = self.manager.compact(self.now_us);
                assert!(done.failed.is_empty());
                self.counts.compacted += done.done.len();
                self.counts.tombstones += done.done.iter().map(|c| c.compaction.tombstones).sum::<u64>();
                self.synced(|name| config(name).compaction == CompactionPolicy::Key);
            }
            7 => {
                self.there(name, There::Perhaps);
                self.manager.delete_topic(name).unwrap();
                self.there(name, There::No);
                self.counts.deleted += 1;
                self.create(name);
            }
            _ => self.append(name),
        }
    }

    /// Retention drops no more than there is.
    fn all_may_be_dropped(&self) {
        for topic in self.known.lock().unwrap().topics.values_mut() {
            topic.partitions.iter_mut().for_each(|p| p.dropped = p.given);
        }
    }
}

/// A run of so many operations; checks what a crash before each would leave, with these fates. How many there were.
fn crash_run(
    seed: u64,
    ops: u64,
    all: &mut Counts,
    fates: impl Fn(u64) -> Vec<Fate> + Send + 'static,
) -> usize {
    let sim = SimDisk::new(seed);
    let known: Arc<Mutex<Known>> = Arc::default();
    let count = Arc::new(Mutex::new(0));
    let (seen, counted) = (Arc::clone(&known), Arc::clone(&count));
    sim.on_op(Box::new(move |op, sim| {
        let known = seen.lock().unwrap().clone();
        for fate in fates(op) {
            let what = format!("seed {seed}, crash before operation {op}, {fate:?}");
            check(&sim.image(fate), &known, &what);
            *counted.lock().unwrap() += 1;
        }
    }));
    let (manager, _) = open(&sim);
    let mut run = Run { manager, known, rng: Rng(seed), now_us: 0, counts: Counts::default() };
    ["fsync", "periodic", "async"].iter().for_each(|name| run.create(name));
    while sim.ops() < ops {
        run.step();
    }
    all.dropped += run.counts.dropped;
    all.compacted += run.counts.compacted;
    all.deleted += run.counts.deleted;
    all.tombstones += run.counts.tombstones;
    *count.lock().unwrap()
}

#[test]
fn at_every_operation() {
    let mut points = 0;
    let mut all = Counts::default();
    for seed in 0..3 {
        points += crash_run(seed, 1_100, &mut all, |op| {
            vec![Fate::Dropped, Fate::Kept, Fate::Torn(op * 10), Fate::Torn(op * 10 + 1)]
        });
    }
    println!("{points} crash points of topics: {all:?}");
    assert!(all.dropped > 20 && all.compacted > 20 && all.deleted > 1 && all.tombstones > 4, "{all:?}");
    assert!(points >= 11_000, "{points} crash points");
}

#[test]
fn more_seeds_of_topics() {
    let mut points = 0;
    let mut all = Counts::default();
    for seed in seeds(3) {
        points += crash_run(seed, 900, &mut all, move |op| sometimes(seed, op, 9).into_iter().collect());
    }
    println!("{points} crash points of more seeds of topics: {all:?}");
    assert!(all.dropped > 5 && all.compacted > 5, "{all:?}");
    assert!(points >= 200, "{points} crash points");
}
