//! `Commit`: group commit. One thread syncs for all that wait; a failed sync ends writing for good.

use crate::{Error, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
struct State {
    /// One thread syncs at a time. Two at once could share one error between them: the system reports a failed write
    /// to the first that asks, and the other would take its own success for the data's.
    syncing: bool,
    failed: Option<cairn_disk::Error>,
}

/// What of a log is durable, and who makes it so.
#[derive(Debug)]
pub(crate) struct Commit {
    state: Mutex<State>,
    changed: Condvar,
    /// The first offset not known durable. Raised with `state` held.
    durable: AtomicU64,
}

impl Commit {
    pub fn new(durable: u64) -> Self {
        Commit { state: Mutex::default(), changed: Condvar::new(), durable: AtomicU64::new(durable) }
    }

    /// The first offset not known durable.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// The first failure, if any.
    pub fn failed(&self) -> Option<Error> {
        self.state.lock().failed.clone().map(|cause| Error::Poisoned { cause })
    }

    /// Refuses when poisoned.
    pub fn check(&self) -> Result<()> {
        self.failed().map_or(Ok(()), Err)
    }

    /// No writes from now on. The first cause stays.
    pub fn poison(&self, cause: cairn_disk::Error) -> Error {
        let mut state = self.state.lock();
        let cause = state.failed.get_or_insert(cause).clone();
        self.changed.notify_all();
        Error::Poisoned { cause }
    }

    /// Returns when `offset` is durable. `sync` makes everything appended so far durable and says up to which offset
    /// (exclusive) that is; it runs in one of the waiting threads, for all of them.
    pub fn wait(&self, offset: u64, sync: impl Fn() -> Result<u64, cairn_disk::Error>) -> Result<()> {
        let mut state = self.state.lock();
        while self.durable() <= offset {
            if state.syncing {
                self.changed.wait(&mut state);
            } else {
                self.lead(&mut state, &sync)?;
            }
        }
        Ok(())
    }

    /// Syncs alone: waits for a running sync, runs `sync`, and raises the durable offset to what it returns. A failure
    /// poisons.
    pub fn sync(&self, sync: impl FnOnce() -> Result<u64, cairn_disk::Error>) -> Result<()> {
        let mut state = self.state.lock();
        while state.syncing {
            self.changed.wait(&mut state);
        }
        self.lead(&mut state, sync)
    }

    /// Runs `sync` with the lock given back, as the only one.
    fn lead(
        &self,
        state: &mut MutexGuard<'_, State>,
        sync: impl FnOnce() -> Result<u64, cairn_disk::Error>,
    ) -> Result<()> {
        if let Some(cause) = state.failed.clone() {
            return Err(Error::Poisoned { cause });
        }
        state.syncing = true;
        let synced = MutexGuard::unlocked(state, sync);
        state.syncing = false;
        self.changed.notify_all();
        match synced {
            Ok(durable) => {
                self.raise(durable);
                Ok(())
            }
            Err(cause) => Err(Error::Poisoned { cause: state.failed.get_or_insert(cause).clone() }),
        }
    }

    /// Everything before `durable` is durable: a seal synced it.
    pub fn raise(&self, durable: u64) {
        self.durable.fetch_max(durable, Ordering::AcqRel);
    }
}
