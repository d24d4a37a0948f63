//! The writer of Parquet and Arrow IPC.

use super::kinds::{self, Column, Kind};
use crate::csv_writer::column;
use crate::error::{Error, Result};
use crate::export::{Content, RowWriter};
use crate::format::Format;
use crate::jsonl_writer::operation;
use arrow_array::builder::{
    FixedSizeListBuilder, Float32Builder, Float64Builder, Int64Builder, StringBuilder, UInt8Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema};
use cairn_engine::{CollectionView, EventOp, EventRow, ItemRow};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::sync::Arc;

/// Rows of a batch.
const BATCH_ROWS: usize = 1_024;
/// Rows of a row group of Parquet: what its writer holds in memory, encoded.
const GROUP_ROWS: usize = 16 * BATCH_ROWS;

/// Writes a table: `id`, `vector` (a fixed-size list of f32) and a column for each metadata key; or events; or pairs. A key whose
/// values are of one type has a column of that type; of integers and floats, one of floats; of other mixtures, one of
/// JSON texts.
pub(crate) struct ArrowWriter<'o> {
    out: Out<'o>,
    rows: Rows,
    count: usize,
}

type Stream<'o> = &'o mut (dyn Write + Send);

enum Out<'o> {
    /// Begun with the first batch: the columns' types are those of its arrays.
    NotYet(Format, Option<Stream<'o>>),
    Parquet(Box<parquet::arrow::ArrowWriter<Stream<'o>>>),
    File(Box<arrow_ipc::writer::FileWriter<Stream<'o>>>),
    Stream(Box<arrow_ipc::writer::StreamWriter<Stream<'o>>>),
}

/// The columns that are being filled.
#[expect(clippy::large_enum_variant, reason = "there is one of them")]
enum Rows {
    Items {
        id: StringBuilder,
        vector: Option<FixedSizeListBuilder<Float32Builder>>,
        dimension: usize,
        metadata: Vec<(String, Column)>,
    },
    Events {
        context: StringBuilder,
        op: StringBuilder,
        id: StringBuilder,
        score: UInt8Builder,
        time: Int64Builder,
    },
    Pairs {
        a: StringBuilder,
        b: StringBuilder,
        score: Float64Builder,
    },
}

impl Rows {
    fn new(view: &CollectionView, content: Content) -> Rows {
        match content {
            Content::Items | Content::Vectors | Content::Metadata => {
                let dimension = if content == Content::Metadata { 0 } else { view.dimension() as usize };
                // Dimensions are at most 65,536.
                let vector = || FixedSizeListBuilder::new(Float32Builder::new(), dimension as i32);
                let kinds = if content == Content::Vectors { Default::default() } else { kinds::of(view) };
                let metadata =
                    kinds.into_iter().map(|(key, kind): (String, Kind)| (key, kind.column())).collect();
                let vector = (dimension > 0).then(vector);
                Rows::Items { id: StringBuilder::new(), vector, dimension, metadata }
            }
            Content::Events => Rows::Events {
                context: StringBuilder::new(),
                op: StringBuilder::new(),
                id: StringBuilder::new(),
                score: UInt8Builder::new(),
                time: Int64Builder::new(),
            },
            Content::Pairs => {
                Rows::Pairs { a: StringBuilder::new(), b: StringBuilder::new(), score: Float64Builder::new() }
            }
        }
    }

    /// The rows so far, and none.
    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        let mut add = |name: &str, array: ArrayRef| columns.push((name.to_owned(), array));
        match self {
            Rows::Items { id, vector, metadata, .. } => {
                add("id", Arc::new(id.finish()));
                if let Some(vector) = vector {
                    add("vector", Arc::new(vector.finish()));
                }
                for (key, values) in metadata {
                    add(&column(key), values.finish());
                }
            }
            Rows::Events { context, op, id, score, time } => {
                add("ctx", Arc::new(context.finish()));
                add("type", Arc::new(op.finish()));
                add("id", Arc::new(id.finish()));
                add("score", Arc::new(score.finish()));
                add("timestamp", Arc::new(time.finish()));
            }
            Rows::Pairs { a, b, score } => {
                add("a", Arc::new(a.finish()));
                add("b", Arc::new(b.finish()));
                add("score", Arc::new(score.finish()));
            }
        }
        // All may be null, in every batch, so that all batches have one schema.
        let fields = columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect())
    }
}

/// What an Arrow crate could not do: writing is the only thing that fails for other reasons than a bug.
fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::write(std::io::Error::other(error))
}

