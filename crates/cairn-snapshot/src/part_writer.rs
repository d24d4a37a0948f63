//! Writing parts into a repository: compressed, hashed, synced a batch at a time, then renamed into place.

use crate::codec::{Codec, Compression, FRAME_BYTES, FrameEncoder};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::layout;
use crate::part::{PART_BYTES_MAX, Part, PartId, Sink};
use crate::shuffle::Width;
use cairn_disk::{File, FileType, Storage};
use cairn_engine::{EncodedFile, FileRef};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Writes the parts of one new snapshot, from any number of threads. Parts last once [`PartWriter::finish`] returned.
pub(crate) struct PartWriter<'a> {
    storage: &'a dyn Storage,
    root: &'a Path,
    /// What its temporary files begin with, below `tmp/`.
    tmp_prefix: String,
    cancel: &'a AtomicBool,
    tmp_files: AtomicU64,
    /// Directories with entries that are not synced.
    dirs: Mutex<BTreeSet<PathBuf>>,
    /// Files that were not there before.
    created: Mutex<Vec<PathBuf>>,
    /// Written, and not yet synced and in place.
    unsynced: Mutex<Unsynced>,
    /// Their bytes.
    added_bytes: AtomicU64,
}

/// Files synced together, at most: the first sync has to wait for the file system's journal, and the others find it done.
const BATCH_FILES: usize = 32;
/// Their bytes, about, at most.
const BATCH_BYTES: u64 = 64 << 20;

/// By so much from a part's middle it is decided how it is stored, at most: of a part of a few MiB, trying two ways then
/// costs little beside hashing it.
const SAMPLE_BYTES: u64 = 256 << 10;

/// Parts whose files are written under their temporary names.
#[derive(Default)]
struct Unsynced {
    files: Vec<Waiting>,
    bytes: u64,
    /// The parts they are: one that comes again is there already.
    parts: HashMap<PartId, Part>,
}

struct Waiting {
    file: Box<dyn File>,
    tmp: PathBuf,
    path: PathBuf,
    created: bool,
}

/// A part in the repository, and whether this call stored it.
pub(crate) struct Written {
    pub part: Part,
    pub new: bool,
}

