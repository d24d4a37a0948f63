//! Making snapshots: of one log or of several at one moment, whole or upon an earlier one.

use super::catalogue::Catalogue;
use super::cut::LogCut;
use super::manager::{Held, SnapshotManager, first_number, id_of};
use super::options::SnapshotOptions;
use super::snapshot::{Snapshot, SnapshotFileKind, SnapshotGroup};
use super::store::{Base, store};
use super::{metadata, parallel};
use crate::error::corrupt;
use crate::{Error, Log, Result};

/// A snapshot to be made.
struct Job<'a> {
    manager: &'a SnapshotManager,
    held: Held<'a>,
    catalogue: Catalogue,
    cut: LogCut<'a>,
}

/// What is the same in all snapshots of one cut.
struct Plan<'a> {
    id: String,
    timestamp_us: i64,
    group: Option<SnapshotGroup>,
    options: &'a SnapshotOptions,
}

impl SnapshotManager {
    /// Takes a snapshot of the log, durable when it returns. Everything appended before is in it, and is made durable first;
    /// appends go on meanwhile, removal and compaction wait.
    ///
    /// Sealed segments are hard-linked and not read: it takes as long as the open segment is long. Damage in them is found by
    /// [`SnapshotManager::verify_snapshot`]. What is copied is checked: a damaged segment fails the snapshot, by name. After
    /// any error, and after a crash, nothing of the snapshot is there.
    pub fn create_snapshot(&self, log: &Log) -> Result<Snapshot> {
        self.create_snapshot_with(log, &SnapshotOptions::default())
    }

    /// As [`SnapshotManager::create_snapshot`], compressed, or with several files at a time.
    pub fn create_snapshot_with(&self, log: &Log, options: &SnapshotOptions) -> Result<Snapshot> {
        one(create(&[(self, log)], options, None)?)
    }

    /// Takes a snapshot upon an earlier one: segments that are as in that one are hard links to its files, stored as they
    /// are there, and only the others (`changed_segments`) are taken from the log. Each stays whole when the other is
    /// deleted.
    pub fn create_incremental_snapshot(&self, log: &Log, base_id: &str) -> Result<Snapshot> {
        self.create_incremental_snapshot_with(log, base_id, &SnapshotOptions::default())
    }

    /// As [`SnapshotManager::create_incremental_snapshot`], the changed segments compressed, or several files at a time.
    pub fn create_incremental_snapshot_with(
        &self,
        log: &Log,
        base_id: &str,
        options: &SnapshotOptions,
    ) -> Result<Snapshot> {
        one(create(&[(self, log)], options, Some(base_id))?)
    }

    /// Takes snapshots of several logs at one moment; in the same order. A record is in them whenever one is that was
    /// appended, to any of the logs, after the first's append had returned. They have the same id and `group`. After an
    /// error none is there; after a crash some may be, whole, and `group` tells that others are missing.
    pub fn create_cut(logs: &[(&SnapshotManager, &Log)]) -> Result<Vec<Snapshot>> {
        Self::create_cut_with(logs, &SnapshotOptions::default())
    }

    /// As [`SnapshotManager::create_cut`], compressed, or with several files at a time.
    pub fn create_cut_with(
        logs: &[(&SnapshotManager, &Log)],
        options: &SnapshotOptions,
    ) -> Result<Vec<Snapshot>> {
        create(logs, options, None)
    }

    /// Refuses a log that lives elsewhere.
    fn check_log(&self, log: &Log) -> Result<()> {
        let (ours, its) = (self.storage.canonical(&self.log_dir)?, self.storage.canonical(&log.config.dir)?);
        if ours == its {
            return Ok(());
        }
        let (expected, actual) = (ours.display().to_string(), its.display().to_string());
        Err(Error::SnapshotRequest { what: "directory of the log", expected, actual })
    }
}

fn one(snapshots: Vec<Snapshot>) -> Result<Snapshot> {
    Ok(snapshots.into_iter().next().expect("as many snapshots as logs"))
}

