//! The reader of the wire's own lines: `VECSET`, `METASET`, `EVENT`.

use crate::bad_row::{BadRow, Fault};
use crate::error::Result;
use crate::format::Format;
use crate::input::Input;
use crate::line::{Found, Lines};
use crate::number;
use crate::rows::{Next, Place, RowReader};
use cairn_engine::{EventOp, Metadata, Write};

/// Reads the write commands of docs/protocol.md, one a line, as a client would send them.
pub struct WireReader {
    lines: Lines,
    dimension: usize,
}

impl WireReader {
    /// Reads an input.
    pub fn new(input: Input) -> WireReader {
        WireReader { lines: Lines::new(input), dimension: 0 }
    }
}

impl RowReader for WireReader {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        let place = match self.lines.next()? {
            Found::Line(place) => place,
            Found::Bad(bad) => return Ok(Next::Bad(bad)),
            Found::End => return Ok(Next::End),
        };
        match parse(self.lines.text(), &mut self.dimension) {
            Ok(write) => {
                writes.push(write);
                Ok(Next::Row(place))
            }
            Err(fault) => Ok(Next::Bad(BadRow { place, fault })),
        }
    }

    fn place(&mut self) -> Place {
        self.lines.place()
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        self.lines.resume(place)
    }

    fn input(&self) -> &Input {
        &self.lines.input
    }

    fn format(&self) -> Format {
        Format::Lines
    }
}

/// Takes the next word, up to white space.
fn word<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let end = rest.bytes().position(|b| b.is_ascii_whitespace()).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    *rest = behind.trim_ascii_start();
    (!word.is_empty()).then_some(word)
}

fn needed<'a>(rest: &mut &'a str, field: &str, expected: &str) -> Result<&'a str, Fault> {
    word(rest).ok_or_else(|| Fault::plain(field, expected, "the end of the line"))
}

fn parse(line: &[u8], dimension: &mut usize) -> Result<Write, Fault> {
    let text = std::str::from_utf8(line).map_err(|e| {
        Fault::plain("line", "UTF-8", format!("a byte that is none (column {})", e.valid_up_to() + 1))
    })?;
    let mut rest = text;
    let command = needed(&mut rest, "command", "VECSET, METASET or EVENT")?;
    if command.eq_ignore_ascii_case("EVENT") {
        event(rest)
    } else if command.eq_ignore_ascii_case("VECSET") {
        vector(rest, dimension)
    } else if command.eq_ignore_ascii_case("METASET") {
        metadata(rest)
    } else {
        Err(Fault::new("command", "VECSET, METASET or EVENT", command))
    }
}

fn vector(mut rest: &str, dimension: &mut usize) -> Result<Write, Fault> {
    let id = needed(&mut rest, "id", "an id")?.to_owned();
    if rest.is_empty() {
        return Err(Fault::plain("vector", "numbers", "the end of the line"));
    }
    let mut vector = Vec::with_capacity((*dimension).min(rest.len() / 2 + 1));
    for word in rest.split_ascii_whitespace() {
        if vector.len() == number::DIMENSION_MAX {
            let expected = format!("at most {} elements", number::DIMENSION_MAX);
            return Err(Fault::plain("vector", expected, "more"));
        }
        vector.push(number::float(|| format!("vector[{}]", vector.len()), word)?);
    }
    *dimension = vector.len();
    Ok(Write::VectorSet { id, vector })
}

fn metadata(mut rest: &str) -> Result<Write, Fault> {
    let id = needed(&mut rest, "id", "an id")?.to_owned();
    if rest.is_empty() {
        return Err(Fault::plain("metadata", "key:value[,key:value…]", "the end of the line"));
    }
    let metadata = Metadata::parse(rest).map_err(|e| Fault::refused("metadata", e.to_string()))?;
    Ok(Write::MetadataSet { id, metadata })
}

fn event(mut rest: &str) -> Result<Write, Fault> {
    let context = needed(&mut rest, "ctx", "a context")?.to_owned();
    let op = number::operation("type", needed(&mut rest, "type", "ADD, SET or DEL")?)?;
    let id = needed(&mut rest, "id", "an id")?.to_owned();
    let score = match op {
        EventOp::Del => 0,
        EventOp::Add | EventOp::Set => {
            number::score(needed(&mut rest, "score", "an integer from 0 to 100")?)?
        }
    };
    let time_s = match word(&mut rest) {
        None => None,
        Some(option) => {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if !name.eq_ignore_ascii_case("timestamp") {
                return Err(Fault::new("option", "timestamp=<seconds>", option));
            }
            Some(number::time(value)?)
        }
    };
    match word(&mut rest) {
        None => Ok(Write::Event { context, id, op, score, time_s }),
        Some(more) => Err(Fault::new("line", "its end", more)),
    }
}
