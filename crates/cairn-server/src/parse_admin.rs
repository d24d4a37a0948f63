//! Parsing of CACHE, DUMP, CONFIG, SET, GET, SHOW, AUTH and DEBUG.

use crate::auth::Password;
use crate::command::{Cache, Configs, Dump, Variables};
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

/// The password is the rest of the line, as it stands. No message shows it.
pub(crate) fn auth(words: Words<'_>) -> Result<Password> {
    match words.rest() {
        "" => Err(Failure::input("AUTH requires 1 argument: <password>")),
        password => Ok(Password::new(password)),
    }
}

pub(crate) fn debug(mut words: Words<'_>) -> Result<bool> {
    match (words.next(), words.rest()) {
        (Some(word), "") if is(word, "ON") => Ok(true),
        (Some(word), "") if is(word, "OFF") => Ok(false),
        _ => Err(Failure::input("DEBUG requires 1 argument: ON|OFF")),
    }
}

pub(crate) fn set(mut words: Words<'_>) -> Result<Variables> {
    let usage = "SET requires 2 arguments: <variable> <value>";
    let name = words.next().ok_or_else(|| Failure::input(usage))?;
    Ok(Variables::Set { name: name.to_owned(), value: needed(words, usage)? })
}

pub(crate) fn get(mut words: Words<'_>) -> Result<Variables> {
    match (words.next(), words.rest()) {
        (Some(name), "") => Ok(Variables::Get(name.to_owned())),
        _ => Err(Failure::input("GET requires 1 argument: <variable>")),
    }
}

pub(crate) fn show(mut words: Words<'_>) -> Result<Variables> {
    let wrong = || Failure::input("SHOW requires: VARIABLES [LIKE <pattern%>]");
    if !words.next().is_some_and(|word| is(word, "VARIABLES")) {
        return Err(wrong());
    }
    match (words.next(), words.next(), words.rest()) {
        (None, ..) => Ok(Variables::Show(None)),
        (Some(like), Some(pattern), "") if is(like, "LIKE") => {
            Ok(Variables::Show(Some(pattern.trim_matches(['\'', '"']).to_owned())))
        }
        _ => Err(wrong()),
    }
}

pub(crate) fn config(mut words: Words<'_>) -> Result<Configs> {
    let Some(verb) = words.next() else {
        return Err(Failure::input("CONFIG requires subcommand: HELP|SHOW|VERIFY"));
    };
    let rest = words.rest();
    let given = |usage| if rest.is_empty() { Ok(None) } else { needed(words, usage).map(Some) };
    if is(verb, "HELP") {
        given("CONFIG HELP takes a path: <section.key>").map(Configs::Help)
    } else if is(verb, "SHOW") {
        given("CONFIG SHOW takes a path: <section.key>").map(Configs::Show)
    } else if is(verb, "VERIFY") {
        given("CONFIG VERIFY takes 1 argument: <filepath>").map(Configs::Verify)
    } else {
        Err(Failure::input(format!("Unknown CONFIG subcommand: {}", shown(verb))))
    }
}
