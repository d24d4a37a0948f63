//! What is ours over HTTP, further: snapshots of topics, differences, replays, where vectors are, and jobs of the log.

use crate::http_client::{Http, http_config};
use crate::running::run;
use serde_json::{Value, json};

async fn put(http: &Http, id: &str) {
    http.post("/vecset", json!({"id": id, "vector": [1, 0]})).await.ok();
}

#[test]
fn a_topics_snapshot_is_made_listed_verified_restored_and_deleted() {
    run(async {
        let http = Http::start().await;
        http.post("/v1/topics", json!({"name": "orders", "partitions": 2})).await.ok();
        for value in ["one", "two"] {
            http.post("/v1/topics/orders/records", json!({"value": value})).await.ok();
        }
        let all = "/v1/topics/orders/snapshots";
        let made = http.post(all, json!({"compression": "zstd", "parallel": 2})).await.ok();
        assert_eq!((&made["whole"], made["states"].as_array().unwrap().len()), (&json!(true), 2));
        let id = made["snapshot"].as_str().unwrap();
        let listed = http.get(all).await.ok();
        assert_eq!(listed["snapshots"][0]["snapshot"], made["snapshot"]);
        let one = format!("{all}/{id}");
        assert_eq!(http.post(&format!("{one}/verify"), json!({})).await.ok()["status"], "valid");
        http.post("/v1/topics/orders/records", json!({"value": "three"})).await.ok();
        let back = http.post(&format!("{one}/restore"), json!({"name": "again"})).await.ok();
        assert_eq!((&back["topic"], &back["records"]), (&json!("again"), &json!(2)));
        assert_eq!(http.json("DELETE", &one, Value::Null).await.ok()["partitions"], 2);
        assert_eq!(http.get(all).await.ok()["snapshots"], json!([]));
        http.json("DELETE", &one, Value::Null).await.refused(404);
        http.stop().await;
    });
}

#[test]
fn snapshots_of_a_topic_are_cleaned_up() {
    run(async {
        let http = Http::start().await;
        http.post("/v1/topics", json!({"name": "orders"})).await.ok();
        let all = "/v1/topics/orders/snapshots";
        let mut ids = Vec::new();
        for _ in 0..3 {
            http.post("/v1/topics/orders/records", json!({"value": "x"})).await.ok();
            ids.push(http.post(all, json!({})).await.ok()["snapshot"].clone());
        }
        let cleaned = http.post(&format!("{all}:cleanup"), json!({"max_snapshots": 1})).await.ok();
        assert_eq!(cleaned["deleted"], 2);
        let deleted = cleaned["deleted_ids"].as_array().unwrap();
        assert!(deleted.contains(&ids[0]) && deleted.contains(&ids[1]), "{cleaned}");
        http.stop().await;
    });
}

#[test]
fn wrong_requests_about_topics_snapshots_say_what_was_expected() {
    run(async {
        let http = Http::start().await;
        http.get("/v1/topics/none/snapshots").await.refused(404);
        http.post("/v1/topics", json!({"name": "orders"})).await.ok();
        let all = "/v1/topics/orders/snapshots";
        let wrong = http.post(all, json!({"compression": "lz4"})).await.refused(400);
        assert_eq!(wrong, "Invalid compression value: lz4 (must be none, zstd, or gzip)");
        http.post(all, json!({"parallel": 65})).await.refused(400);
        http.post(&format!("{all}:cleanup"), json!({"max_snapshots": 0})).await.refused(400);
        http.post(&format!("{all}:cleanup"), json!({"retention": "long"})).await.refused(400);
        http.post(&format!("{all}/none/restore"), json!({})).await.refused(400);
        http.stop().await;
    });
}

#[test]
fn a_topics_offset_is_found_by_time() {
    run(async {
        let http = Http::start().await;
        http.post("/v1/topics", json!({"name": "orders"})).await.ok();
        http.post("/v1/topics/orders/records", json!({"value": "x"})).await.ok();
        let at = |time: &str| format!("/v1/topics/orders/partitions/0/offset?time={time}");
        assert_eq!(http.get(&at("2025-01-18T11:00:00Z")).await.ok()["offset"], 0);
        let later = http.get(&at("2025-01-18T13:00:00")).await.ok();
        assert_eq!(
            (&later["offset"], &later["note"]),
            (&Value::Null, &json!("no time zone given, taken as UTC"))
        );
        http.get(&at("noon")).await.refused(400);
        http.get("/v1/topics/orders/partitions/0/offset").await.refused(400);
        http.get("/v1/topics/orders/partitions/7/offset?time=2025-01-18T11:00:00Z").await.refused(404);
        http.stop().await;
    });
}

