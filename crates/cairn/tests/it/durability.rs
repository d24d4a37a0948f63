//! Acknowledged means durable: a real server on a disk that loses what was not synced, killed at a random moment.

use crate::run::{Server, json};
use crate::workload::{CONNECTIONS, Held, line};
use cairn_engine::{Engine, Options};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Rounds when `CAIRN_KILL_ROUNDS` does not say.
const ROUNDS: u64 = 50;
/// Rounds on one directory, each recovering what the last one left.
const ROUNDS_PER_DIRECTORY: u64 = 10;
/// Lines sent before their replies are read.
const PIPELINE: u64 = 64;
/// A server lives this long at most.
const LIFE_MS_MAX: u64 = 300;

#[test]
fn every_acknowledged_write_survives_sigkill_and_none_is_torn() {
    let rounds = std::env::var("CAIRN_KILL_ROUNDS").map_or(ROUNDS, |n| n.parse().unwrap());
    let seed = std::env::var("CAIRN_KILL_SEED")
        .map_or_else(|_| RandomState::new().hash_one(0), |s| s.parse().unwrap());
    let (mut acknowledged, mut unacknowledged, mut cut) = (0, 0, 0);
    let mut round = 0;
    while round < rounds {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut done = [0; CONNECTIONS as usize];
        for _ in 0..ROUNDS_PER_DIRECTORY.min(rounds - round) {
            let life = Duration::from_millis(random(seed, round) % LIFE_MS_MAX);
            let what = format!("round {round}, killed after {life:?}, CAIRN_KILL_SEED={seed}");
            let sent = round_of_writes(&data, done, life);
            cut += u64::from(json(&["check", data.to_str().unwrap()])["torn_bytes"] != 0);
            let held = held(&data);
            for (connection, (acked, (held, base))) in sent.iter().zip(held.iter().zip(done)).enumerate() {
                let newest = held.newest();
                assert!(
                    newest >= *acked,
                    "{what}: connection {connection} lost {acked}; the newest is {newest}"
                );
                let expected = Held::after(connection as u64, newest);
                assert_eq!(*held, expected, "{what}: connection {connection} is not a prefix of its writes");
                acknowledged += acked - base;
                unacknowledged += newest - acked;
            }
            done = std::array::from_fn(|connection| held[connection].newest());
            round += 1;
        }
    }
    println!(
        "{rounds} kills: {acknowledged} acknowledged writes, all there; {unacknowledged} more survived unacknowledged; \
         {cut} times the log's end was torn"
    );
    assert!(
        acknowledged > rounds * 10,
        "{acknowledged} acknowledged writes in {rounds} rounds prove nothing"
    );
}

/// Starts a server, writes on all connections, kills it. Gives each connection's last acknowledged write.
fn round_of_writes(data: &Path, done: [u64; CONNECTIONS as usize], life: Duration) -> Vec<u64> {
    let server = Server::start_with(data, &[], &[("CAIRN_DISK", "lossy")]);
    let addr = server.addr;
    let writers: Vec<_> = (0..CONNECTIONS)
        .zip(done)
        .map(|(connection, from)| std::thread::spawn(move || write_until_killed(addr, connection, from)))
        .collect();
    std::thread::sleep(life);
    server.kill();
    writers.into_iter().map(|writer| writer.join().unwrap()).collect()
}

/// Writes from `done + 1` on until the connection breaks; the last write that was acknowledged.
fn write_until_killed(addr: SocketAddr, connection: u64, done: u64) -> u64 {
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
