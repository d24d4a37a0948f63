//! Distances against a plain loop in f64, and scanning against scoring one by one.

use crate::reference::{self, Measure};
use cairn_engine::Metric;
use cairn_engine::distance::{Scorer, inverse_norm, scan};
use proptest::prelude::*;

const METRICS: [(Metric, Measure); 3] =
    [(Metric::Cosine, Measure::Cosine), (Metric::Dot, Measure::Dot), (Metric::L2, Measure::L2)];

/// Numbers from −1 to 1 that look random and are always the same.
fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn vector(seed: u64, dimension: usize) -> Vec<f32> {
    numbers(seed).take(dimension).collect()
}

fn norms(rows: &[f32], dimension: usize) -> Vec<f32> {
    rows.chunks_exact(dimension).map(inverse_norm).collect()
}

fn scanned(
    scorer: &Scorer,
    rows: &[f32],
    start_row: u32,
    keep: Option<&[u64]>,
    dead: Option<&[u64]>,
) -> Vec<(u32, f32)> {
    let mut all = Vec::new();
    let norms = norms(rows, scorer.dimension());
    scan(scorer, rows, &norms, start_row, keep, dead, |row, score| all.push((row, score)));
    all
}

fn score(metric: Metric, query: &[f32], row: &[f32]) -> f32 {
    Scorer::new(metric, query).score(row, inverse_norm(row))
}

#[test]
fn scanning_agrees_with_a_plain_loop_at_every_dimension() {
    for dimension in (1..=70).chain([96, 100, 127, 128, 129, 255, 384, 768, 1000, 1536]) {
        let query = vector(1, dimension);
        let rows = vector(2, dimension * 9);
        for (metric, measure) in METRICS {
            let all = scanned(&Scorer::new(metric, &query), &rows, 0, None, None);
            assert_eq!(all.len(), 9);
            for ((row, score), vector) in all.into_iter().zip(rows.chunks_exact(dimension)) {
                let expected = reference::score(measure, &query, vector);
                let error = (f64::from(score) - expected).abs();
                assert!(
                    error <= 1e-5 * expected.abs().max(1.0),
                    "{metric:?} {dimension} {row}: {score} {expected}"
                );
            }
        }
    }
}

#[test]
fn small_whole_numbers_are_exact() {
    assert_eq!(score(Metric::Dot, &[1.0, 2.0, 3.0], &[4.0, -5.0, 6.0]), 12.0);
    assert_eq!(score(Metric::L2, &[1.0, 1.0], &[4.0, 5.0]), 1.0 / 6.0);
    assert_eq!(score(Metric::L2, &[1.0, 1.0], &[1.0, 1.0]), 1.0);
    assert_eq!(score(Metric::Cosine, &[0.0, 2.0], &[0.0, 8.0]), 1.0);
    assert_eq!(score(Metric::Cosine, &[0.0, 2.0], &[0.0, -8.0]), -1.0);
    assert_eq!(score(Metric::Cosine, &[0.0, 2.0], &[8.0, 0.0]), 0.0);
}

#[test]
fn zero_vectors_have_cosine_zero() {
    for (query, row) in [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0]), ([0.0, -0.0], [0.0, 0.0])] {
        let score = score(Metric::Cosine, &query, &row);
        assert_eq!(score, 0.0);
        assert!(score.is_sign_positive(), "−0 would print as -0.0000");
    }
    assert_eq!(inverse_norm(&[0.0, -0.0]), 0.0);
    assert_eq!(inverse_norm(&[]), 0.0);
}

#[test]
fn no_component_is_too_large_or_too_small() {
    let (huge, tiny) = (f32::MAX, 1e-38);
    let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert!(near(score(Metric::Cosine, &[huge, 0.0], &[huge, 0.0]), 1.0));
    assert!(near(score(Metric::Cosine, &[huge, huge], &[huge, -huge]), 0.0));
    assert!(near(score(Metric::Cosine, &[huge, huge], &[-huge, -huge]), -1.0));
    assert!(near(score(Metric::Cosine, &[tiny, tiny], &[tiny, tiny]), 1.0));
    assert!(near(score(Metric::Cosine, &[tiny, tiny], &[huge, huge]), 1.0));
    assert_eq!(score(Metric::Dot, &[huge, huge], &[huge, huge]), f32::MAX);
    assert_eq!(score(Metric::Dot, &[huge, huge], &[-huge, -huge]), f32::MIN);
    assert_eq!(score(Metric::Dot, &[huge, huge], &[huge, -huge]), 0.0);
    assert_eq!(score(Metric::L2, &[1e30, 0.0], &[-1e30, 0.0]), 5e-31);
    assert_eq!(score(Metric::Cosine, &[1.0], &[1e-40]), 0.0, "shorter than can be divided by");
}

