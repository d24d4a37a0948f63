//! Indexes on metadata fields, declared and learned: filtered searches find the same with and without, whatever changes.

use crate::collections::{create_with, to};
use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{CollectionSpec, Engine, Filter, Near, Options, Request, SearchOptions, Write};

const ITEMS: u64 = 6_000;

fn quiet() -> Options {
    Options { maintenance: false, ..options() }
}

fn filled(engine: &Engine, fields: &[&str]) {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    engine
        .change_collections(create_with("v", CollectionSpec { fields, ..CollectionSpec::default() }))
        .expect("created");
    let writes: Vec<Request> = (0..ITEMS)
        .flat_map(|n| {
            let id = format!("item-{n}");
            let text = format!("price:{},kind:k{}", n % 997, n % 7);
            [to("v", vector(&id, &[1.0, n as f32 / 1_000.0])), to("v", metadata(&id, &text))]
        })
        .collect();
    assert!(engine.write_requests(writes).iter().all(Result::is_ok));
}

fn found(engine: &Engine, filter: &str) -> Vec<String> {
    let filter = Some(Filter::parse(filter).expect("a filter"));
    let query =
        Near { vector: vec![1.0, 0.5], top_k: 20, filter, min_score: None, how: SearchOptions::default() };
    let hits = engine.similar_to_vector_in(Some("v"), &query).expect("a search");
    hits.results.into_iter().map(|hit| hit.id).collect()
}

fn indexed(engine: &Engine) -> Vec<String> {
    engine.storage_stats(Some("v")).expect("stats").remove(0).fields
}

const FILTERS: [&str; 6] =
    ["price<5", "price>=990,kind:k3", "kind!=k1,price:17", "kind=in(k2|k4),price<40", "price:3", "color:red"];

#[test]
fn a_field_that_filters_ask_for_is_learned_and_finds_the_same() {
    let engine = open(&SimDisk::new(1), &quiet());
    filled(&engine, &[]);
    let before: Vec<_> = FILTERS.iter().map(|filter| found(&engine, filter)).collect();
    assert!(before[0].len() == 20 && before[5].is_empty());
    (0..20).for_each(|_| drop(found(&engine, "price<5")));
    engine.wait_indexed(Some("v")).expect("built");
    assert_eq!(indexed(&engine), ["price"]);
    let after: Vec<_> = FILTERS.iter().map(|filter| found(&engine, filter)).collect();
    assert_eq!(after, before);
}

#[test]
fn a_declared_field_follows_every_change_and_is_there_again_after_a_restart() {
    let disk = SimDisk::new(1);
    let engine = open(&disk, &quiet());
    filled(&engine, &["price", "kind"]);
    assert_eq!(indexed(&engine), ["kind", "price"]);
    assert!(found(&engine, "price:3").contains(&"item-3".to_owned()));
    let change = |write: Write| engine.write_requests(vec![to("v", write)]).remove(0).expect("written");
    change(metadata("item-3", "price:4"));
    change(Write::VectorDelete { id: "item-1000".to_owned() });
    assert!(!found(&engine, "price:3").iter().any(|id| id == "item-3" || id == "item-1000"));
    assert!(found(&engine, "price:4").contains(&"item-3".to_owned()));
    let before: Vec<_> = FILTERS.iter().map(|filter| found(&engine, filter)).collect();
    engine.close().expect("closed");
    let engine = open(&disk, &quiet());
    let unindexed: Vec<_> = FILTERS.iter().map(|filter| found(&engine, filter)).collect();
    assert_eq!(unindexed, before);
    engine.wait_indexed(Some("v")).expect("built");
    assert_eq!(indexed(&engine), ["kind", "price"]);
    assert_eq!(FILTERS.iter().map(|filter| found(&engine, filter)).collect::<Vec<_>>(), before);
}
