//! `Image`: a whole state as files, ready to be encoded one by one: what a full snapshot stores.

use crate::derived::{DerivedData, DerivedKind};
use crate::error::{Error, Result};
use crate::layout::{derived_name, pages_name, segment_name};
use crate::manifest::{FileRef, Manifest};
use crate::page_file;
use crate::tree::{Page, PageRef, Tree};
use crate::vector_segment::VectorSegment;
use crate::view::{CollectionView, Position, View};
use cairn_disk::Crc32c;
use std::sync::Arc;

/// A state as files. The pages each file needs are held by that file alone, so encoding and dropping the files one by
/// one gives memory back while a snapshot is written.
#[derive(Debug)]
pub struct Image {
    /// Its files, in the order in which a reader applies them.
    pub files: Vec<ImageFile>,
    /// Where the state stands.
    pub position: Position,
    pub(crate) manifest: Manifest,
}

/// One file of an image, not yet encoded.
pub struct ImageFile {
    /// Relative to a timeline's directory.
    pub name: String,
    collection: u32,
    content: Content,
}

enum Content {
    Segment(Arc<VectorSegment>),
    Derived(DerivedData),
    Pages(Vec<PageRef>),
}

impl std::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ImageFile {
    pub(crate) fn segment(collection: u32, segment: Arc<VectorSegment>) -> ImageFile {
        let name = segment_name((collection, segment.number));
        ImageFile { name, collection, content: Content::Segment(segment) }
    }

    pub(crate) fn derived(name: String, collection: u32, data: DerivedData) -> ImageFile {
        ImageFile { name, collection, content: Content::Derived(data) }
    }

    pub(crate) fn pages(collection: u32, number: u64, pages: Vec<PageRef>) -> ImageFile {
        ImageFile { name: pages_name(number), collection, content: Content::Pages(pages) }
    }

    /// Whether it holds pages, which change in place: a file of its name may have been another one before. All others never
    /// change.
    pub fn is_pages(&self) -> bool {
        matches!(self.content, Content::Pages(_))
    }

    /// About how long the file will be, for progress.
    pub fn bytes_estimate(&self) -> u64 {
        match &self.content {
            Content::Segment(segment) => segment.file_bytes() as u64,
            Content::Derived(data) => data.bytes().len() as u64,
            Content::Pages(pages) => {
                pages.iter().map(|p| 16 + p.page.as_ref().map_or(0, |page| page.encoded_bytes() as u64)).sum()
            }
        }
    }

    /// The file, ready to be read in pieces as often as it takes. Pages are encoded now, about 4 MiB of them, and let go;
    /// nothing else is copied.
    pub fn encoded(self) -> EncodedFile {
        let content = match self.content {
            Content::Segment(segment) => Encoded::Segment(segment, self.collection),
            Content::Derived(data) => Encoded::Derived(data),
            Content::Pages(pages) => Encoded::Pages(page_file::encode(self.collection, pages)),
        };
        EncodedFile { name: self.name, content }
    }

    /// The whole file, checksums included: about 4 MiB, or as long as a vector segment is.
    pub fn encode(self) -> Vec<u8> {
        match self.content {
            Content::Segment(segment) => segment.encode(self.collection),
            Content::Derived(data) => data.bytes().to_vec(),
            Content::Pages(pages) => page_file::encode(self.collection, pages),
        }
    }
}

/// The most bytes that [`EncodedFile::read`] gives at once.
pub const PIECE_BYTES: usize = 1 << 20;

/// One file of an image, encoded: its bytes are where they were, mapped or in memory.
pub struct EncodedFile {
    name: String,
    content: Encoded,
}

enum Encoded {
    Segment(Arc<VectorSegment>, u32),
    Derived(DerivedData),
    Pages(Vec<u8>),
}

