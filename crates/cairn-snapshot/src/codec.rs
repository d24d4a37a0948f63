//! Compression: how a part's plain bytes become stored frames, and back.

use crate::error::{Error, Result};
use crate::shuffle::{Unshuffled, Width, planes, shuffle};
use std::io::{self, Read, Write};
use zstd::zstd_safe::{CParameter, compress_bound};

/// Plain bytes in a frame; the last frame of a part may hold less. Each frame is decoded without the others.
pub const FRAME_BYTES: usize = 1 << 20;

/// The largest zstd window a frame of ours needs: a frame is one segment of at most [`FRAME_BYTES`]. A part that asks
/// for more memory than this was not written by us.
const ZSTD_WINDOW_LOG_MAX: u32 = 20;

/// The compression of a new snapshot. A part that it would make smaller by less than an eighth is stored as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zstd frames; of arrays of floats shuffled ones where that is smaller, for which the level does not matter.
    Zstd {
        /// 1 (fast) to 22 (small); negative levels are faster still.
        level: i32,
    },
    /// gzip members.
    Gzip {
        /// 1 (fast) to 9 (small).
        level: u32,
    },
    /// The bytes as they are.
    None,
}

impl Default for Compression {
    fn default() -> Self {
        Compression::Zstd { level: 1 }
    }
}

impl Compression {
    /// What its parts are stored as, but for those that are shuffled or hardly get smaller.
    pub fn codec(self) -> Codec {
        match self {
            Compression::Zstd { .. } => Codec::Zstd,
            Compression::Gzip { .. } => Codec::Gzip,
            Compression::None => Codec::Raw,
        }
    }

    /// Refuses a level that does not exist, naming the range.
    pub(crate) fn validate(self) -> Result<()> {
        let bad = |what, range: String, got: i64| {
            Err(Error::Input(format!("{what} compression level: expected {range}, got {got}")))
        };
        match self {
            Compression::Zstd { level } if !zstd::compression_level_range().contains(&level) => {
                let range = zstd::compression_level_range();
                bad("zstd", format!("{} to {}", range.start(), range.end()), level.into())
            }
            Compression::Gzip { level } if !(1..=9).contains(&level) => {
                bad("gzip", "1 to 9".to_owned(), level.into())
            }
            _ => Ok(()),
        }
    }
}

/// What a stored part is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// zstd frames, `.zst`.
    Zstd,
    /// zstd frames of shuffled elements, `.shuffle2.zst` and `.shuffle4.zst`.
    Shuffled(Width),
    /// gzip members, `.gz`.
    Gzip,
    /// The bytes as they are, `.raw`.
    Raw,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 5] =
        [Codec::Zstd, Codec::Shuffled(Width::Four), Codec::Shuffled(Width::Two), Codec::Gzip, Codec::Raw];

    /// Its name in `metadata.json` and in commands.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Zstd => "zstd",
            Codec::Shuffled(Width::Two) => "zstd+shuffle2",
            Codec::Shuffled(Width::Four) => "zstd+shuffle4",
            Codec::Gzip => "gzip",
            Codec::Raw => "none",
        }
    }

    /// The codec of a name.
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The extension of a part stored with it.
    pub fn extension(self) -> &'static str {
        match self {
            Codec::Zstd => "zst",
            Codec::Shuffled(Width::Two) => "shuffle2.zst",
            Codec::Shuffled(Width::Four) => "shuffle4.zst",
            Codec::Gzip => "gz",
            Codec::Raw => "raw",
        }
    }

    /// The codec of an extension.
    pub fn from_extension(extension: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.extension() == extension)
    }

    /// The width of the elements that it shuffles, if it does.
    pub fn width(self) -> Option<Width> {
        match self {
            Codec::Shuffled(width) => Some(width),
            Codec::Zstd | Codec::Gzip | Codec::Raw => None,
        }
    }

    /// What it would be without shuffling.
    fn unshuffled(self) -> Codec {
        if self.width().is_some() { Codec::Zstd } else { self }
    }

    /// How a part is compressed that has to keep its codec: as `wanted`, when that is the same.
    pub(crate) fn compression(self, wanted: Compression) -> Compression {
        match self {
            codec if codec.unshuffled() == wanted.codec() => wanted,
            Codec::Zstd | Codec::Shuffled(_) => Compression::default(),
            Codec::Gzip => Compression::Gzip { level: 6 },
            Codec::Raw => Compression::None,
        }
    }

    /// At most this many stored bytes for so many plain ones: what a reader will look at.
    pub(crate) fn stored_bytes_max(bytes: u64) -> u64 {
        bytes.saturating_add(bytes / 64).saturating_add(64 << 10)
    }
}

