//! Exporting: what a collection of a View holds, written in a format.

use crate::bad_row::shown;
use crate::csv_writer::CsvWriter;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::jsonl_writer::JsonLinesWriter;
use crate::matrix_writer::{FvecsWriter, NpyWriter};
use crate::npy_header::Element;
use crate::wire_writer::WireWriter;
use cairn_engine::{CollectionView, EventRow, ItemRow};
use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Items: vectors and metadata.
    Items,
    /// Vectors alone.
    Vectors,
    /// Metadata alone.
    Metadata,
    /// The events in the contexts' rings, oldest first, and then the same of the next context.
    Events,
    /// Pairs of items with their co-occurrence score. They cannot be imported: events imply them.
    Pairs,
}

impl Content {
    /// All there are.
    pub const ALL: [Content; 5] =
        [Content::Items, Content::Vectors, Content::Metadata, Content::Events, Content::Pairs];

    /// Its name, as options give it.
    pub fn name(self) -> &'static str {
        match self {
            Content::Items => "items",
            Content::Vectors => "vectors",
            Content::Metadata => "metadata",
            Content::Events => "events",
            Content::Pairs => "pairs",
        }
    }

    /// The content of a name.
    ///
    /// # Errors
    /// `Input`, with the names there are.
    pub fn from_name(name: &str) -> Result<Content> {
        Content::ALL.into_iter().find(|content| content.name() == name).ok_or_else(|| {
            let names = Content::ALL.map(Content::name).join(", ");
            Error::Input(format!("content: expected one of {names}, got {}", shown(name)))
        })
    }

    /// How many rows of it a View has, as far as its counts say: an item with a vector and metadata is one, and so is a pair.
    fn rows(self, view: &CollectionView) -> u64 {
        let counts = view.counts();
        match self {
            // Metadata without a vector is rare: an estimate.
            Content::Items => counts.vectors.max(counts.metadata),
            Content::Vectors => counts.vectors,
            Content::Metadata => counts.metadata,
            Content::Events => counts.events,
            Content::Pairs => counts.pairs,
        }
    }
}

/// How an export is made.
pub struct ExportOptions<'a> {
    /// The element type of npy: `F16` or `F32`.
    pub element: Element,
    /// Called now and then, with the rows written and about how many there are.
    pub progress: &'a dyn Fn(u64, u64),
    /// Set it, and the export ends with [`Error::Cancelled`].
    pub cancel: &'a AtomicBool,
}

impl Default for ExportOptions<'_> {
    fn default() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        ExportOptions { element: Element::F32, progress: &|_, _| {}, cancel: &NEVER }
    }
}

/// Writes rows in a format; one of the three is called for each, as the content is.
pub(crate) trait RowWriter {
    /// An item, of which something is there.
    fn item(&mut self, item: ItemRow<'_>) -> Result<()>;
    /// An event.
    fn event(&mut self, context: &str, event: EventRow<'_>) -> Result<()>;
    /// A pair.
    fn pair(&mut self, a: &str, b: &str, score: f64) -> Result<()>;
    /// After the last row.
    fn finish(&mut self) -> Result<()>;
}

/// Writes a collection's content to `out` and flushes it; says how many rows there were. Rows come by the bytes of their ids,
/// events by their contexts' names: the same state always gives the same bytes.
///
/// # Errors
/// `Unsupported`: the format cannot carry this content, or a row of it; `Write`; `Cancelled`. What was written by then is in
/// `out`.
pub fn export(
    view: &CollectionView,
    content: Content,
    format: Format,
    out: &mut (dyn Write + Send),
    options: &ExportOptions<'_>,
) -> Result<u64> {
    let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, out);
    let rows = write(view, content, writer(view, content, format, &mut buffered, options)?, options)?;
    buffered.flush().map_err(Error::write)?;
    Ok(rows)
}

/// Writes the ids of the vectors in the order in which [`export`] writes these: the side file of npy and fvecs, as JSON Lines
/// `{"id":…}`.
///
/// # Errors
/// `Write`.
pub fn export_ids(view: &CollectionView, out: &mut dyn Write) -> Result<u64> {
    let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut rows = 0;
    let mut write = || -> io::Result<()> {
        for item in view.items_by_id().filter(|item| item.vector.is_some()) {
            buffered.write_all(b"{\"id\":")?;
            serde_json::to_writer(&mut buffered, item.id)?;
            buffered.write_all(b"}\n")?;
            rows += 1;
        }
        buffered.flush()
    };
    write().map_err(Error::write)?;
    Ok(rows)
}

fn writer<'o>(
    view: &CollectionView,
    content: Content,
    format: Format,
    out: &'o mut (dyn Write + Send),
    options: &ExportOptions<'_>,
) -> Result<Box<dyn RowWriter + 'o>> {
    let unsupported = || Error::Unsupported { format: format.name(), what: content.name().to_owned() };
    Ok(match (format, content) {
        (Format::JsonLines, _) => Box::new(JsonLinesWriter::new(out)),
        (Format::Csv, _) => Box::new(CsvWriter::new(view, content, out)?),
        (Format::Lines, Content::Pairs) => return Err(unsupported()),
        (Format::Lines, _) => Box::new(WireWriter::new(out)),
        (Format::Npy, Content::Vectors) => Box::new(NpyWriter::new(view, options.element, out)?),
        (Format::Fvecs, Content::Vectors) => Box::new(FvecsWriter::new(out)),
        (Format::Npy | Format::Fvecs | Format::Bvecs | Format::Ivecs, _) => return Err(unsupported()),
        #[cfg(feature = "arrow")]
        (Format::Parquet | Format::ArrowFile | Format::ArrowStream, _) => {
            Box::new(crate::arrow::ArrowWriter::new(view, content, format, out))
        }
        #[cfg(not(feature = "arrow"))]
        (Format::Parquet | Format::ArrowFile | Format::ArrowStream, _) => {
            return Err(crate::open::needs_feature(format));
        }
    })
}

/// How many rows are written between two looks at the caller.
const ROWS_BETWEEN_LOOKS: u64 = 1 << 10;

fn write(
    view: &CollectionView,
    content: Content,
    mut writer: Box<dyn RowWriter + '_>,
    options: &ExportOptions<'_>,
) -> Result<u64> {
    let (mut rows, total) = (0u64, content.rows(view));
    let mut one_more = || {
        rows += 1;
        if !rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            return Ok(rows);
        }
        (options.progress)(rows, total.max(rows));
        if options.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(rows) }
    };
    match content {
        Content::Items | Content::Vectors | Content::Metadata => {
            for mut item in view.items_by_id() {
                if content == Content::Vectors {
                    item.metadata = None;
                }
                if content == Content::Metadata {
                    item.vector = None;
                }
                if item.vector.is_some() || item.metadata.is_some() {
                    writer.item(item)?;
                    one_more()?;
                }
            }
        }
        Content::Events => {
            for (context, events) in view.contexts_by_name() {
                for event in events {
                    writer.event(context, event)?;
                    one_more()?;
                }
            }
        }
        Content::Pairs => {
            for (a, b, score) in view.pairs_by_id() {
                writer.pair(a, b, score)?;
                one_more()?;
            }
        }
    }
    writer.finish()?;
    (options.progress)(rows, rows);
    Ok(rows)
}
