//! Limits that are set while the server runs.

use crate::http_client::{Http, http_config};
use crate::running::{Running, config, refused, run};
use cairn_client::{Client, Create, Reply};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

async fn ok(client: &mut Client, line: &str) {
    let reply = client.request(line).await.unwrap();
    assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
}

#[test]
fn more_results_than_at_the_start_can_be_allowed_and_fewer() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        ok(&mut client, "VECSET a 1 0").await;
        assert_eq!(refused(&mut client, "SIMV 1001 1 0").await, "top_k 1001 exceeds maximum allowed: 1000");
        ok(&mut client, "SET similarity.max_top_k 5000").await;
        ok(&mut client, "SIMV 5000 1 0").await;
        ok(&mut client, "SET similarity.max_top_k 5").await;
        assert_eq!(refused(&mut client, "SIM a 6").await, "top_k 6 exceeds maximum allowed: 5");
        // Also on a connection that was there before.
        let mut other = server.client().await;
        ok(&mut other, "SIMV 5 1 0").await;
        ok(&mut client, "SET similarity.max_top_k 4").await;
        assert_eq!(refused(&mut other, "SIMV 5 1 0").await, "top_k 5 exceeds maximum allowed: 4");
        server.stop().await;
    });
}

#[test]
fn the_size_of_ids_metadata_and_vectors_is_what_was_set_last() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let long = "x".repeat(2_000);
        assert!(
            refused(&mut client, &format!("VECSET {long} 1")).await.contains("exceeds maximum allowed: 1024")
        );
        ok(&mut client, "SET limits.id_bytes 2000").await;
        ok(&mut client, &format!("VECSET {long} 1")).await;
        ok(&mut client, "SET limits.id_bytes 3").await;
        assert!(refused(&mut client, "VECSET four 1").await.contains("exceeds maximum allowed: 3"));
        ok(&mut client, "VECSET a 1").await;
        ok(&mut client, "SET limits.metadata_bytes 20").await;
        assert!(
            refused(&mut client, &format!("METASET a k:{long}"))
                .await
                .contains("exceeds maximum allowed: 20")
        );
        ok(&mut client, "SET limits.metadata_bytes 70000").await;
        ok(&mut client, &format!("METASET a k:{}", "v".repeat(69_000))).await;
        ok(&mut client, "SET limits.dimension 2").await;
        let message = refused(&mut client, "VECSET b 1 2 3").await;
        assert_eq!(message, "Vector dimension 3 exceeds maximum allowed: 2");
        server.stop().await;
    });
}

#[test]
fn limits_that_were_set_hold_in_a_restored_state_too() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        ok(&mut client, "VECSET a 1").await;
        client.snapshot_create(&Create { name: Some("x".into()), ..Create::default() }).await.unwrap();
        ok(&mut client, "SET limits.id_bytes 2000").await;
        client.snapshot_restore("x").await.unwrap();
        ok(&mut client, &format!("VECSET {} 1", "x".repeat(2_000))).await;
        server.stop().await;
    });
}

#[test]
fn a_shorter_line_is_allowed_from_the_next_one_on() {
    run(async {
        let server = Running::start().await;
        let mut stream = BufReader::new(TcpStream::connect(server.addr).await.unwrap());
        let mut client = server.client().await;
        let long = format!("FOO {}\r\n", "x".repeat(2_000));
        let mut reply = String::new();
        for (bytes, expected) in [
            (16_777_216, "(error) Unknown command: FOO\r\n"),
            (1_024, "(error) Request exceeds maximum allowed length: 1024 bytes\r\n"),
            (4_096, "(error) Unknown command: FOO\r\n"),
        ] {
            ok(&mut client, &format!("SET limits.line_bytes {bytes}")).await;
            let mut both = Vec::new();
            for name in ["limits.line_bytes", "performance.max_query_length"] {
                both.push(client.request(&format!("GET {name}")).await.unwrap());
            }
            assert_eq!(both[0], both[1]);
            stream.write_all(long.as_bytes()).await.unwrap();
            reply.clear();
            stream.read_line(&mut reply).await.unwrap();
            assert_eq!(reply, expected);
        }
        server.stop().await;
    });
}

#[test]
fn the_next_line_of_a_pipeline_goes_by_what_the_one_before_set() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let lines = ["SET similarity.max_top_k 2", "SIMV 3 1", "SET similarity.max_top_k 3", "SIMV 3 1"];
        let replies = client.pipeline(&lines).await.unwrap();
        let wrong = |at: usize| matches!(replies[at], Reply::Error(_));
        assert!(!wrong(0) && wrong(1) && !wrong(2) && !wrong(3), "{replies:?}");
        server.stop().await;
    });
}

#[test]
fn http_goes_by_the_limits_of_now() {
    run(async {
        let http = Http::start_with(http_config()).await;
        let mut client = http.running.client().await;
        let search = "/v1/collections/default/search";
        let two = json!({"queries": [{"vector": [1, 0]}, {"vector": [1, 0]}]});
        http.post(search, two.clone()).await.ok();
        ok(&mut client, "SET limits.batch_queries 1").await;
        assert_eq!(http.post(search, two).await.refused(400), "2 queries exceed maximum allowed: 1");
        ok(&mut client, "SET limits.http_body_bytes 1KB").await;
        http.post("/simv", json!({"vector": vec![1; 2_000]})).await.refused(413);
        ok(&mut client, "SET similarity.max_top_k 7").await;
        let many = http.post("/simv", json!({"vector": [1, 0], "top_k": 8})).await.refused(400);
        assert_eq!(many, "top_k 8 exceeds maximum allowed: 7");
        ok(&mut client, "SET limits.bulk_bytes 1KB").await;
        let lines = "{\"id\":\"a\",\"vector\":[1,0]}\n".repeat(100);
        let kind = [("content-type", "application/x-ndjson")];
        let bulk = "/v1/collections/default/items:bulk";
        let answer = crate::http_client::send(http.addr, "POST", bulk, &kind, lines).await;
        assert_eq!(answer.status, 413, "{}", answer.text());
        http.stop().await;
    });
}

#[test]
fn limits_of_a_file_are_taken_over_when_it_is_read_again() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        ok(&mut client, "SET limits.id_bytes 4").await;
        let mut new = config();
        (new.limits.top_k, new.limits.metadata_bytes, new.http.queries_max) = (3, 128, 9);
        let reloaded = server.live.reload(&new).unwrap();
        let mut changed = reloaded.changed.clone();
        changed.sort_unstable();
        assert_eq!(
            changed,
            ["limits.batch_queries", "limits.id_bytes", "limits.metadata_bytes", "similarity.max_top_k"]
        );
        assert!(reloaded.restart.is_empty(), "{reloaded:?}");
        assert_eq!(refused(&mut client, "SIMV 4 1").await, "top_k 4 exceeds maximum allowed: 3");
        ok(&mut client, "VECSET longer 1").await;
        server.stop().await;
    });
}
