//! Tests of `cairn-engine`.

mod checkpoint;
mod corruption;
mod crash;
mod distance;
mod engine;
mod filter;
mod load;
mod model;
mod fusion;
mod metadata;
mod reference;
mod shape;
mod support;
mod top_k;
