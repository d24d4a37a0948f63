//! Nearest vectors: through graphs where there are some, through codes or all of the vectors elsewhere; and which of
//! these, with a filter, by how many items match.

use crate::codes::{Bounds, CodeScorer, Prefilter, scan_codes};
use crate::collection::Collection;
use crate::distance::{Metric, Scorer, scan};
use crate::error::{Error, Result};
use crate::graph::{Columns, Graph, GraphScratch, Wanted};
use crate::hot_rows::HotReader;
use crate::places::{Place, Places};
use crate::rows::rows_per_page;
use crate::spec::{CollectionSpec, IndexKind, StorageMode};
use crate::top_k::{Scored, TopK};
use crate::vector_segment::VectorSegment;
use crate::vectors::Vectors;
use parking_lot::RwLock;
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;

/// How many more than k are scored again exactly.
const SPARE: usize = 16;
/// How far a score in f32 may be from the exact one, relative.
const MARGIN: f64 = 1e-5;
/// So few matching items are looked up one by one, whatever the collection's size.
const LOOK_UP_MAX: u64 = 512;
/// At most one matching item in so many: they are looked up one by one.
const LOOK_UP_SHARE: u64 = 40;

/// So many of them are asked for together.
const LOOK_UP_AT_ONCE: usize = 64;

/// What is looked for.
pub(crate) struct Question<'a> {
    pub query: &'a [f32],
    pub top_k: usize,
    pub min_score: Option<f64>,
    /// An item that is never found.
    pub not: Option<u32>,
    /// The items that match the filter, as bits by item number; `None`: all do.
    pub wanted: Option<Vec<u64>>,
    /// How many candidates a walk along a graph keeps; `None`: as the collection has it.
    pub ef: Option<usize>,
    /// Every vector is looked at.
    pub exact: bool,
}

/// One search on one state of the vectors.
struct Search<'a> {
    question: &'a Question<'a>,
    vectors: Vectors,
    places: Places,
    spec: CollectionSpec,
    metric: Metric,
    scorer: Scorer,
    collection: &'a RwLock<Collection>,
    /// About what share of the living rows matches the filter, 0 to 1.
    share: f64,
    /// How many items were scored.
    candidates: Cell<usize>,
}

thread_local! {
    /// A thread's memory for walks, so that they allocate nothing.
    static SCRATCH: RefCell<GraphScratch> = RefCell::new(GraphScratch::new());
}

/// The nearest items, best first, and how many were scored.
pub(crate) fn near(collection: &RwLock<Collection>, question: &Question<'_>) -> Result<(Vec<Scored>, usize)> {
    let (vectors, places, metric, spec) = {
        let state = collection.read();
        (state.vectors.clone(), state.places.clone(), state.settings.metric, state.spec.clone())
    };
    let dimension = vectors.dimension as usize;
    if dimension != 0 && dimension != question.query.len() {
        let got = question.query.len();
        return Err(Error::Input(format!(
            "Query vector dimension mismatch: expected {dimension}, got {got}"
        )));
    }
    let scorer = Scorer::new(metric, question.query);
    let candidates = Cell::new(0);
    let mut search =
        Search { question, vectors, places, spec, metric, scorer, collection, share: 1.0, candidates };
    let found = search.run()?;
    Ok((found, search.candidates.get()))
}

/// About how many elements of vectors a search without a filter reads; many where it may have to wait for a disk.
pub(crate) fn elements_read(collection: &RwLock<Collection>) -> u64 {
    let state = collection.read();
    let (vectors, spec) = (&state.vectors, &state.spec);
    if spec.storage != StorageMode::Memory {
        return u64::MAX;
    }
    let walks = spec.index == IndexKind::Graph;
    let rows_of = |segment: &VectorSegment| match segment.derived().graph().filter(|_| walks) {
        // Codes are a quarter of the bytes.
        Some(_) => u64::from(spec.ef_search) * u64::from(spec.m) / 4,
        None => u64::from(segment.rows()),
    };
    let rows: u64 = vectors.segments.iter().map(|segment| rows_of(segment)).sum();
    (rows + u64::from(vectors.buffer.rows)).saturating_mul(u64::from(vectors.dimension))
}

