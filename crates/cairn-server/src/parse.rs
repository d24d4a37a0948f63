//! Parsing: a request line → a [`Command`], with the protocol's words for what is wrong.

use crate::command::{Ask, Command, Session};
use crate::failure::{Failure, shown};
use crate::parse_admin::{auth, cache, config, debug, dump, get, no_more, set, show};
use crate::parse_collection::{collection, storage, use_collection};
use crate::parse_snapshot;
use crate::parse_topic::topic;
use crate::parse_wal::{timeline, wal};
use crate::wal_change::bad;
use crate::words::Words;
use cairn_engine::{EventOp, Filter, Limits, Metadata, Near, SearchOptions, Similar, Using, Write};
use fast_float2::FastFloat;

/// The last second of the year 9999: an event time past it is most likely in milliseconds.
const TIME_S_MAX: i64 = 253_402_300_799;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Parses a request line, which is not empty.
pub fn parse(line: &str, limits: &Limits) -> Result<Command> {
    let mut words = Words::new(line);
    let Some(name) = words.next() else {
        return Err(Failure::input("Empty command"));
    };
    // In the order of how often they come.
    if is(name, "VECSET") {
        vecset(words, limits).map(Command::Write)
    } else if is(name, "EVENT") {
        event(words).map(Command::Write)
    } else if is(name, "METASET") {
        metaset(words).map(Command::Write)
    } else if is(name, "VECDEL") {
        vecdel(words).map(Command::Write)
    } else if is(name, "AUTH") {
        auth(words).map(|password| Command::Session(Session::Auth(password)))
    } else if is(name, "DEBUG") {
        debug(words).map(|on| Command::Session(Session::Debug(on)))
    } else {
        ask(name, words, limits).map(Command::Ask)
    }
}

fn ask(name: &str, words: Words<'_>, limits: &Limits) -> Result<Ask> {
    if is(name, "SIM") {
        sim(words, limits).map(|query| Ask::Similar { collection: None, query })
    } else if is(name, "SIMV") {
        simv(words, limits).map(|query| Ask::Near { collection: None, query })
    } else if is(name, "INFO") {
        Ok(Ask::Info)
    } else if is(name, "CHECK") {
        no_more("CHECK", words).map(|()| Ask::Check)
    } else if is(name, "DUMP") {
        dump(words).map(Ask::Dump)
    } else if is(name, "SNAPSHOT") {
        parse_snapshot::snapshot(words).map(Ask::Snapshot)
    } else if is(name, "WAL") {
        wal(words).map(Ask::Wal)
    } else if is(name, "TIMELINE") {
        timeline(words).map(Ask::Timeline)
    } else if is(name, "TOPIC") {
        topic(words).map(Ask::Topic)
    } else if is(name, "USE") {
        use_collection(words).map(Ask::Use)
    } else if is(name, "CACHE") {
        cache(words).map(Ask::Cache)
    } else if is(name, "COLLECTION") {
        collection(words).map(Ask::Collection)
    } else if is(name, "STORAGE") {
        storage(words).map(Ask::Storage)
    } else if is(name, "SET") {
        set(words).map(Ask::Variables)
    } else if is(name, "GET") {
        get(words).map(Ask::Variables)
    } else if is(name, "SHOW") {
        show(words).map(Ask::Variables)
    } else if is(name, "CONFIG") {
        config(words).map(Ask::Config)
    } else {
        Err(Failure::input(format!("Unknown command: {}", shown(name))))
    }
}

/// Whether errors of this request have lines up to `END` in the documented dialect, as its success has: a client tells
/// it from the same two words. `line` may be any bytes, and only the beginning of a line.
pub fn is_verify(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut next = || words.next().unwrap_or_default();
    let family = next();
    let known = family.eq_ignore_ascii_case(b"DUMP") || family.eq_ignore_ascii_case(b"SNAPSHOT");
    known && next().eq_ignore_ascii_case(b"VERIFY")
}

pub(crate) fn is(word: &str, name: &str) -> bool {
    word.eq_ignore_ascii_case(name)
}

fn vecset(mut words: Words<'_>, limits: &Limits) -> Result<Write> {
    let usage = "VECSET requires at least 2 arguments: <id> <floats>";
    let (Some(id), false) = (words.next(), words.rest().is_empty()) else {
        return Err(Failure::input(usage));
    };
    Ok(Write::VectorSet { id: id.to_owned(), vector: vector(words, limits)? })
}

