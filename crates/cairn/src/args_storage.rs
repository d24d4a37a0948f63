//! The command line of storage: `storage`.

use crate::args::{CompressionArg, HowArgs, WhatArgs};
use crate::args_history::{PlaceArgs, WalArgs};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  cairn storage stats --format table                     where the vectors of each collection are
  cairn storage mmap --enable --advise sequential        all collections that last
  cairn storage mmap --enable --populate --collection products
  cairn storage mmap --disable
  cairn storage compact products --threshold 30%         segments of which 30 % or more is dead
  cairn storage compact --aggressive --addr 127.0.0.1:11017
  cairn storage wal status
  cairn storage snapshot create products --path /backups/snapshots
  cairn storage snapshot create --incremental --compress
  cairn storage snapshot restore snap-2024-01-20-103045 --collection products-restored
  cairn storage snapshot list --collection products

They print JSON unless --format table is given. Compaction blocks neither reads nor writes of a running server.";

/// Of `storage`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct StorageArgs {
    /// What of the storage.
    #[command(subcommand)]
    pub command: StorageCommand,
}

/// The commands below `storage`.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// The write-ahead log, as `cairn wal`.
    Wal(WalArgs),
    /// Snapshots: create, restore, list.
    #[command(subcommand)]
    Snapshot(StorageSnapshot),
    /// Says how collections are mapped, or changes it.
    Mmap(MmapArgs),
    /// Takes back the space of what was replaced or deleted.
    Compact(CompactArgs),
    /// Says where the vectors of each collection are, and how many bytes.
    Stats(StatsArgs),
}

/// The commands below `storage snapshot`.
#[derive(Debug, Subcommand)]
pub enum StorageSnapshot {
    /// Takes a snapshot of a collection or of the whole database. A server may have the directory open.
    Create(StorageCreateArgs),
    /// Restores a collection or the whole database.
    Restore(StorageRestoreArgs),
    /// Lists the snapshots.
    List(StorageListArgs),
}

/// Where `storage snapshot` keeps snapshots, without `--path`.
const SNAPSHOTS: &str = "snapshots";

/// Of `storage snapshot create`.
#[derive(Debug, Args)]
pub struct StorageCreateArgs {
    /// Which collection [default: all].
    #[arg(value_name = "COLLECTION")]
    pub collection: Option<String>,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The directory of the snapshots, made when there is none. At a server: one that it allows.
    #[arg(long, value_name = "DIR", default_value = SNAPSHOTS)]
    pub path: PathBuf,
    /// Compresses with gzip.
    #[arg(long, conflicts_with = "compression")]
    pub compress: bool,
    /// How parts are stored [default: none, with --compress gzip].
    #[arg(long, value_enum)]
    pub compression: Option<CompressionArg>,
    /// An alias that the other commands take for the id.
    #[arg(long)]
    pub name: Option<String>,
    /// Makes one portable file instead: FILE.nvec, compressed as FILE.gz or FILE.zst; or, named snapshot-ID, a directory.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["collection", "incremental", "base", "tags", "description", "name", "compress", "compression"])]
    pub output: Option<PathBuf>,
    /// What and how.
    #[command(flatten)]
    pub what: WhatArgs,
}

/// Of `storage snapshot restore`.
#[derive(Debug, Args)]
pub struct StorageRestoreArgs {
    /// The snapshot's id or name, its path as create printed it, or a portable file.
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The directory of the snapshots.
    #[arg(long, value_name = "DIR", default_value = SNAPSHOTS)]
    pub path: PathBuf,
    /// What and how.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Of `storage snapshot list`.
#[derive(Debug, Args)]
pub struct StorageListArgs {
    /// The directory of the snapshots.
    #[arg(long, value_name = "DIR", default_value = SNAPSHOTS)]
    pub path: PathBuf,
    /// A running server, in whose allowed directories the path is.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// Only those that cover this collection.
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
}

/// Of `storage mmap`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("switch").args(["enable", "disable"]))]
pub struct MmapArgs {
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Vectors are mapped from files.
    #[arg(long)]
    pub enable: bool,
    /// Vectors are held in memory.
    #[arg(long)]
    pub disable: bool,
    /// How mapped vectors will be read: normal, random or sequential.
    #[arg(long, value_name = "MODE")]
    pub advise: Option<String>,
    /// They are read into memory at once; off: no longer.
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub populate: Option<String>,
    /// Which collection [default: all that are not volatile].
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
}

/// Of `storage compact`.
#[derive(Debug, Args)]
pub struct CompactArgs {
    /// Which collection [default: all].
    #[arg(value_name = "COLLECTION")]
    pub collection: Option<String>,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Everything is rewritten into as few segments as can be: slower, and saves more.
    #[arg(long)]
    pub aggressive: bool,
    /// The dead share from which on a segment is rewritten, as 20% or 20 [default: 20%].
    #[arg(long, value_name = "PERCENT")]
    pub threshold: Option<String>,
    /// Compacts a snapshot repository instead: the parts that no snapshot in it names are removed.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["collection", "addr", "aggressive", "threshold", "data"])]
    pub repo: Option<PathBuf>,
}

/// Of `storage stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Which collection [default: all].
    #[arg(value_name = "COLLECTION")]
    pub collection: Option<String>,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}
