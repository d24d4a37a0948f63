//! The file of a vector segment (docs/format.md, "Vector segment"): its layout, written whole or row by row, read or mapped.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::vector_segment::ROWS_MAX;
use cairn_disk::{Crc32c, File, sealed};
use std::ops::Range;
use std::path::Path;

const MAGIC: &[u8; 8] = b"CAIRNVEC";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 128;
/// Bytes of the checksum at the end.
pub(crate) const CRC_BYTES: usize = 4;
const ALIGN: usize = 64;
/// Written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Where the columns of a segment of so many rows are in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub dimension: u32,
    pub rows: u32,
}

impl Layout {
    pub fn vectors(self) -> Range<usize> {
        HEADER_BYTES..HEADER_BYTES + 4 * self.rows as usize * self.dimension as usize
    }

    pub fn items(self) -> Range<usize> {
        let at = self.vectors().end.next_multiple_of(ALIGN);
        at..at + 4 * self.rows as usize
    }

    pub fn norms(self) -> Range<usize> {
        let at = self.items().end.next_multiple_of(ALIGN);
        at..at + 4 * self.rows as usize
    }

    /// Bytes of the whole file.
    pub fn file_bytes(self) -> usize {
        self.norms().end + CRC_BYTES
    }

    fn header(self, collection: u32, number: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&u64::from(number).to_le_bytes());
        for field in [self.dimension, self.rows, 0, collection] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for column in [self.vectors(), self.items(), self.norms()] {
            out.extend_from_slice(&(column.start as u64).to_le_bytes());
            out.extend_from_slice(&(column.len() as u64).to_le_bytes());
        }
        out.resize(HEADER_BYTES - 4, 0);
        sealed::seal(&mut out);
        out
    }

    /// The whole file of these columns.
    pub fn encode(self, collection: u32, number: u32, columns: [&[u8]; 3]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.file_bytes());
        let put = &mut |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok::<_, Error>(())
        };
        self.each(collection, number, columns, put).expect("memory takes everything");
        sealed::seal(&mut out);
        out
    }

    /// The file of these columns in order, without its checksum at the end: the header, and the columns where they are.
    pub fn each<E>(
        self,
        collection: u32,
        number: u32,
        columns: [&[u8]; 3],
        put: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        put(&self.header(collection, number))?;
        let mut at = HEADER_BYTES;
        for (place, column) in [self.vectors(), self.items(), self.norms()].into_iter().zip(columns) {
            put(&[0; ALIGN][..place.start - at])?;
            put(column)?;
            at = place.end;
        }
        Ok(())
    }

    /// What the header of a file says: its segment's number and layout, when it is one of `collection` and the file has
    /// the length that they need. The checksum of the whole file is not looked at.
    pub fn read(path: &Path, bytes: &[u8], collection: u32) -> Result<(u32, Layout)> {
        let body = bytes.get(..bytes.len().saturating_sub(CRC_BYTES)).unwrap_or_default();
        sealed::check_head(path, bytes, MAGIC, VERSION)?;
        Layout::read_body(body, collection).map_err(|e| e.in_file(path))
    }

    fn read_body(body: &[u8], collection: u32) -> Result<(u32, Layout)> {
        let header = body.get(..HEADER_BYTES).ok_or(Error::Decode("segment: shorter than its header"))?;
        let mut d = Decoder::new(&header[12..]);
        let header_bytes = d.u32()?;
        let number =
            u32::try_from(d.u64()?).map_err(|_| Error::Decode("segment: its number is too large"))?;
        let (dimension, rows, element, owner) = (d.u32()?, d.u32()?, d.u32()?, d.u32()?);
        let columns = [(d.u64()?, d.u64()?), (d.u64()?, d.u64()?), (d.u64()?, d.u64()?)];
        let reserved = d.take(36)?;
        let crc = d.u32()?;
        if crc != cairn_disk::crc32c(&header[..HEADER_BYTES - 4]) {
            return Err(Error::Decode("segment: CRC mismatch of its header"));
        }
        if header_bytes as usize != HEADER_BYTES || reserved.iter().any(|&b| b != 0) {
            return Err(Error::Decode("segment: header length or reserved bytes"));
        }
        if element != 0 || owner != collection || dimension == 0 || rows == 0 || rows > ROWS_MAX {
            return Err(Error::Decode("segment: element type, collection, dimension or rows"));
        }
        let layout = Layout { dimension, rows };
        let expected = [layout.vectors(), layout.items(), layout.norms()]
            .map(|column| (column.start as u64, column.len() as u64));
        if body.len() + CRC_BYTES != layout.file_bytes() || columns != expected {
            return Err(Error::Decode("segment: columns do not fit the file"));
        }
        let gaps = [layout.vectors().end..layout.items().start, layout.items().end..layout.norms().start];
        if gaps.into_iter().any(|gap| body[gap].iter().any(|&b| b != 0)) {
            return Err(Error::Decode("segment: padding is not zero"));
        }
        Ok((number, layout))
    }

    /// As [`Layout::read`], and every byte is checked.
    pub fn check(path: &Path, bytes: &[u8], collection: u32) -> Result<(u32, Layout)> {
        sealed::check(path, bytes, MAGIC, VERSION)?;
        Layout::read(path, bytes, collection)
    }
}

/// Writes a segment's file from the front, with little in memory: all vectors, then all items, then all norms.
pub(crate) struct SegmentWriter<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    crc: Crc32c,
    bytes: usize,
}

impl<'a> SegmentWriter<'a> {
    pub fn begin(
        file: &'a dyn File,
        layout: Layout,
        collection: u32,
        number: u32,
    ) -> Result<SegmentWriter<'a>> {
        let mut writer = SegmentWriter { file, buffer: Vec::new(), crc: Crc32c::new(), bytes: 0 };
        writer.put(&layout.header(collection, number))?;
        Ok(writer)
    }

    /// The next bytes of a column.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.bytes += bytes.len();
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Zeros up to where the next column begins.
    pub fn pad_to(&mut self, at: usize) -> Result<()> {
        self.put(&vec![0; at.saturating_sub(self.bytes)])
    }

    fn flush(&mut self) -> Result<()> {
        self.crc.update(&self.buffer);
        self.file.append(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the file and syncs it: its length, and the CRC-32C of all of it.
    pub fn finish(mut self) -> Result<(u64, u32)> {
        self.flush()?;
        let crc = self.crc.value().to_le_bytes();
        self.put(&crc)?;
        self.flush()?;
        self.file.sync()?;
        Ok((self.bytes as u64, self.crc.value()))
    }
}
