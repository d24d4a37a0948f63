//! `cairn timeline`: the past, to be listed, looked at, and gone back to.

use crate::args_history::{DropArgs, PlaceArgs, RecoverArgs, TimelineCommand};
use crate::block_fields::{fields, typed, words};
use crate::disk::storage;
use crate::failure::Result;
use crate::output::{Field, Output, field, field_as, warn};
use crate::session::{Session, as_read, asked, quoted};
use cairn_client::Block;
use cairn_engine::{Engine, Options};
use cairn_server::{Ask, Recover, Timelines, ZONE_NOTE};
use serde_json::{Value, json};

/// Runs a command, on a directory or at a server.
pub fn run(command: &TimelineCommand, output: Output) -> Result<()> {
    match command {
        TimelineCommand::List(place) => list(place, output),
        TimelineCommand::Recover(args) => recover(args, output),
        TimelineCommand::Compare(args) => {
            let block = one(&args.place, &format!("TIMELINE COMPARE {}", args.timeline))?;
            output.record(&differences(&block))
        }
        TimelineCommand::Promote(args) => {
            output.record(&fields(&one(&args.place, &format!("TIMELINE PROMOTE {}", args.timeline))?))
        }
        TimelineCommand::Drop(args) => drop_one(args, output),
    }
}

/// One request, checked before anything is opened.
fn one(place: &PlaceArgs, line: &str) -> Result<Block> {
    asked(line)?;
    let session = Session::open(place)?;
    let block = session.ask(line)?;
    session.end()?;
    Ok(block)
}

/// Of a directory, without opening it: a server may have it.
fn list(place: &PlaceArgs, output: Output) -> Result<()> {
    let block = match &place.addr {
        Some(_) => Session::open(place)?.ask("TIMELINE LIST")?,
        None => as_read(cairn_server::timelines_block(&cairn_engine::history(&storage(), &place.data)?)),
    };
    output.list("timelines", &block.lines.iter().map(|line| row(line)).collect::<Vec<_>>())
}

/// A line `key=value …`, the reason last.
fn row(line: &str) -> Vec<Field> {
    words(line, &["reason"]).into_iter().map(|(key, value)| typed(key, value)).collect()
}

fn recover(args: &RecoverArgs, output: Output) -> Result<()> {
    let mut line = format!("TIMELINE RECOVER {}", quoted(&args.point)?);
    if let Some(timeline) = &args.timeline {
        line += &format!(" timeline={}", quoted(timeline)?);
    }
    let Ask::Timeline(Timelines::Recover(wanted)) = asked(&line)? else { return Ok(()) };
    if args.dry_run && args.place.addr.is_none() {
        return plan(args, &wanted, output);
    }
    let session = Session::open(&args.place)?;
    if args.dry_run {
        return output.record(&fields(&session.ask(&format!("{line} dry_run=on"))?));
    }
    let branch = session.ask(&line)?;
    if args.branch {
        session.end()?;
        return output.record(&fields(&branch));
    }
    let id = branch.get("timeline").unwrap_or_default();
    let promoted = session.ask(&format!("TIMELINE PROMOTE {id}"))?;
    session.end()?;
    let mut fields = fields(&promoted);
    fields.insert(2, typed("time", branch.get("time").unwrap_or_default()));
    output.record(&fields)
}

/// Where a recovery of a directory would stand: the state is built in memory; nothing is opened for writing, nor locked.
fn plan(args: &RecoverArgs, wanted: &Recover, output: Output) -> Result<()> {
    let (storage, data) = (storage(), &args.place.data);
    let (engine, at) =
        Engine::open_past(storage.clone(), data, wanted.target, wanted.timeline, Options::default())?;
    let history = cairn_engine::history(&storage, data)?;
    let block = cairn_server::recovery_plan(&history, engine.stats().timeline.id, at)?;
    engine.close()?;
    if wanted.zone_assumed {
        warn(&format!("note: {ZONE_NOTE}"));
    }
    output.record(&fields(&as_read(block)))
}

fn drop_one(args: &DropArgs, output: Output) -> Result<()> {
    let line = format!("TIMELINE DROP {}", args.timeline);
    let Ask::Timeline(Timelines::Drop { timeline, .. }) = asked(&line)? else { return Ok(()) };
    let block = match (args.dry_run, &args.place.addr) {
        (false, _) => one(&args.place, &line)?,
        (true, Some(_)) => one(&args.place, &format!("{line} dry_run=on"))?,
        (true, None) => {
            let history = cairn_engine::history(&storage(), &args.place.data)?;
            as_read(cairn_server::drop_plan(&history, timeline)?)
        }
    };
    output.record(&fields(&block))
}

/// The lines of a comparison: counts for each kind of thing, and the ids of some that differ.
fn differences(block: &Block) -> Vec<Field> {
    const KINDS: [&str; 4] = ["vectors", "metadata", "contexts", "neighbours"];
    let ids = |kind: &str| {
        let prefix = format!("{kind} id=");
        block.lines.iter().filter_map(|line| line.strip_prefix(&prefix)).map(Value::from).collect::<Vec<_>>()
    };
    let mut fields = Vec::new();
    for key in ["equal", "live", "live_lsn", "other", "other_lsn"] {
        fields.extend(block.get(key).map(|value| typed(key, value)));
    }
    for kind in KINDS {
        let Some(text) = block.get(kind) else { continue };
        let mut object = serde_json::Map::new();
        for (key, value) in words(text, &[]) {
            object.insert(key.to_owned(), value.parse::<u64>().map_or_else(|_| value.into(), Value::from));
        }
        let ids = ids(kind);
        let named = if ids.is_empty() { String::new() } else { format!("  {}", json!(ids)) };
        object.insert("ids".to_owned(), ids.into());
        fields.push(field_as(kind, object.into(), format!("{text}{named}")));
    }
    if fields.is_empty() { vec![field("equal", None::<bool>)] } else { fields }
}
