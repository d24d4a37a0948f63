//! The command line: what can be asked.

use crate::args_archive::{ArchiveArgs, RecoverArgs};
use crate::args_collection::CollectionArgs;
use crate::args_history::{OpenArgs, RepairArgs, TimelineArgs, WalArgs};
use crate::args_keeping::{PinArgs, PruneArgs, ScheduleArgs};
use crate::args_storage::StorageArgs;
use crate::args_topic::TopicArgs;
use crate::args_transfer::{ExportArgs, ImportArgs};
use crate::progress::Show;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Where a client looks for a server, and where a server listens, when nothing else is said.
pub const ADDR: &str = "127.0.0.1:11017";
/// Where HTTP is served by default, when it is switched on.
pub const HTTP_ADDR: &str = "127.0.0.1:8080";
/// Where `serve` keeps its data when nothing else is said.
pub const DATA: &str = "cairn-data";
/// Where a server started without a configuration keeps its snapshots.
pub const REPO: &str = "cairn-snapshots/repository";

const EXAMPLES: &str = "Examples:
  cairn demo                                           the whole story, in under a minute
  cairn serve                                          a server, its data in ./cairn-data
  cairn exec 'VECSET a 1 0' 'SIM a 10 using=vectors'   talk to it
  cairn snapshot create --addr 127.0.0.1:11017         snapshot it while it runs
  cairn timeline recover 2026-11-21T10:00:00Z          go back to a moment
  cairn collection create products -d 384 --on-disk    beside the default one
  cairn import items.jsonl --collection products       npy, fvecs, JSON Lines, CSV, …
  cairn check cairn-data                               verify every byte of a stopped one

--addr is HOST:PORT, or unix:PATH for a Unix socket. A server's password comes from the environment: CAIRN_PASSWORD.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 damage found, 4 not found,
5 locked by another process, 6 no space or no permission.";

const SERVE_EXAMPLES: &str = "Examples:
  cairn serve                          data in ./cairn-data, loopback only
  cairn serve -c /etc/cairn.yaml       nvecd's configuration files load as they are
  cairn serve --tcp 127.0.0.1:0        any free port; the ready line on stdout names it
  cairn serve --http 127.0.0.1:8080    JSON over HTTP beside the line protocol

When it listens it prints one line on stdout:
  ready tcp=ADDR http=ADDR|off unix=PATH|off data=DIR
Logs go to stderr. SIGTERM and Ctrl-C let it answer what it has read, then stop it.";

const EXEC_EXAMPLES: &str = "Examples:
  cairn exec INFO
  cairn exec 'VECSET a 1 0 0' 'VECSET b 0.9 0.1 0' 'SIM a 10 using=vectors'
  cairn exec --collection products 'SIMV 10 ef=200 0.1 0.5 0.8'
  cairn exec --addr 10.0.0.7:11017 - < commands.txt

Exits with 1 when any reply is an error.";

const SNAPSHOT_EXAMPLES: &str = "Examples:
  cairn snapshot create --data cairn-data --repo backups --name before-upgrade
  cairn snapshot create --incremental                     only what changed since the newest one
  cairn snapshot create --addr 127.0.0.1:11017            of a running server, into its own repository
  cairn snapshot list --repo backups
  cairn snapshot info before-upgrade --repo backups
  cairn snapshot diff before-upgrade hourly --repo backups
  cairn snapshot verify before-upgrade --repo backups     reads and hashes every byte
  cairn snapshot restore before-upgrade --repo backups --data restored
  cairn snapshot delete before-upgrade --repo backups --dry-run
  cairn snapshot prune --repo backups --keep-last 7 --keep-daily 14 --dry-run
  cairn snapshot pin before-upgrade --repo backups --note 'until the audit'
  cairn snapshot unpin before-upgrade --repo backups
  cairn snapshot schedule --addr 127.0.0.1:11017          next runs, last results";

