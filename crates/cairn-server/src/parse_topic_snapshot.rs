//! Parsing of TOPIC SNAPSHOT.

use crate::command::{TopicCompression, TopicSnapshots};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is, option};
use crate::wal_change::{RETENTION_US_MAX, bad, duration};
use crate::words::Words;
use cairn_engine::topics::SnapshotConfig;

/// Files that may be worked on at a time.
const PARALLEL_MAX: usize = 64;

pub(crate) fn snapshot(mut words: Words<'_>) -> Result<TopicSnapshots> {
    let Some(verb) = words.next() else {
        return Err(Failure::input(
            "TOPIC SNAPSHOT requires subcommand: CREATE|LIST|VERIFY|RESTORE|DELETE|CLEANUP",
        ));
    };
    if is(verb, "CREATE") {
        create(words)
    } else if is(verb, "LIST") {
        let [topic] = exactly("LIST", "1 argument: <topic>", words)?;
        Ok(TopicSnapshots::List(topic))
    } else if is(verb, "VERIFY") {
        let [topic, id] = exactly("VERIFY", "2 arguments: <topic> <id>", words)?;
        Ok(TopicSnapshots::Verify { topic, id })
    } else if is(verb, "RESTORE") {
        let [topic, id, new] = exactly("RESTORE", "3 arguments: <topic> <id> <new topic>", words)?;
        Ok(TopicSnapshots::Restore { topic, id, new })
    } else if is(verb, "DELETE") {
        let [topic, id] = exactly("DELETE", "2 arguments: <topic> <id>", words)?;
        Ok(TopicSnapshots::Delete { topic, id })
    } else if is(verb, "CLEANUP") {
        cleanup(words)
    } else {
        Err(Failure::input(format!("Unknown TOPIC SNAPSHOT subcommand: {}", shown(verb))))
    }
}

fn exactly<const N: usize>(verb: &str, usage: &str, mut words: Words<'_>) -> Result<[String; N]> {
    let mut found = Vec::with_capacity(N);
    found.extend(std::iter::from_fn(|| words.next()).map(str::to_owned));
    found.try_into().map_err(|_| Failure::input(format!("TOPIC SNAPSHOT {verb} requires {usage}")))
}

fn topic(verb: &str, words: &mut Words<'_>) -> Result<String> {
    let missing = || Failure::input(format!("TOPIC SNAPSHOT {verb} requires 1 argument: <topic>"));
    words.next().map(str::to_owned).ok_or_else(missing)
}

fn create(mut words: Words<'_>) -> Result<TopicSnapshots> {
    let (topic, mut compression, mut parallel) = (topic("CREATE", &mut words)?, TopicCompression::None, 1);
    while let Some(word) = words.next() {
        if let Some(value) = option(word, "compression=") {
            compression = codec(value)?;
        } else if let Some(value) = option(word, "parallel=") {
            parallel = at_once(value)?;
        } else {
            return Err(Failure::input(format!("Invalid TOPIC SNAPSHOT CREATE option: {}", shown(word))));
        }
    }
    Ok(TopicSnapshots::Create { topic, compression, parallel })
}

pub(crate) fn codec(value: &str) -> Result<TopicCompression> {
    match value {
        "none" => Ok(TopicCompression::None),
        "zstd" => Ok(TopicCompression::Zstd),
        "gzip" => Ok(TopicCompression::Gzip),
        _ => Err(bad("compression", "none, zstd, or gzip", value)),
    }
}

/// Files that are worked on at a time.
pub(crate) fn at_once(value: &str) -> Result<usize> {
    number("parallel", value, (1, PARALLEL_MAX))
}

/// How many snapshots a cleanup keeps.
pub(crate) fn kept(value: &str) -> Result<usize> {
    number("max_snapshots", value, (1, 1_000_000))
}

/// From which age on a cleanup takes snapshots away: microseconds.
pub(crate) fn age(value: &str) -> Result<u64> {
    duration("retention", value, (0, RETENTION_US_MAX))
}

/// What a cleanup that does not say keeps: how many, and how old in microseconds.
pub(crate) fn kept_by_default() -> (usize, u64) {
    let defaults = SnapshotConfig::default();
    (defaults.max_snapshots, u64::try_from(defaults.retention_time.as_micros()).unwrap_or(u64::MAX))
}

fn cleanup(mut words: Words<'_>) -> Result<TopicSnapshots> {
    let topic = topic("CLEANUP", &mut words)?;
    let (mut max_snapshots, mut retention_us) = kept_by_default();
    while let Some(word) = words.next() {
        if let Some(value) = option(word, "max_snapshots=") {
            max_snapshots = kept(value)?;
        } else if let Some(value) = option(word, "retention=") {
            retention_us = age(value)?;
        } else {
            return Err(Failure::input(format!("Invalid TOPIC SNAPSHOT CLEANUP option: {}", shown(word))));
        }
    }
    Ok(TopicSnapshots::Cleanup { topic, max_snapshots, retention_us })
}

fn number(name: &str, value: &str, (min, max): (usize, usize)) -> Result<usize> {
    let number = value.parse().ok().filter(|n| (min..=max).contains(n));
    number.ok_or_else(|| bad(name, &format!("a whole number in range [{min}, {max}]"), value))
}
