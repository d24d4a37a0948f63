//! Storing one file of a log in a snapshot, and reading it back.

use super::compression::{Compression, SnapshotCodec};
use super::cut::Source;
use super::snapshot::{Snapshot, SnapshotFile};
use super::stream::{FileReader, FileWriter, check_sum, drain, stream_error};
use crate::Result;
use crate::error::corrupt;
use cairn_disk::{Access, Error, Storage};
use std::io;
use std::path::{Path, PathBuf};

/// The snapshot that an incremental one is made upon.
pub(crate) struct Base<'a> {
    pub snapshot: &'a Snapshot,
    pub dir: PathBuf,
}

/// A file as it is in the snapshot.
pub(crate) struct Stored {
    pub file: SnapshotFile,
    /// Whether it is a second name for a file of the log.
    pub linked: bool,
    /// Whether it is the base snapshot's.
    pub unchanged: bool,
}

/// Puts a file into the directory `staging`: as a second name for the base's where that has the same, else for the log's if
/// that is sealed and nothing is compressed, else as a copy, checked.
pub(crate) fn store(
    storage: &dyn Storage,
    source: &Source,
    staging: &Path,
    compression: Compression,
    base: Option<&Base<'_>>,
) -> Result<Stored> {
    if let Some(stored) = base.map(|base| reuse(storage, source, staging, base)).transpose()?.flatten() {
        return Ok(stored);
    }
    let file = SnapshotFile {
        kind: source.kind,
        bytes: source.sum.bytes,
        crc32c: source.sum.crc32c,
        codec: compression.codec(),
        stored_bytes: source.sum.bytes,
        stored_crc32c: source.sum.crc32c,
    };
    let target = Snapshot::path(staging, source.base, &file);
    if compression != Compression::None {
        let file = compress(storage, source, &target, compression, file)?;
        return Ok(Stored { file, linked: false, unchanged: false });
    }
    let linked = source.sealed && link(storage, &source.path, &target, source.sum.bytes)?;
    if !linked {
        copy(storage, &source.path, &target, &file)?;
    }
    Ok(Stored { file, linked, unchanged: false })
}

/// The base's file, if it has the same.
fn reuse(storage: &dyn Storage, source: &Source, staging: &Path, base: &Base<'_>) -> Result<Option<Stored>> {
    let segments = &base.snapshot.segments;
    let segment = segments.binary_search_by_key(&source.base, |s| s.base_offset).ok().map(|at| &segments[at]);
    let file = segment.and_then(|s| s.file(source.kind)).filter(|file| file.sum() == source.sum);
    let Some(file) = file else { return Ok(None) };
    let from = Snapshot::path(&base.dir, source.base, file);
    // Where the base is damaged, the log is asked.
    if storage.stat(&from)?.is_none_or(|stat| stat.bytes != file.stored_bytes) {
        return Ok(None);
    }
    let target = Snapshot::path(staging, source.base, file);
    let linked = link(storage, &from, &target, file.stored_bytes)?;
    if !linked {
        copy(storage, &from, &target, file)?;
    }
    let linked = linked && base.snapshot.linked && file.codec == SnapshotCodec::None;
    Ok(Some(Stored { file: file.clone(), linked, unchanged: true }))
}

/// A second name for a file; `false` where the file system gives none.
fn link(storage: &dyn Storage, from: &Path, to: &Path, bytes: u64) -> Result<bool> {
    match storage.link(from, to) {
        Ok(()) => {}
        Err(e) if gives_no_links(&e) => return Ok(false),
        Err(e) => return Err(e.into()),
    }
    let actual = storage.stat(to)?.map_or(0, |stat| stat.bytes);
    if actual != bytes {
        return Err(corrupt(from, None, "size mismatch", bytes, actual).into());
    }
    Ok(true)
}

/// Whether the file system has no second names, or no more of them, or none from there to here.
fn gives_no_links(error: &Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    let Error::Io { source, .. } = error else { return false };
    matches!(source.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

/// Copies the beginning of a file, as long as `file` is stored, sharing blocks where the disk can; reads the copy again.
fn copy(storage: &dyn Storage, from: &Path, to: &Path, file: &SnapshotFile) -> Result<()> {
    storage.reflink(from, to)?;
    let copy = storage.open(to, Access::Write)?;
    if copy.bytes()? > file.stored_bytes {
        copy.truncate(file.stored_bytes)?;
    }
    copy.sync()?;
    let mut reader = FileReader::new(&*copy, u64::MAX);
    let actual = drain(&mut reader, file.stored_bytes, None).map_err(|e| stream_error(to, e))?;
    Ok(check_sum(from, file.stored_sum(), actual)?)
}

/// Compresses a file, reading no further than its length; reads what it wrote again.
fn compress(
    storage: &dyn Storage,
    source: &Source,
    target: &Path,
    compression: Compression,
    mut file: SnapshotFile,
) -> Result<SnapshotFile> {
    let plain = storage.open(&source.path, Access::Read)?;
    let mut reader = FileReader::new(&*plain, source.sum.bytes);
    let stored = storage.create(target)?;
    let mut writer = FileWriter::new(&*stored);
    compression.write(&mut reader, &mut writer).map_err(|e| stream_error(target, e))?;
    stored.sync()?;
    check_sum(&source.path, source.sum, reader.sum())?;
    let sum = writer.sum();
    (file.stored_bytes, file.stored_crc32c) = (sum.bytes, sum.crc32c);
    read_stored(storage, target, &file, None)?;
    Ok(file)
}

/// Reads a stored file whole, decompressed, and checks every byte of it; writes it to `to`, if any.
pub(crate) fn read_stored(
    storage: &dyn Storage,
    path: &Path,
    file: &SnapshotFile,
    to: Option<&mut FileWriter<'_>>,
) -> Result<()> {
    let stored = storage.open(path, Access::Read)?;
    let bytes = stored.bytes()?;
    if bytes != file.stored_bytes {
        return Err(corrupt(path, None, "size mismatch", file.stored_bytes, bytes).into());
    }
    let mut reader = FileReader::new(&*stored, bytes);
    let plain = file.codec.reader(&mut reader).and_then(|mut plain| drain(&mut *plain, file.bytes, to));
    let plain = plain.map_err(|e| stream_error(path, e))?;
    check_sum(path, file.stored_sum(), reader.sum())?;
    Ok(check_sum(path, file.sum(), plain)?)
}
