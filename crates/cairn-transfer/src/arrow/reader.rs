//! The reader of Parquet and Arrow IPC.

use super::columns::Columns;
use super::file::FileReader;
use crate::bad_row::{BadRow, RowPlace};
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::format::Format;
use crate::input::Input;
use crate::rows::{Next, Place, RowReader};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use cairn_engine::Write;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rows of a batch of Parquet.
const BATCH_ROWS: usize = 1_024;

/// Reads a table: a column of ids (strings or integers), one of vectors (lists of f16, f32 or f64), every other column
/// metadata; or, with the columns `ctx` and `type`, events. Null is no value. Memory follows the batches of the file: those
/// of Parquet are of 1,024 rows, those of Arrow IPC as it was written.
pub struct ArrowReader {
    batches: Batches,
    columns: Columns,
    format: Format,
    batch: RecordBatch,
    /// The next row in the batch, and in all.
    at: usize,
    row: u64,
}

enum Batches {
    Parquet(Box<ParquetRecordBatchReader>, Input),
    File(Box<arrow_ipc::reader::FileReader<BufReader<FileReader>>>, Input),
    Stream(Box<arrow_ipc::reader::StreamReader<Input>>),
}

/// Calls a decoder of foreign bytes that is not ours, and that may panic on some: that is an error like its others.
fn guarded<T, E: std::fmt::Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("bytes that cannot be decoded".to_owned()),
    }
}

impl Batches {
    fn open(input: Input, format: Format) -> Result<Batches> {
        let name = input.name().to_owned();
        let bad = |got: String| Error::Format {
            name,
            place: "file".to_owned(),
            what: "content".to_owned(),
            expected: format.name().to_owned(),
            got,
        };
        match format {
            Format::Parquet => {
                let file = FileReader::new(&input, format)?;
                let open =
                    || ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH_ROWS).build();
                let reader = guarded(open).map_err(bad)?;
                Ok(Batches::Parquet(Box::new(reader), input))
            }
            Format::ArrowFile => {
                let file = BufReader::new(FileReader::new(&input, format)?);
                let reader = guarded(|| arrow_ipc::reader::FileReader::try_new(file, None)).map_err(bad)?;
                Ok(Batches::File(Box::new(reader), input))
            }
            _ => {
                let reader =
                    guarded(|| arrow_ipc::reader::StreamReader::try_new(input, None)).map_err(bad)?;
                Ok(Batches::Stream(Box::new(reader)))
            }
        }
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Batches::Parquet(reader, _) => reader.schema(),
            Batches::File(reader, _) => reader.schema(),
            Batches::Stream(reader) => reader.schema(),
        }
    }

    fn next(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        match self {
            Batches::Parquet(reader, _) => reader.next(),
            Batches::File(reader, _) => reader.next(),
            Batches::Stream(reader) => reader.next(),
        }
    }

    fn input(&self) -> &Input {
        match self {
            Batches::Parquet(_, input) | Batches::File(_, input) => input,
            Batches::Stream(reader) => reader.get_ref(),
        }
    }
}

impl ArrowReader {
    /// Reads an input's schema, by a mapping of fields. Of `parquet` and `arrow` the input has to be an uncompressed file.
    ///
    /// # Errors
    /// `Input`: another format, or a stream; `Format`: a damaged file, or a column that cannot be read.
    pub fn new(input: Input, format: Format, fields: &Fields) -> Result<ArrowReader> {
        if !matches!(format, Format::Parquet | Format::ArrowFile | Format::ArrowStream) {
            return Err(Error::Input(format!("expected parquet, arrow or arrows, got {format}")));
        }
        let batches = Batches::open(input, format)?;
        let schema = batches.schema();
        let columns = Columns::new(batches.input(), &schema, fields)?;
        let batch = RecordBatch::new_empty(schema);
        Ok(ArrowReader { batches, columns, format, batch, at: 0, row: 0 })
    }

    /// Goes on to a batch with rows; false at the end.
    fn fill(&mut self) -> Result<bool> {
        while self.at == self.batch.num_rows() {
            let next = guarded(|| self.batches.next().transpose());
            match next.map_err(|got| {
                let place = format!("row {}", self.row);
                self.batches.input().bad(place, "data", format!("a batch of {}", self.format), got)
            })? {
                None => return Ok(false),
                Some(batch) => (self.batch, self.at) = (batch, 0),
            }
        }
        Ok(true)
    }
}

impl RowReader for ArrowReader {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        if !self.fill()? {
            return Ok(Next::End);
        }
        let place = RowPlace::Row(self.row);
        let read = self.columns.read(&self.batch, self.at, writes);
        self.at += 1;
        self.row += 1;
        Ok(match read {
            Ok(()) => Next::Row(place),
            Err(fault) => Next::Bad(BadRow { place, fault }),
        })
    }

    fn place(&mut self) -> Place {
        Place { rows: self.row, ..Place::default() }
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        while self.row < place.rows {
            if !self.fill()? {
                let expected = format!("at least {}", place.rows);
                return Err(self.batches.input().changed("rows", expected, self.row));
            }
            let left = (self.batch.num_rows() - self.at) as u64;
            let skipped = left.min(place.rows - self.row);
            self.at += skipped as usize;
            self.row += skipped;
        }
        Ok(())
    }

    fn input(&self) -> &Input {
        self.batches.input()
    }

    fn format(&self) -> Format {
        self.format
    }
}
