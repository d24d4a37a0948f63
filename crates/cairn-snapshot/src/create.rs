//! Creating a snapshot: full from a View, or incremental from an engine and a base.

use crate::catalog::{self, Listed};
use crate::checksum;
use crate::codec::{Compression, FrameEncoder};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::incremental::{self, Base, NoLog};
use crate::job::{FileMeter, Job, Meter};
use crate::layout;
use crate::log_part::LogPart;
use crate::metadata;
use crate::names::NAMES_A_SECOND_MAX;
use crate::part::Part;
use crate::part_writer::{PartWriter, new_encoder};
use crate::repository::Repository;
use crate::snapshot::{Place, Snapshot, SnapshotCollection, SnapshotFile, SnapshotType};
use crate::snapshot_id::SnapshotId;
use cairn_disk::{Storage, Throttled, write_new};
use cairn_engine::{CollectionView, Counts, Engine, FileRef, Image, ImageFile, Position, View};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a new snapshot is to be.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// A second name for it, not yet used in the repository.
    pub name: Option<String>,
    /// Free text.
    pub description: String,
    /// Free words.
    pub tags: Vec<String>,
    /// How its parts are stored.
    pub compression: Compression,
    /// The collections it covers, by name or alias; `None`: the whole database.
    pub collections: Option<Vec<String>>,
    /// The snapshot it goes on from.
    pub base: Base,
    /// Replaying more than this share of the checkpoint's bytes calls for a new full snapshot instead of an incremental one.
    pub full_share: f64,
    /// The time now, microseconds since the Unix epoch: its id is made of it.
    pub now_us: i64,
}

/// The default of [`CreateOptions::full_share`]: replaying a half as many bytes of log as the checkpoint has takes about as
/// long as restoring the checkpoint.
const FULL_SHARE: f64 = 0.5;

impl Default for CreateOptions {
    fn default() -> Self {
        CreateOptions {
            name: None,
            description: String::new(),
            tags: Vec::new(),
            compression: Compression::default(),
            collections: None,
            base: Base::None,
            full_share: FULL_SHARE,
            now_us: 0,
        }
    }
}

/// What [`create_live`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Why it is a full one although a base was asked for.
    pub full_because: Option<String>,
}

/// Stores the state of `view` as a full snapshot. When this returns, the snapshot is durable and whole; until then it
/// is not there at all, also after a crash.
///
/// Memory: as many files of pages, of about 4 MiB, as threads work; segments are read where they are, a MiB at a time. Each
/// part of the View is let go once its file is stored. Parts that the repository holds already are read and hashed, not
/// written again. A mapped segment whose bytes are damaged is an error. When it fails or is cancelled, the parts it wrote are
/// removed; those of a crash stay until the next [`crate::delete`], and no snapshot names them.
pub fn create(
    repository: &Repository,
    view: View,
    options: &CreateOptions,
    job: &Job<'_>,
) -> Result<Snapshot> {
    if options.base != Base::None {
        let message = "a base needs the engine's log: create_live, or leave the base out".to_owned();
        return Err(Error::Input(message));
    }
    let view = scoped(view, options)?;
    let disk = repository.disk();
    Ok(run(repository, &*disk, options, job, |work| work.full(view, None))?.snapshot)
}

/// Stores the state of a running engine, with every write that was acknowledged before the call: full, or from a base
/// ([`CreateOptions::base`]). An incremental snapshot shares its base's checkpoint and stores the log since; or the files that
/// the base lacks, where these are less, where the log leaves vectors out, or where it no longer reaches back to the base. It
/// stays whole when its base is deleted. Where a restore would replay more than [`CreateOptions::full_share`] of the checkpoint,
/// or when there is no base, it is a full one, which [`Created::full_because`] says.
pub fn create_live(
    repository: &Repository,
    engine: &Engine,
    options: &CreateOptions,
    job: &Job<'_>,
) -> Result<Created> {
    // Its parts are mostly on the disk that the log is on, whose syncs writers wait for.
    let disk = Throttled::new(repository.disk(), Arc::clone(&engine.options().throttle));
    run(repository, &disk, options, job, |work| {
        let view = scoped(engine.view()?, options)?;
        let scope: Option<BTreeSet<u32>> =
            options.collections.as_ref().map(|_| covered(&view, options).map(|c| c.number).collect());
        match incremental::find_base(repository, &options.base, &view.position(), scope.as_ref())? {
            Ok(base) => work.on_base(engine, view, base, scope.as_ref()),
            Err(why) => work.full(view, why),
        }
    })
}

