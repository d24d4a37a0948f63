//! The header of a `.npy` file (NumPy's format, versions 1.0 to 3.0).

use std::fmt;

/// The magic, before two bytes of version.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Bytes of a header's text, at most. NumPy itself writes some 100.
pub(crate) const HEADER_BYTES_MAX: usize = 64 << 10;

/// The element type of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `<f2`.
    F16,
    /// `<f4`.
    F32,
    /// `<f8`.
    F64,
}

impl Element {
    /// Bytes of one.
    pub fn bytes(self) -> usize {
        match self {
            Element::F16 => 2,
            Element::F32 => 4,
            Element::F64 => 8,
        }
    }

    /// As `descr` names it.
    pub fn descr(self) -> &'static str {
        match self {
            Element::F16 => "<f2",
            Element::F32 => "<f4",
            Element::F64 => "<f8",
        }
    }
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub element: Element,
    pub rows: u64,
    pub dimension: usize,
}

/// What is wrong with a header: the key, what was expected, what is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub what: &'static str,
    pub expected: String,
    pub got: String,
}

fn wrong<T>(what: &'static str, expected: impl fmt::Display, got: impl fmt::Display) -> Result<T, Wrong> {
    Err(Wrong { what, expected: expected.to_string(), got: got.to_string() })
}

/// Reads the header's text: a Python dict of `descr`, `fortran_order` and `shape`.
pub(crate) fn parse(text: &str, dimension_max: usize) -> Result<Header, Wrong> {
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    let mut cursor = Cursor { rest: text };
    cursor.take('{')?;
    while !cursor.eat('}') {
        let key = cursor.text()?;
        cursor.take(':')?;
        match key {
            "descr" => descr = Some(cursor.descr()?),
            "fortran_order" => fortran = Some(cursor.boolean()?),
            "shape" => shape = Some(cursor.shape()?),
            other => return wrong("key", "descr, fortran_order or shape", shown(other)),
        }
        if !cursor.eat(',') {
            cursor.take('}')?;
            break;
        }
    }
    if !cursor.rest.trim().is_empty() {
        return wrong("header", "its end after the dict", shown(cursor.rest.trim()));
    }
    let element = match descr {
        Some("<f4") => Element::F32,
        Some("<f2") => Element::F16,
        Some("<f8") => Element::F64,
        Some(other) => return wrong("descr", "'<f4', '<f2' or '<f8'", shown(other)),
        None => return wrong("descr", "one", "none"),
    };
    match fortran {
        Some(false) => {}
        Some(true) => return wrong("fortran_order", "False (C order)", "True"),
        None => return wrong("fortran_order", "one", "none"),
    }
    let Some(shape) = shape else { return wrong("shape", "one", "none") };
    let [rows, dimension] = shape[..] else {
        return wrong("shape", "2 dimensions, (rows, elements)", format!("{}: {shape:?}", shape.len()));
    };
    match usize::try_from(dimension) {
        Ok(dimension) if (1..=dimension_max).contains(&dimension) => Ok(Header { element, rows, dimension }),
        _ => wrong("shape", format!("1 to {dimension_max} elements a row"), dimension),
    }
}

/// The header of a matrix, magic and all, version 1.0; what follows it is aligned to 64 bytes.
pub(crate) fn encode(header: Header) -> Vec<u8> {
    let Header { element, rows, dimension } = header;
    let descr = element.descr();
    let mut text =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}");
    let before = MAGIC.len() + 4;
    while !(before + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len()).expect("three short values");
    [&MAGIC[..], &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

fn shown(text: &str) -> String {
    crate::bad_row::shown(text)
}

/// A place in the text; white space between tokens is passed over.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn take(&mut self, wanted: char) -> Result<(), Wrong> {
        if self.eat(wanted) { Ok(()) } else { wrong("header", format!("'{wanted}'"), shown(self.rest)) }
    }

    /// Text in single or double quotes; none of ours has an escape.
    fn text(&mut self) -> Result<&'a str, Wrong> {
        self.rest = self.rest.trim_start();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let inner = quote.and_then(|quote| self.rest[1..].split_once(quote));
        let Some((text, rest)) = inner else { return wrong("header", "text in quotes", shown(self.rest)) };
        self.rest = rest;
        Ok(text)
    }

    /// The element type: text, or a list for records, which are none of ours.
    fn descr(&mut self) -> Result<&'a str, Wrong> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('[') {
            return wrong("descr", "'<f4', '<f2' or '<f8'", shown(self.rest));
        }
        self.text()
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool, Wrong> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            other => wrong("fortran_order", "True or False", shown(other)),
        }
    }

    fn shape(&mut self) -> Result<Vec<u64>, Wrong> {
        self.take('(')?;
        let mut shape = Vec::new();
        while !self.eat(')') {
            let word = self.word();
            // Python 2 wrote longs as `3L`.
            match word.strip_suffix('L').unwrap_or(word).parse() {
                Ok(length) => shape.push(length),
                Err(_) => return wrong("shape", "a length", shown(word)),
            }
            if !self.eat(',') {
                self.take(')')?;
                break;
            }
        }
        Ok(shape)
    }
}
