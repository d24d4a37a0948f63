//! Bytes → replies, at every split.

use cairn_client::{Block, Decoder, Hit, Refusal, Reply, Shape};

fn block(head: &str, lines: &[&str]) -> Reply {
    Reply::Block(Block { head: head.into(), lines: lines.iter().map(|line| (*line).into()).collect() })
}

fn error(message: &str, details: &[&str]) -> Reply {
    Reply::Error(Refusal {
        message: message.into(),
        details: details.iter().map(|line| (*line).into()).collect(),
    })
}

fn hits(pairs: &[(&str, f64)]) -> Vec<Hit> {
    pairs.iter().map(|(id, score)| Hit { id: (*id).into(), score: *score }).collect()
}

fn table() -> Vec<(Shape, &'static str, Reply)> {
    vec![
        (Shape::Line, "OK EVENT\r\n", Reply::Ok("OK EVENT".into())),
        (Shape::Line, "+OK (no password required)\r\n", Reply::Ok("+OK (no password required)".into())),
        (Shape::Line, "(error) Unknown command: FOO\r\n", error("Unknown command: FOO", &[])),
        (Shape::Line, "ERROR Unknown command: FOO\r\n", error("Unknown command: FOO", &[])),
        (Shape::Line, "-ERR no\r\n", error("no", &[])),
        (Shape::Results, "OK RESULTS 0\r\n", Reply::Results(vec![], vec![])),
        (
            Shape::Results,
            "OK RESULTS 2\r\nb 5000.0000\r\nc -0.5000\r\n",
            Reply::Results(hits(&[("b", 5000.0), ("c", -0.5)]), vec![]),
        ),
        (
            Shape::Results,
            "ERROR top_k must be positive, got 0\r\n",
            error("top_k must be positive, got 0", &[]),
        ),
        (
            Shape::Block,
            "OK INFO\r\n\r\n# Server\r\nversion: 0.1.0\r\nEND\r\n",
            block("OK INFO", &["", "# Server", "version: 0.1.0"]),
        ),
        (Shape::Block, "OK X\r\nEND\r\n", block("OK X", &[])),
        (Shape::Dump, "OK DUMP_SAVED /a b.nvec\r\n", Reply::Ok("OK DUMP_SAVED /a b.nvec".into())),
        (
            Shape::Dump,
            "OK Snapshot saved: /a\r\nsize: 1 bytes\r\nEND\r\n",
            block("OK Snapshot saved: /a", &["size: 1 bytes"]),
        ),
        (Shape::Dump, "(error) Permission denied\r\n", error("Permission denied", &[])),
        (Shape::Verify, "OK DUMP_VERIFIED /a\r\n", Reply::Ok("OK DUMP_VERIFIED /a".into())),
        (
            Shape::Verify,
            "(error) CRC mismatch: file may be corrupted\r\nexpected: 0x1\r\nactual: 0x2\r\nEND\r\n",
            error("CRC mismatch: file may be corrupted", &["expected: 0x1", "actual: 0x2"]),
        ),
        (Shape::Verify, "ERROR CRC mismatch\r\n", error("CRC mismatch", &[])),
        (Shape::Block, "OK DUMP_INFO /a\r\nversion: 1\r\nEND\r\n", block("OK DUMP_INFO /a", &["version: 1"])),
        (Shape::Bulk, "$5\r\na\r\nbc\r\n", Reply::Bulk(Some("a\r\nbc".into()))),
        (Shape::Bulk, "$-1\r\n", Reply::Bulk(None)),
        (Shape::Bulk, "$0\r\n\r\n", Reply::Bulk(Some(String::new()))),
        (Shape::Array, "*0\r\n", Reply::Array(vec![])),
        (Shape::Array, "*2\r\n$1\r\na\r\n$3\r\nb=1\r\n", Reply::Array(vec!["a".into(), "b=1".into()])),
        (Shape::Block, "OK X\na: 1\nEND\n", block("OK X", &["a: 1"])),
    ]
}

