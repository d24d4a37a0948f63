//! `Compacted`: what the header of a compacted segment says besides.
//!
//! The first 64 bytes are those of any segment, with header length 104 and bit 0 of the flags at 56. Then:
//!
//! | at | type | what |
//! |---|---|---|
//! | 64 | u64 | end offset: the next segment's base offset |
//! | 72 | i64 | the last timestamp up to its end, before it was compacted |
//! | 80 | u64 | length of the file |
//! | 88 | u64 | how many records |
//! | 96 | u32 | reserved, 0 |
//! | 100 | u32 | CRC-32C of bytes 0–99 |

use crate::error::corrupt;
use crate::segment::{Extent, HEADER_BYTES};
use cairn_disk::{File, Result, crc32c};

/// The length of the whole header, where the first record begins.
pub(crate) const COMPACTED_HEADER_BYTES: usize = 104;
/// Bit 0 of a segment header's flags.
pub(crate) const FLAG_COMPACTED: u32 = 1;

/// Where a compacted segment ends, which its records don't tell: their offsets ascend with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The offset after its last record's, before it was compacted.
    pub end_offset: u64,
    /// The last timestamp up to its end, before it was compacted.
    pub last_timestamp_us: i64,
    /// The length of its `.log`.
    pub file_bytes: u64,
    /// How many records are left.
    pub records: u64,
}

impl Compacted {
    /// How far the segment goes.
    pub fn extent(&self) -> Extent {
        Extent {
            next_offset: self.end_offset,
            bytes: self.file_bytes,
            last_timestamp_us: self.last_timestamp_us,
        }
    }

    /// The whole header, after the `first` 64 bytes.
    pub fn to_bytes(self, first: &[u8; HEADER_BYTES]) -> [u8; COMPACTED_HEADER_BYTES] {
        let mut bytes = [0; COMPACTED_HEADER_BYTES];
        bytes[..64].copy_from_slice(first);
        bytes[64..72].copy_from_slice(&self.end_offset.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.last_timestamp_us.to_le_bytes());
        bytes[80..88].copy_from_slice(&self.file_bytes.to_le_bytes());
        bytes[88..96].copy_from_slice(&self.records.to_le_bytes());
        let crc = crc32c(&bytes[..100]);
        bytes[100..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads and checks what follows the 64 bytes of a header with [`FLAG_COMPACTED`]; `base` is from there.
    pub fn read(file: &dyn File, base: u64) -> Result<Compacted> {
        let (path, there) = (file.path(), file.bytes()?);
        if there < COMPACTED_HEADER_BYTES as u64 {
            let expected = format!("at least {COMPACTED_HEADER_BYTES}");
            return Err(corrupt(path, None, "size mismatch", expected, there));
        }
        let mut bytes = [0; COMPACTED_HEADER_BYTES];
        file.read_exact_at(0, &mut bytes)?;
        let [.., reserved0, reserved1, reserved2, reserved3, c0, c1, c2, c3] = bytes;
        let (expected, actual) = (u32::from_le_bytes([c0, c1, c2, c3]), crc32c(&bytes[..100]));
        if expected != actual {
            let hex = |crc| format!("0x{crc:08x}");
            return Err(corrupt(path, Some(100), "CRC mismatch", hex(expected), hex(actual)));
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let compacted = Compacted {
            end_offset: u64::from_le_bytes(word(64)),
            last_timestamp_us: i64::from_le_bytes(word(72)),
            file_bytes: u64::from_le_bytes(word(80)),
            records: u64::from_le_bytes(word(88)),
        };
        let reserved = u32::from_le_bytes([reserved0, reserved1, reserved2, reserved3]);
        if reserved != 0 {
            return Err(corrupt(path, Some(96), "reserved", 0, reserved));
        }
        if compacted.file_bytes != there {
            return Err(corrupt(path, Some(80), "size mismatch", compacted.file_bytes, there));
        }
        let spans = compacted.end_offset.checked_sub(base);
        if spans.is_none_or(|offsets| offsets < compacted.records) {
            let expected = format!("at least {}", u128::from(base) + u128::from(compacted.records));
            return Err(corrupt(path, Some(64), "end offset", expected, compacted.end_offset));
        }
        Ok(compacted)
    }
}
