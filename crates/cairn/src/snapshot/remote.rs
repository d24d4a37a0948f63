//! Snapshots of a running server, by its SNAPSHOT lines.

use crate::args::{CompressionArg, CreateArgs, SnapshotCommand};
use crate::connect::connect;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field};
use cairn_client::{Block, Compression, Create, Error};
use std::collections::HashMap;

/// Runs a command at the server.
pub async fn run(addr: &str, command: &SnapshotCommand, output: Output) -> Result<()> {
    if let SnapshotCommand::Delete(args) = command
        && args.dry_run
    {
        return Err(Failure::new(Exit::Usage, "--dry-run needs the repository itself")
            .next("give --repo DIR instead of --addr: looking takes no lock"));
    }
    let mut client = connect(addr).await?;
    let answer = match command {
        SnapshotCommand::Create(args) => client.snapshot_create(&create(args)).await,
        SnapshotCommand::List(_) => {
            let rows = rows(&client.snapshot_list().await.map_err(refused)?);
            return output.list("snapshots", &rows);
        }
        SnapshotCommand::Info(args) => client.snapshot_info(&args.snapshot).await,
        SnapshotCommand::Verify(args) => client.snapshot_verify(&args.snapshot).await,
        SnapshotCommand::Restore(args) => client.snapshot_restore(&args.snapshot).await,
        SnapshotCommand::Delete(args) if args.force => client.snapshot_delete_pinned(&args.snapshot).await,
        SnapshotCommand::Delete(args) => client.snapshot_delete(&args.snapshot).await,
        SnapshotCommand::Pin(args) => client.snapshot_pin(&args.snapshot, &args.note).await,
        SnapshotCommand::Unpin(args) => client.snapshot_unpin(&args.snapshot).await,
        SnapshotCommand::Prune(_) | SnapshotCommand::Schedule(_) => {
            return Err(Failure::new(Exit::Failed, "a command of its own was sent as a single line"));
        }
    };
    let block = answer.map_err(refused)?;
    output.record(&block.pairs().map(pair).collect::<Vec<_>>())
}

fn create(args: &CreateArgs) -> Create {
    Create {
        name: args.name.clone(),
        compression: args.compression.map(|asked| match asked {
            CompressionArg::Zstd => Compression::Zstd,
            CompressionArg::Gzip => Compression::Gzip,
            CompressionArg::None => Compression::None,
        }),
        description: None,
    }
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
    vec![
        text("id"),
        text("name"),
        field("status", values.get("error").copied().unwrap_or("whole")),
        text("type"),
        text("created_at"),
        count("lsn"),
        count("vectors"),
        count("events"),
        number("stored_bytes")
            .map_or_else(|| field("stored_bytes", None::<u64>), |n| bytes_field("stored_bytes", n)),
        field("pinned", values.contains_key("pinned")),
    ]
}

/// A name and an error stand last and may hold spaces.
fn values(line: &str) -> HashMap<&str, &str> {
    let mut values = HashMap::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('=') {
        let whole = matches!(key, "name" | "error");
        let (value, next) = if whole { (after, "") } else { after.split_once(' ').unwrap_or((after, "")) };
        values.insert(key, value);
        rest = next;
    }
    values
}

/// `key: value` of a reply. What is counted is a number, what is stored is bytes.
fn pair((key, value): (&str, &str)) -> Field {
    match value.parse::<u64>() {
        Ok(n) if key.ends_with("_bytes") || key.starts_with("bytes_") => bytes_field(key.to_owned(), n),
        Ok(n) if !matches!(key, "name" | "description") => count_field(key.to_owned(), n),
        _ => field(key.to_owned(), value),
    }
}

/// What the server refused, by its kind.
fn refused(error: Error) -> Failure {
    let exit = match error.refusal().map(|refusal| refusal.message.as_str()) {
        Some(message) if message.starts_with("Snapshot not found") => Exit::NotFound,
        Some(message) if message.contains(" is damaged") => Exit::Damage,
        _ => return error.into(),
    };
    Failure::new(exit, error.to_string())
}
