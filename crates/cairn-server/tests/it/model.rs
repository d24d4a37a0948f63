//! A plain model of the line protocol's semantics, written from the contract, with maps and f64 and nothing of the engine.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// How vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    Cosine,
    Dot,
    L2,
}

/// What EVENT does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Add,
    Set,
    Del,
}

/// A value of metadata, or of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i32),
    Float(f64),
    Text(String),
}

/// A condition of a filter.
#[derive(Clone, Debug)]
pub struct Condition {
    pub key: &'static str,
    pub operator: &'static str,
    /// One, or more of `in(…)`.
    pub values: Vec<Scalar>,
}

/// What SIM's `using=` names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    Events,
    Vectors,
    Fusion,
}

/// The settings that the semantics depend on.
#[derive(Clone, Debug)]
pub struct Rules {
    pub measure: Measure,
    /// 0: the first vector's.
    pub dimension: usize,
    pub ring: usize,
    pub window_s: u64,
    pub dedup_entries: usize,
    /// 0: any number.
    pub contexts: usize,
    pub half_life_s: Option<f64>,
    pub negative: Option<f64>,
    /// The most neighbours of an item, after pruning; 0: any number.
    pub neighbours: usize,
    /// What a neighbour's score must be at least, in absolute value, to stay when lists are pruned.
    pub support: f64,
    pub alpha: f64,
    pub beta: f64,
    pub adaptive: bool,
    pub maturity: usize,
}

/// A search, but for whom or what it is near.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub k: usize,
    pub filter: Vec<Condition>,
    pub min_score: Option<f64>,
    pub offset: usize,
}

/// Ids and scores, best first.
pub type Ranking = Vec<(String, f64)>;

#[derive(Clone)]
struct Event {
    id: String,
    op: Op,
    score: f64,
    time_s: i64,
}

/// Context and id, and of an ADD its score.
type Memory = (String, String, Option<u8>);

pub struct Model {
    rules: Rules,
    rings: BTreeMap<String, VecDeque<Event>>,
    /// What dedup remembers: the time, and the value (`None`: deleted).
    remembered: HashMap<Memory, (i64, Option<u8>)>,
    /// The least recently stored first.
    order: VecDeque<Memory>,
    pairs: BTreeMap<String, BTreeMap<String, f64>>,
    vectors: BTreeMap<String, Vec<f32>>,
    metadata: BTreeMap<String, BTreeMap<String, Scalar>>,
    /// Whose lists have passed twice their bound: they are pruned before the next writes, and when scores decay.
    overfull: BTreeSet<String>,
}

impl Model {
    pub fn new(rules: Rules) -> Model {
        Model {
            rules,
            rings: BTreeMap::new(),
            remembered: HashMap::new(),
            order: VecDeque::new(),
            pairs: BTreeMap::new(),
            vectors: BTreeMap::new(),
            metadata: BTreeMap::new(),
            overfull: BTreeSet::new(),
        }
    }

    /// EVENT.
    pub fn event(&mut self, context: &str, id: &str, op: Op, score: u8, time_s: i64) -> Result<(), String> {
        let most = self.rules.contexts;
        if most > 0 && !self.rings.contains_key(context) && self.rings.len() >= most {
            return Err(format!("Context limit reached: events.max_contexts is {most}"));
        }
        let state = (context.to_owned(), id.to_owned(), None);
        let added = (context.to_owned(), id.to_owned(), Some(score));
        let duplicate = match op {
            Op::Add => {
                let window = self.rules.window_s;
                let last = self.remembered.get(&added);
                window > 0 && last.is_some_and(|(last, _)| last.abs_diff(time_s) <= window)
            }
            Op::Set => self.remembered.get(&state).is_some_and(|(_, value)| *value == Some(score)),
            Op::Del => self.remembered.get(&state).is_some_and(|(_, value)| value.is_none()),
        };
        if duplicate {
            return Ok(());
        }
        let value = (op != Op::Del).then_some(score);
        if op == Op::Add {
            self.remember(added, time_s, value);
        }
        self.remember(state, time_s, value);
        let new = Event { id: id.to_owned(), op, score: f64::from(value.unwrap_or(0)), time_s };
        for prior in self.rings.get(context).cloned().unwrap_or_default() {
            self.pair(&new, &prior);
        }
        let ring = self.rings.entry(context.to_owned()).or_default();
        ring.push_back(new);
        if ring.len() > self.rules.ring {
            ring.pop_front();
        }
        Ok(())
    }

    fn remember(&mut self, memory: Memory, time_s: i64, value: Option<u8>) {
        if self.remembered.insert(memory.clone(), (time_s, value)).is_some() {
            self.order.retain(|other| *other != memory);
        }
        self.order.push_back(memory);
        if self.order.len() > self.rules.dedup_entries {
            let oldest = self.order.pop_front().unwrap();
            self.remembered.remove(&oldest);
        }
    }

