//! The Debian sample, compared in the library: vectors against its shipped truth, events and fusion against the reference.
//!
//! `CAIRN_DEBIAN=DIR` takes the vectors of the full set in DIR instead (`just exactness DIR`).

use crate::reference::{Ask, Op, Ranking, Reference, Rules, assert_agrees};
use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{Engine, EventOp, Near, SearchOptions, Similar, Using, Write};
use flate2::read::GzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A `.npy` array of two dimensions (numpy's format 1.0): its element type, rows, columns and bytes.
pub struct Npy {
    kind: String,
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
}

pub fn npy(path: &Path) -> Npy {
    let all = file(path);
    let header_bytes = 10 + usize::from(u16::from_le_bytes([all[8], all[9]]));
    let header = std::str::from_utf8(&all[10..header_bytes]).expect("a text header");
    let after = |key: &str| header.split_once(key).expect("a field").1;
    let kind = after("'descr': '").split('\'').next().expect("a type").to_owned();
    let shape: Vec<usize> = after("'shape': (")
        .split(')')
        .next()
        .expect("a shape")
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    Npy { kind, rows: shape[0], columns: shape[1], bytes: all[header_bytes..].to_vec() }
}

impl Npy {
    pub fn floats(&self) -> Vec<Vec<f32>> {
        let element = |b: &[u8]| match self.kind.as_str() {
            "<f2" => half::f16::from_le_bytes([b[0], b[1]]).to_f32(),
            "<f4" => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            "<f8" => f64::from_le_bytes(b.try_into().expect("8 bytes")) as f32,
            other => panic!("element type {other}"),
        };
        let size = self.bytes.len() / (self.rows * self.columns);
        self.bytes
            .chunks_exact(size * self.columns)
            .map(|row| row.chunks_exact(size).map(element).collect())
            .collect()
    }

    pub fn numbers(&self) -> Vec<Vec<usize>> {
        assert_eq!(self.kind, "<i4");
        let element = |b: &[u8]| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize;
        self.bytes
            .chunks_exact(4 * self.columns)
            .map(|row| row.chunks_exact(4).map(element).collect())
            .collect()
    }
}

pub fn lines(path: &Path) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(file(path).as_slice()).read_to_string(&mut text).expect("gzip");
    text.lines().map(str::to_owned).collect()
}

pub fn ids(path: &Path) -> Vec<String> {
    let id = |line: String| {
        let item: serde_json::Value = serde_json::from_str(&line).expect("an object a line");
        item["id"].as_str().expect("an id").to_owned()
    };
    lines(path).into_iter().map(id).collect()
}

pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/debian")
}

/// The engine filled with a set's vectors, and the ids by row.
fn filled(dir: &Path) -> (Engine, Vec<String>) {
    let (ids, vectors) = (ids(&dir.join("items.jsonl.gz")), npy(&dir.join("vectors.f16.npy")).floats());
    let engine = open(&SimDisk::new(1), &options());
    let rows: Vec<Write> = ids.iter().zip(&vectors).map(|(id, v)| vector(id, v)).collect();
    assert!(engine.write(rows).iter().all(Result::is_ok));
    (engine, ids)
}

fn compare(dir: &Path, truth: &str, scores: &str) -> usize {
    let (engine, ids) = filled(dir);
    let queries = npy(&dir.join("query_vectors.f16.npy")).floats();
    let (truth, scores) = (npy(&dir.join(truth)).numbers(), npy(&dir.join(scores)).floats());
    for ((query, rows), scores) in queries.iter().zip(&truth).zip(&scores) {
        let near = Near {
            vector: query.clone(),
            top_k: 10,
            filter: None,
            min_score: None,
            how: SearchOptions::default(),
        };
        let hits = engine.similar_to_vector(&near).expect("found").results;
        let got: Ranking = hits.into_iter().map(|hit| (hit.id, hit.score)).collect();
        let expected: Ranking = rows
            .iter()
            .zip(scores)
            .take(10)
            .map(|(&row, &score)| (ids[row].clone(), f64::from(score)))
            .collect();
        assert_agrees(&expected, &got, 1e-5);
    }
    queries.len()
}

#[test]
fn every_querys_top_ten_is_the_truth() {
    match std::env::var_os("CAIRN_DEBIAN") {
        None => assert_eq!(compare(&shipped(), "truth_top10.npy", "truth_top10_scores.npy"), 200),
        Some(dir) => {
            let compared = compare(Path::new(&dir), "gt_top100.npy", "gt_top100_scores.npy");
            println!("{compared} queries of the full set compared");
            assert_eq!(compared, 1_000);
        }
    }
}

#[test]
fn events_and_fusion_are_the_references() {
    let dir = shipped();
    let (engine, ids) = filled(&dir);
    let mut model = Reference::new(Rules::default());
    for (id, v) in ids.iter().zip(npy(&dir.join("vectors.f16.npy")).floats()) {
        model.vector_set(id, &v).expect("valid");
    }
    let mut writes = Vec::new();
    for line in lines(&dir.join("events.txt.gz")) {
        let words: Vec<&str> = line.split(' ').collect();
        let score = words[4].parse().expect("a score");
        model.event(words[1], words[3], Op::Add, score, 1_000);
        writes.push(event(words[1], words[3], EventOp::Add, score, 1_000));
    }
    assert_eq!(writes.len(), 225_643);
    assert!(engine.write(writes).iter().all(Result::is_ok));
    for id in ids.iter().step_by(25) {
        let similar = |using, adaptive| {
            let query = Similar {
                id: id.clone(),
                top_k: 10,
                using,
                filter: None,
                min_score: None,
                adaptive,
                how: SearchOptions::default(),
            };
            let hits = engine.similar(&query).expect("found").results;
            hits.into_iter().map(|hit| (hit.id, hit.score)).collect::<Ranking>()
        };
        let ask = Ask { k: 10, ..Ask::default() };
        assert_agrees(
            &model.similar_by_events(id, &ask).expect("known"),
            &similar(Using::Events, None),
            1e-6,
        );
        for adaptive in [false, true] {
            let expected = model.similar_by_fusion(id, adaptive, &ask).expect("known");
            assert_agrees(&expected, &similar(Using::Fusion, Some(adaptive)), 1e-5);
        }
    }
}
