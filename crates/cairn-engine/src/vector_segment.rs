//! `VectorSegment`: an immutable run of vectors in aligned columns, held in memory or mapped from its file.

use crate::derived::Derived;
use crate::error::{Error, Result};
use crate::hot_rows::HotRows;
use crate::image::is_of;
use crate::layout::TimelineDir;
use crate::manifest::FileRef;
use crate::rows::Buffer;
use crate::segment_file::{CRC_BYTES, Layout, SegmentWriter};
use crate::spec::CollectionSpec;
use cairn_disk::{Access, Bytes, File, Storage};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Bytes of vectors in a segment that the buffer becomes, about, unless configured.
pub(crate) const SEGMENT_BYTES: u32 = 2 << 20;
/// The most rows of a segment that the buffer becomes.
pub(crate) const SEALED_ROWS_MAX: u32 = 65_536;
/// The most rows of a segment.
pub(crate) const ROWS_MAX: u32 = 1 << 24;

/// How many rows the buffer takes before it is sealed.
pub(crate) fn rows_per_segment(segment_bytes: u32, dimension: u32) -> u32 {
    (segment_bytes / 4 / dimension.max(1)).clamp(16, SEALED_ROWS_MAX)
}

/// 64 aligned bytes: a column is a vector of lines, so that it starts on a cache line without unsafe code.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// An immutable run of vectors: row-major f32 columns, 64-byte aligned, with each row's item and inverse norm.
pub(crate) struct VectorSegment {
    pub number: u32,
    layout: Layout,
    columns: Columns,
    /// Its file, once it is on disk whole and durable.
    stored: OnceLock<FileRef>,
    /// Every byte of its file was seen to be right, or it was never read from one.
    verified: AtomicBool,
    derived: Arc<Derived>,
    hot: Arc<HotRows>,
}

enum Columns {
    Owned { lines: Vec<Line>, items: Vec<u32>, norms: Vec<f32> },
    Mapped(Arc<dyn Bytes>),
}

impl VectorSegment {
    /// Seals the rows of the buffer.
    pub fn seal(number: u32, dimension: u32, buffer: &Buffer) -> VectorSegment {
        let mut rows = Rows::new(dimension, buffer.rows);
        for (_, page) in buffer.tree.iter() {
            rows.push(&page.vectors, &page.items, &page.inverse_norms);
        }
        rows.into_segment(number)
    }

    /// How many rows it has.
    pub fn rows(&self) -> u32 {
        self.layout.rows
    }

    pub fn dimension(&self) -> u32 {
        self.layout.dimension
    }

    /// Bytes of its vectors.
    pub fn vector_bytes(&self) -> u64 {
        self.layout.vectors().len() as u64
    }

    /// All vectors, row-major.
    pub fn vectors(&self) -> &[f32] {
        match &self.columns {
            Columns::Owned { lines, .. } => {
                let floats = self.layout.rows as usize * self.layout.dimension as usize;
                &bytemuck::cast_slice::<Line, f32>(lines)[..floats]
            }
            Columns::Mapped(bytes) => column(bytes, self.layout.vectors()),
        }
    }

    /// Each row's item.
    pub fn items(&self) -> &[u32] {
        match &self.columns {
            Columns::Owned { items, .. } => items,
            Columns::Mapped(bytes) => column(bytes, self.layout.items()),
        }
    }

    /// 1 / each row's Euclidean norm; 0 for a zero vector.
    pub fn inverse_norms(&self) -> &[f32] {
        match &self.columns {
            Columns::Owned { norms, .. } => norms,
            Columns::Mapped(bytes) => column(bytes, self.layout.norms()),
        }
    }

    /// A row's vector.
    pub fn vector(&self, row: u32) -> &[f32] {
        let dimension = self.layout.dimension as usize;
        &self.vectors()[row as usize * dimension..][..dimension]
    }

    /// The mapping, when it is mapped.
    pub fn mapping(&self) -> Option<&Arc<dyn Bytes>> {
        match &self.columns {
            Columns::Owned { .. } => None,
            Columns::Mapped(bytes) => Some(bytes),
        }
    }

    /// Bytes of its file.
    pub fn file_bytes(&self) -> usize {
        self.layout.file_bytes()
    }

    /// Its file, once it is on disk.
    pub fn stored(&self) -> Option<&FileRef> {
        self.stored.get()
    }

    /// Notes that its file is on disk, whole and durable.
    pub fn set_stored(&self, file: FileRef) {
        // Noted twice only by two checkpoints that wrote the same bytes.
        let _ = self.stored.set(file);
    }

