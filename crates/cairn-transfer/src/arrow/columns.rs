//! The columns of a table: which is what.

use super::cell;
use crate::bad_row::{Fault, shown};
use crate::csv::key;
use crate::error::Result;
use crate::fields::{EVENT_FIELDS, Fields};
use crate::input::Input;
use crate::number;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use cairn_engine::{EventOp, Metadata, Value, Write};
use std::collections::BTreeMap;

/// What the columns are, by their number.
pub(super) enum Columns {
    /// Items.
    Items { id: (usize, String), vector: Option<(usize, String)>, metadata: Vec<(usize, String)> },
    /// Events: `ctx`, `type`, `score`, `timestamp`, and the id.
    Events { fields: [Option<usize>; 4], id: (usize, String) },
}

impl Columns {
    /// Finds them in a schema, and refuses a type that cannot be read.
    pub fn new(input: &Input, schema: &Schema, fields: &Fields) -> Result<Columns> {
        fields.check()?;
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let find = |name: &str| names.iter().position(|n| *n == name);
        let typed = |n: usize, good: &dyn Fn(&DataType) -> bool, expected: &str| {
            let (name, kind) = (names[n], schema.field(n).data_type());
            let what = format!("column {}", shown(name));
            if good(kind) { Ok(()) } else { Err(input.bad("schema", &what, expected, kind)) }
        };
        let named = |kind: &DataType| cell::is_scalar(kind) && !cell::is_float(kind);
        let Some(id) = find(&fields.id) else {
            let expected = format!("one named {}", shown(&fields.id));
            return Err(input.bad("schema", "columns", expected, shown(&names.join(","))));
        };
        typed(id, &named, "strings or integers")?;
        let id = (id, fields.id.clone());
        if find("ctx").is_some() && find("type").is_some() {
            for (n, name) in names.iter().enumerate() {
                if n == id.0 || EVENT_FIELDS.contains(name) {
                    typed(n, &named, "strings or integers")?;
                } else if !fields.ignored.iter().any(|i| i == name) {
                    let expected = format!("{}, {} of events", fields.id, EVENT_FIELDS.join(", "));
                    return Err(input.bad("schema", "columns", expected, shown(name)));
                }
            }
            return Ok(Columns::Events { fields: EVENT_FIELDS.map(find), id });
        }
        let vector = find(&fields.vector).map(|n| (n, fields.vector.clone()));
        if let Some((n, _)) = &vector {
            let floats = |kind: &DataType| cell::member(kind).is_some_and(cell::is_float);
            typed(*n, &floats, "lists of f16, f32 or f64")?;
        }
        let mut metadata = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let other = n == id.0 || vector.as_ref().is_some_and(|(v, _)| n == *v);
            if other || fields.ignored.iter().any(|i| i == name) {
                continue;
            }
            let good =
                |kind: &DataType| cell::is_scalar(kind) || cell::member(kind).is_some_and(cell::is_scalar);
            typed(n, &good, "bools, integers, floats, strings, or lists of one of these")?;
            metadata.push((n, key(name, fields)));
        }
        Ok(Columns::Items { id, vector, metadata })
    }

    /// Adds the writes of one row.
    pub fn read(&self, batch: &RecordBatch, row: usize, writes: &mut Vec<Write>) -> Result<(), Fault> {
        match self {
            Columns::Items { id, vector, metadata } => {
                item(batch, row, id, vector.as_ref(), metadata, writes)
            }
            Columns::Events { fields, id } => event(batch, row, fields, id).map(|write| writes.push(write)),
        }
    }
}

fn item(
    batch: &RecordBatch,
    row: usize,
    (id, id_name): &(usize, String),
    vector: Option<&(usize, String)>,
    metadata: &[(usize, String)],
    writes: &mut Vec<Write>,
) -> Result<(), Fault> {
    let id = cell::name(id_name, batch.column(*id), row)?;
    let vector = match vector {
        Some((n, name)) => cell::vector(name, batch.column(*n), row)?,
        None => None,
    };
    let mut values = BTreeMap::new();
    for (n, key) in metadata {
        if let Some(value) = cell::value(batch.column(*n), row) {
            values.insert(key.clone(), value);
        }
    }
    let metadata = Metadata(values);
    metadata.validate().map_err(|e| Fault::refused("metadata", e.to_string()))?;
    if vector.is_none() && metadata.0.is_empty() {
        return Err(Fault::plain("row", "a vector or metadata", "neither"));
    }
    if let Some(vector) = vector {
        writes.push(Write::VectorSet { id: id.clone(), vector });
    }
    if !metadata.0.is_empty() {
        writes.push(Write::MetadataSet { id, metadata });
    }
    Ok(())
}

fn event(
    batch: &RecordBatch,
    row: usize,
    fields: &[Option<usize>; 4],
    (id, id_name): &(usize, String),
) -> Result<Write, Fault> {
    let word = |n: Option<usize>| match n.and_then(|n| cell::value(batch.column(n), row)) {
        Some(Value::Int(int)) => Some(int.to_string()),
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let needed = |n, name| word(n).ok_or_else(|| Fault::plain(name, "a value", "null"));
    let [context, kind, score, time] = *fields;
    let context = needed(context, "ctx")?;
    let op = number::operation("type", &needed(kind, "type")?)?;
    let id = cell::name(id_name, batch.column(*id), row)?;
    let score = match (word(score), op) {
        (Some(word), _) => number::score(&word)?,
        (None, EventOp::Del) => 0,
        (None, _) => return Err(Fault::plain("score", "an integer from 0 to 100", "none")),
    };
    let time_s = word(time).map(|word| number::time(&word)).transpose()?;
    Ok(Write::Event { context, id, op, score, time_s })
}
