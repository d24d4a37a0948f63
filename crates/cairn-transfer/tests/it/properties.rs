//! Random rows.

use crate::support::{engine, engine_with, exported, import, input, read_bytes};
use cairn_engine::{EventOp, Metadata, Value, Write};
use cairn_transfer::{Content, Format, OnError, ReadOptions, open};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn number() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite())
}

fn float() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |x| x.is_finite())
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        float().prop_map(Value::Float),
        ".{0,12}".prop_map(Value::Text),
        "[0-9.e+-]{1,6}".prop_map(Value::Text),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![4 => scalar(), 1 => vec(scalar(), 0..4).prop_map(Value::List)]
}

type Items = std::collections::BTreeMap<String, (Vec<f32>, Option<Metadata>)>;

fn items(id: &'static str) -> impl Strategy<Value = Items> {
    let metadata = btree_map(".{1,8}", value(), 0..5).prop_map(Metadata);
    btree_map(id, (vec(number(), 3), proptest::option::of(metadata)), 0..20)
}

fn writes(items: Items) -> Vec<Write> {
    let mut writes = Vec::new();
    for (id, (vector, metadata)) in items {
        writes.push(Write::VectorSet { id: id.clone(), vector });
        writes.extend(metadata.map(|metadata| Write::MetadataSet { id, metadata }));
    }
    writes
}

fn events() -> impl Strategy<Value = Vec<Write>> {
    let op = prop_oneof![Just(EventOp::Add), Just(EventOp::Set), Just(EventOp::Del)];
    let event = (".{1,6}", op, ".{1,6}", 0u8..=100, 0i64..=253_402_300_799).prop_map(
        |(context, op, id, score, time)| Write::Event {
            context,
            id,
            op,
            score: if op == EventOp::Del { 0 } else { score },
            time_s: Some(time),
        },
    );
    vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn items_come_back_from_json_lines(items in items(".{1,10}")) {
        let from = engine_with(writes(items));
        let view = from.view().unwrap();
        let to = engine();
        let mut reader = open(
            input(exported(&view, Content::Items, Format::JsonLines)),
            Format::JsonLines,
            ReadOptions::default(),
        ).unwrap();
        let report = import(&to, &mut *reader, OnError::Stop);
        prop_assert!(report.end.is_done(), "{:?}", report.bad_rows);
        prop_assert_eq!(to.view().unwrap().state_hash(), view.state_hash());
    }

    #[test]
    fn vectors_come_back_from_every_text(items in items("[!-~]{1,10}")) {
        let vectors = items.into_iter().map(|(id, (vector, _))| Write::VectorSet { id, vector });
        let from = engine_with(vectors.collect());
        let view = from.view().unwrap();
        for format in [Format::JsonLines, Format::Csv, Format::Lines] {
            let to = engine();
            let bytes = exported(&view, Content::Vectors, format);
            let mut reader = open(input(bytes), format, ReadOptions::default()).unwrap();
            let report = import(&to, &mut *reader, OnError::Stop);
            prop_assert!(report.end.is_done(), "{} {:?}", format, report.bad_rows);
            prop_assert_eq!(to.view().unwrap().state_hash(), view.state_hash(), "{}", format);
        }
    }

    #[test]
    fn events_come_back_in_order(events in events()) {
        let from = engine_with(events);
        let view = from.view().unwrap();
        for format in [Format::JsonLines, Format::Csv] {
            let all = read_bytes(format, exported(&view, Content::Events, format));
            prop_assert_eq!((&all.error, all.bad.len()), (&None, 0), "{} {:?}", format, all.bad);
            let rings = view.default_collection().contexts_by_name().flat_map(|(context, events)| events.map(move |e| Write::Event {
                context: context.to_owned(),
                id: e.id.to_owned(),
                op: e.op,
                score: e.score,
                time_s: Some(e.time_s),
            }));
            prop_assert_eq!(all.writes, rings.collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200), seed in "[\\[\\]{}:,\"a-e0-9. \n\r\\\\]{0,80}") {
        for format in [Format::Npy, Format::Fvecs, Format::Bvecs, Format::JsonLines, Format::Csv, Format::Lines] {
            for bytes in [&bytes[..], seed.as_bytes(), &[b"id,v0\n", seed.as_bytes()].concat(), &[b"\x93NUMPY\x01\x00\x20\x00", &bytes[..]].concat()] {
                if let Ok(mut reader) = open(input(bytes), format, ReadOptions::default()) {
                    let _ = crate::support::read(&mut *reader);
                }
            }
        }
    }
}
