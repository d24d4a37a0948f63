//! The ids of rows that have none of their own.

use crate::bad_row::Fault;
use crate::error::Result;
use crate::fields::Fields;
use crate::input::Input;
use crate::json_row;
use crate::line::{Found, Lines};

/// Where the ids of a matrix's rows come from.
pub struct Ids(Source);

enum Source {
    Numbers { prefix: String },
    Lines { lines: Box<Lines>, read: u64, json: bool, fields: Fields },
}

/// The id of a row.
pub(crate) enum Id {
    /// It has this one.
    Is(String),
    /// It has none that can be used.
    Bad(Fault),
}

impl Ids {
    /// A prefix and the row's number, from 0.
    pub fn numbers(prefix: &str) -> Ids {
        Ids(Source::Numbers { prefix: prefix.to_owned() })
    }

    /// A side file: one id a line, or JSON Lines, of which the id's field is read and no other. Row *n* has the id of line
    /// *n*, blank lines not counted; which of the two it is, the first character says: `{` is JSON.
    ///
    /// # Errors
    /// `Read`.
    pub fn from_input(mut input: Input, fields: &Fields) -> Result<Ids> {
        let head = input.peek()?;
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let json = head.trim_ascii_start().starts_with(b"{");
        Ok(Ids(Source::Lines { lines: Box::new(Lines::new(input)), read: 0, json, fields: fields.clone() }))
    }

    /// The id of the next row, which is this one. Ids that end before the rows do are an error.
    pub(crate) fn next(&mut self, row: u64) -> Result<Id> {
        let Source::Lines { lines, read, json, fields } = &mut self.0 else {
            let Source::Numbers { prefix } = &self.0 else { return Ok(Id::Is(row.to_string())) };
            return Ok(Id::Is(format!("{prefix}{row}")));
        };
        match lines.next()? {
            Found::End => {
                let place = format!("line {}", lines.lines);
                Err(lines.input.bad(place, "ids", format!("one for row {row}"), format!("{read} in all")))
            }
            Found::Bad(bad) => {
                *read += 1;
                Ok(Id::Bad(at_line(lines, bad.fault)))
            }
            Found::Line(_) => {
                *read += 1;
                let id = if *json { json_row::read_id(lines.text(), fields) } else { plain(lines.text()) };
                Ok(id.map_or_else(|fault| Id::Bad(at_line(lines, fault)), Id::Is))
            }
        }
    }

    /// Passes over the ids of rows that were read before.
    pub(crate) fn skip(&mut self, rows: u64) -> Result<()> {
        if let Source::Lines { lines, read, .. } = &mut self.0 {
            while *read < rows {
                if matches!(lines.next()?, Found::End) {
                    let got = format!("{read} ids");
                    return Err(lines.input.changed("ids", format!("at least {rows}"), got));
                }
                *read += 1;
            }
        }
        Ok(())
    }

    /// After the last row: there are no more ids than rows.
    pub(crate) fn check_end(&mut self, rows: u64) -> Result<()> {
        let Source::Lines { lines, .. } = &mut self.0 else { return Ok(()) };
        match lines.next()? {
            Found::End => Ok(()),
            _ => {
                let place = format!("line {}", lines.lines);
                Err(lines.input.bad(place, "ids", format!("{rows}, one a row"), "more"))
            }
        }
    }
}

fn at_line(lines: &Lines, fault: Fault) -> Fault {
    let name = lines.input.name();
    Fault { field: format!("id ({name}, line {}): {}", lines.lines, fault.field), ..fault }
}

fn plain(line: &[u8]) -> Result<String, Fault> {
    match std::str::from_utf8(line) {
        Ok(id) => Ok(id.to_owned()),
        Err(e) => Err(Fault::plain("id", "UTF-8", format!("a byte that is none ({})", e.valid_up_to() + 1))),
    }
}
