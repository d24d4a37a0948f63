//! Random work on topics against maps of lists.

use crate::common::entry;
use crate::topics::{open, small};
use cairn_disk::{Fate, SimDisk};
use cairn_log::{CompactionPolicy, Entry, Record, SyncMode, TopicConfig, TopicManager, partition_of_key};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

type Input = (i64, Option<u8>, Option<u8>);

#[derive(Debug, Clone)]
enum Step {
    Create(u8, TopicConfig),
    Delete(u8),
    /// To a partition, or wherever the keys belong.
    Append(u8, Option<u32>, Vec<Input>),
    Read(u8, u32, u8, u8, u16),
    Time(u8, u32, i64),
    Sync,
    Retention(i64),
    Compact(i64),
    Reopen,
    Crash(Option<u64>),
}

fn topic_config() -> impl Strategy<Value = TopicConfig> {
    let sync = prop_oneof![
        Just(SyncMode::Fsync),
        Just(SyncMode::Async),
        Just(SyncMode::Periodic { interval_us: 10 })
    ];
    let retention = (prop_oneof![Just(0), 1..400u64], prop_oneof![Just(0), 500..4000u64]);
    (1..4u32, any::<bool>(), sync, retention, 0..300u64).prop_map(
        |(partitions, key, sync, retention, kept)| TopicConfig {
            compaction: if key { CompactionPolicy::Key } else { CompactionPolicy::None },
            sync,
            retention_us: retention.0,
            retention_bytes: retention.1,
            tombstone_retention_us: kept,
            ..small(partitions)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let input = (0..500i64, proptest::option::of(0..6u8), proptest::option::of(0..200u8));
    let partition = proptest::option::of(0..4u32);
    prop_oneof![
        3 => (0..3u8, topic_config()).prop_map(|(t, c)| Step::Create(t, c)),
        1 => (0..3u8).prop_map(Step::Delete),
        16 => (0..3u8, partition, proptest::collection::vec(input, 0..12)).prop_map(|(t, p, i)| Step::Append(t, p, i)),
        5 => (0..3u8, 0..4u32, any::<u8>(), any::<u8>(), any::<u16>()).prop_map(|(t, p, f, r, b)| Step::Read(t, p, f, r, b)),
        3 => (0..3u8, 0..4u32, 0..500i64).prop_map(|(t, p, time)| Step::Time(t, p, time)),
        1 => Just(Step::Sync),
        1 => (0..900i64).prop_map(Step::Retention),
        3 => (0..900i64).prop_map(Step::Compact),
        1 => Just(Step::Reopen),
        2 => proptest::option::of(any::<u64>()).prop_map(Step::Crash),
    ]
}

#[derive(Debug, Default, Clone)]
struct ModelPartition {
    records: Vec<Record>,
    base: u64,
    next: u64,
    durable: u64,
    last_us: i64,
}

#[derive(Debug)]
struct ModelTopic {
    config: TopicConfig,
    partitions: Vec<ModelPartition>,
    turn: u32,
}

struct Pair {
    sim: SimDisk,
    manager: TopicManager,
    model: BTreeMap<String, ModelTopic>,
}

fn name(number: u8) -> String {
    format!("topic-{number}")
}

impl Pair {
    fn append(&mut self, topic: u8, partition: Option<u32>, inputs: &[Input]) {
        let Some(model) = self.model.get_mut(&name(topic)) else { return };
        let partitions = model.config.partitions;
        let records: Vec<Record> = inputs
            .iter()
            .map(|(timestamp_us, key, value)| Record {
                offset: 0,
                timestamp_us: *timestamp_us,
                key: key.map(|k| vec![k]),
                value: value.map(|n| vec![n; n.into()]),
            })
            .collect();
        let batch: Vec<Entry<'_>> = records.iter().map(entry).collect();
        let appended = self.manager.topic(&name(topic)).unwrap().append(partition, &batch);
        if partition.is_some_and(|p| p >= partitions) {
            appended.unwrap_err();
            return;
        }
        let places = appended.unwrap();
        for (mut record, place) in records.into_iter().zip(places) {
            let chosen = partition.unwrap_or_else(|| match &record.key {
                Some(key) => partition_of_key(key, partitions),
                None => {
                    model.turn += 1;
                    (model.turn - 1) % partitions
                }
            });
            let part = &mut model.partitions[chosen as usize];
            assert_eq!((place.partition, place.offset), (chosen, part.next));
            part.last_us = part.last_us.max(record.timestamp_us);
            (record.offset, record.timestamp_us) = (part.next, part.last_us);
            part.next += 1;
            part.records.push(record);
            if model.config.sync == SyncMode::Fsync {
                part.durable = part.next;
            }
        }
    }

    fn read(&self, topic: u8, partition: u32, from: u8, records_max: u8, bytes_max: u16) {
        let Some(model) = self.model.get(&name(topic)) else { return };
        let topic = self.manager.topic(&name(topic)).unwrap();
        let Some(part) = model.partitions.get(partition as usize) else {
            topic.read(partition, 0, 1, 1).unwrap_err();
            return;
        };
        let from = part.base + (part.next - part.base) * u64::from(from) / 255;
        let fetched = topic.read(partition, from, records_max.into(), bytes_max.into()).unwrap();
        let mut bytes = 0;
        let wanted: Vec<&Record> = part.records.iter().filter(|r| r.offset >= from).collect();
        let fits = |(i, r): &(usize, &&Record)| {
            bytes += 32 + (r.key.as_ref().map_or(0, Vec::len) + r.value.as_ref().map_or(0, Vec::len)) as u64;
            *i < records_max.into() && (*i == 0 || bytes <= bytes_max.into())
        };
        let count = wanted.iter().enumerate().take_while(fits).count();
        assert!(fetched.records.iter().eq(wanted[..count].iter().copied()));
        assert_eq!(fetched.high_water_mark, part.next);
        let skipped = wanted.iter().filter(|r| r.offset < fetched.next_offset).count();
        assert_eq!(skipped, count, "nothing is left out between two reads");
        assert!(fetched.next_offset >= from);
    }

    fn time(&self, topic: u8, partition: u32, time: i64) {
        let Some(model) = self.model.get(&name(topic)) else { return };
        let topic = self.manager.topic(&name(topic)).unwrap();
        let Some(part) = model.partitions.get(partition as usize) else { return };
        let expected = part.records.iter().find(|r| r.timestamp_us >= time).map(|r| r.offset);
        assert_eq!(topic.offset_for_time(partition, time).unwrap(), expected);
    }

    fn retention(&mut self, now_us: i64) {
        let done = self.manager.apply_retention(now_us);
        assert!(done.failed.is_empty());
        for dropped in done.done {
            let model = self.model.get_mut(&dropped.topic).unwrap();
            let part = &mut model.partitions[dropped.partition as usize];
            assert!(dropped.from_offset == part.base && dropped.to_offset > part.base);
            let gone = part.records.iter().filter(|r| r.offset < dropped.to_offset).count();
            assert_eq!(gone as u64, dropped.records);
            part.records.drain(..gone);
            part.base = dropped.to_offset;
        }
    }

    fn compact(&mut self, now_us: i64) {
        let done = self.manager.compact(now_us);
        assert!(done.failed.is_empty());
        for (name, model) in &mut self.model {
            if model.config.compaction == CompactionPolicy::None {
                continue;
            }
            let before_us = now_us - model.config.tombstone_retention_us as i64;
            let topic = self.manager.topic(name).unwrap();
            let sealed = topic
                .with_logs(|logs| {
                    logs.iter().map(|l| l.segments().last().unwrap().base_offset).collect::<Vec<_>>()
                })
                .unwrap();
            for (number, (part, sealed_to)) in (0..).zip(model.partitions.iter_mut().zip(sealed)) {
                let of = part.records.iter();
                let newest: HashMap<_, _> = of.filter_map(|r| Some((r.key.clone()?, r.offset))).collect();
                let before = part.records.len();
                part.records.retain(|r| {
                    let Some(key) = r.key.as_ref().filter(|_| r.offset < sealed_to) else { return true };
                    newest[key] == r.offset && (r.value.is_some() || r.timestamp_us >= before_us)
                });
                part.durable = part.next;
                let told = done.done.iter().find(|c| c.topic == *name && c.partition == number);
                let gone = (before - part.records.len()) as u64;
                assert_eq!(told.map_or(0, |c| c.compaction.records), gone, "{name} {number}");
            }
        }
    }

    fn reopen(&mut self, fate: Option<Fate>) {
        // What a clean end leaves is what a crash that keeps all of it leaves, and the lock is free.
        self.sim = self.sim.image(fate.unwrap_or(Fate::Kept));
        self.manager = open(&self.sim).0;
        let there: Vec<String> = self.manager.topics().into_iter().map(|t| t.name).collect();
        assert!(there.iter().eq(self.model.keys()));
        for (name, model) in &mut self.model {
            let info = self.manager.topic(name).unwrap().info().unwrap();
            assert_eq!(info.config, model.config);
            model.turn = 0;
            for (part, info) in model.partitions.iter_mut().zip(info.partitions) {
                let next = info.high_water_mark;
                assert!((part.durable..=part.next).contains(&next), "{name}: {next}, {part:?}");
                assert!(fate.is_some() || next == part.next);
                part.records.retain(|r| r.offset < next);
                part.last_us = info.last_timestamp_us.unwrap_or(0);
                (part.next, part.durable) = (next, next);
                assert_eq!(
                    (info.base_offset, info.records),
                    (part.base, part.records.len() as u64),
                    "{name}"
                );
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Create(topic, config) => {
                let created = self.manager.create_topic(&name(*topic), config.clone());
                assert_eq!(created.is_ok(), !self.model.contains_key(&name(*topic)));
                let partitions = vec![ModelPartition::default(); config.partitions as usize];
                let model = ModelTopic { config: config.clone(), partitions, turn: 0 };
                self.model.entry(name(*topic)).or_insert(model);
            }
            Step::Delete(topic) => {
                let deleted = self.manager.delete_topic(&name(*topic)).is_ok();
                assert_eq!(deleted, self.model.remove(&name(*topic)).is_some());
            }
            Step::Append(topic, partition, inputs) => self.append(*topic, *partition, inputs),
            Step::Read(topic, partition, from, records, bytes) => {
                self.read(*topic, *partition, *from, *records, *bytes);
            }
            Step::Time(topic, partition, time) => self.time(*topic, *partition, *time),
            Step::Sync => {
                assert!(self.manager.sync_all().failed.is_empty());
                for part in self.model.values_mut().flat_map(|t| &mut t.partitions) {
                    part.durable = part.next;
                }
            }
            Step::Retention(now) => self.retention(*now),
            Step::Compact(now) => self.compact(*now),
            Step::Reopen => self.reopen(None),
            Step::Crash(None) => self.reopen(Some(Fate::Dropped)),
            Step::Crash(Some(seed)) => self.reopen(Some(Fate::Torn(*seed))),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_topics_are_the_lists(seed: u64, steps in proptest::collection::vec(step(), 1..100)) {
        let sim = SimDisk::new(seed);
        let mut pair = Pair { manager: open(&sim).0, sim, model: BTreeMap::new() };
        for step in &steps {
            pair.step(step);
        }
        pair.reopen(None);
        for topic in 0..3 {
            for partition in 0..3 {
                pair.read(topic, partition, 0, 255, u16::MAX);
            }
        }
    }
}
