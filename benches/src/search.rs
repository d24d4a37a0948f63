//! Search: exact, one connection, one query at a time.

use crate::load::percentile;
use crate::server::Server;
use crate::{Result, vectors};
use cairn_client::{Client, Sim};
use std::time::Instant;

const QUERIES: usize = 400;

/// Queries the server.
pub async fn run(server: &Server) -> Result<()> {
    let mut client = Client::connect(server.addr.as_str()).await?;
    let mut times = Vec::with_capacity(QUERIES);
    for n in 0..QUERIES {
        let query = vectors::vector(vectors::VECTORS + n);
        let started = Instant::now();
        let hits = client.simv(&query, 10, &Sim::default()).await?;
        times.push(started.elapsed());
        if hits.len() != 10 {
            return Err(format!("expected 10 results, got {}", hits.len()).into());
        }
    }
    times.sort_unstable();
    println!(
        "| SIMV top 10, exact, of {} × {}-d | p50 {:.2} ms, p99 {:.2} ms |",
        vectors::VECTORS,
        vectors::DIMENSION,
        percentile(&times, 0.5).as_secs_f64() * 1e3,
        percentile(&times, 0.99).as_secs_f64() * 1e3
    );
    Ok(())
}
