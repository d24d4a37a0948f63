//! The log's indexes: sparse tables from an offset, or a time, to a place near it. Derived from the log: a lookup that
//! the log does not bear out is not believed, and damaged files are rebuilt.
//!
//! Header:
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | 8 bytes | `CAIRNIDX`, `CAIRNTIX` |
//! | 8 | u32 | version, 1 |
//! | 12 | u32 | header length, 32 |
//! | 16 | u64 | base offset |
//! | 24 | u32 | `.index`: CRC-32C of the whole `.log` as it was written, 0: not known; `.timeindex`: reserved, 0 |
//! | 28 | u32 | CRC-32C of bytes 0–27 |
//!
//! Then entries of 16 bytes: 12 of content, u32 CRC-32C of them.

use crate::error::corrupt;
use crate::sums::FileSum;
use cairn_disk::{Access, Error, File, Result, Storage, crc32c, write_new};
use std::path::Path;

const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;
const CONTENT_BYTES: usize = 12;
const ENTRY_BYTES: usize = 16;
/// How many entries a search reads at once, in the end.
const BLOCK_ENTRIES: usize = 256;

/// What an index file holds entries of.
pub(crate) trait IndexEntry: Copy {
    const MAGIC: &'static [u8; 8];
    const EXTENSION: &'static str;
    /// Whether the header says the checksum of the `.log`.
    const HAS_LOG_CRC: bool;
    fn to_bytes(self) -> [u8; CONTENT_BYTES];
    fn from_bytes(bytes: [u8; CONTENT_BYTES]) -> Self;
    /// Whether it may stand after `before`.
    fn follows(&self, before: &Self) -> bool;
}

/// `.index`: a record's offset and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Offset − base offset.
    pub relative: u32,
    /// Of the record in the `.log`.
    pub position: u64,
}

impl IndexEntry for OffsetEntry {
    const MAGIC: &'static [u8; 8] = b"CAIRNIDX";
    const EXTENSION: &'static str = "index";
    const HAS_LOG_CRC: bool = true;

    fn to_bytes(self) -> [u8; CONTENT_BYTES] {
        let mut bytes = [0; CONTENT_BYTES];
        bytes[..4].copy_from_slice(&self.relative.to_le_bytes());
        bytes[4..].copy_from_slice(&self.position.to_le_bytes());
        bytes
    }

    fn from_bytes([a, b, c, d, position @ ..]: [u8; CONTENT_BYTES]) -> Self {
        OffsetEntry { relative: u32::from_le_bytes([a, b, c, d]), position: u64::from_le_bytes(position) }
    }

    fn follows(&self, before: &Self) -> bool {
        self.relative > before.relative && self.position > before.position
    }
}

/// `.timeindex`: a timestamp and the first record with a timestamp at least that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// Microseconds since the Unix epoch, UTC.
    pub timestamp_us: i64,
    /// Offset − base offset.
    pub relative: u32,
}

impl IndexEntry for TimeEntry {
    const MAGIC: &'static [u8; 8] = b"CAIRNTIX";
    const EXTENSION: &'static str = "timeindex";
    const HAS_LOG_CRC: bool = false;

    fn to_bytes(self) -> [u8; CONTENT_BYTES] {
        let mut bytes = [0; CONTENT_BYTES];
        bytes[..8].copy_from_slice(&self.timestamp_us.to_le_bytes());
        bytes[8..].copy_from_slice(&self.relative.to_le_bytes());
        bytes
    }

    fn from_bytes([time @ .., a, b, c, d]: [u8; CONTENT_BYTES]) -> Self {
        TimeEntry { timestamp_us: i64::from_le_bytes(time), relative: u32::from_le_bytes([a, b, c, d]) }
    }

    fn follows(&self, before: &Self) -> bool {
        self.timestamp_us > before.timestamp_us && self.relative > before.relative
    }
}

/// The entries of both indexes of one segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    pub offsets: Vec<OffsetEntry>,
    pub times: Vec<TimeEntry>,
}

impl Samples {
    pub fn clear(&mut self) {
        self.offsets.clear();
        self.times.clear();
    }

    /// Moves the entries of `more` to the end.
    pub fn extend(&mut self, more: &mut Samples) {
        self.offsets.append(&mut more.offsets);
        self.times.append(&mut more.times);
    }

    /// How many entries there are of each.
    pub fn counts(&self) -> [usize; 2] {
        [self.offsets.len(), self.times.len()]
    }

    /// Goes back to earlier counts.
    pub fn cut(&mut self, [offsets, times]: [usize; 2]) {
        self.offsets.truncate(offsets);
        self.times.truncate(times);
    }
}

