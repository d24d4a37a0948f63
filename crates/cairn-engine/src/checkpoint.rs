//! `Checkpoint`: what changed since the last one, as immutable files, published by one atomic replace.

use crate::collection::Collection;
use crate::derived::DerivedKind;
use crate::error::Result;
use crate::image::{ImageFile, TreeVisitor, for_each_tree};
use crate::kept::KeptCheckpoint;
use crate::layout::{TimelineDir, derived_name, pages_name, segment_name};
use crate::manifest::{FileRef, Manifest};
use crate::page_file;
use crate::spec::StorageMode;
use crate::state::State;
use crate::tree::{Page, PageRef, Tree};
use crate::vector_segment::{VectorSegment, map_file};
use crate::view::{CollectionView, View};
use cairn_disk::{Storage, atomic_replace, write_new};
use cairn_log::{Log, Lsn};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A page by collection, table and number.
pub(crate) type PageId = (u32, u16, u32);

/// A vector segment by collection and number.
pub(crate) type SegmentId = (u32, u32);

/// Which files hold the state of the last checkpoint: what the next one may leave as it is.
#[derive(Default, Clone)]
pub(crate) struct Stored {
    /// Page files by number, with how many pages they hold and how many of those are not replaced by later files.
    pub page_files: BTreeMap<u64, PageFile>,
    /// In which page file each page's newest image, or the note that it is gone, stands.
    pub homes: HashMap<PageId, Home>,
    /// Files of vector segments.
    pub segments: BTreeMap<SegmentId, FileRef>,
    /// Files of what is computed from them.
    pub derived: BTreeMap<(SegmentId, DerivedKind), FileRef>,
    pub next_page_file: u64,
}

/// Where a page's newest image is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home {
    pub file: u64,
    /// The page is gone, and this hides images of it in older files.
    pub gone: bool,
}

/// A page file of the last checkpoint.
#[derive(Clone)]
pub(crate) struct PageFile {
    pub file: FileRef,
    /// Pages in it.
    pub pages: usize,
    /// Those that no later file replaces.
    pub live: usize,
}

impl Stored {
    /// Notes that a page's newest image (or its end) stands in a file.
    pub fn set_home(&mut self, page: PageId, home: Home) {
        if let Some(old) = self.homes.insert(page, home)
            && let Some(file) = self.page_files.get_mut(&old.file)
        {
            file.live -= 1;
        }
        if let Some(file) = self.page_files.get_mut(&home.file) {
            file.live += 1;
        }
    }

    /// Pages worth writing again, because most of their file is dead: so space never grows without bound.
    fn worth_moving(&self) -> Vec<PageId> {
        let sparse =
            |number: &u64| self.page_files.get(number).is_some_and(|file| file.live * 2 < file.pages);
        self.homes.iter().filter(|(_, home)| sparse(&home.file)).map(|(page, _)| *page).collect()
    }

    /// The names of the files.
    pub fn names(&self) -> HashSet<String> {
        let pages = self.page_files.keys().map(|number| pages_name(*number));
        let derived = self.derived.values().map(|file| file.name.clone());
        pages.chain(self.segments.keys().map(|id| segment_name(*id))).chain(derived).collect()
    }

    /// Forgets the pages of collections that are gone.
    fn retain_collections(&mut self, is_there: impl Fn(u32) -> bool) {
        let Stored { page_files, homes, .. } = self;
        homes.retain(|(collection, ..), home| {
            let keep = is_there(*collection);
            if !keep && let Some(file) = page_files.get_mut(&home.file) {
                file.live -= 1;
            }
            keep
        });
    }

    /// Lets files go in which nothing is live. In the oldest file, a page that is gone hides nothing any more.
    pub fn drop_dead_files(&mut self) {
        self.page_files.retain(|_, file| file.live > 0);
        while let Some((&oldest, _)) = self.page_files.first_key_value() {
            let before = self.homes.len();
            self.homes.retain(|_, home| home.file != oldest || !home.gone);
            let forgotten = before - self.homes.len();
            let Some(file) = self.page_files.get_mut(&oldest) else { return };
            file.live -= forgotten;
            if file.live > 0 {
                return;
            }
            self.page_files.remove(&oldest);
        }
    }
}

