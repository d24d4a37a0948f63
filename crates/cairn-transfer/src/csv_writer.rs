//! The writer of CSV.

use crate::csv::{METADATA_PREFIX, element};
use crate::error::{Error, Result};
use crate::export::{Content, RowWriter};
use crate::fields::EVENT_FIELDS;
use crate::jsonl_writer::{operation, put_value};
use cairn_engine::{CollectionView, EventOp, EventRow, ItemRow, Value};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Writes a header and one record a row. CSV has no types: metadata comes back typed as METASET would type it, a list as text,
/// and empty text as no value.
pub(crate) struct CsvWriter<'o> {
    out: &'o mut (dyn Write + Send),
    record: Record,
    /// Elements of a vector's columns; 0: none.
    dimension: usize,
    keys: Vec<String>,
}

/// A record that is being put together.
#[derive(Default)]
struct Record {
    bytes: Vec<u8>,
    /// Reused for a field whose text has to be made.
    field: Vec<u8>,
    fields: usize,
}

impl Record {
    /// Adds a field, in quotes where it needs them.
    fn put(&mut self, field: &[u8]) {
        if self.fields > 0 {
            self.bytes.push(b',');
        }
        self.fields += 1;
        let special = |b: &u8| matches!(b, b'"' | b',' | b'\n' | b'\r');
        let spaced = field.trim_ascii().len() < field.len();
        // A record of one empty field would be a blank line.
        if !spaced && !field.iter().any(special) {
            self.bytes.extend_from_slice(field);
            return;
        }
        self.bytes.push(b'"');
        for byte in field {
            if *byte == b'"' {
                self.bytes.push(b'"');
            }
            self.bytes.push(*byte);
        }
        self.bytes.push(b'"');
    }

    /// Adds a field that `write` makes.
    fn put_with(&mut self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let mut field = std::mem::take(&mut self.field);
        field.clear();
        write(&mut field)?;
        self.put(&field);
        self.field = field;
        Ok(())
    }
}

impl<'o> CsvWriter<'o> {
    /// Writes the header. Columns of metadata are all keys there are: one look at all metadata.
    pub fn new(view: &CollectionView, content: Content, out: &'o mut (dyn Write + Send)) -> Result<Self> {
        let mut writer = CsvWriter { out, record: Record::default(), dimension: 0, keys: Vec::new() };
        match content {
            Content::Items | Content::Vectors | Content::Metadata => {
                writer.record.put(b"id");
                if content != Content::Metadata {
                    writer.dimension = view.dimension() as usize;
                    for n in 0..writer.dimension {
                        writer.record.put(format!("v{n}").as_bytes());
                    }
                }
                if content != Content::Vectors {
                    let keys = view.metadata().flat_map(|(_, metadata)| metadata.0.keys());
                    writer.keys = keys.collect::<BTreeSet<_>>().into_iter().cloned().collect();
                    for key in &writer.keys {
                        writer.record.put(column(key).as_bytes());
                    }
                }
            }
            Content::Events => ["ctx", "type", "id", "score", "timestamp"]
                .iter()
                .for_each(|name| writer.record.put(name.as_bytes())),
            Content::Pairs => ["a", "b", "score"].iter().for_each(|name| writer.record.put(name.as_bytes())),
        }
        writer.flush(Ok(()))?;
        Ok(writer)
    }

    fn flush(&mut self, built: io::Result<()>) -> Result<()> {
        self.record.bytes.push(b'\n');
        let written = built.and_then(|()| self.out.write_all(&self.record.bytes));
        self.record.bytes.clear();
        self.record.fields = 0;
        written.map_err(Error::write)
    }
}

/// The column of a metadata key: itself, or with a prefix where it would be taken for something else.
pub(crate) fn column(key: &str) -> String {
    let taken = ["id", "vector"].contains(&key)
        || EVENT_FIELDS.contains(&key)
        || key.starts_with(METADATA_PREFIX)
        || key.trim() != key
        || element(key).is_some();
    if taken { format!("{METADATA_PREFIX}{key}") } else { key.to_owned() }
}

fn put_cell(field: &mut Vec<u8>, value: &Value) -> io::Result<()> {
    match value {
        Value::Text(text) => field.write_all(text.as_bytes()),
        other => put_value(field, other),
    }
}

fn put_item(record: &mut Record, item: ItemRow<'_>, dimension: usize, keys: &[String]) -> io::Result<()> {
    record.put(item.id.as_bytes());
    for n in 0..dimension {
        match item.vector.and_then(|vector| vector.get(n)) {
            Some(x) => record.put_with(|field| Ok(serde_json::to_writer(field, x)?))?,
            None => record.put(b""),
        }
    }
    for key in keys {
        match item.metadata.and_then(|metadata| metadata.0.get(key)) {
            Some(value) => record.put_with(|field| put_cell(field, value))?,
            None => record.put(b""),
        }
    }
    Ok(())
}

impl RowWriter for CsvWriter<'_> {
    fn item(&mut self, item: ItemRow<'_>) -> Result<()> {
        let built = put_item(&mut self.record, item, self.dimension, &self.keys);
        self.flush(built)
    }

    fn event(&mut self, context: &str, event: EventRow<'_>) -> Result<()> {
        let record = &mut self.record;
        record.put(context.as_bytes());
        record.put(operation(event.op).as_bytes());
        record.put(event.id.as_bytes());
        let score = if event.op == EventOp::Del { String::new() } else { event.score.to_string() };
        record.put(score.as_bytes());
        record.put(event.time_s.to_string().as_bytes());
        self.flush(Ok(()))
    }

    fn pair(&mut self, a: &str, b: &str, score: f64) -> Result<()> {
        self.record.put(a.as_bytes());
        self.record.put(b.as_bytes());
        let built = self.record.put_with(|field| Ok(serde_json::to_writer(field, &score)?));
        self.flush(built)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
