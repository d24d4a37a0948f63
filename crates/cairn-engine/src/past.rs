//! The past: a state as it was, built from a checkpoint and the log after it.

use crate::closed_logs::ClosedLogs;
use crate::error::{Error, Result};
use crate::history::{Found, History};
use crate::layout::DataDir;
use crate::live::Live;
use crate::loaded::{self, Reading};
use crate::replay::{Replayed, Until, apply_all, gap};
use crate::settings::{Options, ReplayProgress};
use crate::state::State;
use crate::target::Target;
use crate::timeline::Timeline;
use crate::view::{Position, View};
use cairn_disk::Storage;
use cairn_log::{Lsn, TimelineId};
use std::sync::Arc;

/// A state of the past, and on which timeline it stands.
pub(crate) struct Past {
    pub state: State,
    pub position: Position,
    pub timeline: Timeline,
    /// The logs that were looked at for it.
    pub closed: ClosedLogs,
}

impl Past {
    /// The state, to be read or stored.
    pub fn view(&self) -> View {
        View { position: self.position, state: self.state.view() }
    }
}

/// Builds the state at a point of a timeline's line (the live one's by default). Changes nothing on disk.
pub(crate) fn state_at(
    storage: &Arc<dyn Storage>,
    data: &DataDir,
    live: Option<&Live>,
    options: &Options,
    target: Target,
    timeline: Option<TimelineId>,
) -> Result<Past> {
    let closed = ClosedLogs::default();
    let history = History::read(storage, data, live, &closed)?;
    let found = history.find(target, timeline, options.clock.now_us())?;
    let dir = data.timeline(found.timeline.id);
    let loaded = loaded::load_at(&**storage, &dir, found.checkpoint, Reading::ToServe)?;
    let mut state = loaded.state;
    state.set_segment_bytes(options.vector_segment_bytes);
    let mut position = loaded.position;
    let live = live.filter(|live| live.timeline.id == found.timeline.id);
    if let Some(done) = replay((storage, data, &closed), live, options, &found, &mut state)? {
        position.lsn = Lsn(position.lsn.0 + done.records);
        position.time_us = position.time_us.max(done.last_us);
    }
    if let Until::Lsn(wanted) = found.until
        && position.lsn != wanted
    {
        let what = format!("the log ends at LSN {}, before {wanted}", position.lsn);
        return Err(Error::Corrupt { path: dir.0.clone(), what });
    }
    Ok(Past { state, position, timeline: found.timeline, closed })
}

/// Applies the records from the checkpoint to the point; `None` when the timeline has no log.
fn replay(
    (storage, data, closed): (&Arc<dyn Storage>, &DataDir, &ClosedLogs),
    live: Option<&Live>,
    options: &Options,
    found: &Found,
    state: &mut State,
) -> Result<Option<Replayed>> {
    let dir = data.timeline(found.timeline.id);
    let Some(wal) = found.timeline.wal_dir(&dir) else { return Ok(None) };
    let first = found.checkpoint.0 + 1;
    let (reader, next) = match live {
        Some(live) => {
            let Some(log) = &live.log else { return Ok(None) };
            if log.base_offset() > first || log.next_offset() < first {
                return Err(gap(&wal, first, log.base_offset(), log.next_offset()));
            }
            (log.read(first)?, log.next_offset())
        }
        None => {
            let Some(log) = closed.of(storage, &dir, &found.timeline)? else { return Ok(None) };
            let bounds = log.bounds();
            if bounds.first_offset > first || bounds.next_offset < first {
                return Err(gap(&wal, first, bounds.first_offset, bounds.next_offset));
            }
            (log.read(first)?, bounds.next_offset)
        }
    };
    let total = match found.until {
        Until::Lsn(last) => last.0.min(next - 1).saturating_sub(first - 1),
        _ => next - first,
    };
    options.replayed.set(ReplayProgress { records: 0, total });
    let (tell, cancel) = (|now| options.tell(now), Some(&*options.cancel));
    let done = apply_all(reader, &wal, total, found.until, state, Some(&tell), cancel)?;
    options.replayed.set(ReplayProgress { records: done.records, total: done.records });
    Ok(Some(done))
}
