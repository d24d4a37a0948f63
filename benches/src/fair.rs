//! Fairness: how long one client's requests take beside many that flood the server, and beside as many busy loops, which is what
//! the machine itself allows while client and server share its cores.

use crate::Result;
use crate::load::percentile;
use crate::server::Server;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FLOODERS: usize = 50;
const ROUNDS: usize = 3;
const REQUESTS: usize = 1_000;
/// Fewer requests are sent when they take longer than this.
const LONG: Duration = Duration::from_secs(2);
/// A flooder whose writes are not taken for as long begins anew.
const STALLED: Duration = Duration::from_millis(100);

/// What the others do.
const FLOODS: [(&str, &str); 6] = [
    ("unread", "50 that pipeline INFO and never read, and begin anew when held back"),
    ("info", "50 that pipeline INFO and read"),
    ("vecset", "50 that pipeline VECSET and read"),
    ("idle", "50 that stand still"),
    ("sink", "50 that send as the first ones do, to somebody else who never reads"),
    ("spin", "50 busy loops: no server at all"),
];

/// Processes that flood, ended with this.
struct Flood(Child);

impl Flood {
    fn start(kind: &str, addr: &str) -> Result<Flood> {
        // Those who flood stand for other machines: they take only what client and server leave of this one's processors.
        let policy = if kind == "spin" { "--other" } else { "--idle" };
        let mut child = Command::new("chrt")
            .args([policy, "0"])
            .arg(std::env::current_exe()?)
            .args(["flood", kind, addr])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ready = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut ready)?;
        }
        Ok(Flood(child))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        // It fails only when the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the process of a flood does, until its input ends.
pub fn flood(kind: &str, addr: &str) -> Result<()> {
    let asks = match kind {
        "vecset" => (0..64).map(crate::vectors::vecset).map(|line| line + "\n").collect(),
        _ => "INFO\n".repeat(256),
    };
    let addr = if kind == "sink" { sink()? } else { addr.to_owned() };
    for _ in 0..FLOODERS {
        let (kind, addr, asks) = (kind.to_owned(), addr.clone(), asks.clone());
        std::thread::spawn(move || {
            // An end of a connection is what a flooder meets: it comes again.
            loop {
                let _ = one(&kind, &addr, asks.as_bytes());
            }
        });
    }
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Somebody who takes connections and never reads; the oldest goes when there are many.
fn sink() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        let mut held = VecDeque::new();
        for stream in listener.incoming().flatten() {
            held.push_back(stream);
            if held.len() > 2 * FLOODERS {
                held.pop_front();
            }
        }
    });
    Ok(addr)
}

fn one(kind: &str, addr: &str, asks: &[u8]) -> std::io::Result<()> {
    if kind == "spin" {
        loop {
            std::hint::spin_loop();
        }
    }
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    if kind == "idle" {
        return stream.read(&mut [0]).map(drop);
    }
    let mut write = stream.try_clone()?;
    let replies = std::thread::spawn({
        let reads = !matches!(kind, "unread" | "sink");
        move || {
            let mut buffer = vec![0; 64 << 10];
            while reads && stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
            stream
        }
    });
    write.set_write_timeout(Some(STALLED))?;
    while write.write_all(asks).is_ok() {}
    write.shutdown(std::net::Shutdown::Both)?;
    drop(replies.join());
    Ok(())
}

/// Sorted times of one client's requests, one after the other.
fn served(addr: &str, line: impl Fn(usize) -> String) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let mut times = Vec::with_capacity(REQUESTS);
    let mut reply = String::new();
    let begun = Instant::now();
    for n in (0..REQUESTS).take_while(|_| begun.elapsed() < LONG) {
        let line = line(n);
        let started = Instant::now();
        stream.write_all(line.as_bytes())?;
        reply.clear();
        replies.read_line(&mut reply)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// Both kinds of requests: one that needs a sync, one that needs nothing.
fn both(addr: &str) -> Result<[Vec<Duration>; 2]> {
    let vecset = |n: usize| crate::vectors::vecset(n % 100).replacen("item", "good", 1) + "\n";
    Ok([served(addr, vecset)?, served(addr, |_| "FOO\n".to_owned())?])
}

/// Medians, of the rounds, of p50 and p99, in microseconds.
fn medians(rounds: &[[Vec<Duration>; 2]], which: usize) -> (f64, f64) {
    let median = |share: f64| {
        let of = |round: &[Vec<Duration>; 2]| percentile(&round[which], share).as_secs_f64() * 1e6;
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    (median(0.5), median(0.99))
}

/// Runs all of them, in turn, on a server each.
pub fn run() -> Result<()> {
    let mut alone = Vec::new();
    let mut beside: Vec<Vec<[Vec<Duration>; 2]>> = FLOODS.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        let server = Server::start()?;
        alone.push(both(&server.addr)?);
        for ((kind, _), all) in FLOODS.iter().zip(&mut beside) {
            let server = Server::start()?;
            served(&server.addr, |n| crate::vectors::vecset(n % 100) + "\n")?;
            let flood = Flood::start(kind, &server.addr)?;
            all.push(both(&server.addr)?);
            drop(flood);
        }
    }
    let first = [medians(&alone, 0), medians(&alone, 1)];
    let shown = |all: &[[Vec<Duration>; 2]]| {
        let of = |which: usize| {
            let (p50, p99) = medians(all, which);
            format!("p50 {p50:.0} µs, p99 {p99:.0} µs ({:.1} ×)", p99 / first[which].1)
        };
        format!("{}; {}", of(0), of(1))
    };
    println!("| one client alone: VECSET, synced; an unknown command | {} |", shown(&alone));
    for ((_, what), all) in FLOODS.iter().zip(&beside) {
        println!("| the same beside {what} | {} |", shown(all));
    }
    Ok(())
}
