//! Export, then import: the same state where the format can carry everything.

use crate::support::{
    engine, engine_with, event, exported, import, input, metadata, read, text, try_export, vector,
};
use cairn_engine::{Engine, EventOp, Value, Write};
use cairn_transfer::{
    Content, Element, ExportOptions, Fields, Format, Ids, OnError, ReadOptions, export, export_ids, open,
};

/// Items with awkward ids and every type of metadata, and events in the order of their contexts' names.
fn writes(lists: bool) -> Vec<Write> {
    let mut writes = Vec::new();
    for (n, id) in ["z", "a", "é\u{1F980}", "10", "9", "a/b", "quote\"d", "com,ma"].into_iter().enumerate() {
        let n = n as f32;
        writes.push(vector(id, &[n, -0.0, 1.0 / (n + 1.0), f32::MIN_POSITIVE, f32::MAX]));
        let mut pairs = vec![
            ("text", text("a \"quoted\" text,\nwith\tevery\\thing\r")),
            ("number", text("17")),
            ("true", text("true")),
            ("id", Value::Int(i64::MIN)),
            ("v0", Value::Float(0.1 + 0.2)),
            ("whole", Value::Float(1e21)),
            ("zero", Value::Float(-0.0)),
            ("flag", Value::Bool(n > 3.0)),
            (" odd key: \"=,", text("")),
        ];
        if lists {
            pairs.push((
                "list",
                Value::List(vec![Value::Int(1), text("x"), Value::Float(2.0), Value::Bool(false)]),
            ));
            pairs.push(("none", Value::List(vec![])));
        }
        if n != 4.0 {
            writes.push(metadata(id, &pairs));
        }
    }
    if lists {
        writes.push(metadata("9", &[]));
    }
    for context in ["a", "b", "ü"] {
        for (n, id) in ["a", "z", "unknown", "9"].into_iter().enumerate() {
            let op = [EventOp::Add, EventOp::Set, EventOp::Add, EventOp::Del][n];
            let score = if op == EventOp::Del { 0 } else { 20 + n as u8 };
            writes.push(event(context, op, id, score, Some(1_000_000 + n as i64)));
        }
    }
    writes
}

fn again(from: &Engine, format: Format, contents: &[Content]) -> Engine {
    let view = from.view().unwrap();
    let engine = engine();
    for content in contents {
        let bytes = exported(&view, *content, format);
        assert_eq!(bytes, exported(&view, *content, format), "the same bytes every time");
        let mut reader = open(input(bytes), format, ReadOptions::default()).unwrap();
        let report = import(&engine, &mut *reader, OnError::Stop);
        assert!(report.end.is_done(), "{format}: {:?} {:?}", report.end, report.bad_rows);
    }
    engine
}

fn hash(engine: &Engine) -> [u8; 32] {
    engine.view().unwrap().state_hash()
}

#[test]
fn json_lines_of_items_and_events_carry_the_whole_state() {
    let engine = engine_with(writes(true));
    assert_eq!(hash(&again(&engine, Format::JsonLines, &[Content::Items, Content::Events])), hash(&engine));
}

#[test]
fn json_lines_of_vectors_metadata_and_events_do_too() {
    let engine = engine_with(writes(true));
    let contents = [Content::Vectors, Content::Metadata, Content::Events];
    assert_eq!(hash(&again(&engine, Format::JsonLines, &contents)), hash(&engine));
}

#[test]
fn lines_carry_the_whole_state_when_there_are_no_lists_and_no_odd_ids() {
    let engine = engine_with(writes(false));
    assert_eq!(hash(&again(&engine, Format::Lines, &[Content::Items, Content::Events])), hash(&engine));
}

#[test]
fn lines_refuse_what_they_cannot_carry_and_name_it() {
    for (writes, message) in [
        (vec![vector("two words", &[1.0])], "lines cannot carry the id \"two words\""),
        (
            vec![vector("a", &[1.0]), metadata("a", &[("k", Value::List(vec![]))])],
            "lines cannot carry the list in metadata key \"k\" of \"a\"",
        ),
        (vec![vector("a", &[1.0]), metadata("a", &[])], "lines cannot carry metadata without keys, of \"a\""),
    ] {
        let view = engine_with(writes).view().unwrap();
        assert_eq!(try_export(&view, Content::Items, Format::Lines).unwrap_err().to_string(), message);
    }
    let view = engine_with(vec![event("two words", EventOp::Add, "a", 1, None)]).view().unwrap();
    let error = try_export(&view, Content::Events, Format::Lines).unwrap_err().to_string();
    assert_eq!(error, "lines cannot carry the context \"two words\"");
}

#[test]
fn csv_carries_vectors_and_events_bit_for_bit() {
    let all = writes(true).into_iter().filter(|w| !matches!(w, Write::MetadataSet { .. })).collect();
    let engine = engine_with(all);
    assert_eq!(hash(&again(&engine, Format::Csv, &[Content::Items, Content::Events])), hash(&engine));
}

