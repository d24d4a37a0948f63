//! SET, GET, SHOW VARIABLES, CONFIG, DEBUG and AUTH over a real socket.

use crate::running::{Running, config, refused, run};
use cairn_client::{Client, Reply};
use cairn_disk::Storage;
use cairn_server::{Config, Password};
use std::path::{Path, PathBuf};

async fn ok(client: &mut Client, line: &str) -> String {
    match client.request(line).await.unwrap() {
        Reply::Ok(text) => text.into_owned(),
        other => panic!("{line}: {other:?}"),
    }
}

async fn get(client: &mut Client, name: &str) -> String {
    match client.request(&format!("GET {name}")).await.unwrap() {
        Reply::Bulk(Some(value)) => value,
        other => panic!("{name}: {other:?}"),
    }
}

async fn array(client: &mut Client, line: &str) -> Vec<String> {
    match client.request(line).await.unwrap() {
        Reply::Array(values) => values,
        other => panic!("{line}: {other:?}"),
    }
}

async fn lines(client: &mut Client, line: &str) -> Vec<String> {
    match client.request(line).await.unwrap() {
        Reply::Block(block) => {
            assert_eq!(block.head, "+OK");
            block.lines
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_variable_that_is_set_has_effect_at_once() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        for line in ["VECSET a 1 0", "VECSET b 1 0.1", "VECSET c 0 1", "EVENT x ADD a 9", "EVENT x ADD c 9"] {
            ok(&mut client, line).await;
        }
        let first = |reply| match reply {
            Reply::Results(hits, _) => hits[0].id.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(first(client.request("SIM a 2").await.unwrap()), "b");
        assert_eq!(ok(&mut client, "SET similarity.fusion_alpha 0.1").await, "+OK");
        assert_eq!(get(&mut client, "similarity.fusion_alpha").await, "0.1");
        assert_eq!(first(client.request("SIM a 2").await.unwrap()), "c");
        server.stop().await;
    });
}

#[test]
fn connections_are_limited_by_the_number_of_now() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        ok(&mut client, "SET performance.max_connections 1").await;
        let error = server.client().await.info().await.unwrap_err();
        assert_eq!(error.refusal().unwrap().message, "Too many connections: the maximum is 1");
        ok(&mut client, "SET performance.max_connections 5").await;
        ok(&mut client, "SET performance.max_connections_per_ip 1").await;
        let error = server.client().await.info().await.unwrap_err();
        let message = &error.refusal().unwrap().message;
        assert!(message.starts_with("Too many connections from 127.0.0.1: the maximum is 1"), "{message}");
        ok(&mut client, "SET network.allow_cidrs [10.0.0.0/8]").await;
        let error = server.client().await.info().await.unwrap_err();
        assert!(error.refusal().unwrap().message.contains("is not allowed"));
        server.stop().await;
    });
}

#[test]
fn over_its_rate_a_client_is_told_when_to_try_again_and_stays_connected() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        ok(&mut client, "SET api.rate_limiting.capacity 2").await;
        ok(&mut client, "SET api.rate_limiting.refill_rate 1").await;
        ok(&mut client, "SET api.rate_limiting.enable true").await;
        let (mut taken, mut message) = (0, String::new());
        while message.is_empty() {
            match client.request("VECSET a 1").await.unwrap() {
                Reply::Error(refusal) => message = refusal.message,
                _ => taken += 1,
            }
            assert!(taken < 1000);
        }
        assert!(message.starts_with("Rate limit exceeded: try again in "), "{message}");
        // The connection lives on.
        assert!(client.request("INFO").await.is_ok());
        server.stop().await;
    });
}

#[test]
fn what_cannot_be_set_says_why() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        for (line, message) in [
            ("SET foo.bar 1", "Unknown variable: foo.bar"),
            ("GET foo.bar", "Unknown variable: foo.bar"),
            ("SET api.tcp.port 1", "Variable is immutable: api.tcp.port (change the file and restart)"),
            (
                "SET security.requirepass x",
                "Variable is immutable: security.requirepass (change the file and send SIGHUP)",
            ),
            // Nobody owns the log here.
            ("SET logging.level debug", "Variable is immutable: logging.level (change the file and restart)"),
            (
                "SET performance.max_connections none",
                "performance.max_connections: expected a whole number in range [1, 1048576], got none",
            ),
            (
                "SET network.allow_cidrs [x]",
                "network.allow_cidrs: expected a list of address ranges like 192.168.1.0/24, got [x]",
            ),
            ("SET x", "SET requires 2 arguments: <variable> <value>"),
            ("GET", "GET requires 1 argument: <variable>"),
            ("SHOW TABLES", "SHOW requires: VARIABLES [LIKE <pattern%>]"),
            ("CONFIG", "CONFIG requires subcommand: HELP|SHOW|VERIFY"),
            ("CONFIG FOO", "Unknown CONFIG subcommand: FOO"),
            ("CONFIG SHOW nothing", "Configuration path not found: nothing"),
            ("CONFIG HELP nothing", "Configuration path not found: nothing"),
            ("CONFIG VERIFY", "CONFIG VERIFY requires a filepath: the server was started without a file"),
            ("CONFIG VERIFY ../x", "Invalid filepath: path traversal detected"),
            ("DEBUG", "DEBUG requires 1 argument: ON|OFF"),
        ] {
            assert_eq!(refused(&mut client, line).await, message, "{line}");
        }
        server.stop().await;
    });
}

