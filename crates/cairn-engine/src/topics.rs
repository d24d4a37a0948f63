//! `Topics`: the user's logs, kept beside the database in its data directory, with a thread that does what is due.

use crate::error::{Error, Result};
use crate::layout::DataDir;
use cairn_disk::Storage;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

pub use cairn_log::{
    Appended, Cleaned, Clock, Compacted, CompactionPolicy, Compression, Dropped, Entry, Fetched,
    PartitionInfo, Record, Snapshot, SnapshotConfig, SnapshotOptions, SyncMode, Topic, TopicChange,
    TopicConfig, TopicInfo, TopicManager, TopicSnapshot, TopicsRecovered, Verification,
};

/// How often syncs that are due are looked for.
const SYNC_LOOK: Duration = Duration::from_millis(100);
/// After how many such looks retention and compaction have their turn: a minute.
const UPKEEP_LOOKS: u32 = 600;

/// The topics of a data directory, open. Dropped, everything appended is synced.
pub struct Topics {
    manager: Arc<TopicManager>,
    failure: Arc<Mutex<Option<String>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topics").field("manager", &self.manager).finish_non_exhaustive()
    }
}

impl Topics {
    /// Opens the topics in a data directory. Whoever does holds the database open, and so its lock.
    pub fn open(
        storage: Arc<dyn Storage>,
        data_dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<(Topics, TopicsRecovered)> {
        let dir = DataDir(data_dir.to_owned()).topics();
        let (manager, recovered) = TopicManager::open(storage, dir, Arc::clone(&clock))?;
        let (manager, failure) = (Arc::new(manager), Arc::new(Mutex::new(None)));
        let (stop, told) = channel();
        let (work, shown) = (Arc::clone(&manager), Arc::clone(&failure));
        let run = move || {
            let mut looks = 0;
            while let Err(RecvTimeoutError::Timeout) = told.recv_timeout(SYNC_LOOK) {
                looks += 1;
                let whole = looks % UPKEEP_LOOKS == 0;
                if let Some(failure) = upkeep(&work, clock.now_us(), whole) {
                    *shown.lock() = Some(failure);
                }
            }
        };
        let spawned = std::thread::Builder::new().name("topics".to_owned()).spawn(run);
        let thread = spawned.map_err(|e| Error::Bug(format!("cannot start a thread: {e}")))?;
        Ok((Topics { manager, failure, stop: Some(stop), thread: Some(thread) }, recovered))
    }

    /// The topics.
    pub fn manager(&self) -> &TopicManager {
        &self.manager
    }

    /// The last failure of a sync, of retention or of a compaction; `None`: there was none.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

/// Does what is due; the first failure. A partition that fails keeps no other from its turn.
fn upkeep(manager: &TopicManager, now_us: i64, whole: bool) -> Option<String> {
    let mut failed = manager.sync_due(now_us).failed;
    if whole {
        failed.extend(manager.apply_retention(now_us).failed);
        failed.extend(manager.compact(now_us).failed);
    }
    failed.first().map(ToString::to_string)
}

impl Drop for Topics {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // A partition that cannot be synced is poisoned, which its next reader of `info` sees.
        let _ = self.manager.sync_all();
    }
}
