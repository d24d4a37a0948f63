//! The build of a graph: every row is looked for, and linked with what the walk met.
//!
//! Vamana of Subramanya et al., "DiskANN" (NeurIPS 2019), in one pass and over codes. Distances are Euclidean ones for every
//! metric: the cosine's between vectors of length 1, the dot product's with one more element that makes all vectors equally
//! long (Bachrach et al., "Speeding up the Xbox recommender system", RecSys 2014).

use super::codes::{Factors, Probe};
use super::lists::BuildLists;
use super::prune::{Near, Pruner};
use super::scratch::{GraphScratch, key};
use super::settings::GraphSettings;
use super::walk::{Ground, Lists, Table, Tools};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The most candidates of a pruning, which compares pairs of them.
const CANDIDATES_MAX: usize = 750;
/// Lists may grow to this many hundredths of the degree before they are pruned, so that few are pruned often.
const SLACK: usize = 130;
/// Rows a thread takes at a time.
const BATCH: u32 = 64;

/// How a build runs beside other work.
#[derive(Clone, Copy)]
pub struct BuildWork<'a> {
    /// How many threads, at least 1. With one, the same columns and settings give the same graph; with more, one as good.
    pub threads: usize,
    /// Asked every few dozen rows, by every thread: true ends the build.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told now and then, by any thread, how many rows are linked.
    pub progress: &'a (dyn Fn(u32) + Sync),
}

impl BuildWork<'_> {
    /// A build that nobody watches.
    #[must_use]
    pub fn quiet(threads: usize) -> Self {
        Self { threads, cancelled: &|| false, progress: &|_| {} }
    }
}

/// A row in the build's Euclidean space, but for its codes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub scale: f32,
    /// Of what the codes stand for.
    pub square: f32,
    /// The element that the dot product adds.
    pub extra: f32,
}

/// A build in progress.
pub(crate) struct Build<'a> {
    pub table: Table<'a>,
    pub places: &'a [Place],
    pub entries: &'a [u32],
    pub settings: &'a GraphSettings,
    pub lists: BuildLists,
}

/// What one thread works with.
#[derive(Default)]
struct Worker {
    scratch: GraphScratch,
    probe: Probe,
    pruner: Pruner,
    candidates: Vec<Near>,
    neighbours: Vec<u32>,
    list: Vec<u32>,
}

impl<'a> Build<'a> {
    pub fn new(
        table: Table<'a>,
        places: &'a [Place],
        entries: &'a [u32],
        settings: &'a GraphSettings,
    ) -> Self {
        let room = settings.degree as usize * SLACK / 100;
        let lists = BuildLists::new(table.rows, room);
        Self { table, places, entries, settings, lists }
    }

    /// Links all rows; false when it was cancelled.
    pub fn run(&self, work: &BuildWork<'_>) -> bool {
        let step = spread(self.table.rows);
        let row = |n: u32| (u64::from(n) * u64::from(step) % u64::from(self.table.rows)) as u32;
        let linked = AtomicU32::new(0);
        let insert = |worker: &mut Worker, n: u32| {
            self.insert(worker, row(n));
            let done = linked.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(1024) || done == self.table.rows {
                (work.progress)(done);
            }
        };
        self.on_all_rows(work, insert) && self.on_all_rows(work, |worker, row| self.cut(worker, row))
    }

