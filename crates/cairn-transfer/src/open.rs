//! Opening a reader by its format.

use crate::csv::CsvReader;
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::format::Format;
use crate::ids::Ids;
use crate::input::Input;
use crate::jsonl::JsonLinesReader;
use crate::npy::NpyReader;
use crate::rows::RowReader;
use crate::vecs::VecsReader;
use crate::wire::WireReader;

/// What a reader is opened with, beside its input.
pub struct ReadOptions {
    /// Which key or column is what: JSON Lines, CSV, Parquet, Arrow.
    pub fields: Fields,
    /// The ids of a matrix's rows: npy, fvecs, bvecs. Other formats have ids of their own and leave it.
    pub ids: Ids,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions { fields: Fields::default(), ids: Ids::numbers("") }
    }
}

/// Opens the reader of a format.
///
/// # Errors
/// `Input`: a format that has no items or events, or that this build does not read; `Read`, `Format`: a bad header.
pub fn open(input: Input, format: Format, options: ReadOptions) -> Result<Box<dyn RowReader>> {
    let ReadOptions { fields, ids } = options;
    Ok(match format {
        Format::Npy => Box::new(NpyReader::new(input, ids)?),
        Format::Fvecs => Box::new(VecsReader::fvecs(input, ids)),
        Format::Bvecs => Box::new(VecsReader::bvecs(input, ids)),
        Format::JsonLines => Box::new(JsonLinesReader::new(input, fields)?),
        Format::Csv => Box::new(CsvReader::new(input, &fields)?),
        Format::Lines => Box::new(WireReader::new(input)),
        Format::Ivecs => {
            let name = input.name();
            return Err(Error::Input(format!("{name}: ivecs holds numbers of rows, no vectors to import")));
        }
        #[cfg(feature = "arrow")]
        Format::Parquet | Format::ArrowFile | Format::ArrowStream => {
            Box::new(crate::ArrowReader::new(input, format, &fields)?)
        }
        #[cfg(not(feature = "arrow"))]
        Format::Parquet | Format::ArrowFile | Format::ArrowStream => return Err(needs_feature(format)),
    })
}

/// What a build without a feature says.
#[cfg(not(feature = "arrow"))]
pub(crate) fn needs_feature(format: Format) -> Error {
    Error::Input(format!("format {format}: this build does not have it (cargo feature `arrow`)"))
}
