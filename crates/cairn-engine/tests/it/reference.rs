//! Reference: what the engine means, written plainly and in f64, importing nothing from it.
//!
//! Left out: pruning (`max_neighbors_per_item`, `min_support`) and `max_contexts`. Integers in filters stay below
//! 2^53.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Set,
    Del,
}

/// How vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Cosine,
    Dot,
    L2,
}

/// A single value of metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// A value of metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    One(Scalar),
    Many(Vec<Scalar>),
}

/// An item's metadata.
pub type Fields = BTreeMap<String, Field>;

/// What a condition asks of one key.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Equal(Vec<Scalar>),
    Differs(Vec<Scalar>),
    Greater(Scalar),
    GreaterOrEqual(Scalar),
    Less(Scalar),
    LessOrEqual(Scalar),
}

/// A filter is a list of these; all must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub key: String,
    pub test: Test,
}

/// Settings, with nvecd's defaults.
#[derive(Clone, Debug)]
pub struct Rules {
    pub measure: Measure,
    /// 0: the first vector fixes it.
    pub dimension: usize,
    pub ctx_buffer_size: usize,
    pub dedup_window_sec: u64,
    pub dedup_cache_size: usize,
    /// `Some(half-life in seconds)` when products decay with age.
    pub temporal_half_life_sec: Option<f64>,
    /// `Some(weight)` when a DEL lowers scores.
    pub negative_weight: Option<f64>,
    pub fusion_alpha: f64,
    pub fusion_beta: f64,
    pub adaptive_min_alpha: f64,
    pub adaptive_max_alpha: f64,
    pub adaptive_maturity_threshold: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            measure: Measure::Cosine,
            dimension: 0,
            ctx_buffer_size: 50,
            dedup_window_sec: 60,
            dedup_cache_size: 10_000,
            temporal_half_life_sec: None,
            negative_weight: None,
            fusion_alpha: 0.6,
            fusion_beta: 0.4,
            adaptive_min_alpha: 0.2,
            adaptive_max_alpha: 0.9,
            adaptive_maturity_threshold: 50,
        }
    }
}

/// What a search asks for beside the item or vector.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub k: usize,
    pub filter: Vec<Condition>,
    pub min_score: Option<f64>,
}

/// An event in a ring. A DEL has score 0.
#[derive(Clone, Debug, PartialEq)]
pub struct RingEvent {
    pub id: String,
    pub op: Op,
    pub score: u8,
    pub time_s: i64,
}

/// The key of something remembered for dedup.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Remembered {
    /// An ADD of this score.
    Add { context: String, id: String, score: u8 },
    /// The present value of an id in a context.
    State { context: String, id: String },
}

/// What is remembered: when (event time), and the present value: `None` for a deleted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub time_s: i64,
    pub value: Option<u8>,
}

/// Ids and scores, best first.
pub type Ranking = Vec<(String, f64)>;

/// The whole state.
#[derive(Clone, Debug)]
pub struct Reference {
    pub rules: Rules,
    pub total_events: u64,
    pub stored_events: u64,
    rings: BTreeMap<String, VecDeque<RingEvent>>,
    /// Turn of the last store, and what was remembered then.
    memory: HashMap<Remembered, (u64, Memory)>,
    /// The keys of `memory` by turn: the least recently stored first.
    turns: BTreeMap<u64, Remembered>,
    next_turn: u64,
    neighbours: BTreeMap<String, BTreeMap<String, f64>>,
    vectors: BTreeMap<String, Vec<f32>>,
    metadata: BTreeMap<String, Fields>,
}

