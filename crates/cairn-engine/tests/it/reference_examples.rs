//! Examples that the reference agrees with, worked out by hand.

use crate::reference::*;

fn ask(k: usize) -> Ask {
    Ask { k, ..Ask::default() }
}

fn ranking(list: &[(&str, f64)]) -> Ranking {
    list.iter().map(|(id, score)| ((*id).to_string(), *score)).collect()
}

fn one(text: &str) -> Field {
    Field::One(Scalar::Text(text.to_string()))
}

#[test]
fn the_contracts_example() {
    let mut model = Reference::new(Rules::default());
    assert!(model.event("u", "a", Op::Add, 100, 1));
    assert!(model.event("u", "b", Op::Set, 50, 2));
    assert_eq!(model.similar_by_events("a", &ask(10)).unwrap(), ranking(&[("b", 5000.0)]));
    assert_eq!(model.similar_by_events("b", &ask(10)).unwrap(), ranking(&[("a", 5000.0)]));
    assert_eq!(model.similar_by_events("c", &ask(10)).unwrap_err(), "Query vector not found: c");
    assert_eq!((model.total_events, model.stored_events), (2, 2));
    assert_eq!(model.contexts(), ["u"]);
    assert!(model.similar_by_vectors("a", &ask(10)).is_err());
}

#[test]
fn an_event_pushed_out_of_the_ring_pairs_no_more() {
    let mut model = Reference::new(Rules { ctx_buffer_size: 2, ..Rules::default() });
    for (id, time_s) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        model.event("u", id, Op::Add, 10, time_s);
    }
    assert_eq!(model.ring("u").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(model.neighbours_of("d"), ranking(&[("b", 100.0), ("c", 100.0)]));
}

#[test]
fn an_add_is_a_duplicate_within_the_window_of_the_last_stored() {
    let mut model = Reference::new(Rules::default());
    assert!(model.event("u", "a", Op::Add, 5, 100));
    assert!(!model.event("u", "a", Op::Add, 5, 160));
    assert!(!model.event("u", "a", Op::Add, 5, 40));
    assert!(model.event("u", "a", Op::Add, 6, 100), "another score");
    assert!(model.event("v", "a", Op::Add, 5, 100), "another context");
    assert!(model.event("u", "a", Op::Add, 5, 161), "a duplicate does not prolong the window");
    assert_eq!((model.total_events, model.stored_events), (6, 4));
}

#[test]
fn set_and_del_follow_the_state_whatever_the_time() {
    let mut model = Reference::new(Rules::default());
    assert!(model.event("u", "a", Op::Add, 5, 1));
    assert!(!model.event("u", "a", Op::Set, 5, 9999), "an ADD makes the state too");
    assert!(model.event("u", "a", Op::Set, 6, 2));
    assert!(model.event("u", "a", Op::Del, 0, 3));
    assert!(!model.event("u", "a", Op::Del, 0, 9999));
    assert!(model.event("u", "a", Op::Set, 6, 4));
    assert!(model.event("u", "b", Op::Del, 77, 5), "never set is not deleted");
    assert_eq!(
        model.ring("u").last().unwrap(),
        &RingEvent { id: "b".into(), op: Op::Del, score: 0, time_s: 5 }
    );
}

#[test]
fn a_window_of_nothing_stores_every_add() {
    let mut model = Reference::new(Rules { dedup_window_sec: 0, ..Rules::default() });
    assert!(model.event("u", "a", Op::Add, 5, 1));
    assert!(model.event("u", "a", Op::Add, 5, 1));
    assert!(!model.event("u", "a", Op::Set, 5, 1));
}

#[test]
fn the_least_recently_stored_memory_goes_first() {
    let mut model = Reference::new(Rules { dedup_cache_size: 3, ..Rules::default() });
    model.event("u", "a", Op::Add, 5, 1);
    model.event("u", "b", Op::Set, 5, 1);
    model.event("u", "c", Op::Set, 5, 1);
    let memory = Memory { time_s: 1, value: Some(5) };
    let expected = [(state("u", "a"), memory), (state("u", "b"), memory), (state("u", "c"), memory)];
    assert_eq!(model.memories(), expected, "an ADD remembers itself, then the state");
    assert!(model.event("u", "a", Op::Add, 5, 1), "forgotten");
    assert_eq!(model.memories().last().unwrap().0, state("u", "a"));
}

#[test]
fn old_events_count_half_after_a_half_life() {
    let mut model = Reference::new(Rules { temporal_half_life_sec: Some(100.0), ..Rules::default() });
    model.event("u", "a", Op::Add, 10, 1000);
    model.event("u", "b", Op::Add, 10, 1100);
    model.event("u", "c", Op::Add, 10, 900);
    assert_eq!(model.neighbours_of("b"), ranking(&[("a", 50.0), ("c", 25.0)]));
}

#[test]
fn a_del_lowers_pairs_and_scores_below_nothing_are_not_returned() {
    let mut model = Reference::new(Rules { negative_weight: Some(0.5), ..Rules::default() });
    model.event("u", "a", Op::Add, 2, 1);
    model.event("u", "b", Op::Add, 40, 1);
    model.event("u", "c", Op::Add, 1, 1);
    model.event("u", "a", Op::Del, 0, 1);
    assert_eq!(model.neighbours_of("a"), ranking(&[("b", 60.0), ("c", 1.5)]));
    model.event("u", "b", Op::Del, 0, 1);
    assert_eq!(
        model.neighbours_of("b"),
        ranking(&[("a", 59.0), ("c", 39.5)]),
        "a deleted one counts no more"
    );
    let mut model = Reference::new(Rules { negative_weight: Some(2.0), ..Rules::default() });
    model.event("u", "a", Op::Add, 10, 1);
    model.event("u", "b", Op::Del, 0, 1);
    assert_eq!(model.neighbours_of("a"), ranking(&[("b", -20.0)]));
    assert_eq!(model.similar_by_events("a", &ask(5)).unwrap(), []);
}