impl std::fmt::Debug for EncodedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodedFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl EncodedFile {
    /// Its name, relative to a timeline's directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long the file is, in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            Encoded::Segment(segment, _) => segment.file_bytes() as u64,
            Encoded::Derived(data) => data.bytes().len() as u64,
            Encoded::Pages(bytes) => bytes.len() as u64,
        }
    }

    /// Bytes of a number of the array that most of it is, which stands at a multiple of them; 1 when it is none.
    pub fn element_bytes(&self) -> usize {
        match &self.content {
            Encoded::Segment(..) => size_of::<f32>(),
            Encoded::Derived(data) => data.element_bytes(),
            Encoded::Pages(_) => 1,
        }
    }

    /// Gives all bytes to `take`, in order and in pieces of at most [`PIECE_BYTES`], checksums included. Returns what a
    /// manifest says about them. Fails where `take` does, and when a mapped segment's bytes are not those of its checksum:
    /// damage is not to be stored under a new one.
    pub fn read<E: From<Error>>(&self, take: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<FileRef, E> {
        let (mut crc, mut bytes) = (Crc32c::new(), 0);
        let mut put = |all: &[u8]| {
            all.chunks(PIECE_BYTES).try_for_each(|piece| {
                crc.update(piece);
                bytes += piece.len() as u64;
                take(piece)
            })
        };
        match &self.content {
            Encoded::Segment(segment, collection) => {
                let damaged = |expected: u32, got: u32| {
                    let what = format!("CRC mismatch: expected 0x{expected:08x}, got 0x{got:08x}");
                    Error::Corrupt { path: self.name.clone().into(), what }
                };
                if !segment.is_of(*collection) {
                    // Its header will be another: whether its bytes are whole is to be asked before.
                    segment.check_mapped().map_err(|(expected, got)| damaged(expected, got))?;
                }
                segment.each_of_body(*collection, &mut put)?;
                let seal = crc.value();
                let mapped = segment.mapped_seal().filter(|_| segment.is_of(*collection));
                if let Some(expected) = mapped.filter(|expected| *expected != seal) {
                    return Err(damaged(expected, seal).into());
                }
                let seal = seal.to_le_bytes();
                crc.update(&seal);
                bytes += seal.len() as u64;
                take(&seal)?;
            }
            Encoded::Derived(data) => put(data.bytes())?,
            Encoded::Pages(all) => put(all)?,
        }
        Ok(FileRef { name: self.name.clone(), bytes, crc32c: crc.value() })
    }
}

impl Image {
    /// The checkpoint manifest over the files as they were encoded, in the order of [`Image::files`].
    pub fn into_manifest(mut self, files: Vec<FileRef>) -> Result<Vec<u8>> {
        self.manifest.files = files;
        self.manifest.encode()
    }
}

impl FileRef {
    /// What a manifest says about an encoded file.
    pub fn of(name: &str, bytes: &[u8]) -> FileRef {
        FileRef { name: name.to_owned(), bytes: bytes.len() as u64, crc32c: page_file::file_crc(bytes) }
    }
}

impl View {
    /// The whole state as files. Uses the View up: pages are let go as their files are encoded.
    pub fn into_image(self) -> Image {
        let mut state = self.state;
        let manifest = Manifest::new(self.position, &state, Vec::new());
        // What is volatile is in no file.
        state.collections.retain(|collection| !collection.spec.volatile);
        let mut files = Vec::new();
        for collection in &state.collections {
            for segment in collection.vectors.segments.iter() {
                files.push(ImageFile::segment(collection.number, Arc::clone(segment)));
                files.extend(derived_files(collection.number, segment));
            }
        }
        let mut number = 0;
        for collection in &state.collections {
            for pages in page_file::split(all_pages(collection)) {
                files.push(ImageFile::pages(collection.number, number, pages));
                number += 1;
            }
        }
        Image { files, position: self.position, manifest }
    }
}

/// What is computed from a segment, as files.
pub(crate) fn derived_files(collection: u32, segment: &VectorSegment) -> impl Iterator<Item = ImageFile> {
    DerivedKind::ALL.into_iter().filter_map(move |kind| {
        // Those of another collection say in their headers whose they are.
        let data = segment.derived().get(kind).filter(|data| is_of(data.bytes(), collection))?;
        let generation = segment.derived().generation(kind);
        let name = derived_name((collection, segment.number), kind, generation);
        Some(ImageFile::derived(name, collection, data))
    })
}

/// Whether a file of a segment, or of what is computed from one, says in its header that it is of this collection.
pub(crate) fn is_of(file: &[u8], collection: u32) -> bool {
    // At the same place in all of them (docs/format.md).
    file.get(36..40) == Some(&collection.to_le_bytes())
}

fn all_pages(state: &CollectionView) -> Vec<PageRef> {
    let mut pages = Vec::new();
    for_each_tree(state, &mut AllPages(&mut pages));
    pages
}

/// What is done with each of a state's trees: the one place that lists them for checkpoints and images.
pub(crate) trait TreeVisitor {
    fn visit<P: Page>(&mut self, tree: &Tree<P>);
}

pub(crate) fn for_each_tree(state: &CollectionView, visitor: &mut impl TreeVisitor) {
    visitor.visit(&state.items.tree);
    visitor.visit(&state.contexts.tree);
    visitor.visit(&state.places.0);
    visitor.visit(&state.metadata.0);
    visitor.visit(&state.rings.0);
    visitor.visit(&state.neighbours.items);
    visitor.visit(&state.neighbours.chunks);
    visitor.visit(&state.dedup.tree);
    visitor.visit(&state.vectors.dead.0);
    visitor.visit(&state.vectors.buffer.tree);
}

struct AllPages<'a>(&'a mut Vec<PageRef>);

impl TreeVisitor for AllPages<'_> {
    fn visit<P: Page>(&mut self, tree: &Tree<P>) {
        self.0.extend(tree.numbers().into_iter().map(|number| tree.page_ref(number)));
    }
}
