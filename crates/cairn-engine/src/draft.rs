//! Drafts: a new timeline's directory while it is filled, and data directories built beside their place.

use crate::error::{Error, Result};
use crate::image::Image;
use crate::layout::{DataDir, TimelineDir, check_image_name};
use crate::manifest::{FileRef, Manifest};
use crate::roll::Roll;
use crate::timeline::{LogPlace, Timeline, write_current, write_database};
use crate::view::Position;
use cairn_disk::{Crc32c, File, FileType, SYNC_BYTES, Storage, atomic_replace, parent_dir, write_new};
use cairn_log::{DatabaseId, Lsn, TimelineId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A timeline being built: image files are put into it, in any order and from any thread, and a manifest finishes it.
/// Until then it is no timeline, and the next open removes it.
#[derive(Debug)]
pub struct TimelineDraft {
    storage: Arc<dyn Storage>,
    dir: TimelineDir,
    id: TimelineId,
    files: Mutex<BTreeMap<String, FileRef>>,
}

impl TimelineDraft {
    /// Makes the directories of a new timeline.
    pub(crate) fn create(storage: Arc<dyn Storage>, data: &DataDir, id: TimelineId) -> Result<TimelineDraft> {
        let dir = data.timeline(id);
        for sub in dir.image_dirs().iter().chain([&dir.wal(), &dir.checkpoints()]) {
            storage.create_dir_all(sub)?;
        }
        Ok(TimelineDraft { storage, dir, id, files: Mutex::default() })
    }

    /// Writes and syncs one file of the image.
    pub fn put_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        check_image_name(name)?;
        write_new(&*self.storage, &self.dir.file(name), bytes)?;
        self.files.lock().insert(name.to_owned(), FileRef::of(name, bytes));
        Ok(())
    }

    /// Begins one file of the image, which is written as its bytes come.
    pub fn put_stream(&self, name: &str) -> Result<DraftFile<'_>> {
        check_image_name(name)?;
        let file = self.storage.create(&self.dir.file(name))?;
        let name = name.to_owned();
        let whole = FileRef { name, bytes: 0, crc32c: 0 };
        Ok(DraftFile {
            draft: self,
            file,
            whole,
            crc: Crc32c::new(),
            pending: Vec::new(),
            unsynced: 0,
            finished: false,
        })
    }

    /// Encodes and writes a whole image; returns its manifest.
    pub fn put_image(&self, image: Image) -> Result<Vec<u8>> {
        let Image { files, position, manifest } = image;
        let mut refs = Vec::with_capacity(files.len());
        for file in files {
            let file = file.encoded();
            let mut out = self.put_stream(file.name())?;
            file.read(&mut |piece| out.append(piece))?;
            refs.push(out.finish()?);
        }
        Image { files: Vec::new(), position, manifest }.into_manifest(refs)
    }

    /// Another draft in the same data directory.
    pub(crate) fn another(&self) -> Result<TimelineDraft> {
        let timelines = parent_dir(&self.dir.0);
        TimelineDraft::create(
            Arc::clone(&self.storage),
            &DataDir(parent_dir(timelines).to_owned()),
            TimelineId::random(),
        )
    }

    /// Checks the files against the manifest, and makes them a checkpoint that can be loaded: not a timeline yet.
    pub(crate) fn sealed(&self, manifest: &[u8]) -> Result<(&dyn Storage, &TimelineDir)> {
        let manifest = Manifest::decode(Path::new("manifest"), manifest)?;
        self.check(&manifest)?;
        let lsn = manifest.position()?.lsn;
        atomic_replace(&*self.storage, &self.dir.checkpoint(lsn), &manifest.encode()?)?;
        Ok((&*self.storage, &self.dir))
    }

    /// Checks the files against the manifest, and makes this a timeline. The state keeps its LSN; what comes next is
    /// logged from the one after it.
    pub(crate) fn finish(
        self,
        manifest: &[u8],
        database: DatabaseId,
        now_us: i64,
        reason: &str,
        log: LogPlace,
    ) -> Result<Timeline> {
        let name = Path::new("manifest");
        let mut manifest = Manifest::decode(name, manifest)?;
        let origin = manifest.position()?;
        self.check(&manifest)?;
        manifest.set_position(Position { database, timeline: self.id, ..origin });
        let storage = &*self.storage;
        for dir in self.dir.image_dirs() {
            storage.sync_dir(&dir)?;
        }
        atomic_replace(storage, &self.dir.checkpoint(origin.lsn), &manifest.encode()?)?;
        let parent = (origin.lsn.0 > 0).then_some(origin.timeline);
        let timeline = Timeline {
            id: self.id,
            database,
            parent,
            fork_lsn: origin.lsn,
            created_us: now_us,
            reason: reason.to_owned(),
            log,
        };
        timeline.write(storage, &self.dir)?;
        storage.sync_dir(parent_dir(&self.dir.0))?;
        Ok(timeline)
    }

    fn check(&self, manifest: &Manifest) -> Result<()> {
        let files = self.files.lock();
        for expected in &manifest.files {
            let got = files.get(&expected.name);
            if got != Some(expected) {
                let got =
                    got.map_or("nothing".to_owned(), |f| format!("{} bytes, crc {:08x}", f.bytes, f.crc32c));
                let what =
                    format!("expected {} bytes, crc {:08x}, got {got}", expected.bytes, expected.crc32c);
                return Err(Error::Corrupt { path: self.dir.file(&expected.name), what });
            }
        }
        if files.len() != manifest.files.len() {
            return Err(Error::Corrupt {
                path: self.dir.0.clone(),
                what: "a file that the manifest does not name".into(),
            });
        }
        Ok(())
    }

    /// Removes what was written.
    pub(crate) fn abandon(self) -> Result<()> {
        Ok(self.storage.remove_dir_all(&self.dir.0)?)
    }
}

