//! Codes: bounds that always hold, searches that find exactly what scoring everything finds, and the file.

use cairn_engine::codes::{CodeKind, CodeScorer, Codes, Found, InstructionSet, Prefilter, scan_codes};
use cairn_engine::distance::{Metric, Scorer};
use cairn_engine::top_k::{Scored, TopK};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
const KINDS: [CodeKind; 2] = [CodeKind::F16, CodeKind::I8];

/// Numbers that look random and are always the same.
struct Random(u64);

impl Random {
    /// From −1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        self.next();
        (self.0 >> 33) as usize % n
    }

    fn vector(&mut self, dimension: usize) -> Vec<f32> {
        (0..dimension).map(|_| self.next()).collect()
    }

    /// About normally distributed.
    fn normal(&mut self, dimension: usize) -> Vec<f32> {
        (0..dimension).map(|_| (0..6).map(|_| self.next()).sum()).collect()
    }
}

/// Rows that look alike, or that are hard: each has a name for messages.
fn data(dimension: usize, count: usize) -> Vec<(&'static str, Vec<f32>)> {
    let mut random = Random(7);
    let normal = |random: &mut Random| random.normal(dimension * count);
    let mut all = vec![("normal", normal(&mut random))];
    let centres: Vec<_> = (0..5).map(|_| random.normal(dimension)).collect();
    let mut clustered = |spread: f32| -> Vec<f32> {
        let row = |random: &mut Random, n: usize| -> Vec<f32> {
            let noise = random.vector(dimension);
            centres[n % 5].iter().zip(noise).map(|(c, x)| c + spread * x).collect()
        };
        (0..count).flat_map(|n| row(&mut random, n)).collect()
    };
    all.push(("clustered", clustered(0.1)));
    all.push(("almost equal", clustered(1e-6)));
    let mut random = Random(8);
    all.push(("equal", random.normal(dimension).repeat(count)));
    let ten: Vec<f32> = random.normal(dimension * 10);
    all.push(("duplicates", ten.iter().copied().cycle().take(dimension * count).collect()));
    let scaled = |factor: f32, rows: &[f32]| -> Vec<f32> { rows.iter().map(|x| x * factor).collect() };
    let base = normal(&mut random);
    for (name, factor) in
        [("tiny", 1e-30), ("denormal", 1e-41), ("least", 3e-45), ("huge", 5e37), ("large", 1e19)]
    {
        all.push((name, scaled(factor, &base)));
    }
    let mut dominant = base.clone();
    dominant.iter_mut().step_by(dimension).for_each(|x| *x *= 1000.0);
    all.push(("one dominates", dominant));
    let mut sparse = base.clone();
    sparse.iter_mut().for_each(|x| *x = if random.below(9) == 0 { *x } else { 0.0 });
    all.push(("sparse, zeros", sparse));
    // Magnitudes all over, zero rows and the largest number among them.
    let mut mixed = base.clone();
    for row in mixed.chunks_exact_mut(dimension) {
        let factor = [0.0, 1e-45, 1e-38, 1e-20, 1.0, 1.0, 1.0, 1e20, 1e37][random.below(9)];
        row.iter_mut().for_each(|x| *x *= factor);
        if random.below(20) == 0 {
            row[random.below(dimension)] = [f32::MAX, f32::MIN, 1e-45][random.below(3)];
        }
    }
    all.push(("mixed magnitudes", mixed));
    all.push(("all the largest", vec![f32::MAX; dimension * count]));
    let signs = (0..dimension * count).map(|_| if random.below(2) == 0 { f32::MAX } else { f32::MIN });
    all.push(("the largest, signs", signs.collect()));
    all.push(("zero", vec![0.0; dimension * count]));
    all
}

/// Queries: rows, almost rows, other vectors, a zero one, tiny and huge ones.
fn queries(rows: &[f32], dimension: usize) -> Vec<Vec<f32>> {
    let mut random = Random(9);
    let row = |n: usize| rows[n * dimension..][..dimension].to_vec();
    let near = row(3).iter().map(|x| x * (0.99 + 0.01 * random.next())).collect();
    let other = random.normal(dimension);
    let times = |factor: f32| other.iter().map(|x| x * factor).collect();
    let mut one = vec![0.0; dimension];
    one[dimension / 2] = 1.0;
    vec![
        row(1),
        near,
        times(1.0),
        times(1e-42),
        times(3e37),
        one,
        vec![0.0; dimension],
        vec![f32::MAX; dimension],
    ]
}

/// Ids are in another order than numbers.
fn by_id(a: u32, b: u32) -> std::cmp::Ordering {
    (a.wrapping_mul(0x9E37_79B1)).cmp(&b.wrapping_mul(0x9E37_79B1))
}

