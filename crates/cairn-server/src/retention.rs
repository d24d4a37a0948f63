//! A retention policy's words: `keep_last=7`, on the wire, in the configuration and on the command line.

use crate::failure::{Failure, shown};
use crate::units::{parse_duration, show_duration};
use crate::wal_change::on_off;
use cairn_snapshot::{RetentionPolicy, Zone};
use std::time::Duration;

/// All of them.
pub(crate) const POLICY_WORDS: [&str; 10] = [
    "keep_last",
    "keep_within",
    "keep_hourly",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
    "max_age",
    "time_zone",
    "remove_damaged",
];

/// Takes `name=value` into a policy. `false`: it is none of a policy's words.
pub fn take_policy(policy: &mut RetentionPolicy, name: &str, value: &str) -> Result<bool, Failure> {
    match name {
        "keep_last" => policy.keep_last = count(name, value)?,
        "keep_within" => policy.keep_within = Some(span(name, value)?),
        "keep_hourly" => policy.keep_hourly = count(name, value)?,
        "keep_daily" => policy.keep_daily = count(name, value)?,
        "keep_weekly" => policy.keep_weekly = count(name, value)?,
        "keep_monthly" => policy.keep_monthly = count(name, value)?,
        "keep_yearly" => policy.keep_yearly = count(name, value)?,
        "max_age" => policy.max_age = Some(span(name, value)?),
        "time_zone" => policy.time_zone = Zone::parse(value)?,
        "remove_damaged" => policy.remove_damaged = on_off(name, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn count(name: &str, value: &str) -> Result<u32, Failure> {
    value.parse().map_err(|_| {
        Failure::input(format!("Invalid {name}: expected a whole number of snapshots, got {}", shown(value)))
    })
}

fn span(name: &str, value: &str) -> Result<Duration, Failure> {
    let us = parse_duration(value).ok_or_else(|| {
        Failure::input(format!(
            "Invalid {name}: expected a duration with its unit, as 48h or 30d, got {}",
            shown(value)
        ))
    })?;
    Ok(Duration::from_micros(us))
}

/// A policy in those words; empty: everything stays.
pub fn policy_text(policy: &RetentionPolicy) -> String {
    let counts = [
        ("keep_last", policy.keep_last),
        ("keep_hourly", policy.keep_hourly),
        ("keep_daily", policy.keep_daily),
        ("keep_weekly", policy.keep_weekly),
        ("keep_monthly", policy.keep_monthly),
        ("keep_yearly", policy.keep_yearly),
    ];
    let counts = counts.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name}={n}"));
    let spans = [("keep_within", policy.keep_within), ("max_age", policy.max_age)];
    let shown_span = |span: Duration| show_duration(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    let spans = spans.into_iter().filter_map(|(name, span)| Some(format!("{name}={}", shown_span(span?))));
    let damaged = policy.remove_damaged.then(|| "remove_damaged=on".to_owned());
    counts.chain(spans).chain(damaged).collect::<Vec<_>>().join(",")
}