/// Compresses frames, one at a time, reusing its buffers.
pub(crate) struct FrameEncoder {
    compression: Compression,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    /// For shuffled frames; made when the first one comes.
    shuffled_zstd: Option<zstd::bulk::Compressor<'static>>,
    shuffled: Vec<u8>,
    plane: Vec<u8>,
    out: Vec<u8>,
}

impl FrameEncoder {
    pub(crate) fn new(compression: Compression) -> io::Result<FrameEncoder> {
        let zstd = match compression {
            Compression::Zstd { level } => Some(zstd::bulk::Compressor::new(level)?),
            _ => None,
        };
        let [shuffled, plane, out] = [const { Vec::new() }; 3];
        Ok(FrameEncoder { compression, zstd, shuffled_zstd: None, shuffled, plane, out })
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// The stored bytes of a frame of at most [`FRAME_BYTES`], shuffled or not. Of a shuffled one each plane is compressed alone:
    /// in a short one, zstd would count the bytes of several as one block's.
    pub(crate) fn encode_as<'a>(&'a mut self, width: Option<Width>, frame: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some(width) = width else { return self.encode(frame) };
        if self.shuffled_zstd.is_none() {
            self.shuffled_zstd = Some(shuffled_compressor()?);
        }
        shuffle(width, frame, &mut self.shuffled);
        self.out.clear();
        let Some(zstd) = &mut self.shuffled_zstd else { return Ok(&self.out) };
        for plane in planes(width, &self.shuffled) {
            compress(zstd, plane, &mut self.plane)?;
            self.out.extend_from_slice(&self.plane);
        }
        Ok(&self.out)
    }

    /// The stored bytes of a frame of at most [`FRAME_BYTES`].
    pub(crate) fn encode<'a>(&'a mut self, frame: &'a [u8]) -> io::Result<&'a [u8]> {
        self.out.clear();
        match (self.compression, &mut self.zstd) {
            (Compression::Zstd { .. }, Some(zstd)) => {
                compress(zstd, frame, &mut self.out)?;
                Ok(&self.out)
            }
            (Compression::Gzip { level }, _) => {
                gzip(frame, flate2::Compression::new(level), &mut self.out)?;
                if self.out.len() > frame.len() {
                    // Low levels make what does not compress a tenth larger; blocks that are only stored do not.
                    self.out.clear();
                    gzip(frame, flate2::Compression::none(), &mut self.out)?;
                }
                Ok(&self.out)
            }
            _ => Ok(frame),
        }
    }
}

/// Shuffled floats repeat nothing; some of their bytes are only more frequent than others. So next to no time goes into looking
/// for matches, which finds few and makes the rest longer: a table of 64 entries, and seven bytes for a match. On real embeddings
/// this is smaller than any level, and three times as fast as the fastest that counts bytes (docs/benchmarks.md).
fn shuffled_compressor() -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut zstd = zstd::bulk::Compressor::new(1)?;
    zstd.set_parameter(CParameter::HashLog(6))?;
    zstd.set_parameter(CParameter::MinMatch(7))?;
    Ok(zstd)
}

fn compress(zstd: &mut zstd::bulk::Compressor<'_>, frame: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.reserve(compress_bound(frame.len()));
    zstd.compress_to_buffer(frame, out)?;
    Ok(())
}

fn gzip(frame: &[u8], level: flate2::Compression, out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = flate2::write::GzEncoder::new(out, level);
    encoder.write_all(frame)?;
    encoder.finish()?;
    Ok(())
}

/// The plain bytes of a stored part. Bytes after the last frame that are no frame are an error.
pub(crate) fn decoder<'a>(
    codec: Codec,
    stored: impl Read + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match codec {
        Codec::Zstd => Box::new(zstd_decoder(stored)?),
        Codec::Shuffled(width) => Box::new(Unshuffled::new(zstd_decoder(stored)?, width)),
        Codec::Gzip => Box::new(flate2::read::MultiGzDecoder::new(stored)),
        Codec::Raw => Box::new(stored),
    })
}

fn zstd_decoder<R: Read>(stored: R) -> io::Result<zstd::stream::read::Decoder<'static, io::BufReader<R>>> {
    let mut decoder = zstd::stream::read::Decoder::new(stored)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}
