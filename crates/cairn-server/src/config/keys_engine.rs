//! The keys that set up the data: events, vectors, similarity, limits.

use super::keys::{Key, NOT_NEGATIVE, U32, U64, inert, key};
use super::value::Kind;
use cairn_engine::{Metric, Settings};
use std::path::PathBuf;

const POSITIVE: Kind = Kind::Float(f64::MIN_POSITIVE, f64::MAX);
const SHARE: Kind = Kind::Float(0.0, 1.0);
const GRAPH: &str = "the graph takes the place of an inverted file";

pub(crate) static ENGINE_KEYS: &[Key] = &[
    key("data.dir", Kind::Text, "cairn-data", "where the database is", |c, v| {
        c.data_dir = PathBuf::from(v.text())
    }),
    key(
        "events.ctx_buffer_size",
        Kind::Int(1, Settings::CTX_BUFFER_MAX as u64),
        "50",
        "events kept per context",
        |c, v| c.settings.ctx_buffer_size = v.u32(),
    ),
    key(
        "events.decay_interval_sec",
        U64,
        "3600",
        "seconds between decays of co-occurrence; 0: never",
        |c, v| c.decay.interval_sec = v.u64(),
    ),
    key(
        "events.decay_alpha",
        Kind::Float(f64::MIN_POSITIVE, 1.0),
        "0.99",
        "what scores are multiplied by at each decay",
        |c, v| c.decay.alpha = v.f64(),
    ),
    key(
        "events.dedup_window_sec",
        U64,
        "60",
        "seconds within which an equal ADD is a duplicate; 0: never",
        |c, v| c.settings.dedup_window_sec = v.u64(),
    ),
    key("events.dedup_cache_size", U32, "10000", "last events remembered to find duplicates", |c, v| {
        c.settings.dedup_cache_size = v.u32()
    }),
    key("events.max_contexts", U32, "0", "contexts there may be; 0: unlimited", |c, v| {
        c.settings.max_contexts = v.u32()
    }),
    key("events.max_neighbors_per_item", U32, "0", "neighbours an item keeps; 0: unlimited", |c, v| {
        c.settings.max_neighbors_per_item = v.u32()
    }),
    key("events.min_support", NOT_NEGATIVE, "0", "the least score that pruning keeps", |c, v| {
        c.settings.min_support = v.f64()
    }),
    key(
        "events.temporal_cooccurrence",
        Kind::Bool,
        "false",
        "products decay with the age of their events",
        |c, v| c.settings.temporal_cooccurrence = v.bool(),
    ),
    key(
        "events.temporal_half_life_sec",
        POSITIVE,
        "86400",
        "seconds after which a product has halved",
        |c, v| c.settings.temporal_half_life_sec = v.f64(),
    ),
    key("events.negative_signals", Kind::Bool, "false", "a DEL lowers scores", |c, v| {
        c.settings.negative_signals = v.bool()
    }),
    key("events.negative_weight", NOT_NEGATIVE, "0.5", "by how much of the other event's score", |c, v| {
        c.settings.negative_weight = v.f64()
    }),
    key(
        "vectors.default_dimension",
        U32,
        "0",
        "elements of every vector; 0: the first vector says",
        |c, v| c.settings.dimension = v.u32(),
    ),
    key(
        "vectors.distance_metric",
        Kind::Choice(&["cosine", "dot", "l2"]),
        "cosine",
        "how vectors are compared",
        |c, v| c.settings.metric = Metric::from_name(&v.text()).unwrap_or_default(),
    ),
    inert("similarity.default_top_k", U32, "100", "SIM and SIMV always name their number of results"),
    key("similarity.max_top_k", Kind::Int(1, 1 << 20), "1000", "results one query may ask for", |c, v| {
        c.limits.top_k = v.usize()
    }),
    key("similarity.fusion_alpha", NOT_NEGATIVE, "0.6", "weight of vectors in fusion", |c, v| {
        c.fusion.alpha = v.f64()
    }),
    key("similarity.fusion_beta", NOT_NEGATIVE, "0.4", "weight of events in fusion", |c, v| {
        c.fusion.beta = v.f64()
    }),
    key(
        "similarity.adaptive_fusion",
        Kind::Bool,
        "false",
        "fusion is adaptive when SIM does not say",
        |c, v| c.fusion.adaptive = v.bool(),
    ),
    key(
        "similarity.adaptive_min_alpha",
        SHARE,
        "0.2",
        "weight of vectors for an item with many neighbours",
        |c, v| c.fusion.adaptive_min_alpha = v.f64(),
    ),
    key(
        "similarity.adaptive_max_alpha",
        SHARE,
        "0.9",
        "weight of vectors for an item without neighbours",
        |c, v| c.fusion.adaptive_max_alpha = v.f64(),
    ),
    key("similarity.adaptive_maturity_threshold", U32, "50", "how many neighbours are many", |c, v| {
        c.fusion.adaptive_maturity_threshold = v.u32()
    }),
    inert("similarity.sample_size", U32, "0", "a search takes no sample"),
    key(
        "similarity.index_type",
        Kind::Choice(&["flat", "hnsw", "ivf"]),
        "flat",
        "how the collection default is searched",
        |c, v| c.default_spec.take_index(&v.text()),
    ),
    key(
        "similarity.hnsw_m",
        Kind::Int(2, 128),
        "16",
        "half of the most neighbours in default's graph",
        |c, v| c.default_spec.m = Some(v.u32()),
    ),
    key(
        "similarity.hnsw_ef_construction",
        Kind::Int(8, 4_096),
        "200",
        "candidates of building default's graph",
        |c, v| c.default_spec.ef_construction = Some(v.u32()),
    ),
    key(
        "similarity.hnsw_ef_search",
        Kind::Int(1, 100_000),
        "64",
        "candidates of a query along default's graph",
        |c, v| c.default_spec.ef_search = Some(v.u32()),
    ),
    inert("similarity.hnsw_max_elements", U32, "0", "a graph grows with its collection"),
    inert("similarity.ivf_enabled", Kind::Bool, "false", GRAPH),
    inert("similarity.ivf_nlist", U32, "256", GRAPH),
    inert("similarity.ivf_nprobe", U32, "8", GRAPH),
    inert("similarity.ivf_train_threshold", U32, "10000", GRAPH),
    inert("similarity.ivf_seal_threshold", U32, "100000", GRAPH),
    key("limits.id_bytes", Kind::Int(1, 65_535), "1024", "bytes of an id or a context's name", |c, v| {
        c.limits.id_bytes = v.usize()
    }),
    key("limits.metadata_bytes", Kind::Int(1, 1 << 24), "65536", "bytes of one item's metadata", |c, v| {
        c.limits.metadata_bytes = v.usize()
    }),
    key("limits.dimension", Kind::Int(1, 1 << 20), "65536", "elements of a vector", |c, v| {
        c.limits.dimension = v.u32()
    }),
];
