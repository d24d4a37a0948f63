//! Search: by vector, by behaviour and by both, on the live state. Never waits for a sync, never goes through the
//! sequencer: locks are held for one lookup, one list or one page at a time.

use crate::collection::Collection;
use crate::decide::check_vector;
use crate::distance::{Scorer, scan};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::fusion::{CANDIDATES_PER_RESULT, fuse, weights};
use crate::metadata::Metadata;
use crate::metadata_pages::MetadataPage;
use crate::rows::rows_per_page;
use crate::top_k::{Scored, TopK};
use crate::vectors::Vectors;
use parking_lot::RwLock;
use std::cmp::Ordering;

/// Which side a search for similar items uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Using {
    /// Co-occurrence.
    Events,
    /// Vectors.
    Vectors,
    /// Both, fused.
    Fusion,
}

impl Using {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Using::Events => "events",
            Using::Vectors => "vectors",
            Using::Fusion => "fusion",
        }
    }
}

/// A search for items like an item.
#[derive(Debug, Clone)]
pub struct Similar {
    /// The item; it is never among the results.
    pub id: String,
    /// How many results at most.
    pub top_k: usize,
    /// By what.
    pub using: Using,
    /// Only items whose metadata match. Then k results come back whenever k items match.
    pub filter: Option<Filter>,
    /// Only results with at least this score.
    pub min_score: Option<f64>,
    /// Whether fusion weighs by the item's number of neighbours; `None`: as configured.
    pub adaptive: Option<bool>,
}

/// A search for items near a vector.
#[derive(Debug, Clone)]
pub struct Near {
    /// The query, of the collection's dimension.
    pub vector: Vec<f32>,
    /// How many results at most.
    pub top_k: usize,
    /// Only items whose metadata match.
    pub filter: Option<Filter>,
    /// Only results with at least this score.
    pub min_score: Option<f64>,
}

/// One result.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The item.
    pub id: String,
    /// Larger is better: cosine, dot product, 1/(1+distance), co-occurrence, or fused 0 to 1.
    pub score: f64,
}

/// The results of a search, by score descending, then by id ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct Hits {
    /// The results.
    pub results: Vec<Hit>,
    /// What the search used: `events`, `vectors`, `fusion`.
    pub mode: &'static str,
    /// How many items were scored.
    pub candidates: usize,
}

impl Engine {
    /// Items like an item of `default`.
    pub fn similar(&self, query: &Similar) -> Result<Hits> {
        self.similar_in(None, query)
    }

    /// Items like an item of a collection, by its name or an alias; `None`: `default`.
    pub fn similar_in(&self, collection: Option<&str>, query: &Similar) -> Result<Hits> {
        self.check_top_k(query.top_k)?;
        let collection = self.live().collection(collection)?;
        Searcher { collection: &collection, filter: query.filter.as_ref() }.similar(self, query)
    }

    /// Items of `default` near a vector.
    pub fn similar_to_vector(&self, query: &Near) -> Result<Hits> {
        self.similar_to_vector_in(None, query)
    }

    /// Items of a collection near a vector, by the collection's name or an alias; `None`: `default`.
    pub fn similar_to_vector_in(&self, collection: Option<&str>, query: &Near) -> Result<Hits> {
        self.check_top_k(query.top_k)?;
        check_vector(&query.vector, self.options().limits.dimension)?;
        let collection = self.live().collection(collection)?;
        let searcher = Searcher { collection: &collection, filter: query.filter.as_ref() };
        let (found, candidates) = searcher.near(&query.vector, query.top_k, query.min_score, None)?;
        Ok(Hits { results: searcher.hits(found), mode: Using::Vectors.name(), candidates })
    }

    fn check_top_k(&self, top_k: usize) -> Result<()> {
        let max = self.options().limits.top_k;
        match top_k {
            0 => Err(Error::Input("top_k must be positive, got 0".to_owned())),
            k if k > max => Err(Error::Input(format!("top_k {k} exceeds maximum allowed: {max}"))),
            _ => Ok(()),
        }
    }
}

