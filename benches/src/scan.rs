//! Exact search in the process, on one thread: how near the memory's bandwidth a scan of f32 vectors comes, and how much
//! faster the same ten are found through codes.

use crate::Result;
use cairn_engine::codes::{CodeKind, CodeScorer, Codes, Prefilter, scan_codes};
use cairn_engine::distance::{Metric, Scorer, inverse_norm, scan};
use cairn_engine::top_k::{Scored, TopK};
use std::hint::black_box;
use std::time::{Duration, Instant};

const VECTORS: usize = 100_000;
const DIMENSION: usize = 768;
/// Rows of a segment: 2 MiB of f32.
const SEGMENT_ROWS: usize = (2 << 20) / 4 / DIMENSION;
const QUERIES: usize = 31;
const TOP_K: usize = 10;

/// A segment of the engine: its vectors, and their codes of both kinds.
struct Segment {
    rows: Vec<f32>,
    norms: Vec<f32>,
    f16: Codes,
    i8: Codes,
}

impl Segment {
    fn codes(&self, kind: CodeKind) -> &Codes {
        match kind {
            CodeKind::F16 => &self.f16,
            CodeKind::I8 => &self.i8,
        }
    }
}

/// Prints the figures.
pub fn run() -> Result<()> {
    let mut random = Random(1);
    let centres: Vec<Vec<f32>> = (0..1000).map(|_| random.normal()).collect();
    let rows = VECTORS.div_ceil(SEGMENT_ROWS);
    let mut took = Duration::ZERO;
    let segments = (0..rows)
        .map(|n| {
            let count = SEGMENT_ROWS.min(VECTORS - n * SEGMENT_ROWS);
            segment(count, &centres, &mut random, &mut took)
        })
        .collect::<Result<Vec<_>>>()?;
    println!(
        "| codes of {VECTORS} × {DIMENSION}-d made, both kinds | {:.0} ns a row |",
        took.as_secs_f64() * 1e9 / VECTORS as f64
    );
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        measure(metric, &segments, &centres, &mut random)?;
    }
    Ok(())
}

fn segment(count: usize, centres: &[Vec<f32>], random: &mut Random, took: &mut Duration) -> Result<Segment> {
    let rows: Vec<f32> = (0..count).flat_map(|_| random.near(centres)).collect();
    let started = Instant::now();
    let codes = |kind| Codes::encode(kind, 0, 0, DIMENSION as u32, &rows);
    let (f16, i8) = (codes(CodeKind::F16)?, codes(CodeKind::I8)?);
    *took += started.elapsed();
    let norms = rows.chunks_exact(DIMENSION).map(inverse_norm).collect();
    Ok(Segment { rows, norms, f16, i8 })
}

/// Runs all ways beside each other, query by query, and prints the medians.
fn measure(metric: Metric, segments: &[Segment], centres: &[Vec<f32>], random: &mut Random) -> Result<()> {
    let mut times: [Vec<Duration>; 4] = Default::default();
    let mut rescored = [0, 0];
    for _ in 0..QUERIES {
        let query = random.near(centres);
        let scorer = Scorer::new(metric, &query);
        times[0].push(timed(|| black_box(segments.iter().map(|s| sum(&s.rows)).sum::<u64>())).0);
        let (time, plain) = timed(|| by_scan(&scorer, segments));
        times[1].push(time);
        for (at, kind) in [CodeKind::F16, CodeKind::I8].into_iter().enumerate() {
            let (time, (best, count)) = timed(|| by_codes(&scorer, metric, &query, kind, segments));
            times[2 + at].push(time);
            rescored[at] += count;
            if best != plain {
                return Err(format!("{metric:?} {kind:?}: found {best:?}, expected {plain:?}").into());
            }
        }
    }
    let bytes = VECTORS * DIMENSION * 4;
    let [read, plain, f16, i8] = times;
    println!(
        "| {}: {VECTORS} × {DIMENSION}-d f32, top {TOP_K}, one thread: a plain sum of the bytes; exact scan | \
         {:.1} GB/s; {:.1} ms, {:.2} × |",
        metric.name(),
        bytes as f64 / median(&read) / 1e9,
        median(&plain) * 1e3,
        ratio(&read, &plain)
    );
    for (name, times, rescored) in [("f16", f16, rescored[0]), ("i8", i8, rescored[1])] {
        println!(
            "| {}: by {name} codes, the same top {TOP_K} | {:.2} ms, {:.2} × the scan, {} rows scored exactly |",
            metric.name(),
            median(&times) * 1e3,
            ratio(&plain, &times),
            rescored / QUERIES
        );
    }
    Ok(())
}

