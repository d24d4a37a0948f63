//! The query cache beside a backend without one, on the same engine: the same bytes, whatever happens between, and nothing old.

use crate::cache::caching;
use crate::numbers::{Numbers, seeds};
use crate::past::SECOND;
use crate::running::{NOW_US, config};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, ManualClock, Metric, Options};
use cairn_server::{
    Ask, Backend, CacheConfig, Command, Config, Counters, EngineBackend, Interpreter, Reply, Rules, parse,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A connection and its backend.
struct Side {
    interpreter: Interpreter,
    backend: Arc<EngineBackend>,
}

impl Side {
    fn new(engine: &Engine, disk: &SimDisk, config: &Config) -> Side {
        let counters = Arc::new(Counters::default());
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let backend = EngineBackend::new(config, engine.clone(), storage, Arc::clone(&counters));
        let interpreter = Interpreter::new(Arc::new(Rules::default()), counters);
        Side { interpreter, backend: Arc::new(backend) }
    }

    fn raw(&mut self, line: &str) -> String {
        let mut out = Vec::new();
        self.interpreter.handle(format!("{line}\n").as_bytes(), &*self.backend, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn stat(&mut self, key: &str) -> u64 {
        let stats = self.raw("CACHE STATS");
        let value = stats.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value.unwrap().parse().unwrap()
    }
}

fn engine(disk: &SimDisk, config: &Config) -> (Engine, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOW_US));
    let options = Options { clock: Arc::clone(&clock) as _, ..config.engine_options() };
    (Engine::open(Arc::new(disk.clone()), &config.data_dir, options).unwrap().0, clock)
}

fn write(n: &mut Numbers) -> String {
    let (a, x, y) = (n.below(12), n.below(9), n.below(9));
    match n.below(8) {
        0..3 => format!("EVENT u{} ADD i{a} {} timestamp={}", n.below(5), n.below(101), n.below(500)),
        3 => format!("EVENT u{} DEL i{a}", n.below(5)),
        4 | 5 => format!("VECSET i{a} {x} {y}"),
        6 => format!("METASET i{a} n:{x}"),
        _ => format!("VECDEL i{a}"),
    }
}

/// Of few different searches, so that they come again.
fn search(n: &mut Numbers) -> String {
    let filter = n.one_of(&["", "", " filter=n>4"]);
    let k = n.one_of(&[1, 7]);
    match n.below(4) {
        0 => format!("SIMV {k}{filter} {} 3", n.below(2)),
        _ => {
            let using = n.one_of(&["", " using=events", " using=vectors", " adaptive=on", " offset=1"]);
            format!("SIM i{} {k}{using}{filter}", n.below(3))
        }
    }
}

fn change(n: &mut Numbers) -> String {
    let name = |n: &mut Numbers| n.one_of(&["one", "two", "three"]);
    match n.below(10) {
        0..3 => format!("COLLECTION CREATE {}", name(n)),
        3 => format!("COLLECTION DROP {}", name(n)),
        4 => format!("COLLECTION RENAME {} {}", name(n), name(n)),
        5 | 6 => format!("COLLECTION ALIAS live {}", name(n)),
        7 => n
            .one_of(&["CACHE CLEAR", "CACHE DISABLE", "CACHE ENABLE", "CACHE ENABLE", "CACHE ENABLE"])
            .to_owned(),
        8 => n.one_of(&["STORAGE COMPACT aggressive=on", "SNAPSHOT CREATE", "DUMP SAVE d.nvec"]).to_owned(),
        _ => n.one_of(&["SNAPSHOT RESTORE first", "DUMP LOAD d.nvec", "DUMP SAVE d.nvec"]).to_owned(),
    }
}

/// How many answers came from the cache.
fn run(seed: u64, steps: u64) -> u64 {
    let disk = SimDisk::new(seed);
    let cache = CacheConfig { ttl_seconds: 100, eviction_batch: 2, ..caching().cache };
    let mut config = Config { cache, ..config() };
    config.settings.metric = [Metric::Cosine, Metric::Dot, Metric::L2][(seed % 3) as usize];
    config.settings.negative_signals = seed.is_multiple_of(2);
    config.decay.interval_sec = 300;
    let (engine, clock) = engine(&disk, &config);
    let mut cached = Side::new(&engine, &disk, &config);
    let without = CacheConfig { enabled: false, ..CacheConfig::default() };
    let mut plain = Side::new(&engine, &disk, &Config { cache: without, ..config });
    let mut n = Numbers(seed);
    cached.raw("SNAPSHOT CREATE name=first");
    for step in 0..steps {
        match n.below(100) {
            0..8 => drop(cached.raw(&write(&mut n))),
            8..10 => {
                let line = format!("USE {}", n.one_of(&["default", "one", "two", "live"]));
                assert_eq!(cached.raw(&line), plain.raw(&line));
            }
            10..12 => drop(cached.raw(&change(&mut n))),
            12 => {
                clock.advance(50 * SECOND);
                // Decay that is due is done when the sequencer has answered twice.
                cached.raw("CHECK");
                cached.raw("CHECK");
            }
            _ => {
                let line = search(&mut n);
                assert_eq!(cached.raw(&line), plain.raw(&line), "seed {seed}, step {step}: {line}");
            }
        }
    }
    assert_eq!(plain.stat("total_queries"), 0);
    cached.stat("cache_hits")
}

#[test]
fn random_interleavings_have_the_answers_of_a_server_without_a_cache() {
    for seed in seeds(6) {
        let hits = run(seed, 10_000);
        assert!(hits > 300, "seed {seed}: {hits} hits are too few to have tried anything");
    }
}

fn ask(line: &str) -> Ask {
    match parse(line, &Rules::default().limits).unwrap() {
        Command::Ask(ask) => ask,
        _ => panic!("{line} is no question"),
    }
}

fn writes(lines: &[String]) -> Vec<cairn_engine::Request> {
    let write = |line: &String| match parse(line, &Rules::default().limits).unwrap() {
        Command::Write(write) => write.into(),
        _ => panic!("{line} is no write"),
    };
    lines.iter().map(write).collect()
}

fn best(reply: &Reply) -> f64 {
    match reply {
        Reply::Results(hits) => hits.first().map_or(0.0, |hit| hit.score),
        other => panic!("{other:?}"),
    }
}

const ROUNDS: u64 = 1_500;

#[test]
fn readers_beside_writers_never_get_an_answer_older_than_an_acknowledged_write() {
    let disk = SimDisk::new(1);
    let mut config = caching();
    config.settings.metric = Metric::Dot;
    let (engine, _clock) = engine(&disk, &config);
    let mut side = Side::new(&engine, &disk, &config);
    side.raw("VECSET v 0\nEVENT first ADD a 10");
    let backend = &side.backend;
    // How many rounds each of the writers has had acknowledged.
    let (vectors, events, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let write_rounds = |acknowledged: &AtomicU64, lines: &dyn Fn(u64) -> Vec<String>| {
        for round in 1..=ROUNDS {
            assert!(backend.write(writes(&lines(round))).iter().all(Result::is_ok));
            acknowledged.store(round, Ordering::Release);
        }
    };
    let read = || {
        let by_vectors = ask("SIMV 1 1");
        let by_events = ask("SIM a 1 using=events");
        while !done.load(Ordering::Acquire) {
            for (asked, acknowledged, each) in [(&by_vectors, &vectors, 1.0), (&by_events, &events, 100.0)] {
                let least = acknowledged.load(Ordering::Acquire) as f64 * each;
                let reply = backend.ready(asked).unwrap_or_else(|| backend.answer(asked));
                assert!(best(&reply) >= least, "{asked:?}: {} where {least} was written", best(&reply));
            }
        }
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        let of_vectors = scope.spawn(|| write_rounds(&vectors, &|i| vec![format!("VECSET v {i}")]));
        let of_events = scope.spawn(|| {
            write_rounds(&events, &|i| vec![format!("EVENT c{i} ADD a 10"), format!("EVENT c{i} ADD b 10")]);
        });
        for _ in 0..50 {
            backend.answer(&ask("COLLECTION CREATE other"));
            backend.answer(&ask("COLLECTION DROP other"));
            backend.answer(&ask("CACHE CLEAR"));
        }
        let written = [of_vectors.join(), of_events.join()];
        done.store(true, Ordering::Release);
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()) && written.iter().all(Result::is_ok));
    });
    for _ in 0..2 {
        assert_eq!(best(&backend.answer(&ask("SIMV 1 1"))), ROUNDS as f64);
        assert_eq!(best(&backend.answer(&ask("SIM a 1 using=events"))), ROUNDS as f64 * 100.0);
    }
    assert!(side.stat("cache_hits") >= 2);
}