#[test]
fn exact_scores_are_those_of_the_reference_and_equal_for_one_direction() {
    let (query, row) = (vector(9, 100), vector(10, 100));
    for (metric, measure) in METRICS {
        let (exact, expected) =
            (Scorer::new(metric, &query).score_exactly(&row), reference::score(measure, &query, &row));
        assert!((exact - expected).abs() <= 1e-14, "{metric:?}: {exact} {expected}");
    }
    let scorer = Scorer::new(Metric::Cosine, &[1.0, 2.0, 3.0]);
    for times in 1..1000u16 {
        let row = [1.0, 2.0, 3.0].map(|x| x * f32::from(times));
        assert_eq!(scorer.score_exactly(&row), 1.0, "{times}");
    }
    assert_eq!(scorer.score_exactly(&[0.0; 3]), 0.0);
}

#[test]
fn inverse_norms_are_rounded_once() {
    assert_eq!(inverse_norm(&[3.0, 4.0]), 0.2);
    assert_eq!(inverse_norm(&[1e30, 0.0, 0.0, 0.0, 0.0]), 1e-30);
    for dimension in [1, 3, 4, 5, 128, 1001] {
        let vector = vector(3, dimension);
        let squares: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
        let expected = 1.0 / squares.sqrt();
        assert!((f64::from(inverse_norm(&vector)) - expected).abs() <= expected * 1e-7);
    }
}

#[test]
fn equal_rows_have_equal_scores_wherever_they_stand() {
    let row = vector(4, 130);
    let rows = row.repeat(70);
    for (metric, _) in METRICS {
        let all = scanned(&Scorer::new(metric, &vector(5, 130)), &rows[..], 3, None, None);
        assert!(all.iter().all(|(_, score)| score.to_bits() == all[0].1.to_bits()));
    }
}

#[test]
fn bits_past_the_end_keep_nothing_and_kill_nothing() {
    let scorer = Scorer::new(Metric::Dot, &[1.0]);
    let rows: Vec<f32> = vector(6, 200);
    let count = |keep: Option<&[u64]>, dead: Option<&[u64]>| scanned(&scorer, &rows, 10, keep, dead).len();
    assert_eq!(count(None, None), 200);
    assert_eq!(count(Some(&[]), None), 0);
    assert_eq!(count(None, Some(&[])), 200);
    assert_eq!(count(Some(&[u64::MAX]), None), 54);
    assert_eq!(count(None, Some(&[u64::MAX])), 146);
    assert_eq!(count(Some(&[u64::MAX; 9]), Some(&[0; 9])), 200);
}

#[test]
fn nothing_is_scanned_where_nothing_is() {
    assert_eq!(scanned(&Scorer::new(Metric::L2, &[1.0, 2.0]), &[], u32::MAX, None, None), []);
}

#[test]
#[should_panic(expected = "one row for each norm")]
fn a_block_of_another_dimension_is_a_bug() {
    scan(&Scorer::new(Metric::Dot, &[1.0, 2.0]), &[1.0; 3], &[1.0], 0, None, None, |_, _| {});
}

#[test]
fn metrics_have_bytes_and_names() {
    for (byte, name, metric) in
        [(0, "cosine", Metric::Cosine), (1, "dot", Metric::Dot), (2, "l2", Metric::L2)]
    {
        assert_eq!((metric.byte(), metric.name()), (byte, name));
        assert_eq!((Metric::from_byte(byte), Metric::from_name(name)), (Some(metric), Some(metric)));
    }
    assert_eq!((Metric::from_byte(3), Metric::from_name("COSINE")), (None, None));
}

fn finite() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |x| x.is_finite())
}

proptest! {
    #[test]
    fn only_kept_and_living_rows_are_scanned_in_order(
        count in 0usize..300, start_row in 0u32..200,
        keep in prop::option::of(prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 0..9)),
        dead in prop::option::of(prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 0..9)),
    ) {
        let scorer = Scorer::new(Metric::Cosine, &vector(7, 3));
        let rows = vector(8, count * 3);
        let bit = |bits: &[u64], row: u32| bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
        let expected: Vec<(u32, f32)> = (start_row..).zip(rows.chunks_exact(3))
            .filter(|(row, _)| keep.as_ref().is_none_or(|bits| bit(bits, *row)))
            .filter(|(row, _)| dead.as_ref().is_none_or(|bits| !bit(bits, *row)))
            .map(|(row, vector)| (row, scorer.score(vector, inverse_norm(vector))))
            .collect();
        prop_assert_eq!(scanned(&scorer, &rows, start_row, keep.as_deref(), dead.as_deref()), expected);
    }

    #[test]
    fn finite_vectors_have_finite_scores(pairs in prop::collection::vec((finite(), finite()), 1..40)) {
        let (query, row): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
        for (metric, _) in METRICS {
            let score = score(metric, &query, &row);
            prop_assert!(score.is_finite(), "{metric:?} {score}");
            prop_assert!(metric != Metric::Cosine || score.abs() <= 1.0);
            prop_assert!(metric != Metric::L2 || (0.0..=1.0).contains(&score));
        }
    }
}
