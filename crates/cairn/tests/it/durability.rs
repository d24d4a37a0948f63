//! Acknowledged means durable, or as durable as the log's mode says: a real server on a disk that loses what was not
//! synced, killed at a random moment.

use crate::run::{Server, json};
use crate::workload::{CONNECTIONS, Held, line};
use cairn_engine::{Engine, Options};
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Rounds on one directory, each recovering what the last one left.
const ROUNDS_PER_DIRECTORY: u64 = 10;
/// Lines sent before their replies are read.
const PIPELINE: u64 = 64;
/// A server lives this long at most.
const LIFE_MS_MAX: u64 = 300;

/// How a server of this test keeps its log.
struct Mode {
    name: &'static str,
    config: &'static str,
    /// Rounds when `CAIRN_KILL_ROUNDS` does not say.
    rounds: u64,
    /// Whether nothing acknowledged may be lost; otherwise only what the server said is durable may not.
    acknowledged_is_durable: bool,
    /// Whether the watcher asks for syncs, since nothing else makes anything durable for long.
    asks_for_syncs: bool,
}

const FSYNC: Mode = Mode {
    name: "fsync",
    config: "wal:\n  sync_mode: fsync\n",
    rounds: 30,
    acknowledged_is_durable: true,
    asks_for_syncs: false,
};
const PERIODIC: Mode = Mode {
    name: "periodic",
    config: "wal:\n  sync_mode: periodic\n  flush_interval: 10ms\n",
    rounds: 10,
    acknowledged_is_durable: false,
    asks_for_syncs: false,
};
const ASYNC: Mode = Mode {
    name: "async",
    config: "wal:\n  sync_on_write: false\n  max_file_size: 1MB\n",
    rounds: 10,
    acknowledged_is_durable: false,
    asks_for_syncs: true,
};

type PerConnection = [u64; CONNECTIONS as usize];

#[test]
fn every_acknowledged_write_survives_sigkill_and_none_is_torn() {
    let totals = kill_again_and_again(&FSYNC);
    println!("fsync: {totals}");
    assert_eq!(totals.lost, 0);
}

#[test]
fn a_periodic_log_loses_only_what_it_had_not_said_is_durable() {
    println!("periodic: {}", kill_again_and_again(&PERIODIC));
}

#[test]
fn an_asynchronous_log_keeps_a_prefix_and_what_a_sync_was_asked_for() {
    println!("async: {}", kill_again_and_again(&ASYNC));
}

#[derive(Default)]
struct Totals {
    rounds: u64,
    acknowledged: u64,
    lost: u64,
    unacknowledged: u64,
    said_durable: u64,
    torn: u64,
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Totals { rounds, acknowledged, lost, said_durable, unacknowledged, torn } = self;
        write!(
            f,
            "{rounds} kills: {acknowledged} acknowledged writes, {lost} of them lost; {said_durable} were said to be durable, \
             all there; {unacknowledged} more survived unacknowledged; {torn} times the log's end was torn"
        )
    }
}

fn kill_again_and_again(mode: &Mode) -> Totals {
    let rounds = std::env::var("CAIRN_KILL_ROUNDS").map_or(mode.rounds, |n| n.parse().unwrap());
    let seed = std::env::var("CAIRN_KILL_SEED")
        .map_or_else(|_| RandomState::new().hash_one(0), |s| s.parse().unwrap());
    let mut totals = Totals { rounds, ..Totals::default() };
    let mut round = 0;
    while round < rounds {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut done = [0; CONNECTIONS as usize];
        for _ in 0..ROUNDS_PER_DIRECTORY.min(rounds - round) {
            let life = Duration::from_millis(random(seed, round) % LIFE_MS_MAX);
            let what = format!("{}, round {round}, killed after {life:?}, CAIRN_KILL_SEED={seed}", mode.name);
            done = kill_once(mode, &data, done, life, &what, &mut totals);
            round += 1;
        }
    }
    let acknowledged = totals.acknowledged;
    assert!(
        acknowledged > rounds * 10,
        "{acknowledged} acknowledged writes in {rounds} rounds prove nothing"
    );
    let said = totals.said_durable;
    assert!(said > rounds, "{said} writes said to be durable in {rounds} rounds prove nothing");
    totals
}

/// One life and its end; how many writes of each connection are there afterwards.
fn kill_once(
    mode: &Mode,
    data: &Path,
    done: PerConnection,
    life: Duration,
    what: &str,
    totals: &mut Totals,
) -> PerConnection {
    let round = round_of_writes(mode, data, done, life);
    let checked = json(&["check", data.to_str().unwrap()]);
    totals.torn += u64::from(checked["torn_bytes"] != 0);
    let lsn = checked["lsn"].as_u64().unwrap();
    assert!(
        lsn >= round.durable_lsn,
        "{what}: LSN {} was said to be durable, {lsn} is there",
        round.durable_lsn
    );
    let held = held(data);
    for connection in 0..CONNECTIONS as usize {
        let newest = held[connection].newest();
        let (acked, durable) = (round.acknowledged[connection], round.durable[connection]);
        let promised = if mode.acknowledged_is_durable { acked } else { durable };
        assert!(
            newest >= promised,
            "{what}: connection {connection} lost {promised}; the newest is {newest}, acknowledged was {acked}"
        );
        let expected = Held::after(connection as u64, newest);
        assert_eq!(
            held[connection], expected,
            "{what}: connection {connection} is not a prefix of its writes"
        );
        totals.acknowledged += acked - done[connection];
        totals.said_durable += durable.saturating_sub(done[connection]);
        totals.lost += acked.saturating_sub(newest);
        totals.unacknowledged += newest.saturating_sub(acked);
    }
    std::array::from_fn(|connection| held[connection].newest())
}

