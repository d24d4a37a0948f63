//! The metrics, read by the rules of their format, and the document of the endpoints.

use crate::http_client::Http;
use crate::running::run;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Name and labels of each sample, and its value; panics on anything that the format does not allow.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let name = |text: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        assert!(!text.is_empty() && text.chars().all(fits) && !text.as_bytes()[0].is_ascii_digit(), "{text}");
        text.to_owned()
    };
    assert!(text.ends_with('\n'));
    let (mut samples, mut family, mut seen) = (BTreeMap::new(), String::new(), BTreeSet::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (of, help) = rest.split_once(' ').unwrap();
            family = name(of);
            assert!(seen.insert(family.clone()) && !help.is_empty(), "{line}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {family} ")).unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{kind}");
            assert_eq!(family.ends_with("_total"), kind == "counter", "{family}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (of, labels) = series.split_once('{').map_or((series, ""), |(of, labels)| (of, labels));
        assert_eq!(name(of), family, "{line}");
        if !labels.is_empty() {
            let (label, text) = labels.strip_suffix("\"}").unwrap().split_once("=\"").unwrap();
            name(label);
            assert!(!text.contains(['"', '\\', '\n']), "{line}");
        }
        assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{line}");
    }
    samples
}

#[test]
fn metrics_are_in_the_format_of_prometheus_and_tell_what_was_done() {
    run(async {
        let http = Http::start().await;
        http.post("/vecset", json!({"id": "a", "vector": [1, 0]})).await.ok();
        http.post("/sim", json!({"id": "none"})).await.refused(404);
        http.post("/v1/snapshots", json!({})).await.ok();
        let answer = http.get("/metrics").await;
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let samples = parsed(&answer.text());
        let expected = [
            ("cairn_vectors", 1.0),
            ("cairn_vecset_commands_total", 1.0),
            ("cairn_search_commands_total", 1.0),
            ("cairn_commands_failed_total", 1.0),
            ("cairn_lsn", 1.0),
            ("cairn_durable_lsn", 1.0),
            ("cairn_ready", 1.0),
            ("cairn_job_running{job=\"snapshot\"}", 0.0),
            ("cairn_job_percent{job=\"snapshot\"}", 100.0),
        ];
        for (series, value) in expected {
            assert_eq!(samples.get(series), Some(&value), "{series}");
        }
        for series in ["cairn_connections", "cairn_memory_bytes", "cairn_wal_bytes", "cairn_uptime_seconds"] {
            assert!(samples.contains_key(series), "{series}");
        }
        http.stop().await;
    });
}

#[test]
fn the_document_names_every_endpoint_and_each_takes_its_method() {
    run(async {
        let http = Http::start().await;
        let document = http.get("/openapi.json").await.ok();
        assert!(document["openapi"].as_str().unwrap().starts_with("3."));
        let paths = document["paths"].as_object().unwrap();
        let nvecd = ["/event", "/vecset", "/metaset", "/sim", "/simv", "/info", "/health", "/health/live"];
        let more = ["/health/ready", "/health/detail", "/metrics", "/config", "/dump/save", "/dump/load"];
        let rest =
            ["/dump/verify", "/dump/info", "/dump/status", "/cache/stats", "/cache/clear", "/debug/on"];
        for path in nvecd.iter().chain(&more).chain(&rest) {
            assert!(paths.contains_key(*path), "{path}");
        }
        for (path, methods) in paths {
            let filled = path.replace("{partition}", "0").replace(['{', '}'], "");
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["responses"]["400"].is_object(), "{method} {path}");
                // A stream has no end.
                if method == "get" && !path.ends_with("/events") {
                    let status = http.get(&filled).await.status;
                    assert!([200, 400, 404].contains(&status), "{method} {path}: {status}");
                }
            }
        }
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
        assert_ne!(document["info"]["version"], Value::Null);
        http.stop().await;
    });
}
