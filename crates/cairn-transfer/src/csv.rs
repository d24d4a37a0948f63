//! The reader of CSV: items or events, as the header says.

use crate::bad_row::{BadRow, Fault, shown};
use crate::csv_records::Records;
use crate::error::Result;
use crate::fields::{EVENT_FIELDS, Fields};
use crate::format::Format;
use crate::input::Input;
use crate::line::Found;
use crate::number;
use crate::rows::{Next, Place, RowReader};
use cairn_engine::{EventOp, Metadata, Write};
use std::collections::BTreeMap;

/// What a column of metadata begins with when its key alone would be another column's.
pub(crate) const METADATA_PREFIX: &str = "metadata.";

/// Reads CSV with a header. With the columns `ctx` and `type` its rows are events; otherwise items: an id, a vector in the
/// columns `v0`, `v1` … or as one list in the column `vector`, and every other column metadata, its values typed as in
/// METASET. An empty cell is no value.
pub struct CsvReader {
    records: Records,
    columns: Columns,
    width: usize,
}

/// What the columns are.
enum Columns {
    Items(Items),
    /// Where `ctx`, `type`, `score`, `timestamp` and the id are.
    Events {
        fields: [Option<usize>; 4],
        id: usize,
    },
}

struct Items {
    id: usize,
    id_name: String,
    vector: Option<(usize, String)>,
    /// Where the elements are, in order.
    elements: Vec<usize>,
    metadata: Vec<(usize, String)>,
}

impl CsvReader {
    /// Reads an input's header, by a mapping of fields. Only the mapping's id, vector and ignored columns matter: all others
    /// are metadata.
    ///
    /// # Errors
    /// `Read`; `Format`, when the header is not one.
    pub fn new(input: Input, fields: &Fields) -> Result<CsvReader> {
        fields.check()?;
        let mut records = Records::new(input);
        match records.next()? {
            Found::Line(_) => {}
            Found::Bad(bad) => {
                let fault = bad.fault;
                return Err(records.input.bad("header", &fault.field, fault.expected, fault.got));
            }
            Found::End => {
                return Err(records.input.bad("header", "columns", "a header", "an empty file"));
            }
        }
        let names = header(&records)?;
        let columns = columns(&records, &names, fields)?;
        records.begin_rows();
        Ok(CsvReader { width: names.len(), records, columns })
    }
}

fn header(records: &Records) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(records.len());
    for n in 0..records.len() {
        let bytes = records.field(n);
        let bytes = if n == 0 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        let what = format!("column {}", n + 1);
        let Ok(name) = std::str::from_utf8(bytes) else {
            return Err(records.input.bad("header", &what, "a name in UTF-8", bytes.escape_ascii()));
        };
        names.push(name.trim().to_owned());
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(records.input.bad("header", "columns", "each name once", shown(pair[0])));
    }
    Ok(names)
}

fn columns(records: &Records, names: &[String], fields: &Fields) -> Result<Columns> {
    let find = |name: &str| names.iter().position(|n| n == name);
    let Some(id) = find(&fields.id) else {
        let expected = format!("one named {}", shown(&fields.id));
        return Err(records.input.bad("header", "columns", expected, shown(&names.join(","))));
    };
    if find("ctx").is_some() && find("type").is_some() {
        let known = |name: &String| {
            *name == fields.id || EVENT_FIELDS.contains(&name.as_str()) || fields.ignored.contains(name)
        };
        if let Some(other) = names.iter().find(|name| !known(name)) {
            let expected = format!("{}, {} of events", fields.id, EVENT_FIELDS.join(", "));
            return Err(records.input.bad("header", "columns", expected, shown(other)));
        }
        return Ok(Columns::Events { fields: EVENT_FIELDS.map(find), id });
    }
    let vector = find(&fields.vector).map(|n| (n, fields.vector.clone()));
    let mut elements = BTreeMap::new();
    let mut metadata = Vec::new();
    for (n, name) in names.iter().enumerate() {
        if n == id || vector.as_ref().is_some_and(|(v, _)| n == *v) || fields.ignored.contains(name) {
            continue;
        }
        match element(name) {
            Some(at) => drop(elements.insert(at, n)),
            None => metadata.push((n, key(name, fields))),
        }
    }
    if vector.is_some() && !elements.is_empty() {
        return Err(records.input.bad("header", "columns", "v0, v1 … or a column of lists", "both"));
    }
    if let Some((gap, _)) = elements.keys().enumerate().find(|(n, at)| n != *at) {
        return Err(records.input.bad("header", "columns", format!("one named \"v{gap}\""), "none"));
    }
    if let Some((n, _)) = metadata.iter().find(|(_, key)| key.is_empty()) {
        let what = format!("column {}", n + 1);
        return Err(records.input.bad("header", &what, "a name", "none"));
    }
    let elements = elements.into_values().collect();
    Ok(Columns::Items(Items { id, id_name: fields.id.clone(), vector, elements, metadata }))
}

