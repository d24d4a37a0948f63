//! `Snapshot`: what a log was at a moment, and the files that hold it.

use super::SnapshotCodec;
use crate::sums::FileSum;
use crate::{DatabaseId, LogConfig, TimelineId};
use std::path::{Path, PathBuf};

/// One snapshot of a log, as its metadata says.
///
/// One that is `linked` shares the bytes of sealed segments with the live log: it protects from deletion and from what
/// is done to the log, not from a bad disk, until it is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `snapshot-` and nanoseconds since the Unix epoch; of two in the same nanosecond, one has the next free number.
    pub id: String,
    /// When it was taken, microseconds since the Unix epoch, UTC.
    pub timestamp_us: i64,
    /// The first offset in it ([`Snapshot::high_water_mark`] when the log was empty).
    pub base_offset: u64,
    /// The last offset in it + 1.
    pub high_water_mark: u64,
    /// How many segments.
    pub num_segments: usize,
    /// The bytes of all its files once restored.
    pub total_size: u64,
    /// The base offset of each segment, ascending.
    pub segment_offsets: Vec<u64>,
    /// The bytes of all its files as they are stored, linked ones included.
    pub stored_size: u64,
    /// Whether files in it are hard links to files of the log: until it is exported, a bad disk takes both.
    pub linked: bool,
    /// The snapshot that it was made upon, when it is incremental. It may be deleted: this one does not need it.
    pub base_id: Option<String>,
    /// The base offsets of the segments that are not as in the snapshot `base_id`; all, when it is not incremental.
    pub changed_segments: Vec<u64>,
    /// The logs whose snapshots were taken at the same moment, when there were several.
    pub group: Option<SnapshotGroup>,
    /// The log's id.
    pub log_id: DatabaseId,
    /// The log's timeline.
    pub timeline: TimelineId,
    /// Its segments, oldest first.
    pub segments: Vec<SnapshotSegment>,
}

/// Which snapshots of several logs belong together: those of one cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotGroup {
    /// The same in all of them.
    pub id: String,
    /// How many they are. Fewer: the others were deleted, or a crash came between.
    pub logs: u64,
}

/// One segment of the log, in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSegment {
    /// The offset of its first record.
    pub base_offset: u64,
    /// The offset after its last record's, up to which the snapshot has it.
    pub next_offset: u64,
    /// Whether the log had sealed it.
    pub sealed: bool,
    /// Whether superseded records were taken out of it.
    pub compacted: bool,
    /// Its `.log`, then its `.index` and `.timeindex` when it has them.
    pub files: Vec<SnapshotFile>,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Which of the segment's.
    pub kind: SnapshotFileKind,
    /// Its length once restored.
    pub bytes: u64,
    /// The CRC-32C of its bytes once restored.
    pub crc32c: u32,
    /// How it is stored.
    pub codec: SnapshotCodec,
    /// Its length as stored.
    pub stored_bytes: u64,
    /// The CRC-32C of its bytes as stored.
    pub stored_crc32c: u32,
}

/// The files of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapshotFileKind {
    /// The records.
    Log,
    /// From offset to place.
    Index,
    /// From time to offset.
    TimeIndex,
}

impl SnapshotFileKind {
    /// All of them, in the order they stand.
    pub const ALL: [SnapshotFileKind; 3] =
        [SnapshotFileKind::Log, SnapshotFileKind::Index, SnapshotFileKind::TimeIndex];

    /// The file's extension in the log.
    pub fn extension(self) -> &'static str {
        match self {
            SnapshotFileKind::Log => "log",
            SnapshotFileKind::Index => "index",
            SnapshotFileKind::TimeIndex => "timeindex",
        }
    }
}

impl SnapshotFile {
    /// Its name in the log's directory, being of the segment with this base offset.
    pub fn name(&self, base_offset: u64) -> String {
        format!("{base_offset:020}.{}", self.kind.extension())
    }

    /// Its name in the snapshot's directory.
    pub fn stored_name(&self, base_offset: u64) -> String {
        format!("{base_offset:020}.{}{}", self.kind.extension(), self.codec.suffix())
    }

    pub(crate) fn sum(&self) -> FileSum {
        FileSum { bytes: self.bytes, crc32c: self.crc32c }
    }

    pub(crate) fn stored_sum(&self) -> FileSum {
        FileSum { bytes: self.stored_bytes, crc32c: self.stored_crc32c }
    }
}

impl SnapshotSegment {
    /// Its file of a kind, if it has one.
    pub fn file(&self, kind: SnapshotFileKind) -> Option<&SnapshotFile> {
        self.files.iter().find(|file| file.kind == kind)
    }
}

impl Snapshot {
    /// What opens it once it is restored into `dir`: the log's id and timeline, and where it begins; the rest as by
    /// default.
    pub fn log_config(&self, dir: impl Into<PathBuf>) -> LogConfig {
        LogConfig {
            start: self.base_offset,
            compacted_allowed: self.segments.iter().any(|s| s.compacted),
            ..LogConfig::new(dir, self.log_id, self.timeline)
        }
    }

    /// Its files, each with the base offset of its segment.
    pub fn files(&self) -> impl Iterator<Item = (u64, &SnapshotFile)> {
        self.segments.iter().flat_map(|s| s.files.iter().map(|file| (s.base_offset, file)))
    }

    /// Works out what follows from the segments.
    pub(crate) fn sum_up(mut self) -> Snapshot {
        self.segment_offsets = self.segments.iter().map(|s| s.base_offset).collect();
        self.num_segments = self.segments.len();
        self.total_size = self.files().map(|(_, file)| file.bytes).fold(0, u64::saturating_add);
        self.stored_size = self.files().map(|(_, file)| file.stored_bytes).fold(0, u64::saturating_add);
        self
    }

    /// Newest first: by time, then by the number in the id.
    pub(crate) fn order(&self) -> (std::cmp::Reverse<i64>, std::cmp::Reverse<Option<u64>>) {
        (std::cmp::Reverse(self.timestamp_us), std::cmp::Reverse(id_number(&self.id)))
    }

    /// Where one of its files is, `dir` being its directory.
    pub(crate) fn path(dir: &Path, base_offset: u64, file: &SnapshotFile) -> PathBuf {
        dir.join(file.stored_name(base_offset))
    }
}

/// What stands before the number in an id.
pub(crate) const ID_PREFIX: &str = "snapshot-";

/// The number in a snapshot's id; `None` when it is no id.
pub(crate) fn id_number(id: &str) -> Option<u64> {
    let digits = id.strip_prefix(ID_PREFIX)?;
    let number: u64 = digits.parse().ok()?;
    // One way to write each: no sign, no zeros in front.
    (number.to_string() == digits).then_some(number)
}
