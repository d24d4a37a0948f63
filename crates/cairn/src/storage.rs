//! `cairn storage`: compaction, mapping, and where vectors are, in a data directory or at a running server.

use crate::args_storage::{CompactArgs, MmapArgs, StatsArgs, StorageCommand};
use crate::block_fields::only;
use crate::collection::put;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, bytes_field, field};
use crate::progress::Watched;
use crate::session::{Session, asked};
use crate::snapshot::local::milliseconds;
use crate::storage_snapshot;
use crate::topic::{one, rows, word};
use crate::wal;
use cairn_client::Block;
use cairn_snapshot::Repository;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two looks at how far a compaction is.
const LOOK: Duration = Duration::from_millis(250);

/// Runs a command.
pub fn run(command: &StorageCommand, output: Output) -> Result<()> {
    match command {
        StorageCommand::Wal(args) => wal::run(&args.command, output),
        StorageCommand::Snapshot(command) => storage_snapshot::run(command, output),
        StorageCommand::Mmap(args) => mmap(args, output),
        StorageCommand::Compact(args) => match &args.repo {
            Some(repo) => compact_repository(repo, output),
            None => compact(args, output),
        },
        StorageCommand::Stats(args) => stats(args, output),
    }
}

fn mmap(args: &MmapArgs, output: Output) -> Result<()> {
    let mut line = String::from("STORAGE MMAP");
    let enable = match (args.enable, args.disable) {
        (true, _) => Some("on"),
        (_, true) => Some("off"),
        _ => None,
    };
    put(&mut line, "enable", enable)?;
    put(&mut line, "advise", args.advise.as_deref())?;
    put(&mut line, "populate", args.populate.as_deref())?;
    put(&mut line, "collection", args.collection.as_deref())?;
    let keys = ["mmap_enabled", "advise_mode", "populate", "total_mapped_bytes", "resident_bytes"];
    output.record(&only(&one(&args.place, &line)?, &keys))
}

fn stats(args: &StatsArgs, output: Output) -> Result<()> {
    rows(&one(&args.place, &stats_line(args.collection.as_deref())?)?, "collections", "collection=", output)
}

fn stats_line(collection: Option<&str>) -> Result<String> {
    let mut line = String::from("STORAGE STATS");
    if let Some(name) = collection {
        line += &format!(" {}", word(name)?);
    }
    Ok(line)
}

fn compact(args: &CompactArgs, output: Output) -> Result<()> {
    let mut line = String::from("STORAGE COMPACT");
    if let Some(name) = &args.collection {
        line += &format!(" {}", word(name)?);
    }
    put(&mut line, "aggressive", args.aggressive.then_some("on"))?;
    put(&mut line, "threshold", args.threshold.as_deref())?;
    asked(&line)?;
    let session = Session::open(&args.place)?;
    let block = match std::io::stderr().is_terminal() {
        true => watched(&session, &line, &stats_line(args.collection.as_deref())?)?,
        false => session.ask(&line)?,
    };
    session.end()?;
    let keys = [
        "collections_compacted",
        "before_size_bytes",
        "after_size_bytes",
        "freed_bytes",
        "reduction_percent",
        "duration_ms",
        "status",
    ];
    output.record(&only(&block, &keys))
}

/// Asks, and shows meanwhile how many bytes there still are.
fn watched(session: &Session, line: &str, stats: &str) -> Result<Block> {
    let bar = Watched::new("compacting");
    std::thread::scope(|scope| {
        let (send, done) = channel();
        scope.spawn(move || drop(send.send(session.ask(line))));
        loop {
            match done.recv_timeout(LOOK) {
                Ok(block) => return block,
                Err(RecvTimeoutError::Timeout) => {
                    // A look that fails shows nothing; what matters is the answer.
                    if let Ok(block) = session.ask(stats) {
                        bar.bytes(file_bytes(&block));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(
                        Exit::Failed,
                        "the thread that compacts ended without an answer",
                    ));
                }
            }
        }
    })
}

fn file_bytes(block: &Block) -> u64 {
    let words = block.lines.iter().flat_map(|line| line.split(' '));
    words.filter_map(|word| word.strip_prefix("file_bytes=")?.parse::<u64>().ok()).sum()
}

/// The same record for a repository: what no snapshot names is what compaction takes back.
fn compact_repository(repo: &Path, output: Output) -> Result<()> {
    let started = Instant::now();
    let swept = cairn_snapshot::sweep(&Repository::open(storage(), repo)?)?;
    output.record(&[
        field("repository", repo.display().to_string()),
        field("parts_removed", swept.parts),
        bytes_field("freed_bytes", swept.stored_bytes),
        field("parts_kept_for", swept.kept_for),
        milliseconds(started),
        field("status", "completed"),
    ])
}
