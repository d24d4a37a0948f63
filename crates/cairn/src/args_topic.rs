//! The command line of the user's logs: `topic`.

use crate::args_history::PlaceArgs;
use clap::{Args, Subcommand};

const EXAMPLES: &str = "Examples:
  cairn topic create orders --partitions 3 --retention 7d
  cairn topic append orders 'two apples' --key customer-7 --addr 127.0.0.1:11017
  cairn topic read orders 0 0 --count 10                 from partition 0, offset 0 on
  cairn topic offset orders 0 2026-11-21T10:00:00Z       the first record that is not earlier
  cairn topic create prices --compaction key             of each key only the newest record stays
  cairn topic append prices --key apple                  a key without a value: the key is gone
  cairn topic compact prices
  cairn topic alter orders --retention 30d --sync-mode periodic --flush-interval 1s
  cairn topic snapshot create orders                     all partitions, at one moment
  cairn topic list
  cairn topic info orders                                its settings, and each partition
  cairn topic delete orders

Without --addr they work on a data directory that no server has open.";

const SNAPSHOT_EXAMPLES: &str = "Examples:
  cairn topic snapshot create orders                     hard links: takes no space until the log moves on
  cairn topic snapshot create orders --compression zstd --parallel 2
  cairn topic snapshot list orders --format table
  cairn topic snapshot verify orders snapshot-1763812800000000000
  cairn topic snapshot restore orders snapshot-1763812800000000000 --as orders-of-then
  cairn topic snapshot cleanup orders --max-snapshots 5 --retention 24h
  cairn topic snapshot delete orders snapshot-1763812800000000000

A snapshot is beside the topic's records and goes with the topic when that is deleted: it protects from what is appended
and dropped, not from a bad disk. Verify exits with 3 when a file is damaged.";

/// Of `topic`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TopicArgs {
    /// What to do with topics.
    #[command(subcommand)]
    pub command: TopicCommand,
}

/// The commands below `topic`.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Makes a topic.
    Create(CreateTopicArgs),
    /// Changes how a topic is kept; what is not given stays as it is.
    Alter(AlterTopicArgs),
    /// Takes, lists, verifies, restores and deletes snapshots of a topic.
    Snapshot(TopicSnapshotArgs),
    /// Lists the topics.
    List(PlaceArgs),
    /// Shows one topic and its partitions.
    Info(OneTopicArgs),
    /// Appends a record.
    Append(AppendArgs),
    /// Reads records.
    Read(ReadArgs),
    /// Finds the first record that is not earlier than a time.
    Offset(OffsetArgs),
    /// Removes a topic and all its records, for good.
    Delete(OneTopicArgs),
    /// Takes superseded records out of a topic with compaction by key.
    Compact(OneTopicArgs),
}

/// Of `topic create`.
#[derive(Debug, Args)]
pub struct CreateTopicArgs {
    /// The topic's name.
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How many partitions [default: 1].
    #[arg(long, value_name = "N")]
    pub partitions: Option<String>,
    /// How it is kept.
    #[command(flatten)]
    pub kept: KeptArgs,
}

/// How a topic is kept: what `create` begins with and `alter` changes.
#[derive(Debug, Args)]
pub struct KeptArgs {
    /// How long records are kept, as 24h or 7d; 0: for good [of a new topic: 0].
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// How many bytes a partition keeps, as 8GB; 0: any number [of a new topic: 0].
    #[arg(long, value_name = "SIZE")]
    pub retention_bytes: Option<String>,
    /// Which records later ones supersede: none, or key [of a new topic: none].
    #[arg(long, value_name = "none|key")]
    pub compaction: Option<String>,
    /// How long a tombstone outlives compaction, as 24h [of a new topic: 24h].
    #[arg(long, value_name = "DURATION")]
    pub tombstone_retention: Option<String>,
    /// When a record is durable: fsync (before it is acknowledged), periodic, async [of a new topic: fsync].
    #[arg(long, value_name = "MODE")]
    pub sync_mode: Option<String>,
    /// Between two syncs in mode periodic, as 5s.
    #[arg(long, value_name = "DURATION")]
    pub flush_interval: Option<String>,
}

