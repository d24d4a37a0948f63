//! Reading JSON Lines.

use crate::support::{event, fault, input, metadata, read, read_bytes, text, vector};
use cairn_engine::{EventOp, Value};
use cairn_transfer::{Fields, Format, ReadOptions, open};

fn bad(line: &str) -> String {
    let bad = fault(Format::JsonLines, line);
    bad.strip_prefix("line 1: ").unwrap().to_owned()
}

#[test]
fn an_item_has_a_vector_or_metadata_or_both() {
    let all = read_bytes(
        Format::JsonLines,
        "{\"id\":\"a\",\"vector\":[1, 2.5 ,-3e-2],\"metadata\":{\"n\":1}}\n{\"vector\":[1,2,3],\"id\":7}\n\n  \r\n{\"id\":\"c\\u00e9\",\"vector\":null,\"metadata\":{}}",
    );
    assert_eq!((all.bad, all.error), (vec![], None));
    assert_eq!(
        all.writes,
        [
            vector("a", &[1.0, 2.5, -0.03]),
            metadata("a", &[("n", Value::Int(1))]),
            vector("7", &[1.0, 2.0, 3.0]),
            metadata("cé", &[]),
        ]
    );
}

#[test]
fn metadata_keeps_its_types() {
    let line = r#"{"id":"a","metadata":{"b":true,"i":-5,"big":18446744073709551615,"f":1.0,"z":-0.0,"t":"x\ny","l":[1,"a",false,2.5],"e":[]}}"#;
    let list = Value::List(vec![Value::Int(1), text("a"), Value::Bool(false), Value::Float(2.5)]);
    let expected = metadata(
        "a",
        &[
            ("b", Value::Bool(true)),
            ("i", Value::Int(-5)),
            ("big", Value::Float(18_446_744_073_709_551_615.0)),
            ("f", Value::Float(1.0)),
            ("z", Value::Float(-0.0)),
            ("t", text("x\ny")),
            ("l", list),
            ("e", Value::List(vec![])),
        ],
    );
    assert_eq!(read_bytes(Format::JsonLines, line).writes, [expected]);
}

#[test]
fn events_and_items_may_stand_in_one_file() {
    let all = read_bytes(
        Format::JsonLines,
        "{\"ctx\":\"u\",\"id\":\"a\",\"type\":\"ADD\",\"score\":100,\"timestamp\":5}\n{\"id\":\"a\",\"vector\":[1]}\n{\"ctx\":\"u\",\"id\":\"a\",\"type\":\"del\"}\n{\"ctx\":\"u\",\"id\":\"a\",\"type\":\"SET\",\"score\":0,\"timestamp\":null}\n",
    );
    assert_eq!((all.bad, all.error), (vec![], None));
    assert_eq!(
        all.writes,
        [
            event("u", EventOp::Add, "a", 100, Some(5)),
            vector("a", &[1.0]),
            event("u", EventOp::Del, "a", 0, None),
            event("u", EventOp::Set, "a", 0, None),
        ]
    );
}

