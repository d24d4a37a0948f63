//! What is ours over HTTP: collections, items, searches and topics.

use crate::http_client::Http;
use crate::running::run;
use serde_json::{Value, json};

async fn with_books() -> Http {
    let http = Http::start().await;
    let options = json!({"dimension": 2, "index": "flat", "fields": ["kind"], "max_vectors": 3});
    let made = http.post("/v1/collections", json!({"name": "books", "options": options})).await.ok();
    assert_eq!((&made["dimension"], &made["fields"]), (&json!(2), &json!(["kind"])));
    http
}

#[test]
fn collections_are_made_told_of_changed_renamed_and_dropped() {
    run(async {
        let http = with_books().await;
        let all = http.get("/v1/collections").await.ok();
        let names: Vec<&Value> =
            all["collections"].as_array().unwrap().iter().map(|c| &c["collection"]).collect();
        assert_eq!(names, ["default", "books"]);
        http.json("PATCH", "/v1/collections/books", json!({"max_vectors": 0})).await.ok();
        http.json("PUT", "/v1/aliases/b", json!({"collection": "books"})).await.ok();
        let info = http.get("/v1/collections/b").await.ok();
        let shown = (&info["collection"], &info["max_vectors"], &info["aliases"]);
        assert_eq!(shown, (&json!("books"), &json!(0), &json!(["b"])));
        http.post("/v1/collections/books/rename", json!({"name": "texts"})).await.ok();
        http.json("DELETE", "/v1/aliases/b", Value::Null).await.ok();
        let plan = http.json("DELETE", "/v1/collections/texts?dry_run=true", Value::Null).await.ok();
        assert_eq!(plan["vectors"], 0);
        http.post("/v1/collections/texts/compact", json!({"aggressive": true})).await.ok();
        http.json("DELETE", "/v1/collections/texts", Value::Null).await.ok();
        http.get("/v1/collections/texts").await.refused(404);
        http.stop().await;
    });
}

#[test]
fn wrong_collections_are_refused_with_what_was_expected() {
    run(async {
        let http = with_books().await;
        let again = http.post("/v1/collections", json!({"name": "books"})).await;
        assert!([400, 409].contains(&again.status) && again.text().contains("Collection exists: books"));
        let m = http.post("/v1/collections", json!({"name": "x", "options": {"m": 1}})).await;
        assert_eq!(m.refused(400), "m: expected 2 to 128, got 1");
        let fixed = http.json("PATCH", "/v1/collections/books", json!({"dimension": 3})).await;
        assert!(fixed.refused(400).starts_with("dimension is fixed"));
        http.json("DELETE", "/v1/collections/default", Value::Null).await.refused(400);
        http.stop().await;
    });
}

#[test]
fn an_item_is_put_got_and_deleted() {
    run(async {
        let http = with_books().await;
        let path = "/v1/collections/books/items/a%2Fb";
        let body = json!({"vector": [0.25, -1.5], "metadata": {"kind": "novel", "tags": ["x", 1, true]}});
        assert_eq!(http.json("PUT", path, body.clone()).await.ok(), json!({"status": "ok"}));
        let item = http.get(path).await.ok();
        assert_eq!(item, json!({"id": "a/b", "vector": body["vector"], "metadata": body["metadata"]}));
        http.json("PUT", path, json!({"vector": [1, 1]})).await.ok();
        assert_eq!(http.get(path).await.ok()["metadata"], body["metadata"]);
        http.json("DELETE", path, Value::Null).await.ok();
        // No event named it: nothing is left of it. One that an event named has no vector.
        assert_eq!(http.get(path).await.refused(404), "Item not found: a/b");
        let event = json!({"ctx": "c", "id": "a/b", "type": "ADD", "score": 1});
        http.post("/v1/collections/books/events", event).await.ok();
        assert_eq!(http.get(path).await.ok()["vector"], Value::Null);
        assert_eq!(http.get("/v1/collections/books/items/x").await.refused(404), "Item not found: x");
        http.get("/v1/collections/none/items/x").await.refused(404);
        for id in ["1", "2", "3"] {
            let path = format!("/v1/collections/books/items/{id}");
            http.json("PUT", &path, json!({"vector": [1, 1]})).await.ok();
        }
        let full = http.json("PUT", path, json!({"vector": [1, 1]})).await;
        assert!(full.refused(503).contains("max_vectors is 3"));
        http.stop().await;
    });
}

