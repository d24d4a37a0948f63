//! `ScheduleStatus`: what is made when, what came of it last, and when the next is due.

use crate::config::{Config, SnapshotConfig};
use crate::failure::Failure;
use crate::reply::Block;
use crate::retention::policy_text;
use crate::units::show_duration;
use cairn_disk::Storage;
use cairn_engine::{ErrorKind, show_time};
use cairn_snapshot::{Compression, Repository, RetentionPolicy, Schedule, When, auto_dumps, newest_good_us};
use std::sync::Arc;
use std::time::Duration;

/// The name of the schedule that `snapshot.interval_sec` makes.
const AUTO: &str = "auto";

/// What a schedule makes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// A dump, of which so many stay.
    Dump { retain: u32 },
    /// A snapshot in the repository, of which a policy says which stay.
    Snapshot { tag: String, policy: RetentionPolicy, compression: Compression, incremental: bool },
}

/// A schedule of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    pub name: String,
    pub schedule: Schedule,
    pub what: What,
}

/// How a schedule is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleStatus {
    /// Its name; `auto` of `snapshot.interval_sec`.
    pub name: String,
    /// `dump` or `snapshot`.
    pub kind: &'static str,
    /// `every 2h`, or `cron` with the expression and the time zone.
    pub when: String,
    /// Which stay, in a policy's words; `all`.
    pub keeps: String,
    /// When the next one is due, microseconds since the Unix epoch; in the past: now. `None`: never.
    pub next_us: Option<i64>,
    /// When the last one was made, also by an earlier server.
    pub last_us: Option<i64>,
    /// How many were made since the start.
    pub runs: u64,
    /// How many attempts failed since the start.
    pub failures: u64,
    /// When the last attempt failed.
    pub failed_us: Option<i64>,
    /// Why.
    pub error: Option<String>,
}

/// The schedules of a configuration. `seed` makes one server's jitter differ from another's.
pub(crate) fn tasks(config: &SnapshotConfig, seed: u64) -> Result<Vec<Task>, Failure> {
    let mut tasks = Vec::new();
    if config.interval_sec > 0 {
        let schedule = Schedule::every(Duration::from_secs(config.interval_sec))?;
        tasks.push(Task { name: AUTO.to_owned(), schedule, what: What::Dump { retain: config.retain } });
    }
    for given in &config.schedules {
        let of_name = given.name.bytes().fold(seed, |x, byte| x.rotate_left(7) ^ u64::from(byte));
        let schedule = Schedule { seed: of_name, ..given.schedule.clone() };
        let (policy, compression) = (given.policy.clone(), given.compression);
        let what = What::Snapshot { tag: given.tag(), policy, compression, incremental: given.incremental };
        tasks.push(Task { name: given.name.clone(), schedule, what });
    }
    Ok(tasks)
}

impl Task {
    /// When the last one was made, by what is on the disk.
    pub fn last_us(
        &self,
        config: &SnapshotConfig,
        storage: &Arc<dyn Storage>,
    ) -> Result<Option<i64>, Failure> {
        match &self.what {
            What::Dump { .. } => {
                Ok(auto_dumps(storage.as_ref(), &config.dir)?.last().map(|(time_us, _)| *time_us))
            }
            What::Snapshot { tag, .. } => {
                match Repository::open(Arc::clone(storage), &config.repository_dir()) {
                    Ok(repository) => Ok(newest_good_us(&repository, Some(tag))?),
                    Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
                    Err(e) => Err(e.into()),
                }
            }
        }
    }

    /// Its status before anything ran.
    pub fn status(&self) -> ScheduleStatus {
        let when = match &self.schedule.when {
            When::Every(interval) => format!("every {}", show(*interval)),
            When::Cron(cron) => format!("cron {} {}", cron.text(), cron.zone()),
        };
        let (kind, keeps) = match &self.what {
            What::Dump { retain: 0 } => ("dump", String::new()),
            What::Dump { retain } => ("dump", format!("retain={retain}")),
            What::Snapshot { policy, .. } => ("snapshot", policy_text(policy)),
        };
        ScheduleStatus {
            name: self.name.clone(),
            kind,
            when,
            keeps: if keeps.is_empty() { "all".to_owned() } else { keeps },
            next_us: None,
            last_us: None,
            runs: 0,
            failures: 0,
            failed_us: None,
            error: None,
        }
    }
}

fn show(span: Duration) -> String {
    show_duration(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// What the schedules of a configuration would do at `now_us`, without jitter, were a server started then: by what is on the
/// disk.
pub fn scheduled(
    config: &Config,
    storage: &Arc<dyn Storage>,
    now_us: i64,
) -> Result<Vec<ScheduleStatus>, Failure> {
    let mut found = Vec::new();
    for task in tasks(&config.snapshot, 0)? {
        let last_us = task.last_us(&config.snapshot, storage)?;
        let plain = Schedule { jitter: Duration::ZERO, ..task.schedule.clone() };
        let next_us = plain.due(last_us, now_us, now_us);
        found.push(ScheduleStatus { last_us, next_us, ..task.status() });
    }
    Ok(found)
}

/// The reply to SNAPSHOT SCHEDULE.
pub fn schedules_block(all: &[ScheduleStatus]) -> Block {
    let block = Block::new(format!("SNAPSHOT_SCHEDULES {}", all.len()));
    all.iter().fold(block, |block, status| block.text(line(status)))
}

/// `key=value` words; an error stands last.
fn line(status: &ScheduleStatus) -> String {
    let time = |us: Option<i64>| us.map_or_else(|| "none".to_owned(), show_time);
    let error = status.error.as_ref().map(|e| format!(" error={e}")).unwrap_or_default();
    format!(
        "name={} kind={} when=\"{}\" keeps={} next={} last_success={} runs={} failures={} last_failure={}{error}",
        status.name,
        status.kind,
        status.when,
        status.keeps,
        time(status.next_us),
        time(status.last_us),
        status.runs,
        status.failures,
        time(status.failed_us),
    )
}
