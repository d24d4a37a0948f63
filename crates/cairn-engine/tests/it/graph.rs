//! The graph: recall, odd segments, files and damage.

use crate::support::file;
use cairn_disk::{Access, Bytes, SimDisk, Storage};
use cairn_engine::distance::{Scorer, inverse_norm};
use cairn_engine::graph::{
    BuildWork, Columns, Graph, GraphOf, GraphScratch, GraphSettings, Kernel, RowScore, Wanted,
};
use cairn_engine::{ErrorKind, Metric};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const OF: GraphOf = GraphOf { collection: 3, segment: 77 };
const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];
const PATH: &str = "db/segments/00000000000000000077.graph";
const K: usize = 10;

/// Vectors of one segment.
struct Rows {
    vectors: Vec<f32>,
    norms: Vec<f32>,
    dimension: usize,
}

impl Rows {
    fn new(vectors: Vec<f32>, dimension: usize) -> Self {
        let norms = vectors.chunks_exact(dimension).map(inverse_norm).collect();
        Self { vectors, norms, dimension }
    }

    fn columns(&self) -> Columns<'_> {
        Columns::new(&self.vectors, &self.norms, self.dimension).expect("they fit")
    }

    fn build_with(&self, metric: Metric, settings: &GraphSettings, threads: usize) -> Graph {
        let work = BuildWork::quiet(threads);
        let graph =
            Graph::build(self.columns(), metric, OF, settings, &work).expect("valid").expect("not cancelled");
        graph.verify(Path::new(PATH)).expect("whole");
        graph
    }

    fn build(&self, metric: Metric) -> Graph {
        self.build_with(metric, &GraphSettings::default(), 2)
    }

    /// The k best of the accepted rows, by a scan.
    fn truth(&self, scorer: &Scorer, accept: impl Fn(u32) -> bool) -> Vec<RowScore> {
        let columns = self.vectors.chunks_exact(self.dimension).zip(&self.norms);
        let mut all: Vec<RowScore> = (0..)
            .zip(columns)
            .filter(|(row, _)| accept(*row))
            .map(|(row, (vector, norm))| RowScore { row, score: scorer.score(vector, *norm) })
            .collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        all.truncate(K);
        all
    }
}

/// Gaussian clusters, some rows of them much longer than others.
fn clustered(rows: usize, dimension: usize, seed: u64) -> Rows {
    let mut state = seed;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as f32 / (1u64 << 31) as f32) - 0.5
    };
    let centres: Vec<f32> = (0..20 * dimension).map(|_| unit() * 4.0).collect();
    let mut vectors = Vec::new();
    for row in 0..rows {
        let centre = &centres[row % 20 * dimension..][..dimension];
        let length = 1.0 + unit();
        vectors.extend(centre.iter().map(|c| (c + unit() + unit()) * length));
    }
    Rows::new(vectors, dimension)
}

/// The shipped sample and its queries.
fn sample() -> (Rows, Vec<Vec<f32>>) {
    let read = |name: &str| {
        let all = file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/debian").join(name));
        let header = 10 + usize::from(u16::from_le_bytes([all[8], all[9]]));
        let halves = all[header..].as_chunks::<2>().0;
        halves.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect::<Vec<f32>>()
    };
    let queries = read("query_vectors.f16.npy").chunks_exact(384).map(<[f32]>::to_vec).collect();
    (Rows::new(read("vectors.f16.npy"), 384), queries)
}

/// How much of the truth is found. A row with a score as good as one that was missed counts: ties are as right.
fn recall(found: &[RowScore], truth: &[RowScore]) -> (usize, usize) {
    let worst = truth.last().map_or(f32::INFINITY, |worst| worst.score);
    (found.iter().filter(|hit| hit.score >= worst).count().min(truth.len()), truth.len())
}

