//! The header of a `.nvec` file.
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | 4 bytes | `NVEC` |
//! | 4 | u32 | version, 1 |
//! | 8 | u32 | flags: bit 0, extension sections follow the three |
//! | 12 | u32 | events |
//! | 16 | u32 | co-occurrence pairs |
//! | 20 | u32 | vectors |
//! | 24 | u64 | created, Unix ms |
//! | 32 | u64 | expected file size |

use crate::error::{Error, Result};
use std::path::Path;

pub(crate) const MAGIC: &[u8; 4] = b"NVEC";
/// The version this build writes and reads.
pub(crate) const VERSION: u32 = 1;
/// Bytes of the header.
pub(crate) const HEADER_BYTES: u64 = 40;
/// Bytes of the footer: u32 CRC-32 of every byte before it, u32 zero.
pub(crate) const FOOTER_BYTES: u64 = 8;
/// Extension sections follow the three.
pub(crate) const FLAG_EXTENSIONS: u32 = 1;

/// The fields of a header after magic and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub flags: u32,
    pub events: u32,
    pub pairs: u32,
    pub vectors: u32,
    pub created_ms: u64,
    pub file_bytes: u64,
}

/// A count as the header has it: one past 2^32−1 is stored as that, the true one in the counts section.
pub(crate) fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for field in [VERSION, self.flags, self.events, self.pairs, self.vectors] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.created_ms.to_le_bytes());
        out.extend_from_slice(&self.file_bytes.to_le_bytes());
        out
    }

    /// Checks magic, version and length, in this order, of a file of `actual_bytes` whose first bytes (all of a header,
    /// or as many as there are) are `head`. Flags are content: they are checked once the CRC was.
    pub(crate) fn decode(path: &Path, head: &[u8], actual_bytes: u64) -> Result<Header> {
        let magic = head.get(..4).unwrap_or(head);
        if magic != MAGIC {
            return Err(Error::damaged(path, Some(0), "magic", "NVEC", magic.escape_ascii()));
        }
        let too_short = || {
            let expected = format!("at least {} bytes", HEADER_BYTES + FOOTER_BYTES);
            Error::damaged(path, None, "size mismatch", expected, format!("{actual_bytes} bytes"))
        };
        let u32_at = |at: usize| {
            let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_le_bytes).ok_or_else(too_short)
        };
        let u64_at = |at: usize| Ok::<u64, Error>(u64::from(u32_at(at)?) | u64::from(u32_at(at + 4)?) << 32);
        let version = u32_at(4)?;
        if version != VERSION {
            return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: version });
        }
        let header = Header {
            flags: u32_at(8)?,
            events: u32_at(12)?,
            pairs: u32_at(16)?,
            vectors: u32_at(20)?,
            created_ms: u64_at(24)?,
            file_bytes: u64_at(32)?,
        };
        if actual_bytes < HEADER_BYTES + FOOTER_BYTES {
            return Err(too_short());
        }
        if header.file_bytes != actual_bytes {
            let (expected, actual) =
                (format!("{} bytes", header.file_bytes), format!("{actual_bytes} bytes"));
            return Err(Error::damaged(path, None, "size mismatch", expected, actual));
        }
        Ok(header)
    }

    /// Refuses flags that this version does not know.
    pub(crate) fn check_flags(&self, path: &Path) -> Result<()> {
        if self.flags & !FLAG_EXTENSIONS == 0 {
            return Ok(());
        }
        let actual = format!("0x{:08x}", self.flags);
        Err(Error::damaged(path, Some(8), "flags", "0x00000000 or 0x00000001", actual))
    }
}
