//! The vector buffer: the newest rows, in pages, until they are sealed as a segment.

use crate::codec::Decoder;
use crate::distance::inverse_norm;
use crate::error::{Error, Result};
use crate::tree::{Page, Tree};

/// Bytes of vectors in a page of the buffer; a vector larger than this has a page of its own.
const PAGE_BYTES: u32 = 16 << 10;

/// Rows of the buffer.
#[derive(Clone, Default)]
pub(crate) struct RowsPage {
    pub dimension: u32,
    pub items: Vec<u32>,
    pub inverse_norms: Vec<f32>,
    pub vectors: Vec<f32>,
}

impl Page for RowsPage {
    const TABLE: u16 = 10;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.dimension.to_le_bytes());
        let rows = u32::try_from(self.items.len()).expect("pages are limited");
        out.extend_from_slice(&rows.to_le_bytes());
        self.items.iter().for_each(|item| out.extend_from_slice(&item.to_le_bytes()));
        self.vectors.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let (dimension, rows) = (d.u32()?, d.u32()?);
        if dimension == 0 || rows == 0 || rows > rows_per_page(dimension) {
            return Err(Error::Decode("buffer: impossible dimension or number of rows"));
        }
        let items = d.u32s(rows as usize)?;
        let vectors = d.f32s(rows as usize * dimension as usize)?;
        d.finish()?;
        let inverse_norms = vectors.chunks_exact(dimension as usize).map(inverse_norm).collect();
        Ok(RowsPage { dimension, items, inverse_norms, vectors })
    }

    fn encoded_bytes(&self) -> usize {
        8 + 4 * self.items.len() + 4 * self.vectors.len()
    }
}

/// Rows in a page of the buffer.
pub(crate) fn rows_per_page(dimension: u32) -> u32 {
    (PAGE_BYTES / 4 / dimension.max(1)).max(1)
}

/// The newest vectors, by row.
#[derive(Default, Clone)]
pub(crate) struct Buffer {
    pub tree: Tree<RowsPage>,
    pub rows: u32,
}

impl Buffer {
    /// Adds a row.
    pub fn push(&mut self, item: u32, vector: &[f32]) -> u32 {
        let dimension = u32::try_from(vector.len()).expect("dimensions are limited");
        let per_page = rows_per_page(dimension);
        let page = self.tree.get_mut(self.rows / per_page);
        if page.items.len() == page.items.capacity() {
            let more = per_page as usize - page.items.len();
            page.items.reserve_exact(more);
            page.inverse_norms.reserve_exact(more);
            page.vectors.reserve_exact(more * vector.len());
        }
        page.dimension = dimension;
        page.items.push(item);
        page.inverse_norms.push(inverse_norm(vector));
        page.vectors.extend_from_slice(vector);
        self.rows += 1;
        self.rows - 1
    }

    /// A row's vector.
    pub fn vector(&self, row: u32, dimension: u32) -> &[f32] {
        let per_page = rows_per_page(dimension);
        let at = (row % per_page) as usize * dimension as usize;
        self.tree
            .get(row / per_page)
            .and_then(|p| p.vectors.get(at..at + dimension as usize))
            .unwrap_or_default()
    }

    /// A row's item.
    pub fn item(&self, row: u32, dimension: u32) -> Option<u32> {
        let per_page = rows_per_page(dimension);
        self.tree.get(row / per_page)?.items.get((row % per_page) as usize).copied()
    }

    /// Takes every row away.
    pub fn clear(&mut self) {
        self.tree.clear();
        self.rows = 0;
    }

    /// Checks loaded pages and counts their rows.
    pub fn rebuild(&mut self, dimension: u32, items: u32, rows_max: u32) -> Result<()> {
        let bad = Err(Error::Decode("buffer: pages do not fit together"));
        let per_page = rows_per_page(dimension);
        let mut rows = 0u32;
        for (number, page) in self.tree.iter() {
            let whole = u64::from(number) * u64::from(per_page) == u64::from(rows);
            if !whole || page.dimension != dimension || page.items.iter().any(|&item| item >= items) {
                return bad;
            }
            rows = rows.saturating_add(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        }
        if rows > rows_max {
            return bad;
        }
        self.rows = rows;
        Ok(())
    }
}
