//! Restoring a snapshot: into a new data directory, or into a running engine as its state, as a branch beside it, or as one of its
//! collections.

use crate::catalog;
use crate::digest::Hasher;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::layout;
use crate::replay::replay;
use crate::repository::{Repository, make_dir};
use crate::snapshot::{Place, Snapshot, SnapshotFile};
use cairn_disk::{Access, Crc32c, ErrorKind, Storage, parent_dir};
use cairn_engine::{
    Branch, Engine, FileRef, LoadReport, RestoreReport, Roll, Take, Target, TimelineDraft, restore_dir_over,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What of a snapshot is restored, and over what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The collections, by name or alias; `None`: all that it covers.
    pub only: Option<Vec<String>>,
    /// The target may be a data directory that no process has open: the restored one takes its place, and it stays beside it
    /// under another name. Files of it that are the snapshot's are shared, not written again.
    pub overwrite: bool,
}

/// What [`restore`] built.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The new timeline.
    pub report: RestoreReport,
    /// Bytes of files that were there already and right: of the directory that was replaced, or of a restore that was killed.
    pub kept_bytes: u64,
    /// Where the directory is that was replaced.
    pub replaced: Option<PathBuf>,
}

/// What [`load`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The new timeline.
    pub report: LoadReport,
    /// Bytes of files that other timelines had already.
    pub kept_bytes: u64,
}

/// Builds the data directory `target` (absent, or empty) on `storage` from the snapshot of an id or a name, as a new
/// timeline: its checkpoint, and the log after it replayed. Every byte is checked as [`crate::verify`] checks it before it is used; `target` is whole afterwards, or as it
/// was. `now_us` is the time now, microseconds since the Unix epoch. A restore that was killed left its files beside `target`:
/// those that are right are not written again.
///
/// Memory: the manifest, and a MiB or two for each thread that works, however long a file is; of an incremental snapshot, and of
/// single collections, the whole state.
pub fn restore(
    repository: &Repository,
    id_or_name: &str,
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    job: &Job<'_>,
) -> Result<Restored> {
    restore_with(repository, id_or_name, storage, target, now_us, &RestoreOptions::default(), job)
}

/// As [`restore`], with options.
pub fn restore_with(
    repository: &Repository,
    id_or_name: &str,
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    options: &RestoreOptions,
    job: &Job<'_>,
) -> Result<Restored> {
    let snapshot = find(repository, id_or_name)?;
    check_only(&snapshot, options.only.as_deref())?;
    let reason = format!("restored snapshot {}", snapshot.id);
    make_dir(storage.as_ref(), parent_dir(target))?;
    let source = Source::new(repository, &snapshot, job);
    let roll = source.roll(options.only.clone());
    let fill = |draft: &TimelineDraft| source.fill(draft);
    let restored = restore_dir_over(storage, target, now_us, &reason, options.overwrite, fill, roll);
    let (report, replaced) = source.told(restored)?;
    let kept_bytes = source.kept_bytes();
    Ok(Restored { report, kept_bytes, replaced, snapshot })
}

/// Replaces the state of a running engine by the snapshot of an id or a name, checked in the same way. Reads go on from
/// the old state meanwhile; on any failure nothing has changed. Files that a timeline of the engine has already are shared.
pub fn load(repository: &Repository, id_or_name: &str, engine: &Engine, job: &Job<'_>) -> Result<Loaded> {
    let snapshot = find(repository, id_or_name)?;
    let reason = format!("loaded snapshot {}", snapshot.id);
    let source = Source::new(repository, &snapshot, job);
    let roll = source.roll(None);
    let report = source.told(engine.load_rolled(&reason, |draft| source.fill(draft), roll))?;
    let kept_bytes = source.kept_bytes();
    Ok(Loaded { report, kept_bytes, snapshot })
}