/// How many more than k are scored again exactly.
const SPARE: usize = 16;
/// How far below `min_score` a rounded score may lie to be scored again, relative.
const MARGIN: f64 = 1e-5;

/// One search on one state.
struct Searcher<'a> {
    collection: &'a RwLock<Collection>,
    filter: Option<&'a Filter>,
}

/// What is known of the asked item.
struct Asked {
    item: u32,
    vector: Option<Vec<f32>>,
    neighbours: usize,
}

impl Searcher<'_> {
    fn similar(&self, engine: &Engine, query: &Similar) -> Result<Hits> {
        let asked = self.asked(&query.id)?;
        let (found, candidates) = match query.using {
            Using::Events => self.by_events(asked.item, query.top_k, query.min_score),
            Using::Vectors => {
                let vector = asked.vector.as_ref().ok_or_else(|| unknown(&query.id))?;
                self.near(vector, query.top_k, query.min_score, Some(asked.item))?
            }
            Using::Fusion => self.fused(engine, query, &asked)?,
        };
        Ok(Hits { results: self.hits(found), mode: query.using.name(), candidates })
    }

    fn asked(&self, id: &str) -> Result<Asked> {
        let state = self.collection.read();
        let item = state.items.find(id).ok_or_else(|| unknown(id))?;
        let vector = state.places.get(item).map(|place| state.vectors.get(place).to_vec());
        Ok(Asked { item, vector, neighbours: state.neighbours.view.len(item) })
    }

    fn fused(&self, engine: &Engine, query: &Similar, asked: &Asked) -> Result<(Vec<Scored>, usize)> {
        let settings = &engine.options().fusion;
        let wide = query.top_k.saturating_mul(CANDIDATES_PER_RESULT);
        let (events, seen_events) = self.by_events(asked.item, wide, None);
        let (vectors, seen_vectors) = match &asked.vector {
            Some(vector) => self.near(vector, wide, None, Some(asked.item))?,
            None => (Vec::new(), 0),
        };
        let adaptive = query.adaptive.unwrap_or(settings.adaptive);
        let mut best = TopK::new(query.top_k, query.min_score);
        for scored in fuse(&vectors, &events, weights(settings, adaptive, asked.neighbours)) {
            best.offer(scored.item, scored.score, self.by_id());
        }
        Ok((best.finish(self.by_id()), seen_events + seen_vectors))
    }

    /// The best neighbours with a positive score.
    fn by_events(&self, item: u32, top_k: usize, min_score: Option<f64>) -> (Vec<Scored>, usize) {
        let list: Vec<(u32, f64)> = {
            let state = self.collection.read();
            let none = Metadata::default();
            let metadata = |item| state.metadata.get(item).map_or(&none, |m| &**m);
            let wanted = |item| self.filter.is_none_or(|filter| filter.matches(metadata(item)));
            state.neighbours.view.of(item).filter(|&(n, score)| score > 0.0 && wanted(n)).collect()
        };
        let mut best = TopK::new(top_k, min_score);
        for &(neighbour, score) in &list {
            best.offer(neighbour, score, self.by_id());
        }
        (best.finish(self.by_id()), list.len())
    }

    /// The nearest rows, exactly: every living row is scored.
    fn near(
        &self,
        query: &[f32],
        top_k: usize,
        min_score: Option<f64>,
        not: Option<u32>,
    ) -> Result<(Vec<Scored>, usize)> {
        let (vectors, places, metric) = {
            let state = self.collection.read();
            (state.vectors.clone(), state.places.clone(), state.settings.metric)
        };
        let dimension = vectors.dimension as usize;
        if dimension != 0 && dimension != query.len() {
            let message =
                format!("Query vector dimension mismatch: expected {dimension}, got {}", query.len());
            return Err(Error::Input(message));
        }
        let wanted = self.filter.map(|filter| self.matching(filter));
        let scorer = Scorer::new(metric, query);
        let mut best = TopK::new(top_k + SPARE, min_score.map(|min| min - MARGIN * min.abs().max(1.0)));
        let mut candidates = 0;
        for_each_block(&vectors, |block| {
            let keep = wanted.as_ref().map(|wanted| block.keep(wanted));
            scan(
                &scorer,
                block.rows,
                block.norms,
                block.first,
                keep.as_deref(),
                Some(block.dead),
                |row, score| {
                    let item = block.items[(row - block.first) as usize];
                    if Some(item) != not {
                        candidates += 1;
                        best.offer(item, score, self.by_id());
                    }
                },
            );
        });
        // Rounding of f32 may order near ties either way: the best few are scored again in f64.
        let mut exact = TopK::new(top_k, min_score);
        for scored in best.finish(self.by_id()) {
            let row = places.get(scored.item).map_or(&[][..], |place| vectors.get(place));
            exact.offer(scored.item, scorer.score_exactly(row), self.by_id());
        }
        Ok((exact.finish(self.by_id()), candidates))
    }

    /// Which items match, as bits by item number; an item without metadata is matched as one with none of the keys. One
    /// page of metadata at a time is held, outside the lock.
    fn matching(&self, filter: &Filter) -> Vec<u64> {
        let items = self.collection.read().items.count();
        let without = filter.matches(&Metadata::default());
        let mut bits = vec![0u64; items.div_ceil(64) as usize];
        for first in (0..items).step_by(MetadataPage::ROWS as usize) {
            let page = self.collection.read().metadata.page_of(first);
            if page.is_none() && !without {
                continue;
            }
            for row in 0..MetadataPage::ROWS.min(items - first) {
                let metadata = page.as_ref().and_then(|page| page.row(row));
                if metadata.map_or(without, |metadata| filter.matches(metadata)) {
                    let item = first + row;
                    bits[(item / 64) as usize] |= 1 << (item % 64);
                }
            }
        }
        bits
    }

    /// The order of two items' ids; only asked where scores are equal.
    fn by_id(&self) -> impl FnMut(u32, u32) -> Ordering {
        |a, b| {
            let state = self.collection.read();
            state.items.get(a).as_bytes().cmp(state.items.get(b).as_bytes())
        }
    }

    fn hits(&self, found: Vec<Scored>) -> Vec<Hit> {
        let state = self.collection.read();
        let hit = |scored: Scored| Hit { id: state.items.get(scored.item).to_owned(), score: scored.score };
        found.into_iter().map(hit).collect()
    }
}

