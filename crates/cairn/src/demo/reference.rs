//! The proof's own arithmetic: what the database should answer, by plain loops over the shipped files. It shares no
//! code with the engine, so the two can only agree by being right.

use super::sample::{Event, Item};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// How many events a context keeps; the demo's configuration says the same.
pub const RING: usize = 50;
/// Weights of a fused score; the demo's configuration says the same.
pub const ALPHA: f64 = 0.6;
/// See [`ALPHA`].
pub const BETA: f64 = 0.4;

/// One answer: the item's id and its score.
pub type Scored<'a> = (&'a str, f64);

/// What a database holds after some writes.
#[derive(Debug, Default)]
pub struct Reference<'a> {
    vectors: HashMap<&'a str, Vec<f64>>,
    metadata: HashMap<&'a str, &'a Item>,
    rings: HashMap<&'a str, VecDeque<(&'a str, f64)>>,
    neighbours: HashMap<&'a str, HashMap<&'a str, f64>>,
    ids: HashSet<&'a str>,
}

/// How many of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Ids named by a vector, metadata or an event.
    pub ids: u64,
    /// Vectors.
    pub vectors: u64,
    /// Ids with metadata.
    pub metadata: u64,
    /// Contexts.
    pub contexts: u64,
    /// Events in the rings of all contexts.
    pub events: u64,
    /// Unordered pairs of items that a context named together.
    pub pairs: u64,
}

impl Counts {
    /// By the names that CHECK has for them.
    pub fn by_name(self) -> [(&'static str, u64); 6] {
        [
            ("ids", self.ids),
            ("vectors", self.vectors),
            ("metadata", self.metadata),
            ("contexts", self.contexts),
            ("events", self.events),
            ("pairs", self.pairs),
        ]
    }
}

impl<'a> Reference<'a> {
    /// A vector arrived: kept at length one, so that a dot product is a cosine.
    pub fn vector(&mut self, item: &'a Item) {
        self.ids.insert(&item.id);
        self.vectors.insert(&item.id, unit(&item.vector));
    }

    /// An item's metadata arrived.
    pub fn metadata(&mut self, item: &'a Item) {
        self.ids.insert(&item.id);
        self.metadata.insert(&item.id, item);
    }

    /// An event arrived: it forms a pair with every event of another item that its context still remembers.
    pub fn event(&mut self, event: &'a Event) {
        let score = f64::from(event.score);
        self.ids.insert(&event.id);
        let ring = self.rings.entry(&event.context).or_default();
        for (other, prior) in ring.iter().filter(|(other, _)| *other != event.id) {
            *self.neighbours.entry(&event.id).or_default().entry(other).or_default() += score * prior;
            *self.neighbours.entry(other).or_default().entry(&event.id).or_default() += score * prior;
        }
        ring.push_back((&event.id, score));
        if ring.len() > RING {
            ring.pop_front();
        }
    }

    /// How many of everything there are.
    pub fn counts(&self) -> Counts {
        Counts {
            ids: self.ids.len() as u64,
            vectors: self.vectors.len() as u64,
            metadata: self.metadata.len() as u64,
            contexts: self.rings.len() as u64,
            events: self.rings.values().map(|ring| ring.len() as u64).sum(),
            pairs: self.neighbours.values().map(|list| list.len() as u64).sum::<u64>() / 2,
        }
    }

    /// Every item by its cosine to a vector, best first.
    pub fn by_vector(&self, vector: &[f32]) -> Vec<Scored<'a>> {
        let query = unit(vector);
        let cosine = |v: &Vec<f64>| v.iter().zip(&query).map(|(a, b)| a * b).sum();
        ordered(self.vectors.iter().map(|(id, v)| (*id, cosine(v))).collect())
    }

    /// Every other item by its cosine to this one.
    pub fn by_item(&self, item: &Item) -> Vec<Scored<'a>> {
        let mut scored = self.by_vector(&item.vector);
        scored.retain(|(id, _)| *id != item.id);
        scored
    }

    /// The items that share contexts with this one, by how much.
    pub fn by_events(&self, id: &str) -> Vec<Scored<'a>> {
        let list = self.neighbours.get(id).into_iter().flatten();
        ordered(list.map(|(id, score)| (*id, *score)).filter(|(_, score)| *score > 0.0).collect())
    }

    /// Both sides' lists as one: the best 3k of each, their scores brought to 0 … 1, weighted and added.
    pub fn fused(vectors: &[Scored<'a>], events: &[Scored<'a>], k: usize) -> Vec<Scored<'a>> {
        let (vectors, events) = (normalised(vectors, 3 * k), normalised(events, 3 * k));
        let (alpha, beta) = match (vectors.is_empty(), events.is_empty()) {
            (false, true) => (1.0, 0.0),
            (true, false) => (0.0, 1.0),
            _ => (ALPHA / (ALPHA + BETA), BETA / (ALPHA + BETA)),
        };
        let mut sums: BTreeMap<&'a str, f64> = BTreeMap::new();
        vectors.iter().for_each(|(id, score)| *sums.entry(id).or_default() += alpha * score);
        events.iter().for_each(|(id, score)| *sums.entry(id).or_default() += beta * score);
        ordered(sums.into_iter().collect())
    }

    /// Whether an item's metadata has this text.
    pub fn has(&self, id: &str, key: &str, value: &str) -> bool {
        let text = self.metadata.get(id).and_then(|item| item.metadata.get(key));
        text.is_some_and(|v| v == value)
    }
}

/// Best first; equal scores by id.
fn ordered(mut scored: Vec<Scored<'_>>) -> Vec<Scored<'_>> {
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    scored
}

fn unit(vector: &[f32]) -> Vec<f64> {
    let wide: Vec<f64> = vector.iter().map(|v| f64::from(*v)).collect();
    let norm = wide.iter().map(|v| v * v).sum::<f64>().sqrt();
    wide.iter().map(|v| if norm > 0.0 { v / norm } else { 0.0 }).collect()
}

/// The first `keep`, their scores moved to 0 … 1; a list without a range is only clamped.
fn normalised<'a>(scored: &[Scored<'a>], keep: usize) -> Vec<Scored<'a>> {
    let mut scored = scored[..keep.min(scored.len())].to_vec();
    let low = scored.iter().map(|s| s.1).fold(f64::INFINITY, f64::min);
    let high = scored.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
    let flat = scored.len() < 2 || high - low < 1e-4;
    for (_, score) in &mut scored {
        *score = if flat { score.clamp(0.0, 1.0) } else { (*score - low) / (high - low) };
    }
    scored
}