/// What a checkpoint wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointReport {
    /// Its LSN: log up to here is no longer needed to open.
    pub lsn: Lsn,
    /// Bytes written, manifest included.
    pub bytes: u64,
    /// Pages written.
    pub pages: usize,
    /// Vector segments written.
    pub segments: usize,
}

/// A checkpoint to be written, beside the sequencer.
pub(crate) struct CheckpointJob {
    pub storage: Arc<dyn Storage>,
    pub dir: TimelineDir,
    pub view: View,
    pub dirty: BTreeSet<PageId>,
    pub stored: Stored,
    /// The log must hold every record of the checkpoint durably before it is published; `None`: there is none.
    pub log: Option<Arc<Log>>,
}

/// A finished job: what is stored now, or why not, and then which pages are still to be written.
pub(crate) struct CheckpointDone {
    pub result: Result<(CheckpointReport, KeptCheckpoint)>,
    pub dirty: BTreeSet<PageId>,
    pub stored: Stored,
    /// Segments that are on disk now and, as their collections want it, mapped from there.
    pub mapped: Vec<(u32, Arc<VectorSegment>)>,
}

impl CheckpointJob {
    /// Writes and publishes. On failure the last checkpoint is as it was, and nothing is lost from `dirty`.
    pub fn run(self) -> CheckpointDone {
        let mut stored = self.stored.clone();
        match self.write(&mut stored) {
            Ok(done) => {
                self.note_stored(&stored);
                self.map_derived(&stored);
                let mapped = self.map_segments();
                CheckpointDone { result: Ok(done), dirty: BTreeSet::new(), stored, mapped }
            }
            Err(e) => {
                // Files already written are in the way of the next try's numbers: skip them.
                let mut old = self.stored;
                old.next_page_file = old.next_page_file.max(stored.next_page_file);
                CheckpointDone { result: Err(e), dirty: self.dirty, stored: old, mapped: Vec::new() }
            }
        }
    }

    fn lasting(&self) -> impl Iterator<Item = &CollectionView> {
        self.view.state.collections.iter().filter(|collection| !collection.spec.volatile)
    }

    /// Tells the segments that their files are on disk.
    fn note_stored(&self, stored: &Stored) {
        for collection in self.lasting() {
            for segment in collection.vectors.segments.iter() {
                let id = (collection.number, segment.number);
                if let Some(file) = stored.segments.get(&id) {
                    segment.set_stored(file.clone());
                }
                for kind in DerivedKind::ALL {
                    if let Some(file) = stored.derived.get(&(id, kind)) {
                        segment.derived().set_stored(kind, file.clone());
                    }
                }
            }
        }
    }

    /// Maps what is in memory and should not be. One that cannot be mapped stays where it is: no harm is done.
    fn map_segments(&self) -> Vec<(u32, Arc<VectorSegment>)> {
        let mut mapped = Vec::new();
        for collection in self.lasting().filter(|c| c.spec.storage != StorageMode::Memory) {
            for segment in collection.vectors.segments.iter().filter(|s| s.mapping().is_none()) {
                if let Ok(equal) =
                    segment.to_mapped(&*self.storage, &self.dir, collection.number, &collection.spec)
                {
                    mapped.push((collection.number, Arc::new(equal)));
                }
            }
        }
        mapped
    }

    /// Maps graphs and codes that were computed in memory, but those that a hybrid collection's budget holds there. One that
    /// cannot be mapped stays where it is: no harm is done.
    fn map_derived(&self, stored: &Stored) {
        for collection in self.lasting() {
            let mut hot_left = match collection.spec.storage {
                StorageMode::Memory => continue,
                StorageMode::Hybrid => collection.spec.hot_bytes,
                StorageMode::Mmap => 0,
            };
            for segment in collection.vectors.segments.iter() {
                let id = (collection.number, segment.number);
                for kind in DerivedKind::ALL {
                    let (derived, file) = (segment.derived(), stored.derived.get(&(id, kind)));
                    let bytes = derived.memory_bytes(kind);
                    if bytes <= hot_left {
                        hot_left -= bytes;
                    } else if let Some(file) = file {
                        let path = self.dir.file(&file.name);
                        let _ = map_file(&*self.storage, &path, &collection.spec)
                            .and_then(|mapping| derived.map_from(segment, id.0, kind, &path, mapping));
                    }
                }
            }
        }
    }

