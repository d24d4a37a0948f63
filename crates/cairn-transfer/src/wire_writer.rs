//! The writer of the wire's own lines.

use crate::bad_row::shown;
use crate::error::{Error, Result};
use crate::export::RowWriter;
use crate::format::Format;
use crate::jsonl_writer::operation;
use cairn_engine::{EventOp, EventRow, ItemRow, Metadata, Value, Write as Change};
use std::io::{self, Write};

/// Writes `VECSET`, `METASET` and `EVENT` lines, as a client would send them. An id with white space, a list in metadata and
/// metadata without keys cannot be written.
pub(crate) struct WireWriter<'o> {
    out: &'o mut (dyn Write + Send),
    line: Vec<u8>,
}

impl<'o> WireWriter<'o> {
    pub fn new(out: &'o mut (dyn Write + Send)) -> Self {
        WireWriter { out, line: Vec::new() }
    }

    fn flush(&mut self, built: io::Result<()>) -> Result<()> {
        let written = built.and_then(|()| self.out.write_all(&self.line));
        self.line.clear();
        written.map_err(Error::write)
    }
}

fn unsupported(what: String) -> Error {
    Error::Unsupported { format: Format::Lines.name(), what }
}

/// A name that is one word of a line.
fn word<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    let whole = !name.is_empty() && !name.bytes().any(|b| b.is_ascii_whitespace());
    if whole { Ok(name) } else { Err(unsupported(format!("the {what} {}", shown(name)))) }
}

fn put_vector(line: &mut Vec<u8>, id: &str, vector: &[f32]) -> io::Result<()> {
    write!(line, "VECSET {id}")?;
    for x in vector {
        line.push(b' ');
        serde_json::to_writer(&mut *line, x)?;
    }
    line.push(b'\n');
    Ok(())
}

/// Appends a text in double quotes, as METASET reads it.
fn put_quoted(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            other => line.push(other),
        }
    }
    line.push(b'"');
}

fn put_metadata(line: &mut Vec<u8>, id: &str, metadata: &Metadata) -> Result<()> {
    if metadata.0.is_empty() {
        return Err(unsupported(format!("metadata without keys, of {}", shown(id))));
    }
    line.extend_from_slice(b"METASET ");
    line.extend_from_slice(id.as_bytes());
    for (n, (key, value)) in metadata.0.iter().enumerate() {
        line.push(if n == 0 { b' ' } else { b',' });
        put_quoted(line, key);
        line.push(b':');
        let put = match value {
            Value::Bool(value) => write!(line, "{value}"),
            Value::Int(int) => write!(line, "{int}"),
            // With a point or an exponent, so that it is no integer when it is read.
            Value::Float(float) => write!(line, "{float:?}"),
            Value::Text(text) => {
                put_quoted(line, text);
                Ok(())
            }
            Value::List(_) => {
                return Err(unsupported(format!("the list in metadata key {} of {}", shown(key), shown(id))));
            }
        };
        put.map_err(Error::write)?;
    }
    line.push(b'\n');
    Ok(())
}

/// Appends a write as the line, with its end, that a client sends for it (docs/protocol.md): every number reads back as it is.
/// For receivers of an [`Importer`](crate::Importer) that send rows on.
///
/// # Errors
/// `Unsupported`, naming the item: an id or a context with white space, a list in metadata, metadata without keys; a decay. Then
/// nothing is appended.
pub fn write_line(write: &Change, out: &mut Vec<u8>) -> Result<()> {
    let before = out.len();
    put_line(write, out).inspect_err(|_| out.truncate(before))
}

fn put_line(write: &Change, out: &mut Vec<u8>) -> Result<()> {
    match write {
        Change::VectorSet { id, vector } => put_vector(out, word("id", id)?, vector).map_err(Error::write),
        Change::MetadataSet { id, metadata } => put_metadata(out, word("id", id)?, metadata),
        Change::VectorDelete { id } => {
            let id = word("id", id)?;
            writeln!(out, "VECDEL {id}").map_err(Error::write)
        }
        Change::Event { context, id, op, score, time_s } => {
            let (context, id) = (word("context", context)?, word("id", id)?);
            put_event(out, context, id, *op, *score, *time_s).map_err(Error::write)
        }
        Change::Decay { .. } => Err(unsupported("a decay".to_owned())),
    }
}

fn put_event(
    line: &mut Vec<u8>,
    context: &str,
    id: &str,
    op: EventOp,
    score: u8,
    time_s: Option<i64>,
) -> io::Result<()> {
    write!(line, "EVENT {context} {} {id}", operation(op))?;
    if op != EventOp::Del {
        write!(line, " {score}")?;
    }
    if let Some(time_s) = time_s {
        write!(line, " timestamp={time_s}")?;
    }
    line.push(b'\n');
    Ok(())
}

impl RowWriter for WireWriter<'_> {
    fn item(&mut self, item: ItemRow<'_>) -> Result<()> {
        let id = word("id", item.id)?;
        let mut built = Ok(());
        if let Some(vector) = item.vector {
            built = put_vector(&mut self.line, id, vector);
        }
        if let Some(metadata) = item.metadata {
            put_metadata(&mut self.line, id, metadata)?;
        }
        self.flush(built)
    }

    fn event(&mut self, context: &str, event: EventRow<'_>) -> Result<()> {
        let (context, id) = (word("context", context)?, word("id", event.id)?);
        let built = put_event(&mut self.line, context, id, event.op, event.score, Some(event.time_s));
        self.flush(built)
    }

    fn pair(&mut self, a: &str, b: &str, _score: f64) -> Result<()> {
        Err(unsupported(format!("the pair {}, {}", shown(a), shown(b))))
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
