//! `Columns`: the vectors a graph is over.

use crate::error::{Error, Result};
use crate::hot_rows::HotReader;

/// Borrowed columns of one vector segment. They are the truth; a graph is derived from them.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    vectors: &'a [f32],
    inverse_norms: &'a [f32],
    dimension: usize,
    /// Copies of some rows, which are read in their place.
    hot: Option<&'a HotReader<'a>>,
}

impl<'a> Columns<'a> {
    /// Row-major `vectors` of `dimension` elements each, and one [`inverse_norm`](crate::distance::inverse_norm) a row.
    ///
    /// # Errors
    /// [`Error::Input`] when the lengths do not fit each other, the dimension is not 1 to 65,536, or there are more rows
    /// than 2^32 − 2.
    pub fn new(vectors: &'a [f32], inverse_norms: &'a [f32], dimension: usize) -> Result<Self> {
        if !(1..=65_536).contains(&dimension) {
            return Err(Error::Input(format!("graph dimension: expected 1 to 65536, got {dimension}")));
        }
        let rows = inverse_norms.len();
        if rows.checked_mul(dimension) != Some(vectors.len()) || rows >= u32::MAX as usize {
            let got = vectors.len();
            return Err(Error::Input(format!(
                "graph columns: expected {rows} rows of {dimension} elements, got {got} elements"
            )));
        }
        Ok(Self { vectors, inverse_norms, dimension, hot: None })
    }

    /// The same columns, with some rows read from copies in memory.
    pub(crate) fn with_hot(self, hot: Option<&'a HotReader<'a>>) -> Self {
        Self { hot, ..self }
    }

    /// Says which rows will be read.
    pub(crate) fn want(&self, rows: impl Iterator<Item = u32>) {
        if let Some(hot) = self.hot {
            hot.want(rows);
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.inverse_norms.len() as u32
    }

    /// Elements of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// A row's elements.
    #[inline]
    pub(crate) fn vector(&self, row: u32) -> &'a [f32] {
        if let Some(vector) = self.hot.and_then(|hot| hot.vector(row)) {
            return vector;
        }
        &self.vectors[row as usize * self.dimension..][..self.dimension]
    }

    /// 1 / a row's norm, or 0.
    #[inline]
    pub(crate) fn inverse_norm(&self, row: u32) -> f32 {
        self.hot.and_then(|hot| hot.inverse_norm(row)).unwrap_or_else(|| self.inverse_norms[row as usize])
    }
}
