//! `FileReader`, `FileWriter`: a disk's files as streams of bytes that are checksummed on the way.

use crate::error::corrupt;
use crate::sums::FileSum;
use cairn_disk::{Crc32c, Error, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// How much is read or written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The first bytes of a file, and their checksum.
pub(crate) struct FileReader<'a> {
    file: &'a dyn File,
    at: u64,
    end: u64,
    crc: Crc32c,
}

impl<'a> FileReader<'a> {
    /// Reads up to `end`, or the file's end if that comes first.
    pub fn new(file: &'a dyn File, end: u64) -> Self {
        FileReader { file, at: 0, end, crc: Crc32c::new() }
    }

    /// Of what was read so far.
    pub fn sum(&self) -> FileSum {
        FileSum { bytes: self.at, crc32c: self.crc.value() }
    }
}

impl Read for FileReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buf.len());
        let got = self.file.read_at(self.at, &mut buf[..left]).map_err(io::Error::other)?;
        self.crc.update(&buf[..got]);
        self.at += got as u64;
        Ok(got)
    }
}

/// A new file, and the checksum of what was written to it.
pub(crate) struct FileWriter<'a> {
    file: &'a dyn File,
    buffer: Vec<u8>,
    bytes: u64,
    crc: Crc32c,
}

impl<'a> FileWriter<'a> {
    /// Appends to `file`, which is empty.
    pub fn new(file: &'a dyn File) -> Self {
        FileWriter { file, buffer: Vec::with_capacity(BUFFER_BYTES), bytes: 0, crc: Crc32c::new() }
    }

    /// Of what was written so far.
    pub fn sum(&self) -> FileSum {
        FileSum { bytes: self.bytes, crc32c: self.crc.value() }
    }
}

impl Write for FileWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        let taken = bytes.len().min(BUFFER_BYTES);
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.crc.update(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    /// Hands everything to the file; syncs nothing.
    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer).map_err(io::Error::other)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Reads everything that `from` yields, up to one byte more than `bytes_max`; writes it to `to`, if any.
pub(crate) fn drain(
    from: &mut dyn Read,
    bytes_max: u64,
    mut to: Option<&mut FileWriter<'_>>,
) -> io::Result<FileSum> {
    let (mut crc, mut bytes) = (Crc32c::new(), 0);
    let mut from = from.take(bytes_max.saturating_add(1));
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let got = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        crc.update(&buffer[..got]);
        bytes += got as u64;
        if let Some(to) = &mut to {
            to.write_all(&buffer[..got])?;
        }
    }
    if let Some(to) = to {
        to.flush()?;
    }
    Ok(FileSum { bytes, crc32c: crc.value() })
}

/// The disk's error inside one of a stream over its files; anything else the stream says is about the bytes of `path`,
/// which are then not what a codec wrote.
pub(crate) fn stream_error(path: &Path, error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(disk) => disk.clone(),
        None => corrupt(path, None, "compressed bytes", "what can be decompressed", error),
    }
}

/// Refuses a file whose length or checksum is another than the one kept of it.
pub(crate) fn check_sum(path: &Path, expected: FileSum, actual: FileSum) -> Result<(), Error> {
    if actual.bytes != expected.bytes {
        return Err(corrupt(path, None, "size mismatch", expected.bytes, actual.bytes));
    }
    if actual.crc32c != expected.crc32c {
        let hex = |crc| format!("0x{crc:08x}");
        return Err(corrupt(path, None, "CRC mismatch", hex(expected.crc32c), hex(actual.crc32c)));
    }
    Ok(())
}
