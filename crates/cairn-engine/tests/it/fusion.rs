//! Fusion of two rankings.

use cairn_engine::FusionSettings;
use cairn_engine::fusion::{Weights, fuse, weights};
use cairn_engine::top_k::Scored;
use proptest::prelude::*;
use std::collections::BTreeMap;

const HALVES: Weights = Weights { vectors: 0.5, events: 0.5 };

fn list(scores: &[(u32, f64)]) -> Vec<Scored> {
    scores.iter().map(|&(item, score)| Scored { item, score }).collect()
}

#[track_caller]
fn assert_fused(got: Vec<Scored>, expected: &[(u32, f64)]) {
    let got: BTreeMap<u32, f64> = got.into_iter().map(|scored| (scored.item, scored.score)).collect();
    assert_eq!(
        got.keys().copied().collect::<Vec<_>>(),
        expected.iter().map(|(item, _)| *item).collect::<Vec<_>>()
    );
    for (item, score) in expected {
        assert!((got[item] - score).abs() < 1e-12, "{item}: expected {score}, got {}", got[item]);
    }
}

#[test]
fn each_side_is_stretched_to_one_and_weighed() {
    let (b, c, d, e) = (1, 2, 3, 4);
    let events = list(&[(b, 120.0), (c, 80.0), (d, 40.0)]);
    let vectors = list(&[(c, 0.92), (e, 0.80), (b, 0.76)]);
    let fused = fuse(&vectors, &events, weights(&FusionSettings::default(), false, 3));
    assert_fused(fused, &[(b, 0.4), (c, 0.6 + 0.2), (d, 0.0), (e, 0.15)]);
}

#[test]
fn one_side_alone_has_all_the_weight() {
    let some = list(&[(1, 3.0), (2, 2.0), (3, 1.0)]);
    assert_fused(fuse(&some, &[], HALVES), &[(1, 1.0), (2, 0.5), (3, 0.0)]);
    assert_fused(fuse(&[], &some, HALVES), &[(1, 1.0), (2, 0.5), (3, 0.0)]);
    assert_fused(fuse(&[], &[], HALVES), &[]);
}

#[test]
fn a_list_of_one_is_clamped() {
    assert_fused(fuse(&list(&[(1, 0.87)]), &[], HALVES), &[(1, 0.87)]);
    assert_fused(fuse(&list(&[(1, 0.8)]), &list(&[(1, 5000.0)]), HALVES), &[(1, 0.9)]);
    assert_fused(fuse(&list(&[(1, -0.5)]), &list(&[(2, 0.25)]), HALVES), &[(1, 0.0), (2, 0.125)]);
}

#[test]
fn a_narrow_list_is_clamped() {
    let narrow = list(&[(1, 0.500_05), (2, 0.5)]);
    assert_fused(fuse(&narrow, &[], HALVES), &[(1, 0.500_05), (2, 0.5)]);
    let wide = list(&[(1, 0.5 + 2e-4), (2, 0.5)]);
    assert_fused(fuse(&wide, &[], HALVES), &[(1, 1.0), (2, 0.0)]);
    let equal = list(&[(1, 7.0), (2, 7.0)]);
    assert_fused(fuse(&[], &equal, HALVES), &[(1, 1.0), (2, 1.0)]);
}

#[test]
fn fixed_weights_are_brought_to_a_sum_of_one() {
    let fixed = |alpha, beta| weights(&FusionSettings { alpha, beta, ..FusionSettings::default() }, false, 9);
    assert_eq!(fixed(3.0, 1.0), Weights { vectors: 0.75, events: 0.25 });
    assert_eq!(fixed(0.0, 2.0), Weights { vectors: 0.0, events: 1.0 });
    assert_eq!(fixed(0.0, 0.0), HALVES);
    assert_eq!(weights(&FusionSettings::default(), false, 0).vectors, 0.6);
}

#[test]
fn adaptive_weights_fall_with_the_number_of_neighbours() {
    let settings = FusionSettings::default();
    for (neighbours, alpha) in [(0, 0.9), (10, 0.76), (25, 0.55), (50, 0.2), (51, 0.2), (usize::MAX, 0.2)] {
        let got = weights(&settings, true, neighbours);
        assert!((got.vectors - alpha).abs() < 1e-12, "{neighbours}: {got:?}");
        assert_eq!(got.vectors + got.events, 1.0);
    }
    let at_once = FusionSettings { adaptive_maturity_threshold: 0, ..settings };
    assert!((weights(&at_once, true, 0).vectors - 0.2).abs() < 1e-12);
}

/// The definition, with a map.
fn plainly(vectors: &[(u32, f64)], events: &[(u32, f64)], alpha: f64) -> BTreeMap<u32, f64> {
    let alpha = if events.is_empty() {
        1.0
    } else if vectors.is_empty() {
        0.0
    } else {
        alpha
    };
    let mut fused = BTreeMap::new();
    for (list, weight) in [(vectors, alpha), (events, 1.0 - alpha)] {
        let max = list.iter().map(|one| one.1).fold(f64::MIN, f64::max);
        let min = list.iter().map(|one| one.1).fold(f64::MAX, f64::min);
        for &(item, score) in list {
            let narrow = list.len() < 2 || max - min < 1e-4;
            let unit = if narrow { score.clamp(0.0, 1.0) } else { (score - min) / (max - min) };
            *fused.entry(item).or_insert(0.0) += weight * unit;
        }
    }
    fused
}

fn any_side() -> impl Strategy<Value = Vec<(u32, f64)>> {
    prop::collection::btree_map(0u32..30, -1e4..1e4, 0..20).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn fusing_follows_the_definition(vectors in any_side(), events in any_side(), alpha in 0.0..1.0) {
        let fused = fuse(&list(&vectors), &list(&events), Weights { vectors: alpha, events: 1.0 - alpha });
        let expected: Vec<(u32, f64)> = plainly(&vectors, &events, alpha).into_iter().collect();
        assert_fused(fused, &expected);
    }
}
