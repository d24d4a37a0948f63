//! `Commit`: group commit. One thread syncs for all that wait; a failed sync ends writing for good.

use crate::{Error, Result};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::Thread;

#[derive(Debug, Default)]
struct State {
    /// One thread syncs at a time. Two at once could share one error between them: the system reports a failed write
    /// to the first that asks, and the other would take its own success for the data's.
    syncing: bool,
    failed: Option<cairn_disk::Error>,
    /// Who waits, oldest first. Nobody, unless a sync runs or one of them was woken to run the next.
    waiters: Vec<Arc<Waiter>>,
}

/// A thread that waits. It sleeps on its own and not on the state's lock: those that a sync served go on all at once.
#[derive(Debug)]
struct Waiter {
    /// What it waits for; `u64::MAX`: for the running sync to end.
    offset: u64,
    thread: Thread,
    call: AtomicU8,
}

const SLEEP: u8 = 0;
/// What it waits for is durable.
const SERVED: u8 = 1;
/// It is to look at the state again.
const LOOK: u8 = 2;

impl Waiter {
    fn new(offset: u64) -> Arc<Waiter> {
        Arc::new(Waiter { offset, thread: std::thread::current(), call: AtomicU8::new(SLEEP) })
    }

    /// Sleeps until called; the call.
    fn sleep(&self) -> u8 {
        loop {
            match self.call.load(Ordering::Acquire) {
                SLEEP => std::thread::park(),
                call => return call,
            }
        }
    }

    fn call(&self, call: u8) {
        self.call.store(call, Ordering::Release);
        self.thread.unpark();
    }
}

impl State {
    /// Wakes one that waits, if any, to run the next sync.
    fn call_next(&mut self) {
        if !self.syncing && !self.waiters.is_empty() {
            self.waiters.remove(0).call(LOOK);
        }
    }

    fn call_all(&mut self) {
        self.waiters.drain(..).for_each(|waiter| waiter.call(LOOK));
    }
}

/// What of a log is durable, and who makes it so.
#[derive(Debug)]
pub(crate) struct Commit {
    state: Mutex<State>,
    /// The first offset not known durable. Raised with `state` held.
    durable: AtomicU64,
}

impl Commit {
    pub fn new(durable: u64) -> Self {
        Commit { state: Mutex::default(), durable: AtomicU64::new(durable) }
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
        Error::Poisoned { cause }
    }

    /// Returns when `offset` is durable. `sync` makes everything appended so far durable and says up to which offset
    /// (exclusive) that is; it runs in one of the waiting threads, for all of them.
    pub fn wait(&self, offset: u64, sync: impl FnOnce() -> Result<u64, cairn_disk::Error>) -> Result<()> {
        let mut state = self.state.lock();
        while self.durable() <= offset {
            if !state.syncing {
                // It covers what was appended before it, and so this offset.
                return self.lead(&mut state, sync);
            }
            let waiter = Waiter::new(offset);
            state.waiters.push(Arc::clone(&waiter));
            drop(state);
            if waiter.sleep() == SERVED {
                return Ok(());
            }
            state = self.state.lock();
        }
        // Perhaps it was woken to run a sync that it no longer needs.
        state.call_next();
        Ok(())
    }

    /// Syncs alone: waits for a running sync, runs `sync`, and raises the durable offset to what it returns. A failure
    /// poisons.
    pub fn sync(&self, sync: impl FnOnce() -> Result<u64, cairn_disk::Error>) -> Result<()> {
        let mut state = self.state.lock();
        while state.syncing {
            let waiter = Waiter::new(u64::MAX);
            state.waiters.push(Arc::clone(&waiter));
            MutexGuard::unlocked(&mut state, || waiter.sleep());
        }
        self.lead(&mut state, sync)
    }

    /// Runs `sync` with the lock given back, as the only one; wakes whom it served, and one to run the next.
    fn lead(
        &self,
        state: &mut MutexGuard<'_, State>,
        sync: impl FnOnce() -> Result<u64, cairn_disk::Error>,
    ) -> Result<()> {
        if let Some(cause) = state.failed.clone() {
            state.call_all();
            return Err(Error::Poisoned { cause });
        }
        state.syncing = true;
        let synced = MutexGuard::unlocked(state, sync);
        state.syncing = false;
        match synced {
            Ok(durable) => {
                self.raise(durable);
                let served = state.waiters.extract_if(.., |w| w.offset < durable).collect::<Vec<_>>();
                state.call_next();
                MutexGuard::unlocked(state, || served.iter().for_each(|waiter| waiter.call(SERVED)));
                Ok(())
            }
            Err(cause) => {
                let cause = state.failed.get_or_insert(cause).clone();
                state.call_all();
                Err(Error::Poisoned { cause })
            }
        }
    }

    /// Everything before `durable` is durable: a seal synced it.
    pub fn raise(&self, durable: u64) {
        self.durable.fetch_max(durable, Ordering::AcqRel);
    }
}