/// The View that a snapshot with these options stores.
fn scoped(view: View, options: &CreateOptions) -> Result<View> {
    Ok(match &options.collections {
        Some(names) if names.is_empty() => {
            return Err(Error::Input("collections: expected at least one, got none".to_owned()));
        }
        Some(names) => view.only(names)?,
        None => view,
    })
}

/// What it covers of a scoped View.
fn covered<'a>(view: &'a View, options: &'a CreateOptions) -> impl Iterator<Item = SnapshotCollection> + 'a {
    let numbers: Option<BTreeSet<u32>> = options.collections.as_ref().map(|names| {
        names.iter().filter_map(|name| view.collection(name)).map(CollectionView::number).collect()
    });
    let lasting = view.collections().iter().filter(|collection| !collection.spec().volatile);
    let wanted =
        lasting.filter(move |collection| numbers.as_ref().is_none_or(|n| n.contains(&collection.number())));
    wanted.map(|collection| SnapshotCollection {
        name: collection.name().to_owned(),
        number: collection.number(),
        dimension: collection.dimension(),
        counts: collection.counts(),
    })
}

/// Holds the lock of writers around the work, whose parts go to `disk`, and which is published, or undone when it fails.
fn run(
    repository: &Repository,
    disk: &dyn Storage,
    options: &CreateOptions,
    job: &Job<'_>,
    work: impl FnOnce(&Work<'_>) -> Result<Created>,
) -> Result<Created> {
    options.compression.validate()?;
    metadata::validate_labels(options.name.as_deref(), &options.description, &options.tags)?;
    if options.full_share.is_nan() || options.full_share < 0.0 {
        let message = format!("full share: expected 0 or more, got {}", options.full_share);
        return Err(Error::Input(message));
    }
    let _writer = repository.writer()?;
    if let Some(name) = &options.name {
        check_name_free(repository, name)?;
    }
    let id = free_id(repository, options.now_us)?;
    let (storage, root) = (repository.storage(), repository.root());
    let staged = layout::staged_dir(root, &id);
    let parts = PartWriter::new(disk, root, id.as_str(), job.cancel);
    let doing = Work { repository, options, id, parts: &parts, job };
    let stored = work(&doing).and_then(|created| {
        job.go_on()?;
        stage(repository, &created.snapshot)?;
        Ok(created)
    });
    match stored {
        Ok(Created { snapshot, full_because }) => {
            Ok(Created { snapshot: publish(repository, snapshot)?, full_because })
        }
        Err(e) => {
            // What cannot be removed now goes with the next writer's cleanup.
            let _ = storage.remove_dir_all(&staged);
            parts.abandon();
            Err(e)
        }
    }
}

fn check_name_free(repository: &Repository, name: &str) -> Result<()> {
    let has_it =
        |listed: &Listed| listed.whole().is_some_and(|snapshot| snapshot.name.as_deref() == Some(name));
    match catalog::list(repository)?.iter().find(|listed| has_it(listed)) {
        Some(other) => Err(Error::Exists(format!("snapshot name {name:?} is taken by {}", other.id()))),
        None => Ok(()),
    }
}

/// The next id of this second. One that a deleted snapshot had is taken again only when no later one is there: ids say which is newer.
fn free_id(repository: &Repository, now_us: i64) -> Result<SnapshotId> {
    let first = SnapshotId::at(now_us, 1)?;
    let mut nth = 1;
    for entry in repository.storage().list(&repository.root().join(layout::SNAPSHOTS))? {
        if let Some(taken) = entry.name.parse().ok().and_then(|id: SnapshotId| id.nth_with(&first)) {
            nth = nth.max(taken.saturating_add(1));
        }
    }
    if nth > NAMES_A_SECOND_MAX {
        return Err(Error::Exists(format!("{NAMES_A_SECOND_MAX} snapshots of one second")));
    }
    SnapshotId::at(now_us, nth)
}

/// A snapshot that is being made.
struct Work<'a> {
    repository: &'a Repository,
    options: &'a CreateOptions,
    id: SnapshotId,
    parts: &'a PartWriter<'a>,
    job: &'a Job<'a>,
}

