//! Parsing of TOPIC.

use crate::command::{AppendTopic, ReadTopic, Topics};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is, option};
use crate::parse_admin::no_more;
use crate::wal_change::{RETENTION_BYTES_MAX, RETENTION_US_MAX, bad, duration, size};
use crate::words::{Words, unquoted};
use cairn_engine::parse_time;
use cairn_engine::topics::TopicConfig;

/// Records that one READ gives when it does not say.
const COUNT: usize = 100;
/// Records that one READ may ask for.
const COUNT_MAX: usize = 10_000;

pub(crate) fn topic(mut words: Words<'_>) -> Result<Topics> {
    let Some(verb) = words.next() else {
        return Err(Failure::input(
            "TOPIC requires subcommand: CREATE|LIST|INFO|APPEND|READ|OFFSET|DELETE|COMPACT",
        ));
    };
    if is(verb, "APPEND") {
        append(words).map(Topics::Append)
    } else if is(verb, "READ") {
        read(words).map(Topics::Read)
    } else if is(verb, "OFFSET") {
        offset(words)
    } else if is(verb, "CREATE") {
        create(words)
    } else if is(verb, "LIST") {
        no_more("TOPIC LIST", words).map(|()| Topics::List)
    } else if is(verb, "INFO") {
        one("INFO", words).map(Topics::Info)
    } else if is(verb, "DELETE") {
        one("DELETE", words).map(Topics::Delete)
    } else if is(verb, "COMPACT") {
        one("COMPACT", words).map(Topics::Compact)
    } else {
        Err(Failure::input(format!("Unknown TOPIC subcommand: {}", shown(verb))))
    }
}

fn one(verb: &str, mut words: Words<'_>) -> Result<String> {
    match (words.next(), words.rest().is_empty()) {
        (Some(name), true) => Ok(name.to_owned()),
        _ => Err(Failure::input(format!("TOPIC {verb} requires 1 argument: <name>"))),
    }
}

fn create(mut words: Words<'_>) -> Result<Topics> {
    let Some(name) = words.next() else {
        return Err(Failure::input("TOPIC CREATE requires 1 argument: <name>"));
    };
    let mut config = TopicConfig::default();
    while let Some(word) = words.next_quoted() {
        if let Some(value) = option(word, "partitions=") {
            config.partitions = number("partitions", value)?;
        } else if let Some(value) = option(word, "retention=") {
            config.retention_us = duration("retention", value, (0, RETENTION_US_MAX))?;
        } else if let Some(value) = option(word, "retention_bytes=") {
            config.retention_bytes = size("retention_bytes", value, (0, RETENTION_BYTES_MAX))?;
        } else if let Some(value) = option(word, "compaction=") {
            config.compaction = value.parse().map_err(|_| bad("compaction", "none or key", value))?;
        } else {
            return Err(Failure::input(format!("Invalid TOPIC CREATE option: {}", shown(word))));
        }
    }
    Ok(Topics::Create { name: name.to_owned(), config: Box::new(config) })
}

/// The value is the rest of the line, in double quotes or not; a key alone is a tombstone.
fn append(mut words: Words<'_>) -> Result<AppendTopic> {
    let usage = "TOPIC APPEND requires 2 arguments: <name> [partition=N] [key=K] <value>";
    let name = words.next().ok_or_else(|| Failure::input(usage))?.to_owned();
    let mut append = AppendTopic { name, partition: None, key: None, value: None };
    loop {
        let before = words;
        let Some(word) = words.next_quoted() else { break };
        if let Some(value) = option(word, "partition=") {
            append.partition = Some(number("partition", value)?);
        } else if let Some(value) = option(word, "key=") {
            append.key = Some(unquoted(value).ok_or_else(|| bad("key", "text, its quotes closed", value))?);
        } else {
            let value = before.rest();
            append.value =
                Some(unquoted(value).ok_or_else(|| bad("value", "text, its quotes closed", value))?);
            break;
        }
    }
    if append.key.is_none() && append.value.is_none() {
        return Err(Failure::input(usage));
    }
    Ok(append)
}

fn read(mut words: Words<'_>) -> Result<ReadTopic> {
    let (Some(name), Some(partition), Some(from)) = (words.next(), words.next(), words.next()) else {
        return Err(Failure::input("TOPIC READ requires 3 arguments: <name> <partition> <offset>"));
    };
    let mut read = ReadTopic {
        name: name.to_owned(),
        partition: number("partition", partition)?,
        from_offset: number("offset", from)?,
        count: COUNT,
    };
    while let Some(word) = words.next() {
        let Some(value) = option(word, "count=") else {
            return Err(Failure::input(format!("Invalid TOPIC READ option: {}", shown(word))));
        };
        let expected = format!("a whole number in range [1, {COUNT_MAX}]");
        let count: usize = number("count", value)?;
        read.count = Some(count)
            .filter(|n| (1..=COUNT_MAX).contains(n))
            .ok_or_else(|| bad("count", &expected, value))?;
    }
    Ok(read)
}

fn offset(mut words: Words<'_>) -> Result<Topics> {
    let usage = "TOPIC OFFSET requires 3 arguments: <name> <partition> <time>";
    let (Some(name), Some(partition)) = (words.next(), words.next()) else {
        return Err(Failure::input(usage));
    };
    let time = unquoted(words.rest()).filter(|time| !time.is_empty());
    let time = parse_time(&time.ok_or_else(|| Failure::input(usage))?)?;
    Ok(Topics::Offset { name: name.to_owned(), partition: number("partition", partition)?, time })
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| bad(name, "a whole number", value))
}