/// Makes a branch of a running engine of the snapshot: a timeline that is not live, while reads and writes go on. Look at it with
/// [`Engine::view_at`] or [`Engine::compare`], then promote or drop it.
pub fn branch(
    repository: &Repository,
    id_or_name: &str,
    engine: &Engine,
    job: &Job<'_>,
) -> Result<(Snapshot, Branch)> {
    let snapshot = find(repository, id_or_name)?;
    let reason = format!("restored snapshot {}", snapshot.id);
    let source = Source::new(repository, &snapshot, job);
    let roll = source.roll(None);
    let branch = source.told(engine.branch(&reason, |draft| source.fill(draft), roll))?;
    Ok((snapshot, branch))
}

/// Puts one collection of a snapshot into a running engine, beside all others or in the place of one: [`Engine::take`].
pub fn load_collection(
    repository: &Repository,
    id_or_name: &str,
    engine: &Engine,
    take: &Take,
    job: &Job<'_>,
) -> Result<Loaded> {
    load_collections(repository, id_or_name, engine, std::slice::from_ref(take), job)
}

/// Puts several collections of a snapshot into a running engine, all of them or none, as one new timeline: [`Engine::take`].
pub fn load_collections(
    repository: &Repository,
    id_or_name: &str,
    engine: &Engine,
    takes: &[Take],
    job: &Job<'_>,
) -> Result<Loaded> {
    let snapshot = find(repository, id_or_name)?;
    let names: Vec<String> = takes.iter().map(|take| take.from.clone()).collect();
    check_only(&snapshot, Some(&names))?;
    let renamed = |take: &Take| match take.from == take.to {
        true => take.to.clone(),
        false => format!("{} as {}", take.from, take.to),
    };
    let renamed: Vec<String> = takes.iter().map(renamed).collect();
    let reason = format!("restored {} from snapshot {}", renamed.join(", "), snapshot.id);
    let source = Source::new(repository, &snapshot, job);
    let roll = source.roll(None);
    let report = source.told(engine.take(&reason, takes, |draft| source.fill(draft), roll))?;
    let kept_bytes = source.kept_bytes();
    Ok(Loaded { report, kept_bytes, snapshot })
}

fn find(repository: &Repository, id_or_name: &str) -> Result<Snapshot> {
    repository.check()?;
    catalog::find(repository, id_or_name)
}

/// Refuses, before anything is done, collections that the snapshot says it does not have. An alias is known only once its
/// manifest is read.
fn check_only(snapshot: &Snapshot, only: Option<&[String]>) -> Result<()> {
    let known: Vec<&str> = snapshot.collections.iter().map(|c| c.name.as_str()).collect();
    let missing = |name: &&String| !snapshot.whole && !known.contains(&name.as_str());
    match only.and_then(|names| names.iter().find(missing)) {
        Some(name) => Err(Error::NotFound(format!(
            "Collection not found in snapshot {}: {name}; it has {}",
            snapshot.id,
            known.join(", ")
        ))),
        None => Ok(()),
    }
}

/// A snapshot on its way into a draft.
pub(crate) struct Source<'a> {
    repository: &'a Repository,
    snapshot: &'a Snapshot,
    job: &'a Job<'a>,
    kept_bytes: AtomicU64,
}

