//! Sealed files: a magic, a version, and a checksum that covers every byte (docs/format.md, "Rules for all files").

use crate::{Error, Result, Storage, atomic_replace, crc32c, read_file};
use std::ops::RangeInclusive;
use std::path::Path;

/// The longest sealed text file that is read, in bytes.
pub const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// `crc32c `, 8 hex digits, newline.
const TEXT_SEAL_BYTES: usize = 16;
/// Magic and version.
const BINARY_HEAD_BYTES: usize = 12;
const CRC_BYTES: usize = 4;

/// Replaces `path` atomically and durably by a sealed text file of these keys and values, in this order.
///
/// A key with white space or an empty one, a value with a line break, or a whole longer than [`TEXT_BYTES_MAX`] is
/// refused as [`ErrorKind::Input`](crate::ErrorKind::Input).
pub fn write_text(
    storage: &dyn Storage,
    path: &Path,
    magic: &str,
    version: u32,
    entries: &[(&str, &str)],
) -> Result<()> {
    let mut text = format!("{magic} {version}\n");
    for (key, value) in entries {
        if key.is_empty() || key.contains(char::is_whitespace) || value.contains(['\n', '\r']) {
            return Err(refused(path, format!("cannot be written as a line: key {key:?}, value {value:?}")));
        }
        text.push_str(&format!("{key} {value}\n"));
    }
    text.push_str(&text_seal(text.as_bytes()));
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(refused(path, format!("{} bytes, at most {TEXT_BYTES_MAX}", text.len())));
    }
    atomic_replace(storage, path, text.as_bytes())
}

/// The keys and values of a sealed text file, in the file's order.
pub fn read_text(
    storage: &dyn Storage,
    path: &Path,
    magic: &str,
    version: u32,
) -> Result<Vec<(String, String)>> {
    let bytes = read_file(storage, path, TEXT_BYTES_MAX)?;
    let first_line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    check_first_line(path, first_line, magic, version)?;

    let Some((body, seal)) = split_tail(&bytes, TEXT_SEAL_BYTES) else {
        let expected = format!("at least {TEXT_SEAL_BYTES} bytes");
        return Err(corrupt(path, "size mismatch", expected, format!("{} bytes", bytes.len())));
    };
    let expected = text_seal(body);
    if seal != expected.as_bytes() {
        let at = Some(body.len() as u64);
        return Err(mismatch(path, at, "CRC mismatch", expected.trim_end(), &printable(seal)));
    }
    body.split(|b| *b == b'\n')
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| entry(path, line))
        .collect()
}

/// Appends the checksum of all bytes there are. The reader's side is [`check`].
pub fn seal(bytes: &mut Vec<u8>) {
    let crc = crc32c(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

/// Checks a sealed binary file: the magic at 0, the version at 8, the checksum at the end. Returns the bytes without
/// the checksum. `path` is for the error.
pub fn check<'a>(path: &Path, bytes: &'a [u8], magic: &[u8; 8], version: u32) -> Result<&'a [u8]> {
    check_versions(path, bytes, magic, version..=version)
}

/// As [`check`], for a format of which several versions are read.
pub fn check_versions<'a>(
    path: &Path,
    bytes: &'a [u8],
    magic: &[u8; 8],
    versions: RangeInclusive<u32>,
) -> Result<&'a [u8]> {
    check_head_versions(path, bytes, magic, versions)?;
    let (body, stored) = bytes.split_last_chunk::<CRC_BYTES>().ok_or_else(|| too_short(path, bytes))?;
    if body.len() < BINARY_HEAD_BYTES {
        return Err(too_short(path, bytes));
    }
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32c(body));
    if stored != computed {
        let at = Some(body.len() as u64);
        let (expected, actual) = (format!("0x{stored:08x}"), format!("0x{computed:08x}"));
        return Err(mismatch(path, at, "CRC mismatch", &expected, &actual));
    }
    Ok(body)
}

/// Checks only magic and version of a sealed binary file: of one that is mapped, and whose bytes are read when used.
pub fn check_head(path: &Path, bytes: &[u8], magic: &[u8; 8], version: u32) -> Result<()> {
    check_head_versions(path, bytes, magic, version..=version)
}

fn check_head_versions(
    path: &Path,
    bytes: &[u8],
    magic: &[u8; 8],
    versions: RangeInclusive<u32>,
) -> Result<()> {
    let short = || too_short(path, bytes);
    let found = bytes.get(..8).ok_or_else(short)?;
    if found != magic {
        return Err(mismatch(path, Some(0), "magic mismatch", &printable(magic), &printable(found)));
    }
    let actual = bytes.get(8..).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b));
    match actual {
        Some(v) if versions.contains(&v) => {}
        Some(actual) => {
            return Err(Error::Version { path: path.to_owned(), expected: *versions.end(), actual });
        }
        None => return Err(short()),
    }
    Ok(())
}

fn too_short(path: &Path, bytes: &[u8]) -> Error {
    let expected = format!("at least {} bytes", BINARY_HEAD_BYTES + CRC_BYTES);
    corrupt(path, "size mismatch", expected, format!("{} bytes", bytes.len()))
}

fn check_first_line(path: &Path, line: &[u8], magic: &str, version: u32) -> Result<()> {
    let found = line.strip_prefix(magic.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
    let Some(digits) = found else {
        return Err(mismatch(path, Some(0), "magic mismatch", magic, &printable(line)));
    };
    let actual = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<u32>().ok());
    match actual {
        // Compared as text too, so that `+1` and `01` are not taken for 1.
        Some(v) if v == version && digits == version.to_string().as_bytes() => Ok(()),
        Some(actual) if actual != version => {
            Err(Error::Version { path: path.to_owned(), expected: version, actual })
        }
        _ => {
            let at = Some(magic.len() as u64 + 1);
            Err(mismatch(path, at, "version", &version.to_string(), &printable(digits)))
        }
    }
}

fn entry(path: &Path, line: &[u8]) -> Result<(String, String)> {
    let text = std::str::from_utf8(line).ok();
    match text.and_then(|t| t.split_once(' ')) {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(corrupt(path, "line", "`key value`".to_owned(), printable(line))),
    }
}

fn text_seal(body: &[u8]) -> String {
    format!("crc32c {:08x}\n", crc32c(body))
}

fn split_tail(bytes: &[u8], tail: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(tail)?)
}

/// What stands in a file, for a message: short, and without control characters.
fn printable(bytes: &[u8]) -> String {
    format!("`{}`", bytes.get(..64).unwrap_or(bytes).trim_ascii_end().escape_ascii())
}

fn corrupt(path: &Path, what: &'static str, expected: String, actual: String) -> Error {
    Error::Corrupt { path: path.to_owned(), offset: None, what, expected, actual }
}

fn mismatch(path: &Path, offset: Option<u64>, what: &'static str, expected: &str, actual: &str) -> Error {
    let (expected, actual) = (expected.to_owned(), actual.to_owned());
    Error::Corrupt { path: path.to_owned(), offset, what, expected, actual }
}

fn refused(path: &Path, why: String) -> Error {
    Error::io("write", path, std::io::Error::new(std::io::ErrorKind::InvalidInput, why))
}
