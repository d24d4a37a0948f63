//! Replaying the log of an incremental snapshot on its checkpoint.

use crate::error::{Error, Result};
use crate::job::Job;
use crate::log_part::{LogPart, LogPartReader};
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use cairn_engine::{LoggedRecord, Lsn, Replayed};
use cairn_log::Record;

/// What follows a snapshot's checkpoint, as a replay takes it: one log part at a time is in memory.
pub(crate) fn replay<'a>(
    repository: &'a Repository,
    snapshot: &'a Snapshot,
    job: &'a Job<'a>,
) -> impl Iterator<Item = Result<Replayed>> + 'a {
    let parts = snapshot.log.iter().flat_map(move |log| {
        let read = job.go_on().and_then(|()| steps(repository, snapshot, log, job));
        let (steps, error) = read.map_or_else(|e| (Vec::new(), Some(Err(e))), |steps| (steps, None));
        steps.into_iter().map(Ok).chain(error)
    });
    // The timeline may have changed without a record.
    parts.chain(std::iter::once(Ok(Replayed::On(snapshot.timeline))))
}

/// Reads and checks a log part.
fn steps(
    repository: &Repository,
    snapshot: &Snapshot,
    log: &LogPart,
    job: &Job<'_>,
) -> Result<Vec<Replayed>> {
    let bytes = log.part.read_all(repository.storage(), repository.root(), job.cancel)?;
    let path = repository.root().join(log.part.stored());
    let mut reader = LogPartReader::open(&path, snapshot.database, log, &bytes)?;
    let mut steps = vec![Replayed::On(log.timeline)];
    let (mut next, mut records) = (log.first.0, 0);
    for read in &mut reader {
        let LoggedRecord { lsn, time_us, value, .. } = read?;
        if lsn.0 > next {
            steps.push(Replayed::Others(Lsn(lsn.0 - 1), time_us));
        }
        let value = Some(value.to_vec());
        steps.push(Replayed::Record(Record { offset: lsn.0, timestamp_us: time_us, key: None, value }));
        (next, records) = (lsn.0 + 1, records + 1);
    }
    if next <= log.last.0 {
        steps.push(Replayed::Others(log.last, reader.last_us()));
    }
    if records != log.records {
        let (expected, actual) = (log.records, records);
        return Err(Error::damaged(&path, None, "records of a log part", expected, actual));
    }
    Ok(steps)
}
