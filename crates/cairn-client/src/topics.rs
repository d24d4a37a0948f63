//! The typed commands about topics and the write-ahead log.

use crate::commands::quoted;
use crate::request::word;
use crate::{Block, Client, Error, Result};

/// Where a record was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The partition.
    pub partition: u32,
    /// The record's offset in it.
    pub offset: u64,
}

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRecord {
    /// Its offset in its partition.
    pub offset: u64,
    /// When it was appended, RFC 3339.
    pub time: String,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its value; without, the key is gone.
    pub value: Option<Vec<u8>>,
}

/// What reading a topic gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The records, by offset.
    pub records: Vec<TopicRecord>,
    /// Where to read on.
    pub next_offset: u64,
    /// Records below this offset are there to be read.
    pub high_water_mark: u64,
}

impl Client {
    /// Makes a topic, by the options of `TOPIC CREATE`, as `("partitions", "4")`.
    pub async fn topic_create(&mut self, name: &str, options: &[(&str, &str)]) -> Result<Block> {
        let mut line = format!("TOPIC CREATE {}", word("topic", name)?);
        for (option, value) in options {
            line.push_str(&format!(" {}={}", word("option", option)?, word(option, value)?));
        }
        self.lines(&line).await
    }

    /// The topics, one a line.
    pub async fn topic_list(&mut self) -> Result<Block> {
        self.lines("TOPIC LIST").await
    }

    /// How a topic is kept, and its partitions, one a line.
    pub async fn topic_info(&mut self, name: &str) -> Result<Block> {
        self.lines(&format!("TOPIC INFO {}", word("topic", name)?)).await
    }

    /// Takes a topic away with all its records.
    pub async fn topic_delete(&mut self, name: &str) -> Result<Block> {
        self.lines(&format!("TOPIC DELETE {}", word("topic", name)?)).await
    }

    /// Appends a record, which is durable when this returns if the topic's sync mode is `fsync`. Without a value it says that the key is gone.
    /// It is never repeated by itself: appended twice, it is there twice.
    pub async fn topic_append(
        &mut self,
        name: &str,
        partition: Option<u32>,
        key: Option<&str>,
        value: Option<&str>,
    ) -> Result<Appended> {
        let mut line = format!("TOPIC APPEND {}", word("topic", name)?);
        if let Some(partition) = partition {
            line.push_str(&format!(" partition={partition}"));
        }
        if let Some(key) = key {
            line.push_str(&format!(" key={}", quoted("key", key)?));
        }
        match value {
            None => {}
            Some("") => line.push_str(" \"\""),
            Some(value) => line.push_str(&format!(" {}", quoted("value", value)?)),
        }
        let block = self.lines(&line).await?;
        let missing = || Error::Protocol(format!("expected partition and offset, got {:?}", block.lines));
        let partition = block.number("partition").and_then(|n| u32::try_from(n).ok()).ok_or_else(missing)?;
        Ok(Appended { partition, offset: block.number("offset").ok_or_else(missing)? })
    }

    /// The records of a partition from an offset on, at most `count` (up to 10,000) and about 16 MiB.
    pub async fn topic_read(
        &mut self,
        name: &str,
        partition: u32,
        offset: u64,
        count: u32,
    ) -> Result<Fetched> {
        let line = format!("TOPIC READ {} {partition} {offset} count={count}", word("topic", name)?);
        let block = self.lines(&line).await?;
        let figure = |key: &str| {
            block.number(key).ok_or_else(|| Error::Protocol(format!("a reply of TOPIC READ without {key}")))
        };
        let (next_offset, high_water_mark) = (figure("next_offset")?, figure("high_water_mark")?);
        let lines = block.lines.iter().filter(|line| line.starts_with("offset="));
        Ok(Fetched {
            records: lines.map(|l| record(l)).collect::<Result<_>>()?,
            next_offset,
            high_water_mark,
        })
    }

    /// How the write-ahead log is kept, and what of it is durable.
    pub async fn wal_status(&mut self) -> Result<Block> {
        self.lines("WAL STATUS").await
    }

    /// Makes everything acknowledged before durable, whatever the log's mode.
    pub async fn wal_sync(&mut self) -> Result<Block> {
        self.lines("WAL SYNC").await
    }

    /// The timelines that are there, one a line, the live one first.
    pub async fn timeline_list(&mut self) -> Result<Block> {
        self.lines("TIMELINE LIST").await
    }
}

/// Reads `offset=0 time=… key="…" value="…"`.
fn record(line: &str) -> Result<TopicRecord> {
    let bad = || Error::Protocol(format!("not a record of a topic: {line}"));
    let mut record = TopicRecord { offset: 0, time: String::new(), key: None, value: None };
    let mut rest = line;
    while !rest.is_empty() {
        let (name, tail) = rest.split_once('=').ok_or_else(bad)?;
        let (value, tail) = match tail.strip_prefix('"') {
            Some(inner) => text_in_quotes(inner).ok_or_else(bad)?,
            None => {
                let (value, tail) = tail.split_once(' ').unwrap_or((tail, ""));
                (value.to_owned(), tail)
            }
        };
        match name {
            "offset" => record.offset = value.parse().map_err(|_| bad())?,
            "time" => record.time = value,
            "key" => record.key = Some(value.into_bytes()),
            "value" => record.value = Some(value.into_bytes()),
            "key_hex" => record.key = Some(bytes_of_hex(&value).ok_or_else(bad)?),
            "value_hex" => record.value = Some(bytes_of_hex(&value).ok_or_else(bad)?),
            // Later servers may say more.
            _ => {}
        }
        rest = tail.trim_start();
    }
    Ok(record)
}

/// The text up to the closing quote, and what follows it.
fn text_in_quotes(inner: &str) -> Option<(String, &str)> {
    let (mut text, mut chars) = (String::new(), inner.chars());
    loop {
        match chars.next()? {
            '"' => return Some((text, chars.as_str())),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}