#[test]
fn searches_go_by_item_by_vector_and_many_at_once_in_order() {
    run(async {
        let http = with_books().await;
        for (id, x, kind) in [("a", 1.0, "novel"), ("b", 0.5, "novel"), ("c", 0.0, "essay")] {
            let body = json!({"vector": [x, 1.0], "metadata": {"kind": kind}});
            http.json("PUT", &format!("/v1/collections/books/items/{id}"), body).await.ok();
        }
        let event = json!({"ctx": "c", "id": "a", "type": "ADD", "score": 10});
        http.post("/v1/collections/books/events", event).await.ok();
        let search = "/v1/collections/books/search";
        let by_item = http.post(search, json!({"id": "a", "mode": "vectors", "top_k": 1})).await.ok();
        assert_eq!((&by_item["mode"], &by_item["results"][0]["id"]), (&json!("vectors"), &json!("b")));
        let first = json!({"vector": [0, 1], "filter": "kind:novel", "top_k": 1, "exact": true});
        let second = json!({"vector": [1, 1], "top_k": 1, "offset": 1});
        let many = http.post(search, json!({"queries": [first, second, {"id": "c"}]})).await.ok();
        let ids: Vec<&Value> =
            many["answers"].as_array().unwrap().iter().map(|answer| &answer["results"][0]["id"]).collect();
        assert_eq!(ids, ["b", "b", "b"]);
        http.post(search, json!({"queries": [{"id": "a"}, {"id": "x"}]})).await.refused(404);
        let neither = http.post(search, json!({"top_k": 1})).await;
        assert_eq!(neither.refused(400), "a search needs one of id and vector");
        http.stop().await;
    });
}

#[test]
fn more_queries_than_allowed_are_refused() {
    run(async {
        let mut config = crate::http_client::http_config();
        config.http.queries_max = 1;
        let http = Http::start_with(config).await;
        let many = json!({"queries": [{"id": "a"}, {"id": "a"}]});
        let answer = http.post("/v1/collections/default/search", many).await;
        assert_eq!(answer.refused(400), "2 queries exceed maximum allowed: 1");
        http.stop().await;
    });
}

#[test]
fn a_topic_is_made_written_read_changed_and_deleted() {
    run(async {
        let http = Http::start().await;
        let options = json!({"compaction": "key", "retention": "48h"});
        let topic = json!({"name": "orders", "partitions": 2, "options": options});
        assert_eq!(http.post("/v1/topics", topic).await.ok()["partitions"], 2);
        let value = "two \"small\" apples, key=x\nand 007";
        let record = json!({"partition": 1, "key": "12", "value": value});
        let place = http.post("/v1/topics/orders/records", record).await.ok();
        assert_eq!((&place["partition"], &place["offset"]), (&json!(1), &json!(0)));
        let plain = json!({"partition": 1, "key": "12", "value": "a \"b\" k=v"});
        http.post("/v1/topics/orders/records", plain).await.ok();
        let read = http.get("/v1/topics/orders/partitions/1/records?from=1&count=5").await.ok();
        assert_eq!((&read["next_offset"], &read["records"][0]["value"]), (&json!(2), &json!("a \"b\" k=v")));
        assert_eq!(read["records"][0]["key"], "12");
        let first = http.get("/v1/topics/orders/partitions/1/records").await.ok();
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(first["records"][0]["value_hex"], hex.as_str());
        http.json("PATCH", "/v1/topics/orders", json!({"retention": "24h"})).await.ok();
        let info = http.get("/v1/topics/orders").await.ok();
        assert_eq!((&info["retention"], &info["states"][1]["high_water_mark"]), (&json!("24h"), &json!(2)));
        assert_eq!(http.get("/v1/topics").await.ok()["topics"][0]["topic"], "orders");
        http.post("/v1/topics/orders/records", json!({})).await.refused(400);
        http.get("/v1/topics/orders/partitions/x/records").await.refused(400);
        http.get("/v1/topics/orders/partitions/1/records?count=0").await.refused(400);
        http.json("DELETE", "/v1/topics/orders", Value::Null).await.ok();
        http.get("/v1/topics/orders").await.refused(404);
        http.stop().await;
    });
}
