//! Snapshots of a running server, by its SNAPSHOT lines.

use super::lines;
use crate::args::SnapshotCommand;
use crate::block_fields::{fields, typed, words};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field};
use crate::wire::ask;
use cairn_client::Block;
use std::collections::HashMap;

/// Runs a command at the server.
pub fn run(addr: &str, command: &SnapshotCommand, output: Output) -> Result<()> {
    let line = match command {
        SnapshotCommand::Create(args) => {
            lines::create(args.name.as_deref(), &args.collections, args.compression, &args.what, None)?
        }
        SnapshotCommand::List(args) => {
            let block = ask(addr, &lines::list(args.collection.as_deref(), None)?)?;
            return output.list("snapshots", &rows(&block));
        }
        SnapshotCommand::Diff(args) => {
            let block = ask(addr, &lines::diff(&args.from, &args.to)?)?;
            let row = |line: &String| -> Vec<Field> {
                words(line, &[]).into_iter().map(|(key, value)| typed(key, value)).collect()
            };
            return output.list("differences", &block.lines.iter().map(row).collect::<Vec<_>>());
        }
        SnapshotCommand::Delete(args) if args.dry_run => {
            return Err(Failure::new(Exit::Usage, "--dry-run needs the repository itself")
                .next("give --repo DIR instead of --addr: looking takes no lock"));
        }
        SnapshotCommand::Info(args) => lines::one("INFO", &args.snapshot)?,
        SnapshotCommand::Verify(args) => lines::verify(args)?,
        SnapshotCommand::Restore(args) => lines::restore(&args.snapshot, &args.how, None)?,
        SnapshotCommand::Delete(args) if args.force => lines::one("DELETE force=on", &args.snapshot)?,
        SnapshotCommand::Delete(args) => lines::one("DELETE", &args.snapshot)?,
        SnapshotCommand::Pin(args) => lines::pin(&args.snapshot, &args.note)?,
        SnapshotCommand::Unpin(args) => lines::one("UNPIN", &args.snapshot)?,
        SnapshotCommand::Prune(_) | SnapshotCommand::Schedule(_) => {
            return Err(Failure::new(Exit::Failed, "a command of its own was sent as a single line"));
        }
    };
    output.record(&fields(&ask(addr, &line)?))
}

/// The lines `key=value …` of SNAPSHOT LIST, in the columns of a local list.
fn rows(block: &Block) -> Vec<Vec<Field>> {
    block.lines.iter().map(|line| row(&values(line))).collect()
}

fn row(values: &HashMap<&str, &str>) -> Vec<Field> {
    let text = |key: &'static str| field(key, values.get(key).copied());
    let number = |key: &str| values.get(key).and_then(|value| value.parse::<u64>().ok());
    let count =
        |key: &'static str| number(key).map_or_else(|| field(key, None::<u64>), |n| count_field(key, n));
    let bytes =
        |key: &'static str| number(key).map_or_else(|| field(key, None::<u64>), |n| bytes_field(key, n));
    vec![
        text("id"),
        text("name"),
        field("status", values.get("error").copied().unwrap_or("whole")),
        text("type"),
        text("created_at"),
        count("lsn"),
        count("vectors"),
        count("events"),
        bytes("stored_bytes"),
        bytes("added_bytes"),
        field("pinned", values.contains_key("pinned")),
    ]
}

/// A path, a name and an error may hold spaces: a name and an error stand last, a path before the name.
pub fn values(line: &str) -> HashMap<&str, &str> {
    let mut values = HashMap::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match key {
            "name" | "error" => (after, ""),
            "path" => after.find(" name=").map_or((after, ""), |at| (&after[..at], &after[at + 1..])),
            _ => after.split_once(' ').unwrap_or((after, "")),
        };
        values.insert(key, value);
        rest = next;
    }
    values
}