/// CairnDB: search by vector and by behaviour, where nothing acknowledged is lost.
#[derive(Debug, Parser)]
#[command(name = "cairn", version, after_help = EXAMPLES)]
pub struct Cli {
    /// How to print results: json or table [default: table on a terminal, json elsewhere; json of collection
    /// and storage]. Of import and export: the format of the data.
    #[arg(long, global = true)]
    pub format: Option<String>,
    /// How the progress of long work is shown, on stderr.
    #[arg(long, global = true, value_enum, default_value = "bar")]
    pub progress: Show,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a server.
    Serve(ServeArgs),
    /// Sends command lines to a server and prints its replies.
    Exec(ExecArgs),
    /// Creates, lists, verifies, restores, deletes, prunes and pins snapshots; shows their schedules.
    Snapshot(SnapshotArgs),
    /// Keeps the write-ahead log: enable, disable, status, replay, verify.
    Wal(WalArgs),
    /// Keeps collections: create, list, stats, delete, rename, alias, unalias, configure.
    Collection(CollectionArgs),
    /// The storage commands, which print JSON: wal, mmap, compact, stats.
    Storage(StorageArgs),
    /// Reads vectors, metadata and events from a file or a stream into a collection.
    Import(Box<ImportArgs>),
    /// Writes what a collection holds, now or in the past, to a file or a stream.
    Export(ExportArgs),
    /// Lists the past and goes back to it: list, recover, compare, promote, drop.
    Timeline(TimelineArgs),
    /// Keeps the user's logs: create, list, info, append, read, offset, delete, compact.
    Topic(TopicArgs),
    /// Brings a database back as it was at any point, from a repository alone.
    Recover(RecoverArgs),
    /// The log in a repository: list, verify, ship, prune.
    Archive(ArchiveArgs),
    /// Opens a state of the past to be read, beside a running server or without one.
    Open(OpenArgs),
    /// Verifies every byte of a data directory and says what state it holds.
    Check(CheckArgs),
    /// Saves the best state that a damaged data directory still holds.
    Repair(RepairArgs),
    /// The main job end to end on real data.
    Demo(DemoArgs),
}

/// Of `serve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArgs {
    /// The configuration, YAML with nvecd's key names.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory, made when absent [default: the configuration's, else ./cairn-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where to listen [default: the configuration's, else 127.0.0.1:11017].
    #[arg(long, value_name = "HOST:PORT")]
    pub tcp: Option<String>,
    /// Serves HTTP too, there [default: the configuration's, else no HTTP].
    #[arg(long, value_name = "HOST:PORT")]
    pub http: Option<String>,
}

/// Of `exec`.
#[derive(Debug, Args)]
#[command(after_help = EXEC_EXAMPLES)]
pub struct ExecArgs {
    /// The server.
    #[arg(long, value_name = "HOST:PORT", default_value = ADDR)]
    pub addr: String,
    /// The collection that the lines mean [default: default].
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
    /// Command lines, each one argument; `-` or nothing reads them from standard input.
    #[arg(value_name = "LINE")]
    pub lines: Vec<String>,
}

/// Of `snapshot`.
#[derive(Debug, Args)]
#[command(after_help = SNAPSHOT_EXAMPLES)]
pub struct SnapshotArgs {
    /// What to do with snapshots.
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// The commands below `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Takes a snapshot of a data directory, or of a running server.
    Create(CreateArgs),
    /// Lists the snapshots of a repository.
    List(ListArgs),
    /// Shows one snapshot.
    Info(OneArgs),
    /// Reads and hashes every byte of a snapshot, or of all and the log archive.
    Verify(VerifyArgs),
    /// Shows how what two snapshots hold differs, by number.
    Diff(DiffArgs),
    /// Builds a data directory from a snapshot, or replaces a running server's state by it.
    Restore(RestoreArgs),
    /// Deletes a snapshot and the parts that only it names.
    Delete(DeleteArgs),
    /// Removes the snapshots that a policy does not keep.
    Prune(PruneArgs),
    /// Keeps a snapshot from being pruned, and from being deleted by mistake.
    Pin(PinArgs),
    /// Takes a snapshot's pin off.
    Unpin(OneArgs),
    /// Shows schedules, their next runs and last results.
    Schedule(ScheduleArgs),
}

/// Which repository: a directory, or that of a running server.
#[derive(Debug, Args)]
pub struct WhereArgs {
    /// The repository's directory.
    #[arg(long, value_name = "DIR", default_value = REPO, conflicts_with = "addr")]
    pub repo: PathBuf,
    /// A running server, which uses its own repository.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
}

/// Of `snapshot create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// The data directory, of a server that does not run.
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "addr")]
    pub data: PathBuf,
    /// An alias that the other commands take for the id.
    #[arg(long)]
    pub name: Option<String>,
    /// Only this collection; may be given more than once [default: the whole database].
    #[arg(long = "collection", value_name = "NAME")]
    pub collections: Vec<String>,
    /// How parts are stored [default: zstd].
    #[arg(long, value_enum)]
    pub compression: Option<CompressionArg>,
    /// What and how.
    #[command(flatten)]
    pub what: WhatArgs,
}

