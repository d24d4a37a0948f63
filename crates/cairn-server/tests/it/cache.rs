//! The query cache: when an answer comes from it, when it no longer does, and its commands.

use crate::past::{Past, SECOND};
use crate::running::{NOW_US, config};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Clock, Engine, Options};
use cairn_server::{
    Backend, CacheConfig, Command, Config, Counters, Dialect, EngineBackend, Interpreter, Live, Reply, Rules,
    parse,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A configuration whose cache keeps every answer.
pub fn caching() -> Config {
    let cache = CacheConfig { query_cost_ms_min: 0.0, ..CacheConfig::default() };
    Config { cache, ..config() }
}

fn with(change: impl FnOnce(&mut CacheConfig)) -> Past {
    let mut config = caching();
    change(&mut config.cache);
    Past::with(config, Dialect::Documented)
}

/// Three items with vectors, metadata and events.
fn filled(mut past: Past) -> Past {
    for line in [
        "VECSET a 1 0",
        "VECSET b 0.8 0.6",
        "VECSET c 0 1",
        "METASET b n:1",
        "METASET c n:2",
        "EVENT u ADD a 100",
        "EVENT u ADD b 50",
        "EVENT u ADD c 10",
    ] {
        assert!(past.raw(line).starts_with("OK "), "{line}");
    }
    past
}

fn number(past: &mut Past, key: &str) -> f64 {
    past.block("CACHE STATS")[key].parse().unwrap()
}

/// Whether a search is answered from the cache.
fn is_hit(past: &mut Past, search: &str) -> bool {
    let before = number(past, "cache_hits");
    assert!(past.raw(search).starts_with("OK RESULTS "), "{search}");
    number(past, "cache_hits") > before
}

const SEARCHES: [&str; 8] = [
    "SIM a 5 using=events",
    "SIM a 5 using=events filter=n>0",
    "SIM a 5 using=vectors",
    "SIM a 5 using=vectors filter=n>0",
    "SIM a 5",
    "SIM a 5 filter=n>0",
    "SIMV 5 1 0",
    "SIMV 5 filter=n>0 1 0",
];

#[test]
fn a_search_asked_again_is_answered_from_the_cache_in_the_same_bytes() {
    for dialect in [Dialect::Documented, Dialect::Nvecd] {
        let mut past = filled(Past::with(caching(), dialect));
        for search in SEARCHES {
            let first = past.raw(search);
            assert!(is_hit(&mut past, search), "{search}");
            assert_eq!(past.raw(search), first, "{search}");
        }
        assert_eq!(number(&mut past, "cache_entries"), 8.0);
    }
}

#[test]
fn what_a_search_asks_is_told_apart_in_every_part() {
    let searches = [
        "SIM a 5",
        "SIM b 5",
        "SIM a 4",
        "SIM a 5 using=events",
        "SIM a 5 using=vectors",
        "SIM a 5 filter=n:1",
        "SIM a 5 filter=n:2",
        "SIM a 5 filter=n!=1",
        "SIM a 5 filter=n:\"1\"",
        "SIM a 5 filter=n=in(1|2)",
        "SIM a 5 min_score=0.5",
        "SIM a 5 min_score=0.25",
        "SIM a 5 adaptive=on",
        "SIM a 5 adaptive=off",
        "SIM a 5 ef=7",
        "SIM a 5 exact=on",
        "SIM a 5 offset=1",
        "SIMV 5 1 0",
        "SIMV 5 0 1",
        "SIMV 5 1 1e-45",
        "SIMV 4 1 0",
        "SIMV 5 offset=1 1 0",
    ];
    let mut past = filled(with(|_| {}));
    let mut plain = filled(with(|cache| cache.enabled = false));
    for round in 0..2 {
        for search in searches {
            assert_eq!(is_hit(&mut past, search), round == 1, "{search}");
            assert_eq!(past.raw(search), plain.raw(search), "{search}");
        }
    }
    assert_eq!(number(&mut past, "cache_entries"), searches.len() as f64);
}

/// Which of [`SEARCHES`] are still answered from the cache after a line.
fn kept_after(line: &str) -> Vec<&'static str> {
    let mut past = filled(with(|_| {}));
    SEARCHES.iter().for_each(|search| drop(past.raw(search)));
    assert!(past.raw(line).starts_with("OK "), "{line}");
    SEARCHES.into_iter().filter(|search| is_hit(&mut past, search)).collect()
}