    fn write(&self, stored: &mut Stored) -> Result<(CheckpointReport, KeptCheckpoint)> {
        if let Some(log) = &self.log {
            log.sync()?;
        }
        let mut report = CheckpointReport { lsn: self.view.lsn(), bytes: 0, pages: 0, segments: 0 };
        self.write_segments(stored, &mut report)?;
        self.write_pages(stored, &mut report)?;
        for dir in self.dir.image_dirs() {
            self.storage.sync_dir(&dir)?;
        }
        let files = (stored.segments.values().chain(stored.derived.values()))
            .chain(stored.page_files.values().map(|p| &p.file))
            .cloned()
            .collect();
        let manifest = Manifest::new(self.view.position, &self.view.state, files).encode()?;
        atomic_replace(&*self.storage, &self.dir.checkpoint(report.lsn), &manifest)?;
        report.bytes += manifest.len() as u64;
        let kept =
            KeptCheckpoint { lsn: report.lsn, time_us: self.view.position.time_us, files: stored.names() };
        Ok((report, kept))
    }

    fn write_segments(&self, stored: &mut Stored, report: &mut CheckpointReport) -> Result<()> {
        let all = || self.view.state.collections.iter().filter(|collection| !collection.spec.volatile);
        let wanted: HashSet<SegmentId> =
            all().flat_map(|c| c.vectors.segments.iter().map(|segment| (c.number, segment.number))).collect();
        stored.segments.retain(|id, _| wanted.contains(id));
        stored.derived.clear();
        for collection in self.lasting() {
            for segment in collection.vectors.segments.iter() {
                let id = (collection.number, segment.number);
                self.write_derived(id, segment, stored, report)?;
                if let Entry::Vacant(vacant) = stored.segments.entry(id) {
                    if let Some(file) = segment.stored() {
                        vacant.insert(file.clone());
                        continue;
                    }
                    let file = self.put(ImageFile::segment(collection.number, Arc::clone(segment)))?;
                    report.bytes += file.bytes;
                    report.segments += 1;
                    vacant.insert(file);
                }
            }
        }
        Ok(())
    }

    fn write_derived(
        &self,
        id: SegmentId,
        segment: &VectorSegment,
        stored: &mut Stored,
        report: &mut CheckpointReport,
    ) -> Result<()> {
        for kind in DerivedKind::ALL {
            let derived = segment.derived();
            let file = match (derived.get(kind), derived.stored(kind)) {
                (None, _) => continue,
                (Some(_), Some(file)) => file,
                (Some(data), None) => {
                    let name = derived_name(id, kind, derived.generation(kind));
                    let file = self.put(ImageFile::derived(name, id.0, data))?;
                    report.bytes += file.bytes;
                    file
                }
            };
            stored.derived.insert((id, kind), file);
        }
        Ok(())
    }

    fn write_pages(&self, stored: &mut Stored, report: &mut CheckpointReport) -> Result<()> {
        let all = &self.view.state.collections;
        let kept = |number| all.iter().any(|c| c.number == number && !c.spec.volatile);
        stored.retain_collections(kept);
        let mut wanted = self.dirty.clone();
        wanted.extend(stored.worth_moving());
        for collection in self.lasting() {
            let number = collection.number;
            let mut pages = Pages { collection: number, wanted: &wanted, refs: Vec::new() };
            for_each_tree(collection, &mut pages);
            self.write_pages_of(number, pages.refs, stored, report)?;
        }
        stored.drop_dead_files();
        Ok(())
    }

    fn write_pages_of(
        &self,
        collection: u32,
        mut refs: Vec<PageRef>,
        stored: &mut Stored,
        report: &mut CheckpointReport,
    ) -> Result<()> {
        // A page that came and went since the last checkpoint was never stored.
        refs.retain(|page| {
            page.page.is_some() || stored.homes.contains_key(&(collection, page.table, page.number))
        });
        report.pages += refs.len();
        for content in page_file::split(refs) {
            let number = stored.next_page_file;
            stored.next_page_file += 1;
            let homes: Vec<(PageId, bool)> = content
                .iter()
                .map(|page| ((collection, page.table, page.number), page.page.is_none()))
                .collect();
            let file = self.put(ImageFile::pages(collection, number, content))?;
            report.bytes += file.bytes;
            stored.page_files.insert(number, PageFile { file, pages: homes.len(), live: 0 });
            for (page, gone) in homes {
                stored.set_home(page, Home { file: number, gone });
            }
        }
        Ok(())
    }

