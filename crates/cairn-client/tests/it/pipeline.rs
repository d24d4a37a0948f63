//! Many requests at once.

use crate::fake::{run, split};
use cairn_client::{Client, Error, Reply};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// Answers each line: results for SIM, `OK EVENT` otherwise; and reads no further while its peer does not read.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut lines, mut out) = split(stream);
        while let Some(line) = lines.next_line().await.unwrap() {
            let reply = if line.starts_with("SIM") { "OK RESULTS 1\r\na 1.0000\r\n" } else { "OK EVENT\r\n" };
            out.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    addr
}

#[test]
fn replies_come_in_order() {
    run(async {
        let mut client = Client::connect(echo().await).await.unwrap();
        let lines: Vec<String> = (0..500)
            .map(|i| if i % 3 == 0 { format!("SIM {i} 1") } else { format!("EVENT c ADD {i} 1") })
            .collect();
        let replies = client.pipeline(&lines).await.unwrap();
        assert_eq!(replies.len(), 500);
        for (i, reply) in replies.iter().enumerate() {
            assert_eq!(matches!(reply, Reply::Results(..)), i % 3 == 0);
        }
        assert!(client.request("EVENT c ADD x 1").await.is_ok());
    });
}

#[test]
fn more_than_the_socket_buffers_hold_does_not_deadlock() {
    run(async {
        let mut client = Client::connect(echo().await).await.unwrap();
        let long = format!("EVENT c ADD {} 1", "x".repeat(900));
        let lines = vec![long.as_str(); 20_000];
        assert_eq!(client.pipeline(&lines).await.unwrap().len(), 20_000);
    });
}

#[test]
fn a_bad_line_refuses_the_whole_pipeline_before_sending() {
    run(async {
        let mut client = Client::connect(echo().await).await.unwrap();
        assert!(matches!(client.pipeline(&["EVENT c ADD a 1", "a\nb"]).await, Err(Error::Input(_))));
        assert!(client.pipeline(&["EVENT c ADD a 1"]).await.is_ok());
    });
}

#[test]
fn halves_work_in_two_tasks() {
    run(async {
        let client = Client::connect(echo().await).await.unwrap();
        let (mut sender, mut receiver) = client.split();
        let reader = tokio::spawn(async move {
            let mut ok = 0;
            while ok < 10_000 {
                assert!(receiver.recv().await.unwrap().is_ok());
                ok += 1;
            }
            receiver.unanswered()
        });
        for i in 0..10_000u32 {
            sender.send_with(|r| r.event("c", cairn_client::Op::Add, &i.to_string(), 1, None)).await.unwrap();
        }
        sender.flush().await.unwrap();
        assert_eq!(reader.await.unwrap(), 0);
        sender.finish().await.unwrap();
    });
}