/// Recall over many queries, of all rows or of the accepted ones.
fn measured<'q>(
    rows: &Rows,
    graph: &Graph,
    queries: impl Iterator<Item = &'q [f32]>,
    accept: Option<&dyn Fn(u32) -> bool>,
    wanted: Wanted,
) -> f64 {
    let mut scratch = GraphScratch::new();
    let (mut right, mut all) = (0, 0);
    for query in queries {
        let scorer = Scorer::new(graph.header().metric, query);
        let (columns, everything) = (rows.columns(), |_: u32| true);
        let found = match accept {
            None => graph.search(columns, &scorer, wanted, &mut scratch),
            Some(accept) => graph.search_accepting(columns, &scorer, wanted, accept, &mut scratch),
        }
        .expect("it fits");
        let accept = accept.unwrap_or(&everything);
        assert!(found.rows.iter().all(|hit| accept(hit.row)), "only what is accepted");
        let (r, a) = recall(found.rows, &rows.truth(&scorer, accept));
        (right, all) = (right + r, all + a);
    }
    right as f64 / all as f64
}

#[test]
fn the_sample_is_found_at_the_default_settings_by_every_metric() {
    let (rows, queries) = sample();
    for metric in METRICS {
        let graph = rows.build(metric);
        let queries = || queries.iter().map(Vec::as_slice);
        let recall = measured(&rows, &graph, queries(), None, Wanted::best(K));
        assert!(recall >= 0.99, "{metric:?}: {recall}");
        let alive = |row: u32| row % 10 > 2;
        let recall = measured(&rows, &graph, queries(), Some(&alive), Wanted::best(K));
        assert!(recall >= 0.99, "{metric:?}, 30 % dead: {recall}");
        for every in [2, 20] {
            let matching = |row: u32| row % every == 1;
            for wanted in [Wanted::best(K), Wanted::best(K).narrowed(1.0 / f64::from(every))] {
                let recall = measured(&rows, &graph, queries(), Some(&matching), wanted);
                assert!(recall >= 0.99, "{metric:?}, one of {every}, {wanted:?}: {recall}");
            }
        }
    }
}

#[test]
fn clusters_of_any_length_are_found_by_every_metric() {
    let rows = clustered(4_000, 24, 7);
    let queries = clustered(4_200, 24, 7).vectors.split_off(4_000 * 24);
    for metric in METRICS {
        let graph = rows.build(metric);
        let recall = measured(&rows, &graph, queries.chunks_exact(24), None, Wanted::best(K));
        assert!(recall >= 0.99, "{metric:?}: {recall}");
    }
}

#[test]
fn scores_are_those_of_the_columns_best_first_and_ties_by_row() {
    let rows = clustered(700, 10, 1);
    let doubled = Rows::new([rows.vectors.clone(), rows.vectors.clone()].concat(), 10);
    for metric in METRICS {
        let graph = doubled.build(metric);
        let scorer = Scorer::new(metric, &rows.vectors[..10]);
        let wanted = Wanted { ef: 200, ..Wanted::best(K) };
        let mut scratch = GraphScratch::new();
        let found = graph.search(doubled.columns(), &scorer, wanted, &mut scratch).expect("it fits");
        assert_eq!(found.rows, doubled.truth(&scorer, |_| true), "{metric:?}");
    }
}

#[test]
fn all_rows_of_a_tiny_or_uniform_segment_are_found() {
    let dimension = 5;
    let equal = |count: usize| [1.0, 2.0, -3.0, 0.5, 0.0].repeat(count);
    let zero = |count: usize| vec![0.0; count * dimension];
    let some = |count: usize| clustered(count, dimension, 3).vectors;
    let mut all = vec![Vec::new()];
    for count in [1, 2, 3, 17] {
        all.extend([equal(count), zero(count), some(count)]);
    }
    all.push([zero(40), equal(300), some(30)].concat());
    for vectors in all {
        let rows = Rows::new(vectors, dimension);
        for metric in METRICS {
            let graph = rows.build(metric);
            let count = rows.norms.len();
            let wanted = Wanted { k: count, ..Wanted::best(count) };
            let mut scratch = GraphScratch::new();
            for query in [[1.0, 2.0, -3.0, 0.5, 0.0], [0.0; 5], [-1.0, 0.3, 9.0, 2.0, 1.0]] {
                let scorer = Scorer::new(metric, &query);
                let found = graph.search(rows.columns(), &scorer, wanted, &mut scratch).expect("it fits");
                let mut numbers: Vec<u32> = found.rows.iter().map(|hit| hit.row).collect();
                numbers.sort_unstable();
                assert!(numbers.iter().copied().eq(0..count as u32), "{metric:?}, {count} rows");
            }
        }
    }
}

