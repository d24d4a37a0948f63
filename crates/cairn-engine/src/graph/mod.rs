//! Approximate nearest neighbours: an immutable graph over the columns of one vector segment.
//!
//! The columns are the truth and the graph is derived from them: it can always be built again, and whatever damage its file
//! has, a search gives rows that exist with their right scores, though perhaps not the best. [`Graph::build`] links rows
//! that are near each other (`build.rs`, `prune.rs`, `connect.rs`); [`Graph::search`] walks along the links (`walk.rs`),
//! reading 8-bit codes of the rows (`codes.rs`), and scores the best it met with the columns.

mod build;
mod codes;
mod columns;
mod connect;
mod file;
mod kernel;
mod lists;
mod prune;
mod scratch;
mod search;
mod settings;
mod walk;

pub use build::BuildWork;
pub use columns::Columns;
pub use file::GraphHeader;
pub use kernel::Kernel;
pub use scratch::GraphScratch;
pub use search::{EF_DEFAULT, Found, RowScore, Wanted};
pub use settings::GraphSettings;

use crate::distance::Metric;
use crate::error::{Error, Result};
use build::Build;
use cairn_disk::Bytes;
use connect::Connector;
use file::GraphFile;
use lists::NOBODY;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use walk::Lists as _;

/// An immutable graph, in memory or mapped. Searched by any number of threads at once.
pub struct Graph {
    file: GraphFile,
}

/// Which vector segment a graph is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphOf {
    /// Number of the collection.
    pub collection: u32,
    /// Number of the vector segment.
    pub segment: u64,
}

impl Graph {
    /// Builds the graph of these columns, in memory of about `rows × (dimension + 10 × degree)` bytes until it is done and
    /// `rows × (dimension + 4 × degree)` afterwards. `None` when `work` was cancelled.
    ///
    /// # Errors
    /// [`Error::Input`] when the settings are not valid or no thread is given.
    pub fn build(
        columns: Columns<'_>,
        metric: Metric,
        of: GraphOf,
        settings: &GraphSettings,
        work: &BuildWork<'_>,
    ) -> Result<Option<Self>> {
        settings.validate()?;
        if work.threads == 0 {
            return Err(Error::Input("graph build: expected at least 1 thread, got 0".to_owned()));
        }
        let rows = columns.rows();
        let entries = entry_count(rows);
        let mut file = GraphFile::new(GraphHeader {
            collection: of.collection,
            segment: of.segment,
            rows,
            dimension: columns.dimension() as u32,
            metric,
            settings: *settings,
            entries,
        })?;
        let squares = encode(columns, metric, &mut file);
        let view = file.view();
        let norms = (metric == Metric::Dot).then(|| norms(columns));
        let places = build::places(view.factors, &squares, norms.as_deref());
        let build = Build::new(view.table, &places, view.entries, settings);
        if !build.run(work) || !Connector::new(&build).run(work.cancelled) {
            return Ok(None);
        }
        let lists = build.lists;
        let (stride, out) = (view.lists.stride, file.view_mut().lists);
        for (row, out) in (0..rows).zip(out.chunks_exact_mut(stride)) {
            out.fill(NOBODY);
            let mut places = out.iter_mut();
            lists.each(row, |neighbour| {
                if let Some(place) = places.next() {
                    *place = neighbour;
                }
            });
        }
        file.seal();
        Ok(Some(Self { file }))
    }

    /// Opens a graph's file: magic, version, the header's checksum and the length are checked, the rest is not read
    /// ([`verify`](Self::verify)). Nothing is copied when the bytes begin at a multiple of 4, as mapped ones do.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or a version error, naming `path`, when what is checked is not as it should be.
    pub fn open(path: &Path, bytes: Arc<dyn Bytes>) -> Result<Self> {
        Ok(Self { file: GraphFile::open(path, bytes)? })
    }

    /// Reads all and checks the checksum, that padding is zero, and that every neighbour is another row.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when something is not as it should be; `path` is for the message.
    pub fn verify(&self, path: &Path) -> Result<()> {
        self.file.verify(path)
    }

    /// What its header says. Whoever opened it compares that with the segment the graph is used for.
    #[must_use]
    pub fn header(&self) -> &GraphHeader {
        &self.file.header
    }

    /// The whole file, to be written or measured.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Graph").field(&self.file.header).finish()
    }
}

/// How many rows walks begin from: many enough that clusters far from each other are met, few enough to cost little.
fn entry_count(rows: u32) -> u32 {
    (f64::from(rows).sqrt() / 8.0).clamp(1.0, 256.0).min(f64::from(rows)) as u32
}

/// Writes mean, entry points, factors and codes, and gives the squares of what the codes stand for.
fn encode(columns: Columns<'_>, metric: Metric, file: &mut GraphFile) -> Vec<f32> {
    let rows = columns.rows();
    let stride = codes::stride(columns.dimension());
    let view = file.view_mut();
    view.mean.copy_from_slice(&codes::mean(columns, metric));
    let step = u64::from(build::spread(rows));
    for (n, entry) in (0..).zip(view.entries.iter_mut()) {
        *entry = (n * step % u64::from(rows)) as u32;
    }
    view.codes.fill(codes::ZERO);
    let mut squares = Vec::with_capacity(rows as usize);
    for (row, (codes, factors)) in
        (0..rows).zip(view.codes.chunks_exact_mut(stride).zip(view.factors.iter_mut()))
    {
        let (found, square) = codes::encode(columns, metric, view.mean, row, codes);
        *factors = found;
        squares.push(square);
    }
    squares
}

fn norms(columns: Columns<'_>) -> Vec<f32> {
    let norm = |row| match columns.inverse_norm(row) {
        0.0 => 0.0,
        inverse => 1.0 / inverse,
    };
    (0..columns.rows()).map(norm).collect()
}
