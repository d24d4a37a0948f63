//! The shipped sample: Debian packages with their vectors, and who depends on them.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use flate2::read::GzDecoder;
use half::f16;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::Read;

/// In the binary, so that the demo runs wherever the binary does.
const ITEMS: &[u8] = include_bytes!("../../../../data/debian/items.jsonl.gz");
const VECTORS: &[u8] = include_bytes!("../../../../data/debian/vectors.f16.npy");
const EVENTS: &[u8] = include_bytes!("../../../../data/debian/events.txt.gz");
const QUERIES: &[u8] = include_bytes!("../../../../data/debian/queries.jsonl.gz");
const QUERY_VECTORS: &[u8] = include_bytes!("../../../../data/debian/query_vectors.f16.npy");
const TRUTH: &[u8] = include_bytes!("../../../../data/debian/truth_top10.npy");
const TRUTH_SCORES: &[u8] = include_bytes!("../../../../data/debian/truth_top10_scores.npy");

/// A package.
#[derive(Debug, Deserialize)]
pub struct Item {
    /// Its name.
    pub id: String,
    /// "name - short description".
    pub text: String,
    /// Scalars by name.
    pub metadata: Map<String, Value>,
    /// The embedding of its description.
    #[serde(skip)]
    pub vector: Vec<f32>,
}

/// "This package names that item."
#[derive(Debug)]
pub struct Event {
    /// The package that names.
    pub context: String,
    /// The item it names.
    pub id: String,
    /// 100 depends, 60 recommends, 30 suggests.
    pub score: u8,
}

/// The nearest item of a query, by its row, and its cosine.
pub type Near = (usize, f64);

/// All of it.
#[derive(Debug)]
pub struct Sample {
    /// Row n of the truth is item n.
    pub items: Vec<Item>,
    /// In the order in which they are sent.
    pub events: Vec<Event>,
    /// Packages that are not items.
    pub queries: Vec<Item>,
    /// For each query, the ten nearest items by exact cosine, best first.
    pub truth: Vec<Vec<Near>>,
}

impl Sample {
    /// Unpacks what is in the binary.
    pub fn load() -> Result<Sample> {
        let truth_rows: Vec<i32> = array(TRUTH, "<i4", i32::from_le_bytes)?;
        let truth_scores: Vec<f64> = array(TRUTH_SCORES, "<f8", f64::from_le_bytes)?;
        let near = |(row, score): (&i32, &f64)| {
            Ok((usize::try_from(*row).map_err(|_| damaged("truth row"))?, *score))
        };
        let near: Vec<Near> = truth_rows.iter().zip(&truth_scores).map(near).collect::<Result<_>>()?;
        Ok(Sample {
            items: items(ITEMS, VECTORS)?,
            events: text(EVENTS)?.lines().map(event).collect::<Result<_>>()?,
            queries: items(QUERIES, QUERY_VECTORS)?,
            truth: near.chunks_exact(10).map(<[Near]>::to_vec).collect(),
        })
    }

    /// The number of values in a vector.
    pub fn dimension(&self) -> usize {
        self.items.first().map_or(0, |item| item.vector.len())
    }
}

fn items(rows: &[u8], vectors: &[u8]) -> Result<Vec<Item>> {
    let rows = text(rows)?;
    let values: Vec<f32> = array(vectors, "<f2", |b| f16::from_le_bytes(b).to_f32())?;
    let dimension = values.len() / rows.lines().count().max(1);
    let mut items = Vec::new();
    for (row, vector) in rows.lines().zip(values.chunks_exact(dimension.max(1))) {
        let mut item: Item = serde_json::from_str(row).map_err(|e| damaged(&e.to_string()))?;
        item.vector = vector.to_vec();
        items.push(item);
    }
    Ok(items)
}

/// `EVENT <context> ADD <id> <score>`.
fn event(line: &str) -> Result<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["EVENT", context, "ADD", id, score] => Ok(Event {
            context: (*context).to_owned(),
            id: (*id).to_owned(),
            score: score.parse().map_err(|_| damaged(line))?,
        }),
        _ => Err(damaged(line)),
    }
}

fn text(gzip: &[u8]) -> Result<String> {
    let mut text = String::new();
    GzDecoder::new(gzip).read_to_string(&mut text).map_err(|e| damaged(&e.to_string()))?;
    Ok(text)
}

/// The values of a `.npy` file in C order.
fn array<const N: usize, T>(npy: &[u8], descr: &str, value: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
    let rest = npy.strip_prefix(b"\x93NUMPY\x01\x00").ok_or_else(|| damaged("npy magic"))?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(|| damaged("npy header"))?;
    let (header, values) = rest
        .split_at_checked(usize::from(u16::from_le_bytes(*length)))
        .ok_or_else(|| damaged("npy header"))?;
    let header = String::from_utf8_lossy(header);
    if !header.contains(&format!("'descr': '{descr}'")) || !header.contains("'fortran_order': False") {
        return Err(damaged(&header));
    }
    let (chunks, rest) = values.as_chunks::<N>();
    if rest.is_empty() { Ok(chunks.iter().map(|c| value(*c)).collect()) } else { Err(damaged("npy length")) }
}

fn damaged(what: &str) -> Failure {
    Failure::new(Exit::Damage, format!("the sample in this binary is damaged: {what}"))
        .next("run python3 data/debian/cut.py to cut it again, then build again")
}
