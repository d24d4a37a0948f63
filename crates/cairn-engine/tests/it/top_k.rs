//! The k best of a stream.

use cairn_engine::top_k::{Scored, TopK};
use proptest::prelude::*;
use std::cell::Cell;
use std::cmp::Ordering;

/// An id order that is not the order of item numbers.
fn id(item: u32) -> String {
    format!("{:08x}", item.wrapping_mul(0x9E37_79B1))
}

fn by_id(a: u32, b: u32) -> Ordering {
    id(a).cmp(&id(b))
}

fn by_sorting(all: &[Scored], k: usize, score_min: Option<f64>) -> Vec<Scored> {
    let enters = |scored: &&Scored| !scored.score.is_nan() && score_min.is_none_or(|min| scored.score >= min);
    let mut all: Vec<Scored> = all.iter().filter(enters).copied().collect();
    all.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("no NaN").then_with(|| by_id(a.item, b.item)));
    all.truncate(k);
    all
}

fn collected(all: &[Scored], k: usize, score_min: Option<f64>) -> Vec<Scored> {
    let mut best = TopK::new(k, score_min);
    for scored in all {
        best.offer(scored.item, scored.score, by_id);
        assert!(best.held() < (2 * k).max(64), "memory is bounded");
    }
    best.finish(by_id)
}

#[test]
fn equal_scores_stand_by_id_and_the_first_ids_stay() {
    let all: Vec<Scored> = (0..10_000).map(|item| Scored { item, score: 1.0 }).collect();
    for k in [1, 7, 31, 32, 33, 100, 9_999, 10_000, 20_000] {
        assert_eq!(collected(&all, k, None), by_sorting(&all, k, None), "k = {k}");
    }
}

#[test]
fn ids_are_looked_up_for_equal_scores_only() {
    let scores: Vec<f64> =
        (0..10_000u32).map(|item| f64::from(item.wrapping_mul(0x9E37_79B1) % 100)).collect();
    let compare = |a: u32, b: u32| {
        assert_eq!(scores[a as usize], scores[b as usize]);
        by_id(a, b)
    };
    let mut best = TopK::new(10, None);
    for (item, score) in (0..).zip(&scores) {
        best.offer(item, *score, compare);
    }
    assert!(best.finish(compare).iter().all(|scored| scored.score == 99.0));
}

#[test]
fn equal_scores_cost_few_lookups() {
    let lookups = Cell::new(0);
    let compare = |a: u32, b: u32| {
        lookups.set(lookups.get() + 1);
        by_id(a, b)
    };
    let mut best = TopK::new(10, None);
    (0..100_000).for_each(|item| best.offer(item, 0.0, compare));
    assert_eq!(best.finish(compare).len(), 10);
    assert!(lookups.get() < 110_000, "{} lookups", lookups.get());
}

#[test]
fn nan_never_enters_and_minus_zero_is_zero() {
    let mut best = TopK::new(3, None);
    for (item, score) in [(1, f64::NAN), (2, -0.0), (3, 0.0), (4, f64::NEG_INFINITY)] {
        best.offer(item, score, |a, b| a.cmp(&b));
    }
    let best = best.finish(|a, b| a.cmp(&b));
    assert_eq!(best.iter().map(|scored| scored.item).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(best[0].score.is_sign_positive());
}

#[test]
fn nothing_is_kept_for_k_of_zero() {
    let all = [Scored { item: 1, score: 1.0 }; 100];
    assert_eq!(collected(&all, 0, None), []);
    assert_eq!(collected(&[], 5, None), []);
}

#[test]
fn a_least_score_is_inclusive() {
    let all: Vec<Scored> = (0..10).map(|item| Scored { item, score: f64::from(item) }).collect();
    let items: Vec<u32> = collected(&all, 9, Some(7.0)).iter().map(|scored| scored.item).collect();
    assert_eq!(items, [9, 8, 7]);
}

#[test]
fn the_threshold_rises_to_the_worst_of_the_best() {
    let mut best = TopK::new(2, Some(-1.0));
    assert_eq!(best.threshold(), -1.0);
    (0..64).for_each(|item| best.offer(item, item as f32, by_id));
    assert_eq!(best.threshold(), 62.0);
}

proptest! {
    #[test]
    fn the_best_are_those_of_a_full_sort(
        scores in prop::collection::vec(prop_oneof![(-3i32..4).prop_map(f64::from), any::<f64>()], 0..600),
        k in 0usize..90,
        score_min in prop::option::of(-3.0f64..3.0),
    ) {
        let all: Vec<Scored> = (0..).zip(&scores).map(|(item, score)| Scored { item, score: *score }).collect();
        prop_assert_eq!(collected(&all, k, score_min), by_sorting(&all, k, score_min));
    }
}
