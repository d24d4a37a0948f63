//! `cairn collection`: which collections there are and how they are kept, in a data directory or at a running server.

use crate::args_collection::{
    CollectionCommand, ConfigureCollectionArgs, CreateCollectionArgs, DeleteCollectionArgs, NewArgs, SpecArgs,
};
use crate::args_history::PlaceArgs;
use crate::block_fields::fields;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, field};
use crate::session::{Session, asked, quoted};
use crate::topic::{one, rows, word};
use std::io::{IsTerminal, Write};

/// Runs a command.
pub fn run(command: &CollectionCommand, output: Output) -> Result<()> {
    match command {
        CollectionCommand::Create(args) => create(args, output),
        CollectionCommand::List(place) => {
            rows(&one(place, "COLLECTION LIST")?, "collections", "collection=", output)
        }
        CollectionCommand::Stats(args) => {
            let line = format!("COLLECTION STATS {}", word(&args.name)?);
            output.record(&fields(&one(&args.place, &line)?))
        }
        CollectionCommand::Delete(args) => delete(args, output),
        CollectionCommand::Rename(args) => {
            let (from, to) = (word(&args.name)?, word(&args.new)?);
            one(&args.place, &format!("COLLECTION RENAME {from} {to}"))?;
            output.record(&[field("collection", to), field("renamed_from", from), field("status", "renamed")])
        }
        CollectionCommand::Alias(args) => {
            let (alias, name) = (word(&args.alias)?, word(&args.name)?);
            one(&args.place, &format!("COLLECTION ALIAS {alias} {name}"))?;
            output.record(&[field("alias", alias), field("collection", name), field("status", "set")])
        }
        CollectionCommand::Unalias(args) => {
            let alias = word(&args.alias)?;
            one(&args.place, &format!("COLLECTION UNALIAS {alias}"))?;
            output.record(&[field("alias", alias), field("status", "removed")])
        }
        CollectionCommand::Configure(args) => configure(args, output),
    }
}

fn create(args: &CreateCollectionArgs, output: Output) -> Result<()> {
    let line = create_line(&args.name, &args.new, &args.spec)?;
    asked(&line)?;
    let session = Session::open_or_create(&args.place)?;
    let block = session.ask(&line)?;
    session.end()?;
    output.record(&with_status(fields(&block), "created"))
}

/// The line that makes a collection.
pub fn create_line(name: &str, new: &NewArgs, spec: &SpecArgs) -> Result<String> {
    let mut line = format!("COLLECTION CREATE {}", word(name)?);
    let volatile = new.volatile.then(|| "on".to_owned());
    for (name, value) in [("dimension", &new.dimension), ("metric", &new.metric), ("volatile", &volatile)] {
        put(&mut line, name, value.as_deref())?;
    }
    put_spec(&mut line, spec)?;
    Ok(line)
}

fn configure(args: &ConfigureCollectionArgs, output: Output) -> Result<()> {
    let mut line = format!("COLLECTION CONFIGURE {}", word(&args.name)?);
    put_spec(&mut line, &args.spec)?;
    output.record(&with_status(fields(&one(&args.place, &line)?), "configured"))
}

fn put_spec(line: &mut String, spec: &SpecArgs) -> Result<()> {
    let storage = if spec.on_disk { Some("mmap") } else { spec.storage.as_deref() };
    if let Some(field) = spec.fields.iter().find(|field| field.is_empty() || field.contains(',')) {
        let message = format!("--field: expected the name of one field, without a comma, got {field:?}");
        return Err(Failure::new(Exit::Usage, message));
    }
    let fields = (!spec.fields.is_empty()).then(|| spec.fields.join(","));
    let options = [
        ("storage", storage),
        ("hot_tier_size", spec.hot_tier_size.as_deref()),
        ("index", spec.index.as_deref()),
        ("m", spec.m.as_deref()),
        ("ef_construction", spec.ef_construction.as_deref()),
        ("ef_search", spec.ef_search.as_deref()),
        ("elements", spec.elements.as_deref()),
        ("max_vectors", spec.max_vectors.as_deref()),
        ("max_bytes", spec.max_bytes.as_deref()),
        ("fields", fields.as_deref()),
        ("advise", spec.advise.as_deref()),
        ("populate", spec.populate.as_deref()),
    ];
    options.into_iter().try_for_each(|(name, value)| put(line, name, value))
}

/// Appends an option that was given.
pub fn put(line: &mut String, name: &str, value: Option<&str>) -> Result<()> {
    if let Some(value) = value {
        *line += &format!(" {name}={}", quoted(value)?);
    }
    Ok(())
}

fn with_status(mut fields: Vec<Field>, status: &'static str) -> Vec<Field> {
    fields.push(field("status", status));
    fields
}

fn delete(args: &DeleteCollectionArgs, output: Output) -> Result<()> {
    let name = word(&args.name)?;
    let plan = || one(&args.place, &format!("COLLECTION DROP {name} dry_run=on"));
    if args.dry_run {
        return deleted(name, fields(&plan()?), "would_delete", output);
    }
    if !args.yes && !agreed(&args.place, name, |key| Ok(plan()?.get(key).unwrap_or("0").to_owned()))? {
        return Err(Failure::new(Exit::Usage, format!("the collection {name} was not deleted"))
            .next("say --yes to delete it, or --dry-run to see what would go"));
    }
    let done = one(&args.place, &format!("COLLECTION DROP {name}"))?;
    deleted(name, fields(&done), "deleted", output)
}

fn deleted(name: &str, told: Vec<Field>, status: &'static str, output: Output) -> Result<()> {
    let mut record = vec![field("collection", name)];
    record.extend(told);
    output.record(&with_status(record, status))
}

/// Asks at a terminal; elsewhere there is nobody to ask.
fn agreed(place: &PlaceArgs, name: &str, count: impl Fn(&str) -> Result<String>) -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    let (vectors, events) = (count("vectors")?, count("events")?);
    let at = place.addr.clone().unwrap_or_else(|| place.data.display().to_string());
    let mut terminal = std::io::stderr().lock();
    write!(
        terminal,
        "Delete the collection {name} of {at}, with {vectors} vectors and {events} events? [y/N] "
    )?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
