//! Search: by vector, by behaviour and by both, on the live state. Never waits for a sync, never goes through the
//! sequencer: locks are held for one lookup, one list or one page at a time.

use crate::collection::Collection;
use crate::decide::check_vector;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::fusion::{CANDIDATES_PER_RESULT, fuse, weights};
use crate::metadata::Metadata;
use crate::metadata_pages::MetadataPage;
use crate::near::{self, Question};
use crate::top_k::{Scored, TopK};
use parking_lot::RwLock;
use std::cmp::Ordering;
use std::sync::Arc;

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
    /// How vectors are searched, and which page of the results is wanted.
    pub how: SearchOptions,
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
    /// How vectors are searched, and which page of the results is wanted.
    pub how: SearchOptions,
}

/// How vectors are searched, and which page of the results is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchOptions {
    /// How many candidates a walk along a graph keeps: more find better results, slower. `None`: as the collection has it.
    pub ef: Option<usize>,
    /// Every vector is looked at, whatever index there is: nothing nearer is missed.
    pub exact: bool,
    /// How many of the best results are skipped. The order is the same for the same state, so pages neither repeat nor
    /// miss anything.
    pub offset: usize,
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
        let top_k = self.reach(query.top_k, &query.how)?;
        let collection = self.live().collection(collection)?;
        let searcher = Searcher { collection: &collection, filter: query.filter.as_ref() };
        searcher.similar(self, query, top_k)
    }

    /// Items of `default` near a vector.
    pub fn similar_to_vector(&self, query: &Near) -> Result<Hits> {
        self.similar_to_vector_in(None, query)
    }

    /// Items of a collection near a vector, by the collection's name or an alias; `None`: `default`.
    pub fn similar_to_vector_in(&self, collection: Option<&str>, query: &Near) -> Result<Hits> {
        let top_k = self.reach(query.top_k, &query.how)?;
        check_vector(&query.vector, self.limits().dimension)?;
        let collection = self.live().collection(collection)?;
        let searcher = Searcher { collection: &collection, filter: query.filter.as_ref() };
        let (found, candidates) = searcher.near(&query.vector, top_k, query.min_score, None, &query.how)?;
        Ok(Hits { results: searcher.hits(found, query.how.offset), mode: Using::Vectors.name(), candidates })
    }

    /// Many searches at once, on as many threads as there are cores: the answer of each, in order.
    pub fn similar_to_vectors_in(&self, collection: Option<&str>, queries: &[Near]) -> Vec<Result<Hits>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(queries.len()).max(1);
        let each = queries.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let search = |part: &'_ [Near]| -> Vec<Result<Hits>> {
                part.iter().map(|query| self.similar_to_vector_in(collection, query)).collect()
            };
            let parts: Vec<_> =
                queries.chunks(each).map(|part| (part.len(), scope.spawn(move || search(part)))).collect();
            let died = |n| vec![Err(Error::Bug("a search died".to_owned())); n];
            parts.into_iter().flat_map(|(n, part)| part.join().unwrap_or_else(|_| died(n))).collect()
        })
    }

    /// About how many elements of vectors a search of a collection by vector reads, without a filter: what it costs. Many
    /// where it may have to wait for a disk; 0 for a collection that is not there.
    pub fn search_elements(&self, collection: Option<&str>) -> u64 {
        self.live().collection(collection).map_or(0, |collection| near::elements_read(&collection))
    }

    /// How many of the best results are looked for: those of the page and those before it.
    fn reach(&self, top_k: usize, how: &SearchOptions) -> Result<usize> {
        let max = self.limits().top_k;
        let refused = |message: String| Err(Error::Input(message));
        match (top_k, how.offset.saturating_add(top_k), how.ef) {
            (0, ..) => refused("top_k must be positive, got 0".to_owned()),
            (k, ..) if k > max => refused(format!("top_k {k} exceeds maximum allowed: {max}")),
            (_, reach, _) if reach > OFFSET_MAX => {
                refused(format!("offset {} exceeds maximum allowed: {}", how.offset, OFFSET_MAX - top_k))
            }
            (_, _, Some(ef)) if !(1..=EF_MAX).contains(&ef) => {
                refused(format!("ef: expected 1 to {EF_MAX}, got {ef}"))
            }
            (_, reach, _) => Ok(reach),
        }
    }
}

