//! What no client of ours sends: the connection stays usable, the process alive.

use crate::running::{Running, config, run};
use cairn_server::Config;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends bytes, then CHECK, and gives everything answered before CHECK's reply.
async fn answered(server: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let (mut read, mut write) = stream.split();
    let send = async {
        write.write_all(bytes).await.unwrap();
        write.write_all(b"CHECK\r\n").await.unwrap();
    };
    let receive = async {
        let mut got = Vec::new();
        while !got.ends_with(b"END\r\n") {
            assert!(read.read_buf(&mut got).await.unwrap() > 0, "closed: {}", String::from_utf8_lossy(&got));
        }
        got
    };
    let ((), got) = tokio::join!(send, receive);
    let text = String::from_utf8(got).unwrap();
    text.split_once("OK CHECK").unwrap().0.to_owned()
}

#[test]
fn empty_lines_are_not_answered() {
    run(async {
        let server = Running::start().await;
        assert_eq!(answered(&server, b"\r\n\n\n\r\n").await, "");
        server.stop().await;
    });
}

#[test]
fn binary_junk_is_answered_line_by_line() {
    run(async {
        let server = Running::start().await;
        let junk: Vec<u8> = (0..=255u8).cycle().take(100_000).chain(*b"\n").collect();
        let lines = junk.split(|&b| b == b'\n').filter(|line| !line.is_empty() && *line != b"\r").count();
        let got = answered(&server, &junk).await;
        assert_eq!(got.lines().count(), lines);
        assert!(got.lines().all(|line| line.starts_with("(error) ")), "{got}");
        assert!(got.contains("(error) Invalid UTF-8 in request\r\n"));
        server.stop().await;
    });
}

#[test]
fn zeros_and_control_characters_are_answered() {
    run(async {
        let server = Running::start().await;
        let got = answered(&server, b"\0\0\0\n\x1b[31m\x07\nVECSET a\0b 1 2\nSIM a\0b 5\n").await;
        assert_eq!(
            got,
            "(error) Unknown command: \0\0\0\r\n(error) Unknown command: \x1b[31m\x07\r\nOK VECSET\r\nOK RESULTS 0\r\n"
        );
        server.stop().await;
    });
}

#[test]
fn a_line_of_16_mib_is_taken_and_one_byte_more_is_refused() {
    run(async {
        let server = Running::start().await;
        let mut line = b"VECSET ".to_vec();
        line.resize(16 << 20, b'x');
        line.extend_from_slice(b"\r\n");
        let got = answered(&server, &line).await;
        assert_eq!(got, "(error) VECSET requires at least 2 arguments: <id> <floats>\r\n");
        line.insert(0, b' ');
        let got = answered(&server, &line).await;
        assert_eq!(got, "(error) Request exceeds maximum allowed length: 16777216 bytes\r\n");
        server.stop().await;
    });
}

#[test]
fn a_long_id_is_refused() {
    run(async {
        let server = Running::start().await;
        let id = "i".repeat(64 << 10);
        let got = answered(
            &server,
            format!("VECSET {id} 1 2\nEVENT {id} ADD a 1\nEVENT c ADD {id} 1\n").as_bytes(),
        )
        .await;
        let lines: Vec<&str> = got.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines.iter().all(|line| line.contains("65536 bytes, exceeds maximum allowed: 1024")),
            "{got}"
        );
        server.stop().await;
    });
}

#[test]
fn a_million_floats_are_refused_by_the_limit() {
    run(async {
        let server = Running::start().await;
        let got = answered(&server, format!("VECSET a{}\n", " 1".repeat(1_000_000)).as_bytes()).await;
        assert_eq!(got, "(error) Vector dimension 1000000 exceeds maximum allowed: 65536\r\n");
        server.stop().await;
    });
}

#[test]
fn ten_thousand_pipelined_requests_are_all_answered() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let lines: Vec<String> = (0..10_000)
            .map(|i| match i % 4 {
                0 => format!("VECSET v{i} {i} 1 2"),
                1 => format!("EVENT c{} ADD v{} {}", i % 50, i - 1, i % 101),
                2 => format!("SIM v{} 3 using=vectors", i - 2),
                _ => "NONSENSE".to_owned(),
            })
            .collect();
        let replies = client.pipeline(&lines).await.unwrap();
        let errors = replies.iter().filter(|reply| matches!(reply, cairn_client::Reply::Error(_))).count();
        assert_eq!((replies.len(), errors), (10_000, 2_500));
        server.stop().await;
    });
}

fn impatient() -> Config {
    Config { idle_timeout: Duration::from_millis(50), ..config() }
}

#[test]
fn half_a_line_and_then_silence_is_closed() {
    run(async {
        let server = Running::start_with(impatient()).await;
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(b"VECSET a 1 2").await.unwrap();
        let mut got = Vec::new();
        assert_eq!(stream.read_to_end(&mut got).await.unwrap(), 0);
        // What was half sent is not done.
        let mut client = server.client().await;
        assert_eq!(client.check().await.unwrap().number("vectors"), Some(0));
        server.stop().await;
    });
}

#[test]
fn half_a_line_at_the_end_of_input_is_not_done() {
    run(async {
        let server = Running::start().await;
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(b"VECSET a 1 2\r\nVECSET b 1 2").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "OK VECSET\r\n");
        server.stop().await;
    });
}

#[test]
fn a_peer_that_never_reads_its_replies_is_closed() {
    run(async {
        let server = Running::start_with(impatient()).await;
        let mut client = server.client().await;
        client.vecset(&"x".repeat(1000), &[1.0]).await.unwrap();
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        let asks = "INFO\n".repeat(100_000);
        // The server stops reading, waits, and gives up: this write fails or ends, but never blocks for good.
        let _ = stream.write_all(asks.as_bytes()).await;
        let mut watcher = server.client().await;
        while watcher.info().await.unwrap().number("active_connections") != Some(1) {
            tokio::task::yield_now().await;
        }
        server.stop().await;
    });
}