#[test]
fn csv_metadata_comes_back_typed_as_metaset_types_it() {
    let view = engine_with(writes(true)).view().unwrap();
    let bytes = exported(&view, Content::Metadata, Format::Csv);
    let all = read(&mut *open(input(bytes), Format::Csv, ReadOptions::default()).unwrap());
    assert_eq!(
        (all.error, all.bad),
        (None, vec!["line 4: row: expected a vector or metadata, got neither".to_owned()])
    );
    let expected = metadata(
        "10",
        &[
            ("text", text("a \"quoted\" text,\nwith\tevery\\thing\r")),
            ("number", Value::Int(17)),
            ("true", Value::Bool(true)),
            ("id", Value::Int(i64::MIN)),
            ("v0", Value::Float(0.1 + 0.2)),
            ("whole", Value::Float(1e21)),
            ("zero", Value::Float(-0.0)),
            ("flag", Value::Bool(false)),
            ("list", text("[1,\"x\",2.0,false]")),
            ("none", text("[]")),
        ],
    );
    assert_eq!(all.writes[0], expected);
}

#[test]
fn matrices_and_their_ids_carry_the_vectors() {
    let vectors: Vec<Write> =
        writes(true).into_iter().filter(|w| matches!(w, Write::VectorSet { .. })).collect();
    let engine = engine_with(vectors);
    let view = engine.view().unwrap();
    for format in [Format::Npy, Format::Fvecs] {
        let bytes = exported(&view, Content::Vectors, format);
        let mut side = Vec::new();
        assert_eq!(export_ids(view.default_collection(), &mut side).unwrap(), 8);
        let ids = Ids::from_input(input(side), &Fields::default()).unwrap();
        let options = ReadOptions { ids, ..ReadOptions::default() };
        let copy = crate::support::engine();
        let mut reader = open(input(bytes), format, options).unwrap();
        assert!(import(&copy, &mut *reader, OnError::Stop).end.is_done());
        assert_eq!(hash(&copy), hash(&engine), "{format}");
    }
}

#[test]
fn halves_are_written_rounded_and_refused_when_too_large() {
    let options = ExportOptions { element: Element::F16, ..ExportOptions::default() };
    let view = engine_with(vec![vector("a", &[0.1, 1000.0])]).view().unwrap();
    let mut bytes = Vec::new();
    assert_eq!(
        export(view.default_collection(), Content::Vectors, Format::Npy, &mut bytes, &options).unwrap(),
        1
    );
    assert_eq!(bytes.len() % 64, 4, "the data begins at a multiple of 64");
    let all = read(&mut *open(input(bytes), Format::Npy, ReadOptions::default()).unwrap());
    assert_eq!(all.writes, [vector("0", &[half::f16::from_f32(0.1).to_f32(), 1000.0])]);
    let view = engine_with(vec![vector("a", &[1e5])]).view().unwrap();
    let error = export(view.default_collection(), Content::Vectors, Format::Npy, &mut Vec::new(), &options)
        .unwrap_err();
    assert_eq!(error.to_string(), "npy cannot carry 100000 as f16, in the vector of \"a\"");
}

#[test]
fn pairs_stand_once_each_in_order() {
    let view = engine_with(writes(true)).view().unwrap();
    let lines = String::from_utf8(exported(&view, Content::Pairs, Format::JsonLines)).unwrap();
    assert!(
        lines.starts_with(
            "{\"a\":\"a\",\"b\":\"unknown\",\"score\":1320.0}\n{\"a\":\"a\",\"b\":\"z\",\"score\":1260.0}\n"
        ),
        "{lines}"
    );
    assert_eq!(lines.lines().count() as u64, view.counts().pairs);
    let csv = String::from_utf8(exported(&view, Content::Pairs, Format::Csv)).unwrap();
    assert!(csv.starts_with("a,b,score\na,unknown,1320.0\n"), "{csv}");
}

#[test]
fn an_empty_state_is_exported_as_nothing() {
    let view = engine().view().unwrap();
    for content in Content::ALL {
        assert_eq!(exported(&view, content, Format::JsonLines), b"");
    }
    assert_eq!(exported(&view, Content::Items, Format::Csv), b"id\n");
    assert_eq!(exported(&view, Content::Vectors, Format::Fvecs), b"");
}

#[test]
fn an_export_can_be_watched_and_cancelled() {
    let many = (0..3_000).map(|n| vector(&format!("{n:04}"), &[1.0])).collect();
    let view = engine_with(many).view().unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let progress = |rows, total| seen.borrow_mut().push((rows, total));
    let options = ExportOptions { progress: &progress, cancel: &cancel, ..ExportOptions::default() };
    export(view.default_collection(), Content::Items, Format::JsonLines, &mut Vec::new(), &options).unwrap();
    assert_eq!(seen.take(), [(1_024, 3_000), (2_048, 3_000), (3_000, 3_000)]);
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let error =
        export(view.default_collection(), Content::Items, Format::JsonLines, &mut Vec::new(), &options)
            .unwrap_err();
    assert_eq!(error.to_string(), "cancelled");
}