/// Results that may be skipped and asked for together.
const OFFSET_MAX: usize = 100_000;
/// The widest walk along a graph that may be asked for.
const EF_MAX: usize = 100_000;

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
    fn similar(&self, engine: &Engine, query: &Similar, top_k: usize) -> Result<Hits> {
        let asked = self.asked(&query.id)?;
        let (found, candidates) = match query.using {
            Using::Events => self.by_events(asked.item, top_k, query.min_score),
            Using::Vectors => {
                let vector = asked.vector.as_ref().ok_or_else(|| unknown(&query.id))?;
                self.near(vector, top_k, query.min_score, Some(asked.item), &query.how)?
            }
            Using::Fusion => self.fused(engine, query, &asked, top_k)?,
        };
        Ok(Hits { results: self.hits(found, query.how.offset), mode: query.using.name(), candidates })
    }

    fn asked(&self, id: &str) -> Result<Asked> {
        let (item, place, vectors, neighbours) = {
            let state = self.collection.read();
            let item = state.known(id).ok_or_else(|| unknown(id))?;
            (item, state.places.get(item), state.vectors.clone(), state.neighbours.view.len(item))
        };
        // A disk may have to be waited for: no lock is held.
        vectors.want(place.into_iter());
        let vector = place.map(|place| vectors.read(place, <[f32]>::to_vec));
        Ok(Asked { item, vector, neighbours })
    }

    fn fused(
        &self,
        engine: &Engine,
        query: &Similar,
        asked: &Asked,
        top_k: usize,
    ) -> Result<(Vec<Scored>, usize)> {
        let settings = &engine.fusion();
        let wide = top_k.saturating_mul(CANDIDATES_PER_RESULT);
        let (events, seen_events) = self.by_events(asked.item, wide, None);
        let (vectors, seen_vectors) = match &asked.vector {
            Some(vector) => self.near(vector, wide, None, Some(asked.item), &query.how)?,
            None => (Vec::new(), 0),
        };
        let adaptive = query.adaptive.unwrap_or(settings.adaptive);
        let mut best = TopK::new(top_k, query.min_score);
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

    /// The nearest items by vector.
    fn near(
        &self,
        query: &[f32],
        top_k: usize,
        min_score: Option<f64>,
        not: Option<u32>,
        how: &SearchOptions,
    ) -> Result<(Vec<Scored>, usize)> {
        let wanted = self.filter.map(|filter| self.matching(filter));
        let question = Question { query, top_k, min_score, not, wanted, ef: how.ef, exact: how.exact };
        near::near(self.collection, &question)
    }

    /// Which items match, as bits by item number; an item without metadata is matched as one with none of the keys. Fields
    /// with an index are looked up in it; what is left to be checked is, one page of metadata at a time, outside the lock.
    fn matching(&self, filter: &Filter) -> Vec<u64> {
        let (items, indexed) = {
            let state = self.collection.read();
            let items = state.items.count();
            (items, state.fields.matching(filter, items))
        };
        let mut bits = vec![0u64; items.div_ceil(64) as usize];
        let candidates: Box<dyn Iterator<Item = u32>> = match &indexed {
            Some(found) if found.is_exact => {
                found.items.iter().for_each(|item| bits[(item / 64) as usize] |= 1 << (item % 64));
                return bits;
            }
            Some(found) => Box::new(found.items.iter()),
            None => Box::new(0..items),
        };
        let without = filter.matches(&Metadata::default());
        let mut page: Option<(u32, Option<Arc<MetadataPage>>)> = None;
        for item in candidates {
            let number = item / MetadataPage::ROWS;
            if page.as_ref().is_none_or(|(held, _)| *held != number) {
                page = Some((number, self.collection.read().metadata.page_of(item)));
            }
            let held = page.as_ref().and_then(|(_, page)| page.as_ref());
            let metadata = held.and_then(|page| page.row(item % MetadataPage::ROWS));
            if metadata.map_or(without, |metadata| filter.matches(metadata)) {
                bits[(item / 64) as usize] |= 1 << (item % 64);
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

    fn hits(&self, found: Vec<Scored>, offset: usize) -> Vec<Hit> {
        let state = self.collection.read();
        let hit = |scored: Scored| Hit { id: state.items.get(scored.item).to_owned(), score: scored.score };
        found.into_iter().skip(offset).map(hit).collect()
    }
}

fn unknown(id: &str) -> Error {
    Error::NotFound(format!("Query vector not found: {id}"))
}
