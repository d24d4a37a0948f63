//! A soak: 64 connections write and search a real server on a disk that loses what was not synced, while snapshots are taken, until
//! it is killed; again and again on one directory. Nothing acknowledged is lost, nothing is wrong, every snapshot is whole.

use crate::run::{Server, json, ok};
use crate::workload::{Held, line};
use cairn_disk::RealDisk;
use cairn_engine::{Engine, Options};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const WRITERS: u64 = 56;
const READERS: u64 = 8;
const KILL_EVERY: Duration = Duration::from_secs(20);
const SNAPSHOT_EVERY: Duration = Duration::from_secs(5);
/// How long it takes when `CAIRN_SOAK_SECONDS` does not say.
const SECONDS: u64 = 120;

/// A snapshot that was acknowledged, and what each writer had acknowledged before it was asked for.
struct Taken {
    name: String,
    before: Vec<u64>,
}

#[derive(Debug, Default)]
struct Totals {
    kills: u64,
    writes: u64,
    searches: u64,
    snapshots: u64,
    restored: u64,
}

#[test]
fn nothing_is_lost_or_wrong_under_mixed_load_with_snapshots_and_kills() {
    let seconds = std::env::var("CAIRN_SOAK_SECONDS").map_or(SECONDS, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut done, mut totals) = (vec![0; WRITERS as usize], Totals::default());
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(seconds) {
        done = life(&data, &done, totals.kills, &mut totals);
    }
    println!("soak of {seconds} s: {totals:?}, nothing lost, nothing wrong");
    assert!(totals.kills >= seconds / 40, "{totals:?}");
    assert!(totals.writes > 100 * seconds && totals.searches > 10 * seconds, "{totals:?} prove little");
    assert!(totals.snapshots >= totals.kills && totals.restored >= totals.kills, "{totals:?}");
}

/// One life of a server and what is there after it; how many writes of each writer.
fn life(data: &Path, done: &[u64], round: u64, totals: &mut Totals) -> Vec<u64> {
    let server = Server::start_with(data, &[], &[("CAIRN_DISK", "lossy")]);
    let addr = server.addr;
    let (progress, stop) = (counters(done), Arc::new(AtomicBool::new(false)));
    let searches = Arc::new(AtomicU64::new(0));
    let spawn_writer = |writer: u64| {
        let progress = Arc::clone(&progress);
        let done = done[writer as usize];
        std::thread::spawn(move || write_until_killed(addr, writer, done, &progress))
    };
    let writers: Vec<_> = (0..WRITERS).map(spawn_writer).collect();
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let searches = Arc::clone(&searches);
            std::thread::spawn(move || search_until_killed(addr, reader, &searches))
        })
        .collect();
    let snapshots = {
        let (progress, stop) = (Arc::clone(&progress), Arc::clone(&stop));
        std::thread::spawn(move || snapshot_until_killed(addr, round, &progress, &stop))
    };
    std::thread::sleep(KILL_EVERY);
    server.kill();
    stop.store(true, Ordering::SeqCst);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let taken = snapshots.join().unwrap();
    let acknowledged: Vec<u64> = progress.iter().map(|n| n.load(Ordering::SeqCst)).collect();
    totals.kills += 1;
    totals.writes += acknowledged.iter().zip(done).map(|(now, before)| now - before).sum::<u64>();
    totals.searches += searches.load(Ordering::SeqCst);
    totals.snapshots += taken.len() as u64;
    let repository = data.with_file_name("cairn-snapshots").join("repository");
    if let Some(newest) = taken.last() {
        check_snapshots(&repository, newest, totals);
    }
    prefixes(data, &acknowledged, &format!("after kill {round}"))
}

/// Every snapshot there is is whole, and the newest restores to what was acknowledged before it, or more.
fn check_snapshots(repository: &Path, newest: &Taken, totals: &mut Totals) {
    let repository = repository.to_str().unwrap();
    let listed = json(&["snapshot", "list", "--repo", repository]);
    for snapshot in listed["snapshots"].as_array().unwrap() {
        ok(&["snapshot", "verify", snapshot["id"].as_str().unwrap(), "--repo", repository]);
    }
    let target = tempfile::tempdir().unwrap();
    let restored = target.path().join("data");
    ok(&["snapshot", "restore", &newest.name, "--repo", repository, "--data", restored.to_str().unwrap()]);
    prefixes(&restored, &newest.before, &newest.name);
    totals.restored += 1;
}