#[test]
fn show_variables_lists_those_like_a_pattern() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let all = array(&mut client, "SHOW VARIABLES").await;
        assert_eq!(all.len(), cairn_server::config::keys().count());
        assert!(all.contains(&"api.tcp.dialect=documented (immutable)".to_owned()));
        let some = array(&mut client, "SHOW VARIABLES LIKE 'similarity.fusion%'").await;
        assert_eq!(some, ["similarity.fusion_alpha=0.6 (mutable)", "similarity.fusion_beta=0.4 (mutable)"]);
        assert_eq!(array(&mut client, "SHOW VARIABLES LIKE similarity.fusion").await, some);
        let ends = array(&mut client, "show variables like %_alpha").await;
        assert!(ends.len() > 2 && ends.iter().all(|line| line.contains("_alpha=")), "{ends:?}");
        assert!(array(&mut client, "SHOW VARIABLES LIKE nothing%").await.is_empty());
        server.stop().await;
    });
}

#[test]
fn passwords_are_masked_wherever_the_configuration_is_shown() {
    run(async {
        let (mut config, _) = Config::parse(
            "security: {requirepass: hush, tokens: [{name: app, token: hush2, role: write}]}",
            "c.yaml",
        )
        .unwrap();
        config =
            Config { security: config.security.clone(), written: config.written.clone(), ..self::config() };
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        assert_eq!(ok(&mut client, "AUTH hush").await, "+OK");
        assert_eq!(get(&mut client, "security.requirepass").await, "********");
        assert_eq!(get(&mut client, "security.tokens").await, "[app (write)]");
        let all = [
            lines(&mut client, "CONFIG SHOW").await,
            lines(&mut client, "CONFIG SHOW security").await,
            array(&mut client, "SHOW VARIABLES").await,
        ]
        .concat();
        assert!(!all.iter().any(|line| line.contains("hush")), "{all:?}");
        server.stop().await;
    });
}

#[test]
fn help_is_there_for_every_key_and_section() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        for section in lines(&mut client, "CONFIG HELP").await {
            let name = section.split(':').next().unwrap().to_owned();
            assert!(!lines(&mut client, &format!("CONFIG HELP {name}")).await.is_empty());
        }
        for key in cairn_server::config::keys() {
            let help = lines(&mut client, &format!("CONFIG HELP {}", key.name)).await;
            assert_eq!(help[0], format!("name: {}", key.name));
            assert_eq!(help.len() == 6, key.inert().is_some(), "{help:?}");
        }
        let mode = lines(&mut client, "CONFIG HELP snapshot.mode").await;
        assert_eq!(mode[5], "has no effect: a snapshot neither forks nor blocks writes");
        server.stop().await;
    });
}

#[test]
fn verify_names_every_problem_of_a_file() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        server.disk.create_dir_all(Path::new("/snapshots")).unwrap();
        let put = |name: &str, text: &str| {
            let path = PathBuf::from("/snapshots").join(name);
            server.disk.create(&path).unwrap().append(text.as_bytes()).unwrap();
        };
        put("good.yaml", "api: {tcp: {bind: 0.0.0.0}}\nsnapshot: {mode: lock}\n");
        put("bad.yaml", "evnts: 1\nlogging: {level: loud}\nsecurity: {requirepass_file: /absent}\n");
        put("file.yaml", "security: {requirepass_file: /absent}\n");
        let good = lines(&mut client, "CONFIG VERIFY good.yaml").await;
        assert_eq!(good[0], "Configuration is valid");
        assert_eq!(good[1], "file: /snapshots/good.yaml");
        assert!(good[2].starts_with("note: ") && good[2].contains("snapshot.mode"), "{good:?}");
        assert!(good[3].starts_with("warning: listening on 0.0.0.0 without a password"), "{good:?}");
        let bad = refused(&mut client, "CONFIG VERIFY bad.yaml").await;
        assert!(bad.starts_with("Configuration validation failed: "), "{bad}");
        assert!(bad.contains("unknown key evnts") && bad.contains("logging.level: expected"), "{bad}");
        let absent = refused(&mut client, "CONFIG VERIFY file.yaml").await;
        assert!(absent.contains("security.requirepass_file: ") && absent.contains("/absent"), "{absent}");
        assert_eq!(
            refused(&mut client, "CONFIG VERIFY none.yaml").await,
            "File not found: /snapshots/none.yaml"
        );
        server.stop().await;
    });
}

