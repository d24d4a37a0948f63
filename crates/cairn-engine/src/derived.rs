//! `Derived`: what is computed from a segment's vectors so that they are searched faster. Never the truth: it can be
//! computed again at any time, and is when its file is damaged or of another version.

use crate::codes::{CodeKind, Codes};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::graph::{BuildWork, Columns, Graph, GraphOf, GraphSettings};
use crate::manifest::FileRef;
use crate::spec::{CollectionSpec, Elements, IndexKind};
use crate::vector_segment::VectorSegment;
use cairn_disk::Bytes;
use parking_lot::RwLock;
use std::path::Path;
use std::sync::Arc;

/// Fewer rows than this have no codes.
const CODES_ROWS_MIN: u32 = 256;

/// The two kinds of derived files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DerivedKind {
    Graph,
    Codes,
}

impl DerivedKind {
    pub const ALL: [DerivedKind; 2] = [DerivedKind::Graph, DerivedKind::Codes];

    /// The end of its files' names.
    pub fn extension(self) -> &'static str {
        match self {
            DerivedKind::Graph => ".graph",
            DerivedKind::Codes => ".codes",
        }
    }
}

/// A segment's graph and codes, shared by all that hold the segment.
#[derive(Default)]
pub(crate) struct Derived {
    graph: RwLock<Option<Arc<Graph>>>,
    codes: RwLock<Option<Arc<Codes>>>,
    /// The files that hold them, once they are on disk, and how often each was computed anew because its file was not right.
    files: RwLock<[FileState; 2]>,
}

#[derive(Default, Clone)]
struct FileState {
    stored: Option<FileRef>,
    generation: u32,
    /// Its bytes came from the file and were not all seen to be right yet.
    unverified: bool,
    /// It is mapped from the file, and takes no memory of the process's own.
    mapped: bool,
}

/// One derived thing, ready to be written.
#[derive(Clone)]
pub(crate) enum DerivedData {
    Graph(Arc<Graph>),
    Codes(Arc<Codes>),
}

impl DerivedData {
    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        match self {
            DerivedData::Graph(graph) => graph.bytes(),
            DerivedData::Codes(codes) => codes.as_bytes(),
        }
    }

    /// Bytes of a number of the array that most of the file is.
    pub fn element_bytes(&self) -> usize {
        match self {
            DerivedData::Graph(_) => 1,
            DerivedData::Codes(codes) => codes.kind().element_bytes(),
        }
    }
}

impl Derived {
    pub fn graph(&self) -> Option<Arc<Graph>> {
        self.graph.read().clone()
    }

    pub fn codes(&self) -> Option<Arc<Codes>> {
        self.codes.read().clone()
    }

    pub fn get(&self, kind: DerivedKind) -> Option<DerivedData> {
        match kind {
            DerivedKind::Graph => self.graph().map(DerivedData::Graph),
            DerivedKind::Codes => self.codes().map(DerivedData::Codes),
        }
    }

    /// The file that holds it.
    pub fn stored(&self, kind: DerivedKind) -> Option<FileRef> {
        self.files.read()[kind as usize].stored.clone()
    }

    pub fn set_stored(&self, kind: DerivedKind, file: FileRef) {
        self.files.write()[kind as usize].stored = Some(file);
    }

    /// How often it was computed anew: part of its file's name, since a file never changes.
    pub fn generation(&self, kind: DerivedKind) -> u32 {
        self.files.read()[kind as usize].generation
    }

    /// Lets go of it, since its file is not right: what is computed next has a file of its own.
    pub fn discard(&self, kind: DerivedKind, generation: u32) {
        match kind {
            DerivedKind::Graph => *self.graph.write() = None,
            DerivedKind::Codes => *self.codes.write() = None,
        }
        let state = &mut self.files.write()[kind as usize];
        let generation = state.generation.max(generation + 1);
        *state = FileState { stored: None, generation, unverified: false, mapped: false };
    }

    /// Notes the file that it was read from, whether every byte was seen to be right, and whether it is mapped.
    pub fn keep(&self, kind: DerivedKind, generation: u32, file: FileRef, verified: bool, mapped: bool) {
        self.files.write()[kind as usize] =
            FileState { stored: Some(file), generation, unverified: !verified, mapped };
    }

    /// The file that is still to be read to its end, if any.
    pub fn unverified(&self, kind: DerivedKind) -> Option<FileRef> {
        let state = &self.files.read()[kind as usize];
        state.stored.clone().filter(|_| state.unverified)
    }

    /// Bytes of memory of the process's own that it takes.
    pub fn memory_bytes(&self, kind: DerivedKind) -> u64 {
        match self.files.read()[kind as usize].mapped {
            true => 0,
            false => self.get(kind).map_or(0, |data| data.bytes().len() as u64),
        }
    }

