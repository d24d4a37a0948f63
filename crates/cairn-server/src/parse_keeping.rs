//! Parsing of SNAPSHOT DELETE, PIN and PRUNE.

use crate::command::{Prune, Snapshot};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is, option};
use crate::parse_admin::needed;
use crate::retention::take_policy;
use crate::words::{Words, unquoted};

/// `[force=on] <id or name>`: the options come first, the rest of the line is the snapshot.
pub(crate) fn delete(mut words: Words<'_>) -> Result<Snapshot> {
    let usage = "SNAPSHOT DELETE requires 1 argument: <id or name>";
    let rest = words;
    if words.next().is_some_and(|word| word.eq_ignore_ascii_case("force=on")) {
        return needed(words, usage).map(Snapshot::DeletePinned);
    }
    needed(rest, usage).map(Snapshot::Delete)
}

/// `[note="…"] <id or name>`.
pub(crate) fn pin(mut words: Words<'_>) -> Result<Snapshot> {
    let usage = "SNAPSHOT PIN requires 1 argument: <id or name>";
    let rest = words;
    let Some(given) = words.next_quoted().and_then(|word| option(word, "note=")) else {
        return Ok(Snapshot::Pin(needed(rest, usage)?, String::new()));
    };
    let note = unquoted(given)
        .ok_or_else(|| Failure::input(format!("Invalid SNAPSHOT PIN option: note={}", shown(given))))?;
    Ok(Snapshot::Pin(needed(words, usage)?, note))
}

/// `[DRYRUN] keep_last=7 …`.
pub(crate) fn prune(mut words: Words<'_>) -> Result<Snapshot> {
    let mut prune = Prune::default();
    while let Some(word) = words.next_quoted() {
        let bad = || Failure::input(format!("Invalid SNAPSHOT PRUNE option: {}", shown(word)));
        if is(word, "DRYRUN") {
            prune.dry_run = true;
            continue;
        }
        let (name, value) = word.split_once('=').ok_or_else(bad)?;
        let (name, value) = (name.to_ascii_lowercase(), unquoted(value).ok_or_else(bad)?);
        if name == "tag" && !value.is_empty() {
            prune.tag = Some(value);
        } else if !take_policy(&mut prune.policy, &name, &value)? {
            return Err(bad());
        }
    }
    if prune.policy.is_empty() && !prune.policy.remove_damaged {
        return Err(Failure::input(
            "SNAPSHOT PRUNE requires what to keep: keep_last=N, keep_daily=N, keep_within=30d, max_age=365d, …",
        ));
    }
    Ok(Snapshot::Prune(Box::new(prune)))
}
