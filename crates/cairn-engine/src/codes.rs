//! Codes: small codes of the vectors of a segment, with bounds of the true score, so that a search reads a half or a
//! quarter of the bytes and still finds exactly the same.
//!
//! A row `x` is kept as `x̂ = scale × codes`, with the norm of the residual `x − x̂`. From that and the query's own
//! quantisation error a [`CodeScorer`] bounds the true score of a row (Cauchy–Schwarz); a [`Prefilter`] keeps the rows
//! whose upper bound reaches the k-th best lower bound and has only them scored with the f32 vectors. The bounds hold
//! with every rounding counted, so the answer is the one of scoring every row with
//! [`Scorer::score_exactly`](crate::distance::Scorer::score_exactly).
//!
//! Codes are derived from the vectors and can always be made again.

mod bounds;
mod encode;
mod file;
mod kernels;
mod prefilter;
mod scorer;

pub use bounds::Bounds;
pub use kernels::InstructionSet;
pub use prefilter::{Found, Prefilter};
pub use scorer::{CodeScorer, RowScorer, scan_codes};

use cairn_disk::Bytes;
use std::fmt;
use std::sync::Arc;

/// The largest dimension that has codes: sums of products of i8 codes stay within 32 bits.
pub const DIMENSION_MAX: u32 = 65_536;

/// What the codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeKind {
    /// IEEE 754 binary16, two bytes an element; the scale is a power of two. Error about 1/7,000 of a row's norm.
    F16,
    /// −127 to 127, one byte an element; the scale is the largest magnitude / 127. Error about 1/130 of a row's norm when
    /// its elements are spread like a normal distribution, more when one dominates.
    I8,
}

impl CodeKind {
    /// Bytes of an element.
    #[must_use]
    pub fn element_bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }

    /// Its name in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::I8 => "i8",
        }
    }

    /// The inverse of [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::F16, Self::I8].into_iter().find(|kind| kind.name() == name)
    }

    /// What stands for it in files (docs/format.md, "Vector codes").
    fn number(self) -> u32 {
        match self {
            Self::F16 => 1,
            Self::I8 => 2,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        [Self::F16, Self::I8].into_iter().find(|kind| kind.number() == number)
    }
}

/// What a row's codes stand for; 16 bytes, as in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct RowParameters {
    /// The row is about `scale` × its codes.
    pub scale: f32,
    /// At least the Euclidean norm of what that leaves out.
    pub residual: f32,
    /// The Euclidean norm of the row, rounded to the nearest.
    pub norm: f32,
    /// Of i8 codes the sum of their squares; of f16 codes 0.
    pub squares: u32,
}

/// 64 aligned bytes, so that a column starts on a cache line without unsafe code.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// The bytes of a whole file, aligned to at least 16 bytes where columns begin.
#[derive(Clone)]
enum Image {
    /// In memory; the last line may be longer than the file.
    Owned(Arc<[Line]>),
    /// Mapped, or held by whoever opened it.
    Shared(Arc<dyn Bytes>),
}

/// The codes of the rows of one vector segment: the bytes of their file, in memory or mapped. Cheap to clone.
#[derive(Clone)]
pub struct Codes {
    image: Image,
    layout: file::Layout,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Codes {
    /// What the codes are.
    #[must_use]
    pub fn kind(&self) -> CodeKind {
        self.layout.kind
    }

    /// Elements of a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.layout.dimension as usize
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.layout.rows
    }

    /// The number of the vector segment they were made from.
    #[must_use]
    pub fn segment(&self) -> u32 {
        self.layout.segment
    }

    /// The number of the collection.
    #[must_use]
    pub fn collection(&self) -> u32 {
        self.layout.collection
    }

    /// The whole file (docs/format.md, "Vector codes").
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let bytes = match &self.image {
            Image::Owned(lines) => bytemuck::cast_slice(lines),
            Image::Shared(bytes) => &bytes[..],
        };
        &bytes[..self.layout.file_bytes()]
    }

    /// Whether the bytes are the ones it was opened with (mapped, then), not memory of its own.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.image, Image::Shared(_))
    }

    /// The parameters of every row.
    #[must_use]
    pub fn parameters(&self) -> &[RowParameters] {
        bytemuck::cast_slice(&self.as_bytes()[self.layout.parameters_range()])
    }

    /// All codes of kind f16, row-major, as bits; empty for other kinds.
    #[must_use]
    pub fn halves(&self) -> &[u16] {
        match self.kind() {
            CodeKind::F16 => bytemuck::cast_slice(self.code_bytes()),
            CodeKind::I8 => &[],
        }
    }

    /// All codes of kind i8, row-major; empty for other kinds.
    #[must_use]
    pub fn bytes(&self) -> &[i8] {
        match self.kind() {
            CodeKind::I8 => bytemuck::cast_slice(self.code_bytes()),
            CodeKind::F16 => &[],
        }
    }

    fn code_bytes(&self) -> &[u8] {
        &self.as_bytes()[self.layout.codes_range()]
    }
}