/// The floats in the rest of the line. Memory follows the bytes there are, up to the limit.
fn vector(mut words: Words<'_>, limits: &Limits) -> Result<Vec<f32>> {
    let dimension_max = usize::try_from(limits.dimension).unwrap_or(usize::MAX);
    // A float and its space take two bytes at least, and 8 or so most often.
    let mut vector = Vec::with_capacity((words.rest().len() / 8 + 8).min(dimension_max));
    while !words.rest().is_empty() {
        if vector.len() == dimension_max {
            let got = dimension_max + words.rest().split_ascii_whitespace().count();
            return Err(Failure::input(format!(
                "Vector dimension {got} exceeds maximum allowed: {dimension_max}"
            )));
        }
        // Most are short decimals; whatever else a float may look like takes the longer way.
        let value = match words.next_short() {
            Some(value) => value,
            None => float::<f32>(words.next().unwrap_or_default())?,
        };
        vector.push(value);
    }
    Ok(vector)
}

fn float<F: FastFloat + Finite>(word: &str) -> Result<F> {
    let value: F = fast_float2::parse(word.as_bytes())
        .map_err(|_| Failure::input(format!("Failed to parse float: {}", shown(word))))?;
    if value.finite() { Ok(value) } else { Err(Failure::input(format!("Invalid float: {}", shown(word)))) }
}

trait Finite {
    fn finite(&self) -> bool;
}

impl Finite for f32 {
    fn finite(&self) -> bool {
        self.is_finite()
    }
}

impl Finite for f64 {
    fn finite(&self) -> bool {
        self.is_finite()
    }
}

/// An integer; one too large for `i64` is the nearest there is, which every range refuses.
fn integer(word: &str) -> Result<i64> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    word.parse().or_else(|e: std::num::ParseIntError| match e.kind() {
        PosOverflow => Ok(i64::MAX),
        NegOverflow => Ok(i64::MIN),
        _ => Err(Failure::input(format!("Failed to parse integer: {}", shown(word)))),
    })
}

fn event(mut words: Words<'_>) -> Result<Write> {
    let (Some(context), Some(kind), Some(id)) = (words.next(), words.next(), words.next()) else {
        return Err(Failure::input("EVENT requires at least 3 arguments: <ctx> <type> <id> [<score>]"));
    };
    let op = event_op(kind)?;
    let score = match op {
        EventOp::Del => 0,
        EventOp::Add | EventOp::Set => match words.next() {
            Some(word) => score(word)?,
            None => return Err(Failure::input(usage(op))),
        },
    };
    let time_s = words.next().map(|word| time(word, op)).transpose()?;
    if words.next().is_some() {
        return Err(Failure::input(usage(op)));
    }
    Ok(Write::Event { context: context.to_owned(), id: id.to_owned(), op, score, time_s })
}

pub(crate) fn event_op(kind: &str) -> Result<EventOp> {
    if is(kind, "ADD") {
        Ok(EventOp::Add)
    } else if is(kind, "SET") {
        Ok(EventOp::Set)
    } else if is(kind, "DEL") {
        Ok(EventOp::Del)
    } else {
        Err(Failure::input(format!("Invalid EVENT type: {} (must be ADD, SET, or DEL)", shown(kind))))
    }
}

fn usage(op: EventOp) -> &'static str {
    match op {
        EventOp::Add => "EVENT ADD requires 4-5 arguments: <ctx> ADD <id> <score> [timestamp=<value>]",
        EventOp::Set => "EVENT SET requires 4-5 arguments: <ctx> SET <id> <score> [timestamp=<value>]",
        EventOp::Del => "EVENT DEL requires 3-4 arguments: <ctx> DEL <id> [timestamp=<value>]",
    }
}

pub(crate) fn score(word: &str) -> Result<u8> {
    let number = integer(word)?;
    u8::try_from(number)
        .ok()
        .filter(|score| *score <= 100)
        .ok_or_else(|| Failure::input(format!("Score must be in range [0, 100], got {}", shown(word))))
}

fn time(word: &str, op: EventOp) -> Result<i64> {
    let Some(value) = option(word, "timestamp=") else {
        // A DEL takes no score: saying so helps more than naming the option.
        let hint = if op == EventOp::Del {
            usage(op).to_owned()
        } else {
            format!("Invalid option: {}", shown(word))
        };
        return Err(Failure::input(hint));
    };
    time_s(value)
}

/// Seconds since 1970, of an event.
pub(crate) fn time_s(value: &str) -> Result<i64> {
    let seconds: i64 =
        value.parse().map_err(|_| Failure::input(format!("Failed to parse timestamp: {}", shown(value))))?;
    if !(0..=TIME_S_MAX).contains(&seconds) {
        let message = format!("Timestamp must be in seconds, in range [0, {TIME_S_MAX}], got {seconds}");
        return Err(Failure::input(message));
    }
    Ok(seconds)
}

