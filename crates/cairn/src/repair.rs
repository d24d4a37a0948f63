//! `cairn repair`: the best state that a damaged directory still holds.

use crate::args_history::RepairArgs;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, count_field, field, warn};
use cairn_engine::{Options, RepairPlan, plan_repair};
use std::io::{IsTerminal, Write};

/// Shows the plan, and runs it when told to.
pub fn run(args: &RepairArgs, output: Output) -> Result<()> {
    let plan = plan_repair(&storage(), &args.dir)?;
    plan.damage.iter().for_each(|damage| warn(&format!("damaged: {damage}")));
    if !plan.is_needed() {
        return output.record(&fields("whole", &plan));
    }
    if args.dry_run || !(args.yes || agreed(&plan)?) {
        output.record(&fields("planned", &plan))?;
        let message = format!("{} is damaged; nothing was changed", args.dir.display());
        return Err(Failure::new(Exit::Damage, message)
            .next(format!("copy the directory, then: cairn repair {} --yes", args.dir.display())));
    }
    let mut fields = fields("repaired", &plan);
    let done = plan.run(&Options::default())?;
    fields.push(field("new_timeline", done.timeline.to_string()));
    fields.push(field("damaged_kept_in", done.aside.display().to_string()));
    output.record(&fields)
}

fn fields(status: &'static str, plan: &RepairPlan) -> Vec<Field> {
    vec![
        field("status", status),
        field("timeline", plan.timeline.id.to_string()),
        count_field("damaged_places", plan.damage.len() as u64),
        count_field("from_checkpoint_lsn", plan.checkpoint_lsn.0),
        count_field("lsn", plan.lsn.0),
        count_field("last_known_lsn", plan.last_known.0),
        count_field("records_lost", plan.lost()),
    ]
}

/// Asks at a terminal; elsewhere there is nobody to ask.
fn agreed(plan: &RepairPlan) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    let mut terminal = std::io::stderr().lock();
    write!(
        terminal,
        "It would stand at LSN {} and lose {} records. The damaged timeline stays as it is. Repair? [y/N] ",
        plan.lsn,
        plan.lost()
    )?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
