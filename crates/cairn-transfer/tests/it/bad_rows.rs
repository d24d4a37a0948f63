//! Bad rows, reported exactly.

use crate::support::{engine, engine_with, import, input, lines, reader, vector};
use cairn_transfer::{End, Format, Importer, OnError, ReadOptions, RowPlace, engine_sink, open};

/// Bad lines of many kinds, and what is said about each.
const BAD: [(&str, &str); 14] = [
    ("not json", "line: expected a JSON object, got "),
    ("{\"id\":\"x\"", "line: expected a JSON object, got "),
    (r#"{"id":"x","vector":[1,2,"3",4]}"#, r#"vector[2]: expected a finite f32 number, got "\"3\"""#),
    (r#"{"id":"x","vector":[1,2,3e99,4]}"#, r#"vector[2]: expected a finite f32 number, got "3e99""#),
    (r#"{"id":"x","vector":[1,2,3]}"#, "vector: Vector dimension mismatch: expected 4, got 3"),
    (r#"{"id":"x","vector":[]}"#, "vector: Vector must have at least one element"),
    (r#"{"vector":[1,2,3,4]}"#, "id: expected a string, got none"),
    (r#"{"id":"","vector":[1,2,3,4]}"#, "vector: Id must not be empty"),
    (r#"{"id":"unknown","metadata":{"a":1}}"#, "metadata: Vector not found for metadata: unknown"),
    (
        r#"{"id":"0","metadata":{"a":null}}"#,
        "metadata.a: expected a bool, number, string or a list of these, got null",
    ),
    (
        r#"{"id":"0","colour":"red"}"#,
        "key: expected one of id, vector, metadata, ctx, type, score, timestamp, got \"colour\"",
    ),
    (
        r#"{"ctx":"u","id":"0","type":"ADD","score":200}"#,
        "score: expected an integer from 0 to 100, got \"200\"",
    ),
    (r#"{"ctx":"u","id":"0","type":"LIKE","score":1}"#, "type: expected ADD, SET or DEL, got \"LIKE\""),
    (r#"{"ctx":"","id":"0","type":"ADD","score":1}"#, "event: Context must not be empty"),
];

/// `rows` lines of which every hundredth is bad; the numbers of the bad ones and what is said of each.
fn one_in_a_hundred(rows: usize) -> (String, Vec<(u64, &'static str)>) {
    let (mut file, mut bad) = (String::new(), Vec::new());
    for n in 0..rows {
        if n % 100 == 42 {
            let (line, message) = BAD[(n / 100) % BAD.len()];
            file.push_str(line);
            bad.push((n as u64 + 1, message));
        } else {
            file.push_str(&format!("{{\"id\":\"{n}\",\"vector\":[1,{n},0.5,2],\"metadata\":{{\"n\":{n}}}}}"));
        }
        file.push('\n');
    }
    (file, bad)
}

#[test]
fn one_bad_row_in_a_hundred_is_reported_exactly() {
    let (file, bad) = one_in_a_hundred(5_000);
    let engine = engine();
    let mut out = Vec::new();
    let importer = Importer {
        on_error: OnError::Skip,
        bad_rows_kept: 1_000,
        bad_rows_to: Some(&mut out),
        batch_rows: 64,
        ..Importer::default()
    };
    let report = importer.run(&mut *reader(Format::JsonLines, file), engine_sink(&engine)).unwrap();
    assert!(report.end.is_done());
    let counts = report.counts;
    assert_eq!((counts.read, counts.written, counts.skipped), (5_000, 4_950, 50));
    assert_eq!(report.bad_rows.len(), bad.len());
    for (row, (line, message)) in report.bad_rows.iter().zip(&bad) {
        assert_eq!(row.place, RowPlace::Line(*line));
        assert!(row.fault.to_string().starts_with(message), "{row}, not {message}");
    }
    assert_eq!(engine.view().unwrap().counts().vectors, 4_950);

    let told: Vec<serde_json::Value> = out
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(told.len(), bad.len());
    for (object, (line, _)) in told.iter().zip(&bad) {
        assert_eq!(object["line"], *line);
        assert!(object["field"].is_string() && (object["reason"].is_string() || object["got"].is_string()));
    }
}

#[test]
fn the_report_keeps_as_many_bad_rows_as_were_asked_for() {
    let (file, _) = one_in_a_hundred(1_000);
    let importer = Importer { on_error: OnError::Skip, bad_rows_kept: 3, ..Importer::default() };
    let report = importer.run(&mut *reader(Format::JsonLines, file), engine_sink(&engine())).unwrap();
    assert_eq!((report.bad_rows.len(), report.counts.skipped), (3, 10));
}

#[test]
fn a_bad_row_stops_the_import_before_what_follows_it() {
    let file = "VECSET a 1 2\nVECSET b 3 4\nVECSET c x\nVECSET d 5 6\n";
    let engine = engine();
    let report = import(&engine, &mut *reader(Format::Lines, file), OnError::Stop);
    assert!(matches!(report.end, End::BadRow(RowPlace::Line(3))), "{:?}", report.end);
    assert_eq!(lines(&report.bad_rows), ["line 3: vector[0]: expected a finite f32 number, got \"x\""]);
    let view = engine.view().unwrap();
    assert_eq!(view.default_collection().items_by_id().map(|item| item.id).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_row_that_the_engine_refuses_stops_the_import_after_its_batch() {
    let file = "VECSET a 1 2\nVECSET b 3\nVECSET c 5 6\n";
    let engine = engine();
    let report = import(&engine, &mut *reader(Format::Lines, file), OnError::Stop);
    assert!(matches!(report.end, End::BadRow(RowPlace::Line(2))), "{:?}", report.end);
    assert_eq!(lines(&report.bad_rows), ["line 2: vector: Vector dimension mismatch: expected 2, got 1"]);
    assert_eq!(report.counts.written, 2);
}

#[test]
fn another_dimension_in_the_middle_is_reported_by_row() {
    let bytes = "{\"id\":\"b\",\"vector\":[1,2,3]}\n{\"id\":\"c\",\"vector\":[1,2]}\n{\"id\":\"d\",\"vector\":[3,4,5]}\n";
    let engine = engine_with(vec![vector("a", &[1.0, 2.0])]);
    let report = import(&engine, &mut *reader(Format::JsonLines, bytes), OnError::Skip);
    assert_eq!(
        lines(&report.bad_rows),
        [
            "line 1: vector: Vector dimension mismatch: expected 2, got 3",
            "line 3: vector: Vector dimension mismatch: expected 2, got 3"
        ]
    );
}

#[test]
fn a_row_of_two_writes_counts_once() {
    let line = "{\"id\":\"\",\"vector\":[1],\"metadata\":{\"a\":1}}\n{\"id\":\"a\",\"vector\":[1],\"metadata\":{\"a\":1}}\n";
    let mut reader = open(input(line), Format::JsonLines, ReadOptions::default()).unwrap();
    let report = import(&engine(), &mut *reader, OnError::Skip);
    assert_eq!((report.counts.read, report.counts.written, report.counts.skipped), (2, 1, 1));
    assert_eq!(lines(&report.bad_rows), ["line 1: vector: Id must not be empty"]);
}