impl Reference {
    pub fn new(rules: Rules) -> Self {
        Reference {
            rules,
            total_events: 0,
            stored_events: 0,
            rings: BTreeMap::new(),
            memory: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            neighbours: BTreeMap::new(),
            vectors: BTreeMap::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// EVENT. Says whether it was stored: false for a duplicate.
    pub fn event(&mut self, context: &str, id: &str, op: Op, score: u8, time_s: i64) -> bool {
        let score = if op == Op::Del { 0 } else { score };
        self.total_events += 1;
        if self.is_duplicate(context, id, op, score, time_s) {
            return false;
        }
        self.stored_events += 1;
        self.remember(context, id, op, score, time_s);
        let new = RingEvent { id: id.to_string(), op, score, time_s };
        let priors = self.rings.get(context).cloned().unwrap_or_default();
        for prior in &priors {
            self.co_occur(&new, prior);
        }
        let ring = self.rings.entry(context.to_string()).or_default();
        ring.push_back(new);
        while ring.len() > self.rules.ctx_buffer_size {
            ring.pop_front();
        }
        true
    }

    fn is_duplicate(&self, context: &str, id: &str, op: Op, score: u8, time_s: i64) -> bool {
        let state = self.memory.get(&state(context, id)).map(|(_, memory)| memory.value);
        match op {
            Op::Add => {
                let window = self.rules.dedup_window_sec;
                let last = self.memory.get(&add(context, id, score)).map(|(_, memory)| memory.time_s);
                window > 0 && last.is_some_and(|last| last.abs_diff(time_s) <= window)
            }
            Op::Set => state == Some(Some(score)),
            Op::Del => state == Some(None),
        }
    }

    fn remember(&mut self, context: &str, id: &str, op: Op, score: u8, time_s: i64) {
        let value = if op == Op::Del { None } else { Some(score) };
        if op == Op::Add {
            self.store(add(context, id, score), Memory { time_s, value });
        }
        self.store(state(context, id), Memory { time_s, value });
    }

    fn store(&mut self, key: Remembered, memory: Memory) {
        let turn = self.next_turn;
        self.next_turn += 1;
        if let Some((old_turn, _)) = self.memory.insert(key.clone(), (turn, memory)) {
            self.turns.remove(&old_turn);
        }
        self.turns.insert(turn, key);
        while self.turns.len() > self.rules.dedup_cache_size {
            let (_, oldest) = self.turns.pop_first().expect("longer than the limit");
            self.memory.remove(&oldest);
        }
    }

    fn co_occur(&mut self, new: &RingEvent, prior: &RingEvent) {
        if new.id == prior.id || prior.score == 0 {
            return;
        }
        if new.op == Op::Del {
            if let Some(weight) = self.rules.negative_weight {
                self.add_to_pair(&new.id, &prior.id, -(f64::from(prior.score) * weight));
            }
            return;
        }
        let newest = new.time_s.max(prior.time_s);
        let decayed = |event: &RingEvent| match self.rules.temporal_half_life_sec {
            Some(half_life) => {
                f64::from(event.score) * (-(newest.abs_diff(event.time_s) as f64) / half_life).exp2()
            }
            None => f64::from(event.score),
        };
        let product = decayed(new) * decayed(prior);
        self.add_to_pair(&new.id, &prior.id, product);
    }

    /// Adds to a symmetric pair; adding nothing makes no pair.
    fn add_to_pair(&mut self, a: &str, b: &str, amount: f64) {
        if amount == 0.0 {
            return;
        }
        for (owner, neighbour) in [(a, b), (b, a)] {
            let scores = self.neighbours.entry(owner.to_string()).or_default();
            *scores.entry(neighbour.to_string()).or_insert(0.0) += amount;
        }
    }

    /// Multiplies every co-occurrence score.
    pub fn decay(&mut self, factor: f64) {
        for score in self.neighbours.values_mut().flat_map(BTreeMap::values_mut) {
            *score *= factor;
        }
    }

    /// VECSET.
    pub fn vector_set(&mut self, id: &str, vector: &[f32]) -> Result<(), String> {
        self.check_dimension("Vector", vector)?;
        self.rules.dimension = vector.len();
        self.vectors.insert(id.to_string(), vector.to_vec());
        Ok(())
    }

    fn check_dimension(&self, what: &str, vector: &[f32]) -> Result<(), String> {
        let (expected, got) = (self.rules.dimension, vector.len());
        if expected != 0 && expected != got {
            return Err(format!("{what} dimension mismatch: expected {expected}, got {got}"));
        }
        Ok(())
    }

    /// METASET: replaces all metadata of an item that has a vector.
    pub fn metadata_set(&mut self, id: &str, fields: Fields) -> Result<(), String> {
        if !self.vectors.contains_key(id) {
            return Err(format!("Vector not found for metadata: {id}"));
        }
        self.metadata.insert(id.to_string(), fields);
        Ok(())
    }

    /// SIM using=events.
    pub fn similar_by_events(&self, id: &str, ask: &Ask) -> Result<Ranking, String> {
        if !self.is_known(id) {
            return Err(format!("Query vector not found: {id}"));
        }
        Ok(rank(self.all_by_events(id, &ask.filter), ask.k, ask.min_score))
    }

    /// SIM using=vectors.
    pub fn similar_by_vectors(&self, id: &str, ask: &Ask) -> Result<Ranking, String> {
        let vector = self.vectors.get(id).ok_or_else(|| format!("Query vector not found: {id}"))?;
        Ok(rank(self.all_by_vectors(vector, Some(id), &ask.filter), ask.k, ask.min_score))
    }

    /// SIM using=fusion.
    pub fn similar_by_fusion(&self, id: &str, adaptive: bool, ask: &Ask) -> Result<Ranking, String> {
        if !self.is_known(id) {
            return Err(format!("Query vector not found: {id}"));
        }
        let by_events = rank(self.all_by_events(id, &ask.filter), 3 * ask.k, None);
        let by_vectors = match self.vectors.get(id) {
            Some(vector) => rank(self.all_by_vectors(vector, Some(id), &ask.filter), 3 * ask.k, None),
            None => Ranking::new(),
        };
        let alpha = match (by_vectors.is_empty(), by_events.is_empty()) {
            (true, _) => 0.0,
            (false, true) => 1.0,
            (false, false) => self.alpha(id, adaptive),
        };
        let mut fused: BTreeMap<String, f64> = BTreeMap::new();
        for (list, weight) in [(by_vectors, alpha), (by_events, 1.0 - alpha)] {
            for (id, score) in normalised(list) {
                *fused.entry(id).or_insert(0.0) += weight * score;
            }
        }
        Ok(rank(fused.into_iter().collect(), ask.k, ask.min_score))
    }

    /// SIMV.
    pub fn similar_to_vector(&self, vector: &[f32], ask: &Ask) -> Result<Ranking, String> {
        self.check_dimension("Query vector", vector)?;
        Ok(rank(self.all_by_vectors(vector, None, &ask.filter), ask.k, ask.min_score))
    }

    fn is_known(&self, id: &str) -> bool {
        let in_ring = || self.rings.values().flatten().any(|event| event.id == id);
        let listed = self.neighbours.get(id).is_some_and(|list| !list.is_empty());
        self.vectors.contains_key(id) || listed || in_ring()
    }

    fn alpha(&self, id: &str, adaptive: bool) -> f64 {
        let rules = &self.rules;
        if !adaptive {
            return rules.fusion_alpha / (rules.fusion_alpha + rules.fusion_beta);
        }
        let neighbours = self.neighbours_of(id).len() as f64;
        let maturity = (neighbours / rules.adaptive_maturity_threshold as f64).min(1.0);
        rules.adaptive_max_alpha - maturity * (rules.adaptive_max_alpha - rules.adaptive_min_alpha)
    }

    fn all_by_events(&self, id: &str, filter: &[Condition]) -> Ranking {
        let positive = self.neighbours_of(id).into_iter().filter(|(_, score)| *score > 0.0);
        positive.filter(|(other, _)| self.passes(other, filter)).collect()
    }

    fn all_by_vectors(&self, query: &[f32], but: Option<&str>, filter: &[Condition]) -> Ranking {
        let others =
            self.vectors.iter().filter(|(id, _)| Some(id.as_str()) != but && self.passes(id, filter));
        others.map(|(id, vector)| (id.clone(), score(self.rules.measure, query, vector))).collect()
    }

    fn passes(&self, id: &str, filter: &[Condition]) -> bool {
        let empty = Fields::new();
        matches(filter, self.metadata.get(id).unwrap_or(&empty))
    }

    /// A context's events, oldest first.
    pub fn ring(&self, context: &str) -> Vec<RingEvent> {
        self.rings.get(context).into_iter().flatten().cloned().collect()
    }

    /// Every context by name.
    pub fn contexts(&self) -> Vec<String> {
        self.rings.keys().cloned().collect()
    }

    /// What is remembered for dedup, least recently stored first.
    pub fn memories(&self) -> Vec<(Remembered, Memory)> {
        self.turns.values().map(|key| (key.clone(), self.memory[key].1)).collect()
    }

    /// All neighbours of an item by id, also those whose score is not positive.
    pub fn neighbours_of(&self, id: &str) -> Ranking {
        let scores = self.neighbours.get(id).into_iter().flatten();
        scores.map(|(id, score)| (id.clone(), *score)).collect()
    }

    /// Every item with a vector, by id.
    pub fn vectors(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.vectors
    }

    /// Every item with metadata, by id.
    pub fn metadata(&self) -> &BTreeMap<String, Fields> {
        &self.metadata
    }
}

fn add(context: &str, id: &str, score: u8) -> Remembered {
    Remembered::Add { context: context.to_string(), id: id.to_string(), score }
}

/// What is remembered of a state.
pub fn state(context: &str, id: &str) -> Remembered {
    Remembered::State { context: context.to_string(), id: id.to_string() }
}

/// The k best: score descending, then id ascending.
pub fn rank(mut all: Ranking, k: usize, min_score: Option<f64>) -> Ranking {
    all.retain(|(_, score)| min_score.is_none_or(|min| *score >= min));
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).expect("no NaN").then_with(|| a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

/// Scores brought to 0–1: stretched, or clamped when there is nothing to stretch.
fn normalised(list: Ranking) -> Ranking {
    let max = list.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    let min = list.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let clamp = list.len() == 1 || max - min < 1e-4;
    let unit = |score: f64| if clamp { score.clamp(0.0, 1.0) } else { (score - min) / (max - min) };
    list.into_iter().map(|(id, score)| (id, unit(score))).collect()
}

/// The score of two vectors in f64.
pub fn score(measure: Measure, a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    match measure {
        Measure::Dot => dot(a, b),
        Measure::Cosine => {
            let norms = (dot(a, a) * dot(b, b)).sqrt();
            if norms == 0.0 { 0.0 } else { dot(a, b) / norms }
        }
        Measure::L2 => {
            let squares: f64 = a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
            1.0 / (1.0 + squares.sqrt())
        }
    }
}

/// Says whether all conditions hold.
pub fn matches(filter: &[Condition], fields: &Fields) -> bool {
    filter.iter().all(|condition| holds(&condition.test, fields.get(&condition.key)))
}

fn holds(test: &Test, field: Option<&Field>) -> bool {
    let members: &[Scalar] = match field {
        // A missing key differs from everything, and is in no relation otherwise.
        None => &[],
        Some(Field::One(one)) => std::slice::from_ref(one),
        Some(Field::Many(many)) => many,
    };
    let any = |bound: &Scalar, accept: &[Ordering]| {
        members.iter().any(|member| compare(member, bound).is_some_and(|order| accept.contains(&order)))
    };
    match test {
        Test::Equal(values) => values.iter().any(|value| any(value, &[Ordering::Equal])),
        Test::Differs(values) => !values.iter().any(|value| any(value, &[Ordering::Equal])),
        Test::Greater(bound) => any(bound, &[Ordering::Greater]),
        Test::GreaterOrEqual(bound) => any(bound, &[Ordering::Greater, Ordering::Equal]),
        Test::Less(bound) => any(bound, &[Ordering::Less]),
        Test::LessOrEqual(bound) => any(bound, &[Ordering::Less, Ordering::Equal]),
    }
}

fn compare(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    let number = |scalar: &Scalar| match scalar {
        Scalar::Int(int) => Some(*int as f64),
        Scalar::Float(float) => Some(*float),
        _ => None,
    };
    match (a, b) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        _ => number(a)?.partial_cmp(&number(b)?),
    }
}

/// The filter as `filter=` takes it.
pub fn filter_text(filter: &[Condition]) -> String {
    let condition = |condition: &Condition| {
        let list = |values: &[Scalar]| {
            format!("in({})", values.iter().map(scalar_text).collect::<Vec<_>>().join("|"))
        };
        let test = match &condition.test {
            Test::Equal(values) => format!("={}", list(values)),
            Test::Differs(values) => format!("!={}", list(values)),
            Test::Greater(bound) => format!(">{}", scalar_text(bound)),
            Test::GreaterOrEqual(bound) => format!(">={}", scalar_text(bound)),
            Test::Less(bound) => format!("<{}", scalar_text(bound)),
            Test::LessOrEqual(bound) => format!("<={}", scalar_text(bound)),
        };
        format!("{}{test}", quoted(&condition.key))
    };
    filter.iter().map(condition).collect::<Vec<_>>().join(",")
}

/// A value as METASET and filters take it.
pub fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(int) => int.to_string(),
        Scalar::Float(float) => format!("{float:?}"),
        Scalar::Text(text) => quoted(text),
    }
}

