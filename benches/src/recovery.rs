//! Recovery: how fast the log is replayed after a stop without a checkpoint.

use crate::{Result, files};
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Engine, EventOp, Options, Write};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const VECTORS: usize = 200_000;
const DIMENSION: usize = 128;
const FULL: usize = 200_000;

/// Replays the Debian sample's events, vectors, and events into full rings.
pub fn run() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/debian/events.txt.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let events: Vec<Write> = text.lines().filter_map(parse).collect();
    replay("the events of the Debian sample", "events", events)?;
    replay("vectors of 128 elements", "vectors", (0..VECTORS).map(vector).collect())?;
    let full = (0..FULL + 10_000).map(|n| Write::Event {
        context: format!("ctx{}", n % 200),
        id: format!("item{}", ((n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % 5_000),
        op: EventOp::Add,
        score: 50,
        time_s: Some(1_700_000_000 + n as i64 * 100),
    });
    replay("events into full rings (50)", "events", full.collect())
}

/// Logs the writes, copies the directory as a crash would leave it, and opens the copy.
fn replay(what: &str, unit: &str, writes: Vec<Write>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    // No checkpoint in between.
    let options = Options { checkpoint_log_bytes: u64::MAX, ..Options::default() };
    let (engine, _) = Engine::open(Arc::clone(&disk), &data, options.clone())?;
    let n = writes.len();
    let mut writes = writes.into_iter().peekable();
    while writes.peek().is_some() {
        for answer in engine.write(writes.by_ref().take(4_096).collect()) {
            answer?;
        }
    }
    copy_tree(&data, &copy)?;
    drop(engine);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let one = dir.path().join("one");
        copy_tree(&copy, &one)?;
        let started = Instant::now();
        let (engine, report) = Engine::open(Arc::clone(&disk), &one, options.clone())?;
        let took = started.elapsed().as_secs_f64();
        assert!(report.replayed as usize >= n, "{} of {n} replayed", report.replayed);
        best = best.min(took);
        drop(engine);
        std::fs::remove_dir_all(&one)?;
    }
    println!(
        "| recovery, {n} {what} | {:.0} {unit}/s ({best:.2} s, the best of 3, open included) |",
        n as f64 / best
    );
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files::below(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&file, &target)?;
    }
    for sub in ["segments", "pages", "checkpoints", "wal"] {
        for timeline in std::fs::read_dir(from.join("timelines"))? {
            std::fs::create_dir_all(to.join("timelines").join(timeline?.file_name()).join(sub))?;
        }
    }
    Ok(())
}

fn vector(n: usize) -> Write {
    let mut seed = n as u64;
    let mut element = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1u64 << 24) as f32
    };
    Write::VectorSet { id: format!("item{n}"), vector: (0..DIMENSION).map(|_| element()).collect() }
}

/// `EVENT ctx ADD id score timestamp=N`.
fn parse(line: &str) -> Option<Write> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, context, op, id, rest @ ..] = words.as_slice() else { return None };
    let op = match *op {
        "ADD" => EventOp::Add,
        "SET" => EventOp::Set,
        _ => EventOp::Del,
    };
    let score = rest.first().and_then(|word| word.parse().ok()).unwrap_or(0);
    let time = rest.iter().find_map(|word| word.strip_prefix("timestamp=")).and_then(|t| t.parse().ok());
    Some(Write::Event { context: (*context).to_owned(), id: (*id).to_owned(), op, score, time_s: time })
}
