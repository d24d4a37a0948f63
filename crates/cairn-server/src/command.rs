//! The command: what a request line asks for.

use cairn_engine::{Near, Similar, Write};

/// A request, typed.
#[derive(Debug, Clone)]
pub enum Command {
    /// EVENT, VECSET, METASET.
    Write(Write),
    /// Anything else.
    Ask(Ask),
}

/// A request that is not a write. It sees every write before it on its connection.
#[derive(Debug, Clone)]
pub enum Ask {
    /// SIM.
    Similar(Similar),
    /// SIMV.
    Near(Near),
    /// INFO.
    Info,
    /// CHECK.
    Check,
    /// DUMP ….
    Dump(Dump),
    /// SNAPSHOT ….
    Snapshot(Snapshot),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// Take one.
    Create(Create),
    /// All there are.
    List,
    /// One of them.
    Info(String),
    /// Check every byte of one.
    Verify(String),
    /// Replace the state by one's.
    Restore(String),
    /// Remove one.
    Delete(String),
    /// How the current or last CREATE or RESTORE goes.
    Status,
}

/// The options of SNAPSHOT CREATE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Create {
    /// An alias.
    pub name: Option<String>,
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
