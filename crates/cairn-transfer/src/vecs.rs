//! The readers of `.fvecs`, `.bvecs` and `.ivecs`: rows that each begin with their length.

use crate::error::Result;
use crate::format::Format;
use crate::ids::Ids;
use crate::input::Input;
use crate::npy::vector_row;
use crate::number::DIMENSION_MAX;
use crate::rows::{Next, Place, RowReader, resume_bytes};
use cairn_engine::Write;

/// The rows of such a file: a little-endian i32, the length, and so many elements.
struct Rows {
    input: Input,
    element_bytes: usize,
    /// The length of the first row; 0: none was read.
    dimension: usize,
    row: u64,
    bytes: Vec<u8>,
}

impl Rows {
    fn new(input: Input, element_bytes: usize) -> Rows {
        Rows { input, element_bytes, dimension: 0, row: 0, bytes: Vec::new() }
    }

    /// Reads the next row's bytes; false at the end. Rows of another length than the first, and ones that are cut, are
    /// errors: where the next row would begin is not known.
    fn next(&mut self) -> Result<bool> {
        let mut head = [0; 4];
        let got = self.input.fill(&mut head)?;
        if got == 0 {
            return Ok(false);
        }
        let place = || format!("row {}", self.row);
        if got < head.len() {
            return Err(self.input.bad(place(), "dimension", "4 bytes", format!("{got} and the end")));
        }
        let dimension = i32::from_le_bytes(head);
        let known = usize::try_from(dimension).ok().filter(|d| (1..=DIMENSION_MAX).contains(d));
        let Some(length) = known else {
            let expected = format!("1 to {DIMENSION_MAX}");
            return Err(self.input.bad(place(), "dimension", expected, dimension));
        };
        if self.dimension != 0 && self.dimension != length {
            let expected = format!("{}, as before", self.dimension);
            return Err(self.input.bad(place(), "dimension", expected, length));
        }
        self.dimension = length;
        self.bytes.resize(length * self.element_bytes, 0);
        let got = self.input.fill(&mut self.bytes)?;
        if got < self.bytes.len() {
            let expected = format!("{} bytes", self.bytes.len());
            let place = format!("row {}", self.row);
            return Err(self.input.bad(place, "data", expected, format!("{got} and the end")));
        }
        self.row += 1;
        Ok(true)
    }
}

/// Reads vectors of f32 (`.fvecs`) or of bytes (`.bvecs`).
pub struct VecsReader {
    rows: Rows,
    ids: Ids,
    format: Format,
}

impl VecsReader {
    /// Reads `.fvecs`.
    pub fn fvecs(input: Input, ids: Ids) -> VecsReader {
        VecsReader { rows: Rows::new(input, 4), ids, format: Format::Fvecs }
    }

    /// Reads `.bvecs`.
    pub fn bvecs(input: Input, ids: Ids) -> VecsReader {
        VecsReader { rows: Rows::new(input, 1), ids, format: Format::Bvecs }
    }
}

impl RowReader for VecsReader {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        if !self.rows.next()? {
            self.ids.check_end(self.rows.row)?;
            return Ok(Next::End);
        }
        let row = self.rows.row - 1;
        let id = self.ids.next(row)?;
        let bytes = &self.rows.bytes;
        let vector = if self.rows.element_bytes == 1 {
            bytes.iter().map(|byte| f32::from(*byte)).collect()
        } else {
            bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
        };
        Ok(vector_row(row, id, vector, writes))
    }

    fn place(&mut self) -> Place {
        let input = &mut self.rows.input;
        Place { rows: self.rows.row, lines: 0, bytes: input.position(), crc: input.crc() }
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        resume_bytes(&mut self.rows.input, place)?;
        self.rows.row = place.rows;
        // All rows passed were of one length.
        let row_bytes = place.bytes.checked_div(place.rows).unwrap_or(0).saturating_sub(4);
        let dimension = usize::try_from(row_bytes).unwrap_or(0) / self.rows.element_bytes;
        self.rows.dimension = dimension.min(DIMENSION_MAX);
        self.ids.skip(place.rows)
    }

    fn input(&self) -> &Input {
        &self.rows.input
    }

    fn format(&self) -> Format {
        self.format
    }
}

/// Reads `.ivecs`: rows of u32, as files of nearest neighbours have them.
pub struct IvecsReader {
    rows: Rows,
}

impl IvecsReader {
    /// Reads an input.
    pub fn new(input: Input) -> IvecsReader {
        IvecsReader { rows: Rows::new(input, 4) }
    }

    /// Puts the next row into `row`; false at the end.
    ///
    /// # Errors
    /// `Read`; `Format`, when a row is cut, or of another length than the first.
    pub fn next(&mut self, row: &mut Vec<u32>) -> Result<bool> {
        row.clear();
        if !self.rows.next()? {
            return Ok(false);
        }
        row.extend(self.rows.bytes.as_chunks().0.iter().map(|x| u32::from_le_bytes(*x)));
        Ok(true)
    }
}
