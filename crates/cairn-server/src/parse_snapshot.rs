//! Parsing of SNAPSHOT.

use crate::command::{Compression, Create, One, Restore, Snapshot, Verify};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is};
use crate::parse_admin::no_more;
use crate::parse_keeping;
use crate::wal_change::{bad, on_off};
use crate::words::{Words, unquoted};
use cairn_snapshot::{Base, Depth};

/// An option of a line: its name in lower case, and its value.
type Option_ = (String, String);

pub(crate) fn snapshot(mut words: Words<'_>) -> Result<Snapshot> {
    let Some(verb) = words.next() else {
        return Err(Failure::input(
            "SNAPSHOT requires subcommand: CREATE|LIST|INFO|VERIFY|RESTORE|DIFF|DELETE|PIN|UNPIN|PRUNE|SCHEDULE|STATUS",
        ));
    };
    if is(verb, "CREATE") {
        create(words).map(Snapshot::Create)
    } else if is(verb, "LIST") {
        list(words)
    } else if is(verb, "INFO") {
        let (snapshot, options) = subject("INFO", "<id or name>", words, &["path"])?;
        Ok(Snapshot::Info(One { snapshot, path: path(&options) }))
    } else if is(verb, "VERIFY") {
        verify(words)
    } else if is(verb, "RESTORE") {
        restore(words).map(Snapshot::Restore)
    } else if is(verb, "DELETE") {
        parse_keeping::delete(words)
    } else if is(verb, "PIN") {
        parse_keeping::pin(words)
    } else if is(verb, "UNPIN") {
        subject("UNPIN", "<id or name>", words, &[]).map(|(snapshot, _)| Snapshot::Unpin(snapshot))
    } else if is(verb, "PRUNE") {
        parse_keeping::prune(words)
    } else if is(verb, "SCHEDULE") {
        no_more("SNAPSHOT SCHEDULE", words).map(|()| Snapshot::Schedule)
    } else if is(verb, "DIFF") {
        diff(words)
    } else if is(verb, "STATUS") {
        no_more("SNAPSHOT STATUS", words).map(|()| Snapshot::Status)
    } else {
        Err(Failure::input(format!("Unknown SNAPSHOT subcommand: {}", shown(verb))))
    }
}

/// A word that is an option of one of these names.
fn named(word: &str, names: &[&str]) -> Option<Option_> {
    let (name, value) = word.split_once('=')?;
    let name = name.to_ascii_lowercase();
    names.contains(&name.as_str()).then_some(())?;
    Some((name, unquoted(value)?))
}

/// What a request is about, in double quotes or not, and the options after it.
fn subject(verb: &str, usage: &str, words: Words<'_>, names: &[&str]) -> Result<(String, Vec<Option_>)> {
    let line = words.rest();
    let (mut rest, mut end, mut options) = (words, 0, Vec::new());
    loop {
        let at = line.len() - rest.rest().len();
        let Some(word) = rest.next_quoted() else { break };
        match named(word, names) {
            Some(option) => options.push(option),
            // A name may hold blanks, and what looks like an option before its end.
            None => {
                options.clear();
                end = at + word.len();
            }
        }
    }
    let value = unquoted(line[..end].trim_ascii()).filter(|value| !value.is_empty());
    match value {
        Some(value) => Ok((value, options)),
        None => Err(Failure::input(format!("SNAPSHOT {verb} requires 1 argument: {usage}"))),
    }
}

fn path(options: &[Option_]) -> Option<String> {
    options.iter().rev().find(|(name, _)| name == "path").map(|(_, value)| value.clone())
}

/// Options alone.
fn options(verb: &str, mut words: Words<'_>, names: &[&str]) -> Result<Vec<Option_>> {
    let mut options = Vec::new();
    while let Some(word) = words.next_quoted() {
        let bad = || Failure::input(format!("Invalid SNAPSHOT {verb} option: {}", shown(word)));
        options.push(named(word, names).ok_or_else(bad)?);
    }
    Ok(options)
}