    /// Whether every byte of its file was seen to be right.
    pub fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }

    /// Notes whether every byte of its file was seen to be right.
    pub fn set_verified(&self, verified: bool) {
        self.verified.store(verified, Ordering::Relaxed);
    }

    /// What is computed from it.
    pub fn derived(&self) -> &Derived {
        &self.derived
    }

    /// Its rows that are held in memory though it is mapped.
    pub fn hot(&self) -> &HotRows {
        &self.hot
    }

    /// Asks the system to read a row's vector soon, when it is mapped. Nothing waits for it.
    pub fn will_need(&self, row: u32) {
        if let Columns::Mapped(bytes) = &self.columns {
            let row_bytes = 4 * self.layout.dimension as usize;
            let at = self.layout.vectors().start + row as usize * row_bytes;
            // Only a hint: without it, the row is read when it is needed.
            let _ = bytes.will_need(at..at + row_bytes);
        }
    }

    /// The whole file (docs/format.md, "Vector segment").
    pub fn encode(&self, collection: u32) -> Vec<u8> {
        if let Columns::Mapped(bytes) = &self.columns {
            return bytes.to_vec();
        }
        self.layout.encode(collection, self.number, self.columns())
    }

    /// The whole file in order, but for the checksum at its end. A mapped one comes as it is, the others column by column.
    pub fn each_of_body<E>(
        &self,
        collection: u32,
        put: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.columns {
            Columns::Mapped(bytes) if is_of(bytes, collection) => put(&bytes[..bytes.len() - CRC_BYTES]),
            _ => self.layout.each(collection, self.number, self.columns(), put),
        }
    }

    /// Whether the file it is mapped from, if it is, says that it is of this collection.
    pub fn is_of(&self, collection: u32) -> bool {
        self.mapping().is_none_or(|bytes| is_of(bytes, collection))
    }

    /// Reads all of the file it is mapped from: the checksum that stands in it, and the one it has, when they differ.
    pub fn check_mapped(&self) -> Result<(), (u32, u32)> {
        let (Some(seal), Some(bytes)) = (self.mapped_seal(), self.mapping()) else { return Ok(()) };
        let got = cairn_disk::crc32c(&bytes[..bytes.len() - CRC_BYTES]);
        if got == seal { Ok(()) } else { Err((seal, got)) }
    }

    /// The checksum at the end of its file, when it is mapped: it has to be that of the body.
    pub fn mapped_seal(&self) -> Option<u32> {
        let seal = self.mapping()?.last_chunk::<CRC_BYTES>()?;
        Some(u32::from_le_bytes(*seal))
    }

    fn columns(&self) -> [&[u8]; 3] {
        [le_bytes(self.vectors()), le_bytes(self.items()), le_bytes(self.inverse_norms())]
    }

    /// Reads a whole file into memory, checking everything.
    pub fn decode(path: &Path, bytes: &[u8], collection: u32) -> Result<VectorSegment> {
        let (number, layout) = Layout::check(path, bytes, collection)?;
        Ok(VectorSegment::copied(number, layout, bytes))
    }

    /// Takes a mapped file as it is: its header is checked, the rest is read when it is used.
    pub fn map(path: &Path, bytes: Arc<dyn Bytes>, collection: u32) -> Result<VectorSegment> {
        let (number, layout) = Layout::read(path, &bytes, collection)?;
        if !bytes.as_ptr().cast::<Line>().is_aligned() {
            // Not a mapping, but bytes in memory wherever they came to be.
            return Ok(VectorSegment::copied(number, layout, &bytes));
        }
        Ok(VectorSegment {
            number,
            layout,
            columns: Columns::Mapped(bytes),
            stored: OnceLock::new(),
            verified: AtomicBool::new(true),
            derived: Arc::default(),
            hot: Arc::default(),
        })
    }

    fn copied(number: u32, layout: Layout, bytes: &[u8]) -> VectorSegment {
        let mut lines = lines(layout.rows as usize * layout.dimension as usize);
        let vectors = &bytes[layout.vectors()];
        bytemuck::cast_slice_mut::<Line, u8>(&mut lines)[..vectors.len()].copy_from_slice(vectors);
        let columns = Columns::Owned {
            lines,
            items: bytemuck::allocation::pod_collect_to_vec(&bytes[layout.items()]),
            norms: bytemuck::allocation::pod_collect_to_vec(&bytes[layout.norms()]),
        };
        VectorSegment {
            number,
            layout,
            columns,
            stored: OnceLock::new(),
            verified: AtomicBool::new(true),
            derived: Arc::default(),
            hot: Arc::default(),
        }
    }

    /// The same segment with its columns mapped from its file.
    pub fn to_mapped(
        &self,
        storage: &dyn Storage,
        dir: &TimelineDir,
        collection: u32,
        spec: &CollectionSpec,
    ) -> Result<VectorSegment> {
        let file = self.stored().ok_or(Error::Decode("a segment that is not on disk yet"))?;
        let path = dir.file(&file.name);
        let bytes = map_file(storage, &path, spec)?;
        let mut segment = VectorSegment::map(&path, bytes, collection)?;
        segment.set_stored(file.clone());
        segment.set_verified(self.is_verified());
        segment.derived = Arc::clone(&self.derived);
        segment.hot = Arc::clone(&self.hot);
        Ok(segment)
    }

    /// The same segment with its columns in memory.
    pub fn to_owned_columns(&self) -> VectorSegment {
        let mut rows = Rows::new(self.dimension(), self.rows());
        rows.push(self.vectors(), self.items(), self.inverse_norms());
        let mut segment = rows.into_segment(self.number);
        segment.set_verified(self.is_verified());
        if let Some(file) = self.stored() {
            segment.set_stored(file.clone());
        }
        segment.derived = Arc::clone(&self.derived);
        segment.hot = Arc::clone(&self.hot);
        segment
    }
}