#[test]
fn debug_lines_follow_the_results_of_its_connection() {
    run(async {
        let server = Running::start().await;
        let (mut client, mut other) = (server.client().await, server.client().await);
        ok(&mut client, "VECSET a 1 0").await;
        ok(&mut client, "VECSET b 1 1").await;
        assert_eq!(ok(&mut client, "DEBUG ON").await, "OK DEBUG_ON");
        for (line, mode) in
            [("SIM a 5 using=vectors", "vectors"), ("SIMV 5 1 0", "vectors"), ("SIM a 5", "fusion")]
        {
            let Reply::Results(hits, debug) = client.request(line).await.unwrap() else { panic!("{line}") };
            let keys: Vec<&str> = debug.iter().map(|line| line.split(':').next().unwrap()).collect();
            assert_eq!(keys, ["mode", "query_time_us", "candidates", "results"]);
            assert_eq!(debug[0], format!("mode: {mode}"));
            assert_eq!(debug[3], format!("results: {}", hits.len()));
        }
        assert_eq!(refused(&mut client, "SIM x 5").await, "Query vector not found: x");
        assert!(
            matches!(other.request("SIM a 5").await.unwrap(), Reply::Results(_, debug) if debug.is_empty())
        );
        assert_eq!(ok(&mut client, "DEBUG OFF").await, "OK DEBUG_OFF");
        assert!(
            matches!(client.request("SIM a 5").await.unwrap(), Reply::Results(_, debug) if debug.is_empty())
        );
        server.stop().await;
    });
}

#[test]
fn a_pipeline_goes_on_with_the_rights_that_auth_in_it_gave() {
    run(async {
        let mut config = config();
        config.security.requirepass = Some(Password::new("secret"));
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        let asked = ["VECSET a 1", "AUTH secret", "VECSET a 1", "CHECK"].map(str::to_owned);
        let replies = client.pipeline(&asked).await.unwrap();
        assert!(matches!(&replies[0], Reply::Error(refusal) if refusal.message.starts_with("NOAUTH")));
        assert!(matches!(&replies[1], Reply::Ok(ok) if ok == "+OK"));
        assert!(matches!(&replies[2], Reply::Ok(_)) && matches!(&replies[3], Reply::Block(_)));
        // Another connection has shown none.
        assert_eq!(refused(&mut server.client().await, "VECSET a 1").await, "NOAUTH Authentication required");
        server.stop().await;
    });
}

#[test]
fn the_cache_goes_by_what_was_set() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        for line in
            ["SET cache.min_query_cost_ms 0", "SET cache.ttl_seconds 7", "SET cache.eviction_batch_size 2"]
        {
            assert_eq!(ok(&mut client, line).await, "+OK", "{line}");
        }
        for line in ["VECSET a 1 0", "VECSET b 1 0.1"] {
            ok(&mut client, line).await;
        }
        for k in 1..6 {
            client.request(&format!("SIMV {k} 1 0")).await.unwrap().results().unwrap();
        }
        let stats = async |client: &mut cairn_client::Client| {
            client.request("CACHE STATS").await.unwrap().block().unwrap()
        };
        let told = stats(&mut client).await;
        let field = |block: &cairn_client::Block, key: &str| block.get(key).unwrap().to_owned();
        assert_eq!(field(&told, "ttl_seconds"), "7");
        assert_eq!(field(&told, "cache_entries"), "5");
        // Less room than there is in use: what does not fit goes at once.
        assert_eq!(ok(&mut client, "SET cache.max_memory_mb 0").await, "+OK");
        let told = stats(&mut client).await;
        assert_eq!(
            (field(&told, "cache_entries"), field(&told, "cache_memory_bytes")),
            ("0".into(), "0".into())
        );
        assert_eq!(field(&told, "evictions"), "5");
        // CACHE ENABLE and DISABLE are the same switch.
        client.request("CACHE DISABLE").await.unwrap();
        assert_eq!(
            array(&mut client, "SHOW VARIABLES LIKE cache.enabled").await,
            ["cache.enabled=false (mutable)"]
        );
        assert_eq!(ok(&mut client, "SET cache.enabled true").await, "+OK");
        assert_eq!(field(&stats(&mut client).await, "cache_enabled"), "true");
        assert_eq!(
            refused(&mut client, "SET cache.ttl_seconds soon").await,
            "cache.ttl_seconds: expected a whole number in range [0, 9223372036854775807], got soon"
        );
        server.stop().await;
    });
}
