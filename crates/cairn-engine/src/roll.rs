//! `Roll`: the log's records applied to image files before they become a timeline.

use crate::draft::TimelineDraft;
use crate::error::{Error, Result};
use crate::loaded::{self, Reading};
use crate::mutation::Mutation;
use crate::state::State;
use crate::target::Target;
use crate::view::{Position, View};
use cairn_log::{Lsn, Record, TimelineId};
use std::fmt;
use std::path::Path;

/// One step of a log that is replayed.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// What follows is of this timeline, which goes on where the one before was left.
    On(TimelineId),
    /// A record, which is applied.
    Record(Record),
    /// Records up to this one that are about other collections, of which nothing is restored; and the last one's time.
    Others(Lsn, i64),
}

/// A log to replay, in order and without a gap.
pub type Records<'a, E> = Box<dyn Iterator<Item = Result<Replayed, E>> + 'a>;

/// What is done with a state that is restored from files before it is a timeline.
pub struct Roll<'a, E> {
    /// Applied to it.
    pub records: Records<'a, E>,
    /// Where that ends: the state stands exactly there.
    pub until: Target,
    /// The collections that are kept, by name or alias; `None`: all.
    pub only: Option<Vec<String>>,
}

impl<E> fmt::Debug for Roll<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roll").field("until", &self.until).field("only", &self.only).finish_non_exhaustive()
    }
}

impl TimelineDraft {
    /// Applies a roll to what was put into the draft; another draft with the result, and its manifest. The files of this one are
    /// gone, also when it fails. Memory: the whole state.
    pub(crate) fn rolled<E: From<Error>>(
        self,
        manifest: &[u8],
        roll: Roll<'_, E>,
    ) -> Result<(TimelineDraft, Vec<u8>), E> {
        let apart = self.is_apart() || roll.only.is_some();
        let rolled = self.apply(manifest, Some(roll)).and_then(|view| {
            let next = self.another()?;
            if apart {
                next.set_apart();
            }
            match next.put_image_over(view.into_image(), Some(&self), None) {
                Ok(manifest) => Ok((next, manifest)),
                Err(e) => {
                    // A draft left behind is removed at the next open; the first failure is what matters.
                    let _ = next.abandon();
                    Err(e.into())
                }
            }
        });
        let abandoned = self.abandon();
        let (next, manifest) = rolled?;
        abandoned?;
        Ok((next, manifest))
    }

    /// The state that was put into the draft, with a roll applied to it.
    pub(crate) fn apply<E: From<Error>>(
        &self,
        manifest: &[u8],
        roll: Option<Roll<'_, E>>,
    ) -> Result<View, E> {
        let (storage, dir) = self.sealed(manifest)?;
        let loaded = loaded::load(storage, dir, Reading::ToServe)?;
        let (mut state, mut position) = (loaded.state, loaded.position);
        let Some(roll) = roll else { return Ok(View { position, state: state.view() }) };
        for step in roll.records {
            if !apply_step(&mut state, &mut position, step?, roll.until, &dir.0)? {
                break;
            }
        }
        if let Target::Lsn(wanted) = roll.until
            && position.lsn != wanted
        {
            let message = format!("the log ends at LSN {}, before {wanted}", position.lsn);
            return Err(Error::NotFound(message).into());
        }
        let view = View { position, state: state.view() };
        Ok(roll.only.as_ref().map_or(Ok(view.clone()), |names| view.only(names))?)
    }
}

/// `false`: the step is past the end.
fn apply_step(
    state: &mut State,
    position: &mut Position,
    step: Replayed,
    until: Target,
    dir: &Path,
) -> Result<bool> {
    let record = match step {
        Replayed::On(timeline) => {
            position.timeline = timeline;
            return Ok(true);
        }
        Replayed::Others(lsn, time_us) if lsn < position.lsn => {
            let message = format!(
                "records up to LSN {lsn} ({time_us} µs) are left out, but {} was applied",
                position.lsn
            );
            return Err(Error::Input(message));
        }
        Replayed::Others(lsn, time_us) => {
            position.lsn = lsn;
            position.time_us = position.time_us.max(time_us);
            return Ok(true);
        }
        Replayed::Record(record) => record,
    };
    let past = match until {
        Target::Latest => false,
        Target::Lsn(lsn) => record.offset > lsn.0,
        Target::Time(us) => record.timestamp_us > us,
    };
    if past {
        return Ok(false);
    }
    if record.offset != position.lsn.0 + 1 {
        let (expected, got) = (position.lsn.0 + 1, record.offset);
        return Err(Error::Input(format!("the log goes on at LSN {got}, expected {expected}: a gap")));
    }
    let damaged =
        |e: Error| Error::Corrupt { path: dir.to_owned(), what: format!("record {}: {e}", record.offset) };
    let value = record.value.as_deref().ok_or(Error::Decode("it has no value")).map_err(damaged)?;
    let mutation = Mutation::decode(value).map_err(damaged)?;
    state.replay(mutation).map_err(damaged)?;
    position.lsn = Lsn(record.offset);
    position.time_us = position.time_us.max(record.timestamp_us);
    Ok(true)
}
