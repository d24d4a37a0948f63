//! INFO and CHECK.

use crate::running::{NOW_US, Running, config, fill, run};
use cairn_disk::RealDisk;
use cairn_engine::{Engine, ManualClock, Options};
use cairn_server::{Config, Counters, Dialect, EngineBackend, Interpreter, Rules};
use std::sync::Arc;

#[test]
fn info_has_every_key_of_the_contract() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let _ = client.request("NONSENSE").await.unwrap();
        let info = client.info().await.unwrap();
        assert_eq!(info.head, "OK INFO");
        let sections: Vec<&str> = info.lines.iter().filter_map(|line| line.strip_prefix("# ")).collect();
        assert_eq!(sections, ["Server", "Stats", "Memory", "Cache", "Data", "Persistence"]);
        for (key, number) in [
            ("uptime_seconds", 0),
            ("total_commands_processed", 62),
            ("failed_commands", 1),
            ("total_connections_received", 1),
            ("active_connections", 1),
            ("event_commands", 20),
            ("sim_commands", 0),
            ("vecset_commands", 20),
            ("cache_entries", 0),
            ("cache_hits", 0),
            ("cache_misses", 0),
            ("id_count", 20),
            ("ctx_count", 4),
            ("vector_count", 20),
            ("event_count", 20),
            ("derived_discarded", 0),
        ] {
            assert_eq!(info.number(key), Some(number), "{key}");
        }
        for key in ["version", "used_memory_bytes", "used_memory_human", "memory_health", "cache_hit_rate"] {
            assert!(info.get(key).is_some(), "{key}");
        }
        assert_eq!(info.number("lsn"), info.number("durable_lsn"));
        assert!(info.number("lsn") >= Some(60));
        assert_eq!((info.get("loading"), info.get("poisoned")), (Some("none"), Some("none")));
        assert_eq!(info.get("last_snapshot"), Some("none"));
        server.stop().await;
    });
}

#[test]
fn check_says_which_state_it_is() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let empty = client.check().await.unwrap();
        assert_eq!(empty.head, "OK CHECK");
        fill(&mut client).await;
        let full = client.check().await.unwrap();
        assert_eq!(full.get("timeline"), empty.get("timeline"));
        assert_ne!(full.get("state_hash"), empty.get("state_hash"));
        assert_eq!(full.get("state_hash").unwrap().len(), 64);
        assert_eq!(full.number("lsn"), client.info().await.unwrap().number("lsn"));
        let counts = ["vectors", "metadata", "contexts", "events"].map(|key| full.number(key).unwrap());
        assert_eq!(counts, [20, 20, 4, 20]);
        server.stop().await;
    });
}

#[test]
fn memory_is_what_the_kernel_says() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().join("db"), ..config() };
    let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
    let disk = Arc::new(RealDisk::new());
    let engine = Engine::open(Arc::clone(&disk) as _, &config.data_dir, options).unwrap().0;
    let counters = Arc::new(Counters::default());
    let backend = EngineBackend::new(&config, engine, disk, Arc::clone(&counters));
    let rules = Rules { dialect: Dialect::Nvecd, ..Rules::default() };
    let mut out = Vec::new();
    Interpreter::new(Arc::new(rules), counters).handle(b"INFO\r\n", &backend, &mut out);
    let text = String::from_utf8(out).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(": ").to_owned()
    };
    assert!(value("used_memory_bytes").parse::<u64>().unwrap() > 1 << 20);
    assert!(value("system_memory_bytes").parse::<u64>().unwrap() > 1 << 27);
    assert!(["HEALTHY", "WARNING", "CRITICAL"].contains(&value("memory_health").as_str()));
    assert_eq!(value("version"), "0.1.0");
    assert!(value("used_memory_human").ends_with(" MB"));
}