#[test]
fn a_write_ends_the_answers_that_read_what_it_changes_and_no_others() {
    let by_vectors = &SEARCHES[2..4];
    let near = &SEARCHES[6..8];
    assert_eq!(kept_after("EVENT v ADD a 1"), [by_vectors, near].concat());
    assert_eq!(kept_after("EVENT u ADD c 10"), SEARCHES, "a duplicate changes nothing");
    assert_eq!(kept_after("VECSET d 1 1"), SEARCHES[..2]);
    let unfiltered: Vec<&str> = SEARCHES.into_iter().filter(|search| !search.contains("filter")).collect();
    assert_eq!(kept_after("METASET c n:3"), unfiltered);
    assert_eq!(kept_after("VECDEL c"), SEARCHES[..1], "metadata go with the vector");
    assert!(kept_after("COLLECTION CONFIGURE default index=graph").is_empty());
    assert_eq!(kept_after("COLLECTION CREATE other"), SEARCHES);
    assert_eq!(kept_after("STORAGE COMPACT aggressive=on"), SEARCHES, "another layout is the same content");
    assert_eq!(kept_after("SNAPSHOT CREATE"), SEARCHES);
}

#[test]
fn fused_answers_end_when_their_weights_are_set_and_others_do_not() {
    let Past { disk, clock, backend, interpreter } = filled(with(|_| {}));
    let backend = backend.with_live(Arc::new(Live::new(caching()).unwrap()));
    let mut past = Past { disk, clock, backend, interpreter };
    // c is the nearer by events, b by vectors.
    past.raw("EVENT w ADD a 100\nEVENT w ADD c 100");
    let before: Vec<String> = SEARCHES.iter().map(|search| past.raw(search)).collect();
    assert_eq!(past.raw("SET performance.max_connections 77"), "+OK\r\n");
    assert!(SEARCHES.iter().all(|search| is_hit(&mut past, search)), "not what they read");
    assert_eq!(past.raw("SET similarity.fusion_alpha 0.1"), "+OK\r\n");
    let kept: Vec<bool> = SEARCHES.iter().map(|search| is_hit(&mut past, search)).collect();
    assert_eq!(kept, SEARCHES.map(|search| search.contains("using=") || search.starts_with("SIMV")));
    assert_ne!(past.raw("SIM a 5"), before[4]);
}

#[test]
fn decay_ends_the_answers_of_events() {
    let mut config = caching();
    config.decay.interval_sec = 60;
    let mut past = filled(Past::with(config, Dialect::Documented));
    assert_eq!(past.raw("SIM a 1 using=events"), "OK RESULTS 1\r\nb 5000.0000\r\n");
    assert!(is_hit(&mut past, "SIM a 1 using=events") && !is_hit(&mut past, "SIMV 5 1 0"));
    past.clock.advance(61 * SECOND);
    // The timer's turn comes after the next write.
    past.raw("VECDEL nothing");
    past.raw("CHECK");
    assert_eq!(past.raw("SIM a 1 using=events"), "OK RESULTS 1\r\nb 4950.0000\r\n");
    assert!(is_hit(&mut past, "SIMV 5 1 0"), "decay is of events");
}

#[test]
fn a_collection_dropped_and_made_again_has_none_of_its_answers() {
    let mut past = with(|_| {});
    for made in ["1 0", "0 1"] {
        past.block("COLLECTION CREATE books");
        past.raw("USE books");
        past.raw(&format!("VECSET a {made}"));
        let score = if made == "1 0" { "1.0000" } else { "0.0000" };
        for _ in 0..2 {
            assert_eq!(past.raw("SIMV 5 1 0"), format!("OK RESULTS 1\r\na {score}\r\n"));
        }
        past.block("COLLECTION DROP books");
        assert!(past.refused("SIMV 5 1 0").starts_with("Collection not found: books"));
    }
}

