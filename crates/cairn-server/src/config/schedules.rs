//! `snapshot.schedule`: a list of schedules, each with a policy of its own.

use super::nearest::nearest;
use super::value::{Node, shown, text};
use crate::failure::Failure;
use crate::retention::{POLICY_WORDS, take_policy};
use crate::units::parse_duration;
use cairn_snapshot::{Compression, RetentionPolicy, Schedule};
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

/// Bytes of a schedule's name.
const NAME_BYTES_MAX: usize = 64;
/// The keys of a schedule that are not its policy's.
const WORDS: [&str; 7] = ["name", "every", "cron", "jitter", "min_interval", "compression", "incremental"];

/// When snapshots are taken into the repository, and which of them stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// Its name: its snapshots have the tag `schedule:<name>`.
    pub name: String,
    /// When.
    pub schedule: Schedule,
    /// Which stay, of its own; without a rule all do.
    pub policy: RetentionPolicy,
    /// How parts are stored.
    pub compression: Compression,
    /// They go on from the newest snapshot there is.
    pub incremental: bool,
}

impl ScheduleConfig {
    /// The tag of its snapshots.
    pub fn tag(&self) -> String {
        format!("schedule:{}", self.name)
    }
}

type Problems = Vec<(Location, String)>;

/// The schedules of a file, or all that is wrong with them.
pub(crate) fn read(node: &Spanned<Node>, source: &str) -> Result<Vec<ScheduleConfig>, Problems> {
    let Node::List(list) = &node.value else {
        let got = shown(node, source);
        return Err(vec![(
            node.referenced,
            format!("snapshot.schedule: expected a list of schedules, got {got}"),
        )]);
    };
    let (mut found, mut problems): (Vec<ScheduleConfig>, Problems) = (Vec::new(), Vec::new());
    for item in list {
        match one(item, source) {
            Ok(schedule) if found.iter().any(|other| other.name == schedule.name) => {
                problems
                    .push((item.referenced, format!("snapshot.schedule: two are called {}", schedule.name)));
            }
            Ok(schedule) => found.push(schedule),
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// What a file says of one schedule.
#[derive(Default)]
struct Draft {
    name: Option<String>,
    every: Option<Duration>,
    cron: Option<String>,
    jitter: Duration,
    min_interval: Duration,
    compression: Compression,
    incremental: bool,
    policy: RetentionPolicy,
}

fn one(node: &Spanned<Node>, source: &str) -> Result<ScheduleConfig, Problems> {
    let at = node.referenced;
    let Node::Map(entries) = &node.value else {
        let got = shown(node, source);
        return Err(vec![(
            at,
            format!("snapshot.schedule: expected name, every or cron, keep_…, got {got}"),
        )]);
    };
    let (mut draft, mut problems) = (Draft::default(), Vec::new());
    for (key, value) in entries {
        let taken = match text(value, source) {
            Some(text) => draft.take(&key.value, &text),
            None => Err(Failure::input(format!("expected one value, got {}", shown(value, source)))),
        };
        if let Err(failure) = taken {
            problems.push((key.referenced, format!("snapshot.schedule: {}: {}", key.value, failure.message)));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    draft.finish().map_err(|failure| vec![(at, format!("snapshot.schedule: {}", failure.message))])
}

impl Draft {
    fn take(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match key {
            "name" => self.name = Some(name(value)?),
            "every" => self.every = Some(duration(value)?),
            "cron" => self.cron = Some(value.to_owned()),
            "jitter" => self.jitter = duration(value)?,
            "min_interval" => self.min_interval = duration(value)?,
            "compression" => self.compression = compression(value)?,
            "incremental" => {
                self.incremental = match value {
                    "true" | "on" => true,
                    "false" | "off" => false,
                    _ => return Err(Failure::input(format!("expected true or false, got {value}"))),
                }
            }
            key if take_policy(&mut self.policy, key, value)? => {}
            key => {
                let known = WORDS.into_iter().chain(POLICY_WORDS);
                let hint = nearest(key, known).map(|known| format!("; did you mean {known}?"));
                return Err(Failure::input(format!("unknown key{}", hint.unwrap_or_default())));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<ScheduleConfig, Failure> {
        let name = self.name.ok_or_else(|| Failure::input("expected a name"))?;
        let schedule = match (self.every, &self.cron) {
            (Some(every), None) => Schedule::every(every)?,
            (None, Some(cron)) => Schedule::cron(cron, self.policy.time_zone.clone())?,
            _ => return Err(Failure::input(format!("{name}: expected one of every and cron"))),
        };
        let schedule = schedule.with_jitter(self.jitter, 0).with_min_interval(self.min_interval);
        let Draft { policy, compression, incremental, .. } = self;
        Ok(ScheduleConfig { name, schedule, policy, compression, incremental })
    }
}

fn name(value: &str) -> Result<String, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=NAME_BYTES_MAX).contains(&value.len()) && value.chars().all(fits) {
        return Ok(value.to_owned());
    }
    let got = crate::failure::shown(value);
    Err(Failure::input(format!("expected 1 to {NAME_BYTES_MAX} letters, digits, -, _ or ., got \"{got}\"")))
}

fn duration(value: &str) -> Result<Duration, Failure> {
    let us = parse_duration(value).ok_or_else(|| {
        let got = crate::failure::shown(value);
        Failure::input(format!("expected a duration with its unit, as 90s, 2h or 7d, got {got}"))
    })?;
    Ok(Duration::from_micros(us))
}

fn compression(value: &str) -> Result<Compression, Failure> {
    match value {
        "zstd" => Ok(Compression::default()),
        "gzip" => Ok(Compression::Gzip { level: 6 }),
        "none" => Ok(Compression::None),
        other => {
            let got = crate::failure::shown(other);
            Err(Failure::input(format!("expected zstd, gzip or none, got {got}")))
        }
    }
}