#[test]
fn thousands_of_equal_rows_can_all_be_reached() {
    let rows = Rows::new([0.25_f32, -1.0, 3.0].repeat(5_000), 3);
    let graph = rows.build(Metric::L2);
    let scorer = Scorer::new(Metric::L2, &[1.0, 1.0, 1.0]);
    let mut scratch = GraphScratch::new();
    let found = graph.search(rows.columns(), &scorer, Wanted::best(5_000), &mut scratch).expect("it fits");
    assert_eq!(found.rows.len(), 5_000);
}

#[test]
fn one_thread_builds_the_same_graph_twice_and_a_search_repeats_itself() {
    let rows = clustered(1_500, 16, 9);
    let build = || rows.build_with(Metric::Cosine, &GraphSettings::default(), 1);
    let graph = build();
    assert!(graph.bytes() == build().bytes());
    let mut scratch = GraphScratch::new();
    let mut search = |query: &[f32]| {
        let scorer = Scorer::new(Metric::Cosine, query);
        let found = graph.search(rows.columns(), &scorer, Wanted::best(K), &mut scratch).expect("it fits");
        found.rows.to_vec()
    };
    let queries: Vec<&[f32]> = rows.vectors.chunks_exact(16).take(50).collect();
    let first: Vec<_> = queries.iter().map(|query| search(query)).collect();
    let again: Vec<_> = queries.iter().map(|query| search(query)).collect();
    assert_eq!(first, again);
}

#[test]
fn a_walk_gives_up_when_it_may_not_visit_more() {
    let rows = clustered(3_000, 8, 5);
    let graph = rows.build(Metric::L2);
    let scorer = Scorer::new(Metric::L2, &rows.vectors[..8]);
    let wanted = Wanted { visits_max: 500, ..Wanted::best(K) };
    let mut scratch = GraphScratch::new();
    let rare = |row: u32| row % 500 == 499;
    let found = graph.search_accepting(rows.columns(), &scorer, wanted, rare, &mut scratch).expect("it fits");
    assert!(found.gave_up && found.visited > 500 && found.visited < 600, "{found:?}");
    let wanted = Wanted { visits_max: usize::MAX, ..wanted };
    let found = graph.search_accepting(rows.columns(), &scorer, wanted, rare, &mut scratch).expect("it fits");
    assert!(
        !found.gave_up && found.visited > 2_900,
        "all that accepts so little must see nearly all: {found:?}"
    );
    assert_eq!(found.rows.len(), 6);
}

#[test]
fn a_build_can_be_cancelled_and_says_how_far_it_is() {
    let rows = clustered(5_000, 8, 5);
    let (asked, linked) = (AtomicU32::new(0), AtomicU32::new(0));
    let build = |patience: u32| {
        asked.store(0, Ordering::Relaxed);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= patience;
        let progress = |rows: u32| {
            linked.fetch_max(rows, Ordering::Relaxed);
        };
        let work = BuildWork { threads: 2, cancelled: &cancelled, progress: &progress };
        Graph::build(rows.columns(), Metric::Dot, OF, &GraphSettings::default(), &work).expect("valid")
    };
    assert!(build(0).is_none());
    assert_eq!(linked.load(Ordering::Relaxed), 0);
    assert!(build(40).is_none());
    assert!(linked.load(Ordering::Relaxed) < 5_000);
    assert!(build(u32::MAX).is_some());
    assert_eq!(linked.load(Ordering::Relaxed), 5_000);
}