#[test]
fn an_alias_or_name_that_means_another_collection_has_its_answers() {
    let mut past = with(|_| {});
    for (name, vector) in [("one", "1 0"), ("two", "0 1")] {
        past.block(&format!("COLLECTION CREATE {name}"));
        past.raw(&format!("USE {name}"));
        past.raw(&format!("VECSET {name} {vector}"));
    }
    past.block("COLLECTION ALIAS live one");
    past.raw("USE live");
    for _ in 0..2 {
        assert_eq!(past.raw("SIMV 5 1 0"), "OK RESULTS 1\r\none 1.0000\r\n");
    }
    past.block("COLLECTION ALIAS live two");
    assert_eq!(past.raw("SIMV 5 1 0"), "OK RESULTS 1\r\ntwo 0.0000\r\n");
    past.raw("USE one");
    assert_eq!(past.raw("SIMV 5 1 0"), "OK RESULTS 1\r\none 1.0000\r\n");
    past.block("COLLECTION RENAME one three");
    past.block("COLLECTION RENAME two one");
    assert_eq!(past.raw("SIMV 5 1 0"), "OK RESULTS 1\r\ntwo 0.0000\r\n");
}

#[test]
fn a_restored_loaded_or_promoted_state_has_its_own_answers() {
    let mut past = filled(with(|_| {}));
    let early = past.raw("SIMV 5 1 0");
    past.block("SNAPSHOT CREATE name=early");
    past.block("DUMP SAVE early.nvec");
    let lsn = past.block("INFO")["lsn"].clone();
    let late = |past: &mut Past| {
        past.raw("VECSET late 1 0");
        let late = past.raw("SIMV 5 1 0");
        assert_ne!(late, early);
        assert!(is_hit(past, "SIMV 5 1 0"));
    };
    late(&mut past);
    let branch = past.block(&format!("TIMELINE RECOVER {lsn}"))["timeline"].clone();
    for back in ["SNAPSHOT RESTORE early", "DUMP LOAD early.nvec", &format!("TIMELINE PROMOTE {branch}")] {
        late(&mut past);
        past.block(back);
        assert_eq!(past.raw("SIMV 5 1 0"), early, "{back}");
    }
}

#[test]
fn errors_are_not_kept_and_are_those_of_the_engine() {
    let mut past = filled(with(|_| {}));
    for _ in 0..2 {
        assert_eq!(past.refused("SIM d 5 using=events"), "Query vector not found: d");
        assert_eq!(past.refused("SIMV 5 1"), "Query vector dimension mismatch: expected 2, got 1");
        assert!(past.refused("SIMV 5 offset=1000000 1 0").starts_with("offset 1000000 exceeds"));
    }
    assert_eq!(number(&mut past, "cache_entries"), 0.0);
    past.raw("EVENT u ADD d 10");
    assert!(past.raw("SIM d 5 using=events").starts_with("OK RESULTS 3"));
}

#[test]
fn an_answer_is_given_for_as_long_as_the_ttl_and_no_longer() {
    let mut past = filled(with(|cache| cache.ttl_seconds = 60));
    past.raw("SIM a 5");
    past.clock.advance(60 * SECOND - 1);
    assert!(is_hit(&mut past, "SIM a 5"));
    past.clock.advance(1);
    assert!(!is_hit(&mut past, "SIM a 5"));
    assert_eq!(number(&mut past, "ttl_expirations"), 1.0);
    assert!(is_hit(&mut past, "SIM a 5"), "kept anew");
    let mut past = filled(with(|cache| cache.ttl_seconds = 0));
    past.raw("SIM a 5");
    past.clock.advance(100 * 365 * 86_400 * SECOND);
    assert!(is_hit(&mut past, "SIM a 5"));
}

/// `n` collections' worth of different searches, each a few KiB of key.
fn large(i: usize) -> String {
    let floats = vec!["1"; 10_000].join(" ");
    format!("SIMV {} {floats}", i + 1)
}

#[test]
fn memory_stays_within_its_bound_and_the_longest_unused_give_way() {
    let mut past = with(|cache| {
        cache.memory_mb_max = 1;
        cache.eviction_batch = 3;
    });
    // 40 kB of key each: 26 fit.
    for i in 0..26 {
        past.raw(&large(i));
    }
    assert_eq!((number(&mut past, "cache_entries"), number(&mut past, "evictions")), (26.0, 0.0));
    assert!(is_hit(&mut past, &large(0)), "used again: not the longest unused");
    past.raw(&large(26));
    assert_eq!((number(&mut past, "cache_entries"), number(&mut past, "evictions")), (24.0, 3.0));
    let bytes = number(&mut past, "cache_memory_bytes");
    assert!(bytes > 24.0 * 40_000.0 && bytes <= f64::from(1 << 20), "{bytes}");
    assert!(is_hit(&mut past, &large(0)) && is_hit(&mut past, &large(4)) && !is_hit(&mut past, &large(1)));
}

