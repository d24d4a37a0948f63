//! Parsing of COLLECTION, USE and STORAGE.

use crate::collection_change::SpecChange;
use crate::command::{Collections, Compact, Mmap, StorageAsk};
use crate::failure::{Failure, shown};
use crate::parse::{Result, is};
use crate::parse_admin::no_more;
use crate::wal_change::{bad, on_off};
use crate::words::{Words, unquoted};
use cairn_engine::Advise;

pub(crate) fn collection(mut words: Words<'_>) -> Result<Collections> {
    let Some(verb) = words.next() else {
        return Err(Failure::input(
            "COLLECTION requires subcommand: CREATE|LIST|STATS|DROP|RENAME|ALIAS|UNALIAS|CONFIGURE",
        ));
    };
    if is(verb, "CREATE") {
        let name = name(&mut words, "COLLECTION CREATE requires at least 1 argument: <name>")?;
        Ok(Collections::Create { name, change: Box::new(options("CREATE", words)?) })
    } else if is(verb, "LIST") {
        no_more("COLLECTION LIST", words).map(|()| Collections::List)
    } else if is(verb, "STATS") {
        one("STATS", words).map(Collections::Stats)
    } else if is(verb, "DROP") || is(verb, "DELETE") {
        drop_one(words)
    } else if is(verb, "RENAME") {
        let [from, to] = two("RENAME", "<name> <new name>", words)?;
        Ok(Collections::Rename { from, to })
    } else if is(verb, "ALIAS") {
        let [alias, name] = two("ALIAS", "<alias> <name>", words)?;
        Ok(Collections::Alias { alias, name })
    } else if is(verb, "UNALIAS") {
        one("UNALIAS", words).map(Collections::Unalias)
    } else if is(verb, "CONFIGURE") {
        let name = name(&mut words, "COLLECTION CONFIGURE requires at least 1 argument: <name>")?;
        Ok(Collections::Configure { name, change: Box::new(options("CONFIGURE", words)?) })
    } else {
        Err(Failure::input(format!("Unknown COLLECTION subcommand: {}", shown(verb))))
    }
}

/// `USE <name>`.
pub(crate) fn use_collection(words: Words<'_>) -> Result<String> {
    match words.rest().split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [name] => Ok(name.to_owned()),
        _ => Err(Failure::input("USE requires 1 argument: <collection>")),
    }
}

fn name(words: &mut Words<'_>, usage: &str) -> Result<String> {
    words.next().map(str::to_owned).ok_or_else(|| Failure::input(usage))
}

fn one(verb: &str, words: Words<'_>) -> Result<String> {
    match words.rest().split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [name] => Ok(name.to_owned()),
        _ => Err(Failure::input(format!("COLLECTION {verb} requires 1 argument: <name>"))),
    }
}

fn two(verb: &str, usage: &str, words: Words<'_>) -> Result<[String; 2]> {
    match words.rest().split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [a, b] => Ok([a.to_owned(), b.to_owned()]),
        _ => Err(Failure::input(format!("COLLECTION {verb} requires 2 arguments: {usage}"))),
    }
}

/// `name=value` with the value's quotes taken off, the name in lower case.
fn named(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    Some((name.to_ascii_lowercase(), unquoted(value)?))
}

fn options(verb: &str, mut words: Words<'_>) -> Result<SpecChange> {
    let mut change = SpecChange::default();
    while let Some(word) = words.next_quoted() {
        let bad = || Failure::input(format!("Invalid COLLECTION {verb} option: {}", shown(word)));
        let (name, value) = named(word).ok_or_else(bad)?;
        if !change.take(&name, &value)? {
            return Err(bad());
        }
    }
    Ok(change)
}

fn drop_one(mut words: Words<'_>) -> Result<Collections> {
    let name = name(&mut words, "COLLECTION DROP requires 1 argument: <name>")?;
    let mut dry_run = false;
    while let Some(word) = words.next_quoted() {
        match named(word) {
            Some((option, value)) if option == "dry_run" => dry_run = on_off(&option, &value)?,
            _ => return Err(Failure::input(format!("Invalid COLLECTION DROP option: {}", shown(word)))),
        }
    }
    Ok(Collections::Drop { name, dry_run })
}

pub(crate) fn storage(mut words: Words<'_>) -> Result<StorageAsk> {
    let Some(verb) = words.next() else {
        return Err(Failure::input("STORAGE requires subcommand: STATS|MMAP|COMPACT"));
    };
    if is(verb, "STATS") {
        let name = words.next().map(str::to_owned);
        no_more("STORAGE STATS", words).map(|()| StorageAsk::Stats(name))
    } else if is(verb, "MMAP") {
        mmap(words).map(StorageAsk::Mmap)
    } else if is(verb, "COMPACT") {
        compact(words).map(StorageAsk::Compact)
    } else {
        Err(Failure::input(format!("Unknown STORAGE subcommand: {}", shown(verb))))
    }
}

fn mmap(mut words: Words<'_>) -> Result<Mmap> {
    let mut mmap = Mmap::default();
    while let Some(word) = words.next_quoted() {
        let refused = || Failure::input(format!("Invalid STORAGE MMAP option: {}", shown(word)));
        let (name, value) = named(word).ok_or_else(refused)?;
        if name == "collection" {
            mmap.collection = Some(value);
        } else if !mmap.take(&name, &value)? {
            return Err(refused());
        }
    }
    Ok(mmap)
}

impl Mmap {
    /// Takes an option, the collection aside; `Ok(false)`: there is none of this name.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "enable" => self.enable = Some(on_off(name, value)?),
            "populate" => self.populate = Some(on_off(name, value)?),
            "advise" => {
                let advise = Advise::from_name(value);
                self.advise = Some(advise.ok_or_else(|| bad(name, "normal, random or sequential", value))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn compact(mut words: Words<'_>) -> Result<Compact> {
    let mut compact = Compact::default();
    while let Some(word) = words.next_quoted() {
        let refused = || Failure::input(format!("Invalid STORAGE COMPACT option: {}", shown(word)));
        match named(word) {
            None if compact.collection.is_none() => compact.collection = Some(word.to_owned()),
            None => return Err(refused()),
            Some((name, value)) if name == "aggressive" => compact.aggressive = on_off(&name, &value)?,
            Some((name, value)) if name == "threshold" => compact.threshold = Some(percent(&name, &value)?),
            Some(_) => return Err(refused()),
        }
    }
    Ok(compact)
}

/// A share as people write it: `20%` or `20`. 0 to 1.
pub(crate) fn percent(name: &str, value: &str) -> Result<f64> {
    let number = value.strip_suffix('%').unwrap_or(value).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(bad(name, "more than 0% and at most 100%", value)),
    }
}
