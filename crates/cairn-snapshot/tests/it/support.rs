//! States, repositories and checks that the tests share.

use cairn_disk::{SimDisk, Storage};
use cairn_engine::{
    CheckReport, CollectionSpec, Elements, Engine, EventOp, ManualClock, Metadata, Options, Settings, View,
    Write, check_dir,
};
use cairn_snapshot::{Compression, CreateOptions, Job, Repository, Snapshot, VerifyReport};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2024-01-20T10:30:45Z.
pub const NOW_US: i64 = 1_705_746_645_000_000;
/// Where tests keep their repository.
pub const REPO: &str = "/backup/repo";
/// Where tests restore to.
pub const TARGET: &str = "/restored/db";

pub fn storage(disk: &SimDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

pub fn repo_path() -> &'static Path {
    Path::new(REPO)
}

pub fn target() -> &'static Path {
    Path::new(TARGET)
}

/// One thread: the same operations in the same order every time.
pub fn one_thread() -> Job<'static> {
    Job { threads: 1, ..Job::default() }
}

pub fn open(disk: &SimDisk) -> Repository {
    Repository::open(storage(disk), repo_path()).expect("the repository opens")
}

pub fn open_or_create(disk: &SimDisk) -> Repository {
    Repository::open_or_create(storage(disk), repo_path(), NOW_US).expect("the repository opens")
}

pub fn options(compression: Compression) -> CreateOptions {
    CreateOptions { compression, now_us: NOW_US, ..CreateOptions::default() }
}

pub fn create(disk: &SimDisk, view: View, options: &CreateOptions) -> Snapshot {
    cairn_snapshot::create(&open_or_create(disk), view, options, &one_thread())
        .expect("the snapshot is created")
}

pub fn verify(disk: &SimDisk, id: &str) -> VerifyReport {
    cairn_snapshot::verify(&open(disk), id, &one_thread()).expect("the snapshot can be read")
}

/// Restores to [`TARGET`] and checks the directory.
pub fn restore(disk: &SimDisk, id: &str) -> Result<CheckReport, cairn_snapshot::Error> {
    let repository = Repository::open(storage(disk), repo_path())?;
    cairn_snapshot::restore(&repository, id, &storage(disk), target(), NOW_US, &one_thread())?;
    Ok(check_dir(&storage(disk), target()).expect("a restored directory is whole"))
}

/// Settings under which everything a state can hold comes about.
pub fn settings() -> Settings {
    Settings {
        ctx_buffer_size: 12,
        max_neighbors_per_item: 2,
        temporal_cooccurrence: true,
        negative_signals: true,
        dedup_cache_size: 40,
        ..Settings::default()
    }
}

