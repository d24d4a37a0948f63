//! `Record`: one entry of a log, and its bytes.
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | u32 | body length: the bytes from 8 to the record's end |
//! | 4 | u32 | CRC-32C of bytes 0–3 and 8–end |
//! | 8 | u64 | offset |
//! | 16 | i64 | timestamp, microseconds since the Unix epoch, UTC |
//! | 24 | u32 | durable lag: offset − first offset not known durable when the record was written; 2^32−1: not known |
//! | 28 | u32 | bits 0–23: key length; bit 24: has a key; bit 25: has a value; the rest 0 |
//! | 32 | bytes | key, then value |

use crate::error::corrupt;
use cairn_disk::crc32c;
use std::ops::Range;
use std::path::Path;

/// The bytes of a record before its key.
pub const HEAD_BYTES: usize = 32;
/// The longest key.
pub const KEY_BYTES_MAX: u64 = (1 << 24) - 1;

/// The part of the head that `body length` counts.
const BODY_BYTES_MIN: u32 = 24;
const FRAME_BYTES: usize = 8;
const HAS_KEY: u32 = 1 << 24;
const HAS_VALUE: u32 = 1 << 25;
const KEY_MASK: u32 = HAS_KEY - 1;
const LAG_UNKNOWN: u32 = u32::MAX;

/// What is appended: a key and a value, each of which may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry<'a> {
    /// Microseconds since the Unix epoch, UTC. Stored as at least the predecessor's.
    pub timestamp_us: i64,
    /// The key, at most [`KEY_BYTES_MAX`] bytes.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// The bytes it takes as a record.
    pub(crate) fn record_bytes(&self) -> u64 {
        (HEAD_BYTES + self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)) as u64
    }
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log.
    pub offset: u64,
    /// Microseconds since the Unix epoch, UTC.
    pub timestamp_us: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// A record in a reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Its place in the log.
    pub offset: u64,
    /// Microseconds since the Unix epoch, UTC.
    pub timestamp_us: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
}

impl RecordRef<'_> {
    /// A copy that outlives the buffer.
    pub fn to_record(&self) -> Record {
        Record {
            offset: self.offset,
            timestamp_us: self.timestamp_us,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
        }
    }
}

/// Where and when a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its offset.
    pub offset: u64,
    /// Microseconds since the Unix epoch, UTC.
    pub timestamp_us: i64,
    /// The first offset not known durable when it is written, at most `offset`.
    pub durable_offset: u64,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// There are fewer bytes than the record needs.
    Short {
        /// The bytes needed.
        expected: u64,
        /// The bytes there.
        actual: u64,
    },
    /// A body length no record has.
    Length(u32),
    /// The checksum is not that of the bytes.
    Crc {
        /// The stored checksum.
        expected: u32,
        /// The bytes' checksum.
        actual: u32,
    },
    /// Key length and flags that contradict each other or the body length.
    Flags(u32),
    /// Not its predecessor's offset + 1.
    Offset {
        /// The predecessor's + 1.
        expected: u64,
        /// The record's.
        actual: u64,
    },
    /// A timestamp before its predecessor's.
    Time {
        /// The predecessor's.
        expected: i64,
        /// The record's.
        actual: i64,
    },
}

impl Flaw {
    /// The flaw as damage at `position` of a file.
    pub(crate) fn at(self, path: &Path, position: u64) -> cairn_disk::Error {
        let at = Some(position);
        match self {
            Flaw::Short { expected, actual } => {
                corrupt(path, at, "size mismatch", format!("{expected} bytes"), format!("{actual} bytes"))
            }
            Flaw::Length(actual) => {
                corrupt(path, at, "body length", format!("at least {BODY_BYTES_MIN}"), actual)
            }
            Flaw::Crc { expected, actual } => corrupt(
                path,
                at,
                "CRC mismatch",
                format_args!("0x{expected:08x}"),
                format_args!("0x{actual:08x}"),
            ),
            Flaw::Flags(actual) => {
                corrupt(path, at, "flags", "a key length that fits", format_args!("0x{actual:08x}"))
            }
            Flaw::Offset { expected, actual } => corrupt(path, at, "offset mismatch", expected, actual),
            Flaw::Time { expected, actual } => {
                corrupt(path, at, "timestamp", format!("at least {expected}"), actual)
            }
        }
    }
}

