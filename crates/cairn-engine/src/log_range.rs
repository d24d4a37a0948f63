//! `LogRange`: the records between two points of one line of timelines, for whoever stores them elsewhere.

use crate::closed_logs::ClosedLogs;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::history::History;
use crate::mutation::{Change, Mutation};
use crate::timeline::Timeline;
use crate::view::Position;
use cairn_log::{Lsn, Reader, TimelineId};

/// The records after one point up to another, all of which are in the logs of a data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRange {
    /// From the oldest on: of each timeline the first and the last LSN.
    legs: Vec<(TimelineId, Lsn, Lsn)>,
}

/// One record of a range.
#[derive(Debug, Clone, Copy)]
pub struct LoggedRecord<'a> {
    /// The timeline whose log it is in.
    pub timeline: TimelineId,
    /// Its LSN.
    pub lsn: Lsn,
    /// Its time, microseconds since the Unix epoch, UTC.
    pub time_us: i64,
    /// Its mutation, encoded (docs/format.md, "Mutations").
    pub value: &'a [u8],
}

/// What a mutation is about, as far as others need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The number of the collection.
    pub collection: u32,
    /// The item whose vector it sets or deletes.
    pub vector_of: Option<String>,
    /// It set a vector that the log does not hold: nothing can be had back from it alone.
    pub elided: bool,
    /// It is about which collections and aliases there are.
    pub of_collections: bool,
    /// It changes the settings of the collection, or how it is kept.
    pub of_settings: bool,
}

impl LoggedRecord<'_> {
    /// Decodes the mutation, and says what it is about.
    pub fn about(&self) -> Result<About> {
        let Mutation { collection, change } = Mutation::decode(self.value)?;
        let elided = matches!(change, Change::VectorElided { .. });
        let of_collections = !change.is_of_content();
        let of_settings = matches!(change, Change::Settings(_) | Change::Configure(_));
        let vector_of = match change {
            Change::VectorSet { id, .. } | Change::VectorElided { id, .. } | Change::VectorDelete { id } => {
                Some(id)
            }
            _ => None,
        };
        Ok(About { collection, vector_of, elided, of_collections, of_settings })
    }
}

impl Engine {
    /// The records after `after` up to `to`, which is the live timeline's position or an earlier one on its line. An error of
    /// the kind `NotFound` says why they cannot be had: another line, a log that was off, or records that were dropped.
    pub fn log_range(&self, after: (TimelineId, Lsn), to: &Position) -> Result<LogRange> {
        let database = &self.inner.shared.database;
        let history = match &database.closed {
            // A state of the past: its logs were looked at when it was built, and reach as far as it does.
            Some(closed) => History::read(&database.storage, &database.data, Some(&self.live()), closed)?,
            None => self.history()?,
        };
        let (timeline, mut upper) = (to.timeline, to.lsn);
        let mut legs = Vec::new();
        for window in history.line(Some(timeline)) {
            let Timeline { id, fork_lsn, .. } = &window.timeline;
            let lower = if *id == after.0 { after.1 } else { *fork_lsn };
            if lower < upper {
                legs.push((*id, Lsn(lower.0 + 1), upper));
            }
            if *id == after.0 && lower <= upper {
                legs.reverse();
                let range = LogRange { legs };
                self.check_range(&range)?;
                return Ok(range);
            }
            upper = upper.min(*fork_lsn);
        }
        let (id, lsn) = after;
        Err(Error::NotFound(format!("LSN {lsn} of timeline {id} is not in the past of the live timeline")))
    }

    /// Whether the logs hold all of it.
    fn check_range(&self, range: &LogRange) -> Result<()> {
        for leg in &range.legs {
            self.read_leg(*leg)?;
        }
        Ok(())
    }

    /// Gives every record of a range to `each`, in order; its first error ends it. Nothing of the logs is dropped meanwhile.
    pub fn read_log_range<E: From<Error>>(
        &self,
        range: &LogRange,
        each: &mut dyn FnMut(LoggedRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let _nothing_is_dropped = self.inner.shared.database.past.read();
        for &(timeline, first, last) in &range.legs {
            let mut reader = self.read_leg((timeline, first, last))?;
            let mut next = first.0;
            while next <= last.0 {
                let record = reader.next_ref().transpose().map_err(Error::from)?;
                let Some(record) = record else { return Err(ended(timeline, last, next).into()) };
                let value = record.value.ok_or(Error::Decode("a record without a value"))?;
                each(LoggedRecord { timeline, lsn: Lsn(next), time_us: record.timestamp_us, value })?;
                next += 1;
            }
        }
        Ok(())
    }

    fn read_leg(&self, (id, first, last): (TimelineId, Lsn, Lsn)) -> Result<Reader> {
        let live = self.live();
        let database = &self.inner.shared.database;
        // A state of the past has no log open: its directory may be another process's.
        let open = live.log.as_ref().filter(|_| id == live.timeline.id);
        if let Some(log) = open {
            check_bounds(id, (first, last), log.base_offset(), log.next_offset())?;
            return Ok(log.read(first.0)?);
        }
        let dir = database.data.timeline(id);
        let timeline = Timeline::read(&*database.storage, &dir)?;
        let fresh = ClosedLogs::default();
        let closed = database.closed.as_ref().unwrap_or(&fresh);
        let log = closed.of(&database.storage, &dir, &timeline)?.ok_or_else(|| without_log(id))?;
        let bounds = log.bounds();
        check_bounds(id, (first, last), bounds.first_offset, bounds.next_offset)?;
        Ok(log.read(first.0)?)
    }
}

fn check_bounds(id: TimelineId, (first, last): (Lsn, Lsn), base: u64, next: u64) -> Result<()> {
    if base <= first.0 && last.0 < next {
        return Ok(());
    }
    let holds = if base < next { format!("LSNs {base} to {}", next - 1) } else { "no record".to_owned() };
    Err(Error::NotFound(format!("the log of timeline {id} holds {holds}, not all of {first} to {last}")))
}

fn without_log(id: TimelineId) -> Error {
    Error::NotFound(format!("timeline {id} has no write-ahead log"))
}

fn ended(id: TimelineId, last: Lsn, next: u64) -> Error {
    Error::NotFound(format!("the log of timeline {id} ends before LSN {next}, expected up to {last}"))
}
