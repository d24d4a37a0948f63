//! The reader of JSON Lines: items and events.

use crate::bad_row::BadRow;
use crate::error::Result;
use crate::fields::Fields;
use crate::format::Format;
use crate::input::Input;
use crate::json_row;
use crate::line::{Found, Lines};
use crate::rows::{Next, Place, RowReader};
use cairn_engine::Write;

/// Reads one JSON object a line: `{"id":…, "vector":[…], "metadata":{…}}`, vector or metadata or both, or an event,
/// `{"ctx":…, "id":…, "type":"ADD|SET|DEL", "score":…, "timestamp":…}`. Both may stand in one file.
pub struct JsonLinesReader {
    lines: Lines,
    fields: Fields,
    dimension: usize,
}

impl JsonLinesReader {
    /// Reads an input by a mapping of fields.
    ///
    /// # Errors
    /// `Input`: a field that is mapped twice.
    pub fn new(input: Input, fields: Fields) -> Result<JsonLinesReader> {
        fields.check()?;
        Ok(JsonLinesReader { lines: Lines::new(input), fields, dimension: 0 })
    }
}

impl RowReader for JsonLinesReader {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        let place = match self.lines.next()? {
            Found::Line(place) => place,
            Found::Bad(bad) => return Ok(Next::Bad(bad)),
            Found::End => return Ok(Next::End),
        };
        match json_row::read(self.lines.text(), &self.fields, &mut self.dimension, writes) {
            Ok(()) => Ok(Next::Row(place)),
            Err(fault) => Ok(Next::Bad(BadRow { place, fault })),
        }
    }

    fn place(&mut self) -> Place {
        self.lines.place()
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        self.lines.resume(place)
    }

    fn input(&self) -> &Input {
        &self.lines.input
    }

    fn format(&self) -> Format {
        Format::JsonLines
    }
}
