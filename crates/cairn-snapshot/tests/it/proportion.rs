//! What an incremental snapshot takes is in proportion to what changed: 20,000 vectors of 128 elements and 50,000 events.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{Engine, EventOp, ManualClock, Options, Write};
use cairn_snapshot::{Base, Compression, CreateOptions, Job, Snapshot, SnapshotType, create_live};
use std::path::Path;
use std::sync::Arc;

const VECTORS: usize = 20_000;
const DIMENSION: usize = 128;
const EVENTS: usize = 50_000;

/// A database of this size, and its repository.
struct Scene {
    disk: SimDisk,
    engine: Engine,
    made: i64,
    seed: u64,
}

impl Scene {
    fn new() -> Scene {
        let disk = SimDisk::new(1);
        let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
        let (engine, _) = Engine::open(storage(&disk), Path::new("/db"), options).expect("it opens");
        let mut scene = Scene { disk, engine, made: 0, seed: 7 };
        scene.vectors(0, VECTORS);
        scene.events(0, EVENTS);
        scene.engine.checkpoint().expect("a checkpoint");
        open_or_create(&scene.disk);
        assert_eq!(scene.snapshot().0.snapshot_type, SnapshotType::Full);
        scene
    }

    fn element(&mut self) -> f32 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 40) as f32 / 16_777_216.0 - 0.5
    }

    /// Sets vectors spread over all items.
    fn vectors(&mut self, from: usize, n: usize) {
        let mut writes = Vec::with_capacity(n);
        for i in from..from + n {
            let elements: Vec<f32> = (0..DIMENSION).map(|_| self.element()).collect();
            writes.push(vector(&format!("item-{:05}", i * 7_919 % VECTORS), &elements));
        }
        self.write(&writes);
    }

    /// Events spread over all contexts and items.
    fn events(&mut self, from: usize, n: usize) {
        let one = |i: usize| {
            let (context, id) =
                (format!("user-{}", i * 31 % 997), format!("item-{:05}", i * 7_907 % VECTORS));
            event(&context, &id, EventOp::Add, (i % 101) as u8, 1_700_000_000 + i as i64 * 61)
        };
        self.write(&(from..from + n).map(one).collect::<Vec<_>>());
    }

    fn write(&self, writes: &[Write]) {
        for batch in writes.chunks(1_000) {
            write(&self.engine, batch.to_vec());
        }
    }

    /// The next snapshot, and by how many bytes the repository grew.
    fn snapshot(&mut self) -> (Snapshot, u64) {
        let before = self.in_repository();
        self.made += 1;
        let options = CreateOptions {
            base: Base::Newest,
            compression: Compression::None,
            now_us: NOW_US + self.made * 1_000_000,
            ..CreateOptions::default()
        };
        let made = create_live(&open(&self.disk), &self.engine, &options, &Job::default()).expect("created");
        (made.snapshot, self.in_repository() - before)
    }

    fn in_repository(&self) -> u64 {
        files_below(&self.disk, REPO).iter().map(|path| self.disk.read_file(path).len() as u64).sum()
    }

    /// Bytes of the log's values from one snapshot to another.
    fn logged(&self, from: &Snapshot, to: &Snapshot) -> u64 {
        let position = self.engine.view().expect("a view").position();
        assert_eq!(position.lsn, to.lsn);
        let range = self.engine.log_range((from.timeline, from.lsn), &position).expect("in the log");
        let mut bytes = 0;
        let mut count = |record: cairn_engine::LoggedRecord<'_>| {
            bytes += record.value.len() as u64;
            Ok::<(), cairn_engine::Error>(())
        };
        self.engine.read_log_range(&range, &mut count).expect("readable");
        bytes
    }
}

#[test]
fn the_repository_grows_by_what_changed() {
    let mut scene = Scene::new();
    let (mut last, grown) = scene.snapshot();
    println!("nothing changed: {grown} bytes");
    assert!(grown <= 16 << 10, "{grown} bytes for nothing");
    for (what, divisor) in [("0.1 %", 1_000), ("1 %", 100), ("10 %", 10)] {
        scene.vectors(divisor, VECTORS / divisor);
        scene.events(EVENTS + divisor * 1_000, EVENTS / divisor);
        let (made, grown) = scene.snapshot();
        let encoded = scene.logged(&last, &made);
        assert_eq!(made.snapshot_type, SnapshotType::Incremental);
        assert_eq!(made.changed_vectors, (VECTORS / divisor) as u64);
        let limit = encoded * 6 / 5 + (64 << 10);
        println!(
            "{what} changed, {encoded} bytes as mutations: the repository grows by {grown}, at most {limit}"
        );
        assert!(grown <= limit, "{what}: {grown} bytes, at most {limit}");
        assert_eq!(
            restore(&scene.disk, made.id.as_str()).expect("restored").state_hash,
            scene.engine.view().expect("a view").state_hash()
        );
        cairn_disk::Storage::remove_dir_all(&scene.disk, target()).expect("removed");
        last = made;
    }
    let (_, grown) = scene.snapshot();
    println!("nothing changed after that: {grown} bytes");
    assert!(grown <= 16 << 10, "{grown} bytes for nothing");
}