#[test]
fn an_answer_larger_than_the_cache_is_not_kept() {
    let mut past = filled(with(|cache| cache.memory_mb_max = 0));
    assert!(!is_hit(&mut past, "SIM a 5") && !is_hit(&mut past, "SIM a 5"));
    assert_eq!((number(&mut past, "cache_entries"), number(&mut past, "evictions")), (0.0, 0.0));
}

#[test]
fn large_answers_are_compressed_and_the_same() {
    let sized = |compression: bool| {
        let mut past = with(|cache| cache.compression = compression);
        for i in 0..900 {
            past.raw(&format!("VECSET an-item-with-a-long-name-{i} 1 {i}"));
        }
        let first = past.raw("SIMV 900 1 0");
        assert!(is_hit(&mut past, "SIMV 900 1 0"));
        assert_eq!(past.raw("SIMV 900 1 0"), first);
        (first, number(&mut past, "cache_memory_bytes"))
    };
    let ((plain, plain_bytes), (compressed, compressed_bytes)) = (sized(false), sized(true));
    assert_eq!(plain, compressed);
    assert!(compressed_bytes < plain_bytes / 2.0, "{compressed_bytes} of {plain_bytes}");
}

#[test]
fn clear_forgets_all_and_disable_uses_none() {
    let mut past = filled(with(|_| {}));
    past.raw("SIM a 5");
    assert_eq!(past.raw("cache clear"), "OK CACHE_CLEARED\r\n");
    assert_eq!((number(&mut past, "cache_entries"), number(&mut past, "cache_memory_bytes")), (0.0, 0.0));
    assert!(!is_hit(&mut past, "SIM a 5") && is_hit(&mut past, "SIM a 5"));
    assert_eq!(past.raw("CACHE DISABLE"), "OK CACHE_DISABLED\r\n");
    let queries = number(&mut past, "total_queries");
    assert!(!is_hit(&mut past, "SIM a 5") && !is_hit(&mut past, "SIM b 5"));
    assert_eq!(number(&mut past, "total_queries"), queries);
    assert_eq!(past.block("CACHE STATS")["cache_enabled"], "false");
    past.raw("VECSET late 1 0");
    assert_eq!(past.raw("CACHE ENABLE"), "OK CACHE_ENABLED\r\n");
    assert!(!is_hit(&mut past, "SIM a 5"), "what changed meanwhile is seen");
    assert!(past.raw("SIM a 5").contains("late"));
}

#[test]
fn wrong_cache_lines_say_what_is_right() {
    let mut past = with(|_| {});
    for (line, message) in [
        ("CACHE", "CACHE requires subcommand: STATS|CLEAR|ENABLE|DISABLE"),
        ("CACHE FOO", "Unknown CACHE subcommand: FOO"),
        ("CACHE CLEAR now", "CACHE CLEAR takes no arguments"),
    ] {
        assert_eq!(past.refused(line), message, "{line}");
    }
}

#[test]
fn stats_and_info_have_every_key_of_the_contract_and_add_up() {
    let mut past = filled(with(|_| {}));
    for _ in 0..3 {
        past.raw("SIM a 5");
    }
    past.raw("VECSET d 1 1");
    past.raw("SIM a 5");
    let stats = past.block("CACHE STATS");
    assert_eq!(stats[""], "OK CACHE_STATS");
    for (key, value) in [
        ("cache_enabled", "true"),
        ("cache_entries", "1"),
        ("current_memory_mb", "0.00"),
        ("max_memory_mb", "32"),
        ("min_query_cost_ms", "0"),
        ("ttl_seconds", "3600"),
        ("compression_enabled", "true"),
        ("eviction_batch_size", "10"),
        ("total_queries", "4"),
        ("cache_hits", "2"),
        ("cache_misses", "2"),
        ("cache_misses_invalidated", "1"),
        ("cache_misses_not_found", "1"),
        ("cache_hit_rate", "0.5000"),
        ("evictions", "0"),
        ("ttl_expirations", "0"),
        ("avg_hit_latency_ms", "0.0000"),
        ("avg_miss_latency_ms", "0.0000"),
        ("total_time_saved_ms", "0.000"),
    ] {
        assert_eq!(stats[key], value, "{key}");
    }
    let bytes: u64 = stats["cache_memory_bytes"].parse().unwrap();
    assert!((200..1000).contains(&bytes), "{bytes}");
    let info = past.block("INFO");
    for (key, value) in
        [("cache_entries", "1"), ("cache_hits", "2"), ("cache_misses", "2"), ("cache_hit_rate", "0.5000")]
    {
        assert_eq!(info[key], value, "{key}");
    }
}

