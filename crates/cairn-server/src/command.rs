//! The command: what a request line asks for.

use crate::auth::Password;
use crate::collection_change::SpecChange;
use crate::wal_change::WalChange;
use cairn_engine::topics::{TopicChange, TopicConfig};
use cairn_engine::{Advise, Near, ParsedTime, Similar, Target, TimelineId, Write};
use cairn_snapshot::{Base, Depth, RetentionPolicy};
use std::sync::Arc;

/// A request, typed.
#[derive(Debug, Clone)]
pub enum Command {
    /// EVENT, VECSET, METASET, VECDEL.
    Write(Write),
    /// Anything else that the data is asked.
    Ask(Ask),
    /// What is about the connection alone.
    Session(Session),
}

/// A request about its own connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// AUTH.
    Auth(Password),
    /// DEBUG ON, DEBUG OFF.
    Debug(bool),
}

/// A request that is not a write. It sees every write before it on its connection.
#[derive(Debug, Clone)]
pub enum Ask {
    /// SIM.
    Similar {
        /// The collection that the connection uses; `None`: `default`.
        collection: Option<Arc<str>>,
        /// What is asked.
        query: Similar,
    },
    /// SIMV.
    Near {
        /// The collection that the connection uses; `None`: `default`.
        collection: Option<Arc<str>>,
        /// What is asked.
        query: Near,
    },
    /// USE: the collection that later requests of the connection mean.
    Use(String),
    /// COLLECTION ….
    Collection(Collections),
    /// STORAGE ….
    Storage(StorageAsk),
    /// CACHE ….
    Cache(Cache),
    /// INFO.
    Info,
    /// CHECK.
    Check,
    /// DUMP ….
    Dump(Dump),
    /// SNAPSHOT ….
    Snapshot(Snapshot),
    /// WAL ….
    Wal(Wal),
    /// TIMELINE ….
    Timeline(Timelines),
    /// TOPIC ….
    Topic(Topics),
    /// SET, GET and SHOW VARIABLES.
    Variables(Variables),
    /// CONFIG ….
    Config(Configs),
}

/// What of the configuration is to be told or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variables {
    /// SET.
    Set {
        /// A key of the configuration.
        name: String,
        /// Its new value, as a file would say it.
        value: String,
    },
    /// GET.
    Get(String),
    /// SHOW VARIABLES, with its pattern.
    Show(Option<String>),
}

/// What CONFIG is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configs {
    /// What a key or the keys of a section mean; `None`: which sections there are.
    Help(Option<String>),
    /// What they are; `None`: all.
    Show(Option<String>),
    /// Whether a file can be used; `None`: the one the server was started with.
    Verify(Option<String>),
}

/// What CACHE is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// How well it goes.
    Stats,
    /// Forget every answer.
    Clear,
    /// Give and keep answers.
    Enable,
    /// Neither give nor keep any; those that are kept stay.
    Disable,
}

/// What COLLECTION is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Collections {
    /// Make one.
    Create {
        /// Its name.
        name: String,
        /// What it is to be.
        change: Box<SpecChange>,
    },
    /// All there are.
    List,
    /// How much is in one, and where.
    Stats(String),
    /// Take one away.
    Drop {
        /// Its name.
        name: String,
        /// Only say what would go.
        dry_run: bool,
    },
    /// Give one another name.
    Rename {
        /// Its name.
        from: String,
        /// The new one.
        to: String,
    },
    /// Make an alias mean one.
    Alias {
        /// The alias.
        alias: String,
        /// The collection.
        name: String,
    },
    /// Take an alias away.
    Unalias(String),
    /// Change how one is stored, indexed and bounded.
    Configure {
        /// Its name.
        name: String,
        /// What is to be different.
        change: Box<SpecChange>,
    },
}

/// What STORAGE is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum StorageAsk {
    /// Where the vectors of a collection, or of all, are.
    Stats(Option<String>),
    /// Change how they are mapped, or say how they are.
    Mmap(Mmap),
    /// Take back the space of what was replaced and deleted.
    Compact(Compact),
}