fn unknown(id: &str) -> Error {
    Error::NotFound(format!("Query vector not found: {id}"))
}

/// A contiguous run of rows: a segment, or a page of the buffer.
struct Block<'a> {
    first: u32,
    items: &'a [u32],
    norms: &'a [f32],
    rows: &'a [f32],
    dead: &'a [u64],
}

impl Block<'_> {
    /// Rows whose item is wanted, as bits by row number.
    fn keep(&self, wanted: &[u64]) -> Vec<u64> {
        let end = self.first as usize + self.items.len();
        let mut keep = vec![0u64; end.div_ceil(64)];
        for (at, &item) in self.items.iter().enumerate() {
            let row = self.first as usize + at;
            let bit = wanted.get((item / 64) as usize).is_some_and(|word| word >> (item % 64) & 1 == 1);
            keep[row / 64] |= u64::from(bit) << (row % 64);
        }
        keep
    }
}

fn for_each_block(vectors: &Vectors, mut f: impl FnMut(&Block<'_>)) {
    for segment in vectors.segments.iter() {
        f(&Block {
            first: 0,
            items: segment.items(),
            norms: segment.inverse_norms(),
            rows: segment.vectors(),
            dead: vectors.dead.words(segment.number),
        });
    }
    let per_page = rows_per_page(vectors.dimension);
    for (number, page) in vectors.buffer.tree.iter() {
        f(&Block {
            first: number * per_page,
            items: &page.items,
            norms: &page.inverse_norms,
            rows: &page.vectors,
            dead: vectors.dead.words(vectors.buffer_number),
        });
    }
}