    fn pair(&mut self, new: &Event, prior: &Event) {
        if new.id == prior.id || prior.score == 0.0 {
            return;
        }
        let amount = match (new.op, self.rules.negative, self.rules.half_life_s) {
            (Op::Del, Some(weight), _) => -(prior.score * weight),
            (Op::Del, None, _) => 0.0,
            (_, _, None) => new.score * prior.score,
            // The newer of the two has age 0.
            (_, _, Some(half_life)) => {
                let age = new.time_s.abs_diff(prior.time_s) as f64;
                new.score * prior.score * (-age / half_life).exp2()
            }
        };
        if amount != 0.0 {
            for (a, b) in [(&new.id, &prior.id), (&prior.id, &new.id)] {
                let list = self.pairs.entry(a.clone()).or_default();
                *list.entry(b.clone()).or_default() += amount;
                if self.rules.neighbours > 0 && list.len() > 2 * self.rules.neighbours {
                    self.overfull.insert(a.clone());
                }
            }
        }
    }

    /// What happens every `decay_interval_sec`: scores decay, then all lists are pruned.
    pub fn decay(&mut self, factor: f64) {
        self.writes_begin();
        self.pairs.values_mut().flat_map(BTreeMap::values_mut).for_each(|score| *score *= factor);
        if self.rules.neighbours > 0 || self.rules.support > 0.0 {
            let all: Vec<String> = self.pairs.keys().cloned().collect();
            all.iter().for_each(|id| self.prune(id));
        }
    }

    /// Before the first of consecutive writes: lists that are too long are cut.
    pub fn writes_begin(&mut self) {
        for id in std::mem::take(&mut self.overfull) {
            self.prune(&id);
        }
    }

    /// The strongest neighbours of an id stay, of equal ones the first by id. Whom they list is theirs.
    fn prune(&mut self, id: &str) {
        let Rules { neighbours, support, .. } = self.rules;
        let Some(list) = self.pairs.get_mut(id) else { return };
        list.retain(|_, score| score.abs() >= support);
        if neighbours > 0 && list.len() > neighbours {
            let mut all: Vec<(String, f64)> = std::mem::take(list).into_iter().collect();
            all.sort_by(|a, b| b.1.abs().partial_cmp(&a.1.abs()).unwrap().then_with(|| a.0.cmp(&b.0)));
            list.extend(all.into_iter().take(neighbours));
        }
    }

    /// VECSET.
    pub fn vecset(&mut self, id: &str, vector: Vec<f32>) -> Result<(), String> {
        let (expected, got) = (self.rules.dimension, vector.len());
        if expected != 0 && expected != got {
            return Err(format!("Vector dimension mismatch: expected {expected}, got {got}"));
        }
        self.rules.dimension = got;
        self.vectors.insert(id.to_owned(), vector);
        Ok(())
    }

    /// METASET.
    pub fn metaset(&mut self, id: &str, fields: BTreeMap<String, Scalar>) -> Result<(), String> {
        if !self.vectors.contains_key(id) {
            return Err(format!("Vector not found for metadata: {id}"));
        }
        self.metadata.insert(id.to_owned(), fields);
        Ok(())
    }

    /// VECDEL.
    pub fn vecdel(&mut self, id: &str) -> Result<(), String> {
        self.metadata.remove(id);
        self.vectors.remove(id).map(|_| ()).ok_or_else(|| format!("Vector not found: {id}"))
    }

    /// SIM: all results, of which the reply shows those from `offset` on, `k` at most.
    pub fn sim(&self, id: &str, by: By, adaptive: Option<bool>, wanted: &Wanted) -> Result<Ranking, String> {
        let unknown = || format!("Query vector not found: {id}");
        if !self.is_known(id) {
            return Err(unknown());
        }
        let all = match by {
            By::Events => self.by_events(id, wanted),
            By::Vectors => self.by_vectors(self.vectors.get(id).ok_or_else(unknown)?, Some(id), wanted),
            By::Fusion => self.by_both(id, adaptive.unwrap_or(self.rules.adaptive), wanted),
        };
        Ok(above(all, wanted.min_score))
    }

    /// SIMV.
    pub fn simv(&self, query: &[f32], wanted: &Wanted) -> Result<Ranking, String> {
        let (expected, got) = (self.rules.dimension, query.len());
        if expected != 0 && expected != got {
            return Err(format!("Query vector dimension mismatch: expected {expected}, got {got}"));
        }
        Ok(above(self.by_vectors(query, None, wanted), wanted.min_score))
    }

