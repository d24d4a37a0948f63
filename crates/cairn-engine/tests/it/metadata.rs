//! Metadata: its text, its JSON, its bytes.

use cairn_engine::{Error, Metadata, Value};
use proptest::prelude::*;
use serde_json::json;

fn metadata(pairs: &[(&str, Value)]) -> Metadata {
    Metadata(pairs.iter().map(|(key, value)| ((*key).to_string(), value.clone())).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_string())
}

fn encoded(metadata: &Metadata) -> Vec<u8> {
    let mut bytes = Vec::new();
    metadata.encode(&mut bytes);
    bytes
}

/// One of everything, keys out of order.
fn sample() -> Metadata {
    let list = Value::List(vec![Value::Bool(true), Value::Int(-1), Value::Float(0.5), text("ä"), text("")]);
    metadata(&[
        ("section", text("web")),
        ("essential", Value::Bool(false)),
        ("size", Value::Int(i64::MIN)),
        ("score", Value::Float(-0.0)),
        ("tags", list),
        ("none", Value::List(vec![])),
    ])
}

fn input(result: Result<Metadata, Error>) -> String {
    match result.expect_err("should be refused") {
        Error::Input(message) => message,
        other => panic!("expected an input error, got {other:?}"),
    }
}

fn undecodable(bytes: &[u8]) -> &'static str {
    match Metadata::decode(bytes).expect_err("should be refused") {
        Error::Decode(what) => what,
        other => panic!("expected a decode error, got {other:?}"),
    }
}

#[test]
fn bare_words_are_typed() {
    let cases = [
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("True", text("True")),
        ("0", Value::Int(0)),
        ("-17", Value::Int(-17)),
        ("+17", Value::Int(17)),
        ("007", Value::Int(7)),
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
        ("1.0", Value::Float(1.0)),
        ("-0.0", Value::Float(-0.0)),
        ("1e3", Value::Float(1000.0)),
        (".5", Value::Float(0.5)),
        ("5.", Value::Float(5.0)),
        ("1e999", text("1e999")),
        ("nan", text("nan")),
        ("inf", text("inf")),
        ("-Infinity", text("-Infinity")),
        ("1.2.3", text("1.2.3")),
        ("0x10", text("0x10")),
        ("-", text("-")),
        ("http://x/y?z=1", text("http://x/y?z=1")),
        ("in(a|b)", text("in(a|b)")),
        (r"C:\dir", text(r"C:\dir")),
        ("日本", text("日本")),
    ];
    for (word, value) in cases {
        assert_eq!(Metadata::parse(&format!("k:{word}")).unwrap(), metadata(&[("k", value)]), "{word}");
    }
}

