//! `LogSegment`: one segment's files.
//!
//! Header of the `.log`:
//!
//! | at | type | what |
//! |---|---|---|
//! | 0 | 8 bytes | `CAIRNLOG` |
//! | 8 | u32 | version, 1 |
//! | 12 | u32 | header length, 64 (of a compacted segment 104: `compacted.rs`) |
//! | 16 | 16 bytes | log id |
//! | 32 | 16 bytes | timeline id |
//! | 48 | u64 | base offset |
//! | 56 | u32 | flags; bit 0: compacted; the rest 0 |
//! | 60 | u32 | CRC-32C of bytes 0–59 |

use crate::compacted::{COMPACTED_HEADER_BYTES, Compacted, FLAG_COMPACTED};
use crate::error::corrupt;
use crate::index::{self, IndexEntry, OffsetEntry, Samples, TimeEntry};
use crate::scan::Place;
use crate::sums::Sums;
use crate::{DatabaseId, LogConfig, TimelineId};
use cairn_disk::{Access, Crc32c, Error, File, Result, Storage, crc32c};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The header's length, where the first record begins.
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const LOG_EXTENSION: &str = "log";
const MAGIC: &[u8; 8] = b"CAIRNLOG";
const VERSION: u32 = 1;
/// Header length and flags.
const PLAIN: (u32, u32) = (HEADER_BYTES as u32, 0);
const COMPACTED: (u32, u32) = (COMPACTED_HEADER_BYTES as u32, FLAG_COMPACTED);

/// What the header of a `.log` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub id: DatabaseId,
    pub timeline: TimelineId,
    pub base: u64,
    /// Of a compacted segment.
    pub compacted: Option<Compacted>,
}

impl SegmentHeader {
    /// The 64 bytes that every header begins with.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let (length, flags) = if self.compacted.is_some() { COMPACTED } else { PLAIN };
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.id.0);
        bytes[32..48].copy_from_slice(&self.timeline.0);
        bytes[48..56].copy_from_slice(&self.base.to_le_bytes());
        bytes[56..60].copy_from_slice(&flags.to_le_bytes());
        let crc = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads and checks the header of a file.
    pub fn read(file: &dyn File) -> Result<SegmentHeader> {
        let mut bytes = [0; HEADER_BYTES];
        let there = usize::try_from(file.bytes()?).unwrap_or(usize::MAX).min(HEADER_BYTES);
        file.read_exact_at(0, &mut bytes[..there])?;
        let (mut header, flags) = Self::parse(file.path(), &bytes[..there])?;
        if flags & FLAG_COMPACTED != 0 {
            header.compacted = Some(Compacted::read(file, header.base)?);
        }
        Ok(header)
    }

    /// Whether only the version of this file's header is damaged: with the right one its checksum holds.
    pub fn is_flipped_version(file: &dyn File) -> Result<bool> {
        let mut bytes = [0; HEADER_BYTES];
        if file.bytes()? < HEADER_BYTES as u64 {
            return Ok(false);
        }
        file.read_exact_at(0, &mut bytes)?;
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        Ok(crc32c(&bytes[..60]).to_le_bytes() == bytes[60..])
    }

    /// What the first 64 bytes say, and the flags.
    fn parse(path: &Path, bytes: &[u8]) -> Result<(SegmentHeader, u32)> {
        let word =
            |at: usize| bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let magic = bytes.get(..8).unwrap_or(bytes);
        if magic != MAGIC {
            let shown = |b: &[u8]| b.escape_ascii().to_string();
            return Err(corrupt(path, Some(0), "magic", shown(MAGIC), shown(magic)));
        }
        if bytes.len() >= 12 && word(8) != VERSION {
            return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: word(8) });
        }
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(corrupt(
                path,
                None,
                "size mismatch",
                format!("at least {HEADER_BYTES}"),
                bytes.len(),
            ));
        };
        let crc = crc32c(&header[..60]);
        if crc != word(60) {
            let hex = |crc| format!("0x{crc:08x}");
            return Err(corrupt(path, Some(60), "CRC mismatch", hex(word(60)), hex(crc)));
        }
        let (length, flags) = (word(12), word(56));
        if ![PLAIN, COMPACTED].contains(&(length, flags)) {
            let actual = format!("{length} and {flags}");
            return Err(corrupt(path, Some(12), "header length and flags", "64 and 0 or 104 and 1", actual));
        }
        let (mut id, mut timeline) = ([0; 16], [0; 16]);
        id.copy_from_slice(&header[16..32]);
        timeline.copy_from_slice(&header[32..48]);
        let base = u64::from(word(48)) | u64::from(word(52)) << 32;
        let (id, timeline) = (DatabaseId(id), TimelineId(timeline));
        Ok((SegmentHeader { id, timeline, base, compacted: None }, flags))
    }

    /// Refuses the header of another log, or of another segment.
    pub fn belongs(&self, path: &Path, config: &LogConfig, base: u64) -> Result<()> {
        if self.id != config.id {
            return Err(corrupt(path, Some(16), "log id mismatch", config.id, self.id));
        }
        if self.timeline != config.timeline {
            return Err(corrupt(path, Some(32), "timeline mismatch", config.timeline, self.timeline));
        }
        if self.base != base {
            return Err(corrupt(path, Some(48), "base offset mismatch", base, self.base));
        }
        if self.compacted.is_some() && !config.compacted_allowed {
            let expected = "a segment with every record: this log is never compacted";
            return Err(corrupt(path, Some(56), "segment flags", expected, "a compacted one"));
        }
        Ok(())
    }
}