/// What a snapshot covers, and what it goes on from.
#[derive(Debug, Clone, Default, Args)]
pub struct WhatArgs {
    /// Stores the changes since the newest snapshot of the same collections; a full one when there is none.
    #[arg(long)]
    pub incremental: bool,
    /// Stores the changes since this snapshot.
    #[arg(long, value_name = "ID|NAME")]
    pub base: Option<String>,
    /// Words for people.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A word for people; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
}

/// How parts are stored.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CompressionArg {
    /// Zstandard.
    Zstd,
    /// gzip.
    Gzip,
    /// As they are.
    None,
}

impl CompressionArg {
    /// Its word in a line.
    pub fn word(self) -> &'static str {
        match self {
            CompressionArg::Zstd => "zstd",
            CompressionArg::Gzip => "gzip",
            CompressionArg::None => "none",
        }
    }
}

/// Of `snapshot list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// Only those that cover this collection.
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
}

/// Of `snapshot verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The snapshot's id or name.
    #[arg(value_name = "ID|NAME", required_unless_present = "all", conflicts_with = "all")]
    pub snapshot: Option<String>,
    /// All snapshots, what they share read once, and the log archive.
    #[arg(long)]
    pub all: bool,
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// Reads every byte: the default.
    #[arg(long, conflicts_with_all = ["read_data_subset", "sizes"])]
    pub read_data: bool,
    /// Reads a share of the bytes, another one each time, as 5%; of the rest it checks that it is there, and how long.
    #[arg(long, value_name = "PERCENT", conflicts_with = "sizes")]
    pub read_data_subset: Option<String>,
    /// Reads no parts: only what names them, and how long they are.
    #[arg(long)]
    pub sizes: bool,
}

/// Of `snapshot diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The snapshot from which on it is told.
    #[arg(value_name = "ID|NAME")]
    pub from: String,
    /// The other.
    #[arg(value_name = "ID|NAME")]
    pub to: String,
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// Of `snapshot info` and `snapshot unpin`.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The snapshot's id or name.
    #[arg(value_name = "ID|NAME")]
    pub snapshot: String,
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
}

/// Of `snapshot restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The snapshot's id or name.
    #[arg(value_name = "ID|NAME")]
    pub snapshot: String,
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// The data directory to build, absent or empty; or one that is there, with --overwrite, --collection or --branch.
    #[arg(long, value_name = "DIR", required_unless_present = "addr", conflicts_with = "addr")]
    pub data: Option<PathBuf>,
    /// What and how.
    #[command(flatten)]
    pub how: HowArgs,
}

/// What is restored, and over what.
#[derive(Debug, Clone, Default, Args)]
pub struct HowArgs {
    /// Brings one collection back under this name, beside all others.
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
    /// Its name in the snapshot, when it is another.
    #[arg(long, value_name = "NAME")]
    pub from: Option<String>,
    /// Replaces a collection of that name; without --collection the data directory, which is kept under another name.
    #[arg(long)]
    pub overwrite: bool,
    /// Reads every byte of the snapshot before anything is done.
    #[arg(long)]
    pub verify: bool,
    /// Makes a branch: a timeline to look at, compare, promote or drop (cairn timeline).
    #[arg(long, conflicts_with_all = ["collection", "from", "overwrite", "as_of"])]
    pub branch: bool,
    /// Says what would be read and written, and about how long it takes; restores nothing.
    #[arg(long, conflicts_with = "as_of")]
    pub dry_run: bool,
    /// Goes on by the archived log to this point: a time, or an LSN.
    #[arg(long, value_name = "TIME|LSN", conflicts_with_all = ["addr", "collection", "from", "overwrite"])]
    pub as_of: Option<String>,
}

/// Of `snapshot delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The snapshot's id or name.
    #[arg(value_name = "ID|NAME")]
    pub snapshot: String,
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// Says what would go, and deletes nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Deletes it also when it is pinned.
    #[arg(long)]
    pub force: bool,
    /// How long another writer of the repository is waited for.
    #[arg(long, value_name = "DURATION", default_value = "60s", conflicts_with = "addr")]
    pub wait: String,
}

/// Of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The data directory.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keeps the demo's directory (data, snapshots, server log) and says where it is.
    #[arg(long)]
    pub keep: bool,
}
