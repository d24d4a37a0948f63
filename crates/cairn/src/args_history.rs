//! The command line of the log and the past: `wal`, `storage wal`, `timeline`, `open`, `repair`.

use crate::args::DATA;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const WAL_EXAMPLES: &str = "Examples:
  cairn wal status                                          of ./cairn-data, no server running
  cairn wal enable --sync-mode fsync --retention 48h        every acknowledged write is on disk
  cairn wal enable --sync-mode periodic --flush-interval 5s --addr 127.0.0.1:11017
  cairn wal replay --path old/wal --to 2026-11-21T10:00:00Z --dry-run
  cairn wal verify --data cairn-data                        reads every record, changes nothing
  cairn wal disable

An option that is not given stays as it is; a new database has fsync, 64MB, 24h.
cairn storage wal is the same and prints JSON unless told otherwise.";

const TIMELINE_EXAMPLES: &str = "Examples:
  cairn timeline list                                       what can be had back
  cairn timeline recover 2026-11-21T10:00:00Z --dry-run     where that would stand
  cairn timeline recover 2026-11-21T10:00:00Z               go back; the state until now stays beside it
  cairn timeline recover 4711 --branch --addr 127.0.0.1:11017
  cairn timeline compare 0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b --addr 127.0.0.1:11017
  cairn timeline promote 0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b   make a branch, or what was before, the live state
  cairn timeline drop 0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b --dry-run";

const OPEN_EXAMPLES: &str = "Examples:
  cairn open cairn-data --read-only --as-of 2026-11-21T10:00:00Z --exec 'SIM nginx 5' CHECK
  cairn open cairn-data --read-only --as-of 4711            serves it on a free port of the loopback

A server may have the directory open meanwhile; nothing in it is touched. Without --exec it prints one line on
stdout when it listens:
  ready tcp=ADDR data=DIR as_of=LSN";

const REPAIR_EXAMPLES: &str = "Examples:
  cairn repair cairn-data --dry-run    what is damaged, and what could be saved
  cairn repair cairn-data --yes        saves it

It saves the best state that the checkpoints and the readable part of the log give, as a new timeline. Nothing damaged is
removed: it stays in its own timeline (cairn timeline list), until that is dropped. Exits with 3 when damage is found and
nothing was done.";

/// Of `repair`.
#[derive(Debug, Args)]
#[command(after_help = REPAIR_EXAMPLES)]
pub struct RepairArgs {
    /// The data directory, of a server that does not run.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Shows the plan, and changes nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Repairs without asking.
    #[arg(long)]
    pub yes: bool,
}

/// Which database: a data directory that no server has open, or a running server's.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// The data directory, of a server that does not run.
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "addr")]
    pub data: PathBuf,
    /// A running server.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
}

/// Of `wal`.
#[derive(Debug, Args)]
#[command(after_help = WAL_EXAMPLES)]
pub struct WalArgs {
    /// What to do with the log.
    #[command(subcommand)]
    pub command: WalCommand,
}

/// The commands below `wal`.
#[derive(Debug, Subcommand)]
pub enum WalCommand {
    /// Switches the log on, or changes how it is kept.
    Enable(EnableArgs),
    /// Switches it off: what is written after the last checkpoint is lost at a crash.
    Disable(PlaceArgs),
    /// Says how it is kept and how much of it there is.
    Status(PlaceArgs),
    /// Applies the records of a directory of log segments.
    Replay(ReplayArgs),
    /// Reads and checks every record.
    Verify(PlaceArgs),
}

/// Of `wal enable`.
#[derive(Debug, Args)]
pub struct EnableArgs {
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The log's directory; "" puts it inside the data directory.
    #[arg(long, value_name = "DIR")]
    pub path: Option<String>,
    /// When a write is durable: fsync (before it is acknowledged), periodic (every flush interval), async.
    #[arg(long, value_name = "MODE")]
    pub sync_mode: Option<String>,
    /// A segment's size, as 134217728 or 64MB; at least 1MB.
    #[arg(long, value_name = "SIZE")]
    pub segment_size: Option<String>,
    /// How far back the past is kept, as 24h or 7d.
    #[arg(long, value_name = "DURATION")]
    pub retention: Option<String>,
    /// Bytes of log kept at most for that, as 8GB; 0: any number.
    #[arg(long, value_name = "SIZE")]
    pub retention_bytes: Option<String>,
    /// Between two syncs in mode periodic, as 5s.
    #[arg(long, value_name = "DURATION")]
    pub flush_interval: Option<String>,
    /// Whether vectors are in the log: on or off.
    #[arg(long, value_name = "on|off")]
    pub include_vectors: Option<String>,
}

/// Of `wal replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The directory of the segments [default: the database's own, all of which is applied already].
    #[arg(long, value_name = "DIR")]
    pub path: Option<String>,
    /// Records before this time must be there already.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Records after this time are left out.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Reads all of it before anything is applied.
    #[arg(long)]
    pub verify: bool,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `timeline`.
#[derive(Debug, Args)]
#[command(after_help = TIMELINE_EXAMPLES)]
pub struct TimelineArgs {
    /// What to do with timelines.
    #[command(subcommand)]
    pub command: TimelineCommand,
}

/// The commands below `timeline`.
#[derive(Debug, Subcommand)]
pub enum TimelineCommand {
    /// Lists the timelines and what each can bring back.
    List(PlaceArgs),
    /// Goes back to a point of the past.
    Recover(RecoverArgs),
    /// Says how a timeline's newest state differs from the live one.
    Compare(TimelineOneArgs),
    /// Makes a timeline the live one.
    Promote(TimelineOneArgs),
    /// Removes a timeline for good.
    Drop(DropArgs),
}

/// Of `timeline recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// `latest`, an LSN, or a time as 2026-11-21T10:00:00Z.
    #[arg(value_name = "POINT")]
    pub point: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// On which timeline's line [default: the live one's].
    #[arg(long, value_name = "ID")]
    pub timeline: Option<String>,
    /// Only makes a branch, which can be looked at, compared, promoted or dropped.
    #[arg(long)]
    pub branch: bool,
    /// Says where it would stand, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `timeline compare` and `timeline promote`.
#[derive(Debug, Args)]
pub struct TimelineOneArgs {
    /// The timeline's id.
    #[arg(value_name = "ID")]
    pub timeline: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Of `timeline drop`.
#[derive(Debug, Args)]
pub struct DropArgs {
    /// The timeline's id.
    #[arg(value_name = "ID")]
    pub timeline: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Says what would go, and removes nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `open`.
#[derive(Debug, Args)]
#[command(after_help = OPEN_EXAMPLES)]
pub struct OpenArgs {
    /// The data directory.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Which state: `latest`, an LSN, or a time as 2026-11-21T10:00:00Z.
    #[arg(long, value_name = "POINT", default_value = "latest")]
    pub as_of: String,
    /// Must be said: a state of the past is only read. To go on from it: cairn timeline recover.
    #[arg(long, required = true)]
    pub read_only: bool,
    /// On which timeline's line [default: the live one's].
    #[arg(long, value_name = "ID")]
    pub timeline: Option<String>,
    /// Where to listen [default: any free port of the loopback].
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "exec")]
    pub tcp: Option<String>,
    /// Command lines to be answered instead of listening, each one argument.
    #[arg(long, value_name = "LINE", num_args = 1..)]
    pub exec: Vec<String>,
}
