//! Parsing of CACHE and DUMP.

use crate::command::{Cache, Dump};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is};
use crate::words::{Words, unquoted};

pub(crate) fn cache(mut words: Words<'_>) -> Result<Cache> {
    let Some(verb) = words.next() else {
        return Err(Failure::input("CACHE requires subcommand: STATS|CLEAR|ENABLE|DISABLE"));
    };
    let known = [
        ("STATS", Cache::Stats, "CACHE STATS"),
        ("CLEAR", Cache::Clear, "CACHE CLEAR"),
        ("ENABLE", Cache::Enable, "CACHE ENABLE"),
        ("DISABLE", Cache::Disable, "CACHE DISABLE"),
    ];
    match known.into_iter().find(|(name, ..)| is(verb, name)) {
        Some((_, asked, command)) => no_more(command, words).map(|()| asked),
        None => Err(Failure::input(format!("Unknown CACHE subcommand: {}", shown(verb)))),
    }
}

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
