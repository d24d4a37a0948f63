//! Compaction: living rows of several vector segments as one new segment, made beside the sequencer and moved in by small
//! steps, so that neither reads nor writes wait for it.

use crate::derived::{self, DeriveJob};
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::layout::{TimelineDir, segment_name};
use crate::manifest::FileRef;
use crate::places::Place;
use crate::segment_file::Layout;
use crate::spec::{CollectionSpec, IndexKind, StorageMode};
use crate::vector_segment::{ROWS_MAX, Rows, VectorSegment, map_file, write_rows};
use crate::vectors::Vectors;
use cairn_disk::Storage;
use cairn_log::TimelineId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Free space that compaction leaves for the log and for checkpoints.
const SPARED_BYTES: u64 = 16 << 20;
/// Segments of about one size that make a larger one.
const FAN_IN: usize = 8;
/// Rows moved under the collection's lock at once.
pub const MOVE_AT_ONCE: usize = 1_024;

/// What is worth compacting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionPolicy {
    /// A segment is rewritten when this share of its rows is dead, 0 to 1.
    pub dead_share: f64,
    /// Everything is rewritten into as few segments as can be, whatever its dead share.
    pub aggressive: bool,
    /// Bytes of the file of a segment that compaction makes of several, at most. By default a GiB.
    pub segment_bytes_max: u64,
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        CompactionPolicy { dead_share: 0.2, aggressive: false, segment_bytes_max: 1 << 30 }
    }
}

impl CompactionPolicy {
    /// Refuses shares that are none.
    pub fn validate(&self) -> Result<()> {
        if self.dead_share > 0.0 && self.dead_share <= 1.0 {
            return Ok(());
        }
        let percent = self.dead_share * 100.0;
        Err(Error::Input(format!("threshold: expected more than 0% and at most 100%, got {percent}%")))
    }
}

/// Which segments are to become one; fewer than one: none.
pub(crate) fn plan(vectors: &Vectors, spec: &CollectionSpec, policy: &CompactionPolicy) -> Vec<u32> {
    let mut settled: Vec<&VectorSegment> =
        vectors.segments.iter().map(|s| &**s).filter(|s| vectors.moving_to != Some(s.number)).collect();
    let dead = |s: &VectorSegment| f64::from(vectors.dead.count(s.number)) / f64::from(s.rows());
    if policy.aggressive {
        settled.sort_by_key(|s| vectors.living(s));
        let chosen = fitting(vectors, policy, settled.iter().copied());
        if chosen.len() > 1 {
            return numbers(chosen);
        }
        // Nothing more fits together: what is left are segments with dead rows of their own.
        let with_dead = settled.into_iter().find(|s| vectors.dead.count(s.number) > 0);
        return numbers(with_dead.into_iter().collect());
    }
    let dirty = fitting(vectors, policy, settled.iter().copied().filter(|s| dead(s) >= policy.dead_share));
    if !dirty.is_empty() {
        return numbers(dirty);
    }
    // Without an index, many segments cost no more than one.
    if spec.index != IndexKind::Graph {
        return Vec::new();
    }
    let tier = |s: &VectorSegment| {
        let bytes = living_bytes(vectors, s).max(1);
        (bytes / u64::from(vectors.segment_bytes).max(1)).max(1).ilog(FAN_IN as u64)
    };
    let tiers: std::collections::BTreeSet<u32> = settled.iter().map(|s| tier(s)).collect();
    for wanted in tiers {
        let mut alike = settled.iter().copied().filter(|s| tier(s) == wanted);
        let chosen = fitting(vectors, policy, alike.by_ref().take(FAN_IN));
        if chosen.len() == FAN_IN {
            return numbers(chosen);
        }
    }
    Vec::new()
}

fn living_bytes(vectors: &Vectors, segment: &VectorSegment) -> u64 {
    4 * u64::from(segment.dimension()) * u64::from(vectors.living(segment))
}

/// The first ones that fit one segment.
fn fitting<'a>(
    vectors: &Vectors,
    policy: &CompactionPolicy,
    segments: impl Iterator<Item = &'a VectorSegment>,
) -> Vec<&'a VectorSegment> {
    let mut rows = 0;
    let mut chosen = Vec::new();
    for segment in segments {
        rows += vectors.living(segment);
        let bytes = Layout { dimension: segment.dimension(), rows }.file_bytes() as u64;
        if !chosen.is_empty() && (bytes > policy.segment_bytes_max || rows > ROWS_MAX) {
            break;
        }
        chosen.push(segment);
    }
    chosen
}

fn numbers(segments: Vec<&VectorSegment>) -> Vec<u32> {
    segments.into_iter().map(|segment| segment.number).collect()
}

/// A compaction to be run, while the core takes further steps.
pub struct MergeJob {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dir: TimelineDir,
    pub(crate) timeline: TimelineId,
    pub(crate) collection: u32,
    /// The new segment's number.
    pub(crate) number: u32,
    pub(crate) spec: CollectionSpec,
    pub(crate) metric: Metric,
    /// From how many rows on a segment has a graph.
    pub(crate) graph_rows_min: u32,
    /// The vectors as they were when it was planned.
    pub(crate) vectors: Vectors,
    /// The segments that become one.
    pub(crate) sources: Vec<u32>,
}

