//! Clients that mean harm, or do it: a real server stays bounded, serves the others, and has everything back when they are gone.

use crate::run::Server;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Idle connections that are held open, where the limit of open files allows it; and at least.
const IDLE: usize = 10_000;
const IDLE_MIN: usize = 400;
/// Memory that one idle connection may take: its task and its buffers.
const IDLE_BYTES: u64 = 32 << 10;
/// Memory beyond that, for what comes and goes.
const SLACK_BYTES: u64 = 64 << 20;

/// A server with a configuration of its own, and what it logs.
struct Attacked {
    server: Server,
    _dir: tempfile::TempDir,
}

impl Attacked {
    fn start(config: &str) -> Attacked {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.yaml");
        fs::write(&path, config).unwrap();
        let log = dir.path().join("log");
        let config = format!("{config}\nlogging: {{file: {}}}\n", log.display());
        fs::write(&path, config).unwrap();
        let server = Server::start_with(&dir.path().join("data"), &["-c", path.to_str().unwrap()], &[]);
        Attacked { server, _dir: dir }
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// Resident bytes, now and at most so far.
    fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let of = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.server.pid())).unwrap().count()
    }

    /// Waits until no more files are open than before.
    fn files_are_back(&self, before: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.open_files() > before {
            assert!(Instant::now() < deadline, "{} files are open, {before} were", self.open_files());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it in order, and looks for a panic in its log.
    fn stop(self) {
        let log = self._dir.path().join("log");
        let (code, _) = self.server.stop("TERM");
        assert_eq!(code, Some(0));
        let text = fs::read_to_string(Path::new(&log)).unwrap();
        assert!(!text.contains("panicked") && !text.contains("please report it"), "{text}");
    }
}

/// Another client's requests, each answered: the median and the 99th percentile of what they take.
fn served(addr: SocketAddr, requests: usize) -> (Duration, Duration) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut times = Vec::new();
    for n in 0..requests {
        let started = Instant::now();
        stream.write_all(format!("VECSET good{} 1 {n}\n", n % 100).as_bytes()).unwrap();
        let mut reply = String::new();
        replies.read_line(&mut reply).unwrap();
        assert_eq!(reply, "OK VECSET\r\n");
        times.push(started.elapsed());
    }
    times.sort_unstable();
    (times[requests / 2], times[requests * 99 / 100])
}

/// Raises the limit of open files of this process as far as it goes: how many there may be.
fn open_files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let now = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    now.map_or(usize::MAX, |n| usize::try_from(n).unwrap())
}

#[test]
fn ten_thousand_idle_connections_take_little_and_hinder_nobody() {
    let idle = IDLE.min(open_files_max().saturating_sub(500));
    assert!(idle >= IDLE_MIN, "{idle} files may be open: too few to prove anything");
    let attacked = Attacked::start(&format!("performance: {{max_connections: {}}}", idle + 10));
    let alone = served(attacked.addr(), 500);
    let (files, (memory, _)) = (attacked.open_files(), attacked.memory());
    let mut streams: Vec<TcpStream> =
        (0..idle).map(|_| TcpStream::connect(attacked.addr()).unwrap()).collect();
    let beside = served(attacked.addr(), 500);
    // The last of them is there, not in a queue.
    let last = streams.last_mut().unwrap();
    last.write_all(b"FOO\n").unwrap();
    let mut reply = [0; 30];
    last.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"(error) Unknown command: FOO\r\n");
    let grown = attacked.memory().0.saturating_sub(memory);
    assert!(grown < idle as u64 * IDLE_BYTES + SLACK_BYTES, "{grown} bytes for {idle} idle connections");
    println!(
        "{idle} idle connections: {} bytes each; another client's p99 {:?} beside {:?} alone",
        grown / idle as u64,
        beside.1,
        alone.1
    );
    // Past the limit a connection is told so.
    let more: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(attacked.addr()).unwrap()).collect();
    let hear = |stream: TcpStream| {
        std::thread::spawn(move || {
            let mut text = String::new();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = { stream }.take(200).read_to_string(&mut text);
            text.starts_with("(error) Too many connections: the maximum is ")
        })
    };
    let heard: Vec<_> = more.into_iter().map(hear).collect();
    let told = heard.into_iter().map(|hearing| hearing.join().unwrap()).filter(|told| *told).count();
    assert!(told >= 8, "{told} of 20 were told");
    drop(streams);
    attacked.files_are_back(files);
    attacked.stop();
}

