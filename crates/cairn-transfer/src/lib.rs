//! Rows in and out of CairnDB in the formats people have.
//!
//! An [`Input`] is a file or a stream, unwrapped from gzip or zstd; [`open`] makes a [`RowReader`] of it by its
//! [`Format`]; an [`Importer`] takes its rows to a receiver in batches, reports bad rows by line, and goes on where an
//! interrupted import stopped. [`export()`] writes what a View holds. Everything is streamed: a file is never held whole.

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
