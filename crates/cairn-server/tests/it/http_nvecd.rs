//! nvecd's endpoints: what they answer, and what they refuse.

use crate::http_client::Http;
use crate::running::{refused, run};
use serde_json::json;

#[test]
fn events_and_vectors_are_found_by_fusion_events_and_vectors() {
    run(async {
        let http = Http::start().await;
        for (id, vector) in [("a", [1.0, 0.0]), ("b", [0.6, 0.8])] {
            let answer = http.post("/vecset", json!({"id": id, "vector": vector})).await;
            assert_eq!(answer.ok(), json!({"status": "ok"}));
        }
        let add = json!({"ctx": "c", "id": "a", "type": "ADD", "score": 100});
        assert_eq!(http.post("/event", add).await.ok(), json!({"status": "ok"}));
        let set = json!({"ctx": "c", "id": "b", "type": "SET", "score": 50, "timestamp": 1_737_201_600});
        http.post("/event", set).await.ok();
        let events = http.post("/sim", json!({"id": "a", "mode": "events"})).await.ok();
        let results = json!([{"id": "b", "score": 5000.0}]);
        assert_eq!(events, json!({"status": "ok", "count": 1, "mode": "events", "results": results}));
        let fused = http.post("/sim", json!({"id": "a", "top_k": 1})).await.ok();
        assert_eq!((&fused["mode"], &fused["results"][0]["id"]), (&json!("fusion"), &json!("b")));
        let near = http.post("/simv", json!({"vector": [1.0, 0.0], "top_k": 1})).await.ok();
        let results = json!([{"id": "a", "score": 1.0}]);
        assert_eq!(near, json!({"status": "ok", "count": 1, "dimension": 2, "results": results}));
        http.post("/event", json!({"ctx": "c", "id": "b", "type": "DEL"})).await.ok();
        http.stop().await;
    });
}

#[test]
fn metadata_filters_results_and_is_the_same_for_the_line_protocol() {
    run(async {
        let http = Http::start().await;
        http.post("/vecset", json!({"id": "a", "vector": [1, 0], "metadata": {"kind": "x"}})).await.ok();
        http.post("/vecset", json!({"id": "b", "vector": [1, 0]})).await.ok();
        http.post("/metaset", json!({"id": "b", "metadata": {"kind": "y", "n": [1, 2]}})).await.ok();
        let query = json!({"vector": [1, 0], "top_k": 5, "filter": "kind:y,n:2"});
        assert_eq!(http.post("/simv", query).await.ok()["results"][0]["id"], "b");
        let mut client = http.running.client().await;
        let answer = refused(&mut client, "SIM a 5 using=vectors filter=").await;
        let body = json!({"id": "a", "top_k": 5, "mode": "vectors", "filter": ""});
        assert_eq!(answer, http.post("/sim", body).await.refused(400));
        http.stop().await;
    });
}

#[test]
fn wrong_requests_are_refused_in_the_line_protocols_words() {
    run(async {
        let http = Http::start().await;
        http.post("/vecset", json!({"id": "a", "vector": [1, 0, 0]})).await.ok();
        let cases = [
            (
                "/event",
                json!({"ctx": "c", "id": "a", "type": "ADD", "score": 101}),
                400,
                "Score must be in range [0, 100], got 101",
            ),
            ("/event", json!({"ctx": "c", "id": "a", "type": "ADD"}), 400, "ADD needs a score, 0 to 100"),
            (
                "/event",
                json!({"ctx": "c", "id": "a", "type": "FOO"}),
                400,
                "Invalid EVENT type: FOO (must be ADD, SET, or DEL)",
            ),
            (
                "/vecset",
                json!({"id": "b", "vector": [1, 0]}),
                400,
                "Vector dimension mismatch: expected 3, got 2",
            ),
            ("/metaset", json!({"id": "x", "metadata": {}}), 404, "Vector not found for metadata: x"),
            ("/sim", json!({"id": "a", "top_k": 0}), 400, "top_k must be positive, got 0"),
            ("/sim", json!({"id": "a", "top_k": 1001}), 400, "top_k 1001 exceeds maximum allowed: 1000"),
            ("/sim", json!({"id": "x"}), 404, "Query vector not found: x"),
            (
                "/sim",
                json!({"id": "a", "mode": "foo"}),
                400,
                "Invalid using value: foo (must be events, vectors, or fusion)",
            ),
            ("/simv", json!({"vector": [1, 0]}), 400, "Query vector dimension mismatch: expected 3, got 2"),
        ];
        for (path, body, status, message) in cases {
            assert_eq!(http.post(path, body).await.refused(status), message, "{path}");
        }
        http.stop().await;
    });
}

