//! Random appends, commits, crashes and reopens against a plain list.

use crate::common::*;
use cairn_disk::{Fate, SimDisk};
use cairn_log::{Entry, ErrorKind, Log, LogConfig, Record};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(i64, Option<u8>, Option<u16>)>),
    Commit(u8),
    Reopen,
    Crash(Option<u64>),
    RemoveBefore(u8),
    /// The disk has this much room from now on.
    Room(Option<u16>),
    Read(u8),
    Time(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let entry = (0..500i64, proptest::option::of(0..20u8), proptest::option::of(0..400u16));
    prop_oneof![
        8 => proptest::collection::vec(entry, 0..12).prop_map(Step::Append),
        4 => any::<u8>().prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        2 => proptest::option::of(any::<u64>()).prop_map(Step::Crash),
        1 => any::<u8>().prop_map(Step::RemoveBefore),
        1 => proptest::option::of(0..3000u16).prop_map(Step::Room),
        2 => any::<u8>().prop_map(Step::Read),
        2 => (0..500i64).prop_map(Step::Time),
    ]
}

/// The log, and the list it should be.
struct Pair {
    sim: SimDisk,
    log: Log,
    records: Vec<Record>,
    base: u64,
    committed: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let sim = SimDisk::new(seed);
        let log = open_with(&sim, small()).unwrap().0;
        Pair { sim, log, records: Vec::new(), base: 0, committed: 0 }
    }

    fn next(&self) -> u64 {
        self.records.len() as u64
    }

    fn append(&mut self, batch: &[(i64, Option<u8>, Option<u16>)]) {
        let mut more: Vec<Record> = Vec::new();
        for (time, key, value) in batch {
            let last = more.last().or(self.records.last());
            let offset = self.next() + more.len() as u64;
            let key = key.map(|n| vec![b'k'; n.into()]);
            let value = value.map(|n| vec![offset as u8; n.into()]);
            let timestamp_us = last.map_or(*time, |r| r.timestamp_us.max(*time));
            more.push(Record { offset, timestamp_us, key, value });
        }
        let entries: Vec<_> = batch
            .iter()
            .zip(&more)
            .map(|((time, ..), r)| Entry { timestamp_us: *time, ..entry(r) })
            .collect();
        match self.log.append(&entries) {
            Ok(range) => {
                assert_eq!(range, self.next()..self.next() + more.len() as u64);
                self.records.extend(more);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}"),
        }
    }

    /// The process ended, and with a fate the machine: the log is a prefix with everything committed.
    fn reopen(&mut self, fate: Option<Fate>) {
        if let Some(fate) = fate {
            self.sim = self.sim.image(fate);
        }
        self.sim.capacity(None);
        self.log = open_with(&self.sim, small()).unwrap().0;
        let next = self.log.next_offset();
        assert!((self.committed..=self.next()).contains(&next), "{} {next}", self.committed);
        if fate.is_none() {
            assert_eq!(next, self.next());
        }
        self.records.truncate(next as usize);
        self.committed = next;
        // A removal is durable when it returns.
        assert_eq!(self.log.base_offset(), self.base);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Append(batch) => self.append(batch),
            Step::Commit(back) => {
                if let Some(offset) = self.next().checked_sub(1 + u64::from(*back) % 4) {
                    self.log.commit(offset).unwrap();
                    self.committed = self.committed.max(offset + 1);
                }
            }
            Step::Reopen => self.reopen(None),
            Step::Crash(None) => self.reopen(Some(Fate::Dropped)),
            Step::Crash(Some(seed)) => self.reopen(Some(Fate::Torn(*seed))),
            Step::RemoveBefore(back) => {
                self.log.remove_before(self.committed.saturating_sub((*back).into())).unwrap();
                self.base = self.log.base_offset();
                assert!(self.base <= self.committed);
            }
            Step::Room(room) => {
                let used: u64 = snapshot(&self.sim).iter().map(|(_, b)| b.len() as u64).sum();
                self.sim.capacity(room.map(|r| used + u64::from(r)));
            }
            Step::Read(at) => {
                let from = self.base + (self.next() - self.base) * u64::from(*at) / 255;
                assert!(read_from(&self.log, from) == self.records[from as usize..], "read from {from}");
            }
            Step::Time(time) => {
                let held = &self.records[self.base as usize..];
                let expected = held.iter().find(|r| r.timestamp_us >= *time).map(|r| r.offset);
                assert_eq!(self.log.offset_for_time(*time).unwrap(), expected);
            }
        }
    }
}

fn small() -> LogConfig {
    LogConfig { segment_bytes: 1500, index_interval_bytes: 300, ..config() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_the_list(seed: u64, steps in proptest::collection::vec(step(), 1..80)) {
        let mut pair = Pair::new(seed);
        for step in &steps {
            pair.step(step);
        }
        pair.reopen(None);
        prop_assert!(read_all(&pair.log) == pair.records[pair.base as usize..]);
    }
}
