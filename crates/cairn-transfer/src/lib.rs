//! Rows in and out of CairnDB in the formats people have.
//!
//! An [`Input`] is a file or a stream, unwrapped from gzip or zstd; [`open`] makes a [`RowReader`] of it by its
//! [`Format`]; an [`Importer`] takes its rows to a receiver in batches, reports bad rows by line, and goes on where an
//! interrupted import stopped. [`export()`] writes what a collection of a View holds. Everything is streamed: a file is never held whole.
//!
//! ```
//! use cairn_engine::{Engine, Options};
//! use cairn_transfer::{
//!     Content, ExportOptions, Importer, Input, OnError, ReadOptions, engine_sink, export, open,
//! };
//! use std::{path::Path, sync::Arc};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk: Arc<dyn cairn_disk::Storage> = Arc::new(cairn_disk::SimDisk::new(1)); // or RealDisk::new()
//! let (engine, _) = Engine::open(disk, Path::new("/data"), Options::default())?;
//!
//! let mut input = Input::from_reader("rows", &b"{\"id\":\"a\",\"vector\":[1,2]}\n{\"id\":\"b\",\"vector\":\"x\"}\n"[..])?;
//! let format = input.detect()?;
//! let mut rows = open(input, format, ReadOptions::default())?;
//! let importer = Importer { on_error: OnError::Skip, ..Importer::default() };
//! let report = importer.run(&mut *rows, engine_sink(&engine))?;
//! assert!(report.end.is_done() && report.counts.written == 1);
//! assert_eq!(report.bad_rows[0].to_string(), "line 2: vector: expected a list of numbers, got \"\\\"x\\\"\"");
//!
//! let mut out = Vec::new();
//! export(engine.view()?.default_collection(), Content::Items, format, &mut out, &ExportOptions::default())?;
//! assert_eq!(out, b"{\"id\":\"a\",\"vector\":[1.0,2.0]}\n");
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "arrow")]
mod arrow;
mod bad_row;
mod csv;
mod csv_records;
mod csv_writer;
mod error;
mod export;
mod fields;
mod format;
mod ids;
mod import;
mod input;
mod json_metadata;
mod json_row;
mod jsonl;
mod jsonl_writer;
mod line;
mod matrix_writer;
mod npy;
mod npy_header;
mod number;
mod open;
mod report;
mod rows;
mod source;
mod state;
mod vecs;
mod wire;
mod wire_writer;

#[cfg(feature = "arrow")]
pub use arrow::ArrowReader;
pub use bad_row::{BadRow, Fault, RowPlace};
pub use cairn_disk::ErrorKind;
pub use csv::CsvReader;
pub use error::{Error, Result};
pub use export::{Content, ExportOptions, export, export_ids};
pub use fields::{Fields, MetadataField};
pub use format::{Compression, Format, MAGIC_BYTES};
pub use ids::Ids;
pub use import::{Importer, OnError, Refused, engine_sink};
pub use input::Input;
pub use jsonl::JsonLinesReader;
pub use npy::NpyReader;
pub use npy_header::Element;
pub use open::{ReadOptions, open};
pub use report::{Counts, End, Progress, Report};
pub use rows::{Next, Place, RowReader};
pub use state::StateFile;
pub use vecs::{IvecsReader, VecsReader};
pub use wire::WireReader;
pub use wire_writer::write_line;