/// How far a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The offset after its last record's.
    pub next_offset: u64,
    /// The bytes of its `.log` that count.
    pub bytes: u64,
    /// The last timestamp up to its end; `i64::MIN` when the log has no record.
    pub last_timestamp_us: i64,
}

/// Where a segment's indexes are.
#[derive(Debug)]
enum Indexes {
    /// Of the newest segment, and of one whose files could not be written.
    Memory(Samples),
    /// Of a sealed one.
    Files,
}

/// One segment: where its files are, and what is known of them.
#[derive(Debug)]
pub(crate) struct LogSegment {
    storage: Arc<dyn Storage>,
    stem: PathBuf,
    /// The offset of its first record.
    pub base: u64,
    /// Set once it is sealed: then it never changes.
    sealed: OnceLock<Extent>,
    /// Set when its header says so.
    compacted: OnceLock<Compacted>,
    indexes: Mutex<Indexes>,
    /// The checksums of its files, as far as they are known: of the `.log` from when it is sealed.
    sums: Mutex<Sums>,
    /// The open `.log` of the newest segment, or of one that is removed while readers may still want it. Others are
    /// opened when read, so that a log of many segments holds few files.
    held: Mutex<Option<Arc<dyn File>>>,
}

impl LogSegment {
    /// A segment whose indexes are known, in memory.
    pub fn new(storage: &Arc<dyn Storage>, dir: &Path, base: u64, samples: Samples) -> Self {
        LogSegment {
            storage: Arc::clone(storage),
            stem: dir.join(format!("{base:020}")),
            base,
            sealed: OnceLock::new(),
            compacted: OnceLock::new(),
            indexes: Mutex::new(Indexes::Memory(samples)),
            sums: Mutex::new(Sums::default()),
            held: Mutex::new(None),
        }
    }

    /// Creates the `.log` of an empty segment and syncs it; the directory is the caller's to sync.
    pub fn create(storage: &Arc<dyn Storage>, config: &LogConfig, base: u64) -> Result<Self> {
        let segment = Self::new(storage, &config.dir, base, Samples::default());
        let file: Arc<dyn File> = storage.create(&segment.log_path())?.into();
        let header = SegmentHeader { id: config.id, timeline: config.timeline, base, compacted: None };
        file.append(&header.to_bytes())?;
        file.sync()?;
        segment.hold(file);
        Ok(segment)
    }

    /// The running checksum of a new segment's `.log`: of its header.
    pub fn first_crc(config: &LogConfig, base: u64) -> Crc32c {
        let header = SegmentHeader { id: config.id, timeline: config.timeline, base, compacted: None };
        let mut crc = Crc32c::new();
        crc.update(&header.to_bytes());
        crc
    }

    /// What is known of its files' checksums.
    pub fn sums(&self) -> Sums {
        *self.sums.lock()
    }

    /// Takes note of its files' checksums.
    pub fn note_sums(&self, note: impl FnOnce(&mut Sums)) {
        note(&mut self.sums.lock());
    }

    /// The path of its `.log`.
    pub fn log_path(&self) -> PathBuf {
        self.stem.with_extension(LOG_EXTENSION)
    }

    /// The path of its index of this kind.
    pub fn index_path<E: IndexEntry>(&self) -> PathBuf {
        self.stem.with_extension(E::EXTENSION)
    }

    /// The place before its first record.
    pub fn first(&self) -> Place {
        let header_bytes = if self.compacted().is_some() { COMPACTED_HEADER_BYTES } else { HEADER_BYTES };
        Place { position: header_bytes as u64, offset: self.base, last_timestamp_us: i64::MIN }
    }

    /// What its header says of its compaction, once that was noted.
    pub fn compacted(&self) -> Option<Compacted> {
        self.compacted.get().copied()
    }

    /// Takes note of what its header says.
    pub fn note_header(&self, header: &SegmentHeader) {
        if let Some(compacted) = header.compacted {
            self.compacted.get_or_init(|| compacted);
        }
    }

    /// How many records it holds up to `next_offset`, its end.
    pub fn records(&self, next_offset: u64) -> u64 {
        self.compacted().map_or(next_offset.saturating_sub(self.base), |c| c.records)
    }

    /// Its extent, once sealed.
    pub fn sealed(&self) -> Option<Extent> {
        self.sealed.get().copied()
    }

