//! Loading: a checkpoint's files back into a collection.

use crate::checkpoint::{Home, PageFile, SegmentId, Stored, take_dirty};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::kept::{MANIFEST_BYTES_MAX, listed};
use crate::layout::{TimelineDir, derived_of, pages_number, segment_number};
use crate::loaded_pages::LoadedPages;
use crate::manifest::{FileRef, Manifest};
use crate::named::Named;
use crate::page_file;
use crate::parallel::in_parallel;
use crate::spec::{CollectionSpec, StorageMode};
use crate::state::State;
use crate::vector_segment::{VectorSegment, map_file};
use crate::view::Position;
use cairn_disk::{Bytes, Storage, read_file};
use cairn_log::Lsn;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A checkpoint in memory.
pub(crate) struct Loaded {
    pub state: State,
    pub position: Position,
    pub stored: Stored,
    /// Derived files that are damaged or of another version, each with why: they are computed anew.
    pub discarded: Vec<String>,
}

/// How much is read of what can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What is needed to serve: the rest is read, and checked, in the background.
    ToServe,
    /// Every byte, and every checksum.
    EveryByte,
}

/// Loads the newest checkpoint of a timeline.
pub(crate) fn load(storage: &dyn Storage, dir: &TimelineDir, reading: Reading) -> Result<Loaded> {
    load_at(storage, dir, newest(storage, dir)?, reading)
}

/// Loads one checkpoint of a timeline.
pub(crate) fn load_at(
    storage: &dyn Storage,
    dir: &TimelineDir,
    lsn: Lsn,
    reading: Reading,
) -> Result<Loaded> {
    let path = dir.checkpoint(lsn);
    let manifest = Manifest::decode(&path, &read_file(storage, &path, MANIFEST_BYTES_MAX)?)?;
    let position = manifest.position()?;
    if lsn != position.lsn {
        return Err(Error::Corrupt {
            path,
            what: format!("LSN mismatch: its manifest says {}", position.lsn),
        });
    }
    let mut building = Building { collections: BTreeMap::new(), stored: Stored::default() };
    for entry in &manifest.collections {
        let mut collection = Collection::new(entry.settings.clone());
        collection.spec = entry.spec.clone();
        if building.collections.insert(entry.number, collection).is_some() {
            return Err(Error::Decode("manifest: a collection stands twice").in_file(&path));
        }
    }
    let is_derived = |file: &&FileRef| derived_of(&file.name).is_some();
    let stored_files = manifest.files.iter().filter(|file| !is_derived(file));
    let (segments, pages): (Vec<_>, Vec<_>) =
        stored_files.partition(|file| segment_number(&file.name).is_some());
    for file in segments {
        read_segment(storage, dir, file, &mut building, reading)?;
    }
    read_pages(storage, dir, &pages, &mut building)?;
    let page_bytes: u64 = pages.iter().map(|file| file.bytes).sum();
    let Building { mut collections, mut stored } = building;
    let rebuilt = manifest.collections.iter().filter_map(|e| Some((&e.head, collections.remove(&e.number)?)));
    let rebuilt =
        in_parallel(rebuilt.collect(), page_bytes >= THREADS_FROM_BYTES, |(head, mut collection)| {
            collection.vectors.dimension = head.dimension;
            collection.vectors.buffer_number = head.next_segment;
            collection.vectors.next_segment = head.next_number();
            rebuild(&mut collection, head).map(|()| collection)
        });
    let mut discarded = Vec::new();
    let mut state = State::default();
    for (entry, collection) in manifest.collections.into_iter().zip(rebuilt) {
        let collection = collection.map_err(|e| e.in_file(&path))?;
        // A hybrid collection holds its graphs and codes in memory, as far as its budget goes.
        let mut hot_left = match entry.spec.storage {
            StorageMode::Memory => u64::MAX,
            StorageMode::Hybrid => entry.spec.hot_bytes,
            StorageMode::Mmap => 0,
        };
        for file in manifest.files.iter().filter(is_derived) {
            let reader =
                DerivedReader { storage, dir, reading, number: entry.number, collection: &collection };
            let read = reader.read(file, &mut hot_left, &mut stored);
            match read {
                Err(e) if reading == Reading::EveryByte => return Err(e),
                Err(e) => discarded.push(e.to_string()),
                Ok(()) => {}
            }
        }
        state.put(entry.number, entry.name, collection);
    }
    state.rebuild(manifest.aliases, manifest.next_collection).map_err(|e| e.in_file(&path))?;
    take_dirty(&state);
    stored.drop_dead_files();
    Ok(Loaded { state, position, stored, discarded })
}

/// Collections while their files are read.
struct Building {
    collections: BTreeMap<u32, Collection>,
    stored: Stored,
}

impl Building {
    fn collection(&mut self, number: u32, path: &Path) -> Result<&mut Collection> {
        let missing = || Error::Corrupt {
            path: path.to_owned(),
            what: format!("collection mismatch: expected one of the manifest's, got number {number}"),
        };
        self.collections.get_mut(&number).ok_or_else(missing)
    }
}

