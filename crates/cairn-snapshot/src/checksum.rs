//! `checksum.sha256`: the stored hashes of a snapshot, as `sha256sum -c` reads them.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// The file's text for a snapshot whose `metadata.json` has that digest.
pub(crate) fn text(metadata: Digest, snapshot: &Snapshot) -> String {
    let mut out = format!("{metadata}  {}\n", layout::METADATA);
    let mut listed = BTreeSet::new();
    for part in snapshot.checked_parts() {
        if listed.insert(part.id) {
            writeln!(out, "{}  ../../{}", part.stored_sha256, part.stored())
                .expect("writing to a String works");
        }
    }
    out
}

/// Fails, naming the file that differs, unless the checksum file in `dir` has exactly the text it should.
pub(crate) fn check(dir: &Path, actual: &[u8], metadata: Digest, snapshot: &Snapshot) -> Result<()> {
    let expected = text(metadata, snapshot);
    if expected.as_bytes() == actual {
        return Ok(());
    }
    let path = dir.join(layout::CHECKSUM);
    if actual.len() != expected.len() {
        let (expected, actual) = (format!("{} bytes", expected.len()), format!("{} bytes", actual.len()));
        return Err(Error::damaged(&path, None, "size mismatch", expected, actual));
    }
    metadata_line(dir, actual, metadata)?;
    let at = expected.bytes().zip(actual).position(|(a, b)| a != *b).unwrap_or(0);
    let line = |bytes: &[u8]| {
        let n = expected.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
        let line = bytes.split(|b| *b == b'\n').nth(n).unwrap_or_default();
        String::from_utf8_lossy(line).into_owned()
    };
    let (expected, actual) = (line(expected.as_bytes()), line(actual));
    Err(Error::damaged(&path, Some(at as u64), "checksum line differs from metadata.json", expected, actual))
}

/// Fails when the file's first line is a whole one that gives `metadata.json` another digest: then it is that file which
/// changed, or this digit; which of the two cannot be known, and the finding names both.
pub(crate) fn metadata_line(dir: &Path, actual: &[u8], metadata: Digest) -> Result<()> {
    let line = actual.split(|b| *b == b'\n').next().unwrap_or_default();
    let listed = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.split_once("  "))
        .and_then(|(digest, name)| (name == layout::METADATA).then(|| digest.parse::<Digest>().ok())?);
    match listed {
        Some(listed) if listed != metadata => {
            let what = format!("SHA-256 mismatch with {}", layout::CHECKSUM);
            Err(Error::damaged(&dir.join(layout::METADATA), None, what, listed, metadata))
        }
        _ => Ok(()),
    }
}