    /// Calls `each` for every number below the rows, by all threads; false when it was cancelled.
    fn on_all_rows(&self, work: &BuildWork<'_>, each: impl Fn(&mut Worker, u32) + Sync) -> bool {
        let rows = self.table.rows;
        let (next, ended) = (AtomicU32::new(0), AtomicBool::new(false));
        let run = || {
            let mut worker = Worker::default();
            loop {
                let claim = |from: u32| (from < rows).then(|| from.saturating_add(BATCH).min(rows));
                let Ok(from) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim) else { return };
                if ended.load(Ordering::Relaxed) || (work.cancelled)() {
                    ended.store(true, Ordering::Relaxed);
                    return;
                }
                for n in from..from.saturating_add(BATCH).min(rows) {
                    each(&mut worker, n);
                    // A row takes about a tenth of a millisecond, a scheduler's turn several: who waits for this core gets it now.
                    std::thread::yield_now();
                }
            }
        };
        std::thread::scope(|scope| {
            (1..work.threads).for_each(|_| drop(scope.spawn(run)));
            run();
        });
        !ended.into_inner()
    }

    /// Looks for a row, and links it with the best of what the walk met.
    fn insert(&self, worker: &mut Worker, row: u32) {
        let Worker { scratch, probe, candidates, .. } = worker;
        candidates.clear();
        self.walk(row, scratch, |met| {
            let (other, distance) = (key::row(met), 0.0 - key::score(met));
            if other != row {
                candidates.push(Near { distance, row: other });
            }
        });
        probe.set_row(self.table.row(row), self.places[row as usize].scale);
        self.lists.each(row, |other| {
            let distance = self.distance(row, other, self.table.dot(probe, other));
            candidates.push(Near { distance, row: other });
        });
        self.choose(worker);
        let neighbours = std::mem::take(&mut worker.neighbours);
        self.lists.change(row, &mut worker.list, |list| list.clone_from(&neighbours));
        neighbours.iter().for_each(|neighbour| self.link(worker, *neighbour, row));
        worker.neighbours = neighbours;
    }

    /// Walks to a row, and leaves what is nearest to it in the pool.
    fn walk(&self, row: u32, scratch: &mut GraphScratch, gone_on: impl FnMut(u64)) {
        let GraphScratch { visited, pool, fresh, dots, probe, .. } = scratch;
        probe.set_row(self.table.row(row), self.places[row as usize].scale);
        pool.reset(self.settings.build_list as usize);
        let ground = Ground {
            table: self.table,
            lists: &self.lists,
            entries: self.entries,
            probe,
            score: |other, dot| -self.distance(row, other, dot),
        };
        ground.walk(&mut Tools { visited, pool, fresh, dots }, gone_on);
    }

    /// Rows near this one, nearest first.
    pub fn nearest(&self, row: u32, scratch: &mut GraphScratch) -> Vec<u32> {
        self.walk(row, scratch, |_| {});
        scratch.pool.keys().iter().map(|key| key::row(*key)).filter(|other| *other != row).collect()
    }

    /// Adds `row` to the neighbours of another, which is pruned when it is full.
    fn link(&self, worker: &mut Worker, to: u32, row: u32) {
        let mut list = std::mem::take(&mut worker.list);
        self.lists.change(to, &mut list, |list| {
            if list.contains(&row) {
                return;
            }
            list.push(row);
            if list.len() > self.lists.room() {
                self.prune_list(worker, to, list);
            }
        });
        worker.list = list;
    }

    /// Prunes a list that grew beyond the degree.
    fn cut(&self, worker: &mut Worker, row: u32) {
        let mut list = std::mem::take(&mut worker.list);
        self.lists.change(row, &mut list, |list| {
            if list.len() > self.settings.degree as usize {
                self.prune_list(worker, row, list);
            }
        });
        worker.list = list;
    }

    fn prune_list(&self, worker: &mut Worker, row: u32, list: &mut Vec<u32>) {
        worker.probe.set_row(self.table.row(row), self.places[row as usize].scale);
        worker.candidates.clear();
        for other in list.iter() {
            let distance = self.distance(row, *other, self.table.dot(&worker.probe, *other));
            worker.candidates.push(Near { distance, row: *other });
        }
        self.choose(worker);
        list.clone_from(&worker.neighbours);
    }

    /// Prunes the candidates to the neighbours.
    fn choose(&self, worker: &mut Worker) {
        let Worker { probe, pruner, candidates, neighbours, .. } = worker;
        candidates.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        candidates.dedup_by_key(|near| near.row);
        candidates.truncate(CANDIDATES_MAX);
        let mut probed = None;
        let distance = |one: u32, other: u32| {
            if probed != Some(one) {
                probe.set_row(self.table.row(one), self.places[one as usize].scale);
                probed = Some(one);
            }
            self.distance(one, other, self.table.dot(probe, other))
        };
        pruner.prune(candidates, self.settings.degree as usize, self.settings.alpha, neighbours, distance);
    }

    /// The squared distance of two rows, given the dot product of their codes.
    #[inline]
    fn distance(&self, one: u32, other: u32, dot: i32) -> f32 {
        let (a, b) = (&self.places[one as usize], &self.places[other as usize]);
        let extra = a.extra - b.extra;
        (a.square + b.square - 2.0 * a.scale * b.scale * dot as f32 + extra * extra).max(0.0)
    }
}

/// A step that takes turns through all rows far apart: near the golden ratio of them, and without a common divisor.
pub(crate) fn spread(rows: u32) -> u32 {
    let mut step = ((f64::from(rows) * 0.618_033_988_75) as u32).max(1);
    while gcd(step, rows.max(1)) != 1 {
        step += 1;
    }
    step
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The build's places of rows with these factors, squares and, for the dot product, norms.
pub(crate) fn places(factors: &[Factors], squares: &[f32], norms: Option<&[f32]>) -> Vec<Place> {
    let longest = norms.map_or(0.0, |norms| norms.iter().copied().fold(0.0, f32::max));
    let place = |n: usize| {
        let norm = norms.map_or(0.0, |norms| norms[n]);
        // (M − n)(M + n) and not M² − n²: no overflow where the square root has none.
        let extra = ((longest - norm).max(0.0)).sqrt() * (longest + norm).sqrt();
        Place { scale: factors[n].scale, square: squares[n], extra }
    };
    (0..factors.len()).map(place).collect()
}