fn create(
    logs: &[(&SnapshotManager, &Log)],
    options: &SnapshotOptions,
    base_id: Option<&str>,
) -> Result<Vec<Snapshot>> {
    check_parallel(options.parallel)?;
    options.compression.check()?;
    let Some((first, _)) = logs.first() else { return Ok(Vec::new()) };
    let mut held = hold_all(logs)?;
    let catalogues: Vec<Catalogue> = held.iter().map(|(m, held)| m.tidy(held)).collect::<Result<_>>()?;
    let timestamp_us = first.clock.now_us();
    let id = free_id(logs, timestamp_us)?;
    let group = (logs.len() > 1).then(|| SnapshotGroup { id: id.clone(), logs: logs.len() as u64 });
    let plan = Plan { id, timestamp_us, group, options };
    let cuts = LogCut::take(&logs.iter().map(|(_, log)| *log).collect::<Vec<_>>());
    let jobs = held.drain(..).zip(catalogues).zip(cuts);
    let jobs: Vec<Job<'_>> =
        jobs.map(|(((manager, held), catalogue), cut)| Job { manager, held, catalogue, cut }).collect();
    let built: Result<Vec<Snapshot>> = jobs.iter().map(|job| job.build(&plan, base_id)).collect();
    let snapshots = built.inspect_err(|_| {
        jobs.iter().for_each(|job| job.manager.discard(&job.manager.staging_of(&plan.id)));
    })?;
    publish_all(jobs, &snapshots)?;
    Ok(snapshots)
}

/// Takes the right to change each log's snapshots, in one order everywhere.
fn hold_all<'a>(logs: &[(&'a SnapshotManager, &Log)]) -> Result<Vec<(&'a SnapshotManager, Held<'a>)>> {
    let mut order: Vec<(std::path::PathBuf, usize)> = Vec::with_capacity(logs.len());
    for (i, (manager, log)) in logs.iter().enumerate() {
        manager.check_log(log)?;
        order.push((manager.storage.canonical(&manager.snapshot_dir)?, i));
    }
    order.sort();
    if let Some(two) = order.windows(2).find(|two| two[0].0 == two[1].0) {
        let (expected, actual) = ("each once".to_owned(), format!("{} twice", two[0].0.display()));
        return Err(Error::SnapshotRequest { what: "logs of a cut", expected, actual });
    }
    let mut held = Vec::with_capacity(logs.len());
    for (_, i) in order {
        held.push((i, logs[i].0, logs[i].0.hold()?));
    }
    held.sort_by_key(|(i, ..)| *i);
    Ok(held.into_iter().map(|(_, manager, held)| (manager, held)).collect())
}

/// The first id from this time on that none of the logs has.
fn free_id(logs: &[(&SnapshotManager, &Log)], timestamp_us: i64) -> Result<String> {
    let mut number = first_number(timestamp_us);
    'next: loop {
        for (manager, _) in logs {
            if !manager.is_free(number)? {
                number = number.wrapping_add(1);
                continue 'next;
            }
        }
        return Ok(id_of(number));
    }
}

