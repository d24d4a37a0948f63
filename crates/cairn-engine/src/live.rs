//! `Live`: the state that readers share with the sequencer.

use crate::error::Result;
use crate::state::{Shared, State};
use crate::timeline::Timeline;
use cairn_log::{Log, Lsn};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The state that readers share with the sequencer.
pub(crate) struct Live {
    /// Every collection has a lock of its own inside: this one is held for a look-up, and written when collections come and go.
    pub state: RwLock<State>,
    pub lsn: AtomicU64,
    pub timeline: Timeline,
    /// The write-ahead log; `None`: this timeline has none, or is only read.
    pub log: Option<Arc<Log>>,
    /// Every record up to this LSN is in the archive; what is later may not be dropped while one is kept.
    pub archived: AtomicU64,
}

impl Live {
    /// The last record applied.
    pub fn lsn(&self) -> Lsn {
        Lsn(self.lsn.load(Ordering::Acquire))
    }

    /// The collection that a name or an alias means; without one, `default`.
    pub fn collection(&self, name: Option<&str>) -> Result<Shared> {
        let state = self.state.read();
        match name {
            None => Ok(state.default_collection()),
            Some(name) => Ok(Arc::clone(&state.named(name)?.1.collection)),
        }
    }
}
