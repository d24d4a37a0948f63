//! Settings: what applying a mutation depends on, and what the engine is opened with.

use crate::codec::Decoder;
use crate::distance::Metric;
use crate::error::{Error, Result};
use crate::wal_settings::WalSettings;
use cairn_disk::{Storage, Throttle, Throttled};
use cairn_log::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The settings of a collection that change what applying a mutation does. They are part of the state: a change is
/// itself a mutation, so replay always applies what was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How vectors are compared.
    #[serde(with = "metric_name")]
    pub metric: Metric,
    /// The fixed dimension; 0: the first vector fixes it.
    pub dimension: u32,
    /// How many events a context keeps, 1 to [`Settings::CTX_BUFFER_MAX`].
    pub ctx_buffer_size: u32,
    /// Within how many seconds of event time an equal ADD is a duplicate; 0: never.
    pub dedup_window_sec: u64,
    /// How many entries the dedup cache keeps; 0: nothing is a duplicate.
    pub dedup_cache_size: u32,
    /// How many contexts there may be; 0: unlimited.
    pub max_contexts: u32,
    /// How many neighbours an item keeps when it is pruned, by absolute score; 0: unlimited.
    pub max_neighbors_per_item: u32,
    /// The least absolute score that pruning keeps.
    pub min_support: f64,
    /// Whether products decay with the age of their events.
    pub temporal_cooccurrence: bool,
    /// The half-life of that decay, in seconds.
    pub temporal_half_life_sec: f64,
    /// Whether a DEL lowers scores.
    pub negative_signals: bool,
    /// By how much of the other event's score.
    pub negative_weight: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            metric: Metric::Cosine,
            dimension: 0,
            ctx_buffer_size: 50,
            dedup_window_sec: 60,
            dedup_cache_size: 10_000,
            max_contexts: 0,
            max_neighbors_per_item: 0,
            min_support: 0.0,
            temporal_cooccurrence: false,
            temporal_half_life_sec: 86_400.0,
            negative_signals: false,
            negative_weight: 0.5,
        }
    }
}

impl Settings {
    /// The largest ring of a context, as nvecd's. A ring past some 1,100 events takes a page of more than 16 KiB.
    pub const CTX_BUFFER_MAX: u32 = 10_000;
    /// Bytes of the encoding of docs/format.md.
    pub const BYTES: usize = 60;

    /// Refuses what cannot be applied, naming the setting.
    pub fn validate(&self, dimension_max: u32) -> Result<()> {
        let bad = |name: &str, expected: &str, got: String| {
            Err(Error::Input(format!("{name}: expected {expected}, got {got}")))
        };
        if self.dimension > dimension_max {
            return bad("default_dimension", &format!("at most {dimension_max}"), self.dimension.to_string());
        }
        if !(1..=Self::CTX_BUFFER_MAX).contains(&self.ctx_buffer_size) {
            let range = format!("1 to {}", Self::CTX_BUFFER_MAX);
            return bad("ctx_buffer_size", &range, self.ctx_buffer_size.to_string());
        }
        if !(self.min_support.is_finite() && self.min_support >= 0.0) {
            return bad("min_support", "a number of at least 0", self.min_support.to_string());
        }
        if !(self.temporal_half_life_sec.is_finite() && self.temporal_half_life_sec > 0.0) {
            return bad("temporal_half_life_sec", "more than 0", self.temporal_half_life_sec.to_string());
        }
        if !(self.negative_weight.is_finite() && self.negative_weight >= 0.0) {
            return bad("negative_weight", "a number of at least 0", self.negative_weight.to_string());
        }
        Ok(())
    }