impl Work<'_> {
    /// Writes all parts of a full one, which last when this returns.
    fn full(&self, view: View, full_because: Option<String>) -> Result<Created> {
        let made = Made { snapshot_type: SnapshotType::Full, base: None, changed_vectors: 0 };
        Ok(Created { snapshot: self.image(view, made)?, full_because })
    }

    fn on_base(
        &self,
        engine: &Engine,
        view: View,
        base: Snapshot,
        scope: Option<&BTreeSet<u32>>,
    ) -> Result<Created> {
        let position = view.position();
        let planned =
            incremental::plan_log(engine, &base, &position, scope, self.options.full_share, self.job)?;
        let fresh = incremental::fresh_bytes(&view.clone().into_image(), &base);
        let incremental = |changed_vectors| Made {
            snapshot_type: SnapshotType::Incremental,
            base: Some(base.id.clone()),
            changed_vectors,
        };
        let snapshot = match planned {
            Ok(plan) if plan.bytes <= fresh => {
                let head = Head::of(&view, self.options);
                // Nothing of the state is needed any more: writers need not copy what they change.
                drop(view);
                let mut encoder = new_encoder(self.options.compression)?;
                let store = (&mut encoder, self.parts);
                let log = incremental::store_log(engine, self.repository, &base, &plan, store, self.job)?;
                let list = self.list(&mut encoder, &base.manifest, &base.files)?;
                self.parts.finish()?;
                let image = (base.image, base.manifest, base.files.clone());
                self.assemble(head, incremental(plan.changed_vectors), image, list, log)
            }
            Ok(plan) => self.image(view, incremental(plan.changed_vectors))?,
            Err(NoLog::Parts) => {
                let all = view.counts().vectors;
                self.image(view, incremental(all))?
            }
            Err(NoLog::Full(why)) => return self.full(view, Some(why)),
        };
        Ok(Created { snapshot, full_because: None })
    }

    /// Stores the state as files, of which those that are there already are shared.
    fn image(&self, view: View, made: Made) -> Result<Snapshot> {
        let head = Head::of(&view, self.options);
        let mut image = view.into_image();
        let (files, refs) = store_files(&mut image, self.options.compression, self.parts, self.job)?;
        let manifest = image.into_manifest(refs)?;
        let mut encoder = new_encoder(self.options.compression)?;
        let manifest = self.parts.write(&mut encoder, &manifest)?.part;
        let list = self.list(&mut encoder, &manifest, &files)?;
        self.parts.finish()?;
        let place = Place { timeline: head.position.timeline, lsn: head.position.lsn };
        Ok(self.assemble(head, made, (place, manifest, files), list, Vec::new()))
    }

    fn list(&self, encoder: &mut FrameEncoder, manifest: &Part, files: &[SnapshotFile]) -> Result<Part> {
        let bytes = metadata::encode_list(manifest, files)?;
        Ok(self.parts.write(encoder, &bytes)?.part)
    }

    fn assemble(
        &self,
        head: Head,
        made: Made,
        (image, manifest, files): (Place, Part, Vec<SnapshotFile>),
        list: Part,
        log: Vec<LogPart>,
    ) -> Snapshot {
        let (options, Head { position, counts, collections }) = (self.options, head);
        let mut snapshot = Snapshot {
            id: self.id.clone(),
            name: options.name.clone(),
            description: options.description.clone(),
            tags: options.tags.clone(),
            snapshot_type: made.snapshot_type,
            created_us: options.now_us,
            database: position.database,
            timeline: position.timeline,
            lsn: position.lsn,
            time_us: position.time_us,
            compression: options.compression.codec(),
            counts,
            plain_bytes: 0,
            stored_bytes: 0,
            added_bytes: self.parts.added_bytes(),
            collections,
            whole: options.collections.is_none(),
            base: made.base,
            changed_vectors: made.changed_vectors,
            image,
            manifest,
            files,
            list: Some(list),
            log,
        };
        (snapshot.plain_bytes, snapshot.stored_bytes) = metadata::sums(&snapshot);
        snapshot
    }
}

