//! Imports: how fast files come in, beside reading them and the engine's own writes of the same rows.

use crate::Result;
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Engine, Options, Write};
use cairn_transfer::{
    Fields, Format, Ids, Importer, Input, Next, OnError, ReadOptions, RowReader, StateFile, engine_sink, open,
};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Runs of each; the median of the ratios counts.
const RUNS: usize = 5;

/// A file of the set, and how it is read.
struct Source {
    what: &'static str,
    path: PathBuf,
    format: Format,
    ids: Option<PathBuf>,
}

/// Imports the Debian sample, or the full set in the directory that `CAIRN_DEBIAN` names.
pub fn run() -> Result<()> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/debian");
    let dir = std::env::var_os("CAIRN_DEBIAN").map_or(sample, PathBuf::from);
    let items = dir.join("items.jsonl.gz");
    let sources = [
        Source {
            what: "vectors, npy of f16",
            path: dir.join("vectors.f16.npy"),
            format: Format::Npy,
            ids: Some(items.clone()),
        },
        Source { what: "metadata, JSON Lines in gzip", path: items, format: Format::JsonLines, ids: None },
        Source {
            what: "events, lines in gzip",
            path: dir.join("events.txt.gz"),
            format: Format::Lines,
            ids: None,
        },
    ];
    let mut figures: Vec<Vec<Times>> = sources.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        let (by_import, by_hand) = (Database::open()?, Database::open()?);
        for (source, figures) in sources.iter().zip(&mut figures) {
            figures.push(measure(source, &by_import, &by_hand)?);
        }
        let (imported, written) = (by_import.engine.view()?, by_hand.engine.view()?);
        assert_eq!(imported.counts(), written.counts());
    }
    for (source, times) in sources.iter().zip(&figures) {
        print(source, times);
    }
    let all = |run: usize, of: fn(&Times) -> f64| figures.iter().map(|times| of(&times[run])).sum::<f64>();
    let ratios = (0..RUNS).map(|run| all(run, |t| t.read + t.write) / all(run, |t| t.import));
    println!("| import of the three, one after the other | {:.2} × reading and writing |", median(ratios));
    Ok(())
}

/// What one run took, in seconds.
struct Times {
    rows: usize,
    read: f64,
    parse: f64,
    write: f64,
    import: f64,
}

struct Database {
    dir: tempfile::TempDir,
    disk: Arc<dyn Storage>,
    engine: Engine,
}

impl Database {
    fn open() -> Result<Database> {
        let dir = tempfile::tempdir()?;
        let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
        let (engine, _) = Engine::open(Arc::clone(&disk), &dir.path().join("data"), Options::default())?;
        Ok(Database { dir, disk, engine })
    }
}

fn reader(disk: &dyn Storage, source: &Source) -> Result<Box<dyn RowReader>> {
    let fields = Fields { ignored: vec!["text".to_owned()], ..Fields::default() };
    let ids = match &source.ids {
        Some(path) => Ids::from_input(Input::open(disk, path)?, &fields)?,
        None => Ids::numbers(""),
    };
    Ok(open(Input::open(disk, &source.path)?, source.format, ReadOptions { fields, ids })?)
}

fn measure(source: &Source, by_import: &Database, by_hand: &Database) -> Result<Times> {
    let disk = &*by_import.disk;
    let started = Instant::now();
    let mut piece = vec![0; 1 << 18];
    for path in [Some(&source.path), source.ids.as_ref()].into_iter().flatten() {
        let mut input = Input::open(disk, path)?;
        while input.read(&mut piece)? > 0 {}
    }
    let read = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let mut rows = reader(disk, source)?;
    let mut writes: Vec<Write> = Vec::new();
    while rows.next(&mut writes)? != Next::End {}
    let parse = started.elapsed().as_secs_f64();
    let rows = writes.len();
    let batch = Importer::default().batch_rows;
    let mut batches = Vec::new();
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(batch));
        batches.push(std::mem::replace(&mut writes, rest));
    }

    let started = Instant::now();
    for batch in batches {
        by_hand.engine.write(batch).into_iter().try_for_each(|answer| answer.map(drop))?;
    }
    let write = started.elapsed().as_secs_f64();

    let path = by_import.dir.path().join("state");
    let started = Instant::now();
    let state = StateFile { storage: disk, path: &path, target: "default" };
    let importer = Importer { on_error: OnError::Stop, state: Some(state), ..Importer::default() };
    let report = importer.run(&mut *reader(disk, source)?, engine_sink(&by_import.engine))?;
    let import = started.elapsed().as_secs_f64();
    assert!(report.end.is_done() && report.counts.written as usize == rows, "{:?}", report.end);
    Ok(Times { rows, read, parse, write, import })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(source: &Source, times: &[Times]) {
    let rows = times.first().map_or(0, |t| t.rows);
    let of = |field: fn(&Times) -> f64| median(times.iter().map(field));
    let (read, parse, write, import) = (of(|t| t.read), of(|t| t.parse), of(|t| t.write), of(|t| t.import));
    let ratio = median(times.iter().map(|t| (t.read + t.write) / t.import));
    println!(
        "| import, {rows} {}, with a state file | {:.0} rows/s ({import:.3} s); reading the file {read:.3} s, its rows {parse:.3} s, the engine's writes {write:.3} s: {ratio:.2} × the speed of reading and writing |",
        source.what,
        rows as f64 / import,
    );
}
