//! `cairn snapshot prune`: the plan, the question, the run, on a directory or at a server.

use crate::args_keeping::PruneArgs;
use crate::block_on;
use crate::connect::connect;
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field};
use cairn_client::{Block, Prune};
use cairn_snapshot::{PruneOptions, Pruned, Repository, RetentionPolicy, prune, prune_plan};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// What a prune did, or would do.
struct Outcome {
    /// Ids and why they stay.
    keep: Vec<(String, Vec<String>)>,
    remove: Vec<String>,
    parts: u64,
    stored_bytes: u64,
    kept_for: Option<String>,
}

/// Shows the plan, or asks and runs it.
pub fn run(args: &PruneArgs, output: Output) -> Result<()> {
    let options = options(args)?;
    let ask = |dry_run| match &args.place.addr {
        Some(addr) => block_on(at_server(addr, args, dry_run)),
        None => here(args, &options, dry_run),
    };
    if args.dry_run {
        return show(&ask(true)?, "planned", output);
    }
    if !args.yes {
        let plan = ask(true)?;
        if !plan.remove.is_empty() && !agreed(args, &plan)? {
            let message = format!("{} snapshots were not removed", plan.remove.len());
            return Err(Failure::new(Exit::Usage, message)
                .next("say --yes to remove them, or --dry-run to see which would go"));
        }
    }
    show(&ask(false)?, "pruned", output)
}

fn options(args: &PruneArgs) -> Result<PruneOptions> {
    let mut policy = RetentionPolicy::default();
    for (name, value) in args.policy.words() {
        cairn_server::take_policy(&mut policy, name, &value).map_err(usage)?;
    }
    if policy.is_empty() && !policy.remove_damaged {
        return Err(Failure::new(Exit::Usage, "a prune needs to be told what to keep")
            .next("give --keep-last N, --keep-daily N, --keep-within 30d, --max-age 365d, …"));
    }
    Ok(PruneOptions { policy, tag: args.tag.clone(), now_us: now_us(), wait: wait(&args.wait)? })
}

fn usage(failure: cairn_server::Failure) -> Failure {
    Failure::new(Exit::Usage, failure.message)
}

/// A `--wait`.
pub fn wait(text: &str) -> Result<Duration> {
    let us = cairn_server::parse_duration(text).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("--wait: expected a duration with its unit, as 30s, got {text:?}"))
    })?;
    Ok(Duration::from_micros(us))
}

fn here(args: &PruneArgs, options: &PruneOptions, dry_run: bool) -> Result<Outcome> {
    let repository = Repository::open(storage(), &args.place.repo)?;
    let done = if dry_run { prune_plan(&repository, options)? } else { prune(&repository, options)? };
    let Pruned { plan, parts, stored_bytes, kept_for } = done;
    let keep = plan.keep.into_iter().map(|(id, reasons)| {
        let reasons = reasons.into_iter().map(|reason| reason.name().to_owned());
        (id, reasons.collect())
    });
    Ok(Outcome { keep: keep.collect(), remove: plan.remove, parts, stored_bytes, kept_for })
}

async fn at_server(addr: &str, args: &PruneArgs, dry_run: bool) -> Result<Outcome> {
    let policy = args.policy.words().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let asked = Prune { policy, tag: args.tag.clone(), dry_run };
    let mut client = connect(addr).await?;
    Ok(outcome(&client.snapshot_prune(&asked).await?))
}

/// What a reply says: figures as `key: value`, then `keep id=… reasons=…` and `remove id=…`.
fn outcome(block: &Block) -> Outcome {
    let (mut keep, mut remove) = (Vec::new(), Vec::new());
    for line in &block.lines {
        if let Some(id) = line.strip_prefix("remove id=") {
            remove.push(id.to_owned());
        } else if let Some((id, reasons)) =
            line.strip_prefix("keep id=").and_then(|rest| rest.split_once(" reasons="))
        {
            keep.push((id.to_owned(), reasons.split(',').map(str::to_owned).collect()));
        }
    }
    let number = |key| block.number(key).unwrap_or_default();
    Outcome {
        keep,
        remove,
        parts: number("parts_removed"),
        stored_bytes: number("bytes_removed"),
        kept_for: block.get("parts_kept_for").map(str::to_owned),
    }
}

fn show(outcome: &Outcome, status: &'static str, output: Output) -> Result<()> {
    let row = |action: &'static str, id: &str, reasons: &[String]| -> Vec<Field> {
        vec![field("action", action), field("id", id), field("reasons", reasons.to_vec())]
    };
    let mut rows: Vec<Vec<Field>> =
        outcome.keep.iter().map(|(id, reasons)| row("keep", id, reasons)).collect();
    rows.extend(outcome.remove.iter().map(|id| row("remove", id, &[])));
    output.record(&[
        field("status", status),
        count_field("kept", outcome.keep.len() as u64),
        count_field("removed", outcome.remove.len() as u64),
        count_field("parts", outcome.parts),
        bytes_field("freed_bytes", outcome.stored_bytes),
        field("kept_for", outcome.kept_for.clone()),
        Field::rows("snapshots", &rows),
    ])
}

/// Asks at a terminal; elsewhere there is nobody to ask.
fn agreed(args: &PruneArgs, plan: &Outcome) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    let at = args.place.addr.clone().unwrap_or_else(|| args.place.repo.display().to_string());
    let mut terminal = std::io::stderr().lock();
    plan.remove.iter().try_for_each(|id| writeln!(terminal, "  {id}"))?;
    write!(
        terminal,
        "Remove these {} snapshots of {at}, and keep {}? [y/N] ",
        plan.remove.len(),
        plan.keep.len()
    )?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
