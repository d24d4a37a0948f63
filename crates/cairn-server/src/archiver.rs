//! `Archiver`: ships the log to the repository every so often, on a thread of its own.

use cairn_disk::Storage;
use cairn_engine::{Clock, Engine, Lsn, TimelineId};
use cairn_snapshot::archive::{Shipped, Shipper};
use cairn_snapshot::{Job, Repository};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How the archive is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveStatus {
    /// When it was last brought up to date, microseconds since the Unix epoch; `None`: not yet.
    pub last_us: Option<i64>,
    /// Everything up to here is in it, or recorded as a gap.
    pub archived: Option<Lsn>,
    /// Gaps recorded since the start.
    pub gaps: u64,
    /// Bytes stored since the start.
    pub stored_bytes: u64,
    /// Why the last look failed; `None`: it did not.
    pub error: Option<String>,
}

/// Runs until stopped or dropped.
pub struct Archiver {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    status: Arc<Mutex<ArchiveStatus>>,
}

impl std::fmt::Debug for Archiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archiver").field("status", &self.status.lock()).finish_non_exhaustive()
    }
}

impl Archiver {
    /// Starts, with a look every `interval`, the first at once. The repository is made when it is missing.
    pub fn start(
        repository: PathBuf,
        interval: Duration,
        engine: Engine,
        storage: Arc<dyn Storage>,
    ) -> std::io::Result<Archiver> {
        let (stop, told) = channel();
        let status = Arc::new(Mutex::new(ArchiveStatus::default()));
        let shown = Arc::clone(&status);
        let mut work = Work { repository, engine, storage, shipper: None };
        let run = move || {
            loop {
                work.look(&shown);
                match told.recv_timeout(interval) {
                    Err(RecvTimeoutError::Timeout) => {}
                    // The last look ships what came since, so that an orderly stop leaves nothing behind.
                    _ => return work.look(&shown),
                }
            }
        };
        let thread = std::thread::Builder::new().name("archiver".to_owned()).spawn(run)?;
        Ok(Archiver { stop: Some(stop), thread: Some(thread), status })
    }

    /// How it is doing.
    pub fn status(&self) -> ArchiveStatus {
        self.status.lock().clone()
    }

    /// Ships what is left and ends.
    pub fn stop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic, and there is nobody else to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Work {
    repository: PathBuf,
    engine: Engine,
    storage: Arc<dyn Storage>,
    shipper: Option<(TimelineId, Shipper)>,
}

impl Work {
    fn look(&mut self, status: &Mutex<ArchiveStatus>) {
        let result = self.ship();
        let now_us = self.engine.options().clock.now_us();
        let mut status = status.lock();
        match result {
            Ok(shipped) => {
                if status.error.take().is_some() {
                    tracing::info!("the archive is reachable again");
                }
                for gap in &shipped.gaps {
                    tracing::warn!(
                        first = gap.first.0,
                        last = gap.last.0,
                        "the archive has a gap: this log was dropped first"
                    );
                }
                for finding in &shipped.damaged {
                    tracing::error!(%finding, "a damaged file of the archive was archived again");
                }
                status.last_us = Some(now_us);
                status.archived = shipped.archived_lsn.or(status.archived);
                status.gaps += shipped.gaps.len() as u64;
                status.stored_bytes += shipped.stored_bytes;
            }
            Err(e) => {
                if status.error.as_ref() != Some(&e) {
                    tracing::error!(error = %e, "the log cannot be archived");
                }
                // Whatever it is, it may be another repository the next time.
                self.shipper = None;
                status.error = Some(e);
            }
        }
    }

    /// First what was replaced since, then the live log.
    fn ship(&mut self) -> Result<Shipped, String> {
        let text = |e: cairn_snapshot::Error| e.to_string();
        let engine_text = |e: cairn_engine::Error| e.to_string();
        for id in self.engine.unarchived().map_err(engine_text)? {
            if let Some(wal) = self.engine.closed_wal(id).map_err(engine_text)? {
                self.shipper(&wal.timeline)?.ship(&wal.log, &Job::default(), true).map_err(text)?;
            }
            self.engine.archived_wholly(id).map_err(engine_text)?;
        }
        let Some(wal) = self.engine.wal() else { return Ok(Shipped::default()) };
        // Only what is durable is shipped: in the modes that acknowledge before that, it may be a while.
        self.engine.sync().map_err(engine_text)?;
        let shipped = self.shipper(&wal.timeline)?.ship(&wal.log, &Job::default(), true).map_err(text)?;
        if let Some(lsn) = shipped.archived_lsn {
            self.engine.archived(wal.timeline.id, lsn).map_err(engine_text)?;
        }
        Ok(shipped)
    }

    fn shipper(&mut self, timeline: &cairn_engine::Timeline) -> Result<&mut Shipper, String> {
        if self.shipper.as_ref().is_none_or(|(id, _)| *id != timeline.id) {
            let clock: Arc<dyn Clock> = Arc::clone(&self.engine.options().clock);
            let (storage, dir) = (Arc::clone(&self.storage), &self.repository);
            let repository =
                Repository::open_or_create(storage, dir, clock.now_us()).map_err(|e| e.to_string())?;
            let shipper = Shipper::new(repository, timeline, Arc::clone(&self.storage), clock);
            self.shipper = Some((timeline.id, shipper));
        }
        match &mut self.shipper {
            Some((_, shipper)) => Ok(shipper),
            None => Err("no shipper".to_owned()),
        }
    }
}
