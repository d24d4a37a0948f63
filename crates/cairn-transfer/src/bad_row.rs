//! The bad row: which it is, and what is wrong with it.

use std::fmt;

/// Characters of foreign text that a message repeats.
const SHOWN_CHARS: usize = 80;

/// Where a row came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowPlace {
    /// The line of a text, from 1; of a row of several lines, the first.
    Line(u64),
    /// The row of a table or an array, from 0.
    Row(u64),
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowPlace::Line(n) => write!(f, "line {n}"),
            RowPlace::Row(n) => write!(f, "row {n}"),
        }
    }
}

/// Why a row was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which part of the row: `vector[3]`, `metadata.price`, `score`.
    pub field: String,
    /// What should be there; empty when the receiver refused the row in its own words.
    pub expected: String,
    /// What is there, cut short; or the receiver's words.
    pub got: String,
}

impl Fault {
    /// A field that is not what it should be. `got` is quoted and cut short.
    pub(crate) fn new(field: impl Into<String>, expected: impl Into<String>, got: &str) -> Fault {
        Fault { field: field.into(), expected: expected.into(), got: shown(got) }
    }

    /// A field that is not what it should be, in words.
    pub(crate) fn plain(
        field: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Fault {
        Fault { field: field.into(), expected: expected.into(), got: got.into() }
    }

    /// A row that the receiver refused.
    pub(crate) fn refused(field: &str, message: String) -> Fault {
        Fault { field: field.to_owned(), expected: String::new(), got: message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.expected.is_empty() {
            write!(f, "{}: {}", self.field, self.got)
        } else {
            write!(f, "{}: expected {}, got {}", self.field, self.expected, self.got)
        }
    }
}

/// A row that was not taken. Shown as `line 17: vector[3]: expected a finite number, got "abc"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Which row.
    pub place: RowPlace,
    /// What is wrong with it: the first fault found.
    pub fault: Fault,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

impl BadRow {
    /// The row as a JSON object: `line` or `row`, `field`, `expected`, `got`; or `reason` in place of the last two.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        let (key, number) = match self.place {
            RowPlace::Line(n) => ("line", n),
            RowPlace::Row(n) => ("row", n),
        };
        object.insert(key.to_owned(), number.into());
        object.insert("field".to_owned(), self.fault.field.as_str().into());
        if self.fault.expected.is_empty() {
            object.insert("reason".to_owned(), self.fault.got.as_str().into());
        } else {
            object.insert("expected".to_owned(), self.fault.expected.as_str().into());
            object.insert("got".to_owned(), self.fault.got.as_str().into());
        }
        object.into()
    }
}

/// Foreign text for a message: quoted, without control characters, cut short.
pub(crate) fn shown(text: &str) -> String {
    if text.chars().nth(SHOWN_CHARS).is_none() {
        return format!("{text:?}");
    }
    let cut: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{cut:?}…")
}