/// The options of STORAGE MMAP; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mmap {
    /// Of which collection; `None`: of all.
    pub collection: Option<String>,
    /// Whether vectors are mapped, and not in memory.
    pub enable: Option<bool>,
    /// How they will be read.
    pub advise: Option<Advise>,
    /// Whether they are read into memory at once.
    pub populate: Option<bool>,
}

/// The options of STORAGE COMPACT.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compact {
    /// Which collection; `None`: all.
    pub collection: Option<String>,
    /// Everything is rewritten.
    pub aggressive: bool,
    /// From which share of dead rows on a segment is rewritten, 0 to 1.
    pub threshold: Option<f64>,
}

/// What WAL is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wal {
    /// How the log is kept and how much of it there is.
    Status,
    /// Switch it on, or change how it is kept.
    Enable(Box<WalChange>),
    /// Switch it off.
    Disable,
    /// Read every record of it.
    Verify,
    /// Make everything acknowledged durable.
    Sync,
    /// Apply the records of a directory of segments.
    Replay(ReplayWal),
}

/// The options of WAL REPLAY.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplayWal {
    /// The directory; `None`: the database's own, in which there is nothing that is not applied.
    pub path: Option<String>,
    /// No record before this is applied.
    pub from: Option<ParsedTime>,
    /// No record after this is.
    pub to: Option<ParsedTime>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Read all of it before anything is applied.
    pub verify: bool,
}

/// What TIMELINE is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timelines {
    /// All there are, and what each can bring back.
    List,
    /// Make a branch at a point of the past.
    Recover(Recover),
    /// How one differs from the live one.
    Compare(TimelineId),
    /// Make one the live one.
    Promote(TimelineId),
    /// Remove one.
    Drop {
        /// Which.
        timeline: TimelineId,
        /// Only say what would go.
        dry_run: bool,
    },
}

/// The options of TIMELINE RECOVER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recover {
    /// Which point.
    pub target: Target,
    /// It is a time that named no zone.
    pub zone_assumed: bool,
    /// On which timeline's line; `None`: the live one's.
    pub timeline: Option<TimelineId>,
    /// Only say where it would stand.
    pub dry_run: bool,
}

/// What DUMP is to do, the paths as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dump {
    /// Write the state to a file; without a path, to one named by the configuration or the time.
    Save(Option<String>),
    /// Replace the state by a file's.
    Load(String),
    /// Check every byte of a file.
    Verify(String),
    /// What a file says about itself.
    Info(String),
    /// How the current or last SAVE or LOAD goes.
    Status,
}

/// What SNAPSHOT is to do; snapshots are named by id or alias.
#[derive(Debug, Clone, PartialEq)]
pub enum Snapshot {
    /// Take one.
    Create(Create),
    /// All there are.
    List {
        /// Only those that cover this collection.
        collection: Option<String>,
        /// Of which repository.
        path: Option<String>,
    },
    /// One of them.
    Info(One),
    /// Check one, or all.
    Verify(Verify),
    /// Replace the state by one's, or bring a collection of it back, or make a branch of it.
    Restore(Restore),
    /// How what two hold differs, by number.
    Diff {
        /// The one.
        from: String,
        /// The other.
        to: String,
        /// Of which repository.
        path: Option<String>,
    },
    /// Remove one; not when it is pinned.
    Delete(String),
    /// Remove one, also when it is pinned.
    DeletePinned(String),
    /// Keep one from being pruned and deleted, with words for people.
    Pin(String, String),
    /// Let it go again.
    Unpin(String),
    /// Remove those that a policy does not keep.
    Prune(Box<Prune>),
    /// The schedules, their next runs and last results.
    Schedule,
    /// How the current or last CREATE or RESTORE goes.
    Status,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct One {
    /// Its id or name.
    pub snapshot: String,
    /// Of which repository; `None`: the server's own.
    pub path: Option<String>,
}

/// Of SNAPSHOT VERIFY.
#[derive(Debug, Clone, PartialEq)]
pub struct Verify {
    /// Its id or name; `None`: all, and the log archive.
    pub snapshot: Option<String>,
    /// How much is read.
    pub read: Depth,
    /// Of which repository.
    pub path: Option<String>,
}

/// Of SNAPSHOT RESTORE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restore {
    /// Its id or name.
    pub snapshot: String,
    /// A collection's name here; with it only that comes back.
    pub collection: Option<String>,
    /// Its name in the snapshot; `None`: the one it has, or of the same name.
    pub from: Option<String>,
    /// A collection of that name is replaced.
    pub overwrite: bool,
    /// Every byte of the snapshot is read before anything is done.
    pub verify: bool,
    /// A branch is made; the live state stays.
    pub branch: bool,
    /// Only says what it would take.
    pub dry_run: bool,
    /// Of which repository.
    pub path: Option<String>,
}

