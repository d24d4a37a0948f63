//! `TimelineDraft`: a new timeline's directory while it is filled.

use crate::error::{Error, Result};
use crate::image::Image;
use crate::layout::{DataDir, TimelineDir, check_image_name};
use crate::manifest::{FileRef, Manifest};
use crate::timeline::{LogPlace, Timeline};
use crate::view::Position;
use cairn_disk::{Access, Crc32c, File, FileType, Storage, atomic_replace, parent_dir};
use cairn_log::{DatabaseId, TimelineId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A timeline being built: image files are put into it, in any order and from any thread, and a manifest finishes it.
/// Until then it is no timeline, and the next open removes it.
#[derive(Debug)]
pub struct TimelineDraft {
    storage: Arc<dyn Storage>,
    dir: TimelineDir,
    id: TimelineId,
    /// The directories of other timelines, whose files may be the very ones that are put into this.
    pub(crate) others: Vec<PathBuf>,
    files: Mutex<BTreeMap<String, FileRef>>,
    /// Written files that are not synced yet, and their bytes.
    unsynced: Mutex<(Vec<Box<dyn File>>, u64)>,
    apart: AtomicBool,
}

impl TimelineDraft {
    /// Makes the directories of a new timeline.
    pub(crate) fn create(storage: Arc<dyn Storage>, data: &DataDir, id: TimelineId) -> Result<TimelineDraft> {
        let dir = data.timeline(id);
        let others =
            storage.list(&data.timelines())?.into_iter().map(|entry| data.timelines().join(entry.name));
        let others = others.collect();
        for sub in dir.image_dirs().iter().chain([&dir.wal(), &dir.checkpoints()]) {
            storage.create_dir_all(sub)?;
        }
        let (files, unsynced, apart) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Ok(TimelineDraft { storage, dir, id, others, files, unsynced, apart })
    }

    /// Begins one file of the image, which is written as its bytes come.
    pub fn put_stream(&self, name: &str) -> Result<DraftFile<'_>> {
        check_image_name(name)?;
        let file = self.storage.create(&self.dir.file(name))?;
        let name = name.to_owned();
        let whole = FileRef { name, bytes: 0, crc32c: 0 };
        Ok(DraftFile { draft: self, file: Some(file), whole, crc: Crc32c::new(), pending: Vec::new() })
    }

    /// Takes a whole file, to be synced with a batch of others: the first of them waits for the file system's journal, and the rest
    /// find it done.
    fn sync_later(&self, file: Box<dyn File>, bytes: u64) -> Result<()> {
        let full = {
            let mut unsynced = self.unsynced.lock();
            unsynced.0.push(file);
            unsynced.1 += bytes;
            let full = unsynced.0.len() >= BATCH_FILES || unsynced.1 >= BATCH_BYTES;
            full.then(|| std::mem::take(&mut *unsynced))
        };
        full.map_or(Ok(()), |(files, _)| sync_all(&files))
    }

    /// Syncs what is not synced yet.
    fn settle(&self) -> Result<()> {
        let (files, _) = std::mem::take(&mut *self.unsynced.lock());
        sync_all(&files)
    }

    /// Says that what is put into it is not the state that the manifest says it is of: a part of it, or more. The timeline will
    /// have no parent, since no record of another one leads to it.
    pub fn set_apart(&self) {
        self.apart.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_apart(&self) -> bool {
        self.apart.load(Ordering::Relaxed)
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir.0
    }

    /// Where that is.
    pub fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Files of other timelines beside it, or of a restore that was killed, which have this name and length: one may be the very
    /// file that is to be put here. Their bytes are to be checked.
    pub fn candidates(&self, name: &str, bytes: u64) -> Result<Vec<PathBuf>> {
        check_image_name(name)?;
        let mut found = Vec::new();
        for dir in &self.others {
            let path = dir.join(name);
            if self.storage.stat(&path)?.is_some_and(|s| s.file_type == FileType::File && s.bytes == bytes) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// Puts a file of another timeline here, as a hard link: `whole` is what a manifest says about it. `false`: the file system
    /// has no such links.
    pub fn link_file(&self, from: &Path, whole: FileRef) -> Result<bool> {
        let to = self.dir.file(&whole.name);
        // Of a restore that was killed, nobody knows what lasts.
        self.storage.open(from, Access::Write)?.sync()?;
        if self.storage.link(from, &to).is_err() {
            return Ok(false);
        }
        self.files.lock().insert(whole.name.clone(), whole);
        Ok(true)
    }

    /// Encodes and writes a whole image; returns its manifest.
    pub fn put_image(&self, image: Image) -> Result<Vec<u8>> {
        self.put_image_over(image, None, None)
    }

    /// As [`TimelineDraft::put_image`], of a state that was loaded from another draft: files that never change are linked from there.
    /// Once `cancel` is set, it ends after the piece at hand.
    pub(crate) fn put_image_over(
        &self,
        image: Image,
        from: Option<&TimelineDraft>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Vec<u8>> {
        let go_on = || match cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            true => Err(Error::Cancelled("writing a timeline")),
            false => Ok(()),
        };
        let Image { files, position, manifest } = image;
        let mut refs = Vec::with_capacity(files.len());
        for file in files {
            go_on()?;
            let there = from.filter(|_| !file.is_pages());
            let there = there.and_then(|from| Some((from, from.files.lock().get(&file.name)?.clone())));
            if let Some((from, whole)) = there
                && self.link_file(&from.dir.file(&whole.name), whole.clone())?
            {
                refs.push(whole);
                continue;
            }
            let file = file.encoded();
            let mut out = self.put_stream(file.name())?;
            file.read(&mut |piece| {
                go_on()?;
                out.append(piece)
            })?;
            refs.push(out.finish()?);
        }
        go_on()?;
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
        self.settle()?;
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
        self.settle()?;
        manifest.set_position(Position { database, timeline: self.id, ..origin });
        let storage = &*self.storage;
        for dir in self.dir.image_dirs() {
            storage.sync_dir(&dir)?;
        }
        atomic_replace(storage, &self.dir.checkpoint(origin.lsn), &manifest.encode()?)?;
        let parent = (origin.lsn.0 > 0 && !self.is_apart()).then_some(origin.timeline);
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

/// Bytes that are gathered before they are written; a piece of so many is written as it is, still in the processor's cache.
const APPEND_BYTES: usize = 256 << 10;

/// Files that are synced together, at most, and their bytes, about.
const BATCH_FILES: usize = 32;
const BATCH_BYTES: u64 = 64 << 20;

fn sync_all(files: &[Box<dyn File>]) -> Result<()> {
    files.iter().try_for_each(|file| Ok(file.sync()?))
}

/// A file of a draft while it is written, front to end. It belongs to the draft once [`DraftFile::finish`] returned;
/// dropped before, it is removed.
#[derive(Debug)]
pub struct DraftFile<'a> {
    draft: &'a TimelineDraft,
    /// `None` once it is the draft's.
    file: Option<Box<dyn File>>,
    /// What was appended so far.
    whole: FileRef,
    crc: Crc32c,
    /// Not yet written.
    pending: Vec<u8>,
}

impl DraftFile<'_> {
    /// The next bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.crc.update(bytes);
        self.whole.bytes += bytes.len() as u64;
        let mut rest = bytes;
        while self.pending.len() + rest.len() >= APPEND_BYTES {
            if self.pending.is_empty() {
                return self.write(rest);
            }
            let (head, tail) = rest.split_at(APPEND_BYTES - self.pending.len());
            self.pending.extend_from_slice(head);
            rest = tail;
            self.flush()?;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.write(&pending)?;
        self.pending = pending;
        self.pending.clear();
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| Ok(file.append(bytes)?))
    }

    /// Writes what is left; the file is one of the draft's from now on, and lasts once that is finished. What a manifest says about
    /// it.
    pub fn finish(mut self) -> Result<FileRef> {
        self.flush()?;
        self.whole.crc32c = self.crc.value();
        self.draft.files.lock().insert(self.whole.name.clone(), self.whole.clone());
        if let Some(file) = self.file.take() {
            self.draft.sync_later(file, self.whole.bytes)?;
        }
        Ok(self.whole.clone())
    }
}

impl Drop for DraftFile<'_> {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // What cannot be removed now goes with the draft.
            let _ = self.draft.storage.remove(file.path());
        }
    }
}

/// The directories of the timelines of a data directory, finished or not.
pub(crate) fn timeline_dirs(storage: &dyn Storage, data: &DataDir) -> Result<Vec<PathBuf>> {
    if storage.stat(&data.timelines())?.is_none() {
        return Ok(Vec::new());
    }
    Ok(storage.list(&data.timelines())?.into_iter().map(|entry| data.timelines().join(entry.name)).collect())
}
