//! `ClosedLogs`: the logs of a directory that is only read, each looked at once.

use crate::error::Result;
use crate::layout::TimelineDir;
use crate::replay::log_config;
use crate::timeline::Timeline;
use crate::wal_settings::WalSettings;
use cairn_disk::Storage;
use cairn_log::{ClosedLog, TimelineId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The logs of timelines as they were when each was looked at first: looking reads a log's newest segment whole. For states of
/// the past only, which do not move on; a server may append to these logs beside it, and drop some.
#[derive(Debug, Default)]
pub(crate) struct ClosedLogs(Mutex<BTreeMap<TimelineId, Arc<ClosedLog>>>);

impl ClosedLogs {
    /// A timeline's log; `None` when it keeps none, or none was begun.
    pub fn of(
        &self,
        storage: &Arc<dyn Storage>,
        dir: &TimelineDir,
        timeline: &Timeline,
    ) -> Result<Option<Arc<ClosedLog>>> {
        let mut looked_at = self.0.lock();
        if let Some(log) = looked_at.get(&timeline.id) {
            return Ok(Some(Arc::clone(log)));
        }
        let Some(wal) = timeline.wal_dir(dir) else { return Ok(None) };
        if storage.stat(&wal)?.is_none() {
            return Ok(None);
        }
        let config = log_config(&wal, timeline, WalSettings::default().segment_bytes, i64::MIN);
        let log = Arc::new(ClosedLog::look(storage, config)?);
        looked_at.insert(timeline.id, Arc::clone(&log));
        Ok(Some(log))
    }
}
