//! The file of codes (docs/format.md, "Vector codes"): its layout, and opening one.

use super::{CodeKind, Codes, DIMENSION_MAX, Image, Line, RowParameters};
use crate::codec::Decoder;
use crate::error::{Error, Result};
use cairn_disk::{Bytes, crc32c, sealed};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"CAIRNCOD";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 128;
const CRC_BYTES: usize = 4;
const ALIGN: usize = 64;

/// What the header says, and where the columns are. Every number below fits a usize: `new` checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub kind: CodeKind,
    pub collection: u32,
    pub segment: u32,
    pub dimension: u32,
    pub rows: u32,
    code_bytes: usize,
    parameters_at: usize,
    parameters_bytes: usize,
}

impl Layout {
    pub const HEADER_BYTES: usize = HEADER_BYTES;

    /// The layout of so many rows; `None` when they do not fit an address space.
    pub fn new(kind: CodeKind, collection: u32, segment: u32, dimension: u32, rows: u32) -> Option<Layout> {
        let code_bytes =
            (rows as usize).checked_mul(dimension as usize)?.checked_mul(kind.element_bytes())?;
        let parameters_bytes = (rows as usize).checked_mul(size_of::<RowParameters>())?;
        let parameters_at = HEADER_BYTES.checked_add(code_bytes)?.checked_next_multiple_of(ALIGN)?;
        let end = parameters_at.checked_add(parameters_bytes)?.checked_add(CRC_BYTES + ALIGN)?;
        isize::try_from(end).ok()?;
        Some(Layout {
            kind,
            collection,
            segment,
            dimension,
            rows,
            code_bytes,
            parameters_at,
            parameters_bytes,
        })
    }

    pub fn codes_range(&self) -> Range<usize> {
        HEADER_BYTES..HEADER_BYTES + self.code_bytes
    }

    pub fn parameters_range(&self) -> Range<usize> {
        self.parameters_at..self.parameters_at + self.parameters_bytes
    }

    pub fn file_bytes(&self) -> usize {
        self.parameters_range().end + CRC_BYTES
    }

    /// Room for the file, zeroed.
    pub fn lines(&self) -> Vec<Line> {
        vec![Line([0; 64]); self.file_bytes().div_ceil(ALIGN)]
    }

    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        for field in [VERSION, HEADER_BYTES as u32] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&u64::from(self.segment).to_le_bytes());
        for field in [self.dimension, self.rows, self.kind.number(), self.collection] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for field in [HEADER_BYTES, self.code_bytes, self.parameters_at, self.parameters_bytes] {
            out.extend_from_slice(&(field as u64).to_le_bytes());
        }
        out.resize(HEADER_BYTES - CRC_BYTES, 0);
        let crc = crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.try_into().expect("the fields above are 128 bytes")
    }

    /// The columns of a file's bytes.
    pub fn columns_mut<'a>(&self, bytes: &'a mut [u8]) -> (&'a mut [u8], &'a mut [u8]) {
        let (head, tail) = bytes.split_at_mut(self.parameters_at);
        (&mut head[self.codes_range()], &mut tail[..self.parameters_bytes])
    }

    /// Writes the checksum at the end.
    pub fn seal(&self, bytes: &mut [u8]) {
        let end = self.parameters_range().end;
        let crc = crc32c(&bytes[..end]);
        bytes[end..end + CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header whose checksum and magic were checked.
    fn decode(header: &[u8; HEADER_BYTES]) -> Result<Layout> {
        let mut d = Decoder::new(&header[12..HEADER_BYTES - CRC_BYTES]);
        let header_bytes = d.u32()?;
        let segment =
            u32::try_from(d.u64()?).map_err(|_| Error::Decode("codes: their segment number is too large"))?;
        let (dimension, rows, kind, collection) = (d.u32()?, d.u32()?, d.u32()?, d.u32()?);
        let columns = [d.u64()?, d.u64()?, d.u64()?, d.u64()?];
        if header_bytes as usize != HEADER_BYTES || d.take(d.left())?.iter().any(|&b| b != 0) {
            return Err(Error::Decode("codes: header length or reserved bytes"));
        }
        let kind = CodeKind::from_number(kind).ok_or(Error::Decode("codes: unknown kind"))?;
        if dimension == 0 || dimension > DIMENSION_MAX || rows == 0 {
            return Err(Error::Decode("codes: dimension or rows"));
        }
        let too_large = Error::Decode("codes: larger than an address space");
        let layout = Layout::new(kind, collection, segment, dimension, rows).ok_or(too_large)?;
        let expected = [HEADER_BYTES, layout.code_bytes, layout.parameters_at, layout.parameters_bytes];
        if columns != expected.map(|n| n as u64) {
            return Err(Error::Decode("codes: columns are not where they belong"));
        }
        Ok(layout)
    }
}

impl Codes {
    /// Opens a whole file, mapped or in memory. Checks the header, its checksum and the file's length; the columns are
    /// not read, so opening costs the same at any size: [`verify`](Self::verify) reads them. Whatever the columns hold,
    /// scoring does not panic.
    ///
    /// Bytes that are not aligned to 64 are copied. `path` is for the error.
    ///
    /// # Errors
    /// `Corrupt`, or `Version` for another version.
    pub fn open(path: &Path, bytes: Arc<dyn Bytes>) -> Result<Codes> {
        let layout = header(path, &bytes)?;
        if bytes.len() != layout.file_bytes() {
            let what = format!("size mismatch: expected {} bytes, got {}", layout.file_bytes(), bytes.len());
            return Err(Error::Corrupt { path: path.to_owned(), what });
        }
        if bytes.as_ptr().addr().is_multiple_of(ALIGN) {
            return Ok(Codes { image: Image::Shared(bytes), layout });
        }
        let mut lines = layout.lines();
        bytemuck::cast_slice_mut(&mut lines)[..bytes.len()].copy_from_slice(&bytes);
        Ok(Codes { image: Image::Owned(lines.into()), layout })
    }

    /// Reads everything: the checksum of the whole, that padding is zero, and that parameters are numbers that encoding
    /// can give. `path` is for the error.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn verify(&self, path: &Path) -> Result<()> {
        let body = sealed::check(path, self.as_bytes(), MAGIC, VERSION)?;
        let corrupt = |what: String| Error::Corrupt { path: path.to_owned(), what };
        if body[self.layout.codes_range().end..self.layout.parameters_at].iter().any(|&b| b != 0) {
            return Err(corrupt("codes: padding is not zero".to_owned()));
        }
        // The norms of a row of huge elements may be infinite, its scale never is.
        let wrong = |p: &RowParameters| {
            !(p.scale >= 0.0 && p.scale.is_finite() && p.residual >= 0.0 && p.norm >= 0.0)
        };
        match self.parameters().iter().position(wrong) {
            Some(row) => {
                Err(corrupt(format!("codes: the parameters of row {row} are not what encoding gives")))
            }
            None => Ok(()),
        }
    }
}

/// Checks magic, version, length and checksum of a file's header, and reads it.
fn header(path: &Path, bytes: &[u8]) -> Result<Layout> {
    let corrupt = |what: String| Error::Corrupt { path: path.to_owned(), what };
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Err(corrupt(format!(
            "size mismatch: expected at least {HEADER_BYTES} bytes, got {}",
            bytes.len()
        )));
    };
    // The header ends in a checksum of its own, so it is itself a sealed file.
    sealed::check(path, header, MAGIC, VERSION)?;
    Layout::decode(header).map_err(|e| e.in_file(path))
}