/// Of which kind a snapshot is.
struct Made {
    snapshot_type: SnapshotType,
    base: Option<SnapshotId>,
    changed_vectors: u64,
}

/// What a View says of a snapshot that is made from it.
struct Head {
    position: Position,
    counts: Counts,
    collections: Vec<SnapshotCollection>,
}

impl Head {
    fn of(view: &View, options: &CreateOptions) -> Head {
        Head {
            position: view.position(),
            counts: view.counts(),
            collections: covered(view, options).collect(),
        }
    }
}

fn store_files(
    image: &mut Image,
    compression: Compression,
    parts: &PartWriter<'_>,
    job: &Job<'_>,
) -> Result<(Vec<SnapshotFile>, Vec<FileRef>)> {
    let files = std::mem::take(&mut image.files);
    let estimate = files.iter().map(ImageFile::bytes_estimate).sum();
    let meter = Meter::new(job, files.len() as u64, estimate);
    let stored: Mutex<Vec<Option<(SnapshotFile, FileRef)>>> =
        Mutex::new(files.iter().map(|_| None).collect());
    let numbered: Vec<_> = files.into_iter().enumerate().collect();
    job.each(
        numbered,
        || new_encoder(compression),
        |encoder, (at, file)| {
            let file = file.encoded();
            let counted = FileMeter::new(&meter, file.bytes());
            let (written, file_ref) = parts.write_file(encoder, &file, &|bytes| counted.read(bytes))?;
            let new_bytes = if written.new { written.part.stored_bytes } else { 0 };
            let name = file.name().to_owned();
            stored.lock()[at] = Some((SnapshotFile { name, part: written.part }, file_ref));
            counted.done(new_bytes);
            Ok(())
        },
    )?;
    let all: Option<Vec<_>> = stored.into_inner().into_iter().collect();
    Ok(all.ok_or_else(|| Error::Bug("a file of the image was not stored".to_owned()))?.into_iter().unzip())
}

/// Writes the snapshot's directory under its unfinished name, durably.
fn stage(repository: &Repository, snapshot: &Snapshot) -> Result<()> {
    let storage = repository.storage();
    let dir = layout::staged_dir(repository.root(), &snapshot.id);
    let bytes = metadata::encode(snapshot)?;
    let checksums = checksum::text(Digest::of(&bytes), snapshot);
    storage.create_dir_all(&dir)?;
    write_new(storage, &dir.join(layout::METADATA), &bytes)?;
    write_new(storage, &dir.join(layout::CHECKSUM), checksums.as_bytes())?;
    storage.sync_dir(&dir)?;
    Ok(())
}

/// The one rename that makes it a snapshot.
fn publish(repository: &Repository, snapshot: Snapshot) -> Result<Snapshot> {
    let (storage, root) = (repository.storage(), repository.root());
    let staged = layout::staged_dir(root, &snapshot.id);
    let dir = layout::snapshot_dir(root, &snapshot.id);
    let published =
        storage.rename(&staged, &dir).and_then(|()| storage.sync_dir(&root.join(layout::SNAPSHOTS)));
    match published {
        Ok(()) => Ok(snapshot),
        Err(e) => {
            // Whether a crash would bring it back is not known: it goes out of sight, but its parts stay until a delete
            // has made sure of that.
            let _ = storage.rename(&dir, &staged);
            Err(e.into())
        }
    }
}
