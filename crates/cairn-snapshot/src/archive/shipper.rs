//! `Shipper`: keeps a timeline's archive up with its log.

use super::gap::Gap;
use super::lag::Lag;
use super::listing::Listing;
use super::segment_name::{LOCK, TIMELINE_FILE, WAL, timeline_dir};
use super::shipment::{Cursor, Shipment, check_log};
use super::timeline_info::TimelineInfo;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::job::Job;
use crate::repository::{Repository, make_dir};
use cairn_disk::{ErrorKind, LockGuard, Storage};
use cairn_engine::{Clock, Lsn, Timeline};
use cairn_log::Log;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What one [`Shipper::ship`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shipped {
    /// Sealed segments archived whole.
    pub segments: u64,
    /// Parts of the open segment archived.
    pub parts: u64,
    /// Records that were not archived before.
    pub records: u64,
    /// Bytes of log written, before compression.
    pub bytes: u64,
    /// Bytes of the files written.
    pub stored_bytes: u64,
    /// Everything up to this LSN is archived, or recorded as a gap, and stays so after a crash: retention may rely on it.
    /// `None`: nothing is archived.
    pub archived_lsn: Option<Lsn>,
    /// Gaps recorded: what the log had dropped before it was archived.
    pub gaps: Vec<Gap>,
    /// Archived files found damaged. What the log still holds of them is archived again.
    pub damaged: Vec<Finding>,
}

/// Copies a log into a repository. It keeps nothing that a new one would lack: where to go on is what the repository lists.
///
/// A call holds the lock of the timeline's archive, not the one of the repository: snapshots are made meanwhile.
pub struct Shipper {
    repository: Repository,
    timeline: TimelineInfo,
    log_disk: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    /// The last call succeeded: what is listed is durable, and belongs to the log.
    settled: bool,
    archived: Option<Lsn>,
    cursor: Option<Cursor>,
}

impl fmt::Debug for Shipper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipper")
            .field("repository", &self.repository.root())
            .field("timeline", &self.timeline.id)
            .field("archived", &self.archived)
            .finish_non_exhaustive()
    }
}

impl Shipper {
    /// A shipper of the log of `timeline`, whose files are on `log_disk`. Touches nothing yet. `clock` dates gaps.
    pub fn new(
        repository: Repository,
        timeline: &Timeline,
        log_disk: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
    ) -> Shipper {
        Self::of(repository, TimelineInfo::from(timeline), log_disk, clock)
    }

    /// As [`Shipper::new`], for a timeline known by what an archive says of it.
    pub fn of(
        repository: Repository,
        timeline: TimelineInfo,
        log_disk: Arc<dyn Storage>,
        clock: Arc<dyn Clock>,
    ) -> Shipper {
        Shipper { repository, timeline, log_disk, clock, settled: false, archived: None, cursor: None }
    }

    /// Archives what is durable in `log` and not yet archived: its sealed segments, and with `open_part` what the open one
    /// holds. Files appear whole and durable, one after the other, each beginning where what is archived ends. What the log
    /// no longer holds is recorded as a gap first.
    ///
    /// A log of another timeline or database is refused, and so is one that ends before the archive does or has another
    /// record where the archive ends: a copy of the directory that went its own way. After an error nothing is lost, and
    /// the next call goes on.
    pub fn ship(&mut self, log: &Log, job: &Job<'_>, open_part: bool) -> Result<Shipped> {
        let settled = std::mem::replace(&mut self.settled, false);
        // A directory that is mounted elsewhere, or not at all, is no repository.
        self.repository.check()?;
        let (storage, dir) =
            (self.repository.storage(), timeline_dir(self.repository.root(), self.timeline.id));
        let mut damaged = Vec::new();
        if !settled {
            check_log(self.log_disk.as_ref(), &self.timeline, log)?;
            make_dir(storage, &dir)?;
            storage.sync_dir(&self.repository.root().join(WAL))?;
            storage.sync_dir(self.repository.root())?;
        }
        let _lock = self.lock(&dir)?;
        if !settled {
            damaged.extend(self.write_info(&dir)?);
            // A name may be there that the call before could not make last.
            storage.sync_dir(&dir)?;
        }
        let mut listing = Listing::read(storage, &dir)?;
        for left in std::mem::take(&mut listing.temporary) {
            storage.remove(&left)?;
        }
        let mut shipment = Shipment {
            storage,
            dir: &dir,
            timeline: &self.timeline,
            log_disk: self.log_disk.as_ref(),
            clock: self.clock.as_ref(),
            job,
            listing,
            cursor: self.cursor.take(),
            shipped: Shipped { damaged, ..Shipped::default() },
        };
        // Also when someone else put a file there since the last call.
        if !settled || shipment.listing.last().map(Lsn) != self.archived {
            shipment.check_end(log)?;
        }
        shipment.check_not_ahead(log)?;
        shipment.tidy()?;
        while !shipment.pass(log, open_part)? {}
        let Shipment { mut shipped, cursor, listing, .. } = shipment;
        shipped.archived_lsn = listing.last().map(Lsn);
        (self.cursor, self.archived, self.settled) = (cursor, shipped.archived_lsn, true);
        Ok(shipped)
    }

    /// What `log` holds that no call has archived yet, as far as this shipper knows: before its first success, everything.
    /// Never asks the repository.
    pub fn lag(&self, log: &Log) -> Result<Lag> {
        Lag::of(self.archived, log)
    }

    /// What the last call that succeeded left: see [`Shipped::archived_lsn`].
    pub fn archived_lsn(&self) -> Option<Lsn> {
        self.archived
    }

    fn lock(&self, dir: &Path) -> Result<Box<dyn LockGuard>> {
        let holder = format!("pid {} (archive)\n", std::process::id());
        Ok(self.repository.storage().lock(&dir.join(LOCK), &holder)?)
    }

    /// Writes `timeline.json`, or checks that the one there is of this timeline; one that is damaged is written again.
    fn write_info(&self, dir: &Path) -> Result<Option<Finding>> {
        let storage = self.repository.storage();
        let path = dir.join(TIMELINE_FILE);
        let damaged = match storage.stat(&path)? {
            None => None,
            Some(_) => match TimelineInfo::read(storage, dir, self.timeline.id) {
                Ok(stored) => return self.timeline.check_same(&stored, dir).map(|()| None),
                Err(Error::Damaged(finding)) => Some(*finding),
                Err(e) if e.kind() == ErrorKind::Corrupt => Some(Finding::of(e, &path)?),
                Err(e) => return Err(e),
            },
        };
        self.timeline.write(storage, dir)?;
        Ok(damaged)
    }
}
