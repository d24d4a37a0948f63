//! Reading CSV.

use crate::support::{All, event, fault, input, metadata, open_error, read, read_bytes, text, vector};
use cairn_engine::{EventOp, Value};
use cairn_transfer::{Fields, Format, ReadOptions, open};

#[test]
fn columns_are_typed_as_metaset_types_them() {
    let all = read_bytes(
        Format::Csv,
        "id,price,name,on,rate,empty\r\na,3,\"x, \"\"y\"\"\",true,1.5,\r\nb,-4,nan,TRUE,1e400,\r\n",
    );
    assert_eq!((all.bad, all.error), (vec![], None));
    let a = [
        ("price", Value::Int(3)),
        ("name", text("x, \"y\"")),
        ("on", Value::Bool(true)),
        ("rate", Value::Float(1.5)),
    ];
    let b = [("price", Value::Int(-4)), ("name", text("nan")), ("on", text("TRUE")), ("rate", text("1e400"))];
    assert_eq!(all.writes, [metadata("a", &a), metadata("b", &b)]);
}

#[test]
fn vectors_are_columns_or_one_list() {
    let columns = read_bytes(Format::Csv, "v1,id,v0\n2,a,1\n,b,\n4,c,3\n");
    assert_eq!(columns.writes, [vector("a", &[1.0, 2.0]), vector("c", &[3.0, 4.0])]);
    assert_eq!(columns.bad, ["line 3: row: expected a vector or metadata, got neither"]);
    let list = read_bytes(Format::Csv, "id,vector,n\na,\"[1, 2]\",5\nb,3 4,\nc,\"5;6\",\nd,,1\n");
    assert_eq!((list.bad, list.error), (vec![], None));
    assert_eq!(
        list.writes,
        [
            vector("a", &[1.0, 2.0]),
            metadata("a", &[("n", Value::Int(5))]),
            vector("b", &[3.0, 4.0]),
            vector("c", &[5.0, 6.0]),
            metadata("d", &[("n", Value::Int(1))]),
        ]
    );
}

#[test]
fn a_header_with_ctx_and_type_has_events() {
    let all =
        read_bytes(Format::Csv, "\u{feff}type,ctx,id,score,timestamp\nADD,u,a,5,7\ndel,u,a,,\nSET,u,a,1,\n");
    assert_eq!((all.bad, all.error), (vec![], None));
    assert_eq!(
        all.writes,
        [
            event("u", EventOp::Add, "a", 5, Some(7)),
            event("u", EventOp::Del, "a", 0, None),
            event("u", EventOp::Set, "a", 1, None)
        ]
    );
}

#[test]
fn bad_rows_are_named_by_the_line_they_begin_on() {
    let all = read_bytes(
        Format::Csv,
        "id,note,v0\na,\"two\nlines\",x\n\n\nb,\"1\n2\n3\",1\n,n,1\nc,n\nd,n,1,2\r\n\r\ne,\"\",inf\r\nf,y,2\r\n",
    );
    assert_eq!(
        all.bad,
        [
            "line 2: v0: expected a finite f32 number, got \"x\"",
            "line 9: id: expected an id, got an empty cell",
            "line 10: row: expected 3 fields, got 2",
            "line 11: row: expected 3 fields, got 4",
            "line 13: v0: expected a finite f32 number, got \"inf\"",
        ]
    );
    let note = |id, note: &str| metadata(id, &[("note", text(note))]);
    assert_eq!(all.writes, [vector("b", &[1.0]), note("b", "1\n2\n3"), vector("f", &[2.0]), note("f", "y")]);
}

#[test]
fn a_bad_event_names_its_cell() {
    let bad = |row: &str| fault(Format::Csv, format!("ctx,type,id,score,timestamp\n{row}\n"));
    for (row, message) in [
        ("u,ADD,a,101,", "score: expected an integer from 0 to 100, got \"101\""),
        ("u,ADD,a,,", "score: expected an integer from 0 to 100, got none"),
        ("u,PUT,a,1,", "type: expected ADD, SET or DEL, got \"PUT\""),
        (",ADD,a,1,", "ctx: expected a value, got an empty cell"),
        ("u,ADD,,1,", "id: expected a value, got an empty cell"),
        ("u,ADD,a,1,soon", "timestamp: expected seconds, 0 to 253402300799, got \"soon\""),
    ] {
        assert_eq!(bad(row), format!("line 2: {message}"));
    }
}

#[test]
fn a_header_that_cannot_be_used_is_refused() {
    for (header, message) in [
        ("", "expected a header, got an empty file"),
        ("name,x\n", "expected one named \"id\", got \"name,x\""),
        ("id,x,x\n", "expected each name once, got \"x\""),
        ("id,v0,v2\n", "expected one named \"v1\", got none"),
        ("id,v0,vector\n", "expected v0, v1 … or a column of lists, got both"),
        ("id,,x\n", "column 2: expected a name, got none"),
        ("id,ctx,type,extra\n", "of events, got \"extra\""),
    ] {
        let got = open_error(Format::Csv, header);
        assert!(got.starts_with("test: header: ") && got.contains(message), "{got}");
    }
    assert!(open_error(Format::Csv, b"id,\xff\n").contains("column 2: expected a name in UTF-8, got \\xff"));
}

#[test]
fn columns_can_have_other_names_or_be_passed_over() {
    let fields = Fields::from_options(
        Some("name"),
        Some("embedding"),
        &["text=body".to_owned()],
        &["rank".to_owned()],
    );
    let options = ReadOptions { fields: fields.unwrap(), ..ReadOptions::default() };
    let csv = "name,rank,embedding,text,metadata.id,v007\na,x,1 2,long,9,z\n";
    let all = read(&mut *open(input(csv), Format::Csv, options).unwrap());
    let pairs = [("body", text("long")), ("id", Value::Int(9)), ("v007", text("z"))];
    assert_eq!(all.writes, [vector("a", &[1.0, 2.0]), metadata("a", &pairs)]);
}

#[test]
fn bytes_that_are_no_utf_8_make_a_bad_row() {
    let all = read_bytes(Format::Csv, b"id,x\na,\xff\nb,1\n");
    assert_eq!(all.bad, ["line 2: x: expected UTF-8, got \\xff"]);
    assert_eq!(all.writes.len(), 1);
}

#[test]
fn a_quote_that_never_closes_is_one_bad_row() {
    let all = read_bytes(Format::Csv, format!("id,x\na,\"{}\n", "b,1\n".repeat(1000)));
    assert_eq!(all, All { writes: all.writes.clone(), ..All::default() });
    assert_eq!(all.writes.len(), 1, "the rest of the file is its text");
    let long = read_bytes(Format::Csv, format!("id,x\na,\"{}", "b,1\n".repeat(5 << 20)));
    assert_eq!(long.bad, ["line 2: row: expected at most 16777216 bytes and 131072 fields, got more"]);
    assert_eq!(long.error, None);
}

#[test]
fn a_header_alone_has_no_rows() {
    assert_eq!(read_bytes(Format::Csv, "id,x"), All::default());
}
