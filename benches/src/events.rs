//! Events: the Debian sample's, and contexts whose rings are full.

use crate::server::Server;
use crate::{Result, load};
use std::io::Read;
use std::path::Path;

/// Events into full rings, and their contexts and items.
const FULL: usize = 100_000;
const CONTEXTS: usize = 200;
const ITEMS: usize = 5_000;

/// Loads two fresh servers.
pub async fn run() -> Result<()> {
    let lines = sample()?;
    let n = lines.len();
    let server = Server::start()?;
    let took = load::run(&server.addr, lines).await?;
    println!(
        "| EVENT, the {n} of the Debian sample, {} connections, pipeline {}, synced | {} |",
        load::CONNECTIONS,
        load::PIPELINE,
        load::per_second(n, took)
    );
    drop(server);
    let server = Server::start()?;
    load::run(&server.addr, (0..CONTEXTS * 50).map(event).collect()).await?;
    let took = load::run(&server.addr, (0..FULL).map(|n| event(n + CONTEXTS * 50)).collect()).await?;
    println!("| EVENT into full rings (50), {ITEMS} items | {} |", load::per_second(FULL, took));
    Ok(())
}

/// The requests of the Debian sample.
pub fn sample() -> Result<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/debian/events.txt.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn event(n: usize) -> String {
    let item = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    // Event times far apart, so that nothing is a duplicate.
    format!(
        "EVENT ctx{} ADD item{} 50 timestamp={}",
        n % CONTEXTS,
        item % ITEMS as u64,
        1_700_000_000 + n * 100
    )
}
