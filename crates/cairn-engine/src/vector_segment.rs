//! `VectorSegment`: an immutable run of vectors in aligned columns, and its file.

use crate::error::{Error, Result};
use crate::rows::Buffer;
use cairn_disk::sealed;
use std::path::Path;

const MAGIC: &[u8; 8] = b"CAIRNVEC";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 128;
const ALIGN: usize = 64;
/// Bytes of vectors in a segment, about, unless configured.
pub(crate) const SEGMENT_BYTES: u32 = 2 << 20;
/// The most rows of a segment, so that its dead rows fit a page.
pub(crate) const ROWS_MAX: u32 = 65_536;

/// How many rows the buffer takes before it is sealed.
pub(crate) fn rows_per_segment(segment_bytes: u32, dimension: u32) -> u32 {
    (segment_bytes / 4 / dimension.max(1)).clamp(16, ROWS_MAX)
}

/// 64 aligned bytes: a column is a vector of lines, so that it starts on a cache line without unsafe code.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// An immutable run of vectors: row-major f32 columns, 64-byte aligned, with each row's item and inverse norm.
pub(crate) struct VectorSegment {
    pub number: u32,
    pub dimension: u32,
    pub items: Vec<u32>,
    pub inverse_norms: Vec<f32>,
    lines: Vec<Line>,
}

impl VectorSegment {
    /// Seals the rows of the buffer.
    pub fn seal(number: u32, dimension: u32, buffer: &Buffer) -> VectorSegment {
        let rows = buffer.rows as usize;
        let mut segment = VectorSegment {
            number,
            dimension,
            items: Vec::with_capacity(rows),
            inverse_norms: Vec::with_capacity(rows),
            lines: lines(rows * dimension as usize),
        };
        let mut at = 0;
        for (_, page) in buffer.tree.iter() {
            segment.items.extend_from_slice(&page.items);
            segment.inverse_norms.extend_from_slice(&page.inverse_norms);
            let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut segment.lines);
            floats[at..at + page.vectors.len()].copy_from_slice(&page.vectors);
            at += page.vectors.len();
        }
        segment
    }

    /// How many rows it has.
    pub fn rows(&self) -> u32 {
        self.items.len() as u32
    }

    /// All vectors, row-major.
    pub fn vectors(&self) -> &[f32] {
        &bytemuck::cast_slice::<Line, f32>(&self.lines)[..self.items.len() * self.dimension as usize]
    }

    /// A row's vector.
    pub fn vector(&self, row: u32) -> &[f32] {
        let dimension = self.dimension as usize;
        &self.vectors()[row as usize * dimension..][..dimension]
    }

    /// Bytes of its file.
    pub fn file_bytes(&self) -> usize {
        let (_, _, _, end) = self.layout();
        end + 4
    }

    /// Where the columns begin, and where they end.
    fn layout(&self) -> (usize, usize, usize, usize) {
        let rows = self.items.len();
        let vectors = HEADER_BYTES;
        let items = (vectors + 4 * rows * self.dimension as usize).next_multiple_of(ALIGN);
        let norms = (items + 4 * rows).next_multiple_of(ALIGN);
        (vectors, items, norms, norms + 4 * rows)
    }

    /// The whole file (docs/format.md, "Vector segment").
    pub fn encode(&self, collection: u32) -> Vec<u8> {
        let (vectors, items, norms, _) = self.layout();
        let mut out = Vec::with_capacity(self.file_bytes());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&u64::from(self.number).to_le_bytes());
        for field in [self.dimension, self.rows(), 0, collection] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let columns = [
            (vectors, 4 * self.vectors().len()),
            (items, 4 * self.items.len()),
            (norms, 4 * self.items.len()),
        ];
        for (at, bytes) in columns {
            out.extend_from_slice(&(at as u64).to_le_bytes());
            out.extend_from_slice(&(bytes as u64).to_le_bytes());
        }
        out.resize(HEADER_BYTES - 4, 0);
        let crc = cairn_disk::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(le_bytes(self.vectors()));
        out.resize(items, 0);
        out.extend_from_slice(le_bytes(&self.items));
        out.resize(norms, 0);
        out.extend_from_slice(le_bytes(&self.inverse_norms));
        sealed::seal(&mut out);
        out
    }

    /// Reads a whole file, checking everything.
    pub fn decode(path: &Path, bytes: &[u8], collection: u32) -> Result<VectorSegment> {
        let body = sealed::check(path, bytes, MAGIC, VERSION)?;
        Self::decode_body(body, collection).map_err(|e| e.in_file(path))
    }

    fn decode_body(body: &[u8], collection: u32) -> Result<VectorSegment> {
        let header = body.get(..HEADER_BYTES).ok_or(Error::Decode("segment: shorter than its header"))?;
        let mut d = crate::codec::Decoder::new(&header[12..HEADER_BYTES - 4]);
        let header_bytes = d.u32()?;
        let number =
            u32::try_from(d.u64()?).map_err(|_| Error::Decode("segment: its number is too large"))?;
        let (dimension, rows, element, owner) = (d.u32()?, d.u32()?, d.u32()?, d.u32()?);
        let columns = [(d.u64()?, d.u64()?), (d.u64()?, d.u64()?), (d.u64()?, d.u64()?)];
        if header_bytes as usize != HEADER_BYTES || d.take(d.left())?.iter().any(|&b| b != 0) {
            return Err(Error::Decode("segment: header length or reserved bytes"));
        }
        if element != 0 || owner != collection || dimension == 0 || rows == 0 || rows > ROWS_MAX {
            return Err(Error::Decode("segment: element type, collection, dimension or rows"));
        }
        let elements = rows as usize * dimension as usize;
        let mut segment = VectorSegment {
            number,
            dimension,
            items: vec![0; rows as usize],
            inverse_norms: Vec::new(),
            lines: Vec::new(),
        };
        let (vectors, items, norms, end) = segment.layout();
        let expected = [(vectors, 4 * elements), (items, 4 * rows as usize), (norms, 4 * rows as usize)];
        if body.len() != end || columns != expected.map(|(at, n)| (at as u64, n as u64)) {
            return Err(Error::Decode("segment: columns do not fit the file"));
        }
        if body[vectors + 4 * elements..items]
            .iter()
            .chain(&body[items + 4 * rows as usize..norms])
            .any(|&b| b != 0)
        {
            return Err(Error::Decode("segment: padding is not zero"));
        }
        segment.lines = lines(elements);
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut segment.lines);
        bytemuck::cast_slice_mut::<f32, u8>(&mut floats[..elements])
            .copy_from_slice(&body[vectors..][..4 * elements]);
        segment.items = bytemuck::allocation::pod_collect_to_vec(&body[items..][..4 * rows as usize]);
        segment.inverse_norms = bytemuck::allocation::pod_collect_to_vec(&body[norms..][..4 * rows as usize]);
        Ok(segment)
    }
}

fn lines(floats: usize) -> Vec<Line> {
    vec![Line([0.0; 16]); floats.div_ceil(16)]
}

/// The bytes of a column. The formats are little-endian, and so is every machine this is built for.
fn le_bytes<T: bytemuck::Pod>(column: &[T]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little"), "columns are written as they are in memory") };
    bytemuck::cast_slice(column)
}
