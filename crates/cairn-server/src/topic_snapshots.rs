//! TOPIC SNAPSHOT: snapshots of the user's logs, over the wire.

use crate::command::{TopicCompression, TopicSnapshots as Ask};
use crate::failure::Failure;
use crate::reply::Block;
use crate::topics::failed;
use cairn_engine::topics::{
    Compression, SnapshotConfig, SnapshotOptions, TopicManager, TopicSnapshot, Verification,
};
use cairn_engine::{ErrorKind, show_time};
use std::time::Duration;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn topic_snapshot(manager: &TopicManager, ask: &Ask) -> Result<Block> {
    match ask {
        Ask::Create { topic, compression, parallel } => {
            let options = SnapshotOptions { compression: codec(*compression), parallel: *parallel };
            let made = manager.create_topic_snapshot_with(topic, &options).map_err(failed)?;
            let no_partition = || Failure::new(ErrorKind::Bug, "internal error: a topic without partitions");
            let id = &made.first().ok_or_else(no_partition)?.id;
            let snapshot = manager.topic_snapshot(topic, id).map_err(failed)?;
            Ok(detailed(Block::new(format!("TOPIC_SNAPSHOT_CREATED {id}")), topic, &snapshot))
        }
        Ask::List(topic) => {
            let all = manager.list_topic_snapshots(topic).map_err(failed)?;
            let head = Block::new(format!("TOPIC_SNAPSHOTS {}", all.len()));
            Ok(all.iter().map(line).fold(head, Block::text))
        }
        Ask::Verify { topic, id } => verify(manager, topic, id),
        Ask::Restore { topic, id, new } => {
            let restored = manager.restore_topic_snapshot(topic, id, new).map_err(failed)?;
            let info = restored.info().map_err(failed)?;
            Ok(Block::new(format!("TOPIC_SNAPSHOT_RESTORED {id}"))
                .pair("topic", new)
                .pair("snapshot", id)
                .pair("partitions", info.partitions.len())
                .pair("records", info.partitions.iter().map(|p| p.records).sum::<u64>())
                .pair("stored_bytes", info.partitions.iter().map(|p| p.bytes).sum::<u64>()))
        }
        Ask::Delete { topic, id } => {
            let partitions = manager.delete_topic_snapshot(topic, id).map_err(failed)?;
            Ok(Block::new(format!("TOPIC_SNAPSHOT_DELETED {id}"))
                .pair("topic", topic)
                .pair("snapshot", id)
                .pair("partitions", partitions))
        }
        Ask::Cleanup { topic, max_snapshots, retention_us } => {
            let retention_time = Duration::from_micros(*retention_us);
            let policy =
                SnapshotConfig { max_snapshots: *max_snapshots, retention_time, ..SnapshotConfig::default() };
            let cleaned = manager.cleanup_topic_snapshots(topic, &policy).map_err(failed)?;
            let mut deleted: Vec<String> = cleaned.iter().flat_map(|c| c.deleted.iter().cloned()).collect();
            deleted.sort_unstable();
            deleted.dedup();
            Ok(Block::new(format!("TOPIC_SNAPSHOT_CLEANED {topic}"))
                .pair("topic", topic)
                .pair("deleted", deleted.len())
                .pair("deleted_ids", deleted.join(","))
                .pair("kept_newest", cleaned.iter().any(|c| c.kept_newest)))
        }
    }
}

fn codec(compression: TopicCompression) -> Compression {
    match compression {
        TopicCompression::None => Compression::None,
        TopicCompression::Zstd => Compression::Zstd { level: 3 },
        TopicCompression::Gzip => Compression::Gzip { level: 6 },
    }
}

/// What its partitions' snapshots come to.
struct Sums {
    segments: usize,
    records_to: u64,
    bytes: u64,
    stored_bytes: u64,
    linked: bool,
}

fn sums(snapshot: &TopicSnapshot) -> Sums {
    let of = || snapshot.partitions.iter().map(|(_, s)| s);
    Sums {
        segments: of().map(|s| s.num_segments).sum(),
        records_to: of().map(|s| s.high_water_mark - s.base_offset.min(s.high_water_mark)).sum(),
        bytes: of().map(|s| s.total_size).sum(),
        stored_bytes: of().map(|s| s.stored_size).sum(),
        linked: of().any(|s| s.linked),
    }
}

fn detailed(block: Block, topic: &str, snapshot: &TopicSnapshot) -> Block {
    let sums = sums(snapshot);
    let block = block
        .pair("topic", topic)
        .pair("snapshot", &snapshot.id)
        .pair("created_at", show_time(snapshot.timestamp_us))
        .pair("partitions", snapshot.partitions.len())
        .pair("whole", snapshot.whole)
        .pair("segments", sums.segments)
        .pair("offsets", sums.records_to)
        .pair("plain_bytes", sums.bytes)
        .pair("stored_bytes", sums.stored_bytes)
        .pair("linked", sums.linked);
    let part = |(number, s): &(u32, _)| partition_line(*number, s);
    snapshot.partitions.iter().map(part).fold(block, Block::text)
}

fn partition_line(number: u32, s: &cairn_engine::topics::Snapshot) -> String {
    format!(
        "partition={number} base_offset={} high_water_mark={} segments={} plain_bytes={} stored_bytes={}",
        s.base_offset, s.high_water_mark, s.num_segments, s.total_size, s.stored_size
    )
}

fn line(snapshot: &TopicSnapshot) -> String {
    let sums = sums(snapshot);
    format!(
        "snapshot={} created_at={} partitions={} whole={} segments={} offsets={} plain_bytes={} stored_bytes={} linked={}",
        snapshot.id,
        show_time(snapshot.timestamp_us),
        snapshot.partitions.len(),
        snapshot.whole,
        sums.segments,
        sums.records_to,
        sums.bytes,
        sums.stored_bytes,
        sums.linked
    )
}

/// Damage is an error that names the first damaged file.
fn verify(manager: &TopicManager, topic: &str, id: &str) -> Result<Block> {
    let whole = manager.topic_snapshot(topic, id).map_err(failed)?.whole;
    let found = manager.verify_topic_snapshot(topic, id).map_err(failed)?;
    let of = |number: fn(&Verification) -> u64| found.iter().map(|(_, v)| number(v)).sum::<u64>();
    if let Some(first) = found.iter().find_map(|(_, v)| v.damage.first()) {
        let damaged = of(|v| v.damage.len() as u64);
        let mut failure = failed(first.clone());
        failure.message = format!("{} ({damaged} damaged in all)", failure.message);
        return Err(failure);
    }
    Ok(Block::new(format!("TOPIC_SNAPSHOT_VALID {id}"))
        .pair("topic", topic)
        .pair("snapshot", id)
        .pair("status", if whole { "valid" } else { "incomplete" })
        .pair("partitions", found.len())
        .pair("files", of(|v| v.files as u64))
        .pair("plain_bytes", of(|v| v.bytes)))
}
