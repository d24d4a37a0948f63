//! Parsing of DUMP and SNAPSHOT.

use crate::command::{Compression, Create, Dump, Snapshot};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is, option};
use crate::parse_keeping;
use crate::words::{Words, unquoted};

pub(crate) fn dump(mut words: Words<'_>) -> Result<Dump> {
    let Some(verb) = words.next() else {
        return Err(Failure::input("DUMP requires subcommand: SAVE|LOAD|VERIFY|INFO|STATUS"));
    };
    let path = |verb: &str| needed(words, &format!("DUMP {verb} requires 1 argument: <filepath>"));
    if is(verb, "SAVE") {
        Ok(Dump::Save(if words.rest().is_empty() { None } else { Some(path("SAVE")?) }))
    } else if is(verb, "LOAD") {
        path("LOAD").map(Dump::Load)
    } else if is(verb, "VERIFY") {
        path("VERIFY").map(Dump::Verify)
    } else if is(verb, "INFO") {
        path("INFO").map(Dump::Info)
    } else if is(verb, "STATUS") {
        no_more("DUMP STATUS", words).map(|()| Dump::Status)
    } else {
        Err(Failure::input(format!("Unknown DUMP subcommand: {}", shown(verb))))
    }
}

pub(crate) fn snapshot(mut words: Words<'_>) -> Result<Snapshot> {
    let Some(verb) = words.next() else {
        return Err(Failure::input(
            "SNAPSHOT requires subcommand: CREATE|LIST|INFO|VERIFY|RESTORE|DELETE|PIN|UNPIN|PRUNE|SCHEDULE|STATUS",
        ));
    };
    let one = |verb: &str| needed(words, &format!("SNAPSHOT {verb} requires 1 argument: <id or name>"));
    if is(verb, "CREATE") {
        create(words).map(Snapshot::Create)
    } else if is(verb, "LIST") {
        no_more("SNAPSHOT LIST", words).map(|()| Snapshot::List)
    } else if is(verb, "INFO") {
        one("INFO").map(Snapshot::Info)
    } else if is(verb, "VERIFY") {
        one("VERIFY").map(Snapshot::Verify)
    } else if is(verb, "RESTORE") {
        one("RESTORE").map(Snapshot::Restore)
    } else if is(verb, "DELETE") {
        parse_keeping::delete(words)
    } else if is(verb, "PIN") {
        parse_keeping::pin(words)
    } else if is(verb, "UNPIN") {
        one("UNPIN").map(Snapshot::Unpin)
    } else if is(verb, "PRUNE") {
        parse_keeping::prune(words)
    } else if is(verb, "SCHEDULE") {
        no_more("SNAPSHOT SCHEDULE", words).map(|()| Snapshot::Schedule)
    } else if is(verb, "STATUS") {
        no_more("SNAPSHOT STATUS", words).map(|()| Snapshot::Status)
    } else {
        Err(Failure::input(format!("Unknown SNAPSHOT subcommand: {}", shown(verb))))
    }
}

fn create(mut words: Words<'_>) -> Result<Create> {
    let mut create = Create::default();
    while let Some(word) = words.next_quoted() {
        let bad = || Failure::input(format!("Invalid SNAPSHOT CREATE option: {}", shown(word)));
        if let Some(value) = option(word, "name=") {
            create.name = Some(unquoted(value).ok_or_else(bad)?);
        } else if let Some(value) = option(word, "compression=") {
            create.compression = Some(compression(value)?);
        } else if let Some(value) = option(word, "description=") {
            create.description = Some(unquoted(value).ok_or_else(bad)?);
        } else {
            return Err(bad());
        }
    }
    Ok(create)
}

fn compression(value: &str) -> Result<Compression> {
    match value {
        "zstd" => Ok(Compression::Zstd),
        "gzip" => Ok(Compression::Gzip),
        "none" => Ok(Compression::None),
        _ => Err(Failure::input(format!(
            "Invalid compression value: {} (must be zstd, gzip, or none)",
            shown(value)
        ))),
    }
}

/// The rest of the line as one value, in double quotes or not.
pub(crate) fn needed(words: Words<'_>, usage: &str) -> Result<String> {
    let value = unquoted(words.rest()).filter(|value| !value.is_empty());
    value.ok_or_else(|| Failure::input(usage))
}

pub(crate) fn no_more(command: &str, words: Words<'_>) -> Result<()> {
    if words.rest().is_empty() {
        Ok(())
    } else {
        Err(Failure::input(format!("{command} takes no arguments")))
    }
}
