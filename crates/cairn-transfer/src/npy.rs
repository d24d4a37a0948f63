//! The reader of `.npy`: a matrix of vectors.

use crate::bad_row::{BadRow, Fault, RowPlace};
use crate::error::Result;
use crate::format::Format;
use crate::ids::{Id, Ids};
use crate::input::Input;
use crate::npy_header::{self, Element, HEADER_BYTES_MAX, Header, MAGIC};
use crate::number::DIMENSION_MAX;
use crate::rows::{Next, Place, RowReader, resume_bytes};
use cairn_engine::Write;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Reads the rows of a two-dimensional array in C order: `<f4`, `<f2`, `<f8` (rounded to f32). Format versions 1 to 3.
pub struct NpyReader {
    input: Input,
    header: Header,
    ids: Ids,
    row: u64,
    bytes: Vec<u8>,
    halves: Vec<f16>,
}

impl NpyReader {
    /// Reads an input's header.
    ///
    /// # Errors
    /// `Read`; `Format`, when it is no array of this kind.
    pub fn new(mut input: Input, ids: Ids) -> Result<NpyReader> {
        let header = read_header(&mut input)?;
        let bytes = vec![0; header.dimension * header.element.bytes()];
        Ok(NpyReader { input, header, ids, row: 0, bytes, halves: Vec::new() })
    }

    /// Rows of the array, as its header says.
    pub fn rows(&self) -> u64 {
        self.header.rows
    }

    /// Elements of a row.
    pub fn dimension(&self) -> usize {
        self.header.dimension
    }

    /// Its elements' type.
    pub fn element(&self) -> Element {
        self.header.element
    }

    fn decode(&mut self) -> Vec<f32> {
        match self.header.element {
            Element::F32 => self.bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
            Element::F64 => self.bytes.as_chunks().0.iter().map(|x| f64::from_le_bytes(*x) as f32).collect(),
            Element::F16 => {
                self.halves.clear();
                self.halves.extend(self.bytes.as_chunks().0.iter().map(|x| f16::from_le_bytes(*x)));
                let mut vector = vec![0.0; self.header.dimension];
                self.halves.convert_to_f32_slice(&mut vector);
                vector
            }
        }
    }

    /// Reads the bytes of the next row; false after the last.
    fn next_row(&mut self) -> Result<bool> {
        let rows = self.header.rows;
        if self.row == rows {
            return Ok(false);
        }
        let got = self.input.fill(&mut self.bytes)?;
        if got < self.bytes.len() {
            let place = format!("row {} of {rows}", self.row);
            let expected = format!("{} bytes", self.bytes.len());
            return Err(self.input.bad(place, "data", expected, format!("{got} and the end")));
        }
        self.row += 1;
        Ok(true)
    }

    fn check_end(&mut self) -> Result<()> {
        if self.input.peek()?.is_empty() {
            return self.ids.check_end(self.header.rows);
        }
        let place = format!("byte {}", self.input.position());
        let expected = format!("the end after {} rows", self.header.rows);
        Err(self.input.bad(place, "data", expected, "more"))
    }
}

fn read_header(input: &mut Input) -> Result<Header> {
    let mut head = [0; 8];
    let got = input.fill(&mut head)?;
    let [m0, m1, m2, m3, m4, m5, major, minor] = head;
    if [m0, m1, m2, m3, m4, m5] != *MAGIC || got < head.len() {
        let found = head[..got].escape_ascii();
        return Err(input.bad("header", "magic", MAGIC.escape_ascii(), format!("{found}")));
    }
    if !(1..=3).contains(&major) || minor != 0 {
        return Err(input.bad("header", "version", "1.0, 2.0 or 3.0", format!("{major}.{minor}")));
    }
    let mut length = [0; 4];
    let wide = if major == 1 { 2 } else { 4 };
    if input.fill(&mut length[..wide])? < wide {
        return Err(input.bad("header", "length", format!("{wide} bytes"), "the end"));
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > HEADER_BYTES_MAX {
        let expected = format!("at most {HEADER_BYTES_MAX} bytes");
        return Err(input.bad("header", "length", expected, length));
    }
    let mut text = vec![0; length];
    let got = input.fill(&mut text)?;
    if got < length {
        return Err(input.bad("header", "text", format!("{length} bytes"), format!("{got} and the end")));
    }
    let Ok(text) = String::from_utf8(text) else {
        return Err(input.bad("header", "text", "UTF-8", "other bytes"));
    };
    npy_header::parse(&text, DIMENSION_MAX).map_err(|w| input.bad("header", w.what, w.expected, w.got))
}

/// The fault of a vector that has an element that is not finite.
pub(crate) fn check_finite(vector: &[f32]) -> Result<(), Fault> {
    match vector.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(n) => Err(Fault::plain(format!("vector[{n}]"), "a finite f32 number", vector[n].to_string())),
    }
}

/// The write of a vector with the id of its row, or why it cannot be taken.
pub(crate) fn vector_row(row: u64, id: Id, vector: Vec<f32>, writes: &mut Vec<Write>) -> Next {
    let place = RowPlace::Row(row);
    let checked = match id {
        Id::Bad(fault) => Err(fault),
        Id::Is(id) => check_finite(&vector).map(|()| id),
    };
    match checked {
        Ok(id) => {
            writes.push(Write::VectorSet { id, vector });
            Next::Row(place)
        }
        Err(fault) => Next::Bad(BadRow { place, fault }),
    }
}

impl RowReader for NpyReader {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        if !self.next_row()? {
            self.check_end()?;
            return Ok(Next::End);
        }
        let row = self.row - 1;
        let id = self.ids.next(row)?;
        let vector = self.decode();
        Ok(vector_row(row, id, vector, writes))
    }

    fn place(&mut self) -> Place {
        Place { rows: self.row, lines: 0, bytes: self.input.position(), crc: self.input.crc() }
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        resume_bytes(&mut self.input, place)?;
        self.row = place.rows;
        self.ids.skip(place.rows)
    }

    fn input(&self) -> &Input {
        &self.input
    }

    fn format(&self) -> Format {
        Format::Npy
    }
}
