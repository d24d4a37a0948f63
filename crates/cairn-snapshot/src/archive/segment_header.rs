//! The header of a log segment (docs/format.md, "Log segment"), which an archived file begins with once it is decompressed.

use crate::error::{Error, Result};
use cairn_disk::crc32c;
use cairn_engine::{DatabaseId, TimelineId};
use std::path::Path;

/// Its length, where the first record begins.
pub(crate) const HEADER_BYTES: usize = 64;
const MAGIC: &[u8; 8] = b"CAIRNLOG";
const VERSION: u32 = 1;

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub database: DatabaseId,
    pub timeline: TimelineId,
    pub base: u64,
}

impl SegmentHeader {
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.database.0);
        bytes[32..48].copy_from_slice(&self.timeline.0);
        bytes[48..56].copy_from_slice(&self.base.to_le_bytes());
        let crc = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Checks that `bytes`, the beginning of the file at `path`, are exactly this header: those of another database, timeline
    /// or segment are refused by name.
    pub fn check(self, path: &Path, bytes: &[u8; HEADER_BYTES]) -> Result<()> {
        let expected = self.to_bytes();
        if *bytes == expected {
            return Ok(());
        }
        let bad = |at: usize, what: &str, expected: String, actual: String| {
            Err(Error::damaged(path, Some(at as u64), what, expected, actual))
        };
        if &bytes[..8] != MAGIC {
            return bad(0, "magic", MAGIC.escape_ascii().to_string(), bytes[..8].escape_ascii().to_string());
        }
        let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if version != VERSION {
            return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: version });
        }
        let (crc, stored) =
            (crc32c(&bytes[..60]), u32::from_le_bytes([bytes[60], bytes[61], bytes[62], bytes[63]]));
        if crc != stored {
            return bad(60, "CRC mismatch of the header", format!("0x{stored:08x}"), format!("0x{crc:08x}"));
        }
        let (mut database, mut timeline, mut base) = ([0; 16], [0; 16], [0; 8]);
        database.copy_from_slice(&bytes[16..32]);
        timeline.copy_from_slice(&bytes[32..48]);
        base.copy_from_slice(&bytes[48..56]);
        if database != self.database.0 {
            return bad(16, "database", self.database.to_string(), DatabaseId(database).to_string());
        }
        if timeline != self.timeline.0 {
            return bad(32, "timeline", self.timeline.to_string(), TimelineId(timeline).to_string());
        }
        let actual = u64::from_le_bytes(base);
        if actual != self.base {
            return bad(48, "base LSN", self.base.to_string(), actual.to_string());
        }
        bad(12, "header length and flags", format!("{HEADER_BYTES} and 0"), "others".to_owned())
    }
}
