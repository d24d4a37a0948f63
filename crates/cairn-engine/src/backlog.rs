//! `Backlog`: how much log waits for the archive, and what happens when it is too much.

use crate::error::{Error, Result};
use crate::settings::{ArchivePolicy, WhenFull};
use cairn_log::Log;

/// How many appended bytes pass between two looks at the log's segments.
const LOOK_EVERY_BYTES: u64 = 1 << 20;

/// Watches the part of the log that is not archived.
#[derive(Debug)]
pub(crate) struct Backlog {
    policy: Option<ArchivePolicy>,
    since_look: u64,
    full: bool,
}

impl Backlog {
    pub fn new(policy: Option<ArchivePolicy>) -> Backlog {
        // The first write looks.
        Backlog { policy, since_look: LOOK_EVERY_BYTES, full: false }
    }

    /// Whether anything waits for an archive.
    pub fn is_on(&self) -> bool {
        self.policy.is_some()
    }

    /// Notes what was appended.
    pub fn appended(&mut self, bytes: u64) {
        self.since_look = self.since_look.saturating_add(bytes);
    }

    /// Refuses a write while too much waits, when that is the policy.
    pub fn admit(&mut self, log: &Log, archived: u64) -> Result<()> {
        let Some(policy) = self.policy else { return Ok(()) };
        let every = LOOK_EVERY_BYTES.min(policy.backlog_bytes_max / 4 + 1);
        if self.full || self.since_look >= every {
            self.since_look = 0;
            self.full = waiting_bytes(log, archived) > policy.backlog_bytes_max;
        }
        if !self.full || policy.when_full == WhenFull::Gap {
            return Ok(());
        }
        let (waits, max) = (waiting_bytes(log, archived), policy.backlog_bytes_max);
        Err(Error::ArchiveBehind(format!(
            "{waits} bytes of log wait for the archive, at most {max} may: its repository must be reachable again first"
        )))
    }

    /// Whether log is to be dropped though it is not archived.
    pub fn gives_way(&self, log: Option<&Log>, archived: u64) -> bool {
        let (Some(policy), Some(log)) = (self.policy, log) else { return false };
        policy.when_full == WhenFull::Gap && waiting_bytes(log, archived) > policy.backlog_bytes_max
    }

    /// Whether a checkpoint would let log be dropped that gives way.
    pub fn wants_checkpoint(&self) -> bool {
        self.full && self.policy.is_some_and(|policy| policy.when_full == WhenFull::Gap)
    }
}

/// Bytes of the segments with records after `archived`.
pub(crate) fn waiting_bytes(log: &Log, archived: u64) -> u64 {
    log.segments().iter().filter(|s| s.next_offset > archived + 1).map(|segment| segment.bytes).sum()
}