/// The options of SNAPSHOT PRUNE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prune {
    /// Which stay.
    pub policy: RetentionPolicy,
    /// Only those with this tag are looked at.
    pub tag: Option<String>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// The options of SNAPSHOT CREATE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Create {
    /// An alias.
    pub name: Option<String>,
    /// Free words.
    pub tags: Vec<String>,
    /// The collections it covers; `None`: all.
    pub collections: Option<Vec<String>>,
    /// What it goes on from.
    pub base: Base,
    /// Into which repository; `None`: the server's own.
    pub path: Option<String>,
    /// How parts are compressed; `None`: the repository's default.
    pub compression: Option<Compression>,
    /// Words for people.
    pub description: Option<String>,
}

/// How parts of a snapshot are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `compression=zstd`.
    Zstd,
    /// `compression=gzip`.
    Gzip,
    /// `compression=none`.
    None,
}

/// What TOPIC is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    /// Make one.
    Create {
        /// Its name.
        name: String,
        /// How it is kept.
        config: Box<TopicConfig>,
    },
    /// Change how one is kept.
    Alter {
        /// Its name.
        name: String,
        /// What is to be different.
        change: Box<TopicOptions>,
    },
    /// Its snapshots.
    Snapshot(TopicSnapshots),
    /// All there are.
    List,
    /// One of them, and its partitions.
    Info(String),
    /// Append a record.
    Append(AppendTopic),
    /// Read records.
    Read(ReadTopic),
    /// Find the first record that is not earlier than a time.
    Offset {
        /// The topic.
        name: String,
        /// The partition.
        partition: u32,
        /// The time.
        time: ParsedTime,
    },
    /// Remove one, for good.
    Delete(String),
    /// Take superseded records out of one.
    Compact(String),
}

/// The options of TOPIC CREATE and TOPIC ALTER that can be changed; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicOptions {
    /// All but what follows; of `sync` the mode, with the default interval.
    pub change: TopicChange,
    /// Microseconds between two syncs, of the mode periodic.
    pub flush_us: Option<u64>,
}

/// What TOPIC SNAPSHOT is to do, with which topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSnapshots {
    /// Take one of all partitions.
    Create {
        /// The topic.
        topic: String,
        /// How its files are stored.
        compression: TopicCompression,
        /// How many files are worked on at a time.
        parallel: usize,
    },
    /// All there are.
    List(String),
    /// Check every byte of one.
    Verify {
        /// The topic.
        topic: String,
        /// The snapshot.
        id: String,
    },
    /// Make a new topic of one.
    Restore {
        /// The topic it is of.
        topic: String,
        /// The snapshot.
        id: String,
        /// The new topic's name.
        new: String,
    },
    /// Remove one.
    Delete {
        /// The topic.
        topic: String,
        /// The snapshot.
        id: String,
    },
    /// Remove those that a policy does not keep.
    Cleanup {
        /// The topic.
        topic: String,
        /// How many are kept at most.
        max_snapshots: usize,
        /// Older ones go: microseconds.
        retention_us: u64,
    },
}

/// How the files of a topic's snapshot are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopicCompression {
    /// As they are: sealed segments are hard links.
    #[default]
    None,
    /// `compression=zstd`.
    Zstd,
    /// `compression=gzip`.
    Gzip,
}

/// The options of TOPIC APPEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendTopic {
    /// The topic.
    pub name: String,
    /// The partition; `None`: where the key belongs, or the next in turn.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<String>,
    /// The value; `None`: a tombstone of the key.
    pub value: Option<String>,
}

/// The options of TOPIC READ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTopic {
    /// The topic.
    pub name: String,
    /// The partition.
    pub partition: u32,
    /// The first offset read.
    pub from_offset: u64,
    /// How many records at most.
    pub count: usize,
}
