//! The writer of the wire's own lines.

use crate::bad_row::shown;
use crate::error::{Error, Result};
use crate::export::RowWriter;
use crate::format::Format;
use crate::jsonl_writer::operation;
use cairn_engine::{EventOp, EventRow, ItemRow, Metadata, Value};
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
        let op = operation(event.op);
        let mut built = write!(self.line, "EVENT {context} {op} {id}");
        if event.op != EventOp::Del {
            built = built.and_then(|()| write!(self.line, " {}", event.score));
        }
        let built = built.and_then(|()| writeln!(self.line, " timestamp={}", event.time_s));
        self.flush(built)
    }

    fn pair(&mut self, a: &str, b: &str, _score: f64) -> Result<()> {
        Err(unsupported(format!("the pair {}, {}", shown(a), shown(b))))
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
