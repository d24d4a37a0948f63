//! The command line of the archive: `recover`, `archive`.

use crate::args::{DATA, REPO};
use clap::{Args, Subcommand};
use std::path::PathBuf;

const RECOVER_EXAMPLES: &str = "Examples:
  cairn recover --repo backups --data restored                                 everything that is archived
  cairn recover --repo backups --data restored --to 2026-11-21T10:00:00.25Z    as it was then, to the microsecond
  cairn recover --repo backups --data restored --to 4711 --timeline 0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b
  cairn recover --repo backups --to 2026-11-21T10:00:00Z --dry-run             from which snapshot, how many records

It takes the nearest snapshot before the point and the archived log after it; nothing of the old data directory is
needed. A server archives its log with `archive.enabled: true`.";

const ARCHIVE_EXAMPLES: &str = "Examples:
  cairn archive list --repo backups          what can be recovered, and what is missing
  cairn archive verify --repo backups        reads and checks every archived record
  cairn archive ship --data cairn-data --repo backups
  cairn archive prune --repo backups --keep 30d --dry-run";

/// Of `recover`.
#[derive(Debug, Args)]
#[command(after_help = RECOVER_EXAMPLES)]
pub struct RecoverArgs {
    /// The repository's directory.
    #[arg(long, value_name = "DIR", default_value = REPO)]
    pub repo: PathBuf,
    /// The data directory to build; absent or empty.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    pub data: Option<PathBuf>,
    /// The point: latest, an LSN, or a time.
    #[arg(long, value_name = "latest|LSN|TIME", default_value = "latest")]
    pub to: String,
    /// The timeline that the point is on [default: a time's, the one that was live then; else the newest].
    #[arg(long, value_name = "ID")]
    pub timeline: Option<String>,
    /// Says what it would take, and builds nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Of `archive`.
#[derive(Debug, Args)]
#[command(after_help = ARCHIVE_EXAMPLES)]
pub struct ArchiveArgs {
    /// What to do with the archive.
    #[command(subcommand)]
    pub command: ArchiveCommand,
}

/// The commands below `archive`.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Lists what can be recovered from a repository, with the gaps.
    List(RepoArgs),
    /// Reads and checks every archived record.
    Verify(RepoArgs),
    /// Brings a repository's archive up to date with a data directory that no server has open.
    Ship(ShipArgs),
    /// Removes archived log that no snapshot needs any more.
    Prune(PruneArgs),
}

/// Which repository.
#[derive(Debug, Args)]
pub struct RepoArgs {
    /// The repository's directory.
    #[arg(long, value_name = "DIR", default_value = REPO)]
    pub repo: PathBuf,
}

/// Of `archive ship`.
#[derive(Debug, Args)]
pub struct ShipArgs {
    /// The repository's directory, made when absent.
    #[arg(long, value_name = "DIR", default_value = REPO)]
    pub repo: PathBuf,
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
}

/// Of `archive prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The repository's directory.
    #[arg(long, value_name = "DIR", default_value = REPO)]
    pub repo: PathBuf,
    /// How far back every point stays recoverable, as 30d or 48h [default: as far as the oldest snapshot].
    #[arg(long, value_name = "AGE")]
    pub keep: Option<String>,
    /// Says what would go, and removes nothing.
    #[arg(long)]
    pub dry_run: bool,
}
