//! The format of a file: by name, by file name, by its first bytes.

use crate::error::{Error, Result};
use std::fmt;

/// A format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// NumPy's arrays: a matrix of vectors.
    Npy,
    /// Vectors of f32, each after its dimension.
    Fvecs,
    /// Vectors of bytes, each after its dimension.
    Bvecs,
    /// Rows of u32, each after its length: truth files, which [`crate::IvecsReader`] reads.
    Ivecs,
    /// JSON Lines: items and events.
    JsonLines,
    /// CSV with a header: items or events.
    Csv,
    /// The wire's own lines: `VECSET`, `METASET`, `EVENT`.
    Lines,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, the file.
    ArrowFile,
    /// Arrow IPC, the stream.
    ArrowStream,
}

/// How many bytes [`Format::from_magic`] wants to see.
pub const MAGIC_BYTES: usize = 16;

impl Format {
    /// All there are.
    pub const ALL: [Format; 10] = [
        Format::Npy,
        Format::Fvecs,
        Format::Bvecs,
        Format::Ivecs,
        Format::JsonLines,
        Format::Csv,
        Format::Lines,
        Format::Parquet,
        Format::ArrowFile,
        Format::ArrowStream,
    ];

    /// Its name, as options give it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Npy => "npy",
            Format::Fvecs => "fvecs",
            Format::Bvecs => "bvecs",
            Format::Ivecs => "ivecs",
            Format::JsonLines => "jsonl",
            Format::Csv => "csv",
            Format::Lines => "lines",
            Format::Parquet => "parquet",
            Format::ArrowFile => "arrow",
            Format::ArrowStream => "arrows",
        }
    }

    /// The format of a name: one of [`Format::name`], or `ndjson`, `feather`, `ipc`.
    ///
    /// # Errors
    /// `Input`, with the names there are.
    pub fn from_name(name: &str) -> Result<Format> {
        let lower = name.to_ascii_lowercase();
        let known = Format::ALL.into_iter().find(|f| f.name() == lower);
        known.or_else(|| extension(&lower)).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
            Error::Input(format!(
                "format: expected one of {}, got {}",
                names.join(", "),
                crate::bad_row::shown(name)
            ))
        })
    }

    /// The format that a file's name says; `.gz` and `.zst` at its end are passed over.
    pub fn from_file_name(name: &str) -> Option<Format> {
        let lower = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| lower.strip_suffix(end)).unwrap_or(&lower);
        let (stem, end) = name.rsplit_once('.')?;
        if stem.is_empty() { None } else { extension(end) }
    }

    /// The format that the first bytes say, after decompression: [`MAGIC_BYTES`] of them, or all there are. CSV, the
    /// `vecs` and an Arrow stream have no magic of their own; a stream is told by its marker.
    pub fn from_magic(bytes: &[u8]) -> Option<Format> {
        const BINARY: [(&[u8], Format); 4] = [
            (b"\x93NUMPY", Format::Npy),
            (b"PAR1", Format::Parquet),
            (b"ARROW1", Format::ArrowFile),
            (b"\xff\xff\xff\xff", Format::ArrowStream),
        ];
        if let Some((_, format)) = BINARY.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return Some(*format);
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        if text.starts_with(b"{") {
            return Some(Format::JsonLines);
        }
        let word = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let known = |name: &&&[u8]| word.eq_ignore_ascii_case(name) && text.len() > word.len();
        [&b"EVENT"[..], b"VECSET", b"METASET"].iter().find(known).map(|_| Format::Lines)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Format> {
        Format::from_name(name)
    }
}

fn extension(end: &str) -> Option<Format> {
    match end {
        "npy" => Some(Format::Npy),
        "fvecs" => Some(Format::Fvecs),
        "bvecs" => Some(Format::Bvecs),
        "ivecs" => Some(Format::Ivecs),
        "jsonl" | "ndjson" | "jsonlines" => Some(Format::JsonLines),
        "csv" => Some(Format::Csv),
        "txt" | "lines" => Some(Format::Lines),
        "parquet" | "pq" => Some(Format::Parquet),
        "arrow" | "feather" | "ipc" => Some(Format::ArrowFile),
        "arrows" => Some(Format::ArrowStream),
        _ => None,
    }
}

/// What wraps a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip, of one member or several.
    Gzip,
    /// zstd, of one frame or several.
    Zstd,
}

impl Compression {
    /// What the first four bytes say.
    pub fn from_magic(bytes: &[u8]) -> Compression {
        match bytes {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// What a file's name says.
    pub fn from_file_name(name: &str) -> Compression {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with(".gz") {
            Compression::Gzip
        } else if lower.ends_with(".zst") || lower.ends_with(".zstd") {
            Compression::Zstd
        } else {
            Compression::None
        }
    }
}
