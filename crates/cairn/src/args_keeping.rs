//! The command line of what stays: `snapshot prune`, `pin`, `unpin`, `schedule`.

use crate::args::WhereArgs;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

const PRUNE_EXAMPLES: &str = "Examples:
  cairn snapshot prune --repo backups --keep-last 7 --keep-daily 14 --dry-run    what would go, and why each stays
  cairn snapshot prune --repo backups --keep-last 7 --keep-daily 14 --keep-monthly 12 --yes
  cairn snapshot prune --repo backups --keep-within 48h --keep-weekly 8 --time-zone Europe/Berlin --yes
  cairn snapshot prune --addr 127.0.0.1:11017 --max-age 90d --yes
  0 2 * * * cairn snapshot create --addr 127.0.0.1:11017 && cairn snapshot prune --addr 127.0.0.1:11017 --keep-daily 14 --yes

One rule that names a snapshot keeps it; what none names goes, and so does what is older than --max-age. Pinned snapshots
and the newest good one of each database always stay. Damaged ones stay unless --remove-damaged is given.";

const PIN_EXAMPLES: &str = "Examples:
  cairn snapshot pin before-upgrade --repo backups --note 'until 2.0 has run for a month'
  cairn snapshot pin snap-2024-01-20-103045 --addr 127.0.0.1:11017
  cairn snapshot unpin before-upgrade --repo backups";

const SCHEDULE_EXAMPLES: &str = "Examples:
  cairn snapshot schedule --addr 127.0.0.1:11017     schedules, next runs and last results of a running server
  cairn snapshot schedule -c /etc/cairn.yaml         what a server with that configuration would do

A schedule stands in the configuration:
  snapshot:
    schedule:
      - {name: hourly, every: 1h, keep_last: 24, jitter: 5m}
      - {name: nightly, cron: \"0 2 * * *\", time_zone: Europe/Berlin, keep_daily: 14, keep_monthly: 12}";

/// Of `snapshot prune`.
#[derive(Debug, Args)]
#[command(after_help = PRUNE_EXAMPLES)]
pub struct PruneArgs {
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// Which stay.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Only snapshots with this tag are looked at; those of a schedule have schedule:NAME.
    #[arg(long)]
    pub tag: Option<String>,
    /// How long another writer of the repository is waited for.
    #[arg(long, value_name = "DURATION", default_value = "60s", conflicts_with = "addr")]
    pub wait: String,
    /// Says what would go, and removes nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Removes without asking.
    #[arg(long)]
    pub yes: bool,
}

/// A retention policy.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// Keeps the newest so many.
    #[arg(long, value_name = "N")]
    pub keep_last: Option<u32>,
    /// Keeps all that are no older than this, counted back from the newest, as 48h or 30d.
    #[arg(long, value_name = "DURATION")]
    pub keep_within: Option<String>,
    /// Keeps the newest of each of the last so many hours that have any.
    #[arg(long, value_name = "N")]
    pub keep_hourly: Option<u32>,
    /// The same of days.
    #[arg(long, value_name = "N")]
    pub keep_daily: Option<u32>,
    /// The same of weeks, from Monday.
    #[arg(long, value_name = "N")]
    pub keep_weekly: Option<u32>,
    /// The same of months.
    #[arg(long, value_name = "N")]
    pub keep_monthly: Option<u32>,
    /// The same of years.
    #[arg(long, value_name = "N")]
    pub keep_yearly: Option<u32>,
    /// Removes what is older, whatever the others say.
    #[arg(long, value_name = "DURATION")]
    pub max_age: Option<String>,
    /// Where hours and days begin [default: UTC].
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Removes damaged snapshots too.
    #[arg(long)]
    pub remove_damaged: bool,
}

impl PolicyArgs {
    /// The rules that were given, in the words of the wire and the configuration.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let count = |n: Option<u32>| n.map(|n| n.to_string());
        let words = [
            ("keep_last", count(self.keep_last)),
            ("keep_within", self.keep_within.clone()),
            ("keep_hourly", count(self.keep_hourly)),
            ("keep_daily", count(self.keep_daily)),
            ("keep_weekly", count(self.keep_weekly)),
            ("keep_monthly", count(self.keep_monthly)),
            ("keep_yearly", count(self.keep_yearly)),
            ("max_age", self.max_age.clone()),
            ("time_zone", self.time_zone.clone()),
            ("remove_damaged", self.remove_damaged.then(|| "on".to_owned())),
        ];
        words.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Of `snapshot pin`.
#[derive(Debug, Args)]
#[command(after_help = PIN_EXAMPLES)]
pub struct PinArgs {
    /// The snapshot's id or name.
    #[arg(value_name = "ID|NAME")]
    pub snapshot: String,
    /// Which repository.
    #[command(flatten)]
    pub place: WhereArgs,
    /// Why it stays.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// Of `snapshot schedule`.
#[derive(Debug, Args)]
#[command(after_help = SCHEDULE_EXAMPLES)]
#[command(group = ArgGroup::new("whose").args(["config", "addr"]).required(true))]
pub struct ScheduleArgs {
    /// The configuration of a server that need not run.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A running server.
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
}