#[test]
fn what_few_accepted_rows_cost_is_known_before() {
    let rows = clustered(3_000, 8, 5);
    let graph = rows.build(Metric::L2);
    let wanted = Wanted::best(K);
    assert_eq!(wanted.narrowed(1.0), wanted);
    assert!(wanted.narrowed(0.25).ef == wanted.ef / 2 && wanted.narrowed(0.0).ef >= K);
    assert_eq!(graph.visits_expected(wanted, 0.0), 3_000);
    assert!(graph.visits_expected(wanted, 0.5) > graph.visits_expected(wanted, 1.0));
}

#[test]
fn rows_far_from_the_origin_are_told_apart() {
    let mut rows = clustered(2_000, 12, 8);
    rows.vectors.iter_mut().for_each(|x| *x += 500.0);
    let rows = Rows::new(rows.vectors, 12);
    let graph = rows.build(Metric::L2);
    let recall = measured(&rows, &graph, rows.vectors.chunks_exact(12).step_by(20), None, Wanted::best(K));
    assert!(recall >= 0.99, "{recall}");
}

#[test]
fn the_largest_and_the_smallest_floats_are_no_reason_to_fail() {
    for factor in [f32::MAX, 1e38, 1e-38, f32::MIN_POSITIVE / 1e6] {
        let mut rows = clustered(300, 7, 4);
        let most = rows.vectors.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        rows.vectors.iter_mut().for_each(|x| *x = *x / most * factor);
        let rows = Rows::new(rows.vectors, 7);
        for metric in METRICS {
            let graph = rows.build(metric);
            check_damaged(&rows, &graph, &[rows.vectors[..7].to_vec(), vec![1.0; 7], vec![f32::MAX; 7]]);
        }
    }
}

#[test]
fn every_kernel_of_this_processor_gives_the_same_dot_products() {
    let kernels = Kernel::available();
    for length in [64, 128, 384, 65_536] {
        let codes: Vec<u8> = (0..length as u32).map(|n| (n.wrapping_mul(0x9E37_79B1) >> 23) as u8).collect();
        let query: Vec<i8> = codes.iter().rev().map(|code| (*code ^ 0x80) as i8).collect();
        let cases =
            [(codes, query), (vec![255; length], vec![127; length]), (vec![255; length], vec![-128; length])];
        for (codes, query) in cases {
            let expected: i64 = codes.iter().zip(&query).map(|(c, q)| i64::from(*c) * i64::from(*q)).sum();
            for kernel in &kernels {
                assert_eq!(i64::from(kernel.dot(&codes, &query)), expected, "{kernel:?}, {length}");
            }
        }
    }
}

#[test]
fn bad_settings_and_columns_that_do_not_fit_are_refused_by_name() {
    let rows = clustered(30, 4, 2);
    let quiet = BuildWork::quiet(1);
    let good = GraphSettings::default();
    for (settings, word) in [
        (GraphSettings { degree: 3, ..good }, "degree"),
        (GraphSettings { degree: 257, build_list: 300, ..good }, "degree"),
        (GraphSettings { build_list: 31, ..good }, "build list"),
        (GraphSettings { alpha: 0.9, ..good }, "alpha"),
        (GraphSettings { alpha: f32::NAN, ..good }, "alpha"),
    ] {
        let refused = Graph::build(rows.columns(), Metric::Dot, OF, &settings, &quiet).expect_err("refused");
        assert!(refused.kind() == ErrorKind::Input && refused.to_string().contains(word), "{refused}");
    }
    assert!(Columns::new(&rows.vectors[1..], &rows.norms, 4).is_err());
    assert!(Columns::new(&[], &[], 0).is_err());
    let graph = rows.build(Metric::Dot);
    let mut scratch = GraphScratch::new();
    let fewer = clustered(29, 4, 2);
    for (columns, scorer) in [
        (fewer.columns(), Scorer::new(Metric::Dot, &[0.0; 4])),
        (rows.columns(), Scorer::new(Metric::L2, &[0.0; 4])),
        (rows.columns(), Scorer::new(Metric::Dot, &[0.0; 5])),
    ] {
        let refused = graph.search(columns, &scorer, Wanted::best(1), &mut scratch).expect_err("refused");
        assert_eq!(refused.kind(), ErrorKind::Input);
    }
}

