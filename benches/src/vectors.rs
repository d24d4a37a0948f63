//! Vectors: how fast they are acknowledged, and how much memory they take.

use crate::server::Server;
use crate::{Result, load, machine};
use std::fmt::Write as _;

/// Vectors, and elements of each.
pub const VECTORS: usize = 100_000;
pub const DIMENSION: usize = 128;

/// A deterministic vector (a linear congruential generator, Knuth's MMIX constants).
pub fn vector(n: usize) -> Vec<f32> {
    let mut x = n as u64 + 1;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    // The first numbers of neighbouring seeds are alike.
    (0..DIMENSION + 8).map(|_| next()).skip(8).collect()
}

/// The request that sets it.
pub fn vecset(n: usize) -> String {
    let mut line = format!("VECSET item-{n:06}");
    for x in vector(n) {
        let _ = write!(line, " {x}");
    }
    line
}

/// Fills the server.
pub async fn run(server: &Server) -> Result<()> {
    let before = machine::resident_bytes(server.pid());
    let lines: Vec<String> = (0..VECTORS).map(vecset).collect();
    let bytes: usize = lines.iter().map(|line| line.len() + 2).sum();
    let took = load::run(&server.addr, lines).await?;
    println!(
        "| VECSET, {VECTORS} × {DIMENSION}-d, {} connections, pipeline {}, synced | {} ({:.0} MiB/s of text) |",
        load::CONNECTIONS,
        load::PIPELINE,
        load::per_second(VECTORS, took),
        bytes as f64 / took.as_secs_f64() / f64::from(1 << 20)
    );
    let after = machine::resident_bytes(server.pid());
    let raw = (VECTORS * DIMENSION * 4) as u64;
    let ids = (VECTORS * "item-000000".len()) as u64;
    println!(
        "| resident memory: at start, full, beside raw vectors + ids | {} MiB, {} MiB, {:.2} × |",
        before >> 20,
        after >> 20,
        after as f64 / (raw + ids) as f64
    );
    Ok(())
}
