//! The engine against the plain reference: random writes, batches, checkpoints, crashes and queries.

use crate::reference::{
    Ask, Condition, Field, Fields, Measure, Memory, Op, Ranking, Reference, Remembered as Recall, Rules,
    Scalar, Test, assert_agrees, filter_text,
};
use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{
    Engine, EventOp, Filter, Hits, Metadata, Metric, Near, Options, Remembered, SearchOptions, Settings,
    Similar, Using, Value, View, Write,
};

struct Run {
    engine: Engine,
    disk: SimDisk,
    options: Options,
    model: Reference,
    numbers: Numbers,
    queries: usize,
}

fn rules_of(settings: &Settings) -> Rules {
    Rules {
        measure: match settings.metric {
            Metric::Cosine => Measure::Cosine,
            Metric::Dot => Measure::Dot,
            Metric::L2 => Measure::L2,
        },
        ctx_buffer_size: settings.ctx_buffer_size as usize,
        dedup_window_sec: settings.dedup_window_sec,
        dedup_cache_size: settings.dedup_cache_size as usize,
        temporal_half_life_sec: settings.temporal_cooccurrence.then_some(settings.temporal_half_life_sec),
        negative_weight: settings.negative_signals.then_some(settings.negative_weight),
        ..Rules::default()
    }
}

impl Run {
    fn new(seed: u64, settings: Settings) -> Run {
        let options = Options { settings, checkpoint_log_bytes: 20_000, wal: Some(small_wal()), ..options() };
        let disk = SimDisk::new(seed);
        let model = Reference::new(rules_of(&options.settings));
        Run { engine: open(&disk, &options), disk, options, model, numbers: Numbers(seed), queries: 0 }
    }

    fn id(&mut self) -> String {
        format!("i{}", self.numbers.below(40))
    }

    /// One random write, and what the model says to it.
    fn write(&mut self) -> (Write, Result<(), String>) {
        let id = self.id();
        match self.numbers.below(20) {
            0..5 => {
                let vector: Vec<f32> = (0..5).map(|_| self.numbers.unit()).collect();
                let expected = self.model.vector_set(&id, &vector);
                (Write::VectorSet { id, vector }, expected)
            }
            5 => {
                let vector = vec![1.0; 1 + self.numbers.below(8) as usize];
                let expected = self.model.vector_set(&id, &vector);
                (Write::VectorSet { id, vector }, expected)
            }
            6..8 => {
                let (fields, metadata) = self.fields();
                let expected = self.model.metadata_set(&id, fields);
                (Write::MetadataSet { id, metadata }, expected)
            }
            8 => {
                let factor = 0.5 + self.numbers.below(50) as f64 / 100.0;
                self.model.decay(factor);
                (Write::Decay { factor }, Ok(()))
            }
            kind => (self.event(id, kind), Ok(())),
        }
    }

    fn event(&mut self, id: String, kind: u64) -> Write {
        let (op, model_op) = match kind {
            9..15 => (EventOp::Add, Op::Add),
            15..18 => (EventOp::Set, Op::Set),
            _ => (EventOp::Del, Op::Del),
        };
        let context = format!("c{}", self.numbers.below(6));
        let score = (self.numbers.below(6) * 20) as u8;
        let time_s = 1_000 + self.numbers.below(300) as i64;
        self.model.event(&context, &id, model_op, score, time_s);
        Write::Event { context, id, op, score, time_s: Some(time_s) }
    }

    fn fields(&mut self) -> (Fields, Metadata) {
        let n = self.numbers.below(10) as i64;
        let on = self.numbers.below(2) == 0;
        let fields = [
            ("n", Field::One(Scalar::Int(n))),
            ("on", Field::One(Scalar::Bool(on))),
            ("tags", Field::Many(vec![Scalar::Text(format!("t{}", n % 3)), Scalar::Int(n)])),
        ];
        let metadata = [
            ("n", Value::Int(n)),
            ("on", Value::Bool(on)),
            ("tags", Value::List(vec![Value::Text(format!("t{}", n % 3)), Value::Int(n)])),
        ];
        let own = |(key, value): (&str, Value)| (key.to_owned(), value);
        let fields = fields.into_iter().map(|(key, field)| (key.to_owned(), field)).collect();
        (fields, Metadata(metadata.into_iter().map(own).collect()))
    }

