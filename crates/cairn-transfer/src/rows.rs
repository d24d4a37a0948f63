//! The reader of rows, what every format's is.

use crate::bad_row::{BadRow, RowPlace};
use crate::error::Result;
use crate::format::Format;
use crate::input::Input;
use cairn_engine::Write;

/// What [`RowReader::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A row; its writes were added.
    Row(RowPlace),
    /// A row that cannot be taken; nothing was added. The next one can be read.
    Bad(BadRow),
    /// There are no more.
    End,
}

/// How far a reader is: before a row, after all of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Rows passed, bad ones among them.
    pub rows: u64,
    /// Lines passed; 0 where rows are no lines.
    pub lines: u64,
    /// Bytes passed, decompressed; 0 where rows do not stand one after the other.
    pub bytes: u64,
    /// The CRC-32C of these bytes.
    pub crc: u32,
}

/// Reads rows one at a time, in bounded memory.
pub trait RowReader: Send {
    /// Reads the next row and adds its writes to `writes`: a vector, then metadata; or an event.
    ///
    /// # Errors
    /// What makes it impossible to read on: `Read`, `Format`.
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next>;

    /// How far it is.
    fn place(&mut self) -> Place;

    /// Goes to a place that an earlier reader of the same bytes was at. To be called before the first row is read.
    ///
    /// # Errors
    /// `Changed`, when the bytes up to there are others; `Read`, `Format`.
    fn resume(&mut self, place: &Place) -> Result<()>;

    /// What it reads.
    fn input(&self) -> &Input;

    /// Its format.
    fn format(&self) -> Format;
}

/// Takes the input to a place, and checks that it is the same that was there before.
pub(crate) fn resume_bytes(input: &mut Input, place: &Place) -> Result<()> {
    if input.position() > place.bytes {
        let got = format!("{} bytes", input.position());
        return Err(input.changed("header", format!("at most {} bytes", place.bytes), got));
    }
    input.skip_to(place.bytes)?;
    let crc = input.crc();
    if crc != place.crc {
        let expected = format!("checksum {:08x}", place.crc);
        return Err(input.changed("content already imported", expected, format!("{crc:08x}")));
    }
    Ok(())
}