    fn put(&self, file: ImageFile) -> Result<FileRef> {
        let name = file.name.clone();
        let path = self.dir.file(&name);
        let bytes = file.encode();
        // A segment's file may be left over from a checkpoint that failed before it was published.
        if self.storage.stat(&path)?.is_some() {
            self.storage.remove(&path)?;
        }
        write_new(&*self.storage, &path, &bytes)?;
        Ok(FileRef::of(&name, &bytes))
    }
}

struct Pages<'a> {
    collection: u32,
    wanted: &'a BTreeSet<PageId>,
    refs: Vec<PageRef>,
}

impl TreeVisitor for Pages<'_> {
    fn visit<P: Page>(&mut self, tree: &Tree<P>) {
        let of = |number| (self.collection, P::TABLE, number);
        let table = self.wanted.range(of(0)..=of(u32::MAX));
        self.refs.extend(table.map(|&(.., number)| tree.page_ref(number)));
    }
}

/// Every page written since this was last called.
pub(crate) fn take_dirty(state: &State) -> BTreeSet<PageId> {
    let mut dirty = BTreeSet::new();
    for (collection, slot) in state.iter() {
        slot.collection.write().for_each_tree_mut(&mut |table, tree| {
            dirty.extend(tree.take().into_iter().map(|number| (collection, table, number)));
        });
    }
    dirty
}

/// Puts back what a failed checkpoint did not write.
pub(crate) fn mark_dirty(state: &State, dirty: &BTreeSet<PageId>) {
    if dirty.is_empty() {
        return;
    }
    for (collection, slot) in state.iter() {
        slot.collection.write().for_each_tree_mut(&mut |table, tree| {
            let pages = dirty.range((collection, table, 0)..=(collection, table, u32::MAX));
            let numbers: Vec<u32> = pages.map(|&(.., number)| number).collect();
            tree.mark(&numbers);
        });
    }
}

/// A tree's dirty pages, whatever its pages are.
pub(crate) trait DirtyTree {
    fn take(&mut self) -> Vec<u32>;
    fn mark(&mut self, numbers: &[u32]);
}

impl<P: Page> DirtyTree for Tree<P> {
    fn take(&mut self) -> Vec<u32> {
        self.take_dirty()
    }

    fn mark(&mut self, numbers: &[u32]) {
        self.mark_dirty(numbers);
    }
}

impl Collection {
    /// How many pages were copied because a View held them.
    pub(crate) fn pages_copied(&self) -> u64 {
        let names = self.items.tree.copied() + self.contexts.tree.copied();
        let items = self.places.0.copied() + self.metadata.0.copied() + self.rings.0.copied();
        let neighbours = self.neighbours.view.items.copied() + self.neighbours.view.chunks.copied();
        let vectors = self.vectors.dead.0.copied() + self.vectors.buffer.tree.copied();
        names + items + neighbours + vectors + self.dedup.view.tree.copied()
    }

    /// Calls `f` with each tree and its table's number.
    pub(crate) fn for_each_tree_mut(&mut self, f: &mut dyn FnMut(u16, &mut dyn DirtyTree)) {
        fn table<P: Page>(tree: &mut Tree<P>, f: &mut dyn FnMut(u16, &mut dyn DirtyTree)) {
            f(P::TABLE, tree);
        }
        table(&mut self.items.tree, f);
        table(&mut self.contexts.tree, f);
        table(&mut self.places.0, f);
        table(&mut self.metadata.0, f);
        table(&mut self.rings.0, f);
        table(&mut self.neighbours.view.items, f);
        table(&mut self.neighbours.view.chunks, f);
        table(&mut self.dedup.view.tree, f);
        table(&mut self.vectors.dead.0, f);
        table(&mut self.vectors.buffer.tree, f);
    }
}
