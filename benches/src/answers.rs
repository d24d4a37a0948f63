//! Answers: how long small requests take one at a time, searches at half of what the server can do, and vectors over HTTP; and
//! redis beside them, with values as long as our lines.

use crate::load::{self, percentile};
use crate::server::Server;
use crate::vectors::{DIMENSION, vecset};
use crate::{Result, vectors};
use cairn_client::Client;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const VECTORS: usize = 50_000;
const ASKED: usize = 5_000;
/// Rounds at half of the peak.
const ROUNDS: usize = 7;

/// Measures all of it.
pub async fn run() -> Result<()> {
    let server = Server::start_with("api: {http: {enable: true, port: 0}}")?;
    load::run(&server.addr, (0..VECTORS).map(vecset).collect()).await?;
    load::run(&server.addr, (0..20_000).map(event).collect()).await?;
    let mut client = Client::connect(server.addr.as_str()).await?;
    for (what, line) in
        [("INFO", "INFO".to_owned()), ("SIM using=events", "SIM item7 10 using=events".to_owned())]
    {
        let times = one_by_one(&mut client, |_| line.clone(), Duration::ZERO).await?;
        println!("| {what}, one at a time ({ASKED}) | {} |", shown(&times));
    }
    half_of_peak(&mut client).await?;
    bulk(&server).await?;
    drop(server);
    for policy in ["always", "everysec"] {
        redis(policy).await?;
    }
    Ok(())
}

fn event(n: usize) -> String {
    format!(
        "EVENT c{} ADD item{} {} timestamp={}",
        n % 500,
        n * 31 % 1_000,
        n % 100 + 1,
        1_700_000_000 + n * 100
    )
}

/// Sorted times of requests; with a pace, one is due every so long, and its time counts from then, whether the last was late or not.
async fn one_by_one(
    client: &mut Client,
    line: impl Fn(usize) -> String,
    pace: Duration,
) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(ASKED);
    let begun = Instant::now();
    for (n, due) in (0..ASKED).zip((0..).map(|n| begun + pace * n)) {
        // Shorter than a timer can be.
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let since = if pace.is_zero() { Instant::now() } else { due };
        client.request(&line(n)).await?.ok()?;
        times.push(since.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn shown(times: &[Duration]) -> String {
    let us = |share: f64| percentile(times, share).as_secs_f64() * 1e6;
    format!("p50 {:.0} µs, p99 {:.0} µs", us(0.5), us(0.99))
}

/// A search at half of the rate at which one connection gets answers.
async fn half_of_peak(client: &mut Client) -> Result<()> {
    client.collection_create("g", &[("index", "graph")]).await?;
    client.use_collection("g").await?;
    for n in 0..20_000 {
        client.vecset(&format!("item{n}"), &vectors::vector(n)).await?;
    }
    client.storage_compact(Some("g"), &[("aggressive", "on")]).await?;
    let line = |n: usize| {
        vecset(1_000_000 + n).replacen("VECSET", "SIMV 10", 1).replacen(
            &format!("item-{:06} ", 1_000_000 + n),
            "",
            1,
        )
    };
    let lines: Vec<String> = (0..ASKED).map(line).collect();
    let peak = one_by_one(client, |n| lines[n].clone(), Duration::ZERO).await?;
    let mean = peak.iter().sum::<Duration>() / ASKED as u32;
    let tail =
        |times: &[Duration]| percentile(times, 0.99).as_secs_f64() / percentile(times, 0.5).as_secs_f64();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(one_by_one(client, |n| lines[n].clone(), mean * 2).await?);
    }
    rounds.sort_by(|a, b| tail(a).total_cmp(&tail(b)));
    let half = &rounds[ROUNDS / 2];
    println!(
        "| SIMV through a graph of 20000 × {DIMENSION}-d, one connection at its peak, {:.0}/s; at half of it | {}; {}: p99 {:.1} × p50, the median of {ROUNDS} rounds ({:.1} to {:.1}) |",
        1.0 / mean.as_secs_f64(),
        shown(&peak),
        shown(half),
        tail(half),
        tail(&rounds[0]),
        tail(&rounds[ROUNDS - 1])
    );
    Ok(())
}

/// Vectors as one npy body.
async fn bulk(server: &Server) -> Result<()> {
    let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({VECTORS}, {DIMENSION}), }}");
    while (10 + head.len() + 1) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    let mut body = b"\x93NUMPY\x01\x00".to_vec();
    body.extend_from_slice(&u16::try_from(head.len())?.to_le_bytes());
    body.extend_from_slice(head.as_bytes());
    for n in 0..VECTORS {
        vectors::vector(n).iter().for_each(|x| body.extend_from_slice(&x.to_le_bytes()));
    }
    let http = server.http.as_deref().ok_or("the server has no HTTP")?;
    let started = Instant::now();
    let mut stream = TcpStream::connect(http).await?;
    let request = format!(
        "POST /v1/collections/default/items:bulk HTTP/1.1\r\nhost: {http}\r\ncontent-type: application/x-npy\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    stream.write_all(&body).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let took = started.elapsed();
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(answer.into());
    }
    println!(
        "| HTTP, {VECTORS} × {DIMENSION}-d as npy in one body, synced | {} |",
        load::per_second(VECTORS, took)
    );
    Ok(())
}