#[test]
fn a_topic_is_compacted_when_asked() {
    run(async {
        let http = Http::start().await;
        http.post("/v1/topics", json!({"name": "plain"})).await.ok();
        http.post("/v1/topics/plain/compact", json!({})).await.refused(400);
        http.post("/v1/topics", json!({"name": "keys", "options": {"compaction": "key"}})).await.ok();
        assert_eq!(http.post("/v1/topics/keys/compact", json!({})).await.ok()["records_removed"], 0);
        http.stop().await;
    });
}

#[test]
fn two_snapshots_are_compared_and_all_are_verified() {
    run(async {
        let http = Http::start().await;
        put(&http, "a").await;
        http.post("/v1/snapshots", json!({"name": "one"})).await.ok();
        put(&http, "b").await;
        http.post("/v1/snapshots", json!({"name": "two"})).await.ok();
        let forth = http.get("/v1/snapshots/one/diff?to=two").await.ok();
        assert_eq!(
            (&forth["collections"][0]["collection"], &forth["collections"][0]["vectors"]),
            (&json!("*"), &json!(1))
        );
        let back = http.get("/v1/snapshots/two/diff?to=one").await.ok();
        assert_eq!(back["collections"][0]["vectors"], -1);
        http.get("/v1/snapshots/one/diff?to=three").await.refused(404);
        http.get("/v1/snapshots/one/diff").await.refused(400);
        let all = http.post("/v1/snapshots:verify", json!({})).await.ok();
        assert_eq!(
            (&all["id"], &all["status"], &all["snapshots"]),
            (&json!("ALL"), &json!("valid"), &json!(2))
        );
        http.post("/v1/snapshots:verify", json!({"read": "half"})).await.refused(400);
        http.stop().await;
    });
}

#[test]
fn damage_that_is_found_by_verifying_all_is_a_500() {
    run(async {
        let http = Http::start().await;
        put(&http, "a").await;
        http.post("/v1/snapshots", json!({})).await.ok();
        let disk = &http.running.disk;
        let parts = disk.files().into_iter().filter(|path| path.to_string_lossy().contains("/parts/"));
        disk.flip(&parts.max_by_key(|path| disk.read_file(path).len()).unwrap(), 20, 1);
        let message = http.post("/v1/snapshots:verify", json!({})).await.refused(500);
        assert!(message.starts_with("Snapshot ALL is damaged: 1 finding"), "{message}");
        http.stop().await;
    });
}

#[test]
fn a_log_of_before_a_restore_is_replayed() {
    run(async {
        let http = Http::start().await;
        put(&http, "a").await;
        http.post("/v1/snapshots", json!({"name": "one"})).await.ok();
        put(&http, "b").await;
        let before = http.get("/v1/check").await.ok()["state_hash"].clone();
        let log = http.get("/v1/wal").await.ok()["path"].as_str().unwrap().to_owned();
        http.post("/v1/snapshots/one/restore", json!({})).await.ok();
        let dry = http.post("/v1/wal/replay", json!({"path": log, "dry_run": true})).await.ok();
        assert_eq!((&dry["operations_replayed"], &dry["dry_run"]), (&json!(1), &json!(true)));
        http.get("/v1/collections/default/items/b").await.refused(404);
        let done = http.post("/v1/wal/replay", json!({"path": log, "verify": true})).await.ok();
        assert_eq!(
            (&done["operations_replayed"], &done["collections_affected"]),
            (&json!(1), &json!(["default"]))
        );
        assert_eq!(http.get("/v1/check").await.ok()["state_hash"], before);
        assert_eq!(http.post("/v1/wal/replay", json!({})).await.ok()["operations_replayed"], 0);
        http.post("/v1/wal/replay", json!({"path": "/etc"})).await.refused(400);
        http.post("/v1/wal/replay", json!({"path": ""})).await.refused(400);
        let turned = json!({"path": log, "from": "2025-02-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"});
        http.post("/v1/wal/replay", turned).await.refused(400);
        http.stop().await;
    });
}

