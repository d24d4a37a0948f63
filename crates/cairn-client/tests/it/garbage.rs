//! Replies that are none: cut, garbled, or of sizes that nobody has.

use crate::fake::{Act, connections, run};
use cairn_client::{Client, Decoder, Error, ErrorKind, Shape, Sim};

async fn asked(bytes: &'static [u8]) -> Error {
    let (addr, _server) = connections(vec![vec![Act::SayAndClose(bytes)]]).await;
    let mut client = Client::connect(addr).await.unwrap();
    client.sim("a", 5, &Sim::default()).await.unwrap_err()
}

#[test]
fn a_reply_of_another_protocol_is_named() {
    run(async {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\r\n",
            b"OK RESULTS -5\r\n",
            b"OK RESULTS 1\r\n\xff\xfe 1.0\r\n",
            b"OK RESULTS 1\r\na not-a-score\r\n",
        ] {
            let error = asked(bytes).await;
            assert_eq!(error.kind(), ErrorKind::Protocol, "{bytes:?}: {error}");
        }
    });
}

#[test]
fn a_connection_that_ends_inside_a_reply_is_told() {
    run(async {
        let whole = b"OK RESULTS 2\r\nb 0.5000\r\nc 0.2500\r\n";
        for cut in 0..whole.len() {
            let error = asked(&whole[..cut]).await;
            assert!(
                matches!(error, Error::Closed { unanswered: 1 } | Error::Io { .. }),
                "cut at {cut}: {error}"
            );
        }
    });
}

#[test]
fn a_count_past_the_limit_is_refused_before_anything_is_waited_for() {
    for (shape, bytes) in [
        (Shape::Results, "OK RESULTS 18446744073709551615\r\n"),
        (Shape::Results, "OK RESULTS 2000000\r\n"),
        (Shape::Bulk, "$18446744073709551613\r\n"),
        (Shape::Bulk, "$2000000\r\n"),
        (Shape::Array, "*99999999999\r\n"),
        (Shape::Array, "*1\r\n$18446744073709551613\r\n"),
    ] {
        let mut decoder = Decoder::new(1 << 20);
        decoder.feed(bytes.as_bytes());
        let error = decoder.next(shape).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{bytes}: {error}");
    }
}

#[test]
fn any_limit_is_safe_with_any_length() {
    let mut decoder = Decoder::new(usize::MAX);
    decoder.feed(b"$4611686018427387903\r\nx");
    assert!(decoder.next(Shape::Bulk).unwrap().is_none());
}

#[test]
fn a_value_that_does_not_end_where_its_length_says_is_an_error() {
    run(async {
        let lies: [&'static [u8]; 3] = [b"$2\r\nabcd\r\n", b"*1\r\n$2\r\nabcd\r\n", b"*1\r\n$-1\r\n"];
        for (bytes, line) in lies.into_iter().zip(["GET a.b", "SHOW VARIABLES", "SHOW VARIABLES"]) {
            let (addr, _server) = connections(vec![vec![Act::SayAndClose(bytes)]]).await;
            let mut client = Client::connect(addr).await.unwrap();
            let error = client.request(line).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{bytes:?}: {error}");
        }
    });
}

#[test]
fn a_slow_server_is_waited_for_byte_by_byte() {
    run(async {
        let (addr, _server) =
            connections(vec![vec![Act::Trickle(b"OK RESULTS 2\r\nb 0.5000\r\nc 0.2500\r\n")]]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert_eq!(client.sim("a", 5, &Sim::default()).await.unwrap().len(), 2);
    });
}

#[test]
fn garbage_in_answer_to_a_write_leaves_its_fate_unknown() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::SayAndClose(b"\xff\xff\r\n")]]).await;
        let mut client = Client::connect(addr).await.unwrap();
        let error = client.vecset("a", &[1.0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
    });
}

#[test]
fn a_request_of_several_lines_is_refused() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Say(b"OK VECSET\r\n")]]).await;
        let mut client = Client::connect(addr).await.unwrap();
        let two = client.request_with(|r| r.line("INFO").and_then(|()| r.line("INFO"))).await;
        assert!(matches!(two, Err(Error::Input(_))));
        assert!(matches!(client.request("\r").await, Err(Error::Input(_))));
        client.vecset("a", &[1.0]).await.unwrap();
    });
}