#[test]
fn a_bad_row_names_field_expected_and_got() {
    for (line, message) in [
        (r#"{"id":"a","vector":[1,"abc",3]}"#, r#"vector[1]: expected a finite f32 number, got "\"abc\"""#),
        (r#"{"id":"a","vector":[1,2,1e39]}"#, r#"vector[2]: expected a finite f32 number, got "1e39""#),
        (r#"{"id":"a","vector":[1,null]}"#, r#"vector[1]: expected a finite f32 number, got "null""#),
        (r#"{"id":"a","vector":"1,2"}"#, r#"vector: expected a list of numbers, got "\"1,2\"""#),
        (r#"{"vector":[1]}"#, "id: expected a string, got none"),
        (r#"{"id":null,"vector":[1]}"#, "id: expected a string, got none"),
        (r#"{"id":[1],"vector":[1]}"#, r#"id: expected a string or an integer, got "[1]""#),
        (r#"{"id":1.5,"vector":[1]}"#, r#"id: expected a string or an integer, got "1.5""#),
        (r#"{"id":"a"}"#, "row: expected a vector or metadata, got neither"),
        (r#"{"id":"a","id":"b","vector":[1]}"#, "id: expected the key once, got it twice"),
        (
            r#"{"id":"a","text":"x"}"#,
            r#"key: expected one of id, vector, metadata, ctx, type, score, timestamp, got "text""#,
        ),
        (
            r#"{"id":"a","metadata":{"k":null}}"#,
            "metadata.k: expected a bool, number, string or a list of these, got null",
        ),
        (
            r#"{"id":"a","metadata":{"k":{"x":1}}}"#,
            "metadata.k: expected a bool, number, string or a list of these, got an object",
        ),
        (
            r#"{"id":"a","metadata":{"k":[1,[2]]}}"#,
            "metadata.k[1]: expected a bool, number or string, got a list in a list",
        ),
        (
            r#"{"id":"a","metadata":{"k":[null]}}"#,
            "metadata.k[0]: expected a bool, number or string, got null",
        ),
        (r#"{"id":"a","metadata":{"k":1,"k":2}}"#, "metadata.k: expected the key once, got it twice"),
        (r#"{"id":"a","metadata":{"":1}}"#, "metadata: Metadata key of 0 bytes, must be 1 to 65535"),
        (r#"{"ctx":"u","id":"a","type":"PUT","score":1}"#, r#"type: expected ADD, SET or DEL, got "PUT""#),
        (
            r#"{"ctx":"u","id":"a","type":"ADD","score":101}"#,
            r#"score: expected an integer from 0 to 100, got "101""#,
        ),
        (
            r#"{"ctx":"u","id":"a","type":"ADD","score":1.5}"#,
            r#"score: expected an integer from 0 to 100, got "1.5""#,
        ),
        (r#"{"ctx":"u","id":"a","type":"ADD"}"#, "score: expected an integer from 0 to 100, got none"),
        (r#"{"ctx":"u","id":"a","score":1}"#, "type: expected a string, got none"),
        (r#"{"id":"a","type":"ADD","score":1}"#, "ctx: expected a string, got none"),
        (
            r#"{"ctx":"u","id":"a","type":"DEL","timestamp":1700000000000}"#,
            r#"timestamp: expected seconds, 0 to 253402300799, got "1700000000000""#,
        ),
        (
            r#"{"ctx":"u","id":"a","type":"DEL","vector":[1]}"#,
            "vector: expected no such key in an event, got one",
        ),
        (
            r#"{"ctx":"u","id":"a","type":"DEL","metadata":{}}"#,
            "metadata: expected no such key in an event, got one",
        ),
    ] {
        assert_eq!(bad(line), message, "{line}");
    }
}

#[test]
fn what_is_no_object_is_a_bad_row() {
    for line in [
        "{",
        "[]",
        "1",
        "{\"id\":\"a\",\"vector\":[1,]}",
        "{\"id\":\"a\"} x",
        "{\"id\":\"a\",\"vector\":[1]}{}",
        "nan",
        "{\"id\":\"a\",\"metadata\":{\"k\":1e999}}",
    ] {
        let message = bad(line);
        assert!(
            message.contains("expected a JSON object, got ") && message.contains("(column "),
            "{line}: {message}"
        );
    }
}

#[test]
fn bytes_that_are_no_utf_8_make_a_bad_row() {
    let bytes = b"{\"id\":\"a\xff\",\"vector\":[1]}\n{\"id\":\"b\",\"vector\":[1]}\n{\"id\":\"c\",\"metadata\":{\"k\":\"\xc3\"}}\n";
    let all = read_bytes(Format::JsonLines, bytes);
    assert_eq!(all.writes, [vector("b", &[1.0])]);
    assert_eq!(
        all.bad,
        [
            "line 1: id: expected UTF-8, got a byte that is none (column 9)",
            "line 3: metadata: expected UTF-8, got a byte that is none (column 28)"
        ]
    );
}

#[test]
fn a_line_that_is_too_long_is_a_bad_row_and_the_next_is_read() {
    let long = "x".repeat(17 << 20);
    let all = read_bytes(Format::JsonLines, format!("{long}\n{{\"id\":\"b\",\"vector\":[1]}}\n"));
    assert_eq!(all.bad, ["line 1: line: expected at most 16777216 bytes, got 17825793 bytes"]);
    assert_eq!(all.writes, [vector("b", &[1.0])]);
}

#[test]
fn fields_can_have_other_names() {
    let metadata_fields = ["meta".to_owned(), "text=body".to_owned(), "tags".to_owned()];
    let fields =
        Fields::from_options(Some("name"), Some("embedding"), &metadata_fields, &["rank".to_owned()])
            .unwrap();
    let line =
        r#"{"name":"a","rank":{"x":[null]},"embedding":[1],"text":"long","meta":{"k":1},"tags":["x"]}"#;
    let options = ReadOptions { fields, ..ReadOptions::default() };
    let all = read(&mut *open(input(line), Format::JsonLines, options).unwrap());
    let tags = Value::List(vec![text("x")]);
    let expected = metadata("a", &[("body", text("long")), ("k", Value::Int(1)), ("tags", tags)]);
    assert_eq!(all.writes, [vector("a", &[1.0]), expected]);
}

#[test]
fn an_empty_file_has_no_rows() {
    for bytes in [&b""[..], b"\n\n", b"\xef\xbb\xbf"] {
        assert_eq!(read_bytes(Format::JsonLines, bytes), crate::support::All::default());
    }
}