impl std::fmt::Debug for MergeJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeJob").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A segment that is ready to be moved in.
pub struct Merged {
    pub(crate) timeline: TimelineId,
    pub(crate) collection: u32,
    pub(crate) segment: Arc<VectorSegment>,
    /// Where each of its rows was copied from.
    pub(crate) from: Vec<Place>,
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl Merged {
    /// How many rows are to be moved.
    pub fn rows(&self) -> usize {
        self.from.len()
    }
}

/// How background work goes on: how fast it may, and whether it should.
#[derive(Debug, Default)]
pub struct Pace {
    /// Work ends with an error as soon as this is set.
    pub cancel: AtomicBool,
    /// Bytes copied so far.
    pub bytes: AtomicU64,
    /// Threads that compute; 0 means 1.
    pub threads: usize,
}

impl Pace {
    /// Notes progress; an error when the work is to end.
    pub(crate) fn go_on(&self, bytes: u64) -> Result<()> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }
}

impl MergeJob {
    /// Copies the living rows: into memory, or into a file that is then mapped. `None` when none lives.
    pub fn run(&self, pace: &Pace) -> Result<Option<Merged>> {
        let mut rows = Vec::new();
        let mut from = Vec::new();
        for number in &self.sources {
            let Some(segment) = self.vectors.segment(*number) else { continue };
            for row in (0..segment.rows()).filter(|row| !self.vectors.dead.is_dead(*number, *row)) {
                rows.push((&**segment, row));
                from.push(Place { segment: *number, row });
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let segment = match self.spec.storage {
            StorageMode::Memory => self.in_memory(&rows, pace)?,
            StorageMode::Mmap | StorageMode::Hybrid => self.in_file(&rows, pace)?,
        };
        if self.spec.storage == StorageMode::Hybrid {
            self.carry_heat(&segment, &from);
        }
        let segment = Arc::new(segment);
        self.derive(&segment, pace)?;
        let (timeline, collection) = (self.timeline, self.collection);
        Ok(Some(Merged { timeline, collection, segment, from }))
    }

    /// Rows are wanted as often as they were where they came from.
    fn carry_heat(&self, segment: &VectorSegment, from: &[Place]) {
        let held: Vec<_> = self
            .sources
            .iter()
            .filter_map(|number| Some((*number, self.vectors.segment(*number)?.hot().held()?)))
            .collect();
        let count = |row: u32| {
            let place = from.get(row as usize)?;
            let (_, held) = held.iter().find(|(number, _)| *number == place.segment)?;
            Some(held.count(place.row))
        };
        segment.hot().switch_on(segment.rows(), |row| count(row).unwrap_or(0));
    }

    /// Computes what the collection wants of the segment before any row is moved in: searches never do without.
    fn derive(&self, segment: &Arc<VectorSegment>, pace: &Pace) -> Result<()> {
        while let Some(kind) = derived::missing(segment, &self.spec, self.graph_rows_min) {
            let job = DeriveJob {
                collection: self.collection,
                segment: Arc::clone(segment),
                metric: self.metric,
                spec: self.spec.clone(),
                kind,
            };
            let cancelled = || pace.cancel.load(Ordering::Relaxed);
            if !job.run(pace.threads.max(1), &cancelled)? {
                return Err(Error::Closed);
            }
        }
        Ok(())
    }

    fn in_memory(&self, rows: &[(&VectorSegment, u32)], pace: &Pace) -> Result<VectorSegment> {
        let mut copy = Rows::new(self.vectors.dimension, rows.len() as u32);
        for (segment, row) in rows {
            let at = *row as usize;
            copy.push(segment.vector(*row), &segment.items()[at..=at], &segment.inverse_norms()[at..=at]);
            pace.go_on(4 * u64::from(segment.dimension()))?;
        }
        Ok(copy.into_segment(self.number))
    }

    fn in_file(&self, rows: &[(&VectorSegment, u32)], pace: &Pace) -> Result<VectorSegment> {
        let name = segment_name((self.collection, self.number));
        let path = self.dir.file(&name);
        let bytes = rows.len() as u64 * (4 * u64::from(self.vectors.dimension) + 8);
        let (free, needed) = (self.storage.free_bytes(&self.dir.0)?, bytes.saturating_add(SPARED_BYTES));
        if free < needed {
            let what = format!("compaction needs {needed} bytes of free space, there are {free}");
            return Err(Error::NoRoom(what));
        }
        if self.storage.stat(&path)?.is_some() {
            self.storage.remove(&path)?;
        }
        let file = self.storage.create(&path)?;
        let written = write_rows(&*file, self.collection, self.number, rows, |bytes| pace.go_on(bytes));
        let (bytes, crc32c) = match written {
            Ok(written) => written,
            Err(e) => {
                // What is left of it is removed by the next checkpoint or open; the first failure is what matters.
                let _ = self.storage.remove(&path);
                return Err(e);
            }
        };
        let segment =
            VectorSegment::map(&path, map_file(&*self.storage, &path, &self.spec)?, self.collection)?;
        segment.set_stored(FileRef { name, bytes, crc32c });
        Ok(segment)
    }
}