/// What scoring every row exactly gives.
fn exact(
    scorer: &Scorer,
    rows: &[f32],
    k: usize,
    min: Option<f64>,
    wanted: impl Fn(u32) -> bool,
) -> Vec<Scored> {
    let mut best = TopK::new(k, min);
    for (row, vector) in (0..).zip(rows.chunks_exact(scorer.dimension())) {
        if wanted(row) {
            best.offer(row, scorer.score_exactly(vector), by_id);
        }
    }
    best.finish(by_id)
}

fn by_codes(
    scorer: &Scorer,
    codes: &Codes,
    code_scorer: &CodeScorer,
    rows: &[f32],
    prefilter: Prefilter,
    bits: (Option<&[u64]>, Option<&[u64]>),
) -> Found {
    let mut prefilter = prefilter;
    scan_codes(code_scorer, codes, bits.0, bits.1, |row, bounds| prefilter.offer(row, bounds));
    let dimension = scorer.dimension();
    prefilter.finish(|row| scorer.score_exactly(&rows[row as usize * dimension..][..dimension]), by_id)
}

fn encode(kind: CodeKind, dimension: usize, rows: &[f32]) -> Codes {
    Codes::encode(kind, 5, 6, dimension as u32, rows).expect("whole rows")
}

/// Every metric, kind and instruction set: the bounds hold for every row, and the search finds what scoring everything
/// finds, bit for bit.
fn check(name: &str, rows: &[f32], query: &[f32], codes: &[Codes]) {
    for metric in METRICS {
        let scorer = Scorer::new(metric, query);
        let expected = exact(&scorer, rows, 10, None, |_| true);
        for codes in codes {
            for set in InstructionSet::available() {
                let code_scorer = CodeScorer::with(metric, query, codes.kind(), set).expect("available");
                let what =
                    || format!("{name}, {metric:?}, {:?}, {set:?}, dimension {}", codes.kind(), query.len());
                scan_codes(&code_scorer, codes, None, None, |row, bounds| {
                    let truth = scorer.score_exactly(&rows[row as usize * query.len()..][..query.len()]);
                    assert!(
                        bounds.lower <= truth && truth <= bounds.upper,
                        "{}, row {row}: {truth} {bounds:?}",
                        what()
                    );
                    assert_eq!(code_scorer.bounds(codes, row), bounds, "{}", what());
                    code_scorer.rows(codes).prefetch(row);
                    assert!(code_scorer.score_row(codes, row).is_finite(), "{}", what());
                });
                let found =
                    by_codes(&scorer, codes, &code_scorer, rows, Prefilter::new(10, None), (None, None));
                assert_eq!(found.best, expected, "{}", what());
            }
        }
    }
}

#[test]
fn bounds_hold_and_searches_find_the_same_on_every_kind_of_data() {
    for (dimension, count) in [(1, 300), (7, 200), (33, 300), (64, 150), (100, 300), (130, 200), (768, 120)] {
        for (name, rows) in data(dimension, count) {
            let codes = KINDS.map(|kind| encode(kind, dimension, &rows));
            for query in queries(&rows, dimension) {
                check(name, &rows, &query, &codes);
            }
        }
    }
}

#[test]
fn the_largest_dimension_overflows_nothing() {
    let dimension = 65_536;
    for (a, b) in [(1.0, 1.0), (1.0, -1.0), (f32::MAX, f32::MAX), (f32::MAX, f32::MIN)] {
        let rows = [vec![a; dimension], vec![b; dimension]].concat();
        let codes = KINDS.map(|kind| encode(kind, dimension, &rows));
        check("one number", &rows, &rows[..dimension], &codes);
    }
}

#[test]
fn few_rows_are_scored_exactly() {
    let (dimension, count) = (128, 20_000);
    let rows = Random(1).normal(dimension * count);
    let query = Random(2).normal(dimension);
    for (kind, limit) in [(CodeKind::F16, 15), (CodeKind::I8, 100)] {
        let codes = encode(kind, dimension, &rows);
        for metric in METRICS {
            let (scorer, code_scorer) = (Scorer::new(metric, &query), CodeScorer::new(metric, &query, kind));
            let found =
                by_codes(&scorer, &codes, &code_scorer, &rows, Prefilter::new(10, None), (None, None));
            assert_eq!(found.best, exact(&scorer, &rows, 10, None, |_| true));
            assert!((10..=limit).contains(&found.rescored), "{metric:?} {kind:?}: {}", found.rescored);
        }
    }
}

#[test]
fn approximate_scores_are_near_the_true_ones() {
    let dimension = 384;
    let rows = Random(3).normal(dimension * 50);
    let query = Random(4).normal(dimension);
    for (kind, error) in [(CodeKind::F16, 1e-3), (CodeKind::I8, 2e-2)] {
        let codes = encode(kind, dimension, &rows);
        for metric in [Metric::Cosine, Metric::L2] {
            let (scorer, code_scorer) = (Scorer::new(metric, &query), CodeScorer::new(metric, &query, kind));
            for (row, vector) in (0..).zip(rows.chunks_exact(dimension)) {
                let (about, truth) = (code_scorer.score_row(&codes, row), scorer.score_exactly(vector));
                assert!(
                    (f64::from(about) - truth).abs() < error,
                    "{metric:?} {kind:?} {row}: {about} {truth}"
                );
            }
        }
    }
}