/// A clock that goes on by so much each time it is asked.
struct Ticking(AtomicI64, AtomicI64);

impl Clock for Ticking {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(self.1.load(Ordering::Relaxed), Ordering::Relaxed)
    }
}

#[test]
fn only_what_took_long_is_kept_and_the_time_is_told() {
    let clock = Arc::new(Ticking(AtomicI64::new(NOW_US), AtomicI64::new(9_999)));
    let config = config();
    let disk = SimDisk::new(1);
    let storage: Arc<dyn Storage> = Arc::new(disk);
    let options = Options { clock: Arc::clone(&clock) as _, ..config.engine_options() };
    let engine = Engine::open(Arc::clone(&storage), &config.data_dir, options).unwrap().0;
    let counters = Arc::new(Counters::default());
    let backend = EngineBackend::new(&config, engine, storage, Arc::clone(&counters));
    let mut interpreter = Interpreter::new(Arc::new(Rules::default()), counters);
    let mut ask = |line: &str| {
        let mut out = Vec::new();
        interpreter.handle(line.as_bytes(), &backend, &mut out);
        String::from_utf8(out).unwrap()
    };
    ask("VECSET a 1 0\n");
    ask("SIMV 1 1 0\n");
    assert!(ask("CACHE STATS\n").contains("\r\ncache_entries: 0\r\n"), "9.999 ms is less than 10");
    clock.1.store(20_000, Ordering::Relaxed);
    ask("SIMV 1 1 0\n");
    clock.1.store(1_000, Ordering::Relaxed);
    ask("SIMV 1 1 0\n");
    let stats = ask("CACHE STATS\n");
    for line in [
        "min_query_cost_ms: 10",
        "cache_entries: 1",
        "cache_hits: 1",
        "avg_hit_latency_ms: 1.0000",
        // (9.999 + 20) / 2
        "avg_miss_latency_ms: 14.9995",
        "total_time_saved_ms: 19.000",
    ] {
        assert!(stats.contains(&format!("\r\n{line}\r\n")), "{line}: {stats}");
    }
}

#[test]
fn a_kept_answer_is_ready_and_any_other_is_not() {
    let mut past = filled(with(|_| {}));
    let rules = Rules::default();
    let ready = |past: &Past, line: &str| match parse(line, &rules.limits).unwrap() {
        Command::Ask(ask) => past.backend.ready(&ask),
        _ => panic!("{line} is no question"),
    };
    assert_eq!(ready(&past, "SIMV 1 1 0"), None);
    past.raw("SIMV 1 1 0");
    assert!(matches!(ready(&past, "SIMV 1 1 0"), Some(Reply::Results(hits)) if hits[0].id == "a"));
    assert_eq!(ready(&past, "SIMV 2 1 0"), None);
    assert_eq!(ready(&past, "INFO"), None);
    past.raw("VECSET b 1 1");
    assert_eq!(ready(&past, "SIMV 1 1 0"), None);
    assert_eq!(number(&mut past, "total_queries"), 2.0, "only what is answered counts");
}

#[test]
fn the_keys_of_a_file_set_the_cache_up() {
    let text = "cache:\n  enabled: false\n  max_memory_mb: 7\n  min_query_cost_ms: 0.5\n  ttl_seconds: 9\n  \
                compression_enabled: false\n  eviction_batch_size: 3\n";
    let (config, notices) = Config::parse(text, "test.yaml").unwrap();
    let expected = CacheConfig {
        enabled: false,
        memory_mb_max: 7,
        query_cost_ms_min: 0.5,
        ttl_seconds: 9,
        compression: false,
        eviction_batch: 3,
    };
    assert_eq!(config.cache, expected);
    assert!(notices.is_empty());
    let error = Config::parse("cache:\n  eviction_batch_size: 0\n", "test.yaml").unwrap_err().to_string();
    assert!(error.contains("cache.eviction_batch_size"), "{error}");
}