#[test]
fn settings_of_an_hnsw_configuration_are_taken_over() {
    let settings = GraphSettings::from_hnsw(16, 200);
    assert_eq!((settings.degree, settings.build_list), (32, 200));
    for (m, ef) in [(0, 0), (2, 1), (u32::MAX, 10), (48, u32::MAX)] {
        GraphSettings::from_hnsw(m, ef).validate().expect("within the bounds");
    }
}

/// Bytes at an odd address, as an archive's may be.
#[derive(Debug)]
struct Odd(Vec<u8>, usize);

impl Odd {
    fn arc(bytes: &[u8]) -> Arc<dyn Bytes> {
        let mut all = vec![0; bytes.len() + 4];
        let at = (0..4).find(|at| (all.as_ptr().addr() + at) % 4 == 1).expect("one of four");
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all.truncate(at + bytes.len());
        Arc::new(Self(all, at))
    }
}

impl std::ops::Deref for Odd {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

impl Bytes for Odd {}

#[derive(Debug)]
struct Plain(Vec<u8>);

impl std::ops::Deref for Plain {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Bytes for Plain {}

fn open(bytes: &[u8]) -> cairn_engine::Result<Graph> {
    Graph::open(Path::new(PATH), Arc::new(Plain(bytes.to_vec())))
}

#[test]
fn a_graph_opened_from_its_file_answers_as_the_one_that_was_built() {
    let rows = clustered(2_000, 20, 11);
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("db/segments")).expect("made");
    for metric in METRICS {
        let built = rows.build(metric);
        disk.write_file(Path::new(PATH), built.bytes());
        let mapped = disk.open(Path::new(PATH), Access::Read).expect("there").map().expect("mapped");
        let opened = [
            Graph::open(Path::new(PATH), mapped.into()).expect("opens"),
            Graph::open(Path::new(PATH), Odd::arc(built.bytes())).expect("opens"),
        ];
        let mut scratch = GraphScratch::new();
        for graph in &opened {
            graph.verify(Path::new(PATH)).expect("whole");
            assert_eq!(graph.header(), built.header());
            assert!(graph.bytes() == built.bytes());
            for query in rows.vectors.chunks_exact(20).step_by(97) {
                let scorer = Scorer::new(metric, query);
                let mut find = |graph: &Graph| {
                    let found = graph
                        .search(rows.columns(), &scorer, Wanted::best(K), &mut scratch)
                        .expect("it fits");
                    (found.rows.to_vec(), found.visited)
                };
                assert_eq!(find(graph), find(&built));
            }
        }
    }
}

/// Whatever a damaged graph finds exists, has its right score, and was accepted.
fn check_damaged(rows: &Rows, graph: &Graph, queries: &[Vec<f32>]) {
    let mut scratch = GraphScratch::new();
    for query in queries {
        let scorer = Scorer::new(graph.header().metric, query);
        let odd = |row: u32| row % 2 == 1;
        for only_odd in [false, true] {
            let (columns, wanted) = (rows.columns(), Wanted::best(K));
            let found = if only_odd {
                graph.search_accepting(columns, &scorer, wanted, odd, &mut scratch)
            } else {
                graph.search(columns, &scorer, wanted, &mut scratch)
            };
            let Ok(found) = found else { continue };
            for hit in found.rows {
                let at = hit.row as usize;
                let vector = &rows.vectors[at * rows.dimension..][..rows.dimension];
                assert_eq!(hit.score, scorer.score(vector, rows.norms[at]));
                assert!(!only_odd || odd(hit.row));
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_found_by_verify_and_never_leads_astray() {
    let rows = clustered(40, 6, 13);
    let queries: Vec<Vec<f32>> = rows.vectors.chunks_exact(6).step_by(13).map(<[f32]>::to_vec).collect();
    let settings = GraphSettings { degree: 8, build_list: 20, ..GraphSettings::default() };
    let whole = rows.build_with(Metric::Cosine, &settings, 1);
    for at in 0..whole.bytes().len() {
        for flip in [0xff, 0x01] {
            let mut bytes = whole.bytes().to_vec();
            bytes[at] ^= flip;
            match open(&bytes) {
                Err(e) => {
                    assert!(matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version), "byte {at}: {e}");
                    assert!(e.to_string().contains(PATH), "{e}");
                }
                Ok(graph) => {
                    assert!(at >= 256, "byte {at} of the header");
                    let e = graph.verify(Path::new(PATH)).expect_err("damaged");
                    assert_eq!(e.kind(), ErrorKind::Corrupt, "byte {at}: {e}");
                    check_damaged(&rows, &graph, &queries);
                }
            }
        }
    }
}

#[test]
fn a_file_cut_at_any_length_does_not_open() {
    let rows = clustered(40, 6, 13);
    let whole = rows.build(Metric::L2);
    for length in 0..whole.bytes().len() {
        let e = open(&whole.bytes()[..length]).expect_err("cut");
        assert_eq!(e.kind(), ErrorKind::Corrupt, "{length}: {e}");
    }
    assert!(open(&[whole.bytes(), &[0]].concat()).is_err());
}

#[test]
fn lists_of_any_numbers_with_right_checksums_never_lead_astray() {
    let rows = clustered(60, 4, 17);
    let queries: Vec<Vec<f32>> = rows.vectors.chunks_exact(4).step_by(11).map(<[f32]>::to_vec).collect();
    let whole = rows.build(Metric::Dot);
    let position =
        |at: usize| u64::from_le_bytes(whole.bytes()[at..at + 8].try_into().expect("8 bytes")) as usize;
    for (section, bad) in
        [(80, 60), (80, u32::MAX), (128, 60), (128, u32::MAX - 1), (128, 59), (96, 0x7fc0_0000)]
    {
        let mut bytes = whole.bytes().to_vec();
        let (begin, length) = (position(section), position(section + 8));
        bytes[begin..begin + length].as_chunks_mut::<4>().0.fill(bad.to_le_bytes());
        let body = bytes.len() - 4;
        let crc = cairn_disk::crc32c(&bytes[..body]);
        bytes[body..].copy_from_slice(&crc.to_le_bytes());
        let graph = open(&bytes).expect("the header is whole");
        assert_eq!(graph.verify(Path::new(PATH)).is_err(), section != 96, "{section}, {bad}");
        check_damaged(&rows, &graph, &queries);
    }
}

/// Version 1: 50 rows of 6 elements by cosine.
const V1: &str = "tests/fixtures/v1.graph";

/// `CAIRN_WRITE_FIXTURE=DIR` writes the fixture of the version that is written now to DIR.
#[test]
fn a_graph_of_version_1_opens() {
    let rows = clustered(50, 6, 21);
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        let settings = GraphSettings { degree: 8, build_list: 20, ..GraphSettings::default() };
        let graph = rows.build_with(Metric::Cosine, &settings, 1);
        let path = Path::new(&dir).join("v1.graph");
        cairn_disk::write_new(&cairn_disk::RealDisk::new(), &path, graph.bytes()).expect("written");
    }
    let bytes = file(&Path::new(env!("CARGO_MANIFEST_DIR")).join(V1));
    let graph = open(&bytes).expect("opens");
    graph.verify(Path::new(PATH)).expect("whole");
    let header = graph.header();
    assert_eq!((header.collection, header.segment, header.rows), (3, 77, 50));
    assert_eq!((header.settings.degree, header.settings.build_list), (8, 20));
    let recall = measured(&rows, &graph, rows.vectors.chunks_exact(6), None, Wanted::best(K));
    assert!(recall >= 0.99, "{recall}");
}