fn create(words: Words<'_>) -> Result<Create> {
    let names = [
        "name",
        "compression",
        "description",
        "tags",
        "collection",
        "collections",
        "incremental",
        "base",
        "path",
    ];
    let mut create = Create::default();
    for (name, value) in options("CREATE", words, &names)? {
        match name.as_str() {
            "name" => create.name = Some(value),
            "compression" => create.compression = Some(compression(&value)?),
            "description" => create.description = Some(value),
            "tags" => create.tags = listed(&value),
            "collection" | "collections" => create.collections = Some(listed(&value)),
            "incremental" => match (on_off("incremental", &value)?, &create.base) {
                (true, Base::None) => create.base = Base::Newest,
                (false, _) => create.base = Base::None,
                _ => {}
            },
            "base" => create.base = Base::Of(value),
            _ => create.path = Some(value),
        }
    }
    Ok(create)
}

/// Values between commas.
fn listed(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn compression(value: &str) -> Result<Compression> {
    match value {
        "zstd" => Ok(Compression::Zstd),
        "gzip" => Ok(Compression::Gzip),
        "none" => Ok(Compression::None),
        _ => Err(bad("compression", "zstd, gzip, or none", value)),
    }
}

fn list(words: Words<'_>) -> Result<Snapshot> {
    let (mut collection, mut path) = (None, None);
    for (name, value) in options("LIST", words, &["collection", "path"])? {
        *if name == "path" { &mut path } else { &mut collection } = Some(value);
    }
    Ok(Snapshot::List { collection, path })
}

fn verify(words: Words<'_>) -> Result<Snapshot> {
    let (subject, options) = subject("VERIFY", "<id or name>, or ALL", words, &["read", "path"])?;
    let mut read = Depth::Every;
    if let Some((_, value)) = options.iter().rev().find(|(name, _)| name == "read") {
        read = depth(value)?;
    }
    let snapshot = (!is(&subject, "ALL")).then_some(subject);
    Ok(Snapshot::Verify(Verify { snapshot, read, path: path(&options) }))
}

/// `data` (every byte), `sizes`, or a share of the bytes, as `5%`.
pub(crate) fn depth(value: &str) -> Result<Depth> {
    let wrong = || bad("read", "data, sizes, or a share as 5%", value);
    match value {
        "data" => Ok(Depth::Every),
        "sizes" => Ok(Depth::Sizes),
        _ => {
            let percent: f64 = value.strip_suffix('%').and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(wrong());
            }
            // Whoever runs it gives a seed: each time other parts.
            Ok(Depth::Share { share: percent / 100.0, seed: 0 })
        }
    }
}

fn restore(words: Words<'_>) -> Result<Restore> {
    let names = ["collection", "from", "overwrite", "verify", "branch", "dry_run", "path"];
    let (snapshot, options) = subject("RESTORE", "<id or name>", words, &names)?;
    let mut restore = Restore { snapshot, ..Restore::default() };
    for (name, value) in options {
        match name.as_str() {
            "collection" => restore.collection = Some(value),
            "from" => restore.from = Some(value),
            "overwrite" => restore.overwrite = on_off("overwrite", &value)?,
            "verify" => restore.verify = on_off("verify", &value)?,
            "branch" => restore.branch = on_off("branch", &value)?,
            "dry_run" => restore.dry_run = on_off("dry_run", &value)?,
            _ => restore.path = Some(value),
        }
    }
    if restore.branch && (restore.collection.is_some() || restore.from.is_some()) {
        return Err(Failure::input("branch=on: expected no collection, a branch is of the whole snapshot"));
    }
    Ok(restore)
}

fn diff(words: Words<'_>) -> Result<Snapshot> {
    let mut words = words;
    let usage = || Failure::input("SNAPSHOT DIFF requires 2 arguments: <id or name> <id or name>");
    let mut one = || words.next_quoted().and_then(unquoted);
    let (from, to) = (one().ok_or_else(usage)?, one().ok_or_else(usage)?);
    let path = path(&options("DIFF", words, &["path"])?);
    Ok(Snapshot::Diff { from, to, path })
}