#[test]
fn quoted_values_are_text_and_keep_what_is_special() {
    let cases = [
        (r#""""#, ""),
        (r#""5""#, "5"),
        (r#""true""#, "true"),
        (r#""a b,c:d""#, "a b,c:d"),
        (r#""say \"hi\"""#, r#"say "hi""#),
        (r#""back\\slash""#, r"back\slash"),
        (r#""\n\r\t""#, "\n\r\t"),
        (r#""\,\:\ \|""#, ",: |"),
        ("\"日本\"", "日本"),
    ];
    for (word, value) in cases {
        assert_eq!(Metadata::parse(&format!("k:{word}")).unwrap(), metadata(&[("k", text(value))]), "{word}");
    }
}

#[test]
fn pairs_are_separated_by_commas_and_white_space_around_them_is_free() {
    let expected = metadata(&[("a", Value::Int(1)), ("b c", text("x y")), ("d", Value::Bool(true))]);
    assert_eq!(Metadata::parse(r#"a:1,"b c":"x y",d:true"#).unwrap(), expected);
    assert_eq!(Metadata::parse(r#"  d : true ,	a: 1, "b c" : "x y"  "#).unwrap(), expected);
}

#[test]
fn errors_name_the_position_and_what_was_expected() {
    let cases = [
        ("", "position 1: expected a key, found the end"),
        (":1", "position 1: expected a key, found ':'"),
        (r#""":1"#, "position 1: expected a key, found an empty one"),
        ("a", "position 2: expected ':' after the key, found the end"),
        ("a=1", "position 2: expected ':' after the key, found '='"),
        ("ä,b:1", "position 2: expected ':' after the key, found ','"),
        ("a:", "position 3: expected a value, found the end"),
        ("a:,b:1", "position 3: expected a value, found ','"),
        ("a:1,", "position 5: expected a key, found the end"),
        ("a:1,,b:2", "position 5: expected a key, found ','"),
        ("a:x y", "position 5: expected ',' or the end, found 'y'"),
        (r#"a:5"x"#, "position 4: expected ',' or the end, found '\"'"),
        (r#"a:"x"y"#, "position 6: expected ',' or the end, found 'y'"),
        (r#"a:"x"#, "position 5: expected a closing '\"', found the end"),
        (r#"a:"x\"#, "position 6: expected a closing '\"', found the end"),
        (r#"a:"x\y""#, r#"position 6: expected '"', '\', 'n', 'r' or 't' after '\', found 'y'"#),
        ("a:1,b:2,a:3", "position 9: the key 'a' is there twice"),
    ];
    for (wrong, message) in cases {
        assert_eq!(input(Metadata::parse(wrong)), format!("Invalid metadata at {message}"), "{wrong}");
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes = encoded(&metadata(&[
        ("t", text("hé")),
        ("b", Value::Bool(true)),
        ("l", Value::List(vec![Value::Bool(false), Value::Int(-2)])),
        ("f", Value::Float(1.5)),
    ]));
    let mut expected = vec![4, 0];
    expected.extend([1, 0, b'b', 1]);
    expected.extend([1, 0, b'f', 3, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F]);
    expected.extend([1, 0, b'l', 5, 2, 0, 0, 2, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    expected.extend([1, 0, b't', 4, 3, 0, 0, 0, b'h', 0xC3, 0xA9]);
    assert_eq!(bytes, expected);
    assert_eq!(encoded(&Metadata::default()), [0, 0]);
}

#[test]
fn floats_are_equal_by_bits() {
    assert_ne!(Value::Float(0.0), Value::Float(-0.0));
    assert_ne!(Value::Float(1.0), Value::Int(1));
    let decoded = Metadata::decode(&encoded(&sample())).unwrap();
    assert_eq!(decoded, sample());
}

#[test]
fn every_truncation_and_every_byte_more_is_refused() {
    let mut bytes = encoded(&sample());
    for length in 0..bytes.len() {
        undecodable(&bytes[..length]);
    }
    bytes.push(0);
    undecodable(&bytes);
}

#[test]
fn what_no_encoder_writes_is_refused() {
    let cases: [(&[u8], &str); 10] = [
        (&[2, 0, 1, 0, b'b', 0, 1, 0, b'a', 0], "metadata: keys are not in ascending order"),
        (&[2, 0, 1, 0, b'a', 0, 1, 0, b'a', 0], "metadata: keys are not in ascending order"),
        (&[1, 0, 0, 0, 0], "metadata: an empty key"),
        (&[1, 0, 1, 0, b'a', 6], "metadata: unknown value tag"),
        (&[1, 0, 1, 0, b'a', 5, 1, 0, 5, 0, 0], "metadata: a list in a list"),
        (&[1, 0, 1, 0, b'a', 5, 1, 0, 9], "metadata: unknown value tag"),
        (&[1, 0, 1, 0, 0xFF, 0], "text is not UTF-8"),
        (&[1, 0, 1, 0, b'a', 4, 1, 0, 0, 0, 0xC3], "metadata: text is not UTF-8"),
        (&[1, 0, 1, 0, b'a', 3, 0, 0, 0, 0, 0, 0, 0xF0, 0x7F], "metadata: a float is not finite"),
        (&[1, 0, 1, 0, b'a', 3, 1, 0, 0, 0, 0, 0, 0xF8, 0x7F], "metadata: a float is not finite"),
    ];
    for (bytes, what) in cases {
        assert_eq!(undecodable(bytes), what, "{bytes:?}");
    }
}

#[test]
fn lengths_beyond_the_bytes_allocate_nothing() {
    undecodable(&[0xFF, 0xFF]);
    undecodable(&[1, 0, 1, 0, b'a', 4, 0xFF, 0xFF, 0xFF, 0xFF]);
    undecodable(&[1, 0, 1, 0, b'a', 5, 0xFF, 0xFF, 0]);
    undecodable(&[1, 0, 0xFF, 0xFF, b'a']);
}

#[test]
fn json_holds_scalars_and_lists_of_scalars() {
    let json = json!({"b": true, "i": -3, "f": 5.0, "t": "x", "l": [1, 1.5, false, "y"], "e": []});
    let metadata = Metadata::from_json(json.clone()).unwrap();
    assert_eq!(metadata.0["f"], Value::Float(5.0));
    assert_eq!(metadata.0["i"], Value::Int(-3));
    assert_eq!(metadata.to_json(), json);
    assert_eq!(Metadata::from_json(json!({"u": u64::MAX})).unwrap().0["u"], Value::Float(u64::MAX as f64));
    assert_eq!(Metadata::from_json(json!({})).unwrap(), Metadata::default());
}

#[test]
fn other_json_is_refused_with_the_key_named() {
    assert_eq!(input(Metadata::from_json(json!([1]))), "Metadata must be a JSON object");
    let cases = [
        (json!({"good": 1, "bad": null}), "null"),
        (json!({"bad": {"a": 1}}), "an object"),
        (json!({"bad": [1, [2]]}), "a list in a list"),
        (json!({"bad": [null]}), "null"),
        (json!({"bad": [{}]}), "an object"),
    ];
    for (json, found) in cases {
        let expected = "expected a bool, number, string or a list of these";
        assert_eq!(
            input(Metadata::from_json(json)),
            format!("Invalid metadata value of 'bad': {expected}, found {found}")
        );
    }
    assert!(input(Metadata::from_json(json!({"": 1}))).contains("0 bytes"));
}

#[test]
fn what_cannot_be_stored_is_refused() {
    let long = "k".repeat(65_536);
    let list = |member| Value::List(vec![member]);
    let many = Metadata((0..65_536).map(|n| (n.to_string(), Value::Bool(true))).collect());
    let cases = [
        (metadata(&[("a", Value::Float(f64::NAN))]), "Invalid metadata value of 'a': a float must be finite"),
        (
            metadata(&[("a", list(Value::Float(f64::INFINITY)))]),
            "Invalid metadata value of 'a': a float must be finite",
        ),
        (
            metadata(&[("a", list(list(Value::Int(1))))]),
            "Invalid metadata value of 'a': a list cannot hold a list",
        ),
        (
            metadata(&[("a", Value::List(vec![Value::Int(1); 65_536]))]),
            "Invalid metadata value of 'a': a list is limited to 65535 members",
        ),
        (metadata(&[(&long, Value::Int(1))]), "Metadata key of 65536 bytes, must be 1 to 65535"),
        (many, "Metadata has 65536 keys, at most 65535 are allowed"),
    ];
    for (metadata, message) in cases {
        match metadata.validate().unwrap_err() {
            Error::Input(got) => assert_eq!(got, message),
            other => panic!("expected an input error, got {other:?}"),
        }
    }
    let largest = metadata(&[(&long[1..], Value::List(vec![Value::Bool(true); 65_535]))]);
    largest.validate().unwrap();
    assert_eq!(Metadata::decode(&encoded(&largest)).unwrap(), largest);
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::Float),
        ".{0,8}".prop_map(Value::Text),
    ]
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    let value =
        prop_oneof![4 => any_scalar(), 1 => prop::collection::vec(any_scalar(), 0..5).prop_map(Value::List)];
    prop::collection::btree_map(".{1,6}", value, 0..6).prop_map(Metadata)
}

/// A scalar as METASET takes it, quoted where it must be.
fn written(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Text(text) => crate::reference::quoted(text),
        Value::List(_) => panic!("lists have no text"),
    }
}

proptest! {
    #[test]
    fn encoding_is_reversible(metadata in any_metadata()) {
        let bytes = encoded(&metadata);
        prop_assert_eq!(bytes.len(), metadata.encoded_len());
        prop_assert_eq!(Metadata::decode(&bytes).unwrap(), metadata);
    }

    #[test]
    fn json_is_reversible(metadata in any_metadata()) {
        prop_assert_eq!(Metadata::from_json(metadata.to_json()).unwrap(), metadata);
    }

    #[test]
    fn text_is_reversible(map in prop::collection::btree_map(".{1,6}", any_scalar(), 1..6)) {
        let pair = |(key, value): (&String, &Value)| format!("{}:{}", crate::reference::quoted(key), written(value));
        let text: Vec<String> = map.iter().map(pair).collect();
        prop_assert_eq!(Metadata::parse(&text.join(",")).unwrap(), Metadata(map));
    }

    #[test]
    fn parsing_never_panics_and_gives_what_can_be_stored(text in r#"[a-c:,"\\ 0-9.=|é-]{0,24}"#) {
        if let Ok(metadata) = Metadata::parse(&text) {
            prop_assert_eq!(Metadata::decode(&encoded(&metadata)).unwrap(), metadata);
        }
    }

    #[test]
    fn bytes_that_decode_are_the_only_encoding(bytes in prop::collection::vec(0u8..8, 0..40)) {
        if let Ok(metadata) = Metadata::decode(&bytes) {
            metadata.validate().unwrap();
            prop_assert_eq!(encoded(&metadata), bytes);
        }
    }

    #[test]
    fn a_damaged_encoding_is_refused_or_the_encoding_of_something_else(
        metadata in any_metadata(), at in any::<prop::sample::Index>(), mask in 1u8..,
    ) {
        let mut bytes = encoded(&metadata);
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        if let Ok(other) = Metadata::decode(&bytes) {
            other.validate().unwrap();
            prop_assert_eq!(encoded(&other), bytes);
        }
    }
}