#[test]
fn every_reply_decodes_at_every_split() {
    for (shape, bytes, want) in table() {
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::new(1 << 20);
            decoder.feed(&bytes.as_bytes()[..cut]);
            if cut < bytes.len() {
                assert!(decoder.next(shape).unwrap().is_none(), "{bytes:?} cut at {cut}");
            }
            decoder.feed(&bytes.as_bytes()[cut..]);
            let frame = decoder.next(shape).unwrap().expect("complete");
            assert_eq!(Reply::try_from(frame).unwrap(), want, "{bytes:?} cut at {cut}");
            assert!(decoder.pending().is_empty());
        }
    }
}

#[test]
fn all_replies_in_one_stream_byte_by_byte() {
    let mut decoder = Decoder::new(1 << 20);
    let table = table();
    let stream: Vec<u8> = table.iter().flat_map(|(_, bytes, _)| bytes.bytes()).collect();
    let (mut got, mut wanted) = (Vec::new(), table.iter());
    let mut current = wanted.next();
    for byte in stream {
        decoder.feed(&[byte]);
        while let Some((shape, _, _)) = current {
            let Some(frame) = decoder.next(*shape).unwrap() else { break };
            got.push(Reply::try_from(frame).unwrap());
            current = wanted.next();
        }
    }
    assert_eq!(got, table.into_iter().map(|(_, _, reply)| reply).collect::<Vec<_>>());
}

#[test]
fn debug_lines_follow_results_after_debug_on() {
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(b"OK DEBUG_ON\r\nOK RESULTS 1\r\na 1.0000\r\n# DEBUG 2\r\nmode: fusion\r\nresults: 1\r\n");
    decoder.next(Shape::DebugOn).unwrap().unwrap();
    let reply = Reply::try_from(decoder.next(Shape::Results).unwrap().unwrap()).unwrap();
    assert_eq!(reply, Reply::Results(hits(&[("a", 1.0)]), vec!["mode: fusion".into(), "results: 1".into()]));
    decoder.feed(b"OK DEBUG_OFF\r\nOK RESULTS 0\r\n");
    decoder.next(Shape::DebugOff).unwrap().unwrap();
    assert!(decoder.next(Shape::Results).unwrap().is_some());
}

#[test]
fn a_refused_debug_on_changes_nothing() {
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(b"(error) Unknown command: DEBUG\r\nOK RESULTS 0\r\n");
    decoder.next(Shape::DebugOn).unwrap().unwrap();
    assert!(decoder.next(Shape::Results).unwrap().is_some());
}

#[test]
fn bytes_that_are_no_reply_are_an_error() {
    for (shape, bytes) in [
        (Shape::Results, "HTTP/1.1 400 Bad Request\r\n"),
        (Shape::Results, "OK RESULTS many\r\n"),
        (Shape::Results, "OK RESULTS -1\r\n"),
        (Shape::Bulk, "hello\r\n"),
        (Shape::Bulk, "$99999999999999999999\r\n"),
        (Shape::Bulk, "$18446744073709551615\r\n"),
        (Shape::Array, "*x\r\n"),
        (Shape::Array, "*1\r\nfoo\r\n"),
    ] {
        let mut decoder = Decoder::new(1 << 20);
        decoder.feed(bytes.as_bytes());
        assert!(decoder.next(shape).is_err(), "{bytes}");
    }
}

#[test]
fn a_row_without_a_score_is_an_error() {
    let mut decoder = Decoder::new(1 << 20);
    decoder.feed(b"OK RESULTS 1\r\nlonely\r\n");
    let frame = decoder.next(Shape::Results).unwrap().unwrap();
    assert!(Reply::try_from(frame).is_err());
}

#[test]
fn a_reply_past_the_limit_is_an_error() {
    let mut decoder = Decoder::new(100);
    decoder.feed(b"OK INFO\r\n");
    assert!(decoder.next(Shape::Block).unwrap().is_none());
    decoder.feed(&[b'x'; 200]);
    assert!(decoder.next(Shape::Block).is_err());
}