/// An engine on a disk of its own.
pub fn engine(settings: Settings) -> Engine {
    let options = Options { settings, clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
    let disk: Arc<dyn Storage> = Arc::new(SimDisk::new(1));
    Engine::open(disk, Path::new("/db"), options).expect("the engine opens").0
}

pub fn write(engine: &Engine, writes: Vec<Write>) {
    for result in engine.write(writes) {
        result.expect("the write is accepted");
    }
}

pub fn vector(id: &str, vector: &[f32]) -> Write {
    Write::VectorSet { id: id.to_owned(), vector: vector.to_vec() }
}

pub fn metadata(id: &str, text: &str) -> Write {
    Write::MetadataSet { id: id.to_owned(), metadata: Metadata::parse(text).expect("metadata") }
}

pub fn event(context: &str, id: &str, op: EventOp, score: u8, time_s: i64) -> Write {
    Write::Event { context: context.to_owned(), id: id.to_owned(), op, score, time_s: Some(time_s) }
}

/// A little of everything: vectors, metadata of each type, rings with all operations, duplicates, decay, pruned lists,
/// items without a vector, ids that are not ASCII.
pub fn full_state() -> View {
    let engine = engine(settings());
    let ids = ["a", "b", "c", "d", "e", "f", "g", "héllo wörld", "日本", "z"];
    for (at, id) in ids.iter().enumerate().take(8) {
        let x = at as f32;
        write(&engine, vec![vector(id, &[x + 0.25, -x, 1.0 / (x + 1.0)])]);
    }
    write(
        &engine,
        vec![metadata("a", "price:10,ok:true,name:\"two words\",f:1.5"), metadata("b", "section:net")],
    );
    for round in 0..3 {
        for (at, id) in ids.iter().enumerate() {
            let time_s = 1_700_000_000 + round * 100 + at as i64;
            write(&engine, vec![event("alice", id, EventOp::Add, 10 + at as u8, time_s)]);
            write(&engine, vec![event("bob", ids[(at * 3) % 10], EventOp::Set, 90 - at as u8, time_s)]);
        }
        write(
            &engine,
            vec![event("alice", "a", EventOp::Del, 0, 1_700_000_900), Write::Decay { factor: 0.3 }],
        );
    }
    // Never paired, and a duplicate.
    write(&engine, vec![event("carol", "b", EventOp::Add, 7, 5), event("carol", "b", EventOp::Add, 7, 6)]);
    let view = engine.view().expect("a view");
    engine.close().expect("the engine closes");
    view
}

/// As little as makes every kind of file: for tests that try every byte.
pub fn tiny_state() -> View {
    let engine = engine(Settings::default());
    write(&engine, vec![vector("a", &[1.0, 2.0]), vector("b", &[0.5, -1.0]), metadata("a", "k:1")]);
    write(&engine, vec![event("ctx", "a", EventOp::Add, 10, 100), event("ctx", "b", EventOp::Set, 20, 101)]);
    let view = engine.view().expect("a view");
    engine.close().expect("the engine closes");
    view
}

/// `items` vectors of `dimension` numbers of so many random-like bits, at most 24: files of some MiB. Few bits compress.
pub fn big_state(items: usize, dimension: usize, bits: u32) -> View {
    state_of(items, dimension, |seed| (seed >> (64 - bits)) as f32 - 0.5)
}

/// `items` vectors whose numbers have any sign and mantissa, and exponents of 64 kinds: nothing that compresses in any order.
pub fn noise_state(items: usize, dimension: usize) -> View {
    state_of(items, dimension, |seed| {
        let bits = (seed >> 32) as u32;
        f32::from_bits((bits & 0x807f_ffff) | (96 + (bits >> 23 & 63)) << 23)
    })
}

/// `items` vectors whose elements are made of 64 random bits each.
fn state_of(items: usize, dimension: usize, element: impl Fn(u64) -> f32) -> View {
    let engine = engine(Settings::default());
    let mut seed = 7u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        element(seed)
    };
    let writes: Vec<Write> = (0..items)
        .map(|i| vector(&format!("item-{i:06}"), &(0..dimension).map(|_| next()).collect::<Vec<_>>()))
        .collect();
    for batch in writes.chunks(512) {
        write(&engine, batch.to_vec());
    }
    let view = engine.view().expect("a view");
    engine.close().expect("the engine closes");
    view
}

/// A sealed segment and a few pages: 33 vectors of the largest dimension, which compress to nothing.
pub fn wide_state() -> View {
    let engine = engine(Settings::default());
    write(&engine, (0..33).map(|i| vector(&format!("{i}"), &vec![i as f32; 65_536])).collect());
    let view = engine.view().expect("a view");
    engine.close().expect("the engine closes");
    view
}

/// Segments of floats and a file of binary16 codes, which are stored shuffled: of some ten KiB each.
pub fn shuffled_state() -> View {
    let engine = shuffled_engine();
    let view = engine.view().expect("a view");
    engine.close().expect("the engine closes");
    view
}

/// The engine of [`shuffled_state`].
pub fn shuffled_engine() -> Engine {
    let options = Options {
        // 270 rows make a segment: fewer have no codes.
        vector_segment_bytes: 270 * 64 * 4,
        graph_rows_min: 64,
        maintenance: false,
        clock: Arc::new(ManualClock::new(NOW_US)),
        ..Options::default()
    };
    let disk: Arc<dyn Storage> = Arc::new(SimDisk::new(1));
    let engine = Engine::open(disk, Path::new("/db"), options).expect("the engine opens").0;
    let coded = CollectionSpec { elements: Elements::F16, ..CollectionSpec::default() };
    crate::nvec_collections::create(&engine, "coded", Settings::default(), coded);
    let mut seed = 9u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The exponents of embeddings, and mantissas as full.
        (seed >> 40) as f32 / 16_777_216.0 * 0.2 - 0.1
    };
    for name in ["default", "coded"] {
        let vectors = (0..290).map(|i| vector(&format!("{i}"), &[0; 64].map(|_| next()))).collect();
        crate::nvec_collections::write_to(&engine, name, vectors);
    }
    engine.wait_indexed(None).expect("indexed");
    engine
}

/// All files below a directory of a disk.
pub fn files_below(disk: &SimDisk, dir: &str) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.starts_with(dir)).collect()
}

/// Whether an error or finding is about this file: its text names the path, or the file that vouches for it.
pub fn names_file(text: &str, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).expect("tests use UTF-8 names");
    text.contains(name)
}