fn newest(storage: &dyn Storage, dir: &TimelineDir) -> Result<Lsn> {
    let missing = || Error::Corrupt { path: dir.checkpoints(), what: "no checkpoint in it".to_owned() };
    listed(storage, dir)?.last().copied().ok_or_else(missing)
}

fn read_segment(
    storage: &dyn Storage,
    dir: &TimelineDir,
    file: &FileRef,
    building: &mut Building,
    reading: Reading,
) -> Result<()> {
    let Some(id) = segment_number(&file.name) else { return Err(unknown()) };
    let path = dir.file(&file.name);
    let collection = building.collection(id.0, &path)?;
    let segment = match collection.spec.storage {
        StorageMode::Memory => {
            let (path, bytes) = read_file_of(storage, dir, file)?;
            VectorSegment::decode(&path, &bytes, id.0)?
        }
        StorageMode::Mmap | StorageMode::Hybrid => {
            let spec = collection.spec.clone();
            map_segment(storage, &path, file, id.0, &spec, reading)?
        }
    };
    put_segment(&path, segment, id, file, building)
}

fn unknown() -> Error {
    Error::Decode("an unknown kind of file")
}

/// Reads files of pages, some at a time: one thread reads, all cores check and decode.
fn read_pages(
    storage: &dyn Storage,
    dir: &TimelineDir,
    files: &[&FileRef],
    building: &mut Building,
) -> Result<()> {
    let mut rest = files.iter();
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for file in rest.by_ref() {
            let number = pages_number(&file.name).ok_or_else(unknown)?;
            let path = dir.file(&file.name);
            batch.push((*file, number, path.clone(), read_sized(storage, &path, file)?));
            bytes += file.bytes;
            if bytes >= PAGES_AT_ONCE_BYTES {
                break;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let decoded = in_parallel(batch, bytes >= THREADS_FROM_BYTES, |(file, number, path, bytes)| {
            let decoded = check_crc(&path, &bytes, file).and_then(|()| LoadedPages::decode(&path, &bytes));
            (file, number, path, decoded)
        });
        for (file, number, path, decoded) in decoded {
            put_pages(&path, decoded?, number, file, building)?;
        }
    }
}

/// Files of pages are read so many bytes at a time, before they are decoded.
const PAGES_AT_ONCE_BYTES: u64 = 32 << 20;
/// Fewer bytes of pages are checked and decoded sooner than a thread begins.
const THREADS_FROM_BYTES: u64 = 1 << 20;

fn put_pages(
    path: &Path,
    decoded: LoadedPages,
    number: u64,
    file: &FileRef,
    building: &mut Building,
) -> Result<()> {
    let LoadedPages { owner, pages } = decoded;
    let stored = &mut building.stored;
    stored.next_page_file = stored.next_page_file.max(number + 1);
    stored.page_files.insert(number, PageFile { file: file.clone(), pages: pages.len(), live: 0 });
    for page in &pages {
        stored.set_home((owner, page.table, page.number), Home { file: number, gone: page.gone });
    }
    let collection = building.collection(owner, path)?;
    pages.into_iter().for_each(|page| (page.put)(collection));
    Ok(())
}

/// Maps a segment's file. To serve from it, only its header is checked: the rest is when the background comes to it.
fn map_segment(
    storage: &dyn Storage,
    path: &Path,
    file: &FileRef,
    collection: u32,
    spec: &CollectionSpec,
    reading: Reading,
) -> Result<VectorSegment> {
    check_size(storage, path, file)?;
    let bytes = map_file(storage, path, spec)?;
    if reading == Reading::EveryByte {
        check_crc(path, &bytes, file)?;
    }
    let segment = VectorSegment::map(path, bytes, collection)?;
    segment.set_verified(reading == Reading::EveryByte);
    Ok(segment)
}

/// Reads files of what is computed from the segments of one collection.
struct DerivedReader<'a> {
    storage: &'a dyn Storage,
    dir: &'a TimelineDir,
    reading: Reading,
    number: u32,
    collection: &'a Collection,
}

