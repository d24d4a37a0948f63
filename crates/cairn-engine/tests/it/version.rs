//! The version of what a search reads: the same for as long as the answer cannot be another.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{
    CollectionChange, CollectionSpec, Engine, EventOp, Filter, IndexKind, Near, SearchOptions, Similar,
    Using, Version, Write,
};

fn similar(using: Using, filter: bool) -> Similar {
    Similar {
        id: "a".to_owned(),
        top_k: 5,
        using,
        filter: filter.then(|| Filter::parse("n>0").expect("valid")),
        min_score: None,
        adaptive: None,
        how: SearchOptions::default(),
    }
}

fn near(filter: bool) -> Near {
    let filter = filter.then(|| Filter::parse("n>0").expect("valid"));
    Near { vector: vec![1.0, 0.0], top_k: 5, filter, min_score: None, how: SearchOptions::default() }
}

/// By events, vectors, both, and near a vector; then the same with a filter.
fn versions(engine: &Engine) -> Vec<Version> {
    let mut all = Vec::new();
    for filter in [false, true] {
        for using in [Using::Events, Using::Vectors, Using::Fusion] {
            all.push(engine.version_of_similar(None, &similar(using, filter)).expect("there"));
        }
        all.push(engine.version_of_near(None, &near(filter)).expect("there"));
    }
    all
}

fn filled() -> (SimDisk, Engine) {
    let disk = SimDisk::new(1);
    let engine = open(&disk, &options());
    for write in [vector("a", &[1.0, 0.0]), vector("b", &[0.0, 1.0]), metadata("a", "n:1")] {
        engine.write(vec![write])[0].as_ref().expect("taken");
    }
    engine.write(vec![event("u", "a", EventOp::Add, 5, 1)])[0].as_ref().expect("taken");
    (disk, engine)
}

/// Which of [`versions`] a write changes.
fn changed_by(write: Write) -> Vec<usize> {
    let (_disk, engine) = filled();
    let before = versions(&engine);
    engine.write(vec![write])[0].as_ref().expect("taken");
    let after = versions(&engine);
    (0..before.len()).filter(|at| before[*at] != after[*at]).collect()
}

#[test]
fn a_write_changes_the_versions_of_searches_that_read_what_it_changes() {
    assert_eq!(changed_by(event("u", "b", EventOp::Set, 7, 2)), [0, 2, 4, 6]);
    assert!(changed_by(event("u", "a", EventOp::Set, 5, 2)).is_empty(), "a duplicate");
    assert_eq!(changed_by(Write::Decay { factor: 0.5 }), [0, 2, 4, 6]);
    assert_eq!(changed_by(vector("c", &[1.0, 1.0])), [1, 2, 3, 5, 6, 7]);
    assert_eq!(changed_by(metadata("b", "n:2")), [4, 5, 6, 7]);
    let deleted = |id: &str| changed_by(Write::VectorDelete { id: id.to_owned() });
    // An event names it: it goes on being known to searches by events.
    assert_eq!(deleted("a"), [1, 2, 3, 4, 5, 6, 7]);
    // Nothing is left of it: those answered, and would now refuse.
    assert_eq!(deleted("b"), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_refused_write_a_checkpoint_and_another_collection_change_none() {
    let (_disk, engine) = filled();
    let before = versions(&engine);
    assert!(engine.write(vec![vector("c", &[1.0])])[0].is_err());
    engine.checkpoint().unwrap();
    let create =
        CollectionChange::Create { name: "other".to_owned(), settings: Box::default(), spec: Box::default() };
    engine.change_collections(create).unwrap();
    assert_eq!(versions(&engine), before);
}

#[test]
fn another_way_to_search_or_another_state_has_other_versions() {
    let (_disk, engine) = filled();
    let before = versions(&engine);
    let spec = Box::new(CollectionSpec { index: IndexKind::Graph, ..CollectionSpec::default() });
    engine.change_collections(CollectionChange::Configure { name: "default".to_owned(), spec }).unwrap();
    let configured = versions(&engine);
    assert!(before.iter().zip(&configured).all(|(before, now)| before != now));

    // The same content again, as another timeline.
    let files = engine.view().unwrap().into_image();
    engine.load::<cairn_engine::Error>("test", |draft| draft.put_image(files)).unwrap();
    assert!(configured.iter().zip(versions(&engine)).all(|(before, now)| *before != now));
    assert!(engine.version_of_near(Some("nope"), &near(false)).is_err());
}

#[test]
fn a_filter_is_identified_by_what_it_means() {
    let identity = |text: &str| {
        let mut bytes = Vec::new();
        Filter::parse(text).expect("valid").identify(&mut bytes);
        bytes
    };
    assert_eq!(identity("a:1, b>2"), identity("\"a\"=1,b > 2"));
    let filters = [
        "a:1",
        "a:1.0",
        "a:\"1\"",
        "a:true",
        "a!=1",
        "a>1",
        "a>=1",
        "a<1",
        "a<=1",
        "a=in(1|2)",
        "a=in(2|1)",
        "a!=in(1|2)",
        "a:1,a:2",
        "a:1,b:2",
        "ab:1",
        "a:b",
        "a:\"b,c\"",
    ];
    let distinct: std::collections::HashSet<_> = filters.iter().map(|text| identity(text)).collect();
    assert_eq!(distinct.len(), filters.len());
}
