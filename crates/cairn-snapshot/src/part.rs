//! A part: some bytes, stored once under the name of their SHA-256, and how it is read and checked.

use crate::codec::{Codec, decoder};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::layout;
use cairn_disk::{Access, File, Storage};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The name of a part: the SHA-256 of its plain bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartId(pub Digest);

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PartId {
    type Err = String;

    fn from_str(text: &str) -> Result<PartId, String> {
        Ok(PartId(text.parse()?))
    }
}

/// A part as a snapshot names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub id: PartId,
    /// Plain bytes.
    pub bytes: u64,
    /// How it is stored.
    pub codec: Codec,
    /// Stored bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the stored bytes.
    pub stored_sha256: Digest,
}

/// Plain bytes of a part, at most: a segment of a GiB of short vectors may have a graph of 18 GiB.
pub const PART_BYTES_MAX: u64 = 1 << 36;
/// Plain bytes of the part that is the manifest, which is read into memory: one of a million files is less than this.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// Where plain bytes go.
pub(crate) type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Memory set aside for a part before its bytes have come.
const RESERVE_BYTES_MAX: u64 = 16 << 20;

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

impl Part {
    /// Its path below the repository.
    pub fn stored(&self) -> String {
        layout::part_path(self.id, self.codec)
    }

    /// Reads and checks the whole part below `root`: length, SHA-256 of the stored bytes, then of the plain bytes, which
    /// go to `sink` as they come, and its first error ends it. Only after `Ok` may they be used.
    pub(crate) fn read(
        &self,
        storage: &dyn Storage,
        root: &Path,
        cancel: &AtomicBool,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let path = root.join(self.stored());
        let file = self.open(storage, &path)?;
        let scan = Scan::run(file.as_ref(), self.codec, self.bytes, cancel, sink)?;
        if scan.stored_sha256 != self.stored_sha256 {
            let (expected, actual) = (self.stored_sha256, scan.stored_sha256);
            return Err(Error::damaged(&path, None, "SHA-256 mismatch", expected, actual));
        }
        scan.check_plain(&path, self.id, self.bytes)
    }

    /// Opens it, and checks how long it is.
    fn open(&self, storage: &dyn Storage, path: &Path) -> Result<Box<dyn File>> {
        let file = storage.open(path, Access::Read)?;
        let actual = file.bytes()?;
        if actual == self.stored_bytes {
            return Ok(file);
        }
        Err(Error::damaged(path, None, "size mismatch", bytes(self.stored_bytes), bytes(actual)))
    }

    /// Checks that it is there, and as long as it should be.
    pub(crate) fn check_size(&self, storage: &dyn Storage, root: &Path) -> Result<()> {
        self.open(storage, &root.join(self.stored())).map(drop)
    }

    /// The plain bytes of the whole part, checked: of parts that are bounded.
    pub(crate) fn read_all(
        &self,
        storage: &dyn Storage,
        root: &Path,
        cancel: &AtomicBool,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.bytes.min(RESERVE_BYTES_MAX) as usize);
        self.read(storage, root, cancel, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        if bytes.len() as u64 != self.bytes {
            return Err(Error::Bug(format!(
                "{}: read {} bytes of {}",
                self.stored(),
                bytes.len(),
                self.bytes
            )));
        }
        Ok(bytes)
    }

    /// The part of that name which is stored already, if its plain bytes are what the name says. `None` when there is
    /// none, or when it is damaged.
    pub(crate) fn adopt(
        storage: &dyn Storage,
        root: &Path,
        (id, codec): (PartId, Codec),
        plain_bytes: u64,
        cancel: &AtomicBool,
    ) -> Result<Option<Part>> {
        let path = root.join(layout::part_path(id, codec));
        let file = storage.open(&path, Access::Read)?;
        let stored_bytes = file.bytes()?;
        if stored_bytes > Codec::stored_bytes_max(plain_bytes) {
            return Ok(None);
        }
        let scan = Scan::run(file.as_ref(), codec, plain_bytes, cancel, &mut |_| Ok(()))?;
        let whole = scan.stored_bytes == stored_bytes && scan.check_plain(&path, id, plain_bytes).is_ok();
        let stored_sha256 = scan.stored_sha256;
        Ok(whole.then_some(Part { id, bytes: plain_bytes, codec, stored_bytes, stored_sha256 }))
    }
}

fn bytes(n: u64) -> String {
    format!("{n} bytes")
}

