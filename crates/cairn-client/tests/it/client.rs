//! One request, one reply.

use crate::fake::{run, scripted};
use cairn_client::{Client, Compression, Create, Error, Op, Options, Reply, Sim};
use std::time::Duration;

#[test]
fn typed_commands_send_their_lines() {
    run(async {
        let (addr, server) = scripted(vec![
            b"OK EVENT\r\n",
            b"OK VECSET\r\n",
            b"OK METASET\r\n",
            b"OK RESULTS 1\r\nb 0.5000\r\n",
            b"OK SNAPSHOT_CREATED snap-1\r\nlsn: 7\r\nEND\r\n",
            b"OK DUMP_SAVED /x\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        client.event("c", Op::Add, "a", 1, None).await.unwrap();
        client.vecset("a", &[1.0]).await.unwrap();
        client.metaset("a", "k:v").await.unwrap();
        let hits = client.sim("a", 5, &Sim::default()).await.unwrap();
        assert_eq!((hits[0].id.as_str(), hits[0].score), ("b", 0.5));
        let options = Create {
            name: Some("daily".into()),
            compression: Some(Compression::Gzip),
            description: Some("say \"x\"".into()),
            ..Create::default()
        };
        let created = client.snapshot_create(&options).await.unwrap();
        assert_eq!((created.head.as_str(), created.number("lsn")), ("OK SNAPSHOT_CREATED snap-1", Some(7)));
        assert_eq!(client.dump_save(None).await.unwrap().head, "OK DUMP_SAVED /x");
        let lines = server.await.unwrap();
        assert_eq!(lines[4], "SNAPSHOT CREATE name=daily compression=gzip description=\"say \\\"x\\\"\"");
        assert_eq!(lines[5], "DUMP SAVE");
    });
}

#[test]
fn all_options_of_a_snapshot_are_said_and_what_would_be_two_words_is_refused() {
    run(async {
        let (addr, server) = scripted(vec![
            b"OK SNAPSHOT_CREATED snap-2\r\nEND\r\n",
            b"OK SNAPSHOT_CREATED snap-3\r\nEND\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        let words = |all: &[&str]| all.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let options = Create {
            tags: words(&["nightly", "of two words"]),
            collections: words(&["books"]),
            base: Some("daily".into()),
            ..Create::default()
        };
        client.snapshot_create(&options).await.unwrap();
        client.snapshot_create(&Create { incremental: true, ..Create::default() }).await.unwrap();
        for wrong in ["a,b", " ", ""] {
            let options = Create { tags: words(&[wrong]), ..Create::default() };
            let error = client.snapshot_create(&options).await.unwrap_err().to_string();
            assert!(error.contains("tags: expected words without a comma"), "{error}");
        }
        assert_eq!(
            server.await.unwrap(),
            [
                "SNAPSHOT CREATE tags=\"nightly,of two words\" collections=\"books\" base=\"daily\"",
                "SNAPSHOT CREATE incremental=on",
            ]
        );
    });
}

#[test]
fn a_refusal_is_a_reply_of_request_and_an_error_of_typed_commands() {
    run(async {
        let (addr, _server) = scripted(vec![b"(error) no\r\n", b"ERROR no\r\n", b"OK EVENT\r\n"]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert!(matches!(client.request("FOO").await.unwrap(), Reply::Error(_)));
        let error = client.vecset("a", &[1.0]).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().message, "no");
        client.event("c", Op::Del, "a", 0, None).await.unwrap();
    });
}

#[test]
fn bad_input_leaves_the_connection_usable() {
    run(async {
        let (addr, _server) = scripted(vec![b"OK EVENT\r\n"]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert!(matches!(client.request("").await, Err(Error::Input(_))));
        assert!(matches!(client.vecset("a b", &[]).await, Err(Error::Input(_))));
        client.event("c", Op::Add, "a", 1, None).await.unwrap();
    });
}

#[test]
fn a_late_reply_breaks_the_connection() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options { request_timeout: Duration::from_millis(20), ..Options::default() };
        let mut client = Client::connect_with(listener.local_addr().unwrap(), &options).await.unwrap();
        assert!(matches!(client.request("INFO").await, Err(Error::Timeout { .. })));
        assert!(matches!(client.request("INFO").await, Err(Error::Broken)));
    });
}

#[test]
fn a_closed_connection_says_how_many_are_unanswered() {
    run(async {
        let (addr, _server) = scripted(vec![b"OK INFO\r\nversion: 1\r\n"]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert!(matches!(client.request("INFO").await, Err(Error::Closed { unanswered: 1 })));
    });
}

#[test]
fn nobody_listening_is_an_error_with_the_address() {
    run(async {
        let addr = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = Client::connect(addr).await.unwrap_err();
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
    });
}

#[test]
fn what_the_server_says_unasked_is_the_reply_to_the_first_request() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut lines, mut out) = crate::fake::split(stream);
            tokio::io::AsyncWriteExt::write_all(&mut out, b"(error) Too many connections\r\n").await.unwrap();
            let _ = lines.next_line().await;
        });
        let mut client = Client::connect(addr).await.unwrap();
        let error = client.info().await.unwrap_err();
        assert_eq!(error.refusal().unwrap().message, "Too many connections");
    });
}