/// Appends a record to `out`. The caller keeps to [`KEY_BYTES_MAX`] and to a body of at most 2^32−1 bytes.
pub fn encode(out: &mut Vec<u8>, stamp: Stamp, entry: &Entry<'_>) {
    let key = entry.key.unwrap_or_default();
    let value = entry.value.unwrap_or_default();
    let body = u32::try_from(HEAD_BYTES - FRAME_BYTES + key.len() + value.len())
        .expect("append refuses records longer than record_bytes_max");
    let key_len = u32::try_from(key.len()).expect("append refuses keys longer than KEY_BYTES_MAX");
    let flags = key_len
        | if entry.key.is_some() { HAS_KEY } else { 0 }
        | if entry.value.is_some() { HAS_VALUE } else { 0 };
    let lag = stamp.offset.saturating_sub(stamp.durable_offset);

    let start = out.len();
    out.extend_from_slice(&body.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&stamp.offset.to_le_bytes());
    out.extend_from_slice(&stamp.timestamp_us.to_le_bytes());
    out.extend_from_slice(&u32::try_from(lag).unwrap_or(LAG_UNKNOWN).to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
    let crc = checksum(&mut out[start..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Reads and checks the record at the start of `bytes`, which are the same afterwards. Bytes after it don't matter.
pub fn decode(bytes: &mut [u8]) -> Result<RecordRef<'_>, Flaw> {
    let head = Head::read(bytes)?;
    let record_bytes = head.record_bytes(bytes.len() as u64)?;
    head.check(&mut bytes[..record_bytes])?;
    Ok(head.view(&bytes[..record_bytes]))
}

/// The bytes of a record before its key, as numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Head {
    pub body: u32,
    pub crc: u32,
    pub offset: u64,
    pub timestamp_us: i64,
    pub lag: u32,
    pub flags: u32,
}

impl Head {
    /// Reads a head, unchecked.
    pub fn read(bytes: &[u8]) -> Result<Head, Flaw> {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return Err(Flaw::Short { expected: HEAD_BYTES as u64, actual: bytes.len() as u64 });
        };
        let [b0, b1, b2, b3, c0, c1, c2, c3, rest @ ..] = *head;
        let [o0, o1, o2, o3, o4, o5, o6, o7, rest @ ..] = rest;
        let [t0, t1, t2, t3, t4, t5, t6, t7, l0, l1, l2, l3, f0, f1, f2, f3] = rest;
        Ok(Head {
            body: u32::from_le_bytes([b0, b1, b2, b3]),
            crc: u32::from_le_bytes([c0, c1, c2, c3]),
            offset: u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            timestamp_us: i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            lag: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u32::from_le_bytes([f0, f1, f2, f3]),
        })
    }

    /// The whole record's length, when it is one that a record has and `bytes_left` holds.
    pub fn record_bytes(&self, bytes_left: u64) -> Result<usize, Flaw> {
        if self.body < BODY_BYTES_MIN {
            return Err(Flaw::Length(self.body));
        }
        let expected = u64::from(self.body) + FRAME_BYTES as u64;
        match usize::try_from(expected) {
            Ok(bytes) if expected <= bytes_left => Ok(bytes),
            _ => Err(Flaw::Short { expected, actual: bytes_left }),
        }
    }

    /// Checks the checksum and the flags of the record that `bytes` is exactly.
    pub fn check(&self, bytes: &mut [u8]) -> Result<(), Flaw> {
        let actual = checksum(bytes);
        if actual != self.crc {
            return Err(Flaw::Crc { expected: self.crc, actual });
        }
        if self.flags_fit() { Ok(()) } else { Err(Flaw::Flags(self.flags)) }
    }

    /// Whether the flags agree with each other and with the body length.
    pub fn flags_fit(&self) -> bool {
        let (key, value) = (self.flags & HAS_KEY != 0, self.flags & HAS_VALUE != 0);
        let key_len = self.flags & KEY_MASK;
        let rest = self.body.checked_sub(BODY_BYTES_MIN).and_then(|b| b.checked_sub(key_len));
        self.flags & !(KEY_MASK | HAS_KEY | HAS_VALUE) == 0
            && (key || key_len == 0)
            && rest.is_some_and(|value_len| value || value_len == 0)
    }

    /// The first offset not known durable when the record was written; `None` when it does not say.
    pub fn durable_to(&self) -> Option<u64> {
        if self.lag == LAG_UNKNOWN { None } else { self.offset.checked_sub(self.lag.into()) }
    }

    /// The record of checked bytes.
    pub fn view<'a>(&self, bytes: &'a [u8]) -> RecordRef<'a> {
        let value_at = HEAD_BYTES + (self.flags & KEY_MASK) as usize;
        let part = |flag, range: Range<usize>| if self.flags & flag == 0 { None } else { bytes.get(range) };
        RecordRef {
            offset: self.offset,
            timestamp_us: self.timestamp_us,
            key: part(HAS_KEY, HEAD_BYTES..value_at),
            value: part(HAS_VALUE, value_at..bytes.len()),
        }
    }
}

/// CRC-32C of bytes 0–3 and 8–end, in one run: one call instead of two doubles the speed for small records. The length
/// stands in the checksum's place meanwhile.
fn checksum(bytes: &mut [u8]) -> u32 {
    let Some((frame, _)) = bytes.split_first_chunk_mut::<FRAME_BYTES>() else {
        return 0;
    };
    let kept = *frame;
    frame.copy_within(0..4, 4);
    let crc = crc32c(&bytes[4..]);
    bytes[..FRAME_BYTES].copy_from_slice(&kept);
    crc
}
