//! Load: request lines sent from several connections, a window of them at a time, every reply checked.

use crate::Result;
use cairn_client::Client;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that write.
pub const CONNECTIONS: usize = 4;
/// Requests in flight on each.
pub const PIPELINE: usize = 64;

/// Sends the lines, split among the connections, and returns how long all replies took.
pub async fn run(addr: &str, lines: Vec<String>) -> Result<Duration> {
    let share = lines.len().div_ceil(CONNECTIONS);
    let lines = Arc::new(lines);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(addr).await?);
    }
    let started = Instant::now();
    let tasks: Vec<_> = (0..)
        .zip(clients)
        .map(|(n, client)| {
            let lines = Arc::clone(&lines);
            tokio::spawn(async move {
                one(client, &lines[(n * share).min(lines.len())..((n + 1) * share).min(lines.len())]).await
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed())
}

async fn one(client: Client, lines: &[String]) -> Result<()> {
    let (mut sender, mut receiver) = client.split();
    for window in lines.chunks(PIPELINE) {
        for line in window {
            sender.send(line).await?;
        }
        sender.flush().await?;
        for _ in window {
            receiver.recv_reply().await?.done()?;
        }
    }
    Ok(())
}

/// The value that a share of the sorted values stays under.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// A rate, in whole units a second.
pub fn per_second(n: usize, took: Duration) -> String {
    format!("{:.0}/s", n as f64 / took.as_secs_f64())
}
