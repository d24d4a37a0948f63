//! What is ours over HTTP: snapshots, the log, the past and the jobs.

use crate::http_client::Http;
use crate::running::run;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn put(http: &Http, id: &str) {
    http.post("/vecset", json!({"id": id, "vector": [1, 0]})).await.ok();
}

#[test]
fn a_snapshot_is_made_listed_verified_pinned_restored_and_deleted() {
    run(async {
        let http = Http::start().await;
        put(&http, "a").await;
        let body =
            json!({"name": "one", "tags": ["t1", "t2"], "compression": "gzip", "description": "x = 1, y"});
        let made = http.post("/v1/snapshots", body).await.ok();
        let shown = (&made["name"], &made["tags"], &made["vectors"], &made["description"]);
        assert_eq!(shown, (&json!("one"), &json!(["t1", "t2"]), &json!(1), &json!("x = 1, y")));
        put(&http, "b").await;
        let list = http.get("/v1/snapshots?collection=default").await.ok();
        assert_eq!(
            (&list["snapshots"][0]["id"], &list["snapshots"][0]["name"]),
            (&made["id"], &json!("one"))
        );
        assert_eq!(http.post("/v1/snapshots/one/verify", json!({})).await.ok()["status"], "valid");
        assert_eq!(
            http.json("PUT", "/v1/snapshots/one/pin", json!({"note": "keep"})).await.ok()["note"],
            "keep"
        );
        assert!(http.json("DELETE", "/v1/snapshots/one", Value::Null).await.status >= 400);
        http.json("DELETE", "/v1/snapshots/one/pin", Value::Null).await.ok();
        http.post("/v1/snapshots/one/restore", json!({"dry_run": true})).await.ok();
        http.post("/v1/snapshots/one/restore", json!({"verify": true})).await.ok();
        http.get("/v1/collections/default/items/b").await.refused(404);
        assert_eq!(http.get("/v1/snapshots/one").await.ok()["id"], made["id"]);
        http.json("DELETE", "/v1/snapshots/one?force=true", Value::Null).await.ok();
        http.get("/v1/snapshots/one").await.refused(404);
        http.stop().await;
    });
}

#[test]
fn snapshots_are_pruned_by_a_policy() {
    run(async {
        let http = Http::start().await;
        for _ in 0..3 {
            http.post("/v1/snapshots", json!({})).await.ok();
        }
        let plan = json!({"policy": {"keep_last": 1}, "dry_run": true});
        assert_eq!(http.post("/v1/snapshots:prune", plan).await.ok()["removed"], 2);
        let pruned = http.post("/v1/snapshots:prune", json!({"policy": {"keep_last": 1}})).await.ok();
        assert_eq!((&pruned["kept"], &pruned["snapshots"][0]["kind"]), (&json!(1), &json!("keep")));
        http.post("/v1/snapshots:prune", json!({"policy": {}})).await.refused(400);
        assert_eq!(http.get("/v1/schedules").await.ok()["schedules"], json!([]));
        http.stop().await;
    });
}

#[test]
fn wrong_snapshot_requests_are_refused() {
    run(async {
        let http = Http::start().await;
        http.post("/v1/snapshots/none/restore", json!({})).await.refused(404);
        http.post("/v1/snapshots", json!({"compression": "lz4"})).await.refused(400);
        let branch = json!({"branch": true, "collection": "x"});
        http.post("/v1/snapshots/none/restore", branch).await.refused(400);
        http.stop().await;
    });
}

#[test]
fn the_log_is_told_of_changed_synced_and_verified() {
    run(async {
        let http = Http::start().await;
        put(&http, "a").await;
        let status = http.get("/v1/wal").await.ok();
        assert_eq!((&status["wal_enabled"], &status["lsn"]), (&json!(true), &json!(1)));
        let changed =
            http.json("PUT", "/v1/wal", json!({"retention": "48h", "retention_bytes": "8GB"})).await.ok();
        assert_eq!(changed["retention"], "48h");
        assert_eq!(http.post("/v1/wal/sync", json!({})).await.ok()["durable_lsn"], 1);
        assert_eq!(http.post("/v1/wal/verify", json!({})).await.ok()["records"], 1);
        http.json("PUT", "/v1/wal", json!({"sync_mode": "sometimes"})).await.refused(400);
        http.post("/v1/wal/disable", json!({})).await.ok();
        assert_eq!(http.get("/v1/wal").await.ok()["wal_enabled"], false);
        http.stop().await;
    });
}

#[test]
fn the_past_is_branched_compared_promoted_and_dropped() {
    run(async {
        let http = Http::start().await;
        put(&http, "a").await;
        put(&http, "b").await;
        let before = http.get("/v1/check").await.ok()["state_hash"].clone();
        http.post("/v1/timelines/recover", json!({"target": "1"})).await.ok();
        let all = http.get("/v1/timelines").await.ok();
        let id_of = |role: &str| {
            let found = all["timelines"].as_array().unwrap().iter().find(|t| t["role"] == role).unwrap();
            found["id"].as_str().unwrap().to_owned()
        };
        let (live, branch) = (id_of("live"), id_of("branch"));
        assert_eq!(http.get(&format!("/v1/timelines/{branch}/compare")).await.ok()["equal"], false);
        http.post(&format!("/v1/timelines/{branch}/promote"), json!({})).await.ok();
        http.get("/v1/collections/default/items/b").await.refused(404);
        assert_ne!(http.get("/v1/check").await.ok()["state_hash"], before);
        http.json("DELETE", &format!("/v1/timelines/{live}?dry_run=true"), Value::Null).await.ok();
        http.post("/v1/timelines/recover", json!({"target": "99"})).await.refused(404);
        http.get("/v1/timelines/zz/compare").await.refused(400);
        http.stop().await;
    });
}

#[test]
fn jobs_are_told_once_and_as_a_stream_that_ends_with_the_server() {
    run(async {
        let http = Http::start().await;
        let mut stream = TcpStream::connect(http.addr).await.unwrap();
        stream.write_all(b"GET /v1/jobs/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut got = String::new();
        while !got.contains("\"status\":\"idle\"") {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap();
            assert!(n > 0, "{got}");
            got.push_str(std::str::from_utf8(&part[..n]).unwrap());
        }
        assert!(got.contains("text/event-stream") && got.contains("event: jobs\ndata: {"), "{got}");
        http.post("/v1/snapshots", json!({})).await.ok();
        while !got.contains("\"operation\":\"SNAPSHOT CREATE\"") {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap();
            assert!(n > 0, "{got}");
            got.push_str(std::str::from_utf8(&part[..n]).unwrap());
        }
        assert_eq!(http.get("/v1/jobs").await.ok()["snapshot"]["status"], "completed");
        http.stop().await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    });
}
