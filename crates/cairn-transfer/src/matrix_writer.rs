//! The writers of matrices: npy and fvecs. Ids stand in a side file.

use crate::bad_row::shown;
use crate::error::{Error, Result};
use crate::export::RowWriter;
use crate::format::Format;
use crate::npy_header::{self, Element, Header};
use cairn_engine::{CollectionView, EventRow, ItemRow};
use half::f16;
use std::io::Write;

/// Writes `.npy`, version 1.0.
pub(crate) struct NpyWriter<'o> {
    out: &'o mut (dyn Write + Send),
    element: Element,
    bytes: Vec<u8>,
    /// Rows the header promised, and rows written.
    promised: u64,
    written: u64,
}

impl<'o> NpyWriter<'o> {
    /// Writes the header.
    pub fn new(view: &CollectionView, element: Element, out: &'o mut (dyn Write + Send)) -> Result<Self> {
        if element == Element::F64 {
            return Err(Error::Input("element: expected f16 or f32, got f64: vectors are f32".to_owned()));
        }
        let (rows, dimension) = (view.counts().vectors, view.dimension() as usize);
        out.write_all(&npy_header::encode(Header { element, rows, dimension })).map_err(Error::write)?;
        Ok(NpyWriter { out, element, bytes: Vec::new(), promised: rows, written: 0 })
    }
}

/// What a matrix cannot hold.
fn unsupported<T>(format: Format, what: &str) -> Result<T> {
    Err(Error::Unsupported { format: format.name(), what: what.to_owned() })
}

impl RowWriter for NpyWriter<'_> {
    fn item(&mut self, item: ItemRow<'_>) -> Result<()> {
        let vector = item.vector.unwrap_or_default();
        self.bytes.clear();
        if self.element == Element::F32 {
            self.bytes.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
        } else {
            for x in vector {
                let half = f16::from_f32(*x);
                if !half.is_finite() {
                    let what = format!("{x} as f16, in the vector of {}", shown(item.id));
                    return unsupported(Format::Npy, &what);
                }
                self.bytes.extend_from_slice(&half.to_le_bytes());
            }
        }
        self.written += 1;
        self.out.write_all(&self.bytes).map_err(Error::write)
    }

    fn event(&mut self, _context: &str, _event: EventRow<'_>) -> Result<()> {
        unsupported(Format::Npy, "events")
    }

    fn pair(&mut self, _a: &str, _b: &str, _score: f64) -> Result<()> {
        unsupported(Format::Npy, "pairs")
    }

    fn finish(&mut self) -> Result<()> {
        if self.written == self.promised {
            return Ok(());
        }
        Err(Error::Bug(format!("{} vectors counted, {} found", self.promised, self.written)))
    }
}

/// Writes `.fvecs`.
pub(crate) struct FvecsWriter<'o> {
    out: &'o mut (dyn Write + Send),
    bytes: Vec<u8>,
}

impl<'o> FvecsWriter<'o> {
    pub fn new(out: &'o mut (dyn Write + Send)) -> Self {
        FvecsWriter { out, bytes: Vec::new() }
    }
}

impl RowWriter for FvecsWriter<'_> {
    fn item(&mut self, item: ItemRow<'_>) -> Result<()> {
        let vector = item.vector.unwrap_or_default();
        let dimension = i32::try_from(vector.len()).expect("dimensions are at most 65,536");
        self.bytes.clear();
        self.bytes.extend_from_slice(&dimension.to_le_bytes());
        self.bytes.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
        self.out.write_all(&self.bytes).map_err(Error::write)
    }

    fn event(&mut self, _context: &str, _event: EventRow<'_>) -> Result<()> {
        unsupported(Format::Fvecs, "events")
    }

    fn pair(&mut self, _a: &str, _b: &str, _score: f64) -> Result<()> {
        unsupported(Format::Fvecs, "pairs")
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
