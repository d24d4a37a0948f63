//! `cairn check`: is every byte of a data directory what was written, and what state does it hold?

use crate::args::CheckArgs;
use crate::disk::storage;
use crate::failure::Result;
use crate::output::{Field, Output, bytes_field, count_field, field};
use cairn_engine::{CheckReport, check_dir};

/// Verifies a closed data directory and changes nothing. Damage is a failure with [`crate::exit::Exit::Damage`].
pub fn run(args: &CheckArgs, output: Output) -> Result<()> {
    let report = check_dir(&storage(), &args.dir)?;
    output.record(&fields(&args.dir.display().to_string(), &report))
}

fn fields(dir: &str, report: &CheckReport) -> Vec<Field> {
    let timeline = &report.timeline;
    let counts = &report.counts;
    vec![
        field("status", "whole"),
        field("data", dir),
        field("database", report.database.to_string()),
        field("timeline", timeline.id.to_string()),
        field("parent", timeline.parent.map(|id| id.to_string())),
        count_field("fork_lsn", timeline.fork_lsn.0),
        field("origin", timeline.reason.as_str()),
        count_field("lsn", report.lsn.0),
        count_field("checkpoint_lsn", report.checkpoint_lsn.0),
        count_field("replayed", report.replayed),
        bytes_field("torn_bytes", report.torn_bytes),
        field("state_hash", hex(&report.state_hash)),
        count_field("ids", counts.ids),
        count_field("vectors", counts.vectors),
        count_field("metadata", counts.metadata),
        count_field("contexts", counts.contexts),
        count_field("events", counts.events),
        count_field("pairs", counts.pairs),
        count_field("total_events", counts.total_events),
        count_field("stored_events", counts.stored_events),
    ]
}

/// Bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