    /// Whether an id has anything: a vector, neighbours, or an event that is still in a ring.
    fn is_known(&self, id: &str) -> bool {
        let in_ring = || self.rings.values().flatten().any(|event| event.id == id);
        self.vectors.contains_key(id) || self.pairs.get(id).is_some_and(|list| !list.is_empty()) || in_ring()
    }

    fn by_events(&self, id: &str, wanted: &Wanted) -> Ranking {
        let all = self.pairs.get(id).into_iter().flatten().filter(|(_, score)| **score > 0.0);
        let all = all.filter(|(other, _)| self.passes(other, &wanted.filter));
        ranked(all.map(|(other, score)| (other.clone(), *score)).collect())
    }

    fn by_vectors(&self, query: &[f32], but: Option<&str>, wanted: &Wanted) -> Ranking {
        let others = self.vectors.iter().filter(|(id, _)| Some(id.as_str()) != but);
        let others = others.filter(|(id, _)| self.passes(id, &wanted.filter));
        ranked(others.map(|(id, vector)| (id.clone(), score(self.rules.measure, query, vector))).collect())
    }

    fn by_both(&self, id: &str, adaptive: bool, wanted: &Wanted) -> Ranking {
        let reach = wanted.k + wanted.offset;
        let mut events = self.by_events(id, wanted);
        let own = self.vectors.get(id);
        let mut vectors = own.map_or_else(Vec::new, |own| self.by_vectors(own, Some(id), wanted));
        events.truncate(3 * reach);
        vectors.truncate(3 * reach);
        let alpha = match (vectors.is_empty(), events.is_empty()) {
            (true, _) => 0.0,
            (_, true) => 1.0,
            _ if adaptive => {
                let neighbours = self.pairs.get(id).map_or(0, BTreeMap::len) as f64;
                let maturity = (neighbours / self.rules.maturity as f64).min(1.0);
                0.9 - maturity * (0.9 - 0.2)
            }
            _ => self.rules.alpha / (self.rules.alpha + self.rules.beta),
        };
        let mut fused: BTreeMap<String, f64> = BTreeMap::new();
        for (list, weight) in [(vectors, alpha), (events, 1.0 - alpha)] {
            for (id, score) in normalised(list) {
                *fused.entry(id).or_default() += weight * score;
            }
        }
        ranked(fused.into_iter().collect())
    }

    fn passes(&self, id: &str, filter: &[Condition]) -> bool {
        filter.iter().all(|condition| {
            let value = self.metadata.get(id).and_then(|fields| fields.get(condition.key));
            let orders = |order: &[Ordering]| {
                let holds = |wanted| compare(value?, wanted).map(|found| order.contains(&found));
                condition.values.iter().any(|wanted| holds(wanted) == Some(true))
            };
            match condition.operator {
                ":" | "=" => orders(&[Ordering::Equal]),
                // What is missing differs.
                "!=" => !orders(&[Ordering::Equal]),
                ">" => orders(&[Ordering::Greater]),
                ">=" => orders(&[Ordering::Greater, Ordering::Equal]),
                "<" => orders(&[Ordering::Less]),
                "<=" => orders(&[Ordering::Less, Ordering::Equal]),
                other => panic!("no operator: {other}"),
            }
        })
    }
}

fn compare(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    let number = |scalar: &Scalar| match scalar {
        Scalar::Int(int) => Some(f64::from(*int)),
        Scalar::Float(float) => Some(*float),
        _ => None,
    };
    match (a, b) {
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
        _ => number(a)?.partial_cmp(&number(b)?),
    }
}

/// Best first, equal ones by id.
fn ranked(mut all: Ranking) -> Ranking {
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then_with(|| a.0.cmp(&b.0)));
    all
}

fn above(mut all: Ranking, min_score: Option<f64>) -> Ranking {
    all.retain(|(_, score)| min_score.is_none_or(|min| *score >= min));
    all
}

/// Stretched to 0–1, or clamped where there is nothing to stretch.
fn normalised(list: Ranking) -> Ranking {
    let max = list.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    let min = list.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let clamp = list.len() == 1 || max - min < 1e-4;
    let unit = |score: f64| if clamp { score.clamp(0.0, 1.0) } else { (score - min) / (max - min) };
    list.into_iter().map(|(id, score)| (id, unit(score))).collect()
}

fn score(measure: Measure, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let dot = || pairs().map(|(x, y)| x * y).sum::<f64>();
    match measure {
        Measure::Dot => dot(),
        Measure::L2 => 1.0 / (1.0 + pairs().map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()),
        Measure::Cosine => {
            let squares = |v: &[f32]| v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
            let norms = (squares(a) * squares(b)).sqrt();
            if norms == 0.0 { 0.0 } else { (dot() / norms).clamp(-1.0, 1.0) }
        }
    }
}