fn metaset(mut words: Words<'_>) -> Result<Write> {
    let (Some(id), false) = (words.next(), words.rest().is_empty()) else {
        return Err(Failure::input("METASET requires 2 arguments: <id> <key:value,...>"));
    };
    Ok(Write::MetadataSet { id: id.to_owned(), metadata: Metadata::parse(words.rest())? })
}

pub(crate) fn top_k(word: &str, limits: &Limits) -> Result<usize> {
    let number = integer(word)?;
    if number <= 0 {
        return Err(Failure::input(format!("top_k must be positive, got {}", shown(word))));
    }
    usize::try_from(number).ok().filter(|k| *k <= limits.top_k).ok_or_else(|| {
        Failure::input(format!("top_k {} exceeds maximum allowed: {}", shown(word), limits.top_k))
    })
}

pub(crate) fn option<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let (head, value) = word.split_at_checked(name.len())?;
    is(head, name).then_some(value)
}

fn on_off(value: &str) -> Result<bool> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Failure::input(format!("Invalid adaptive value: {} (must be on or off)", shown(value)))),
    }
}

pub(crate) fn using(value: &str) -> Result<Using> {
    match value {
        "events" => Ok(Using::Events),
        "vectors" => Ok(Using::Vectors),
        "fusion" => Ok(Using::Fusion),
        _ => Err(Failure::input(format!(
            "Invalid using value: {} (must be events, vectors, or fusion)",
            shown(value)
        ))),
    }
}

/// Takes an option of how vectors are searched; false when it is none.
fn how(how: &mut SearchOptions, word: &str) -> Result<bool> {
    let count =
        |name: &str, value: &str| value.parse::<usize>().map_err(|_| bad(name, "a whole number", value));
    if let Some(value) = option(word, "ef=") {
        how.ef = Some(count("ef", value)?);
    } else if let Some(value) = option(word, "offset=") {
        how.offset = count("offset", value)?;
    } else if let Some(value) = option(word, "exact=") {
        how.exact = crate::wal_change::on_off("exact", value)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn vecdel(words: Words<'_>) -> Result<Write> {
    match words.rest().split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [id] => Ok(Write::VectorDelete { id: id.to_owned() }),
        _ => Err(Failure::input("VECDEL requires 1 argument: <id>")),
    }
}

fn sim(mut words: Words<'_>, limits: &Limits) -> Result<Similar> {
    let (Some(id), Some(k)) = (words.next(), words.next()) else {
        return Err(Failure::input("SIM requires at least 2 arguments: <id> <top_k>"));
    };
    let mut query = Similar {
        id: id.to_owned(),
        top_k: top_k(k, limits)?,
        using: Using::Fusion,
        filter: None,
        min_score: None,
        adaptive: None,
        how: SearchOptions::default(),
    };
    while let Some(word) = words.next_quoted() {
        if let Some(value) = option(word, "using=") {
            query.using = using(value)?;
        } else if let Some(value) = option(word, "filter=") {
            query.filter = Some(Filter::parse(value)?);
        } else if let Some(value) = option(word, "min_score=") {
            query.min_score = Some(float(value)?);
        } else if let Some(value) = option(word, "adaptive=") {
            query.adaptive = Some(on_off(value)?);
        } else if !how(&mut query.how, word)? {
            return Err(Failure::input(format!("Invalid SIM option: {}", shown(word))));
        }
    }
    Ok(query)
}

fn simv(mut words: Words<'_>, limits: &Limits) -> Result<Near> {
    let usage = "SIMV requires at least 2 arguments: <top_k> <floats>";
    let Some(k) = words.next() else {
        return Err(Failure::input(usage));
    };
    let top_k = top_k(k, limits)?;
    let (mut filter, mut min_score, mut options) = (None, None, SearchOptions::default());
    // Options stand between k and the floats.
    loop {
        let before = words;
        let Some(word) = words.next_quoted() else {
            return Err(Failure::input(usage));
        };
        if let Some(value) = option(word, "filter=") {
            filter = Some(Filter::parse(value)?);
        } else if let Some(value) = option(word, "min_score=") {
            min_score = Some(float(value)?);
        } else if !how(&mut options, word)? {
            if word.contains('=') {
                return Err(Failure::input(format!("Invalid SIMV option: {}", shown(word))));
            }
            words = before;
            break;
        }
    }
    Ok(Near { vector: vector(words, limits)?, top_k, filter, min_score, how: options })
}