/// A redis-server that ends with this.
struct Redis {
    child: Child,
    addr: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It fails only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn started(policy: &str) -> Result<Option<Redis>> {
    let dir = tempfile::tempdir()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
    command.args(["--appendfsync", policy, "--dir"]).arg(dir.path());
    let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return Ok(None) };
    let redis = Redis { child, addr: SocketAddr::from(([127, 0, 0, 1], port)), _dir: dir };
    for _ in 0..500 {
        if TcpStream::connect(redis.addr).await.is_ok() {
            return Ok(Some(redis));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("redis-server does not listen".into())
}

async fn redis(policy: &str) -> Result<()> {
    let Some(redis) = started(policy).await? else {
        println!("| redis | not installed |");
        return Ok(());
    };
    let server = Server::start()?;
    // As long as our requests: a vector as text, an event.
    let vectors: Vec<String> = (0..VECTORS).map(vecset).collect();
    let events: Vec<String> = (0..VECTORS * 2).map(event).collect();
    for (what, lines) in [("VECSET", vectors), ("EVENT", events)] {
        let bytes = lines.iter().map(String::len).sum::<usize>() / lines.len();
        let count = lines.len();
        let sets: Vec<Vec<u8>> = (0..count)
            .map(|n| {
                format!("*3\r\n$3\r\nSET\r\n$10\r\nkey{n:07}\r\n${bytes}\r\n{}\r\n", "x".repeat(bytes))
                    .into_bytes()
            })
            .collect();
        let theirs = resp(redis.addr, sets, b"+OK\r\n".len()).await?;
        let ours = load::run(&server.addr, lines).await?;
        println!(
            "| {what} synced, and redis SET of {bytes} bytes, appendfsync {policy}; {} connections, pipeline {} | {}, {}: {:.2} × |",
            load::CONNECTIONS,
            load::PIPELINE,
            load::per_second(count, ours),
            load::per_second(count, theirs),
            theirs.as_secs_f64() / ours.as_secs_f64()
        );
    }
    Ok(())
}

/// Sends commands as [`load::run`] does; each is answered by so many bytes.
async fn resp(addr: SocketAddr, commands: Vec<Vec<u8>>, reply_bytes: usize) -> Result<Duration> {
    let share = commands.len().div_ceil(load::CONNECTIONS);
    let shares: Vec<Vec<Vec<u8>>> = commands.chunks(share).map(<[Vec<u8>]>::to_vec).collect();
    let started = Instant::now();
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|mine| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(addr).await?;
                stream.set_nodelay(true)?;
                let mut replies = vec![0; load::PIPELINE * reply_bytes];
                for window in mine.chunks(load::PIPELINE) {
                    stream.write_all(&window.concat()).await?;
                    stream.read_exact(&mut replies[..window.len() * reply_bytes]).await?;
                }
                Result::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed())
}
