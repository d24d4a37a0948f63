//! Restoring a snapshot, or some of its segments, into a directory of its own.

use super::create::check_parallel;
use super::options::RestoreOptions;
use super::snapshot::{Snapshot, SnapshotFile, SnapshotFileKind, SnapshotSegment};
use super::store::read_stored;
use super::stream::FileWriter;
use super::{SnapshotManager, parallel};
use crate::log::make_dir;
use crate::{Error, LogConfig, Result};
use cairn_disk::{FileType, Storage, parent_dir};
use std::path::{Path, PathBuf};

/// A restored log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What opens it: its directory, the log's id and timeline; the rest as by default.
    pub config: LogConfig,
    /// The first offset in it.
    pub base_offset: u64,
    /// The last offset in it + 1.
    pub high_water_mark: u64,
    /// How many segments.
    pub segments: usize,
    /// The bytes of all its files.
    pub bytes: u64,
}

impl SnapshotManager {
    /// Restores a snapshot into `dir`, which is empty or not there; afterwards it is a log like any other, durable, and no
    /// file of it is shared with the snapshot. Every byte is checked on the way. It is built beside `dir`, as
    /// `.<name>.restoring`, and renamed into place: after an error, and after a crash, `dir` is as before, or all is done.
    /// One at a time into the same directory.
    pub fn restore_snapshot(&self, id: &str, dir: impl AsRef<Path>) -> Result<Restored> {
        self.restore_snapshot_with(id, dir, &RestoreOptions::default())
    }

    /// As [`SnapshotManager::restore_snapshot`], of the segments with these base offsets only, which follow one another.
    pub fn restore_segments(&self, id: &str, dir: impl AsRef<Path>, segments: &[u64]) -> Result<Restored> {
        let options = RestoreOptions { segments: Some(segments.to_vec()), ..RestoreOptions::default() };
        self.restore_snapshot_with(id, dir, &options)
    }

    /// As [`SnapshotManager::restore_snapshot`], of some segments, or with several files at a time.
    pub fn restore_snapshot_with(
        &self,
        id: &str,
        dir: impl AsRef<Path>,
        options: &RestoreOptions,
    ) -> Result<Restored> {
        check_parallel(options.parallel)?;
        let snapshot = self.existing(id)?;
        let segments = chosen(&snapshot, options.segments.as_deref())?;
        let (storage, target) = (&*self.storage, dir.as_ref());
        require_empty(storage, target)?;
        let building = building_path(target)?;
        storage.remove_dir_all(&building)?;
        let built = self.build(&snapshot, segments, &building, options.parallel);
        let bytes = built
            .and_then(|bytes| put_in_place(storage, &building, target).map(|()| bytes))
            .inspect_err(|_| {
                // The first error is the one to report; the next restore removes what stays.
                let _ = storage.remove_dir_all(&building);
            })?;
        let (first, last) = (&segments[0], &segments[segments.len() - 1]);
        Ok(Restored {
            config: LogConfig { start: first.base_offset, ..snapshot.log_config(target) },
            base_offset: first.base_offset,
            high_water_mark: last.next_offset,
            segments: segments.len(),
            bytes,
        })
    }

    /// Writes the files of these segments into a new directory, durably; how many bytes.
    fn build(
        &self,
        snapshot: &Snapshot,
        segments: &[SnapshotSegment],
        building: &Path,
        parallel: usize,
    ) -> Result<u64> {
        let storage = &*self.storage;
        make_dir(storage, building)?;
        let newest = segments.last().map(|s| s.base_offset);
        // The segment that takes new records has its indexes in memory.
        let is_wanted =
            |base: u64, file: &SnapshotFile| file.kind == SnapshotFileKind::Log || Some(base) != newest;
        let files: Vec<(u64, &SnapshotFile)> = segments
            .iter()
            .flat_map(|s| s.files.iter().map(|file| (s.base_offset, file)))
            .filter(|(base, file)| is_wanted(*base, file))
            .collect();
        let dir = self.dir_of(&snapshot.id);
        parallel::run(parallel, &files, |(base, file)| {
            let target = storage.create(&building.join(file.name(*base)))?;
            let mut writer = FileWriter::new(&*target);
            read_stored(storage, &Snapshot::path(&dir, *base, file), file, Some(&mut writer))?;
            Ok(target.sync()?)
        })?;
        storage.sync_dir(building)?;
        Ok(files.iter().map(|(_, file)| file.bytes).sum())
    }
}

/// The segments wanted: all, or those with these base offsets.
fn chosen<'a>(snapshot: &'a Snapshot, bases: Option<&[u64]>) -> Result<&'a [SnapshotSegment]> {
    let Some(bases) = bases else { return Ok(&snapshot.segments) };
    let refused = |expected: String, actual: String| {
        Err(Error::SnapshotRequest { what: "segments to restore", expected, actual })
    };
    let mut bases = bases.to_vec();
    bases.sort_unstable();
    bases.dedup();
    let Some(first) = bases.first() else {
        return refused("at least one".to_owned(), "none".to_owned());
    };
    let known = &snapshot.segment_offsets;
    if let Some(unknown) = bases.iter().find(|base| !known.contains(base)) {
        return refused(format!("some of {}", some(known)), unknown.to_string());
    }
    let from = known.iter().position(|base| base == first).unwrap_or_default();
    let run = &snapshot.segments[from..from + bases.len()];
    if let Some(missing) = run.iter().map(|s| s.base_offset).find(|base| !bases.contains(base)) {
        let expected = format!("segments that follow one another: {missing} is between them");
        return refused(expected, some(&bases));
    }
    if let Some(last) = run.last().filter(|s| s.compacted) {
        let expected =
            format!("the one after {} too: that is compacted and takes no records", last.base_offset);
        return refused(expected, some(&bases));
    }
    Ok(run)
}

/// Offsets, for people.
fn some(bases: &[u64]) -> String {
    let shown: Vec<String> = bases.iter().take(20).map(u64::to_string).collect();
    let more = if bases.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn require_empty(storage: &dyn Storage, target: &Path) -> Result<()> {
    let is_free = match storage.stat(target)? {
        None => true,
        Some(stat) if stat.file_type == FileType::Dir => storage.list(target)?.is_empty(),
        Some(_) => false,
    };
    if is_free { Ok(()) } else { Err(Error::TargetNotEmpty { dir: target.to_owned() }) }
}

fn building_path(target: &Path) -> Result<PathBuf> {
    match target.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(target.with_file_name(format!(".{name}.restoring"))),
        None => {
            let (expected, actual) = ("the path of a directory".to_owned(), target.display().to_string());
            Err(Error::SnapshotRequest { what: "directory to restore into", expected, actual })
        }
    }
}

fn put_in_place(storage: &dyn Storage, building: &Path, target: &Path) -> Result<()> {
    // Once more: something may have come there while the files were written.
    require_empty(storage, target)?;
    if storage.stat(target)?.is_some() {
        storage.remove_dir_all(target)?;
    }
    storage.rename(building, target)?;
    Ok(storage.sync_dir(parent_dir(target))?)
}
