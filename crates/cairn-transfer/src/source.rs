//! The source of a file's bytes: a reader, and a sample that tells whether it is still the same file.

use cairn_disk::{Crc32c, File, Result};
use std::io;
use std::sync::Arc;

/// Bytes of one sample.
const SAMPLE_BYTES: u64 = 4 << 10;
/// Samples of a file, beside its beginning and its end.
const SAMPLES: u64 = 62;

/// Reads a file of a disk from its beginning.
pub(crate) struct DiskReader {
    file: Arc<dyn File>,
    offset: u64,
}

impl DiskReader {
    pub fn new(file: Arc<dyn File>) -> DiskReader {
        DiskReader { file, offset: 0 }
    }
}

impl io::Read for DiskReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(self.offset, bytes).map_err(io::Error::other)?;
        self.offset += n as u64;
        Ok(n)
    }
}

/// The CRC-32C of 64 pieces of a file, evenly over it: of its beginning, its end, and what lies between. Of a file of up to
/// 256 KiB it covers every byte.
pub(crate) fn sample(file: &dyn File) -> Result<u32> {
    let length = file.bytes()?;
    let mut crc = Crc32c::new();
    let mut piece = vec![0; SAMPLE_BYTES as usize];
    let last = length.saturating_sub(SAMPLE_BYTES);
    let mut at = 0;
    for n in 0..SAMPLES + 2 {
        // In a short file the pieces stand side by side, or there are fewer.
        at = (u128::from(last) * u128::from(n) / u128::from(SAMPLES + 1)) as u64;
        let n = file.read_at(at, &mut piece)?;
        crc.update(&piece[..n]);
    }
    debug_assert!(at + SAMPLE_BYTES >= length);
    Ok(crc.value())
}
