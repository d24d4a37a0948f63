//! Parsing of WAL and TIMELINE.

use crate::command::{Recover, ReplayWal, Timelines, Wal};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is};
use crate::parse_admin::no_more;
use crate::wal_change::{WalChange, bad, on_off};
use crate::words::{Words, unquoted};
use cairn_engine::{ParsedTime, Target, TimelineId, parse_time};

/// What a reply says when a time came without a zone.
pub const ZONE_NOTE: &str = "no time zone given, taken as UTC";

pub(crate) fn wal(mut words: Words<'_>) -> Result<Wal> {
    let Some(verb) = words.next() else {
        return Err(Failure::input("WAL requires subcommand: STATUS|ENABLE|DISABLE|VERIFY|SYNC|REPLAY"));
    };
    if is(verb, "STATUS") {
        no_more("WAL STATUS", words).map(|()| Wal::Status)
    } else if is(verb, "ENABLE") {
        enable(words).map(|change| Wal::Enable(Box::new(change)))
    } else if is(verb, "DISABLE") {
        no_more("WAL DISABLE", words).map(|()| Wal::Disable)
    } else if is(verb, "VERIFY") {
        no_more("WAL VERIFY", words).map(|()| Wal::Verify)
    } else if is(verb, "SYNC") {
        no_more("WAL SYNC", words).map(|()| Wal::Sync)
    } else if is(verb, "REPLAY") {
        replay(words).map(Wal::Replay)
    } else {
        Err(Failure::input(format!("Unknown WAL subcommand: {}", shown(verb))))
    }
}

/// `name=value` with the value's quotes taken off, the name in lower case.
fn named(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.to_ascii_lowercase(), unquoted(value)?))
}

fn enable(mut words: Words<'_>) -> Result<WalChange> {
    let mut change = WalChange::default();
    while let Some(word) = words.next_quoted() {
        let bad = || Failure::input(format!("Invalid WAL ENABLE option: {}", shown(word)));
        let (name, value) = named(word).ok_or_else(bad)?;
        if !change.take(&name, &value)? {
            return Err(bad());
        }
    }
    Ok(change)
}

fn replay(mut words: Words<'_>) -> Result<ReplayWal> {
    let mut replay = ReplayWal::default();
    while let Some(word) = words.next_quoted() {
        let bad = || Failure::input(format!("Invalid WAL REPLAY option: {}", shown(word)));
        let (name, value) = named(word).ok_or_else(bad)?;
        if !replay.take(&name, &value)? {
            return Err(bad());
        }
    }
    in_order(replay.from, replay.to)?;
    Ok(replay)
}

impl ReplayWal {
    /// Takes an option; `Ok(false)`: there is none of this name, or an empty path. [`in_order`] is for when all were taken.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "path" if !value.is_empty() => self.path = Some(value.to_owned()),
            "from" => self.from = Some(parse_time(value)?),
            "to" => self.to = Some(parse_time(value)?),
            "dry_run" => self.dry_run = on_off(name, value)?,
            "verify" => self.verify = on_off(name, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Refuses a beginning after the end.
pub fn in_order(from: Option<ParsedTime>, to: Option<ParsedTime>) -> Result<()> {
    match (from, to) {
        (Some(from), Some(to)) if from.us > to.us => {
            let (from, to) = (cairn_engine::show_time(from.us), cairn_engine::show_time(to.us));
            Err(Failure::input(format!("from {from} is after to {to}: expected from at or before to")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn timeline(mut words: Words<'_>) -> Result<Timelines> {
    let Some(verb) = words.next() else {
        return Err(Failure::input("TIMELINE requires subcommand: LIST|RECOVER|COMPARE|PROMOTE|DROP"));
    };
    let one = |verb: &str| match words.rest().split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [word] => timeline_id(word),
        _ => Err(Failure::input(format!("TIMELINE {verb} requires 1 argument: <timeline id>"))),
    };
    if is(verb, "LIST") {
        no_more("TIMELINE LIST", words).map(|()| Timelines::List)
    } else if is(verb, "RECOVER") {
        recover(words).map(Timelines::Recover)
    } else if is(verb, "COMPARE") {
        one("COMPARE").map(Timelines::Compare)
    } else if is(verb, "PROMOTE") {
        one("PROMOTE").map(Timelines::Promote)
    } else if is(verb, "DROP") {
        drop_one(words)
    } else {
        Err(Failure::input(format!("Unknown TIMELINE subcommand: {}", shown(verb))))
    }
}

fn drop_one(mut words: Words<'_>) -> Result<Timelines> {
    let Some(timeline) = words.next().map(timeline_id).transpose()? else {
        return Err(Failure::input("TIMELINE DROP requires 1 argument: <timeline id>"));
    };
    let mut dry_run = false;
    while let Some(word) = words.next_quoted() {
        match named(word) {
            Some((name, value)) if name == "dry_run" => dry_run = on_off(&name, &value)?,
            _ => return Err(Failure::input(format!("Invalid TIMELINE DROP option: {}", shown(word)))),
        }
    }
    Ok(Timelines::Drop { timeline, dry_run })
}

/// Reads a timeline's id.
pub fn timeline_id(word: &str) -> Result<TimelineId> {
    word.parse().map_err(|_| bad("timeline", "an id of 32 hex digits, as TIMELINE LIST shows", word))
}

/// The point may be a time with a space in it.
fn recover(mut words: Words<'_>) -> Result<Recover> {
    let (mut point, mut timeline, mut dry_run) = (String::new(), None, false);
    while let Some(word) = words.next_quoted() {
        match named(word) {
            Some((name, value)) if name == "timeline" => timeline = Some(timeline_id(&value)?),
            Some((name, value)) if name == "dry_run" => dry_run = on_off(&name, &value)?,
            Some(_) => {
                return Err(Failure::input(format!("Invalid TIMELINE RECOVER option: {}", shown(word))));
            }
            None => {
                let space = if point.is_empty() { "" } else { " " };
                point = format!("{point}{space}{}", unquoted(word).unwrap_or_else(|| word.to_owned()));
            }
        }
    }
    if point.is_empty() {
        return Err(Failure::input("TIMELINE RECOVER requires 1 argument: <latest|LSN|time>"));
    }
    let (target, zone_assumed) = Target::parse(&point)?;
    Ok(Recover { target, zone_assumed, timeline, dry_run })
}