/// Which element of a vector a column is.
pub(crate) fn element(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('v')?;
    let at = digits.parse::<usize>().ok().filter(|at| *at < number::DIMENSION_MAX)?;
    // `v007` is a name like any other.
    (digits == at.to_string()).then_some(at)
}

/// The metadata key of a column.
pub(crate) fn key(name: &str, fields: &Fields) -> String {
    let mapped = fields.metadata.iter().find(|field| field.name == name);
    match mapped.and_then(|field| field.key.clone()) {
        Some(key) => key,
        None => name.strip_prefix(METADATA_PREFIX).unwrap_or(name).to_owned(),
    }
}

fn text<'a>(records: &'a Records, n: usize, name: &str) -> Result<&'a str, Fault> {
    let bytes = records.field(n);
    std::str::from_utf8(bytes).map_err(|_| Fault::plain(name, "UTF-8", bytes.escape_ascii().to_string()))
}

impl Items {
    fn read(&self, records: &Records, writes: &mut Vec<Write>) -> Result<(), Fault> {
        let id = text(records, self.id, &self.id_name)?;
        if id.is_empty() {
            return Err(Fault::plain(&*self.id_name, "an id", "an empty cell"));
        }
        let vector = self.vector(records)?;
        let mut metadata = BTreeMap::new();
        for (n, key) in &self.metadata {
            let cell = text(records, *n, key)?;
            if !cell.is_empty() {
                metadata.insert(key.clone(), number::typed(cell));
            }
        }
        let metadata = Metadata(metadata);
        metadata.validate().map_err(|e| Fault::refused("metadata", e.to_string()))?;
        if vector.is_none() && metadata.0.is_empty() {
            return Err(Fault::plain("row", "a vector or metadata", "neither"));
        }
        if let Some(vector) = vector {
            writes.push(Write::VectorSet { id: id.to_owned(), vector });
        }
        if !metadata.0.is_empty() {
            writes.push(Write::MetadataSet { id: id.to_owned(), metadata });
        }
        Ok(())
    }

    fn vector(&self, records: &Records) -> Result<Option<Vec<f32>>, Fault> {
        if let Some((n, name)) = &self.vector {
            let cell = text(records, *n, name)?;
            if cell.trim().is_empty() {
                return Ok(None);
            }
            let mut vector = Vec::new();
            number::floats(name, cell, &mut vector)?;
            return Ok(Some(vector));
        }
        if self.elements.iter().all(|n| records.field(*n).is_empty()) {
            return Ok(None);
        }
        let mut vector = Vec::with_capacity(self.elements.len());
        for n in &self.elements {
            let name = || format!("v{}", vector.len());
            let cell = text(records, *n, "vector")?;
            vector.push(number::float(name, cell)?);
        }
        Ok(Some(vector))
    }
}

fn event(records: &Records, fields: &[Option<usize>; 4], id: usize) -> Result<Write, Fault> {
    let cell = |n: Option<usize>, name| match n {
        None => Ok(None),
        Some(n) => text(records, n, name).map(|cell| (!cell.is_empty()).then_some(cell)),
    };
    let needed = |n, name| cell(n, name)?.ok_or_else(|| Fault::plain(name, "a value", "an empty cell"));
    let [context, kind, score, time] = *fields;
    let context = needed(context, "ctx")?.to_owned();
    let op = number::operation("type", needed(kind, "type")?)?;
    let id = needed(Some(id), "id")?.to_owned();
    let score = match (cell(score, "score")?, op) {
        (Some(word), _) => number::score(word)?,
        (None, EventOp::Del) => 0,
        (None, _) => return Err(Fault::plain("score", "an integer from 0 to 100", "none")),
    };
    let time_s = cell(time, "timestamp")?.map(number::time).transpose()?;
    Ok(Write::Event { context, id, op, score, time_s })
}

impl RowReader for CsvReader {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        let place = match self.records.next()? {
            Found::Line(place) => place,
            Found::Bad(bad) => return Ok(Next::Bad(bad)),
            Found::End => return Ok(Next::End),
        };
        let read = if self.records.len() == self.width {
            match &self.columns {
                Columns::Items(items) => items.read(&self.records, writes),
                Columns::Events { fields, id } => {
                    event(&self.records, fields, *id).map(|write| writes.push(write))
                }
            }
        } else {
            let expected = format!("{} fields", self.width);
            Err(Fault::plain("row", expected, self.records.len().to_string()))
        };
        Ok(match read {
            Ok(()) => Next::Row(place),
            Err(fault) => Next::Bad(BadRow { place, fault }),
        })
    }

    fn place(&mut self) -> Place {
        self.records.place()
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        self.records.resume(place)
    }

    fn input(&self) -> &Input {
        &self.records.input
    }

    fn format(&self) -> Format {
        Format::Csv
    }
}
