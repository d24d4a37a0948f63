//! The load of a collection larger than memory: clusters of vectors, and items asked for by Zipf's law.

use crate::Result;
use crate::larger::NAME;
use cairn_engine::{Engine, SearchOptions, Similar, Using};
use std::fmt::Write as _;
use std::path::Path;

/// Vectors of one cluster, about.
const ROWS_A_CLUSTER: usize = 500;
/// How far an element is from its cluster's centre, beside how far centres are apart.
const SPREAD: f32 = 0.6;
/// The exponent of Zipf's law.
const EXPONENT: f64 = 1.1;
/// Queries whose answers are compared with exact ones.
const SAMPLE: usize = 100;
/// Results of a query.
pub const TOP_K: usize = 10;

/// An item's id.
pub fn id(n: usize) -> String {
    format!("item{n}")
}

/// Vectors in clusters: which cluster one is of is drawn, so that those near each other lie anywhere in a file.
pub struct Vectors {
    centres: Vec<f32>,
    dimension: usize,
    random: Random,
}

impl Vectors {
    pub fn new(rows: usize, dimension: usize) -> Vectors {
        let mut random = Random(0x1A26_E200);
        let centres = (0..rows.div_ceil(ROWS_A_CLUSTER) * dimension).map(|_| random.element()).collect();
        Vectors { centres, dimension, random }
    }

    pub fn next(&mut self) -> Vec<f32> {
        let clusters = (self.centres.len() / self.dimension) as u64;
        let centre = (self.random.next() % clusters) as usize * self.dimension;
        let random = &mut self.random;
        self.centres[centre..centre + self.dimension].iter().map(|c| c + SPREAD * random.element()).collect()
    }
}

/// Items asked for: the r-th most popular with a probability of r^-1.1, and which one that is has nothing to do with where
/// it lies.
pub struct Load {
    /// Sums of the weights of the most popular so many.
    sums: Vec<f64>,
    /// The most popular first.
    items: Vec<u32>,
}

impl Load {
    pub fn new(rows: usize) -> Load {
        let mut sum = 0.0;
        let weight = |rank: usize| (rank as f64).powf(-EXPONENT);
        let sums = (1..=rows).map(|rank| {
            sum += weight(rank);
            sum
        });
        let sums = sums.collect();
        let (mut random, mut items) = (Random(0x5EED), (0..rows as u32).collect::<Vec<_>>());
        for at in (1..rows).rev() {
            items.swap(at, (random.next() % (at as u64 + 1)) as usize);
        }
        Load { sums, items }
    }

    /// The items asked for in one stretch, which `seed` names.
    pub fn stretch(&self, seed: u64, queries: usize) -> Vec<String> {
        let mut random = Random(seed);
        let all = self.sums.last().copied().unwrap_or_default();
        let mut draw = || {
            let wanted = random.unit() * all;
            let rank = self.sums.partition_point(|sum| *sum < wanted).min(self.items.len() - 1);
            id(self.items[rank] as usize)
        };
        (0..queries).map(|_| draw()).collect()
    }
}

/// Items of the sample: anywhere, so most of them hardly ever asked for.
pub fn sample_ids(rows: usize) -> Vec<String> {
    let mut random = Random(0xA5A5);
    (0..SAMPLE).map(|_| id((random.next() % rows as u64) as usize)).collect()
}

/// The best ten of one item.
pub fn query(engine: &Engine, id: &str, exact: bool) -> Result<Vec<(String, f64)>> {
    let similar = Similar {
        id: id.to_owned(),
        top_k: TOP_K,
        using: Using::Vectors,
        filter: None,
        min_score: None,
        adaptive: None,
        how: SearchOptions { exact, ..SearchOptions::default() },
    };
    let hits = engine.similar_in(Some(NAME), &similar)?;
    Ok(hits.results.into_iter().map(|hit| (hit.id, hit.score)).collect())
}

/// Answers to the sample, each an item and the ids of its best ten.
pub struct Answers(pub Vec<(String, Vec<String>)>);

impl Answers {
    /// By looking at every vector.
    pub fn exact(engine: &Engine, items: &[String]) -> Result<Answers> {
        let answer = |item: &String| {
            let found = query(engine, item, true)?;
            Ok((item.clone(), found.into_iter().map(|(id, _)| id).collect()))
        };
        Ok(Answers(items.iter().map(answer).collect::<Result<_>>()?))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = String::new();
        for (item, ids) in &self.0 {
            let _ = writeln!(text, "{item} {}", ids.join(" "));
        }
        Ok(std::fs::write(path, text)?)
    }

    pub fn read(path: &Path) -> Result<Answers> {
        let text = std::fs::read_to_string(path)?;
        let line = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.collect()))
        };
        Ok(Answers(text.lines().filter_map(line).collect()))
    }

    /// Which share of them searches along the graph find.
    pub fn recall(&self, engine: &Engine) -> Result<f64> {
        let mut found = 0;
        for (item, ids) in &self.0 {
            found += query(engine, item, false)?.iter().filter(|(id, _)| ids.contains(id)).count();
        }
        Ok(found as f64 / self.0.iter().map(|(_, ids)| ids.len()).sum::<usize>().max(1) as f64)
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// About a Gaussian: the sum of four uniform numbers, with a variance of 1.
    fn element(&mut self) -> f32 {
        let bits = self.next();
        let sum: u32 = (0..4).map(|n| (bits >> (16 * n)) as u32 & 0xFFFF).sum();
        (sum as f32 / 65_536.0 - 2.0) * 1.732
    }
}
