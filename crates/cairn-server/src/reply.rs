//! The reply: what a request's answer says, before it is bytes.

use crate::failure::Failure;
use cairn_engine::Hit;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A write that is durable.
    Done(Done),
    /// The connection's requests are about this collection from now on.
    Using(String),
    /// `OK` and a word: a request that was done and has nothing to tell.
    Word(&'static str),
    /// Search results, best first.
    Results(Vec<Hit>),
    /// INFO.
    Info(Vec<Section>),
    /// A first line and lines `key: value`: CHECK, COLLECTION, SNAPSHOT and the like.
    Block(Block),
    /// DUMP, where the dialects differ.
    Dump(Dumped),
    /// `+OK`, and a word about it when there is one: AUTH, SET.
    Plus(&'static str),
    /// DEBUG is on or off.
    Debug(bool),
    /// `+OK`, lines, `END`: CONFIG.
    Lines(Vec<String>),
    /// A value, by its length: GET.
    Bulk(String),
    /// Values: SHOW VARIABLES.
    Array(Vec<String>),
    /// The request was refused.
    Failed(Failure),
}

/// How a search went, for DEBUG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// What it used: `events`, `vectors`, `fusion`.
    pub mode: &'static str,
    /// Microseconds it took.
    pub query_us: u128,
    /// Items that were scored.
    pub candidates: usize,
    /// Results.
    pub results: usize,
}

/// Which write was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// EVENT.
    Event,
    /// VECSET.
    VecSet,
    /// METASET.
    MetaSet,
    /// VECDEL.
    VecDel,
}

/// A section of INFO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading, without the `#`.
    pub name: &'static str,
    /// Its lines.
    pub lines: Vec<(&'static str, String)>,
}

/// A reply of several lines that is the same in both dialects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The first line, after `OK `.
    pub head: String,
    /// The lines up to `END`.
    pub lines: Vec<BlockLine>,
}

/// A line of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockLine {
    /// `key: value`.
    Pair(&'static str, String),
    /// A line of its own form.
    Text(String),
}

impl Block {
    /// A block without lines.
    pub fn new(head: impl Into<String>) -> Self {
        Block { head: head.into(), lines: Vec::new() }
    }

    /// Adds a line `key: value`.
    pub fn pair(mut self, key: &'static str, value: impl ToString) -> Self {
        self.lines.push(BlockLine::Pair(key, value.to_string()));
        self
    }

    /// Adds a line.
    pub fn text(mut self, line: impl Into<String>) -> Self {
        self.lines.push(BlockLine::Text(line.into()));
        self
    }
}

/// An answer of DUMP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dumped {
    /// SAVE: the file is there, whole and durable.
    Saved {
        /// Where.
        path: String,
        /// What is in it.
        stores: Stores,
        /// Its size.
        bytes: u64,
        /// Collections in it, `default` included.
        collections: u64,
    },
    /// LOAD: the state is the file's.
    Loaded {
        /// From where.
        path: String,
        /// What was in it.
        stores: Stores,
        /// What of `default` it replaced.
        replaced: Stores,
        /// Collections in it, `default` included.
        collections: u64,
        /// The collections beside `default` that it replaced.
        replaced_collections: Vec<String>,
    },
    /// VERIFY: every byte is as it was written.
    Verified {
        /// Which file.
        path: String,
        /// The file's CRC-32.
        crc32: u32,
    },
    /// INFO.
    Info {
        /// Which file.
        path: String,
        /// What it says.
        header: Header,
    },
    /// STATUS.
    Status(JobStatus),
}

/// How much of `default` a `.nvec` file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stores {
    /// Contexts with events.
    pub contexts: u64,
    /// Events in them.
    pub events: u64,
    /// Vectors.
    pub vectors: u64,
    /// Co-occurrence pairs.
    pub pairs: u64,
}

/// What a `.nvec` file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Format version.
    pub version: u32,
    /// Flag bits.
    pub flags: u32,
    /// Events.
    pub events: u64,
    /// Co-occurrence pairs.
    pub pairs: u64,
    /// Vectors.
    pub vectors: u64,
    /// The file's size in bytes.
    pub file_bytes: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Collections in it, `default` included.
    pub collections: u64,
}

/// How a long operation goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// Its state.
    pub state: JobState,
    /// What it is: `DUMP SAVE`; empty when nothing ran yet.
    pub operation: &'static str,
    /// The file or snapshot it is about.
    pub target: String,
    /// When it began, seconds since the Unix epoch; 0: never.
    pub start_s: i64,
    /// When it ended, seconds since the Unix epoch; 0: not yet.
    pub end_s: i64,
    /// How much is done, 0 to 100.
    pub percent: u8,
    /// Bytes written so far.
    pub bytes_written: u64,
    /// Why it failed; empty otherwise.
    pub error: String,
    /// Bytes done so far, written or not; of WAL and TIMELINE, records replayed.
    pub bytes_done: u64,
    /// Bytes, or records, there are, about.
    pub bytes_total: u64,
    /// How many were done in a second, on the whole.
    pub bytes_per_second: u64,
    /// About how many seconds are left, at that rate; 0 when it is not running.
    pub eta_s: u64,
}

/// How the current or last long operation of each family goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatuses {
    /// DUMP.
    pub dump: JobStatus,
    /// SNAPSHOT.
    pub snapshot: JobStatus,
    /// WAL and TIMELINE.
    pub history: JobStatus,
}

/// The state of a long operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Nothing ran yet.
    Idle,
    /// It runs.
    InProgress,
    /// It succeeded.
    Completed,
    /// It failed.
    Failed,
}

impl JobState {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Idle => "idle",
            JobState::InProgress => "in_progress",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
        }
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        Reply::Failed(failure)
    }
}
