//! `Sums`: the checksums of one segment's files, kept from when they are written, so that nothing is read for them.

use cairn_disk::crc32c;

/// A file's length and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileSum {
    /// Its length.
    pub bytes: u64,
    /// The CRC-32C of all its bytes.
    pub crc32c: u32,
}

impl FileSum {
    /// Of a file with these bytes.
    pub fn of(bytes: &[u8]) -> FileSum {
        FileSum { bytes: bytes.len() as u64, crc32c: crc32c(bytes) }
    }
}

/// What is known of a sealed segment's files.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// The CRC-32C of its whole `.log`. `None`: it was sealed by a build that did not keep it, or compacted.
    pub log: Option<u32>,
    /// Of its `.index` and `.timeindex`. `None`: they are not there.
    pub indexes: Option<[FileSum; 2]>,
}
