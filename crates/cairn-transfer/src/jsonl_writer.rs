//! The writer of JSON Lines.

use crate::error::{Error, Result};
use crate::export::RowWriter;
use cairn_engine::{EventOp, EventRow, ItemRow, Metadata, Value};
use std::io::{self, Write};

/// Writes one object a line, as [`crate::JsonLinesReader`] reads it; numbers in their shortest form that reads back to the
/// same bits.
pub(crate) struct JsonLinesWriter<'o> {
    out: &'o mut (dyn Write + Send),
    line: Vec<u8>,
}

impl<'o> JsonLinesWriter<'o> {
    pub fn new(out: &'o mut (dyn Write + Send)) -> Self {
        JsonLinesWriter { out, line: Vec::new() }
    }

    fn flush(&mut self, built: io::Result<()>) -> Result<()> {
        let written = built.and_then(|()| self.out.write_all(&self.line));
        self.line.clear();
        written.map_err(Error::write)
    }
}

/// The word of an operation.
pub(crate) fn operation(op: EventOp) -> &'static str {
    match op {
        EventOp::Add => "ADD",
        EventOp::Set => "SET",
        EventOp::Del => "DEL",
    }
}

/// Appends a vector as a JSON list.
pub(crate) fn put_vector(line: &mut Vec<u8>, vector: &[f32]) -> io::Result<()> {
    serde_json::to_writer(line, vector)?;
    Ok(())
}

/// Appends a value as JSON.
pub(crate) fn put_value(line: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    match value {
        Value::Bool(value) => serde_json::to_writer(line, value)?,
        Value::Int(int) => serde_json::to_writer(line, int)?,
        Value::Float(float) => serde_json::to_writer(line, float)?,
        Value::Text(text) => serde_json::to_writer(line, text)?,
        Value::List(members) => {
            line.push(b'[');
            for (n, member) in members.iter().enumerate() {
                if n > 0 {
                    line.push(b',');
                }
                put_value(line, member)?;
            }
            line.push(b']');
        }
    }
    Ok(())
}

fn put_metadata(line: &mut Vec<u8>, metadata: &Metadata) -> io::Result<()> {
    line.push(b'{');
    for (n, (key, value)) in metadata.0.iter().enumerate() {
        if n > 0 {
            line.push(b',');
        }
        serde_json::to_writer(&mut *line, key)?;
        line.push(b':');
        put_value(line, value)?;
    }
    line.push(b'}');
    Ok(())
}

fn put_item(line: &mut Vec<u8>, item: ItemRow<'_>) -> io::Result<()> {
    line.extend_from_slice(b"{\"id\":");
    serde_json::to_writer(&mut *line, item.id)?;
    if let Some(vector) = item.vector {
        line.extend_from_slice(b",\"vector\":");
        put_vector(line, vector)?;
    }
    if let Some(metadata) = item.metadata {
        line.extend_from_slice(b",\"metadata\":");
        put_metadata(line, metadata)?;
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}

fn put_event(line: &mut Vec<u8>, context: &str, event: EventRow<'_>) -> io::Result<()> {
    line.extend_from_slice(b"{\"ctx\":");
    serde_json::to_writer(&mut *line, context)?;
    write!(line, ",\"type\":\"{}\",\"id\":", operation(event.op))?;
    serde_json::to_writer(&mut *line, event.id)?;
    if event.op != EventOp::Del {
        write!(line, ",\"score\":{}", event.score)?;
    }
    writeln!(line, ",\"timestamp\":{}}}", event.time_s)
}

fn put_pair(line: &mut Vec<u8>, a: &str, b: &str, score: f64) -> io::Result<()> {
    line.extend_from_slice(b"{\"a\":");
    serde_json::to_writer(&mut *line, a)?;
    line.extend_from_slice(b",\"b\":");
    serde_json::to_writer(&mut *line, b)?;
    line.extend_from_slice(b",\"score\":");
    serde_json::to_writer(&mut *line, &score)?;
    line.extend_from_slice(b"}\n");
    Ok(())
}

impl RowWriter for JsonLinesWriter<'_> {
    fn item(&mut self, item: ItemRow<'_>) -> Result<()> {
        let built = put_item(&mut self.line, item);
        self.flush(built)
    }

    fn event(&mut self, context: &str, event: EventRow<'_>) -> Result<()> {
        let built = put_event(&mut self.line, context, event);
        self.flush(built)
    }

    fn pair(&mut self, a: &str, b: &str, score: f64) -> Result<()> {
        let built = put_pair(&mut self.line, a, b, score);
        self.flush(built)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