/// Gives all of them their names, or none.
fn publish_all(jobs: Vec<Job<'_>>, snapshots: &[Snapshot]) -> Result<()> {
    let mut published = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter().zip(snapshots);
    while let Some((Job { manager, held, catalogue, .. }, snapshot)) = jobs.next() {
        match manager.publish(&held, catalogue, snapshot) {
            Ok(()) => published.push((manager, held)),
            Err(error) => {
                // The first error is the one to report.
                for (job, snapshot) in jobs {
                    job.manager.discard(&job.manager.staging_of(&snapshot.id));
                }
                for (manager, held) in &published {
                    let _ = manager.catalogue().and_then(|c| manager.delete(held, c, &snapshot.id));
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Refuses to work on no file at a time.
pub(crate) fn check_parallel(parallel: usize) -> Result<()> {
    if parallel > 0 {
        return Ok(());
    }
    let (expected, actual) = ("at least 1".to_owned(), "0".to_owned());
    Err(Error::SnapshotRequest { what: "files worked on at a time (parallel)", expected, actual })
}

impl Job<'_> {
    /// Fills a directory with the snapshot, durably. It has not yet its name.
    fn build(&self, plan: &Plan<'_>, base_id: Option<&str>) -> Result<Snapshot> {
        let Job { manager, catalogue, cut, .. } = self;
        let storage = &*manager.storage;
        let base = base_id.map(|id| self.base(id)).transpose()?;
        // What is in it is durable: else a crash might leave it with records that the log lost.
        cut.log.sync()?;
        let sources = cut.sources(&catalogue.snapshots)?;
        let staging = manager.staging_of(&plan.id);
        storage.create_dir_all(&staging)?;
        let stored = parallel::run(plan.options.parallel, &sources, |source| {
            store(storage, source, &staging, plan.options.compression, base.as_ref())
        })?;
        let (mut segments, mut changed_segments) = (cut.segments(), Vec::new());
        let linked = stored.iter().any(|stored| stored.linked);
        for (source, stored) in sources.iter().zip(stored) {
            if source.kind == SnapshotFileKind::Log && !stored.unchanged {
                changed_segments.push(source.base);
            }
            let at = segments.binary_search_by_key(&source.base, |s| s.base_offset);
            segments[at.expect("sources are of the cut's segments")].files.push(stored.file);
        }
        let ((base_offset, high_water_mark), config) = (cut.offsets(), &cut.log.config);
        let snapshot = Snapshot {
            id: plan.id.clone(),
            timestamp_us: plan.timestamp_us,
            base_offset,
            high_water_mark,
            num_segments: 0,
            total_size: 0,
            segment_offsets: Vec::new(),
            stored_size: 0,
            linked,
            base_id: base_id.map(str::to_owned),
            changed_segments,
            group: plan.group.clone(),
            log_id: config.id,
            timeline: config.timeline,
            segments,
        };
        let snapshot = snapshot.sum_up();
        metadata::write(storage, &staging, &snapshot)?;
        storage.sync_dir(&staging)?;
        validate(manager, &snapshot)?;
        Ok(snapshot)
    }

    /// The snapshot to make this one upon.
    fn base(&self, id: &str) -> Result<Base<'_>> {
        let snapshot = self.catalogue.get(&self.manager.snapshot_dir, id)?;
        let config = &self.cut.log.config;
        if (snapshot.log_id, snapshot.timeline) != (config.id, config.timeline) {
            let named = |id, timeline| format!("one of log {id}, timeline {timeline}");
            return Err(Error::SnapshotRequest {
                what: "snapshot to make another upon",
                expected: named(config.id, config.timeline),
                actual: named(snapshot.log_id, snapshot.timeline),
            });
        }
        Ok(Base { snapshot, dir: self.manager.dir_of(id) })
    }
}

/// Looks at what was written: the metadata reads as it should, and every file is there and as long as it says. What was
/// copied was read again as it was copied.
fn validate(manager: &SnapshotManager, snapshot: &Snapshot) -> Result<()> {
    let (storage, dir) = (&*manager.storage, manager.staging_of(&snapshot.id));
    let read = metadata::read(storage, &dir)?;
    if read != *snapshot {
        let path = dir.join(metadata::SNAPSHOT_JSON);
        return Err(corrupt(&path, None, "metadata", "what was written", "something else").into());
    }
    match missing_file(manager, &dir, snapshot)? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The first file of a snapshot that is not there, or not as long as it should be.
pub(crate) fn missing_file(
    manager: &SnapshotManager,
    dir: &std::path::Path,
    snapshot: &Snapshot,
) -> Result<Option<Error>> {
    for (base, file) in snapshot.files() {
        let path = Snapshot::path(dir, base, file);
        let actual = manager.storage.stat(&path)?.map(|stat| stat.bytes);
        if actual != Some(file.stored_bytes) {
            let actual = actual.map_or("no file".to_owned(), |bytes| format!("{bytes} bytes"));
            let expected = format!("{} bytes", file.stored_bytes);
            return Ok(Some(corrupt(&path, None, "size mismatch", expected, actual).into()));
        }
    }
    Ok(None)
}
