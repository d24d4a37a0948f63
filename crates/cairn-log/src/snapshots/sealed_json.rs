//! Sealed JSON: an object that people can read, with format and version first and a checksum last.
//!
//! ```text
//! {
//!   "format": "cairndb-log-snapshot",
//!   "version": 1,
//!   …,
//!   "crc32c": "8a9136aa"
//! }
//! ```
//! The checksum is the CRC-32C of every byte before the line break in front of it.

use crate::error::corrupt;
use cairn_disk::{Error, Result, crc32c};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// `,` is part of what is sealed.
const SEAL_HEAD: &str = "\n  \"crc32c\": \"";
const SEAL_TAIL: &str = "\"\n}\n";
const SEAL_BYTES: usize = SEAL_HEAD.len() + 8 + SEAL_TAIL.len();

/// The bytes of a sealed object with these fields.
pub(crate) fn encode<T: Serialize>(format: &str, version: u32, fields: &T) -> Vec<u8> {
    let json = serde_json::to_string_pretty(fields).expect("metadata is plain text and numbers");
    let fields = json.strip_prefix('{').and_then(|json| json.strip_suffix("\n}"));
    let fields = fields.expect("metadata is an object that is not empty");
    let mut text = head(format);
    text.push_str(&format!("{version},{fields},"));
    let crc = crc32c(text.as_bytes());
    text.push_str(&format!("{SEAL_HEAD}{crc:08x}{SEAL_TAIL}"));
    text.into_bytes()
}

/// Reads a sealed object: format, version, checksum, and only then what it says.
pub(crate) fn decode<T: DeserializeOwned>(
    path: &Path,
    format: &str,
    version: u32,
    bytes: &[u8],
) -> Result<T> {
    let head = head(format);
    let shown = |bytes: &[u8]| bytes.get(..60).unwrap_or(bytes).escape_ascii().to_string();
    let Some(rest) = bytes.strip_prefix(head.as_bytes()) else {
        return Err(corrupt(path, Some(0), "format", shown(head.as_bytes()), shown(bytes)));
    };
    let digits = rest.split(|b| !b.is_ascii_digit()).next().unwrap_or_default();
    match std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok()) {
        Some(actual) if actual == version => {}
        Some(actual) => return Err(Error::Version { path: path.to_owned(), expected: version, actual }),
        None => return Err(corrupt(path, Some(head.len() as u64), "version", version, shown(rest))),
    }
    let Some((body, seal)) = bytes.len().checked_sub(SEAL_BYTES).map(|at| bytes.split_at(at)) else {
        return Err(corrupt(path, None, "size mismatch", format!("at least {SEAL_BYTES}"), bytes.len()));
    };
    let expected = format!("{SEAL_HEAD}{:08x}{SEAL_TAIL}", crc32c(body));
    if seal != expected.as_bytes() {
        let what = |seal: &[u8]| String::from_utf8_lossy(seal).trim().to_owned();
        let at = Some(body.len() as u64);
        return Err(corrupt(path, at, "CRC mismatch", what(expected.as_bytes()), what(seal)));
    }
    // The rest of the object, as one: what stands before and after it was looked at.
    let fields = body.get(head.len() + digits.len()..).and_then(|b| b.strip_prefix(b","));
    let fields = fields.and_then(|b| b.strip_suffix(b",")).unwrap_or_default();
    let object = [b"{", fields, b"}"].concat();
    serde_json::from_slice(&object).map_err(|e| corrupt(path, None, "metadata", "known fields, each once", e))
}

fn head(format: &str) -> String {
    format!("{{\n  \"format\": \"{format}\",\n  \"version\": ")
}