#[test]
fn a_line_of_a_gigabyte_is_refused_and_never_held() {
    let attacked = Attacked::start("");
    let (files, (memory, _)) = (attacked.open_files(), attacked.memory());
    let mut stream = TcpStream::connect(attacked.addr()).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..1024 {
        stream.write_all(&piece).unwrap();
    }
    stream.write_all(b"\nFOO\n").unwrap();
    let mut reply = String::new();
    replies.read_line(&mut reply).unwrap();
    assert_eq!(reply, "(error) Request exceeds maximum allowed length: 16777216 bytes\r\n");
    reply.clear();
    replies.read_line(&mut reply).unwrap();
    assert_eq!(reply, "(error) Unknown command: FOO\r\n");
    let most = attacked.memory().1 - memory;
    assert!(most < 2 * (16 << 20) + SLACK_BYTES, "{most} bytes at most");
    println!("a line of 1 GiB: {most} bytes more at most");
    drop((stream, replies));
    attacked.files_are_back(files);
    attacked.stop();
}

#[test]
fn who_never_reads_its_replies_is_held_back_and_hinders_nobody() {
    let attacked = Attacked::start("performance: {connection_timeout_sec: 2}");
    let alone = served(attacked.addr(), 300);
    let (files, (memory, _)) = (attacked.open_files(), attacked.memory());
    let asks = "INFO\n".repeat(50_000);
    let flooders: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(attacked.addr()).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
            let asks = asks.clone();
            // Ends with an error: the server stops reading, and then gives up.
            std::thread::spawn(move || while stream.write_all(asks.as_bytes()).is_ok() {})
        })
        .collect();
    let beside = served(attacked.addr(), 300);
    flooders.into_iter().for_each(|flooder| flooder.join().unwrap());
    let most = attacked.memory().1 - memory;
    assert!(most < 50 * (2 << 20) + SLACK_BYTES, "{most} bytes at most for 50 connections");
    println!(
        "50 that never read: {most} bytes more at most; another client's p99 {:?} beside {:?} alone",
        beside.1, alone.1
    );
    attacked.files_are_back(files);
    attacked.stop();
}

#[test]
fn a_slow_loris_is_ended_on_both_protocols() {
    let config =
        "performance: {request_timeout_sec: 1}\napi: {http: {enable: true, port: 0, timeout_sec: 1}}";
    let attacked = Attacked::start(config);
    let http = attacked.server.ready.split(' ').find_map(|word| word.strip_prefix("http=")).unwrap();
    let http: SocketAddr = http.parse().unwrap();
    let files = attacked.open_files();
    let drips = [
        (attacked.addr(), "VECSET a 1 2 3 4 5 6 7 8"),
        (http, "POST /vecset HTTP/1.1\r\nhost: a\r\nx: y"),
        (
            http,
            "POST /vecset HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{",
        ),
    ];
    let drips = drips.map(|(addr, begin)| {
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.write_all(begin.as_bytes()).unwrap();
            let deadline = Instant::now() + Duration::from_secs(60);
            // A byte now and then, until the server has ended it.
            while stream.write_all(b" ").is_ok() {
                assert!(Instant::now() < deadline, "it drips for ever");
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    });
    served(attacked.addr(), 100);
    drips.into_iter().for_each(|drip| drip.join().unwrap());
    attacked.files_are_back(files);
    attacked.stop();
}

#[test]
fn noise_of_any_bytes_is_answered_line_by_line() {
    let attacked = Attacked::start("");
    let files = attacked.open_files();
    let mut seed = 42u64;
    for _ in 0..50 {
        let bytes: Vec<u8> = (0..100_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 56) as u8
            })
            .collect();
        let mut stream = TcpStream::connect(attacked.addr()).unwrap();
        let mut write = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            write.write_all(&bytes).unwrap();
            write.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut replies = Vec::new();
        stream.read_to_end(&mut replies).unwrap();
        writer.join().unwrap();
        let text = String::from_utf8(replies).unwrap();
        assert!(text.lines().count() > 100 && text.lines().all(|line| line.starts_with("(error) ")));
    }
    served(attacked.addr(), 50);
    attacked.files_are_back(files);
    attacked.stop();
}