impl<'a> PartWriter<'a> {
    pub(crate) fn new(
        storage: &'a dyn Storage,
        root: &'a Path,
        tmp_prefix: &str,
        cancel: &'a AtomicBool,
    ) -> PartWriter<'a> {
        PartWriter {
            storage,
            root,
            tmp_prefix: tmp_prefix.to_owned(),
            cancel,
            tmp_files: AtomicU64::new(0),
            dirs: Mutex::default(),
            created: Mutex::default(),
            unsynced: Mutex::default(),
            added_bytes: AtomicU64::new(0),
        }
    }

    /// Bytes of the parts that it stored, and that were not there before.
    pub(crate) fn added_bytes(&self) -> u64 {
        self.added_bytes.load(Ordering::Relaxed)
    }

    /// Stores `plain` as a part. A part that is there already and whole is used as it is, whatever its codec; one that is
    /// there and damaged is replaced, in its own codec, so that there is one file per part.
    pub(crate) fn write(&self, encoder: &mut FrameEncoder, plain: &[u8]) -> Result<Written> {
        let read = |take: &mut Sink<'_>| take(plain);
        self.write_plain(encoder, &Plain { bytes: plain.len() as u64, width: None, read: &read })
    }

    /// Stores a file of an image as a part, in the same way; what a manifest says about it. `told` hears how many bytes more
    /// were read, each time it is read.
    pub(crate) fn write_file(
        &self,
        encoder: &mut FrameEncoder,
        file: &EncodedFile,
        told: &dyn Fn(u64),
    ) -> Result<(Written, FileRef)> {
        let seen: RefCell<Option<FileRef>> = RefCell::new(None);
        let read = |take: &mut Sink<'_>| {
            let now = file.read::<Error>(&mut |piece| {
                take(piece)?;
                told(piece.len() as u64);
                Ok(())
            })?;
            match &*seen.borrow() {
                // The part was named by what was read first.
                Some(first) if *first != now => {
                    let (expected, actual) = (format!("{:08x}", first.crc32c), format!("{:08x}", now.crc32c));
                    let path = Path::new(file.name());
                    return Err(Error::damaged(path, None, "CRC-32C, read twice", expected, actual));
                }
                _ => {}
            }
            *seen.borrow_mut() = Some(now);
            Ok(())
        };
        let width = Width::of(file.element_bytes());
        let written = self.write_plain(encoder, &Plain { bytes: file.bytes(), width, read: &read })?;
        let file_ref = seen.into_inner().ok_or_else(|| Error::Bug("a file was not read".to_owned()))?;
        Ok((written, file_ref))
    }

    fn write_plain(&self, encoder: &mut FrameEncoder, plain: &Plain<'_>) -> Result<Written> {
        let bytes = plain.bytes;
        if bytes > PART_BYTES_MAX {
            return Err(Error::Input(format!("a file of {bytes} bytes: at most {PART_BYTES_MAX}")));
        }
        let (id, sample) = self.hash(plain)?;
        if let Some(part) = self.unsynced.lock().parts.get(&id) {
            return Ok(Written { part: *part, new: false });
        }
        self.make_dir(id)?;
        let there = self.find(id)?;
        if let Some(codec) = there
            && let Some(part) = Part::adopt(self.storage, self.root, (id, codec), bytes, self.cancel)?
        {
            return Ok(Written { part, new: false });
        }
        let mut another = None;
        let (encoder, codec) = match there {
            Some(codec) => (another.insert(new_encoder(codec.compression(encoder.compression()))?), codec),
            None => {
                let codec = worth(encoder, plain.width, &sample)?;
                match codec {
                    Codec::Raw => (another.insert(new_encoder(Compression::None)?), codec),
                    _ => (encoder, codec),
                }
            }
        };
        let part = self.store(encoder, codec, id, plain, there.is_none())?;
        Ok(Written { part, new: true })
    }

    /// The name of a part, and a sample from its middle.
    fn hash(&self, plain: &Plain<'_>) -> Result<(PartId, Vec<u8>)> {
        let frame = FRAME_BYTES as u64;
        let middle = plain.bytes / 2 / frame * frame;
        let (mut hasher, mut sample, mut at) = (Hasher::default(), Vec::new(), 0);
        (plain.read)(&mut |all| {
            all.chunks(FRAME_BYTES).try_for_each(|piece| {
                self.go_on()?;
                hasher.update(piece);
                let within = |to: u64| to.saturating_sub(at).min(piece.len() as u64) as usize;
                sample.extend_from_slice(&piece[within(middle)..within(middle + SAMPLE_BYTES)]);
                at += piece.len() as u64;
                Ok(())
            })
        })?;
        if at != plain.bytes {
            return Err(Error::Bug(format!("a file of {} bytes gave {at}", plain.bytes)));
        }
        Ok((PartId(hasher.finish()), sample))
    }

    fn go_on(&self) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Makes everything written last.
    pub(crate) fn finish(&self) -> Result<()> {
        let rest = std::mem::take(&mut *self.unsynced.lock());
        self.settle(rest.files)?;
        for dir in self.dirs.lock().iter() {
            self.storage.sync_dir(dir)?;
        }
        self.storage.sync_dir(&self.root.join(layout::PARTS))?;
        Ok(())
    }

    /// Removes the parts that were not there before, as far as that goes: what stays is named by no snapshot, and the next
    /// delete removes it.
    pub(crate) fn abandon(&self) {
        let rest = std::mem::take(&mut *self.unsynced.lock());
        for waiting in rest.files {
            let _ = self.storage.remove(&waiting.tmp);
        }
        for path in self.created.lock().drain(..) {
            let _ = self.storage.remove(&path);
        }
    }

    fn make_dir(&self, id: PartId) -> Result<()> {
        let dir = layout::part_dir(self.root, id);
        if !self.dirs.lock().contains(&dir) {
            self.storage.create_dir_all(&dir)?;
            // A part found there may have been renamed into it by a create that failed before its sync.
            self.dirs.lock().insert(dir);
        }
        Ok(())
    }

    fn find(&self, id: PartId) -> Result<Option<Codec>> {
        for codec in Codec::ALL {
            let path = self.root.join(layout::part_path(id, codec));
            if self.storage.stat(&path)?.is_some_and(|stat| stat.file_type == FileType::File) {
                return Ok(Some(codec));
            }
        }
        Ok(None)
    }

    fn store(
        &self,
        encoder: &mut FrameEncoder,
        codec: Codec,
        id: PartId,
        plain: &Plain<'_>,
        created: bool,
    ) -> Result<Part> {
        let serial = self.tmp_files.fetch_add(1, Ordering::Relaxed);
        let tmp = self.root.join(layout::TMP).join(format!("{}.part-{serial}", self.tmp_prefix));
        let path = self.root.join(layout::part_path(id, codec));
        let (file, stored_bytes, digest) =
            self.write_frames(encoder, codec, &tmp, plain).inspect_err(|_| {
                // The next writer's cleanup takes what cannot be removed now.
                let _ = self.storage.remove(&tmp);
            })?;
        if created {
            self.added_bytes.fetch_add(stored_bytes, Ordering::Relaxed);
        }
        debug_assert!(stored_bytes <= Codec::stored_bytes_max(plain.bytes), "a reader would refuse it");
        let stored_sha256 = digest.unwrap_or(id.0);
        let part = Part { id, bytes: plain.bytes, codec, stored_bytes, stored_sha256 };
        self.later(part, Waiting { file, tmp, path, created })?;
        Ok(part)
    }

    /// Puts a written file in place with the next batch; that is now, when it is full.
    fn later(&self, part: Part, waiting: Waiting) -> Result<()> {
        let full = {
            let mut unsynced = self.unsynced.lock();
            unsynced.files.push(waiting);
            unsynced.bytes += part.stored_bytes;
            unsynced.parts.insert(part.id, part);
            let full = unsynced.files.len() >= BATCH_FILES || unsynced.bytes >= BATCH_BYTES;
            full.then(|| std::mem::take(&mut *unsynced))
        };
        full.map_or(Ok(()), |batch| self.settle(batch.files))
    }

    /// Syncs files, then gives them their names.
    fn settle(&self, files: Vec<Waiting>) -> Result<()> {
        let settled = files.iter().try_for_each(|waiting| {
            self.go_on()?;
            Ok(waiting.file.sync()?)
        });
        let named = settled.and_then(|()| {
            files.iter().try_for_each(|Waiting { tmp, path, created, .. }| {
                if *created {
                    self.created.lock().push(path.clone());
                }
                Ok(self.storage.rename(tmp, path)?)
            })
        });
        if named.is_err() {
            // The next writer's cleanup takes what cannot be removed now; what has its name is not there any more.
            files.iter().for_each(|waiting| drop(self.storage.remove(&waiting.tmp)));
        }
        named
    }

    /// The frames of `plain` in a new file; their bytes, and their digest unless they are `plain` itself.
    fn write_frames(
        &self,
        encoder: &mut FrameEncoder,
        codec: Codec,
        path: &Path,
        plain: &Plain<'_>,
    ) -> Result<(Box<dyn File>, u64, Option<Digest>)> {
        let file = self.storage.create(path)?;
        let mut hasher = (codec != Codec::Raw).then(Hasher::default);
        let mut stored_bytes = 0;
        each_frame(plain, &mut |frame| {
            self.go_on()?;
            let stored = encoder.encode_as(codec.width(), frame).map_err(codec_failed)?;
            if let Some(hasher) = &mut hasher {
                hasher.update(stored);
            }
            file.append(stored)?;
            stored_bytes += stored.len() as u64;
            Ok(())
        })?;
        Ok((file, stored_bytes, hasher.map(Hasher::finish)))
    }
}