impl<'o> ArrowWriter<'o> {
    pub fn new(view: &CollectionView, content: Content, format: Format, out: Stream<'o>) -> Self {
        ArrowWriter { out: Out::NotYet(format, Some(out)), rows: Rows::new(view, content), count: 0 }
    }

    fn row(&mut self) -> Result<()> {
        self.count += 1;
        if self.count < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<()> {
        self.count = 0;
        let batch = self.rows.finish().map_err(failed)?;
        if let Out::NotYet(format, out) = &mut self.out
            && let Some(out) = out.take()
        {
            self.out = begin(*format, out, &batch)?;
        }
        match &mut self.out {
            Out::Parquet(writer) => writer.write(&batch).map_err(failed),
            Out::File(writer) => writer.write(&batch).map_err(failed),
            Out::Stream(writer) => writer.write(&batch).map_err(failed),
            Out::NotYet(..) => Ok(()),
        }
    }
}

fn begin<'o>(format: Format, out: Stream<'o>, batch: &RecordBatch) -> Result<Out<'o>> {
    let schema = batch.schema();
    Ok(match format {
        Format::Parquet => {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_max_row_group_row_count(Some(GROUP_ROWS))
                .build();
            let writer = parquet::arrow::ArrowWriter::try_new(out, schema, Some(properties));
            Out::Parquet(Box::new(writer.map_err(failed)?))
        }
        Format::ArrowFile => {
            Out::File(Box::new(arrow_ipc::writer::FileWriter::try_new(out, &schema).map_err(failed)?))
        }
        _ => Out::Stream(Box::new(arrow_ipc::writer::StreamWriter::try_new(out, &schema).map_err(failed)?)),
    })
}

impl RowWriter for ArrowWriter<'_> {
    fn item(&mut self, item: ItemRow<'_>) -> Result<()> {
        let Rows::Items { id, vector, dimension, metadata } = &mut self.rows else { return Ok(()) };
        id.append_value(item.id);
        if let Some(builder) = vector {
            match item.vector {
                Some(vector) => builder.values().append_slice(vector),
                None => builder.values().append_nulls(*dimension),
            }
            builder.append(item.vector.is_some());
        }
        for (key, column) in metadata {
            column.put(item.metadata.and_then(|metadata| metadata.0.get(key)));
        }
        self.row()
    }

    fn event(&mut self, name: &str, event: EventRow<'_>) -> Result<()> {
        let Rows::Events { context, op, id, score, time } = &mut self.rows else { return Ok(()) };
        context.append_value(name);
        op.append_value(operation(event.op));
        id.append_value(event.id);
        score.append_option((event.op != EventOp::Del).then_some(event.score));
        time.append_value(event.time_s);
        self.row()
    }

    fn pair(&mut self, first: &str, second: &str, value: f64) -> Result<()> {
        let Rows::Pairs { a, b, score } = &mut self.rows else { return Ok(()) };
        a.append_value(first);
        b.append_value(second);
        score.append_value(value);
        self.row()
    }

    fn finish(&mut self) -> Result<()> {
        // Also where there are no rows: the file then has a schema and no more.
        if self.count > 0 || matches!(self.out, Out::NotYet(..)) {
            self.flush()?;
        }
        match &mut self.out {
            Out::Parquet(writer) => writer.finish().map(drop).map_err(failed),
            Out::File(writer) => writer.finish().map_err(failed),
            Out::Stream(writer) => writer.finish().map_err(failed),
            Out::NotYet(..) => Ok(()),
        }
    }
}