    /// Takes the equal bytes of its file, mapped, in the place of those in memory.
    pub fn map_from(
        &self,
        segment: &VectorSegment,
        collection: u32,
        kind: DerivedKind,
        path: &Path,
        bytes: Arc<dyn Bytes>,
    ) -> Result<()> {
        let mapped = bytes.is_mapped();
        self.open(segment, collection, kind, path, bytes, false)?;
        self.files.write()[kind as usize].mapped = mapped;
        Ok(())
    }

    /// Every byte of the file was seen to be right.
    pub fn set_verified(&self, kind: DerivedKind) {
        self.files.write()[kind as usize].unverified = false;
    }

    /// Takes what a file holds, when it is of this segment. Its header is checked, all of it with `every_byte`.
    pub fn open(
        &self,
        segment: &VectorSegment,
        collection: u32,
        kind: DerivedKind,
        path: &Path,
        bytes: Arc<dyn Bytes>,
        every_byte: bool,
    ) -> Result<()> {
        let (rows, dimension) = (segment.rows(), segment.dimension());
        let other = || Error::Corrupt {
            path: path.to_owned(),
            what: format!(
                "expected that of segment {} with {rows} rows of {dimension} elements",
                segment.number
            ),
        };
        match kind {
            DerivedKind::Graph => {
                let graph = Graph::open(path, bytes)?;
                let header = graph.header();
                let of = (header.collection, header.segment, header.rows, header.dimension);
                if of != (collection, u64::from(segment.number), rows, dimension) {
                    return Err(other());
                }
                if every_byte {
                    graph.verify(path)?;
                }
                *self.graph.write() = Some(Arc::new(graph));
            }
            DerivedKind::Codes => {
                let codes = Codes::open(path, bytes)?;
                let of = (codes.collection(), codes.segment(), codes.rows(), codes.dimension());
                if of != (collection, segment.number, rows, dimension as usize) {
                    return Err(other());
                }
                if every_byte {
                    codes.verify(path)?;
                }
                *self.codes.write() = Some(Arc::new(codes));
            }
        }
        Ok(())
    }
}

/// The kind of codes a collection wants.
fn code_kind(elements: Elements) -> Option<CodeKind> {
    match elements {
        Elements::F32 => None,
        Elements::F16 => Some(CodeKind::F16),
        Elements::I8 => Some(CodeKind::I8),
    }
}

/// How a collection's graphs are built.
pub(crate) fn graph_settings(spec: &CollectionSpec) -> GraphSettings {
    GraphSettings::from_hnsw(spec.m, spec.ef_construction)
}

/// What a segment lacks of what its collection wants.
pub(crate) fn missing(
    segment: &VectorSegment,
    spec: &CollectionSpec,
    graph_rows_min: u32,
) -> Option<DerivedKind> {
    let derived = segment.derived();
    let wants_graph = spec.index == IndexKind::Graph && segment.rows() >= graph_rows_min;
    if wants_graph && derived.graph().is_none() {
        return Some(DerivedKind::Graph);
    }
    let kind = code_kind(spec.elements)?;
    let wants_codes = spec.index == IndexKind::Flat && segment.rows() >= CODES_ROWS_MIN;
    let has = derived.codes().is_some_and(|codes| codes.kind() == kind);
    (wants_codes && !has && derived.stored(DerivedKind::Codes).is_none()).then_some(DerivedKind::Codes)
}

/// Something derived that is to be computed, beside the sequencer.
pub(crate) struct DeriveJob {
    pub collection: u32,
    pub segment: Arc<VectorSegment>,
    pub metric: Metric,
    pub spec: CollectionSpec,
    pub kind: DerivedKind,
}

impl DeriveJob {
    /// Computes it, and puts it in place; false when it was cancelled.
    pub fn run(&self, threads: usize, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<bool> {
        let segment = &self.segment;
        let derived = segment.derived();
        match self.kind {
            DerivedKind::Graph => {
                let columns =
                    Columns::new(segment.vectors(), segment.inverse_norms(), segment.dimension() as usize)?;
                let of = GraphOf { collection: self.collection, segment: u64::from(segment.number) };
                let work = BuildWork { threads, cancelled, progress: &|_| {} };
                let settings = graph_settings(&self.spec);
                let Some(graph) = Graph::build(columns, self.metric, of, &settings, &work)? else {
                    return Ok(false);
                };
                *derived.graph.write() = Some(Arc::new(graph));
            }
            DerivedKind::Codes => {
                let Some(kind) = code_kind(self.spec.elements) else { return Ok(true) };
                let (number, dimension) = (segment.number, segment.dimension());
                let codes = Codes::encode(kind, self.collection, number, dimension, segment.vectors())?;
                *derived.codes.write() = Some(Arc::new(codes));
            }
        }
        Ok(true)
    }
}
