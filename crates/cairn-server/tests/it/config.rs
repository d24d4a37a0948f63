//! YAML → configuration.

use cairn_engine::{IndexKind, Metric, SyncMode};
use cairn_server::Dialect;
use cairn_server::config::{Config, Notice, keys};
use std::path::Path;
use std::time::Duration;

fn ok(text: &str) -> (Config, Vec<Notice>) {
    Config::parse(text, "c.yaml").unwrap_or_else(|e| panic!("{e}"))
}

fn refused(text: &str) -> String {
    Config::parse(text, "c.yaml").expect_err(text).to_string()
}

/// Every key that line-protocol clients' configuration files use, each with a value that is not its default.
const NVECD: &str = include_str!("nvecd.yaml");

#[test]
fn an_empty_file_is_the_defaults() {
    for text in ["", "# nothing\n", "events:\nvectors:\n", "logging:\n  file:\n"] {
        let (config, notices) = ok(text);
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        assert!(notices.is_empty());
    }
}

#[test]
fn a_file_of_nvecd_loads() {
    let (config, notices) = ok(NVECD);
    let s = &config.settings;
    assert_eq!((s.ctx_buffer_size, s.dedup_window_sec, s.dedup_cache_size), (100, 30, 5000));
    assert_eq!((s.max_contexts, s.max_neighbors_per_item, s.min_support), (500_000, 200, 0.5));
    assert!(s.temporal_cooccurrence && s.negative_signals);
    assert_eq!((s.temporal_half_life_sec, s.negative_weight), (3600.0, 0.25));
    assert_eq!((s.dimension, s.metric), (384, Metric::Dot));
    assert_eq!((config.decay.interval_sec, config.decay.alpha), (1800, 0.95));
    assert_eq!((config.limits.top_k, config.fusion.alpha, config.fusion.beta), (500, 0.7, 0.3));
    assert!(config.fusion.adaptive);
    assert_eq!(config.fusion.adaptive_maturity_threshold, 20);
    assert_eq!(config.snapshot.dir, Path::new("/var/lib/nvecd/snapshots"));
    assert_eq!(config.snapshot.repository_dir(), Path::new("/var/lib/nvecd/snapshots/repository"));
    assert_eq!(config.snapshot.default_filename.as_deref(), Some("nvecd.snapshot"));
    assert_eq!((config.connections_max, config.search_threads), (500, 4));
    assert_eq!(config.idle_timeout, Duration::from_secs(60));
    assert_eq!((config.tcp.host.as_str(), config.tcp.port), ("127.0.0.1", 12345));
    assert_eq!(config.allow.len(), 2);
    assert_eq!((config.logging.level.as_str(), config.logging.json), ("debug", true));
    let wal = config.wal.as_ref().unwrap();
    assert_eq!((wal.enabled, wal.dir.as_deref()), (true, Some(Path::new("/var/lib/nvecd/wal"))));
    assert_eq!((wal.segment_bytes, wal.include_vectors), (128 << 20, true));
    assert_eq!(wal.sync, SyncMode::Periodic { interval_us: 100_000 });
    let default = &config.default_spec;
    assert_eq!((default.index, default.m), (Some(IndexKind::Graph), Some(32)));
    assert_eq!((default.ef_construction, default.ef_search), (Some(400), Some(100)));
    assert_eq!(default.notes, ["index hnsw is served by the graph"]);
    let inert: Vec<&str> = notices.iter().map(|notice| notice.key).collect();
    assert!(!inert.contains(&"api.http.enable"));
    let rate = &config.rate;
    assert_eq!((rate.enabled, rate.capacity, rate.refill_per_s, rate.clients_max), (true, 50, 5, 1000));
    assert!(!config.security.has_password());
    assert_eq!((config.connections_per_ip_max, config.line_bytes_max), (50, 1 << 20));
    assert_eq!((config.read_bytes, config.write_bytes, config.buffered_bytes_max), (4096, 65_536, 256 << 20));
    assert_eq!((config.stop_timeout, &config.unix.path), (Duration::from_secs(5), &None));
    assert!(!inert.contains(&"events.ctx_buffer_size"));
    let first = notices[0].to_string();
    assert!(first.starts_with("c.yaml:") && first.contains(" has no effect: "), "{first}");
}

