//! What several tests need: small databases on a simulated disk, and a scripted run of writes.

use cairn_disk::{RealDisk, SimDisk, Storage, read_file};
use cairn_engine::{
    Core, Database, Engine, EventOp, ManualClock, Metadata, OpenReport, Options, Result, Settings, View,
    WalSettings, Write,
};
use std::path::Path;
use std::sync::Arc;

pub const DIR: &str = "/db";

/// Options with a clock that stands still.
pub fn options() -> Options {
    Options { clock: Arc::new(ManualClock::new(1_700_000_000_000_000)), ..Options::default() }
}

/// Options with rings, dedup, temporal decay, negative signals and pruning all at work in a small space.
pub fn busy_options() -> Options {
    let settings = Settings {
        ctx_buffer_size: 6,
        dedup_cache_size: 40,
        temporal_cooccurrence: true,
        negative_signals: true,
        max_neighbors_per_item: 4,
        ..Settings::default()
    };
    // 16 rows of a few elements make a segment.
    Options { settings, wal: Some(small_wal()), vector_segment_bytes: 1, ..options() }
}

/// Small segments, and nothing of the past kept.
pub fn small_wal() -> WalSettings {
    WalSettings { segment_bytes: 16 << 10, retention_us: 0, ..WalSettings::default() }
}

pub fn storage(disk: &SimDisk) -> Arc<dyn Storage> {
    Arc::new(disk.clone())
}

pub fn open_core(disk: &SimDisk, options: &Options) -> Result<(Database, Core, OpenReport)> {
    Database::open(storage(disk), Path::new(DIR), options)
}

pub fn open(disk: &SimDisk, options: &Options) -> Engine {
    Engine::open(storage(disk), Path::new(DIR), options.clone()).expect("it opens").0
}

pub fn vector(id: &str, vector: &[f32]) -> Write {
    Write::VectorSet { id: id.to_owned(), vector: vector.to_vec() }
}

pub fn metadata(id: &str, text: &str) -> Write {
    Write::MetadataSet { id: id.to_owned(), metadata: Metadata::parse(text).expect("valid metadata") }
}

pub fn event(context: &str, id: &str, op: EventOp, score: u8, time_s: i64) -> Write {
    Write::Event { context: context.to_owned(), id: id.to_owned(), op, score, time_s: Some(time_s) }
}

/// A deterministic stream of numbers (SplitMix64, Steele, Lea and Flood 2014).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn unit(&mut self) -> f32 {
        self.below(2_001) as f32 / 1_000.0 - 1.0
    }
}

/// The `n`th write of a scripted run over few items and contexts: all of them valid.
pub fn scripted(n: u64, numbers: &mut Numbers) -> Write {
    let id = format!("item-{}", numbers.below(25));
    if n == 0 {
        // METASET needs an item with a vector.
        return vector("item-0", &[1.0, 0.0, 0.5, 0.25]);
    }
    match numbers.below(10) {
        0..3 => vector(&id, &[numbers.unit(), numbers.unit(), numbers.unit(), 1.0]),
        3 => metadata("item-0", &format!("n:{n},kind:x")),
        4 if n.is_multiple_of(17) => Write::Decay { factor: 0.875 },
        kind => {
            let op = match kind {
                4..8 => EventOp::Add,
                8 => EventOp::Set,
                _ => EventOp::Del,
            };
            let context = format!("context-{}", numbers.below(8));
            event(&context, &id, op, numbers.below(101) as u8, 1_700_000_000 + n as i64)
        }
    }
}

/// A shipped file's bytes.
pub fn file(path: &Path) -> Vec<u8> {
    read_file(&RealDisk::new(), path, 1 << 30).unwrap_or_else(|e| panic!("{e}"))
}

pub fn hash(view: &View) -> String {
    view.state_hash().iter().map(|b| format!("{b:02x}")).collect()
}

/// Seeds for runs beyond the usual ones: as many as CAIRN_SEEDS says (`just seeds`), else `usual`.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("CAIRN_SEEDS").ok().and_then(|text| text.parse().ok());
    1_000..1_000 + asked.unwrap_or(usual)
}