    fn batch(&mut self) {
        let n = 1 + self.numbers.below(30);
        let (writes, expected): (Vec<_>, Vec<_>) = (0..n).map(|_| self.write()).unzip();
        let answers = self.engine.write(writes.clone());
        for ((answer, expected), write) in answers.into_iter().zip(expected).zip(writes) {
            match expected {
                Ok(()) => assert!(answer.is_ok(), "{write:?}: {answer:?}"),
                Err(message) => assert_eq!(answer.expect_err("refused").to_string(), message, "{write:?}"),
            }
        }
    }

    fn filter(&mut self) -> Vec<Condition> {
        let n = Scalar::Int(self.numbers.below(10) as i64);
        let test = match self.numbers.below(6) {
            0 => return Vec::new(),
            1 => Test::Equal(vec![n]),
            2 => Test::Differs(vec![n]),
            3 => Test::Greater(n),
            4 => Test::LessOrEqual(n),
            _ => {
                let test = Test::Equal(vec![Scalar::Text("t1".to_owned()), n]);
                return vec![Condition { key: "tags".to_owned(), test }];
            }
        };
        vec![Condition { key: "n".to_owned(), test }]
    }

    fn query(&mut self) {
        let min_score = (self.numbers.below(4) == 0).then(|| f64::from(self.numbers.unit()));
        let ask = Ask { k: 1 + self.numbers.below(12) as usize, filter: self.filter(), min_score };
        let filter =
            (!ask.filter.is_empty()).then(|| Filter::parse(&filter_text(&ask.filter)).expect("valid"));
        let id = self.id();
        let adaptive = self.numbers.below(2) == 0;
        let similar = |using| Similar {
            id: id.clone(),
            top_k: ask.k,
            using,
            filter: filter.clone(),
            min_score: ask.min_score,
            adaptive: Some(adaptive),
            how: SearchOptions::default(),
        };
        agrees(self.model.similar_by_events(&id, &ask), self.engine.similar(&similar(Using::Events)));
        agrees(self.model.similar_by_vectors(&id, &ask), self.engine.similar(&similar(Using::Vectors)));
        agrees(
            self.model.similar_by_fusion(&id, adaptive, &ask),
            self.engine.similar(&similar(Using::Fusion)),
        );
        let vector: Vec<f32> = (0..5).map(|_| self.numbers.unit()).collect();
        let near =
            Near { vector, top_k: ask.k, filter, min_score: ask.min_score, how: SearchOptions::default() };
        agrees(self.model.similar_to_vector(&near.vector, &ask), self.engine.similar_to_vector(&near));
        self.queries += 4;
    }

    /// A power cut, or an orderly close, and a reopen.
    fn restart(&mut self) {
        let before = hash(&self.engine.view().expect("a view"));
        if self.numbers.below(2) == 0 {
            self.disk = self.disk.image(Fate::Dropped);
        } else {
            self.engine.close().expect("closes");
        }
        self.engine = open(&self.disk, &self.options);
        assert_eq!(hash(&self.engine.view().expect("a view")), before);
    }

    fn run(mut self, steps: usize) -> usize {
        for step in 0..steps {
            self.batch();
            self.query();
            if step % 97 == 96 {
                self.restart();
            }
            if step % 41 == 40 {
                same_state(&self.model, &self.engine.view().expect("a view"));
            }
        }
        same_state(&self.model, &self.engine.view().expect("a view"));
        self.queries
    }
}

#[track_caller]
fn agrees(expected: Result<Ranking, String>, got: cairn_engine::Result<Hits>) {
    match (expected, got) {
        (Ok(expected), Ok(hits)) => {
            let got: Ranking = hits.results.into_iter().map(|hit| (hit.id, hit.score)).collect();
            let scale = expected.iter().fold(1.0f64, |max, (_, score)| max.max(score.abs()));
            near_cut(&expected, &got, 1e-5 * scale);
        }
        (Err(expected), Err(got)) => assert_eq!(got.to_string(), expected),
        (expected, got) => panic!("expected {expected:?}, got {got:?}"),
    }
}

