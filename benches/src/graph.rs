//! The graph beside its peers: builds it over a set of vectors, then answers lines on stdin, so that `benches/peers/peers.py`
//! can run it in turns with the others.
//!
//! `search EF` prints `{"seconds", "recall"}` of all queries, one after the other in one thread, top 10. `dead SHARE EF` and
//! `filter SHARE EF` do it with that share of the rows dead, or accepted.

use crate::Result;
use crate::graph_set::{Set, read};
use crate::machine::resident_bytes;
use cairn_disk::{Access, RealDisk, Storage};
use cairn_engine::distance::{Scorer, inverse_norm};
use cairn_engine::graph::{BuildWork, Columns, Found, Graph, GraphOf, GraphScratch, GraphSettings, Wanted};
use cairn_engine::top_k::TopK;
use std::io::BufRead as _;
use std::path::Path;
use std::time::Instant;

const K: usize = 10;

/// Builds, reports, and answers until stdin ends. `CAIRN_GRAPH=DEGREE,LIST,ALPHA` takes other settings than the default.
pub fn run(dir: &Path) -> Result<()> {
    let set = read(dir)?;
    let norms: Vec<f32> = set.vectors.chunks_exact(set.dimension).map(inverse_norm).collect();
    let columns = Columns::new(&set.vectors, &norms, set.dimension)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = settings()?;
    let before = resident_bytes(std::process::id());
    let start = Instant::now();
    let of = GraphOf { collection: 0, segment: 0 };
    let built = Graph::build(columns, set.metric, of, &settings, &BuildWork::quiet(threads))?;
    let build_seconds = start.elapsed().as_secs_f64();
    let built = built.ok_or("a quiet build is not cancelled")?;
    let build_bytes = resident_bytes(std::process::id()).saturating_sub(before);

    // Searched as the engine would: from its file, mapped.
    let (disk, temp) = (RealDisk::new(), tempfile::tempdir()?);
    let path = temp.path().join("0.graph");
    cairn_disk::write_new(&disk, &path, built.bytes())?;
    drop(built);
    let start = Instant::now();
    let graph = Graph::open(&path, disk.open(&path, Access::Read)?.map()?.into())?;
    let load_seconds = start.elapsed().as_secs_f64();
    graph.verify(&path)?;
    println!(
        r#"{{"rows": {}, "dimension": {}, "metric": "{}", "threads": {threads}, "degree": {}, "build_list": {}, "build_seconds": {build_seconds:.3}, "build_bytes": {build_bytes}, "index_bytes": {}, "load_seconds": {load_seconds:.6}}}"#,
        columns.rows(),
        set.dimension,
        set.metric.name(),
        settings.degree,
        settings.build_list,
        graph.bytes().len(),
    );
    let bench = Bench { set: &set, columns, norms: &norms, graph: &graph };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["search", ef] => bench.plain(ef.parse()?)?,
            ["dead", share, ef] => bench.accepting(1.0 - share.parse::<f64>()?, ef.parse()?)?,
            ["filter", share, ef] => bench.accepting(share.parse()?, ef.parse()?)?,
            _ => return Err(format!("{line}: expected search EF, dead SHARE EF or filter SHARE EF").into()),
        }
    }
    Ok(())
}

fn settings() -> Result<GraphSettings> {
    let Ok(text) = std::env::var("CAIRN_GRAPH") else { return Ok(GraphSettings::default()) };
    let fields: Vec<&str> = text.split(',').collect();
    let [degree, list, alpha] = fields[..] else {
        return Err("CAIRN_GRAPH: expected DEGREE,LIST,ALPHA".into());
    };
    Ok(GraphSettings { degree: degree.parse()?, build_list: list.parse()?, alpha: alpha.parse()? })
}

struct Bench<'a> {
    set: &'a Set,
    columns: Columns<'a>,
    norms: &'a [f32],
    graph: &'a Graph,
}

impl Bench<'_> {
    fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.set.queries.chunks_exact(self.set.dimension)
    }

    fn plain(&self, ef: usize) -> Result<()> {
        let wanted = Wanted { k: K, ef, visits_max: usize::MAX };
        self.report(
            |scorer, scratch| Ok(self.graph.search(self.columns, scorer, wanted, scratch).map(rows)?),
            &self.set.truth,
        )
    }

    fn accepting(&self, share: f64, ef: usize) -> Result<()> {
        let accept = |row: u32| f64::from(row.wrapping_mul(0x9E37_79B1)) < share * 2f64.powi(32);
        let scan = |query: &[f32]| {
            let mut best = TopK::new(K, None);
            let scorer = Scorer::new(self.set.metric, query);
            for (row, (vector, norm)) in
                (0u32..).zip(self.set.vectors.chunks_exact(self.set.dimension).zip(self.norms))
            {
                if accept(row) {
                    best.offer(row, scorer.score(vector, *norm), |a, b| a.cmp(&b));
                }
            }
            best.finish(|a, b| a.cmp(&b)).iter().map(|scored| scored.item).collect()
        };
        let truth: Vec<Vec<u32>> = self.queries().map(scan).collect();
        let wanted = Wanted { k: K, ef, visits_max: usize::MAX };
        let search = |scorer: &Scorer, scratch: &mut GraphScratch| {
            Ok(self.graph.search_accepting(self.columns, scorer, wanted, accept, scratch).map(rows)?)
        };
        self.report(search, &truth)
    }

    fn report(
        &self,
        search: impl Fn(&Scorer, &mut GraphScratch) -> Result<(Vec<u32>, usize)>,
        truth: &[Vec<u32>],
    ) -> Result<()> {
        let mut scratch = GraphScratch::new();
        let mut found = Vec::new();
        let start = Instant::now();
        for query in self.queries() {
            found.push(search(&Scorer::new(self.set.metric, query), &mut scratch)?);
        }
        let seconds = start.elapsed().as_secs_f64();
        let right: usize = found
            .iter()
            .zip(truth)
            .map(|((rows, _), truth)| {
                rows.iter().filter(|row| truth.iter().take(K).any(|t| t == *row)).count()
            })
            .sum();
        let recall = right as f64 / (K * found.len()) as f64;
        let visited = found.iter().map(|(_, visited)| visited).sum::<usize>() / found.len();
        println!(r#"{{"seconds": {seconds:.6}, "recall": {recall:.5}, "visited": {visited}}}"#);
        Ok(())
    }
}

fn rows(found: Found<'_>) -> (Vec<u32>, usize) {
    (found.rows.iter().map(|hit| hit.row).collect(), found.visited)
}
