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
  cairn topic list

Without --addr they work on a data directory that no server has open.";

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
    /// How long records are kept, as 24h or 7d; 0: for good [default: 0].
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// How many bytes a partition keeps, as 8GB; 0: any number [default: 0].
    #[arg(long, value_name = "SIZE")]
    pub retention_bytes: Option<String>,
    /// Which records later ones supersede: none, or key [default: none].
    #[arg(long, value_name = "none|key")]
    pub compaction: Option<String>,
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