#[test]
fn every_key_has_its_line_in_the_test_file_or_is_ours() {
    let ours = [
        "data.",
        "limits.",
        "archive.",
        "api.tcp.dialect",
        "performance.background_write_rate",
        "api.tcp.tls",
        "api.http.tls",
        "tls.",
        "snapshot.allowed_dirs",
        "snapshot.repository",
        "snapshot.schedule",
        "wal.sync_mode",
        "wal.flush_interval",
        "wal.retention",
        "security.requirepass_file",
        "security.tokens",
        "api.unix_socket.mode",
        "performance.request_timeout_sec",
        "security.auth_failures_per_minute",
    ];
    let notices = ok(NVECD).1;
    for key in keys().filter(|key| !ours.iter().any(|mine| key.name.starts_with(mine))) {
        let last = key.name.rsplit('.').next().unwrap();
        assert!(NVECD.contains(&format!("{last}:")), "{} is not in nvecd.yaml", key.name);
        let noticed = notices.iter().any(|notice| notice.key == key.name);
        assert_eq!(noticed, key.inert().is_some(), "{}", key.name);
    }
}

#[test]
fn our_own_keys() {
    let (config, notices) = ok("data: {dir: /d}\napi: {tcp: {dialect: nvecd, port: 0}}\n\
         snapshot: {allowed_dirs: [/backup, /other], repository: /r}\n\
         limits: {line_bytes: 2048, id_bytes: 10, metadata_bytes: 20, dimension: 30}\n");
    assert!(notices.is_empty());
    assert_eq!((config.data_dir.as_path(), config.dialect), (Path::new("/d"), Dialect::Nvecd));
    assert_eq!(config.snapshot.allowed_dirs, [Path::new("/backup"), Path::new("/other")]);
    assert_eq!(config.snapshot.repository_dir(), Path::new("/r"));
    assert_eq!((config.line_bytes_max, config.limits.id_bytes), (2048, 10));
    assert_eq!((config.limits.metadata_bytes, config.limits.dimension, config.tcp.port), (20, 30, 0));
}

#[test]
fn an_unknown_key_names_the_nearest_known_one_and_its_line() {
    for (text, message) in [
        (
            "events:\n  ctx_bufer_size: 5\n",
            "c.yaml:2: unknown key events.ctx_bufer_size; did you mean events.ctx_buffer_size?",
        ),
        ("evnts:\n  x: 5\n", "c.yaml:1: unknown key evnts; did you mean events?"),
        (
            "max_connections: 5\n",
            "c.yaml:1: unknown key max_connections; did you mean performance.max_connections?",
        ),
        (
            "similarity:\n  max_connections: 5\n",
            "c.yaml:2: unknown key similarity.max_connections; did you mean performance.max_connections?",
        ),
        ("api:\n  tcp:\n    prot: 5\n", "c.yaml:3: unknown key api.tcp.prot; did you mean api.tcp.port?"),
        ("zzzzzzzzzzzzzzzz: 5\n", "c.yaml:1: unknown key zzzzzzzzzzzzzzzz"),
    ] {
        assert_eq!(refused(text), message);
    }
}

