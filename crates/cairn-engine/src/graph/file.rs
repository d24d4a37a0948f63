//! `GraphFile`: the bytes of a graph, mapped or in memory (docs/format.md, "Vector graph").

use super::codes::{Factors, stride};
use super::kernel::{Kernel, LINE};
use super::lists::FileLists;
use super::settings::GraphSettings;
use super::walk::Table;
use crate::codec::Decoder;
use crate::distance::Metric;
use crate::error::{Error, Result};
use cairn_disk::{Bytes, crc32c, sealed};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"CAIRNGRF";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 256;
const CRC_BYTES: usize = 4;

/// What a graph is of, and how it was built: what its header says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraphHeader {
    /// Number of the collection.
    pub collection: u32,
    /// Number of the vector segment.
    pub segment: u64,
    /// Rows of the segment.
    pub rows: u32,
    /// Elements of a row, 1 to 65,536.
    pub dimension: u32,
    /// What "near" means.
    pub metric: Metric,
    /// How it was built.
    pub settings: GraphSettings,
    /// How many rows every walk begins from; none only when there is no row.
    pub entries: u32,
}

impl GraphHeader {
    /// Numbers a row in the lists: the degree, filled up to whole cache lines.
    fn list_stride(&self) -> usize {
        (self.settings.degree as usize).next_multiple_of(LINE / 4)
    }

    /// Where the mean, the entries, the factors, the codes and the lists are; the file ends 4 bytes after the last.
    fn sections(&self) -> Result<[Range<usize>; 5]> {
        let rows = self.rows as usize;
        let dimension = self.dimension as usize;
        let lengths = [
            dimension.checked_mul(4),
            (self.entries as usize).checked_mul(4),
            rows.checked_mul(size_of::<Factors>()),
            rows.checked_mul(stride(dimension)),
            rows.checked_mul(4 * self.list_stride()),
        ];
        let mut at = HEADER_BYTES;
        let mut sections = [const { 0..0 }; 5];
        let place = |at: usize, length: Option<usize>| {
            let begin = at.checked_next_multiple_of(LINE)?;
            Some(begin..begin.checked_add(length?)?)
        };
        for (section, length) in sections.iter_mut().zip(lengths) {
            *section = place(at, length).ok_or(Error::Decode("graph: larger than memory can be"))?;
            at = section.end;
        }
        Ok(sections)
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(&self.segment.to_le_bytes());
        let settings = &self.settings;
        for field in [
            self.dimension,
            self.rows,
            u32::from(self.metric.byte()),
            self.collection,
            settings.degree,
            settings.build_list,
            settings.alpha.to_bits(),
            self.entries,
            self.list_stride() as u32,
            stride(self.dimension as usize) as u32,
        ] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for section in self.sections()? {
            out.extend_from_slice(&(section.start as u64).to_le_bytes());
            out.extend_from_slice(&(section.len() as u64).to_le_bytes());
        }
        out.resize(HEADER_BYTES - CRC_BYTES, 0);
        sealed::seal(&mut out);
        Ok(out)
    }

    /// Reads a header whose checksum holds.
    fn decode(header: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(&header[12..HEADER_BYTES - CRC_BYTES]);
        let header_bytes = d.u32()?;
        let segment = d.u64()?;
        let (dimension, rows, metric, collection) = (d.u32()?, d.u32()?, d.u32()?, d.u32()?);
        let (degree, build_list, alpha) = (d.u32()?, d.u32()?, f32::from_bits(d.u32()?));
        let settings = GraphSettings { degree, build_list, alpha };
        let (entries, list_stride, code_stride) = (d.u32()?, d.u32()?, d.u32()?);
        let metric = u8::try_from(metric)
            .ok()
            .and_then(Metric::from_byte)
            .ok_or(Error::Decode("graph: no such metric"))?;
        if header_bytes as usize != HEADER_BYTES || !(1..=65_536).contains(&dimension) || rows == u32::MAX {
            return Err(Error::Decode("graph: header length, dimension or rows"));
        }
        settings.validate()?;
        let header = Self { collection, segment, rows, dimension, metric, settings, entries };
        if entries > rows || (entries == 0) != (rows == 0) {
            return Err(Error::Decode("graph: entry points do not fit the rows"));
        }
        if list_stride as usize != header.list_stride() || code_stride as usize != stride(dimension as usize)
        {
            return Err(Error::Decode("graph: strides do not fit the degree and the dimension"));
        }
        for section in header.sections()? {
            if (d.u64()?, d.u64()?) != (section.start as u64, section.len() as u64) {
                return Err(Error::Decode("graph: sections are not where they should be"));
            }
        }
        if d.take(d.left())?.iter().any(|b| *b != 0) {
            return Err(Error::Decode("graph: reserved bytes are not zero"));
        }
        Ok(header)
    }
}