#[test]
fn vectors_of_one_collection_or_of_all_are_mapped_and_told_of() {
    run(async {
        let http = Http::start().await;
        http.post("/v1/collections", json!({"name": "books"})).await.ok();
        put(&http, "a").await;
        let books = "/v1/collections/books/mmap";
        let told = http.get(books).await.ok();
        assert_eq!((&told["mmap_enabled"], &told["advise_mode"]), (&json!(false), &json!("random")));
        let set = json!({"enable": true, "advise": "sequential", "populate": true});
        let told = http.json("PUT", books, set).await.ok();
        let keys = ["mmap_enabled", "advise_mode", "populate", "total_mapped_bytes", "resident_bytes"];
        assert!(keys.iter().all(|key| told.get(*key).is_some()), "{told}");
        assert_eq!((&told["advise_mode"], &told["populate"]), (&json!("sequential"), &json!(true)));
        let stats = http.get("/v1/storage").await.ok();
        let storage = |n: usize| {
            (stats["collections"][n]["collection"].clone(), stats["collections"][n]["storage"].clone())
        };
        assert_eq!(
            (storage(0), storage(1)),
            ((json!("default"), json!("memory")), (json!("books"), json!("mmap")))
        );
        http.json("PUT", "/v1/storage/mmap", json!({"enable": true})).await.ok();
        let stats = http.get("/v1/storage?collection=default").await.ok();
        assert_eq!(stats["collections"], json!([stats["collections"][0]]));
        assert_eq!(stats["collections"][0]["storage"], "mmap");
        http.post("/v1/storage/compact", json!({"aggressive": true})).await.ok();
        http.json("PUT", books, json!({"advise": "wildly"})).await.refused(400);
        http.get("/v1/collections/none/mmap").await.refused(404);
        http.stop().await;
    });
}

#[test]
fn a_job_of_the_past_is_told_of_with_its_records() {
    run(async {
        let http = Http::start().await;
        for id in ["a", "b", "c"] {
            put(&http, id).await;
        }
        assert_eq!(http.get("/v1/jobs").await.ok()["history"]["status"], "idle");
        http.post("/v1/timelines/recover", json!({"target": "2"})).await.ok();
        let job = http.get("/v1/jobs").await.ok()["history"].clone();
        assert_eq!((&job["operation"], &job["target"]), (&json!("TIMELINE RECOVER"), &json!("LSN 2")));
        assert_eq!((&job["status"], &job["percent"]), (&json!("completed"), &json!(100)));
        assert_eq!((&job["records_done"], &job["records_total"]), (&json!(2), &json!(2)));
        http.post("/v1/timelines/recover", json!({"target": "99"})).await.refused(404);
        let job = http.get("/v1/jobs").await.ok()["history"].clone();
        assert_eq!((&job["status"], &job["records_done"]), (&json!("failed"), &json!(0)));
        let metrics = http.get("/metrics").await.text();
        assert!(metrics.contains("cairn_job_running{job=\"history\"} 0\n"), "{metrics}");
        http.stop().await;
    });
}

#[test]
fn a_batch_of_searches_is_answered_in_the_order_of_its_queries() {
    run(async {
        let mut config = http_config();
        config.http.queries_max = 64;
        let http = Http::start_with(config).await;
        for i in 0..64 {
            let vector = [f64::from(i), 64.0 - f64::from(i)];
            http.post("/vecset", json!({"id": format!("i{i}"), "vector": vector})).await.ok();
        }
        let queries: Vec<Value> =
            (0..64).rev().map(|i| json!({"vector": [i, 64 - i], "top_k": 1, "exact": true})).collect();
        let many = http.post("/v1/collections/default/search", json!({"queries": queries})).await.ok();
        for (at, answer) in many["answers"].as_array().unwrap().iter().enumerate() {
            assert_eq!(answer["results"][0]["id"], format!("i{}", 63 - at));
        }
        http.stop().await;
    });
}
