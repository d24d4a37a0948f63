//! Parquet and Arrow IPC.

use crate::support::{
    All, disk_with, engine, engine_with, event, exported, import, input, metadata, read, text, vector,
};
use arrow_array::builder::{
    FixedSizeListBuilder, Float16Builder, Float64Builder, Int32Builder, ListBuilder, StringDictionaryBuilder,
};
use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampSecondArray, UInt64Array};
use cairn_engine::{EventOp, Value, View, Write};
use cairn_transfer::{
    Content, End, Error, Fields, Format, Importer, Input, OnError, ReadOptions, RowReader, StateFile, open,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const FORMATS: [Format; 3] = [Format::Parquet, Format::ArrowFile, Format::ArrowStream];
const FILE: &str = "/in/table";

fn try_open(bytes: &[u8], format: Format, fields: Fields) -> Result<Box<dyn RowReader>, Error> {
    let disk = disk_with(FILE, bytes);
    let options = ReadOptions { fields, ..ReadOptions::default() };
    open(Input::open(&disk, Path::new(FILE))?, format, options)
}

fn reader(bytes: &[u8], format: Format) -> Box<dyn RowReader> {
    try_open(bytes, format, Fields::default()).unwrap()
}

fn writes() -> Vec<Write> {
    let mut writes = Vec::new();
    for n in 0..3_000 {
        let id = format!("é{n:04}");
        writes.push(vector(&id, &[n as f32, -0.0, f32::MIN_POSITIVE]));
        let list = Value::List(vec![text("x"), text("")]);
        let mut pairs = vec![
            ("int", Value::Int(i64::MAX - n)),
            ("float", Value::Float(0.1 + n as f64)),
            ("flag", Value::Bool(n % 2 == 0)),
            ("text", text("17")),
            ("id", text("")),
            ("list", list),
            ("floats", Value::List(vec![Value::Float(0.5)])),
            ("empty", Value::List(vec![])),
        ];
        pairs.truncate(n as usize % 9);
        if !pairs.is_empty() {
            writes.push(metadata(&id, &pairs));
        }
    }
    for n in 0..2_000 {
        let op = [EventOp::Add, EventOp::Set, EventOp::Del][n % 3];
        let score = if op == EventOp::Del { 0 } else { (n % 101) as u8 };
        writes.push(event(&format!("u{n:05}"), op, "é0001", score, Some(n as i64)));
    }
    writes
}

/// A table of these columns as each format has it.
fn tables(columns: Vec<(&str, ArrayRef)>) -> Vec<(Format, Vec<u8>)> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut parquet = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut file = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    file.write(&batch).unwrap();
    let mut stream = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    vec![
        (Format::Parquet, parquet),
        (Format::ArrowFile, file.into_inner().unwrap()),
        (Format::ArrowStream, stream.into_inner().unwrap()),
    ]
}

fn small(view: &View, format: Format) -> Vec<u8> {
    exported(view, Content::Items, format)
}

#[test]
fn tables_of_items_and_events_carry_the_whole_state() {
    let from = engine_with(writes());
    let view = from.view().unwrap();
    for format in FORMATS {
        let to = engine();
        for content in [Content::Items, Content::Events] {
            let bytes = exported(&view, content, format);
            assert_eq!(Format::from_magic(&bytes), Some(format));
            assert_eq!(bytes, exported(&view, content, format), "the same bytes every time");
            let report = import(&to, &mut *reader(&bytes, format), OnError::Stop);
            assert!(report.end.is_done(), "{format}: {:?} {:?}", report.end, report.bad_rows);
        }
        assert_eq!(to.view().unwrap().state_hash(), view.state_hash(), "{format}");
    }
}

#[test]
fn pairs_and_empty_states_are_written_too() {
    let pair = [event("u", EventOp::Add, "a", 2, None), event("u", EventOp::Add, "b", 3, None)];
    for view in [engine_with(pair.to_vec()).view().unwrap(), engine().view().unwrap()] {
        for format in FORMATS {
            for content in Content::ALL {
                assert!(!exported(&view, content, format).is_empty());
            }
            let all = read(&mut *reader(&exported(&view, Content::Items, format), format));
            assert_eq!(all, All::default());
        }
    }
}