/// Of `topic alter`.
#[derive(Debug, Args)]
pub struct AlterTopicArgs {
    /// The topic's name.
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What is to be different.
    #[command(flatten)]
    pub kept: KeptArgs,
}

/// Of `topic snapshot`.
#[derive(Debug, Args)]
#[command(after_help = SNAPSHOT_EXAMPLES)]
pub struct TopicSnapshotArgs {
    /// What to do with snapshots.
    #[command(subcommand)]
    pub command: TopicSnapshotCommand,
}

/// The commands below `topic snapshot`.
#[derive(Debug, Subcommand)]
pub enum TopicSnapshotCommand {
    /// Takes a snapshot of all partitions at one moment.
    Create(CreateTopicSnapshotArgs),
    /// Lists a topic's snapshots, newest first.
    List(OneTopicArgs),
    /// Reads and checks every byte of a snapshot.
    Verify(OneTopicSnapshotArgs),
    /// Makes a new topic of a snapshot.
    Restore(RestoreTopicSnapshotArgs),
    /// Removes a snapshot, for good.
    Delete(OneTopicSnapshotArgs),
    /// Removes the snapshots that a policy does not keep; the newest good one always stays.
    Cleanup(CleanupTopicSnapshotsArgs),
}

/// Of `topic snapshot create`.
#[derive(Debug, Args)]
pub struct CreateTopicSnapshotArgs {
    /// The topic's name.
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How files are stored: none (hard links), zstd, or gzip [default: none].
    #[arg(long, value_name = "none|zstd|gzip")]
    pub compression: Option<String>,
    /// How many files are worked on at a time [default: 1].
    #[arg(long, value_name = "N")]
    pub parallel: Option<String>,
}

/// Of `topic snapshot verify` and `topic snapshot delete`.
#[derive(Debug, Args)]
pub struct OneTopicSnapshotArgs {
    /// The topic's name.
    pub name: String,
    /// The snapshot's id.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Of `topic snapshot restore`.
#[derive(Debug, Args)]
pub struct RestoreTopicSnapshotArgs {
    /// Which snapshot.
    #[command(flatten)]
    pub snapshot: OneTopicSnapshotArgs,
    /// The name of the new topic.
    #[arg(long = "as", value_name = "NAME")]
    pub new: String,
}

/// Of `topic snapshot cleanup`.
#[derive(Debug, Args)]
pub struct CleanupTopicSnapshotsArgs {
    /// The topic's name.
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How many are kept at most [default: 5].
    #[arg(long, value_name = "N")]
    pub max_snapshots: Option<String>,
    /// Older ones go, as 24h or 7d [default: 24h].
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
}

/// Of `topic info`, `topic delete` and `topic compact`.
#[derive(Debug, Args)]
pub struct OneTopicArgs {
    /// The topic's name.
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Of `topic append`.
#[derive(Debug, Args)]
pub struct AppendArgs {
    /// The topic's name.
    pub name: String,
    /// The value; without one, the record says that its key is gone.
    #[arg(required_unless_present = "key")]
    pub value: Option<String>,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The partition [default: where the key belongs, or the next in turn].
    #[arg(long, value_name = "N")]
    pub partition: Option<String>,
    /// The key.
    #[arg(long)]
    pub key: Option<String>,
}

/// Of `topic read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// The topic's name.
    pub name: String,
    /// The partition.
    pub partition: String,
    /// The first offset.
    pub offset: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How many records at most [default: 100].
    #[arg(long, value_name = "N")]
    pub count: Option<String>,
}

/// Of `topic offset`.
#[derive(Debug, Args)]
pub struct OffsetArgs {
    /// The topic's name.
    pub name: String,
    /// The partition.
    pub partition: String,
    /// The time, as 2026-11-21T10:00:00Z.
    pub time: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}
