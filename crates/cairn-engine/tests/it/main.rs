//! Tests of `cairn-engine`.

mod checkpoint;
mod codes;
mod collections;
mod compaction;
mod corruption;
mod crash;
mod distance;
mod engine;
mod filter;
mod fixtures;
mod fusion;
mod graph;
mod load;
mod metadata;
mod model;
mod oracle;
mod pitr;
mod recall;
mod reference;
mod repair;
mod sample;
mod shape;
mod support;
mod timelines_crash;
mod top_k;
mod wal_modes;