/// Text in double quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The metadata as JSON.
pub fn fields_json(fields: &Fields) -> serde_json::Value {
    let scalar = |scalar: &Scalar| -> serde_json::Value {
        match scalar {
            Scalar::Bool(value) => (*value).into(),
            Scalar::Int(int) => (*int).into(),
            Scalar::Float(float) => (*float).into(),
            Scalar::Text(text) => text.as_str().into(),
        }
    };
    let field = |field: &Field| match field {
        Field::One(one) => scalar(one),
        Field::Many(many) => many.iter().map(scalar).collect(),
    };
    fields.iter().map(|(key, value)| (key.clone(), field(value))).collect()
}

/// Asserts that `got` is the ranking `expected`, where scores may differ by `tolerance`, and ids whose expected scores
/// lie that close may stand in another order; in place of the last such ids, others beyond rank k may stand. With a
/// tolerance of 0 nothing may differ.
#[track_caller]
pub fn assert_agrees(expected: &[(String, f64)], got: &[(String, f64)], tolerance: f64) {
    if tolerance == 0.0 {
        assert_eq!(expected, got);
        return;
    }
    assert_eq!(expected.len(), got.len(), "expected {expected:?}, got {got:?}");
    for (expected_one, got_one) in expected.iter().zip(got) {
        let near = (expected_one.1 - got_one.1).abs() <= tolerance;
        assert!(near, "expected {expected_one:?}, got {got_one:?} in {got:?}, expected {expected:?}");
    }
    let distinct: HashSet<&str> = got.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(distinct.len(), got.len(), "an id twice in {got:?}");
    let mut start = 0;
    while start < expected.len() {
        let mut end = start + 1;
        while end < expected.len() && expected[end - 1].1 - expected[end].1 <= 2.0 * tolerance {
            end += 1;
        }
        let ids = |list: &[(String, f64)]| {
            list[start..end].iter().map(|(id, _)| id.clone()).collect::<HashSet<_>>()
        };
        if end < expected.len() {
            assert_eq!(ids(expected), ids(got), "ranks {start} to {end}: expected {expected:?}, got {got:?}");
        }
        start = end;
    }
}
