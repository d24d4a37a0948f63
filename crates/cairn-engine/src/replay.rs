//! Replay: the log's records after a checkpoint, applied again.

use crate::error::{Error, Result};
use crate::mutation::Mutation;
use crate::settings::ReplayProgress;
use crate::state::State;
use crate::timeline::Timeline;
use crate::wal_settings::WalSettings;
use cairn_log::{Log, LogConfig, Lsn, ReadAhead, Reader, SyncMode};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A progress report stands for about this many records.
const REPORT_EVERY: u64 = 65_536;

/// Where a replay ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// At the log's end.
    End,
    /// After this LSN.
    Lsn(Lsn),
    /// Before the first record that is later than this.
    Time(i64),
}

impl Until {
    /// Whether a record is past the end.
    pub fn is_past(self, lsn: u64, time_us: i64) -> bool {
        match self {
            Until::End => false,
            Until::Lsn(last) => lsn > last.0,
            Until::Time(last_us) => time_us > last_us,
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replayed {
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// The last one's time; `i64::MIN` when there was none.
    pub last_us: i64,
}

/// What may be lost after a stop that was not orderly, when writes are acknowledged before they are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// How the log was synced.
    pub sync: SyncMode,
    /// The last record that is there.
    pub after: Lsn,
    /// Its time, microseconds since the Unix epoch, UTC.
    pub after_us: i64,
}

impl Lost {
    pub(crate) fn after(unclean: bool, wal: &WalSettings, lsn: Lsn, last_us: i64) -> Option<Lost> {
        let may_lose = unclean && wal.sync != SyncMode::Fsync;
        may_lose.then_some(Lost { sync: wal.sync, after: lsn, after_us: last_us })
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Lost { sync, after, after_us } = self;
        let time = crate::time_text::show_time(*after_us);
        write!(f, "the last stop was not orderly and the log was synced in {sync} mode: ")?;
        match sync {
            SyncMode::Periodic { interval_us } => {
                let seconds = *interval_us as f64 / 1e6;
                write!(
                    f,
                    "what was acknowledged after LSN {after} ({time}), in the last {seconds} s, is lost"
                )
            }
            _ => write!(f, "whatever was acknowledged after LSN {after} ({time}) is lost"),
        }
    }
}

/// The configuration of a timeline's write-ahead log. No record is earlier than `floor_us`.
pub(crate) fn log_config(dir: &Path, timeline: &Timeline, segment_bytes: u64, floor_us: i64) -> LogConfig {
    let mut config = LogConfig::new(dir, timeline.database, timeline.id);
    config.start = timeline.fork_lsn.0 + 1;
    config.segment_bytes = segment_bytes;
    config.start_timestamp_us = floor_us;
    config
}

/// Applies the records of an open log after `from`. Refuses a gap.
pub(crate) fn replay(
    log: &Log,
    wal: &Path,
    from: Lsn,
    until: Until,
    state: &mut State,
    progress: Option<&(dyn Fn(ReplayProgress) + Send + Sync)>,
) -> Result<Replayed> {
    let first = from.0 + 1;
    if log.base_offset() > first || log.next_offset() < first {
        return Err(gap(wal, first, log.base_offset(), log.next_offset()));
    }
    let total = log.next_offset() - first;
    apply_all(log.read(first)?, wal, total, until, state, progress, None)
}

/// Applies what a reader brings, until the end or until `cancel` is set.
pub(crate) fn apply_all(
    reader: Reader,
    wal: &Path,
    total: u64,
    until: Until,
    state: &mut State,
    progress: Option<&(dyn Fn(ReplayProgress) + Send + Sync)>,
    cancel: Option<&AtomicBool>,
) -> Result<Replayed> {
    let mut done = Replayed { records: 0, bytes: 0, last_us: i64::MIN };
    let decoded = ReadAhead::new(reader, |record| {
        let value = record.value.ok_or(Error::Decode("it has no value"));
        let bytes = record.value.map_or(0, <[u8]>::len) as u64;
        (record.offset, record.timestamp_us, bytes, value.and_then(Mutation::decode))
    });
    for record in decoded {
        if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(Error::Cancelled("going back"));
        }
        let (lsn, time_us, bytes, mutation) = record?;
        if until.is_past(lsn, time_us) {
            break;
        }
        let damaged = |e: Error| Error::Corrupt { path: wal.to_owned(), what: format!("record {lsn}: {e}") };
        state.replay(mutation.map_err(damaged)?).map_err(damaged)?;
        done = Replayed { records: done.records + 1, bytes: done.bytes + bytes, last_us: time_us };
        if let Some(progress) = progress.filter(|_| done.records.is_multiple_of(REPORT_EVERY)) {
            progress(ReplayProgress { records: done.records, total });
        }
    }
    Ok(done)
}

/// The error of a log that does not reach back to what is needed, or not up to it.
pub(crate) fn gap(wal: &Path, first: u64, base: u64, next: u64) -> Error {
    let holds = if base < next { format!("LSNs {base} to {}", next - 1) } else { "no record".to_owned() };
    let what = format!("the log holds {holds}, the checkpoint needs those from {first} on: a gap");
    Error::Corrupt { path: wal.to_owned(), what }
}
