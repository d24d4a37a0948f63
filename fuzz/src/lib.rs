//! What the fuzz targets check. Each takes bytes from the fuzzer and panics when a promise is broken.
//!
//! Checksums would keep a fuzzer out, so the first byte of the input says how much of a log's is put right.

pub mod codes_open;
pub mod conversation;
pub mod graph_open;
pub mod http_bodies;
pub mod index;
pub mod log;
pub mod record;
pub mod scene;
pub mod seeds;
pub mod segment_open;
pub mod session;
pub mod snapshot;
pub mod transfer;
