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
            compression = match value {
                "none" => TopicCompression::None,
                "zstd" => TopicCompression::Zstd,
                "gzip" => TopicCompression::Gzip,
                _ => return Err(bad("compression", "none, zstd, or gzip", value)),
            };
        } else if let Some(value) = option(word, "parallel=") {
            parallel = number("parallel", value, (1, PARALLEL_MAX))?;
        } else {
            return Err(Failure::input(format!("Invalid TOPIC SNAPSHOT CREATE option: {}", shown(word))));
        }
    }
    Ok(TopicSnapshots::Create { topic, compression, parallel })
}

fn cleanup(mut words: Words<'_>) -> Result<TopicSnapshots> {
    let defaults = SnapshotConfig::default();
    let topic = topic("CLEANUP", &mut words)?;
    let mut max_snapshots = defaults.max_snapshots;
    let mut retention_us = u64::try_from(defaults.retention_time.as_micros()).unwrap_or(u64::MAX);
    while let Some(word) = words.next() {
        if let Some(value) = option(word, "max_snapshots=") {
            max_snapshots = number("max_snapshots", value, (1, 1_000_000))?;
        } else if let Some(value) = option(word, "retention=") {
            retention_us = duration("retention", value, (0, RETENTION_US_MAX))?;
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
