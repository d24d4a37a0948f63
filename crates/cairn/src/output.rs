//! What commands print: a record or a list of them, as a table or as JSON.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    Json,
    /// For people.
    Table,
}

impl Format {
    /// `json` or `table`.
    pub fn parse(name: &str) -> Result<Format> {
        match name {
            "json" => Ok(Format::Json),
            "table" => Ok(Format::Table),
            other => {
                Err(Failure::new(Exit::Usage, format!("--format: expected json or table, got {other:?}")))
            }
        }
    }
}

/// One named value of a record: what JSON gets, and what people read.
#[derive(Debug)]
pub struct Field {
    key: Cow<'static, str>,
    json: Value,
    text: String,
}

impl Field {
    /// Records below a record: objects in JSON, one a line for people.
    pub fn rows(key: &'static str, rows: &[Vec<Field>]) -> Field {
        let object = |row: &Vec<Field>| {
            Value::Object(row.iter().map(|f| (f.key.to_string(), f.json.clone())).collect())
        };
        let line = |row: &Vec<Field>| {
            let words: Vec<String> = row.iter().map(|f| format!("{}={}", f.key, f.text)).collect();
            format!("\n  {}", words.join(" "))
        };
        field_as(key, rows.iter().map(object).collect(), rows.iter().map(line).collect())
    }
}

/// A value that reads the same in both forms.
pub fn field(key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Field {
    let json = value.into();
    let text = match &json {
        Value::String(s) => s.clone(),
        Value::Null => "-".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    Field { key: key.into(), json, text }
}

/// A number of bytes: the number in JSON, MiB for people.
pub fn bytes_field(key: impl Into<Cow<'static, str>>, bytes: u64) -> Field {
    Field { key: key.into(), json: bytes.into(), text: human_bytes(bytes) }
}

/// A count: the number in JSON, grouped by thousands for people.
pub fn count_field(key: impl Into<Cow<'static, str>>, count: u64) -> Field {
    Field { key: key.into(), json: count.into(), text: grouped(count) }
}

/// A value with its own words for people.
pub fn field_as(key: impl Into<Cow<'static, str>>, json: Value, text: String) -> Field {
    Field { key: key.into(), json, text }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the largest binary unit that leaves a number of at least one.
pub fn human_bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// Where results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// The form asked for; without one, tables for people at a terminal and JSON for everything else.
    pub fn new(asked: Option<Format>) -> Self {
        let own = if io::stdout().is_terminal() { Format::Table } else { Format::Json };
        Output { format: asked.unwrap_or(own) }
    }

    /// As [`Output::new`], but JSON on a terminal too: for commands whose documented output is JSON.
    pub fn documented(asked: Option<Format>) -> Self {
        Output { format: asked.unwrap_or(Format::Json) }
    }

    /// Prints one record.
    pub fn record(self, fields: &[Field]) -> Result<()> {
        match self.format {
            Format::Json => print_json(&Object(fields)),
            Format::Table => {
                let width = fields.iter().map(|f| f.key.len()).max().unwrap_or_default();
                let lines =
                    fields.iter().map(|f| format!("{:<width$}  {}\n", f.key.replace('_', " "), f.text));
                print(&lines.collect::<String>())
            }
        }
    }

    /// Prints a list: an object with the rows under `name` and their number as `total`, or a table.
    pub fn list(self, name: &str, rows: &[Vec<Field>]) -> Result<()> {
        match self.format {
            Format::Json => {
                let objects: Vec<Object<'_>> = rows.iter().map(|row| Object(row)).collect();
                print_json(&List { name, objects })
            }
            Format::Table => match rows.first() {
                None => print(&format!("no {name}\n")),
                Some(first) => {
                    let mut table = comfy_table::Table::new();
                    table.load_style(comfy_table::presets::NOTHING);
                    table.set_header(first.iter().map(|f| f.key.replace('_', " ")));
                    for row in rows {
                        table.add_row(row.iter().map(|f| f.text.clone()));
                    }
                    let lines = table.lines().map(|line| line.trim().to_owned() + "\n");
                    print(&lines.collect::<String>())
                }
            },
        }
    }
}

/// A record as a JSON object, its keys in their order.
struct Object<'a>(&'a [Field]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|f| (&f.key, &f.json)))
    }
}

/// A list as a JSON object: its rows under their name, and how many.
struct List<'a> {
    name: &'a str,
    objects: Vec<Object<'a>>,
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.name, &self.objects)?;
        map.serialize_entry("total", &self.objects.len())?;
        map.end()
    }
}

fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
    print(&(text + "\n"))
}

/// Writes to stdout, at once.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a line to stderr. When even that is closed, there is nobody left to tell.
pub fn warn(text: &str) {
    _ = writeln!(io::stderr().lock(), "{text}");
}