impl Search<'_> {
    fn run(&mut self) -> Result<Vec<Scored>> {
        if let Some(wanted) = &self.question.wanted {
            let matching: u64 = wanted.iter().map(|word| u64::from(word.count_ones())).sum();
            let living: u64 = self.vectors.segments.iter().map(|s| u64::from(self.vectors.living(s))).sum();
            if matching <= LOOK_UP_MAX || matching <= living / LOOK_UP_SHARE {
                return Ok(self.look_up());
            }
            self.share = (matching as f64 / living.max(1) as f64).min(1.0);
        }
        let coded = self.spec.index == IndexKind::Flat || self.question.exact;
        let kind = self.vectors.segments.iter().find_map(|s| Some(s.derived().codes()?.kind()));
        match kind.filter(|_| coded) {
            Some(kind) => Ok(self.by_codes(CodeScorer::new(self.metric, self.question.query, kind))),
            None => self.by_vectors(),
        }
    }

    /// Scores the wanted items one by one: the way when few match.
    fn look_up(&self) -> Vec<Scored> {
        let mut best = TopK::new(self.question.top_k, self.question.min_score);
        let wanted = self.question.wanted.as_deref().unwrap_or_default();
        let mut found = Vec::new();
        for (word, first) in wanted.iter().zip((0u32..).step_by(64)) {
            let mut bits = *word;
            while bits != 0 {
                let item = first + bits.trailing_zeros();
                bits &= bits - 1;
                if let Some(place) = self.places.get(item).filter(|_| Some(item) != self.question.not) {
                    found.push((item, place));
                    if found.len() == LOOK_UP_AT_ONCE {
                        self.score_places(&mut found, &mut best);
                    }
                }
            }
        }
        self.score_places(&mut found, &mut best);
        best.finish(self.by_id())
    }

    /// Scores some items where they are, and forgets them.
    fn score_places(&self, found: &mut Vec<(u32, Place)>, best: &mut TopK) {
        self.vectors.want(found.iter().map(|(_, place)| *place));
        for (item, place) in found.drain(..) {
            self.candidates.update(|n| n + 1);
            let score = self.vectors.read(place, |row| self.scorer.score_exactly(row));
            best.offer(item, score, self.by_id());
        }
    }

    /// Scores vectors: along graphs, or all of them.
    fn by_vectors(&self) -> Result<Vec<Scored>> {
        let min_score = self.question.min_score.map(|min| min - MARGIN * min.abs().max(1.0));
        let mut best = TopK::new(self.question.top_k + SPARE, min_score);
        let vectors = self.vectors.clone();
        let walks = self.spec.index == IndexKind::Graph && !self.question.exact;
        for segment in vectors.segments.iter() {
            if vectors.living(segment) == 0 {
                continue;
            }
            let graph =
                segment.derived().graph().filter(|graph| walks && graph.header().metric == self.metric);
            let walked = match graph {
                Some(graph) => self.walk(&graph, segment, &mut best)?,
                None => false,
            };
            if !walked {
                self.scan(&Block::of(segment, &vectors), |search, item, score| {
                    best.offer(item, score, search.by_id());
                });
            }
        }
        self.scan_buffer(|search, item, score| best.offer(item, score, search.by_id()));
        // Rounding of f32 may order near ties either way: the best few are scored again in f64.
        let mut exact = TopK::new(self.question.top_k, self.question.min_score);
        for scored in best.finish(self.by_id()) {
            exact.offer(scored.item, self.exactly(scored.item), self.by_id());
        }
        Ok(exact.finish(self.by_id()))
    }

    /// Walks along a segment's graph. False when it gave up, or found fewer than it should: then all is to be scored.
    fn walk(&self, graph: &Graph, segment: &VectorSegment, best: &mut TopK) -> Result<bool> {
        let k = self.question.top_k + SPARE;
        let ef = self.question.ef.unwrap_or(self.spec.ef_search as usize);
        let dimension = segment.dimension() as usize;
        let hot = HotReader::of(segment, &self.vectors.heat);
        let columns =
            Columns::new(segment.vectors(), segment.inverse_norms(), dimension)?.with_hot(hot.as_ref());
        let dead = self.vectors.dead.words(segment.number);
        let (items, wanted, not) = (segment.items(), self.question.wanted.as_deref(), self.question.not);
        let accept = |row: u32| {
            let item = items[row as usize];
            !has(dead, row) && Some(item) != not && wanted.is_none_or(|wanted| has(wanted, item))
        };
        let living = self.vectors.living(segment);
        let everything = wanted.is_none() && living == segment.rows();
        let acceptable = || match wanted {
            None => living as usize,
            Some(_) => (0..segment.rows()).filter(|row| accept(*row)).count(),
        };
        SCRATCH.with_borrow_mut(|scratch| {
            let rows = f64::from(living) * self.share;
            let share = rows / f64::from(segment.rows());
            // A walk that looks at more rows than would be scored without it costs more than that.
            let visits_max = (rows as usize).max(4 * ef.max(k));
            let wanted = Wanted { k, ef: ef.max(k), visits_max }.narrowed(share);
            if !everything && graph.visits_expected(wanted, share) > visits_max {
                return Ok(false);
            }
            let found = match everything {
                true => graph.search(columns, &self.scorer, wanted, scratch)?,
                false => graph.search_accepting(columns, &self.scorer, wanted, accept, scratch)?,
            };
            if found.gave_up || (found.rows.len() < k && found.rows.len() < acceptable()) {
                return Ok(false);
            }
            self.candidates.update(|n| n + found.visited);
            for hit in found.rows {
                let item = items[hit.row as usize];
                if Some(item) != not {
                    best.offer(item, hit.score, self.by_id());
                }
            }
            Ok(true)
        })
    }

    /// Scores codes, and then the vectors of those that may be among the best: the result is that of scoring all vectors.
    fn by_codes(&self, coder: CodeScorer) -> Vec<Scored> {
        let mut best = Prefilter::new(self.question.top_k, self.question.min_score);
        let vectors = self.vectors.clone();
        let near = |score: f32| {
            let (score, margin) = (f64::from(score), MARGIN * f64::from(score).abs().max(1.0));
            Bounds { lower: score - margin, upper: score + margin }
        };
        for segment in vectors.segments.iter() {
            let block = Block::of(segment, &vectors);
            match segment.derived().codes().filter(|codes| codes.kind() == coder.kind()) {
                None => self.scan(&block, |_, item, score| best.offer(item, near(score))),
                Some(codes) => {
                    let keep = self.question.wanted.as_deref().map(|wanted| block.keep(wanted));
                    scan_codes(&coder, &codes, keep.as_deref(), Some(block.dead), |row, bounds| {
                        let item = block.items[row as usize];
                        if Some(item) != self.question.not {
                            self.candidates.update(|n| n + 1);
                            best.offer(item, bounds);
                        }
                    });
                }
            }
        }
        self.scan_buffer(|_, item, score| best.offer(item, near(score)));
        let exactly = |item| {
            self.vectors.want(self.places.get(item).into_iter());
            self.exactly(item)
        };
        best.finish(exactly, self.by_id()).best
    }

    fn scan_buffer(&self, mut sink: impl FnMut(&Self, u32, f32)) {
        let vectors = self.vectors.clone();
        let per_page = rows_per_page(vectors.dimension);
        for (number, page) in vectors.buffer.tree.iter() {
            let block = Block {
                first: number * per_page,
                items: &page.items,
                norms: &page.inverse_norms,
                rows: &page.vectors,
                dead: vectors.dead.words(vectors.buffer_number),
            };
            self.scan(&block, &mut sink);
        }
    }

    fn scan(&self, block: &Block<'_>, mut sink: impl FnMut(&Self, u32, f32)) {
        let keep = self.question.wanted.as_deref().map(|wanted| block.keep(wanted));
        let mut candidates = 0;
        let Block { first, items, norms, rows, dead } = *block;
        scan(&self.scorer, rows, norms, first, keep.as_deref(), Some(dead), |row, score| {
            let item = items[(row - first) as usize];
            if Some(item) != self.question.not {
                candidates += 1;
                sink(self, item, score);
            }
        });
        self.candidates.update(|n| n + candidates);
    }

    fn exactly(&self, item: u32) -> f64 {
        match self.places.get(item) {
            Some(place) => self.vectors.read(place, |row| self.scorer.score_exactly(row)),
            None => self.scorer.score_exactly(&[]),
        }
    }

    /// The order of two items' ids; only asked where scores are equal.
    fn by_id(&self) -> impl FnMut(u32, u32) -> Ordering {
        |a, b| {
            let state = self.collection.read();
            state.items.get(a).as_bytes().cmp(state.items.get(b).as_bytes())
        }
    }
}

fn has(bits: &[u64], n: u32) -> bool {
    bits.get((n / 64) as usize).is_some_and(|word| word >> (n % 64) & 1 == 1)
}

/// A contiguous run of rows: a segment, or a page of the buffer.
struct Block<'a> {
    first: u32,
    items: &'a [u32],
    norms: &'a [f32],
    rows: &'a [f32],
    dead: &'a [u64],
}

impl<'a> Block<'a> {
    fn of(segment: &'a VectorSegment, vectors: &'a Vectors) -> Block<'a> {
        Block {
            first: 0,
            items: segment.items(),
            norms: segment.inverse_norms(),
            rows: segment.vectors(),
            dead: vectors.dead.words(segment.number),
        }
    }

    /// Rows whose item is wanted, as bits by row number.
    fn keep(&self, wanted: &[u64]) -> Vec<u64> {
        let end = self.first as usize + self.items.len();
        let mut keep = vec![0u64; end.div_ceil(64)];
        for (at, &item) in self.items.iter().enumerate() {
            let row = self.first as usize + at;
            keep[row / 64] |= u64::from(has(wanted, item)) << (row % 64);
        }
        keep
    }
}