#[test]
fn rows_of_several_segments_and_rows_without_codes_are_found_together() {
    let dimension = 48;
    let rows = Random(5).normal(dimension * 900);
    let query = Random(6).vector(dimension);
    for metric in METRICS {
        let scorer = Scorer::new(metric, &query);
        for kind in KINDS {
            let code_scorer = CodeScorer::new(metric, &query, kind);
            let mut prefilter = Prefilter::new(25, None);
            for (first, part) in [(0, 0..400), (400, 400..700)] {
                let codes = encode(kind, dimension, &rows[part.start * dimension..part.end * dimension]);
                scan_codes(&code_scorer, &codes, None, None, |row, bounds| {
                    prefilter.offer(first + row, bounds)
                });
            }
            let score = |row: u32| scorer.score_exactly(&rows[row as usize * dimension..][..dimension]);
            for row in 700..900 {
                let score = score(row);
                prefilter.offer(row, cairn_engine::codes::Bounds { lower: score, upper: score });
            }
            assert_eq!(prefilter.finish(score, by_id).best, exact(&scorer, &rows, 25, None, |_| true));
        }
    }
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let refused = |dimension, rows: &[f32]| {
        let error = Codes::encode(CodeKind::I8, 0, 0, dimension, rows).expect_err("refused");
        error.to_string()
    };
    assert_eq!(refused(0, &[1.0]), "Codes need a dimension of 1 to 65536, got 0");
    assert_eq!(refused(65_537, &[1.0]), "Codes need a dimension of 1 to 65536, got 65537");
    assert_eq!(refused(2, &[1.0; 3]), "Codes need whole rows of 2 elements, got 3 elements");
    assert_eq!(refused(2, &[]), "Codes need whole rows of 2 elements, got 0 elements");
}

#[test]
#[should_panic(expected = "codes for this query")]
fn codes_of_another_dimension_are_a_bug() {
    let codes = encode(CodeKind::I8, 2, &[1.0; 4]);
    let _ = CodeScorer::new(Metric::Dot, &[1.0; 3], CodeKind::I8).score_row(&codes, 0);
}