/// What the clients of a server knew when it was killed.
struct Round {
    /// Each connection's last acknowledged write.
    acknowledged: Vec<u64>,
    /// Each connection's last write that was acknowledged before an LSN was read that the server later said is durable.
    durable: PerConnection,
    durable_lsn: u64,
}

/// Starts a server, writes on all connections, kills it.
fn round_of_writes(mode: &Mode, data: &Path, done: PerConnection, life: Duration) -> Round {
    let config = data.with_file_name("cairn.yaml");
    std::fs::write(&config, mode.config).unwrap();
    let server = Server::start_with(data, &["-c", config.to_str().unwrap()], &[("CAIRN_DISK", "lossy")]);
    let addr = server.addr;
    let progress = Arc::new(done.map(AtomicU64::new));
    let (asks_for_syncs, watched) = (mode.asks_for_syncs, Arc::clone(&progress));
    let watcher = std::thread::spawn(move || watch_until_killed(addr, &watched, asks_for_syncs));
    let writers: Vec<_> = (0..CONNECTIONS)
        .zip(done)
        .map(|(connection, from)| {
            let progress = Arc::clone(&progress);
            std::thread::spawn(move || write_until_killed(addr, connection, from, &progress))
        })
        .collect();
    std::thread::sleep(life);
    server.kill();
    let acknowledged = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let (durable, durable_lsn) = watcher.join().unwrap();
    Round { acknowledged, durable, durable_lsn }
}

/// Asks how much is durable until the connection breaks. Each time it notes first what was acknowledged by then: that has at
/// most the LSN that INFO then says, and is durable once a later INFO says so of that LSN.
fn watch_until_killed(
    addr: SocketAddr,
    progress: &[AtomicU64; CONNECTIONS as usize],
    asks_for_syncs: bool,
) -> (PerConnection, u64) {
    let (mut durable, mut durable_lsn) = ([0; CONNECTIONS as usize], 0);
    let Ok(mut stream) = TcpStream::connect(addr) else { return (durable, durable_lsn) };
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut waiting: VecDeque<(u64, PerConnection)> = VecDeque::new();
    for n in 0u64.. {
        let acknowledged = std::array::from_fn(|i| progress[i].load(Ordering::SeqCst));
        let sync = asks_for_syncs && n % 8 == 7;
        let request: &[u8] = if sync { b"WAL SYNC\n" } else { b"INFO\n" };
        if stream.write_all(request).is_err() {
            break;
        }
        let Some(reply) = read_block(&mut replies) else { break };
        let number = |key: &str| {
            let value = reply.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            value.map(|value| value.parse::<u64>().unwrap())
        };
        durable_lsn = durable_lsn.max(number("durable_lsn").unwrap());
        match number("lsn") {
            Some(lsn) => waiting.push_back((lsn, acknowledged)),
            // What was acknowledged before a sync was asked for.
            None => durable = acknowledged,
        }
        while let Some((lsn, acknowledged)) = waiting.front()
            && *lsn <= durable_lsn
        {
            durable = std::array::from_fn(|i| durable[i].max(acknowledged[i]));
            waiting.pop_front();
        }
    }
    (durable, durable_lsn)
}

/// A reply up to its END; `None` when it is cut short.
fn read_block(replies: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match replies.read_line(&mut line) {
            Ok(_) if line == "END\r\n" => return Some(lines),
            Ok(_) if line.ends_with('\n') => lines.push(line.trim_end().to_owned()),
            _ => return None,
        }
        assert!(!lines[0].starts_with("(error)"), "{lines:?}");
    }
}

/// Writes from `done + 1` on until the connection breaks; the last write that was acknowledged.
fn write_until_killed(
    addr: SocketAddr,
    connection: u64,
    done: u64,
    progress: &[AtomicU64; CONNECTIONS as usize],
) -> u64 {
    let mut acknowledged = done;
    // The server may be dead before it is reached.
    let Ok(mut stream) = TcpStream::connect(addr) else { return acknowledged };
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut next = done + 1;
    loop {
        let lines: String = (next..next + PIPELINE).map(|n| line(connection, n)).collect();
        if stream.write_all(lines.as_bytes()).is_err() {
            return acknowledged;
        }
        next += PIPELINE;
        while acknowledged + 1 < next {
            let mut reply = String::new();
            match replies.read_line(&mut reply) {
                // A reply cut short is no acknowledgement.
                Ok(_) if !reply.ends_with('\n') => return acknowledged,
                Err(_) => return acknowledged,
                Ok(_) => {
                    assert!(reply.starts_with("OK "), "{reply} to {}", line(connection, acknowledged + 1))
                }
            }
            acknowledged += 1;
            progress[usize::try_from(connection).unwrap()].store(acknowledged, Ordering::SeqCst);
        }
    }
}

/// What the reopened database holds of each connection.
fn held(data: &Path) -> Vec<Held> {
    let disk = Arc::new(cairn_disk::RealDisk::new());
    let (engine, _) = Engine::open(disk, data, Options::default()).unwrap();
    let held = Held::of(&engine.view().unwrap());
    engine.close().unwrap();
    held
}

/// Splitmix64: the round's own number.
fn random(seed: u64, round: u64) -> u64 {
    let mut z = seed.wrapping_add((round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