/// 64 aligned bytes.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Bytes that begin on a cache line.
enum Store {
    Owned { lines: Vec<Line>, bytes: usize },
    Shared(Arc<dyn Bytes>),
}

/// A graph's file, its header checked.
pub(crate) struct GraphFile {
    pub header: GraphHeader,
    sections: [Range<usize>; 5],
    store: Store,
}

/// A graph's columns.
#[derive(Clone, Copy)]
pub(crate) struct GraphView<'a> {
    pub mean: &'a [f32],
    pub entries: &'a [u32],
    pub factors: &'a [Factors],
    pub table: Table<'a>,
    pub lists: FileLists<'a>,
}

/// The columns of a graph that is being built.
pub(crate) struct GraphViewMut<'a> {
    pub mean: &'a mut [f32],
    pub entries: &'a mut [u32],
    pub factors: &'a mut [Factors],
    pub codes: &'a mut [u8],
    pub lists: &'a mut [u32],
}

impl GraphFile {
    /// A file with all columns zero and no checksum yet.
    pub fn new(header: GraphHeader) -> Result<Self> {
        const { assert!(cfg!(target_endian = "little"), "columns are written as they are in memory") };
        let sections = header.sections()?;
        let bytes = sections[4].end + CRC_BYTES;
        let mut lines = vec![Line([0; LINE]); bytes.div_ceil(LINE)];
        bytemuck::cast_slice_mut::<Line, u8>(&mut lines)[..HEADER_BYTES].copy_from_slice(&header.encode()?);
        Ok(Self { header, sections, store: Store::Owned { lines, bytes } })
    }

    /// Writes the checksum: the columns are done.
    pub fn seal(&mut self) {
        let Store::Owned { lines, bytes } = &mut self.store else { return };
        let all = &mut bytemuck::cast_slice_mut::<Line, u8>(lines)[..*bytes];
        let (body, seal) = all.split_at_mut(*bytes - CRC_BYTES);
        seal.copy_from_slice(&crc32c(body).to_le_bytes());
    }

    /// Opens bytes; they are copied only if they don't begin at a multiple of 4.
    pub fn open(path: &Path, bytes: Arc<dyn Bytes>) -> Result<Self> {
        let (header, sections) = open_header(path, &bytes)?;
        let store = if bytes.as_ptr().addr().is_multiple_of(4) {
            Store::Shared(bytes)
        } else {
            let mut lines = vec![Line([0; LINE]); bytes.len().div_ceil(LINE)];
            bytemuck::cast_slice_mut::<Line, u8>(&mut lines)[..bytes.len()].copy_from_slice(&bytes);
            Store::Owned { lines, bytes: bytes.len() }
        };
        Ok(Self { header, sections, store })
    }

