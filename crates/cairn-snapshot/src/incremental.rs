//! What an incremental snapshot is made of: its base's checkpoint and the log since, or the parts that the base lacks.

use crate::catalog::{self, Listed};
use crate::codec::FrameEncoder;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::log_part::{LOG_PART_BYTES, LOG_PART_REWRITTEN_BYTES_MAX, LogPart, LogPartBuilder};
use crate::part_writer::PartWriter;
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use cairn_disk::ErrorKind;
use cairn_engine::{About, Engine, Image, LogRange, LoggedRecord, Position};
use std::collections::{BTreeSet, HashSet};

/// The snapshot that a new one goes on from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Base {
    /// None: a full snapshot.
    #[default]
    None,
    /// The newest snapshot of the same database and the same collections all of whose parts are there, as long as they should
    /// be. Without one, a full snapshot is made.
    Newest,
    /// The snapshot of an id or a name.
    Of(String),
}

/// Below so many bytes of log, replaying costs nothing worth a new full snapshot.
pub(crate) const REPLAY_BYTES_MIN: u64 = 16 << 20;

/// Whether a snapshot covers what is to be covered: the whole database, or collections by their numbers.
pub(crate) fn covers(snapshot: &Snapshot, scope: Option<&BTreeSet<u32>>) -> bool {
    match scope {
        None => snapshot.whole,
        Some(numbers) => {
            !snapshot.whole
                && snapshot.collections.iter().map(|c| c.number).collect::<BTreeSet<_>>() == *numbers
        }
    }
}

/// The base of a new snapshot that stands at `position`; or why there is none though one was asked for.
pub(crate) fn find_base(
    repository: &Repository,
    base: &Base,
    position: &Position,
    scope: Option<&BTreeSet<u32>>,
) -> Result<Result<Snapshot, Option<String>>> {
    let asked = match base {
        Base::None => return Ok(Err(None)),
        Base::Of(asked) => asked,
        Base::Newest => {
            let listed = catalog::list(repository)?;
            let whole = listed.iter().filter_map(Listed::whole);
            let mut why = "there is no snapshot of it yet to go on from".to_owned();
            for snapshot in whole.filter(|s| s.database == position.database && covers(s, scope)) {
                match check_parts(repository, snapshot) {
                    Ok(()) => return Ok(Ok(snapshot.clone())),
                    Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {
                        why = format!("there is no whole snapshot of it to go on from: {}: {e}", snapshot.id);
                    }
                    Err(e) => return Err(e),
                }
            }
            return Ok(Err(Some(why)));
        }
    };
    let found = catalog::find(repository, asked)?;
    if found.database != position.database {
        let message = format!(
            "base {asked}: expected a snapshot of database {}, got one of {}",
            position.database, found.database
        );
        return Err(Error::Input(message));
    }
    if !covers(&found, scope) {
        let names = |s: &Snapshot| match s.whole {
            true => "the whole database".to_owned(),
            false => s.collections.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        let message = format!(
            "base {asked}: expected a snapshot of the same collections, got one of {}",
            names(&found)
        );
        return Err(Error::Input(message));
    }
    check_parts(repository, &found)?;
    Ok(Ok(found))
}

/// What goes on from a snapshot shares its parts: they must be there, and as long as they should be.
fn check_parts(repository: &Repository, snapshot: &Snapshot) -> Result<()> {
    snapshot
        .unique_parts()
        .iter()
        .try_for_each(|part| part.check_size(repository.storage(), repository.root()))
}

/// Why the log since the base is not stored.
pub(crate) enum NoLog {
    /// The parts that the base lacks are stored instead: still an incremental snapshot.
    Parts,
    /// A full snapshot is made: replaying would cost too much.
    Full(String),
}

/// What of the log is to be stored.
pub(crate) struct LogPlan {
    range: LogRange,
    /// Bytes as they would be stored, before compression.
    pub bytes: u64,
    /// Items whose vector was set or deleted.
    pub changed_vectors: u64,
    scope: Option<BTreeSet<u32>>,
}

/// Looks at the log between a base and a View's position.
pub(crate) fn plan_log(
    engine: &Engine,
    base: &Snapshot,
    position: &Position,
    scope: Option<&BTreeSet<u32>>,
    full_share: f64,
    job: &Job<'_>,
) -> Result<Result<LogPlan, NoLog>> {
    if !engine.stats().status.wal.include_vectors {
        // A crash since the base may have taken vectors back that it has, and no record says so.
        return Ok(Err(NoLog::Parts));
    }
    let range = match engine.log_range((base.timeline, base.lsn), position) {
        Ok(range) => range,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Err(NoLog::Parts)),
        Err(e) => return Err(e.into()),
    };
    let replay_max = REPLAY_BYTES_MIN.max((base.image_bytes() as f64 * full_share) as u64);
    let mut scan = Scan { scope, bytes: 0, ids: HashSet::new(), stop: None };
    let scanned = engine.read_log_range(&range, &mut |record| {
        job.go_on()?;
        scan.record(record, base.log_bytes(), replay_max)
    });
    match (scanned, scan.stop) {
        (_, Some(why)) => Ok(Err(why)),
        (Err(e), None) if e.kind() == ErrorKind::NotFound => Ok(Err(NoLog::Parts)),
        (Err(e), None) => Err(e),
        (Ok(()), None) => Ok(Ok(LogPlan {
            range,
            bytes: scan.bytes,
            changed_vectors: scan.ids.len() as u64,
            scope: scope.cloned(),
        })),
    }
}

