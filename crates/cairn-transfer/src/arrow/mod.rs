//! Parquet and Arrow IPC, behind the cargo feature `arrow`.

mod cell;
mod columns;
mod file;
mod kinds;
mod reader;
mod writer;

pub use reader::ArrowReader;
pub(crate) use writer::ArrowWriter;