#[test]
fn a_key_of_several_types_becomes_floats_or_json() {
    let pairs = |n: Value, m: Value| [("n", n), ("m", m)];
    let view = engine_with(vec![
        vector("a", &[1.0]),
        metadata("a", &pairs(Value::Int(3), Value::List(vec![Value::Int(1)]))),
        vector("b", &[1.0]),
        metadata("b", &pairs(Value::Float(0.5), text("x"))),
    ])
    .view()
    .unwrap();
    for format in FORMATS {
        let all = read(&mut *reader(&small(&view, format), format));
        assert_eq!(all.writes[1], metadata("a", &pairs(Value::Float(3.0), text("[1]"))));
        assert_eq!(all.writes[3], metadata("b", &pairs(Value::Float(0.5), text("\"x\""))));
    }
}

#[test]
fn columns_of_other_types_are_read() {
    let mut halves = FixedSizeListBuilder::new(Float16Builder::new(), 2);
    let mut words = StringDictionaryBuilder::<Int8Type>::new();
    let mut ints = ListBuilder::new(Int32Builder::new());
    for n in 0..2 {
        halves.values().append_slice(&[half::f16::from_f32(n as f32), half::f16::from_f32(0.5)]);
        halves.append(true);
        words.append_value("word");
        ints.values().append_value(n);
        ints.append(true);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(UInt64Array::from(vec![7, 8]))),
        ("vector", Arc::new(halves.finish())),
        ("word", Arc::new(words.finish())),
        ("ints", Arc::new(ints.finish())),
        ("big", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
    ];
    for (format, bytes) in tables(columns) {
        let all = read(&mut *reader(&bytes, format));
        assert_eq!((&all.bad[..], &all.error), (&[][..], &None));
        let list = |n| Value::List(vec![Value::Int(n)]);
        let first = [("word", text("word")), ("ints", list(0)), ("big", Value::Float(u64::MAX as f64))];
        let second = [("word", text("word")), ("ints", list(1))];
        let expected = [
            vector("7", &[0.0, 0.5]),
            metadata("7", &first),
            vector("8", &[1.0, 0.5]),
            metadata("8", &second),
        ];
        assert_eq!(all.writes, expected, "{format}");
    }
}

#[test]
fn bad_rows_are_named_by_row() {
    let mut vectors = ListBuilder::new(Float64Builder::new());
    for row in [vec![Some(1.0)], vec![Some(f64::NAN)], vec![Some(1.0), None], vec![Some(1e300)]] {
        row.into_iter().for_each(|x| vectors.values().append_option(x));
        vectors.append(true);
    }
    vectors.append(false);
    vectors.append(false);
    let ids = StringArray::from(vec![Some("a"), Some("b"), Some("c"), Some("d"), Some("e"), None]);
    let columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(ids)), ("vector", Arc::new(vectors.finish()))];
    for (format, bytes) in tables(columns) {
        let all = read(&mut *reader(&bytes, format));
        assert_eq!(all.writes, [vector("a", &[1.0])]);
        assert_eq!(
            all.bad,
            [
                "row 1: vector[0]: expected a finite f32 number, got NaN",
                "row 2: vector[1]: expected a finite f32 number, got null",
                "row 3: vector[0]: expected a finite f32 number, got inf",
                "row 4: row: expected a vector or metadata, got neither",
                "row 5: id: expected a string or an integer, got null",
            ]
        );
    }
}

