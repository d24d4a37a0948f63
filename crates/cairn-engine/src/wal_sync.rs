//! `WalSync`: the thread that syncs the write-ahead log every so often, when writes are acknowledged before they are durable.

use crate::engine::Shared;
use crate::error::{Error, Result};
use cairn_log::SyncMode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs until dropped.
pub(crate) struct WalSync {
    modes: Option<Sender<SyncMode>>,
    thread: Option<JoinHandle<()>>,
}

impl WalSync {
    /// Starts in the mode that the engine's log has.
    pub fn start(shared: &Arc<Shared>) -> Result<WalSync> {
        let (modes, told) = channel();
        let mode = shared.status.lock().wal.sync;
        let shared = Arc::clone(shared);
        let run = move || run(&shared, mode, &told);
        let spawned = std::thread::Builder::new().name("wal-sync".to_owned()).spawn(run);
        let thread = spawned.map_err(|e| Error::Bug(format!("cannot start a thread: {e}")))?;
        Ok(WalSync { modes: Some(modes), thread: Some(thread) })
    }

    /// From now on in this mode.
    pub fn set(&self, mode: SyncMode) {
        if let Some(modes) = &self.modes {
            // The thread ends only when this is dropped.
            let _ = modes.send(mode);
        }
    }
}

fn run(shared: &Shared, mut mode: SyncMode, told: &Receiver<SyncMode>) {
    loop {
        let wait = match mode {
            SyncMode::Periodic { interval_us } => Duration::from_micros(interval_us.max(1_000)),
            _ => Duration::from_secs(3_600),
        };
        match told.recv_timeout(wait) {
            Ok(new) => mode = new,
            Err(RecvTimeoutError::Timeout) => {
                let log = shared.live.read().log.clone();
                if let (SyncMode::Periodic { .. }, Some(log)) = (mode, log) {
                    // A failure poisons the log: the next write says so.
                    let _ = log.sync();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Drop for WalSync {
    fn drop(&mut self) {
        self.modes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