/// Bytes that are written at once.
const APPEND_BYTES: usize = 1 << 20;

/// A file of a draft while it is written, front to end. It belongs to the draft once [`DraftFile::finish`] returned;
/// dropped before, it is removed.
#[derive(Debug)]
pub struct DraftFile<'a> {
    draft: &'a TimelineDraft,
    file: Box<dyn File>,
    /// What was appended so far.
    whole: FileRef,
    crc: Crc32c,
    /// Not yet written.
    pending: Vec<u8>,
    unsynced: usize,
    finished: bool,
}

impl DraftFile<'_> {
    /// The next bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.whole.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while self.pending.len() + rest.len() >= APPEND_BYTES {
            let (head, tail) = rest.split_at(APPEND_BYTES - self.pending.len());
            self.pending.extend_from_slice(head);
            rest = tail;
            self.flush()?;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(&self.pending)?;
        self.unsynced += self.pending.len();
        self.pending.clear();
        if self.unsynced >= SYNC_BYTES {
            self.file.sync()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Writes what is left and syncs the file, which is one of the draft's from now on. What a manifest says about it.
    pub fn finish(mut self) -> Result<FileRef> {
        self.flush()?;
        self.file.sync()?;
        self.whole.crc32c = self.crc.value();
        self.draft.files.lock().insert(self.whole.name.clone(), self.whole.clone());
        self.finished = true;
        Ok(self.whole.clone())
    }
}

impl Drop for DraftFile<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed now goes with the draft.
            let _ = self.draft.storage.remove(self.file.path());
        }
    }
}

/// What [`restore_dir`] built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// The new timeline, forked from the restored state's.
    pub timeline: TimelineId,
    /// The LSN of the restored state.
    pub lsn: Lsn,
    /// The database.
    pub database: DatabaseId,
    /// The timeline of the restored state: the LSN is one of its.
    pub origin: TimelineId,
}

/// Builds a whole data directory from image files: `fill` puts them into the draft and returns the manifest's bytes.
///
/// It is built beside `target` and renamed into place, so `target` is whole or not there. `target` must not exist, or
/// be an empty directory.
pub fn restore_dir<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    reason: &str,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
) -> Result<RestoreReport, E> {
    restore_dir_rolled(storage, target, now_us, reason, fill, None)
}

/// As [`restore_dir`], and then a roll is applied, if there is one: the restored directory stands exactly where it ends.
pub fn restore_dir_rolled<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    reason: &str,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
    roll: Option<Roll<'_, E>>,
) -> Result<RestoreReport, E> {
    require_empty(&**storage, target)?;
    let building = building_path(target)?;
    storage.remove_dir_all(&building).map_err(Error::from)?;
    match build(storage, &building, now_us, reason, fill, roll) {
        Ok(report) => {
            put_in_place(&**storage, &building, target)?;
            Ok(report)
        }
        Err(e) => {
            let _ = storage.remove_dir_all(&building);
            Err(e)
        }
    }
}

fn require_empty(storage: &dyn Storage, target: &Path) -> Result<()> {
    let occupied = match storage.stat(target)? {
        None => false,
        Some(stat) if stat.file_type == FileType::Dir => !storage.list(target)?.is_empty(),
        Some(_) => true,
    };
    if occupied {
        let message =
            format!("{} is not empty: choose another target, or move it away first", target.display());
        return Err(Error::Input(message));
    }
    Ok(())
}

fn building_path(target: &Path) -> Result<PathBuf> {
    let name = target.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Error::Input(format!("{}: expected a directory's path", target.display())))?;
    Ok(target.with_file_name(format!(".{name}.restoring")))
}

fn build<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    now_us: i64,
    reason: &str,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
    roll: Option<Roll<'_, E>>,
) -> Result<RestoreReport, E> {
    let data = DataDir(dir.to_owned());
    storage.create_dir_all(&data.timelines()).map_err(Error::from)?;
    let draft = TimelineDraft::create(Arc::clone(storage), &data, TimelineId::random())?;
    let manifest = fill(&draft)?;
    let (draft, manifest) = match roll {
        Some(roll) => draft.rolled(&manifest, roll)?,
        None => (draft, manifest),
    };
    let Position { database, timeline: origin, .. } =
        Manifest::decode(Path::new("manifest"), &manifest)?.position()?;
    let timeline = draft.finish(&manifest, database, now_us, reason, LogPlace::Inside)?;
    write_database(&**storage, &data, database)?;
    write_current(&**storage, &data, timeline.id)?;
    storage.sync_dir(dir).map_err(Error::from)?;
    Ok(RestoreReport { timeline: timeline.id, lsn: timeline.fork_lsn, database, origin })
}

fn put_in_place(storage: &dyn Storage, building: &Path, target: &Path) -> Result<()> {
    if storage.stat(target)?.is_some() {
        storage.remove_dir_all(target)?;
    }
    storage.rename(building, target)?;
    Ok(storage.sync_dir(parent_dir(target))?)
}
