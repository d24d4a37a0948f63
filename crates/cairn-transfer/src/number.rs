//! Numbers in texts: vectors, scores, times, and what a bare word means.

use crate::bad_row::Fault;
use cairn_engine::{EventOp, Value};

/// The last second of the year 9999: an event time past it is most likely in milliseconds.
const TIME_S_MAX: i64 = 253_402_300_799;
/// The most elements of a vector that any reader takes.
pub(crate) const DIMENSION_MAX: usize = 65_536;

/// Appends the numbers of a list to `vector`: `[1, 2.5]`, or the same without brackets; between numbers stand commas,
/// semicolons or white space.
///
/// # Errors
/// The element that is no finite number, as `field[3]`.
pub(crate) fn floats(field: &str, text: &str, vector: &mut Vec<f32>) -> Result<(), Fault> {
    let trimmed = text.trim_ascii();
    let inner = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(trimmed);
    let mut rest = inner.as_bytes().trim_ascii_start();
    while !rest.is_empty() {
        if vector.len() == DIMENSION_MAX {
            return Err(Fault::plain(field, format!("at most {DIMENSION_MAX} elements"), "more"));
        }
        let parsed = fast_float2::parse_partial::<f32, _>(rest).ok().filter(|(x, _)| x.is_finite());
        let Some((value, length)) = parsed else { return Err(no_float(field, vector.len(), rest)) };
        let behind = rest.get(length..).unwrap_or_default();
        let after = behind.trim_ascii_start();
        let next = match after.first() {
            None => after,
            Some(b',' | b';') => {
                let next = after[1..].trim_ascii_start();
                if next.is_empty() {
                    return Err(Fault::plain(
                        format!("{field}[{}]", vector.len() + 1),
                        "a number",
                        "nothing after the last separator",
                    ));
                }
                next
            }
            Some(_) if after.len() < behind.len() => after,
            Some(_) => return Err(no_float(field, vector.len(), rest)),
        };
        vector.push(value);
        rest = next;
    }
    Ok(())
}

fn no_float(field: &str, index: usize, rest: &[u8]) -> Fault {
    let ends = |b: &u8| matches!(b, b',' | b';' | b' ' | b'\t' | b'\n' | b'\r');
    let word = rest.split(ends).next().unwrap_or_default();
    Fault::new(format!("{field}[{index}]"), "a finite f32 number", &String::from_utf8_lossy(word))
}

/// One number of a vector.
pub(crate) fn float(field: impl FnOnce() -> String, word: &str) -> Result<f32, Fault> {
    match fast_float2::parse::<f32, _>(word.trim_ascii().as_bytes()) {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Fault::new(field(), "a finite f32 number", word)),
    }
}

/// An event's operation, in any case.
pub(crate) fn operation(field: &str, word: &str) -> Result<EventOp, Fault> {
    let known = [("ADD", EventOp::Add), ("SET", EventOp::Set), ("DEL", EventOp::Del)];
    let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    found.map(|(_, op)| *op).ok_or_else(|| Fault::new(field, "ADD, SET or DEL", word))
}

/// An event's score.
pub(crate) fn score(word: &str) -> Result<u8, Fault> {
    let number = word.parse::<u8>().ok().filter(|score| *score <= 100);
    number.ok_or_else(|| Fault::new("score", "an integer from 0 to 100", word))
}

/// An event's time, in seconds.
pub(crate) fn time(word: &str) -> Result<i64, Fault> {
    let seconds = word.parse::<i64>().ok().filter(|s| (0..=TIME_S_MAX).contains(s));
    seconds.ok_or_else(|| Fault::new("timestamp", format!("seconds, 0 to {TIME_S_MAX}"), word))
}

/// What a bare word means, as METASET has it: bool, integer, decimal number, or else text. An integer beyond 64 bits is a
/// decimal number; a number beyond f64 is text, and so are `nan` and `inf`.
pub(crate) fn typed(word: &str) -> Value {
    match word {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return Value::Text(word.to_owned());
    }
    if let Ok(int) = word.parse::<i64>() {
        return Value::Int(int);
    }
    match word.parse::<f64>() {
        Ok(float) if float.is_finite() => Value::Float(float),
        _ => Value::Text(word.to_owned()),
    }
}