/// Maps a file as a collection wants it.
pub(crate) fn map_file(storage: &dyn Storage, path: &Path, spec: &CollectionSpec) -> Result<Arc<dyn Bytes>> {
    let bytes = storage.open(path, Access::Read)?.map()?;
    bytes.advise(spec.advise.advice())?;
    if spec.populate {
        bytes.populate()?;
    }
    Ok(Arc::from(bytes))
}

/// Rows of a segment that is being put together in memory.
pub(crate) struct Rows {
    layout: Layout,
    lines: Vec<Line>,
    items: Vec<u32>,
    norms: Vec<f32>,
}

impl Rows {
    /// Room for exactly so many rows.
    pub fn new(dimension: u32, rows: u32) -> Rows {
        Rows {
            layout: Layout { dimension, rows },
            lines: lines(rows as usize * dimension as usize),
            items: Vec::with_capacity(rows as usize),
            norms: Vec::with_capacity(rows as usize),
        }
    }

    /// Adds rows.
    pub fn push(&mut self, vectors: &[f32], items: &[u32], norms: &[f32]) {
        let at = self.items.len() * self.layout.dimension as usize;
        let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut self.lines);
        floats[at..at + vectors.len()].copy_from_slice(vectors);
        self.items.extend_from_slice(items);
        self.norms.extend_from_slice(norms);
    }

    /// The segment, once every row is there.
    pub fn into_segment(self, number: u32) -> VectorSegment {
        let Rows { layout, lines, items, norms } = self;
        assert_eq!(items.len(), layout.rows as usize, "a segment has all of its rows");
        let columns = Columns::Owned { lines, items, norms };
        VectorSegment {
            number,
            layout,
            columns,
            stored: OnceLock::new(),
            verified: AtomicBool::new(true),
            derived: Arc::default(),
            hot: Arc::default(),
        }
    }
}

/// Writes rows of other segments as a segment's file. Durable when this returns, but for its directory entry.
pub(crate) fn write_rows(
    file: &dyn File,
    collection: u32,
    number: u32,
    rows: &[(&VectorSegment, u32)],
    mut go_on: impl FnMut(u64) -> Result<()>,
) -> Result<(u64, u32)> {
    let dimension = rows.first().map_or(0, |(segment, _)| segment.dimension());
    let count = u32::try_from(rows.len()).map_err(|_| Error::Decode("segment: too many rows"))?;
    let layout = Layout { dimension, rows: count };
    let mut writer = SegmentWriter::begin(file, layout, collection, number)?;
    for (segment, row) in rows {
        writer.put(le_bytes(segment.vector(*row)))?;
        go_on(4 * u64::from(dimension))?;
    }
    writer.pad_to(layout.items().start)?;
    for (segment, row) in rows {
        writer.put(&segment.items()[*row as usize].to_le_bytes())?;
    }
    writer.pad_to(layout.norms().start)?;
    for (segment, row) in rows {
        writer.put(&segment.inverse_norms()[*row as usize].to_le_bytes())?;
    }
    writer.finish()
}

fn column<T: bytemuck::AnyBitPattern>(bytes: &Arc<dyn Bytes>, range: Range<usize>) -> &[T] {
    // `VectorSegment::map` saw that the bytes are aligned and long enough; every column starts at a multiple of 64.
    bytemuck::cast_slice(&bytes[range])
}

fn lines(floats: usize) -> Vec<Line> {
    vec![Line([0.0; 16]); floats.div_ceil(16)]
}

/// The bytes of a column. The formats are little-endian, and so is every machine this is built for.
fn le_bytes<T: bytemuck::NoUninit>(column: &[T]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little"), "columns are written as they are in memory") };
    bytemuck::cast_slice(column)
}