/// What one pass over the log finds.
struct Scan<'a> {
    scope: Option<&'a BTreeSet<u32>>,
    bytes: u64,
    /// Collections and hashes of ids.
    ids: HashSet<(u32, u64)>,
    stop: Option<NoLog>,
}

impl Scan<'_> {
    fn record(&mut self, record: LoggedRecord<'_>, before: u64, replay_max: u64) -> Result<()> {
        let about = record.about()?;
        let covered = is_covered(self.scope, &about);
        if let (true, Some(id)) = (covered, &about.vector_of) {
            use std::hash::BuildHasher as _;
            let hash = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(id);
            self.ids.insert((about.collection, hash));
        }
        if covered {
            self.bytes += LogPartBuilder::bytes_of(record.value);
        }
        let replayed = before + self.bytes;
        let stop = if about.elided || (!covered && about.of_collections) {
            Some(NoLog::Parts)
        } else if replayed > replay_max {
            Some(NoLog::Full(format!(
                "a restore would replay more than {replay_max} bytes of log: beyond the set share of the checkpoint"
            )))
        } else {
            None
        };
        if stop.is_some() {
            self.stop = stop;
            // Ends the reading; what it says is never seen.
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

/// Whether a record is stored. Of `default`, which is always there, also what its settings become.
fn is_covered(scope: Option<&BTreeSet<u32>>, about: &About) -> bool {
    scope.is_none_or(|numbers| {
        numbers.contains(&about.collection) || (about.collection == 0 && about.of_settings)
    })
}

/// Stores the log of a plan; all parts of the new snapshot's log, from its base's checkpoint on.
pub(crate) fn store_log(
    engine: &Engine,
    repository: &Repository,
    base: &Snapshot,
    plan: &LogPlan,
    (encoder, parts): (&mut FrameEncoder, &PartWriter<'_>),
    job: &Job<'_>,
) -> Result<Vec<LogPart>> {
    let meter = Meter::new(job, 1, plan.bytes);
    let mut store = Store { base, parts, encoder, meter: &meter, log: base.log.clone(), filling: None };
    store.go_on_with_last(repository, job)?;
    engine.read_log_range(&plan.range, &mut |record| {
        job.go_on()?;
        let covered = is_covered(plan.scope.as_ref(), &record.about()?);
        store.push(record, covered)
    })?;
    store.flush()?;
    meter.file(0, 0);
    Ok(store.log)
}

/// Fills log parts one after another.
struct Store<'a, 'b> {
    base: &'a Snapshot,
    parts: &'a PartWriter<'b>,
    encoder: &'a mut FrameEncoder,
    meter: &'a Meter<'a>,
    log: Vec<LogPart>,
    filling: Option<LogPartBuilder>,
}

impl Store<'_, '_> {
    /// A short last part is written again with what follows.
    fn go_on_with_last(&mut self, repository: &Repository, job: &Job<'_>) -> Result<()> {
        let Some(last) = self.log.last().copied() else { return Ok(()) };
        if last.part.bytes > LOG_PART_REWRITTEN_BYTES_MAX || last.timeline != self.base.timeline {
            return Ok(());
        }
        let (storage, root) = (repository.storage(), repository.root());
        let bytes = last.part.read_all(storage, root, job.cancel)?;
        let path = root.join(last.part.stored());
        self.filling = Some(LogPartBuilder::resume(&path, &last, self.base.database, bytes)?);
        self.log.pop();
        Ok(())
    }

    fn push(&mut self, record: LoggedRecord<'_>, covered: bool) -> Result<()> {
        let fits = |filling: &LogPartBuilder| {
            filling.timeline == record.timeline && filling.bytes.len() < LOG_PART_BYTES
        };
        if !self.filling.as_ref().is_some_and(fits) {
            self.flush()?;
        }
        let filling = self.filling.get_or_insert_with(|| {
            LogPartBuilder::new(self.base.database, record.timeline, record.lsn, record.time_us)
        });
        if covered {
            filling.push(record);
            self.meter.bytes(LogPartBuilder::bytes_of(record.value), 0);
        } else {
            filling.leave_out(record.lsn);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let Some(filled) = self.filling.take() else { return Ok(()) };
        let written = self.parts.write(self.encoder, &filled.bytes)?;
        let LogPartBuilder { timeline, first, last, records, .. } = filled;
        self.log.push(LogPart { timeline, first, last, records, part: written.part });
        self.meter.bytes(0, if written.new { written.part.stored_bytes } else { 0 });
        Ok(())
    }
}

/// About how many bytes of an image the base lacks: all its pages, and what is not named like a file of the base.
pub(crate) fn fresh_bytes(image: &Image, base: &Snapshot) -> u64 {
    let known: BTreeSet<&str> = base.files.iter().map(|file| file.name.as_str()).collect();
    let fresh = image.files.iter().filter(|file| file.is_pages() || !known.contains(file.name.as_str()));
    fresh.map(cairn_engine::ImageFile::bytes_estimate).sum()
}
