//! Tests of `cairn-engine`.

mod checkpoint;
mod codes;
mod corruption;
mod crash;
mod distance;
mod engine;
mod field_index;
mod filter;
mod fixtures;
mod fusion;
mod load;
mod metadata;
mod model;
mod oracle;
mod pitr;
mod reference;
mod repair;
mod sample;
mod shape;
mod support;
mod timelines_crash;
mod top_k;
mod wal_modes;