/// A score within rounding of `min_score` may fall on either side of it.
#[track_caller]
fn near_cut(expected: &Ranking, got: &Ranking, tolerance: f64) {
    if expected.len() == got.len() {
        assert_agrees(expected, got, tolerance);
        return;
    }
    let common = expected.len().min(got.len());
    assert!(expected.len().abs_diff(got.len()) <= 1, "expected {expected:?}, got {got:?}");
    assert_agrees(&expected[..common], &got[..common], tolerance);
}

/// The whole state, part by part.
fn same_state(model: &Reference, view: &View) {
    assert_eq!(
        (view.counts().total_events, view.counts().stored_events),
        (model.total_events, model.stored_events)
    );
    let mut contexts: Vec<_> = view.default_collection().contexts().collect();
    contexts.sort_by_key(|(name, _)| *name);
    assert_eq!(contexts.iter().map(|(name, _)| *name).collect::<Vec<_>>(), model.contexts());
    for (name, ring) in contexts {
        let op = |op| match op {
            EventOp::Add => Op::Add,
            EventOp::Set => Op::Set,
            EventOp::Del => Op::Del,
        };
        let got: Vec<_> = ring.iter().map(|e| (e.id.to_owned(), op(e.op), e.score, e.time_s)).collect();
        let expected = model.ring(name).into_iter().map(|e| (e.id, e.op, e.score, e.time_s));
        assert_eq!(got, expected.collect::<Vec<_>>(), "{name}");
    }
    for (owner, mut list) in view.default_collection().neighbours() {
        list.sort_by_key(|(id, _)| *id);
        let expected = model.neighbours_of(owner);
        assert_eq!(list.len(), expected.len(), "{owner}");
        for ((id, score), (expected_id, expected_score)) in list.iter().zip(&expected) {
            let tolerance = 1e-9 * expected_score.abs().max(1.0);
            assert!(
                id == expected_id && (score - expected_score).abs() <= tolerance,
                "{owner}: {id} {score}"
            );
        }
    }
    let mut vectors: Vec<_> =
        view.default_collection().vectors().map(|(id, v)| (id.to_owned(), v.to_vec())).collect();
    vectors.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(vectors, model.vectors().clone().into_iter().collect::<Vec<_>>());
    assert_eq!(view.default_collection().metadata().count(), model.metadata().len());
    for (id, metadata) in view.default_collection().metadata() {
        assert_eq!(metadata.to_json(), crate::reference::fields_json(&model.metadata()[id]));
    }
    let got: Vec<(Recall, Memory)> = view.default_collection().dedup().map(|row| memory(&row)).collect();
    assert_eq!(got, model.memories());
}

fn memory(row: &cairn_engine::DedupRow<'_>) -> (Recall, Memory) {
    let (context, id) = (row.context.to_owned(), row.id.to_owned());
    let key = match row.state {
        Remembered::Add => Recall::Add { context, id, score: row.score },
        Remembered::Set | Remembered::Deleted => Recall::State { context, id },
    };
    let value = (row.state != Remembered::Deleted).then_some(row.score);
    (key, Memory { time_s: row.time_s, value })
}

#[test]
fn with_default_settings() {
    let queries = Run::new(1, Settings::default()).run(600);
    println!("{queries} queries compared");
    assert!(queries >= 2_400);
}

#[test]
fn with_small_rings_and_caches() {
    for seed in 2..6 {
        let dedup_cache_size = [0, 1, 7, 30][seed as usize - 2];
        let settings = Settings { ctx_buffer_size: 3, dedup_cache_size, ..Settings::default() };
        Run::new(seed, settings).run(200);
    }
}

#[test]
fn with_temporal_decay_and_negative_signals() {
    for (seed, metric) in [(6, Metric::Cosine), (7, Metric::Dot), (8, Metric::L2)] {
        let settings = Settings {
            metric,
            temporal_cooccurrence: true,
            temporal_half_life_sec: 100.0,
            negative_signals: true,
            dedup_window_sec: 0,
            ..Settings::default()
        };
        Run::new(seed, settings).run(200);
    }
}