#[test]
fn kinds_have_names() {
    for kind in KINDS {
        assert_eq!(CodeKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(CodeKind::from_name("i4"), None);
}

fn open(bytes: Vec<u8>) -> cairn_engine::Result<Codes> {
    Codes::open(Path::new("5.codes"), Arc::new(bytes))
}

fn verified(bytes: Vec<u8>) -> cairn_engine::Result<Codes> {
    let codes = open(bytes)?;
    codes.verify(Path::new("5.codes"))?;
    Ok(codes)
}

#[test]
fn a_file_opens_to_the_same_codes() {
    for kind in KINDS {
        let codes = encode(kind, 13, &Random(10).normal(13 * 21));
        let opened = verified(codes.as_bytes().to_vec()).expect("whole");
        assert_eq!(opened.as_bytes(), codes.as_bytes());
        assert_eq!(
            (opened.kind(), opened.dimension(), opened.rows(), opened.collection(), opened.segment()),
            (kind, 13, 21, 5, 6)
        );
        assert_eq!((opened.halves(), opened.bytes()), (codes.halves(), codes.bytes()));
        assert_eq!(opened.parameters(), codes.parameters());
    }
}

#[test]
fn a_mapped_file_is_not_copied() {
    use cairn_disk::{Access, RealDisk, Storage, write_new};
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("00000000000000000006.codes");
    let rows = Random(11).normal(20 * 30);
    let codes = encode(CodeKind::F16, 20, &rows);
    write_new(&RealDisk::new(), &path, codes.as_bytes()).expect("written");
    let map = RealDisk::new().open(&path, Access::Read).and_then(|file| file.map()).expect("mapped");
    let opened = Codes::open(&path, Arc::from(map)).expect("whole");
    assert!(opened.is_shared());
    opened.verify(&path).expect("whole");
    let scorer = CodeScorer::new(Metric::L2, &rows[..20], CodeKind::F16);
    for row in 0..30 {
        assert_eq!(scorer.bounds(&opened, row), scorer.bounds(&codes, row));
    }
}

#[test]
fn every_flipped_byte_is_found() {
    for kind in KINDS {
        let whole = encode(kind, 5, &Random(12).normal(5 * 7)).as_bytes().to_vec();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            // The header when it is opened, the rest when it is verified.
            assert_eq!(open(bytes.clone()).is_err(), at < 128, "byte {at}");
            let error = verified(bytes).expect_err("damaged");
            assert!(error.to_string().starts_with("5.codes"), "{error}");
        }
    }
}

#[test]
fn every_cut_length_is_found() {
    let whole = encode(CodeKind::I8, 5, &Random(13).normal(5 * 7)).as_bytes().to_vec();
    for length in 0..whole.len() {
        assert!(open(whole[..length].to_vec()).is_err(), "{length} bytes");
    }
    let error = open([&whole[..], &[0]].concat()).expect_err("longer");
    assert!(error.to_string().contains("size mismatch: expected"), "{error}");
}

/// A file with these header fields, its header's checksum right.
fn with_fields(fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = encode(CodeKind::I8, 5, &Random(14).normal(5 * 7)).as_bytes().to_vec();
    for (at, field) in fields {
        bytes[*at..at + field.len()].copy_from_slice(field);
    }
    let crc = cairn_disk::crc32c(&bytes[..124]);
    bytes[124..128].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn headers_that_lie_are_refused() {
    let max = &[0xFF; 4];
    type Fields = [(usize, &'static [u8])];
    let cases: &[(&Fields, &str)] = &[
        (&[(8, &[9])], "Version mismatch: expected 1, got 9"),
        (&[(12, &[64])], "header length or reserved bytes"),
        (&[(20, &[1])], "segment number is too large"),
        (&[(24, &[0; 4])], "dimension or rows"),
        (&[(28, &[0; 4])], "dimension or rows"),
        (&[(24, max)], "dimension or rows"),
        (&[(28, max)], "columns are not where they belong"),
        (&[(32, &[3])], "unknown kind"),
        (&[(32, &[1])], "columns are not where they belong"),
        (&[(40, &[64])], "columns are not where they belong"),
        (&[(80, &[1])], "header length or reserved bytes"),
    ];
    for (fields, expected) in cases {
        let error = open(with_fields(fields)).expect_err("refused").to_string();
        assert!(error.contains(expected), "{fields:?}: {error}");
    }
    open(with_fields(&[])).expect("the checksum is put right");
}

proptest! {
    #[test]
    fn only_wanted_rows_are_found(
        count in 1usize..300, k in 0usize..20, seed in any::<u64>(), min in prop::option::of(-1.0..1.0f64),
        keep in prop::option::of(prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 0..6)),
        dead in prop::option::of(prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 0..6)),
    ) {
        let rows = Random(seed).vector(count * 9);
        let query = Random(seed ^ 1).vector(9);
        let bit = |bits: &[u64], row: u32| bits.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
        let wanted = |row| keep.as_ref().is_none_or(|bits| bit(bits, row))
            && dead.as_ref().is_none_or(|bits| !bit(bits, row));
        for metric in METRICS {
            let scorer = Scorer::new(metric, &query);
            for kind in KINDS {
                let (codes, code_scorer) = (encode(kind, 9, &rows), CodeScorer::new(metric, &query, kind));
                let bits = (keep.as_deref(), dead.as_deref());
                let found = by_codes(&scorer, &codes, &code_scorer, &rows, Prefilter::new(k, min), bits);
                prop_assert_eq!(found.best, exact(&scorer, &rows, k, min, wanted));
            }
        }
    }

    #[test]
    fn bounds_hold_for_any_finite_numbers(
        pairs in prop::collection::vec((any::<f32>(), any::<f32>()), 1..80)
    ) {
        let finite = |x: f32| if x.is_finite() { x } else { f32::MAX };
        let (query, row): (Vec<f32>, Vec<f32>) = pairs.into_iter().map(|(a, b)| (finite(a), finite(b))).unzip();
        let rows = [&row[..], &query[..]].concat();
        let codes = KINDS.map(|kind| encode(kind, query.len(), &rows));
        check("any", &rows, &query, &codes);
    }

    #[test]
    fn damaged_columns_do_not_panic(seed in any::<u64>(), damage in prop::collection::vec(any::<(u16, u8)>(), 0..200)) {
        for kind in KINDS {
            let mut bytes = encode(kind, 70, &Random(seed).normal(70 * 4)).as_bytes().to_vec();
            for (at, byte) in &damage {
                let at = 128 + usize::from(*at) % (bytes.len() - 128);
                bytes[at] = *byte;
            }
            let codes = open(bytes).expect("the header is whole");
            for metric in METRICS {
                for set in InstructionSet::available() {
                    let scorer = CodeScorer::with(metric, &[1e30; 70], kind, set).expect("available");
                    scan_codes(&scorer, &codes, None, None, |row, bounds| {
                        assert!(bounds.lower <= bounds.upper, "{bounds:?}");
                        assert!(!scorer.score_row(&codes, row).is_nan());
                    });
                }
            }
        }
    }
}