impl DerivedReader<'_> {
    /// Reads a file, if it is one of the collection's: into memory as far as `hot_left` goes, else mapped. One that is not as
    /// it should be is let go.
    fn read(&self, file: &FileRef, hot_left: &mut u64, stored: &mut Stored) -> Result<()> {
        let Some((id, kind, generation)) = derived_of(&file.name).filter(|(id, ..)| id.0 == self.number)
        else {
            return Ok(());
        };
        let path = self.dir.file(&file.name);
        let Some(segment) = self.collection.vectors.segment(id.1) else {
            let what = "segment mismatch: expected one of the manifest's".to_owned();
            return Err(Error::Corrupt { path, what });
        };
        let derived = segment.derived();
        derived.discard(kind, generation);
        let every_byte = self.reading == Reading::EveryByte;
        check_size(self.storage, &path, file)?;
        let in_memory = file.bytes <= *hot_left;
        let bytes: Arc<dyn Bytes> = if in_memory {
            Arc::new(read_file(self.storage, &path, file.bytes)?)
        } else {
            map_file(self.storage, &path, &self.collection.spec)?
        };
        if in_memory || every_byte {
            check_crc(&path, &bytes, file)?;
        }
        let mapped = bytes.is_mapped();
        derived.open(segment, id.0, kind, &path, bytes, every_byte)?;
        if in_memory {
            *hot_left -= file.bytes;
        }
        derived.keep(kind, generation, file.clone(), in_memory || every_byte, mapped);
        stored.derived.insert((id, kind), file.clone());
        Ok(())
    }
}

/// Reads a file that a manifest names, and checks its length and checksum.
pub(crate) fn read_file_of(
    storage: &dyn Storage,
    dir: &TimelineDir,
    file: &FileRef,
) -> Result<(PathBuf, Vec<u8>)> {
    let path = dir.file(&file.name);
    let bytes = read_sized(storage, &path, file)?;
    check_crc(&path, &bytes, file)?;
    Ok((path, bytes))
}

/// Reads a file of the length that a manifest says.
fn read_sized(storage: &dyn Storage, path: &Path, file: &FileRef) -> Result<Vec<u8>> {
    check_size(storage, path, file)?;
    Ok(read_file(storage, path, file.bytes)?)
}

fn check_size(storage: &dyn Storage, path: &Path, file: &FileRef) -> Result<()> {
    let size = storage.stat(path)?.map(|stat| stat.bytes);
    if size == Some(file.bytes) {
        return Ok(());
    }
    let got = size.map_or("no file".to_owned(), |n| format!("{n} bytes"));
    let what = format!("size mismatch: expected {} bytes, got {got}", file.bytes);
    Err(Error::Corrupt { path: path.to_owned(), what })
}

/// Refuses bytes that are not what the manifest says of the file.
pub(crate) fn check_crc(path: &Path, bytes: &[u8], file: &FileRef) -> Result<()> {
    let crc = page_file::file_crc(bytes);
    if crc == file.crc32c { Ok(()) } else { Err(crc_mismatch(path, file, crc)) }
}

/// The error of a file whose checksum is not the manifest's.
pub(crate) fn crc_mismatch(path: &Path, file: &FileRef, crc: u32) -> Error {
    let what = format!("CRC mismatch: file may be corrupted: expected {:08x}, got {crc:08x}", file.crc32c);
    Error::Corrupt { path: path.to_owned(), what }
}

fn put_segment(
    path: &Path,
    segment: VectorSegment,
    id: SegmentId,
    file: &FileRef,
    building: &mut Building,
) -> Result<()> {
    if segment.number != id.1 {
        let what = format!("segment number mismatch: expected {}, got {}", id.1, segment.number);
        return Err(Error::Corrupt { path: path.to_owned(), what });
    }
    segment.set_stored(file.clone());
    let collection = building.collection(id.0, path)?;
    Arc::make_mut(&mut collection.vectors.segments).push(Arc::new(segment));
    building.stored.segments.insert(id, file.clone());
    Ok(())
}

/// Checks that the tables fit together, and rebuilds the indexes that are not stored.
fn rebuild(c: &mut Collection, head: &crate::manifest::Head) -> Result<()> {
    Arc::make_mut(&mut c.vectors.segments).sort_unstable_by_key(|segment| segment.number);
    c.items.rebuild(head.items)?;
    c.contexts.rebuild(head.contexts)?;
    c.places.check(head.items)?;
    c.metadata.check(head.items)?;
    c.rings.check(head.contexts, head.items)?;
    c.named = Named::of(&c.rings);
    c.neighbours.rebuild(head.items, head.scale()?)?;
    c.dedup.rebuild(head.ends(), head.contexts, head.items)?;
    c.vectors.rebuild(&c.places, head.items)?;
    c.counts = head.counts;
    // Declared fields are indexed when the background comes to it.
    c.fields.declare(&c.spec.fields);
    let events: u64 = c.rings.0.iter().map(|(_, ring)| ring.0.len() as u64).sum();
    let listed: u64 = c.neighbours.view.owners().map(|owner| c.neighbours.view.len(owner) as u64).sum();
    let counted = head.counts.vectors == c.places.count()
        && head.counts.metadata == c.metadata.items().count() as u64
        && head.counts.events == events
        && head.counts.ids == u64::from(head.items)
        && head.counts.contexts == u64::from(head.contexts)
        && (head.counts.pairs.checked_mul(2)).and_then(|n| n.checked_sub(head.counts.one_sided))
            == Some(listed);
    if counted { Ok(()) } else { Err(Error::Decode("manifest: counts differ from what is stored")) }
}
