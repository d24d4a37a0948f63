//! A database whose vectors have graphs and codes: some mapped, some in memory.

use crate::nvec_collections::{create, write_to};
use crate::support::{NOW_US, event, metadata, settings, vector};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, Elements, Engine, EventOp, IndexKind, ManualClock, Options, Settings,
    StorageMode, View, Write,
};
use std::path::Path;
use std::sync::Arc;

/// An engine with three collections: `default` in memory, `mapped` with graphs, `coded` with codes of one byte.
pub struct Indexed {
    pub engine: Engine,
}

/// A collection, its segments, how many have graphs and codes, and how many lack one.
pub type IndexStats = (String, [u64; 4]);

impl Indexed {
    pub fn options() -> Options {
        Options {
            // 300 rows make a segment.
            vector_segment_bytes: 300 * 4 * 4,
            graph_rows_min: 64,
            maintenance: false,
            clock: Arc::new(ManualClock::new(NOW_US)),
            ..Options::default()
        }
    }

    pub fn new() -> Indexed {
        Indexed::on(Arc::new(SimDisk::new(1)), Path::new("/db"))
    }

    pub fn on(storage: Arc<dyn Storage>, dir: &Path) -> Indexed {
        let (engine, _) = Engine::open(storage, dir, Indexed::options()).expect("the engine opens");
        let mapped = CollectionSpec {
            storage: StorageMode::Mmap,
            index: IndexKind::Graph,
            m: 4,
            ..CollectionSpec::default()
        };
        let coded = CollectionSpec { elements: Elements::I8, ..CollectionSpec::default() };
        create(&engine, "mapped", Settings::default(), mapped);
        create(&engine, "coded", settings(), coded);
        for (seed, name) in ["default", "mapped", "coded"].into_iter().enumerate() {
            let element =
                |i: usize, j: usize| ((i * 7_919 + j * 104_729 + seed) % 1_009) as f32 / 504.5 - 1.0;
            let set = |i: usize| vector(&format!("{i}"), &[0, 1, 2, 3].map(|j| element(i, j)));
            write_to(&engine, name, (0..700).map(set).collect());
            write_to(&engine, name, vec![metadata("1", "k:1"), event("c", "1", EventOp::Add, 5, 1)]);
            write_to(&engine, name, (0..20).map(|i| Write::VectorDelete { id: i.to_string() }).collect());
        }
        let alias = CollectionChange::AliasSet { alias: "live".to_owned(), collection: "mapped".to_owned() };
        engine.change_collections(alias).expect("set");
        engine.wait_indexed(None).expect("indexed");
        // What is to be mapped is, once a checkpoint has it.
        engine.checkpoint().expect("a checkpoint");
        let indexed = Indexed { engine };
        let stats = |name: &str, counts: [u64; 4]| (name.to_owned(), counts);
        let expected =
            [stats("default", [2, 0, 0, 0]), stats("mapped", [2, 2, 0, 0]), stats("coded", [2, 0, 2, 0])];
        assert_eq!(indexed.stats(), expected);
        indexed
    }

    pub fn view(&self) -> View {
        self.engine.view().expect("a view")
    }

    pub fn stats(&self) -> Vec<IndexStats> {
        Indexed::stats_of(&self.engine)
    }

    pub fn stats_of(engine: &Engine) -> Vec<IndexStats> {
        let all = engine.storage_stats(None).expect("stats").into_iter();
        all.map(|s| (s.collection, [s.segments, s.graphs, s.codes, s.pending])).collect()
    }
}