/// Chooses the records that the indexes name: the first of a segment, then the first after each interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampler {
    base: u64,
    interval: u64,
    /// Where the last chosen record is.
    chosen: Option<u64>,
    /// The present run of equal timestamps, and its first offset.
    run: Option<(i64, u64)>,
    /// The timestamp of the last time entry.
    time: Option<i64>,
}

impl Sampler {
    pub fn new(base: u64, interval_bytes: u32) -> Self {
        Sampler { base, interval: interval_bytes.into(), chosen: None, run: None, time: None }
    }

    /// Takes note of the next record.
    pub fn note(&mut self, offset: u64, position: u64, timestamp_us: i64, samples: &mut Samples) {
        let run = match self.run {
            Some((timestamp, first)) if timestamp == timestamp_us => (timestamp, first),
            _ => (timestamp_us, offset),
        };
        self.run = Some(run);
        if self.chosen.is_some_and(|at| position < at + self.interval) {
            return;
        }
        // An offset past the format's range stays unnamed; append never makes one.
        let relative = |offset: u64| offset.checked_sub(self.base).and_then(|r| u32::try_from(r).ok());
        let (Some(this), Some(first)) = (relative(offset), relative(run.1)) else { return };
        self.chosen = Some(position);
        samples.offsets.push(OffsetEntry { relative: this, position });
        if self.time != Some(run.0) {
            self.time = Some(run.0);
            samples.times.push(TimeEntry { timestamp_us: run.0, relative: first });
        }
    }
}

/// Writes an index file in place of any at `path`, and syncs it; `log_crc32c` is the checksum of the `.log`, when it is
/// known. Returns the index file's own. Torn by a crash, it is found damaged and rebuilt.
pub(crate) fn write<E: IndexEntry>(
    storage: &dyn Storage,
    path: &Path,
    base: u64,
    log_crc32c: Option<u32>,
    entries: &[E],
) -> Result<FileSum> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES);
    bytes.extend_from_slice(E::MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&32u32.to_le_bytes());
    bytes.extend_from_slice(&base.to_le_bytes());
    let log_crc32c = log_crc32c.filter(|_| E::HAS_LOG_CRC).unwrap_or(0);
    bytes.extend_from_slice(&log_crc32c.to_le_bytes());
    bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
    for entry in entries {
        let content = entry.to_bytes();
        bytes.extend_from_slice(&content);
        bytes.extend_from_slice(&crc32c(&content).to_le_bytes());
    }
    remove_if_there(storage, path)?;
    write_new(storage, path, &bytes)?;
    Ok(FileSum::of(&bytes))
}

