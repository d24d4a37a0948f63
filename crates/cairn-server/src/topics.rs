//! TOPIC: the user's logs, over the wire.

use crate::command::{AppendTopic, ReadTopic, TopicOptions, Topics as Ask};
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::parse_wal::ZONE_NOTE;
use crate::reply::{Block, Reply};
use crate::topic_snapshots::topic_snapshot;
use crate::units::show_duration;
use cairn_engine::topics::{
    Compacted, CompactionPolicy, Entry, PartitionInfo, Record, SyncMode, Topic, TopicConfig, TopicInfo,
    Topics,
};
use cairn_engine::{ErrorKind, ParsedTime, show_time};
use std::fmt::Write;
use std::sync::Arc;

type Result<T> = std::result::Result<T, Failure>;

/// Bytes of records that one READ gives at most, one record aside.
const READ_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn topic(backend: &EngineBackend, ask: &Ask) -> Reply {
    let done = backend.topics().and_then(|topics| match ask {
        Ask::Create { name, config } => create(&topics, name, config),
        Ask::Alter { name, change } => alter(&topics, name, change),
        Ask::Snapshot(asked) => topic_snapshot(topics.manager(), asked),
        Ask::List => Ok(list(&topics)),
        Ask::Info(name) => info(&topics, name),
        Ask::Append(asked) => append(backend, &topics, asked),
        Ask::Read(asked) => read(&topics, asked),
        Ask::Offset { name, partition, time } => offset(&topics, name, *partition, *time),
        Ask::Delete(name) => delete(&topics, name),
        Ask::Compact(name) => compact(backend, &topics, name),
    });
    done.map_or_else(Reply::Failed, Reply::Block)
}

/// An error of the topics, which know what the caller can do.
pub(crate) fn failed(error: impl Into<cairn_engine::Error>) -> Failure {
    error.into().into()
}

fn find(topics: &Topics, name: &str) -> Result<Arc<Topic>> {
    topics.manager().topic(name).map_err(failed)
}

fn create(topics: &Topics, name: &str, config: &TopicConfig) -> Result<Block> {
    let topic = topics.manager().create_topic(name, config.clone()).map_err(failed)?;
    Ok(configured(Block::new(format!("TOPIC_CREATED {name}")), &topic.info().map_err(failed)?))
}

fn alter(topics: &Topics, name: &str, options: &TopicOptions) -> Result<Block> {
    let topic = find(topics, name)?;
    let change = options.applied_to(&topic.config())?;
    topics.manager().alter_topic(name, &change).map_err(failed)?;
    Ok(configured(Block::new(format!("TOPIC_ALTERED {name}")), &topic.info().map_err(failed)?))
}

fn configured(block: Block, info: &TopicInfo) -> Block {
    block
        .pair("topic", &info.name)
        .pair("partitions", info.config.partitions)
        .pair("retention", show_duration(info.config.retention_us))
        .pair("retention_bytes", info.config.retention_bytes)
        .pair("compaction", info.config.compaction)
        .pair("tombstone_retention", show_duration(info.config.tombstone_retention_us))
        .pair("sync_mode", info.config.sync)
        .pair("flush_interval", flush_text(info.config.sync))
        .pair("created_at", show_time(info.created_us))
}

fn flush_text(sync: SyncMode) -> String {
    match sync {
        SyncMode::Periodic { interval_us } => show_duration(interval_us),
        SyncMode::Fsync | SyncMode::Async => "none".to_owned(),
    }
}

fn list(topics: &Topics) -> Block {
    let all = topics.manager().topics();
    let line = |info: &TopicInfo| {
        let records: u64 = info.partitions.iter().map(|p| p.records).sum();
        let bytes: u64 = info.partitions.iter().map(|p| p.bytes).sum();
        format!(
            "topic={} partitions={} records={records} stored_bytes={bytes} retention={} retention_bytes={} compaction={} created_at={}",
            info.name,
            info.config.partitions,
            show_duration(info.config.retention_us),
            info.config.retention_bytes,
            info.config.compaction,
            show_time(info.created_us),
        )
    };
    all.iter().map(line).fold(Block::new(format!("TOPICS {}", all.len())), Block::text)
}

fn info(topics: &Topics, name: &str) -> Result<Block> {
    let info = find(topics, name)?.info().map_err(failed)?;
    let block = configured(Block::new(format!("TOPIC_INFO {name}")), &info)
        .pair("id", info.id)
        .pair("last_failure", topics.failure().unwrap_or_else(|| "none".to_owned()));
    Ok(info.partitions.iter().map(partition_line).fold(block, Block::text))
}

