//! The rules of HTTP: what is refused before a handler sees it, and how it ends.

use crate::http_client::{Http, http_config, send};
use crate::running::run;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn an_unknown_path_and_a_wrong_method_are_json_errors() {
    run(async {
        let http = Http::start().await;
        assert!(http.get("/nope").await.refused(404).contains("/nope"));
        let answer = http.get("/vecset").await;
        assert_eq!(answer.refused(405), "/vecset does not take GET");
        assert_eq!(answer.header("allow"), Some("POST"));
        http.stop().await;
    });
}

#[test]
fn a_body_that_is_no_json_is_refused_and_the_server_lives_on() {
    run(async {
        let http = Http::start().await;
        let deep = format!("{{\"id\":\"a\",\"metadata\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
        for body in ["", "{", "[]", "{\"id\":\"a\",\"vector\":[1,null]}", "\u{0}", deep.as_str()] {
            send(http.addr, "POST", "/vecset", &[JSON], body).await.refused(400);
        }
        let unknown = http.post("/vecset", json!({"id": "a", "vector": [1], "vectr": 1})).await.refused(400);
        assert!(unknown.contains("unknown field `vectr`"), "{unknown}");
        http.get("/health").await.ok();
        http.stop().await;
    });
}

#[test]
fn a_body_of_another_content_type_is_refused() {
    run(async {
        let http = Http::start().await;
        let body = "{\"id\":\"a\",\"vector\":[1]}";
        for kind in ["text/plain", "application/x-www-form-urlencoded"] {
            let answer = send(http.addr, "POST", "/vecset", &[("content-type", kind)], body).await;
            assert_eq!(answer.refused(415), format!("expected Content-Type application/json, got {kind}"));
        }
        send(http.addr, "POST", "/vecset", &[], body).await.refused(415);
        let with_charset = [("content-type", "application/json; charset=utf-8")];
        send(http.addr, "POST", "/vecset", &with_charset, body).await.ok();
        http.stop().await;
    });
}

#[test]
fn a_body_over_the_limit_is_refused_announced_or_not() {
    run(async {
        let mut config = http_config();
        config.http.body_bytes_max = 2000;
        let http = Http::start_with(config).await;
        let message = "Request body exceeds maximum allowed: 2000 bytes";
        let body = format!("{{\"id\":\"{}\",\"vector\":[1]}}", "a".repeat(3000));
        assert_eq!(send(http.addr, "POST", "/vecset", &[JSON], body.clone()).await.refused(413), message);
        let mut stream = TcpStream::connect(http.addr).await.unwrap();
        let head = "POST /vecset HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        stream.write_all(chunked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains(message), "{answer}");
        http.stop().await;
    });
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    run(async {
        let mut config = http_config();
        config.http.timeout = Duration::from_millis(50);
        let http = Http::start_with(config).await;
        let mut stream = TcpStream::connect(http.addr).await.unwrap();
        let head = "POST /vecset HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let mut silent = TcpStream::connect(http.addr).await.unwrap();
        silent.write_all(b"GET /health HT").await.unwrap();
        let mut answer = Vec::new();
        silent.read_to_end(&mut answer).await.unwrap();
        http.get("/health").await.ok();
        http.stop().await;
    });
}

#[test]
fn an_address_that_is_not_allowed_gets_403() {
    run(async {
        let mut config = http_config();
        config.allow = vec!["10.0.0.0/8".parse().unwrap()];
        let http = Http::start_with(config).await;
        let message = "Address 127.0.0.1 is not allowed (network.allow_cidrs)";
        assert_eq!(http.get("/health").await.refused(403), message);
        http.stop().await;
    });
}

#[test]
fn too_many_connections_are_told_so() {
    run(async {
        let mut config = http_config();
        config.connections_max = 1;
        let http = Http::start_with(config).await;
        let mut first = TcpStream::connect(http.addr).await.unwrap();
        first.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        first.read_exact(&mut [0; 12]).await.unwrap();
        let mut second = TcpStream::connect(http.addr).await.unwrap();
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
        assert!(answer.ends_with("{\"error\":\"Too many connections: the maximum is 1\"}"), "{answer}");
        drop(first);
        http.stop().await;
    });
}

#[test]
fn pages_of_other_origins_may_not_call_by_default() {
    run(async {
        let http = Http::start().await;
        let foreign = [("origin", "https://evil.example"), JSON];
        send(http.addr, "POST", "/dump/save", &foreign, "").await.refused(403);
        let read = send(http.addr, "GET", "/health", &foreign, "").await;
        assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None));
        let own = format!("http://{}", http.addr);
        send(http.addr, "POST", "/dump/save", &[("origin", own.as_str())], "").await.ok();
        http.stop().await;
    });
}

#[test]
fn an_allowed_origin_may_call_after_its_preflight() {
    run(async {
        let mut config = http_config();
        (config.http.cors, config.http.cors_allow_origin) = (true, "https://app.example".to_owned());
        let http = Http::start_with(config).await;
        let origin = ("origin", "https://app.example");
        let asks = [origin, ("access-control-request-method", "POST")];
        let preflight = send(http.addr, "OPTIONS", "/vecset", &asks, "").await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("Authorization"));
        let body = "{\"id\":\"a\",\"vector\":[1]}";
        let answer = send(http.addr, "POST", "/vecset", &[origin, JSON], body).await;
        assert_eq!((answer.status, answer.header("vary")), (200, Some("Origin")));
        let other = [("origin", "https://other.example"), ("access-control-request-method", "POST")];
        send(http.addr, "OPTIONS", "/vecset", &other, "").await.refused(403);
        http.stop().await;
    });
}

#[test]
fn a_request_under_way_is_answered_when_the_server_stops() {
    run(async {
        let http = Http::start().await;
        let addr = http.addr;
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = "POST /vecset HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(b"{\"id\":\"a\",").await.unwrap();
        // Another request's answer: the first one's head was read by then.
        http.get("/health").await.ok();
        let done = http.running.stopping();
        stream.write_all(b"\"vector\":[1]}").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        done.await.unwrap().unwrap();
        assert!(TcpStream::connect(addr).await.is_err());
    });
}