#[test]
fn decay_multiplies_and_ties_stand_by_id() {
    let mut model = Reference::new(Rules::default());
    for id in ["z", "a", "m"] {
        model.event("u", id, Op::Add, 10, 1);
    }
    model.decay(0.5);
    assert_eq!(model.similar_by_events("m", &ask(5)).unwrap(), ranking(&[("a", 50.0), ("z", 50.0)]));
    assert_eq!(model.similar_by_events("m", &ask(1)).unwrap(), ranking(&[("a", 50.0)]));
}

#[test]
fn vectors_are_ranked_filtered_and_cut() {
    let mut model = Reference::new(Rules::default());
    assert_eq!(model.metadata_set("a", Fields::new()).unwrap_err(), "Vector not found for metadata: a");
    for (id, vector) in [("a", [1.0, 0.0]), ("b", [0.0, 2.0]), ("c", [3.0, 0.0]), ("d", [0.0, 0.0])] {
        model.vector_set(id, &vector).unwrap();
    }
    let wrong = "Vector dimension mismatch: expected 2, got 1";
    assert_eq!(model.vector_set("e", &[1.0]).unwrap_err(), wrong);
    assert_eq!(model.similar_to_vector(&[1.0], &ask(1)).unwrap_err(), format!("Query v{}", &wrong[1..]));
    model.metadata_set("b", Fields::from([("kind".into(), one("x"))])).unwrap();
    assert_eq!(model.vectors().len(), 4);
    assert_eq!(model.metadata().keys().collect::<Vec<_>>(), ["b"]);
    let all = ranking(&[("c", 1.0), ("b", 0.0), ("d", 0.0)]);
    assert_eq!(model.similar_by_vectors("a", &ask(9)).unwrap(), all);
    let filter = vec![Condition { key: "kind".into(), test: Test::Equal(vec![Scalar::Text("x".into())]) }];
    let filtered = Ask { k: 9, filter, min_score: None };
    assert_eq!(model.similar_by_vectors("a", &filtered).unwrap(), ranking(&[("b", 0.0)]));
    let cut = Ask { min_score: Some(0.5), ..ask(9) };
    assert_eq!(model.similar_to_vector(&[1.0, 0.0], &cut).unwrap(), ranking(&[("a", 1.0), ("c", 1.0)]));
    assert_eq!(score(Measure::Dot, &[1.0, 2.0], &[3.0, 4.0]), 11.0);
    assert_eq!(score(Measure::L2, &[0.0, 0.0], &[3.0, 4.0]), 1.0 / 6.0);
}

#[test]
fn fusion_weighs_both_sides_or_the_one_there_is() {
    let mut model = Reference::new(Rules { measure: Measure::Dot, ..Rules::default() });
    for (id, x) in [("q", 1.0), ("b", 0.76), ("c", 0.92), ("e", 0.80)] {
        model.vector_set(id, &[x]).unwrap();
    }
    let alone = model.similar_by_fusion("q", true, &ask(3)).unwrap();
    assert_agrees(&ranking(&[("c", 1.0), ("e", 0.25), ("b", 0.0)]), &alone, 1e-6);
    for (context, id, score) in [("1", "b", 100), ("2", "c", 80), ("3", "d", 40)] {
        model.event(context, "q", Op::Add, 1, 1);
        model.event(context, id, Op::Add, score, 1);
    }
    let fused = model.similar_by_fusion("q", false, &ask(4)).unwrap();
    let third = 0.4 * (80.0 - 40.0) / 60.0;
    assert_agrees(&ranking(&[("c", 0.6 + third), ("b", 0.4), ("e", 0.15), ("d", 0.0)]), &fused, 1e-6);
    let fused = model.similar_by_fusion("q", true, &ask(1)).unwrap();
    let alpha = 0.9 - 3.0 / 50.0 * 0.7;
    assert_agrees(&ranking(&[("c", alpha + (1.0 - alpha) * 2.0 / 3.0)]), &fused, 1e-6);
    assert_eq!(model.similar_by_fusion("d", false, &ask(9)).unwrap(), ranking(&[("q", 1.0)]), "events alone");
    assert!(model.similar_by_fusion("nobody", false, &ask(1)).is_err());
}

#[test]
fn filters_and_metadata_have_a_text() {
    let filter = [
        Condition {
            key: "a".into(),
            test: Test::Differs(vec![Scalar::Int(1), Scalar::Text("x\"\\".into())]),
        },
        Condition { key: "b".into(), test: Test::GreaterOrEqual(Scalar::Float(2.0)) },
    ];
    assert_eq!(filter_text(&filter), r#""a"!=in(1|"x\"\\"),"b">=2.0"#);
    let fields = Fields::from([("t".into(), Field::Many(vec![Scalar::Bool(true), Scalar::Float(1.5)]))]);
    assert_eq!(fields_json(&fields).to_string(), r#"{"t":[true,1.5]}"#);
    assert!(matches(&filter[..1], &fields), "missing differs");
    assert!(!matches(&filter, &fields));
}