/// One line of `key=value`, why it takes no writes last since it holds spaces.
fn partition_line(info: &PartitionInfo) -> String {
    let poisoned = info.poisoned.as_ref().map(|why| format!(" poisoned={why}")).unwrap_or_default();
    format!(
        "partition={} base_offset={} high_water_mark={} durable_offset={} records={} segments={} compacted_segments={} stored_bytes={} last_time={}{poisoned}",
        info.partition,
        info.base_offset,
        info.high_water_mark,
        info.durable_offset,
        info.records,
        info.segments,
        info.compacted_segments,
        info.bytes,
        info.last_timestamp_us.map_or_else(|| "none".to_owned(), show_time),
    )
}

fn append(backend: &EngineBackend, topics: &Topics, asked: &AppendTopic) -> Result<Block> {
    let (key, value) = (asked.key.as_deref().map(str::as_bytes), asked.value.as_deref().map(str::as_bytes));
    let entry = Entry { timestamp_us: backend.now_us(), key, value };
    let places = find(topics, &asked.name)?.append(asked.partition, &[entry]).map_err(failed)?;
    let at = places
        .first()
        .ok_or_else(|| Failure::new(ErrorKind::Bug, "internal error: no place; please report it"))?;
    Ok(Block::new(format!("TOPIC_APPENDED {}", asked.name))
        .pair("topic", &asked.name)
        .pair("partition", at.partition)
        .pair("offset", at.offset))
}

fn read(topics: &Topics, asked: &ReadTopic) -> Result<Block> {
    let ReadTopic { name, partition, from_offset, count } = asked;
    let found = find(topics, name)?.read(*partition, *from_offset, *count, READ_BYTES_MAX).map_err(failed)?;
    let block = Block::new(format!("TOPIC_RECORDS {}", found.records.len()))
        .pair("next_offset", found.next_offset)
        .pair("high_water_mark", found.high_water_mark);
    Ok(found.records.iter().map(record_line).fold(block, Block::text))
}

/// `offset=… time=… key="…" value="…"`; a key or a value that a record does not have is left out.
fn record_line(record: &Record) -> String {
    let mut line = format!("offset={} time={}", record.offset, show_time(record.timestamp_us));
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        if let Some(bytes) = bytes {
            push_bytes(&mut line, name, bytes);
        }
    }
    line
}

/// Text in double quotes, a backslash before `"` and `\`; what is no text, or would break the line, as hex digits.
fn push_bytes(line: &mut String, name: &str, bytes: &[u8]) {
    // Writing into a String cannot fail.
    let _ = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => {
            write!(line, " {name}=\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => {
            let _ = write!(line, " {name}_hex=");
            bytes.iter().try_for_each(|byte| write!(line, "{byte:02x}"))
        }
    };
}

fn offset(topics: &Topics, name: &str, partition: u32, time: ParsedTime) -> Result<Block> {
    let found = find(topics, name)?.offset_for_time(partition, time.us).map_err(failed)?;
    let block = Block::new(format!("TOPIC_OFFSET {name}"))
        .pair("topic", name)
        .pair("partition", partition)
        .pair("time", show_time(time.us))
        .pair("offset", found.map_or_else(|| "none".to_owned(), |offset| offset.to_string()));
    Ok(if time.zone_assumed { block.pair("note", ZONE_NOTE) } else { block })
}

fn delete(topics: &Topics, name: &str) -> Result<Block> {
    topics.manager().delete_topic(name).map_err(failed)?;
    Ok(Block::new(format!("TOPIC_DELETED {name}")).pair("topic", name))
}

fn compact(backend: &EngineBackend, topics: &Topics, name: &str) -> Result<Block> {
    let topic = find(topics, name)?;
    if topic.config().compaction == CompactionPolicy::None {
        return Err(Failure::input(format!("topic {name} has compaction none: expected key")));
    }
    let done = topic.compact(backend.now_us());
    if let Some(error) = done.failed.into_iter().next() {
        return Err(failed(error));
    }
    let sum = |of: fn(&Compacted) -> u64| done.done.iter().map(of).sum::<u64>();
    let bytes: i64 = done.done.iter().map(|c| c.compaction.bytes).sum();
    Ok(Block::new(format!("TOPIC_COMPACTED {name}"))
        .pair("topic", name)
        .pair("partitions", done.done.len())
        .pair("segments", sum(|c| c.compaction.segments))
        .pair("records_removed", sum(|c| c.compaction.records))
        .pair("freed_bytes", bytes))
}