/// What one pass over a stored part found.
struct Scan {
    stored_bytes: u64,
    stored_sha256: Digest,
    /// Plain bytes and their digest, or why they do not decode.
    plain: Result<(u64, Digest), String>,
}

impl Scan {
    /// Reads all stored bytes, and decodes them up to one byte more than the `plain_bytes` there should be.
    fn run(
        file: &dyn File,
        codec: Codec,
        plain_bytes: u64,
        cancel: &AtomicBool,
        sink: &mut Sink<'_>,
    ) -> Result<Scan> {
        let mut stored = Stored { file, cancel, at: 0, hasher: Hasher::default(), failed: None };
        let mut refused = None;
        let decoded = decode(codec, &mut stored, plain_bytes, sink, &mut refused);
        if let Some(error) = refused {
            return Err(error);
        }
        if stored.failed.is_none() {
            // What the decoder did not want is hashed all the same.
            let mut rest = vec![0; READ_BYTES];
            while stored.read(&mut rest).is_ok_and(|n| n > 0) {}
        }
        if let Some(error) = stored.failed {
            return Err(error);
        }
        let (stored_bytes, stored_sha256) = (stored.at, stored.hasher.finish());
        let plain = match decoded {
            Ok((n, Some(digest))) => Ok((n, digest)),
            Ok((n, None)) => Ok((n, stored_sha256)),
            Err(e) => Err(e.to_string()),
        };
        Ok(Scan { stored_bytes, stored_sha256, plain })
    }

    fn check_plain(&self, path: &Path, id: PartId, plain_bytes: u64) -> Result<()> {
        match &self.plain {
            Err(e) => Err(Error::damaged(path, None, "undecodable part", "whole frames", e)),
            Ok((n, _)) if *n != plain_bytes => {
                let actual = if *n > plain_bytes { "more".to_owned() } else { bytes(*n) };
                Err(Error::damaged(path, None, "size mismatch of plain bytes", bytes(plain_bytes), actual))
            }
            Ok((_, digest)) if *digest != id.0 => {
                Err(Error::damaged(path, None, "SHA-256 mismatch of plain bytes", id, digest))
            }
            Ok(_) => Ok(()),
        }
    }
}

/// Decodes at most `plain_bytes` + 1 bytes. The digest is left out when plain and stored bytes are the same.
fn decode(
    codec: Codec,
    stored: &mut Stored<'_>,
    plain_bytes: u64,
    sink: &mut Sink<'_>,
    refused: &mut Option<Error>,
) -> io::Result<(u64, Option<Digest>)> {
    let mut plain = decoder(codec, stored)?.take(plain_bytes.saturating_add(1));
    let mut hasher = (codec != Codec::Raw).then(Hasher::default);
    let mut buffer = vec![0; READ_BYTES];
    let mut done = 0u64;
    loop {
        let n = plain.read(&mut buffer)?;
        if n == 0 {
            return Ok((done, hasher.map(Hasher::finish)));
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[..n]);
        }
        if let Err(error) = sink(&buffer[..n]) {
            *refused = Some(error);
            return Err(io::Error::other("the sink failed"));
        }
        done += n as u64;
    }
}

/// Reads a stored file from its start, hashing what passes.
struct Stored<'a> {
    file: &'a dyn File,
    cancel: &'a AtomicBool,
    at: u64,
    hasher: Hasher,
    /// A failure that is not about what the bytes say; `io::Error` would lose what it was.
    failed: Option<Error>,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = if self.cancel.load(Ordering::Relaxed) {
            Err(Error::Cancelled)
        } else {
            self.file.read_at(self.at, buffer).map_err(Error::from)
        };
        match read {
            Ok(n) => {
                self.hasher.update(&buffer[..n]);
                self.at += n as u64;
                Ok(n)
            }
            Err(e) => {
                self.failed = Some(e);
                Err(io::Error::other("reading failed"))
            }
        }
    }
}

/// The parts stored in a repository under names that are parts' names, by name. Other files are left out.
pub(crate) fn stored_parts(storage: &dyn Storage, root: &Path) -> Result<Vec<(PartId, Codec, PathBuf)>> {
    let mut found = Vec::new();
    let parts = root.join(layout::PARTS);
    for dir in storage.list(&parts)? {
        if dir.stat.file_type != cairn_disk::FileType::Dir {
            continue;
        }
        let dir_path = parts.join(&dir.name);
        for entry in storage.list(&dir_path)? {
            if let Some((id, codec)) = layout::part_of_name(&dir.name, &entry.name) {
                found.push((id, codec, dir_path.join(&entry.name)));
            }
        }
    }
    Ok(found)
}
