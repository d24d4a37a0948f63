//! The trailer of an archived file: a zstd skippable frame, which `zstd -d` passes over, that says what is before it.
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | u32 | `0x184D2A5C`, a skippable frame of zstd |
//! | 4 | u32 | 128, the bytes that follow |
//! | 8 | 8 bytes | `CAIRNWAL` |
//! | 16 | u32 | version, 1 |
//! | 20 | 16 bytes | database |
//! | 36 | 16 bytes | timeline |
//! | 52 | u64 | first LSN |
//! | 60 | u64 | last LSN |
//! | 68 | i64 | the first record's time, microseconds since the Unix epoch, UTC |
//! | 76 | i64 | the last record's time |
//! | 84 | u64 | bytes once decompressed |
//! | 92 | u64 | bytes before the trailer |
//! | 100 | 32 bytes | SHA-256 of the bytes before the trailer |
//! | 132 | u32 | CRC-32C of bytes 0–131 |

use super::segment_header::HEADER_BYTES;
use super::segment_name::Span;
use crate::digest::Digest;
use crate::error::{Error, Result};
use cairn_disk::{File, crc32c};
use cairn_engine::{DatabaseId, TimelineId};
use cairn_log::record::HEAD_BYTES;
use std::path::Path;

/// Its length.
pub(crate) const TRAILER_BYTES: usize = 136;
const SKIPPABLE: u32 = 0x184D_2A5C;
const MAGIC: &[u8; 8] = b"CAIRNWAL";
const VERSION: u32 = 1;

/// What an archived file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub database: DatabaseId,
    pub timeline: TimelineId,
    pub span: Span,
    pub first_us: i64,
    pub last_us: i64,
    /// Bytes once decompressed.
    pub plain_bytes: u64,
    /// Bytes before the trailer.
    pub frame_bytes: u64,
    pub sha256: Digest,
}

impl Trailer {
    pub fn to_bytes(self) -> [u8; TRAILER_BYTES] {
        let mut bytes = Vec::with_capacity(TRAILER_BYTES);
        bytes.extend_from_slice(&SKIPPABLE.to_le_bytes());
        bytes.extend_from_slice(&(TRAILER_BYTES as u32 - 8).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.database.0);
        bytes.extend_from_slice(&self.timeline.0);
        bytes.extend_from_slice(&self.span.first.to_le_bytes());
        bytes.extend_from_slice(&self.span.last.to_le_bytes());
        bytes.extend_from_slice(&self.first_us.to_le_bytes());
        bytes.extend_from_slice(&self.last_us.to_le_bytes());
        bytes.extend_from_slice(&self.plain_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.frame_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.sha256.0);
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes.try_into().expect("the fields above have 136 bytes")
    }

    /// Reads and checks the trailer of a file, which is the archive of `span` on `timeline`.
    pub fn read(file: &dyn File, timeline: TimelineId, span: Span) -> Result<Trailer> {
        let path = file.path();
        let there = file.bytes()?;
        let Some(at) = there.checked_sub(TRAILER_BYTES as u64) else {
            let expected = format!("at least {TRAILER_BYTES} bytes");
            return Err(Error::damaged(path, None, "size mismatch", expected, format!("{there} bytes")));
        };
        let mut bytes = [0; TRAILER_BYTES];
        file.read_exact_at(at, &mut bytes)?;
        let trailer = parse(path, at, &bytes)?;
        trailer.check(path, at, timeline, span)?;
        Ok(trailer)
    }

    fn check(&self, path: &Path, at: u64, timeline: TimelineId, span: Span) -> Result<()> {
        let bad = |field: u64, what: &str, expected: String, actual: String| {
            Err(Error::damaged(path, Some(at + field), what, expected, actual))
        };
        if self.timeline != timeline {
            return bad(36, "timeline", timeline.to_string(), self.timeline.to_string());
        }
        if self.span != span {
            return bad(52, "LSNs", span.to_string(), self.span.to_string());
        }
        if self.frame_bytes != at {
            return bad(92, "size mismatch", format!("{} bytes", self.frame_bytes), format!("{at} bytes"));
        }
        let least = span.count().saturating_mul(HEAD_BYTES as u64).saturating_add(HEADER_BYTES as u64);
        if self.plain_bytes < least || self.first_us > self.last_us {
            let expected = format!("at least {least} bytes, times that ascend");
            let actual = format!("{} bytes, {} to {}", self.plain_bytes, self.first_us, self.last_us);
            return bad(68, "sizes and times", expected, actual);
        }
        Ok(())
    }
}

fn parse(path: &Path, at: u64, bytes: &[u8; TRAILER_BYTES]) -> Result<Trailer> {
    let mut fields = Fields(bytes);
    let (frame, length, magic) = (fields.u32(), fields.u32(), fields.take::<8>());
    if frame != SKIPPABLE || length as usize != TRAILER_BYTES - 8 || &magic != MAGIC {
        let expected = format!("{} in a skippable frame", MAGIC.escape_ascii());
        return Err(Error::damaged(path, Some(at), "trailer", expected, bytes[..16].escape_ascii()));
    }
    let version = fields.u32();
    if version != VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: version });
    }
    let trailer = Trailer {
        database: DatabaseId(fields.take()),
        timeline: TimelineId(fields.take()),
        span: Span { first: fields.u64(), last: fields.u64() },
        first_us: i64::from_le_bytes(fields.take()),
        last_us: i64::from_le_bytes(fields.take()),
        plain_bytes: fields.u64(),
        frame_bytes: fields.u64(),
        sha256: Digest(fields.take()),
    };
    let (stored, crc) = (fields.u32(), crc32c(&bytes[..TRAILER_BYTES - 4]));
    if stored != crc {
        let (expected, actual) = (format!("0x{stored:08x}"), format!("0x{crc:08x}"));
        let place = Some(at + TRAILER_BYTES as u64 - 4);
        return Err(Error::damaged(path, place, "CRC mismatch of the trailer", expected, actual));
    }
    Ok(trailer)
}

/// Takes fields from the front of a trailer.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) =
            self.0.split_first_chunk().expect("a trailer has 136 bytes, and so have its fields");
        self.0 = rest;
        *field
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}
