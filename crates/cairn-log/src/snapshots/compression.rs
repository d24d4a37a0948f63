//! `Compression`: how a snapshot's files are stored.

use super::stream::FileWriter;
use crate::{Error, Result};
use std::io::{self, Read, Write};

/// The largest zstd window that is read, 128 MiB: a file that asks for more memory was not written by us.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How the files of a new snapshot are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// One zstd frame each, `.zst`.
    Zstd {
        /// 1 (fast) to 22 (small); negative levels are faster still.
        level: i32,
    },
    /// One gzip member each, `.gz`.
    Gzip {
        /// 1 (fast) to 9 (small).
        level: u32,
    },
}

impl Compression {
    /// What its files are stored as.
    pub fn codec(self) -> SnapshotCodec {
        match self {
            Compression::None => SnapshotCodec::None,
            Compression::Zstd { .. } => SnapshotCodec::Zstd,
            Compression::Gzip { .. } => SnapshotCodec::Gzip,
        }
    }

    /// Refuses a level that does not exist, naming the range.
    pub(crate) fn check(self) -> Result<()> {
        let (levels, range, level) = match self {
            Compression::None => return Ok(()),
            Compression::Zstd { level } => {
                ("zstd compression level", zstd::compression_level_range(), i64::from(level))
            }
            Compression::Gzip { level } => ("gzip compression level", 1..=9, i64::from(level)),
        };
        if (i64::from(*range.start())..=i64::from(*range.end())).contains(&level) {
            return Ok(());
        }
        let expected = format!("{} to {}", range.start(), range.end());
        Err(Error::SnapshotRequest { what: levels, expected, actual: level.to_string() })
    }

    /// Writes everything that `from` yields to `to`, compressed.
    pub(crate) fn write(self, from: &mut dyn Read, to: &mut FileWriter<'_>) -> io::Result<()> {
        match self {
            Compression::None => {
                io::copy(from, to)?;
            }
            Compression::Zstd { level } => {
                let mut encoder = zstd::stream::write::Encoder::new(&mut *to, level)?;
                io::copy(from, &mut encoder)?;
                encoder.finish()?;
            }
            Compression::Gzip { level } => {
                let mut encoder = flate2::write::GzEncoder::new(&mut *to, flate2::Compression::new(level));
                io::copy(from, &mut encoder)?;
                encoder.finish()?;
            }
        }
        to.flush()
    }
}

/// What a stored file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SnapshotCodec {
    /// The bytes as they are.
    None,
    /// zstd.
    Zstd,
    /// gzip.
    Gzip,
}

impl SnapshotCodec {
    /// All of them.
    pub const ALL: [SnapshotCodec; 3] = [SnapshotCodec::None, SnapshotCodec::Zstd, SnapshotCodec::Gzip];

    /// Its name in `snapshot.json`.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotCodec::None => "none",
            SnapshotCodec::Zstd => "zstd",
            SnapshotCodec::Gzip => "gzip",
        }
    }

    /// The codec of a name.
    pub fn from_name(name: &str) -> Option<SnapshotCodec> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// What it adds to the name of a file.
    pub fn suffix(self) -> &'static str {
        match self {
            SnapshotCodec::None => "",
            SnapshotCodec::Zstd => ".zst",
            SnapshotCodec::Gzip => ".gz",
        }
    }

    /// The plain bytes of what `stored` yields. What follows them and is none of the codec's is an error.
    pub(crate) fn reader<'a>(self, stored: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            SnapshotCodec::None => Box::new(stored),
            SnapshotCodec::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(stored)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
            SnapshotCodec::Gzip => Box::new(flate2::read::MultiGzDecoder::new(stored)),
        })
    }
}