    /// Seals it: the extent is final, and its `.log` no longer kept open.
    pub fn seal(&self, extent: Extent) {
        self.sealed.set(extent).expect("a segment is sealed once");
        *self.held.lock() = None;
    }

    /// From now on the index files are used, which hold what is in memory.
    pub fn use_index_files(&self) {
        *self.indexes.lock() = Indexes::Files;
    }

    /// Keeps its `.log` open.
    pub fn hold(&self, file: Arc<dyn File>) {
        *self.held.lock() = Some(file);
    }

    /// Its `.log`, open for reading. Also after [`LogSegment::remove`].
    pub fn open(&self) -> Result<Arc<dyn File>> {
        let held = self.held.lock();
        match &*held {
            Some(file) => Ok(Arc::clone(file)),
            None => Ok(self.storage.open(&self.log_path(), Access::Read)?.into()),
        }
    }

    /// Removes its `.log`. Readers that have the segment go on: it stays open for them.
    pub fn remove(&self) -> Result<()> {
        self.keep_open()?;
        self.storage.remove(&self.log_path())
    }

    /// From now on its `.log` stays open: something else is about to be at its path, and readers want this.
    pub fn keep_open(&self) -> Result<()> {
        let mut held = self.held.lock();
        if held.is_none() {
            *held = Some(self.storage.open(&self.log_path(), Access::Read)?.into());
        }
        Ok(())
    }

    /// Removes its index files, if there.
    pub fn remove_indexes(&self) -> Result<()> {
        self.note_sums(|sums| sums.indexes = None);
        index::remove_if_there(&*self.storage, &self.index_path::<OffsetEntry>())?;
        index::remove_if_there(&*self.storage, &self.index_path::<TimeEntry>())
    }

    /// Removes every file of a segment that never came to be, as far as there are any.
    pub fn discard(storage: &Arc<dyn Storage>, dir: &Path, base: u64) -> Result<()> {
        let segment = Self::new(storage, dir, base, Samples::default());
        index::remove_if_there(&**storage, &segment.log_path())?;
        segment.remove_indexes()
    }

    /// Adds index entries of records that follow the known ones.
    pub fn add_samples(&self, more: &mut Samples) {
        if let Indexes::Memory(samples) = &mut *self.indexes.lock() {
            samples.extend(more);
        }
    }

    /// How many index entries are in memory.
    pub fn sample_counts(&self) -> [usize; 2] {
        match &*self.indexes.lock() {
            Indexes::Memory(samples) => samples.counts(),
            Indexes::Files => [0, 0],
        }
    }

    /// Goes back to earlier counts of index entries.
    pub fn cut_samples(&self, counts: [usize; 2]) {
        if let Indexes::Memory(samples) = &mut *self.indexes.lock() {
            samples.cut(counts);
        }
    }

    /// Writes the index files from what is in memory, and syncs them.
    pub fn write_indexes(&self) -> Result<()> {
        if let Indexes::Memory(samples) = &*self.indexes.lock() {
            let (offsets, times) = (self.index_path::<OffsetEntry>(), self.index_path::<TimeEntry>());
            let log_crc32c = self.sums().log;
            let index = index::write(&*self.storage, &offsets, self.base, log_crc32c, &samples.offsets)?;
            let timeindex = index::write(&*self.storage, &times, self.base, None, &samples.times)?;
            self.note_sums(|sums| sums.indexes = Some([index, timeindex]));
        }
        Ok(())
    }

    /// A place before the record with this offset, near it when the index knows one, else the first. Not yet borne out
    /// by the log: the first step from there does that.
    pub fn place_before(&self, offset: u64) -> Result<Place> {
        let relative = offset.saturating_sub(self.base);
        let holds = |e: &OffsetEntry| u64::from(e.relative) < relative;
        let found = match &*self.indexes.lock() {
            Indexes::Memory(samples) => last(&samples.offsets, holds),
            Indexes::Files => index::search(&*self.storage, &self.index_path::<OffsetEntry>(), holds)?,
        };
        Ok(found.map_or(self.first(), |e| Place {
            position: e.position,
            offset: self.base.saturating_add(e.relative.into()),
            last_timestamp_us: i64::MIN,
        }))
    }

    /// An offset whose record is before `timestamp_us`, near its end when the index knows one. Not yet borne out.
    pub fn offset_before(&self, timestamp_us: i64) -> Result<u64> {
        let holds = |e: &TimeEntry| e.timestamp_us < timestamp_us;
        let found = match &*self.indexes.lock() {
            Indexes::Memory(samples) => last(&samples.times, holds),
            Indexes::Files => index::search(&*self.storage, &self.index_path::<TimeEntry>(), holds)?,
        };
        Ok(found.map_or(self.base, |e| self.base.saturating_add(e.relative.into())))
    }
}

fn last<E: Copy>(entries: &[E], holds: impl Fn(&E) -> bool) -> Option<E> {
    let n = entries.partition_point(holds);
    n.checked_sub(1).and_then(|i| entries.get(i)).copied()
}
