//! Searching a graph: a walk over the codes, then the scores of the best from the columns.

use super::Graph;
use super::columns::Columns;
use super::kernel::prefetch;
use super::scratch::{GraphScratch, key};
use super::walk::{Ground, Tools};
use crate::distance::Scorer;
use crate::error::{Error, Result};

/// How many rows a walk keeps unless asked otherwise.
pub const EF_DEFAULT: usize = 64;

/// A row and its score, as [`Scorer::score`] gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowScore {
    /// The row.
    pub row: u32,
    /// Larger is more alike.
    pub score: f32,
}

/// What a search is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How many rows.
    pub k: usize,
    /// How many rows the walk keeps, at least `k`: more find better rows, and take longer.
    pub ef: usize,
    /// A walk that accepts only some rows gives up when it has scored more than this many.
    pub visits_max: usize,
}

impl Wanted {
    /// The `k` best, by default.
    #[must_use]
    pub fn best(k: usize) -> Self {
        Self { k, ef: EF_DEFAULT.max(k), visits_max: usize::MAX }
    }

    /// What gives about the same recall when only this share of the rows is accepted, 0 to 1: a narrower walk, as it goes
    /// on until it has found `ef` accepted rows, and so sees more of the graph the fewer there are. (The square root is
    /// what was measured. Where what is accepted lies together, far from the query, ask for more.)
    #[must_use]
    pub fn narrowed(self, share: f64) -> Self {
        let narrow = (self.ef as f64 * share.clamp(0.0, 1.0).sqrt()).ceil() as usize;
        let least = self.k.saturating_add(self.k / 2).min(self.ef);
        Self { ef: narrow.max(least), ..self }
    }
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found<'a> {
    /// At most `k` rows, best first, by row where scores are equal. Fewer than there are only when the graph's file is
    /// damaged, the walk gave up, or `ef` was too small for what is accepted.
    pub rows: &'a [RowScore],
    /// How many rows were scored by their codes.
    pub visited: usize,
    /// Whether the walk gave up: then `rows` are the best of what it had seen, and an exact scan is the better way.
    pub gave_up: bool,
}

impl Graph {
    /// The rows most like the scorer's query. The same graph, columns and query give the same answer.
    ///
    /// # Errors
    /// [`Error::Input`] when columns or query are not of this graph's rows, dimension and metric.
    pub fn search<'s>(
        &self,
        columns: Columns<'_>,
        scorer: &Scorer,
        wanted: Wanted,
        scratch: &'s mut GraphScratch,
    ) -> Result<Found<'s>> {
        self.find(columns, scorer, wanted, None::<fn(u32) -> bool>, scratch)
    }

    /// As [`search`](Self::search), but only rows that `accept` takes are found; others are walked through. The fewer
    /// rows are accepted, the more are visited for each that is found.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_accepting<'s>(
        &self,
        columns: Columns<'_>,
        scorer: &Scorer,
        wanted: Wanted,
        accept: impl Fn(u32) -> bool,
        scratch: &'s mut GraphScratch,
    ) -> Result<Found<'s>> {
        self.find(columns, scorer, wanted, Some(accept), scratch)
    }

    /// About how many rows a walk scores when it accepts this share of the rows, 0 to 1. Where that is not far below the
    /// number of accepted rows, scoring those is faster, and exact.
    #[must_use]
    pub fn visits_expected(&self, wanted: Wanted, share: f64) -> usize {
        let header = self.header();
        let visits =
            wanted.ef as f64 * f64::from(header.settings.degree) / 2.0 / share.max(f64::MIN_POSITIVE);
        (visits + f64::from(header.entries)).min(f64::from(header.rows)) as usize
    }

    fn find<'s>(
        &self,
        columns: Columns<'_>,
        scorer: &Scorer,
        wanted: Wanted,
        accept: Option<impl Fn(u32) -> bool>,
        scratch: &'s mut GraphScratch,
    ) -> Result<Found<'s>> {
        self.check(columns, scorer)?;
        let view = self.file.view();
        let GraphScratch { visited, pool, frontier, fresh, dots, probe, hits } = scratch;
        probe.set_query(scorer.operand(), view.mean);
        pool.reset(wanted.ef.max(wanted.k).min(view.table.rows as usize));
        let (factors, query_scale) = (view.factors, probe.scale);
        let ground = Ground {
            table: view.table,
            lists: &view.lists,
            entries: view.entries,
            probe,
            score: |row, dot| {
                let factors = &factors[row as usize];
                query_scale * factors.scale * dot as f32 + factors.term
            },
        };
        let mut tools = Tools { visited, pool, fresh, dots };
        let gave_up = match accept {
            None => {
                ground.walk(&mut tools, |_| {});
                false
            }
            Some(accept) => !ground.walk_accepting(&mut tools, frontier, wanted.visits_max, accept),
        };
        score_best(columns, scorer, wanted.k, pool.keys(), hits);
        Ok(Found { rows: hits, visited: visited.count(), gave_up })
    }

    fn check(&self, columns: Columns<'_>, scorer: &Scorer) -> Result<()> {
        let header = self.header();
        let expected = (header.rows, header.dimension as usize, header.metric);
        let got = (columns.rows(), columns.dimension(), scorer.metric());
        if got == expected && scorer.dimension() == columns.dimension() {
            return Ok(());
        }
        Err(Error::Input(format!(
            "graph search: expected {} rows of {} elements and {}, got {} of {} and {}, with a query of {}",
            expected.0,
            expected.1,
            expected.2.name(),
            got.0,
            got.1,
            got.2.name(),
            scorer.dimension()
        )))
    }
}

/// Scores, with the columns, as many of the best by codes as may be among the `k` best.
fn score_best(columns: Columns<'_>, scorer: &Scorer, k: usize, keys: &[u64], hits: &mut Vec<RowScore>) {
    /// By codes, a row's place among the best is off by a few.
    const MORE: usize = 10;
    let count = k.saturating_add(k.max(MORE)).min(keys.len());
    let keys = &keys[..count];
    hits.clear();
    columns.want(keys.iter().map(|key| key::row(*key)));
    keys.iter().take(2).for_each(|key| prefetch(columns.vector(key::row(*key))));
    for (n, key) in keys.iter().enumerate() {
        if let Some(later) = keys.get(n + 2) {
            prefetch(columns.vector(key::row(*later)));
        }
        let row = key::row(*key);
        hits.push(RowScore { row, score: scorer.score(columns.vector(row), columns.inverse_norm(row)) });
    }
    hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    hits.truncate(k);
}