#[test]
fn events_are_checked() {
    let words = |words: [&'static str; 3]| -> ArrayRef { Arc::new(StringArray::from(words.to_vec())) };
    let columns = vec![
        ("ctx", words(["u", "u", "u"])),
        ("id", words(["a", "a", "a"])),
        ("type", words(["ADD", "PUT", "SET"])),
        ("score", Arc::new(Int64Array::from(vec![1, 1, 101])) as ArrayRef),
    ];
    for (format, bytes) in tables(columns) {
        let all = read(&mut *reader(&bytes, format));
        assert_eq!(all.writes, [event("u", EventOp::Add, "a", 1, None)]);
        assert_eq!(
            all.bad,
            [
                "row 1: type: expected ADD, SET or DEL, got \"PUT\"",
                "row 2: score: expected an integer from 0 to 100, got \"101\""
            ]
        );
    }
}

#[test]
fn columns_that_cannot_be_read_are_refused_by_name() {
    let id: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let time: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1]));
    for (columns, message) in [
        (vec![("name", Arc::clone(&id))], "columns: expected one named \"id\", got \"name\""),
        (vec![("id", Arc::clone(&time))], "column \"id\": expected strings or integers, got Timestamp"),
        (
            vec![("id", Arc::clone(&id)), ("vector", Arc::clone(&id))],
            "column \"vector\": expected lists of f16, f32 or f64",
        ),
        (vec![("id", Arc::clone(&id)), ("at", Arc::clone(&time))], "column \"at\": expected bools, integers"),
        (
            vec![
                ("id", Arc::clone(&id)),
                ("ctx", Arc::clone(&id)),
                ("type", Arc::clone(&id)),
                ("x", Arc::clone(&id)),
            ],
            "of events, got \"x\"",
        ),
    ] {
        for (format, bytes) in tables(columns.clone()) {
            let Err(error) = try_open(&bytes, format, Fields::default()) else { panic!("{message}") };
            assert!(error.to_string().contains(message), "{error}");
        }
    }
    let fields =
        Fields::from_options(Some("name"), None, &["id=key".to_owned()], &["at".to_owned()]).unwrap();
    for (format, bytes) in
        tables(vec![("name", Arc::clone(&id)), ("id", Arc::clone(&id)), ("at", time.clone())])
    {
        let all = read(&mut *try_open(&bytes, format, fields.clone()).unwrap());
        assert_eq!(all.writes, [metadata("a", &[("key", text("a"))])]);
    }
}

#[test]
fn only_an_arrow_stream_comes_from_a_stream() {
    let view = engine_with(vec![vector("a", &[1.0])]).view().unwrap();
    let stream = small(&view, Format::ArrowStream);
    for bytes in [stream.clone(), zstd::encode_all(&stream[..], 1).unwrap()] {
        let all = read(&mut *open(input(bytes), Format::ArrowStream, ReadOptions::default()).unwrap());
        assert_eq!(all.writes, [vector("a", &[1.0])]);
    }
    for format in [Format::Parquet, Format::ArrowFile] {
        let bytes = small(&view, format);
        let Err(error) = open(input(&bytes), format, ReadOptions::default()) else { panic!("a stream") };
        assert!(error.to_string().ends_with("is read from an uncompressed file, not a stream"), "{error}");
        let wrapped = zstd::encode_all(&bytes[..], 1).unwrap();
        assert!(try_open(&wrapped, format, Fields::default()).is_err());
    }
}

#[test]
fn a_table_cut_or_damaged_anywhere_is_an_error_or_rows_and_never_a_panic() {
    let view =
        engine_with(vec![vector("a", &[1.0, 2.0]), metadata("a", &[("k", text("v"))])]).view().unwrap();
    for format in FORMATS {
        let bytes = small(&view, format);
        let try_read = |bytes: &[u8]| match try_open(bytes, format, Fields::default()) {
            Ok(mut reader) => read(&mut *reader).error.is_some(),
            Err(_) => true,
        };
        assert!(!try_read(&bytes));
        for cut in 0..bytes.len() {
            let error = try_read(&bytes[..cut]);
            // The end mark of a stream and the footer's last bytes of an Arrow file may be missing.
            assert!(error || format != Format::Parquet, "{format} cut to {cut} of {}", bytes.len());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            try_read(&damaged);
        }
    }
}

#[test]
fn a_cancelled_import_of_a_table_is_resumed() {
    let view = engine_with(writes()).view().unwrap();
    for format in FORMATS {
        let disk = disk_with(FILE, &exported(&view, Content::Items, format));
        let whole = read(&mut *reader(&exported(&view, Content::Items, format), format)).writes;
        let (mut rows, mut runs) = (Vec::new(), 0);
        loop {
            let cancel = AtomicBool::new(false);
            let sink = |writes: Vec<Write>| {
                cancel.store(true, Ordering::Relaxed);
                let answers = writes.iter().map(|_| Ok(())).collect();
                rows.extend(writes);
                answers
            };
            let state = StateFile { storage: &disk, path: Path::new("/in/state"), target: "default" };
            let importer =
                Importer { batch_rows: 700, cancel: &cancel, state: Some(state), ..Importer::default() };
            let input = Input::open(&disk, Path::new(FILE)).unwrap();
            let mut reader = open(input, format, ReadOptions::default()).unwrap();
            let report = importer.run(&mut *reader, sink).unwrap();
            runs += 1;
            if report.end.is_done() {
                assert_eq!(report.counts.written, 3_000);
                break;
            }
            assert!(matches!(report.end, End::Cancelled));
        }
        assert_eq!((rows, runs), (whole, 5), "{format}");
    }
}
