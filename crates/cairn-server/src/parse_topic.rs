//! Parsing of TOPIC.

use crate::command::{AppendTopic, ReadTopic, TopicOptions, Topics};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is, option};
use crate::parse_admin::no_more;
use crate::units::show_duration;
use crate::wal_change::{
    FLUSH_US_MAX, FLUSH_US_MIN, RETENTION_BYTES_MAX, RETENTION_US_MAX, bad, duration, size,
};
use crate::words::{Words, unquoted};
use cairn_engine::parse_time;
use cairn_engine::topics::{SyncMode, TopicChange, TopicConfig};

/// Records that one READ gives when it does not say.
pub(crate) const COUNT: usize = 100;
/// Records that one READ may ask for.
pub(crate) const COUNT_MAX: usize = 10_000;

pub(crate) fn topic(mut words: Words<'_>) -> Result<Topics> {
    let Some(verb) = words.next() else {
        return Err(Failure::input(
            "TOPIC requires subcommand: CREATE|ALTER|LIST|INFO|APPEND|READ|OFFSET|DELETE|COMPACT|SNAPSHOT",
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
    } else if is(verb, "ALTER") {
        alter(words)
    } else if is(verb, "SNAPSHOT") {
        crate::parse_topic_snapshot::snapshot(words).map(Topics::Snapshot)
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
    let (mut config, mut options) = (TopicConfig::default(), TopicOptions::default());
    while let Some(word) = words.next_quoted() {
        if let Some(value) = option(word, "partitions=") {
            config.partitions = number("partitions", value)?;
        } else if !options.take(word)? {
            return Err(Failure::input(format!("Invalid TOPIC CREATE option: {}", shown(word))));
        }
    }
    let config = options.applied_to(&config)?.applied_to(&config);
    Ok(Topics::Create { name: name.to_owned(), config: Box::new(config) })
}

fn alter(mut words: Words<'_>) -> Result<Topics> {
    let usage = "TOPIC ALTER requires 2 arguments: <name> <option>=<value> …";
    let (Some(name), false) = (words.next(), words.rest().is_empty()) else {
        return Err(Failure::input(usage));
    };
    let mut change = TopicOptions::default();
    while let Some(word) = words.next_quoted() {
        if option(word, "partitions=").is_some() {
            return Err(Failure::input("partitions cannot be changed: make a topic with as many as wanted"));
        }
        if !change.take(word)? {
            return Err(Failure::input(format!("Invalid TOPIC ALTER option: {}", shown(word))));
        }
    }
    Ok(Topics::Alter { name: name.to_owned(), change: Box::new(change) })
}

impl TopicOptions {
    /// Takes an option `name=value`; `Ok(false)`: there is none of this name.
    pub(crate) fn take(&mut self, word: &str) -> Result<bool> {
        let Some((name, value)) = word.split_once('=') else { return Ok(false) };
        let change = &mut self.change;
        match name.to_ascii_lowercase().as_str() {
            name @ "retention" => {
                change.retention_us = Some(duration(name, value, (0, RETENTION_US_MAX))?);
            }
            name @ "retention_bytes" => {
                change.retention_bytes = Some(size(name, value, (0, RETENTION_BYTES_MAX))?);
            }
            name @ "compaction" => {
                change.compaction = Some(value.parse().map_err(|_| bad(name, "none or key", value))?);
            }
            name @ "tombstone_retention" => {
                change.tombstone_retention_us = Some(duration(name, value, (0, RETENTION_US_MAX))?);
            }
            name @ "sync_mode" => {
                let expected = "fsync, periodic, or async";
                change.sync = Some(value.parse().map_err(|_| bad(name, expected, value))?);
            }
            name @ "flush_interval" => {
                self.flush_us = Some(duration(name, value, (FLUSH_US_MIN, FLUSH_US_MAX))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The change, to a topic with these settings. An interval without the mode periodic is refused.
    pub(crate) fn applied_to(&self, current: &TopicConfig) -> Result<TopicChange> {
        let mut change = self.change.clone();
        match (change.sync.unwrap_or(current.sync), self.flush_us) {
            (SyncMode::Periodic { interval_us }, flush_us) => {
                // One that had an interval keeps it.
                let kept = match current.sync {
                    SyncMode::Periodic { interval_us } => interval_us,
                    _ => interval_us,
                };
                change.sync = Some(SyncMode::Periodic { interval_us: flush_us.unwrap_or(kept) });
            }
            (sync, Some(us)) => {
                return Err(Failure::input(format!(
                    "flush_interval {} needs sync_mode periodic, got {}",
                    show_duration(us),
                    sync.name()
                )));
            }
            (_, None) => {}
        }
        Ok(change)
    }
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
