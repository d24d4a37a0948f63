//! The server's own write path on a simulated disk: a crash at every operation keeps every acknowledged write.

use crate::running::{NOW_US, config};
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{Core, Database, ManualClock, Options, Request};
use cairn_server::{Ask, Backend, Block, Cost, Counters, Failure, Interpreter, Reply, Rules, Written};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The engine's synchronous core behind the protocol: no threads, so one seed is one run.
struct CoreBackend(Mutex<Core>);

impl Backend for CoreBackend {
    fn submit(&self, writes: Vec<Request>, done: Box<dyn FnOnce(Written) + Send>) {
        done(self.write(writes));
    }

    fn write(&self, writes: Vec<Request>) -> Written {
        self.0.lock().unwrap().step(writes)
    }

    fn answer(&self, ask: &Ask) -> Reply {
        let mut core = self.0.lock().unwrap();
        match ask {
            // The script's way to take a checkpoint.
            Ask::Check => match core.checkpoint() {
                Ok(_) => Reply::Block(Block::new("CHECK").pair("lsn", core.lsn())),
                Err(e) => Reply::Failed(e.into()),
            },
            _ => Reply::Failed(Failure::input("not in this test")),
        }
    }

    fn cost(&self, _: &Ask) -> Cost {
        Cost::Small
    }
}

fn options() -> Options {
    Options { clock: Arc::new(ManualClock::new(NOW_US)), ..config().engine_options() }
}

fn open(disk: &SimDisk) -> (Database, Core) {
    let (database, core, _) = Database::open(Arc::new(disk.clone()), Path::new("/db"), &options()).unwrap();
    (database, core)
}

/// Chunks of pipelined lines, of many sizes, with refused lines and checkpoints between the writes.
fn script() -> Vec<String> {
    let line = |i: usize| match i % 7 {
        0 | 3 => format!("VECSET item{} {} 1 {}\r\n", i / 7, i, i % 5),
        1 => format!("METASET item{} n:{i}\r\n", i / 7),
        6 if i % 35 == 6 => format!("VECSET item{i} 1 nan\r\n"),
        _ => format!("EVENT c{} ADD item{} {}\r\n", i % 9, i % 40, i % 101),
    };
    let mut next = 0;
    (0..60)
        .map(|chunk| {
            let from = next;
            next += chunk % 11;
            let checkpoint = if chunk % 17 == 9 { "CHECK\n" } else { "" };
            (from..next).map(line).chain([checkpoint.to_owned()]).collect()
        })
        .collect()
}

/// How many writes were acknowledged.
fn acknowledged_in(out: &[u8]) -> u64 {
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.lines().filter(|line| ["OK EVENT", "OK VECSET", "OK METASET"].contains(line)).count() as u64
}

/// The state after each prefix of the script's writes, one at a time: the reference.
fn prefixes() -> Vec<[u8; 32]> {
    let (_database, core) = open(&SimDisk::new(9));
    let backend = CoreBackend(Mutex::new(core));
    let mut interpreter = Interpreter::new(Arc::new(Rules::default()), Arc::new(Counters::default()));
    let hash = |backend: &CoreBackend| backend.0.lock().unwrap().view().state_hash();
    let (mut hashes, mut out) = (vec![hash(&backend)], Vec::new());
    for line in script().concat().split_inclusive('\n').filter(|line| !line.starts_with("CHECK")) {
        out.clear();
        interpreter.handle(line.as_bytes(), &backend, &mut out);
        if out.starts_with(b"OK") {
            hashes.push(hash(&backend));
        }
    }
    hashes
}

fn reopened(disk: &SimDisk) -> [u8; 32] {
    let (_database, core) = open(disk);
    core.view().state_hash()
}

#[test]
fn a_crash_at_every_operation_keeps_every_acknowledged_write() {
    let prefixes = prefixes();
    let disk = SimDisk::new(7);
    let (database, core) = open(&disk);
    let backend = CoreBackend(Mutex::new(core));
    let state = Arc::new(Mutex::new((0u64, 0u64)));
    {
        let (state, prefixes) = (Arc::clone(&state), prefixes.clone());
        disk.on_op(Box::new(move |op, disk| {
            let (acknowledged, points) = &mut *state.lock().unwrap();
            for fate in [Fate::Dropped, Fate::Torn(op)] {
                let found = reopened(&disk.image(fate));
                let at = prefixes.iter().position(|hash| *hash == found);
                let at = at.unwrap_or_else(|| panic!("op {op}: the state is no prefix of what was written"));
                assert!(
                    at as u64 >= *acknowledged,
                    "op {op}: {acknowledged} writes acknowledged, {at} are there"
                );
                *points += 1;
            }
        }));
    }
    let mut interpreter = Interpreter::new(Arc::new(Rules::default()), Arc::new(Counters::default()));
    let mut acknowledged = 0;
    for chunk in script() {
        let mut out = Vec::new();
        interpreter.handle(chunk.as_bytes(), &backend, &mut out);
        acknowledged += acknowledged_in(&out);
        state.lock().unwrap().0 = acknowledged;
    }
    let (_, points) = *state.lock().unwrap();
    println!("{points} crash points, {acknowledged} writes acknowledged");
    assert_eq!(acknowledged as usize + 1, prefixes.len());
    assert!(points >= 200, "only {points} crash points");
    drop((backend, database));
}

#[test]
fn a_disk_that_fails_refuses_the_writes_and_those_after_them() {
    let disk = SimDisk::new(3);
    let (_database, core) = open(&disk);
    let backend = CoreBackend(Mutex::new(core));
    let mut interpreter = Interpreter::new(Arc::new(Rules::default()), Arc::new(Counters::default()));
    let mut ask = |input: &str| {
        let mut out = Vec::new();
        interpreter.handle(input.as_bytes(), &backend, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(ask("VECSET a 1 2\n"), "OK VECSET\r\n");
    disk.crash_at(disk.ops());
    let failed = ask("VECSET b 1 2\nVECSET c 1 2\n");
    assert_eq!(failed.lines().filter(|line| line.starts_with("(error) ")).count(), 2, "{failed}");
    assert!(ask("EVENT c ADD a 1\n").starts_with("(error) "));
}