    /// Checks the checksum of all bytes, that padding is zero, and every row number.
    pub fn verify(&self, path: &Path) -> Result<()> {
        sealed::check(path, self.bytes(), MAGIC, VERSION)?;
        let view = self.view();
        let rows = self.header.rows;
        let degree = self.header.settings.degree as usize;
        let wrong = |what| Err(Error::Decode(what).in_file(path));
        if view.table.rows != rows || view.entries.iter().any(|entry| *entry >= rows) {
            return wrong("graph: an entry point is no row");
        }
        for row in 0..rows {
            let list = view.lists.of(row);
            let count = list.iter().position(|n| *n == super::lists::NOBODY).unwrap_or(list.len());
            let (neighbours, rest) = list.split_at(count);
            if count > degree
                || neighbours.iter().any(|n| *n >= rows || *n == row)
                || rest.iter().any(|n| *n != super::lists::NOBODY)
            {
                return wrong("graph: a list has too many neighbours, or one that is no other row");
            }
        }
        let mut at = HEADER_BYTES;
        for section in &self.sections {
            if self.bytes()[at..section.start].iter().any(|b| *b != 0) {
                return wrong("graph: padding is not zero");
            }
            at = section.end;
        }
        Ok(())
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        match &self.store {
            Store::Owned { lines, bytes } => &bytemuck::cast_slice::<Line, u8>(lines)[..*bytes],
            Store::Shared(bytes) => bytes,
        }
    }

    /// The columns. `open` has checked that they are there; were they not, there would be no rows, and no panic.
    #[inline]
    pub fn view(&self) -> GraphView<'_> {
        let bytes = self.bytes();
        let [mean, entries, factors, codes, lists] =
            self.sections.each_ref().map(|section| bytes.get(section.clone()).unwrap_or_default());
        let (stride, list_stride) = (stride(self.header.dimension as usize), self.header.list_stride());
        let factors: &[Factors] = bytemuck::try_cast_slice(factors).unwrap_or_default();
        let numbers: &[u32] = bytemuck::try_cast_slice(lists).unwrap_or_default();
        let rows = factors.len().min(codes.len() / stride).min(numbers.len() / list_stride);
        GraphView {
            mean: bytemuck::try_cast_slice(mean).unwrap_or_default(),
            entries: bytemuck::try_cast_slice(entries).unwrap_or_default(),
            factors,
            table: Table { codes, stride, rows: rows as u32, kernel: Kernel::best() },
            lists: FileLists { numbers, stride: list_stride },
        }
    }

    /// The columns of a file that [`new`](Self::new) made.
    pub fn view_mut(&mut self) -> GraphViewMut<'_> {
        let Store::Owned { lines, .. } = &mut self.store else {
            unreachable!("only a file that is being built is written")
        };
        let mut rest = bytemuck::cast_slice_mut::<Line, u8>(lines);
        let mut at = 0;
        let mut parts = self.sections.each_ref().map(|section| {
            let (_, after) = std::mem::take(&mut rest).split_at_mut(section.start - at);
            let (part, after) = after.split_at_mut(section.len());
            (rest, at) = (after, section.end);
            part
        });
        let [mean, entries, factors, codes, lists] = parts.each_mut().map(std::mem::take);
        GraphViewMut {
            mean: bytemuck::cast_slice_mut(mean),
            entries: bytemuck::cast_slice_mut(entries),
            factors: bytemuck::cast_slice_mut(factors),
            codes,
            lists: bytemuck::cast_slice_mut(lists),
        }
    }
}

/// Checks what can be checked without reading all: magic, version, the header's checksum and fields, and the length.
fn open_header(path: &Path, bytes: &[u8]) -> Result<(GraphHeader, [Range<usize>; 5])> {
    let corrupt = |what: String| Error::Corrupt { path: path.to_owned(), what };
    let Some(header) = bytes.get(..HEADER_BYTES) else {
        return Err(corrupt(format!(
            "size mismatch: expected at least {HEADER_BYTES} bytes, got {}",
            bytes.len()
        )));
    };
    sealed::check(path, header, MAGIC, VERSION)?;
    let header = GraphHeader::decode(header).map_err(|e| e.in_file(path))?;
    let sections = header.sections().map_err(|e| e.in_file(path))?;
    let expected = sections[4].end.saturating_add(CRC_BYTES);
    if bytes.len() != expected {
        return Err(corrupt(format!("size mismatch: expected {expected} bytes, got {}", bytes.len())));
    }
    Ok((header, sections))
}
