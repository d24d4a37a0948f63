//! The line of a text, read into one buffer.

use crate::bad_row::{BadRow, Fault, RowPlace};
use crate::error::Result;
use crate::input::Input;
use crate::rows::{Place, resume_bytes};
use std::io::{BufRead, Read};

/// The longest line that is read, in bytes, its end included.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;
/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of an input: ended by a line feed, or a carriage return and a line feed, or the end.
pub(crate) struct Lines {
    pub input: Input,
    line: Vec<u8>,
    /// Lines read.
    pub lines: u64,
    /// Lines read that were not blank: rows.
    rows: u64,
}

/// What [`Lines::next`] found; [`Lines::text`] is the line.
pub(crate) enum Found {
    /// A line that is not blank.
    Line(RowPlace),
    /// A line that is too long.
    Bad(BadRow),
    /// The end.
    End,
}

impl Lines {
    pub fn new(input: Input) -> Lines {
        Lines { input, line: Vec::new(), lines: 0, rows: 0 }
    }

    /// The line that was found, without its end and the white space around it.
    pub fn text(&self) -> &[u8] {
        let line = if self.lines == 1 { self.line.strip_prefix(BYTE_ORDER_MARK) } else { None };
        line.unwrap_or(&self.line).trim_ascii()
    }

    /// Reads the next line that is not blank.
    pub fn next(&mut self) -> Result<Found> {
        loop {
            self.line.clear();
            let limit = LINE_BYTES_MAX as u64;
            let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.line);
            let length = read.map_err(|e| self.input.failed(e))?;
            if length == 0 {
                return Ok(Found::End);
            }
            self.lines += 1;
            let place = RowPlace::Line(self.lines);
            if length == LINE_BYTES_MAX && self.line.last() != Some(&b'\n') {
                let more = self.input.skip_until(b'\n').map_err(|e| self.input.failed(e))?;
                self.rows += 1;
                self.line.clear();
                let got = format!("{} bytes", length + more);
                let fault = Fault::plain("line", format!("at most {LINE_BYTES_MAX} bytes"), got);
                return Ok(Found::Bad(BadRow { place, fault }));
            }
            if !self.text().is_empty() {
                self.rows += 1;
                return Ok(Found::Line(place));
            }
        }
    }

    pub fn place(&mut self) -> Place {
        let crc = self.input.crc();
        Place { rows: self.rows, lines: self.lines, bytes: self.input.position(), crc }
    }

    pub fn resume(&mut self, place: &Place) -> Result<()> {
        resume_bytes(&mut self.input, place)?;
        (self.rows, self.lines) = (place.rows, place.lines);
        Ok(())
    }
}
