//! Reading the wire's own lines.

use crate::support::{event, fault, metadata, read_bytes, text, vector};
use cairn_engine::{EventOp, Value};
use cairn_transfer::Format;

#[test]
fn lines_become_the_writes_that_a_server_makes_of_them() {
    let all = read_bytes(
        Format::Lines,
        "VECSET a 1 2.5\r\nMETASET a price:3,name:\"x y\"\n\nevent u add a 100\n  EVENT u SET a 0 timestamp=7\nEVENT u DEL a\nEVENT u DEL a TIMESTAMP=0",
    );
    assert_eq!((all.bad, all.error), (vec![], None));
    assert_eq!(
        all.writes,
        [
            vector("a", &[1.0, 2.5]),
            metadata("a", &[("price", Value::Int(3)), ("name", text("x y"))]),
            event("u", EventOp::Add, "a", 100, None),
            event("u", EventOp::Set, "a", 0, Some(7)),
            event("u", EventOp::Del, "a", 0, None),
            event("u", EventOp::Del, "a", 0, Some(0)),
        ]
    );
}

#[test]
fn a_bad_line_names_field_expected_and_got() {
    for (line, message) in [
        ("INFO", r#"command: expected VECSET, METASET or EVENT, got "INFO""#),
        ("VECSET", "id: expected an id, got the end of the line"),
        ("VECSET a", "vector: expected numbers, got the end of the line"),
        ("VECSET a 1 x", r#"vector[1]: expected a finite f32 number, got "x""#),
        ("VECSET a 1 nan", r#"vector[1]: expected a finite f32 number, got "nan""#),
        ("METASET a", "metadata: expected key:value[,key:value…], got the end of the line"),
        (
            "METASET a k",
            "metadata: Invalid metadata at position 2: expected ':' after the key, found the end",
        ),
        ("EVENT u", "type: expected ADD, SET or DEL, got the end of the line"),
        ("EVENT u PUT a 1", r#"type: expected ADD, SET or DEL, got "PUT""#),
        ("EVENT u ADD a", "score: expected an integer from 0 to 100, got the end of the line"),
        ("EVENT u ADD a -1", r#"score: expected an integer from 0 to 100, got "-1""#),
        ("EVENT u ADD a 1 time=3", r#"option: expected timestamp=<seconds>, got "time=3""#),
        ("EVENT u DEL a 5", r#"option: expected timestamp=<seconds>, got "5""#),
        ("EVENT u ADD a 1 timestamp=x", r#"timestamp: expected seconds, 0 to 253402300799, got "x""#),
        ("EVENT u ADD a 1 timestamp=3 y", r#"line: expected its end, got "y""#),
    ] {
        assert_eq!(fault(Format::Lines, line), format!("line 1: {message}"), "{line}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_make_a_bad_row() {
    let all = read_bytes(Format::Lines, b"EVENT u ADD \xff 1\nEVENT u ADD a 1\n");
    assert_eq!(all.bad, ["line 1: line: expected UTF-8, got a byte that is none (column 13)"]);
    assert_eq!(all.writes.len(), 1);
}
