//! Clients that send or take slowly, and what all of them may make the server hold.

use crate::http_client::{Http, http_config};
use crate::running::{Running, config, run};
use cairn_client::{Client, Reply};
use cairn_server::Config;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn a_line_that_drips_in_is_ended_though_its_client_is_never_silent() {
    run(async {
        let config = Config { request_timeout: Duration::from_millis(200), ..config() };
        let server = Running::start_with(config).await;
        let stream = TcpStream::connect(server.addr).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let drip = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while write.write_all(b"x").await.is_ok() {
                ticks.tick().await;
            }
        });
        let mut got = Vec::new();
        // The end may be a reset: the client was still sending.
        let _ = read.read_to_end(&mut got).await;
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("(error) Request not complete after "), "{got}");
        drip.await.unwrap();
        server.stop().await;
    });
}

#[test]
fn a_line_that_is_skipped_may_not_drip_in_for_ever_either() {
    run(async {
        let config = Config { request_timeout: Duration::from_millis(200), line_bytes_max: 1024, ..config() };
        let server = Running::start_with(config).await;
        let stream = TcpStream::connect(server.addr).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let drip = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            while write.write_all(&[b'x'; 2000]).await.is_ok() {
                ticks.tick().await;
            }
        });
        let mut got = Vec::new();
        let _ = read.read_to_end(&mut got).await;
        let got = String::from_utf8(got).unwrap();
        assert!(got.starts_with("(error) Request exceeds maximum allowed length: 1024 bytes\r\n"), "{got}");
        assert!(got.contains("Request not complete after"), "{got}");
        drip.await.unwrap();
        server.stop().await;
    });
}

#[test]
fn whole_lines_that_come_one_after_the_other_take_as_long_as_they_like() {
    run(async {
        let config = Config { request_timeout: Duration::from_millis(100), ..config() };
        let server = Running::start_with(config).await;
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        // Never between two lines: each piece ends one and begins another.
        stream.write_all(b"FOO").await.unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let mut reply = [0; 30];
        for _ in 0..30 {
            ticks.tick().await;
            stream.write_all(b"\nFOO").await.unwrap();
            stream.read_exact(&mut reply).await.unwrap();
            assert_eq!(&reply, b"(error) Unknown command: FOO\r\n");
        }
        server.stop().await;
    });
}

async fn lone(server: &Running, name: &str) -> Option<u64> {
    server.client().await.info().await.unwrap().number(name)
}

#[test]
fn past_the_total_of_buffered_bytes_the_large_are_ended_and_the_small_served() {
    run(async {
        let server = Running::start_with(Config { buffered_bytes_max: 2 << 20, ..config() }).await;
        let mut small = server.client().await;
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        // Half a line of 8 MiB, which alone would be allowed.
        let half = vec![b'x'; 8 << 20];
        let _ = stream.write_all(&half).await;
        let mut got = Vec::new();
        let _ = stream.read_to_end(&mut got).await;
        let got = String::from_utf8(got).unwrap();
        assert!(
            got.is_empty() || got.starts_with("(error) Too many bytes are buffered by all connections"),
            "{got}"
        );
        drop(stream);
        small.vecset("a", &[1.0]).await.unwrap();
        while lone(&server, "active_connections").await != Some(2) {
            tokio::task::yield_now().await;
        }
        // What it held is given back: a line that fits is taken.
        let long = format!("METASET a k:{}", "v".repeat(1 << 20));
        let reply = small.request(&long).await.unwrap();
        assert!(
            matches!(reply, Reply::Error(refusal) if refusal.message.contains("exceeds maximum allowed"))
        );
        server.stop().await;
    });
}

#[test]
fn peers_that_read_nothing_are_ended_and_give_back_what_they_held() {
    run(async {
        let config = Config { idle_timeout: Duration::from_millis(200), ..config() };
        let server = Running::start_with(config).await;
        let mut streams = Vec::new();
        for _ in 0..5 {
            let mut stream = TcpStream::connect(server.addr).await.unwrap();
            let asks = "INFO\n".repeat(20_000);
            // Fails, or ends when the server gives up.
            let _ = stream.write_all(asks.as_bytes()).await;
            streams.push(stream);
        }
        while lone(&server, "active_connections").await != Some(1) {
            tokio::task::yield_now().await;
        }
        server.stop().await;
    });
}

#[test]
fn http_peers_that_read_nothing_are_ended_and_quiet_ones_are_not() {
    run(async {
        let mut config = http_config();
        config.idle_timeout = Duration::from_millis(200);
        let http = Http::start_with(config).await;
        let mut quiet = TcpStream::connect(http.addr).await.unwrap();
        quiet.write_all(b"GET /v1/jobs/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(http.addr).await.unwrap();
            // So many documents are more than the buffers of any system take.
            let asks = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20_000);
            // Fails, or ends when the server gives up.
            let _ = stream.write_all(asks.as_bytes()).await;
            streams.push(stream);
        }
        // Whoever asks, and the stream of events, of which nothing is waiting to be taken.
        while lone(&http.running, "active_connections").await != Some(2) {
            tokio::task::yield_now().await;
        }
        drop((streams, quiet));
        http.stop().await;
    });
}

#[test]
fn buffers_of_any_size_give_the_same_answers() {
    run(async {
        for (read_bytes, write_bytes) in [(64, 1), (1 << 20, 1 << 20)] {
            let server = Running::start_with(Config { read_bytes, write_bytes, ..config() }).await;
            let mut client = Client::connect(server.addr).await.unwrap();
            let lines: Vec<String> = (0..500).map(|i| format!("VECSET item{i} {i} 1 2")).collect();
            let replies = client.pipeline(&lines).await.unwrap();
            assert!(replies.iter().all(|reply| matches!(reply, Reply::Ok(_))));
            server.stop().await;
        }
    });
}