#[test]
fn info_health_and_configuration_are_objects() {
    run(async {
        let http = Http::start().await;
        http.post("/vecset", json!({"id": "a", "vector": [1, 0, 0]})).await.ok();
        let info = http.get("/info").await.ok();
        assert_eq!(
            (&info["data"]["vector_count"], &info["stats"]["vecset_commands"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(http.get("/health").await.ok(), json!({"status": "ok"}));
        assert_eq!(http.get("/health/live").await.ok()["status"], "alive");
        let ready = http.get("/health/ready").await.ok();
        assert_eq!((&ready["status"], &ready["loading"]), (&json!("ready"), &json!(false)));
        let detail = http.get("/health/detail").await.ok();
        assert_eq!(
            (&detail["status"], &detail["components"]["persistence"]["lsn"]),
            (&json!("healthy"), &json!(1))
        );
        let config = http.get("/config").await.ok();
        assert_eq!(config["api"]["http"]["timeout_sec"], 5);
        http.stop().await;
    });
}

#[test]
fn a_dump_is_saved_checked_described_and_loaded() {
    run(async {
        let http = Http::start().await;
        http.post("/vecset", json!({"id": "a", "vector": [1, 0, 0]})).await.ok();
        let saved = http.post("/dump/save", json!({"filepath": "one.nvec"})).await.ok();
        assert_eq!(
            (&saved["filepath"], &saved["vector_store_vectors"]),
            (&json!("/snapshots/one.nvec"), &json!(1))
        );
        http.json("POST", "/vecset", json!({"id": "b", "vector": [1, 0, 0]})).await.ok();
        let file = json!({"filepath": "one.nvec"});
        assert_eq!(http.post("/dump/verify", file.clone()).await.ok()["valid"], true);
        assert_eq!(http.post("/dump/info", file.clone()).await.ok()["vector_store_count"], 1);
        let loaded = http.post("/dump/load", file).await.ok();
        assert_eq!(loaded["replaced"]["vector_store_vectors"], 2);
        assert_eq!(http.get("/dump/status").await.ok()["status"], "completed");
        http.post("/sim", json!({"id": "b"})).await.refused(404);
        let outside = http.post("/dump/info", json!({"filepath": "../x"})).await;
        assert_eq!(outside.refused(400), "Invalid filepath: path traversal detected");
        http.post("/dump/load", json!({"filepath": "none.nvec"})).await.refused(404);
        http.stop().await;
    });
}

#[test]
fn a_dump_without_a_body_is_named_by_the_time() {
    run(async {
        let http = Http::start().await;
        let saved = crate::http_client::send(http.addr, "POST", "/dump/save", &[], "").await.ok();
        assert_eq!(saved["filepath"], "/snapshots/dump_20250118_120000.nvec");
        http.stop().await;
    });
}

#[test]
fn the_cache_is_switched_emptied_and_told_of() {
    run(async {
        let http = Http::start().await;
        for (path, enabled) in [("/cache/disable", false), ("/cache/enable", true), ("/cache/clear", true)] {
            assert_eq!(http.post(path, json!({})).await.ok(), json!({"status": "ok"}));
            let stats = http.get("/cache/stats").await.ok();
            assert_eq!((&stats["cache_enabled"], &stats["cache_entries"]), (&json!(enabled), &json!(0)));
        }
        http.stop().await;
    });
}

#[test]
fn debug_is_gone() {
    run(async {
        let http = Http::start().await;
        for path in ["/debug/on", "/debug/off"] {
            http.post(path, json!({})).await.refused(410);
        }
        http.stop().await;
    });
}