/// Removes a file that may not be there.
pub(crate) fn remove_if_there(storage: &dyn Storage, path: &Path) -> Result<()> {
    match storage.remove(path) {
        Err(e) if e.kind() == cairn_disk::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// What a whole index file says.
pub(crate) struct Loaded<E> {
    pub entries: Vec<E>,
    /// The checksum of the `.log`, when the file says it.
    pub log_crc32c: Option<u32>,
    /// Of the index file.
    pub sum: FileSum,
}

/// Reads and checks a whole index file; one longer than `entries_max` entries is damaged.
pub(crate) fn load<E: IndexEntry>(
    storage: &dyn Storage,
    path: &Path,
    base: u64,
    entries_max: u64,
) -> Result<Loaded<E>> {
    let bytes_max = entries_max.saturating_mul(ENTRY_BYTES as u64).saturating_add(HEADER_BYTES as u64);
    let bytes = cairn_disk::read_file(storage, path, bytes_max)?;
    let (log_crc32c, rest) = check_header::<E>(path, base, &bytes)?;
    if rest.len() % ENTRY_BYTES != 0 {
        let whole = bytes.len() - rest.len() % ENTRY_BYTES;
        return Err(corrupt(path, Some(whole as u64), "size mismatch", whole, bytes.len()));
    }
    let mut entries: Vec<E> = Vec::with_capacity(rest.len() / ENTRY_BYTES);
    for (i, bytes) in rest.as_chunks::<ENTRY_BYTES>().0.iter().enumerate() {
        let at = (HEADER_BYTES + i * ENTRY_BYTES) as u64;
        let entry = check_entry::<E>(path, at, bytes)?;
        if entries.last().is_some_and(|before| !entry.follows(before)) {
            return Err(corrupt(path, Some(at), "index order", "ascending", "not ascending"));
        }
        entries.push(entry);
    }
    Ok(Loaded { entries, log_crc32c, sum: FileSum::of(&bytes) })
}

/// The last entry for which `holds`, which is true of a beginning of the entries only. Reads what the search touches: single
/// entries, until the last block is left, and that at once.
pub(crate) fn last_where<E: IndexEntry>(file: &dyn File, holds: impl Fn(&E) -> bool) -> Result<Option<E>> {
    let entries = file.bytes()?.saturating_sub(HEADER_BYTES as u64) / ENTRY_BYTES as u64;
    let (mut low, mut high, mut found) = (0, entries, None);
    let mut block = [0; BLOCK_ENTRIES * ENTRY_BYTES];
    while low < high {
        let is_last = high - low <= BLOCK_ENTRIES as u64;
        let (first, count) = if is_last { (low, high - low) } else { (low + (high - low) / 2, 1) };
        let at = HEADER_BYTES as u64 + first * ENTRY_BYTES as u64;
        let bytes = &mut block[..usize::try_from(count).unwrap_or(BLOCK_ENTRIES) * ENTRY_BYTES];
        file.read_exact_at(at, bytes)?;
        let bytes: &[[u8; ENTRY_BYTES]] = bytes.as_chunks().0;
        if is_last {
            return Ok(last_in_block(file.path(), at, bytes, holds)?.or(found));
        }
        let entry = check_entry::<E>(file.path(), at, &bytes[0])?;
        if holds(&entry) {
            found = Some(entry);
            low = first + 1;
        } else {
            high = first;
        }
    }
    Ok(found)
}

/// As [`last_where`], among the entries of one block, which begins at `at` of the file.
fn last_in_block<E: IndexEntry>(
    path: &Path,
    at: u64,
    block: &[[u8; ENTRY_BYTES]],
    holds: impl Fn(&E) -> bool,
) -> Result<Option<E>> {
    let (mut low, mut high, mut found) = (0, block.len(), None);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = check_entry::<E>(path, at + (middle * ENTRY_BYTES) as u64, &block[middle])?;
        if holds(&entry) {
            found = Some(entry);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

/// As [`last_where`], in the file at `path`. `None` when the file is gone or damaged: then the log itself is searched.
pub(crate) fn search<E: IndexEntry>(
    storage: &dyn Storage,
    path: &Path,
    holds: impl Fn(&E) -> bool,
) -> Result<Option<E>> {
    let found = storage.open(path, Access::Read).and_then(|file| last_where(&*file, holds));
    match found {
        Err(e) if is_rebuildable(&e) => Ok(None),
        result => result,
    }
}

/// Whether the failure is of the index and not of the disk.
pub(crate) fn is_rebuildable(error: &Error) -> bool {
    use cairn_disk::ErrorKind::{Corrupt, NotFound, Version};
    matches!(error.kind(), Corrupt | NotFound | Version)
}

/// The checksum of the `.log`, and what follows the header.
fn check_header<'a, E: IndexEntry>(
    path: &Path,
    base: u64,
    bytes: &'a [u8],
) -> Result<(Option<u32>, &'a [u8])> {
    let word = |at: usize| bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let magic = bytes.get(..8).unwrap_or(bytes);
    if magic != E::MAGIC {
        let shown = |b: &[u8]| b.escape_ascii().to_string();
        return Err(corrupt(path, Some(0), "magic", shown(E::MAGIC), shown(magic)));
    }
    if bytes.len() >= 12 && word(8) != VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: word(8) });
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(corrupt(path, None, "size mismatch", HEADER_BYTES, bytes.len()));
    };
    let crc = crc32c(&header[..28]);
    if crc != word(28) {
        let hex = |crc| format!("0x{crc:08x}");
        return Err(corrupt(path, Some(28), "CRC mismatch", hex(word(28)), hex(crc)));
    }
    let stored_base = u64::from(word(16)) | u64::from(word(20)) << 32;
    if stored_base != base {
        return Err(corrupt(path, Some(16), "base offset mismatch", base, stored_base));
    }
    if word(12) != 32 || (word(24) != 0 && !E::HAS_LOG_CRC) {
        let actual = format!("{} and {}", word(12), word(24));
        return Err(corrupt(path, Some(12), "header length and reserved", "32 and 0", actual));
    }
    Ok((Some(word(24)).filter(|crc| *crc != 0), rest))
}

fn check_entry<E: IndexEntry>(path: &Path, at: u64, bytes: &[u8; ENTRY_BYTES]) -> Result<E> {
    let [content @ .., a, b, c, d] = *bytes;
    let (expected, actual) = (u32::from_le_bytes([a, b, c, d]), crc32c(&content));
    if expected != actual {
        let hex = |crc| format!("0x{crc:08x}");
        return Err(corrupt(path, Some(at), "CRC mismatch", hex(expected), hex(actual)));
    }
    Ok(E::from_bytes(content))
}

/// An entry that checks and that the log does not bear out.
pub(crate) fn wrong_entry(path: &Path, number: usize, actual: String) -> Error {
    let at = (HEADER_BYTES + number * ENTRY_BYTES) as u64;
    corrupt(path, Some(at), "index entry", "a record as the entry says", actual)
}
