//! `cairn topic`: the user's logs, in a data directory or at a running server.

use crate::args_history::PlaceArgs;
use crate::args_topic::{
    AlterTopicArgs, AppendArgs, CreateTopicArgs, KeptArgs, OneTopicArgs, ReadArgs, TopicCommand,
};
use crate::block_fields::{fields, typed, words};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, count_field, field};
use crate::session::{Session, asked, quoted};
use crate::topic_snapshot;
use cairn_client::Block;

/// Runs a command.
pub fn run(command: &TopicCommand, output: Output) -> Result<()> {
    match command {
        TopicCommand::Create(args) => output.record(&fields(&one(&args.place, &create(args)?)?)),
        TopicCommand::Alter(args) => output.record(&fields(&one(&args.place, &alter(args)?)?)),
        TopicCommand::Snapshot(args) => topic_snapshot::run(&args.command, output),
        TopicCommand::List(place) => rows(&one(place, "TOPIC LIST")?, "topics", "topic=", output),
        TopicCommand::Info(args) => info(args, output),
        TopicCommand::Append(args) => output.record(&fields(&one(&args.place, &append(args)?)?)),
        TopicCommand::Read(args) => read(args, output),
        TopicCommand::Offset(args) => {
            let (name, partition) = (word(&args.name)?, word(&args.partition)?);
            let line = format!("TOPIC OFFSET {name} {partition} {}", quoted(&args.time)?);
            output.record(&fields(&one(&args.place, &line)?))
        }
        TopicCommand::Delete(args) => {
            output.record(&fields(&one(&args.place, &format!("TOPIC DELETE {}", word(&args.name)?))?))
        }
        TopicCommand::Compact(args) => {
            output.record(&fields(&one(&args.place, &format!("TOPIC COMPACT {}", word(&args.name)?))?))
        }
    }
}

/// One request, checked before anything is opened.
pub fn one(place: &PlaceArgs, line: &str) -> Result<Block> {
    asked(line)?;
    let session = Session::open(place)?;
    let block = session.ask(line)?;
    session.end()?;
    Ok(block)
}

/// A word of the line.
pub fn word(value: &str) -> Result<&str> {
    if value.is_empty() || value.contains(|c: char| c.is_whitespace()) {
        return Err(Failure::new(Exit::Usage, format!("expected one word, got {value:?}")));
    }
    Ok(value)
}

fn create(args: &CreateTopicArgs) -> Result<String> {
    let mut line = format!("TOPIC CREATE {}", word(&args.name)?);
    if let Some(partitions) = &args.partitions {
        line += &format!(" partitions={}", word(partitions)?);
    }
    Ok(line + &kept(&args.kept)?)
}

fn alter(args: &AlterTopicArgs) -> Result<String> {
    Ok(format!("TOPIC ALTER {}{}", word(&args.name)?, kept(&args.kept)?))
}

fn kept(args: &KeptArgs) -> Result<String> {
    options(&[
        ("retention", &args.retention),
        ("retention_bytes", &args.retention_bytes),
        ("compaction", &args.compaction),
        ("tombstone_retention", &args.tombstone_retention),
        ("sync_mode", &args.sync_mode),
        ("flush_interval", &args.flush_interval),
    ])
}

/// The options that were given, as the line takes them.
pub fn options(options: &[(&str, &Option<String>)]) -> Result<String> {
    let mut line = String::new();
    for (name, value) in options {
        if let Some(value) = value {
            line += &format!(" {name}={}", word(value)?);
        }
    }
    Ok(line)
}

fn append(args: &AppendArgs) -> Result<String> {
    let mut line = format!("TOPIC APPEND {}", word(&args.name)?);
    if let Some(partition) = &args.partition {
        line += &format!(" partition={}", word(partition)?);
    }
    if let Some(key) = &args.key {
        line += &format!(" key={}", quoted(key)?);
    }
    if let Some(value) = &args.value {
        line += &format!(" {}", quoted(value)?);
    }
    Ok(line)
}

/// The lines that begin with a key, as rows.
pub fn rows(block: &Block, name: &str, first: &str, output: Output) -> Result<()> {
    output.list(name, &rows_of(block, first))
}

pub fn rows_of(block: &Block, first: &str) -> Vec<Vec<Field>> {
    let row = |line: &String| {
        words(line, &["poisoned"]).into_iter().map(|(key, value)| typed(key, value)).collect()
    };
    block.lines.iter().filter(|line| line.starts_with(first)).map(row).collect()
}

fn info(args: &OneTopicArgs, output: Output) -> Result<()> {
    let mut block = one(&args.place, &format!("TOPIC INFO {}", word(&args.name)?))?;
    let partitions = rows_of(&block, "partition=");
    block.lines.retain(|line| !line.starts_with("partition="));
    let mut fields = fields(&block);
    fields.push(Field::rows("partition_list", &partitions));
    output.record(&fields)
}

fn read(args: &ReadArgs, output: Output) -> Result<()> {
    let (name, partition, offset) = (word(&args.name)?, word(&args.partition)?, word(&args.offset)?);
    let mut line = format!("TOPIC READ {name} {partition} {offset}");
    if let Some(count) = &args.count {
        line += &format!(" count={}", word(count)?);
    }
    let block = one(&args.place, &line)?;
    let records: Result<Vec<Vec<Field>>> =
        block.lines.iter().filter(|line| line.starts_with("offset=")).map(|line| record(line)).collect();
    output.list("records", &records?)
}

/// `offset=… time=… key="…" value="…"`; what a record does not have is null.
fn record(line: &str) -> Result<Vec<Field>> {
    let mut found = vec![
        count_field("offset", 0),
        field("time", None::<String>),
        field("key", None::<String>),
        field("value", None::<String>),
    ];
    let mut rest = line;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                unquoted(quoted).ok_or_else(|| Failure::new(Exit::Failed, format!("not a record: {line}")))?
            }
            None => {
                let (value, next) = after.split_once(' ').unwrap_or((after, ""));
                (value.to_owned(), next)
            }
        };
        match name {
            "offset" => found[0] = typed("offset", &value),
            "time" => found[1] = field("time", value),
            "key" => found[2] = field("key", value),
            "value" => found[3] = field("value", value),
            // Bytes that are no text.
            "key_hex" => found[2] = field("key_hex", value),
            _ => found[3] = field("value_hex", value),
        }
        rest = next.trim_start();
    }
    Ok(found)
}

/// The text up to the closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.chars());
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}
