//! Creating a full snapshot from a View.

use crate::catalog::{self, Listed};
use crate::checksum;
use crate::codec::Compression;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::layout;
use crate::metadata;
use crate::names::NAMES_A_SECOND_MAX;
use crate::part::Part;
use crate::part_writer::{PartWriter, new_encoder};
use crate::repository::Repository;
use crate::snapshot::{Snapshot, SnapshotFile, SnapshotType};
use crate::snapshot_id::SnapshotId;
use cairn_disk::write_new;
use cairn_engine::{Counts, FileRef, Image, ImageFile, Position, View};
use parking_lot::Mutex;

/// What a new snapshot is to be.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// A second name for it, not yet used in the repository.
    pub name: Option<String>,
    /// Free text.
    pub description: String,
    /// Free words.
    pub tags: Vec<String>,
    /// How its parts are stored.
    pub compression: Compression,
    /// The time now, microseconds since the Unix epoch: its id is made of it.
    pub now_us: i64,
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
    options.compression.validate()?;
    metadata::validate_labels(options.name.as_deref(), &options.description, &options.tags)?;
    let _writer = repository.writer()?;
    if let Some(name) = &options.name {
        check_name_free(repository, name)?;
    }
    let id = free_id(repository, options.now_us)?;
    let (storage, root) = (repository.storage(), repository.root());
    let staged = layout::staged_dir(root, &id);
    let parts = PartWriter::new(storage, root, id.as_str(), job.cancel);
    let stored = store(view, options, id, &parts, job).and_then(|snapshot| {
        job.go_on()?;
        stage(repository, &snapshot)?;
        Ok(snapshot)
    });
    match stored {
        Ok(snapshot) => publish(repository, snapshot),
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

fn free_id(repository: &Repository, now_us: i64) -> Result<SnapshotId> {
    for nth in 1..=NAMES_A_SECOND_MAX {
        let id = SnapshotId::at(now_us, nth)?;
        if repository.storage().stat(&layout::snapshot_dir(repository.root(), &id))?.is_none() {
            return Ok(id);
        }
    }
    Err(Error::Exists(format!("{NAMES_A_SECOND_MAX} snapshots of one second")))
}

/// Writes all parts, which last when this returns.
fn store(
    view: View,
    options: &CreateOptions,
    id: SnapshotId,
    parts: &PartWriter<'_>,
    job: &Job<'_>,
) -> Result<Snapshot> {
    let (position, counts) = (view.position(), view.counts());
    let mut image = view.into_image();
    let (files, refs) = store_files(&mut image, options.compression, parts, job)?;
    let manifest = image.into_manifest(refs)?;
    let manifest = parts.write(&mut new_encoder(options.compression)?, &manifest)?.part;
    parts.finish()?;
    Ok(assemble(options, id, (position, counts), manifest, files))
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
            let (written, file_ref) = parts.write_file(encoder, &file)?;
            let new_bytes = if written.new { written.part.stored_bytes } else { 0 };
            let name = file.name().to_owned();
            stored.lock()[at] = Some((SnapshotFile { name, part: written.part }, file_ref));
            meter.file(written.part.bytes, new_bytes);
            Ok(())
        },
    )?;
    let all: Option<Vec<_>> = stored.into_inner().into_iter().collect();
    Ok(all.ok_or_else(|| Error::Bug("a file of the image was not stored".to_owned()))?.into_iter().unzip())
}

fn assemble(
    options: &CreateOptions,
    id: SnapshotId,
    (position, counts): (Position, Counts),
    manifest: Part,
    files: Vec<SnapshotFile>,
) -> Snapshot {
    let mut snapshot = Snapshot {
        id,
        name: options.name.clone(),
        description: options.description.clone(),
        tags: options.tags.clone(),
        snapshot_type: SnapshotType::Full,
        created_us: options.now_us,
        database: position.database,
        timeline: position.timeline,
        lsn: position.lsn,
        time_us: position.time_us,
        compression: options.compression.codec(),
        counts,
        plain_bytes: 0,
        stored_bytes: 0,
        manifest,
        files,
    };
    (snapshot.plain_bytes, snapshot.stored_bytes) = metadata::sums(&snapshot);
    snapshot
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
