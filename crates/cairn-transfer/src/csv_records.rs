//! The records of a CSV text, one at a time, with the line on which each begins.

use crate::bad_row::{BadRow, Fault, RowPlace};
use crate::error::Result;
use crate::input::Input;
use crate::line::{Found, LINE_BYTES_MAX};
use crate::rows::{Place, resume_bytes};
use csv_core::ReadRecordResult;
use std::io::BufRead;

/// The most fields of a record: a vector's elements, and as many columns of metadata.
const FIELDS_MAX: usize = 1 << 17;

/// Reads records. Blank lines are passed over; a quoted field may hold line breaks.
pub(crate) struct Records {
    pub input: Input,
    parser: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
    /// Line feeds passed.
    lines: u64,
    records: u64,
}

impl Records {
    pub fn new(input: Input) -> Records {
        Records {
            input,
            parser: csv_core::Reader::new(),
            text: vec![0; 1 << 12],
            ends: vec![0; 64],
            fields: 0,
            lines: 0,
            records: 0,
        }
    }

    /// How many fields the record has.
    pub fn len(&self) -> usize {
        self.fields
    }

    /// A field's bytes.
    pub fn field(&self, n: usize) -> &[u8] {
        let start = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.text[start..self.ends[n]]
    }

    /// Reads the next record; [`Records::field`] has its fields.
    pub fn next(&mut self) -> Result<Found> {
        if !self.pass_line_ends()? {
            return Ok(Found::End);
        }
        let place = RowPlace::Line(self.lines + 1);
        let (mut text, mut ends, mut too_long) = (0, 0, false);
        loop {
            let have = self.input.fill_buf();
            let have = match have {
                Ok(have) => have,
                Err(e) => return Err(self.input.failed(e)),
            };
            let (result, read, written, ended) =
                self.parser.read_record(have, &mut self.text[text..], &mut self.ends[ends..]);
            self.lines += have[..read].iter().filter(|b| **b == b'\n').count() as u64;
            self.input.consume(read);
            text += written;
            ends += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.text.len() < LINE_BYTES_MAX => {
                    self.text.resize(self.text.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < FIELDS_MAX => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                // The rest of the record is read over what is there.
                ReadRecordResult::OutputFull => (text, too_long) = (0, true),
                ReadRecordResult::OutputEndsFull => (ends, too_long) = (0, true),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(Found::End),
            }
        }
        self.records += 1;
        self.fields = if too_long { 0 } else { ends };
        if too_long {
            let expected = format!("at most {LINE_BYTES_MAX} bytes and {FIELDS_MAX} fields");
            return Ok(Found::Bad(BadRow { place, fault: Fault::plain("row", expected, "more") }));
        }
        Ok(Found::Line(place))
    }

    /// Passes over line ends; says whether anything follows. The parser would do it too, but not say on which line the
    /// record begins.
    fn pass_line_ends(&mut self) -> Result<bool> {
        loop {
            let have = match self.input.fill_buf() {
                Ok(have) => have,
                Err(e) => return Err(self.input.failed(e)),
            };
            if have.is_empty() {
                return Ok(false);
            }
            let blank = have.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
            let whole = blank == have.len();
            self.lines += have[..blank].iter().filter(|b| **b == b'\n').count() as u64;
            self.input.consume(blank);
            if !whole {
                return Ok(true);
            }
        }
    }

    /// What was read so far is the header: no row.
    pub fn begin_rows(&mut self) {
        self.records = 0;
    }

    pub fn place(&mut self) -> Place {
        let crc = self.input.crc();
        Place { rows: self.records, lines: self.lines, bytes: self.input.position(), crc }
    }

    pub fn resume(&mut self, place: &Place) -> Result<()> {
        resume_bytes(&mut self.input, place)?;
        (self.records, self.lines) = (place.rows, place.lines);
        // A record may have ended at a carriage return; what state that leaves, the next line feed is passed over.
        self.parser.reset();
        Ok(())
    }
}
