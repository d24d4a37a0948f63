//! Bulk bodies: rows that are streamed in, and what becomes of bad ones.

use crate::http_client::{Answer, Http, http_config, send};
use crate::running::{Running, config, run, state_hash};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATH: &str = "/v1/collections/default/items:bulk";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

async fn bulk(http: &Http, query: &str, body: impl Into<Vec<u8>>) -> Answer {
    send(http.addr, "POST", &format!("{PATH}{query}"), &[NDJSON], body).await
}

fn lines(n: usize) -> String {
    (0..n).map(|i| format!("{{\"id\":\"i{i}\",\"vector\":[{i},1],\"metadata\":{{\"n\":{i}}}}}\n")).collect()
}

#[test]
fn lines_of_json_are_written_and_there_after_a_restart() {
    run(async {
        let http = Http::start().await;
        let answer = bulk(&http, "", lines(10_000)).await.ok();
        assert_eq!(
            answer,
            json!({"status": "ok", "read": 10_000, "written": 10_000, "skipped": 0, "bad_rows": []})
        );
        let before = state_hash(&mut http.running.client().await).await;
        let disk = http.running.stop().await;
        let server = Running::start_on(disk, config()).await;
        assert_eq!(state_hash(&mut server.client().await).await, before);
        server.stop().await;
    });
}

#[test]
fn a_bad_row_stops_and_is_told_by_its_line() {
    run(async {
        let http = Http::start().await;
        let body = format!("{}{{\"id\":\"x\",\"vector\":\"y\"}}\n{}", lines(2), lines(9));
        let answer = bulk(&http, "", body).await;
        assert_eq!(answer.status, 400);
        let answer = answer.json();
        let counts = (&answer["status"], &answer["written"], &answer["skipped"]);
        assert_eq!(counts, (&json!("stopped"), &json!(2), &json!(1)));
        assert_eq!(answer["bad_rows"][0]["line"], 3);
        assert_eq!(http.get("/info").await.ok()["data"]["vector_count"], 2);
        http.stop().await;
    });
}

#[test]
fn bad_rows_are_skipped_and_reported_when_asked() {
    run(async {
        let http = Http::start().await;
        let body = format!("{}nonsense\n{{\"id\":\"w\",\"vector\":[1,2,3]}}\n{}", lines(2), lines(3));
        let answer = bulk(&http, "?on_error=skip", body).await.ok();
        assert_eq!((&answer["written"], &answer["skipped"]), (&json!(5), &json!(2)));
        let bad: Vec<&Value> =
            answer["bad_rows"].as_array().unwrap().iter().map(|row| &row["line"]).collect();
        assert_eq!(bad, [3, 4]);
        http.stop().await;
    });
}

#[test]
fn an_array_of_numpy_is_written_with_numbers_as_ids() {
    run(async {
        let http = Http::start().await;
        let mut header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".to_vec();
        header.resize(117, b' ');
        header.push(b'\n');
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        npy.extend_from_slice(&118u16.to_le_bytes());
        npy.extend_from_slice(&header);
        [1.0f32, 2.0, 3.0, 4.0].iter().for_each(|x| npy.extend_from_slice(&x.to_le_bytes()));
        let kind = [("content-type", "application/x-npy")];
        let path = format!("{PATH}?id_prefix=row-");
        let answer = send(http.addr, "POST", &path, &kind, npy.clone()).await.ok();
        assert_eq!(answer["written"], 2);
        let item = http.get("/v1/collections/default/items/row-1").await.ok();
        assert_eq!(item["vector"], json!([3.0, 4.0]));
        npy.truncate(npy.len() - 4);
        let cut = send(http.addr, "POST", &path, &kind, npy).await;
        assert_eq!((cut.status, &cut.json()["status"]), (400, &json!("stopped")));
        http.stop().await;
    });
}

#[test]
fn what_is_wrong_with_the_whole_is_refused() {
    run(async {
        let http = Http::start().await;
        let none = "/v1/collections/none/items:bulk";
        let answer = send(http.addr, "POST", none, &[NDJSON], lines(1)).await;
        assert_eq!(answer.status, 404, "{}", answer.text());
        send(http.addr, "POST", PATH, &[("content-type", "text/csv")], "").await.refused(415);
        bulk(&http, "?on_error=maybe", "").await.refused(400);
        bulk(&http, "?nope=1", "").await.refused(400);
        http.stop().await;
    });
}

#[test]
fn a_body_over_the_limit_ends_the_bulk_with_413() {
    run(async {
        let mut config = http_config();
        config.http.bulk_bytes_max = 100_000;
        let http = Http::start_with(config).await;
        let answer = bulk(&http, "", lines(20_000)).await;
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert!(answer.text().contains("exceeds maximum allowed: 100000 bytes"));
        http.get("/health").await.ok();
        http.stop().await;
    });
}

#[test]
fn a_body_that_pauses_is_given_up_and_what_was_written_stays() {
    run(async {
        let mut config = http_config();
        config.http.timeout = Duration::from_millis(100);
        let http = Http::start_with(config).await;
        let mut stream = TcpStream::connect(http.addr).await.unwrap();
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 999999\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(lines(3).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        http.get("/health").await.ok();
        http.stop().await;
    });
}