/// The plain bytes of a part: how many, and what gives them to a sink, in order, as often as it is called.
struct Plain<'a> {
    bytes: u64,
    /// Of the elements that it is an array of, if it may be shuffled.
    width: Option<Width>,
    read: &'a dyn Fn(&mut Sink<'_>) -> Result<()>,
}

/// Cuts plain bytes into frames; one at least: no bytes at all are no file that `zstd -d` or `gunzip` would read.
fn each_frame(plain: &Plain<'_>, take: &mut Sink<'_>) -> Result<()> {
    let mut frame = Vec::new();
    (plain.read)(&mut |mut rest| {
        while !rest.is_empty() {
            if frame.is_empty() && rest.len() >= FRAME_BYTES {
                // Whole where it lies: nothing to put together.
                let (whole, tail) = rest.split_at(FRAME_BYTES);
                take(whole)?;
                rest = tail;
                continue;
            }
            let (head, tail) = rest.split_at(rest.len().min(FRAME_BYTES - frame.len()));
            frame.extend_from_slice(head);
            rest = tail;
            if frame.len() == FRAME_BYTES {
                take(&frame)?;
                frame.clear();
            }
        }
        Ok(())
    })?;
    if frame.is_empty() && plain.bytes > 0 { Ok(()) } else { take(&frame) }
}

/// How a part is stored, by the sample from its middle: shuffled or not, whichever is smaller, and as it is where that would
/// save less than an eighth. Less is not worth its time, nor that of a second hash.
fn worth(encoder: &mut FrameEncoder, width: Option<Width>, sample: &[u8]) -> Result<Codec> {
    let codec = encoder.compression().codec();
    let mut encoded = |width| encoder.encode_as(width, sample).map_err(codec_failed).map(<[u8]>::len);
    let mut best = (encoded(None)?, codec);
    if let Some(width) = width.filter(|_| codec == Codec::Zstd) {
        best = best.min((encoded(Some(width))?, Codec::Shuffled(width)));
    }
    let enough = sample.is_empty() || best.0 <= sample.len() - sample.len() / 8;
    Ok(if enough { best.1 } else { Codec::Raw })
}

pub(crate) fn new_encoder(compression: Compression) -> Result<FrameEncoder> {
    FrameEncoder::new(compression).map_err(codec_failed)
}

/// Compressing in memory fails for want of memory or by a bug, never for what the bytes are.
fn codec_failed(e: io::Error) -> Error {
    Error::Bug(format!("compression failed: {e}"))
}