impl<'a> Source<'a> {
    pub(crate) fn new(repository: &'a Repository, snapshot: &'a Snapshot, job: &'a Job<'a>) -> Source<'a> {
        Source { repository, snapshot, job, kept_bytes: AtomicU64::new(0) }
    }

    fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    /// A result of reading the snapshot: what is missing of one that is listed no more was removed with it.
    pub(crate) fn told<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|e| {
            let may_be_gone = matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt);
            let dir = layout::snapshot_dir(self.repository.root(), &self.snapshot.id);
            let is_listed = || !matches!(self.repository.storage().stat(&dir), Ok(None));
            if !may_be_gone || is_listed() {
                return e;
            }
            let id = &self.snapshot.id;
            Error::NotFound(format!("snapshot {id} was removed while it was being restored: {e}"))
        })
    }

    /// What is done with the files before they are a timeline; `None`: nothing.
    fn roll(&self, only: Option<Vec<String>>) -> Option<Roll<'a, Error>> {
        let snapshot = self.snapshot;
        let stands = Place { timeline: snapshot.timeline, lsn: snapshot.lsn };
        if snapshot.log.is_empty() && snapshot.image == stands && only.is_none() {
            return None;
        }
        let records = Box::new(replay(self.repository, snapshot, self.job));
        Some(Roll { records, until: Target::Lsn(snapshot.lsn), only })
    }

    /// Puts the checkpoint's files into a draft; the bytes of its manifest.
    pub(crate) fn fill(&self, draft: &TimelineDraft) -> Result<Vec<u8>> {
        let (repository, snapshot, job) = (self.repository, self.snapshot, self.job);
        if !snapshot.whole {
            draft.set_apart();
        }
        let manifest = snapshot.manifest.read_all(repository.storage(), repository.root(), job.cancel)?;
        let plain_bytes = snapshot.files.iter().map(|file| file.part.bytes).sum();
        let meter = Meter::new(job, snapshot.files.len() as u64, plain_bytes);
        self.check_room(draft)?;
        let files: Vec<&SnapshotFile> = snapshot.files.iter().collect();
        job.each(files, || Ok(()), |(), file| self.put(draft, file, &meter))?;
        Ok(manifest)
    }

    /// Refuses what would not fit, before anything is written.
    fn check_room(&self, draft: &TimelineDraft) -> Result<()> {
        let mut needed = 0;
        for file in &self.snapshot.files {
            if draft.candidates(&file.name, file.part.bytes)?.is_empty() {
                needed += file.part.bytes;
            }
        }
        let free = draft.storage().free_bytes(draft.dir())?;
        if free < needed {
            let what = format!(
                "{}: restoring snapshot {} takes {needed} bytes, {free} are free",
                draft.dir().display(),
                self.snapshot.id
            );
            return Err(Error::Engine(cairn_engine::Error::NoRoom(what)));
        }
        Ok(())
    }

    fn put(&self, draft: &TimelineDraft, file: &SnapshotFile, meter: &Meter<'_>) -> Result<()> {
        for path in draft.candidates(&file.name, file.part.bytes)? {
            if let Some(whole) = self.same(draft, &path, file)?
                && draft.link_file(&path, whole)?
            {
                self.kept_bytes.fetch_add(file.part.bytes, Ordering::Relaxed);
                meter.file(file.part.bytes, 0);
                return Ok(());
            }
        }
        let mut out = draft.put_stream(&file.name)?;
        let (repository, cancel) = (self.repository, self.job.cancel);
        file.part.read(repository.storage(), repository.root(), cancel, &mut |chunk| {
            out.append(chunk)?;
            meter.bytes(chunk.len() as u64, chunk.len() as u64);
            Ok(())
        })?;
        // Whole and checked: only now it is the draft's.
        out.finish()?;
        meter.file(0, 0);
        Ok(())
    }

    /// What a manifest says about the file at `path`, if its bytes are those of the snapshot's.
    fn same(&self, draft: &TimelineDraft, path: &Path, file: &SnapshotFile) -> Result<Option<FileRef>> {
        let opened = match draft.storage().open(path, Access::Read) {
            Ok(opened) => opened,
            // Dropped meanwhile.
            Err(_) => return Ok(None),
        };
        let (mut hasher, mut crc, mut at) = (Hasher::default(), Crc32c::new(), 0);
        let mut buffer = vec![0; READ_BYTES];
        while at < file.part.bytes {
            self.job.go_on()?;
            let Ok(n @ 1..) = opened.read_at(at, &mut buffer) else { return Ok(None) };
            hasher.update(&buffer[..n]);
            crc.update(&buffer[..n]);
            at += n as u64;
        }
        let same = at == file.part.bytes && hasher.finish() == file.part.id.0;
        let whole = FileRef { name: file.name.clone(), bytes: at, crc32c: crc.value() };
        Ok(same.then_some(whole))
    }
}

/// How much of a file that is there is read at once.
const READ_BYTES: usize = 1 << 20;