#[test]
fn a_value_of_the_wrong_kind_says_what_was_expected() {
    for (text, message) in [
        (
            "api: {tcp: {port: 70000}}",
            "c.yaml:1: api.tcp.port: expected a whole number in range [0, 65535], got 70000",
        ),
        (
            "api: {tcp: {port: http}}",
            "c.yaml:1: api.tcp.port: expected a whole number in range [0, 65535], got \"http\"",
        ),
        (
            "api: {tcp: {port: -1}}",
            "c.yaml:1: api.tcp.port: expected a whole number in range [0, 65535], got -1",
        ),
        (
            "events: {decay_alpha: 1.5}",
            "c.yaml:1: events.decay_alpha: expected a number above 0, at most 1, got 1.5",
        ),
        (
            "events: {min_support: -1}",
            "c.yaml:1: events.min_support: expected a number of at least 0, got -1",
        ),
        (
            "events: {temporal_half_life_sec: 0}",
            "c.yaml:1: events.temporal_half_life_sec: expected a number above 0, got 0",
        ),
        (
            "events: {negative_signals: maybe}",
            "c.yaml:1: events.negative_signals: expected true or false, got \"maybe\"",
        ),
        (
            "vectors: {distance_metric: cosin}",
            "c.yaml:1: vectors.distance_metric: expected one of cosine, dot, l2, got \"cosin\"",
        ),
        ("events: 5", "c.yaml:1: events: expected a section of keys, got 5"),
        ("[1, 2]", "c.yaml:1: the file: expected a section of keys, got [1, 2]"),
        (
            "snapshot: {allowed_dirs: /x}",
            "c.yaml:1: snapshot.allowed_dirs: expected a list of texts, got \"/x\"",
        ),
        (
            "network: {allow_cidrs: [127.0.0.1/32, here]}",
            "c.yaml:1: network.allow_cidrs: expected a list of address ranges like 192.168.1.0/24, got [\"127.0.0.1/32\", \"here\"]",
        ),
        ("api: {http: {enable: 3}}", "c.yaml:1: api.http.enable: expected true or false, got 3"),
    ] {
        assert_eq!(refused(text), message);
    }
}

#[test]
fn all_problems_are_found_at_once() {
    let message = refused("events:\n  foo_bar_baz: 1\n  ctx_buffer_size: 0\nlogging:\n  level: loud\n");
    let places: Vec<&str> = message.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["c.yaml:2", "c.yaml:3", "c.yaml:5"]);
}

#[test]
fn broken_yaml_names_its_line() {
    assert_eq!(refused("events:\n  a: [1\n").split(": ").next(), Some("c.yaml:2"));
    let twice = refused("events:\n  decay_alpha: 0.5\n  decay_alpha: 0.6\n");
    assert_eq!(twice, "c.yaml:3: not valid YAML: duplicate mapping key: decay_alpha");
}

#[test]
fn a_password_of_digits_is_text_as_written() {
    let (config, notices) = ok("security:\n  requirepass: 0123\n");
    assert!(notices.is_empty());
    assert_eq!(config.security.requirepass.unwrap().reveal(), "0123");
    let (config, _) = ok("snapshot:\n  default_filename: 0123\n");
    assert_eq!(config.snapshot.default_filename.as_deref(), Some("0123"));
}

#[test]
fn an_empty_allow_list_allows_nobody() {
    assert!(ok("network: {allow_cidrs: []}").0.allow.is_empty());
}

#[test]
fn buffers_of_no_size_have_the_default_one() {
    let (config, _) = ok("performance: {recv_buffer_size: 0, send_buffer_size: 0}");
    let default = Config::default();
    assert_eq!((config.read_bytes, config.write_bytes), (default.read_bytes, default.write_bytes));
    assert_eq!(ok("performance: {recv_buffer_size: 1}").0.read_bytes, 64);
}

#[test]
fn the_mode_of_the_socket_is_octal() {
    assert_eq!(ok("api: {unix_socket: {path: /s, mode: 0660}}").0.unix.mode, 0o660);
    for wrong in ["0999", "1777", "rw"] {
        assert_eq!(
            refused(&format!("api: {{unix_socket: {{mode: \"{wrong}\"}}}}")),
            format!(
                "c.yaml:1: api.unix_socket.mode: expected permission bits in octal, as 0600, got \"{wrong}\""
            )
        );
    }
}

#[test]
fn no_decay_when_its_interval_is_zero() {
    assert!(ok("events: {decay_interval_sec: 0}").0.engine_options().decay.is_none());
    assert!(ok("").0.engine_options().decay.is_some());
}
