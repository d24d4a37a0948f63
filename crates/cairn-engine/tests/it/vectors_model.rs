//! Vectors of several collections beside maps: created, dropped, written, replaced, deleted, sealed, compacted, indexed,
//! restarted; every exact search gives what a loop over the map gives, and every search through an index a part of it.

use crate::collections::{create_with, to};
use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Elements, Engine, IndexKind, Near, Options,
    SearchOptions, StorageMode, Write,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

type Vectors = BTreeMap<String, [f32; 4]>;

const NAMES: [&str; 3] = ["default", "a", "b"];

fn quiet() -> Options {
    // 16 rows make a segment, and 24 of them have a graph.
    Options {
        vector_segment_bytes: 1,
        graph_rows_min: 24,
        maintenance: false,
        wal: Some(small_wal()),
        ..options()
    }
}

/// What a collection may be: one of several kinds.
fn spec(numbers: &mut Numbers) -> CollectionSpec {
    let storage = [StorageMode::Memory, StorageMode::Mmap, StorageMode::Hybrid][numbers.below(3) as usize];
    CollectionSpec {
        storage,
        hot_bytes: if storage == StorageMode::Hybrid {
            [1 << 20, 12_000][numbers.below(2) as usize]
        } else {
            0
        },
        index: [IndexKind::Flat, IndexKind::Graph][numbers.below(2) as usize],
        elements: [Elements::F32, Elements::F16, Elements::I8][numbers.below(3) as usize],
        ..CollectionSpec::default()
    }
}

struct Pair {
    disk: SimDisk,
    engine: Engine,
    model: BTreeMap<&'static str, Vectors>,
    numbers: Numbers,
    searches: u64,
}

impl Pair {
    fn new(seed: u64) -> Pair {
        let disk = SimDisk::new(seed);
        let engine = open(&disk, &quiet());
        let model = BTreeMap::from([("default", Vectors::new())]);
        Pair { disk, engine, model, numbers: Numbers(seed), searches: 0 }
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.numbers.below(3) as usize]
    }

    fn vector(&mut self) -> [f32; 4] {
        // Few values, so that there are equal scores and equal vectors.
        std::array::from_fn(|_| self.numbers.below(5) as f32 - 2.0)
    }

    fn step(&mut self) {
        match self.numbers.below(200) {
            0 => self.restart(),
            1..4 => drop(self.engine.checkpoint().expect("a checkpoint")),
            4..8 => self.compact(),
            8..10 => self.engine.wait_indexed(None).expect("indexed"),
            10 => self.come_or_go(),
            11..13 => self.engine.settle_hot_rows().expect("settled"),
            13..32 => self.search(),
            32..70 => self.delete(),
            _ => self.set(),
        }
    }

    fn set(&mut self) {
        let (name, id, elements) = (self.name(), format!("i{}", self.numbers.below(90)), self.vector());
        let answer = self.engine.write_requests(vec![to(name, vector(&id, &elements))]).remove(0);
        match self.model.get_mut(name) {
            Some(vectors) => {
                answer.expect("written");
                vectors.insert(id, elements);
            }
            None => assert!(answer.is_err(), "{name} is not there"),
        }
    }

    fn delete(&mut self) {
        let (name, id) = (self.name(), format!("i{}", self.numbers.below(90)));
        let answer =
            self.engine.write_requests(vec![to(name, Write::VectorDelete { id: id.clone() })]).remove(0);
        let was_there = self.model.get_mut(name).is_some_and(|vectors| vectors.remove(&id).is_some());
        assert_eq!(answer.is_ok(), was_there, "delete {id} of {name}");
    }

    fn come_or_go(&mut self) {
        let name = ["a", "b"][self.numbers.below(2) as usize];
        if self.model.remove(name).is_some() {
            self.engine
                .change_collections(CollectionChange::Drop { name: name.to_owned() })
                .expect("dropped");
        } else {
            let spec = spec(&mut self.numbers);
            self.engine.change_collections(create_with(name, spec)).expect("created");
            self.model.insert(name, Vectors::new());
        }
    }

    fn compact(&mut self) {
        let policy = CompactionPolicy {
            aggressive: self.numbers.below(2) == 0,
            dead_share: 0.1,
            segment_bytes_max: [400, 1 << 20][self.numbers.below(2) as usize],
        };
        let stop_early = self.numbers.below(3) == 0;
        let flow = if stop_early { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        self.engine.compact(None, policy, |_, _| flow).expect("it compacts");
    }

    fn restart(&mut self) {
        if self.numbers.below(2) == 0 {
            self.engine.close().expect("closed");
            self.engine = open(&self.disk, &quiet());
        } else {
            self.disk = self.disk.image(Fate::Dropped);
            self.engine = open(&self.disk, &quiet());
        }
    }

    /// The best ten by a plain loop: cosine, then id.
    fn truth(vectors: &Vectors, query: &[f32; 4]) -> Vec<(String, f64)> {
        let square = |v: &[f32; 4]| v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
        let mut all: Vec<(String, f64)> = vectors
            .iter()
            .map(|(id, v)| {
                let dot: f64 = v.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let norms = (square(v) * square(query)).sqrt();
                // No −0, which would order before 0.
                (id.clone(), if norms == 0.0 { 0.0 } else { dot / norms + 0.0 })
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(10);
        all
    }

    fn search(&mut self) {
        let (name, query) = (self.name(), self.vector());
        let ask = |exact| {
            let how = SearchOptions { exact, ..SearchOptions::default() };
            let near = Near { vector: query.to_vec(), top_k: 10, filter: None, min_score: None, how };
            self.engine.similar_to_vector_in(Some(name), &near)
        };
        let Some(vectors) = self.model.get(name) else {
            assert!(ask(true).is_err(), "{name} is not there");
            return;
        };
        let truth = Pair::truth(vectors, &query);
        let exact = ask(true).expect("a search").results;
        let ids: Vec<&String> = exact.iter().map(|hit| &hit.id).collect();
        assert_eq!(ids, truth.iter().map(|(id, _)| id).collect::<Vec<_>>(), "{name} {query:?}");
        let about = ask(false).expect("a search").results;
        assert_eq!(about.len(), truth.len());
        assert!(about.iter().all(|hit| vectors.contains_key(&hit.id)), "only what is there");
        self.searches += 1;
    }
}

#[test]
fn fifty_thousand_random_steps_equal_maps() {
    let mut searches = 0;
    for seed in 1..=5 {
        let mut pair = Pair::new(seed);
        (0..10_000).for_each(|_| pair.step());
        for (name, vectors) in &pair.model {
            let view = pair.engine.view().expect("a view");
            let stored: BTreeMap<String, Vec<f32>> = view
                .collection(name)
                .expect("it is there")
                .vectors()
                .map(|(id, v)| (id.to_owned(), v.to_vec()))
                .collect();
            assert_eq!(stored.len(), vectors.len(), "seed {seed}, {name}");
            assert!(vectors.iter().all(|(id, v)| stored[id] == v.to_vec()), "seed {seed}, {name}");
        }
        searches += pair.searches;
    }
    println!("{searches} searches compared");
    assert!(searches > 3_000, "{searches}");
}