/// The scan of the engine: f32 scores of all rows, the best few again in f64.
fn by_scan(scorer: &Scorer, segments: &[Segment]) -> Vec<Scored> {
    let mut best = TopK::new(TOP_K + 16, None);
    for (segment, first) in segments.iter().zip((0..).step_by(SEGMENT_ROWS)) {
        scan(scorer, &segment.rows, &segment.norms, 0, None, Some(&[]), |row, score| {
            best.offer(first + row, score, |a, b| a.cmp(&b));
        });
    }
    let mut exact = TopK::new(TOP_K, None);
    for scored in best.finish(|a, b| a.cmp(&b)) {
        exact.offer(scored.item, exactly(scorer, segments, scored.item), |a, b| a.cmp(&b));
    }
    exact.finish(|a, b| a.cmp(&b))
}

fn by_codes(
    scorer: &Scorer,
    metric: Metric,
    query: &[f32],
    kind: CodeKind,
    segments: &[Segment],
) -> (Vec<Scored>, usize) {
    let code_scorer = CodeScorer::new(metric, query, kind);
    let mut prefilter = Prefilter::new(TOP_K, None);
    for (segment, first) in segments.iter().zip((0..).step_by(SEGMENT_ROWS)) {
        scan_codes(&code_scorer, segment.codes(kind), None, Some(&[]), |row, bounds| {
            prefilter.offer(first + row, bounds);
        });
    }
    let found = prefilter.finish(|item| exactly(scorer, segments, item), |a, b| a.cmp(&b));
    (found.best, found.rescored)
}

fn exactly(scorer: &Scorer, segments: &[Segment], item: u32) -> f64 {
    let item = item as usize;
    let rows = &segments[item / SEGMENT_ROWS].rows;
    scorer.score_exactly(&rows[item % SEGMENT_ROWS * DIMENSION..][..DIMENSION])
}

/// Reads everything, and does as little as can be with it.
fn sum(rows: &[f32]) -> u64 {
    let (blocks, rest) = rows.as_chunks::<32>();
    let mut sums = [0_u32; 32];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(x.to_bits());
        }
    }
    sums.iter().map(|&sum| u64::from(sum)).sum::<u64>() + rest.len() as u64
}

fn timed<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = f();
    (started.elapsed(), result)
}

/// Seconds.
fn median(times: &[Duration]) -> f64 {
    middle(times.iter().map(Duration::as_secs_f64))
}

/// How many times as fast `times` are as `than`: the median over queries, of which each ran all ways at about one moment.
fn ratio(than: &[Duration], times: &[Duration]) -> f64 {
    middle(than.iter().zip(times).map(|(than, time)| than.as_secs_f64() / time.as_secs_f64()))
}

fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// A linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// About normally distributed: two sums of four, from one number each.
    fn normal(&mut self) -> Vec<f32> {
        let mut one = || {
            let bits = self.next();
            (0..4).map(|n| (bits >> (7 * n) & 127) as f32).sum::<f32>() / 64.0 - 3.97
        };
        (0..DIMENSION).map(|_| one()).collect()
    }

    /// A vector of a cluster: as far from its centre as the centre from zero.
    fn near(&mut self, centres: &[Vec<f32>]) -> Vec<f32> {
        let centre = &centres[self.next() as usize % centres.len()];
        self.normal().iter().zip(centre).map(|(x, c)| x + c).collect()
    }
}
