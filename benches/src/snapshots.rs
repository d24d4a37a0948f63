//! Snapshots: their speed beside a plain copy with fsync, and what a writer feels of them.

use crate::load::percentile;
use crate::server::{Server, cairn};
use crate::vectors::{VECTORS, vecset};
use crate::{Result, files};
use cairn_client::Client;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Each speed is the best of so many runs: the machine is shared, the limit is not.
const RUNS: usize = 3;

/// Measures create, restore and the writer's pause.
pub async fn run(server: &mut Server) -> Result<()> {
    speeds(server).await?;
    pauses(server).await
}

async fn speeds(server: &Server) -> Result<()> {
    let mut client = Client::connect(server.addr.as_str()).await?;
    client.set_request_timeout(Duration::from_secs(600));
    let repo = server.dir.path().join("snapshots/repository");
    for compression in ["none", "zstd"] {
        let (mut create, mut restore, mut plain) = (Duration::MAX, Duration::MAX, Duration::MAX);
        let mut bytes = 0;
        for run in 0..RUNS {
            let name = format!("bench-{compression}-{run}");
            let started = Instant::now();
            client
                .request(&format!("SNAPSHOT CREATE name={name} compression={compression}"))
                .await?
                .block()?;
            create = create.min(started.elapsed());
            let parts = files::below(&repo.join("parts"))?;
            let target = server.dir.path().join(format!("copy-{compression}-{run}"));
            // With `none` the parts are the plain bytes.
            if compression == "none" {
                let (copied, took) = files::copy_synced(&parts, &target)?;
                (bytes, plain) = (copied, plain.min(took));
                std::fs::remove_dir_all(&target)?;
            }
            restore = restore.min(restore_one(&repo, &name, &target)?);
            std::fs::remove_dir_all(&target)?;
            client.request(&format!("SNAPSHOT DELETE {name}")).await?;
        }
        print(compression, bytes, create, restore, plain);
    }
    Ok(())
}

fn restore_one(repo: &Path, name: &str, target: &Path) -> Result<Duration> {
    let started = Instant::now();
    let output = Command::new(cairn()?)
        .args(["snapshot".as_ref(), "restore".as_ref(), name.as_ref(), "--repo".as_ref(), repo.as_os_str()])
        .args(["--data".as_ref(), target.as_os_str()])
        .output()?;
    let took = started.elapsed();
    if output.status.success() {
        return Ok(took);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

fn print(compression: &str, bytes: u64, create: Duration, restore: Duration, plain: Duration) {
    let speed = |took: Duration| bytes as f64 / took.as_secs_f64() / f64::from(1 << 20);
    if compression == "none" {
        println!("| parallel copy + fsync of {} MiB | {:.0} MiB/s |", bytes >> 20, speed(plain));
        println!(
            "| snapshot, restore, no compression | {:.0} MiB/s ({:.2} × copy), {:.0} MiB/s ({:.2} × copy) |",
            speed(create),
            plain.as_secs_f64() / create.as_secs_f64(),
            speed(restore),
            plain.as_secs_f64() / restore.as_secs_f64()
        );
    } else {
        println!(
            "| snapshot, restore, {compression} | {:.2} s, {:.2} s |",
            create.as_secs_f64(),
            restore.as_secs_f64()
        );
    }
}

/// A writer's latency, one write at a time, alone and while snapshots are taken.
async fn pauses(server: &Server) -> Result<()> {
    let alone = latencies(&server.addr, &Arc::new(AtomicBool::new(false)), 2_000).await?;
    let mut client = Client::connect(server.addr.as_str()).await?;
    client.set_request_timeout(Duration::from_secs(600));
    let mut during = Vec::new();
    for n in 0..RUNS {
        // Every part of it is new, and deleting it (which some file systems do slowly) is not measured.
        let stop = Arc::new(AtomicBool::new(false));
        let (addr, flag) = (server.addr.clone(), Arc::clone(&stop));
        let writer = tokio::spawn(async move { latencies(&addr, &flag, usize::MAX).await });
        client.request(&format!("SNAPSHOT CREATE name=pause-{n} compression=none")).await?.block()?;
        stop.store(true, Ordering::Relaxed);
        during.extend(writer.await??);
        client.request(&format!("SNAPSHOT DELETE pause-{n}")).await?;
    }
    during.sort_unstable();
    for (what, times) in [("alone", &alone), ("during snapshots", &during)] {
        println!(
            "| VECSET, one at a time, synced, {what} ({} writes) | p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms |",
            times.len(),
            percentile(times, 0.5).as_secs_f64() * 1e3,
            percentile(times, 0.99).as_secs_f64() * 1e3,
            percentile(times, 1.0).as_secs_f64() * 1e3
        );
    }
    let worst = |times: &[Duration]| percentile(times, 1.0).as_secs_f64() * 1e3;
    println!("| worst pause added by a snapshot | {:.2} ms |", (worst(&during) - worst(&alone)).max(0.0));
    Ok(())
}

async fn latencies(addr: &str, stop: &AtomicBool, most: usize) -> Result<Vec<Duration>> {
    let mut client = Client::connect(addr).await?;
    let mut times = Vec::new();
    while times.len() < most && !stop.load(Ordering::Relaxed) {
        let line = vecset(times.len() % VECTORS);
        let started = Instant::now();
        client.request(&line).await?.done()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}