/// Opens a directory: each writer's writes are there up to one of them, and that is none before `least`.
fn prefixes(data: &Path, least: &[u64], what: &str) -> Vec<u64> {
    let (engine, _) = Engine::open(Arc::new(RealDisk::new()), data, Options::default()).unwrap();
    let held = Held::of_each(&engine.view().unwrap(), WRITERS);
    engine.close().unwrap();
    let check = |(writer, held): (usize, Held)| {
        let newest = held.newest();
        assert!(
            newest >= least[writer],
            "{what}: writer {writer} lost {}, the newest is {newest}",
            least[writer]
        );
        assert_eq!(
            held,
            Held::after(writer as u64, newest),
            "{what}: writer {writer} is not a prefix of its writes"
        );
        newest
    };
    held.into_iter().enumerate().map(check).collect()
}

fn counters(from: &[u64]) -> Arc<Vec<AtomicU64>> {
    Arc::new(from.iter().copied().map(AtomicU64::new).collect())
}

fn connect(addr: SocketAddr) -> Option<(TcpStream, BufReader<TcpStream>)> {
    let stream = TcpStream::connect(addr).ok()?;
    let replies = BufReader::new(stream.try_clone().ok()?);
    Some((stream, replies))
}

/// A line of a reply; `None`: the server was killed. One cut short is none.
fn reply_line(replies: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    replies.read_line(&mut line).ok()?;
    line.ends_with('\n').then_some(line)
}

/// Writes, one to 16 lines at once, from `done + 1` on.
fn write_until_killed(addr: SocketAddr, writer: u64, done: u64, progress: &[AtomicU64]) {
    let Some((mut stream, mut replies)) = connect(addr) else { return };
    let mut next = done + 1;
    loop {
        let lines = 1 + (next * 7 + writer) % 16;
        let text: String = (next..next + lines).map(|n| line(writer, n)).collect();
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
        for n in next..next + lines {
            let Some(reply) = reply_line(&mut replies) else { return };
            assert!(reply.starts_with("OK "), "{reply} to {}", line(writer, n));
            progress[writer as usize].store(n, Ordering::SeqCst);
        }
        next += lines;
    }
}

/// Searches for items of the writers, by vector, by events and by both: what comes back is in order and does not have the item itself.
fn search_until_killed(addr: SocketAddr, reader: u64, searches: &AtomicU64) {
    let Some((mut stream, mut replies)) = connect(addr) else { return };
    for n in reader.. {
        let (writer, slot) = (n * 5 % WRITERS, n % 16);
        let using = ["vectors", "fusion"][n as usize % 2];
        let asked = [format!("v{writer}-{slot}"), format!("e{writer}-{}", n % 40)];
        let text = format!("SIM {} 5 using={using} filter=n>0\nSIM {} 5 using=events\n", asked[0], asked[1]);
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
        for id in &asked {
            let Some(head) = reply_line(&mut replies) else { return };
            let Some(count) = head.strip_prefix("OK RESULTS ") else {
                // Not written yet.
                assert!(head.contains("not found"), "{head} to a search for {id}");
                continue;
            };
            let mut last = f64::INFINITY;
            for _ in 0..count.trim().parse::<usize>().unwrap() {
                let Some(result) = reply_line(&mut replies) else { return };
                let (found, score) = result.trim().rsplit_once(' ').unwrap();
                let score: f64 = score.parse().unwrap();
                assert!(found != id && score <= last, "{result} after {last}, searching for {id}");
                last = score;
            }
            searches.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Takes a snapshot every few seconds; those that were acknowledged.
fn snapshot_until_killed(
    addr: SocketAddr,
    round: u64,
    progress: &[AtomicU64],
    stop: &AtomicBool,
) -> Vec<Taken> {
    let mut taken = Vec::new();
    let Some((mut stream, mut replies)) = connect(addr) else { return taken };
    for n in 0.. {
        let due = Instant::now() + SNAPSHOT_EVERY;
        while Instant::now() < due {
            if stop.load(Ordering::SeqCst) {
                return taken;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let name = format!("soak-{round}-{n}");
        let before = progress.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        // The odd ones go on from the newest.
        let base = ["", " incremental=on"][n % 2];
        if stream.write_all(format!("SNAPSHOT CREATE name={name}{base}\n").as_bytes()).is_err() {
            return taken;
        }
        loop {
            let Some(line) = reply_line(&mut replies) else { return taken };
            assert!(!line.starts_with("(error)"), "{line}");
            if line == "END\r\n" {
                break;
            }
        }
        taken.push(Taken { name, before });
    }
    taken
}