    /// Appends the encoding of docs/format.md, [`Self::BYTES`] long.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.metric.byte());
        out.extend_from_slice(&self.dimension.to_le_bytes());
        out.extend_from_slice(&self.ctx_buffer_size.to_le_bytes());
        out.extend_from_slice(&self.dedup_window_sec.to_le_bytes());
        out.extend_from_slice(&self.dedup_cache_size.to_le_bytes());
        out.extend_from_slice(&self.max_contexts.to_le_bytes());
        out.extend_from_slice(&self.max_neighbors_per_item.to_le_bytes());
        out.extend_from_slice(&self.min_support.to_le_bytes());
        out.push(u8::from(self.temporal_cooccurrence));
        out.extend_from_slice(&self.temporal_half_life_sec.to_le_bytes());
        out.push(u8::from(self.negative_signals));
        out.extend_from_slice(&self.negative_weight.to_le_bytes());
        out.extend_from_slice(&[0; 5]);
    }

    /// The inverse of [`Settings::encode`], of exactly its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Settings> {
        if bytes.len() != Self::BYTES {
            return Err(Error::Decode("settings of another length"));
        }
        let mut d = Decoder::new(bytes);
        let flag = |byte: u8| match byte {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::Decode("a flag of the settings is neither 0 nor 1")),
        };
        let settings = Settings {
            metric: Metric::from_byte(d.u8()?).ok_or(Error::Decode("unknown metric"))?,
            dimension: d.u32()?,
            ctx_buffer_size: d.u32()?,
            dedup_window_sec: d.u64()?,
            dedup_cache_size: d.u32()?,
            max_contexts: d.u32()?,
            max_neighbors_per_item: d.u32()?,
            min_support: d.f64()?,
            temporal_cooccurrence: flag(d.u8()?)?,
            temporal_half_life_sec: d.f64()?,
            negative_signals: flag(d.u8()?)?,
            negative_weight: d.f64()?,
        };
        if d.take(5)? != [0; 5] {
            return Err(Error::Decode("reserved bytes of the settings are not zero"));
        }
        d.finish()?;
        settings.validate(u32::MAX)?;
        Ok(settings)
    }
}

mod metric_name {
    //! A metric by its name in JSON.
    use super::Metric;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(metric: &Metric, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(metric.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Metric, D::Error> {
        let name = String::deserialize(d)?;
        Metric::from_name(&name).ok_or_else(|| D::Error::custom("metric: expected cosine, dot or l2"))
    }
}

/// What one request may ask for; passing a limit is an error that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an id or a context's name; at most 65,535.
    pub id_bytes: usize,
    /// Bytes of one item's metadata, encoded.
    pub metadata_bytes: usize,
    /// Elements of a vector.
    pub dimension: u32,
    /// Results of one query.
    pub top_k: usize,
    /// Collections.
    pub collections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            id_bytes: 1_024,
            metadata_bytes: 64 << 10,
            dimension: 65_536,
            top_k: 1_000,
            collections: 1_024,
        }
    }
}

/// How results of both sides are fused.
#[derive(Debug, Clone, PartialEq)]
pub struct FusionSettings {
    /// Weight of vectors.
    pub alpha: f64,
    /// Weight of events.
    pub beta: f64,
    /// Whether alpha follows an item's number of neighbours when the query does not say.
    pub adaptive: bool,
    /// Alpha of an item with no neighbours.
    pub adaptive_max_alpha: f64,
    /// Alpha of a mature item.
    pub adaptive_min_alpha: f64,
    /// From how many neighbours on an item is mature.
    pub adaptive_maturity_threshold: u32,
}

impl Default for FusionSettings {
    fn default() -> Self {
        FusionSettings {
            alpha: 0.6,
            beta: 0.4,
            adaptive: false,
            adaptive_max_alpha: 0.9,
            adaptive_min_alpha: 0.2,
            adaptive_maturity_threshold: 50,
        }
    }
}

/// Periodic decay of co-occurrence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// Every how many seconds.
    pub interval_sec: u64,
    /// The factor, more than 0 and at most 1.
    pub alpha: f64,
}

/// What happens to the log while its archive cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivePolicy {
    /// How many bytes of log may wait for the archive.
    pub backlog_bytes_max: u64,
    /// What happens past that.
    pub when_full: WhenFull,
}

/// What happens when more log waits for the archive than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Writes are refused until the archive has caught up: nothing is missing in it.
    Refuse,
    /// Log that no checkpoint needs is dropped unarchived: the archive has a gap, which its listings show.
    Gap,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Records applied.
    pub records: u64,
    /// Records there are, as far as is known.
    pub total: u64,
}

