//! `cairn recover`: any point in time from a repository alone.

use crate::args_archive::RecoverArgs;
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, count_field, field, warn};
use crate::snapshot::local::{milliseconds, with_bar};
use cairn_engine::{Options, Target, TimelineId};
use cairn_server::ZONE_NOTE;
use cairn_snapshot::archive::{self, Plan};
use cairn_snapshot::{Repository, recover};
use std::time::Instant;

/// Builds a data directory as the database was at a point.
pub fn run(args: &RecoverArgs, output: Output) -> Result<()> {
    let usage = |e: &dyn std::fmt::Display| Failure::new(Exit::Usage, e.to_string());
    let (target, zone_assumed) = Target::parse(&args.to).map_err(|e| usage(&e))?;
    let timeline: Option<TimelineId> = args
        .timeline
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|e: cairn_engine::LogError| usage(&e))?;
    if zone_assumed {
        warn(&format!("note: {ZONE_NOTE}"));
    }
    if let Target::Time(us) = target
        && us > now_us()
    {
        return Err(Failure::new(
            Exit::NotFound,
            format!("{target} cannot be recovered: it is in the future"),
        ));
    }
    let started = Instant::now();
    let storage = storage();
    let repository = Repository::open(storage.clone(), &args.repo)?;
    let Some(data) = args.data.as_ref().filter(|_| !args.dry_run) else {
        let plan = archive::plan(&repository, target, timeline)?;
        let mut fields = vec![field("status", "planned")];
        fields.extend(planned(&plan));
        return output.record(&fields);
    };
    let made = with_bar("recovering", |job| {
        recover(&repository, target, timeline, &storage, data, &Options::default(), job)
    })?;
    let mut fields = vec![field("status", "completed"), field("data", data.display().to_string())];
    fields.extend(planned(&made.plan));
    fields.push(field("new_timeline", made.report.timeline.to_string()));
    fields.push(milliseconds(started));
    output.record(&fields)
}

fn planned(plan: &Plan) -> Vec<Field> {
    vec![
        field("snapshot_id", plan.snapshot.id.as_str()),
        count_field("snapshot_lsn", plan.snapshot.lsn.0),
        count_field("records_replayed", plan.records()),
        field("timeline", plan.timeline.to_string()),
        count_field("lsn", plan.until.0),
    ]
}
