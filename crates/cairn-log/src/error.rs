//! What can go wrong with a log.

pub use cairn_disk::ErrorKind;
use std::path::{Path, PathBuf};

/// A result of a log operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed log operation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk failed, or a file is damaged or does not belong to this log.
    #[error(transparent)]
    Disk(#[from] cairn_disk::Error),
    /// An earlier write's fate is unknown: reads go on, writes are refused until the log is opened again.
    #[error("the log takes no writes since an earlier failure: {cause}")]
    Poisoned {
        /// The first failure.
        cause: cairn_disk::Error,
    },
    /// A record or key is longer than allowed.
    #[error("{what} of {bytes} bytes exceeds maximum allowed: {max}")]
    TooLong {
        /// `record` or `key`.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The longest allowed.
        max: u64,
    },
    /// The log does not hold this offset.
    #[error("offset {offset} is not in the log: it holds {first} up to {next} (exclusive)")]
    OutOfRange {
        /// The offset asked for.
        offset: u64,
        /// The first offset held.
        first: u64,
        /// The offset that the next record gets.
        next: u64,
    },
    /// A setting of [`crate::LogConfig`] is out of range.
    #[error("{name} must be in range [{min}, {max}], got {value}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
    },
    /// A user asked for segments that are too small.
    #[error("segment size must be at least {}MB ({min} bytes), got {bytes}", min >> 20)]
    SegmentBytes {
        /// The size asked for, bytes.
        bytes: u64,
        /// The least allowed, whole MiB in bytes.
        min: u64,
    },
    /// Text that is no id.
    #[error("an id is 32 hex digits, got `{text}`")]
    Id {
        /// The text, its beginning.
        text: String,
    },
    /// A name that is no sync mode.
    #[error("unknown sync mode: expected fsync, periodic or async, got {text:?}")]
    SyncMode {
        /// The text, its beginning.
        text: String,
    },
    /// The system starts no thread.
    #[error("cannot start a thread to read a log: {reason}")]
    Thread {
        /// Its reason.
        reason: String,
    },
    /// No snapshot of the log has this id.
    #[error("snapshot `{id}` does not exist in {}: {known}", dir.display())]
    NoSnapshot {
        /// The directory of the log's snapshots.
        dir: PathBuf,
        /// The id asked for, its beginning.
        id: String,
        /// Which snapshots there are, for people.
        known: String,
    },
    /// A snapshot of this id exists already.
    #[error("snapshot `{id}` exists already in {}", dir.display())]
    SnapshotExists {
        /// The directory of the log's snapshots.
        dir: PathBuf,
        /// The id.
        id: String,
    },
    /// A log snapshot cannot be made or restored as asked.
    #[error("{what}: expected {expected}, got {actual}")]
    SnapshotRequest {
        /// Which part of the request.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The directory to restore a log into holds something.
    #[error("{} is not empty: choose another target, or move it away first", dir.display())]
    TargetNotEmpty {
        /// The directory.
        dir: PathBuf,
    },
    /// All 2^64 offsets are used up.
    #[error("the log has no offsets left")]
    OffsetsUsedUp,
    /// The log's configuration does not allow that records are taken out of it.
    #[error("the log in {} is not compacted by key: its configuration does not allow it", dir.display())]
    NotCompactable {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A name that no topic can have.
    #[error("a topic's name is {expected}, got `{name}`")]
    TopicName {
        /// The name, its beginning.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
    /// No topic has this name.
    #[error("topic `{name}` does not exist: {known}")]
    NoTopic {
        /// The name.
        name: String,
        /// Which topics there are, for people.
        known: String,
    },
    /// A topic of this name exists already.
    #[error("topic `{name}` exists already")]
    TopicExists {
        /// The name.
        name: String,
    },
    /// The topic has no partition of this number.
    #[error("topic `{topic}` has no partition {partition}: its partitions are 0 to {}", partitions - 1)]
    NoPartition {
        /// The topic.
        topic: String,
        /// The number asked for.
        partition: u32,
        /// How many it has, at least 1.
        partitions: u32,
    },
    /// A partition of a topic failed.
    #[error("topic `{topic}`, partition {partition}: {source}{}", appended_elsewhere(*.appended))]
    Partition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// How many entries of the same call were appended to other partitions, and stay there.
        appended: u64,
        /// What failed.
        source: Box<Error>,
    },
    /// The log is not what it was when the repair was planned.
    #[error("the log in {} changed since the repair was planned: plan again", dir.display())]
    PlanOutdated {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The directory holds no log.
    #[error("{} does not exist", dir.display())]
    NoLog {
        /// The directory.
        dir: PathBuf,
    },
}

impl Error {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Disk(e) => e.kind(),
            Error::Poisoned { .. } => ErrorKind::Poisoned,
            Error::SyncMode { .. } => ErrorKind::Input,
            Error::Thread { .. } | Error::PlanOutdated { .. } => ErrorKind::Busy,
            Error::NoLog { .. }
            | Error::OutOfRange { .. }
            | Error::NoTopic { .. }
            | Error::NoSnapshot { .. }
            | Error::NoPartition { .. } => ErrorKind::NotFound,
            Error::TopicExists { .. } | Error::SnapshotExists { .. } | Error::TargetNotEmpty { .. } => {
                ErrorKind::Exists
            }
            Error::Partition { source, .. } => source.kind(),
            Error::TooLong { .. }
            | Error::Setting { .. }
            | Error::SegmentBytes { .. }
            | Error::Id { .. }
            | Error::OffsetsUsedUp
            | Error::NotCompactable { .. }
            | Error::SnapshotRequest { .. }
            | Error::TopicName { .. } => ErrorKind::Input,
        }
    }
}

fn appended_elsewhere(entries: u64) -> String {
    match entries {
        0 => String::new(),
        n => format!(" ({n} entries of the same call are appended to other partitions)"),
    }
}

/// A damaged file, as the disk crate names damage.
pub(crate) fn corrupt(
    path: &Path,
    offset: Option<u64>,
    what: &'static str,
    expected: impl ToString,
    actual: impl ToString,
) -> cairn_disk::Error {
    cairn_disk::Error::Corrupt {
        path: path.to_owned(),
        offset,
        what,
        expected: expected.to_string(),
        actual: actual.to_string(),
    }
}
