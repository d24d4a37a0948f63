//! SNAPSHOT lines, as a server or the backend of a closed directory answers them.

use crate::args::{CompressionArg, HowArgs, VerifyArgs, WhatArgs};
use crate::collection::put;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use std::path::Path;

/// `SNAPSHOT CREATE`.
pub fn create(
    name: Option<&str>,
    collections: &[String],
    compression: Option<CompressionArg>,
    what: &WhatArgs,
    path: Option<&Path>,
) -> Result<String> {
    let mut line = String::from("SNAPSHOT CREATE");
    put(&mut line, "name", name)?;
    put(&mut line, "compression", compression.map(CompressionArg::word))?;
    put(&mut line, "description", what.description.as_deref())?;
    put(&mut line, "tags", joined("tag", &what.tags)?.as_deref())?;
    put(&mut line, "collections", joined("collection", collections)?.as_deref())?;
    put(&mut line, "base", what.base.as_deref())?;
    put(&mut line, "incremental", what.incremental.then_some("on"))?;
    put(&mut line, "path", text(path)?)?;
    Ok(line)
}

/// `SNAPSHOT RESTORE`.
pub fn restore(snapshot: &str, how: &HowArgs, path: Option<&Path>) -> Result<String> {
    let mut line = format!("SNAPSHOT RESTORE {}", subject(snapshot)?);
    put(&mut line, "collection", how.collection.as_deref())?;
    put(&mut line, "from", how.from.as_deref())?;
    for (name, given) in [
        ("overwrite", how.overwrite),
        ("verify", how.verify),
        ("branch", how.branch),
        ("dry_run", how.dry_run),
    ] {
        put(&mut line, name, given.then_some("on"))?;
    }
    put(&mut line, "path", text(path)?)?;
    Ok(line)
}

/// `SNAPSHOT VERIFY`.
pub fn verify(args: &VerifyArgs) -> Result<String> {
    let subject = args.snapshot.as_deref().map_or(Ok("ALL".to_owned()), subject)?;
    let mut line = format!("SNAPSHOT VERIFY {subject}");
    put(&mut line, "read", args.sizes.then_some("sizes").or(args.read_data_subset.as_deref()))?;
    Ok(line)
}

/// `SNAPSHOT LIST`.
pub fn list(collection: Option<&str>, path: Option<&Path>) -> Result<String> {
    let mut line = String::from("SNAPSHOT LIST");
    put(&mut line, "collection", collection)?;
    put(&mut line, "path", text(path)?)?;
    Ok(line)
}

/// `SNAPSHOT <verb>` of one snapshot.
pub fn one(verb: &str, snapshot: &str) -> Result<String> {
    Ok(format!("SNAPSHOT {verb} {}", subject(snapshot)?))
}

/// `SNAPSHOT PIN`.
pub fn pin(snapshot: &str, note: &str) -> Result<String> {
    let mut line = String::from("SNAPSHOT PIN");
    put(&mut line, "note", (!note.is_empty()).then_some(note))?;
    Ok(format!("{line} {}", subject(snapshot)?))
}

/// `SNAPSHOT DIFF`.
pub fn diff(from: &str, to: &str) -> Result<String> {
    Ok(format!("SNAPSHOT DIFF {} {}", subject(from)?, subject(to)?))
}

/// An id or a name, in double quotes where it needs them.
fn subject(snapshot: &str) -> Result<String> {
    let mut quoted = String::new();
    put(&mut quoted, "", Some(snapshot))?;
    let word = quoted.trim_start_matches([' ', '=']).to_owned();
    // One in quotes is never taken for an option.
    Ok(if word.starts_with('"') || !word.contains('=') { word } else { format!("\"{word}\"") })
}

fn joined(what: &str, values: &[String]) -> Result<Option<String>> {
    match values.iter().find(|value| value.contains(',')) {
        Some(bad) => {
            Err(Failure::new(Exit::Usage, format!("--{what}: expected one without commas, got {bad:?}")))
        }
        None => Ok((!values.is_empty()).then(|| values.join(","))),
    }
}

fn text(path: Option<&Path>) -> Result<Option<&str>> {
    let not_text = |path: &Path| Failure::new(Exit::Usage, format!("{}: expected UTF-8", path.display()));
    path.map(|path| path.to_str().ok_or_else(|| not_text(path))).transpose()
}