/// How far the replay is that runs, or was that ran last: for whoever did not start it.
#[derive(Debug, Default)]
pub struct ReplayWatch {
    records: AtomicU64,
    total: AtomicU64,
}

impl ReplayWatch {
    /// How far it is; nothing before the first one, and from [`ReplayWatch::reset`] on.
    pub fn now(&self) -> ReplayProgress {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        ReplayProgress { records: of(&self.records), total: of(&self.total) }
    }

    /// Forgets the last one.
    pub fn reset(&self) {
        self.set(ReplayProgress { records: 0, total: 0 });
    }

    /// Nobody relies on the two numbers being of one moment.
    pub(crate) fn set(&self, now: ReplayProgress) {
        self.records.store(now.records, Ordering::Relaxed);
        self.total.store(now.total, Ordering::Relaxed);
    }
}

/// What an engine is opened with.
#[derive(Clone)]
pub struct Options {
    /// The default collection's settings; when they differ from the stored ones, the change is logged.
    pub settings: Settings,
    /// Limits of requests.
    pub limits: Limits,
    /// Fusion of results.
    pub fusion: FusionSettings,
    /// Periodic decay; `None`: none.
    pub decay: Option<Decay>,
    /// How the write-ahead log is kept; `None`: as the data directory remembers it, or by default.
    pub wal: Option<WalSettings>,
    /// What protects the log from being dropped before it is archived; `None`: nothing waits for an archive.
    pub archive: Option<ArchivePolicy>,
    /// How many checkpoints are kept at most for going back: more make going back faster, and take space.
    pub checkpoints_kept: usize,
    /// Told how far a replay is, now and then.
    pub progress: Option<Arc<dyn Fn(ReplayProgress) + Send + Sync>>,
    /// Shows how far the replay is that runs: of an opening, of going back, of a log from elsewhere.
    pub replayed: Arc<ReplayWatch>,
    /// Once it is set, what builds a state of the past or replays a log ends soon, with [`Error::Cancelled`]. Opening does not:
    /// without it there is nothing.
    pub cancel: Arc<AtomicBool>,
    /// How fast checkpoints, compaction, snapshots and restores write while writers wait for the log's syncs.
    pub throttle: Arc<Throttle>,
    /// Bytes of a sealed vector segment, about; at least 16 rows, at most 65,536.
    pub vector_segment_bytes: u32,
    /// How fast mapped files, which are opened by their headers, are read to their ends in the background.
    pub verify_bytes_per_second: u64,
    /// From how many rows on a segment of a collection with graphs has one: fewer are looked at one by one.
    pub graph_rows_min: u32,
    /// Whether segments are compacted, and their graphs and codes computed, in the background.
    pub maintenance: bool,
    /// After how many bytes of log a checkpoint is taken.
    pub checkpoint_log_bytes: u64,
    /// The clock; injected, so that a run can be replayed.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The disk for a log: what is removed of it goes without holding up its own syncs.
    pub(crate) fn log_disk(&self, storage: &Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Throttled::removing(Arc::clone(storage), Arc::clone(&self.throttle)))
    }

    /// Tells whoever wants to know how far a replay is.
    pub(crate) fn tell(&self, now: ReplayProgress) {
        self.replayed.set(now);
        if let Some(progress) = &self.progress {
            progress(now);
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("settings", &self.settings)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            settings: Settings::default(),
            limits: Limits::default(),
            fusion: FusionSettings::default(),
            decay: None,
            wal: None,
            archive: None,
            checkpoints_kept: 6,
            progress: None,
            replayed: Arc::default(),
            cancel: Arc::default(),
            throttle: Arc::default(),
            vector_segment_bytes: crate::vector_segment::SEGMENT_BYTES,
            verify_bytes_per_second: 100 << 20,
            graph_rows_min: 8_192,
            maintenance: true,
            checkpoint_log_bytes: 256 << 20,
            clock: Arc::new(SystemClock),
        }
    }
}
